//! Taking a user away, putting it in quarantine, and bringing it back: which calls, in which order.
//!
//! Whatever is taken away, access goes first: stopping after any of the calls leaves the user with less, never with
//! more.

use serde_json::{Value, json};

use crate::estate::{Estate, is_virtual};
use crate::mutation::Mutation;
use crate::name::{GroupName, UserName};
use crate::roster::{Policies, Roster, Tag};

/// Name of the inline policy that denies a user everything while it is being taken away or is in quarantine.
///
/// Access keys are not all: sessions that were made with them live on for up to 36 hours, and this binds them too.
/// Source: IAM User Guide, "Disabling permissions for temporary security credentials".
pub const DENY_POLICY: &str = "MusterDenyAll";

/// Text of [`DENY_POLICY`].
pub const DENY_DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;

/// Name of the inline policy with which AWS's console revokes the sessions of a role.
/// Source: IAM User Guide, "Revoke IAM role temporary security credentials".
pub const REVOKE_POLICY: &str = "AWSRevokeOlderSessions";

/// Tags of a user in quarantine.
pub const DISABLED_AT: &str = "muster:disabled-at";
/// Tags of a user in quarantine.
pub const DISABLED_BY: &str = "muster:disabled-by";

/// The tag with the id of the run that created a user.
pub const RUN_TAG: &str = "muster:run";

/// Returns the ARN of AWS's own policy that denies everything.
pub fn deny_all_arn(partition: &str) -> String {
    format!("arn:{partition}:iam::aws:policy/AWSDenyAll")
}

/// Returns the call that denies a user everything.
pub fn deny(user: &UserName) -> Mutation {
    Mutation::PutUserPolicy {
        user: user.clone(),
        policy: DENY_POLICY.to_owned(),
        document: DENY_DOCUMENT.to_owned(),
    }
}

/// Returns the same where the user has no room for another inline policy.
pub fn deny_attached(user: &UserName, partition: &str) -> Mutation {
    Mutation::AttachUserPolicy { user: user.clone(), policy: deny_all_arn(partition) }
}

/// Returns whether a user is denied everything: by what the policy says, not by what it is called.
pub fn is_denied(estate: &Estate) -> bool {
    let denies = |document: &str| {
        let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
        parse(document).is_some() && parse(document) == parse(DENY_DOCUMENT)
    };
    let inline = estate.inline.iter().any(|policy| policy.name == DENY_POLICY && denies(&policy.document));
    inline || estate.attached.iter().any(|arn| arn.ends_with(":iam::aws:policy/AWSDenyAll"))
}

fn has_inline_deny(estate: &Estate) -> bool {
    estate.inline.iter().any(|policy| policy.name == DENY_POLICY)
}

/// Returns the calls that take everything off a user, access first; the denying policy stays.
pub fn clearing(estate: &Estate) -> Vec<Mutation> {
    let user = || estate.user.clone();
    let mut calls = Vec::new();
    if estate.login_profile {
        calls.push(Mutation::DeleteLoginProfile { user: user() });
    }
    calls.extend(
        estate.access_keys.iter().map(|key| Mutation::DeleteAccessKey { user: user(), key: key.id.clone() }),
    );
    calls.extend(
        estate.ssh_keys.iter().map(|key| Mutation::DeleteSSHPublicKey { user: user(), key: key.id.clone() }),
    );
    calls.extend(estate.service_credentials.iter().map(|credential| {
        Mutation::DeleteServiceSpecificCredential { user: user(), credential: credential.id.clone() }
    }));
    calls.extend(estate.certificates.iter().map(|certificate| Mutation::DeleteSigningCertificate {
        user: user(),
        certificate: certificate.id.clone(),
    }));
    for device in &estate.mfa_devices {
        calls.push(Mutation::DeactivateMFADevice { user: user(), device: device.clone() });
        if is_virtual(device) {
            calls.push(Mutation::DeleteVirtualMFADevice { device: device.clone() });
        }
    }
    calls.extend(
        estate.stray_devices.iter().map(|device| Mutation::DeleteVirtualMFADevice { device: device.clone() }),
    );
    calls.extend(
        estate
            .groups
            .iter()
            .map(|group| Mutation::RemoveUserFromGroup { user: user(), group: group.clone() }),
    );
    let inline = estate.inline.iter().filter(|policy| policy.name != DENY_POLICY);
    calls.extend(
        inline.map(|policy| Mutation::DeleteUserPolicy { user: user(), policy: policy.name.clone() }),
    );
    let attached = estate.attached.iter().filter(|arn| !arn.ends_with(":iam::aws:policy/AWSDenyAll"));
    calls.extend(attached.map(|arn| Mutation::DetachUserPolicy { user: user(), policy: arn.clone() }));
    if estate.boundary.is_some() {
        calls.push(Mutation::DeleteUserPermissionsBoundary { user: user() });
    }
    calls
}

