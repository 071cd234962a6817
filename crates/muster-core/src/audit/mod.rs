//! Every rule of the taxonomy against the account: what is not as it should be, why that matters, and what mends it.

mod administrator;
mod command;
mod credentials;
mod holders;
mod judge;
mod since;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

pub use credentials::{CredentialReport, CredentialRow, KeyRow, ReportError};
pub use judge::audit;
pub use since::{Moved, Since, since};

use crate::config::Exemption;
use crate::password::PasswordRules;
use crate::roster::Roster;
use crate::rules::Rules;
use crate::taxonomy::Taxonomy;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Somebody can take the account over.
    Critical,
    /// A rule does not hold for somebody.
    High,
    /// It makes something worse likelier.
    Medium,
    /// Worth tidying up.
    Low,
    /// Good to know; nothing is wrong.
    Info,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }

    /// Returns the severity of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Who is in which group.
    Membership,
    /// Passwords, keys and MFA devices.
    Credentials,
    /// What groups and users carry.
    Policies,
    /// The account itself.
    Account,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $name:ident = $id:literal, $severity:ident, $area:ident, $title:literal, $reason:literal;)*) => {
        /// A rule of the audit. Its id never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $($(#[doc = $doc])* #[doc = $title] $name,)*
        }

        impl Rule {
            /// Every rule, in the order of reports.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns its id.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Returns how bad it is unless the config says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// Returns what it is about.
            pub fn area(self) -> Area {
                match self { $(Self::$name => Area::$area,)* }
            }

            /// Returns what it asks for, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Returns why, in a paragraph.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }
        }
    };
}

rules! {
    RootAccessKey = "root-access-key", Critical, Account, "The root user has no access key",
        "A key of the root user can do everything, no policy holds it back, and it cannot be limited. Nothing needs one.";
    RootWithoutMfa = "root-without-mfa", Critical, Account, "The root user has an MFA device",
        "Whoever learns the root user's password owns the account, and all that stands in between is a second factor.";
    WeakPasswordPolicy = "weak-password-policy", Medium, Account, "The account asks for long passwords",
        "The account's password policy decides what people may choose. A short password is found out by trying.";
    MissingGroup = "missing-group", High, Membership, "Every common and category group exists",
        "Nobody can be in a group that is not there, so its rules hold for nobody.";
    Uncategorized = "uncategorized", High, Membership, "Every user is in a category group",
        "A user in no category lives under none of the rules that were written for its kind.";
    ConflictingCategories = "conflicting-categories", High, Membership, "Every user is in one category group only",
        "A user in two categories has the permissions of both, and what was refused to one kind is open through the other.";
    Misfiled = "misfiled", Medium, Membership, "Every user is in the category that its name says",
        "The naming convention is how people and scripts tell users apart. Either the name is wrong, or the rules it lives under are.";
    MissingCommonGroup = "missing-common-group", Medium, Membership, "Every user is in every common group",
        "The common groups carry what holds for everybody. Who is in none of them is outside of it.";
    AmbiguousName = "ambiguous-name", Low, Membership, "No name fits two categories",
        "The first pattern wins, so the order of the config decides what this user is. A later edit can change that unseen.";
    PasswordWithoutMfa = "password-without-mfa", Critical, Credentials, "Who has a password has an MFA device",
        "A password alone can be guessed, bought or phished. The category asks for a second factor, and there is none.";
    UnwantedPassword = "unwanted-password", High, Credentials, "Who is not to sign in has no password",
        "The category is not meant for the console. A password is a way in that nobody watches.";
    UnwantedMfa = "unwanted-mfa", Low, Credentials, "Who needs no MFA device has none",
        "A machine cannot use a second factor, so somebody uses this user as if it were a person, or did once.";
    UnwantedAccessKey = "unwanted-access-key", High, Credentials, "Who is not to call the API has no access key",
        "The category has no use for long-lived keys, and they are what leaks from laptops and repositories.";
    OldAccessKey = "old-access-key", Medium, Credentials, "Access keys are replaced in time",
        "A key may have been copied at any time since it was made. Replacing it ends what the copies can do.";
    OldPassword = "old-password", Low, Credentials, "Passwords are replaced in time",
        "The config asks that passwords be changed after a time, and this one was not.";
    UnusedAccessKey = "unused-access-key", Medium, Credentials, "Access keys that nobody uses are gone",
        "A key that nobody uses is missed by nobody when it is stolen.";
    NeverUsedAccessKey = "never-used-access-key", Medium, Credentials, "Access keys are used",
        "This key was made and never used. Either it is not needed, or whoever was to have it never got it.";
    UnusedPassword = "unused-password", Medium, Credentials, "Passwords that nobody uses are gone",
        "A password that nobody uses is missed by nobody when it is guessed.";
    NeverUsedPassword = "never-used-password", Medium, Credentials, "Passwords are used",
        "This password was made and never used, so it is still the one that somebody else chose and sent.";
    TwoActiveKeys = "two-active-keys", Low, Credentials, "Nobody has two active keys for long",
        "Two keys are for the time of a rotation. Left so, the old one stays as good as the new one.";
    UnassignedMfaDevice = "unassigned-mfa-device", Low, Credentials, "No MFA device is left unassigned",
        "An enrolment was begun and not ended. The name is taken, and the person may believe to have a second factor.";
    MissingPolicy = "missing-policy", High, Policies, "Groups carry the policies that the config names",
        "The rule is written down and holds for nobody: the group does not carry the policy.";
    DriftedPolicy = "drifted-policy", High, Policies, "Policies say what the config says",
        "The policy was changed outside of muster. What the group's users live under is not what was agreed on.";
    ForeignPolicies = "foreign-policies", Medium, Policies, "Groups carry nothing else",
        "A common or category group carries a policy that the config does not know. It holds for every user of that kind.";
    DirectPolicies = "direct-policies", Medium, Policies, "Users have no policies of their own",
        "What a user may do is to be seen from its groups. A policy of its own is an exception that no review of groups finds.";
    AdministratorThroughGroup = "administrator", High, Policies, "Administrators are known",
        "This user may do everything, with or without meaning to. Each one is a way to lose the whole account.";
    ExtraPolicyVersions = "extra-policy-versions", Info, Policies, "Policies have one version",
        "Whoever may set the default version can bring an older text back without writing one.";
    LapsedExemption = "lapsed-exemption", Low, Membership, "Exemptions have not lapsed",
        "An exemption ends on its date, so that somebody looks at it again. This one ended.";
}

