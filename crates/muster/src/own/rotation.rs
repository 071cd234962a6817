//! Replacing one's own access key: at every moment the file holds one that works.

use std::time::Duration;

use muster_aws::{Creation, Kind, OpenTask, OwnRotation, StepError, TaskEnd, access_keys};
use muster_core::estate::KeyFacts;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_credentials::profiles::{FileKind, ProfileFiles};

use super::cache::Cache;
use super::session::{Asker, Wanted};
use super::{LongLived, long_lived_of, signing};
use crate::context::Session;
use crate::error::CliError;
use crate::prompt::Prompter;
use crate::users::{UserReport, Work};

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

/// Makes an MFA session for what the key alone may not do; `None` if there is no device.
pub(crate) async fn with_mfa(
    asker: Asker<'_>,
    session: &Session,
    action: &str,
    prompter: &mut Prompter<'_>,
) -> Result<Option<Session>, CliError> {
    let has_device = asker.own.serial.is_some() || asker.context.global.mfa_code.is_some();
    if !has_device || asker.own.long_lived.is_none() {
        return Ok(None);
    }
    asker.context.terminal.say(format_args!("The key alone may not call {action}; an MFA session may."));
    let made = super::session(asker, &Wanted::any(), prompter).await?;
    Ok(Some(session.with_keys(&made.keys)))
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
        let saved = self.files.edit(kind, |text| text.put_keys(&waiting, &new.id, &new.secret));
        if let Err(error) = saved {
            let _shield = session.account.gateway.shield();
            self.undo(&new.id, kind, report).await?;
            return Err(error.into());
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
                self.undo(&new.keys.id, new.kind, report).await?;
                return Err(StepError::Other(format!(
                    "the new key does not work, so the old one stays: {error}"
                ))
                .into());
            }
        }
        // From here on there is no way back, and none is needed.
        let _shield = session.account.gateway.shield();
        self.switch(new, report)?;
        self.take_away(new, report).await
    }

    /// Puts the new key wherever the old one is; in the file that holds it, in one step.
    fn switch(&self, new: &LongLived, report: &mut UserReport) -> Result<(), CliError> {
        // The person's sessions go on, and are found by the new key.
        let cache = Cache::open(self.work.context);
        cache.copy(self.work.context, &self.task.old, &new.keys.id);
        let other = if new.kind == FileKind::Credentials { FileKind::Config } else { FileKind::Credentials };
        for kind in [new.kind, other] {
            if kind == other && self.files.read(kind)?.holders("aws_access_key_id", &self.task.old).is_empty()
            {
                continue;
            }
            let switched = self.files.edit(kind, |text| {
                let holders = text.holders("aws_access_key_id", &self.task.old);
                for profile in &holders {
                    text.put_keys(profile, &new.keys.id, &new.keys.secret)?;
                }
                text.remove_profile(&waiting_name(&self.task.profile))?;
                Ok(holders)
            })?;
            for profile in switched {
                report.notes.push(format!("the profile '{profile}' has the new key"));
            }
        }
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
            let session = self.work.session.with_keys(&signing(&new.keys));
            if !(Work { session: &session, ..self.work }).step(&call, report).await {
                report.errors.extend(first.and_then(|step| step.error));
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
    async fn undo(&self, new: &str, kind: FileKind, report: &mut UserReport) -> Result<(), CliError> {
        let delete = Mutation::DeleteAccessKey { user: self.user.clone(), key: new.to_owned() };
        let deleted = self.work.step(&delete, report).await;
        // With it all is as it was: it is no change to report.
        let step = report.steps.pop();
        if !deleted {
            let error = step.and_then(|step| step.error).unwrap_or_default();
            let message = format!("the new key {new} could not be taken away again: {error}");
            return Err(StepError::Other(message).into());
        }
        report.notes.push("the new key is deleted again".to_owned());
        self.files.edit(kind, |text| text.remove_profile(&waiting_name(&self.task.profile)))?;
        self.work.session.save()?;
        self.work.journal.end(self.user, TaskEnd::Undone)?;
        "undone".clone_into(&mut report.result);
        Ok(())
    }

    /// Finishes or undoes what an earlier run left: what is in the file, and what IAM lists, say how far it came.
    pub(crate) async fn resume(&self, now: &[KeyFacts], report: &mut UserReport) -> Result<(), CliError> {
        let task = self.task;
        let in_file =
            |name: &str| Ok::<_, CliError>(self.files.profile(name)?.as_ref().and_then(long_lived_of));
        let waiting = in_file(&waiting_name(&task.profile))?;
        let current = in_file(&task.profile)?;
        let is_new = |id: &str| !task.known.iter().any(|known| known == id);
        let is_there = |id: &str| now.iter().any(|key| key.id == id);
        if let Some(current) = current.as_ref().filter(|c| is_new(&c.keys.id) && is_there(&c.keys.id)) {
            self.files.edit(current.kind, |text| text.remove_profile(&waiting_name(&task.profile)))?;
            return self.take_away(current, report).await;
        }
        if let Some(waiting) = waiting.as_ref().filter(|w| is_new(&w.keys.id) && is_there(&w.keys.id)) {
            return self.go_on(waiting, report).await;
        }
        if current.as_ref().is_none_or(|current| current.keys.id != task.old) {
            let keys: Vec<&str> = now.iter().map(|key| key.id.as_str()).collect();
            report.notes.push(format!(
                "the profile '{}' was changed by somebody since, so nothing is done; the user's keys are {}",
                task.profile,
                keys.join(", ")
            ));
            "left alone".clone_into(&mut report.result);
            self.work.journal.end(self.user, TaskEnd::Kept)?;
            return Ok(());
        }
        // A new key that is in no file is held by nobody.
        for key in now.iter().filter(|key| is_new(&key.id)) {
            let delete = Mutation::DeleteAccessKey { user: self.user.clone(), key: key.id.clone() };
            if !self.work.step(&delete, report).await {
                report.errors.extend(report.steps.last().and_then(|step| step.error.clone()));
                return Ok(());
            }
        }
        // Also what a crash left beside the file goes with an edit.
        let kind = waiting.or(current).map_or(FileKind::Credentials, |found| found.kind);
        self.files.edit(kind, |text| text.remove_profile(&waiting_name(&task.profile)))?;
        "undone".clone_into(&mut report.result);
        self.work.session.save()?;
        self.work.journal.end(self.user, TaskEnd::Undone)?;
        Ok(())
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
    let (with_mfa, now) = own_keys(asker, work.session, user, &mut prompter).await?;
    let work = Work { session: with_mfa.as_ref().unwrap_or(work.session), ..*work };
    let rotation = Rotation { work, files: &own.files, user, task, poll: POLL };
    rotation.resume(&now, &mut report).await?;
    Ok(report)
}
