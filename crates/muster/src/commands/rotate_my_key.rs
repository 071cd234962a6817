//! `muster rotate-my-key`

use muster_aws::{Journal, Kind, OpenTask, OwnRotation, StepError, TaskKind};
use muster_core::config::{Overrides, Tool};
use muster_core::estate::KeyFacts;
use muster_core::keys::{Removal, removable};
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use serde::Serialize;

use super::recover::{Options, recover_earlier};
use crate::cli::{Output, RotateMyKeyArgs};
use crate::context::{Connecting, Context, Session};
use crate::environment::{now_s, rfc3339};
use crate::error::CliError;
use crate::exit::Exit;
use crate::own::rotation::{Rotation, own_keys, with_mfa};
use crate::own::{Asker, LongLived, Own, signing};
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;
use crate::users::{OutFolder, Report, Sealing, UserReport, Work};

pub(crate) async fn run(context: &Context, args: &RotateMyKeyArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::RotateMyKey, &Overrides::default())?;
    let own = Own::find(context, &config)?;
    let long_lived = own.long_lived()?.clone();
    let only_looks = args.list || args.check;
    if !only_looks {
        own.files.check_writable(long_lived.kind)?;
    }
    let changes = !only_looks && !args.dry_run;
    let how = Connecting {
        keys: Some(signing(&long_lived.keys)),
        profile: Some(own.profile.clone()),
        changes,
        silent: args.check,
    };
    let session = context.connect_as(&config, &settings, how).await?;
    let user = session.caller().ok_or_else(|| {
        let arn = safe(&session.account.caller_arn);
        CliError::usage(format!("`{arn}` is no user, so it has no access keys to rotate"))
    })?;
    let _lock = if changes { Some(session.home.lock()?) } else { None };
    let asker = Asker { context, config: &config, settings: &settings, own: &own, at: None };
    let folder = OutFolder::unused(args.settle);
    let mut deleted = Vec::new();
    if changes {
        match finish_earlier(asker, &session, &user, &folder).await? {
            Earlier::Over(exit) => return Ok(exit),
            Earlier::Undone(keys) => deleted = keys,
        }
    }
    // A check asks nobody: it is for scripts and shell prompts.
    let silent = context.global.no_input || args.check;
    let mut prompter = Prompter::new(&context.terminal, &context.interrupt, silent, context.global.yes);
    let (with_mfa, mut keys) = own_keys(asker, &session, &user, &mut prompter).await?;
    // Lists lag behind.
    keys.retain(|key| !deleted.contains(&key.id));
    let session = with_mfa.as_ref().unwrap_or(&session);
    let id = &long_lived.keys.id;
    let Some(current) = keys.iter().find(|key| key.id == *id) else {
        return Err(CliError::refused(
            format!("IAM does not list the key {} among those of the user", safe(id)),
            "it may have been deleted; `muster configure` puts another one into the profile",
        ));
    };
    if only_looks {
        return look(context, args, &user, &keys, id);
    }
    show(context, &keys, id, context.global.output == Output::Text);
    let job =
        Job { asker, args, session, long_lived: &long_lived, user: &user, keys: &keys, folder: &folder };
    if args.finish {
        return job.finish(&mut prompter).await;
    }
    if args.max_age.is_some_and(|max_age| !is_older(current, max_age)) {
        let mut report = UserReport::new(&user, None);
        "young enough".clone_into(&mut report.result);
        return Report::new(context, session, args.dry_run, vec![report], None).show(context);
    }
    Box::pin(job.rotate(&mut prompter)).await
}

/// What came of what an earlier run left.
pub(super) enum Earlier {
    /// It was finished, or could not be: there is nothing more to do now.
    Over(Exit),
    /// There was nothing, or it was undone: it is to begin anew. These keys are gone, whatever lists say.
    Undone(Vec<String>),
}

/// Finishes or undoes what an earlier run left of a rotation.
async fn finish_earlier(
    asker: Asker<'_>,
    session: &Session,
    user: &UserName,
    folder: &OutFolder,
) -> Result<Earlier, CliError> {
    let Asker { context, config, settings, .. } = asker;
    // Of whichever profile: a user has two keys at most.
    let is_ours =
        |open: &OpenTask| open.task.user == *user && matches!(open.task.kind, TaskKind::RotateOwnKey(_));
    let options = Options {
        which: &is_ours,
        resume: false,
        sealing: Sealing::default(),
        folder,
        settings,
        config,
        profile: None,
    };
    let users = recover_earlier(context, session, user, &options).await?;
    earlier_of(context, session, users)
}

