//! Replacing one's own access key: at every moment the file holds one that works.

use std::time::Duration;

use muster_aws::{Creation, Kind, OpenTask, OwnRotation, StepError, TaskEnd, access_keys};
use muster_core::estate::KeyFacts;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_credentials::profiles::{FileKind, ProfileFiles};
use secrecy::SecretString;

use super::cache::Cache;
use super::session::{Asker, Wanted, listed_serial};
use super::{LongLived, long_lived_of, signing};
use crate::context::Session;
use crate::error::CliError;
use crate::prompt::Prompter;
use crate::users::{UserReport, Work, made_key};

/// Returns the section in which a new key lies until it is known to work.
fn waiting_name(profile: &str) -> String {
    format!("{profile}-rotating")
}

/// Lists a person's own keys. Where only MFA sessions may, one is made, and is to be used from then on.
pub(crate) async fn own_keys(
    asker: Asker<'_>,
    session: &Session,
    user: &UserName,
    prompter: &mut Prompter<'_>,
) -> Result<(Option<Session>, Vec<KeyFacts>), CliError> {
    match access_keys(&session.account.gateway, user).await {
        Ok(keys) => Ok((None, keys)),
        Err(error) if error.kind == Kind::Denied => {
            let Some(session) = with_mfa(asker, session, "iam:ListAccessKeys", prompter).await? else {
                return Err(error.into());
            };
            let keys = access_keys(&session.account.gateway, user).await?;
            Ok((Some(session), keys))
        }
        Err(error) => Err(error.into()),
    }
}

/// How long a session has to last yet for a rotation to begin with it, in seconds.
const LEFT_S: i64 = 900;

/// Makes an MFA session for what the key alone may not do; `None` if there is no device.
pub(crate) async fn with_mfa(
    asker: Asker<'_>,
    session: &Session,
    action: &str,
    prompter: &mut Prompter<'_>,
) -> Result<Option<Session>, CliError> {
    let serial = match &asker.own.serial {
        _ if asker.own.long_lived.is_none() => None,
        Some(serial) => Some(serial.clone()),
        None => listed_serial(session).await.ok(),
    };
    let Some(serial) = serial else { return Ok(None) };
    asker.context.terminal.say(format_args!("The key alone may not call {action}; an MFA session may."));
    let wanted = Wanted { serial: Some(serial), left_s: LEFT_S, ..Wanted::any() };
    let asker = Asker { at: Some(session), ..asker };
    let made = session.with_keys(&Box::pin(super::session(asker, &wanted, prompter)).await?.keys);
    match made.account.caller().await {
        // One that was kept, and is no good any more.
        Err(error) if error.kind == Kind::Credentials => {
            let wanted = Wanted { force: true, ..wanted };
            let made = Box::pin(super::session(asker, &wanted, prompter)).await?;
            Ok(Some(session.with_keys(&made.keys)))
        }
        other => Ok(other.map(|_| Some(made))?),
    }
}

/// A rotation under way.
pub(crate) struct Rotation<'a> {
    pub(crate) work: Work<'a>,
    pub(crate) files: &'a ProfileFiles,
    pub(crate) user: &'a UserName,
    pub(crate) task: &'a OwnRotation,
    /// The wait between two tries of the new key.
    pub(crate) poll: Duration,
}

/// The same for `recover`.
const POLL: Duration = Duration::from_secs(1);

