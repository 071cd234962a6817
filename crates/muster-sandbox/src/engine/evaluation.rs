//! Policies evaluated as AWS documents it: a statement that denies wins, then one that allows, else the answer is no.
//!
//! Source: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements" (`Condition`, operators, variables).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

/// What a request is judged by.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// `iam:CreateUser`.
    pub action: String,
    /// The ARN of what it is about; `*` where it is about nothing in particular.
    pub resource: String,
    /// Values of condition keys, by their names in lower case.
    pub context: BTreeMap<String, Vec<String>>,
}

/// What policies say to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it and none denies it.
    Allowed,
    /// No statement allows it.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
}

/// What policies say to a request, and which of them say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The answer.
    pub decision: Decision,
    /// Places, in the list that was judged by, of the policies that decide: of a denial only those that deny.
    pub by: BTreeSet<usize>,
}

impl Question {
    /// Asks whether something may be done to something.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
    }

    /// Adds a value of a condition key.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers hand over numbers and texts alike")]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.context.entry(key.to_ascii_lowercase()).or_default().push(value.to_string());
        self
    }

    fn values(&self, key: &str) -> Option<&[String]> {
        self.context.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}

/// Judges a request by identity policies.
pub fn decide<'d>(documents: impl IntoIterator<Item = &'d str>, question: &Question) -> Decision {
    judge(documents, question).decision
}

/// Judges a request by identity policies, and says which of them decide.
pub fn judge<'d>(documents: impl IntoIterator<Item = &'d str>, question: &Question) -> Judgement {
    judge_with(documents, question, |statement, variables| {
        let resource = element(statement, "Resource", "NotResource", |pattern| {
            glob(&pieces(pattern, variables), &question.resource)
        });
        resource.unwrap_or(false)
    })
}

/// Judges a request by the policy that says who may assume a role. `principals` are what the caller is known by.
pub fn decide_trust(document: &str, principals: &[String], question: &Question) -> Decision {
    let judgement = judge_with([document], question, |statement, _| {
        let is_caller = |value: &Value| {
            let names = values_of(value);
            names.iter().any(|name| *name == "*" || principals.iter().any(|own| own == name))
        };
        match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(Value::String(all)), None) => all == "*",
            (Some(Value::Object(kinds)), None) => kinds.get("AWS").is_some_and(is_caller),
            _ => false,
        }
    });
    judgement.decision
}

fn judge_with<'d>(
    documents: impl IntoIterator<Item = &'d str>,
    question: &Question,
    is_about: impl Fn(&Value, &Question) -> bool,
) -> Judgement {
    let none = Question::default();
    let (mut allow, mut deny) = (BTreeSet::new(), BTreeSet::new());
    for (place, document) in documents.into_iter().enumerate() {
        // What cannot be read allows nothing; IAM does not store such a policy.
        let Ok(document) = serde_json::from_str::<Value>(document) else { continue };
        let Some(statements) = document.get("Statement") else { continue };
        // Older versions know no variables. Source: IAM User Guide, "IAM JSON policy elements: Version".
        let variables =
            if document.get("Version").is_some_and(|v| v == "2012-10-17") { question } else { &none };
        for statement in statements.as_array().map_or(std::slice::from_ref(statements), Vec::as_slice) {
            let action = element(statement, "Action", "NotAction", |pattern| {
                let pattern = pattern.to_ascii_lowercase();
                glob(&[Piece::Pattern(&pattern)], &question.action.to_ascii_lowercase())
            });
            if !action.unwrap_or(false)
                || !is_about(statement, variables)
                || !holds(statement, question, variables)
            {
                continue;
            }
            match statement.get("Effect").and_then(Value::as_str) {
                Some("Deny") => deny.insert(place),
                Some("Allow") => allow.insert(place),
                _ => false,
            };
        }
    }
    match (deny.is_empty(), allow.is_empty()) {
        (false, _) => Judgement { decision: Decision::ExplicitDeny, by: deny },
        (true, false) => Judgement { decision: Decision::Allowed, by: allow },
        (true, true) => Judgement { decision: Decision::ImplicitDeny, by: BTreeSet::new() },
    }
}

