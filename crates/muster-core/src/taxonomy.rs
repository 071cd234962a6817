//! What the config says should be: the groups, and who belongs where.

use crate::name::{GroupName, UserName};
use crate::pattern::{Pattern, Undecidable};
use crate::roster::{Tag, User};

/// The common groups, the category groups and the rules that sort users into them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taxonomy {
    /// Groups that every user belongs to.
    pub common: Vec<GroupName>,
    /// Categories in the order of the config; the first whose rule fits wins.
    pub categories: Vec<Category>,
    /// Users that no command changes.
    pub protected: Vec<Protection>,
    /// Only users whose path starts with this are looked at.
    pub path_prefix: Option<String>,
    /// Group that a disabled user is in instead of a category.
    pub disabled_group: Option<GroupName>,
}

/// One kind of user.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    /// The group that carries the rules of this kind.
    pub group: GroupName,
    /// Which users belong to it by themselves.
    pub rule: Selector,
    /// What its users are given, where the config says so.
    pub credentials: Option<Credentials>,
    /// Names of the policies that its group carries.
    pub policies: Vec<String>,
}

/// What the users of a category are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// A console password.
    pub password: bool,
    /// A virtual MFA device.
    pub mfa: bool,
    /// An access key.
    pub access_key: bool,
}

/// Users that no command changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Protection {
    /// Which users.
    pub users: Selector,
    /// Why.
    pub reason: String,
}

/// Picks users; all conditions that are given must hold, and none given picks nobody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    /// The name matches this pattern.
    pub pattern: Option<Pattern>,
    /// The path starts with this.
    pub path: Option<String>,
    /// All of these tags are there.
    pub tags: Vec<Tag>,
}

impl Selector {
    /// Returns whether nothing is asked for, so that nobody is picked.
    pub fn is_empty(&self) -> bool {
        self.pattern.is_none() && self.path.is_none() && self.tags.is_empty()
    }

    /// Returns whether the user is picked.
    pub fn picks(&self, user: &User) -> Result<bool, AssessError> {
        if self.is_empty() {
            return Ok(false);
        }
        if self.path.as_ref().is_some_and(|prefix| !user.path.starts_with(prefix)) {
            return Ok(false);
        }
        if !self.tags.is_empty() {
            let tags =
                user.tags.as_ref().ok_or_else(|| AssessError::TagsUnknown { user: user.name.clone() })?;
            if !self.tags.iter().all(|wanted| tags.iter().any(|tag| wanted.is(tag))) {
                return Ok(false);
            }
        }
        match &self.pattern {
            Some(pattern) => Ok(pattern.matches(user.name.as_str())?),
            None => Ok(true),
        }
    }
}

/// Why a user's standing cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssessError {
    /// A pattern ran into the matcher's limit.
    #[error(transparent)]
    Undecidable(#[from] Undecidable),
    /// A rule asks for tags, and the tags of this user were not read.
    #[error("a rule of the config asks for tags, and the tags of user `{user}` could not be read")]
    TagsUnknown {
        /// The user.
        user: UserName,
    },
}

impl Taxonomy {
    /// Returns every group that the taxonomy manages: common ones, then categories.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupName, GroupRole)> {
        let common = self.common.iter().map(|group| (group, GroupRole::Common));
        common.chain(self.categories.iter().map(|category| (&category.group, GroupRole::Category)))
    }

    /// Returns the position of the category with this group.
    pub fn category(&self, group: &GroupName) -> Option<usize> {
        self.categories.iter().position(|category| category.group == *group)
    }

    /// Returns the names of the category groups, in order.
    pub fn category_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.categories.iter().map(|category| &category.group)
    }

    /// Returns whether any rule needs to know the users' tags.
    pub fn needs_tags(&self) -> bool {
        let rules = self.categories.iter().map(|category| &category.rule);
        rules.chain(self.protected.iter().map(|p| &p.users)).any(|selector| !selector.tags.is_empty())
    }

    /// Returns whether this command looks at users with this path at all.
    pub fn covers(&self, user: &User) -> bool {
        self.path_prefix.as_ref().is_none_or(|prefix| user.path.starts_with(prefix))
    }
}

/// What a group is in the taxonomy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupRole {
    /// Every user belongs to it.
    Common,
    /// Every user belongs to one such.
    Category,
}

impl std::fmt::Display for GroupRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Common => "common",
            Self::Category => "category",
        })
    }
}
