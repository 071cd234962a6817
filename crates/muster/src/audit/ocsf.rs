//! An audit as events of the Open Cybersecurity Schema Framework: Detection Finding, class 2004.

use muster_core::audit::{Finding, Severity, Unknown};
use serde_json::{Value, json};

use super::AuditReport;
use crate::terminal::safe;

/// The version of the schema that the events follow.
const SCHEMA: &str = "1.5.0";

impl AuditReport {
    pub(crate) fn ocsf(&self) -> Value {
        let findings = self.findings.iter().map(|finding| self.event(finding, None));
        let exempted = self
            .exempted
            .iter()
            .map(|exempted| self.event(&exempted.finding, Some(&exempted.exempt_because)));
        let unknown = self.unknown.iter().map(|unknown| self.unknown_event(unknown));
        findings.chain(exempted).chain(unknown).collect()
    }

    /// An event about what could not be found out, so that nobody takes silence for a pass.
    fn unknown_event(&self, unknown: &Unknown) -> Value {
        let time_ms = self.now_s.saturating_mul(1000);
        let rules: Vec<&str> = unknown.rules.iter().map(|rule| rule.id()).collect();
        let what = safe(&unknown.what);
        let mut event = self.bare(0, "Unknown", time_ms);
        event["status_id"] = 99.into();
        event["status"] = "Not known".into();
        event["status_detail"] = safe(&unknown.why).into_owned().into();
        event["message"] = format!("not known: {what}").into();
        event["finding_info"] = json!({
            "uid": format!("{}:unknown:{what}", self.account),
            "title": format!("Not known: {what}"),
            "types": rules,
            "created_time": time_ms,
        });
        event
    }

    /// What every event has.
    fn bare(&self, severity_id: u8, severity: &str, time_ms: i64) -> Value {
        json!({
            "activity_id": 1,
            "activity_name": "Create",
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": 2004,
            "class_name": "Detection Finding",
            "type_uid": 200_401,
            "type_name": "Detection Finding: Create",
            "time": time_ms,
            "severity_id": severity_id,
            "severity": severity,
            "metadata": {
                "version": SCHEMA,
                "product": { "name": "muster", "vendor_name": "muster", "version": self.version },
                "profiles": ["cloud"],
                "log_name": "muster audit",
            },
            "cloud": {
                "provider": "AWS",
                "account": { "uid": self.account, "type_id": 10, "type": "AWS Account" },
            },
        })
    }

    fn event(&self, finding: &Finding, suppressed: Option<&str>) -> Value {
        let (kind, name) = (finding.subject.kind(), safe(finding.subject.name()).into_owned());
        let row = self.rules.iter().find(|row| row.rule == finding.rule);
        let (title, reason) = row.map_or(("", ""), |row| (row.title, row.reason));
        let id = finding.rule.id();
        let (severity_id, severity) = severity(finding.severity);
        let (status_id, status) = if suppressed.is_some() { (3, "Suppressed") } else { (1, "New") };
        let time_ms = self.now_s.saturating_mul(1000);
        let uid = format!("{}:{id}:{kind}:{name}:{}", self.account, safe(&finding.detail));
        let mut event = self.bare(severity_id, severity, time_ms);
        event["status_id"] = status_id.into();
        event["status"] = status.into();
        event["message"] = format!("{name}: {}", safe(&finding.message)).into();
        event["finding_info"] = json!({
            "uid": uid,
            "title": title,
            "desc": reason,
            "types": [id],
            "created_time": time_ms,
            "last_seen_time": finding.as_of_s.saturating_mul(1000),
            "data_sources": [finding.source.as_str()],
        });
        event["remediation"] = json!({ "desc": safe(&finding.fix) });
        event["resources"] = json!([{
            "type": format!("AWS IAM {kind}"),
            "name": name,
            "uid": format!("{}/{kind}/{name}", self.account),
            "cloud_partition": self.partition,
        }]);
        if let Some(why) = suppressed {
            event["status_detail"] = safe(why).into_owned().into();
        }
        event
    }
}

/// Returns the number and the word of a severity.
fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Critical => (5, "Critical"),
        Severity::High => (4, "High"),
        Severity::Medium => (3, "Medium"),
        Severity::Low => (2, "Low"),
        Severity::Info => (1, "Informational"),
    }
}
