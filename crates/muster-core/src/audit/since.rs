//! What changed since a snapshot was taken: who came, left and moved, and who gained or lost rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::document::is_same;
use crate::name::UserName;
use crate::roster::{Policies, Roster, User};

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Since {
    /// When the snapshot was taken.
    pub taken_at: String,
    /// Users that are new. One that was deleted and made again is new.
    pub came: Vec<String>,
    /// Users that are gone.
    pub left: Vec<String>,
    /// Users in other groups than before.
    pub moved: Vec<Moved>,
    /// Rules that users gained, by user: names of policies that hold for them, directly or by a group.
    pub gained: BTreeMap<String, Vec<String>>,
    /// Rules that users lost.
    pub lost: BTreeMap<String, Vec<String>>,
}

/// A user in other groups than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The user.
    pub user: String,
    /// Groups it is in now.
    pub joined: Vec<String>,
    /// Groups it was in.
    pub left: Vec<String>,
}

/// A rule that somebody lives under: the name of a policy and what it says.
type Held<'r> = BTreeMap<String, &'r str>;

/// Compares an account with an earlier snapshot of it.
pub fn since(before: &Roster, now: &Roster) -> Since {
    let mut since = Since { taken_at: before.taken_at.clone(), ..Since::default() };
    let same = |was: &User, is: &User| was.id.is_empty() || is.id.is_empty() || was.id == is.id;
    for user in &before.users {
        if now.user(&user.name).is_none_or(|is| !same(user, is)) {
            since.left.push(user.name.to_string());
        }
    }
    for user in &now.users {
        let Some(was) = before.user(&user.name).filter(|was| same(was, user)) else {
            since.came.push(user.name.to_string());
            continue;
        };
        let groups = |user: &User| user.groups.iter().cloned().collect::<BTreeSet<_>>();
        let (then, today) = (groups(was), groups(user));
        if then != today {
            let names = |one: &BTreeSet<_>, other: &BTreeSet<_>| {
                one.difference(other).map(ToString::to_string).collect()
            };
            let (joined, left) = (names(&today, &then), names(&then, &today));
            since.moved.push(Moved { user: user.name.to_string(), joined, left });
        }
        rules_of(&mut since, &user.name, &held(was, before), &held(user, now));
    }
    since
}

fn rules_of(since: &mut Since, user: &UserName, then: &Held<'_>, today: &Held<'_>) {
    // A rule that says something else is a rule lost and a rule gained.
    let missing = |one: &Held<'_>, other: &Held<'_>| -> Vec<String> {
        let missing = one.iter().filter(|(name, text)| !other.get(*name).is_some_and(|o| is_same(o, text)));
        missing.map(|(name, _)| name.clone()).collect()
    };
    let (gained, lost) = (missing(today, then), missing(then, today));
    if !gained.is_empty() {
        since.gained.insert(user.to_string(), gained);
    }
    if !lost.is_empty() {
        since.lost.insert(user.to_string(), lost);
    }
}

fn held<'r>(user: &'r User, roster: &'r Roster) -> Held<'r> {
    let groups = user.groups.iter().filter_map(|group| roster.group(group));
    let of_groups = groups.filter_map(|group| Some((group.name.as_str(), group.policies.as_ref()?)));
    let mut held = Held::new();
    for (owner, policies) in of_groups.chain([("", &user.policies)]) {
        add(&mut held, owner, policies, roster);
    }
    held
}

fn add<'r>(held: &mut Held<'r>, owner: &str, policies: &'r Policies, roster: &'r Roster) {
    for arn in &policies.attached {
        let document = roster.policy(arn).map(|policy| policy.document.as_str()).unwrap_or_default();
        held.insert(arn.clone(), document);
    }
    for policy in &policies.inline {
        let owner = if owner.is_empty() { "its own" } else { owner };
        held.insert(format!("{owner}/{}", policy.name), &policy.document);
    }
}
