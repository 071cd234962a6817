//! The least-privilege IAM policy that a command needs with a config.

use serde_json::{Value, json};

use crate::config::Settings;
use crate::name::GroupName;
use crate::rules::{CarriedAs, POLICY_PATH};
use crate::taxonomy::GroupRole;

/// A command that calls an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `create-default-groups`.
    CreateDefaultGroups,
    /// `sort-users`.
    SortUsers,
    /// `snapshot`.
    Snapshot,
    /// `revert`.
    Revert,
    /// `create-user`.
    CreateUser,
    /// `delete-user`.
    DeleteUser,
    /// `disable-user`.
    DisableUser,
    /// `restore-user`.
    RestoreUser,
    /// `configure`, for looking the MFA device up.
    Configure,
    /// `enable-mfa`, for oneself.
    EnableMfa,
    /// `enable-mfa --user-name`.
    EnableMfaOfOthers,
    /// `init-sts-session`, for looking the MFA device up: the session itself needs no permission.
    InitStsSession,
    /// `assume-role`, where the role trusts the account and not the user by name.
    AssumeRole,
    /// `rotate-my-key`.
    RotateMyKey,
    /// `rotate-key`.
    RotateKey,
    /// `init`, `plan` and `rehearse`, which only read.
    Plan,
    /// `plan --validate` and `apply --validate`.
    Validate,
    /// `apply`.
    Apply,
    /// `audit`.
    Audit,
    /// `create-policy`.
    CreatePolicy,
    /// `recover`, for whatever was begun.
    Recover,
}

