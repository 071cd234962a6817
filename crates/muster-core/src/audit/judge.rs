//! The rules themselves.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Audit, CredentialReport, CredentialRow, Evidence, Exempted, Finding, Known, Rule, Severity, Source,
    Subject, Unknown,
};
use crate::assess::{Standing, assess};
use crate::document::{is_same, statements};
use crate::govern::{arn_of, is_ours};
use crate::pattern::Pattern;
use crate::roster::{Policies, Roster, User};
use crate::rules::{CarriedAs, INLINE_PREFIX};
use crate::taxonomy::{AssessError, Category};

const DAY_S: i64 = 86_400;

/// Rules that rest on the credential report.
const OF_REPORT: [Rule; 13] = [
    Rule::RootAccessKey,
    Rule::RootWithoutMfa,
    Rule::PasswordWithoutMfa,
    Rule::UnwantedPassword,
    Rule::UnwantedMfa,
    Rule::UnwantedAccessKey,
    Rule::OldAccessKey,
    Rule::OldPassword,
    Rule::UnusedAccessKey,
    Rule::NeverUsedAccessKey,
    Rule::UnusedPassword,
    Rule::NeverUsedPassword,
    Rule::TwoActiveKeys,
];

/// Holds an account against every rule.
///
/// # Errors
///
/// Where a user's standing cannot be told.
pub fn audit(evidence: &Evidence<'_>) -> Result<Audit, AssessError> {
    let taken_s = evidence
        .roster
        .taken_at
        .parse::<jiff::Timestamp>()
        .map_or(evidence.now_s, jiff::Timestamp::as_second);
    let mut judge = Judge { evidence, taken_s, audit: Audit::default() };
    judge.account();
    judge.groups();
    for user in evidence.roster.users.iter().filter(|user| evidence.taxonomy.covers(user)) {
        let category = judge.membership(user)?;
        judge.policies_of(user);
        if let Known::Yes(report) = &evidence.credentials {
            judge.credentials(user, category, report);
        }
    }
    judge.unknown();
    judge.exempt()?;
    let severity_first = |finding: &Finding| (finding.severity, finding.rule, finding.subject.clone());
    judge.audit.findings.sort_by_key(severity_first);
    Ok(judge.audit)
}

struct Judge<'j> {
    evidence: &'j Evidence<'j>,
    taken_s: i64,
    audit: Audit,
}

