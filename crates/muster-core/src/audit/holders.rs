//! The rules about passwords, access keys and MFA devices.

use super::command::user as of;
use super::{AuditSettings, CredentialRow, Rule};
use crate::roster::User;
use crate::taxonomy::Category;

const DAY_S: i64 = 86_400;

/// Something found about a user's credentials.
pub(super) struct Found {
    pub(super) rule: Rule,
    /// Tells two findings of one rule and user apart.
    pub(super) detail: String,
    pub(super) message: String,
    pub(super) fix: String,
}

fn found(rule: Rule, message: impl Into<String>, fix: impl Into<String>) -> Found {
    Found { rule, detail: String::new(), message: message.into(), fix: fix.into() }
}

/// What a user's categories say that it is given: the strictest of them holds.
pub(super) struct Wanted {
    group: String,
    wants_mfa: bool,
    forbids_password: bool,
    forbids_mfa: bool,
    forbids_keys: bool,
}

impl Wanted {
    /// Brings together what categories say, and the policies that all users live under.
    pub(super) fn of(categories: &[&Category], common: &[String]) -> Option<Self> {
        let names: Vec<&str> = categories.iter().map(|category| category.group.as_str()).collect();
        if names.is_empty() {
            return None;
        }
        let carries = |policy: &str| {
            common
                .iter()
                .chain(categories.iter().flat_map(|category| &category.policies))
                .any(|p| p == policy)
        };
        let given = || categories.iter().filter_map(|category| category.credentials);
        Some(Self {
            group: names.join(" and "),
            wants_mfa: carries("enforce-mfa") || given().any(|given| given.mfa),
            forbids_password: carries("deny-console") || given().any(|given| !given.password),
            forbids_mfa: given().count() == categories.len() && given().all(|given| !given.mfa),
            forbids_keys: carries("deny-access-keys") || given().any(|given| !given.access_key),
        })
    }
}

/// Holds what a user has against what its categories are given.
pub(super) fn against(wanted: &Wanted, user: &User, row: &CredentialRow) -> Vec<Found> {
    let (of, group) = (of(user.name.as_str()), &wanted.group);
    let mut all = Vec::new();
    if wanted.wants_mfa && row.password && !row.mfa {
        let message = format!("the user has a password and no MFA device, and {group} asks for one");
        all.push(found(Rule::PasswordWithoutMfa, message, format!("muster enable-mfa {of}")));
    }
    if wanted.forbids_password && row.password {
        let message = format!("the user has a password, and {group} has none");
        all.push(found(Rule::UnwantedPassword, message, format!("aws iam delete-login-profile {of}")));
    }
    if wanted.forbids_mfa && row.mfa {
        let message = format!("the user has an MFA device, and {group} has none");
        let fix = format!(
            "aws iam list-mfa-devices {of}; aws iam deactivate-mfa-device {of} --serial-number SERIAL"
        );
        all.push(found(Rule::UnwantedMfa, message, fix));
    }
    if wanted.forbids_keys && row.keys.iter().any(|key| key.active) {
        let message = format!("the user has an active access key, and {group} has none");
        let fix = format!(
            "aws iam list-access-keys {of}; aws iam update-access-key {of} --status Inactive --access-key-id KEY"
        );
        all.push(found(Rule::UnwantedAccessKey, message, fix));
    }
    all
}

/// Holds the ages of what a user has against what the config allows.
pub(super) fn ages(settings: &AuditSettings, now_s: i64, user: &User, row: &CredentialRow) -> Vec<Found> {
    let days = |at: i64| now_s.saturating_sub(at).div_euclid(DAY_S);
    let is_over = |at: i64, limit: u32| limit > 0 && days(at) >= i64::from(limit);
    let of = of(user.name.as_str());
    let mut all = Vec::new();
    for (place, key) in row.keys.iter().enumerate().filter(|(_, key)| key.active) {
        let slot = format!("access key {}", place + 1);
        let mut add = |rule: Rule, what: String, fix: String| {
            let message = format!("{slot} {what}");
            all.push(Found { detail: slot.clone(), ..found(rule, message, fix) });
        };
        if let Some(made) = key.made_s.filter(|made| is_over(*made, settings.key_age_days)) {
            let fix = format!("muster rotate-key {of}");
            add(Rule::OldAccessKey, format!("is active and {} days old", days(made)), fix);
        }
        let delete =
            format!("aws iam list-access-keys {of}; aws iam delete-access-key {of} --access-key-id KEY");
        match (key.used_s, key.made_s) {
            (Some(last), _) if is_over(last, settings.unused_days) => {
                add(
                    Rule::UnusedAccessKey,
                    format!("is active and was last used {} days ago", days(last)),
                    delete,
                );
            }
            (None, Some(made)) if is_over(made, settings.unused_days) => {
                add(Rule::NeverUsedAccessKey, format!("of {} days ago was never used", days(made)), delete);
            }
            _ => {}
        }
    }
    if row.keys.iter().filter(|key| key.active).count() > 1 {
        let fix = format!("muster rotate-key {of} --finish");
        all.push(found(Rule::TwoActiveKeys, "the user has two active access keys", fix));
    }
    if row.password {
        password(settings, now_s, &of, row, &mut all);
    }
    all
}

fn password(settings: &AuditSettings, now_s: i64, of: &str, row: &CredentialRow, all: &mut Vec<Found>) {
    let days = |at: i64| now_s.saturating_sub(at).div_euclid(DAY_S);
    let is_over = |at: i64, limit: u32| limit > 0 && days(at) >= i64::from(limit);
    if let Some(set) = row.password_changed_s.filter(|set| is_over(*set, settings.password_age_days)) {
        let fix = "ask the user to change it, or set MaxPasswordAge in the account's password policy";
        all.push(found(Rule::OldPassword, format!("the password is {} days old", days(set)), fix));
    }
    let delete = format!("aws iam delete-login-profile {of}");
    // The last use is the user's, also of a password that it had before this one.
    let set = row.password_changed_s.or(row.created_s);
    match (row.password_used_s.filter(|last| set.is_none_or(|set| *last >= set)), set) {
        (Some(last), _) if is_over(last, settings.unused_days) => {
            let message = format!("the password was last used {} days ago", days(last));
            all.push(found(Rule::UnusedPassword, message, delete));
        }
        (None, Some(set)) if is_over(set, settings.unused_days) => {
            let message = format!("the password of {} days ago was never used", days(set));
            all.push(found(Rule::NeverUsedPassword, message, delete));
        }
        _ => {}
    }
}
