//! An audit as Markdown, for issues and wikis.

use std::fmt::Write as _;

use super::AuditReport;
use super::text::changes;
use crate::govern::show::md;

impl AuditReport {
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("# Audit of account {}\n\n{}\n\n", md(&self.account), md(&self.headline()));
        let report = match &self.report_at {
            Some(at) => format!("credential report of {}", md(at)),
            None => "no credential report".to_owned(),
        };
        let _ = writeln!(text, "Read {} by {}; {report}.\n", md(&self.taken_at), self.read_by);
        for (row, findings) in self.by_rule() {
            let _ = writeln!(text, "## {} (`{}`)\n\n{}\n", md(row.title), row.id, md(row.reason));
            text.push_str(
                "| severity | what | finding | mended by | from |\n| --- | --- | --- | --- | --- |\n",
            );
            for finding in findings {
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} |",
                    finding.severity,
                    md(finding.subject.name()),
                    md(&finding.message),
                    md(&finding.fix),
                    md(&self.source(finding))
                );
            }
            text.push('\n');
        }
        if !self.unknown.is_empty() {
            text.push_str("## Not known\n\n| what | why | rules |\n| --- | --- | --- |\n");
            for unknown in &self.unknown {
                let rules: Vec<&str> = unknown.rules.iter().map(|rule| rule.id()).collect();
                let (what, why) = (md(&unknown.what), md(&unknown.why));
                let _ = writeln!(text, "| {what} | {why} | {} |", md(&rules.join(", ")));
            }
            text.push('\n');
        }
        if !self.exempted.is_empty() {
            text.push_str(
                "## Left out by the config\n\n| rule | what | until | why |\n| --- | --- | --- | --- |\n",
            );
            for exempted in &self.exempted {
                let finding = &exempted.finding;
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} |",
                    finding.rule.id(),
                    md(finding.subject.name()),
                    md(&exempted.until),
                    md(&exempted.exempt_because)
                );
            }
            text.push('\n');
        }
        if let Some(since) = &self.since {
            text.push_str("## What changed\n\n");
            for line in changes(since).lines() {
                let _ = writeln!(text, "- {}", md(line.trim()));
            }
        }
        text
    }
}
