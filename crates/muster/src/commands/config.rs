//! `muster config show|check|convert|schema`

use muster_core::config::{
    Format, Origin, Overrides, Severity, Tool, line_and_column, resolve, schema, to_toml,
};
use muster_core::lint;
use muster_core::templates::Place;
use serde::Serialize;

use crate::cli::{ConfigCheckArgs, ConfigCommand, ConfigShowArgs, Output};
use crate::context::{Config, Context, read_snapshot};
use crate::error::CliError;
use crate::exit::Exit;
use crate::govern;
use crate::terminal::{safe, table};

pub(crate) fn run(context: &Context, command: &ConfigCommand) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Show(args) => show(context, args),
        ConfigCommand::Check(args) => check(context, args),
        ConfigCommand::Convert => convert(context),
        ConfigCommand::Schema => {
            super::print_json(context, &schema())?;
            Ok(Exit::Ok)
        }
    }
}

#[derive(Serialize)]
struct Shown {
    key: &'static str,
    value: serde_json::Value,
    origin: String,
}

fn show(context: &Context, args: &ConfigShowArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, args.tool, &Overrides::default())?;
    let rows: Vec<Shown> = settings
        .shown
        .into_iter()
        .map(|setting| Shown {
            key: setting.key,
            value: setting.value,
            origin: origin(&config, &setting.origin),
        })
        .collect();
    match context.global.output {
        Output::Json => super::print_json(context, &rows)?,
        Output::Csv => {
            let rows =
                rows.iter().map(|row| vec![row.key.to_owned(), row.value.to_string(), row.origin.clone()]);
            super::print_csv(context, &["key", "value", "origin"], rows)?;
        }
        Output::Text => {
            let head = ["KEY", "VALUE", "FROM"].map(str::to_owned).to_vec();
            let rows = rows.iter().map(|row| {
                vec![
                    row.key.to_owned(),
                    safe(&row.value.to_string()).into_owned(),
                    safe(&row.origin).into_owned(),
                ]
            });
            context
                .terminal
                .out(table(std::iter::once(head).chain(rows).collect(), context.terminal.width()));
        }
    }
    Ok(Exit::Ok)
}

fn origin(config: &Config, origin: &Origin) -> String {
    let place = |offset: usize| {
        let Some(source) = &config.source else { return String::new() };
        let (line, column) = line_and_column(source.inner(), offset);
        format!("{}:{line}:{column}", source.name())
    };
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::CommandLine => "command line".to_owned(),
        Origin::File(span) => place(span.start),
        Origin::Section(name, span) => format!("{} (section {name})", place(span.start)),
    }
}

fn check(context: &Context, args: &ConfigCheckArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let Some(path) = &config.path else {
        return Err(CliError::usage_with("no config was found", "name one with --config"));
    };
    let settings = context.settings(&config, Tool::SortUsers, &Overrides::default())?;
    // Where the policies are to hold makes no difference to what is wrong with them.
    let account_id = settings.accounts.first().cloned().unwrap_or_else(|| super::sandbox::ACCOUNT.to_owned());
    let place = Place { partition: "aws".to_owned(), account_id };
    govern::rules(context, &config, &settings, &place)?;
    // Sections of other tools may be wrong in ways of their own.
    let mut problems = Vec::new();
    for tool in Tool::ALL {
        let (_, more) = resolve(config.file.as_ref(), tool, &Overrides::default());
        problems.extend(more.into_iter().filter(|problem| problem.severity == Severity::Error));
    }
    problems.dedup();
    problems.extend(lint::config(&settings.taxonomy, settings.default_category.as_ref()));
    if let Some(path) = &args.roster {
        problems.extend(lint::roster(&settings.taxonomy, &read_snapshot(path)?)?);
    }
    context.show_problems(&config, &problems);
    problems.retain(|problem| problem.severity == Severity::Error);
    if !problems.is_empty() {
        return Err(CliError::Config(problems));
    }
    context.terminal.out(format_args!("{} can be used\n", path.display()));
    Ok(Exit::Ok)
}

fn convert(context: &Context) -> Result<Exit, CliError> {
    let config = context.config()?;
    context.settings(&config, Tool::SortUsers, &Overrides::default())?;
    let Some(file) = &config.file else {
        return Err(CliError::usage_with("no config was found", "name one with --config"));
    };
    if config.format == Some(Format::Native) {
        return Err(CliError::usage("this config is in the native form already"));
    }
    let (toml, _) = to_toml(file);
    context.terminal.out(toml);
    Ok(Exit::Ok)
}