/// Returns the calls that lift our denying policy, whichever way it was put on.
pub fn lifting(estate: &Estate) -> Vec<Mutation> {
    let user = || estate.user.clone();
    let mut calls = Vec::new();
    let attached = estate.attached.iter().filter(|arn| arn.ends_with(":iam::aws:policy/AWSDenyAll"));
    calls.extend(attached.map(|arn| Mutation::DetachUserPolicy { user: user(), policy: arn.clone() }));
    if has_inline_deny(estate) {
        calls.push(Mutation::DeleteUserPolicy { user: user(), policy: DENY_POLICY.to_owned() });
    }
    calls
}

/// Returns all calls that delete a user, in order.
pub fn deletion(estate: &Estate) -> Vec<Mutation> {
    let mut denied = estate.clone();
    let mut calls = Vec::new();
    if !is_denied(estate) {
        calls.push(deny(&estate.user));
        denied.inline.push(crate::roster::InlinePolicy {
            name: DENY_POLICY.to_owned(),
            document: DENY_DOCUMENT.to_owned(),
        });
    }
    calls.extend(clearing(&denied));
    calls.extend(lifting(&denied));
    calls.push(Mutation::DeleteUser { user: estate.user.clone() });
    calls
}

/// How a user in quarantine is marked, and which groups it is moved between.
#[derive(Debug, Clone, Default)]
pub struct Quarantine {
    /// The group for disabled users, if the config names one.
    pub disabled_group: Option<GroupName>,
    /// The common and category groups, which it leaves for that.
    pub managed: Vec<GroupName>,
    /// When, as RFC 3339.
    pub at: String,
    /// ARN of who does it.
    pub by: String,
}

/// Returns the calls that put a user in quarantine, after it was denied everything.
pub fn quarantine(estate: &Estate, how: &Quarantine) -> Vec<Mutation> {
    let user = || estate.user.clone();
    let mut calls = switches(estate, false, |active| active);
    if estate.login_profile {
        calls.push(Mutation::DeleteLoginProfile { user: user() });
    }
    if let Some(group) = &how.disabled_group {
        if !estate.groups.contains(group) {
            calls.push(Mutation::AddUserToGroup { user: user(), group: group.clone() });
        }
        let leaves = estate.groups.iter().filter(|group| how.managed.contains(group));
        calls
            .extend(leaves.map(|group| Mutation::RemoveUserFromGroup { user: user(), group: group.clone() }));
    }
    let tags = vec![
        Tag { key: DISABLED_AT.to_owned(), value: how.at.clone() },
        Tag { key: DISABLED_BY.to_owned(), value: tag_value(&how.by) },
    ];
    calls.push(Mutation::TagUser { user: user(), tags });
    calls
}

/// Leaves out what a tag's value cannot hold, such as the parts of an assumed role's ARN.
fn tag_value(text: &str) -> String {
    let allowed = |c: &char| c.is_alphanumeric() || " _.:/=+-@".contains(*c);
    text.chars().filter(allowed).take(256).collect()
}

/// Returns the calls that switch credentials on or off, those that are in the state asked about.
fn switches(estate: &Estate, active: bool, which: impl Fn(bool) -> bool) -> Vec<Mutation> {
    let user = || estate.user.clone();
    let keys = estate.access_keys.iter().filter(|key| which(key.active));
    let mut calls: Vec<Mutation> =
        keys.map(|key| Mutation::UpdateAccessKey { user: user(), key: key.id.clone(), active }).collect();
    let keys = estate.ssh_keys.iter().filter(|key| which(key.active));
    calls.extend(keys.map(|key| Mutation::UpdateSSHPublicKey { user: user(), key: key.id.clone(), active }));
    let certificates = estate.certificates.iter().filter(|certificate| which(certificate.active));
    calls.extend(certificates.map(|certificate| Mutation::UpdateSigningCertificate {
        user: user(),
        certificate: certificate.id.clone(),
        active,
    }));
    let credentials = estate.service_credentials.iter().filter(|credential| which(credential.active));
    calls.extend(credentials.map(|credential| Mutation::UpdateServiceSpecificCredential {
        user: user(),
        credential: credential.id.clone(),
        active,
    }));
    calls
}

