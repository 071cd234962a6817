//! The parameters of a request, read with IAM's own validation.
//!
//! Patterns and lengths: service model `iam/2010-05-08` and the notes that a capture of real answers adds.

use std::collections::BTreeMap;

use super::error::IamError;
use super::state::Tag;

/// Decoded form parameters. Unknown ones are ignored, as IAM does.
#[derive(Debug, Clone, Default)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// Takes decoded name/value pairs; the last of two equal names counts.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (without_leading_zeros(&name), value)).collect())
    }

    /// Returns a parameter as sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Reads an optional text with a validation.
    pub fn text(
        &self,
        name: &str,
        check: fn(&str, &str) -> Result<(), IamError>,
    ) -> Result<Option<&str>, IamError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        check(name, value)?;
        Ok(Some(value))
    }

    /// Reads a required text with a validation.
    pub fn required(
        &self,
        name: &str,
        check: fn(&str, &str) -> Result<(), IamError>,
    ) -> Result<&str, IamError> {
        self.text(name, check)?.ok_or_else(|| {
            IamError::validation(format!(
                "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
                lower_first(name)
            ))
        })
    }

    /// Reads a boolean: `true`, `false`, `1` or `0`.
    pub fn bool(&self, name: &str) -> Result<Option<bool>, IamError> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(IamError::malformed(format!("{name} is no boolean"))),
        }
    }

    /// Reads `MaxItems`: 1 to 1000, 100 if absent.
    pub fn max_items(&self) -> Result<usize, IamError> {
        let Some(text) = self.get("MaxItems") else { return Ok(100) };
        let digits = text.strip_prefix('+').unwrap_or(text);
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i32>().ok()).flatten();
        let number = number.ok_or_else(|| IamError::malformed("MaxItems is no number"))?;
        match usize::try_from(number) {
            Ok(0) | Err(_) => {
                Err(constraint("MaxItems", "Member must have value greater than or equal to 1"))
            }
            Ok(items) if items > 1000 => {
                Err(constraint("MaxItems", "Member must have value less than or equal to 1000"))
            }
            Ok(items) => Ok(items),
        }
    }

    /// Reads the texts of a list `name.member.N`.
    pub fn list(&self, name: &str) -> Result<Vec<&str>, IamError> {
        let members = self.members(name)?;
        members.into_iter().map(|(_, prefix)| self.get(&prefix).ok_or_else(|| gap(name))).collect()
    }

    /// Reads `Tags.member.N.Key` and `.Value`.
    pub fn tags(&self) -> Result<Vec<Tag>, IamError> {
        let mut tags: Vec<Tag> = Vec::new();
        for (_, prefix) in self.members("Tags")? {
            let key = self.get(&format!("{prefix}.Key")).ok_or_else(|| gap("Tags"))?;
            let value = self.get(&format!("{prefix}.Value")).ok_or_else(|| gap("Tags"))?;
            check_tag(key, value)?;
            if tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)) {
                return Err(IamError::invalid(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
            tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
        }
        if tags.len() > TAGS_MAX {
            return Err(constraint("Tags", "Member must have length less than or equal to 50"));
        }
        Ok(tags)
    }

    /// Reads `ContextEntries.member.N`: the key and the values of each.
    pub fn context_entries(&self) -> Result<Vec<(&str, Vec<&str>)>, IamError> {
        let members = self.members("ContextEntries")?;
        let read = |(_, prefix): (usize, String)| {
            let name = self.get(&format!("{prefix}.ContextKeyName")).ok_or_else(|| gap("ContextEntries"))?;
            let kind = self.get(&format!("{prefix}.ContextKeyType")).unwrap_or("string");
            if !CONTEXT_KEY_TYPES.contains(&kind.strip_suffix("List").unwrap_or(kind)) {
                return Err(constraint("ContextEntries", "Member must satisfy enum value set"));
            }
            Ok((name, self.list(&format!("{prefix}.ContextKeyValues"))?))
        };
        members.into_iter().map(read).collect()
    }

    /// Returns the positions of a list with the prefix of each; a gap keeps its position and fails later.
    fn members(&self, name: &str) -> Result<Vec<(usize, String)>, IamError> {
        let prefix = format!("{name}.member.");
        let mut spelled: BTreeMap<usize, String> = BTreeMap::new();
        for key in
            self.0.range(prefix.clone()..).map(|(key, _)| key).take_while(|key| key.starts_with(&prefix))
        {
            let index = key[prefix.len()..].split('.').next().unwrap_or_default();
            match index.parse::<usize>() {
                Ok(position) if position > 0 && !index.starts_with('+') => {
                    spelled.insert(position, format!("{prefix}{index}"))
                }
                _ => return Err(IamError::malformed(format!("{key} has no valid index"))),
            };
        }
        let last = spelled.keys().next_back().copied().unwrap_or_default();
        if last > spelled.len() + 10 {
            return Err(IamError::malformed(format!("{name} has an index out of range")));
        }
        if spelled.len() < last {
            return Err(gap(name));
        }
        Ok(spelled.into_iter().collect())
    }
}

