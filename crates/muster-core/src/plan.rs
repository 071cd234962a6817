//! What has to change, in order, and what is left for a person.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::assess::{Assessment, Standing, assess};
use crate::impact::order_joins;
use crate::name::{GROUPS_PER_USER_MAX, GroupName, UserName};
use crate::roster::{Group, ReadBy, Roster, User};
use crate::taxonomy::{AssessError, GroupRole, Taxonomy};

/// Who or what said which category a user belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// It was in its category before.
    Already,
    /// A rule of the config.
    Pattern,
    /// A person at the prompt.
    Prompt,
    /// `--decisions FILE`.
    DecisionsFile,
    /// `--default-category`.
    Default,
    /// Nobody yet.
    None,
}

impl DecidedBy {
    /// Returns the word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::Pattern => "pattern",
            Self::Prompt => "prompt",
            Self::DecisionsFile => "decisions-file",
            Self::Default => "default",
            Self::None => "none",
        }
    }
}

/// What a person, a file or an option decided beyond the rules of the config.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Put every user into the common groups.
    pub force_common_group: bool,
    /// Category of users that no rule picks, by position.
    pub default_category: Option<usize>,
    /// Let the name decide which of several category groups a user keeps.
    pub resolve_conflicts: bool,
    /// Move users whose name says another category.
    pub move_misfiled: bool,
    /// Look at these users only; empty means all.
    pub only: HashSet<UserName>,
    /// Category (by position) chosen for a user, and by whom.
    pub category: HashMap<UserName, (usize, DecidedBy)>,
    /// Common groups that a person agreed to add a user to.
    pub common: HashSet<(UserName, GroupName)>,
}

/// One change to one user's memberships.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// `AddUserToGroup`.
    Add(GroupName),
    /// `RemoveUserFromGroup`; only after all the user's additions are there.
    Remove(GroupName),
}

/// What a plan says about one user.
#[derive(Debug, Clone)]
pub struct UserPlan {
    /// The user.
    pub user: UserName,
    /// Where it stands before.
    pub before: Assessment,
    /// Who decided its category.
    pub decided_by: DecidedBy,
    /// Changes in the order they must be made.
    pub changes: Vec<Change>,
    /// Additions that are due and that IAM would refuse, because of the limit of groups per user.
    pub blocked: Vec<GroupName>,
}

/// What has to change.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Groups to create first, in the order of the config.
    pub groups: Vec<(GroupName, GroupRole)>,
    /// Every user that was looked at, ordered by name, most of them with nothing to change.
    pub users: Vec<UserPlan>,
}

impl Plan {
    /// Returns how many changes there are, groups included.
    pub fn changes(&self) -> usize {
        self.groups.len() + self.users.iter().map(|user| user.changes.len()).sum::<usize>()
    }

    /// Returns whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.changes() == 0
    }

    /// Returns the roster as it is when all of the plan has been carried out.
    #[must_use]
    pub fn applied_to(&self, roster: &Roster) -> Roster {
        let mut roster = roster.clone();
        for (name, _) in &self.groups {
            roster.groups.push(Group { name: name.clone(), path: "/".to_owned(), policies: None });
        }
        let plans: HashMap<&UserName, &UserPlan> = self.users.iter().map(|plan| (&plan.user, plan)).collect();
        for user in &mut roster.users {
            for change in plans.get(&user.name).map(|plan| plan.changes.as_slice()).unwrap_or_default() {
                change.apply_to(user);
            }
        }
        roster.sort();
        roster
    }
}

impl Change {
    /// Carries the change out on a user of a roster.
    pub fn apply_to(&self, user: &mut User) {
        match self {
            Self::Add(group) if !user.groups.contains(group) => user.groups.push(group.clone()),
            Self::Add(_) => {}
            Self::Remove(group) => user.groups.retain(|member| member != group),
        }
    }