/// Returns the calls that make a user what it was before its quarantine, as far as that still exists; the denying
/// policy, and a new password, are not among them. What came to it during the quarantine is switched off.
pub fn restoration(before: &Estate, now: &Estate, disabled_group: Option<&GroupName>) -> Vec<Mutation> {
    let user = || now.user.clone();
    let had = |id: &str, list: &[crate::estate::CredentialFacts]| {
        list.iter().any(|credential| credential.id == id && credential.active)
    };
    let mut calls = Vec::new();
    let missing = before.groups.iter().filter(|group| !now.groups.contains(group));
    calls.extend(missing.map(|group| Mutation::AddUserToGroup { user: user(), group: group.clone() }));
    if let Some(group) =
        disabled_group.filter(|group| now.groups.contains(group) && !before.groups.contains(group))
    {
        calls.push(Mutation::RemoveUserFromGroup { user: user(), group: group.clone() });
    }
    let back = Estate {
        access_keys: now
            .access_keys
            .iter()
            .filter(|key| before.access_keys.iter().any(|old| old.id == key.id && old.active))
            .cloned()
            .collect(),
        ssh_keys: now.ssh_keys.iter().filter(|key| had(&key.id, &before.ssh_keys)).cloned().collect(),
        certificates: now
            .certificates
            .iter()
            .filter(|cert| had(&cert.id, &before.certificates))
            .cloned()
            .collect(),
        service_credentials: now
            .service_credentials
            .iter()
            .filter(|credential| had(&credential.id, &before.service_credentials))
            .cloned()
            .collect(),
        ..now.clone()
    };
    let fresh = Estate {
        access_keys: now
            .access_keys
            .iter()
            .filter(|key| before.access_keys.iter().all(|old| old.id != key.id))
            .cloned()
            .collect(),
        ssh_keys: unknown(&now.ssh_keys, &before.ssh_keys),
        certificates: unknown(&now.certificates, &before.certificates),
        service_credentials: unknown(&now.service_credentials, &before.service_credentials),
        ..now.clone()
    };
    calls.extend(switches(&fresh, false, |active| active));
    if now.login_profile {
        // The quarantine took the password away: whoever made this one, it is not the user's own.
        calls.push(Mutation::DeleteLoginProfile { user: user() });
    }
    calls.extend(switches(&back, true, |active| !active));
    let tagged = now.tags.iter().any(|tag| tag.key == DISABLED_AT || tag.key == DISABLED_BY);
    if tagged {
        let keys = vec![DISABLED_AT.to_owned(), DISABLED_BY.to_owned()];
        calls.push(Mutation::UntagUser { user: user(), keys });
    }
    calls
}

/// Returns the credentials that were not there before.
fn unknown(
    now: &[crate::estate::CredentialFacts],
    before: &[crate::estate::CredentialFacts],
) -> Vec<crate::estate::CredentialFacts> {
    now.iter().filter(|credential| before.iter().all(|old| old.id != credential.id)).cloned().collect()
}

/// Returns the calls that lift our denying policy after a quarantine: not one that was there before it.
pub fn lifting_after(before: &Estate, now: &Estate) -> Vec<Mutation> {
    let mut ours = now.clone();
    ours.attached.retain(|arn| !before.attached.contains(arn));
    lifting(&ours)
}

/// What a run of `create-user` may have put on a user: nothing else is taken for its own.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// Id of the run, which the user's tag must say.
    pub run: String,
    /// The user's id, where the run has learned it.
    pub user_id: Option<String>,
    /// When the run was about to create it, in seconds since 1970, and when it last did anything.
    pub window: (i64, i64),
    /// Groups it was about to join.
    pub groups: Vec<GroupName>,
    /// Its permissions boundary.
    pub boundary: Option<String>,
    /// Whether a password was about to be made.
    pub password: bool,
    /// Whether an access key was about to be made.
    pub access_key: bool,
    /// MFA devices that were about to be made.
    pub devices: Vec<String>,
}

