//! `muster recover`

use muster_aws::{Journal, Journals, NewUser, OpenTask, TaskEnd, TaskKind, account_facts, estate};
use muster_core::config::{ConfigFile, Overrides, Settings, Tool};
use muster_core::name::{GroupName, UserName};
use muster_credentials::sealing::{Gpg, Sealer};

use crate::cli::RecoverArgs;
use crate::context::{Context, Session};
use crate::environment::{now_s, rfc3339};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::own::{Asker, Own, rotation};
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;
use crate::users::{
    Material, OutFolder, PasswordMaterial, Report, Sealing, Undoing, UserReport, Work, earlier, read_record,
    sealer_again, sealer_of,
};

/// How to recover.
pub(crate) struct Options<'a> {
    /// Which tasks.
    pub(crate) which: &'a dyn Fn(&OpenTask) -> bool,
    /// Complete half-made users instead of removing them.
    pub(crate) resume: bool,
    pub(crate) sealing: Sealing,
    pub(crate) folder: &'a OutFolder,
    pub(crate) settings: &'a Settings,
    pub(crate) config: &'a crate::context::Config,
    /// The config's name for the account's profile.
    pub(crate) profile: Option<&'a str>,
}

impl Options<'_> {
    /// Finds out for whom a user's secrets are sealed: whom the command line names, else who was found then.
    fn sealer(
        &self,
        user: &UserName,
        recipients: &[String],
        escrow: Option<&str>,
    ) -> Result<Sealer, CliError> {
        if self.sealing.recipients.is_empty() && !self.sealing.allow_plaintext {
            return Ok(sealer_again(recipients, escrow)?);
        }
        let mut sealer = sealer_of(user, &[], &self.sealing, self.settings)?;
        if self.sealing.allow_plaintext {
            sealer.agree_to_plaintext();
        }
        Ok(sealer)
    }
}

pub(crate) async fn run(context: &Context, args: &RecoverArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::CreateUser, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let journals = crate::users::journals(context, &session)?;
    let open = journals.tasks();
    if open.is_empty() {
        if !args.dry_run {
            Journals::settle(&session.home, now_s, |_| false)?;
        }
        if journals.unreadable.is_empty() {
            context.terminal.say("Nothing is left half done.");
        }
        Report::new(context, &session, args.dry_run, Vec::new(), None).show(context)?;
        return Ok(if journals.unreadable.is_empty() { Exit::Ok } else { Exit::Failed });
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
            let would = match (&open.task.kind, args.resume) {
                (TaskKind::Create(_), true) => "would be completed",
                (TaskKind::Create(_), false) => "would be removed, unless it is complete",
                (TaskKind::Delete, _) => "would be deleted",
                (TaskKind::Disable { .. }, _) => "would be disabled",
                (TaskKind::Restore { .. }, _) => "would be restored",
                (TaskKind::EnableMfa { .. }, _) => "would have its new MFA device looked at",
                (TaskKind::RotateOwnKey(_) | TaskKind::RotateKey { .. }, _) => {
                    "would have its keys looked at"
                }
            };
            would.clone_into(&mut report.result);
            report
        });
        Report::new(context, &session, true, users.collect(), None).show(context)?;
        return Ok(Exit::Left);
    }
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
    let question = format!("Do that for {} (y/n)?", count(open.len(), "user"));
    match prompter.yes_no(question, 0).await {
        Answer::Given(YesNo::Yes | YesNo::YesToAll) => {}
        Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
        _ => {
            context.terminal.say("Nothing was changed.");
            return Ok(Exit::Left);
        }
    }
    let options = Options {
        which: &|_| true,
        resume: args.resume,
        sealing: Sealing::from(&args.seal),
        folder: &folder,
        settings: &settings,
        config: &config,
        profile: config.file.as_ref().and_then(ConfigFile::profile_name),
    };
    let users = recover(context, &session, &options).await?;
    session.save()?;
    let exit = Report::new(context, &session, false, users, None).show(context)?;
    // What an unreadable journal holds is left to decide.
    Ok(if exit == Exit::Ok && !journals.unreadable.is_empty() { Exit::Left } else { exit })
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
        TaskKind::EnableMfa { device, .. } => format!(
            "User '{user}' was getting the MFA device {}, which stays if it is enabled, and goes if not",
            safe(device)
        ),
        TaskKind::RotateOwnKey(task) => format!(
            "The key {} of the profile '{}' was being replaced, which is finished if the new one is saved, and undone if not",
            safe(&task.old),
            safe(&task.profile)
        ),
        TaskKind::RotateKey { .. } => format!(
            "User '{user}' was getting a new access key, which stays if its bundle is there, and goes if not"
        ),
    }
}

/// Finishes or undoes what earlier runs left about one user, as far as it is meant; returns what came of it.
pub(super) async fn recover_earlier(
    context: &Context,
    session: &Session,
    user: &UserName,
    options: &Options<'_>,
) -> Result<Vec<UserReport>, CliError> {
    if !earlier(context, session, std::slice::from_ref(user))?.iter().any(options.which) {
        return Ok(Vec::new());
    }
    context.terminal.say("An earlier run was cut off:");
    recover(context, session, options).await
}

