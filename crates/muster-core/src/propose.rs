//! A config that suits an account as it is: which of its groups look like common or category groups, and which beginnings of names
//! tell its users apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::name::GroupName;
use crate::roster::Roster;

/// The part of all users that has to be in a group for it to look like a common one, in percent.
const COMMON_PERCENT: usize = 80;

/// Users that have to share the beginning of their names for it to look like a convention.
const PREFIX_USERS_MIN: usize = 3;

/// The part of a group's members that may be in another category group as well, in percent.
const OVERLAP_PERCENT: usize = 10;

/// A group that looks like a common or category group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The group.
    pub group: GroupName,
    /// Users that are in it.
    pub users: usize,
    /// It exists already.
    pub exists: bool,
    /// The pattern of the names that belong to it, if they share a beginning.
    pub pattern: Option<String>,
    /// Why it looks so.
    pub why: String,
}

/// What a config for an account could say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The common group.
    pub common: Option<Candidate>,
    /// The category groups.
    pub categories: Vec<Candidate>,
}

/// Looks for the groups and names that tell an account's users apart.
pub fn propose(roster: &Roster) -> Proposal {
    let mut members: BTreeMap<&GroupName, BTreeSet<usize>> =
        roster.groups.iter().map(|group| (&group.name, BTreeSet::new())).collect();
    for (place, user) in roster.users.iter().enumerate() {
        for group in &user.groups {
            if let Some(found) = members.get_mut(group) {
                found.insert(place);
            }
        }
    }
    let common = common(roster, &members);
    let mut categories: Vec<Candidate> = Vec::new();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    for (prefix, users) in prefixes(roster) {
        let most = members
            .iter()
            .filter(|(name, _)| common.as_ref().is_none_or(|common| common.group != ***name))
            .map(|(name, of_group)| (of_group.intersection(&users).count(), of_group.len(), *name))
            // A group of others, with some of these in it, is not theirs.
            .filter(|(shared, all, _)| *shared > 0 && shared * 2 > *all)
            .max_by_key(|(shared, ..)| *shared);
        let word: String = prefix.trim_end_matches(['-', '_', '.']).to_owned();
        let (group, exists) = match most {
            Some((.., name)) => (name.clone(), true),
            None => {
                let name = GroupName::new(group_name(&word));
                let exists = roster.group(&name).is_some();
                (roster.group(&name).map_or(name, |group| group.name.clone()), exists)
            }
        };
        if categories.iter().any(|known| known.group == group) {
            continue;
        }
        let why = format!("{} users are called {prefix}…", users.len());
        taken.extend(&users);
        let pattern = Some(format!("^{}(.*)", escaped(&prefix)));
        categories.push(Candidate { group, users: users.len(), exists, pattern, why });
    }
    categories.extend(rest(roster, &members, common.as_ref(), &categories, &taken));
    Proposal { common, categories }
}

fn common(roster: &Roster, members: &BTreeMap<&GroupName, BTreeSet<usize>>) -> Option<Candidate> {
    let all = roster.users.len();
    if all == 0 {
        return None;
    }
    let most = members.iter().max_by_key(|(_, users)| users.len());
    if let Some((name, users)) = most.filter(|(_, users)| users.len() * 100 >= all * COMMON_PERCENT) {
        let why = format!("{} of {all} users are in it", users.len());
        return Some(Candidate {
            group: (*name).clone(),
            users: users.len(),
            exists: true,
            pattern: None,
            why,
        });
    }
    let group = GroupName::new("AllUsers");
    let found = roster.group(&group);
    Some(Candidate {
        exists: found.is_some(),
        group: found.map_or(group, |found| found.name.clone()),
        users: 0,
        pattern: None,
        why: "no group of the account holds most users".to_owned(),
    })
}

/// Returns the beginnings of names, up to and with a `-`, `_` or `.`, that enough users share, the most shared first.
fn prefixes(roster: &Roster) -> Vec<(String, BTreeSet<usize>)> {
    let mut found: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (place, user) in roster.users.iter().enumerate() {
        if let Some(end) = user.name.as_str().find(['-', '_', '.']).filter(|end| *end > 1) {
            found.entry(user.name.as_str()[..=end].to_owned()).or_default().insert(place);
        }
    }
    let least = PREFIX_USERS_MIN.max(roster.users.len() / 100);
    let mut found: Vec<_> = found.into_iter().filter(|(_, users)| users.len() >= least).collect();
    found.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));
    found
}

/// Returns a category for the users whose names say nothing: the group that most of them are in, or a new one.
fn rest(
    roster: &Roster,
    members: &BTreeMap<&GroupName, BTreeSet<usize>>,
    common: Option<&Candidate>,
    categories: &[Candidate],
    taken: &BTreeSet<usize>,
) -> Option<Candidate> {
    let left: BTreeSet<usize> = (0..roster.users.len()).filter(|place| !taken.contains(place)).collect();
    if left.is_empty() {
        return None;
    }
    let is_free = |name: &GroupName| {
        common.is_none_or(|common| common.group != *name)
            && categories.iter().all(|known| known.group != *name)
    };
    let theirs = members
        .iter()
        .filter(|(name, _)| is_free(name))
        .map(|(name, users)| (users.intersection(&left).count(), users.intersection(taken).count(), *name))
        .filter(|(shared, others, _)| *shared * 2 > left.len() && others * 100 <= shared * OVERLAP_PERCENT)
        .max_by_key(|(shared, ..)| *shared);
    let users = left.len();
    Some(match theirs {
        Some((shared, _, name)) => Candidate {
            group: name.clone(),
            users,
            exists: true,
            pattern: None,
            why: format!("{shared} of the {users} users with no such name are in it"),
        },
        None => {
            let names = ["AllHumanUsers", "AllOtherUsers", "AllRemainingUsers"].map(GroupName::new);
            let group = names.into_iter().find(|name| is_free(name))?;
            let found = roster.group(&group);
            Candidate {
                exists: found.is_some(),
                group: found.map_or(group, |found| found.name.clone()),
                users,
                pattern: None,
                why: format!("{users} users have no such name"),
            }
        }
    })
}

