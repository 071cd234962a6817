//! `muster revert RECORD`

use std::collections::HashSet;

use muster_aws::{
    Account, Applied, ApplyContext, Depth, Head, Line, Record, TaskKind, Undo, Work, apply, read_record,
    read_roster, undos,
};
use muster_core::assess::{Assessment, Standing, assess};
use muster_core::config::{Overrides, Tool};
use muster_core::plan::{Change, DecidedBy, Plan, UserPlan};
use muster_core::roster::Roster;
use muster_core::taxonomy::Taxonomy;
use serde::Serialize;

use super::sort_report::why;
use crate::cli::{Output, RevertArgs};
use crate::context::Context;
use crate::environment::rfc3339;
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;

#[derive(Serialize)]
struct Report {
    account: String,
    partition: String,
    dry_run: bool,
    reverted: String,
    changes: Vec<Row>,
    left_alone: Vec<String>,
    run: String,
    record: Option<String>,
    api_calls: std::collections::BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Row {
    action: &'static str,
    user: Option<String>,
    group: String,
    done: bool,
    error: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &RevertArgs) -> Result<Exit, CliError> {
    let (head, lines) = read_record(&args.record)?;
    refuse_saga(&lines)?;
    let config = context.config()?;
    let settings = context.settings(&config, Tool::SortUsers, &Overrides::default())?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let account = &session.account;
    check_place(context, &head, account)?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let (roster, undo) = look(context, account, &settings.taxonomy, &lines).await?;
    let changes_max = args.max_changes.or(settings.max_changes);
    let changes = undo.memberships.values().map(Vec::len).sum::<usize>() + undo.groups.len();
    if let Some(changes_max) = changes_max.filter(|max| changes > *max && !args.dry_run) {
        return Err(CliError::TooMany { changes, changes_max });
    }

    let mut rows: Vec<Row> = Vec::new();
    for (user, changes) in &undo.memberships {
        rows.extend(changes.iter().map(|change| row(Some(user.to_string()), change)));
    }
    rows.extend(undo.groups.iter().map(|group| Row {
        action: "delete-group",
        user: None,
        group: group.to_string(),
        done: false,
        error: None,
    }));
    for line in &rows {
        context.terminal.say(describe(line));
    }
    for line in &undo.left_alone {
        context.terminal.say(format_args!("left alone: {}", safe(line)));
    }

    let (mut record_path, mut record_failed) = (None, false);
    if !args.dry_run && !undo.is_empty() {
        if !agreed(context, rows.len()).await? {
            context.terminal.say("Nothing was changed.");
            return Ok(Exit::Failed);
        }
        // Answering took its time: what is undone is what was shown, or nothing.
        let (_, now) = look(context, account, &settings.taxonomy, &lines).await?;
        if now != undo {
            let message = "the account was changed while you were asked; nothing was undone";
            return Err(CliError::Moved(message.to_owned()));
        }
        let record = Record::create(&session.home, &context.record_head(&config, &session))?;
        let caller = session.caller();
        let apply_context = ApplyContext {
            gateway: &account.gateway,
            roster: &roster,
            caller: caller.as_ref(),
            record: &record,
            progress: &|_| {},
        };
        let members = memberships(&undo);
        let work = Work { delete: &undo.groups, ..Work::on_members(&members) };
        let outcome = apply(&apply_context, work).await;
        context.changed.set(outcome.may_have_changed());
        session.save()?;
        if let Some(error) = outcome.record_error {
            context.show_error(&error.into());
            record_failed = true;
        }
        let changes = outcome
            .users
            .into_iter()
            .flat_map(|(_, changes)| changes.into_iter().map(|(_, applied)| applied));
        let all = changes.chain(outcome.deleted.into_iter().map(|(_, applied)| applied));
        for (row, applied) in rows.iter_mut().zip(all) {
            row.done = applied.is_done();
            row.error = (!row.done).then(|| why(&applied));
            if let Applied::Failed(error) = &applied {
                context.terminal.warn(safe(&error.to_string()));
            }
        }
        record_path = Some(record.path().display().to_string());
    }
    let report = Report {
        account: account.id.clone(),
        partition: account.partition.clone(),
        dry_run: args.dry_run,
        reverted: head.run.clone(),
        changes: rows,
        left_alone: undo.left_alone,
        run: context.run.clone(),
        record: record_path,
        api_calls: account.gateway.counts(),
    };
    show(context, &report, record_failed)
}

/// Refuses a record of another account, or of another place where the same account is embedded.
fn check_place(context: &Context, head: &Head, account: &Account) -> Result<(), CliError> {
    let sandbox = context.sandbox_path();
    let here = (&account.partition, &account.id, &account.endpoint, &sandbox);
    if here == (&head.partition, &head.account, &head.endpoint, &head.sandbox) {
        return Ok(());
    }
    let place = |account: &str, endpoint: &Option<String>, sandbox: &Option<String>| match (sandbox, endpoint)
    {
        (Some(file), _) => format!("{account} embedded in {file}"),
        (None, Some(url)) => format!("{account} at {url}"),
        (None, None) => account.to_owned(),
    };
    let there = place(&head.account, &head.endpoint, &head.sandbox);
    let here = place(&account.id, &account.endpoint, &sandbox);
    Err(CliError::usage_with(
        format!("the record is of account {}", safe(&there)),
        format!("this is account {}; nothing was changed", safe(&here)),
    ))
}

/// Refuses a record of a saga: half of it undone would leave a user with credentials and no groups.
fn refuse_saga(lines: &[Line]) -> Result<(), CliError> {
    let begun = lines.iter().find_map(|line| match line {
        Line::Begin { task, .. } => Some(task),
        _ => None,
    });
    let Some(task) = begun else { return Ok(()) };
    let user = safe(task.user.as_str()).into_owned();
    let help = match task.kind {
        TaskKind::Create(_) => format!("`muster delete-user {user}` takes the user away again"),
        TaskKind::Disable { .. } => format!("`muster restore-user {user}` brings the user back"),
        TaskKind::Restore { .. } => format!("`muster disable-user {user}` puts the user in quarantine again"),
        TaskKind::Delete => {
            "what was deleted is in the folder's NAME.deleted.json, to be made again".to_owned()
        }
        TaskKind::EnableMfa { .. } => {
            "an MFA device is taken away in the console, under Security credentials".to_owned()
        }
        TaskKind::RotateOwnKey(_) | TaskKind::RotateKey { .. } => {
            "an old key that is inactive can be made active again with `aws iam update-access-key`".to_owned()
        }
    };
    Err(CliError::usage_with("this is no record of a run that can be reverted", help))
}

/// Reads the account as it is now, and works out what would undo the record.
async fn look(
    context: &Context,
    account: &Account,
    taxonomy: &Taxonomy,
    lines: &[Line],
) -> Result<(Roster, Undo), CliError> {
    // Where only managed groups can be read, the record's are the ones that count.
    let mut reading = taxonomy.clone();
    let of_record = lines.iter().filter_map(|line| match line {
        Line::Before { mutation, .. } => mutation.group(),
        _ => None,
    });
    for group in of_record {
        if reading.groups().all(|(managed, _)| managed != group) {
            reading.common.push(group.clone());
        }
    }
    let taken_at = rfc3339(context.started_ms);
    let roster = read_roster(account, &reading, Depth::Memberships, taken_at, &|_| {}).await?;
    let mut protected = HashSet::new();
    for user in &roster.users {
        if assess(taxonomy, user)?.protected.is_some() {
            protected.insert(user.name.clone());
        }
    }
    let undo = undos(lines, &roster, |user| protected.contains(&user.name));
    Ok((roster, undo))
}

fn show(context: &Context, report: &Report, record_failed: bool) -> Result<Exit, CliError> {
    let done = report.changes.iter().filter(|row| row.done).count();
    let failed = record_failed || report.changes.iter().any(|row| row.error.is_some());
    match context.global.output {
        Output::Json => super::print_json(context, report)?,
        Output::Csv => {
            let rows = report.changes.iter().map(|row| {
                let user = row.user.clone().unwrap_or_default();
                vec![row.action.to_owned(), user, row.group.clone(), row.done.to_string()]
            });
            super::print_csv(context, &["action", "user", "group", "done"], rows)?;
        }
        Output::Text if report.dry_run => context.terminal.out(format_args!(
            "{} would be undone; nothing was changed\n",
            count(report.changes.len(), "change")
        )),
        Output::Text => context.terminal.out(format_args!("{} undone\n", count(done, "change"))),
    }
    context.name_record(report.record.as_deref());
    Ok(match (context.interrupt.is_set(), failed, context.changed.get()) {
        (true, ..) => Exit::Interrupted,
        (_, true, true) => Exit::Partial,
        (_, true, false) => Exit::Failed,
        _ if !report.left_alone.is_empty() => Exit::Left,
        _ => Exit::Ok,
    })
}

async fn agreed(context: &Context, changes: usize) -> Result<bool, CliError> {
    let (silent, yes) = (context.global.no_input, context.global.yes);
    let mut prompter = Prompter::new(&context.terminal, &context.interrupt, silent, yes);
    let question = format!("Undo {} (y/n)?", count(changes, "change"));
    match prompter.yes_no(question, 0).await {
        Answer::Given(answer) => Ok(answer == YesNo::Yes),
        Answer::Skipped => Ok(false),
        Answer::End => Err(CliError::usage_with(
            "nobody can be asked whether to undo this",
            "say so with --yes; nothing was changed",
        )),
        Answer::Interrupted => Err(CliError::Interrupted("nothing was changed".to_owned())),
    }
}

fn memberships(undo: &Undo) -> Plan {
    let users = undo.memberships.iter().map(|(user, changes)| UserPlan {
        user: user.clone(),
        before: Assessment {
            standing: Standing::Uncategorized,
            matches: Vec::new(),
            missing_common: Vec::new(),
            protected: None,
        },
        decided_by: DecidedBy::None,
        changes: changes.clone(),
        blocked: Vec::new(),
    });
    Plan { groups: Vec::new(), users: users.collect() }
}

fn row(user: Option<String>, change: &Change) -> Row {
    let action = match change {
        Change::Add(_) => "add-user-to-group",
        Change::Remove(_) => "remove-user-from-group",
    };
    Row { action, user, group: change.group().to_string(), done: false, error: None }
}

fn describe(row: &Row) -> String {
    let (user, group) = (safe(row.user.as_deref().unwrap_or_default()), safe(&row.group));
    match row.action {
        "add-user-to-group" => format!("put '{user}' back into '{group}'"),
        "remove-user-from-group" => format!("take '{user}' out of '{group}'"),
        _ => format!("delete the group '{group}'"),
    }
}
