//! The rules themselves.

use super::administrator::{Found as Administrator, administrator};
use super::command::{self, option};
use super::holders::{self, Found, Wanted};
use super::{Audit, CredentialReport, Evidence, Exempted, Finding, Known, Rule, Source, Subject, Unknown};
use crate::assess::{Standing, assess};
use crate::config::Exemption;
use crate::departure::{DENY_DOCUMENT, DENY_POLICY, deny_all_arn};
use crate::document::is_same;
use crate::govern::{arn_of, is_name, is_ours};
use crate::pattern::Pattern;
use crate::roster::{Policies, Roster, User};
use crate::rules::{CarriedAs, INLINE_PREFIX};
use crate::taxonomy::{AssessError, Category};

/// Rules about what one user has, which rest on the credential report.
const OF_USERS: [Rule; 11] = [
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

/// Rules about the root user, which rest on it as well.
const OF_ROOT: [Rule; 2] = [Rule::RootAccessKey, Rule::RootWithoutMfa];

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
        let categories = judge.membership(user)?;
        judge.policies_of(user);
        if let Known::Yes(report) = &evidence.credentials {
            judge.credentials(user, &categories, report);
        }
    }
    judge.unknown();
    judge.exempt()?;
    let severity_first =
        |finding: &Finding| (finding.severity, finding.rule, finding.subject.clone(), finding.detail.clone());
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
        self.find_detail(rule, subject, String::new(), message, fix);
    }

    /// Adds a finding of which there may be several about one subject.
    fn find_detail(
        &mut self,
        rule: Rule,
        subject: Subject,
        detail: String,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let found = Found { rule, detail, message: message.into(), fix: fix.into() };
        self.add(Source::Account, self.taken_s, subject, found);
    }

    fn add(&mut self, source: Source, as_of_s: i64, subject: Subject, found: Found) {
        let Found { rule, detail, message, fix } = found;
        if let Some(severity) = self.evidence.settings.severity(rule) {
            self.audit.findings.push(Finding {
                rule,
                severity,
                subject,
                detail,
                message,
                fix,
                source,
                as_of_s,
            });
        }
    }

    fn account(&mut self) {
        let evidence = self.evidence;
        let account = || Subject::Account(evidence.roster.account.clone());
        if let Known::Yes(report) = &evidence.credentials {
            self.root(report);
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
                let fix = format!("aws iam delete-virtual-mfa-device {}", option("--serial-number", serial));
                let message = "this MFA device is nobody's".to_owned();
                self.find(Rule::UnassignedMfaDevice, Subject::Device(serial.clone()), message, fix);
            }
        }
    }

    fn root(&mut self, report: &CredentialReport) {
        let Some(root) = &report.root else {
            return self.unknown_of("the root user", &OF_ROOT, "the credential report has no row of it");
        };
        let account = || Subject::Account(self.evidence.roster.account.clone());
        let found = |rule, message: &str, fix: &str| Found {
            rule,
            detail: String::new(),
            message: message.to_owned(),
            fix: fix.to_owned(),
        };
        let mut all = Vec::new();
        let has_key = root.keys.iter().any(|key| key.active);
        if has_key {
            let fix = "sign in as the root user and delete the key under Security credentials";
            all.push(found(Rule::RootAccessKey, "the root user has an active access key", fix));
        }
        // A root user without any credentials, as in new member accounts of an organization, cannot sign in.
        if !root.mfa && (has_key || !root.has_no_password) {
            let fix = "sign in as the root user and add an MFA device under Security credentials";
            all.push(found(Rule::RootWithoutMfa, "the root user has no MFA device", fix));
        }
        for found in all {
            self.add(Source::CredentialReport, report.made_s, account(), found);
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
                        self.find_detail(
                            Rule::MissingPolicy,
                            subject(),
                            wanted.clone(),
                            message,
                            "muster apply",
                        );
                    }
                    Some(found) if !is_same(found, document) => {
                        let message =
                            format!("what the group carries as `{wanted}` is not what the config says");
                        self.find_detail(
                            Rule::DriftedPolicy,
                            subject(),
                            wanted.clone(),
                            message,
                            "muster apply",
                        );
                    }
                    Some(_) => {}
                }
            }
            for foreign in foreign(policies, rules.of(name), rules.carried_as, roster) {
                let group = option("--group-name", name.as_str());
                let fix = if is_ours(foreign, roster) || foreign.starts_with(INLINE_PREFIX) {
                    "muster apply".to_owned()
                } else if foreign.starts_with("arn:") {
                    format!("aws iam detach-group-policy {group} {}", option("--policy-arn", foreign))
                } else {
                    format!("aws iam delete-group-policy {group} {}", option("--policy-name", foreign))
                };
                let message = format!("the group carries {foreign}, of which the config says nothing");
                self.find_detail(Rule::ForeignPolicies, subject(), foreign.to_owned(), message, fix);
            }
        }
        for policy in roster.policies.iter().filter(|policy| is_ours(&policy.arn, roster)) {
            for other in &policy.others {
                let message = format!("its version {} is still there beside {}", other.id, policy.version);
                let (arn, id) = (option("--policy-arn", &policy.arn), option("--version-id", &other.id));
                let fix = format!("aws iam delete-policy-version {arn} {id}");
                let subject = Subject::Policy(policy.arn.clone());
                self.find_detail(Rule::ExtraPolicyVersions, subject, other.id.clone(), message, fix);
            }
        }
    }

    /// Looks at a user's groups; returns the categories whose rules are its own: those that it is in, else the one that its name
    /// says.
    fn membership(&mut self, user: &User) -> Result<Vec<usize>, AssessError> {
        let taxonomy = self.evidence.taxonomy;
        let found = assess(taxonomy, user)?;
        let subject = || Subject::User(user.name.to_string());
        let group = |position: usize| &taxonomy.categories[position].group;
        let protected = found.protected.map(|position| &taxonomy.protected[position].reason);
        // No command changes a protected user.
        let fixed_by = |fix: String| match protected {
            Some(reason) => format!("a person, as the config protects the user ({reason})"),
            None => fix,
        };
        let sort = format!("muster sort-users {}", command::user(user.name.as_str()));
        let mut categories: Vec<usize> = found.matches.first().copied().into_iter().collect();
        match &found.standing {
            Standing::Sorted(is_in) => categories = vec![*is_in],
            Standing::Disabled | Standing::NoCategories => categories.clear(),
            Standing::Uncategorized => {
                let fix = fixed_by(sort.clone());
                self.find(Rule::Uncategorized, subject(), "the user is in no category group", fix);
            }
            Standing::Conflicting(all) => {
                categories.clone_from(all);
                let names: Vec<&str> = all.iter().map(|i| group(*i).as_str()).collect();
                let message = format!("the user is in {}", names.join(" and "));
                let by_name = found.matches.iter().any(|position| all.contains(position));
                let how = if by_name { " --resolve-conflicts pattern" } else { "" };
                self.find(Rule::ConflictingCategories, subject(), message, fixed_by(format!("{sort}{how}")));
            }
            Standing::Misfiled { is_in, belongs_in } => {
                categories = vec![*is_in];
                let (now, then) = (group(*is_in), group(*belongs_in));
                let message = format!("the user is in {now}, and its name says {then}");
                self.find(Rule::Misfiled, subject(), message, fixed_by(format!("{sort} --move-misfiled")));
            }
        }
        if !found.missing_common.is_empty() {
            let names: Vec<&str> =
                found.missing_common.iter().map(|i| taxonomy.common[*i].as_str()).collect();
            let message = format!("the user is not in {}", names.join(" and "));
            let fix = fixed_by(format!("{sort} --force-common-group"));
            self.find(Rule::MissingCommonGroup, subject(), message, fix);
        }
        if found.matches.len() > 1 {
            let names: Vec<&str> = found.matches.iter().map(|i| group(*i).as_str()).collect();
            let message = format!("its name fits {}", names.join(" and "));
            let fix = "make the patterns of the config tell these names apart";
            self.find(Rule::AmbiguousName, subject(), message, fix);
        }
        Ok(categories)
    }

    fn policies_of(&mut self, user: &User) {
        let roster = self.evidence.roster;
        let subject = || Subject::User(user.name.to_string());
        // Quarantine denies by a policy of the user's own, on purpose.
        let attached = user.policies.attached.iter().filter(|arn| **arn != deny_all_arn(&roster.partition));
        let inline = user
            .policies
            .inline
            .iter()
            .filter(|p| p.name != DENY_POLICY || !is_same(&p.document, DENY_DOCUMENT));
        let names: Vec<&str> =
            attached.map(String::as_str).chain(inline.map(|policy| policy.name.as_str())).collect();
        if !names.is_empty() {
            let message = format!("the user has {} of its own", names.join(" and "));
            let fix = "give what is needed to a group, and take the policies off the user";
            self.find(Rule::DirectPolicies, subject(), message, fix);
        }
        match administrator(user, roster) {
            Administrator::No => {}
            Administrator::Through(through) => {
                let message = format!("the user may do everything, through {through}");
                let fix = format!("see that this is meant; if not, take {through} away");
                self.find(Rule::AdministratorThroughGroup, subject(), message, fix);
            }
            Administrator::Unread(policy) => {
                let what = format!("what the user {} may do", user.name);
                let why = format!("the text of {policy} could not be read");
                self.unknown_of(&what, &[Rule::AdministratorThroughGroup], &why);
            }
        }
    }

    fn credentials(&mut self, user: &User, categories: &[usize], report: &CredentialReport) {
        let Some(row) = report.row(user) else {
            let what = format!("credentials of the user {}", user.name);
            let unseen = report.unseen.get(&user.name).map_or("it was not looked at itself", String::as_str);
            let why = format!("the credential report does not know the user, and {unseen}");
            return self.unknown_of(&what, &OF_USERS, &why);
        };
        let Evidence { taxonomy, rules, settings, now_s, .. } = *self.evidence;
        let categories: Vec<&Category> = categories.iter().map(|i| &taxonomy.categories[*i]).collect();
        let common = taxonomy.common.first().map(|group| rules.of(group)).unwrap_or_default();
        let (source, at) = match row.read_s {
            Some(at) => (Source::Account, at),
            None => (Source::CredentialReport, report.made_s),
        };
        let against = Wanted::of(&categories, common).map(|wanted| holders::against(&wanted, user, row));
        for found in against.into_iter().flatten().chain(holders::ages(settings, now_s, user, row)) {
            self.add(source, at, Subject::User(user.name.to_string()), found);
        }
    }

    /// Says that rules cannot be told about, unless they are switched off.
    fn unknown_of(&mut self, what: &str, rules: &[Rule], why: &str) {
        let settings = self.evidence.settings;
        let rules: Vec<Rule> =
            rules.iter().copied().filter(|rule| settings.severity(*rule).is_some()).collect();
        if !rules.is_empty() {
            self.audit.unknown.push(Unknown { what: what.to_owned(), rules, why: why.to_owned() });
        }
    }

    /// Says what could not be found out, and which rules nobody can tell about.
    fn unknown(&mut self) {
        let evidence = self.evidence;
        if let Known::No(why) = &evidence.credentials {
            self.unknown_of("the credential report", &[&OF_ROOT[..], &OF_USERS].concat(), why);
        }
        if let Known::No(why) = &evidence.password_policy {
            self.unknown_of("the account's password policy", &[Rule::WeakPasswordPolicy], why);
        }
        if let Known::No(why) = &evidence.stray_devices {
            self.unknown_of("unassigned MFA devices", &[Rule::UnassignedMfaDevice], why);
        }
        if evidence.roster.groups.iter().any(|group| group.policies.is_none()) {
            let rules = [
                Rule::MissingPolicy,
                Rule::DriftedPolicy,
                Rule::ForeignPolicies,
                Rule::AdministratorThroughGroup,
            ];
            self.unknown_of("the policies of groups", &rules, "they could not be read");
        }
    }

    /// Leaves out what the config exempts, and says which exemptions are over.
    fn exempt(&mut self) -> Result<(), AssessError> {
        let today = jiff::Timestamp::from_second(self.evidence.now_s).unwrap_or_default().to_string();
        let today = today.get(..10).unwrap_or_default();
        let (valid, lapsed): (Vec<&Exemption>, Vec<&Exemption>) =
            self.evidence.exempt.iter().partition(|exemption| exemption.until.as_str() >= today);
        let mut patterns = Vec::new();
        for exemption in &valid {
            // The config was checked; a pattern that cannot be read exempts nobody.
            patterns.extend(Pattern::new(&exemption.user).ok().map(|pattern| (*exemption, pattern)));
        }
        let mut kept = Vec::with_capacity(self.audit.findings.len());
        for finding in std::mem::take(&mut self.audit.findings) {
            let mut by = None;
            if let Subject::User(name) = &finding.subject {
                for (exemption, pattern) in &patterns {
                    if finding.rule.id() == exemption.rule && pattern.matches(name)? {
                        by = Some(*exemption);
                        break;
                    }
                }
            }
            match by {
                Some(exemption) => self.audit.exempted.push(Exempted {
                    finding,
                    exempt_because: exemption.reason.clone(),
                    until: exemption.until.clone(),
                }),
                None => kept.push(finding),
            }
        }
        self.audit.findings = kept;
        for exemption in lapsed {
            let is_renewed =
                valid.iter().any(|other| (&other.rule, &other.user) == (&exemption.rule, &exemption.user));
            if is_renewed {
                continue;
            }
            let Exemption { rule, user, reason, until, .. } = exemption;
            let found = Found {
                rule: Rule::LapsedExemption,
                detail: rule.clone(),
                message: format!("the exemption from {rule} ended on {until}: {reason}"),
                fix: "give the exemption in the config a new date, or take it out".to_owned(),
            };
            self.add(Source::Config, self.evidence.now_s, Subject::User(user.clone()), found);
        }
        Ok(())
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
            let mut inline = policies.inline.iter();
            inline.find(|policy| is_name(&policy.name, &name)).map(|policy| policy.document.as_str())
        }
    }
}

/// Returns the policies of a group that the config does not name: ARNs, and names of inline ones.
fn foreign<'r>(policies: &'r Policies, wanted: &[String], how: CarriedAs, roster: &Roster) -> Vec<&'r str> {
    let is_wanted = |carried: &str| match how {
        CarriedAs::Managed => wanted.iter().any(|name| arn_of(name, roster) == carried),
        CarriedAs::Inline => wanted.iter().any(|name| is_name(&format!("{INLINE_PREFIX}{name}"), carried)),
    };
    let names = policies.attached.iter().chain(policies.inline.iter().map(|policy| &policy.name));
    names.map(String::as_str).filter(|name| !is_wanted(name)).collect()
}
