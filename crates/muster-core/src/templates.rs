//! Policies that groups carry, written from templates.
//!
//! Each built-in template says why it is as it is, with its source. Values go into the parsed document, never into its text, so
//! that none of them can add a statement.

use serde_json::Value;

/// Where a policy is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Twelve digits.
    pub account_id: String,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A time such as `12h`; policies count it in seconds.
    Time,
    /// Addresses and networks such as `203.0.113.0/24`: one or a list.
    Networks,
}

/// A parameter of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the config.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it has to be given. The statements that use one that is neither are left out.
    pub is_required: bool,
}

/// A policy with holes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its name, which configs use.
    pub name: &'static str,
    /// What can be said about it.
    pub parameters: &'static [Parameter],
    text: &'static str,
}

/// Why a template makes no policy with these parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The parameters are no table.
    #[error("the parameters of `{0}` are not a table")]
    NoTable(String),
    /// There is no such parameter.
    #[error("`{template}` has no parameter `{given}`{}", known(.template))]
    Unknown {
        /// The template.
        template: String,
        /// The parameter.
        given: String,
    },
    /// It has to be given.
    #[error("`{template}` needs its parameter `{missing}`: say it in `[policy.{template}]`")]
    Missing {
        /// The template.
        template: String,
        /// The parameter.
        missing: String,
    },
    /// The file is no template.
    #[error("`{template}` is no template: {why}")]
    Unreadable {
        /// The template.
        template: String,
        /// What is wrong with it.
        why: String,
    },
    /// A template names a parameter that the config says nothing about.
    #[error("`{template}` uses `{{{{{parameter}}}}}`, of which `[policy.\"{template}\"]` says nothing")]
    Undeclared {
        /// The template.
        template: String,
        /// The parameter.
        parameter: String,
    },
    /// It takes something else.
    #[error("`{parameter}` of `{template}` {why}")]
    Wrong {
        /// The template.
        template: String,
        /// The parameter.
        parameter: String,
        /// What it takes, and what is wrong with what was given.
        why: String,
    },
}

/// A template in a file of somebody's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTemplate {
    /// The file, as the config names it.
    pub file: String,
    /// The policy's name: that of the file without its folder and ending.
    pub name: String,
    text: Value,
}

/// What a template of the recipes has in place of the account's id.
const ACCOUNT_MARKER: &str = "AWS_ACCOUNT_ID";

impl OwnTemplate {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// Where it is no JSON, or its name is none that a policy can have.
    pub fn read(file: &str, text: &str) -> Result<Self, TemplateError> {
        let wrong = |why: String| TemplateError::Unreadable { template: file.to_owned(), why };
        let name = std::path::Path::new(file).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let good = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if name.is_empty() || name.len() > 100 || !name.chars().all(good) {
            return Err(wrong(format!("`{name}` cannot be the name of a policy")));
        }
        let is_taken = BUILT_IN.iter().any(|built_in| built_in.name.eq_ignore_ascii_case(name));
        if is_taken || name.to_ascii_lowercase().starts_with("interim-") {
            return Err(wrong(format!("`{name}` is a name of muster's own; call the file something else")));
        }
        let text: crate::document::Unambiguous = serde_json::from_str(text).map_err(|error| {
            wrong(format!("it is no JSON ({error}); write \"{{{{name}}}}\" in quotes, also for a list"))
        })?;
        let text = text.0;
        if let Some(key) = key_with_hole(&text) {
            return Err(wrong(format!("`{key}` is a name, and parameters stand in values only")));
        }
        Ok(Self { file: file.to_owned(), name: name.to_owned(), text })
    }

