//! Policy documents: their grammar, what AWS would refuse or what cannot be meant, and what they are made of.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language", "IAM JSON policy elements reference", and the Service
//! Authorization Reference for the names of actions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::config::{Severity, nearest};
use crate::impact::is_like;

/// Characters of a managed policy, white space not counted, that IAM takes. Not adjustable.
/// Source: IAM User Guide, "IAM and AWS STS quotas".
pub const MANAGED_CHARS_MAX: usize = 6_144;

/// Characters of all inline policies of a group together, white space not counted. Not adjustable. Source: as above.
pub const GROUP_INLINE_CHARS_MAX: usize = 5_120;

/// Characters of all inline policies of a user together, white space not counted. Not adjustable. Source: as above.
pub const USER_INLINE_CHARS_MAX: usize = 2_048;

/// Managed policies of a group, and of a user unless AWS has raised that. Not adjustable. Source: as above.
pub const POLICIES_PER_GROUP_MAX: usize = 10;

/// Versions of a managed policy. Not adjustable. Source: as above.
pub const VERSIONS_MAX: usize = 5;

/// Every action of every service. Source: Service Authorization Reference; the file says by way of what.
static ACTIONS: LazyLock<HashMap<&str, HashSet<String>>> = LazyLock::new(|| {
    let lines = include_str!("actions.txt").lines().filter(|line| !line.starts_with('#'));
    let services = lines.filter_map(|line| line.split_once(' '));
    services
        .map(|(service, names)| (service, names.split(' ').map(str::to_ascii_lowercase).collect()))
        .collect()
});

/// Something that is wrong with a document, or looks so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// An error is what AWS refuses.
    pub severity: Severity,
    /// Where and what.
    pub message: String,
}

/// What a document says, by effect, without the names of its statements.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Statements that allow.
    pub allows: Vec<Value>,
    /// Statements that deny.
    pub denies: Vec<Value>,
}

/// JSON in which no name is there twice. Of two `Condition`s most readers would silently drop the first, and IAM refuses both.
#[derive(Debug)]
pub struct Unambiguous(pub Value);

impl<'de> serde::Deserialize<'de> for Unambiguous {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Value;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Unambiguous(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(items.into())
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut members = Map::new();
                while let Some((key, Unambiguous(value))) = map.next_entry::<String, Unambiguous>()? {
                    if members.contains_key(&key) {
                        return Err(serde::de::Error::custom(format!("`{key}` is there twice")));
                    }
                    members.insert(key, value);
                }
                Ok(members.into())
            }
        }

        deserializer.deserialize_any(Reader).map(Self)
    }
}