/// What a value of a condition key is; each also as a list. Source: service model `iam/2010-05-08`, `ContextKeyTypeEnum`.
const CONTEXT_KEY_TYPES: [&str; 6] = ["string", "numeric", "boolean", "ip", "binary", "date"];

/// Tags of one user, at most.
pub(super) const TAGS_MAX: usize = 50;

/// `Tags.member.01` is `Tags.member.1`.
fn without_leading_zeros(name: &str) -> String {
    let part = |part: &str| {
        let number = part.bytes().all(|b| b.is_ascii_digit()) && part.len() > 1;
        let shorter = part.trim_start_matches('0');
        if number && !shorter.is_empty() { shorter.to_owned() } else { part.to_owned() }
    };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn gap(name: &str) -> IamError {
    constraint(name, "Member must not be null")
}

fn constraint(name: &str, rule: &str) -> IamError {
    let name = lower_first(name);
    IamError::validation(format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: {rule}"
    ))
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_lowercase().to_string() + chars.as_str()).unwrap_or_default()
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn check_name(parameter: &str, value: &str, chars_max: usize) -> Result<(), IamError> {
    if value.is_empty() {
        return Err(constraint(parameter, "Member must have length greater than or equal to 1"));
    }
    if value.chars().count() > chars_max {
        return Err(constraint(
            parameter,
            &format!("Member must have length less than or equal to {chars_max}"),
        ));
    }
    if !value.chars().all(is_name_char) {
        return Err(IamError::validation(format!(
            "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-",
            lower_first(parameter)
        )));
    }
    Ok(())
}

/// The name of a user to create: 1 to 64.
pub(super) fn new_user_name(parameter: &str, value: &str) -> Result<(), IamError> {
    check_name(parameter, value, 64)
}

/// The name of a user to look up, of a group or of a policy: 1 to 128.
pub(super) fn name_128(parameter: &str, value: &str) -> Result<(), IamError> {
    check_name(parameter, value, 128)
}

/// The path of a user or group: `/`, or printable ASCII between two slashes. `/a//b/` is fine, `//` is not.
pub(super) fn path(parameter: &str, value: &str) -> Result<(), IamError> {
    let inner = value.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let good = value == "/"
        || inner.is_some_and(|inner| {
            !inner.is_empty() && inner.chars().all(|c| ('\u{21}'..='\u{7e}').contains(&c))
        });
    if !good || value.len() > 512 {
        return Err(IamError::validation(format!(
            "The specified value for {} is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.",
            lower_first(parameter)
        )));
    }
    Ok(())
}

/// The path of a managed policy: no empty segments, fewer characters.
pub(super) fn policy_path(parameter: &str, value: &str) -> Result<(), IamError> {
    path(parameter, value)?;
    let segments = value.trim_matches('/');
    let good =
        value == "/" || segments.split('/').all(|part| !part.is_empty() && part.chars().all(is_name_char));
    if good { Ok(()) } else { Err(constraint(parameter, "Member must satisfy regular expression pattern")) }
}

