//! Where each user stands against the taxonomy.

use serde::Serialize;

use crate::name::GroupName;
use crate::roster::User;
use crate::taxonomy::{AssessError, Category, Taxonomy};

/// How a user stands with the category groups; the numbers are positions in [`Taxonomy::categories`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// In one category group, and nothing says that it should be another.
    Sorted(usize),
    /// In no category group.
    Uncategorized,
    /// In two or more.
    Conflicting(Vec<usize>),
    /// In one, but the rules say another.
    Misfiled {
        /// The category it is in.
        is_in: usize,
        /// The category that the rules say.
        belongs_in: usize,
    },
    /// In the group for disabled users, and so in no category on purpose.
    Disabled,
    /// The config has no categories.
    NoCategories,
}

/// The word for a [`Standing`] in reports. A user that is in no category on purpose is where it should be: `sorted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandingName {
    /// See [`Standing::Sorted`], [`Standing::Disabled`] and [`Standing::NoCategories`].
    Sorted,
    /// See [`Standing::Uncategorized`].
    Uncategorized,
    /// See [`Standing::Conflicting`].
    Conflicting,
    /// See [`Standing::Misfiled`].
    Misfiled,
}

impl Standing {
    /// Returns the word for reports.
    pub fn name(&self) -> StandingName {
        match self {
            Self::Sorted(_) | Self::Disabled | Self::NoCategories => StandingName::Sorted,
            Self::Uncategorized => StandingName::Uncategorized,
            Self::Conflicting(_) => StandingName::Conflicting,
            Self::Misfiled { .. } => StandingName::Misfiled,
        }
    }
}

impl StandingName {
    /// Every word, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Sorted, Self::Uncategorized, Self::Conflicting, Self::Misfiled];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sorted => "sorted",
            Self::Uncategorized => "uncategorized",
            Self::Conflicting => "conflicting",
            Self::Misfiled => "misfiled",
        }
    }
}

/// Where one user stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// How it stands with the category groups.
    pub standing: Standing,
    /// Categories whose rule picks it, in the order of the config; more than one is ambiguous.
    pub matches: Vec<usize>,
    /// Common groups it is not in, by their position in [`Taxonomy::common`].
    pub missing_common: Vec<usize>,
    /// The protection that covers it, by its position in [`Taxonomy::protected`].
    pub protected: Option<usize>,
}

/// Returns where a user stands.
pub fn assess(taxonomy: &Taxonomy, user: &User) -> Result<Assessment, AssessError> {
    let mut matches = Vec::new();
    for (position, category) in taxonomy.categories.iter().enumerate() {
        if category.rule.picks(user)? {
            matches.push(position);
        }
    }
    let mut protected = None;
    for (position, protection) in taxonomy.protected.iter().enumerate() {
        if protection.users.picks(user)? {
            protected = Some(position);
            break;
        }
    }
    let is_member = |group: &GroupName| user.groups.contains(group);
    if taxonomy.disabled_group.as_ref().is_some_and(is_member) {
        return Ok(Assessment {
            standing: Standing::Disabled,
            matches,
            missing_common: Vec::new(),
            protected,
        });
    }
    let missing_common = (0..taxonomy.common.len()).filter(|&i| !is_member(&taxonomy.common[i])).collect();
    let standing = standing(&taxonomy.categories, &matches, is_member);
    Ok(Assessment { standing, matches, missing_common, protected })
}

fn standing(categories: &[Category], matches: &[usize], is_member: impl Fn(&GroupName) -> bool) -> Standing {
    let mut memberships = (0..categories.len()).filter(|&i| is_member(&categories[i].group));
    match (memberships.next(), memberships.next()) {
        (None, _) if categories.is_empty() => Standing::NoCategories,
        (None, _) => Standing::Uncategorized,
        (Some(first), Some(second)) => {
            Standing::Conflicting([first, second].into_iter().chain(memberships).collect())
        }
        // A name that fits the group it is in is where it should be, even if an earlier pattern fits too.
        (Some(is_in), None) => match matches.first() {
            Some(&belongs_in) if !matches.contains(&is_in) => Standing::Misfiled { is_in, belongs_in },
            _ => Standing::Sorted(is_in),
        },
    }
}
