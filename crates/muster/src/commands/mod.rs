//! One file for each command.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod create_default_groups;
pub(crate) mod demo;
pub(crate) mod install_links;
pub(crate) mod permissions;
pub(crate) mod revert;
pub(crate) mod sandbox;
pub(crate) mod snapshot;
mod sort_dialogue;
mod sort_report;
pub(crate) mod sort_users;

use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::terminal::csv_safe;

/// Prints a value as one JSON document.
fn print_json(context: &Context, value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|error| CliError::usage(format!("failed to write JSON: {error}")))?;
    context.terminal.out(format_args!("{text}\n"));
    Ok(())
}

/// Prints rows as CSV under a heading; no field is one that a spreadsheet takes for a formula.
fn print_csv(
    context: &Context,
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<(), CliError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: String| CliError::usage(format!("failed to write CSV: {error}"));
    writer.write_record(head).map_err(|error| failed(error.to_string()))?;
    for row in rows {
        let row = row.iter().map(|field| csv_safe(field).into_owned());
        writer.write_record(row).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    context.terminal.out(String::from_utf8_lossy(&bytes));
    Ok(())
}