impl Judge<'_> {
    fn find(&mut self, rule: Rule, subject: Subject, message: impl Into<String>, fix: impl Into<String>) {
        self.find_in(Source::Account, self.taken_s, rule, subject, message, fix);
    }

    fn find_in(
        &mut self,
        source: Source,
        as_of_s: i64,
        rule: Rule,
        subject: Subject,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if let Some(severity) = self.evidence.settings.severity(rule) {
            let (message, fix) = (message.into(), fix.into());
            self.audit.findings.push(Finding { rule, severity, subject, message, fix, source, as_of_s });
        }
    }

    fn account(&mut self) {
        let evidence = self.evidence;
        let account = || Subject::Account(evidence.roster.account.clone());
        if let Known::Yes(report) = &evidence.credentials
            && let Some(root) = &report.root
        {
            let (of, at) = (Source::CredentialReport, report.made_s);
            if root.keys.iter().any(|key| key.active) {
                let fix = "sign in as the root user and delete the key under Security credentials";
                let message = "the root user has an active access key";
                self.find_in(of, at, Rule::RootAccessKey, account(), message, fix);
            }
            if !root.mfa {
                let fix = "sign in as the root user and add an MFA device under Security credentials";
                self.find_in(of, at, Rule::RootWithoutMfa, account(), "the root user has no MFA device", fix);
            }
        }
        if let Known::Yes(policy) = &evidence.password_policy {
            let wanted = evidence.settings.password_length;
            let found = policy.length_min;
            if found < wanted {
                let own = if policy.is_own { "asks for" } else { "has no password policy, and AWS asks for" };
                let message = format!(
                    "the account {own} {found} characters, and {wanted} are wanted (setting the policy sets every part of it: \
                     what is left out goes back to its default)"
                );
                let fix = format!(
                    "aws iam update-account-password-policy --minimum-password-length {wanted} --require-symbols \
                     --require-numbers --require-uppercase-characters --require-lowercase-characters \
                     --allow-users-to-change-password"
                );
                self.find(Rule::WeakPasswordPolicy, account(), message, fix);
            }
        }
        if let Known::Yes(devices) = &evidence.stray_devices {
            for serial in devices {
                let fix = format!("aws iam delete-virtual-mfa-device --serial-number {serial}");
                let message = "this MFA device is nobody's".to_owned();
                self.find(Rule::UnassignedMfaDevice, Subject::Device(serial.clone()), message, fix);
            }
        }
    }

    fn groups(&mut self) {
        let Evidence { taxonomy, roster, rules, .. } = *self.evidence;
        for (name, role) in taxonomy.groups() {
            let subject = || Subject::Group(name.to_string());
            let Some(group) = roster.group(name) else {
                let message = format!("the {role} group does not exist");
                self.find(Rule::MissingGroup, subject(), message, "muster create-default-groups");
                continue;
            };
            let Some(policies) = &group.policies else { continue };
            for wanted in rules.of(name) {
                let document = &rules.policies[wanted].document;
                let carried = carried(policies, wanted, rules.carried_as, roster);
                match carried {
                    None => {
                        let message = format!("the group does not carry `{wanted}`");
                        self.find(Rule::MissingPolicy, subject(), message, "muster apply");
                    }
                    Some(found) if !is_same(found, document) => {
                        let message =
                            format!("what the group carries as `{wanted}` is not what the config says");
                        self.find(Rule::DriftedPolicy, subject(), message, "muster plan, then muster apply");
                    }
                    Some(_) => {}
                }
            }
            for foreign in foreign(policies, rules.of(name), rules.carried_as, roster) {
                let fix = if is_ours(foreign, roster) || foreign.starts_with(INLINE_PREFIX) {
                    "muster apply".to_owned()
                } else if foreign.starts_with("arn:") {
                    format!("aws iam detach-group-policy --group-name {name} --policy-arn {foreign}")
                } else {
                    format!("aws iam delete-group-policy --group-name {name} --policy-name {foreign}")
                };
                let message = format!("the group carries {foreign}, of which the config says nothing");
                self.find(Rule::ForeignPolicies, subject(), message, fix);
            }
        }
        for policy in roster.policies.iter().filter(|policy| is_ours(&policy.arn, roster)) {
            for other in &policy.others {
                let message = format!("its version {} is still there beside {}", other.id, policy.version);
                let fix = format!(
                    "aws iam delete-policy-version --policy-arn {} --version-id {}",
                    policy.arn, other.id
                );
                self.find(Rule::ExtraPolicyVersions, Subject::Policy(policy.arn.clone()), message, fix);
            }
        }
    }

    /// Looks at a user's groups; returns its category, if it has one.
    fn membership(&mut self, user: &User) -> Result<Option<usize>, AssessError> {
        let taxonomy = self.evidence.taxonomy;
        let found = assess(taxonomy, user)?;
        let subject = || Subject::User(user.name.to_string());
        let group = |position: usize| &taxonomy.categories[position].group;
        let sort = format!("muster sort-users --user-name {}", user.name);
        let mut category = None;
        match &found.standing {
            Standing::Sorted(is_in) => category = Some(*is_in),
            Standing::Disabled | Standing::NoCategories => {}
            Standing::Uncategorized => {
                self.find(Rule::Uncategorized, subject(), "the user is in no category group", &sort);
            }
            Standing::Conflicting(all) => {
                let names: Vec<&str> = all.iter().map(|i| group(*i).as_str()).collect();
                let message = format!("the user is in {}", names.join(" and "));
                self.find(Rule::ConflictingCategories, subject(), message, &sort);
            }
            Standing::Misfiled { is_in, belongs_in } => {
                category = Some(*is_in);
                let (now, then) = (group(*is_in), group(*belongs_in));
                let message = format!("the user is in {now}, and its name says {then}");
                self.find(Rule::Misfiled, subject(), message, format!("{sort} --move-misfiled"));
            }
        }
        if !found.missing_common.is_empty() {
            let names: Vec<&str> =
                found.missing_common.iter().map(|i| taxonomy.common[*i].as_str()).collect();
            let message = format!("the user is not in {}", names.join(" and "));
            self.find(Rule::MissingCommonGroup, subject(), message, format!("{sort} --force-common-group"));
        }
        if found.matches.len() > 1 {
            let names: Vec<&str> = found.matches.iter().map(|i| group(*i).as_str()).collect();
            let message = format!("its name fits {}", names.join(" and "));
            let fix = "make the patterns of the config tell these names apart";
            self.find(Rule::AmbiguousName, subject(), message, fix);
        }
        Ok(category)
    }

    fn policies_of(&mut self, user: &User) {
        let roster = self.evidence.roster;
        let subject = || Subject::User(user.name.to_string());
        if !user.policies.is_empty() {
            let names = user.policies.attached.iter().map(String::as_str);
            let names: Vec<&str> =
                names.chain(user.policies.inline.iter().map(|p| p.name.as_str())).collect();
            let message = format!("the user has {} of its own", names.join(" and "));
            let fix = format!("move what is needed to a group, then take them off {}", user.name);
            self.find(Rule::DirectPolicies, subject(), message, fix);
        }
        if let Some(found) = administrator(user, roster) {
            let message = format!("the user may do everything, through {}", found.through);
            let fix = format!("see that this is meant; if not, take {} away", found.through);
            self.find(Rule::AdministratorThroughGroup, subject(), message, fix);
        }
    }

    fn credentials(&mut self, user: &User, category: Option<usize>, report: &CredentialReport) {
        let Some(row) = report.row(user) else {
            let what = format!("credentials of the user {}", user.name);
            let unseen = report.unseen.get(&user.name).map_or("it was not looked at itself", String::as_str);
            let why = format!("the credential report does not know the user, and {unseen}");
            return self.audit.unknown.push(Unknown { what, rules: OF_REPORT.to_vec(), why });
        };
        let category = category.map(|position| &self.evidence.taxonomy.categories[position]);
        let (source, at) = match row.read_s {
            Some(at) => (Source::Account, at),
            None => (Source::CredentialReport, report.made_s),
        };
        let mut found: Vec<(Rule, String, String)> = Vec::new();
        if let Some(category) = category {
            wanted_credentials(user, category, row, &mut found);
        }
        self.ages(user, row, &mut found);
        for (rule, message, fix) in found {
            self.find_in(source, at, rule, Subject::User(user.name.to_string()), message, fix);
        }
    }

    fn ages(&self, user: &User, row: &CredentialRow, found: &mut Vec<(Rule, String, String)>) {
        let (settings, now_s) = (self.evidence.settings, self.evidence.now_s);
        let days = |at: i64| now_s.saturating_sub(at).div_euclid(DAY_S);
        let is_over = |at: i64, limit: u32| limit > 0 && days(at) >= i64::from(limit);
        let name = &user.name;
        for key in row.keys.iter().filter(|key| key.active) {
            let rotate = format!("muster rotate-key --user-name {name}");
            if let Some(made) = key.made_s.filter(|made| is_over(*made, settings.key_age_days)) {
                let message = format!("an active access key is {} days old", days(made));
                found.push((Rule::OldAccessKey, message, rotate));
            }
            let delete = format!("aws iam list-access-keys --user-name {name}, then delete-access-key");
            match (key.used_s, key.made_s) {
                (Some(last), _) if is_over(last, settings.unused_days) => {
                    let message = format!("an active access key was last used {} days ago", days(last));
                    found.push((Rule::UnusedAccessKey, message, delete));
                }
                (None, Some(made)) if is_over(made, settings.unused_days) => {
                    let message = format!("an active access key of {} days ago was never used", days(made));
                    found.push((Rule::NeverUsedAccessKey, message, delete));
                }
                _ => {}
            }
        }
        if row.keys.iter().filter(|key| key.active).count() > 1 {
            let fix = format!("muster rotate-key --user-name {name} --finish");
            found.push((Rule::TwoActiveKeys, "the user has two active access keys".to_owned(), fix));
        }
        if row.password {
            let delete = format!("aws iam delete-login-profile --user-name {name}");
            if let Some(set) = row.password_changed_s.filter(|set| is_over(*set, settings.password_age_days))
            {
                let message = format!("the password is {} days old", days(set));
                let fix = "ask the user to change it, or set MaxPasswordAge in the account's password policy";
                found.push((Rule::OldPassword, message, fix.to_owned()));
            }
            match (row.password_used_s, row.password_changed_s.or(row.created_s)) {
                (Some(last), _) if is_over(last, settings.unused_days) => {
                    let message = format!("the password was last used {} days ago", days(last));
                    found.push((Rule::UnusedPassword, message, delete));
                }
                (None, Some(set)) if is_over(set, settings.unused_days) => {
                    let message = format!("the password of {} days ago was never used", days(set));
                    found.push((Rule::NeverUsedPassword, message, delete));
                }
                _ => {}
            }
        }
    }

    /// Says what could not be found out, and which rules nobody can tell about.
    fn unknown(&mut self) {
        let evidence = self.evidence;
        let settings = evidence.settings;
        let mut unknown = |what: &str, rules: &[Rule], why: &str| {
            let rules: Vec<Rule> =
                rules.iter().copied().filter(|rule| settings.severity(*rule).is_some()).collect();
            if !rules.is_empty() {
                self.audit.unknown.push(Unknown { what: what.to_owned(), rules, why: why.to_owned() });
            }
        };
        if let Known::No(why) = &evidence.credentials {
            unknown("the credential report", &OF_REPORT, why);
        }
        if let Known::No(why) = &evidence.password_policy {
            unknown("the account's password policy", &[Rule::WeakPasswordPolicy], why);
        }
        if let Known::No(why) = &evidence.stray_devices {
            unknown("unassigned MFA devices", &[Rule::UnassignedMfaDevice], why);
        }
        let unread = evidence.taxonomy.groups().filter_map(|(name, _)| evidence.roster.group(name));
        if unread.into_iter().any(|group| group.policies.is_none()) {
            let rules = [
                Rule::MissingPolicy,
                Rule::DriftedPolicy,
                Rule::ForeignPolicies,
                Rule::AdministratorThroughGroup,
            ];
            unknown("the policies of groups", &rules, "they could not be read");
        }
    }

    /// Leaves out what the config exempts, and says which exemptions are over.
    fn exempt(&mut self) -> Result<(), AssessError> {
        let today = jiff::Timestamp::from_second(self.evidence.now_s).unwrap_or_default().to_string();
        let today = today.get(..10).unwrap_or_default().to_owned();
        for exemption in self.evidence.exempt {
            // The config was checked; a pattern that cannot be read exempts nobody.
            let Ok(pattern) = Pattern::new(&exemption.user) else { continue };
            let mut kept = Vec::with_capacity(self.audit.findings.len());
            let mut lapsed = Vec::new();
            for finding in std::mem::take(&mut self.audit.findings) {
                let is_meant = match &finding.subject {
                    Subject::User(name) if finding.rule.id() == exemption.rule => pattern.matches(name)?,
                    _ => false,
                };
                if !is_meant {
                    kept.push(finding);
                } else if exemption.until >= today {
                    self.audit.exempted.push(Exempted {
                        finding,
                        exempt_because: exemption.reason.clone(),
                        until: exemption.until.clone(),
                    });
                } else {
                    lapsed.push(finding.subject.clone());
                    kept.push(finding);
                }
            }
            self.audit.findings = kept;
            for subject in lapsed {
                let message = format!(
                    "the exemption from {} ended on {}: {}",
                    exemption.rule, exemption.until, exemption.reason
                );
                let fix = "mend what it was about, or give the exemption in the config a new date";
                let now_s = self.evidence.now_s;
                self.find_in(Source::Config, now_s, Rule::LapsedExemption, subject, message, fix);
            }
        }
        Ok(())
    }
}

