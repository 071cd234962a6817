//! What an account holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::login::PasswordPolicy;

/// A name as IAM compares it: in lower case.
pub(super) type Key = String;

/// Returns the key of a name.
pub fn key(name: &str) -> Key {
    name.to_ascii_lowercase()
}

/// A user.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
pub struct User {
    /// Its name, in its own spelling.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `AIDA…`.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Keys of the groups it is in.
    #[serde(default)]
    pub groups: BTreeSet<Key>,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<String>,
    /// Inline policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inline: Vec<InlinePolicy>,
    /// ARN of its permissions boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    /// Its access keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_keys: Vec<AccessKey>,
    /// Its console password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// When the password was last used, in seconds since 1970. There is no console here to use it on: a test says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_last_used: Option<i64>,
    /// Its SSH public keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<SshKey>,
    /// Its signing certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Certificate>,
    /// Its service-specific credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_credentials: Vec<ServiceCredential>,
}

/// A group.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Group {
    /// Its name, in its own spelling.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `AGPA…`.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<String>,
    /// Inline policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inline: Vec<InlinePolicy>,
}

/// A tag.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A policy inside a user or group.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct InlinePolicy {
    /// Its name.
    pub name: String,
    /// Its JSON text.
    pub document: String,
}

/// A policy that can be attached.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// Its ARN; that of a policy of AWS has `aws` for an account.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `ANPA…`.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// What its author said of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The JSON text of its default version.
    pub document: String,
    /// The number of that version.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub version: u32,
    /// When that version was made, if not with the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_created: Option<i64>,
    /// The other versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<PolicyVersion>,
    /// How many versions there ever were: no number is given twice.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub versions_made: u32,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<i64>,
}

/// A version of a policy.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number; its id is that with a `v` before it.
    pub number: u32,
    /// Seconds since 1970.
    pub created: i64,
    /// Its JSON text.
    pub document: String,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

impl ManagedPolicy {
    /// Returns whether AWS made it.
    pub fn is_of_aws(&self) -> bool {
        self.arn.contains(":iam::aws:")
    }

    /// Returns all versions, the default one first.
    pub fn versions(&self) -> impl Iterator<Item = PolicyVersion> {
        let default = PolicyVersion {
            number: self.version,
            created: self.version_created.unwrap_or(self.created),
            document: self.document.clone(),
        };
        std::iter::once(default).chain(self.others.iter().cloned())
    }
}

/// The account's own user, as far as its credential report tells.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Root {
    /// It has an MFA device.
    pub mfa: bool,
    /// It has an access key.
    pub access_key: bool,
}

impl Default for Root {
    fn default() -> Self {
        Self { mfa: true, access_key: false }
    }
}

/// A credential report that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Report {
    /// When, in milliseconds since 1970.
    pub asked_ms: i64,
    /// The CSV text.
    pub text: String,
}

/// An access key.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// Whether it may be used.
    pub active: bool,
    /// Seconds since 1970.
    pub created: i64,
    /// When and for what it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_use: Option<LastUse>,
}

/// The last use of an access key.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct LastUse {
    /// Seconds since 1970.
    pub at: i64,
    /// `iam`, `sts`.
    pub service: String,
}

/// A console password.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Login {
    /// Seconds since 1970.
    pub created: i64,
    /// It must be changed at the next sign-in.
    pub reset_required: bool,
    /// What the password is known by again.
    pub hash: String,
    /// The same of earlier ones, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
}

/// An MFA device.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct MfaDevice {
    /// An ARN; the serial number of a token of hardware.
    pub serial: String,
    /// Key of the user it is assigned to.
    #[serde(default)]
    pub user: Option<Key>,
    /// Seconds since 1970.
    #[serde(default)]
    pub enabled: Option<i64>,
    /// Base32; only virtual devices have one here.
    #[serde(default)]
    pub seed: Option<String>,
    /// The step of the last code that was accepted.
    #[serde(default)]
    pub last_step: Option<i64>,
    /// How many steps its clock was ahead when it was enabled.
    #[serde(default)]
    pub offset: i64,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl MfaDevice {
    /// Returns whether it is a virtual one, which has an ARN under `mfa`.
    pub fn is_virtual(&self) -> bool {
        self.serial.splitn(6, ':').nth(5).is_some_and(|resource| resource.starts_with("mfa/"))
    }
}

/// An SSH public key.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct SshKey {
    /// `APKA…`.
    pub id: String,
    /// The key, without its comment.
    pub body: String,
    /// MD5 of the key, in hex with colons.
    pub fingerprint: String,
    /// Whether it may be used.
    pub active: bool,
    /// Seconds since 1970.
    pub uploaded: i64,
}

/// A signing certificate.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-1 of the certificate, in base32.
    pub id: String,
    /// PEM.
    pub body: String,
    /// Whether it may be used.
    pub active: bool,
    /// Seconds since 1970.
    pub uploaded: i64,
}

