//! `muster create-default-groups`

use muster_aws::{Applied, ApplyContext, Record, Work, apply, read_groups};
use muster_core::config::Tool;
use muster_core::plan::{Plan, missing_groups};
use muster_core::taxonomy::GroupRole;
use serde::Serialize;

use crate::cli::{CreateDefaultGroupsArgs, Output};
use crate::context::Context;
use crate::environment::rfc3339;
use crate::error::{CliError, help_with};
use crate::exit::Exit;
use crate::terminal::{safe, table};

#[derive(Serialize)]
struct Report {
    account: String,
    partition: String,
    dry_run: bool,
    groups: Vec<Row>,
    run: String,
    record: Option<String>,
    api_calls: std::collections::BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Row {
    group: String,
    kind: GroupRole,
    action: Action,
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Action {
    Created,
    Exists,
    WouldCreate,
    Failed,
}

pub(crate) async fn run(context: &Context, args: &CreateDefaultGroupsArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::CreateDefaultGroups, &args.taxonomy.overrides())?;
    let taxonomy = &settings.taxonomy;
    super::sort_users::require_groups(context, taxonomy, &config)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let roster = read_groups(&session.account, taxonomy, rfc3339(context.started_ms)).await?;
    let missing = missing_groups(taxonomy, &roster);

    let (mut applied, mut record_path, mut record_failed) = (Vec::new(), None, false);
    if !args.dry_run && !missing.is_empty() {
        let record = Record::create(&session.home, &context.record_head(&config, &session))?;
        let progress = |_| {};
        let apply_context = ApplyContext {
            gateway: &session.account.gateway,
            roster: &roster,
            caller: None,
            record: &record,
            progress: &progress,
        };
        let plan = Plan { groups: missing.clone(), users: Vec::new() };
        let outcome = apply(&apply_context, Work::on_members(&plan)).await;
        context.changed.set(outcome.may_have_changed());
        session.save()?;
        record_path = Some(record.path().display().to_string());
        applied = outcome.groups;
        if let Some(error) = outcome.record_error {
            context.show_error(&error.into());
            record_failed = true;
        }
    }

    let row = |(name, role): (&muster_core::name::GroupName, GroupRole)| {
        let became = applied.iter().find(|(group, ..)| group == name).map(|(.., applied)| applied);
        let is_missing = missing.iter().any(|(group, _)| group == name);
        let (action, error) = match became {
            Some(Applied::Done) => (Action::Created, None),
            Some(Applied::AlreadySo) => (Action::Exists, None),
            Some(other) => (Action::Failed, Some(super::sort_report::why(other))),
            None if is_missing && args.dry_run => (Action::WouldCreate, None),
            None if is_missing => (Action::Failed, Some("interrupted".to_owned())),
            None => (Action::Exists, None),
        };
        Row { group: name.to_string(), kind: role, action, error }
    };
    let report = Report {
        account: session.account.id.clone(),
        partition: session.account.partition.clone(),
        dry_run: args.dry_run,
        groups: taxonomy.groups().map(row).collect(),
        run: context.run.clone(),
        record: record_path,
        api_calls: session.account.gateway.counts(),
    };
    show(context, &report)?;
    for (.., became) in &applied {
        if let Applied::Failed(error) = became
            && let Some(help) = help_with(error, None)
        {
            context.terminal.say(format_args!("  help: {help}"));
            break;
        }
    }
    let has = |action| report.groups.iter().any(|row| row.action == action);
    context.name_record(report.record.as_deref());
    Ok(match (context.interrupt.is_set(), has(Action::Failed) || record_failed, context.changed.get()) {
        (true, ..) => Exit::Interrupted,
        (_, true, true) => Exit::Partial,
        (_, true, false) => Exit::Failed,
        _ => Exit::Ok,
    })
}

fn show(context: &Context, report: &Report) -> Result<(), CliError> {
    let words = |row: &Row| {
        let action = match row.action {
            Action::Created => "created",
            Action::Exists => "exists",
            Action::WouldCreate => "would be created",
            Action::Failed => "failed",
        };
        (action, row.error.clone().unwrap_or_default())
    };
    match context.global.output {
        Output::Json => super::print_json(context, report)?,
        Output::Csv => {
            let rows = report.groups.iter().map(|row| {
                let (action, error) = words(row);
                vec![row.group.clone(), row.kind.to_string(), action.to_owned(), error]
            });
            super::print_csv(context, &["group", "kind", "action", "error"], rows)?;
        }
        Output::Text => {
            let mut rows = vec![vec!["GROUP".to_owned(), "KIND".to_owned(), String::new(), String::new()]];
            rows.extend(report.groups.iter().map(|row| {
                let (action, error) = words(row);
                vec![
                    safe(&row.group).into_owned(),
                    row.kind.to_string(),
                    action.to_owned(),
                    safe(&error).into_owned(),
                ]
            }));
            context.terminal.out(table(rows, context.terminal.width()));
        }
    }
    Ok(())
}
