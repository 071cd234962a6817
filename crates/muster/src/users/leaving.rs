//! Taking users away, putting them in quarantine, and bringing them back. All of it only rolls forward: whatever
//! happens in between, doing it again finishes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_aws::{Creation, Effect, Kind, OpenTask, Sent, StepError, TaskEnd, estate, roles};
use muster_core::departure::{
    DENY_POLICY, Quarantine, clearing, deny, deny_attached, is_denied, lifting, lifting_after,
    may_be_assumed_by, quarantine, restoration, revocation,
};
use muster_core::estate::Estate;
use muster_core::mutation::Mutation;
use muster_core::name::{GroupName, UserName};
use muster_core::password::PasswordRules;
use muster_credentials::sealing::Sealer;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Work;
use super::bundle::{Handover, Place};
use super::report::{Outcome, Step, UserReport};
use crate::context::{Context, Session};
use crate::environment::{now_ms, now_s, rfc3339};
use crate::error::CliError;

/// How long `DeleteConflict` is waited out.
const PATIENCE: Duration = Duration::from_mins(2);

/// The version of the records of users.
const VERSION: u32 = 1;

/// What a user was before it was disabled or deleted. Holds no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DisabledRecord {
    muster_user_record: u32,
    /// When, in seconds since 1970.
    pub(crate) at_s: i64,
    /// The same, for people.
    at: String,
    /// ARN of who did it.
    by: String,
    run: String,
    account: String,
    partition: String,
    /// Whether it was on an embedded account, or on another endpoint than AWS's own.
    rehearsal: bool,
    /// The file of the embedded account, if it was one.
    sandbox: Option<String>,
    /// The group for disabled users, if it was put there.
    pub(crate) disabled_group: Option<GroupName>,
    /// The user as it was.
    pub(crate) before: Estate,
}

impl DisabledRecord {
    fn new(context: &Context, session: &Session, before: Estate, disabled_group: Option<GroupName>) -> Self {
        let account = &session.account;
        Self {
            muster_user_record: VERSION,
            at_s: now_s(),
            at: rfc3339(now_ms()),
            by: account.caller_arn.clone(),
            run: context.run.clone(),
            account: account.id.clone(),
            partition: account.partition.clone(),
            rehearsal: account.endpoint.is_some() || context.global.sandbox.is_some(),
            sandbox: context.sandbox_path(),
            disabled_group,
            before,
        }
    }

    /// Returns whether it is of this very user, of this account: what a rehearsal wrote is of no other.
    pub(crate) fn is_of(&self, context: &Context, session: &Session, user_id: &str) -> bool {
        let here = Self::new(context, session, self.before.clone(), None);
        self.before.user_id == user_id
            && self.account == here.account
            && self.partition == here.partition
            && self.rehearsal == here.rehearsal
            && self.sandbox == here.sandbox
    }

    /// Returns whether it is of this account, whatever user it is of.
    fn is_of_here(&self, context: &Context, session: &Session) -> bool {
        self.is_of(context, session, &self.before.user_id)
    }
}

/// Reads the record of a user; `None` if there is none.
pub(crate) fn read_record(path: &Path) -> Result<Option<DisabledRecord>, CliError> {
    let wrong = |reason: String| {
        CliError::usage_with(
            format!("failed to read the record `{}`: {reason}", path.display()),
            "it is what the user was before; nothing is done without it",
        )
    };
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| wrong(error.to_string()))?,
    };
    let record: DisabledRecord = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if record.muster_user_record != VERSION {
        return Err(wrong(format!(
            "it has format {}, and this muster reads {VERSION}",
            record.muster_user_record
        )));
    }
    Ok(Some(record))
}

/// Returns the records of disabled users in a folder.
pub(crate) fn records(folder: &Path) -> Result<Vec<DisabledRecord>, CliError> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".disabled.json"));
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        all.extend(read_record(&path)?);
    }
    Ok(all)
}

