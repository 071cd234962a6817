//! An audit for people at a terminal, and as CSV.

use std::fmt::Write as _;

use muster_core::audit::{Severity, Since};

use super::AuditReport;
use crate::environment::rfc3339;
use crate::error::count;
use crate::terminal::{BAD, CARE, GOOD, safe};

/// Findings of one rule that are shown before "and N more", where a person reads along.
const SHOWN: usize = 10;

impl AuditReport {
    /// Writes it for people. `paint` colours what is given to it.
    pub(crate) fn text(&self, paint: impl Fn(&str, anstyle::Style) -> String, all: bool) -> String {
        let mut text = String::new();
        for (row, findings) in self.by_rule() {
            let severity = findings.iter().map(|finding| finding.severity).min().unwrap_or(Severity::Info);
            let head = format!("{severity}  {}", row.id);
            let _ = writeln!(
                text,
                "{}: {} ({})",
                paint(&head, style(severity)),
                row.title,
                count(findings.len(), "finding")
            );
            let _ = writeln!(text, "  {}", row.reason);
            let shown = if all { findings.len() } else { SHOWN };
            for finding in findings.iter().take(shown) {
                let name = finding.subject.name();
                let _ =
                    writeln!(text, "  {}: {} ({})", safe(name), safe(&finding.message), self.source(finding));
                let _ = writeln!(text, "      {}", safe(&finding.fix));
            }
            if findings.len() > shown {
                let _ = writeln!(text, "  and {} more; -v shows all", findings.len() - shown);
            }
            text.push('\n');
        }
        for unknown in &self.unknown {
            let head = paint("unknown", CARE);
            let rules: Vec<&str> = unknown.rules.iter().map(|rule| rule.id()).collect();
            let _ = writeln!(
                text,
                "{head}: {}: {}\n  so nobody can say whether these hold: {}\n",
                safe(&unknown.what),
                safe(&unknown.why),
                rules.join(", ")
            );
        }
        if !self.exempted.is_empty() {
            let _ = writeln!(text, "Left out by the config: {}", count(self.exempted.len(), "finding"));
            for exempted in &self.exempted {
                let finding = &exempted.finding;
                let _ = writeln!(
                    text,
                    "  {} of {}, until {}: {}",
                    finding.rule.id(),
                    safe(finding.subject.name()),
                    safe(&exempted.until),
                    safe(&exempted.exempt_because)
                );
            }
            text.push('\n');
        }
        if let Some(since) = &self.since {
            text.push_str(&changes(since));
            text.push('\n');
        }
        let verdict = if self.summary.clean { GOOD } else { BAD };
        let _ = writeln!(text, "{}", paint(&self.headline(), verdict));
        text
    }

    /// Returns a line for each finding.
    pub(crate) fn csv(&self) -> Vec<Vec<String>> {
        let row = |finding: &muster_core::audit::Finding| {
            vec![
                finding.severity.to_string(),
                finding.rule.id().to_owned(),
                finding.subject.kind().to_owned(),
                finding.subject.name().to_owned(),
                finding.message.clone(),
                finding.fix.clone(),
                finding.source.as_str().to_owned(),
                rfc3339(finding.as_of_s.saturating_mul(1000)),
            ]
        };
        let unknown = self.unknown.iter().flat_map(|unknown| {
            unknown.rules.iter().map(|rule| {
                vec![
                    "unknown".to_owned(),
                    rule.id().to_owned(),
                    String::new(),
                    String::new(),
                    format!("{}: {}", unknown.what, unknown.why),
                    String::new(),
                    String::new(),
                    String::new(),
                ]
            })
        });
        self.findings.iter().map(row).chain(unknown).collect()
    }
}

fn style(severity: Severity) -> anstyle::Style {
    match severity {
        Severity::Critical | Severity::High => BAD,
        Severity::Medium | Severity::Low => CARE,
        Severity::Info => GOOD,
    }
}

/// Writes what changed since a snapshot.
pub(super) fn changes(since: &Since) -> String {
    let mut text = format!("Since {}:\n", safe(&since.taken_at));
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| safe(name).into_owned()).collect();
        names.join(", ")
    };
    for (what, names) in [("came", &since.came), ("left", &since.left)] {
        if !names.is_empty() {
            let _ = writeln!(text, "  {} {what}: {}", count(names.len(), "user"), list(names));
        }
    }
    for moved in &since.moved {
        let mut parts = Vec::new();
        if !moved.joined.is_empty() {
            parts.push(format!("joined {}", list(&moved.joined)));
        }
        if !moved.left.is_empty() {
            parts.push(format!("left {}", list(&moved.left)));
        }
        let _ = writeln!(text, "  {} {}", safe(&moved.user), parts.join(", "));
    }
    for (what, rules) in [("gained", &since.gained), ("lost", &since.lost)] {
        for (user, names) in rules {
            let _ = writeln!(text, "  {} {what} {}", safe(user), list(names));
        }
    }
    if text.lines().count() == 1 {
        text.push_str("  nothing changed\n");
    }
    text
}