/// Returns whether a rotation is to begin anew after what was recovered.
pub(super) fn earlier_of(
    context: &Context,
    session: &Session,
    users: Vec<UserReport>,
) -> Result<Earlier, CliError> {
    if users.iter().all(|report| report.result == "undone") {
        return Ok(Earlier::Undone(users.into_iter().flat_map(|report| report.deleted_keys).collect()));
    }
    session.save()?;
    Report::new(context, session, false, users, None).show(context).map(Earlier::Over)
}

/// What is done about the keys of a person.
struct Job<'a> {
    asker: Asker<'a>,
    args: &'a RotateMyKeyArgs,
    session: &'a Session,
    long_lived: &'a LongLived,
    user: &'a UserName,
    keys: &'a [KeyFacts],
    folder: &'a OutFolder,
}

impl Job<'_> {
    /// Returns the keys that are not in the profile.
    fn others(&self) -> Vec<&KeyFacts> {
        self.keys.iter().filter(|key| key.id != self.long_lived.keys.id).collect()
    }

    /// Deletes the inactive key that an earlier rotation left.
    async fn finish(&self, prompter: &mut Prompter<'_>) -> Result<Exit, CliError> {
        let Asker { context, config, .. } = self.asker;
        let mut calls = Vec::new();
        if let Some(other) = self.others().first() {
            if other.active {
                return Err(CliError::refused(
                    format!("the other key, {}, is active, so it is not what a rotation left", other.id),
                    "nothing was changed; --finish deletes only keys that are inactive",
                ));
            }
            let question = format!("Delete the inactive key {} for good (y/n)?", other.id);
            if !self.args.dry_run && !agreed(context, prompter, &question).await? {
                return Ok(Exit::Left);
            }
            calls.push(Mutation::DeleteAccessKey { user: self.user.clone(), key: other.id.clone() });
        } else {
            context.terminal.say("There is no other key: nothing is left of a rotation.");
        }
        let journal = if self.args.dry_run || calls.is_empty() {
            None
        } else {
            Some(Journal::create(&self.session.home, &context.record_head(config, self.session), now_s)?)
        };
        let mut report =
            carry_out(context, self.session, self.user, &calls, journal.as_ref(), self.folder).await;
        if report.is_denied
            && let Some(session) = with_mfa(self.asker, self.session, "iam:DeleteAccessKey", prompter).await?
        {
            report = carry_out(context, &session, self.user, &calls, journal.as_ref(), self.folder).await;
        }
        finished(context, self.session, report, journal)
    }

    async fn rotate(&self, prompter: &mut Prompter<'_>) -> Result<Exit, CliError> {
        let Asker { context, config, own, .. } = self.asker;
        let (args, session, user) = (self.args, self.session, self.user);
        let named = args.delete_key.as_deref();
        let room = make_room(context, user, &self.others(), named, prompter, args.dry_run).await?;
        let Some(room) = room else { return Ok(Exit::Left) };
        let task = OwnRotation {
            profile: self.long_lived.profile.clone(),
            file: own.files.path(self.long_lived.kind).display().to_string(),
            old: self.long_lived.keys.id.clone(),
            known: self.keys.iter().map(|key| key.id.clone()).collect(),
            delete_old: args.delete_old,
        };
        if args.dry_run {
            let mut report = UserReport::new(user, None).planned(planned(room, user, &task));
            "would be rotated".clone_into(&mut report.result);
            return Report::new(context, session, true, vec![report], None).show(context);
        }
        let journal = Journal::create(&session.home, &context.record_head(config, session), now_s)?;
        let work = Work { context, session, journal: &journal, folder: self.folder };
        let rotation = Rotation { work, files: &own.files, user, task: &task, poll: args.poll };
        if let Err(error) = rotation.rehearse(self.long_lived.kind, &self.long_lived.keys.secret) {
            journal.close()?;
            return Err(error);
        }
        let mut carried = self.carry_out(session, &journal, &task, room.as_ref()).await?;
        if let Some(action) = carried.denied
            && let Some(session) = with_mfa(self.asker, session, action, prompter).await?
        {
            carried = self.carry_out(&session, &journal, &task, room.as_ref()).await?;
        }
        session.save()?;
        let record = if carried.report.result == "not rotated" {
            journal.close()?.display().to_string()
        } else {
            super::close_journal(context, journal, std::slice::from_ref(&carried.report))?
        };
        if carried.report.result == "rotated" && !args.delete_old {
            context.terminal.say(format_args!(
                "If nothing misses the old key, delete it with `muster rotate-my-key --finish --profile {}`.",
                safe(&own.profile)
            ));
        }
        Report::new(context, session, false, vec![carried.report], Some(record)).show(context)
    }

    /// Makes room, and rotates.
    async fn carry_out(
        &self,
        session: &Session,
        journal: &Journal,
        task: &OwnRotation,
        room: Option<&Mutation>,
    ) -> Result<Carried, CliError> {
        let Asker { context, own, .. } = self.asker;
        let user = self.user;
        let work = Work { context, session, journal, folder: self.folder };
        let mut report = UserReport::new(user, None);
        let mut denied = None;
        journal.about(user);
        let has_room = match room {
            Some(room) => work.step(room, &mut report).await,
            None => true,
        };
        if has_room {
            journal.begin(&work.task(user, None, TaskKind::RotateOwnKey(task.clone())))?;
            let rotation = Rotation { work, files: &own.files, user, task, poll: self.args.poll };
            if let Err(error) = Box::pin(rotation.rotate(self.long_lived.kind, &mut report)).await {
                denied = match &error {
                    CliError::Step(StepError::Call(error))
                        if error.kind == Kind::Denied && room.is_none() =>
                    {
                        Some("iam:CreateAccessKey")
                    }
                    _ => None,
                };
                let is_undone = report.result == "undone";
                report.fail(if is_undone { "not rotated" } else { "not finished" }, &error.to_string());
                context.changed.set(!is_undone || room.is_some());
            }
        } else {
            let step = report.steps.last();
            denied = step.filter(|step| step.is_denied).map(|_| "iam:DeleteAccessKey");
            let error = step.and_then(|step| step.error.clone()).unwrap_or_default();
            report.fail("not rotated", &error);
        }
        Ok(Carried { report, denied })
    }
}