    /// Writes the policy. Every parameter that the template uses must be given, and used if it is given.
    ///
    /// # Errors
    ///
    /// With the first parameter that is not.
    pub fn policy(&self, given: Option<&Value>, place: &Place) -> Result<Value, TemplateError> {
        let nothing = serde_json::Map::new();
        let given = match given {
            None => &nothing,
            Some(Value::Object(given)) => given,
            Some(_) => return Err(TemplateError::NoTable(self.file.clone())),
        };
        let mut used = std::collections::BTreeSet::new();
        holes(&self.text, &mut used);
        let ours = ["account_id", "partition"];
        let known = |name: &String| given.contains_key(name) || ours.contains(&name.as_str());
        if let Some(parameter) = used.iter().find(|name| !known(name)) {
            let (template, parameter) = (self.file.clone(), parameter.clone());
            return Err(TemplateError::Undeclared { template, parameter });
        }
        if let Some(unused) = given.keys().find(|name| !used.contains(*name)) {
            return Err(TemplateError::Unknown { template: self.file.clone(), given: unused.clone() });
        }
        let mut values: Vec<(&str, Value)> =
            given.iter().map(|(name, v)| (name.as_str(), v.clone())).collect();
        values.push(("partition", Value::from(place.partition.as_str())));
        values.push(("account_id", Value::from(place.account_id.as_str())));
        let mut policy = self.text.clone();
        mark(&mut policy, &place.account_id);
        if !fill(&mut policy, &values) {
            let why = "a list stands in the middle of a longer text; it has to be the whole of it".to_owned();
            return Err(TemplateError::Unreadable { template: self.file.clone(), why });
        }
        Ok(policy)
    }
}

/// Returns a name of a member with a parameter in it.
fn key_with_hole(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => items.iter().find_map(key_with_hole),
        Value::Object(members) => members.iter().find_map(|(key, member)| {
            if key.contains("{{") { Some(key.as_str()) } else { key_with_hole(member) }
        }),
        _ => None,
    }
}

/// Finds the names between `{{` and `}}`.
fn holes(value: &Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let inside = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
            found.extend(inside.map(|(name, _)| name.trim().to_owned()));
        }
        Value::Array(items) => items.iter().for_each(|item| holes(item, found)),
        Value::Object(members) => members.values().for_each(|member| holes(member, found)),
        _ => {}
    }
}

/// Puts the account's id in where the recipes' marker stands.
fn mark(value: &mut Value, account_id: &str) {
    match value {
        Value::String(text) => *text = text.replace(ACCOUNT_MARKER, account_id),
        Value::Array(items) => items.iter_mut().for_each(|item| mark(item, account_id)),
        Value::Object(members) => members.values_mut().for_each(|member| mark(member, account_id)),
        _ => {}
    }
}

fn known(template: &str) -> String {
    let parameters = find(template).map_or(&[][..], |template| template.parameters);
    let names: Vec<String> = parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
    if names.is_empty() { ": it takes none".to_owned() } else { format!(": it takes {}", names.join(", ")) }
}

