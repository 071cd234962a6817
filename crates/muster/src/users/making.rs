//! Making a user, whole or not at all.

use std::path::PathBuf;
use std::time::Duration;

use muster_aws::{Creation, Kind, Mfa, NewUser, OpenTask, StepError, TaskEnd, TaskKind, estate};
use muster_core::departure::{Made, clearing, foreign};
use muster_core::estate::Estate;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_core::password::PasswordRules;
use muster_credentials::sealing::Sealer;
use muster_credentials::{Strength, generate_password};
use secrecy::ExposeSecret as _;
use secrecy::SecretString;

use super::Work;
use super::bundle::{Handover, Place};
use super::mfa_dialogue::{Enrolment, automatic, by_a_person};
use super::report::UserReport;
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
        let failure = match self.make(user, new, None, material, prompter, &mut done).await {
            Ok(()) => {
                self.session.save()?;
                self.journal.end(user, TaskEnd::Done)?;
                return Ok(done);
            }
            Err(failure) => failure,
        };
        done.errors.push(words(&failure));
        // Undoing is part of stopping: a second Ctrl-C ends at once, and leaves it to `muster recover`.
        let _shield = self.session.account.gateway.shield();
        if material.keep_partial {
            self.journal.end(user, TaskEnd::Kept)?;
            done.left.push("it is kept as it is, as --keep-partial says".to_owned());
            return Ok(done);
        }
        let open = self.open(user)?;
        let undoing = Undoing { open: &open, waits: lost(&failure) };
        let report = self.undo(&undoing).await?;
        done.undone
            .extend(report.steps.iter().filter(|step| step.error.is_none()).map(|s| s.call.to_string()));
        done.undone.extend(report.notes);
        done.left.extend(report.errors);
        self.session.save()?;
        done.files.clear();
        Ok(done)
    }

    /// Returns what the journal holds about a user's task.
    fn open(&self, user: &UserName) -> Result<OpenTask, CliError> {
        let open = super::open_tasks(self.session)?.into_iter().find(|open| open.task.user == *user);
        open.ok_or_else(|| StepError::Other("the journal has lost its own task".to_owned()).into())
    }

    /// Makes all of it, in order. `existing`: the user itself is there.
    pub(crate) async fn make(
        &self,
        user: &UserName,
        new: &NewUser,
        existing: Option<&str>,
        material: &Material<'_>,
        prompter: &mut Prompter<'_>,
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
        let mut handover = Handover::new(material.sealer, user);
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
            done.mfa = self.second_factor(&creation, new.mfa, prompter, &mut handover).await?;
        }
        if new.access_key {
            let key = creation.access_key().await?;
            handover.access_key(&key.id, &key.secret, &place.profile)?;
            done.access_key = Some(key.id);
        }
        self.folder.prepare()?;
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
        let device = creation.device(how == Mfa::Auto).await?;
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
            Enrolment::Interrupted => Err(CliError::Interrupted("the user is not created".to_owned())),
            Enrolment::Abandoned => {
                creation.abandon(&device.serial).await?;
                let question =
                    format!("Go on without MFA for user '{}' (y/n)?", safe(creation.user.as_str()));
                match prompter.yes_no(question, 0).await {
                    Answer::Given(YesNo::Yes | YesNo::YesToAll) => Ok(false),
                    Answer::Interrupted => Err(CliError::Interrupted("the user is not created".to_owned())),
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
            self.discard_devices(&made.devices, &made.run, &mut report).await?;
            self.discard_files(open, &mut report)?;
        }
        let result = if report.errors.is_empty() { "removed" } else { "not removed" };
        result.clone_into(&mut report.result);
        if report.errors.is_empty() {
            self.journal.end(user, TaskEnd::Undone)?;
        }
        Ok(report)
    }

    /// Returns whether a creation got to its end: its bundle is there, and is the one that it wrote.
    pub(crate) fn is_complete(&self, open: &OpenTask) -> bool {
        let path = self.folder.file(&open.task.user, ".zip");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        super::is_file_of(open, &path, &name)
    }

    /// Takes the credentials off a half-made user, so that it can be completed with fresh ones; `None` if there is
    /// no such user.
    pub(crate) async fn strip(&self, undoing: &Undoing<'_>) -> Result<Option<UserReport>, CliError> {
        let open = undoing.open;
        let user = &open.task.user;
        let made = self.made(open);
        let Some(found) = self.look(user, made.user_id.is_some()).await? else { return Ok(None) };
        let mut report = UserReport::new(user, Some(&found.user_id));
        if let Some(reason) = foreign(&found, &made) {
            report.errors.push(format!("the half-made user `{user}` is left alone: {reason}"));
            return Ok(Some(report));
        }
        let credentials = Estate { groups: Vec::new(), boundary: None, ..found };
        for call in clearing(&credentials) {
            if !self.step(&call, &mut report).await {
                report.errors.extend(report.steps.last().and_then(|step| step.error.clone()));
            }
        }
        self.discard_devices(&made.devices, &made.run, &mut report).await?;
        self.discard_files(open, &mut report)?;
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
        let found = self.look(user, known).await?;
        let Some(found) = found else { return Ok(true) };
        if let Some(reason) = foreign(&found, made) {
            // Somebody else's user of that name: ours never came to be.
            let is_ours = made.user_id.as_ref().is_none_or(|id| *id == found.user_id)
                && found
                    .tags
                    .iter()
                    .any(|tag| tag.key == muster_core::departure::RUN_TAG && tag.value == made.run);
            if !is_ours {
                report.notes.push(format!("the user of this name is left alone: {reason}"));
                return Ok(true);
            }
            report.errors.push(format!(
                "the half-made user `{user}` is left alone: {reason}; look at it, then `muster delete-user {user}`"
            ));
            return Ok(false);
        }
        // A half-made user has no deny of ours: its credentials go first anyway.
        let mut estate_now = found;
        let first = tokio::time::Instant::now();
        loop {
            for call in clearing(&estate_now).iter().chain([&Mutation::DeleteUser { user: user.clone() }]) {
                if !self.step(call, report).await {
                    break;
                }
            }
            let last = report.steps.last();
            let failed = last.and_then(|step| step.error.clone().map(|error| (step.call.action(), error)));
            match failed {
                None => return Ok(true),
                // Something is still seen by some of AWS, and not by the lists.
                Some(("DeleteUser", error))
                    if error.contains("DeleteConflict") && first.elapsed() < PATIENCE =>
                {
                    report.steps.pop();
                    account.gateway.wait(Duration::from_secs(1)).await;
                    match estate(account, user).await? {
                        Some(now) => estate_now = now,
                        None => return Ok(true),
                    }
                }
                Some((_, error)) => {
                    report.errors.push(error);
                    return Ok(false);
                }
            }
        }
    }

    /// Looks at a user. One that is known to have been made is waited for until it is visible.
    async fn look(&self, user: &UserName, known: bool) -> Result<Option<Estate>, CliError> {
        let first = tokio::time::Instant::now();
        loop {
            let found = estate(&self.session.account, user).await?;
            if found.is_some() || !known || first.elapsed() > Duration::from_secs(15) {
                return Ok(found);
            }
            self.session.account.gateway.wait(Duration::from_millis(500)).await;
        }
    }

    /// Deletes devices that the run made and that are nobody's.
    async fn discard_devices(
        &self,
        devices: &[String],
        run: &str,
        report: &mut UserReport,
    ) -> Result<(), CliError> {
        for serial in devices {
            match muster_aws::device_run(&self.session.account, serial).await? {
                Some(tagged) if tagged == run => {
                    let call = Mutation::DeleteVirtualMFADevice { device: serial.clone() };
                    if !self.step(&call, report).await {
                        let error = report.steps.last().and_then(|step| step.error.clone());
                        report.errors.extend(error);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes bundles that the run wrote: nothing in them is good for anything any more.
    fn discard_files(&self, open: &OpenTask, report: &mut UserReport) -> Result<(), CliError> {
        let user = &open.task.user;
        for ending in [".zip", ".mfa.zip"] {
            let path = self.folder.file(user, ending);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let failed =
                |error: std::io::Error| CliError::Write { path: path.clone(), reason: error.to_string() };
            let beside = muster_aws::durable::beside(&path, self.journal.run());
            if beside.exists() {
                muster_aws::durable::remove(&beside).map_err(failed)?;
            }
            if super::is_file_of(open, &path, &name) {
                muster_aws::durable::remove(&path).map_err(failed)?;
                report.notes.push(format!("{} is deleted: what is in it was never valid", path.display()));
            }
        }
        Ok(())
    }
}

/// How long `DeleteConflict` is waited out.
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