/// Holds what a user has against what its category is given.
fn wanted_credentials(
    user: &User,
    category: &Category,
    row: &CredentialRow,
    found: &mut Vec<(Rule, String, String)>,
) {
    let (name, group) = (&user.name, &category.group);
    let wants_mfa = category.credentials.is_some_and(|wanted| wanted.mfa)
        || category.policies.iter().any(|policy| policy == "enforce-mfa");
    if wants_mfa && row.password && !row.mfa {
        let message = format!("the user has a password and no MFA device, and {group} asks for one");
        found.push((Rule::PasswordWithoutMfa, message, format!("muster enable-mfa --user-name {name}")));
    }
    let Some(wanted) = category.credentials else { return };
    if !wanted.password && row.password {
        let message = format!("the user has a password, and {group} has none");
        let fix = format!("aws iam delete-login-profile --user-name {name}");
        found.push((Rule::UnwantedPassword, message, fix));
    }
    if !wanted.mfa && row.mfa {
        let message = format!("the user has an MFA device, and {group} has none");
        let fix = format!("aws iam list-mfa-devices --user-name {name}, then deactivate-mfa-device");
        found.push((Rule::UnwantedMfa, message, fix));
    }
    if !wanted.access_key && row.keys.iter().any(|key| key.active) {
        let message = format!("the user has an active access key, and {group} has none");
        let fix =
            format!("aws iam list-access-keys --user-name {name}, then update-access-key --status Inactive");
        found.push((Rule::UnwantedAccessKey, message, fix));
    }
}