/// How far the clocks of this machine and of AWS may differ, in seconds. AWS refuses requests that are further off.
const CLOCKS_APART_S: i64 = 15 * 60;

/// Returns why a user is not the half-made one of a run, or what hangs on it that the run did not make.
pub fn foreign(estate: &Estate, made: &Made) -> Option<String> {
    let tagged = estate.tags.iter().any(|tag| tag.key == RUN_TAG && tag.value == made.run);
    if !tagged {
        return Some("it does not bear the tag of the run".to_owned());
    }
    match &made.user_id {
        Some(id) if *id != estate.user_id => {
            return Some(format!("its id is {}, and the run made {id}", estate.user_id));
        }
        Some(_) => {}
        None => {
            let (from, to) = made.window;
            if !(from - CLOCKS_APART_S..=to + CLOCKS_APART_S).contains(&estate.created) {
                return Some("it was created at another time".to_owned());
            }
        }
    }
    if estate.login_profile && !made.password {
        return Some("it has a password that the run did not make".to_owned());
    }
    // After a lost answer there may be one more than the run knows of.
    if estate.access_keys.len() > 2 || (!estate.access_keys.is_empty() && !made.access_key) {
        return Some("it has access keys that the run did not make".to_owned());
    }
    if estate.access_keys.iter().any(|key| key.last_used.is_some()) || estate.password_last_used.is_some() {
        return Some("its credentials have been used".to_owned());
    }
    if let Some(device) = estate.mfa_devices.iter().find(|device| !made.devices.contains(device)) {
        return Some(format!("it has the MFA device {device}, which the run did not make"));
    }
    if let Some(group) = estate.groups.iter().find(|group| !made.groups.contains(group)) {
        return Some(format!("it is in the group `{group}`, where the run did not put it"));
    }
    if estate.boundary != made.boundary {
        return Some("its permissions boundary is another".to_owned());
    }
    let others = [
        (estate.ssh_keys.is_empty(), "SSH keys"),
        (estate.certificates.is_empty(), "signing certificates"),
        (estate.service_credentials.is_empty(), "service-specific credentials"),
        (estate.inline.iter().all(|policy| policy.name == DENY_POLICY), "inline policies"),
        (estate.attached.is_empty(), "attached policies"),
    ];
    let foreign = others.into_iter().find(|(none, _)| !none);
    foreign.map(|(_, what)| format!("it has {what} that the run did not make"))
}

/// Returns the users that may do everything, as far as their own policies and those of their groups tell.
pub fn administrators(roster: &Roster) -> Vec<&UserName> {
    let all = |policies: &Policies| {
        let attached = policies.attached.iter().any(|arn| {
            arn.ends_with(":iam::aws:policy/AdministratorAccess")
                || roster.policy(arn).is_some_and(|policy| allows_everything(&policy.document))
        });
        attached || policies.inline.iter().any(|policy| allows_everything(&policy.document))
    };
    let by_group =
        |group: &GroupName| roster.group(group).and_then(|group| group.policies.as_ref()).is_some_and(all);
    // Who is denied everything administers nothing.
    let is_denied = |policies: &Policies| {
        policies.inline.iter().any(|policy| policy.name == DENY_POLICY)
            || policies.attached.iter().any(|arn| arn.ends_with(":iam::aws:policy/AWSDenyAll"))
    };
    let administrators = roster.users.iter().filter(|user| {
        !is_denied(&user.policies) && (all(&user.policies) || user.groups.iter().any(by_group))
    });
    administrators.map(|user| &user.name).collect()
}

/// Returns whether a policy allows every action on everything, without a condition.
fn allows_everything(document: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(document) else { return false };
    let has = |value: Option<&Value>, wanted: &[&str]| match value {
        Some(Value::String(one)) => wanted.contains(&one.as_str()),
        Some(Value::Array(list)) => {
            list.iter().any(|one| one.as_str().is_some_and(|one| wanted.contains(&one)))
        }
        _ => false,
    };
    statements(&policy).iter().any(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && has(statement.get("Action"), &["*", "*:*"])
            && has(statement.get("Resource"), &["*"])
            && statement.get("Condition").is_none()
    })
}

