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
}

impl Command {
    /// Every command, with its name on the command line.
    pub const ALL: [(&'static str, Self); 4] = [
        ("create-default-groups", Self::CreateDefaultGroups),
        ("sort-users", Self::SortUsers),
        ("snapshot", Self::Snapshot),
        ("revert", Self::Revert),
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

    let mut statements = Vec::new();
    if any(&[Command::SortUsers, Command::Snapshot, Command::Revert]) {
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
    if any(&[Command::CreateDefaultGroups, Command::SortUsers, Command::Revert]) {
        statements.push(statement("ShowTheAlias", &["iam:ListAccountAliases"], &json!("*")));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn statement(sid: &str, actions: &[&str], resource: &Value) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource })
}
