//! The least-privilege IAM policy that a command needs with a config.

use serde_json::{Value, json};

use crate::config::Settings;
use crate::name::GroupName;
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
    /// `recover`, for whatever was begun.
    Recover,
}

impl Command {
    /// Every command, with its name on the command line.
    pub const ALL: [(&'static str, Self); 9] = [
        ("create-default-groups", Self::CreateDefaultGroups),
        ("sort-users", Self::SortUsers),
        ("snapshot", Self::Snapshot),
        ("revert", Self::Revert),
        ("create-user", Self::CreateUser),
        ("delete-user", Self::DeleteUser),
        ("disable-user", Self::DisableUser),
        ("restore-user", Self::RestoreUser),
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
    let about_users = creates || deletes || disables || restores;

    let mut statements = Vec::new();
    if about_users || any(&[Command::SortUsers, Command::Snapshot, Command::Revert]) {
        statements.push(statement("ReadTheAccount", &["iam:GetAccountAuthorizationDetails"], &json!("*")));
    }
    if any(&[Command::CreateDefaultGroups]) {
        statements.push(statement("ReadTheGroups", &["iam:ListGroups"], &json!("*")));
    }
    if any(&[Command::CreateDefaultGroups]) || (any(&[Command::SortUsers]) && settings.create_groups) {
        statements.push(statement("CreateTheGroups", &["iam:CreateGroup"], &json!(new_groups)));
    }
    if any(&[Command::SortUsers, Command::Revert]) {
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
    if disables {
        statements.push(statement("NameRoles", &["iam:ListRoles"], &json!("*")));
        let roles = format!("arn:{partition}:iam::{account}:role/*");
        statements.push(statement("EndSessionsOfRoles", &["iam:PutRolePolicy"], &json!(roles)));
    }
    if about_users || any(&[Command::CreateDefaultGroups, Command::SortUsers, Command::Revert]) {
        statements.push(statement("ShowTheAlias", &["iam:ListAccountAliases"], &json!("*")));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

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
