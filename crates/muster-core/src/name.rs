//! Names as IAM compares them: unique ignoring case, shown with case.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name `CreateUser` accepts, in characters.
///
/// Look-ups accept 128, so a name that the account reported is never held to this.
/// Source: IAM API Reference, `CreateUser`.
pub const USER_NAME_CHARS_MAX: usize = 64;

/// Longest name `CreateGroup` accepts, in characters. Source: IAM API Reference, `CreateGroup`.
pub const GROUP_NAME_CHARS_MAX: usize = 128;

/// Groups one user may be a member of; IAM does not raise it.
///
/// Source: IAM User Guide, "IAM and AWS STS quotas".
pub const GROUPS_PER_USER_MAX: usize = 10;

/// What a [`Name`] names.
pub trait Kind {
    /// Longest name that can be created, in characters.
    const CHARS_MAX: usize;
}

/// Marks the name of a user.
#[derive(Debug, Clone, Copy)]
pub enum UserKind {}

/// Marks the name of a group.
#[derive(Debug, Clone, Copy)]
pub enum GroupKind {}

impl Kind for UserKind {
    const CHARS_MAX: usize = USER_NAME_CHARS_MAX;
}

impl Kind for GroupKind {
    const CHARS_MAX: usize = GROUP_NAME_CHARS_MAX;
}

/// The name of a user.
pub type UserName = Name<UserKind>;

/// The name of a group.
pub type GroupName = Name<GroupKind>;

/// A name that keeps its spelling and compares ignoring (ASCII) case.
///
/// Source: IAM User Guide, "IAM and AWS STS quotas": names must be unique ignoring case.
pub struct Name<K> {
    text: Arc<str>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Name<K> {
    /// Takes a name as the account reported it, or as a person typed it; see [`Name::check`].
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: Arc::from(text.as_ref()), kind: PhantomData }
    }

    /// Returns the name in its own spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Says why IAM would refuse to create something with this name, if it would.
    pub fn check(&self) -> Result<(), NameProblem> {
        let chars = self.text.chars().count();
        if chars == 0 {
            return Err(NameProblem::Empty);
        }
        if let Some(bad) = self.text.chars().find(|c| !is_name_char(*c)) {
            return Err(NameProblem::Character { bad });
        }
        if chars > K::CHARS_MAX {
            return Err(NameProblem::TooLong { chars, chars_max: K::CHARS_MAX });
        }
        Ok(())
    }
}

/// Returns whether IAM allows this character in a name: `[\w+=,.@-]`, with an ASCII `\w`.
pub fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Why IAM would refuse a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// A character that IAM does not allow.
    #[error("IAM does not allow {bad:?} in it, only letters, digits and + = , . @ _ -")]
    Character {
        /// The first such character.
        bad: char,
    },
    /// More characters than IAM allows.
    #[error("it has {chars} characters, and IAM allows {chars_max}")]
    TooLong {
        /// How many it has.
        chars: usize,
        /// How many are allowed.
        chars_max: usize,
    },
}

impl<K> Clone for Name<K> {
    fn clone(&self) -> Self {
        Self { text: Arc::clone(&self.text), kind: PhantomData }
    }
}

impl<K> PartialEq for Name<K> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text) || self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl<K> Eq for Name<K> {}

impl<K> Hash for Name<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.text.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

impl<K> Ord for Name<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |name: &Self| name.text.bytes().map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
        if self == other { Ordering::Equal } else { lower(self).cmp(&lower(other)) }
    }
}

impl<K> PartialOrd for Name<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> fmt::Display for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl<K> fmt::Debug for Name<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl<K> Serialize for Name<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Name<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_compare_ignoring_case_and_keep_their_spelling() {
        let mut set = HashSet::new();
        assert!(set.insert(GroupName::new("AllUsers")));
        assert!(!set.insert(GroupName::new("allusers")));
        assert_eq!(set.iter().next().map(ToString::to_string).as_deref(), Some("AllUsers"));
        assert_eq!(UserName::new("b").cmp(&UserName::new("A")), Ordering::Greater);
    }

    #[test]
    fn names_are_checked_as_iam_does() {
        assert_eq!(UserName::new("a+=,.@_-9").check(), Ok(()));
        assert_eq!(UserName::new("").check(), Err(NameProblem::Empty));
        assert_eq!(UserName::new("a b").check(), Err(NameProblem::Character { bad: ' ' }));
        assert_eq!(UserName::new("é").check(), Err(NameProblem::Character { bad: 'é' }));
        assert!(UserName::new("x".repeat(64)).check().is_ok());
        assert!(UserName::new("x".repeat(65)).check().is_err());
        assert!(GroupName::new("x".repeat(128)).check().is_ok());
        assert!(GroupName::new("x".repeat(129)).check().is_err());
    }
}
