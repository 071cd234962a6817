//! `muster rotate-key`

use muster_aws::{Creation, Effect, Journal, OpenTask, StepError, TaskEnd, TaskKind, access_keys};
use muster_core::config::{ConfigFile, Overrides, Settings, Tool};
use muster_core::estate::{Estate, KeyFacts};
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_credentials::sealing::Sealer;

use super::recover::{Options, recover_earlier};
use super::rotate_my_key::{Earlier, agreed, carry_out, describe, earlier_of, finished, make_room};
use crate::cli::RotateKeyArgs;
use crate::context::{Config, Context, Session};
use crate::environment::now_s;
use crate::error::CliError;
use crate::exit::Exit;
use crate::prompt::Prompter;
use crate::terminal::safe;
use crate::users::{
    Guards, Handover, OutFolder, Place, Report, Sealing, UserReport, Work, check_names, is_file_of, made_key,
    sealer_of,
};

/// The result where nothing is left of it.
const UNDONE: &str = "undone";

/// What may not be seen is called so.
const KEYS: &str = "access keys";

/// What the name of the bundle with a new key ends in.
const BUNDLE: &str = ".key.zip";

pub(crate) async fn run(context: &Context, args: &RotateKeyArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::CreateUser, &Overrides::default())?;
    let user = UserName::new(&args.user_name);
    check_names(std::slice::from_ref(&user))?;
    let folder = OutFolder::new(&args.folder)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let job = Job { context, args, config: &config, settings: &settings, session: &session, folder: &folder };
    let mut deleted = Vec::new();
    if !args.dry_run {
        match job.finish_earlier(&user).await? {
            Earlier::Over(exit) => return Ok(exit),
            Earlier::Undone(keys) => deleted = keys,
        }
    }
    let mut found = job.look(&user).await?;
    // Lists lag behind.
    found.access_keys.retain(|key| !deleted.contains(&key.id));
    for key in &found.access_keys {
        context.terminal.say(safe(&describe(key, false)));
    }
    if args.finish { job.finish(&found).await } else { job.rotate(&found).await }
}

/// What is done about a user's keys.
struct Job<'a> {
    context: &'a Context,
    args: &'a RotateKeyArgs,
    config: &'a Config,
    settings: &'a Settings,
    session: &'a Session,
    folder: &'a OutFolder,
}

