//! What policies come to for one user, as the embedded account's evaluator judges them.

use std::net::IpAddr;

use muster_core::govern::apply_to;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_core::roster::{Policies, Roster, User};
use muster_sandbox::engine::{Decision, Question, decide};
use serde::Serialize;

/// What policies say to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Some policy allows it and none denies it.
    Allowed,
    /// A policy denies it.
    Denied,
    /// No policy allows it.
    NotAllowed,
    /// A boundary was not read.
    Unknown,
    /// There is no such user.
    NoSuchUser,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::NotAllowed => "not allowed",
            Self::Unknown => "unknown",
            Self::NoSuchUser => "no such user",
        })
    }
}

/// Returns what a roster's policies say to one user about one action.
pub(crate) fn effect(
    roster: &Roster,
    name: &UserName,
    action: &str,
    mfa: bool,
    source_ip: Option<IpAddr>,
) -> Verdict {
    let Some(user) = roster.user(name) else { return Verdict::NoSuchUser };
    let arn = format!("arn:{}:iam::{}:user{}{}", roster.partition, roster.account, user.path, user.name);
    let own = action.starts_with("iam:") && is_about_oneself(action);
    let mut question = Question::new(action, if own { &arn } else { "*" })
        .with("aws:username", user.name.as_str())
        .with("aws:PrincipalArn", &arn)
        .with("aws:SecureTransport", true)
        .with("aws:ViaAWSService", false);
    if let Some(address) = source_ip {
        question = question.with("aws:SourceIp", address);
    }
    // A long-lived key has none of these; a session made with MFA has all.
    if mfa {
        question = question
            .with("aws:MultiFactorAuthPresent", true)
            .with("aws:MultiFactorAuthAge", 60)
            .with("aws:TokenIssueTime", "2026-01-01T00:00:00Z");
    }
    let decision = decide(documents(user, roster), &question);
    let within = user.boundary.as_ref().map(|arn| {
        // A boundary whose text was not read may allow anything or nothing.
        roster.policy(arn).map(|policy| decide([policy.document.as_str()], &question))
    });
    match (decision, within) {
        (Decision::ExplicitDeny, _) | (_, Some(Some(Decision::ExplicitDeny))) => Verdict::Denied,
        (Decision::Allowed, None | Some(Some(Decision::Allowed))) => Verdict::Allowed,
        (Decision::Allowed, Some(None)) => Verdict::Unknown,
        _ => Verdict::NotAllowed,
    }
}

/// Returns whether a plan would have a user denied what it does with its long-lived key now, for want of MFA: so that the plan
/// itself would end half-way, and its maker locked out.
pub(crate) fn locks_out(roster: &Roster, calls: &[Mutation], caller: &UserName) -> bool {
    let user = roster.users.iter().filter(|user| user.name == *caller).cloned();
    let mut then = Roster { users: user.collect(), ..roster.clone() };
    for call in calls {
        match call {
            Mutation::AddUserToGroup { user, .. } | Mutation::RemoveUserFromGroup { user, .. }
                if user != caller => {}
            _ => apply_to(call, &mut then),
        }
    }
    let is_denied = |roster: &Roster, mfa: bool| {
        effect(roster, caller, "iam:GetAccountAuthorizationDetails", mfa, None) == Verdict::Denied
    };
    // Where something else denies it too, such as an address that is not known here, nobody can say.
    is_denied(&then, false) && !is_denied(&then, true) && !is_denied(roster, false)
}

fn is_about_oneself(action: &str) -> bool {
    ["ChangePassword", "AccessKey", "MFADevice", "LoginProfile", "AttachUserPolicy"]
        .iter()
        .any(|part| action.contains(part))
}

fn documents<'r>(user: &'r User, roster: &'r Roster) -> Vec<&'r str> {
    let of = |policies: &'r Policies| {
        let attached = policies.attached.iter().filter_map(|arn| roster.policy(arn));
        let attached = attached.map(|policy| policy.document.as_str());
        attached.chain(policies.inline.iter().map(|policy| policy.document.as_str())).collect::<Vec<_>>()
    };
    let groups = user.groups.iter().filter_map(|group| roster.group(group));
    let of_groups = groups.filter_map(|group| group.policies.as_ref()).flat_map(of);
    of(&user.policies).into_iter().chain(of_groups).collect()
}
