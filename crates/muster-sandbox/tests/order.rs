//! A plan for a whole account is safe after every single call, as the evaluator judges it; and it ends.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;

use muster_core::govern::{AccountPlan, apply_to, arn_of, govern};
use muster_core::name::{GroupName, UserName};
use muster_core::pattern::Pattern;
use muster_core::plan::{Change, Choices, missing_groups, plan};
use muster_core::roster::{
    Group, InlinePolicy, ManagedPolicy, Policies, ReadBy, Roster, SNAPSHOT_VERSION, User,
};
use muster_core::rules::{CarriedAs, INLINE_PREFIX, Rules, Wanted};
use muster_core::taxonomy::{Category, Selector, Taxonomy};
use muster_sandbox::engine::{Decision, Question, decide};
use proptest::prelude::*;
use serde_json::json;

const GROUPS: [&str; 4] = ["common", "cat-a", "cat-b", "elsewhere"];
const NAMES: [&str; 4] = ["p0", "p1", "p2", "p3"];
const ACTIONS: [&str; 4] = ["s3:A", "s3:B", "s3:C", "s3:D"];
const USERS: [&str; 5] = ["a1", "a2", "b1", "b2", "n1"];

/// What one policy says: (denies, action, only with MFA).
type Lines = Vec<(bool, usize, bool)>;

#[derive(Debug, Clone)]
struct Case {
    old: Vec<Lines>,
    new: Vec<Lines>,
    /// For each group, which policies it has: attached, inline; and which it is to have.
    groups: Vec<(Vec<bool>, Vec<bool>, Vec<bool>)>,
    members: Vec<Vec<bool>>,
    inline: bool,
    /// How many versions each policy has already.
    versions: Vec<usize>,
    cut: usize,
}

fn lines() -> impl Strategy<Value = Lines> {
    prop::collection::vec((any::<bool>(), 0..ACTIONS.len(), any::<bool>()), 1..4)
}

fn cases() -> impl Strategy<Value = Case> {
    let few = || prop::collection::vec(prop::bool::weighted(0.4), NAMES.len());
    let group = (few(), prop::collection::vec(prop::bool::weighted(0.1), NAMES.len()), few());
    (
        prop::collection::vec(lines(), NAMES.len()),
        prop::collection::vec(prop::option::weighted(0.6, lines()), NAMES.len()),
        prop::collection::vec(group, GROUPS.len()),
        prop::collection::vec(prop::collection::vec(any::<bool>(), GROUPS.len()), USERS.len()),
        prop::bool::weighted(0.3),
        prop::collection::vec(1..6_usize, NAMES.len()),
        (0..40_usize, prop::bool::weighted(0.3)),
    )
        .prop_map(|(old, mut new, mut groups, mut members, inline, versions, (cut, is_quiet))| {
            if is_quiet {
                // Nobody moves, and one policy changes, or comes and goes.
                for (name, member) in USERS.iter().zip(&mut members) {
                    let (a, b) = (name.starts_with('a'), name.starts_with('b'));
                    *member = vec![true, a, b, member[3]];
                }
                for (attached, copies, wanted) in &mut groups {
                    copies.fill(false);
                    wanted[1..].clone_from_slice(&attached[1..]);
                }
                let (attached, _, wanted) = &mut groups[3];
                wanted.clone_from(attached);
                new[1..].fill(None);
            }
            let new =
                new.into_iter().zip(&old).map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect();
            let inline = inline && !is_quiet;
            Case { old, new, groups, members, inline, versions, cut }
        })
}

fn document(lines: &Lines) -> String {
    let statement = |(denies, action, mfa): &(bool, usize, bool)| {
        let effect = if *denies { "Deny" } else { "Allow" };
        let mut statement = json!({ "Effect": effect, "Action": ACTIONS[*action], "Resource": "*" });
        if *mfa {
            statement["Condition"] = json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } });
        }
        statement
    };
    let all: Vec<_> = lines.iter().map(statement).collect();
    json!({ "Version": "2012-10-17", "Statement": all }).to_string()
}

impl Case {
    fn taxonomy() -> Taxonomy {
        let category = |group: &str, pattern: &str| Category {
            group: GroupName::new(group),
            rule: Selector { pattern: Some(Pattern::new(pattern).unwrap()), ..Selector::default() },
            credentials: None,
            policies: Vec::new(),
        };
        Taxonomy {
            common: vec![GroupName::new("common")],
            categories: vec![category("cat-a", "^a"), category("cat-b", "^b")],
            ..Taxonomy::default()
        }
    }