/// What came of a rotation.
struct Carried {
    report: UserReport,
    /// What was denied before anything was done.
    denied: Option<&'static str>,
}

/// Returns the calls that a rotation would make.
fn planned(room: Option<Mutation>, user: &UserName, task: &OwnRotation) -> Vec<Mutation> {
    let mut calls: Vec<Mutation> = room.into_iter().collect();
    calls.push(Mutation::CreateAccessKey { user: user.clone() });
    let (user, key) = (user.clone(), task.old.clone());
    calls.push(if task.delete_old {
        Mutation::DeleteAccessKey { user, key }
    } else {
        Mutation::UpdateAccessKey { user, key, active: false }
    });
    calls
}

#[derive(Serialize)]
struct Looked<'a> {
    user: &'a str,
    keys: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    access_key_id: &'a str,
    in_profile: bool,
    active: bool,
    created: String,
    age_days: i64,
    last_used: Option<String>,
    last_service: Option<&'a str>,
    /// Whether the last use could be asked for.
    last_use_known: bool,
    /// Whether it is older than `--max-age`.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old: Option<bool>,
}

/// Shows the keys and, for `--check`, says whether one is too old.
fn look(
    context: &Context,
    args: &RotateMyKeyArgs,
    user: &UserName,
    keys: &[KeyFacts],
    current: &str,
) -> Result<Exit, CliError> {
    let too_old = |key: &KeyFacts| args.max_age.map(|max_age| key.active && is_older(key, max_age));
    let any = keys.iter().any(|key| too_old(key) == Some(true));
    let rows = keys.iter().map(|key| Row {
        access_key_id: &key.id,
        in_profile: key.id == current,
        active: key.active,
        created: rfc3339(key.created * 1000),
        age_days: age_s(key) / 86_400,
        last_used: key.last_used.map(|at| rfc3339(at * 1000)),
        last_service: key.last_service.as_deref(),
        last_use_known: key.use_known,
        too_old: too_old(key),
    });
    match context.global.output {
        Output::Json => super::print_json(context, &Looked { user: user.as_str(), keys: rows.collect() })?,
        Output::Csv => {
            let rows = rows.map(|row| {
                let text = |text: Option<String>| text.unwrap_or_default();
                vec![
                    row.access_key_id.to_owned(),
                    row.in_profile.to_string(),
                    row.active.to_string(),
                    row.created,
                    text(row.last_used),
                ]
            });
            super::print_csv(
                context,
                &["access_key_id", "in_profile", "active", "created", "last_used"],
                rows,
            )?;
        }
        Output::Text => show(context, keys, current, true),
    }
    if args.check && any {
        for key in keys.iter().filter(|key| too_old(key) == Some(true)) {
            context.terminal.say(format_args!("The key {} is {} old.", key.id, days(age_s(key))));
        }
        return Ok(Exit::Left);
    }
    Ok(Exit::Ok)
}

/// Prints the keys: as a result, or for the person to see before something is done.
fn show(context: &Context, keys: &[KeyFacts], current: &str, as_result: bool) {
    for key in keys {
        let line = safe(&describe(key, key.id == current)).into_owned();
        if as_result {
            context.terminal.out(format_args!("{line}\n"));
        } else {
            context.terminal.say(line);
        }
    }
}

