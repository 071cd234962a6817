//! One file for each command.

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod configure;
pub(crate) mod create_default_groups;
pub(crate) mod create_policy;
pub(crate) mod create_user;
pub(crate) mod delete_user;
pub(crate) mod demo;
pub(crate) mod disable_user;
pub(crate) mod enable_mfa;
pub(crate) mod init;
pub(crate) mod init_sts_session;
pub(crate) mod install_links;
pub(crate) mod permissions;
pub(crate) mod plan;
pub(crate) mod recover;
pub(crate) mod rehearse;
pub(crate) mod restore_user;
pub(crate) mod revert;
pub(crate) mod rotate_key;
pub(crate) mod rotate_my_key;
pub(crate) mod sandbox;
pub(crate) mod snapshot;
pub(crate) mod sort_dialogue;
mod sort_report;
pub(crate) mod sort_users;

use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::terminal::{csv_safe, safe};

/// Prints a value as one JSON document.
pub(crate) fn print_json(context: &Context, value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| CliError::usage(format!("failed to write JSON: {error}")))?;
    context.terminal.out(format_args!("{text}\n"));
    Ok(())
}

/// Prints rows as CSV under a heading; no field is one that a spreadsheet takes for a formula.
pub(crate) fn print_csv(
    context: &Context,
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<(), CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: String| CliError::usage(format!("failed to write CSV: {error}"));
    writer.write_record(head).map_err(|error| failed(error.to_string()))?;
    for row in rows {
        // Also printed on a terminal, and text from an account can drive one.
        let row = row.iter().map(|field| csv_safe(&safe(field)).into_owned());
        writer.write_record(row).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    context.terminal.out(String::from_utf8_lossy(&bytes));
    Ok(())
}

/// Moves the journal to the records if all that it began is ended; returns where it is.
pub(crate) fn close_journal(
    context: &Context,
    journal: muster_aws::Journal,
    users: &[crate::users::UserReport],
) -> Result<String, CliError> {
    if context.interrupt.is_set() || users.iter().any(|user| !user.errors.is_empty()) {
        let path = journal.path().display().to_string();
        context
            .terminal
            .say("What was begun is written down: run the same again, or `muster recover`, to go on.");
        return Ok(path);
    }
    Ok(journal.close()?.display().to_string())
}

/// Returns what hangs on a user, a line each.
pub(crate) fn belongings(found: &muster_core::estate::Estate) -> Vec<String> {
    use crate::environment::rfc3339;
    let at = |seconds: Option<i64>| seconds.map_or_else(|| "never".to_owned(), |s| rfc3339(s * 1000));
    let status = |active: bool| if active { "" } else { ", inactive" };
    let mut lines = Vec::new();
    if found.login_profile {
        lines.push(format!("a password, last used: {}", at(found.password_last_used)));
    }
    for key in &found.access_keys {
        let service = key.last_service.as_deref().map(|s| format!(" for {s}")).unwrap_or_default();
        lines.push(format!(
            "access key {}{}, last used: {}{service}",
            key.id,
            status(key.active),
            at(key.last_used)
        ));
    }
    for (what, list) in [
        ("SSH key", &found.ssh_keys),
        ("signing certificate", &found.certificates),
        ("credential", &found.service_credentials),
    ] {
        for credential in list {
            let service = credential.service.as_deref().map(|s| format!(" for {s}")).unwrap_or_default();
            lines.push(format!("{what} {}{service}{}", credential.id, status(credential.active)));
        }
    }
    lines.extend(found.mfa_devices.iter().map(|device| format!("MFA device {device}")));
    lines.extend(found.stray_devices.iter().map(|device| format!("unassigned MFA device {device}")));
    let names = |list: Vec<&str>| list.join(", ");
    if !found.groups.is_empty() {
        lines.push(format!(
            "groups: {}",
            names(found.groups.iter().map(muster_core::name::GroupName::as_str).collect())
        ));
    }
    if !found.inline.is_empty() {
        lines.push(format!(
            "inline policies: {}",
            names(found.inline.iter().map(|p| p.name.as_str()).collect())
        ));
    }
    if !found.attached.is_empty() {
        lines.push(format!(
            "attached policies: {}",
            names(found.attached.iter().map(String::as_str).collect())
        ));
    }
    lines.extend(found.boundary.iter().map(|arn| format!("permissions boundary {arn}")));
    if lines.is_empty() {
        lines.push("nothing".to_owned());
    }
    lines
}