    fn roster(&self) -> Roster {
        let mut roster = Roster {
            muster_snapshot: SNAPSHOT_VERSION,
            account: "123456789012".to_owned(),
            partition: "aws".to_owned(),
            taken_at: String::new(),
            read_by: ReadBy::AccountAuthorizationDetails,
            users: Vec::new(),
            groups: Vec::new(),
            policies: Vec::new(),
        };
        for (name, (lines, versions)) in NAMES.iter().zip(self.old.iter().zip(&self.versions)) {
            let others = (1..*versions).map(|number| muster_core::roster::PolicyVersion {
                id: format!("v{number}"),
                document: document(lines),
            });
            roster.policies.push(ManagedPolicy {
                arn: arn_of(name, &roster),
                name: (*name).to_owned(),
                document: document(lines),
                version: format!("v{versions}"),
                others: others.collect(),
            });
        }
        for (name, (attached, inline, _)) in GROUPS.iter().zip(&self.groups) {
            let picked = |which: &[bool]| -> Vec<usize> { (0..NAMES.len()).filter(|i| which[*i]).collect() };
            let copy = |i: usize| InlinePolicy {
                name: format!("{INLINE_PREFIX}{}", NAMES[i]),
                document: document(&self.old[i]),
            };
            let policies = Policies {
                attached: picked(attached).into_iter().map(|i| arn_of(NAMES[i], &roster)).collect(),
                inline: picked(inline).into_iter().map(copy).collect(),
            };
            let (name, path) = (GroupName::new(name), "/".to_owned());
            roster.groups.push(Group { name, path, policies: Some(policies) });
        }
        for (name, member) in USERS.iter().zip(&self.members) {
            let groups =
                GROUPS.iter().zip(member).filter(|(_, is)| **is).map(|(group, _)| GroupName::new(group));
            roster.users.push(User {
                name: UserName::new(name),
                path: "/".to_owned(),
                id: String::new(),
                tags: Some(Vec::new()),
                groups: groups.collect(),
                policies: Policies::default(),
                boundary: None,
                created_s: None,
            });
        }
        roster.sort();
        roster
    }

    fn rules(&self) -> Rules {
        let mut rules = Rules {
            carried_as: if self.inline { CarriedAs::Inline } else { CarriedAs::Managed },
            ..Rules::default()
        };
        // The last group is nobody's business.
        for (group, (.., wanted)) in GROUPS.iter().zip(&self.groups).take(3) {
            for (i, name) in NAMES.iter().enumerate().filter(|(i, _)| wanted[*i]) {
                let wanted = Wanted { name: (*name).to_owned(), document: document(&self.new[i]) };
                rules.policies.insert((*name).to_owned(), wanted);
                rules.groups.entry(GroupName::new(group)).or_default().push((*name).to_owned());
            }
        }
        rules
    }
}

fn make(taxonomy: &Taxonomy, rules: &Rules, roster: &Roster) -> AccountPlan {
    let choices = Choices {
        force_common_group: true,
        move_misfiled: true,
        resolve_conflicts: true,
        ..Choices::default()
    };
    let members = plan(taxonomy, roster, &choices).unwrap();
    let members = muster_core::plan::Plan { groups: missing_groups(taxonomy, roster), ..members };
    govern(taxonomy, roster, rules, members).unwrap()
}

/// What every user is told to every question: by user, action and MFA.
fn judged(roster: &Roster) -> BTreeMap<(String, &'static str, bool), Decision> {
    let mut all = BTreeMap::new();
    for user in &roster.users {
        let groups = user.groups.iter().filter_map(|group| roster.group(group));
        let policies: Vec<&Policies> = groups.filter_map(|group| group.policies.as_ref()).collect();
        let attached = policies.iter().flat_map(|p| &p.attached).filter_map(|arn| roster.policy(arn));
        let inline = policies.iter().flat_map(|p| &p.inline).map(|policy| policy.document.as_str());
        let documents: Vec<&str> = attached.map(|policy| policy.document.as_str()).chain(inline).collect();
        for action in ACTIONS {
            for mfa in [false, true] {
                let question = Question::new(action, "*").with("aws:MultiFactorAuthPresent", mfa);
                let decision = decide(documents.iter().copied(), &question);
                all.insert((user.name.to_string(), action, mfa), decision);
            }
        }
    }
    all
}