/// The built-in templates, by name.
pub const BUILT_IN: &[Template] = &[
    // Users need a password, so one can be denied to them; signing in itself asks no policy of the user.
    // Source: IAM User Guide, "Control IAM user access to the AWS Management Console".
    Template { name: "deny-console", parameters: &[], text: include_str!("templates/deny-console.json") },
    // A call by a long-lived key is one without the time at which a token was issued.
    // Source: IAM User Guide, "AWS global condition context keys", `aws:TokenIssueTime`.
    Template {
        name: "deny-access-keys",
        parameters: &[],
        text: include_str!("templates/deny-access-keys.json"),
    },
    // Long-lived keys have no `aws:MultiFactorAuthPresent` at all, hence `BoolIfExists`. That setting MFA up is left open lets nobody
    // with a stolen key add a device: since 2023 AWS wants MFA for that from whoever has a device (bulletin AWS-2023-001).
    // Source: IAM User Guide, "AWS: Allows MFA-authenticated IAM users to manage their own credentials on the Security credentials
    // page", and its remarks; services that call on a user's behalf bring no MFA along (AWS re:Post, "mfa-iam-user-aws-cli").
    Template {
        name: "enforce-mfa",
        parameters: &[Parameter { name: "max_session_age", kind: Kind::Time, is_required: false }],
        text: include_str!("templates/enforce-mfa.json"),
    },
    // Source: IAM User Guide, "AWS: Denies access to AWS based on the source IP". A call through a VPC endpoint has no source
    // address, and is denied.
    Template {
        name: "enforce-source-ip",
        parameters: &[Parameter { name: "source_ip", kind: Kind::Networks, is_required: true }],
        text: include_str!("templates/enforce-source-ip.json"),
    },
    // Source: IAM User Guide, "AWS global condition context keys", `aws:SecureTransport`.
    Template { name: "enforce-tls", parameters: &[], text: include_str!("templates/enforce-tls.json") },
    Template {
        name: "read-own-account-info",
        parameters: &[],
        text: include_str!("templates/read-own-account-info.json"),
    },
    // `user/${aws:username}` is only somebody without a path; `user/*/${aws:username}` the others, and nobody else, for no name
    // has a slash. Source: IAM User Guide, "IAM identifiers".
    Template {
        name: "self-manage-credentials",
        parameters: &[],
        text: include_str!("templates/self-manage-credentials.json"),
    },
];

/// Returns the built-in template of this name.
pub fn find(name: &str) -> Option<&'static Template> {
    BUILT_IN.iter().find(|template| template.name == name)
}

impl Template {
    /// Checks what is said about the template.
    ///
    /// # Errors
    ///
    /// With the first parameter that is unknown, missing or wrong.
    pub fn check(&self, given: Option<&Value>) -> Result<(), TemplateError> {
        self.values(given).map(|_| ())
    }

    /// Writes the policy.
    ///
    /// # Errors
    ///
    /// With the first parameter that is unknown, missing or wrong.
    pub fn policy(&self, given: Option<&Value>, place: &Place) -> Result<Value, TemplateError> {
        let mut values = self.values(given)?;
        values.push(("partition", Value::from(place.partition.as_str())));
        values.push(("account_id", Value::from(place.account_id.as_str())));
        // Our own text, which a test reads.
        let mut policy: Value = serde_json::from_str(self.text).unwrap_or_default();
        if let Some(statements) = policy.get_mut("Statement").and_then(Value::as_array_mut) {
            statements.retain_mut(|statement| fill(statement, &values));
        }
        Ok(policy)
    }

    fn values(&self, given: Option<&Value>) -> Result<Vec<(&'static str, Value)>, TemplateError> {
        let nothing = serde_json::Map::new();
        let given = match given {
            None => &nothing,
            Some(Value::Object(given)) => given,
            Some(_) => return Err(TemplateError::NoTable(self.name.to_owned())),
        };
        if let Some(unknown) = given.keys().find(|key| self.parameters.iter().all(|p| p.name != key.as_str()))
        {
            return Err(TemplateError::Unknown { template: self.name.to_owned(), given: unknown.clone() });
        }
        let mut values = Vec::new();
        for parameter in self.parameters {
            match given.get(parameter.name) {
                Some(value) => {
                    let value = parameter.kind.read(value).map_err(|why| TemplateError::Wrong {
                        template: self.name.to_owned(),
                        parameter: parameter.name.to_owned(),
                        why,
                    })?;
                    values.push((parameter.name, value));
                }
                None if parameter.is_required => {
                    return Err(TemplateError::Missing {
                        template: self.name.to_owned(),
                        missing: parameter.name.to_owned(),
                    });
                }
                None => {}
            }
        }
        Ok(values)
    }
}

