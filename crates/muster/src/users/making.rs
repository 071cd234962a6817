//! Making a user, whole or not at all.

use std::path::PathBuf;
use std::time::Duration;

use muster_aws::{Creation, Journals, Kind, Mfa, NewUser, OpenTask, StepError, TaskEnd, TaskKind, estate};
use muster_core::departure::{Made, RUN_TAG, clearing, foreign, lifting};
use muster_core::estate::Estate;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_core::password::PasswordRules;
use muster_credentials::sealing::Sealer;
use muster_credentials::{Strength, generate_password};
use secrecy::{ExposeSecret as _, SecretString};

use super::Work;
use super::bundle::{Handover, Place};
use super::mfa_dialogue::{Enrolment, automatic, by_a_person};
use super::report::{Outcome, UserReport};
use crate::error::CliError;
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;

/// All that making a user needs besides its task.
pub(crate) struct Material<'a> {
    pub(crate) sealer: &'a Sealer,
    pub(crate) rules: PasswordRules,
    /// The config's name for the account's profile.
    pub(crate) profile: Option<String>,
    /// A user whose creation failed half-way stays.
    pub(crate) keep_partial: bool,
    /// An MFA device that somebody's earlier try left, and that is to go first.
    pub(crate) stray_device: Option<String>,
}

/// What became of a new user.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) user_id: Option<String>,
    pub(crate) access_key: Option<String>,
    pub(crate) mfa: bool,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) errors: Vec<String>,
    /// What was undone after a failure, and what could not be.
    pub(crate) undone: Vec<String>,
    pub(crate) left: Vec<String>,
    /// Nothing of it is open in the journal any more.
    pub(crate) ended: bool,
}

