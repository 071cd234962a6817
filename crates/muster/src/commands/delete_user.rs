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
use crate::users::{Guards, OutFolder, Report, UserReport, Work, check_names, records, settle_earlier};

pub(crate) async fn run(context: &Context, args: &DeleteUserArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::DeleteUser, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder.out_dir)?;
    let mut names = args.names.all();
    if let (true, Some(_)) = (names.is_empty(), args.disabled_for) {
        names = records(folder.path())?.into_iter().map(|record| record.before.user).collect();
        if names.is_empty() {
            context.terminal.say(format_args!(
                "`{}` holds no record of a disabled user: there is nothing to do",
                folder.path().display()
            ));
            return Ok(Exit::Ok);
        }
    }
    check_names(&names)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let earlier: Vec<UserName> = if args.dry_run {
        Vec::new()
    } else {
        let open = crate::users::open_tasks(&session)?;
        settle_earlier(context, &session, &folder, &names, &settings, &config).await?;
        open.into_iter()
            .filter(|open| open.task.kind == TaskKind::Delete)
            .map(|open| open.task.user)
            .collect()
    };

    let guards = Guards::new(context, &session, &settings).await?;
    let (mut estates, mut problems) = (Vec::new(), Vec::new());
    for name in &names {
        match estate(&session.account, name).await? {
            Some(found) => estates.push(found),
            // Finished a moment ago, in the place of the run that was cut off.
            None if earlier.contains(name) => {}
            None => {
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
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
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
    let mut agreed = Vec::new();
    for found in estates {
        if confirmed(context, &mut prompter, &found.user).await? {
            agreed.push(found);
        }
    }
    if agreed.is_empty() {
        context.terminal.say("Nothing was changed.");
        return Ok(if earlier.is_empty() { Exit::Left } else { Exit::Ok });
    }
    let journal = Journal::create(&session.home, &context.record_head(&config, &session), now_s)?;
    let work = Work { context, session: &session, journal: &journal, folder: &folder };
    let mut users = Vec::new();
    for found in &agreed {
        if context.interrupt.is_set() {
            break;
        }
        journal.begin(&work.task(&found.user, Some(&found.user_id), TaskKind::Delete))?;
        users.push(work.delete(found, None).await?);
    }
    session.save()?;
    let record = super::close_journal(context, journal, &users)?;
    Report::new(context, &session, false, users, record).show(context)
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
        let record = records
            .iter()
            .find(|record| record.before.user_id == found.user_id && record.account == session.account.id);
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
