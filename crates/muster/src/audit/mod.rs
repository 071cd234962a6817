//! What an audit found, and the forms in which it is told.

mod html;
mod junit;
mod markdown;
mod ocsf;
mod sarif;
mod text;

use std::collections::BTreeMap;

use muster_core::assess::{StandingName, assess};
use muster_core::audit::{
    Area, Audit, CredentialReport, Evidence, Exempted, Finding, Known, Rule, Severity, Since, Subject,
    Unknown,
};
use serde::Serialize;

use crate::cli::AuditFormat;
use crate::environment::rfc3339;
use crate::error::CliError;

/// An audit as `--output json` prints it, and as every other form is made from it.
#[derive(Debug, Serialize)]
pub(crate) struct AuditReport {
    pub(crate) account: String,
    pub(crate) alias: Option<String>,
    pub(crate) partition: String,
    /// When the account was read.
    pub(crate) taken_at: String,
    pub(crate) read_by: String,
    /// When the credential report was made, if it is known.
    pub(crate) report_at: Option<String>,
    /// When the audit was made.
    pub(crate) audited_at: String,
    pub(crate) config_hash: Option<String>,
    pub(crate) version: &'static str,
    pub(crate) run: String,
    pub(crate) summary: Summary,
    pub(crate) findings: Vec<Finding>,
    pub(crate) exempted: Vec<Exempted>,
    pub(crate) unknown: Vec<Unknown>,
    pub(crate) rules: Vec<RuleRow>,
    pub(crate) since: Option<Since>,
    pub(crate) api_calls: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    pub(crate) users: Vec<UserRow>,
    /// The groups of the taxonomy, in order.
    #[serde(skip)]
    pub(crate) groups: Vec<String>,
    /// Seconds since 1970.
    #[serde(skip)]
    pub(crate) now_s: i64,
    /// Days after which a key and a password are old; 0 for never.
    #[serde(skip)]
    pub(crate) old_days: (u32, u32),
}

/// The head line.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) clean: bool,
    pub(crate) users: usize,
    pub(crate) groups: usize,
    pub(crate) findings: usize,
    pub(crate) severities: BTreeMap<&'static str, usize>,
    pub(crate) standings: BTreeMap<&'static str, usize>,
    pub(crate) exempted: usize,
    pub(crate) unknown: usize,
}

/// A rule that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct RuleRow {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) area: Area,
    /// `None` if it is switched off.
    pub(crate) severity: Option<Severity>,
    pub(crate) reason: &'static str,
    #[serde(skip)]
    pub(crate) rule: Rule,
}

/// A user, for the matrix.
#[derive(Debug)]
pub(crate) struct UserRow {
    pub(crate) user: String,
    pub(crate) category: String,
    pub(crate) standing: StandingName,
    /// Whether it is in each of the report's groups.
    pub(crate) member: Vec<bool>,
    /// Groups that are not the taxonomy's.
    pub(crate) others: Vec<String>,
    pub(crate) password: Option<bool>,
    pub(crate) mfa: Option<bool>,
    /// Ages of active keys in days.
    pub(crate) key_days: Vec<i64>,
    /// Age of the password in days.
    pub(crate) password_days: Option<i64>,
    pub(crate) worst: Option<Severity>,
}

/// Facts about a run that no audit knows itself.
pub(crate) struct Run {
    pub(crate) alias: Option<String>,
    pub(crate) config_hash: Option<String>,
    pub(crate) id: String,
    pub(crate) since: Option<Since>,
    pub(crate) api_calls: BTreeMap<&'static str, u64>,
}

