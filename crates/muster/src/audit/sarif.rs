//! An audit as SARIF 2.1.0, for code scanning.

use muster_core::audit::{Finding, Severity};
use serde_json::{Value, json};

use super::AuditReport;
use crate::terminal::safe;

impl AuditReport {
    pub(crate) fn sarif(&self) -> Value {
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|row| {
                let severity = row.severity.unwrap_or(Severity::Info);
                json!({
                    "id": row.id,
                    "shortDescription": { "text": row.title },
                    "fullDescription": { "text": row.reason },
                    "defaultConfiguration": { "enabled": row.severity.is_some(), "level": level(severity) },
                    "properties": { "security-severity": score(severity), "tags": ["security", "iam"] },
                })
            })
            .collect();
        let mut results: Vec<Value> = self.findings.iter().map(|finding| self.result(finding)).collect();
        results.extend(self.exempted.iter().map(|exempted| {
            let mut result = self.result(&exempted.finding);
            let why = format!("{} (until {})", safe(&exempted.exempt_because), safe(&exempted.until));
            result["suppressions"] = json!([{ "kind": "external", "justification": why }]);
            result
        }));
        let notifications: Vec<Value> = self
            .unknown
            .iter()
            .map(|unknown| {
                let rules: Vec<&str> = unknown.rules.iter().map(|rule| rule.id()).collect();
                let (what, why) = (safe(&unknown.what), safe(&unknown.why));
                let text = format!(
                    "not known: {what}: {why}; so nobody can say whether these hold: {}",
                    rules.join(", ")
                );
                json!({ "level": "error", "message": { "text": text } })
            })
            .collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "muster", "version": self.version, "rules": rules } },
                "invocations": [{
                    "executionSuccessful": self.unknown.is_empty(),
                    "endTimeUtc": self.audited_at,
                    "toolExecutionNotifications": notifications,
                }],
                "results": results,
            }],
        })
    }

    fn result(&self, finding: &Finding) -> Value {
        let (kind, name) = (finding.subject.kind(), safe(finding.subject.name()).into_owned());
        let index = self.rules.iter().position(|row| row.rule == finding.rule);
        // Whoever shows results of code wants a file: the account is one here, and its parts are in it.
        let file = format!("iam/{}", self.account);
        let text = format!("{name}: {} ({})", safe(&finding.message), self.source(finding));
        json!({
            "ruleId": finding.rule.id(),
            "ruleIndex": index,
            "level": level(finding.severity),
            "message": { "text": text },
            "locations": [{
                "physicalLocation": { "artifactLocation": { "uri": file } },
                "logicalLocations": [{ "name": name, "kind": kind, "fullyQualifiedName": format!("{}/{kind}/{name}", self.account) }],
            }],
            "partialFingerprints": { "muster/v1": format!("{}:{}:{kind}:{name}", self.account, finding.rule.id()) },
            "properties": { "fix": safe(&finding.fix), "source": finding.source.as_str() },
        })
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// Returns a severity as code scanning sorts it: 9 and more is critical, 7 high, 4 medium.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Info => "0.0",
    }
}