/// Finishes or undoes what is open, journal by journal; what fails about one user keeps no other from it.
pub(crate) async fn recover(
    context: &Context,
    session: &Session,
    options: &Options<'_>,
) -> Result<Vec<UserReport>, CliError> {
    let mut users = Vec::new();
    let journals = Journals::read(&session.home)?;
    let all = journals.tasks();
    for open in journals.open {
        let tasks = open.open_tasks();
        let chosen: Vec<&OpenTask> = tasks.iter().filter(|task| (options.which)(task)).collect();
        if chosen.is_empty() {
            continue;
        }
        let journal = Journal::resume(&session.home, &open, now_s)?;
        let work = Work { context, session, journal: &journal, folder: options.folder };
        let mut all_ended = chosen.len() == tasks.len();
        for task in chosen {
            if context.interrupt.is_set() {
                all_ended = false;
                break;
            }
            context.terminal.say(format_args!("{}...", describe(task, options.resume)));
            let user = &task.task.user;
            journal.about(user);
            // What several runs have left of one task is seen to together; creations are each run's own.
            let kind = std::mem::discriminant(&task.task.kind);
            let same = |other: &TaskKind| std::mem::discriminant(other) == kind;
            let merged = match task.task.kind {
                TaskKind::Delete | TaskKind::Disable { .. } | TaskKind::Restore { .. } => {
                    crate::users::left_of(&all, user, options.folder, same)
                }
                _ => None,
            };
            let task = merged.as_ref().unwrap_or(task);
            // The keys of a person are in their profile, and not in a folder.
            let has_folder = !matches!(task.task.kind, TaskKind::RotateOwnKey(_));
            let report = if !has_folder || task.task.out_dir == options.folder.absolute() {
                let done = Box::pin(one(&work, task, options)).await;
                done.unwrap_or_else(|error| UserReport::of_error(user, task.user_id.as_deref(), &error))
            } else {
                let mut report = UserReport::new(user, task.user_id.as_deref());
                let folder = safe(&task.task.out_dir).into_owned();
                let why =
                    format!("its files were to go to `{folder}`: run this again with that as --out-dir");
                report.fail("left alone", &why);
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
    crate::users::settle(work.context, work.session, open, options.folder).await;
    match &open.task.kind {
        TaskKind::Create(new) => create(work, open, new, options).await,
        TaskKind::EnableMfa { device, profile, .. } => {
            super::enable_mfa::resume(work, open, device, profile.as_deref()).await
        }
        TaskKind::RotateOwnKey(task) => {
            let own = Own::of(work.context, &task.profile)?;
            let asker = Asker {
                context: work.context,
                config: options.config,
                settings: options.settings,
                own: &own,
                at: Some(work.session),
            };
            Box::pin(rotation::recover(work, asker, open, task)).await
        }
        TaskKind::RotateKey { known } => super::rotate_key::resume(work, open, known).await,
        TaskKind::Delete => match found(work, open).await? {
            Some(now) => work.delete(&now, Some(open)).await,
            None => work.deleted_already(open).await,
        },
        TaskKind::Disable { revoke } => match found(work, open).await? {
            Some(now) => {
                let taxonomy = &options.settings.taxonomy;
                let managed: Vec<GroupName> = taxonomy.groups().map(|(group, _)| group.clone()).collect();
                work.disable(&now, taxonomy.disabled_group.as_ref(), &managed, revoke, Some(open)).await
            }
            None => gone(work, open),
        },
        TaskKind::Restore { recipients, escrow } => {
            let user = &open.task.user;
            let record = read_record(&work.folder.file(user, ".disabled.json"))?;
            match (record, found(work, open).await?) {
                (Some(record), Some(now)) if !record.is_of(work.context, work.session, &now.user_id) => {
                    let mut report = UserReport::new(user, Some(&now.user_id));
                    let path = work.folder.file(user, ".disabled.json");
                    let why = format!("`{}` is not of the user `{user}` of this account", path.display());
                    report.fail("not restored", &why);
                    Ok(report)
                }
                (Some(record), Some(now)) => {
                    let sealer = if record.before.login_profile {
                        options.sealer(user, recipients, escrow.as_deref())?
                    } else {
                        Sealer::new(Gpg::default(), Vec::new(), None)
                    };
                    if record.before.login_profile {
                        sealer.test()?;
                    }
                    let facts = account_facts(&work.session.account.gateway).await?;
                    let material =
                        PasswordMaterial { sealer: &sealer, rules: facts.password, profile: options.profile };
                    work.restore(&record, &now, &material, Some(open)).await
                }
                (None, Some(now)) if work.is_restored(open) => {
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
    if work.is_complete(open).await? {
        let mut report = UserReport::new(user, open.user_id.as_deref());
        "completed".clone_into(&mut report.result);
        report.files.push(work.folder.file(user, ".zip").display().to_string());
        work.journal.end(user, TaskEnd::Done)?;
        return Ok(report);
    }
    let undoing = Undoing { open, waits: std::time::Duration::ZERO };
    if !options.resume {
        return work.undo(&undoing).await;
    }
    let sealer = options.sealer(user, &new.recipients, new.escrow.as_deref())?;
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
    let id = report.user_id.clone();
    match work.complete(user, new, id.as_deref(), &material, &mut prompter).await {
        Ok(done) => {
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
