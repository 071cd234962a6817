//! The whole taxonomy as one plan: groups, the policies that they carry, and memberships, in an order that is safe at every step.
//!
//! Three stages. *Tighten* adds what will be denied and takes away what will not be allowed any more; then users move, each into
//! its new group before out of the old one; *loosen* adds what will be allowed and takes away what will not be denied any more. So
//! at every moment a user is denied all that is denied both before and after, and allowed nothing that is allowed neither before
//! nor after. A policy that has to lose permissions or gain denials before its time is given a version in between; where that would
//! reach others too, an inline policy of the group holds the denials meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::document::{GROUP_INLINE_CHARS_MAX, POLICIES_PER_GROUP_MAX, Said, VERSIONS_MAX, chars, is_same};
use crate::impact::order_joins;
use crate::mutation::Mutation;
use crate::name::GroupName;
use crate::plan::{Change, Plan};
use crate::roster::{ManagedPolicy, Policies, PolicyVersion, Roster};
use crate::rules::{CarriedAs, INLINE_PREFIX, INTERIM_PREFIX, POLICY_PATH, Rules};
use crate::taxonomy::Taxonomy;

/// Everything that has to change, in order.
#[derive(Debug, Clone, Default)]
pub struct AccountPlan {
    /// Calls before users move; none of them allows anything to anybody, or lifts a denial.
    pub tighten: Vec<Mutation>,
    /// Groups to create first of all, and users to move.
    pub members: Plan,
    /// Calls after users have moved.
    pub loosen: Vec<Mutation>,
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GovernError {
    /// Names of policies are unique in an account whatever their path, and ignoring case.
    #[error(
        "the policy `{name}` cannot be created: the account has one of that name, {arn}, which is not muster's"
    )]
    NameTaken {
        /// The policy.
        name: String,
        /// The other one.
        arn: String,
    },
    /// A group can have so many managed policies.
    #[error(
        "the group `{group}` would have {count} managed policies on the way, and IAM lets a group have {POLICIES_PER_GROUP_MAX}"
    )]
    GroupFull {
        /// The group.
        group: GroupName,
        /// How many it would have.
        count: usize,
    },
    /// A group's inline policies can be so long in all.
    #[error(
        "the inline policies of the group `{group}` would have {chars} characters, and IAM takes {GROUP_INLINE_CHARS_MAX}"
    )]
    InlineTooLong {
        /// The group.
        group: GroupName,
        /// How many there would be.
        chars: usize,
    },
    /// The policies of a group were not read.
    #[error("the policies of the group `{group}` could not be read, so nothing can be said about them")]
    Unread {
        /// The group.
        group: GroupName,
    },
}

impl AccountPlan {
    /// Returns every call, in the order in which they are made but for users, who move side by side.
    pub fn mutations(&self) -> Vec<Mutation> {
        let groups =
            self.members.groups.iter().map(|(group, _)| Mutation::CreateGroup { group: group.clone() });
        let moves = self.members.users.iter().flat_map(|planned| {
            let user = &planned.user;
            planned.changes.iter().map(move |change| match change {
                Change::Add(group) => Mutation::AddUserToGroup { user: user.clone(), group: group.clone() },
                Change::Remove(group) => {
                    Mutation::RemoveUserFromGroup { user: user.clone(), group: group.clone() }
                }
            })
        });
        let tighten = self.tighten.iter().cloned();
        groups.chain(tighten).chain(moves).chain(self.loosen.iter().cloned()).collect()
    }

    /// Returns how many changes there are.
    pub fn changes(&self) -> usize {
        self.tighten.len() + self.members.changes() + self.loosen.len()
    }

    /// Returns whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.changes() == 0
    }
}

/// Returns whether a change takes a user out of a group, or a policy from it. What a plan itself puts somewhere for a time does
/// not count.
pub fn is_removal(mutation: &Mutation) -> bool {
    match mutation {
        Mutation::RemoveUserFromGroup { .. } | Mutation::DetachGroupPolicy { .. } => true,
        Mutation::DeleteGroupPolicy { policy, .. } => !policy.starts_with(INTERIM_PREFIX),
        _ => false,
    }
}