/// Returns the users that join two groups of which each may allow what the other denies: no order of calls helps there.
fn without_order(plan: &AccountPlan, roster: &Roster) -> Vec<String> {
    let mut then = roster.clone();
    for call in &plan.tighten {
        apply_to(call, &mut then);
    }
    let is_mixed = |group: &GroupName| {
        let policies = then.group(group).and_then(|group| group.policies.clone()).unwrap_or_default();
        let attached =
            policies.attached.iter().filter_map(|arn| then.policy(arn)).map(|p| p.document.clone());
        let inline = policies.inline.iter().map(|policy| policy.document.clone());
        let said: Vec<String> = attached.chain(inline).collect();
        let says = |effect: &str| said.iter().any(|document| document.contains(effect));
        says("Allow") && says("Deny")
    };
    let joins = |user: &muster_core::plan::UserPlan| {
        let adds = user.changes.iter().filter(|change| matches!(change, Change::Add(_)));
        adds.filter(|change| is_mixed(change.group())).count()
    };
    let users = plan.members.users.iter().filter(|user| joins(user) > 1);
    users.map(|user| user.user.to_string()).collect()
}

/// Carries a plan out, up to a number of calls, and looks at every user after each.
fn carry_out(plan: &AccountPlan, roster: &Roster, calls_max: usize) -> Result<Roster, TestCaseError> {
    let calls = plan.mutations();
    let mut end = roster.clone();
    for call in &calls {
        apply_to(call, &mut end);
    }
    let (before, after) = (judged(roster), judged(&end));
    let categories = [GroupName::new("cat-a"), GroupName::new("cat-b")];
    let is_in_one = |user: &User| user.groups.iter().any(|group| categories.contains(group));
    let hopeless = without_order(plan, roster);
    let mut now = roster.clone();
    for (place, call) in calls.iter().enumerate().take(calls_max) {
        apply_to(call, &mut now);
        for (who, decision) in judged(&now) {
            let (was, will) = (before[&who], after[&who]);
            if was == Decision::ExplicitDeny && will == Decision::ExplicitDeny {
                prop_assert_eq!(
                    decision,
                    Decision::ExplicitDeny,
                    "{:?} after call {}: {:#?}",
                    who,
                    place,
                    calls
                );
            }
            if decision == Decision::Allowed {
                let either =
                    hopeless.contains(&who.0) || was == Decision::Allowed || will == Decision::Allowed;
                prop_assert!(either, "{:?} is allowed after call {} {}: {:?}", who, place, call, calls);
            }
        }
        for (user, was) in now.users.iter().zip(&roster.users) {
            prop_assert!(is_in_one(user) || !is_in_one(was), "{} is in no category", user.name);
        }
        for policy in &now.policies {
            prop_assert!(policy.others.len() < 5, "{} has too many versions", policy.name);
        }
        let foreign = |roster: &Roster| roster.group(&GroupName::new("elsewhere")).cloned();
        prop_assert_eq!(foreign(&now), foreign(roster));
    }
    Ok(now)
}

/// Fewer than usual, as every one is hundreds of judgements; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = if usual.cases == 256 { 64 } else { usual.cases };
    ProptestConfig { cases, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    /// After every single call: denied is what is denied before and after; allowed is nothing but what is allowed before or
    /// after; who is in a category is never in none. A plan that was carried out leaves nothing to do, and one that was cut off
    /// anywhere can be made again and carried out as safely.
    #[test]
    fn a_plan_is_safe_at_every_step_and_ends(case in cases()) {
        let (taxonomy, rules, roster) = (Case::taxonomy(), case.rules(), case.roster());
        let plan = make(&taxonomy, &rules, &roster);
        let end = carry_out(&plan, &roster, usize::MAX)?;
        let left = make(&taxonomy, &rules, &end).mutations();
        prop_assert!(left.is_empty(), "left: {left:?}");

        let cut = carry_out(&plan, &roster, case.cut)?;
        let again = make(&taxonomy, &rules, &cut);
        let end_again = carry_out(&again, &cut, usize::MAX)?;
        let left = make(&taxonomy, &rules, &end_again).mutations();
        prop_assert!(left.is_empty(), "left after a cut: {left:?}");
        prop_assert_eq!(judged(&end_again), judged(&end));
    }
}