impl Command {
    /// Every command, with its name on the command line.
    pub const ALL: [(&'static str, Self); 21] = [
        ("create-default-groups", Self::CreateDefaultGroups),
        ("sort-users", Self::SortUsers),
        ("snapshot", Self::Snapshot),
        ("revert", Self::Revert),
        ("create-user", Self::CreateUser),
        ("delete-user", Self::DeleteUser),
        ("disable-user", Self::DisableUser),
        ("restore-user", Self::RestoreUser),
        ("configure", Self::Configure),
        ("enable-mfa", Self::EnableMfa),
        ("init-sts-session", Self::InitStsSession),
        ("assume-role", Self::AssumeRole),
        ("rotate-my-key", Self::RotateMyKey),
        ("rotate-key", Self::RotateKey),
        ("init", Self::Plan),
        ("plan", Self::Plan),
        ("rehearse", Self::Plan),
        ("apply", Self::Apply),
        ("audit", Self::Audit),
        ("create-policy", Self::CreatePolicy),
        ("recover", Self::Recover),
    ];
}

/// Returns a policy that allows exactly the given commands, with what the config manages and no more.
///
/// `GetCallerIdentity` needs no permission. `ListAccountAliases` is optional: without it the alias is not shown.
/// Resource types are those of the Service Authorization Reference for IAM.
pub fn policy(commands: &[Command], settings: &Settings, partition: &str, account: &str) -> Value {
    let taxonomy = &settings.taxonomy;
    let any = |wanted: &[Command]| wanted.iter().any(|command| commands.contains(command));
    // New groups are created at `/`; existing ones may have a path.
    let group = |path: &str| {
        let arn =
            |(name, _): (&GroupName, GroupRole)| format!("arn:{partition}:iam::{account}:group/{path}{name}");
        taxonomy.groups().map(arn).collect::<Vec<_>>()
    };
    let (new_groups, groups) = (group(""), [group(""), group("*/")].concat());
    let prefix = taxonomy.path_prefix.as_deref().unwrap_or("/");
    let users = format!("arn:{partition}:iam::{account}:user{prefix}*");

    let devices = format!("arn:{partition}:iam::{account}:mfa/*");
    // Recovering is finishing or undoing any of them.
    let recovers = commands.contains(&Command::Recover);
    let is = |command: Command| recovers || commands.contains(&command);
    let creates = is(Command::CreateUser);
    let (deletes, disables, restores) =
        (is(Command::DeleteUser), is(Command::DisableUser), is(Command::RestoreUser));
    let rotates = is(Command::RotateKey);
    let about_users = creates || deletes || disables || restores || rotates;

    let mut statements = Vec::new();
    let reads = [
        Command::SortUsers,
        Command::Snapshot,
        Command::Revert,
        Command::Plan,
        Command::Apply,
        Command::Audit,
        Command::CreatePolicy,
    ];
    if about_users || any(&reads) {
        statements.push(statement("ReadTheAccount", &["iam:GetAccountAuthorizationDetails"], &json!("*")));
    }
    if any(&[Command::CreateDefaultGroups]) {
        statements.push(statement("ReadTheGroups", &["iam:ListGroups"], &json!("*")));
    }
    if any(&[Command::CreateDefaultGroups, Command::Apply])
        || (any(&[Command::SortUsers]) && settings.create_groups)
    {
        statements.push(statement("CreateTheGroups", &["iam:CreateGroup"], &json!(new_groups)));
    }
    if any(&[Command::SortUsers, Command::Revert, Command::Apply]) {
        let actions = ["iam:AddUserToGroup", "iam:RemoveUserFromGroup"];
        statements.push(statement("ChangeMemberships", &actions, &json!(groups)));
        statements.push(statement("LookAgainBeforeTakingAway", &["iam:ListGroupsForUser"], &json!(users)));
    }
    if any(&[Command::Revert]) {
        statements.push(statement("UndoCreatedGroups", &["iam:DeleteGroup"], &json!(new_groups)));
    }
    if about_users {
        statements.push(statement("SeeAllThatHangsOnAUser", &SEE_A_USER, &json!(users)));
        statements.push(statement("SeeDevices", &["iam:ListVirtualMFADevices"], &json!("*")));
        // Users may be in groups that are not the config's.
        let any_group = format!("arn:{partition}:iam::{account}:group/*");
        statements.push(statement(
            "ChangeGroups",
            &["iam:AddUserToGroup", "iam:RemoveUserFromGroup"],
            &json!(any_group),
        ));
    }
    if creates || restores {
        let actions = ["iam:GetAccountSummary", "iam:GetAccountPasswordPolicy"];
        statements.push(statement("KnowQuotasAndPasswordPolicy", &actions, &json!("*")));
        let actions = ["iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:DeleteLoginProfile"];
        statements.push(statement("MakePasswords", &actions, &json!(users)));
    }
    if creates {
        let actions = ["iam:CreateUser", "iam:TagUser", "iam:EnableMFADevice", "iam:CreateAccessKey"];
        statements.push(statement("CreateUsers", &actions, &json!(users)));
        let actions = ["iam:CreateVirtualMFADevice", "iam:TagMFADevice", "iam:ListMFADeviceTags"];
        statements.push(statement("CreateDevices", &actions, &json!(devices)));
    }
    if creates || deletes {
        let id = if creates { "DeleteOrUndo" } else { "Delete" };
        statements.push(statement(id, &DELETE_A_USER, &json!(users)));
        statements.push(statement("DeleteDevices", &["iam:DeleteVirtualMFADevice"], &json!(devices)));
    }
    if deletes {
        statements.push(statement("DeleteTheRest", &DELETE_THE_REST, &json!(users)));
    }
    if deletes || disables || restores {
        let actions =
            ["iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:AttachUserPolicy", "iam:DetachUserPolicy"];
        statements.push(statement("DenyAndLift", &actions, &json!(users)));
    }
    if disables || restores {
        statements.push(statement("SwitchCredentials", &SWITCH, &json!(users)));
        let actions = ["iam:DeleteLoginProfile", "iam:TagUser", "iam:UntagUser"];
        statements.push(statement("MarkTheDisabled", &actions, &json!(users)));
    }
    if rotates {
        let actions = ["iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey"];
        statements.push(statement("ReplaceKeys", &actions, &json!(users)));
    }
    statements.extend(governing(commands, settings, partition, account, &groups, &users));
    statements.extend(own_credentials(commands, partition, account, &users));
    if disables {
        statements.push(statement("NameRoles", &["iam:ListRoles"], &json!("*")));
        let roles = format!("arn:{partition}:iam::{account}:role/*");
        statements.push(statement("EndSessionsOfRoles", &["iam:PutRolePolicy"], &json!(roles)));
    }
    let shows_alias = [
        Command::CreateDefaultGroups,
        Command::SortUsers,
        Command::Revert,
        Command::EnableMfa,
        Command::EnableMfaOfOthers,
        Command::RotateMyKey,
        Command::Apply,
        Command::CreatePolicy,
    ];
    if about_users || any(&shows_alias) {
        statements.push(statement("ShowTheAlias", &["iam:ListAccountAliases"], &json!("*")));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// Returns what policies and the audit need.
fn governing(
    commands: &[Command],
    settings: &Settings,
    partition: &str,
    account: &str,
    groups: &[String],
    users: &str,
) -> Vec<Value> {
    let is = |command: Command| commands.contains(&command);
    let mut statements = Vec::new();
    let ours = format!("arn:{partition}:iam::{account}:policy{POLICY_PATH}*");
    if is(Command::Apply) {
        let is_managed = settings.carried_as == CarriedAs::Managed;
        if is_managed {
            statements.push(statement("WritePolicies", &WRITE_POLICIES, &json!(ours)));
        }
        // Copies take the place of what is attached.
        let actions = ["iam:DetachGroupPolicy", "iam:AttachGroupPolicy"];
        let actions = if is_managed { &actions[..] } else { &actions[..1] };
        let mut attach = statement("CarryPolicies", actions, &json!(groups));
        attach["Condition"] = json!({ "ArnLike": { "iam:PolicyARN": ours } });
        statements.push(attach);
    }
    if is(Command::Apply) {
        // Also for a policy that allows and denies: its denials are held by one of these meanwhile.
        let actions = ["iam:PutGroupPolicy", "iam:DeleteGroupPolicy"];
        statements.push(statement("CarryInlinePolicies", &actions, &json!(groups)));
    }
    if is(Command::Audit) {
        let actions = [
            "iam:GenerateCredentialReport",
            "iam:GetCredentialReport",
            "iam:GetAccountPasswordPolicy",
            "iam:ListVirtualMFADevices",
        ];
        statements.push(statement("ReadTheReports", &actions, &json!("*")));
        let actions =
            ["iam:GetLoginProfile", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:ListMFADevices"];
        statements.push(statement("SeeWhomTheReportDoesNotKnow", &actions, &json!(users)));
    }
    if is(Command::CreatePolicy) {
        let any = |kind: &str| format!("arn:{partition}:iam::{account}:{kind}/*");
        statements.push(statement("CreatePolicies", &["iam:CreatePolicy"], &json!(any("policy"))));
        let actions = ["iam:AttachGroupPolicy", "iam:PutGroupPolicy"];
        statements.push(statement("GiveGroups", &actions, &json!(any("group"))));
        let actions = ["iam:AttachUserPolicy", "iam:PutUserPolicy"];
        statements.push(statement("GiveUsers", &actions, &json!(any("user"))));
        let actions = ["iam:AttachRolePolicy", "iam:PutRolePolicy"];
        statements.push(statement("GiveRoles", &actions, &json!(any("role"))));
        statements.push(statement("FindRoles", &["iam:ListRoles"], &json!("*")));
    }
    if is(Command::Validate) {
        let actions = ["access-analyzer:ValidatePolicy"];
        statements.push(statement("AskAccessAnalyzer", &actions, &json!("*")));
    }
    statements
}

/// What making policies and giving them new versions takes. The last two are for an answer that is lost.
const WRITE_POLICIES: [&str; 5] = [
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicyVersion",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
];

/// Returns what people need for their own credentials: about themselves, by the variable for their name.
fn own_credentials(commands: &[Command], partition: &str, account: &str, users: &str) -> Vec<Value> {
    let recovers = commands.contains(&Command::Recover);
    let is = |command: Command| recovers || commands.contains(&command);
    let user = |path: &str| format!("arn:{partition}:iam::{account}:user/{path}${{aws:username}}");
    let me = json!([user(""), user("*/")]);
    let devices = json!(format!("arn:{partition}:iam::{account}:mfa/*"));
    let mut statements = Vec::new();
    if is(Command::RotateMyKey) {
        statements.push(statement("ReplaceMyKeys", &REPLACE_MY_KEYS, &me));
    }
    let (mine, of_others) = (is(Command::EnableMfa), is(Command::EnableMfaOfOthers));
    if mine || of_others || [Command::Configure, Command::InitStsSession].iter().any(|command| is(*command)) {
        let whose = if of_others { json!(users) } else { me.clone() };
        statements.push(statement("SeeMfaDevices", &["iam:ListMFADevices"], &whose));
    }
    if mine || of_others {
        let whose = if of_others { json!(users) } else { me };
        statements.push(statement("EnableMfaDevices", &["iam:GetUser", "iam:EnableMFADevice"], &whose));
        let actions = ["iam:CreateVirtualMFADevice", "iam:TagMFADevice", "iam:DeleteVirtualMFADevice"];
        statements.push(statement("MakeMfaDevices", &actions, &devices));
        statements.push(statement("FindLeftovers", &["iam:ListVirtualMFADevices"], &json!("*")));
    }
    if is(Command::AssumeRole) {
        let roles = format!("arn:{partition}:iam::{account}:role/*");
        statements.push(statement("TakeOnRoles", &["sts:AssumeRole"], &json!(roles)));
    }
    statements
}

/// What replacing one's own access key takes. Without the last one, no key is known to be unused.
const REPLACE_MY_KEYS: [&str; 5] = [
    "iam:ListAccessKeys",
    "iam:CreateAccessKey",
    "iam:UpdateAccessKey",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
];

/// What reading all that hangs on a user takes.
const SEE_A_USER: [&str; 12] = [
    "iam:GetUser",
    "iam:GetLoginProfile",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "iam:ListSSHPublicKeys",
    "iam:ListSigningCertificates",
    "iam:ListServiceSpecificCredentials",
    "iam:ListMFADevices",
    "iam:ListGroupsForUser",
    "iam:ListUserPolicies",
    "iam:GetUserPolicy",
    "iam:ListAttachedUserPolicies",
];

/// What taking away a user takes that `create-user` has made.
const DELETE_A_USER: [&str; 5] = [
    "iam:DeleteUser",
    "iam:DeleteLoginProfile",
    "iam:DeleteAccessKey",
    "iam:DeactivateMFADevice",
    "iam:DeleteUserPermissionsBoundary",
];

/// What taking away the rest of any user takes.
const DELETE_THE_REST: [&str; 3] =
    ["iam:DeleteSSHPublicKey", "iam:DeleteSigningCertificate", "iam:DeleteServiceSpecificCredential"];

/// What switching credentials off and on takes.
const SWITCH: [&str; 4] = [
    "iam:UpdateAccessKey",
    "iam:UpdateSSHPublicKey",
    "iam:UpdateSigningCertificate",
    "iam:UpdateServiceSpecificCredential",
];

fn statement(sid: &str, actions: &[&str], resource: &Value) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}