/// What becomes of one policy in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyChange {
    /// The group carries it from now on.
    Add,
    /// It says something else from now on.
    Update,
    /// The group does not carry it any more.
    Remove,
    /// It says the same, and is carried in another way: attached, or as a copy.
    Carry,
}

/// Returns what becomes of the policies of each group, by group and name.
pub fn policy_changes(
    taxonomy: &Taxonomy,
    roster: &Roster,
    rules: &Rules,
) -> BTreeMap<GroupName, BTreeMap<String, PolicyChange>> {
    let mut changes: BTreeMap<GroupName, BTreeMap<String, PolicyChange>> = BTreeMap::new();
    for (group, _) in taxonomy.groups() {
        let found = Found::of(group, roster);
        let wanted = rules.of(group);
        let known = |name: &str| found.policies.iter().find(|(known, ..)| is_name(known, name));
        let mut of_group = BTreeMap::new();
        for name in wanted {
            let change = match known(name) {
                None => Some(PolicyChange::Add),
                Some((.., document)) if !is_same(document, &rules.policies[name].document) => {
                    Some(PolicyChange::Update)
                }
                Some(_) if found.get(name, rules.carried_as).is_none() => Some(PolicyChange::Carry),
                Some(_) => None,
            };
            of_group.extend(change.map(|change| (name.clone(), change)));
        }
        let gone =
            found.policies.iter().filter(|(name, ..)| !wanted.iter().any(|wanted| is_name(wanted, name)));
        of_group.extend(gone.map(|(name, ..)| (name.clone(), PolicyChange::Remove)));
        if !of_group.is_empty() {
            changes.insert(group.clone(), of_group);
        }
    }
    changes
}

/// The policies of ours that a group carries.
#[derive(Clone)]
struct Found {
    /// Name, how, and JSON text.
    policies: Vec<(String, CarriedAs, String)>,
}

impl Found {
    fn of(group: &GroupName, roster: &Roster) -> Self {
        let none = Policies::default();
        let policies = roster.group(group).and_then(|group| group.policies.as_ref()).unwrap_or(&none);
        let managed = policies.attached.iter().filter_map(|arn| {
            let document = roster.policy(arn).map(|policy| policy.document.clone()).unwrap_or_default();
            Some((own_name(arn, roster)?.to_owned(), CarriedAs::Managed, document))
        });
        let inline = policies.inline.iter().filter_map(|policy| {
            let name = policy.name.strip_prefix(INLINE_PREFIX)?;
            Some((name.to_owned(), CarriedAs::Inline, policy.document.clone()))
        });
        Self { policies: managed.chain(inline).collect() }
    }

    fn get(&self, name: &str, how: CarriedAs) -> Option<&str> {
        let mut policies = self.policies.iter();
        policies.find(|(n, h, _)| is_name(n, name) && *h == how).map(|(.., document)| document.as_str())
    }
}

/// Returns the name of a managed policy of muster's: those are right under our path, and no deeper.
fn own_name<'a>(arn: &'a str, roster: &Roster) -> Option<&'a str> {
    let path = format!("arn:{}:iam::{}:policy{POLICY_PATH}", roster.partition, roster.account);
    arn.strip_prefix(&path).filter(|name| !name.contains('/'))
}

/// Returns whether a managed policy is one of muster's.
pub fn is_ours(arn: &str, roster: &Roster) -> bool {
    own_name(arn, roster).is_some()
}

/// Returns the ARN that a managed policy of muster's has. IAM ignores the case of names, and keeps the first spelling.
pub fn arn_of(name: &str, roster: &Roster) -> String {
    let mut policies = roster.policies.iter();
    let found = policies.find(|policy| own_name(&policy.arn, roster).is_some_and(|own| is_name(own, name)));
    found.map_or_else(
        || format!("arn:{}:iam::{}:policy{POLICY_PATH}{name}", roster.partition, roster.account),
        |policy| policy.arn.clone(),
    )
}

