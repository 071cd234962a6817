//! Laws of planning, on made-up accounts.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::HashMap;

use muster_core::assess::{Standing, assess};
use muster_core::config::{ConfigFile, Format, Overrides, Tool, resolve};
use muster_core::name::{GROUPS_PER_USER_MAX, GroupName, UserName};
use muster_core::pattern::Pattern;
use muster_core::plan::{Change, Choices, DecidedBy, Plan, plan};
use muster_core::roster::{Group, Policies, ReadBy, Roster, SNAPSHOT_VERSION, User};
use muster_core::taxonomy::{Category, Protection, Selector, Taxonomy};
use proptest::prelude::*;

const CATEGORIES: [(&str, &str); 4] =
    [("Humans", ""), ("Headless", "headless-"), ("Bots", "(headless|bot)-x"), ("Vendors", "^v[0-9]")];
const COMMON: [&str; 2] = ["Everybody", "Also"];
const FOREIGN: [&str; 9] = ["dev", "ops", "x1", "x2", "x3", "x4", "x5", "x6", "x7"];

fn taxonomy() -> Taxonomy {
    let category = |(group, pattern): &(&str, &str)| Category {
        group: GroupName::new(group),
        rule: Selector {
            pattern: (!pattern.is_empty()).then(|| Pattern::new(pattern).unwrap()),
            ..Selector::default()
        },
        credentials: None,
        policies: Vec::new(),
    };
    Taxonomy {
        common: COMMON.map(GroupName::new).to_vec(),
        categories: CATEGORIES.iter().map(category).collect(),
        protected: vec![Protection {
            users: Selector { pattern: Some(Pattern::new("break-glass").unwrap()), ..Selector::default() },
            reason: "for emergencies".to_owned(),
        }],
        path_prefix: None,
        disabled_group: Some(GroupName::new("Disabled")),
    }
}

fn user() -> impl Strategy<Value = User> {
    let name = prop_oneof![
        "[a-z]{2,6}",
        "headless-[a-z]{1,4}",
        "Headless-[a-z]{1,4}",
        "headless-x[a-z]{0,3}",
        "v[0-9][a-z]{1,3}",
        "break-glass-[0-9]",
    ];
    let all: Vec<&str> = COMMON
        .into_iter()
        .chain(CATEGORIES.map(|(group, _)| group))
        .chain(FOREIGN)
        .chain(["Disabled"])
        .collect();
    let groups = proptest::sample::subsequence(all, 0..=GROUPS_PER_USER_MAX);
    // The account spells names its own way.
    let spell = |group: &str, upper: bool| if upper { group.to_uppercase() } else { group.to_owned() };
    (name, groups, any::<bool>()).prop_map(move |(name, groups, upper)| User {
        name: UserName::new(name),
        path: "/".to_owned(),
        id: String::new(),
        tags: Some(Vec::new()),
        groups: groups.into_iter().map(|group| GroupName::new(spell(group, upper))).collect(),
        policies: Policies::default(),
        boundary: None,
        created_s: None,
    })
}

fn roster() -> impl Strategy<Value = Roster> {
    proptest::collection::vec(user(), 0..20).prop_map(|mut users| {
        users.sort_by(|a, b| a.name.cmp(&b.name));
        users.dedup_by(|a, b| a.name == b.name);
        let names = COMMON.into_iter().chain(CATEGORIES.map(|(group, _)| group)).chain(FOREIGN);
        let group = |name| Group { name: GroupName::new(name), path: "/".to_owned(), policies: None };
        let mut roster = Roster {
            muster_snapshot: SNAPSHOT_VERSION,
            account: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            taken_at: String::new(),
            read_by: ReadBy::AccountAuthorizationDetails,
            users,
            groups: names.map(group).collect(),
            policies: Vec::new(),
        };
        roster.sort();
        roster
    })
}

fn choices() -> impl Strategy<Value = Choices> {
    (
        any::<[bool; 3]>(),
        proptest::option::of(0..CATEGORIES.len()),
        proptest::collection::vec(0..CATEGORIES.len(), 3),
    )
        .prop_map(
            |([force_common_group, resolve_conflicts, move_misfiled], default_category, chosen)| Choices {
                force_common_group,
                resolve_conflicts,
                move_misfiled,
                default_category,
                category: ["ab", "cd", "headless-a"]
                    .into_iter()
                    .zip(chosen)
                    .map(|(user, category)| (UserName::new(user), (category, DecidedBy::Prompt)))
                    .collect(),
                ..Choices::default()
            },
        )
}

fn managed(taxonomy: &Taxonomy, group: &GroupName) -> bool {
    taxonomy.groups().any(|(name, _)| name == group)
}

