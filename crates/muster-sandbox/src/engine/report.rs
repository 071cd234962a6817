//! The credential report: made on demand, and the same for four hours.
//!
//! Source: IAM User Guide, "Get credential reports for your AWS account", and IAM API Reference, both operations.

use super::state::{Report, User};
use super::{Account, Call, IamError, Millis, Reply, seconds, timestamp};

/// How long a report takes to be made.
const MAKING_MS: Millis = 2_000;

/// How long one is given again.
const KEPT_MS: Millis = 4 * 3_600_000;

const COLUMNS: [&str; 22] = [
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
];

impl Account {
    pub(super) fn generate_credential_report(&mut self, call: &Call<'_>) -> Reply {
        let is_kept = self.report.as_ref().is_some_and(|report| call.now < report.asked_ms + KEPT_MS);
        if !is_kept {
            self.report = Some(Report { asked_ms: call.now, text: self.report_text() });
            self.changed = true;
            let description = "No report exists. Starting a new report generation task";
            return Reply::new().text("State", "STARTED").text("Description", description);
        }
        let ready = self.report.as_ref().is_some_and(|report| call.now >= report.asked_ms + self.making_ms());
        Reply::new().text("State", if ready { "COMPLETE" } else { "INPROGRESS" })
    }

    pub(super) fn get_credential_report(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        match &self.report {
            None => Err(IamError::no_report()),
            Some(report) if call.now >= report.asked_ms + KEPT_MS => Err(IamError::report_expired()),
            Some(report) if call.now < report.asked_ms + self.making_ms() => {
                Err(IamError::report_in_progress())
            }
            Some(report) => Ok(Reply::new()
                .blob("Content", report.text.as_bytes())
                .text("ReportFormat", "text/csv")
                .text("GeneratedTime", timestamp(seconds(report.asked_ms)))),
        }
    }

    fn making_ms(&self) -> Millis {
        if self.report_is_stuck { Millis::MAX / 2 } else { MAKING_MS }
    }

    fn report_text(&self) -> String {
        let state = &self.visible;
        let mut rows = vec![COLUMNS.join(","), self.root_row()];
        rows.extend(state.users.values().map(|user| self.user_row(user)));
        // There is no newline at the end.
        rows.join("\n")
    }

    fn root_row(&self) -> String {
        let mut cells = vec!["<root_account>".to_owned(), self.arn("root"), timestamp(1_400_000_000)];
        cells
            .extend(["not_supported", "no_information", "not_supported", "not_supported"].map(str::to_owned));
        cells.push(self.root.mfa.to_string());
        for active in [self.root.access_key, false] {
            cells.push(active.to_string());
            let made = if active { timestamp(1_400_000_000) } else { "N/A".to_owned() };
            cells.extend([made, "N/A".to_owned(), "N/A".to_owned(), "N/A".to_owned()]);
        }
        cells.extend(["false", "N/A", "false", "N/A"].map(str::to_owned));
        cells.join(",")
    }

    fn user_row(&self, user: &User) -> String {
        let or_not = |at: Option<i64>, nothing: &str| at.map_or_else(|| nothing.to_owned(), timestamp);
        let mut cells = vec![user.name.clone(), self.user_arn(user), timestamp(user.created)];
        cells.push(user.login.is_some().to_string());
        let signed_in = or_not(user.password_last_used, "no_information");
        match &user.login {
            Some(login) => {
                let days = self.visible.password_policy.and_then(|policy| policy.age_days_max);
                let next = days.map(|days| login.created + i64::from(days) * 86_400);
                cells.extend([signed_in, timestamp(login.created), or_not(next, "N/A")]);
            }
            None => cells.extend(["N/A"; 3].map(str::to_owned)),
        }
        let own = super::key(&user.name);
        let mut devices = self.visible.devices.values();
        cells.push(devices.any(|device| device.user.as_ref() == Some(&own)).to_string());
        for place in 0..2 {
            match user.access_keys.get(place) {
                Some(key) => {
                    let last = key.last_use.as_ref();
                    cells.extend([key.active.to_string(), timestamp(key.created)]);
                    cells.push(or_not(last.map(|last| last.at), "N/A"));
                    cells.push(last.map_or("N/A", |_| "us-east-1").to_owned());
                    cells.push(last.map_or_else(|| "N/A".to_owned(), |last| last.service.clone()));
                }
                None => cells.extend(["false", "N/A", "N/A", "N/A", "N/A"].map(str::to_owned)),
            }
        }
        for place in 0..2 {
            let certificate = user.certificates.get(place);
            cells.push(certificate.is_some_and(|certificate| certificate.active).to_string());
            cells.push(or_not(certificate.map(|certificate| certificate.uploaded), "N/A"));
        }
        cells.join(",")
    }
}