impl Kind {
    fn read(self, value: &Value) -> Result<Value, String> {
        match self {
            Self::Time => {
                let seconds = value.as_str().and_then(seconds).filter(|seconds| *seconds > 0);
                let text = seconds.ok_or("is a time such as \"12h\" or \"30m\", of a second or more")?;
                Ok(Value::from(text.to_string()))
            }
            Self::Networks => {
                let list = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
                if list.is_empty() {
                    return Err("is empty: that would deny everything".to_owned());
                }
                for network in &list {
                    network.as_str().map_or(Err(NO_NETWORK), check_network).map_err(|why| {
                        format!("takes networks such as \"203.0.113.0/24\", and {network} {why}")
                    })?;
                }
                Ok(list.into_iter().cloned().collect())
            }
        }
    }
}

/// Reads `30s`, `15m`, `12h` or `7d`.
fn seconds(text: &str) -> Option<u64> {
    let scale = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse::<u64>().ok())
        .flatten()?
        .checked_mul(scale)
}

/// What is wrong with something else altogether.
const NO_NETWORK: &str = "is none";

/// Checks that a text is an address or a network that is meant as it is written; says what is wrong with it.
fn check_network(text: &str) -> Result<(), &'static str> {
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address = address.parse::<std::net::IpAddr>().map_err(|_| NO_NETWORK)?;
    let (bits, size) = match address {
        std::net::IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        std::net::IpAddr::V6(address) => (u128::from(address), 128),
    };
    let Some(length) = length else { return Ok(()) };
    // A number as Rust reads it may have a sign.
    let length = length.parse::<u32>().ok().filter(|_| length.bytes().all(|b| b.is_ascii_digit()));
    match length {
        Some(0) => Err("is every address there is: that would deny nothing"),
        Some(length) if length <= size && bits.checked_shl(length).unwrap_or_default() == 0 => Ok(()),
        Some(length) if length <= size => Err("has an address that goes on behind the network's bits"),
        _ => Err(NO_NETWORK),
    }
}