proptest! {
    #[test]
    fn a_plan_applied_leaves_nothing_to_plan(roster in roster(), choices in choices()) {
        let taxonomy = taxonomy();
        let first = plan(&taxonomy, &roster, &choices).unwrap();
        let after = first.applied_to(&roster);
        let second = plan(&taxonomy, &after, &choices).unwrap();
        prop_assert!(second.is_empty(), "{:?} then {:?}", changes(&first), changes(&second));
    }

    #[test]
    fn nobody_in_a_category_is_ever_in_none(roster in roster(), choices in choices()) {
        let taxonomy = taxonomy();
        let planned = plan(&taxonomy, &roster, &choices).unwrap();
        for planned in &planned.users {
            let mut user = roster.user(&planned.user).unwrap().clone();
            let mut had_one = false;
            for change in std::iter::once(None).chain(planned.changes.iter().map(Some)) {
                if let Some(change) = change {
                    change.apply_to(&mut user);
                }
                let has_one = user.groups.iter().any(|group| taxonomy.category(group).is_some());
                prop_assert!(has_one || !had_one, "{} after {change:?}", user.name);
                prop_assert!(user.groups.len() <= GROUPS_PER_USER_MAX);
                had_one = has_one;
            }
        }
    }

    #[test]
    fn memberships_outside_the_taxonomy_are_never_touched(roster in roster(), choices in choices()) {
        let taxonomy = taxonomy();
        let planned = plan(&taxonomy, &roster, &choices).unwrap();
        for change in planned.users.iter().flat_map(|user| &user.changes) {
            prop_assert!(managed(&taxonomy, change.group()), "{change:?}");
        }
        let after = planned.applied_to(&roster);
        for (before, after) in roster.users.iter().zip(&after.users) {
            let foreign = |user: &User| user.groups.iter().filter(|g| !managed(&taxonomy, g)).cloned().collect::<Vec<_>>();
            let (mut before, mut after) = (foreign(before), foreign(after));
            before.sort();
            after.sort();
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn protected_and_disabled_users_are_left_alone(roster in roster(), choices in choices()) {
        let taxonomy = taxonomy();
        for planned in plan(&taxonomy, &roster, &choices).unwrap().users {
            if planned.before.protected.is_some() || planned.before.standing == Standing::Disabled {
                prop_assert!(planned.changes.is_empty(), "{}: {:?}", planned.user, planned.changes);
            }
        }
    }

    #[test]
    fn the_order_of_users_does_not_matter(roster in roster(), choices in choices(), seed in any::<u64>()) {
        let taxonomy = taxonomy();
        let planned = |roster: &Roster| -> HashMap<UserName, Vec<Change>> {
            let plan = plan(&taxonomy, roster, &choices).unwrap();
            plan.users.into_iter().map(|user| (user.user, user.changes)).collect()
        };
        let mut shuffled = roster.clone();
        let mut state = seed;
        shuffled.users.sort_by_key(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        });
        for user in &mut shuffled.users {
            user.groups.reverse();
        }
        prop_assert_eq!(planned(&roster), planned(&shuffled));
    }

    #[test]
    fn conflicts_and_misfilings_change_only_when_asked(roster in roster()) {
        let taxonomy = taxonomy();
        let choices = Choices { force_common_group: true, ..Choices::default() };
        for planned in plan(&taxonomy, &roster, &choices).unwrap().users {
            let removed = planned.changes.iter().any(|change| matches!(change, Change::Remove(_)));
            prop_assert!(!removed, "{}: {:?}", planned.user, planned.changes);
            if matches!(planned.before.standing, Standing::Conflicting(_) | Standing::Misfiled { .. }) {
                let mut after = roster.user(&planned.user).unwrap().clone();
                planned.changes.iter().for_each(|change| change.apply_to(&mut after));
                prop_assert_eq!(assess(&taxonomy, &after).unwrap().standing, planned.before.standing);
            }
        }
    }
}

fn changes(plan: &Plan) -> Vec<(&UserName, &Vec<Change>)> {
    plan.users
        .iter()
        .filter(|user| !user.changes.is_empty())
        .map(|user| (&user.user, &user.changes))
        .collect()
}

proptest! {
    /// No text is a config or a pattern that makes muster panic, whatever it is.
    #[test]
    fn no_text_makes_the_readers_panic(text in "\\PC{0,60}", pattern in r"[\[\]()?P<>=!:|*+{},0-9a-z\\^$.#-]{0,24}") {
        let _ = ConfigFile::parse(&text, Format::Native);
        let _ = ConfigFile::parse(&text, Format::Recipes);
        if let Ok(pattern) = Pattern::new(&pattern) {
            let _ = pattern.matches("Headless-ci");
        }
        let native = format!("{text} = [{text}]\n[[category]]\ngroup = '{text}'\npattern = '{pattern}'\n");
        let (file, _) = ConfigFile::parse(&native, Format::Native);
        let _ = resolve(file.as_ref(), Tool::SortUsers, &Overrides::default());
    }
}

/// A person who keeps a user where its name does not belong is not overruled by the next run.
#[test]
fn a_decision_is_not_undone_by_moving_misfiled_users() {
    let taxonomy = taxonomy();
    let mut roster = Roster {
        muster_snapshot: SNAPSHOT_VERSION,
        account: String::new(),
        partition: String::new(),
        taken_at: String::new(),
        read_by: ReadBy::AccountAuthorizationDetails,
        users: Vec::new(),
        groups: Vec::new(),
        policies: Vec::new(),
    };
    roster.users.push(User {
        name: UserName::new("headless-a"),
        path: "/".to_owned(),
        id: String::new(),
        tags: Some(Vec::new()),
        groups: vec![GroupName::new("Bots"), GroupName::new("Headless")],
        policies: Policies::default(),
        boundary: None,
        created_s: None,
    });
    let mut choices = Choices { move_misfiled: true, ..Choices::default() };
    choices.category.insert(UserName::new("headless-a"), (2, DecidedBy::DecisionsFile));
    let first = plan(&taxonomy, &roster, &choices).unwrap();
    assert_eq!(first.users[0].changes, [Change::Remove(GroupName::new("Headless"))]);
    let second = plan(&taxonomy, &first.applied_to(&roster), &choices).unwrap();
    assert!(second.is_empty(), "{:?}", changes(&second));
    assert_eq!(second.users[0].decided_by, DecidedBy::DecisionsFile);
}

/// With ten groups, a conflict is still settled, and the room it makes is used.
#[test]
fn a_full_user_in_two_categories_gets_out_of_one() {
    let taxonomy = taxonomy();
    let full = ["Humans", "Headless", "dev", "ops", "x1", "x2", "x3", "x4", "x5", "x6"];
    let user = User {
        name: UserName::new("headless-a"),
        path: "/".to_owned(),
        id: String::new(),
        tags: Some(Vec::new()),
        groups: full.map(GroupName::new).to_vec(),
        policies: Policies::default(),
        boundary: None,
        created_s: None,
    };
    let roster = Roster {
        muster_snapshot: SNAPSHOT_VERSION,
        account: String::new(),
        partition: String::new(),
        taken_at: String::new(),
        read_by: ReadBy::AccountAuthorizationDetails,
        users: vec![user],
        groups: Vec::new(),
        policies: Vec::new(),
    };
    let choices = Choices { force_common_group: true, resolve_conflicts: true, ..Choices::default() };
    let plan = plan(&taxonomy, &roster, &choices).unwrap();
    let expected = [Change::Remove(GroupName::new("Humans")), Change::Add(GroupName::new("Everybody"))];
    assert_eq!(plan.users[0].changes, expected);
    assert_eq!(plan.users[0].blocked, [GroupName::new("Also")]);
}

/// Zero, one, many, and "one, but the name says another" are four results (W3, W8, B2).
#[test]
fn every_standing_is_told_apart() {
    let taxonomy = taxonomy();
    let standing = |name: &str, groups: &[&str]| {
        let user = User {
            name: UserName::new(name),
            path: "/".to_owned(),
            id: String::new(),
            tags: None,
            groups: groups.iter().map(GroupName::new).collect(),
            policies: Policies::default(),
            boundary: None,
            created_s: None,
        };
        assess(&taxonomy, &user).unwrap()
    };
    assert_eq!(standing("jdoe", &["dev"]).standing, Standing::Uncategorized);
    assert_eq!(standing("jdoe", &["HUMANS"]).standing, Standing::Sorted(0));
    assert_eq!(standing("jdoe", &["Humans", "Bots"]).standing, Standing::Conflicting(vec![0, 2]));
    assert_eq!(standing("headless-a", &["Humans"]).standing, Standing::Misfiled { is_in: 0, belongs_in: 1 });
    // A name may say nothing about the category it is in, and may fit two patterns: both are in order.
    assert_eq!(standing("jdoe", &["Headless"]).standing, Standing::Sorted(1));
    let ambiguous = standing("headless-x", &["Bots"]);
    assert_eq!((ambiguous.standing, ambiguous.matches), (Standing::Sorted(2), vec![1, 2]));
    assert_eq!(standing("jdoe", &["Disabled"]).standing, Standing::Disabled);
    assert_eq!(standing("jdoe", &["everybody"]).missing_common, [1]);
}