impl Proposal {
    /// Writes it as a config, with comments that say why.
    pub fn toml(&self, account: &str, date: &str) -> String {
        let mut text = format!(
            "# Proposed by `muster init` on {date}, from what the account looked like.\n\
             # `muster config check` looks it over; `muster plan` shows what it comes to.\n\n\
             # On any other account nothing is changed.\naccount = \"{account}\"\n\n"
        );
        if let Some(common) = &self.common {
            let new = if common.exists { "" } else { " The group is new." };
            let _ = writeln!(
                text,
                "# Every user belongs to it: {}.{new}\ncommon_groups = [{}]\n\
                 # Put users in it without asking about each.\nforce_common_group = true",
                common.why,
                quoted(common.group.as_str())
            );
        }
        for category in &self.categories {
            let new = if category.exists { "" } else { " The group is new." };
            let _ = writeln!(
                text,
                "\n# {}.{new}\n[[category]]\ngroup = {}",
                category.why,
                quoted(category.group.as_str())
            );
            match &category.pattern {
                Some(pattern) => {
                    let _ = writeln!(text, "pattern = '{pattern}'");
                }
                None => text.push_str("# No pattern: a person decides who belongs here.\n"),
            }
            text.push_str(
                "# credentials = { password = true, mfa = true, access_key = true }\n\
                 # policies = [\"enforce-mfa\", \"self-manage-credentials\"]\n",
            );
        }
        text
    }
}

/// Returns what the article would call the group of users whose names begin so: `Headless` makes `AllHeadlessUsers`.
fn group_name(word: &str) -> String {
    let mut chars = word.chars();
    let word: String = chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default();
    let bare =
        word.strip_suffix("Users").or_else(|| word.strip_suffix("User")).filter(|bare| !bare.is_empty());
    format!("All{}Users", bare.unwrap_or(&word))
}

/// Returns a text that a pattern takes as it is. Names have no quotes.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if "+.".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigFile, Format, Overrides, Tool, resolve};
    use crate::name::UserName;
    use crate::roster::{Group, Policies, ReadBy, SNAPSHOT_VERSION, User};

    fn roster(groups: &[&str], users: &[(&str, &[&str])]) -> Roster {
        let user = |(name, groups): &(&str, &[&str])| User {
            name: UserName::new(name),
            path: "/".to_owned(),
            id: String::new(),
            tags: None,
            groups: groups.iter().map(GroupName::new).collect(),
            policies: Policies::default(),
            boundary: None,
            created_s: None,
        };
        let group = |name: &&str| Group { name: GroupName::new(name), path: "/".to_owned(), policies: None };
        let mut roster = Roster {
            muster_snapshot: SNAPSHOT_VERSION,
            account: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            taken_at: String::new(),
            read_by: ReadBy::AccountAuthorizationDetails,
            users: users.iter().map(user).collect(),
            groups: groups.iter().map(group).collect(),
            policies: Vec::new(),
        };
        roster.sort();
        roster
    }

    #[test]
    fn groups_and_names_that_tell_users_apart_are_found() {
        let roster = roster(
            &["Everybody", "Machines", "People", "dev"],
            &[
                ("Headless-a", &["Everybody", "Machines"]),
                ("Headless-b", &["Everybody", "Machines"]),
                ("Headless-c", &["Everybody"]),
                ("ext.x", &["Everybody", "dev"]),
                ("ext.y", &["Everybody"]),
                ("ext.z", &[]),
                ("ann", &["Everybody", "People", "dev"]),
                ("bob", &["Everybody", "People"]),
            ],
        );
        let found = propose(&roster);
        assert_eq!(found.common.as_ref().unwrap().group, GroupName::new("Everybody"));
        let categories: Vec<_> = found
            .categories
            .iter()
            .map(|c| (c.group.as_str(), c.pattern.as_deref(), c.exists, c.users))
            .collect();
        assert_eq!(
            categories,
            [
                ("Machines", Some("^Headless-(.*)"), true, 3),
                ("AllExtUsers", Some(r"^ext\.(.*)"), false, 3),
                ("People", None, true, 2),
            ]
        );
        let (file, problems) = ConfigFile::parse(&found.toml("123456789012", "2026-11-22"), Format::Native);
        assert!(problems.is_empty(), "{problems:?}");
        let (settings, problems) = resolve(file.as_ref(), Tool::SortUsers, &Overrides::default());
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(settings.taxonomy.categories.len(), 3);
    }

    #[test]
    fn an_account_without_users_has_no_categories() {
        assert_eq!(propose(&roster(&["dev"], &[])), Proposal::default());
    }
}