/// A prefix of paths: begins with a slash, need not end with one.
pub(super) fn path_prefix(parameter: &str, value: &str) -> Result<(), IamError> {
    let good = value.starts_with('/') && value.chars().all(|c| ('\u{21}'..='\u{7f}').contains(&c));
    if good && value.len() <= 512 {
        return Ok(());
    }
    Err(constraint(parameter, "Member must satisfy regular expression pattern: \\u002F[\\u0021-\\u007F]*"))
}

/// An ARN: 20 to 2048 characters.
pub(super) fn arn(parameter: &str, value: &str) -> Result<(), IamError> {
    match value.chars().count() {
        0..20 => Err(constraint(parameter, "Member must have length greater than or equal to 20")),
        20..=2048 => Ok(()),
        _ => Err(constraint(parameter, "Member must have length less than or equal to 2048")),
    }
}

/// An access key id: 16 to 128 word characters.
pub(super) fn access_key_id(parameter: &str, value: &str) -> Result<(), IamError> {
    word_id(parameter, value, 16)
}

/// The alias of an account: 3 to 63 lower-case letters, digits and single dashes inside.
pub(super) fn account_alias(parameter: &str, value: &str) -> Result<(), IamError> {
    let good = (3..=63).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-')
        && !value.contains("--");
    if good {
        return Ok(());
    }
    Err(IamError::validation(format!("The specified value for {} is invalid.", lower_first(parameter))))
}