impl Job<'_> {
    /// Finishes or undoes what an earlier run left.
    async fn finish_earlier(&self, user: &UserName) -> Result<Earlier, CliError> {
        let Self { context, session, .. } = *self;
        let is_ours =
            |open: &OpenTask| open.task.user == *user && matches!(open.task.kind, TaskKind::RotateKey { .. });
        let options = Options {
            which: &is_ours,
            resume: false,
            sealing: Sealing::from(&self.args.seal),
            folder: self.folder,
            settings: self.settings,
            config: self.config,
            profile: None,
        };
        let users = recover_earlier(context, session, user, &options).await?;
        earlier_of(context, session, users)
    }

    /// Finds the user, and what stands in the way.
    async fn look(&self, user: &UserName) -> Result<Estate, CliError> {
        let guards = Guards::new(self.context, self.session, self.settings).await?;
        let Some(found) = muster_aws::estate(&self.session.account, user).await? else {
            let help = guards.nearest(user).unwrap_or_default();
            return Err(CliError::usage(format!("the account has no user `{user}`{help}")));
        };
        if self.session.caller().as_ref() == Some(user) {
            return Err(CliError::usage_with(
                "that is your own key",
                "use `muster rotate-my-key`, which changes your profile too",
            ));
        }
        if found.unseen.iter().any(|what| what == KEYS) {
            return Err(CliError::refused(
                format!(
                    "the access keys of `{user}` may not be listed, so nothing can be done about them safely"
                ),
                "the caller needs iam:ListAccessKeys (`muster permissions rotate-key` prints all that is needed)",
            ));
        }
        let problems = guards.problems(std::slice::from_ref(&found), true)?;
        if problems.is_empty() {
            Ok(found)
        } else {
            Err(CliError::Preflight { problems, exit: Exit::Failed })
        }
    }

    /// Takes the old key away, a step at a time.
    async fn finish(&self, found: &Estate) -> Result<Exit, CliError> {
        let Self { context, session, folder, config, .. } = *self;
        let call = taking_away(&found.user, &found.access_keys)?;
        match &call {
            None => context.terminal.say("There is one key: nothing is left of a rotation."),
            Some(call) if !self.args.dry_run => {
                let question =
                    format!("{} of user '{}' (y/n)?", safe(&call.to_string()), safe(found.user.as_str()));
                if !agreed(context, &mut context.prompter(), &question).await? {
                    return Ok(Exit::Left);
                }
            }
            Some(_) => {}
        }
        let journal = if self.args.dry_run || call.is_none() {
            None
        } else {
            Some(Journal::create(&session.home, &context.record_head(config, session), now_s)?)
        };
        let calls: Vec<Mutation> = call.into_iter().collect();
        let report = carry_out(context, session, &found.user, &calls, journal.as_ref(), folder).await;
        finished(context, session, report, journal)
    }

    async fn rotate(&self, found: &Estate) -> Result<Exit, CliError> {
        let Self { context, args, config, session, folder, .. } = *self;
        let user = &found.user;
        if let Some(taken) = folder.taken(user, BUNDLE) {
            return Err(CliError::Preflight { problems: vec![taken], exit: Exit::Failed });
        }
        let mut prompter = context.prompter();
        let sealer = self.sealer(user, &mut prompter).await?;
        let named = args.delete_key.as_deref();
        let spare = spare(&found.access_keys, named);
        let room = make_room(context, user, &spare, named, &mut prompter, args.dry_run).await?;
        let Some(room) = room else { return Ok(Exit::Left) };
        if args.dry_run {
            let calls = room.into_iter().chain([Mutation::CreateAccessKey { user: user.clone() }]);
            let mut report = UserReport::new(user, Some(&found.user_id)).planned(calls);
            "would be rotated".clone_into(&mut report.result);
            return Report::new(context, session, true, vec![report], None).show(context);
        }
        folder.mind_git(context, &mut prompter).await?;
        folder.prepare()?;
        let journal = Journal::create(&session.home, &context.record_head(config, session), now_s)?;
        let work = Work { context, session, journal: &journal, folder };
        let mut report = UserReport::new(user, Some(&found.user_id));
        journal.about(user);
        let has_room = match &room {
            Some(room) => work.step(room, &mut report).await,
            None => true,
        };
        if has_room {
            let known: Vec<String> = found.access_keys.iter().map(|key| key.id.clone()).collect();
            let kind = TaskKind::RotateKey { known: known.clone() };
            journal.begin(&work.task(user, Some(&found.user_id), kind))?;
            let profile = config.file.as_ref().and_then(ConfigFile::profile_name);
            if let Err(error) = Box::pin(make(&work, user, &known, &sealer, profile, &mut report)).await {
                let is_undone = report.result == UNDONE;
                report.fail(if is_undone { "not rotated" } else { "not finished" }, &error.to_string());
            }
        } else {
            let error = report.steps.last().and_then(|step| step.error.clone()).unwrap_or_default();
            report.fail("not rotated", &error);
        }
        session.save()?;
        let record = if report.result == "not rotated" {
            journal.close()?.display().to_string()
        } else {
            super::close_journal(context, journal, std::slice::from_ref(&report))?
        };
        if report.errors.is_empty() {
            context.terminal.say(format_args!(
                "The old key still works. When the new one is in use, `muster rotate-key --user-name {} --finish` makes \
                 the old one inactive, and once more deletes it.",
                safe(user.as_str())
            ));
        }
        Report::new(context, session, false, vec![report], Some(record)).show(context)
    }

    /// Finds out whom the new key is sealed for, and that it can be.
    async fn sealer(&self, user: &UserName, prompter: &mut Prompter<'_>) -> Result<Sealer, CliError> {
        let sealing = Sealing::from(&self.args.seal);
        let mut sealer = sealer_of(user, &[], &sealing, self.settings)?;
        let may = super::create_user::may_be_plaintext(self.context, &mut sealer, &sealing, prompter).await?;
        if may {
            sealer.test()?;
        } else if !self.args.dry_run {
            return Err(super::create_user::nobody_to_seal_for(user, &sealer));
        }
        Ok(sealer)
    }
}

/// Returns the key that would make room: of two the one that is named, else the one that is the least in use.
fn spare<'k>(keys: &'k [KeyFacts], named: Option<&str>) -> Vec<&'k KeyFacts> {
    let least = keys.iter().min_by_key(|key| (key.active, key.last_used, key.created));
    let named = named.and_then(|named| keys.iter().find(|key| key.id == named));
    named.or(least).filter(|_| keys.len() > 1).into_iter().collect()
}

