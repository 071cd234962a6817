//! What a membership means: the policies of the groups that gain members.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::document::Said;
use crate::name::GroupName;
use crate::plan::{Change, Plan};
use crate::roster::Roster;

/// What joining a group brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// The group.
    pub group: GroupName,
    /// How many users join it.
    pub joiners: usize,
    /// Its policies; `None` where they could not be read.
    pub policies: Option<Vec<PolicyImpact>>,
}

/// What one policy of a group does to those who join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyImpact {
    /// The policy's name.
    pub name: String,
    /// Whether it denies anything.
    pub denies: Denies,
}

/// Whether a policy denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denies {
    /// It only allows.
    Nothing,
    /// It denies under a condition.
    UnderACondition,
    /// It denies always.
    Always,
    /// Its text was not read, or is not a policy.
    Unknown,
}

/// Returns whether a policy's JSON text denies anything.
///
/// Source: IAM User Guide, "IAM JSON policy elements: Effect" and "Statement" (one object or a list).
pub fn denies(document: &str) -> Denies {
    let Ok(policy) = serde_json::from_str::<serde_json::Value>(document) else { return Denies::Unknown };
    let statements = match policy.get("Statement") {
        Some(serde_json::Value::Array(list)) => list.as_slice(),
        Some(one @ serde_json::Value::Object(_)) => std::slice::from_ref(one),
        _ => return Denies::Unknown,
    };
    let mut found = Denies::Nothing;
    for statement in statements {
        if statement.get("Effect").and_then(|effect| effect.as_str()) == Some("Deny") {
            let condition = statement.get("Condition").and_then(|condition| condition.as_object());
            if condition.is_none_or(serde_json::Map::is_empty) {
                return Denies::Always;
            }
            found = Denies::UnderACondition;
        }
    }
    found
}

/// Returns whether a policy's JSON text allows an action on anything, under whatever condition.
pub fn allows(document: &str, action: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<serde_json::Value>(document) else { return false };
    let statements = match policy.get("Statement") {
        Some(serde_json::Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => return false,
    };
    let fits = |pattern: &serde_json::Value| pattern.as_str().is_some_and(|pattern| is_like(action, pattern));
    statements.iter().any(|statement| {
        statement.get("Effect").and_then(|effect| effect.as_str()) == Some("Allow")
            && match statement.get("Action") {
                Some(serde_json::Value::Array(list)) => list.iter().any(fits),
                Some(one) => fits(one),
                None => statement.get("NotAction").is_some(),
            }
    })
}

/// Returns whether a text fits a pattern with `*` and `?`; case does not count. Takes no longer than text times pattern, whatever
/// the pattern: it may be somebody else's.
///
/// Source: IAM User Guide, "IAM JSON policy elements: Action".
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut at, mut of_pattern) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of_pattern) {
            Some(b'*') => {
                star = Some((of_pattern, at));
                of_pattern += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(&text[at]) => {
                at += 1;
                of_pattern += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, of_pattern) = (taken + 1, place + 1);
            }
        }
    }
    pattern[of_pattern..].iter().all(|rest| *rest == b'*')
}

/// Puts each user's new groups in the order in which joining them is safe: what a group denies holds before another one allows it.
///
/// Two groups that each allow something the other denies have no such order.
pub fn order_joins(plan: &mut Plan, roster: &Roster) {
    let brings = |group: &GroupName| {
        let policies = roster.group(group).and_then(|group| group.policies.as_ref());
        let attached = policies.into_iter().flat_map(|policies| &policies.attached);
        let attached = attached.filter_map(|arn| roster.policy(arn)).map(|policy| policy.document.as_str());
        let inline = policies.into_iter().flat_map(|policies| &policies.inline);
        let said: Vec<Said> = attached.chain(inline.map(|p| p.document.as_str())).map(Said::by).collect();
        let (allows, denies) = (
            said.iter().any(|said| !said.allows.is_empty()),
            said.iter().any(|said| !said.denies.is_empty()),
        );
        u8::from(allows) + u8::from(allows && !denies)
    };
    let mut known: BTreeMap<GroupName, u8> = BTreeMap::new();
    for user in &mut plan.users {
        let joins = user.changes.iter().take_while(|change| matches!(change, Change::Add(_))).count();
        if joins > 1 {
            user.changes[..joins].sort_by_cached_key(|change| {
                let group = change.group();
                *known.entry(group.clone()).or_insert_with(|| brings(group))
            });
        }
    }
}