/// A credential for one service.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct ServiceCredential {
    /// `ACCA…`.
    pub id: String,
    /// `codecommit.amazonaws.com`, …
    pub service: String,
    /// Its user name or alias.
    pub login: String,
    /// Whether it may be used.
    pub active: bool,
    /// Seconds since 1970.
    pub created: i64,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Role {
    /// Its name, in its own spelling.
    pub name: String,
    /// Its path.
    pub path: String,
    /// `AROA…`.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Who may assume it, as JSON text.
    pub trust: String,
    /// How long its sessions last at the most, in seconds.
    #[serde(default = "role_session_s")]
    pub max_session_s: i64,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<String>,
    /// Inline policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inline: Vec<InlinePolicy>,
}

/// What a role's sessions last unless it says otherwise. Source: IAM API Reference, `CreateRole`.
fn role_session_s() -> i64 {
    3600
}

/// Credentials for a time.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Session {
    /// `ASIA…`.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// The token that goes with each request.
    pub token: String,
    /// Whose.
    pub of: SessionOf,
    /// When an MFA code was given for it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_at: Option<i64>,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub issued: i64,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
}

/// Whose a session is, by ids, which nobody else ever gets.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SessionOf {
    /// The account's administrator's.
    Root,
    /// A user's.
    User(String),
    /// That of somebody who has assumed a role.
    Role {
        /// The role's id.
        role: String,
        /// The session's name.
        name: String,
    },
}

/// What IAM allows in an account.
///
/// Source: IAM User Guide, "IAM and AWS STS quotas".
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Quotas {
    /// Users per account.
    pub users: usize,
    /// Groups per account.
    pub groups: usize,
    /// Groups per user.
    pub groups_per_user: usize,
    /// Access keys per user.
    pub access_keys_per_user: usize,
    /// Managed policies per user or group.
    pub attached_policies: usize,
    /// Customer managed policies per account.
    pub policies: usize,
    /// Characters of a managed policy, without white space.
    pub policy_chars: usize,
    /// Characters of all inline policies of a group, without white space.
    pub group_policy_chars: usize,
    /// Characters of all inline policies of a user, without white space.
    pub user_policy_chars: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            users: 5000,
            groups: 300,
            groups_per_user: 10,
            access_keys_per_user: 2,
            attached_policies: 10,
            policies: 1500,
            policy_chars: 6144,
            group_policy_chars: 5120,
            user_policy_chars: 2048,
        }
    }
}

/// Everything in an account. Cloning is cheap: entities are shared until they change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// Users by key.
    pub users: BTreeMap<Key, Arc<User>>,
    /// Groups by key.
    pub groups: BTreeMap<Key, Arc<Group>>,
    /// Managed policies by ARN.
    pub policies: BTreeMap<String, Arc<ManagedPolicy>>,
    /// MFA devices by serial number.
    pub devices: BTreeMap<String, Arc<MfaDevice>>,
    /// Roles by key.
    pub roles: BTreeMap<Key, Arc<Role>>,
    /// Sessions by the ids of their keys.
    pub sessions: BTreeMap<String, Arc<Session>>,
    /// What the account asks of passwords, if it says so itself.
    pub password_policy: Option<PasswordPolicy>,
    /// The account's alias.
    pub alias: Option<String>,
}

/// One entity as it is from now on; `None` takes it away.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A user.
    User(Key, Option<Arc<User>>),
    /// A group.
    Group(Key, Option<Arc<Group>>),
    /// A managed policy.
    Policy(String, Option<Arc<ManagedPolicy>>),
    /// An MFA device.
    Device(String, Option<Arc<MfaDevice>>),
    /// A role.
    Role(Key, Option<Arc<Role>>),
    /// A session.
    Session(String, Option<Arc<Session>>),
    /// The password policy.
    PasswordPolicy(Option<PasswordPolicy>),
}

impl State {
    /// Carries an edit out.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::User(key, user) => set(&mut self.users, key, user.as_ref()),
            Edit::Group(key, group) => set(&mut self.groups, key, group.as_ref()),
            Edit::Policy(arn, policy) => set(&mut self.policies, arn, policy.as_ref()),
            Edit::Device(serial, device) => set(&mut self.devices, serial, device.as_ref()),
            Edit::Role(key, role) => set(&mut self.roles, key, role.as_ref()),
            Edit::Session(id, session) => set(&mut self.sessions, id, session.as_ref()),
            Edit::PasswordPolicy(policy) => self.password_policy = *policy,
        }
    }
}

fn set<T>(map: &mut BTreeMap<String, Arc<T>>, key: &str, value: Option<&Arc<T>>) {
    match value {
        Some(value) => map.insert(key.to_owned(), Arc::clone(value)),
        None => map.remove(key),
    };
}