    /// Returns the group it is about.
    pub fn group(&self) -> &GroupName {
        match self {
            Self::Add(group) | Self::Remove(group) => group,
        }
    }
}

/// Returns the groups of the taxonomy that the account does not have.
pub fn missing_groups(taxonomy: &Taxonomy, roster: &Roster) -> Vec<(GroupName, GroupRole)> {
    let missing = taxonomy.groups().filter(|(name, _)| roster.group(name).is_none());
    missing.map(|(name, role)| (name.clone(), role)).collect()
}

/// Plans the memberships of all users that the taxonomy and the choices cover.
///
/// The roster's users must be in order (see [`Roster::sort`]); the plan's are too.
pub fn plan(taxonomy: &Taxonomy, roster: &Roster, choices: &Choices) -> Result<Plan, AssessError> {
    let mut users = Vec::with_capacity(roster.users.len());
    for user in &roster.users {
        if !taxonomy.covers(user) || !(choices.only.is_empty() || choices.only.contains(&user.name)) {
            continue;
        }
        let before = assess(taxonomy, user)?;
        let mut planned = plan_user(taxonomy, user, before, choices);
        // Where only memberships of managed groups were read, IAM itself has to say that the limit is reached.
        if roster.read_by != ReadBy::GetGroup {
            let target = target(user, &planned.before, choices).0;
            let category = target.map(|position| &taxonomy.categories[position].group);
            hold_back(&mut planned, user.groups.len(), category);
        }
        users.push(planned);
    }
    let mut plan = Plan { groups: Vec::new(), users };
    order_joins(&mut plan, roster);
    Ok(plan)
}

fn plan_user(taxonomy: &Taxonomy, user: &User, before: Assessment, choices: &Choices) -> UserPlan {
    let (target, decided_by) = target(user, &before, choices);
    let mut changes = Vec::new();
    if before.protected.is_none() {
        let (target, leaves) =
            target.map(|target| move_to(taxonomy, target, &before.standing)).unwrap_or_default();
        // The category first: where there is room for one more group only, it is the one that counts. Removals last: what a
        // user is denied by its new groups, it is denied before it loses the denials of an old one.
        changes.extend(target.map(Change::Add));
        for &position in &before.missing_common {
            let group = &taxonomy.common[position];
            if choices.force_common_group || choices.common.contains(&(user.name.clone(), group.clone())) {
                changes.push(Change::Add(group.clone()));
            }
        }
        changes.extend(leaves.into_iter().map(Change::Remove));
    }
    let decided_by = if before.protected.is_some() && decided_by != DecidedBy::Already {
        DecidedBy::None
    } else {
        decided_by
    };
    UserPlan { user: user.name.clone(), before, decided_by, changes, blocked: Vec::new() }
}

/// Returns the category that the user is to be in, where that differs from what is, and who says so.
fn target(user: &User, before: &Assessment, choices: &Choices) -> (Option<usize>, DecidedBy) {
    let chosen = choices.category.get(&user.name).copied();
    let by_choice = |(position, by): (usize, DecidedBy)| (Some(position), by);
    match &before.standing {
        Standing::Sorted(_) | Standing::Disabled | Standing::NoCategories => (None, DecidedBy::Already),
        Standing::Uncategorized => match (before.matches.first(), chosen, choices.default_category) {
            (Some(&first), ..) => (Some(first), DecidedBy::Pattern),
            (None, Some(chosen), _) => by_choice(chosen),
            (None, None, Some(default)) => (Some(default), DecidedBy::Default),
            (None, None, None) => (None, DecidedBy::None),
        },
        // Somebody decided that it stays where it is, whatever its name says.
        Standing::Misfiled { is_in, .. } if chosen.is_some_and(|(position, _)| position == *is_in) => {
            (None, chosen.map_or(DecidedBy::None, |(_, by)| by))
        }
        Standing::Misfiled { belongs_in, .. } if choices.move_misfiled => {
            (Some(*belongs_in), DecidedBy::Pattern)
        }
        Standing::Misfiled { .. } => (None, DecidedBy::None),
        Standing::Conflicting(memberships) => {
            let named = before.matches.iter().copied().find(|position| memberships.contains(position));
            let elsewhere = before.matches.first().copied().filter(|_| choices.move_misfiled);
            match (chosen, choices.resolve_conflicts, named.or(elsewhere)) {
                (Some(chosen), ..) => by_choice(chosen),
                (None, true, Some(named)) => (Some(named), DecidedBy::Pattern),
                _ => (None, DecidedBy::None),
            }
        }
    }
}