/// Returns the condition keys that a policy asks about, in conditions and as variables, as it spells them.
pub(super) fn context_keys(document: &str) -> BTreeSet<String> {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return BTreeSet::new() };
    let statements =
        document.get("Statement").map(|s| s.as_array().map_or_else(|| vec![s], |s| s.iter().collect()));
    let mut keys = BTreeSet::new();
    for statement in statements.into_iter().flatten() {
        for name in ["Resource", "NotResource"] {
            keys.extend(
                statement.get(name).map(values_of).unwrap_or_default().iter().flat_map(|v| variables_in(v)),
            );
        }
        let conditions = statement.get("Condition").and_then(Value::as_object);
        for (key, values) in
            conditions.into_iter().flat_map(|c| c.values()).filter_map(Value::as_object).flatten()
        {
            keys.insert(key.clone());
            keys.extend(values_of(values).iter().flat_map(|value| variables_in(value)));
        }
    }
    keys
}

/// Returns the names between `${` and `}`, without what stands in for them.
fn variables_in(pattern: &str) -> Vec<String> {
    let inside = pattern.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    let names = inside.map(|(name, _)| name.split(',').next().unwrap_or_default().trim().to_owned());
    names.filter(|name| !matches!(name.as_str(), "*" | "?" | "$")).collect()
}

/// Returns whether one of a list fits, or none of the list of its opposite; `None` where neither is there.
fn element(statement: &Value, name: &str, opposite: &str, fits: impl Fn(&str) -> bool) -> Option<bool> {
    let any = |value: &Value| values_of(value).iter().any(|pattern| fits(pattern));
    statement.get(name).map(any).or_else(|| statement.get(opposite).map(|value| !any(value)))
}

/// Returns one text or a list of them as texts; numbers and booleans as JSON writes them.
fn values_of(value: &Value) -> Vec<String> {
    let one = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    value.as_array().map_or_else(|| vec![one(value)], |list| list.iter().map(one).collect())
}

/// Returns whether all conditions of a statement hold.
fn holds(statement: &Value, question: &Question, variables: &Question) -> bool {
    let Some(conditions) = statement.get("Condition").and_then(Value::as_object) else { return true };
    conditions.iter().all(|(operator, keys)| {
        let keys = keys.as_object();
        keys.is_some_and(|keys| {
            keys.iter().all(|(key, wanted)| condition(operator, key, wanted, question, variables))
        })
    })
}

/// How several values of one key count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    One,
    Any,
    All,
}

fn condition(operator: &str, key: &str, wanted: &Value, question: &Question, variables: &Question) -> bool {
    let (set, operator) = match operator.split_once(':') {
        Some(("ForAnyValue", operator)) => (Set::Any, operator),
        Some(("ForAllValues", operator)) => (Set::All, operator),
        _ => (Set::One, operator),
    };
    let (operator, if_exists) =
        operator.strip_suffix("IfExists").map_or((operator, false), |operator| (operator, true));
    let values = question.values(key).filter(|values| !values.is_empty());
    let wanted = values_of(wanted);
    if operator == "Null" {
        return wanted.iter().any(|wanted| (wanted == "true") == values.is_none());
    }
    let Some((test, negated)) = test_of(operator) else {
        // An operator that is not known here makes a statement that applies to nothing.
        return false;
    };
    let Some(values) = values else {
        // Without the key, "not equal" holds and "equal" does not.
        return if_exists || set == Set::All || (negated && set == Set::One);
    };
    let fits =
        |value: &String| wanted.iter().any(|wanted| test(&pieces(wanted, variables), value)) != negated;
    match set {
        Set::One | Set::Any => values.iter().any(fits),
        Set::All => values.iter().all(fits),
    }
}