/// Returns what a group carries under a name.
fn carried<'r>(policies: &'r Policies, name: &str, how: CarriedAs, roster: &'r Roster) -> Option<&'r str> {
    match how {
        CarriedAs::Managed => {
            let arn = arn_of(name, roster);
            policies
                .attached
                .contains(&arn)
                .then(|| roster.policy(&arn).map(|policy| policy.document.as_str()))?
        }
        CarriedAs::Inline => {
            let name = format!("{INLINE_PREFIX}{name}");
            policies.inline.iter().find(|policy| policy.name == name).map(|policy| policy.document.as_str())
        }
    }
}

/// Returns the policies of a group that the config does not name: ARNs, and names of inline ones.
fn foreign<'r>(policies: &'r Policies, wanted: &[String], how: CarriedAs, roster: &Roster) -> Vec<&'r str> {
    let is_wanted = |carried: &str| match how {
        CarriedAs::Managed => wanted.iter().any(|name| arn_of(name, roster) == carried),
        CarriedAs::Inline => wanted.iter().any(|name| format!("{INLINE_PREFIX}{name}") == carried),
    };
    let names = policies.attached.iter().chain(policies.inline.iter().map(|policy| &policy.name));
    names.map(String::as_str).filter(|name| !is_wanted(name)).collect()
}