/// Returns whether two names are one to IAM, which ignores case. Source: IAM User Guide, quotas.
pub fn is_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Brings groups, policies and memberships together in one plan.
///
/// # Errors
///
/// Where IAM would refuse a part of it.
pub fn govern(
    taxonomy: &Taxonomy,
    roster: &Roster,
    rules: &Rules,
    mut members: Plan,
) -> Result<AccountPlan, GovernError> {
    let mut planner = Planner::new(taxonomy, roster, rules, &members)?;
    planner.plan();
    planner.check_room()?;
    let (tighten, loosen) = (planner.stages.tighten(), planner.stages.loosen());
    let mut then = Roster { users: Vec::new(), ..roster.clone() };
    for call in &tighten {
        apply_to(call, &mut then);
    }
    order_joins(&mut members, &then);
    Ok(AccountPlan { tighten, members, loosen })
}

/// Calls, by the step in which they are made.
#[derive(Default)]
struct Stages {
    /// New policies, and new versions of policies that nobody has.
    prepare: Vec<Mutation>,
    /// Versions in between.
    narrow: Vec<Mutation>,
    /// Denials arrive.
    deny: Vec<Mutation>,
    /// Permissions go.
    withdraw: Vec<Mutation>,
    /// Permissions are exchanged for others, where no denial changes.
    exchange: Vec<Mutation>,
    /// Denials go.
    lift: Vec<Mutation>,
    /// Versions as they are to be.
    settle: Vec<Mutation>,
    /// Permissions arrive.
    allow: Vec<Mutation>,
    /// What was there for a time goes.
    clear: Vec<Mutation>,
}

impl Stages {
    fn tighten(&self) -> Vec<Mutation> {
        [&self.prepare[..], &self.narrow, &self.deny, &self.withdraw].concat()
    }

    fn loosen(&self) -> Vec<Mutation> {
        [&self.exchange[..], &self.lift, &self.settle, &self.allow, &self.clear].concat()
    }
}

struct Planner<'p> {
    taxonomy: &'p Taxonomy,
    roster: &'p Roster,
    rules: &'p Rules,
    /// Groups whose members change.
    restless: BTreeSet<&'p GroupName>,
    found: BTreeMap<GroupName, Found>,
    /// The plan is this one change and no other, which needs no step in between.
    is_alone: bool,
    /// What each policy of ours says after the first stage.
    narrowed: BTreeMap<String, Said>,
    stages: Stages,
}

impl<'p> Planner<'p> {
    fn new(
        taxonomy: &'p Taxonomy,
        roster: &'p Roster,
        rules: &'p Rules,
        members: &'p Plan,
    ) -> Result<Self, GovernError> {
        let changes = members.users.iter().flat_map(|user| &user.changes);
        let restless: BTreeSet<&GroupName> = changes.map(Change::group).collect();
        let mut found = BTreeMap::new();
        for (group, _) in taxonomy.groups() {
            if roster.group(group).is_some_and(|group| group.policies.is_none()) {
                return Err(GovernError::Unread { group: group.clone() });
            }
            found.insert(group.clone(), Found::of(group, roster));
        }
        let changes = policy_changes(taxonomy, roster, rules);
        // What is only carried in another way, or left of an earlier run, changes nothing that anybody may do.
        let says = changes.values().flatten().filter(|(name, change)| {
            **change != PolicyChange::Carry && !format!("{INLINE_PREFIX}{name}").starts_with(INTERIM_PREFIX)
        });
        let (names, kinds): (BTreeSet<&String>, BTreeSet<PolicyChange>) =
            says.map(|(name, change)| (name, *change)).unzip();
        let is_alone = restless.is_empty() && names.len() <= 1 && kinds.len() <= 1;
        let narrowed = BTreeMap::new();
        let stages = Stages::default();
        Ok(Self { taxonomy, roster, rules, restless, found, is_alone, narrowed, stages })
    }

    fn plan(&mut self) {
        if self.rules.carried_as == CarriedAs::Managed {
            for name in self.rules.policies.keys() {
                self.policy(name);
            }
        }
        for (group, _) in self.taxonomy.groups() {
            self.group(group);
        }
    }