/// Returns what the plan's new memberships bring, for each group that gains members, ordered by name.
pub fn impacts(plan: &Plan, roster: &Roster) -> Vec<Impact> {
    let mut joiners: BTreeMap<&GroupName, usize> = BTreeMap::new();
    for change in plan.users.iter().flat_map(|user| &user.changes) {
        if let Change::Add(group) = change {
            *joiners.entry(group).or_default() += 1;
        }
    }
    let impact = |(name, joiners): (&GroupName, usize)| {
        let created = plan.groups.iter().any(|(group, _)| group == name);
        let policies = if created { Some(Vec::new()) } else { policies_of(name, roster) };
        Impact { group: name.clone(), joiners, policies }
    };
    joiners.into_iter().map(impact).collect()
}

/// Returns the policies that a group carries, and whether they deny; `None` where they could not be read.
pub fn policies_of(group: &GroupName, roster: &Roster) -> Option<Vec<PolicyImpact>> {
    let policies = roster.group(group)?.policies.as_ref()?;
    let attached = policies.attached.iter().map(|arn| match roster.policy(arn) {
        Some(policy) => PolicyImpact { name: policy.name.clone(), denies: denies(&policy.document) },
        None => {
            let name = arn.rsplit('/').next().unwrap_or(arn).to_owned();
            PolicyImpact { name, denies: Denies::Unknown }
        }
    });
    let inline = policies.inline.iter();
    let inline = inline.map(|p| PolicyImpact { name: p.name.clone(), denies: denies(&p.document) });
    Some(attached.chain(inline).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_allowed_by_name_or_by_pattern() {
        let policy = |action: &str| format!(r#"{{"Statement":{{"Effect":"Allow","Action":{action}}}}}"#);
        for action in [r#""iam:ChangePassword""#, r#""iam:Change*""#, r#""*""#, r#"["s3:*","IAM:*Pass?ord"]"#]
        {
            assert!(allows(&policy(action), "iam:ChangePassword"), "{action}");
        }
        for action in [r#""iam:Get*""#, r#""iam:ChangePasswor""#, "[]"] {
            assert!(!allows(&policy(action), "iam:ChangePassword"), "{action}");
        }
        assert!(!allows(r#"{"Statement":{"Effect":"Deny","Action":"*"}}"#, "iam:ChangePassword"));
    }

    #[test]
    fn a_pattern_fits_as_iam_says_and_soon() {
        for (text, pattern, fits) in [
            ("iam:ListUsers", "IAM:list*", true),
            ("iam:ListUsers", "iam:List?sers", true),
            ("iam:ListUsers", "iam:*List*s*", true),
            ("iam:ListUsers", "iam:List", false),
            ("", "*", true),
            ("", "?", false),
            ("aab", "a*ab", true),
        ] {
            assert_eq!(is_like(text, pattern), fits, "{text} {pattern}");
        }
        assert!(!is_like(&"a".repeat(2_000), &format!("{}b", "*a".repeat(500))));
    }

    #[test]
    fn a_denying_statement_is_found_whatever_its_shape() {
        assert_eq!(denies(r#"{"Statement":{"Effect":"Allow","Action":"*"}}"#), Denies::Nothing);
        assert_eq!(denies(r#"{"Statement":[{"Effect":"Allow"},{"Effect":"Deny"}]}"#), Denies::Always);
        let conditional = r#"{"Statement":[{"Effect":"Deny","Condition":{"Bool":{"aws:x":"false"}}}]}"#;
        assert_eq!(denies(conditional), Denies::UnderACondition);
        assert_eq!(denies(r#"{"Statement":[{"Effect":"Deny","Condition":{}}]}"#), Denies::Always);
        assert_eq!(denies("no policy"), Denies::Unknown);
        assert_eq!(denies("{}"), Denies::Unknown);
    }
}