/// Returns what is known of a key, on a line.
pub(super) fn describe(key: &KeyFacts, is_current: bool) -> String {
    let status = if key.active { "active" } else { "inactive" };
    let service = key.last_service.as_deref().map(|service| format!(" for {service}")).unwrap_or_default();
    let used = match (key.last_used, key.use_known) {
        (Some(at), _) => format!("last used {} ago{service}", days(now_s() - at)),
        (None, true) => "never used".to_owned(),
        (None, false) => "its last use is not known".to_owned(),
    };
    let here = if is_current { ", the one in the profile" } else { "" };
    format!("{}  {status}, {} old, {used}{here}", key.id, days(age_s(key)))
}

fn age_s(key: &KeyFacts) -> i64 {
    (now_s() - key.created).max(0)
}

fn is_older(key: &KeyFacts, max_age: std::time::Duration) -> bool {
    u64::try_from(age_s(key)).unwrap_or_default() > max_age.as_secs()
}

fn days(seconds: i64) -> String {
    match seconds.max(0) {
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Returns the call that makes room for a new key, if one is needed; `None` if the person does not want it.
pub(super) async fn make_room(
    context: &Context,
    user: &UserName,
    others: &[&KeyFacts],
    named: Option<&str>,
    prompter: &mut Prompter<'_>,
    dry_run: bool,
) -> Result<Option<Option<Mutation>>, CliError> {
    let Some(other) = others.first() else {
        return match named {
            Some(named) => Err(CliError::usage(format!("the user has no other key, so not {}", safe(named)))),
            None => Ok(Some(None)),
        };
    };
    let removal = match named {
        Some(named) if named == other.id => Removal::Offered,
        Some(named) => {
            let message =
                format!("`{}` is not the other key of the user, which is {}", safe(named), other.id);
            return Err(CliError::usage(message));
        }
        None => removable(other, now_s()),
    };
    let call = Mutation::DeleteAccessKey { user: user.clone(), key: other.id.clone() };
    match removal {
        Removal::OnlyByName(reason) => Err(CliError::refused(
            format!("the user has two keys, all that IAM allows, and the other one, {}, {reason}", other.id),
            format!(
                "if nothing needs it, delete it by naming it: --delete-key {}\nit is: {}",
                other.id,
                describe(other, false)
            ),
        )),
        Removal::Offered if dry_run => Ok(Some(Some(call))),
        Removal::Offered => {
            let question = format!(
                "A user can have two keys, so the other one, {}, has to be deleted for good. Delete it (y/n)?",
                other.id
            );
            agreed(context, prompter, &question).await.map(|agreed| agreed.then_some(Some(call)))
        }
    }
}

/// Asks; says so where nothing is changed.
pub(super) async fn agreed(
    context: &Context,
    prompter: &mut Prompter<'_>,
    question: &str,
) -> Result<bool, CliError> {
    match prompter.yes_no(question, 0).await {
        Answer::Given(YesNo::Yes | YesNo::YesToAll) => Ok(true),
        Answer::Interrupted => Err(CliError::Interrupted("nothing was changed".to_owned())),
        _ => {
            context.terminal.say("Nothing was changed.");
            Ok(false)
        }
    }
}

/// Makes a few calls, each written down; without a journal they are only shown.
pub(super) async fn carry_out(
    context: &Context,
    session: &Session,
    user: &UserName,
    calls: &[Mutation],
    journal: Option<&Journal>,
    folder: &OutFolder,
) -> UserReport {
    let mut report = UserReport::new(user, None);
    let Some(journal) = journal else {
        let result = if calls.is_empty() { "finished" } else { "would be finished" };
        result.clone_into(&mut report.result);
        return report.planned(calls.iter().cloned());
    };
    "finished".clone_into(&mut report.result);
    journal.about(user);
    let work = Work { context, session, journal, folder };
    for call in calls {
        if !work.step(call, &mut report).await {
            let step = report.steps.last();
            report.is_denied = step.is_some_and(|step| step.is_denied);
            let error = step.and_then(|step| step.error.clone()).unwrap_or_default();
            report.fail("not finished", &error);
            break;
        }
        report.notes.push(format!("{call}: done"));
    }
    report
}

/// Puts the journal away and shows what was done.
pub(super) fn finished(
    context: &Context,
    session: &Session,
    report: UserReport,
    journal: Option<Journal>,
) -> Result<Exit, CliError> {
    session.save()?;
    let is_dry = report.result.starts_with("would");
    let record = journal.map(Journal::close).transpose()?.map(|path| path.display().to_string());
    Report::new(context, session, is_dry, vec![report], record).show(context)
}