/// Returns how many characters of a document IAM counts.
pub fn chars(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// Returns whether two texts are the same document, however they are written.
pub fn is_same(one: &str, other: &str) -> bool {
    match (serde_json::from_str::<Value>(one), serde_json::from_str::<Value>(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

impl Said {
    /// Reads a document; one that is no policy says nothing.
    pub fn by(document: &str) -> Self {
        let mut said = Self::default();
        let Ok(document) = serde_json::from_str::<Value>(document) else { return said };
        for statement in statements(&document) {
            let mut bare = statement.clone();
            if let Some(members) = bare.as_object_mut() {
                members.shift_remove("Sid");
            }
            let list = match statement.get("Effect").and_then(Value::as_str) {
                Some("Allow") => &mut said.allows,
                Some("Deny") => &mut said.denies,
                _ => continue,
            };
            if !list.contains(&bare) {
                list.push(bare);
            }
        }
        said
    }

    /// Returns the denials of both and the permissions of neither alone.
    #[must_use]
    pub fn tightened(&self, other: &Self) -> Self {
        let mut denies = self.denies.clone();
        denies.extend(other.denies.iter().filter(|statement| !self.denies.contains(statement)).cloned());
        let allows = self.allows.iter().filter(|statement| other.allows.contains(statement)).cloned();
        Self { allows: allows.collect(), denies }
    }

    /// Returns the denials alone.
    #[must_use]
    pub fn only_denies(&self) -> Self {
        Self { allows: Vec::new(), denies: self.denies.clone() }
    }

    /// Returns whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.allows.is_empty() && self.denies.is_empty()
    }

    /// Returns whether both say the same, in whatever order.
    pub fn is(&self, other: &Self) -> bool {
        let same = |one: &[Value], other: &[Value]| {
            one.len() == other.len() && one.iter().all(|statement| other.contains(statement))
        };
        same(&self.allows, &other.allows) && same(&self.denies, &other.denies)
    }

    /// Writes it as a policy.
    pub fn document(&self) -> String {
        let all: Vec<&Value> = self.denies.iter().chain(&self.allows).collect();
        serde_json::json!({ "Version": "2012-10-17", "Statement": all }).to_string()
    }
}

/// Returns the statements of a document, of which one may stand alone.
pub fn statements(document: &Value) -> &[Value] {
    match document.get("Statement") {
        Some(Value::Array(list)) => list,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// Checks an identity policy: everything that AWS would refuse, and what cannot be meant.
pub fn check(document: &Value) -> Vec<Fault> {
    let mut checker = Checker::default();
    checker.document(document);
    checker.faults
}

#[derive(Default)]
struct Checker {
    faults: Vec<Fault>,
}

/// The elements of a statement in an identity policy.
const ELEMENTS: [&str; 8] =
    ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal"];

/// Condition operators, without `IfExists`, `ForAnyValue:` and `ForAllValues:`.
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

impl Checker {
    fn error(&mut self, message: String) {
        self.faults.push(Fault { severity: Severity::Error, message });
    }

    fn warning(&mut self, message: String) {
        self.faults.push(Fault { severity: Severity::Warning, message });
    }

    fn document(&mut self, document: &Value) {
        let Some(members) = document.as_object() else {
            return self.error("a policy is a JSON object".to_owned());
        };
        for key in members.keys().filter(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
            self.error(format!("`{key}` is no element of a policy"));
        }
        match members.get("Version").map(Value::as_str) {
            Some(Some("2012-10-17")) => {}
            None | Some(Some("2008-10-17")) => {
                let why = "variables such as ${aws:username} mean nothing in it";
                self.warning(format!("`Version` is not \"2012-10-17\": {why}"));
            }
            Some(_) => self.error("`Version` must be \"2012-10-17\"".to_owned()),
        }
        match members.get("Statement") {
            Some(Value::Array(list)) if !list.is_empty() => {}
            Some(Value::Object(_)) => {}
            _ => return self.error("there is no statement".to_owned()),
        }
        let all = statements(document);
        let mut sids = BTreeSet::new();
        for (place, statement) in all.iter().enumerate() {
            let name = match statement.get("Sid").and_then(Value::as_str) {
                Some(sid) => format!("statement `{sid}`"),
                None => format!("statement {}", place + 1),
            };
            let Some(members) = statement.as_object() else {
                self.error(format!("{name} is no object"));
                continue;
            };
            if let Some(sid) = members.get("Sid") {
                let good = |sid: &str| !sid.is_empty() && sid.chars().all(|c| c.is_ascii_alphanumeric());
                match sid.as_str() {
                    Some(sid) if good(sid) && sids.insert(sid) => {}
                    Some(sid) if good(sid) => self.error(format!("the Sid `{sid}` is there twice")),
                    _ => self.error(format!("{name}: a Sid is made of letters and digits")),
                }
            }
            self.statement(&name, members);
            if let Some(why) = unreachable(place, all) {
                self.warning(format!("{name} has no effect: {why}"));
            }
        }
    }

    fn statement(&mut self, name: &str, members: &Map<String, Value>) {
        for key in members.keys().filter(|key| !ELEMENTS.contains(&key.as_str())) {
            let near = nearest(key, ELEMENTS.into_iter());
            let near = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
            self.error(format!("{name}: `{key}` is no element of a statement{near}"));
        }
        if members.contains_key("Principal") {
            self.error(format!("{name}: a policy of a user or group has no `Principal`"));
        }
        if !matches!(members.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            self.error(format!("{name}: `Effect` must be \"Allow\" or \"Deny\""));
        }
        for (one, other) in [("Action", "NotAction"), ("Resource", "NotResource")] {
            match (members.get(one), members.get(other)) {
                (Some(_), Some(_)) => self.error(format!("{name} has both `{one}` and `{other}`")),
                (None, None) => self.error(format!("{name} has neither `{one}` nor `{other}`")),
                (Some(value), None) | (None, Some(value)) => match texts(value) {
                    Some(texts) if texts.is_empty() => self.error(format!("{name}: `{one}` is empty")),
                    Some(texts) if one == "Action" => texts.iter().for_each(|text| self.action(name, text)),
                    Some(texts) => texts.iter().for_each(|text| self.resource(name, text)),
                    None => self.error(format!("{name}: `{one}` must be a text or a list of texts")),
                },
            }
        }
        match members.get("Condition") {
            None => {}
            Some(Value::Object(operators)) => {
                operators.iter().for_each(|(operator, keys)| self.condition(name, operator, keys));
            }
            Some(_) => self.error(format!("{name}: `Condition` must be an object")),
        }
    }

    fn action(&mut self, name: &str, action: &str) {
        if action == "*" {
            return;
        }
        let Some((service, verb)) = action.split_once(':').filter(|(service, verb)| {
            !service.is_empty() && !verb.is_empty() && !verb.contains(char::is_whitespace)
        }) else {
            return self.error(format!("{name}: `{action}` is no action: those read like `iam:ListUsers`"));
        };
        let Some(known) = ACTIONS.get(service.to_ascii_lowercase().as_str()) else {
            let near = nearest(service, ACTIONS.keys().copied());
            let near = near.map(|near| format!(" (did you mean `{near}:`?)")).unwrap_or_default();
            return self.warning(format!("{name}: there is no service `{service}` that is known here{near}"));
        };
        let verb = verb.to_ascii_lowercase();
        let fits = |known: &String| is_like(known, &verb);
        if !known.contains(&verb) && !known.iter().any(fits) {
            let near = nearest(&verb, known.iter().map(String::as_str));
            let near = near.map(|near| format!(" (did you mean `{service}:{near}`?)")).unwrap_or_default();
            self.warning(format!("{name}: there is no action `{action}` that is known here{near}"));
        }
    }

    fn resource(&mut self, name: &str, resource: &str) {
        // A wildcard in place of the first parts is taken by IAM, an ARN with fewer parts is not.
        let good = resource == "*" || resource.starts_with("arn:") && resource.splitn(6, ':').count() == 6;
        if !good {
            self.error(format!("{name}: `{resource}` is no ARN, and not `*`"));
        }
    }

    fn condition(&mut self, name: &str, operator: &str, keys: &Value) {
        let bare = operator.strip_prefix("ForAnyValue:").or_else(|| operator.strip_prefix("ForAllValues:"));
        let bare = bare.unwrap_or(operator);
        let bare = bare.strip_suffix("IfExists").filter(|bare| *bare != "Null").unwrap_or(bare);
        if !OPERATORS.iter().any(|known| known.eq_ignore_ascii_case(bare)) {
            let near = nearest(bare, OPERATORS.into_iter());
            let near = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
            self.error(format!("{name}: `{operator}` is no condition operator{near}"));
        }
        match keys.as_object() {
            Some(keys) if !keys.is_empty() => {
                for (key, _) in keys.iter().filter(|(key, _)| !key.contains(':')) {
                    self.error(format!(
                        "{name}: `{key}` is no condition key: those read like `aws:SourceIp`"
                    ));
                }
            }
            _ => self.error(format!("{name}: `{operator}` needs a condition key")),
        }
    }
}

/// Returns one text or a list of them.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Says why a statement changes nothing, if so.
fn unreachable(place: usize, all: &[Value]) -> Option<String> {
    let bare = |statement: &Value| {
        let mut bare = statement.clone();
        if let Some(members) = bare.as_object_mut() {
            members.shift_remove("Sid");
        }
        bare
    };
    let own = &all[place];
    if let Some(first) = all[..place].iter().position(|earlier| bare(earlier) == bare(own)) {
        return Some(format!("statement {} says the same", first + 1));
    }
    if own.get("Effect").and_then(Value::as_str) != Some("Allow") {
        return None;
    }
    let denies = all.iter().filter(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Deny")
            && statement.get("Condition").is_none()
    });
    let mut denies = denies.filter(|deny| {
        ["Action", "Resource"].into_iter().all(|element| {
            let of = |statement: &Value| -> Option<Vec<String>> {
                let texts = texts(statement.get(element)?)?;
                Some(texts.into_iter().map(str::to_owned).collect())
            };
            let (Some(wide), Some(narrow)) = (of(deny), of(own)) else { return false };
            let covers = |narrow: &String| wide.iter().any(|wide| is_like(narrow, wide));
            narrow.iter().all(covers)
        })
    });
    denies.next().map(|deny| match deny.get("Sid").and_then(Value::as_str) {
        Some(sid) => format!("statement `{sid}` denies all of it"),
        None => "another statement denies all of it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(statement: &Value) -> Vec<String> {
        let document = json!({ "Version": "2012-10-17", "Statement": statement });
        check(&document).into_iter().map(|fault| format!("{:?}: {}", fault.severity, fault.message)).collect()
    }

    #[test]
    fn what_aws_refuses_or_nobody_means_is_said() {
        let allow = |action: &str| json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
        assert_eq!(faults(&allow("iam:List*")), Vec::<String>::new());
        assert_eq!(faults(&allow("IAM:listusers")), Vec::<String>::new());
        for (statement, says) in [
            (
                allow("iam:ListUser"),
                "Warning: statement 1: there is no action `iam:ListUser` that is known here",
            ),
            (allow("aim:ListUsers"), "there is no service `aim` that is known here"),
            (allow("ListUsers"), "Error: statement 1: `ListUsers` is no action"),
            (json!({ "Effect": "Permit", "Action": "*", "Resource": "*" }), "`Effect` must be"),
            (json!({ "Effect": "Deny", "Action": "*" }), "has neither `Resource` nor `NotResource`"),
            (
                json!({ "Effect": "Deny", "Action": "*", "NotAction": "*", "Resource": "*" }),
                "has both `Action`",
            ),
            (json!({ "Effect": "Deny", "Action": "*", "Resource": "user/x" }), "`user/x` is no ARN"),
            (json!({ "Effect": "Deny", "Actions": "*", "Resource": "*" }), "(did you mean `Action`?)"),
            (
                json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*" }),
                "a policy of a user or group has no `Principal`",
            ),
            (
                json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": { "Boolean": { "aws:x": "y" } } }),
                "`Boolean` is no condition operator",
            ),
            (
                json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": { "Bool": { "MFA": "y" } } }),
                "`MFA` is no condition key",
            ),
            (
                json!([{ "Sid": "a-b", "Effect": "Deny", "Action": "*", "Resource": "*" }]),
                "letters and digits",
            ),
            (json!([]), "there is no statement"),
            (json!(["x"]), "statement 1 is no object"),
            (
                json!([allow("s3:*"), { "Sid": "No", "Effect": "Deny", "Action": "s3:*", "Resource": "*" }]),
                "Warning: statement 1 has no effect: statement `No` denies all of it",
            ),
            (json!([allow("s3:*"), allow("s3:*")]), "statement 2 has no effect: statement 1 says the same"),
        ] {
            let found = faults(&statement);
            assert!(found.iter().any(|fault| fault.contains(says)), "{statement}: {found:?}");
        }
        let conditional = json!([
            allow("s3:*"),
            { "Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": { "BoolIfExists": { "aws:x": "y" } } }
        ]);
        assert_eq!(faults(&conditional), Vec::<String>::new());
        assert!(!check(&json!({ "Version": "2012-10-18", "Statement": allow("s3:*") })).is_empty());
    }

    #[test]
    fn tightened_is_the_denials_of_both_and_the_permissions_of_neither_alone() {
        let said = |allows: &[&str], denies: &[&str]| {
            let statement =
                |effect: &str, action: &&str| json!({ "Effect": effect, "Action": action, "Resource": "*" });
            let all: Vec<Value> = allows
                .iter()
                .map(|a| statement("Allow", a))
                .chain(denies.iter().map(|a| statement("Deny", a)))
                .collect();
            Said::by(&json!({ "Statement": all }).to_string())
        };
        let tight = said(&["a:x", "b:x"], &["c:x"]).tightened(&said(&["b:x", "d:x"], &["e:x"]));
        assert!(tight.is(&said(&["b:x"], &["e:x", "c:x"])), "{tight:?}");
        assert!(Said::by(&tight.document()).is(&tight));
        assert!(Said::by("no policy").is_empty());
    }
}