impl AuditReport {
    pub(crate) fn new(evidence: &Evidence<'_>, audit: Audit, run: Run) -> Result<Self, CliError> {
        let Evidence { taxonomy, roster, settings, now_s, .. } = *evidence;
        let groups: Vec<String> = taxonomy.groups().map(|(name, _)| name.to_string()).collect();
        let report = match &evidence.credentials {
            Known::Yes(report) => Some(report),
            Known::No(_) => None,
        };
        let mut worst: BTreeMap<&str, Severity> = BTreeMap::new();
        for finding in &audit.findings {
            if let Subject::User(name) = &finding.subject {
                let entry = worst.entry(name).or_insert(finding.severity);
                *entry = (*entry).min(finding.severity);
            }
        }
        let mut users = Vec::new();
        for user in roster.users.iter().filter(|user| taxonomy.covers(user)) {
            let standing = assess(taxonomy, user)?.standing.name();
            let is_in = |group: &String| user.groups.iter().any(|g| g.as_str().eq_ignore_ascii_case(group));
            let is_disabled =
                taxonomy.disabled_group.as_ref().is_some_and(|group| user.groups.contains(group));
            let categories: Vec<&str> = taxonomy
                .category_groups()
                .filter(|g| user.groups.contains(g))
                .map(muster_core::name::Name::as_str)
                .collect();
            let others = user.groups.iter().filter(|group| taxonomy.groups().all(|(name, _)| name != *group));
            let row = report.and_then(|report| report.row(user));
            let days = |at: i64| now_s.saturating_sub(at).div_euclid(86_400);
            let keys = row.into_iter().flat_map(|row| &row.keys).filter(|key| key.active);
            users.push(UserRow {
                user: user.name.to_string(),
                category: if is_disabled { "disabled".to_owned() } else { categories.join(", ") },
                standing,
                member: groups.iter().map(is_in).collect(),
                others: others.map(ToString::to_string).collect(),
                password: row.map(|row| row.password),
                mfa: row.map(|row| row.mfa),
                key_days: keys.filter_map(|key| key.made_s.map(days)).collect(),
                password_days: row
                    .filter(|row| row.password)
                    .and_then(|row| row.password_changed_s.or(row.created_s))
                    .map(days),
                worst: worst.get(user.name.as_str()).copied(),
            });
        }
        let standing = |name: StandingName| users.iter().filter(|user| user.standing == name).count();
        let summary = Summary {
            clean: audit.is_clean(),
            users: users.len(),
            groups: roster.groups.len(),
            findings: audit.findings.len(),
            severities: Severity::ALL.into_iter().map(|s| (s.as_str(), audit.count(s))).collect(),
            standings: StandingName::ALL.into_iter().map(|name| (name.as_str(), standing(name))).collect(),
            exempted: audit.exempted.len(),
            unknown: audit.unknown.len(),
        };
        let rules = Rule::ALL.iter().map(|rule| RuleRow {
            id: rule.id(),
            title: rule.title(),
            area: rule.area(),
            severity: settings.severity(*rule),
            reason: rule.reason(),
            rule: *rule,
        });
        Ok(Self {
            account: roster.account.clone(),
            alias: run.alias,
            partition: roster.partition.clone(),
            taken_at: roster.taken_at.clone(),
            read_by: roster.read_by.to_string(),
            report_at: report.map(|report: &CredentialReport| rfc3339(report.made_s.saturating_mul(1000))),
            audited_at: rfc3339(now_s.saturating_mul(1000)),
            config_hash: run.config_hash,
            version: env!("CARGO_PKG_VERSION"),
            run: run.id,
            summary,
            findings: audit.findings,
            exempted: audit.exempted,
            unknown: audit.unknown,
            rules: rules.collect(),
            since: run.since,
            api_calls: run.api_calls,
            users,
            groups,
            now_s,
            old_days: (settings.key_age_days, settings.password_age_days),
        })
    }

    /// Writes the report in a form.
    pub(crate) fn render(&self, format: AuditFormat) -> Result<String, CliError> {
        let failed = |what: &str, error: String| CliError::usage(format!("failed to write {what}: {error}"));
        match format {
            AuditFormat::Junit => self.junit().map_err(|error| failed("JUnit", error)),
            AuditFormat::Sarif => pretty(&self.sarif()).map_err(|error| failed("SARIF", error)),
            AuditFormat::Ocsf => pretty(&self.ocsf()).map_err(|error| failed("OCSF", error)),
            AuditFormat::Markdown => Ok(self.markdown()),
            AuditFormat::Html => self.html().map_err(|error| failed("HTML", error)),
        }
    }

    /// Returns the findings of each rule, in the order of rules by their worst finding.
    pub(crate) fn by_rule(&self) -> Vec<(&RuleRow, Vec<&Finding>)> {
        let mut groups: Vec<(&RuleRow, Vec<&Finding>)> = Vec::new();
        for finding in &self.findings {
            let last = groups.iter_mut().find(|(row, _)| row.rule == finding.rule);
            match (last, self.rules.iter().find(|row| row.rule == finding.rule)) {
                (Some((_, findings)), _) => findings.push(finding),
                (None, Some(row)) => groups.push((row, vec![finding])),
                (None, None) => {}
            }
        }
        groups
    }

    /// Says where a finding is from, and how old that is.
    pub(crate) fn source(&self, finding: &Finding) -> String {
        format!("{}, {} old", finding.source.as_str(), self.age(finding.as_of_s))
    }

    fn age(&self, at_s: i64) -> String {
        let seconds = self.now_s.saturating_sub(at_s).max(0);
        match seconds {
            0..=119 => format!("{seconds} s"),
            120..=7_199 => format!("{} min", seconds / 60),
            7_200..=172_799 => format!("{} h", seconds / 3_600),
            _ => format!("{} days", seconds / 86_400),
        }
    }

    /// Returns the head line in words.
    pub(crate) fn headline(&self) -> String {
        let Summary { users, clean, unknown, .. } = &self.summary;
        let found: Vec<String> = Severity::ALL
            .into_iter()
            .filter_map(|severity| {
                let number = self.summary.severities[severity.as_str()];
                (number > 0).then(|| format!("{number} {severity}"))
            })
            .collect();
        let found = if found.is_empty() { "no findings".to_owned() } else { found.join(", ") };
        let users = crate::error::count(*users, "user");
        let verdict = match (clean, unknown) {
            (true, _) => "in order",
            (false, 0) => "not in order",
            (false, _) => "not in order, or not known to be",
        };
        format!("{users}: {found}; {verdict}")
    }
}

fn pretty(value: &serde_json::Value) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| error.to_string())
}