fn statements(policy: &Value) -> &[Value] {
    match policy.get("Statement") {
        Some(Value::Array(list)) => list,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

/// Returns whether a role's trust policy lets a user assume it, if the user's own policies do: it names the user, its
/// account, or everybody.
pub fn may_be_assumed_by(trust: &str, user_arn: &str, account: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(trust) else { return false };
    let root = format!(":iam::{account}:root");
    let fits = |principal: &str| {
        principal == "*" || principal == user_arn || principal == account || principal.ends_with(&root)
    };
    let named = |value: &Value| match value {
        Value::String(one) => fits(one),
        Value::Array(list) => list.iter().any(|one| one.as_str().is_some_and(fits)),
        _ => false,
    };
    statements(&policy).iter().any(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && match statement.get("Principal") {
                Some(Value::Object(principals)) => principals.get("AWS").is_some_and(named),
                Some(other) => named(other),
                None => false,
            }
    })
}

/// Returns the call that ends all sessions of a role that were begun before a time.
pub fn revocation(role: &str, before: &str) -> Mutation {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny", "Action": ["*"], "Resource": ["*"],
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": before } },
        }],
    });
    Mutation::PutRolePolicy {
        role: role.to_owned(),
        policy: REVOKE_POLICY.to_owned(),
        document: policy.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estate() -> Estate {
        let credential =
            |id: &str, active| crate::estate::CredentialFacts { id: id.to_owned(), service: None, active };
        let key = |id: &str, active| crate::estate::KeyFacts {
            id: id.to_owned(),
            active,
            created: 100,
            last_used: None,
            last_service: None,
            use_known: true,
        };
        Estate {
            user: UserName::new("alice"),
            user_id: "AIDAEXAMPLE".to_owned(),
            arn: "arn:aws:iam::123456789012:user/alice".to_owned(),
            path: "/".to_owned(),
            created: 100,
            password_last_used: None,
            tags: vec![Tag { key: RUN_TAG.to_owned(), value: "run".to_owned() }],
            boundary: Some("arn:aws:iam::123456789012:policy/b".to_owned()),
            login_profile: true,
            access_keys: vec![key("AKIA1", true), key("AKIA2", false)],
            ssh_keys: vec![credential("APKA1", true)],
            certificates: vec![credential("CERT1", true)],
            service_credentials: vec![credential("ACCA1", true)],
            mfa_devices: vec![
                "arn:aws:iam::123456789012:mfa/alice".to_owned(),
                "GAHT12345678".to_owned(),
                "arn:aws:iam::123456789012:u2f/user/alice/key-1".to_owned(),
            ],
            stray_devices: Vec::new(),
            groups: vec![GroupName::new("AllUsers"), GroupName::new("AllHumanUsers")],
            inline: vec![crate::roster::InlinePolicy { name: "own".to_owned(), document: "{}".to_owned() }],
            attached: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()],
            unseen: Vec::new(),
        }
    }

    fn actions(calls: &[Mutation]) -> Vec<&'static str> {
        calls.iter().map(Mutation::action).collect()
    }

    #[test]
    fn access_goes_first_and_the_denying_policy_last() {
        let calls = deletion(&estate());
        assert_eq!(
            actions(&calls),
            [
                "PutUserPolicy",
                "DeleteLoginProfile",
                "DeleteAccessKey",
                "DeleteAccessKey",
                "DeleteSSHPublicKey",
                "DeleteServiceSpecificCredential",
                "DeleteSigningCertificate",
                "DeactivateMFADevice",
                "DeleteVirtualMFADevice",
                "DeactivateMFADevice",
                "DeactivateMFADevice",
                "RemoveUserFromGroup",
                "RemoveUserFromGroup",
                "DeleteUserPolicy",
                "DetachUserPolicy",
                "DeleteUserPermissionsBoundary",
                "DeleteUserPolicy",
                "DeleteUser",
            ]
        );
        assert_eq!(
            calls[16],
            Mutation::DeleteUserPolicy { user: UserName::new("alice"), policy: DENY_POLICY.to_owned() }
        );
    }

    #[test]
    fn what_a_quarantine_switches_off_a_restoration_switches_on_again() {
        let before = estate();
        let how = Quarantine {
            disabled_group: Some(GroupName::new("Disabled")),
            managed: before.groups.clone(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            by: "arn:aws:iam::123456789012:user/admin".to_owned(),
        };
        let off = quarantine(&before, &how);
        assert_eq!(
            actions(&off),
            [
                "UpdateAccessKey",
                "UpdateSSHPublicKey",
                "UpdateSigningCertificate",
                "UpdateServiceSpecificCredential",
                "DeleteLoginProfile",
                "AddUserToGroup",
                "RemoveUserFromGroup",
                "RemoveUserFromGroup",
                "TagUser",
            ]
        );
        let mut now = before.clone();
        now.groups = vec![GroupName::new("Disabled")];
        now.access_keys[0].active = false;
        now.ssh_keys[0].active = false;
        now.tags.push(Tag { key: DISABLED_AT.to_owned(), value: how.at.clone() });
        now.login_profile = false;
        let on = restoration(&before, &now, how.disabled_group.as_ref());
        assert_eq!(
            actions(&on),
            [
                "AddUserToGroup",
                "AddUserToGroup",
                "RemoveUserFromGroup",
                "UpdateAccessKey",
                "UpdateSSHPublicKey",
                "UntagUser"
            ]
        );
        // The key that was inactive before stays so.
        assert!(on.contains(&Mutation::UpdateAccessKey {
            user: UserName::new("alice"),
            key: "AKIA1".to_owned(),
            active: true
        }));
    }

    #[test]
    fn only_what_the_run_made_is_its_own() {
        let mut half = estate();
        half.inline.clear();
        half.attached.clear();
        half.ssh_keys.clear();
        half.certificates.clear();
        half.service_credentials.clear();
        half.mfa_devices.truncate(1);
        half.access_keys.truncate(1);
        let made = Made {
            run: "run".to_owned(),
            user_id: Some("AIDAEXAMPLE".to_owned()),
            window: (100, 110),
            groups: half.groups.clone(),
            boundary: half.boundary.clone(),
            password: true,
            access_key: true,
            devices: half.mfa_devices.clone(),
        };
        assert_eq!(foreign(&half, &made), None);
        let changes: [fn(&mut Estate); 9] = [
            |e| e.tags.clear(),
            |e| e.user_id = "AIDAOTHER".to_owned(),
            |e| e.attached.push("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()),
            |e| e.groups.push(GroupName::new("Admins")),
            |e| e.boundary = None,
            |e| e.access_keys[0].last_used = Some(105),
            |e| e.mfa_devices.push("GAHT12345678".to_owned()),
            |e| e.password_last_used = Some(105),
            |e| e.inline.push(crate::roster::InlinePolicy { name: "x".to_owned(), document: String::new() }),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = half.clone();
            change(&mut other);
            assert!(foreign(&other, &made).is_some(), "change {number}");
        }
        // Without an id, the time decides: a tag alone does not.
        let unknown = Made { user_id: None, ..made };
        assert_eq!(foreign(&half, &unknown), None);
        let later = Estate { created: 10_000, ..half };
        assert!(foreign(&later, &unknown).is_some());
    }

    #[test]
    fn an_administrator_is_known_by_what_it_may() {
        let all = |document: &str| allows_everything(document);
        assert!(all(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#));
        assert!(all(r#"{"Statement":[{"Effect":"Allow","Action":["s3:Get","*"],"Resource":["*"]}]}"#));
        assert!(!all(r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#));
        assert!(!all(r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#));
        let limited =
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":"b"}}}}"#;
        assert!(!all(limited));
    }

    #[test]
    fn a_role_says_who_may_assume_it() {
        let user = "arn:aws:iam::123456789012:user/alice";
        let trust = |principal: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
            )
        };
        for principal in [
            r#"{"AWS":"arn:aws:iam::123456789012:user/alice"}"#,
            r#"{"AWS":["arn:aws:iam::999999999999:root","arn:aws:iam::123456789012:root"]}"#,
            r#"{"AWS":"123456789012"}"#,
            r#""*""#,
        ] {
            assert!(may_be_assumed_by(&trust(principal), user, "123456789012"), "{principal}");
        }
        for principal in
            [r#"{"Service":"ec2.amazonaws.com"}"#, r#"{"AWS":"arn:aws:iam::123456789012:user/alic"}"#]
        {
            assert!(!may_be_assumed_by(&trust(principal), user, "123456789012"), "{principal}");
        }
    }
}