    /// Makes a managed policy say what it is to say.
    fn policy(&mut self, name: &str) {
        let wanted = &self.rules.policies[name];
        let arn = arn_of(name, self.roster);
        let Some(policy) = self.roster.policy(&arn) else {
            self.stages.prepare.push(Mutation::CreatePolicy {
                policy: name.to_owned(),
                path: POLICY_PATH.to_owned(),
                document: wanted.document.clone(),
                description: None,
            });
            return;
        };
        if is_same(&policy.document, &wanted.document) {
            return;
        }
        let has = |policies: &Policies| policies.attached.contains(&arn);
        let mut carriers = self.roster.groups.iter().filter(|group| group.policies.as_ref().is_some_and(has));
        let is_carried = carriers.next().is_some()
            || self
                .roster
                .users
                .iter()
                .any(|user| has(&user.policies) || user.boundary.as_ref() == Some(&arn));
        let (old, new) = (Said::by(&policy.document), Said::by(&wanted.document));
        let mut versions = Versions::of(policy);
        if !is_carried || self.is_alone {
            self.stages.prepare.extend(versions.next(&wanted.document));
            return;
        }
        if self.is_at_rest(name) && old.only_denies().is(&new.only_denies()) {
            self.stages.exchange.extend(versions.next(&wanted.document));
            return;
        }
        let narrow = old.tightened(&new);
        if narrow.is(&new) {
            self.stages.narrow.extend(versions.next(&wanted.document));
        } else {
            if !narrow.is(&old) {
                self.stages.narrow.extend(versions.next(&narrow.document()));
            }
            self.stages.settle.extend(versions.next(&wanted.document));
        }
        self.narrowed.insert(name.to_owned(), narrow);
    }

    /// Returns whether nobody comes to a policy, or leaves it: no group, and no user of its groups.
    fn is_at_rest(&self, name: &str) -> bool {
        self.found.iter().all(|(group, found)| {
            let (now, then) = (
                found.get(name, CarriedAs::Managed).is_some(),
                self.rules.of(group).iter().any(|wanted| is_name(wanted, name)),
            );
            now == then && !(now && self.restless.contains(group))
        })
    }

    /// Makes a group carry what it is to carry.
    fn group(&mut self, group: &GroupName) {
        let wanted = self.rules.of(group).to_vec();
        let now = self.found[group].clone();
        for name in &wanted {
            let document = self.rules.policies[name].document.clone();
            match self.rules.carried_as {
                CarriedAs::Managed if now.get(name, CarriedAs::Managed).is_none() => {
                    self.attach(group, name, &Said::by(&document));
                }
                CarriedAs::Managed => {}
                CarriedAs::Inline => {
                    let old = now.get(name, CarriedAs::Inline);
                    if old.is_none_or(|old| !is_same(old, &document)) {
                        self.inline(group, name, old, Some(&document));
                    }
                }
            }
        }
        for (name, how, document) in &now.policies {
            if wanted.iter().any(|wanted| is_name(wanted, name)) && *how == self.rules.carried_as {
                continue;
            }
            match how {
                CarriedAs::Managed => self.detach(group, name, &Said::by(document)),
                CarriedAs::Inline => self.inline(group, name, Some(document), None),
            }
        }
    }

    fn attach(&mut self, group: &GroupName, name: &str, new: &Said) {
        let call = Mutation::AttachGroupPolicy { group: group.clone(), policy: arn_of(name, self.roster) };
        let at_first = self.narrowed.get(name).unwrap_or(new);
        if at_first.allows.is_empty() {
            self.stages.deny.push(call);
        } else if new.denies.is_empty() || self.is_alone {
            self.stages.allow.push(call);
        } else {
            self.hold_denials(group, name, new);
            self.stages.allow.push(call);
        }
    }

    fn detach(&mut self, group: &GroupName, name: &str, old: &Said) {
        let call = Mutation::DetachGroupPolicy { group: group.clone(), policy: arn_of(name, self.roster) };
        if old.denies.is_empty() || self.is_alone {
            self.stages.withdraw.push(call);
        } else if old.allows.is_empty() {
            self.stages.lift.push(call);
        } else {
            self.hold_denials(group, name, old);
            self.stages.withdraw.push(call);
        }
    }