impl Work<'_> {
    /// Makes a call and puts down what became of it; returns whether it is as the call wants it.
    pub(crate) async fn step(&self, call: &Mutation, report: &mut UserReport) -> bool {
        let sent = self.sender().send(call).await;
        let (outcome, error) = match &sent {
            Ok(Sent::Done) => (Outcome::Done, None),
            Ok(Sent::Gone) => (Outcome::Gone, None),
            Err(error) => (Outcome::Failed, Some(error.to_string())),
        };
        let unsure = matches!(&sent, Err(StepError::Call(error)) if error.effect == Effect::Unknown);
        self.context.changed.set(self.context.changed.get() || outcome == Outcome::Done || unsure);
        let is_denied = matches!(&sent, Err(StepError::Call(error)) if error.kind == Kind::Denied);
        report.steps.push(Step { call: call.clone(), outcome, error, is_denied });
        sent.is_ok()
    }

    /// Denies a user everything: inline, or with AWS's own policy where there is no room. Returns whether it is.
    async fn deny(&self, now: &Estate, report: &mut UserReport) -> bool {
        if is_denied(now) {
            return true;
        }
        let attached = deny_attached(&now.user, &self.session.account.partition);
        if self.step(&deny(&now.user), report).await {
            return true;
        }
        let failed = report.steps.len();
        if !self.stopped() && self.step(&attached, report).await {
            // The one stands for the other.
            report.steps.remove(failed - 1);
            return true;
        }
        false
    }

    fn stopped(&self) -> bool {
        self.context.interrupt.is_set()
    }

    /// Makes all calls, whatever becomes of each, as far as no Ctrl-C comes; returns those that were not made.
    async fn all(&self, calls: &[Mutation], report: &mut UserReport) -> Vec<Mutation> {
        let mut failed = Vec::new();
        for call in calls {
            if self.stopped() || !self.step(call, report).await {
                failed.push(call.clone());
            }
        }
        failed
    }

    /// Reads the user again; `None` if it is not the same one any more.
    async fn same(&self, found: &Estate) -> Result<Option<Estate>, CliError> {
        let now = estate(&self.session.account, &found.user).await?;
        Ok(now.filter(|now| now.user_id == found.user_id))
    }

    /// Writes the record of a user that is about to be deleted. One of the same user, of a deletion that was not
    /// finished, is kept: it knows more.
    fn write_deleted_record(&self, before: &Estate, report: &mut UserReport) -> Result<(), CliError> {
        self.folder.prepare()?;
        for number in 1.. {
            let ending =
                if number == 1 { ".deleted.json".to_owned() } else { format!(".deleted-{number}.json") };
            let path = self.folder.file(&before.user, &ending);
            let record = read_record(&path)?;
            let is_new = record.is_none();
            if is_new {
                let record = DisabledRecord::new(self.context, self.session, before.clone(), None);
                self.write_record(&path, &record)?;
            }
            if is_new || record.is_some_and(|r| r.is_of(self.context, self.session, &before.user_id)) {
                report.files.push(path.display().to_string());
                return Ok(());
            }
        }
        Err(CliError::usage("no name is left for the record"))
    }

    /// Returns the record of a quarantine, written now unless the one that is there still holds or is of `open`.
    fn disabled_record(
        &self,
        before: &Estate,
        disabled_group: Option<&GroupName>,
        open: Option<&OpenTask>,
        report: &mut UserReport,
    ) -> Result<DisabledRecord, CliError> {
        self.folder.prepare()?;
        let path = self.folder.file(&before.user, ".disabled.json");
        report.files.push(path.display().to_string());
        if let Some(record) = read_record(&path)? {
            if !record.is_of_here(self.context, self.session) {
                return Err(CliError::usage_with(
                    format!("`{}` is of another account, or of a rehearsal", path.display()),
                    "name another folder with --out-dir",
                ));
            }
            // As long as the user is denied everything, the quarantine that it is of goes on: it knows more.
            if record.before.user_id == before.user_id && is_denied(before) {
                return Ok(record);
            }
            // Of a quarantine that was lifted otherwise, or of an earlier user of that name.
            self.put_record_away(&before.user, "superseded")?;
        }
        let mut own = before.clone();
        // What a try that was cut off has put on it is not its own.
        own.inline.retain(|policy| policy.name != DENY_POLICY);
        let attached = |arn: &String| {
            let call = Mutation::AttachUserPolicy { user: before.user.clone(), policy: arn.clone() };
            open.is_some_and(|open| open.calls.contains(&call))
        };
        own.attached.retain(|arn| !attached(arn));
        let record = DisabledRecord::new(self.context, self.session, own, disabled_group.cloned());
        self.write_record(&path, &record)?;
        Ok(record)
    }

    fn write_record(&self, path: &Path, record: &DisabledRecord) -> Result<(), CliError> {
        let failed = |reason: String| CliError::Write { path: path.to_owned(), reason };
        let text = serde_json::to_vec_pretty(record).map_err(|error| failed(error.to_string()))?;
        let beside = muster_durable::beside(path, self.journal.run());
        muster_durable::write_new(path, &beside, &text).map_err(|error| failed(error.to_string()))
    }

    /// Deletes a user with all that hangs on it. `open` is what an earlier try has written down.
    pub(crate) async fn delete(
        &self,
        found: &Estate,
        open: Option<&OpenTask>,
    ) -> Result<UserReport, CliError> {
        let gateway = &self.session.account.gateway;
        let mut report = UserReport::new(&found.user, Some(&found.user_id));
        // A person has thought about it meanwhile: what was read before is not what is now.
        let Some(mut seen) = self.same(found).await? else {
            report.fail("not deleted", "another user has the name now, or it is gone; nothing was done");
            self.journal.end(&found.user, TaskEnd::Done)?;
            return Ok(report);
        };
        self.sweep_beside(open, &[".deleted.json"])?;
        self.write_deleted_record(&seen, &mut report)?;
        self.deny(&seen, &mut report).await;
        let first = Instant::now();
        let mut boundary_stays = false;
        let deleted = loop {
            if boundary_stays {
                seen.boundary = None;
            }
            let begun = report.steps.len();
            let mut failed = self.all(&clearing(&seen), &mut report).await;
            let of_boundary =
                |call: &Mutation| matches!(call, Mutation::DeleteUserPermissionsBoundary { .. });
            // One that may not be removed does not keep the user from being deleted; anything else does, and then
            // everything stays denied.
            boundary_stays |= failed.iter().any(of_boundary);
            failed.retain(|call| !of_boundary(call));
            if !failed.is_empty() || self.stopped() {
                break false;
            }
            // The denying policy goes only when a listing shows nothing more but what was just found to be gone.
            let Some(now) = self.same(found).await? else { break true };
            seen = now;
            let is_gone = |call: &Mutation| {
                let mut round = report.steps[begun..].iter();
                round.any(|step| step.call == *call && step.outcome == Outcome::Gone)
            };
            let left = clearing(&seen);
            if !left.iter().all(|call| is_gone(call) || (boundary_stays && of_boundary(call))) {
                // The lists lag behind, or somebody puts back what is taken away.
                if first.elapsed() > PATIENCE {
                    break false;
                }
                gateway.wait(Duration::from_secs(1)).await;
                continue;
            }
            let _shield = gateway.shield();
            let lifted = self.all(&lifting(&seen), &mut report).await;
            if lifted.is_empty()
                && self.step(&Mutation::DeleteUser { user: found.user.clone() }, &mut report).await
            {
                break true;
            }
            // Denied again, whatever comes next.
            let again = conflict(&report) && first.elapsed() < PATIENCE && !self.stopped();
            let mut bare = seen.clone();
            bare.inline.clear();
            bare.attached.clear();
            self.deny(&bare, &mut report).await;
            if !again {
                break false;
            }
            // Some of AWS still sees what the lists do not show any more.
            report.steps.retain(|step| !is_conflict(step));
            gateway.wait(Duration::from_secs(1)).await;
            let Some(now) = self.same(found).await? else { break true };
            seen = now;
        };
        if let Some(open) = open {
            self.discard_named_devices(open, &mut report).await;
        }
        self.end_deletion(found, deleted, &mut report)?;
        Ok(report)
    }

    fn end_deletion(&self, found: &Estate, deleted: bool, report: &mut UserReport) -> Result<(), CliError> {
        let failed = report.steps.iter().filter_map(|step| step.error.clone());
        let failed: Vec<String> = failed.collect();
        report.notes.extend(found.unseen.iter().map(|what| format!("{what} may not be listed")));
        if !deleted {
            "not deleted".clone_into(&mut report.result);
            report.errors.extend(failed);
            if report.errors.is_empty() {
                report.errors.push("it was not finished; run it again to go on".to_owned());
            }
            return Ok(());
        }
        "deleted".clone_into(&mut report.result);
        report.notes.extend(failed);
        self.session.save()?;
        // It was in quarantine: that is over, and must not stand in the way of another user of that name.
        self.put_disabled_away(&found.user, &found.user_id, report);
        self.journal.end(&found.user, TaskEnd::Done)?;
        Ok(())
    }

    /// Puts the record of a quarantine away whose user is gone. The user is gone, whatever becomes of the file.
    fn put_disabled_away(&self, user: &UserName, user_id: &str, report: &mut UserReport) {
        let put_away = read_record(&self.folder.file(user, ".disabled.json")).and_then(|record| match record
            .filter(|record| record.is_of(self.context, self.session, user_id))
        {
            Some(_) => self.put_record_away(user, "was-disabled"),
            None => Ok(()),
        });
        report.notes.extend(put_away.err().map(|error| error.to_string()));
    }

    /// Takes away what an earlier try left of files that it was writing.
    fn sweep_beside(&self, open: Option<&OpenTask>, endings: &[&str]) -> Result<(), CliError> {
        let Some(open) = open else { return Ok(()) };
        for ending in endings {
            let path = self.folder.file(&open.task.user, ending);
            for run in &open.runs {
                let beside = muster_durable::beside(&path, run);
                if beside.exists() {
                    muster_durable::remove(&beside).map_err(|error| CliError::Write {
                        path: beside.clone(),
                        reason: error.to_string(),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Deletes virtual devices that the task has taken off the user, and that a crash kept from being deleted.
    async fn discard_named_devices(&self, open: &OpenTask, report: &mut UserReport) {
        let deactivated = open.calls.iter().filter(|call| call.action() == "DeactivateMFADevice");
        for device in deactivated.filter_map(Mutation::device) {
            let call = Mutation::DeleteVirtualMFADevice { device: device.to_owned() };
            let made = report.steps.iter().any(|step| step.call == call);
            if muster_core::estate::is_virtual(device) && !made {
                self.step(&call, report).await;
            }
        }
    }

    /// Ends a deletion whose user is gone already.
    pub(crate) async fn deleted_already(&self, open: &OpenTask) -> Result<UserReport, CliError> {
        let mut report = UserReport::new(&open.task.user, open.user_id.as_deref());
        self.sweep_beside(Some(open), &[".deleted.json"])?;
        self.discard_named_devices(open, &mut report).await;
        "deleted".clone_into(&mut report.result);
        self.put_disabled_away(&open.task.user, open.user_id.as_deref().unwrap_or_default(), &mut report);
        report.errors.extend(report.steps.iter().filter_map(|step| step.error.clone()));
        if !report.errors.is_empty() {
            return Ok(report);
        }
        self.journal.end(&open.task.user, TaskEnd::Done)?;
        Ok(report)
    }

    /// Puts a user in quarantine: denied everything first, then every credential off. `open` is what an earlier try
    /// has written down.
    pub(crate) async fn disable(
        &self,
        found: &Estate,
        disabled_group: Option<&GroupName>,
        managed: &[GroupName],
        revoke: &[String],
        open: Option<&OpenTask>,
    ) -> Result<UserReport, CliError> {
        let mut report = UserReport::new(&found.user, Some(&found.user_id));
        let Some(before) = self.same(found).await? else {
            report.fail("not disabled", "another user has the name now, or it is gone; nothing was done");
            self.journal.end(&found.user, TaskEnd::Done)?;
            return Ok(report);
        };
        // First of all: it binds the user's sessions too, and nothing that can go wrong comes before it.
        let denied = self.deny(&before, &mut report).await;
        self.sweep_beside(open, &[".disabled.json"])?;
        let record = match self.disabled_record(&before, disabled_group, open, &mut report) {
            Ok(record) => record,
            Err(error) => {
                // What it was could not be written down: nothing that cannot be undone is done.
                let why = format!("everything is denied to it, and nothing else was done: {error}");
                report.fail("not wholly disabled", &why);
                return Ok(report);
            }
        };
        // Again, now that nothing new can be made by the user itself.
        let now = self.same(found).await?.unwrap_or(before);
        let how = Quarantine {
            disabled_group: record.disabled_group.clone(),
            managed: managed.to_vec(),
            at: record.at.clone(),
            by: record.by.clone(),
        };
        let mut moved = true;
        for call in quarantine(&now, &how) {
            // Whoever cannot be moved to the group for the disabled stays where it is: in no group is no place to be.
            let leaves = matches!(call, Mutation::RemoveUserFromGroup { .. });
            if !self.stopped() && (moved || !leaves) {
                let done = self.step(&call, &mut report).await;
                moved &= done || !matches!(call, Mutation::AddUserToGroup { .. });
            }
        }
        // A minute more than now: whatever was assumed until the denying policy was seen everywhere.
        let until = rfc3339(now_ms() + 60_000);
        let revocations: Vec<Mutation> = revoke.iter().map(|role| revocation(role, &until)).collect();
        self.all(&revocations, &mut report).await;
        self.name_roles(&now, revoke, &mut report).await;
        report.errors.extend(report.steps.iter().filter_map(|step| step.error.clone()));
        report.errors.extend(
            now.unseen.iter().map(|what| format!("{what} may not be listed, and were left as they are")),
        );
        if !denied {
            report.notes.push("sessions that are under way go on until they expire".to_owned());
        }
        let result = if report.errors.is_empty() { "disabled" } else { "not wholly disabled" };
        result.clone_into(&mut report.result);
        if report.errors.is_empty() {
            self.session.save()?;
            self.journal.end(&found.user, TaskEnd::Done)?;
        }
        Ok(report)
    }

    /// Says which roles the user may have assumed: sessions of a role are not the user's.
    async fn name_roles(&self, found: &Estate, revoked: &[String], report: &mut UserReport) {
        let account = &self.session.account;
        match roles(&account.gateway).await {
            Ok(roles) => {
                let may = roles.iter().filter(|role| may_be_assumed_by(&role.trust, &found.arn, &account.id));
                let names: Vec<&str> = may
                    .map(|role| role.name.as_str())
                    .filter(|name| !revoked.iter().any(|role| role.eq_ignore_ascii_case(name)))
                    .collect();
                if !names.is_empty() {
                    report.notes.push(format!(
                        "sessions of these roles, which it may have assumed, live on: {} (--revoke-role-sessions ends \
                         them)",
                        names.join(", ")
                    ));
                }
            }
            Err(error) => report.notes.push(format!(
                "which roles it may have assumed is not known: {error}; their sessions would live on"
            )),
        }
    }

    /// Brings a user back from quarantine. `open` is what an earlier try has written down.
    pub(crate) async fn restore(
        &self,
        record: &DisabledRecord,
        found: &Estate,
        material: &PasswordMaterial<'_>,
        open: Option<&OpenTask>,
    ) -> Result<UserReport, CliError> {
        let mut report = UserReport::new(&found.user, Some(&found.user_id));
        let Some(mut now) = self.same(found).await? else {
            report.fail("not restored", "another user has the name now, or it is gone; nothing was done");
            self.journal.end(&found.user, TaskEnd::Done)?;
            return Ok(report);
        };
        // A password whose bundle is there is the one that is to be.
        let has_password = now.login_profile && self.has_bundle(open);
        if has_password {
            now.login_profile = false;
            report.files.push(self.folder.file(&now.user, ".restored.zip").display().to_string());
        }
        let calls = restoration(&record.before, &now, record.disabled_group.as_ref());
        let lifting = lifting_after(&record.before, &now);
        let mut failed = self.all(&calls, &mut report).await;
        // A group that does not exist any more cannot be joined.
        let gone = |call: &Mutation, steps: &[Step]| {
            matches!(call, Mutation::AddUserToGroup { .. })
                && steps
                    .iter()
                    .any(|s| s.call == *call && s.error.as_ref().is_some_and(|e| e.contains("NoSuchEntity")))
        };
        failed.retain(|call| !gone(call, &report.steps));
        for step in &mut report.steps {
            if matches!(step.call, Mutation::AddUserToGroup { .. })
                && step.error.as_ref().is_some_and(|error| error.contains("NoSuchEntity"))
            {
                step.outcome = Outcome::Gone;
                report.notes.extend(step.error.take());
            }
        }
        let wants_password = record.before.login_profile && !has_password && !self.stopped();
        if failed.is_empty()
            && wants_password
            && let Err(error) = self.new_password(&now, material, open, &mut report).await
        {
            report.errors.push(error.to_string());
            failed.push(Mutation::CreateLoginProfile { user: now.user.clone() });
        }
        if failed.is_empty() && !self.stopped() {
            // Last of all. As long as anything else is not in place, it stays denied.
            failed = self.all(&lifting, &mut report).await;
        }
        report.errors.extend(report.steps.iter().filter_map(|step| step.error.clone()));
        if failed.is_empty() && !self.stopped() {
            "restored".clone_into(&mut report.result);
            if self.same(found).await?.is_some_and(|now| is_denied(&now)) {
                report.notes.push("a policy that was there before still denies it everything".to_owned());
            }
            self.session.save()?;
            self.put_record_away(&now.user, "restored")?;
            self.journal.end(&now.user, TaskEnd::Done)?;
        } else {
            "not restored".clone_into(&mut report.result);
            if report.errors.is_empty() {
                report.errors.push("it was not finished; run it again to go on".to_owned());
            }
        }
        Ok(report)
    }

    /// Returns whether an earlier try got so far that the new password lies in its bundle.
    fn has_bundle(&self, open: Option<&OpenTask>) -> bool {
        open.is_some_and(|open| {
            let path = self.folder.file(&open.task.user, ".restored.zip");
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            super::is_file_of(open, &path, &name)
        })
    }

    /// Gives a user a new password, in a bundle; without a bundle there is no password.
    async fn new_password(
        &self,
        now: &Estate,
        material: &PasswordMaterial<'_>,
        open: Option<&OpenTask>,
        report: &mut UserReport,
    ) -> Result<(), CliError> {
        self.sweep_beside(open, &[".restored.zip"])?;
        let creation = Creation {
            account: &self.session.account,
            journal: self.journal,
            user: now.user.clone(),
            run: self.journal.run().to_owned(),
        };
        let made = async {
            let password = self.password(&creation, &material.rules).await?;
            report.steps.push(Step {
                call: Mutation::CreateLoginProfile { user: now.user.clone() },
                outcome: Outcome::Done,
                error: None,
                is_denied: false,
            });
            let mut handover = Handover::new(material.sealer, &now.user);
            handover.password(&password)?;
            self.folder.prepare()?;
            handover.write(self, &Place::new(self, material.profile), ".restored.zip")
        };
        match made.await {
            Ok(files) => {
                report.files.extend(files.iter().map(|file| file.display().to_string()));
                let how = if material.sealer.is_plaintext() { "NOT encrypted" } else { "sealed" };
                report.notes.push(format!("the new password is {how}"));
                Ok(())
            }
            Err(error) => {
                // A password that nobody has is none; also one that a lost call may have made.
                let _shield = self.session.account.gateway.shield();
                self.step(&Mutation::DeleteLoginProfile { user: now.user.clone() }, report).await;
                Err(error)
            }
        }
    }

    /// Keeps the record of a user whose quarantine is over, under another name.
    fn put_record_away(&self, user: &UserName, why: &str) -> Result<(), CliError> {
        let from = self.folder.file(user, ".disabled.json");
        let to = self.folder.file(user, &format!(".{why}-{}.json", self.journal.run()));
        if !from.exists() {
            return Ok(());
        }
        muster_durable::rename_new(&from, &to)
            .map_err(|error| CliError::Write { path: from.clone(), reason: error.to_string() })
    }

    /// Returns whether an earlier try got to the end of a restoration.
    pub(crate) fn is_restored(&self, open: &OpenTask) -> bool {
        let put_away = |run: &String| self.folder.file(&open.task.user, &format!(".restored-{run}.json"));
        open.runs.iter().any(|run| put_away(run).exists())
    }
}

/// What a new password needs.
pub(crate) struct PasswordMaterial<'a> {
    pub(crate) sealer: &'a Sealer,
    pub(crate) rules: PasswordRules,
    /// The config's name for the account's profile.
    pub(crate) profile: Option<&'a str>,
}

/// Returns whether the last call failed because something still hangs on the user.
fn conflict(report: &UserReport) -> bool {
    report.steps.last().is_some_and(is_conflict)
}

fn is_conflict(step: &Step) -> bool {
    matches!(step.call, Mutation::DeleteUser { .. })
        && step.error.as_ref().is_some_and(|error| error.contains("DeleteConflict"))
}