/// The JSON text of a policy: sensible JSON with a statement. Sizes are checked where it is stored.
pub(super) fn policy_document(parameter: &str, value: &str) -> Result<(), IamError> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
    if value.is_empty() || value.len() > 131_072 || !value.chars().all(allowed) {
        return Err(constraint(parameter, "Member must have length between 1 and 131072"));
    }
    let parsed: serde_json::Value =
        serde_json::from_str(value).map_err(|_| IamError::policy_document("Syntax errors in policy."))?;
    let good = parsed.get("Statement").is_some_and(|s| s.is_array() || s.is_object());
    if good { Ok(()) } else { Err(IamError::policy_document("Syntax errors in policy.")) }
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`: white space that is a separator is fine, a control character is not.
fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
}

fn is_tag_key(key: &str) -> bool {
    (1..=128).contains(&key.chars().count()) && key.chars().all(is_tag_char)
}

fn check_tag(key: &str, value: &str) -> Result<(), IamError> {
    if !is_tag_key(key) {
        return Err(constraint(
            "tags.1.member.key",
            "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+",
        ));
    }
    if value.chars().count() > 256 || !value.chars().all(is_tag_char) {
        return Err(constraint(
            "tags.1.member.value",
            "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*",
        ));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(IamError::invalid("Tag keys beginning with aws: are reserved for system use."));
    }
    Ok(())
}

/// `v1`, `v2`, …
pub(super) fn version_id(parameter: &str, value: &str) -> Result<(), IamError> {
    let number = value.strip_prefix('v').unwrap_or_default();
    let good = number.len() <= 9 && !number.starts_with('0') && !number.is_empty();
    if good && number.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(constraint(
        parameter,
        "Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?",
    ))
}

/// What an author says of a policy: up to 1000 characters.
pub(super) fn policy_description(parameter: &str, value: &str) -> Result<(), IamError> {
    if value.chars().count() <= 1000 {
        return Ok(());
    }
    Err(constraint(parameter, "Member must have length less than or equal to 1000"))
}

/// Refuses a tag key list member that IAM would refuse.
pub(super) fn tag_key(key: &str) -> Result<(), IamError> {
    if is_tag_key(key) {
        return Ok(());
    }
    Err(constraint(
        "tagKeys",
        "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+",
    ))
}

/// A password: 1 to 128 characters that a keyboard gives.
pub(super) fn password(parameter: &str, value: &str) -> Result<(), IamError> {
    let good = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
    if (1..=128).contains(&value.chars().count()) && value.chars().all(good) {
        return Ok(());
    }
    Err(constraint(parameter, "Member must have length between 1 and 128"))
}

/// The name of a virtual MFA device.
pub(super) fn device_name(parameter: &str, value: &str) -> Result<(), IamError> {
    check_name(parameter, value, 226)
}

/// The serial number of an MFA device: 9 to 256.
pub(super) fn serial(parameter: &str, value: &str) -> Result<(), IamError> {
    let good = |c: char| is_name_char(c) || c == '/' || c == ':';
    if (9..=256).contains(&value.chars().count()) && value.chars().all(good) {
        return Ok(());
    }
    Err(constraint(parameter, "Member must satisfy regular expression pattern: [\\w+=/:,.@-]+"))
}

/// The code that an MFA device shows: six digits.
pub(super) fn code(parameter: &str, value: &str) -> Result<(), IamError> {
    if value.len() == 6 && value.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    Err(constraint(parameter, "Member must satisfy regular expression pattern: [\\d]+"))
}

/// An id of 20 to 128 word characters.
pub(super) fn id_128(parameter: &str, value: &str) -> Result<(), IamError> {
    word_id(parameter, value, 20)
}

/// The id of a certificate: 24 to 128 word characters.
pub(super) fn certificate_id(parameter: &str, value: &str) -> Result<(), IamError> {
    word_id(parameter, value, 24)
}

fn word_id(parameter: &str, value: &str, least: usize) -> Result<(), IamError> {
    let word = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if word && (least..=128).contains(&value.len()) {
        return Ok(());
    }
    Err(constraint(parameter, "Member must satisfy regular expression pattern: [\\w]+"))
}

/// The name of a role: 1 to 64.
pub(super) fn role_name(parameter: &str, value: &str) -> Result<(), IamError> {
    check_name(parameter, value, 64)
}

/// The ARN of a role: 20 to 2048 characters.
pub(super) fn role_arn(parameter: &str, value: &str) -> Result<(), IamError> {
    let good = (20..=2048).contains(&value.len()) && value.starts_with("arn:") && value.contains(":role/");
    if good { Ok(()) } else { Err(IamError::validation(format!("{value} is invalid as {parameter}"))) }
}

/// The name of a role's session: 2 to 64.
pub(super) fn session_name(parameter: &str, value: &str) -> Result<(), IamError> {
    if value.len() < 2 {
        return Err(constraint(parameter, "Member must have length greater than or equal to 2"));
    }
    check_name(parameter, value, 64)
}

/// What a third party is known by: 2 to 1224 characters.
pub(super) fn external_id(parameter: &str, value: &str) -> Result<(), IamError> {
    let good = |c: char| is_name_char(c) || c == '/' || c == ':';
    if (2..=1224).contains(&value.len()) && value.chars().all(good) {
        return Ok(());
    }
    Err(constraint(parameter, "Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]*"))
}

/// Reads a number between two others.
pub(super) fn number_in(params: &Params, name: &str, min: i64, max: i64) -> Result<Option<i64>, IamError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let number = text.parse::<i64>().map_err(|_| IamError::malformed(format!("{name} is no number")))?;
    if number < min {
        return Err(constraint(name, &format!("Member must have value greater than or equal to {min}")));
    }
    if number > max {
        return Err(constraint(name, &format!("Member must have value less than or equal to {max}")));
    }
    Ok(Some(number))
}

/// Reads `Status`: whether a credential is to be active.
pub(super) fn status(call: &super::Call<'_>) -> Result<bool, IamError> {
    match call.params.required("Status", |_, _| Ok(()))? {
        "Active" => Ok(true),
        "Inactive" => Ok(false),
        // In the model's list, and refused all the same. Source: captures of real answers.
        "Expired" => Err(IamError::invalid("Status Expired is not a valid status.")),
        _ => Err(constraint("Status", "Member must satisfy enum value set: [Active, Inactive, Expired]")),
    }
}