/// Returns the category group that the user is to join, unless it is in it, and those that it is to leave then.
fn move_to(taxonomy: &Taxonomy, target: usize, standing: &Standing) -> (Option<GroupName>, Vec<GroupName>) {
    let memberships = match standing {
        Standing::Conflicting(memberships) => memberships.as_slice(),
        Standing::Misfiled { is_in, .. } | Standing::Sorted(is_in) => std::slice::from_ref(is_in),
        Standing::Uncategorized | Standing::Disabled | Standing::NoCategories => &[],
    };
    let group = |position: usize| taxonomy.categories[position].group.clone();
    let joins = (!memberships.contains(&target)).then(|| group(target));
    (joins, memberships.iter().filter(|m| **m != target).map(|m| group(*m)).collect())
}

/// Holds back additions over the limit of groups per user, and with that of the category the removals that rely on it.
///
/// A common group for which there is room only after a removal follows it: for a moment such a user is in fewer groups than
/// before and after, which is better than being left without the common group.
fn hold_back(planned: &mut UserPlan, memberships: usize, category: Option<&GroupName>) {
    let mut room = GROUPS_PER_USER_MAX.saturating_sub(memberships);
    let (mut kept, mut blocked) = (Vec::with_capacity(planned.changes.len()), Vec::new());
    for change in planned.changes.drain(..) {
        match change {
            Change::Add(group) if room == 0 => blocked.push(group),
            Change::Add(_) => {
                room -= 1;
                kept.push(change);
            }
            Change::Remove(_) if category.is_some_and(|category| blocked.contains(category)) => {}
            Change::Remove(_) => {
                room += 1;
                kept.push(change);
            }
        }
    }
    let late = blocked.drain(..room.min(blocked.len()));
    kept.extend(late.map(Change::Add));
    planned.changes = kept;
    planned.blocked = blocked;
}

/// What only a person can say about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// It lacks a common group: add it?
    Common {
        /// The user.
        user: UserName,
        /// The group.
        group: GroupName,
    },
    /// No rule says its category: which one?
    Category {
        /// The user.
        user: UserName,
    },
    /// It is in several category groups: which one does it keep?
    Conflict {
        /// The user.
        user: UserName,
        /// The categories it is in, by position.
        memberships: Vec<usize>,
    },
}

/// Returns what a person has to be asked, in the order of users; protected users are left alone.
pub fn questions(taxonomy: &Taxonomy, plan: &Plan, choices: &Choices) -> Vec<Question> {
    let mut questions = Vec::new();
    for planned in plan.users.iter().filter(|planned| planned.before.protected.is_none()) {
        let user = &planned.user;
        if !choices.force_common_group {
            questions.extend(planned.before.missing_common.iter().map(|&position| Question::Common {
                user: user.clone(),
                group: taxonomy.common[position].clone(),
            }));
        }
        match &planned.before.standing {
            Standing::Uncategorized
                if planned.decided_by == DecidedBy::None && !taxonomy.categories.is_empty() =>
            {
                questions.push(Question::Category { user: user.clone() });
            }
            Standing::Conflicting(memberships) if planned.decided_by == DecidedBy::None => {
                questions.push(Question::Conflict { user: user.clone(), memberships: memberships.clone() });
            }
            _ => {}
        }
    }
    questions
}
