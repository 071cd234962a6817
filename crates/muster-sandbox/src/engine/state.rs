//! What an account holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name as IAM compares it: in lower case.
pub(super) type Key = String;

/// Returns the key of a name.
pub fn key(name: &str) -> Key {
    name.to_ascii_lowercase()
}

/// A user.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
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
    /// The JSON text of its only version, `v1`.
    pub document: String,
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
}

impl State {
    /// Carries an edit out.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::User(key, user) => set(&mut self.users, key, user.as_ref()),
            Edit::Group(key, group) => set(&mut self.groups, key, group.as_ref()),
            Edit::Policy(arn, policy) => set(&mut self.policies, arn, policy.as_ref()),
        }
    }
}

fn set<T>(map: &mut BTreeMap<String, Arc<T>>, key: &str, value: Option<&Arc<T>>) {
    match value {
        Some(value) => map.insert(key.to_owned(), Arc::clone(value)),
        None => map.remove(key),
    };
}