    /// Has an inline policy of the group deny what a policy denies, until all is done.
    fn hold_denials(&mut self, group: &GroupName, name: &str, said: &Said) {
        let policy = format!("{INTERIM_PREFIX}{name}");
        // What an earlier run left there goes on being denied.
        let interim = policy.strip_prefix(INLINE_PREFIX).unwrap_or_default();
        let left = self.found[group].get(interim, CarriedAs::Inline).map(Said::by).unwrap_or_default();
        let document = left.tightened(said).only_denies().document();
        let put = Mutation::PutGroupPolicy { group: group.clone(), policy: policy.clone(), document };
        self.stages.deny.push(put);
        let clear = Mutation::DeleteGroupPolicy { group: group.clone(), policy };
        self.stages.lift.retain(|call| *call != clear);
        self.stages.clear.push(clear);
    }

    fn inline(&mut self, group: &GroupName, name: &str, old: Option<&str>, new: Option<&str>) {
        let said = |document: Option<&str>| document.map(Said::by).unwrap_or_default();
        let (before, after) = (said(old), said(new));
        let policy = format!("{INLINE_PREFIX}{name}");
        let put = |document: String| Mutation::PutGroupPolicy {
            group: group.clone(),
            policy: policy.clone(),
            document,
        };
        let last = match new {
            Some(document) => put(document.to_owned()),
            None => Mutation::DeleteGroupPolicy { group: group.clone(), policy: policy.clone() },
        };
        let narrow = before.tightened(&after);
        let is_at_rest = !self.restless.contains(group);
        let stages = &mut self.stages;
        if self.is_alone {
            // The same policy may be there in another way from now on.
            if new.is_some() { &mut stages.deny } else { &mut stages.clear }.push(last);
        } else if is_at_rest
            && before.only_denies().is(&after.only_denies())
            && old.is_some()
            && new.is_some()
        {
            stages.exchange.push(last);
        } else if narrow.is(&after) {
            // Also where a policy goes that only allows, and where one comes that only denies.
            if after.allows.is_empty() && new.is_some() { &mut stages.deny } else { &mut stages.withdraw }
                .push(last);
        } else {
            if !narrow.is(&before) {
                stages.narrow.push(put(narrow.document()));
            }
            if new.is_some() {
                stages.settle.push(last);
            } else if !stages.clear.contains(&last) {
                stages.lift.push(last);
            }
        }
    }

    /// Checks that IAM has room for every step.
    fn check_room(&self) -> Result<(), GovernError> {
        for name in self.rules.policies.keys().filter(|_| self.rules.carried_as == CarriedAs::Managed) {
            let arn = arn_of(name, self.roster);
            let of_account = format!("::{}:policy/", self.roster.account);
            let taken = self.roster.policies.iter().find(|policy| {
                policy.name.eq_ignore_ascii_case(name)
                    && policy.arn != arn
                    && policy.arn.contains(&of_account)
            });
            if let Some(taken) = taken {
                return Err(GovernError::NameTaken { name: name.clone(), arn: taken.arn.clone() });
            }
        }
        let calls = [self.stages.tighten(), self.stages.loosen()].concat();
        for (group, _) in self.taxonomy.groups() {
            let mut policies =
                self.roster.group(group).and_then(|group| group.policies.clone()).unwrap_or_default();
            for call in &calls {
                if !apply_to_group(call, group, &mut policies) {
                    continue;
                }
                if policies.attached.len() > POLICIES_PER_GROUP_MAX {
                    let count = policies.attached.len();
                    return Err(GovernError::GroupFull { group: group.clone(), count });
                }
                let chars = policies.inline.iter().map(|policy| chars(&policy.document)).sum();
                if chars > GROUP_INLINE_CHARS_MAX && matches!(call, Mutation::PutGroupPolicy { .. }) {
                    return Err(GovernError::InlineTooLong { group: group.clone(), chars });
                }
            }
        }
        Ok(())
    }
}