type Test = fn(&[Piece<'_>], &str) -> bool;

/// Returns what an operator tests, and whether it is the opposite of that.
fn test_of(operator: &str) -> Option<(Test, bool)> {
    Some(match operator {
        "StringEquals" => (equal, false),
        "StringNotEquals" => (equal, true),
        "StringEqualsIgnoreCase" | "Bool" => (equal_ignoring_case, false),
        "StringNotEqualsIgnoreCase" => (equal_ignoring_case, true),
        "StringLike" => (glob, false),
        "StringNotLike" => (glob, true),
        "ArnLike" | "ArnEquals" => (arn, false),
        "ArnNotLike" | "ArnNotEquals" => (arn, true),
        "NumericEquals" => {
            (|wanted, value| number(wanted, value, |a, b| (a - b).abs() < f64::EPSILON), false)
        }
        "NumericNotEquals" => {
            (|wanted, value| number(wanted, value, |a, b| (a - b).abs() < f64::EPSILON), true)
        }
        "NumericLessThan" => (|wanted, value| number(wanted, value, |a, b| a < b), false),
        "NumericLessThanEquals" => (|wanted, value| number(wanted, value, |a, b| a <= b), false),
        "NumericGreaterThan" => (|wanted, value| number(wanted, value, |a, b| a > b), false),
        "NumericGreaterThanEquals" => (|wanted, value| number(wanted, value, |a, b| a >= b), false),
        "DateEquals" => (|wanted, value| date(wanted, value, |a, b| a == b), false),
        "DateNotEquals" => (|wanted, value| date(wanted, value, |a, b| a == b), true),
        "DateLessThan" => (|wanted, value| date(wanted, value, |a, b| a < b), false),
        "DateLessThanEquals" => (|wanted, value| date(wanted, value, |a, b| a <= b), false),
        "DateGreaterThan" => (|wanted, value| date(wanted, value, |a, b| a > b), false),
        "DateGreaterThanEquals" => (|wanted, value| date(wanted, value, |a, b| a >= b), false),
        "IpAddress" => (|wanted, value| in_network(&text(wanted), value), false),
        "NotIpAddress" => (|wanted, value| in_network(&text(wanted), value), true),
        _ => return None,
    })
}

/// A part of a pattern: as it is written, or what a variable stands for, in which `*` is no wildcard.
#[derive(Clone, Copy)]
enum Piece<'p> {
    Pattern(&'p str),
    Literal(&'p str),
}

/// Takes a pattern apart at its variables. One that has no value stays as it is written, which nothing equals.
fn pieces<'p>(pattern: &'p str, question: &'p Question) -> Vec<Piece<'p>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else { break };
        pieces.push(Piece::Pattern(before));
        let (key, default) =
            inside.split_once(',').map_or((inside, None), |(key, rest)| (key, Some(rest.trim())));
        let value = match key.trim() {
            sign @ ("*" | "?" | "$") => Some(sign),
            key => question.values(key).and_then(|values| values.first()).map(String::as_str),
        };
        let default = default.map(|text| text.trim_matches('\''));
        pieces.push(Piece::Literal(value.or(default).unwrap_or("\u{0}")));
        rest = behind;
    }
    pieces.push(Piece::Pattern(rest));
    pieces
}

fn text(pieces: &[Piece<'_>]) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Pattern(text) | Piece::Literal(text) => *text,
        })
        .collect()
}