impl Rotation<'_> {
    /// Finds out beforehand that the files can be changed as the rotation changes them.
    pub(crate) fn rehearse(&self, kind: FileKind, secret: &SecretString) -> Result<(), CliError> {
        for file in [FileKind::Credentials, FileKind::Config] {
            if file != kind && self.holders(file)?.is_empty() {
                continue;
            }
            self.files.rehearse(file, |text| {
                if file == kind {
                    text.put_keys(&waiting_name(&self.task.profile), &self.task.old, secret)?;
                }
                for profile in text.holders("aws_access_key_id", &self.task.old) {
                    text.put_keys(&profile, "AKIAREHEARSED", secret)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Returns the profiles of a file that hold the old key.
    fn holders(&self, kind: FileKind) -> Result<Vec<String>, CliError> {
        Ok(self.files.read(kind)?.holders("aws_access_key_id", &self.task.old))
    }

    /// Makes a new key, saves it, and goes on with it. The task has been begun.
    pub(crate) async fn rotate(&self, kind: FileKind, report: &mut UserReport) -> Result<(), CliError> {
        let Work { session, journal, .. } = self.work;
        let creation = Creation {
            account: &session.account,
            journal,
            user: self.user.clone(),
            run: journal.run().to_owned(),
        };
        let new = match creation.access_key(&self.task.known).await {
            Ok(new) => new,
            Err(StepError::Call(error)) if error.effect == muster_aws::Effect::None => {
                journal.end(self.user, TaskEnd::Undone)?;
                "undone".clone_into(&mut report.result);
                return Err(StepError::Call(error).into());
            }
            Err(error) => return Err(error.into()),
        };
        self.work.context.changed.set(true);
        report.notes.push(format!("the new key is {}", new.id));
        let waiting = waiting_name(&self.task.profile);
        let saved = journal.made_key(self.user, &new.id).map_err(CliError::from).and_then(|()| {
            Ok(self.files.edit(kind, |text| text.put_keys(&waiting, &new.id, &new.secret))?)
        });
        if let Err(error) = saved {
            let _shield = session.account.gateway.shield();
            self.undo(&new.id, report).await?;
            return Err(error);
        }
        let new = LongLived {
            profile: waiting,
            keys: muster_credentials::profiles::Keys { id: new.id, secret: new.secret, token: None },
            kind,
        };
        self.go_on(&new, report).await
    }

    /// Proves the new key, which is in the file, puts it in the place of the old one, and takes that one away.
    async fn go_on(&self, new: &LongLived, report: &mut UserReport) -> Result<(), CliError> {
        let Work { context, session, .. } = self.work;
        context.terminal.say("Waiting until AWS knows the new key everywhere...");
        match session.account.with_keys(&signing(&new.keys)).prove(self.poll).await {
            Ok(()) => {}
            Err(error) if error.kind == Kind::Interrupted => {
                return Err(CliError::Interrupted(
                    "both keys are in the file and work; run this again, or `muster recover`, to go on"
                        .to_owned(),
                ));
            }
            Err(error) => {
                let _shield = session.account.gateway.shield();
                self.undo(&new.keys.id, report).await?;
                return Err(StepError::Other(format!(
                    "the new key does not work, so the old one stays: {error}"
                ))
                .into());
            }
        }
        // From here on there is no way back, and none is needed.
        session.save()?;
        let _shield = session.account.gateway.shield();
        self.switch(new, report)?;
        self.take_away(new, report).await
    }

    /// Puts the new key wherever the old one is, in one step for each file. The section in which it waited goes last.
    fn switch(&self, new: &LongLived, report: &mut UserReport) -> Result<(), CliError> {
        // The person's sessions go on, and are found by the new key.
        let cache = Cache::open(self.work.context);
        cache.copy(self.work.context, &self.task.old, &new.keys.id);
        let other = match new.kind {
            FileKind::Credentials => FileKind::Config,
            FileKind::Config => FileKind::Credentials,
        };
        for kind in [other, new.kind] {
            if self.holders(kind)?.is_empty() {
                continue;
            }
            let switched = self.files.edit(kind, |text| {
                let holders = text.holders("aws_access_key_id", &self.task.old);
                for profile in &holders {
                    text.put_keys(profile, &new.keys.id, &new.keys.secret)?;
                }
                Ok(holders)
            })?;
            for profile in switched {
                report.notes.push(format!("the profile '{profile}' has the new key"));
            }
        }
        self.forget_waiting()?;
        cache.clear(self.work.context, &self.task.old)?;
        Ok(())
    }

    /// Switches the old key off, or deletes it: signed with itself or with a session, because IAM may not know the new one
    /// yet.
    async fn take_away(&self, new: &LongLived, report: &mut UserReport) -> Result<(), CliError> {
        let (user, key) = (self.user.clone(), self.task.old.clone());
        let call = if self.task.delete_old {
            Mutation::DeleteAccessKey { user, key }
        } else {
            Mutation::UpdateAccessKey { user, key, active: false }
        };
        if !self.work.step(&call, report).await {
            // A key that is gone cannot be asked again whether it is, where the answer was lost.
            let first = report.steps.pop();
            report.is_denied |= first.as_ref().is_some_and(|step| step.is_denied);
            let session = self.work.session.with_keys(&signing(&new.keys));
            if !(Work { session: &session, ..self.work }).step(&call, report).await {
                report.steps.pop();
                let error = first.and_then(|step| step.error).unwrap_or_default();
                report.fail("not finished", &error);
                return Ok(());
            }
        }
        let what = if self.task.delete_old { "deleted" } else { "inactive" };
        report.notes.push(format!("the old key {} is {what}", self.task.old));
        "rotated".clone_into(&mut report.result);
        self.work.session.save()?;
        self.work.journal.end(self.user, TaskEnd::Done)?;
        Ok(())
    }

    /// Takes the new key away again.
    async fn undo(&self, new: &str, report: &mut UserReport) -> Result<(), CliError> {
        let delete = Mutation::DeleteAccessKey { user: self.user.clone(), key: new.to_owned() };
        let deleted = self.work.step(&delete, report).await;
        // With it all is as it was: it is no change to report.
        let step = report.steps.pop();
        if !deleted {
            let (error, is_denied) = step.map(|step| (step.error, step.is_denied)).unwrap_or_default();
            report.is_denied |= is_denied;
            let error = error.unwrap_or_default();
            let message = format!("the new key {new} could not be taken away again: {error}");
            return Err(StepError::Other(message).into());
        }
        report.deleted_keys.push(new.to_owned());
        report.notes.push(format!("the new key {new} is deleted again"));
        self.forget_waiting()?;
        self.work.session.save()?;
        self.work.journal.end(self.user, TaskEnd::Undone)?;
        "undone".clone_into(&mut report.result);
        Ok(())
    }

    /// Takes away the section in which the new key waited; what a crash left beside a file goes with it.
    fn forget_waiting(&self) -> Result<(), CliError> {
        let waiting = waiting_name(&self.task.profile);
        for kind in [FileKind::Credentials, FileKind::Config] {
            if kind == FileKind::Credentials || self.files.read(kind)?.has(&waiting) {
                self.files.edit(kind, |text| text.remove_profile(&waiting))?;
            }
        }
        Ok(())
    }

    /// Returns where a key is in the files: in a place of its own, else where it waits for one.
    fn find(&self, id: &str) -> Result<Option<LongLived>, CliError> {
        let waiting = waiting_name(&self.task.profile);
        let mut found = None;
        for kind in [FileKind::Credentials, FileKind::Config] {
            for profile in self.files.read(kind)?.holders("aws_access_key_id", id) {
                let held = self.files.profile(&profile)?.as_ref().and_then(long_lived_of);
                let held = held.filter(|held| held.keys.id == id);
                if profile != waiting && held.is_some() {
                    return Ok(held);
                }
                found = found.or(held);
            }
        }
        Ok(found)
    }

    /// Finishes or undoes what an earlier run left: what is in the files, and what IAM lists, say how far it came.
    pub(crate) async fn resume(
        &self,
        open: &OpenTask,
        now: &[KeyFacts],
        report: &mut UserReport,
    ) -> Result<(), CliError> {
        let waiting = waiting_name(&self.task.profile);
        let in_waiting =
            self.files.profile(&waiting)?.as_ref().and_then(long_lived_of).map(|held| held.keys.id);
        // What waits there was put there by a rotation.
        let is_ours =
            |key: &&KeyFacts| made_key(open, &self.task.known, key) || in_waiting.as_ref() == Some(&key.id);
        let Some(ours) = now.iter().find(is_ours) else {
            self.forget_waiting()?;
            let is_new = |id: &&str| !self.task.known.iter().any(|known| known == id);
            let others: Vec<&str> = now.iter().map(|key| key.id.as_str()).filter(is_new).collect();
            if !others.is_empty() {
                let others = others.join(", ");
                report
                    .notes
                    .push(format!("the user has {others} too, which muster did not make and leaves alone"));
            }
            "undone".clone_into(&mut report.result);
            self.work.session.save()?;
            self.work.journal.end(self.user, TaskEnd::Undone)?;
            return Ok(());
        };
        match self.find(&ours.id)? {
            // Nobody holds it.
            None => self.undo(&ours.id, report).await,
            // It has its place, or one of its places, already.
            Some(held) if held.profile != waiting => {
                self.switch(&held, report)?;
                self.take_away(&held, report).await
            }
            Some(held) => {
                let places =
                    self.holders(FileKind::Credentials)?.len() + self.holders(FileKind::Config)?.len();
                if places == 0 {
                    report.notes.push(
                        "the old key is in no profile any more, so the new one has no place".to_owned(),
                    );
                    return self.undo(&ours.id, report).await;
                }
                self.go_on(&held, report).await
            }
        }
    }
}

/// Finishes or undoes a rotation for `recover`.
pub(crate) async fn recover(
    work: &Work<'_>,
    asker: Asker<'_>,
    open: &OpenTask,
    task: &OwnRotation,
) -> Result<UserReport, CliError> {
    let user = &open.task.user;
    let mut report = UserReport::new(user, open.user_id.as_deref());
    let own = asker.own;
    let path = own.files.credentials.display().to_string();
    let config = own.files.config.display().to_string();
    if task.file != path && task.file != config {
        report.fail("left alone", &format!("its keys are in `{}`, and not in the files in use", task.file));
        return Ok(report);
    }
    if work.session.caller().as_ref() != Some(user) {
        let keys = own.long_lived.as_ref().map(|found| found.profile.clone()).unwrap_or_default();
        report.fail(
            "left alone",
            &format!("only the user itself can go on: run it again with --profile {keys}"),
        );
        return Ok(report);
    }
    let mut prompter = work.context.prompter();
    let (in_session, now) = own_keys(asker, work.session, user, &mut prompter).await?;
    let has_mfa = in_session.is_some();
    let work = Work { session: in_session.as_ref().unwrap_or(work.session), ..*work };
    let rotation = Rotation { work, files: &own.files, user, task, poll: POLL };
    let done = rotation.resume(open, &now, &mut report).await;
    let is_denied = report.is_denied || report.steps.iter().any(|step| step.is_denied);
    if is_denied && !has_mfa {
        // The new key may have its place by now, and with it the sessions.
        let own = super::Own::of(work.context, &task.profile)?;
        let asker = Asker { own: &own, ..asker };
        if let Some(session) = with_mfa(asker, work.session, "iam:UpdateAccessKey", &mut prompter).await? {
            let mut report = UserReport::new(user, open.user_id.as_deref());
            let rotation = Rotation { work: Work { session: &session, ..work }, ..rotation };
            rotation.resume(open, &now, &mut report).await?;
            return Ok(report);
        }
    }
    done?;
    Ok(report)
}