/// Makes the key and its bundle, or neither.
async fn make(
    work: &Work<'_>,
    user: &UserName,
    known: &[String],
    sealer: &Sealer,
    profile: Option<&str>,
    report: &mut UserReport,
) -> Result<(), CliError> {
    let Work { context, session, journal, .. } = *work;
    let creation =
        Creation { account: &session.account, journal, user: user.clone(), run: journal.run().to_owned() };
    let new = match creation.access_key(known).await {
        Ok(new) => new,
        Err(StepError::Call(error)) if error.effect == Effect::None => {
            journal.end(user, TaskEnd::Undone)?;
            UNDONE.clone_into(&mut report.result);
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    context.changed.set(true);
    let place = Place::new(work, profile);
    let mut handover = Handover::new(sealer, user);
    let filled = handover.access_key(&new.id, &new.secret, &place.profile).map_err(CliError::from);
    let written = journal.made_key(user, &new.id).map_err(CliError::from);
    let written = written.and(filled).and_then(|()| handover.write(work, &place, BUNDLE));
    let files = match written {
        Ok(files) => files,
        Err(error) => {
            // Nobody has its secret.
            let _shield = session.account.gateway.shield();
            let delete = Mutation::DeleteAccessKey { user: user.clone(), key: new.id.clone() };
            if !work.step(&delete, report).await {
                let why = report.steps.pop().and_then(|step| step.error).unwrap_or_default();
                let message =
                    format!("{error}; and the new key {} could not be taken away again: {why}", new.id);
                return Err(StepError::Other(message).into());
            }
            report.steps.pop();
            session.save()?;
            journal.end(user, TaskEnd::Undone)?;
            UNDONE.clone_into(&mut report.result);
            context.changed.set(false);
            return Err(error);
        }
    };
    report.notes.push(format!("the new key is {}", new.id));
    report.files = files.iter().map(|file| file.display().to_string()).collect();
    "rotated".clone_into(&mut report.result);
    session.save()?;
    journal.end(user, TaskEnd::Done)?;
    Ok(())
}

/// Returns the call that takes the old key away: first it becomes inactive, then it is deleted. `None`: there is none.
fn taking_away(user: &UserName, keys: &[KeyFacts]) -> Result<Option<Mutation>, CliError> {
    let mut by_age: Vec<&KeyFacts> = keys.iter().collect();
    by_age.sort_by_key(|key| key.created);
    let [old, new] = by_age.as_slice() else { return Ok(None) };
    if let Some(inactive) = by_age.iter().find(|key| !key.active) {
        return Ok(Some(Mutation::DeleteAccessKey { user: user.clone(), key: inactive.id.clone() }));
    }
    if new.last_used.is_none() {
        return Err(CliError::refused(
            format!("the newer key, {}, has not been used yet, so the older one may still be needed", new.id),
            "run this again when the user has taken the new one over; IAM knows of a use after a while",
        ));
    }
    Ok(Some(Mutation::UpdateAccessKey { user: user.clone(), key: old.id.clone(), active: false }))
}

/// Finishes or undoes what an earlier run left: a new key whose bundle is there is whole; one without is held by nobody.
pub(super) async fn resume(
    work: &Work<'_>,
    open: &OpenTask,
    known: &[String],
) -> Result<UserReport, CliError> {
    let user = &open.task.user;
    let mut report = UserReport::new(user, open.user_id.as_deref());
    let path = work.folder.file(user, BUNDLE);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let now = access_keys(&work.session.account.gateway, user).await?;
    let new: Vec<&KeyFacts> = now.iter().filter(|key| made_key(open, known, key)).collect();
    if is_file_of(open, &path, &name) && !new.is_empty() {
        report.files.push(path.display().to_string());
        "rotated".clone_into(&mut report.result);
        work.journal.end(user, TaskEnd::Done)?;
        return Ok(report);
    }
    for key in new {
        let delete = Mutation::DeleteAccessKey { user: user.clone(), key: key.id.clone() };
        if !work.step(&delete, &mut report).await {
            report.errors.extend(report.steps.last().and_then(|step| step.error.clone()));
            return Ok(report);
        }
        report.deleted_keys.push(key.id.clone());
    }
    work.discard_files(open, &[BUNDLE], &mut report)?;
    "undone".clone_into(&mut report.result);
    work.journal.end(user, TaskEnd::Undone)?;
    Ok(report)
}
