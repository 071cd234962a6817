//! What the built-in policy templates allow and deny, as the evaluator judges them: a line for each promise.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use muster_core::templates::{BUILT_IN, Place, find};
use muster_sandbox::engine::{Decision, Question, decide};
use serde_json::json;

const ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ACCOUNT: &str = "arn:aws:iam::123456789012";

/// How somebody calls.
#[derive(Debug, Clone, Copy)]
enum By {
    /// With a long-lived key.
    Key,
    /// In a session that was made without MFA.
    Session,
    /// In a session that was made with MFA this many seconds ago.
    Mfa(u32),
    /// An AWS service, on behalf of somebody in an MFA session, from an address of its own.
    Service,
}

fn ask(by: By, address: &str, tls: bool, action: &str, resource: &str) -> Question {
    let question = Question::new(action, resource)
        .with("aws:username", "alice")
        .with("aws:SourceIp", address)
        .with("aws:SecureTransport", tls)
        .with("aws:ViaAWSService", matches!(by, By::Service));
    let session = |question: Question| question.with("aws:TokenIssueTime", "2026-11-22T00:00:00Z");
    match by {
        By::Key => question,
        By::Session => session(question).with("aws:MultiFactorAuthPresent", false),
        By::Mfa(age) => {
            session(question).with("aws:MultiFactorAuthPresent", true).with("aws:MultiFactorAuthAge", age)
        }
        By::Service => session(question),
    }
}

fn policy(template: &str) -> String {
    let given = match template {
        "enforce-source-ip" => Some(json!({ "source_ip": ["203.0.113.0/24", "2001:db8::/32"] })),
        "enforce-mfa" => Some(json!({ "max_session_age": "12h" })),
        _ => None,
    };
    let place = Place { partition: "aws".to_owned(), account_id: "123456789012".to_owned() };
    find(template).unwrap().policy(given.as_ref(), &place).unwrap().to_string()
}

const IN: &str = "203.0.113.9";
const OUT: &str = "198.51.100.1";

/// `alice` may everything, but for what the template denies.
#[test]
fn what_is_denied() {
    let user = format!("{ACCOUNT}:user/alice");
    let device = format!("{ACCOUNT}:mfa/phone");
    for (template, by, address, tls, action, resource, allowed) in [
        ("enforce-mfa", By::Key, IN, true, "s3:ListBucket", "*", false),
        ("enforce-mfa", By::Session, IN, true, "s3:ListBucket", "*", false),
        ("enforce-mfa", By::Mfa(60), IN, true, "s3:ListBucket", "*", true),
        ("enforce-mfa", By::Mfa(43_200), IN, true, "s3:ListBucket", "*", true),
        ("enforce-mfa", By::Mfa(43_201), IN, true, "s3:ListBucket", "*", false),
        ("enforce-mfa", By::Service, OUT, true, "s3:ListBucket", "*", true),
        ("enforce-mfa", By::Key, IN, true, "sts:GetSessionToken", "*", true),
        ("enforce-mfa", By::Key, IN, true, "sts:AssumeRole", "arn:aws:iam::123456789012:role/r", false),
        ("enforce-mfa", By::Key, IN, true, "iam:CreateVirtualMFADevice", &device, true),
        ("enforce-mfa", By::Session, IN, true, "iam:CreateVirtualMFADevice", &device, true),
        ("enforce-mfa", By::Key, IN, true, "iam:TagMFADevice", &device, false),
        ("enforce-mfa", By::Key, IN, true, "iam:EnableMFADevice", &user, true),
        ("enforce-mfa", By::Session, IN, true, "iam:ChangePassword", &user, true),
        ("enforce-mfa", By::Key, IN, true, "iam:ResyncMFADevice", &user, true),
        ("enforce-mfa", By::Key, IN, true, "iam:DeactivateMFADevice", &user, false),
        ("enforce-mfa", By::Mfa(60), IN, true, "iam:DeactivateMFADevice", &user, true),
        ("enforce-mfa", By::Key, IN, true, "iam:CreateAccessKey", &user, false),
        ("enforce-mfa", By::Key, IN, true, "iam:CreateLoginProfile", &user, false),
        ("enforce-source-ip", By::Key, IN, true, "s3:ListBucket", "*", true),
        ("enforce-source-ip", By::Key, "2001:db8::1", true, "s3:ListBucket", "*", true),
        ("enforce-source-ip", By::Key, OUT, true, "s3:ListBucket", "*", false),
        ("enforce-source-ip", By::Mfa(60), OUT, true, "s3:ListBucket", "*", false),
        ("enforce-source-ip", By::Key, "203.0.114.9", true, "iam:GetUser", &user, false),
        ("enforce-source-ip", By::Service, OUT, true, "s3:ListBucket", "*", true),
        ("enforce-tls", By::Key, IN, true, "s3:ListBucket", "*", true),
        ("enforce-tls", By::Mfa(60), IN, false, "s3:ListBucket", "*", false),
        ("deny-console", By::Key, IN, true, "iam:CreateLoginProfile", &user, false),
        (
            "deny-console",
            By::Mfa(60),
            IN,
            true,
            "iam:CreateLoginProfile",
            &format!("{ACCOUNT}:user/bob"),
            false,
        ),
        ("deny-console", By::Key, IN, true, "iam:UpdateLoginProfile", &user, false),
        ("deny-console", By::Key, IN, true, "iam:DeleteLoginProfile", &user, true),
        ("deny-console", By::Key, IN, true, "s3:ListBucket", "*", true),
        ("deny-access-keys", By::Key, IN, true, "s3:ListBucket", "*", false),
        ("deny-access-keys", By::Key, IN, true, "sts:GetSessionToken", "*", false),
        ("deny-access-keys", By::Session, IN, true, "s3:ListBucket", "*", true),
        ("deny-access-keys", By::Mfa(60), IN, true, "iam:CreateAccessKey", &user, false),
        (
            "deny-access-keys",
            By::Mfa(60),
            IN,
            true,
            "iam:CreateAccessKey",
            &format!("{ACCOUNT}:user/a/b/alice"),
            false,
        ),
        ("deny-access-keys", By::Mfa(60), IN, true, "iam:DeleteAccessKey", &user, true),
        (
            "deny-access-keys",
            By::Mfa(60),
            IN,
            true,
            "iam:CreateAccessKey",
            &format!("{ACCOUNT}:user/bob"),
            true,
        ),
    ] {
        let decision = decide([ALL, &policy(template)], &ask(by, address, tls, action, resource));
        let expected = if allowed { Decision::Allowed } else { Decision::ExplicitDeny };
        assert_eq!(
            decision, expected,
            "{template}: {by:?} from {address}, tls {tls}: {action} on {resource}"
        );
    }
}