/// Carries a call out on the policies of a group; returns whether it was about them.
fn apply_to_group(call: &Mutation, name: &GroupName, policies: &mut Policies) -> bool {
    match call {
        Mutation::AttachGroupPolicy { group, policy } if group == name => {
            if !policies.attached.contains(policy) {
                policies.attached.push(policy.clone());
            }
        }
        Mutation::DetachGroupPolicy { group, policy } if group == name => {
            policies.attached.retain(|attached| attached != policy);
        }
        Mutation::PutGroupPolicy { group, policy, document } if group == name => {
            policies.inline.retain(|inline| !is_name(&inline.name, policy));
            let inline = crate::roster::InlinePolicy { name: policy.clone(), document: document.clone() };
            policies.inline.push(inline);
        }
        Mutation::DeleteGroupPolicy { group, policy } if group == name => {
            policies.inline.retain(|inline| !is_name(&inline.name, policy));
        }
        _ => return false,
    }
    true
}

/// The versions of a policy, as calls change them.
struct Versions {
    arn: String,
    /// The others, the oldest first, and the default one at the end.
    ids: Vec<String>,
}

impl Versions {
    fn of(policy: &ManagedPolicy) -> Self {
        let others = policy.others.iter().map(|version: &PolicyVersion| version.id.clone());
        Self { arn: policy.arn.clone(), ids: others.chain([policy.version.clone()]).collect() }
    }

    /// Returns the calls that make a document the default version. Never is the policy without one.
    fn next(&mut self, document: &str) -> Vec<Mutation> {
        let mut calls = Vec::new();
        if self.ids.len() >= VERSIONS_MAX {
            let version = self.ids.remove(0);
            calls.push(Mutation::DeletePolicyVersion { policy: self.arn.clone(), version });
        }
        calls.push(Mutation::CreatePolicyVersion { policy: self.arn.clone(), document: document.to_owned() });
        // Its id is IAM's to give. It is never the oldest one in the same plan.
        self.ids.push(String::new());
        calls
    }
}

/// Carries a call out on a roster, as far as a plan's calls change one.
pub fn apply_to(call: &Mutation, roster: &mut Roster) {
    match call {
        Mutation::CreateGroup { group } if roster.group(group).is_none() => {
            let policies = Some(Policies::default());
            roster.groups.push(crate::roster::Group { name: group.clone(), path: "/".to_owned(), policies });
        }
        Mutation::CreatePolicy { policy, path, document, .. } => roster.policies.push(ManagedPolicy {
            arn: format!("arn:{}:iam::{}:policy{path}{policy}", roster.partition, roster.account),
            name: policy.clone(),
            document: document.clone(),
            version: "v1".to_owned(),
            others: Vec::new(),
        }),
        Mutation::CreatePolicyVersion { policy, document } => {
            for found in roster.policies.iter_mut().filter(|found| found.arn == *policy) {
                let newest = found.others.iter().map(PolicyVersion::number);
                let newest = newest.chain([crate::roster::version_number(&found.version)]).max();
                let id = format!("v{}", newest.unwrap_or_default() + 1);
                let id = std::mem::replace(&mut found.version, id);
                let document = std::mem::replace(&mut found.document, document.clone());
                found.others.push(PolicyVersion { id, document });
            }
        }
        Mutation::DeletePolicyVersion { policy, version } => {
            for found in roster.policies.iter_mut().filter(|found| found.arn == *policy) {
                found.others.retain(|other| other.id != *version);
            }
        }
        Mutation::AddUserToGroup { user, group } | Mutation::RemoveUserFromGroup { user, group } => {
            let change = match call {
                Mutation::AddUserToGroup { .. } => Change::Add(group.clone()),
                _ => Change::Remove(group.clone()),
            };
            roster
                .users
                .iter_mut()
                .filter(|found| found.name == *user)
                .for_each(|user| change.apply_to(user));
        }
        _ => {
            for group in &mut roster.groups {
                apply_to_group(call, &group.name.clone(), group.policies.get_or_insert_default());
            }
        }
    }
    roster.sort();
}
