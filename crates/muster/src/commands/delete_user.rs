//! `muster delete-user`

use muster_aws::{Journal, TaskKind, estate};
use muster_core::config::{Overrides, Tool};
use muster_core::departure::{deletion, is_denied};
use muster_core::estate::Estate;
use muster_core::name::UserName;

use crate::cli::DeleteUserArgs;
use crate::context::{Context, Session};
use crate::environment::{now_s, rfc3339};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::prompt::{Answer, Prompter};
use crate::terminal::{CARE, safe};
use crate::users::{
    Guards, OutFolder, Report, UserReport, Work, check_names, earlier, end_earlier, left_of, records, settle,
};

pub(crate) async fn run(context: &Context, args: &DeleteUserArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::DeleteUser, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder)?;
    let mut names = args.names.all();
    let by_records = names.is_empty() && args.disabled_for.is_some();
    if by_records {
        names = records(folder.path())?.into_iter().map(|record| record.before.user).collect();
    }
    if !by_records {
        check_names(&names)?;
    }
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let open = if args.dry_run { Vec::new() } else { earlier(context, &session, &names)? };
    let of = |user: &UserName| left_of(&open, user, &folder, |kind| *kind == TaskKind::Delete);

    let guards = Guards::new(context, &session, &settings).await?;
    let (mut estates, mut finished, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for name in &names {
        let mut found = estate(&session.account, name).await?;
        if let (None, Some(open)) = (&found, of(name)) {
            settle(context, &session, &open, &folder).await;
            found = estate(&session.account, name).await?;
        }
        match (found, of(name)) {
            (Some(found), _) => estates.push(found),
            (None, Some(open)) => finished.push(open),
            // Somebody else has deleted it since it was disabled.
            (None, None) if by_records => {}
            (None, None) => {
                let help = guards.nearest(name).unwrap_or_default();
                problems.push(format!("the account has no user `{name}`{help}"));
            }
        }
    }
    if let Some(time) = args.disabled_for {
        estates = long_disabled(context, &session, &folder, estates, time)?;
    }
    problems.extend(guards.problems(&estates, args.force)?);
    if !problems.is_empty() {
        return Err(CliError::Preflight { problems, exit: Exit::Failed });
    }
    for found in &estates {
        show(context, found, args);
    }
    if args.dry_run {
        let users = estates.iter().map(|found| {
            let mut report = UserReport::new(&found.user, Some(&found.user_id)).planned(deletion(found));
            "would be deleted".clone_into(&mut report.result);
            report
        });
        return Report::new(context, &session, true, users.collect(), None).show(context);
    }
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
    let (wanted, mut agreed) = (estates.len(), Vec::new());
    for found in estates {
        if confirmed(context, &mut prompter, &found.user).await? {
            agreed.push(found);
        }
    }
    if agreed.is_empty() && finished.is_empty() {
        let nothing = if wanted == 0 { "There is nobody to delete." } else { "Nothing was changed." };
        context.terminal.say(nothing);
        Report::new(context, &session, false, Vec::new(), None).show(context)?;
        return Ok(if wanted == 0 { Exit::Ok } else { Exit::Left });
    }
    let journal = Journal::create(&session.home, &context.record_head(&config, &session), now_s)?;
    let work = Work { context, session: &session, journal: &journal, folder: &folder };
    let mut users = Vec::new();
    for open in finished {
        journal.begin(&work.task(&open.task.user, open.user_id.as_deref(), TaskKind::Delete))?;
        let done = work.deleted_already(&open).await;
        let id = open.user_id.as_deref();
        users.push(done.unwrap_or_else(|error| UserReport::of_error(&open.task.user, id, &error)));
    }
    for found in &agreed {
        if context.interrupt.is_set() {
            break;
        }
        journal.begin(&work.task(&found.user, Some(&found.user_id), TaskKind::Delete))?;
        let done = Box::pin(work.delete(found, of(&found.user).as_ref())).await;
        users.push(done.unwrap_or_else(|e| UserReport::of_error(&found.user, Some(&found.user_id), &e)));
    }
    session.save()?;
    let record = super::close_journal(context, journal, &users)?;
    // Whatever else was begun about a user that is gone is over.
    end_earlier(&session, &users, |_| true)?;
    let exit = Report::new(context, &session, false, users, Some(record)).show(context)?;
    Ok(if exit == Exit::Ok && agreed.len() < wanted { Exit::Left } else { exit })
}

/// Leaves only users that carry our denying policy, and whose record is old enough.
fn long_disabled(
    context: &Context,
    session: &Session,
    folder: &OutFolder,
    estates: Vec<Estate>,
    time: std::time::Duration,
) -> Result<Vec<Estate>, CliError> {
    let records = records(folder.path())?;
    let now = context.started_ms.div_euclid(1000);
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let mut kept = Vec::new();
    for found in estates {
        let record = records.iter().find(|record| record.is_of(context, session, &found.user_id));
        let reason = match record {
            None => Some("no record in the folder says that it was disabled".to_owned()),
            Some(_) if !is_denied(&found) => Some("it does not carry the denying policy any more".to_owned()),
            Some(record) if now - record.at_s < seconds => {
                Some(format!("it was disabled on {}", rfc3339(record.at_s * 1000)))
            }
            Some(_) => None,
        };
        match reason {
            None => kept.push(found),
            Some(reason) => {
                context.terminal.say(format_args!("User '{}' stays: {reason}", safe(found.user.as_str())));
            }
        }
    }
    Ok(kept)
}

/// Shows what will go, with what was used last.
fn show(context: &Context, found: &Estate, args: &DeleteUserArgs) {
    let terminal = &context.terminal;
    terminal.say(format_args!("User '{}' ({}) has:", safe(found.user.as_str()), found.user_id));
    for line in super::belongings(found) {
        terminal.say(format_args!("  {}", safe(&line)));
    }
    let now = context.started_ms.div_euclid(1000);
    let recent = i64::try_from(args.recent.as_secs()).unwrap_or(i64::MAX);
    if let Some((at, what)) = found.last_use().filter(|(at, _)| now - at < recent) {
        let care = terminal.on_err("take care:", CARE);
        let days = (now - at) / 86_400;
        let ago = if days == 0 {
            "within the last day".to_owned()
        } else {
            format!("{} ago", count(usize::try_from(days).unwrap_or_default(), "day"))
        };
        terminal.say(format_args!(
            "  {care} {what} was used {ago}: somebody or something still works with this user"
        ));
    }
}

/// Asks for the name to be typed.
async fn confirmed(
    context: &Context,
    prompter: &mut Prompter<'_>,
    user: &UserName,
) -> Result<bool, CliError> {
    if context.global.yes {
        return Ok(true);
    }
    let name = safe(user.as_str());
    let question = format!("Type the name to delete user '{name}' and all of this for good:");
    match prompter.text(question).await {
        Answer::Given(line) if line == user.as_str() => Ok(true),
        Answer::Interrupted => Err(CliError::Interrupted("nothing was changed".to_owned())),
        _ => {
            context.terminal.say(format_args!("User '{name}' stays: its name was not typed."));
            Ok(false)
        }
    }
}