impl Work<'_> {
    /// Creates a user; if anything fails, takes all of it away again.
    pub(crate) async fn create(
        &self,
        user: &UserName,
        new: &NewUser,
        material: &Material<'_>,
        prompter: &mut Prompter<'_>,
    ) -> Result<Done, CliError> {
        let task = self.task(user, None, TaskKind::Create(new.clone()));
        self.journal.begin(&task)?;
        self.context.changed.set(true);
        let mut done = Done::default();
        let mut handover = Handover::new(material.sealer, user);
        let made = self.make(user, new, None, material, prompter, &mut handover, &mut done).await;
        let failure = match made {
            Ok(()) => {
                self.session.save()?;
                self.journal.end(user, TaskEnd::Done)?;
                done.ended = true;
                return Ok(done);
            }
            Err(failure) => failure,
        };
        done.errors.push(words(&failure));
        // Undoing is part of stopping: a second Ctrl-C ends at once, and leaves it to `muster recover`.
        let _shield = self.session.account.gateway.shield();
        // What nobody could be handed, or may be there without an answer, cannot be kept.
        let is_whole = matches!(failure, CliError::Step(_) | CliError::Interrupted(_))
            && lost(&failure) == Duration::ZERO
            && done.user_id.is_some();
        if material.keep_partial && is_whole {
            match self.keep(user, material, &mut handover, &mut done).await {
                Ok(()) => return Ok(done),
                // What cannot be kept whole is not kept.
                Err(error) => done.errors.push(error.to_string()),
            }
        }
        if let Err(error) = self.undo_own(user, &failure, &mut done).await {
            done.left.push(format!("it could not be undone: {error}; `muster recover` goes on with it"));
        }
        done.files.clear();
        Ok(done)
    }

    /// Keeps a user whose creation failed half-way, with the credentials that it got so far in its bundle.
    async fn keep(
        &self,
        user: &UserName,
        material: &Material<'_>,
        handover: &mut Handover<'_>,
        done: &mut Done,
    ) -> Result<(), CliError> {
        if !done.mfa {
            // A device that was not enabled is of no use to anybody.
            handover.forget_second_factor();
            let open = self.open(user)?;
            let mut report = UserReport::new(user, None);
            self.discard_devices(&self.made(&open), &mut report).await?;
            if let Some(error) = report.errors.first() {
                return Err(StepError::Other(error.clone()).into());
            }
        }
        done.files = handover.write(self, &Place::new(self, material.profile.as_deref()), ".zip")?;
        self.session.save()?;
        self.journal.end(user, TaskEnd::Kept)?;
        done.ended = true;
        let files: Vec<String> = done.files.iter().map(|file| file.display().to_string()).collect();
        let bundle = if files.is_empty() {
            "it has no credentials".to_owned()
        } else {
            format!("its credentials are in {}", files.join(" and "))
        };
        done.left.push(format!("the user is kept as it is, as --keep-partial says; {bundle}"));
        Ok(())
    }

    /// Undoes what this run has made of a user.
    async fn undo_own(&self, user: &UserName, failure: &CliError, done: &mut Done) -> Result<(), CliError> {
        let open = self.open(user)?;
        let undoing = Undoing { open: &open, waits: lost(failure) };
        let report = self.undo(&undoing).await?;
        done.undone
            .extend(report.steps.iter().filter(|step| step.error.is_none()).map(|s| s.call.to_string()));
        done.undone.extend(report.notes);
        done.ended = report.errors.is_empty();
        done.left.extend(report.errors);
        self.session.save()
    }

    /// Completes a half-made user that has been stripped of its credentials.
    pub(crate) async fn complete(
        &self,
        user: &UserName,
        new: &NewUser,
        existing: Option<&str>,
        material: &Material<'_>,
        prompter: &mut Prompter<'_>,
    ) -> Result<Done, CliError> {
        let mut done = Done::default();
        let mut handover = Handover::new(material.sealer, user);
        self.folder.prepare()?;
        let made = self.make(user, new, existing, material, prompter, &mut handover, &mut done).await;
        if let Err(error) = made {
            // The fresh secrets went with the failure: nobody has them.
            let _shield = self.session.account.gateway.shield();
            let open = self.open(user)?;
            self.strip(&Undoing { open: &open, waits: lost(&error) }).await?;
            return Err(error);
        }
        self.session.save()?;
        self.journal.end(user, TaskEnd::Done)?;
        Ok(done)
    }

    /// Returns what the journal holds about a user's task.
    fn open(&self, user: &UserName) -> Result<OpenTask, CliError> {
        let open = Journals::read(&self.session.home)?.tasks();
        let open = open
            .into_iter()
            .find(|open| open.task.user == *user && open.runs.iter().any(|run| run == self.journal.run()));
        open.ok_or_else(|| StepError::Other("the journal has lost its own task".to_owned()).into())
    }

    /// Makes all of it, in order. `existing`: the user itself is there.
    #[expect(clippy::too_many_arguments, reason = "who is made, of what, for whom, and what came of it")]
    async fn make(
        &self,
        user: &UserName,
        new: &NewUser,
        existing: Option<&str>,
        material: &Material<'_>,
        prompter: &mut Prompter<'_>,
        handover: &mut Handover<'_>,
        done: &mut Done,
    ) -> Result<(), CliError> {
        let terminal = &self.context.terminal;
        let creation = Creation {
            account: &self.session.account,
            journal: self.journal,
            user: user.clone(),
            run: self.journal.run().to_owned(),
        };
        let place = Place::new(self, material.profile.as_deref());
        done.user_id = Some(match existing {
            Some(id) => id.to_owned(),
            None => creation.user(&new.path, &new.tags, new.boundary.as_deref()).await?,
        });
        for group in &new.groups {
            creation.join(group).await?;
        }
        if new.password {
            let password = self.password(&creation, &material.rules).await?;
            handover.password(&password)?;
        }
        if new.mfa != Mfa::None {
            terminal.say(format_args!("Enabling MFA for user {}...", safe(user.as_str())));
            if let Some(serial) = &material.stray_device {
                self.sender().send(&Mutation::DeleteVirtualMFADevice { device: serial.clone() }).await?;
            }
            done.mfa = self.second_factor(&creation, new.mfa, prompter, handover).await?;
        }
        if new.access_key {
            let key = creation.access_key(&[]).await?;
            handover.access_key(&key.id, &key.secret, &place.profile)?;
            done.access_key = Some(key.id);
        }
        done.files = handover.write(self, &place, ".zip")?;
        Ok(())
    }

    /// Draws a password and sets it; one that the account refuses is followed by a stronger one.
    pub(super) async fn password(
        &self,
        creation: &Creation<'_>,
        rules: &PasswordRules,
    ) -> Result<SecretString, CliError> {
        let mut refusal = None;
        for strength in [Strength::AsAsked, Strength::Stricter] {
            let password = generate_password(rules, strength)
                .map_err(|error| StepError::Other(format!("no random numbers are to be had: {error}")))?;
            match creation.login_profile(&password).await {
                Ok(()) => return Ok(password),
                Err(StepError::Call(error))
                    if error.code.as_deref().is_some_and(|c| c.starts_with("PasswordPolicyViolation")) =>
                {
                    refusal = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Two tries were made, so there is a refusal.
        let reason = refusal.map(|error| error.message).unwrap_or_default();
        Err(StepError::Other(format!("the account's password policy refuses every password: {reason}"))
            .into())
    }

    async fn second_factor(
        &self,
        creation: &Creation<'_>,
        how: Mfa,
        prompter: &mut Prompter<'_>,
        handover: &mut Handover<'_>,
    ) -> Result<bool, CliError> {
        let device = creation.device(&creation.user, &creation.device_tags(how == Mfa::Auto)).await?;
        if how == Mfa::Auto {
            // Sealed before it is enabled: a device that works is one whose seed is not lost.
            handover.second_factor(device.qr_png.expose_secret(), &device.seed)?;
            automatic(self, creation, &device).await?;
            return Ok(true);
        }
        match by_a_person(self, prompter, creation, &device).await? {
            Enrolment::Enabled => {
                handover.qr_code(device.qr_png.expose_secret())?;
                Ok(true)
            }
            Enrolment::Interrupted => Err(CliError::Interrupted("at the MFA codes".to_owned())),
            Enrolment::Abandoned => {
                creation.abandon(&device.serial).await?;
                let question =
                    format!("Go on without MFA for user '{}' (y/n)?", safe(creation.user.as_str()));
                // Neither --yes nor the end of a pipe takes the second factor away from somebody.
                match prompter.only_a_person(question).await {
                    Answer::Given(YesNo::Yes | YesNo::YesToAll) => Ok(false),
                    Answer::Interrupted => Err(CliError::Interrupted("at the MFA codes".to_owned())),
                    _ => Err(StepError::Other("MFA was not set up".to_owned()).into()),
                }
            }
        }
    }

    /// Takes away what a run of `create-user` made, if it is certain that it did.
    pub(crate) async fn undo(&self, undoing: &Undoing<'_>) -> Result<UserReport, CliError> {
        let account = &self.session.account;
        let open = undoing.open;
        let user = &open.task.user;
        let mut report = UserReport::new(user, open.user_id.as_deref());
        if undoing.waits > Duration::ZERO {
            account.gateway.wait(undoing.waits).await;
        }
        let made = self.made(open);
        let removed = self.remove_own(user, &made, &mut report).await?;
        if removed {
            self.discard_devices(&made, &mut report).await?;
            self.discard_files(open, &BUNDLES, &mut report)?;
        }
        let result = if report.errors.is_empty() { "removed" } else { "not removed" };
        result.clone_into(&mut report.result);
        if report.errors.is_empty() {
            self.journal.end(user, TaskEnd::Undone)?;
        }
        Ok(report)
    }

    /// Returns whether a creation got to its end: its bundle is there, and is the one that it wrote.
    pub(crate) async fn is_complete(&self, open: &OpenTask) -> Result<bool, CliError> {
        let path = self.folder.file(&open.task.user, ".zip");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !super::is_file_of(open, &path, &name) {
            return Ok(false);
        }
        // The bundle is the last thing that is written; but an embedded account may have lost the run all the same.
        let found = estate(&self.session.account, &open.task.user).await?;
        Ok(found.is_some_and(|found| open.user_id.as_ref() == Some(&found.user_id)))
    }

    /// Takes the credentials off a half-made user, so that it can be completed with fresh ones; `None` if there is
    /// no such user.
    pub(crate) async fn strip(&self, undoing: &Undoing<'_>) -> Result<Option<UserReport>, CliError> {
        let open = undoing.open;
        let user = &open.task.user;
        let made = self.made(open);
        if undoing.waits > Duration::ZERO {
            self.session.account.gateway.wait(undoing.waits).await;
        }
        let Some(found) = self.look(user, made.user_id.is_some()).await? else { return Ok(None) };
        let mut report = UserReport::new(user, Some(&found.user_id));
        if let Some(reason) = foreign(&found, &made) {
            report.errors.push(format!("the half-made user `{user}` is left alone: {reason}"));
            return Ok(Some(report));
        }
        let credentials = Estate { groups: Vec::new(), boundary: None, stray_devices: Vec::new(), ..found };
        for call in clearing(&credentials) {
            if !self.step(&call, &mut report).await {
                report.errors.extend(report.steps.last().and_then(|step| step.error.clone()));
            }
        }
        self.discard_devices(&made, &mut report).await?;
        self.discard_files(open, &BUNDLES, &mut report)?;
        Ok(Some(report))
    }

    /// Returns what the task may have put on its user.
    fn made(&self, open: &OpenTask) -> Made {
        let called = |action: &str| open.calls.iter().any(|call| call.action() == action);
        let devices = open.calls.iter().filter(|call| call.action() == "CreateVirtualMFADevice");
        let mut devices: Vec<String> = devices.filter_map(Mutation::device).map(str::to_owned).collect();
        devices.dedup();
        let new = match &open.task.kind {
            TaskKind::Create(new) => Some(new),
            _ => None,
        };
        Made {
            run: self.journal.run().to_owned(),
            user_id: open.user_id.clone(),
            window: open.window,
            groups: new.map(|new| new.groups.clone()).unwrap_or_default(),
            boundary: new.and_then(|new| new.boundary.clone()),
            password: called("CreateLoginProfile"),
            access_key: called("CreateAccessKey"),
            devices,
        }
    }

    /// Removes the half-made user; returns whether it is gone.
    async fn remove_own(
        &self,
        user: &UserName,
        made: &Made,
        report: &mut UserReport,
    ) -> Result<bool, CliError> {
        let account = &self.session.account;
        let known = made.user_id.is_some();
        let Some(mut found) = self.look(user, known).await? else { return Ok(true) };
        if let Some(reason) = foreign(&found, made) {
            let tagged = found.tags.iter().any(|tag| tag.key == RUN_TAG && tag.value == made.run);
            // The id says whose it is, where it is known; tags can be taken away.
            let is_ours = made.user_id.as_ref().map_or(tagged, |id| *id == found.user_id);
            if !is_ours {
                report.notes.push(format!("the user of this name is left alone: {reason}"));
                return Ok(true);
            }
            report.errors.push(format!(
                "the half-made user `{user}` is left alone: {reason}; look at it, then `muster delete-user {user}`"
            ));
            return Ok(false);
        }
        let first = tokio::time::Instant::now();
        loop {
            // Devices of that name are looked at by their own tag.
            found.stray_devices.clear();
            let begun = report.steps.len();
            // Every one of them, whatever becomes of the others: what can be taken away is.
            for call in clearing(&found) {
                self.step(&call, report).await;
            }
            let failed = report.steps[begun..].iter().find_map(|step| step.error.clone());
            if let Some(error) = failed {
                report.errors.push(error);
                return Ok(false);
            }
            // It may have been locked out meanwhile.
            for call in lifting(&found) {
                self.step(&call, report).await;
            }
            if self.step(&Mutation::DeleteUser { user: user.clone() }, report).await {
                let is_gone = report.steps.last().is_some_and(|step| step.outcome == Outcome::Gone);
                if !(known && is_gone && first.elapsed() < PATIENCE) {
                    return Ok(true);
                }
                // It was made, and was seen a moment ago: one "not found" is not believed.
                account.gateway.wait(Duration::from_secs(1)).await;
                match estate(account, user).await? {
                    Some(now) => found = now,
                    None => return Ok(true),
                }
                continue;
            }
            let Some(last) = report.steps.pop() else { return Ok(false) };
            let error = last.error.unwrap_or_default();
            // Something is still seen by some of AWS, and not by the lists.
            if !error.contains("DeleteConflict") || first.elapsed() > PATIENCE {
                report.errors.push(error);
                return Ok(false);
            }
            account.gateway.wait(Duration::from_secs(1)).await;
            match estate(account, user).await? {
                Some(now) => found = now,
                None => return Ok(true),
            }
            if let Some(reason) = foreign(&found, made) {
                report.errors.push(format!("the half-made user `{user}` is left alone: {reason}"));
                return Ok(false);
            }
        }
    }

    /// Looks at a user. One that is known to have been made is waited for until it is visible.
    async fn look(&self, user: &UserName, known: bool) -> Result<Option<Estate>, CliError> {
        let first = tokio::time::Instant::now();
        loop {
            let found = estate(&self.session.account, user).await?;
            if found.is_some() || !known || first.elapsed() > PATIENCE {
                return Ok(found);
            }
            self.session.account.gateway.wait(Duration::from_millis(500)).await;
        }
    }

    /// Deletes devices that the run made and that are nobody's: their tag says whose they are.
    async fn discard_devices(&self, made: &Made, report: &mut UserReport) -> Result<(), CliError> {
        for serial in &made.devices {
            let mut tagged = None;
            for _ in 0..LOOKS {
                tagged = muster_aws::device_run(&self.session.account, serial).await?;
                if tagged.is_some() {
                    break;
                }
                self.session.account.gateway.wait(Duration::from_secs(1)).await;
            }
            if tagged.as_ref() == Some(&made.run) {
                let call = Mutation::DeleteVirtualMFADevice { device: serial.clone() };
                if !self.step(&call, report).await {
                    report.errors.extend(report.steps.last().and_then(|step| step.error.clone()));
                }
            }
        }
        Ok(())
    }

    /// Deletes bundles that the run wrote: nothing in them is good for anything any more.
    pub(crate) fn discard_files(
        &self,
        open: &OpenTask,
        endings: &[&str],
        report: &mut UserReport,
    ) -> Result<(), CliError> {
        let user = &open.task.user;
        for ending in endings {
            let path = self.folder.file(user, ending);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let failed =
                |error: std::io::Error| CliError::Write { path: path.clone(), reason: error.to_string() };
            let beside = muster_durable::beside(&path, self.journal.run());
            if beside.exists() {
                muster_durable::remove(&beside).map_err(failed)?;
            }
            if super::is_file_of(open, &path, &name) {
                muster_durable::remove(&path).map_err(failed)?;
                report.notes.push(format!("{} is deleted: what is in it was never valid", path.display()));
            }
        }
        Ok(())
    }
}

/// What the names of a new user's bundles end in.
const BUNDLES: [&str; 2] = [".zip", ".mfa.zip"];

/// Looks for a device that was made a moment ago, a second apart.
const LOOKS: u32 = 3;

/// How long `DeleteConflict`, or a user to be seen that was made, is waited out.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long something that a call without an answer may have made is waited for.
const SETTLE: Duration = Duration::from_secs(30);

/// What is undone.
pub(crate) struct Undoing<'a> {
    pub(crate) open: &'a OpenTask,
    /// How long to wait before it may be believed that something is not there.
    pub(crate) waits: Duration,
}

/// Returns how long to wait after a failure: long, if a call may have been carried out without an answer.
fn lost(failure: &CliError) -> Duration {
    match failure {
        CliError::Step(StepError::Call(error)) if error.effect == muster_aws::Effect::Unknown => SETTLE,
        _ => Duration::ZERO,
    }
}

/// Says why a creation failed.
fn words(failure: &CliError) -> String {
    let text = failure.to_string();
    match failure {
        CliError::Step(StepError::Call(error)) if error.kind == Kind::Interrupted => "interrupted".to_owned(),
        _ => text,
    }
}