/// `alice` may nothing, but for what the template allows.
#[test]
fn what_is_allowed() {
    let (manage, read) = ("self-manage-credentials", "read-own-account-info");
    for (template, action, resource, allowed) in [
        (manage, "iam:ChangePassword", "user/alice", true),
        (manage, "iam:ChangePassword", "user/staff/berlin/alice", true),
        (manage, "iam:ChangePassword", "user/malice", false),
        (manage, "iam:ChangePassword", "user/staff/malice", false),
        (manage, "iam:ChangePassword", "user/alice/bob", false),
        (manage, "iam:CreateAccessKey", "user/alice", true),
        (manage, "iam:CreateAccessKey", "user/bob", false),
        (manage, "iam:EnableMFADevice", "user/alice", true),
        (manage, "iam:EnableMFADevice", "user/bob", false),
        (manage, "iam:DeactivateMFADevice", "user/bob", false),
        (manage, "iam:CreateVirtualMFADevice", "mfa/phone", true),
        (manage, "iam:DeleteVirtualMFADevice", "mfa/alice", true),
        (manage, "iam:DeleteVirtualMFADevice", "mfa/alice-2", true),
        (manage, "iam:DeleteVirtualMFADevice", "mfa/bob", false),
        (manage, "iam:CreateLoginProfile", "user/alice", false),
        (manage, "iam:UpdateLoginProfile", "user/alice", false),
        (manage, "iam:AddUserToGroup", "group/Admins", false),
        (manage, "iam:PutUserPolicy", "user/alice", false),
        (manage, "iam:AttachUserPolicy", "user/alice", false),
        (manage, "iam:DeleteUser", "user/alice", false),
        (manage, "iam:UploadSSHPublicKey", "user/alice", false),
        (manage, "iam:TagUser", "user/alice", false),
        (read, "iam:GetUser", "user/alice", true),
        (read, "iam:GetUser", "user/bob", false),
        (read, "iam:ListGroupsForUser", "user/staff/alice", true),
        (read, "iam:ListUsers", "user/", false),
        (read, "iam:CreateAccessKey", "user/alice", false),
    ] {
        let question = ask(By::Mfa(60), IN, true, action, &format!("{ACCOUNT}:{resource}"));
        let decision = decide([policy(template).as_str()], &question);
        let expected = if allowed { Decision::Allowed } else { Decision::ImplicitDeny };
        assert_eq!(decision, expected, "{template}: {action} on {resource}");
    }
    for action in ["iam:GetAccountSummary", "iam:ListAccountAliases", "iam:GetAccountPasswordPolicy"] {
        let question = ask(By::Key, OUT, true, action, "*");
        assert_eq!(decide([policy(read).as_str()], &question), Decision::Allowed, "{action}");
    }
}

/// A template that only denies gives nobody anything, and one that only allows takes nothing away.
#[test]
fn denying_and_allowing_are_not_mixed() {
    for template in BUILT_IN {
        let text = policy(template.name);
        assert_ne!(
            text.contains(r#""Effect":"Allow""#),
            text.contains(r#""Effect":"Deny""#),
            "{}",
            template.name
        );
    }
}