impl Rule {
    /// Returns whether it is about users, so that users can be exempted from it.
    pub fn is_about_users(self) -> bool {
        let others = [Self::MissingGroup, Self::UnassignedMfaDevice, Self::LapsedExemption];
        match self.area() {
            Area::Membership | Area::Credentials => !others.contains(&self),
            Area::Policies => matches!(self, Self::DirectPolicies | Self::AdministratorThroughGroup),
            Area::Account => false,
        }
    }

    /// Returns the rule with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// What the audit asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// Days after which an access key is old.
    pub key_age_days: u32,
    /// Days after which a password is old; 0 for never.
    pub password_age_days: u32,
    /// Days after which a password or key is unused.
    pub unused_days: u32,
    /// Characters that the account's password policy has to ask for.
    pub password_length: u32,
    /// Hours up to which a credential report may be old.
    pub report_age_hours: u32,
    /// Severities that differ from the rules' own; `None` switches a rule off.
    pub severities: BTreeMap<Rule, Option<Severity>>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            key_age_days: 90,
            password_age_days: 0,
            unused_days: 90,
            password_length: 14,
            report_age_hours: 4,
            severities: BTreeMap::new(),
        }
    }
}

impl AuditSettings {
    /// Returns how bad a rule is here; `None` if it is switched off.
    pub fn severity(&self, rule: Rule) -> Option<Severity> {
        self.severities.get(&rule).copied().unwrap_or(Some(rule.severity()))
    }
}

/// Something that was read, or why it was not.
#[derive(Debug, Clone)]
pub enum Known<T> {
    /// What was read.
    Yes(T),
    /// Why it is not known.
    No(String),
}

/// Everything that an audit is based on.
#[derive(Debug)]
pub struct Evidence<'e> {
    /// What should be.
    pub taxonomy: &'e Taxonomy,
    /// The policies that groups should carry.
    pub rules: &'e Rules,
    /// What is asked of credentials.
    pub settings: &'e AuditSettings,
    /// Findings that are left out.
    pub exempt: &'e [Exemption],
    /// What is.
    pub roster: &'e Roster,
    /// Passwords, keys and MFA.
    pub credentials: Known<CredentialReport>,
    /// What the account asks of passwords.
    pub password_policy: Known<PasswordRules>,
    /// Serial numbers of MFA devices that are nobody's.
    pub stray_devices: Known<Vec<String>>,
    /// Seconds since 1970.
    pub now_s: i64,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Subject {
    /// The account.
    Account(String),
    /// A group.
    Group(String),
    /// A policy, by ARN.
    Policy(String),
    /// An MFA device, by serial number.
    Device(String),
    /// A user.
    User(String),
}

impl Subject {
    /// Returns its kind in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Group(_) => "group",
            Self::Policy(_) => "policy",
            Self::Device(_) => "device",
            Self::User(_) => "user",
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Account(name)
            | Self::Group(name)
            | Self::Policy(name)
            | Self::Device(name)
            | Self::User(name) => name,
        }
    }
}

/// Where a fact is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Read from the account.
    Account,
    /// From its credential report.
    CredentialReport,
    /// From the config.
    Config,
}

impl Source {
    /// Returns it in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::CredentialReport => "credential report",
            Self::Config => "config",
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// Tells several findings of one rule about one subject apart: a policy, a version, a key's place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What is so.
    pub message: String,
    /// The command that mends it, or where it is mended.
    pub fix: String,
    /// Where that is from.
    pub source: Source,
    /// Of when that is, in seconds since 1970.
    pub as_of_s: i64,
}

/// A finding that the config leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exempted {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why it is left out.
    pub exempt_because: String,
    /// The last day that holds.
    pub until: String,
}

/// Something that could not be found out. It is never taken for a pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// What is not known.
    pub what: String,
    /// The rules that need it.
    pub rules: Vec<Rule>,
    /// Why.
    pub why: String,
}

/// What came of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Everything found, the worst first.
    pub findings: Vec<Finding>,
    /// What the config leaves out.
    pub exempted: Vec<Exempted>,
    /// What could not be found out.
    pub unknown: Vec<Unknown>,
}

impl Audit {
    /// Returns whether all is in order, and known to be.
    pub fn is_clean(&self) -> bool {
        self.unknown.is_empty() && self.findings.iter().all(|finding| finding.severity == Severity::Info)
    }

    /// Returns how many findings have a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
