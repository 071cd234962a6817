//! An audit as XML in the form of `JUnit`, for CI: each rule is a test.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::AuditReport;
use crate::terminal::safe;

impl AuditReport {
    pub(crate) fn junit(&self) -> Result<String, String> {
        let mut report = Report::new("muster audit");
        let mut suite = TestSuite::new(format!("account {}", self.account));
        for row in &self.rules {
            let findings: Vec<_> = self.findings.iter().filter(|finding| finding.rule == row.rule).collect();
            let unknown = self.unknown.iter().find(|unknown| unknown.rules.contains(&row.rule));
            let bad = findings.iter().any(|finding| finding.severity != muster_core::audit::Severity::Info);
            let status = match (row.severity, bad, unknown) {
                (None, ..) => {
                    let mut skipped = TestCaseStatus::skipped();
                    skipped.set_message("switched off in the config");
                    skipped
                }
                (Some(severity), true, _) => {
                    let lines: Vec<String> = findings
                        .iter()
                        .map(|finding| {
                            let name = safe(finding.subject.name());
                            let (message, fix) = (safe(&finding.message), safe(&finding.fix));
                            format!("{name}: {message} ({}); {fix}", self.source(finding))
                        })
                        .collect();
                    let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    failed.set_message(crate::error::count(findings.len(), "finding"));
                    failed.set_type(severity.as_str());
                    failed.set_description(lines.join("\n"));
                    failed
                }
                (Some(_), false, Some(unknown)) => {
                    let mut error = TestCaseStatus::non_success(NonSuccessKind::Error);
                    error.set_message(format!("not known: {}: {}", safe(&unknown.what), safe(&unknown.why)));
                    error.set_type("unknown");
                    error
                }
                (Some(_), false, None) => TestCaseStatus::success(),
            };
            let mut case = TestCase::new(row.id, status);
            case.set_classname("muster.audit");
            case.set_time(std::time::Duration::ZERO);
            suite.add_test_case(case);
        }
        suite.set_time(std::time::Duration::ZERO);
        report.set_time(std::time::Duration::ZERO);
        report.add_test_suite(suite);
        report.to_string().map_err(|error| error.to_string())
    }
}
