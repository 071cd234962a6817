//! What the account is: users, groups and policies, in one snapshot.

use serde::{Deserialize, Serialize};

use crate::name::{GroupName, UserName};

/// The version of the snapshot format that this build writes, and the only one it reads.
pub const SNAPSHOT_VERSION: u32 = 1;

/// An account at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    /// Version of the format, [`SNAPSHOT_VERSION`].
    pub muster_snapshot: u32,
    /// The account's id, twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// When it was read, as an RFC 3339 time.
    pub taken_at: String,
    /// How it was read.
    pub read_by: ReadBy,
    /// The users, ordered by name.
    pub users: Vec<User>,
    /// The groups, ordered by name.
    pub groups: Vec<Group>,
    /// The managed policies that were read along, ordered by ARN.
    #[serde(default)]
    pub policies: Vec<ManagedPolicy>,
}

/// The way a roster was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadBy {
    /// `GetAccountAuthorizationDetails`: everything.
    AccountAuthorizationDetails,
    /// `ListUsers` and `GetGroup` for each managed group: memberships of managed groups only.
    GetGroup,
    /// `ListUsers` and `ListGroupsForUser` for each user.
    ListGroupsForUser,
}

impl std::fmt::Display for ReadBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::AccountAuthorizationDetails => "account-authorization-details",
            Self::GetGroup => "get-group",
            Self::ListGroupsForUser => "list-groups-for-user",
        })
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The name, as the account spells it.
    pub name: UserName,
    /// The path, `/` unless set.
    pub path: String,
    /// The unique id (`AIDA…`), where it was read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The tags; `None` where they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    /// The groups it is a member of, as far as they were read, ordered by name.
    pub groups: Vec<GroupName>,
    /// Policies of its own.
    #[serde(default, skip_serializing_if = "Policies::is_empty")]
    pub policies: Policies,
    /// ARN of the policy that is its permissions boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    /// When it was created, in seconds since 1970, where that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_s: Option<i64>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The key; IAM compares keys of users ignoring case.
    pub key: String,
    /// The value; case counts.
    pub value: String,
}

impl Tag {
    /// Returns whether the other tag says the same.
    pub fn is(&self, other: &Self) -> bool {
        self.key.eq_ignore_ascii_case(&other.key) && self.value == other.value
    }
}

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The name, as the account spells it.
    pub name: GroupName,
    /// The path, `/` unless set.
    pub path: String,
    /// Its policies; `None` where they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Policies>,
}

/// The policies of a user or a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policies {
    /// ARNs of the managed policies attached.
    #[serde(default)]
    pub attached: Vec<String>,
    /// The inline policies.
    #[serde(default)]
    pub inline: Vec<InlinePolicy>,
}

impl Policies {
    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty() && self.inline.is_empty()
    }
}

/// A policy that lives in one user or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// Its name.
    pub name: String,
    /// The JSON text.
    pub document: String,
}

/// A policy that can be attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The JSON text of the default version.
    pub document: String,
    /// The id of that version, where it was read.
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub version: String,
    /// The other versions, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<PolicyVersion>,
}

/// A version of a policy that is not the default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Its id, such as `v3`.
    pub id: String,
    /// The JSON text.
    pub document: String,
}

impl PolicyVersion {
    /// Returns its number; the higher one is the later one.
    pub fn number(&self) -> u32 {
        version_number(&self.id)
    }
}

/// Returns the number in the id of a version, 0 where there is none.
pub fn version_number(id: &str) -> u32 {
    let digits: String = id.chars().skip(1).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

fn first_version() -> String {
    "v1".to_owned()
}

fn is_first_version(id: &str) -> bool {
    id == "v1"
}

/// Why a snapshot file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is not a snapshot at all, or a damaged one.
    #[error("this is no snapshot of muster: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("this snapshot has format {found}, and this muster reads format {SNAPSHOT_VERSION}")]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// It holds a name twice, which no account does.
    #[error("this snapshot holds `{name}` twice (IAM ignores case)")]
    Twice {
        /// The name.
        name: String,
    },
}

impl Roster {
    /// Reads a snapshot.
    pub fn from_json(text: &str) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Head {
            muster_snapshot: u32,
        }
        let head: Head = serde_json::from_str(text)?;
        if head.muster_snapshot != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version { found: head.muster_snapshot });
        }
        let mut roster: Self = serde_json::from_str(text)?;
        roster.sort();
        let user =
            roster.users.windows(2).find(|pair| pair[0].name == pair[1].name).map(|pair| &pair[1].name);
        let group =
            roster.groups.windows(2).find(|pair| pair[0].name == pair[1].name).map(|pair| &pair[1].name);
        match user.map(ToString::to_string).or_else(|| group.map(ToString::to_string)) {
            Some(name) => Err(SnapshotError::Twice { name }),
            None => Ok(roster),
        }
    }

    /// Puts everything in the order that the fields promise.
    pub fn sort(&mut self) {
        self.users.sort_by(|a, b| a.name.cmp(&b.name));
        for user in &mut self.users {
            user.groups.sort();
        }
        self.groups.sort_by(|a, b| a.name.cmp(&b.name));
        self.policies.sort_by(|a, b| a.arn.cmp(&b.arn));
    }

    /// Returns the user of this name; users must be in order.
    pub fn user(&self, name: &UserName) -> Option<&User> {
        self.users.binary_search_by(|user| user.name.cmp(name)).ok().map(|i| &self.users[i])
    }

    /// Returns the group of this name; groups must be in order.
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.binary_search_by(|group| group.name.cmp(name)).ok().map(|i| &self.groups[i])
    }

    /// Returns the managed policy with this ARN, if it was read; policies must be in order.
    pub fn policy(&self, arn: &str) -> Option<&ManagedPolicy> {
        self.policies.binary_search_by(|policy| policy.arn.as_str().cmp(arn)).ok().map(|i| &self.policies[i])
    }
}
