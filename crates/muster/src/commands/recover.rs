//! `muster recover`

use std::time::Duration;

use muster_aws::{Journal, NewUser, OpenTask, TaskEnd, TaskKind, account_facts, estate, open_journals};
use muster_core::config::{ConfigFile, Overrides, Settings, Tool};
use muster_core::name::{GroupName, UserName};

use crate::cli::RecoverArgs;
use crate::context::{Context, Session};
use crate::environment::{now_s, rfc3339};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;
use crate::users::{
    Done, Material, OutFolder, Report, Sealing, Undoing, UserReport, Work, read_record, sealer_again,
    sealer_of,
};

/// How long after the last thing that was written down it may be believed that something is not there.
pub(crate) const SETTLE: Duration = Duration::from_secs(30);

/// How to recover.
pub(crate) struct Options<'a> {
    /// These users only; empty means all.
    pub(crate) only: &'a [UserName],
    /// Complete half-made users instead of removing them.
    pub(crate) resume: bool,
    pub(crate) settle: Duration,
    pub(crate) sealing: Sealing,
    pub(crate) folder: &'a OutFolder,
    pub(crate) settings: &'a Settings,
    /// The config's name for the account's profile.
    pub(crate) profile: Option<&'a str>,
}

pub(crate) async fn run(context: &Context, args: &RecoverArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::CreateUser, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder.out_dir)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let open = crate::users::open_tasks(&session)?;
    if open.is_empty() {
        if !args.dry_run {
            close_finished(&session)?;
        }
        context.terminal.say("Nothing is left half done.");
        return Report::new(context, &session, args.dry_run, Vec::new(), None).show(context);
    }
    for open in &open {
        context.terminal.say(format_args!(
            "{}; begun {}",
            describe(open, args.resume),
            rfc3339(open.window.0 * 1000)
        ));
        if let Some(id) = &open.user_id {
            context.terminal.say(format_args!("  its id is {id}"));
        }
    }
    if args.dry_run {
        let users = open.iter().map(|open| {
            let mut report = UserReport::new(&open.task.user, open.user_id.as_deref());
            describe(open, args.resume).clone_into(&mut report.result);
            report
        });
        Report::new(context, &session, true, users.collect(), None).show(context)?;
        return Ok(Exit::Left);
    }
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
    let question = format!("Do that for {} (y/n)?", count(open.len(), "user"));
    if !matches!(prompter.yes_no(question, 0).await, Answer::Given(YesNo::Yes | YesNo::YesToAll)) {
        context.terminal.say("Nothing was changed.");
        return Ok(Exit::Left);
    }
    let options = Options {
        only: &[],
        resume: args.resume,
        settle: args.settle,
        sealing: Sealing::from(&args.seal),
        folder: &folder,
        settings: &settings,
        profile: config.file.as_ref().and_then(ConfigFile::profile_name),
    };
    let users = recover(context, &session, &options).await?;
    session.save()?;
    Report::new(context, &session, false, users, None).show(context)
}

fn describe(open: &OpenTask, resume: bool) -> String {
    let user = safe(open.task.user.as_str()).into_owned();
    match &open.task.kind {
        TaskKind::Create(_) if resume => format!("User '{user}' is half made, and will be completed"),
        TaskKind::Create(_) => {
            format!("User '{user}' is half made, and will be removed, unless it is complete")
        }
        TaskKind::Delete => format!("User '{user}' is half deleted, and will be deleted"),
        TaskKind::Disable { .. } => format!("User '{user}' is half disabled, and will be disabled"),
        TaskKind::Restore { .. } => format!("User '{user}' is half restored, and will be restored"),
    }
}

/// Moves journals in which nothing is open to the records.
fn close_finished(session: &Session) -> Result<(), CliError> {
    for open in open_journals(&session.home)? {
        if open.open_tasks().is_empty() {
            Journal::resume(&session.home, &open, now_s)?.close()?;
        }
    }
    Ok(())
}

/// Finishes or undoes what is open, journal by journal.
pub(crate) async fn recover(
    context: &Context,
    session: &Session,
    options: &Options<'_>,
) -> Result<Vec<UserReport>, CliError> {
    let mut users = Vec::new();
    for open in open_journals(&session.home)? {
        let journal = Journal::resume(&session.home, &open, now_s)?;
        let work = Work { context, session, journal: &journal, folder: options.folder };
        let tasks = open.open_tasks();
        let mut all_ended = true;
        for task in &tasks {
            if !options.only.is_empty() && !options.only.contains(&task.task.user) {
                all_ended = false;
                continue;
            }
            context.terminal.say(format_args!("{}...", describe(task, options.resume)));
            let report = if task.task.out_dir == options.folder.absolute() {
                Box::pin(one(&work, task, options)).await?
            } else {
                let mut report = UserReport::new(&task.task.user, task.user_id.as_deref());
                "left alone".clone_into(&mut report.result);
                report.errors.push(format!(
                    "its files were to go to `{}`: run this again with that as --out-dir",
                    safe(&task.task.out_dir)
                ));
                report
            };
            all_ended &= report.errors.is_empty();
            users.push(report);
        }
        session.save()?;
        if all_ended && !context.interrupt.is_set() {
            journal.close()?;
        }
    }
    Ok(users)
}