/// A user that may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// The user.
    pub user: String,
    /// The policy, and the group that carries it.
    pub through: String,
}

/// Returns the users that may do everything.
pub fn administrators(roster: &Roster) -> Vec<Administrator> {
    roster.users.iter().filter_map(|user| administrator(user, roster)).collect()
}

fn administrator(user: &User, roster: &Roster) -> Option<Administrator> {
    let groups = user.groups.iter().filter_map(|name| roster.group(name));
    let of_groups = groups.filter_map(|group| Some((Some(&group.name), group.policies.as_ref()?)));
    for (group, policies) in of_groups.chain([(None, &user.policies)]) {
        let attached = policies.attached.iter().filter_map(|arn| roster.policy(arn));
        let attached = attached.map(|policy| (policy.name.as_str(), policy.document.as_str()));
        let inline = policies.inline.iter().map(|policy| (policy.name.as_str(), policy.document.as_str()));
        let mut all = attached.chain(inline);
        if let Some((policy, _)) = all.find(|(_, document)| allows_everything(document)) {
            let through = match group {
                Some(group) => format!("{policy} of the group {group}"),
                None => format!("{policy} of its own"),
            };
            return Some(Administrator { user: user.name.to_string(), through });
        }
    }
    None
}

/// Returns whether a policy allows everything, or all of IAM, which comes to the same.
fn allows_everything(document: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return false };
    let has = |value: Option<&Value>, wanted: &[&str]| match value {
        Some(Value::String(text)) => wanted.iter().any(|w| text.eq_ignore_ascii_case(w)),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .any(|text| wanted.iter().any(|w| text.eq_ignore_ascii_case(w))),
        _ => false,
    };
    statements(&document).iter().any(|statement| {
        statement.get("Effect").and_then(Value::as_str) == Some("Allow")
            && has(statement.get("Action"), &["*", "*:*", "iam:*"])
            && has(statement.get("Resource"), &["*"])
            && statement.get("Condition").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
    })
}

impl Audit {
    /// Returns how many findings each rule has.
    pub fn by_rule(&self) -> BTreeMap<Rule, usize> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            *counts.entry(finding.rule).or_default() += 1;
        }
        counts
    }

    /// Returns the worst severity of what is about a subject.
    pub fn worst(&self, subject: &Subject) -> Option<Severity> {
        self.findings.iter().filter(|finding| finding.subject == *subject).map(|f| f.severity).min()
    }
}