fn equal(wanted: &[Piece<'_>], value: &str) -> bool {
    text(wanted) == value
}

fn equal_ignoring_case(wanted: &[Piece<'_>], value: &str) -> bool {
    text(wanted).eq_ignore_ascii_case(value)
}

/// Matches an ARN part by part: a wildcard stands for nothing beyond its own of the six.
fn arn(wanted: &[Piece<'_>], value: &str) -> bool {
    let mut parts: Vec<Vec<Piece<'_>>> = vec![Vec::new()];
    for piece in wanted {
        let (text, is_pattern) = match piece {
            Piece::Pattern(text) => (*text, true),
            Piece::Literal(text) => (*text, false),
        };
        for (number, part) in text.splitn(7_usize.saturating_sub(parts.len()).max(1), ':').enumerate() {
            if number > 0 {
                parts.push(Vec::new());
            }
            let last = parts.len() - 1;
            parts[last].push(if is_pattern { Piece::Pattern(part) } else { Piece::Literal(part) });
        }
    }
    let values: Vec<&str> = value.splitn(6, ':').collect();
    parts.len() == values.len() && parts.iter().zip(values).all(|(part, value)| glob(part, value))
}

fn number(wanted: &[Piece<'_>], value: &str, compare: fn(f64, f64) -> bool) -> bool {
    let numbers = value.parse().ok().zip(text(wanted).parse().ok());
    numbers.is_some_and(|(value, wanted)| compare(value, wanted))
}

/// Dates are RFC 3339 or seconds since 1970.
fn date(wanted: &[Piece<'_>], value: &str, compare: fn(jiff::Timestamp, jiff::Timestamp) -> bool) -> bool {
    let read = |text: &str| {
        let seconds = text.parse().ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        seconds.or_else(|| text.parse().ok())
    };
    read(value).zip(read(&text(wanted))).is_some_and(|(value, wanted)| compare(value, wanted))
}

/// Returns whether an address is in a network such as `203.0.113.0/24`.
fn in_network(network: &str, address: &str) -> bool {
    let (base, bits) = network.split_once('/').map_or((network, None), |(base, bits)| (base, Some(bits)));
    let (Ok(base), Ok(address)) = (base.parse::<IpAddr>(), address.parse::<IpAddr>()) else { return false };
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((base, length), (address, other)) = (number(base), number(address));
    let Some(bits) = bits.map_or(Some(length), |bits| bits.parse().ok()).filter(|bits| *bits <= length)
    else {
        return false;
    };
    let mask = if bits == 0 { 0 } else { u128::MAX << (128 - bits) };
    length == other && base & mask == address & mask
}

/// Matches with `*` for any characters and `?` for one.
fn glob(pattern: &[Piece<'_>], value: &str) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Token {
        Any,
        One,
        Char(char),
    }
    let tokens: Vec<Token> = pattern
        .iter()
        .flat_map(|piece| match piece {
            Piece::Pattern(text) => text
                .chars()
                .map(|c| match c {
                    '*' => Token::Any,
                    '?' => Token::One,
                    c => Token::Char(c),
                })
                .collect::<Vec<_>>(),
            Piece::Literal(text) => text.chars().map(Token::Char).collect(),
        })
        .collect();
    let value: Vec<char> = value.chars().collect();
    // The last `*` is gone back to when what follows it does not fit: linear for each `*`.
    let (mut t, mut v, mut star) = (0, 0, None);
    while v < value.len() {
        match tokens.get(t) {
            Some(Token::Any) => {
                star = Some((t, v));
                t += 1;
            }
            Some(Token::One) => (t, v) = (t + 1, v + 1),
            Some(Token::Char(c)) if *c == value[v] => (t, v) = (t + 1, v + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (t, v) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    tokens[t..].iter().all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(statement: &str, question: &Question) -> Decision {
        decide([format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}").as_str()], question)
    }

    /// Source: IAM User Guide, "Policy evaluation logic".
    #[test]
    fn a_denial_wins_and_silence_denies() {
        let question = Question::new("iam:CreateUser", "arn:aws:iam::123456789012:user/a");
        let allow = r#"{"Effect":"Allow","Action":"iam:*","Resource":"*"}"#;
        let deny = r#"{"Effect":"Deny","Action":"IAM:create*","Resource":"arn:aws:iam::*:user/*"}"#;
        assert_eq!(allowed(allow, &question), Decision::Allowed);
        assert_eq!(allowed(&format!("{allow},{deny}"), &question), Decision::ExplicitDeny);
        assert_eq!(
            allowed(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#, &question),
            Decision::ImplicitDeny
        );
        let but = r#"{"Effect":"Deny","NotAction":["iam:CreateUser","sts:*"],"Resource":"*"}"#;
        assert_eq!(allowed(&format!("{allow},{but}"), &question), Decision::Allowed);
    }

    /// Source: IAM User Guide, "AWS: Allows MFA-authenticated IAM users to manage their own credentials", and the
    /// remarks on `BoolIfExists` there: long-term keys have no `aws:MultiFactorAuthPresent` at all.
    #[test]
    fn without_mfa_is_false_or_not_there() {
        let deny = r#"{"Effect":"Deny","NotAction":"sts:GetSessionToken","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}"#;
        let plain = r#"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}"#;
        let key = Question::new("iam:ListUsers", "*");
        let session = |mfa: bool| key.clone().with("aws:MultiFactorAuthPresent", mfa);
        assert_eq!(allowed(deny, &key), Decision::ExplicitDeny);
        assert_eq!(allowed(deny, &session(false)), Decision::ExplicitDeny);
        assert_eq!(allowed(deny, &session(true)), Decision::ImplicitDeny);
        assert_eq!(allowed(plain, &key), Decision::ImplicitDeny, "the mistake that everybody makes once");
    }

    #[test]
    fn operators_are_those_of_the_guide() {
        let question = Question::new("a:b", "*")
            .with("k", "Value")
            .with("n", 7)
            .with("ip", "203.0.113.9")
            .with("t", "2026-11-22T00:00:00Z")
            .with("many", "a")
            .with("many", "b")
            .with("arn", "arn:aws:iam::123456789012:role/x/y");
        for (operator, key, value, expected) in [
            ("StringEquals", "k", r#""Value""#, true),
            ("StringEquals", "k", r#"["x","Value"]"#, true),
            ("StringEquals", "k", r#""value""#, false),
            ("StringEqualsIgnoreCase", "k", r#""value""#, true),
            ("StringNotEquals", "k", r#"["x","Value"]"#, false),
            ("StringNotEquals", "none", r#""x""#, true),
            ("StringEquals", "none", r#""x""#, false),
            ("StringEqualsIfExists", "none", r#""x""#, true),
            ("StringLike", "k", r#""V?l*""#, true),
            ("StringNotLike", "k", r#""V*""#, false),
            ("NumericLessThan", "n", r#""8""#, true),
            ("NumericLessThan", "n", "7", false),
            ("NumericGreaterThanEquals", "n", "7", true),
            ("NumericNotEquals", "n", "7", false),
            ("IpAddress", "ip", r#"["198.51.100.0/24","203.0.113.0/24"]"#, true),
            ("IpAddress", "ip", r#""203.0.113.0/29""#, false),
            ("IpAddress", "ip", r#""::/0""#, false),
            ("NotIpAddress", "ip", r#""203.0.113.0/24""#, false),
            ("DateGreaterThan", "t", r#""2026-01-01T00:00:00Z""#, true),
            ("DateLessThan", "t", r#""1700000000""#, false),
            ("Null", "none", r#""true""#, true),
            ("Null", "k", r#""true""#, false),
            ("ForAnyValue:StringEquals", "many", r#"["b","c"]"#, true),
            ("ForAllValues:StringEquals", "many", r#"["b","c"]"#, false),
            ("ForAllValues:StringEquals", "many", r#"["a","b","c"]"#, true),
            ("ForAllValues:StringEquals", "none", r#""x""#, true),
            ("ForAnyValue:StringEquals", "none", r#""x""#, false),
            ("ArnLike", "arn", r#""arn:aws:iam::*:role/*""#, true),
            ("ArnLike", "arn", r#""arn:aws:*/y""#, false),
            ("ArnNotEquals", "arn", r#""arn:aws:iam::123456789012:role/*""#, false),
            ("ArnEquals", "arn", r#""${arn}""#, true),
            ("StringLike", "k", r#""${k}""#, true),
            ("StringEquals", "none", r#""${none}""#, false),
            ("StringLike", "k", r#""${none, 'V'}alue""#, true),
            ("Unknown", "k", r#""Value""#, false),
        ] {
            let statement = format!(
                r#"{{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{{"{operator}":{{"{key}":{value}}}}}}}"#
            );
            let is_allowed = allowed(&statement, &question) == Decision::Allowed;
            assert_eq!(is_allowed, expected, "{operator} {key} {value}");
        }
    }

    /// Source: IAM User Guide, "IAM policy elements: Variables and tags": a value is no pattern.
    #[test]
    fn a_variable_stands_for_its_value_and_nothing_else() {
        let own = r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:iam::*:user/${aws:username}"}"#;
        let of = |name: &str, about: &str| {
            let question = Question::new("iam:GetUser", format!("arn:aws:iam::123456789012:user/{about}"));
            allowed(own, &question.with("aws:username", name)) == Decision::Allowed
        };
        assert!(of("a", "a") && !of("a", "b") && !of("*", "b"));
        assert_eq!(
            allowed(own, &Question::new("iam:GetUser", "arn:aws:iam::1:user/")),
            Decision::ImplicitDeny
        );
        let old = format!("{{\"Statement\":[{own}]}}");
        let literal = Question::new("iam:GetUser", "arn:aws:iam::1:user/a").with("aws:username", "a");
        assert_eq!(decide([old.as_str()], &literal), Decision::ImplicitDeny, "the version before variables");
        let stars = r#"{"Effect":"Allow","Action":"*","Resource":"a${*}b"}"#;
        assert_eq!(allowed(stars, &Question::new("x:y", "a*b")), Decision::Allowed);
        assert_eq!(allowed(stars, &Question::new("x:y", "aXb")), Decision::ImplicitDeny);
    }

    #[test]
    fn a_role_is_assumed_by_whom_its_policy_names() {
        let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::1:user/a"]},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"e"}}}}"#;
        let question = Question::new("sts:AssumeRole", "arn:aws:iam::1:role/r").with("sts:ExternalId", "e");
        let by = |name: &str| decide_trust(trust, &[name.to_owned()], &question);
        assert_eq!(by("arn:aws:iam::1:user/a"), Decision::Allowed);
        assert_eq!(by("arn:aws:iam::1:user/b"), Decision::ImplicitDeny);
        let without = Question { context: BTreeMap::new(), ..question };
        assert_eq!(
            decide_trust(trust, &["arn:aws:iam::1:user/a".to_owned()], &without),
            Decision::ImplicitDeny
        );
    }

    #[test]
    fn patterns_with_many_stars_take_no_longer() {
        let pattern = "*a".repeat(60);
        assert!(!glob(&[Piece::Pattern(&pattern)], &"a".repeat(59)));
        assert!(glob(&[Piece::Pattern(&pattern)], &"a".repeat(200)));
    }
}