/// Puts values in where `{{name}}` stands; returns false where one of them was not given.
fn fill(value: &mut Value, values: &[(&str, Value)]) -> bool {
    match value {
        Value::String(text) => {
            let whole = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
            if let Some(name) = whole.map(str::trim).filter(|name| !name.contains('{')) {
                let found = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
                return found.map(|found| *value = found).is_some();
            }
            let mut filled = String::with_capacity(text.len());
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("{{") {
                let Some((name, behind)) = after.split_once("}}") else { break };
                let found = values.iter().find(|(known, _)| *known == name.trim()).map(|(_, value)| value);
                let Some(found) = found else { return false };
                filled.push_str(before);
                match found {
                    Value::String(found) => filled.push_str(found),
                    Value::Number(_) | Value::Bool(_) => filled.push_str(&found.to_string()),
                    _ => return false,
                }
                rest = behind;
            }
            filled.push_str(rest);
            *text = filled;
            true
        }
        Value::Array(items) => items.iter_mut().all(|item| fill(item, values)),
        Value::Object(members) => members.values_mut().all(|member| fill(member, values)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place() -> Place {
        Place { partition: "aws-us-gov".to_owned(), account_id: "123456789012".to_owned() }
    }

    #[test]
    fn every_template_makes_a_policy_that_iam_takes() {
        for template in BUILT_IN {
            let given = json!({ "source_ip": "203.0.113.0/24" });
            let given = template.parameters.iter().any(|p| p.is_required).then_some(&given);
            let policy = template.policy(given, &place()).unwrap();
            let text = policy.to_string();
            assert_eq!(policy["Version"], "2012-10-17", "{}", template.name);
            assert!(!text.contains("{{") && !text.contains("arn:aws:"), "{text}");
            // Both kinds of quota hold: 6,144 characters as managed policies, and a group's 5,120 for all inline ones together.
            assert!(text.len() < 1_700, "{}: {}", template.name, text.len());
            let mut sids = std::collections::BTreeSet::new();
            for statement in policy["Statement"].as_array().unwrap() {
                let sid = statement["Sid"].as_str().unwrap();
                assert!(sid.chars().all(|c| c.is_ascii_alphanumeric()) && sids.insert(sid), "{sid}");
            }
        }
        let names: Vec<_> = BUILT_IN.iter().map(|template| template.name).collect();
        assert_eq!(names.len(), names.iter().collect::<std::collections::BTreeSet<_>>().len());
    }

    #[test]
    fn values_go_where_they_are_meant_to() {
        let mfa = find("enforce-mfa").unwrap();
        let statements = |given: Option<&Value>| mfa.policy(given, &place()).unwrap()["Statement"].clone();
        assert_eq!(
            statements(None).as_array().unwrap().len(),
            1,
            "no statement about a time that nobody gave"
        );
        assert_eq!(
            statements(Some(&json!({ "max_session_age": "12h" })))[1]["Condition"],
            json!({ "NumericGreaterThan": { "aws:MultiFactorAuthAge": "43200" } })
        );
        let keys = find("deny-access-keys").unwrap().policy(None, &place()).unwrap();
        assert_eq!(
            keys["Statement"][0]["Resource"][0],
            "arn:aws-us-gov:iam::123456789012:user/${aws:username}"
        );
        let networks = json!({ "source_ip": ["203.0.113.0/24", "2001:db8::/32"] });
        let policy = find("enforce-source-ip").unwrap().policy(Some(&networks), &place()).unwrap();
        assert_eq!(
            policy["Statement"][0]["Condition"]["NotIpAddress"]["aws:SourceIp"],
            networks["source_ip"]
        );
    }

    #[test]
    fn wrong_parameters_are_named() {
        for (template, given, says) in [
            ("enforce-tls", json!({ "x": 1 }), "`enforce-tls` has no parameter `x`: it takes none"),
            (
                "enforce-mfa",
                json!({ "max_age": "1h" }),
                "has no parameter `max_age`: it takes `max_session_age`",
            ),
            (
                "enforce-mfa",
                json!({ "max_session_age": 12 }),
                "`max_session_age` of `enforce-mfa` is a time such as",
            ),
            ("enforce-mfa", json!({ "max_session_age": "0h" }), "of a second or more"),
            ("enforce-mfa", json!({ "max_session_age": "h" }), "is a time"),
            ("enforce-mfa", json!({ "max_session_age": "99999999999999999999d" }), "is a time"),
            ("enforce-mfa", json!({ "max_session_age": "1é" }), "is a time"),
            ("enforce-mfa", json!("12h"), "the parameters of `enforce-mfa` are not a table"),
            (
                "enforce-source-ip",
                json!({}),
                "needs its parameter `source_ip`: say it in `[policy.enforce-source-ip]`",
            ),
            ("enforce-source-ip", json!({ "source_ip": [] }), "that would deny everything"),
            (
                "enforce-source-ip",
                json!({ "source_ip": ["203.0.113.7/24"] }),
                "\"203.0.113.7/24\" has an address that goes on",
            ),
            ("enforce-source-ip", json!({ "source_ip": "0.0.0.0/0" }), "\"0.0.0.0/0\" is every address"),
            ("enforce-source-ip", json!({ "source_ip": "203.0.113.0/33" }), "is none"),
            ("enforce-source-ip", json!({ "source_ip": "203.0.113.0/+8" }), "is none"),
            ("enforce-source-ip", json!({ "source_ip": "office" }), "\"office\" is none"),
        ] {
            let error = find(template).unwrap().check(Some(&given)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let needs = find("enforce-source-ip").unwrap().check(None).unwrap_err().to_string();
        assert!(needs.contains("needs its parameter"), "{needs}");
    }

    #[test]
    fn no_value_adds_a_statement() {
        let place = Place { account_id: "1\"},{\"Effect\":\"Allow".to_owned(), ..place() };
        let policy = find("deny-access-keys").unwrap().policy(None, &place).unwrap();
        assert_eq!(policy["Statement"].as_array().unwrap().len(), 2);
    }
}
