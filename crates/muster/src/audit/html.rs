//! An audit as one page: nothing in it comes from elsewhere, and it tells the same without its script.

use askama::Template;
use muster_core::audit::{Finding, Severity};

use super::{AuditReport, RuleRow, UserRow};
use crate::environment::rfc3339;
use crate::terminal::safe;

/// Bars of a chart: what each says, how many, and how bad.
struct Bar {
    label: String,
    number: usize,
    /// Part of the chart's width, from 0 to 100.
    width: usize,
    class: &'static str,
}

/// A chart of bars.
struct Chart {
    title: &'static str,
    bars: Vec<Bar>,
}

impl Chart {
    fn new(title: &'static str, counts: Vec<(String, usize, &'static str)>) -> Self {
        let most = counts.iter().map(|(_, number, _)| *number).max().unwrap_or_default().max(1);
        let bars = counts.into_iter().map(|(label, number, class)| {
            let width = (number * 100).div_ceil(most);
            Bar { label, number, width, class }
        });
        Self { title, bars: bars.collect() }
    }

    fn height(&self) -> usize {
        self.bars.len() * 28 + 4
    }

    /// Says what it shows, for those who do not see it.
    fn spoken(&self) -> String {
        let bars: Vec<String> = self.bars.iter().map(|bar| format!("{} {}", bar.label, bar.number)).collect();
        format!("{}: {}", self.title, bars.join(", "))
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page<'p> {
    report: &'p AuditReport,
    headline: String,
    charts: Vec<Chart>,
    by_rule: Vec<(&'p RuleRow, Vec<&'p Finding>)>,
    severities: Vec<(&'static str, usize)>,
}

impl Page<'_> {
    fn source(&self, finding: &Finding) -> String {
        self.report.source(finding)
    }

    fn worst(findings: &[&Finding]) -> &'static str {
        findings.iter().map(|finding| finding.severity).min().unwrap_or(Severity::Info).as_str()
    }
}

/// Control characters and the like are written out; the template escapes the rest.
fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    safe(text)
}

/// Returns when a finding was so.
fn as_of(finding: &Finding) -> String {
    rfc3339(finding.as_of_s.saturating_mul(1000))
}

fn yes_no(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "yes",
        Some(false) => "no",
        None => "?",
    }
}

fn days(user: &UserRow) -> String {
    let ages: Vec<String> = user.key_days.iter().map(ToString::to_string).collect();
    ages.join(", ")
}

/// The oldest key, for sorting; -1 where there is none.
fn oldest(user: &UserRow) -> i64 {
    user.key_days.iter().copied().max().unwrap_or(-1)
}

/// How bad a user's worst finding is, for sorting: 0 is nothing.
fn rank(user: &UserRow) -> usize {
    let place = user.worst.and_then(|worst| Severity::ALL.into_iter().position(|severity| severity == worst));
    place.map_or(0, |place| Severity::ALL.len() - place)
}

impl AuditReport {
    pub(crate) fn html(&self) -> Result<String, String> {
        let page = Page {
            report: self,
            headline: self.headline(),
            charts: self.charts(),
            by_rule: self.by_rule(),
            severities: Severity::ALL
                .into_iter()
                .map(|severity| (severity.as_str(), self.summary.severities[severity.as_str()]))
                .collect(),
        };
        page.render().map_err(|error| error.to_string())
    }

    fn charts(&self) -> Vec<Chart> {
        let mut categories: Vec<(String, usize, &'static str)> = Vec::new();
        for user in &self.users {
            let label = if user.category.is_empty() { "none" } else { user.category.as_str() };
            match categories.iter_mut().find(|(known, ..)| known == label) {
                Some((_, number, _)) => *number += 1,
                None => categories.push((label.to_owned(), 1, if label == "none" { "high" } else { "fine" })),
            }
        }
        categories.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let standings = muster_core::assess::StandingName::ALL.into_iter().map(|name| {
            let class = if name.as_str() == "sorted" { "fine" } else { "high" };
            (name.as_str().to_owned(), self.summary.standings[name.as_str()], class)
        });
        let mut charts = vec![
            Chart::new("Users by category", categories),
            Chart::new("Users by standing", standings.collect()),
        ];
        if self.report_at.is_some() {
            let keys = self.users.iter().flat_map(|user| user.key_days.iter().copied());
            charts.push(Chart::new("Active access keys by age", ages(keys, self.old_days.0)));
            let passwords = self.users.iter().filter_map(|user| user.password_days);
            charts.push(Chart::new("Passwords by age", ages(passwords, self.old_days.1)));
        }
        charts
    }
}

/// Counts ages in days; what begins after the limit of the config is marked.
fn ages(days: impl Iterator<Item = i64>, old_days: u32) -> Vec<(String, usize, &'static str)> {
    let steps: [(&str, i64, i64); 5] = [
        ("to 30 days", 0, 30),
        ("to 90 days", 31, 90),
        ("to 180 days", 91, 180),
        ("to a year", 181, 365),
        ("older", 366, i64::MAX),
    ];
    let mut counts = [0_usize; 5];
    for age in days {
        if let Some(place) = steps.iter().position(|(.., limit)| age <= *limit) {
            counts[place] += 1;
        }
    }
    let is_old = |from: i64| old_days > 0 && from >= i64::from(old_days);
    let bars = steps.iter().zip(counts);
    bars.map(|((label, from, _), number)| {
        ((*label).to_owned(), number, if is_old(*from) { "high" } else { "fine" })
    })
    .collect()
}
