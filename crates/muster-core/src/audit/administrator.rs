//! Users who may do everything, or make themselves able to.

use serde_json::Value;

use crate::document::statements;
use crate::impact::is_like;
use crate::roster::{Roster, User};

/// Whoever may do all of these to anybody may do everything. Conditions are not looked at: an administrator with MFA is one.
const TELLING: [&str; 3] = ["iam:CreateUser", "iam:AttachUserPolicy", "iam:PutUserPolicy"];

/// What a roster tells about one user.
pub(super) enum Found {
    /// The user is no administrator.
    No,
    /// It is one, through a policy.
    Through(String),
    /// It has a policy whose text was not read.
    Unread(String),
}

/// Returns whether a user may do everything.
pub(super) fn administrator(user: &User, roster: &Roster) -> Found {
    let groups = user.groups.iter().filter_map(|name| roster.group(name));
    let of_groups = groups.filter_map(|group| Some((Some(&group.name), group.policies.as_ref()?)));
    let (mut through, mut unread, mut denied) = (None, None, false);
    for (group, policies) in of_groups.chain([(None, &user.policies)]) {
        let attached = policies.attached.iter().map(|arn| match roster.policy(arn) {
            Some(policy) => (policy.name.as_str(), Some(policy.document.as_str())),
            None => (arn.as_str(), None),
        });
        let inline =
            policies.inline.iter().map(|policy| (policy.name.as_str(), Some(policy.document.as_str())));
        for (name, document) in attached.chain(inline) {
            let Some(document) = document else {
                unread.get_or_insert_with(|| name.to_owned());
                continue;
            };
            denied |= says(document, "Deny", roster);
            if through.is_none() && says(document, "Allow", roster) {
                through = Some(match group {
                    Some(group) => format!("{name} of the group {group}"),
                    None => format!("{name} of its own"),
                });
            }
        }
    }
    match (denied, through, unread) {
        (false, Some(through), _) => Found::Through(through),
        (false, None, Some(policy)) => Found::Unread(policy),
        (true, ..) | (false, None, None) => Found::No,
    }
}

/// Returns whether a policy says so of everything that tells an administrator. What it denies under a condition is not denied.
fn says(document: &str, effect: &str, roster: &Roster) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return false };
    let somebody = format!("arn:{}:iam::{}:user/somebody", roster.partition, roster.account);
    let statements = statements(&document).iter().filter(|statement| {
        let is_bare =
            statement.get("Condition").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
        statement.get("Effect").and_then(Value::as_str) == Some(effect) && (effect == "Allow" || is_bare)
    });
    let statements: Vec<&Value> = statements.collect();
    TELLING.iter().all(|action| {
        statements.iter().any(|statement| {
            covers(statement, "Action", "NotAction", action)
                && covers(statement, "Resource", "NotResource", &somebody)
        })
    })
}

fn covers(statement: &Value, name: &str, opposite: &str, text: &str) -> bool {
    let any = |value: &Value| match value {
        Value::String(pattern) => is_like(text, pattern),
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(|pattern| is_like(text, pattern)),
        _ => false,
    };
    statement.get(name).is_some_and(any) || statement.get(opposite).is_some_and(|value| !any(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{ReadBy, SNAPSHOT_VERSION};

    #[test]
    fn an_administrator_is_known_by_what_a_policy_comes_to() {
        let roster = Roster {
            muster_snapshot: SNAPSHOT_VERSION,
            account: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            taken_at: String::new(),
            read_by: ReadBy::AccountAuthorizationDetails,
            users: Vec::new(),
            groups: Vec::new(),
            policies: Vec::new(),
        };
        let is = |statement: &str| says(&format!(r#"{{"Statement":[{statement}]}}"#), "Allow", &roster);
        for statement in [
            r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"IAM:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","NotAction":"aws-portal:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":["s3:*","ia?:*"],"Resource":"arn:aws:iam::*:*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
            r#"{"Effect":"Allow","Action":"iam:*User","Resource":"*"},{"Effect":"Allow","Action":"iam:*UserPolicy","NotResource":"x"}"#,
        ] {
            assert!(is(statement), "{statement}");
        }
        for statement in [
            r#"{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::x"}"#,
            r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#,
            r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"iam:CreateUser","Resource":"*"}"#,
        ] {
            assert!(!is(statement), "{statement}");
        }
    }
}