async fn one(work: &Work<'_>, open: &OpenTask, options: &Options<'_>) -> Result<UserReport, CliError> {
    let waits = settling(open, options.settle);
    if waits > Duration::ZERO {
        work.context.terminal.say(format_args!(
            "Waiting {} s, until what was begun last is visible everywhere...",
            waits.as_secs().max(1)
        ));
        work.session.account.gateway.wait(waits).await;
    }
    match &open.task.kind {
        TaskKind::Create(new) => create(work, open, new, options).await,
        TaskKind::Delete => match found(work, open).await? {
            Some(now) => work.delete(&now, Some(open)).await,
            None => work.deleted_already(open).await,
        },
        TaskKind::Disable { revoke } => match found(work, open).await? {
            Some(now) => {
                let taxonomy = &options.settings.taxonomy;
                let managed: Vec<GroupName> = taxonomy.groups().map(|(group, _)| group.clone()).collect();
                work.disable(&now, taxonomy.disabled_group.as_ref(), &managed, revoke).await
            }
            None => gone(work, open),
        },
        TaskKind::Restore { recipients, escrow } => {
            let user = &open.task.user;
            let record = read_record(&work.folder.file(user, ".disabled.json"))?;
            match (record, found(work, open).await?) {
                (Some(record), Some(now)) => {
                    let sealer = if options.sealing.recipients.is_empty() {
                        sealer_again(recipients, escrow.as_deref())?
                    } else {
                        sealer_of(user, &[], &options.sealing, options.settings)?
                    };
                    sealer.test()?;
                    let facts = account_facts(&work.session.account.gateway).await?;
                    work.restore(&record, &now, &sealer, facts.password, options.profile, Some(open)).await
                }
                (None, Some(now)) if work.is_restored(user) => {
                    let mut report = UserReport::new(user, Some(&now.user_id));
                    "restored".clone_into(&mut report.result);
                    work.journal.end(user, TaskEnd::Done)?;
                    Ok(report)
                }
                (None, Some(_)) => {
                    let mut report = UserReport::new(user, open.user_id.as_deref());
                    "not restored".clone_into(&mut report.result);
                    report
                        .errors
                        .push(format!("the record of what `{user}` was is not in the folder any more"));
                    Ok(report)
                }
                (_, None) => gone(work, open),
            }
        }
    }
}

/// Returns how long it is until absence may be believed.
fn settling(open: &OpenTask, settle: Duration) -> Duration {
    let ago = u64::try_from(now_s() - open.window.1).unwrap_or_default();
    // The journal counts whole seconds.
    settle.saturating_sub(Duration::from_secs(ago.saturating_sub(1)).min(settle))
}

/// Returns the task's user, if it is still the same one.
async fn found(work: &Work<'_>, open: &OpenTask) -> Result<Option<muster_core::estate::Estate>, CliError> {
    let now = estate(&work.session.account, &open.task.user).await?;
    Ok(now.filter(|now| open.user_id.as_ref() == Some(&now.user_id)))
}

fn gone(work: &Work<'_>, open: &OpenTask) -> Result<UserReport, CliError> {
    let mut report = UserReport::new(&open.task.user, open.user_id.as_deref());
    "gone".clone_into(&mut report.result);
    report.notes.push("the user does not exist any more".to_owned());
    work.journal.end(&open.task.user, TaskEnd::Done)?;
    Ok(report)
}

/// A user that was being created: complete if its bundle is there, else removed or completed.
async fn create(
    work: &Work<'_>,
    open: &OpenTask,
    new: &NewUser,
    options: &Options<'_>,
) -> Result<UserReport, CliError> {
    let user = &open.task.user;
    if work.is_complete(open) {
        let mut report = UserReport::new(user, open.user_id.as_deref());
        "completed".clone_into(&mut report.result);
        report.files.push(work.folder.file(user, ".zip").display().to_string());
        work.journal.end(user, TaskEnd::Done)?;
        return Ok(report);
    }
    let undoing = Undoing { open, waits: Duration::ZERO };
    if !options.resume {
        return work.undo(&undoing).await;
    }
    let sealer = if options.sealing.recipients.is_empty() && !options.sealing.allow_plaintext {
        sealer_again(&new.recipients, new.escrow.as_deref())?
    } else {
        sealer_of(user, &[], &options.sealing, options.settings)?
    };
    sealer.test()?;
    let Some(mut report) = work.strip(&undoing).await? else {
        return work.undo(&undoing).await;
    };
    if !report.errors.is_empty() {
        return Ok(report);
    }
    let facts = account_facts(&work.session.account.gateway).await?;
    let material = Material {
        sealer: &sealer,
        rules: facts.password,
        profile: options.profile.map(str::to_owned),
        keep_partial: false,
        stray_device: None,
    };
    let context = work.context;
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
    let mut done = Done::default();
    let id = report.user_id.clone();
    match work.make(user, new, id.as_deref(), &material, &mut prompter, &mut done).await {
        Ok(()) => {
            work.session.save()?;
            work.journal.end(user, TaskEnd::Done)?;
            "completed".clone_into(&mut report.result);
            report.files = done.files.iter().map(|file| file.display().to_string()).collect();
        }
        Err(error) => {
            "not completed".clone_into(&mut report.result);
            report.errors.push(format!("{error}; `muster recover` without --resume removes the user"));
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_believed_when_the_time_has_passed() {
        let task = muster_aws::Task {
            user: UserName::new("alice"),
            user_id: None,
            out_dir: String::new(),
            kind: TaskKind::Delete,
        };
        let now = now_s();
        let open = |last: i64| OpenTask {
            task: task.clone(),
            user_id: None,
            calls: Vec::new(),
            files: Vec::new(),
            window: (last, last),
        };
        assert_eq!(settling(&open(now - 100), SETTLE), Duration::ZERO);
        assert!(settling(&open(now), SETTLE) >= Duration::from_secs(29));
        // A clock that was turned back does not make it wait for ever.
        assert!(settling(&open(now + 1000), SETTLE) <= SETTLE);
    }
}
