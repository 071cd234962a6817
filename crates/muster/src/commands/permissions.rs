//! `muster permissions`

use muster_core::config::{Overrides, Tool};
use muster_core::permissions::{Command, policy};

use crate::cli::PermissionsArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &PermissionsArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let given = Overrides { create_groups: args.create_groups.then_some(true), ..args.taxonomy.overrides() };
    let settings = context.settings(&config, Tool::SortUsers, &given)?;
    let mut commands = Vec::new();
    for name in &args.commands {
        let name = Tool::from_name(name).map_or(name.as_str(), |tool| tool.names()[0]);
        let Some((_, command)) = Command::ALL.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = Command::ALL.iter().map(|(name, _)| *name).collect();
            return Err(CliError::usage_with(
                format!("`{name}` is no command that calls an account"),
                format!("those are {}", names.join(", ")),
            ));
        };
        commands.push(*command);
    }
    if args.of_others && commands.contains(&Command::EnableMfa) {
        commands.push(Command::EnableMfaOfOthers);
    }
    if args.validate {
        commands.push(Command::Validate);
    }
    if commands.is_empty() {
        commands = Command::ALL.iter().map(|(_, command)| *command).collect();
    }
    // Without groups there are memberships to change for these alone.
    let wants_groups = [Command::CreateDefaultGroups, Command::SortUsers, Command::Revert, Command::Apply];
    if commands.iter().any(|command| wants_groups.contains(command)) {
        super::sort_users::require_groups(context, &settings.taxonomy, &config)?;
    }
    // One policy can serve several accounts: IAM takes `*` for the account in the ARN of a group or user.
    let account = args.account.clone().or_else(|| settings.accounts.first().cloned());
    let account = account.filter(|_| args.account.is_some() || settings.accounts.len() == 1);
    let account = account.unwrap_or_else(|| "*".to_owned());
    super::print_json(context, &policy(&commands, &settings, &args.partition, &account))?;
    Ok(Exit::Ok)
}
