//! What would undo an earlier run: the opposite of each change that is still as the run left it.

use std::collections::{BTreeMap, BTreeSet};

use muster_core::mutation::Mutation;
use muster_core::name::{GroupName, UserName};
use muster_core::plan::Change;
use muster_core::roster::{Roster, User};

use crate::record::{Ended, Line};

/// What undoing a run comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// Changes of memberships, by user: additions before removals.
    pub memberships: BTreeMap<UserName, Vec<Change>>,
    /// Groups that the run created and that hold nothing but members it put there.
    pub groups: Vec<GroupName>,
    /// What is not undone, and why.
    pub left_alone: Vec<String>,
    /// Users of whom a change is not as the run left it.
    moved_on: BTreeSet<UserName>,
}

/// Works out how to undo a record on the account as it is now; protected users are left alone.
pub fn undos(lines: &[Line], roster: &Roster, is_protected: impl Fn(&User) -> bool) -> Undo {
    let mut mutations: BTreeMap<u64, &Mutation> = BTreeMap::new();
    let mut undo = Undo::default();
    let mut created = Vec::new();
    for line in lines {
        match line {
            Line::Before { change, mutation, .. } => {
                mutations.insert(*change, mutation);
            }
            Line::After { change, outcome: Ended::Done | Ended::Unknown, .. } => {
                match mutations.remove(change) {
                    Some(Mutation::CreateGroup { group }) => created.push(group.clone()),
                    Some(mutation) => undo.membership(mutation, roster),
                    None => {}
                }
            }
            Line::After { change, outcome: Ended::Failed | Ended::AlreadySo, .. } => {
                mutations.remove(change);
            }
            Line::Begin { .. }
            | Line::Learned { .. }
            | Line::MadeKey { .. }
            | Line::File { .. }
            | Line::Ended { .. }
            | Line::End { .. } => {}
        }
    }
    // A change without an end: the run was cut off, and the account tells whether it happened.
    for mutation in mutations.into_values() {
        match mutation {
            Mutation::CreateGroup { group } => created.push(group.clone()),
            mutation => undo.membership(mutation, roster),
        }
    }
    undo.leave_alone(roster, is_protected);
    for changes in undo.memberships.values_mut() {
        changes.sort_by_key(|change| matches!(change, Change::Remove(_)));
    }
    for group in created.into_iter().rev() {
        undo.group(group, roster);
    }
    undo
}

impl Undo {
    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.memberships.is_empty() && self.groups.is_empty()
    }

    fn membership(&mut self, mutation: &Mutation, roster: &Roster) {
        let (user, group, opposite, joined) = match mutation {
            Mutation::AddUserToGroup { user, group } => (user, group, Change::Remove(group.clone()), true),
            Mutation::RemoveUserFromGroup { user, group } => (user, group, Change::Add(group.clone()), false),
            Mutation::CreateGroup { group } | Mutation::DeleteGroup { group } => {
                self.left_alone.push(format!("group `{group}` is not brought back"));
                return;
            }
            other => {
                self.left_alone.push(format!("{other} is not undone"));
                return;
            }
        };
        let Some(now) = roster.user(user) else {
            self.left_alone.push(format!("user `{user}` does not exist any more"));
            return;
        };
        let as_left = now.groups.contains(group) == joined;
        if as_left && roster.group(group).is_some() {
            self.memberships.entry(now.name.clone()).or_default().push(opposite);
        } else {
            let is = if joined { "is no longer" } else { "is again" };
            self.left_alone.push(format!("user `{user}` {is} in `{group}`"));
            self.moved_on.insert(now.name.clone());
        }
    }

    /// Takes protected users out, and users who were moved on since: half of a move undone would leave them in two
    /// categories, or in none.
    fn leave_alone(&mut self, roster: &Roster, is_protected: impl Fn(&User) -> bool) {
        let (moved_on, left_alone) = (&self.moved_on, &mut self.left_alone);
        self.memberships.retain(|user, changes| {
            if roster.user(user).is_some_and(&is_protected) {
                left_alone.push(format!("user `{user}` is protected"));
                return false;
            }
            let was_moved = changes.iter().any(|change| matches!(change, Change::Add(_)));
            if was_moved && moved_on.contains(user) {
                left_alone.push(format!("user `{user}` was moved on since"));
                return false;
            }
            true
        });
    }

    fn group(&mut self, group: GroupName, roster: &Roster) {
        let Some(now) = roster.group(&group) else {
            self.left_alone.push(format!("group `{group}` does not exist any more"));
            return;
        };
        let removed = |user: &UserName| {
            let changes = self.memberships.get(user).map(Vec::as_slice).unwrap_or_default();
            changes.contains(&Change::Remove(group.clone()))
        };
        let foreign = roster.users.iter().find(|user| user.groups.contains(&group) && !removed(&user.name));
        match (&now.policies, foreign) {
            (_, Some(user)) => {
                self.left_alone
                    .push(format!("group `{group}` has a member of others' making, `{}`", user.name));
            }
            (Some(policies), None) if policies.is_empty() => self.groups.push(group),
            _ => self.left_alone.push(format!("group `{group}` carries policies")),
        }
    }
}
