//! Taking users away, putting them in quarantine, and bringing them back. All of it only rolls forward: whatever
//! happens in between, doing it again finishes it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_aws::{Creation, OpenTask, Sent, StepError, TaskEnd, estate, roles};
use muster_core::departure::{
    Quarantine, REVOKE_POLICY, clearing, deny, deny_attached, is_denied, lifting, may_be_assumed_by,
    quarantine, restoration, revoking,
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
use crate::environment::rfc3339;
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
    pub(crate) account: String,
    partition: String,
    /// The group for disabled users, if it was put there.
    pub(crate) disabled_group: Option<GroupName>,
    /// The user as it was.
    pub(crate) before: Estate,
}

impl DisabledRecord {
    fn new(work: &Work<'_>, before: Estate, disabled_group: Option<GroupName>) -> Self {
        let account = &work.session.account;
        Self {
            muster_user_record: VERSION,
            at_s: work.context.started_ms.div_euclid(1000),
            at: rfc3339(work.context.started_ms),
            by: account.caller_arn.clone(),
            run: work.context.run.clone(),
            account: account.id.clone(),
            partition: account.partition.clone(),
            disabled_group,
            before,
        }
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
    /// Makes a call and puts down what became of it; returns whether to go on with the next.
    pub(super) async fn step(&self, call: &Mutation, report: &mut UserReport) -> bool {
        let sent = self.sender().send(call).await;
        let (outcome, error) = match &sent {
            Ok(Sent::Done) => (Outcome::Done, None),
            Ok(Sent::Gone) => (Outcome::Gone, None),
            Err(error) => (Outcome::Failed, Some(error.to_string())),
        };
        self.context.changed.set(self.context.changed.get() || outcome != Outcome::Gone);
        report.steps.push(Step { call: call.clone(), outcome, error });
        sent.is_ok()
    }

    /// Denies a user everything: inline, or with AWS's own policy where there is no room.
    async fn deny(&self, now: &Estate, report: &mut UserReport) {
        if is_denied(now) {
            return;
        }
        let attached = deny_attached(&now.user, &self.session.account.partition);
        if !self.step(&deny(&now.user), report).await
            && !self.stopped()
            && !self.step(&attached, report).await
        {
            report.notes.push(
                "no denying policy could be put on the user: sessions that are under way go on until they expire"
                    .to_owned(),
            );
        }
    }

    fn stopped(&self) -> bool {
        self.context.interrupt.is_set()
    }

    /// Makes all calls, as far as no Ctrl-C comes; returns those that failed.
    async fn all(&self, calls: &[Mutation], report: &mut UserReport) -> Vec<Mutation> {
        let mut failed = Vec::new();
        for call in calls {
            if self.stopped() || !self.step(call, report).await {
                failed.push(call.clone());
            }
        }
        failed
    }

    /// Writes a record of a user; one of the same user that is there already is kept, for it knows more.
    fn write_user_record(
        &self,
        before: &Estate,
        ending: &str,
        disabled_group: Option<&GroupName>,
        report: &mut UserReport,
    ) -> Result<DisabledRecord, CliError> {
        self.folder.prepare()?;
        for number in 1.. {
            let ending =
                if number == 1 { ending.to_owned() } else { ending.replacen('.', &format!("-{number}."), 1) };
            let path = self.folder.file(&before.user, &ending);
            match read_record(&path)? {
                Some(record)
                    if record.before.user_id == before.user_id
                        && record.account == self.session.account.id =>
                {
                    report.files.push(path.display().to_string());
                    return Ok(record);
                }
                // An earlier user of that name.
                Some(_) => {}
                None => {
                    let record = DisabledRecord::new(self, before.clone(), disabled_group.cloned());
                    let failed = |reason: String| CliError::Write { path: path.clone(), reason };
                    let text =
                        serde_json::to_vec_pretty(&record).map_err(|error| failed(error.to_string()))?;
                    let beside = muster_aws::durable::beside(&path, self.journal.run());
                    // What a crash left of an earlier try.
                    muster_aws::durable::remove(&beside).map_err(|error| failed(error.to_string()))?;
                    muster_aws::durable::write_new(&path, &beside, &text)
                        .map_err(|error| failed(error.to_string()))?;
                    report.files.push(path.display().to_string());
                    return Ok(record);
                }
            }
        }
        Err(CliError::usage("no name is left for the record"))
    }

    /// Deletes a user with all that hangs on it.
    pub(crate) async fn delete(
        &self,
        found: &Estate,
        open: Option<&OpenTask>,
    ) -> Result<UserReport, CliError> {
        let account = &self.session.account;
        let mut report = UserReport::new(&found.user, Some(&found.user_id));
        self.write_user_record(found, ".deleted.json", None, &mut report)?;
        self.deny(found, &mut report).await;
        let mut now = found.clone();
        let first = Instant::now();
        loop {
            let failed = self.all(&clearing(&now), &mut report).await;
            // A boundary that may not be removed does not keep the user from being deleted; anything else does, and
            // then everything stays denied.
            let failed: Vec<&Mutation> = failed
                .iter()
                .filter(|call| !matches!(call, Mutation::DeleteUserPermissionsBoundary { .. }))
                .collect();
            if !failed.is_empty() || self.stopped() {
                break;
            }
            // Once more, before the denying policy goes: something may have been made meanwhile.
            let Some(seen) = estate(account, &found.user).await? else { break };
            if seen.user_id != found.user_id {
                report.notes.push("another user has the name now, and is left alone".to_owned());
                break;
            }
            let fresh =
                clearing(&seen).iter().any(|call| !report.steps.iter().any(|step| step.call == *call));
            now = seen;
            if fresh {
                continue;
            }
            let lifted = self.all(&lifting(&now), &mut report).await;
            if !lifted.is_empty() {
                break;
            }
            let gone = self.step(&Mutation::DeleteUser { user: found.user.clone() }, &mut report).await;
            if gone || first.elapsed() > PATIENCE || !conflict(&report) {
                if !gone {
                    self.deny(
                        &Estate { inline: Vec::new(), attached: Vec::new(), ..now.clone() },
                        &mut report,
                    )
                    .await;
                }
                break;
            }
            // Some of AWS still sees what the lists do not show any more.
            report.steps.pop();
            account.gateway.wait(Duration::from_secs(1)).await;
            match estate(account, &found.user).await? {
                Some(seen) if seen.user_id == found.user_id => now = seen,
                _ => break,
            }
        }
        if let Some(open) = open {
            self.discard_named_devices(open, &mut report).await;
        }
        let still = estate(account, &found.user).await?.filter(|seen| seen.user_id == found.user_id);
        let deleted =
            report.steps.iter().any(|step| {
                matches!(step.call, Mutation::DeleteUser { .. }) && step.outcome != Outcome::Failed
            }) || still.is_none();
        if deleted {
            "deleted".clone_into(&mut report.result);
            let left = report.steps.iter().filter_map(|step| step.error.clone());
            report.notes.extend(left.collect::<Vec<_>>());
        } else {
            "not deleted".clone_into(&mut report.result);
            report.errors.extend(report.steps.iter().filter_map(|step| step.error.clone()));
            if report.errors.is_empty() {
                report.errors.push("it was not finished; run it again to go on".to_owned());
            }
        }
        if !self.stopped() || deleted {
            self.journal.end(&found.user, TaskEnd::Done)?;
        }
        Ok(report)
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
        self.discard_named_devices(open, &mut report).await;
        "deleted".clone_into(&mut report.result);
        self.journal.end(&open.task.user, TaskEnd::Done)?;
        Ok(report)
    }

    /// Puts a user in quarantine: denied everything first, then every credential off.
    pub(crate) async fn disable(
        &self,
        found: &Estate,
        disabled_group: Option<&GroupName>,
        managed: &[GroupName],
        revoke: &[String],
    ) -> Result<UserReport, CliError> {
        let mut report = UserReport::new(&found.user, Some(&found.user_id));
        let record = self.write_user_record(found, ".disabled.json", disabled_group, &mut report)?;
        self.deny(found, &mut report).await;
        let how = Quarantine {
            disabled_group: record.disabled_group.clone(),
            managed: managed.to_vec(),
            at: record.at.clone(),
            by: record.by.clone(),
        };
        self.all(&quarantine(found, &how), &mut report).await;
        let before = rfc3339(self.context.started_ms);
        let revocations: Vec<Mutation> = revoke
            .iter()
            .map(|role| Mutation::PutRolePolicy {
                role: role.clone(),
                policy: REVOKE_POLICY.to_owned(),
                document: revoking(&before),
            })
            .collect();
        self.all(&revocations, &mut report).await;
        self.name_roles(found, revoke, &mut report).await;
        let failed: Vec<String> = report.steps.iter().filter_map(|step| step.error.clone()).collect();
        // Where the inline policy found no room, the other one stands for it.
        let denied = report.steps.iter().any(|step| {
            matches!(step.call, Mutation::AttachUserPolicy { .. }) && step.outcome == Outcome::Done
        });
        let failed = failed.into_iter().filter(|error| !(denied && error.contains("PutUserPolicy")));
        report.errors.extend(failed.collect::<Vec<_>>());
        let result = if report.errors.is_empty() { "disabled" } else { "not wholly disabled" };
        result.clone_into(&mut report.result);
        if !self.stopped() {
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
                    .filter(|name| !revoked.iter().any(|r| r == name))
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
        now: &Estate,
        sealer: &Sealer,
        rules: PasswordRules,
        profile: Option<&str>,
        open: Option<&OpenTask>,
    ) -> Result<UserReport, CliError> {
        let mut report = UserReport::new(&now.user, Some(&now.user_id));
        let calls = restoration(&record.before, now, record.disabled_group.as_ref());
        let mut failed = self.all(&calls, &mut report).await;
        if failed.is_empty() && record.before.login_profile && !self.stopped() {
            match self.new_password(now, sealer, rules, profile, open, &mut report).await {
                Ok(()) => {}
                Err(CliError::Step(error)) => {
                    report.errors.push(error.to_string());
                    failed.push(Mutation::CreateLoginProfile { user: now.user.clone() });
                }
                Err(error) => return Err(error),
            }
        }
        if failed.is_empty() && !self.stopped() {
            // Last of all. As long as anything else is not in place, it stays denied.
            failed = self.all(&lifting(now), &mut report).await;
        }
        report.errors.extend(report.steps.iter().filter_map(|step| step.error.clone()));
        if failed.is_empty() && !self.stopped() {
            self.session.save()?;
            self.keep_restored(&now.user)?;
            "restored".clone_into(&mut report.result);
        } else {
            "not restored".clone_into(&mut report.result);
            if report.errors.is_empty() {
                report.errors.push("it was not finished; run it again to go on".to_owned());
            }
        }
        if !self.stopped() {
            self.journal.end(&now.user, TaskEnd::Done)?;
        }
        Ok(report)
    }

    /// Gives a user a new password, unless an earlier try has done so and it lies sealed in its bundle.
    async fn new_password(
        &self,
        now: &Estate,
        sealer: &Sealer,
        rules: PasswordRules,
        profile: Option<&str>,
        open: Option<&OpenTask>,
        report: &mut UserReport,
    ) -> Result<(), CliError> {
        let path = self.folder.file(&now.user, ".restored.zip");
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(open) = open {
            if super::is_file_of(open, &path, &name) {
                report.files.push(path.display().to_string());
                return Ok(());
            }
            let beside = muster_aws::durable::beside(&path, self.journal.run());
            muster_aws::durable::remove(&beside)
                .map_err(|error| CliError::Write { path: beside.clone(), reason: error.to_string() })?;
            // Made by the earlier try, and lost with it: nobody has it.
            let made = open.calls.iter().any(|call| matches!(call, Mutation::CreateLoginProfile { .. }));
            if made {
                self.step(&Mutation::DeleteLoginProfile { user: now.user.clone() }, report).await;
            }
        } else if now.login_profile {
            report.notes.push("it has a password already, which is left as it is".to_owned());
            return Ok(());
        }
        let creation = Creation {
            account: &self.session.account,
            journal: self.journal,
            user: now.user.clone(),
            run: self.journal.run().to_owned(),
        };
        let place = Place::new(self, profile);
        let mut handover = Handover::new(sealer, &now.user);
        let password = self.password(&creation, &rules).await?;
        let written = handover.password(&password).map_err(CliError::from).and_then(|()| {
            self.folder.prepare()?;
            handover.write(self, &place, ".restored.zip")
        });
        match written {
            Ok(files) => {
                report.files.extend(files.iter().map(|file| file.display().to_string()));
                report.steps.push(Step {
                    call: Mutation::CreateLoginProfile { user: now.user.clone() },
                    outcome: Outcome::Done,
                    error: None,
                });
                Ok(())
            }
            Err(error) => {
                // A password that nobody has is none.
                let _shield = self.session.account.gateway.shield();
                self.step(&Mutation::DeleteLoginProfile { user: now.user.clone() }, report).await;
                Err(StepError::Other(error.to_string()).into())
            }
        }
    }

    /// Keeps the record of a user that is back, under another name.
    fn keep_restored(&self, user: &UserName) -> Result<(), CliError> {
        let from = self.folder.file(user, ".disabled.json");
        let to = self.folder.file(user, &format!(".restored-{}.json", self.journal.run()));
        if !from.exists() {
            return Ok(());
        }
        muster_aws::durable::rename_new(&from, &to)
            .map_err(|error| CliError::Write { path: from.clone(), reason: error.to_string() })
    }

    /// Returns whether an earlier try of this journal got to the end of a restoration.
    pub(crate) fn is_restored(&self, user: &UserName) -> bool {
        self.folder.file(user, &format!(".restored-{}.json", self.journal.run())).exists()
    }
}

/// Returns whether the last call failed because something still hangs on the user.
fn conflict(report: &UserReport) -> bool {
    let last = report.steps.last().and_then(|step| step.error.as_ref());
    last.is_some_and(|error| error.contains("DeleteConflict"))
}
