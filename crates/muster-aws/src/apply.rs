//! Carries out a plan: groups first, then memberships, many users at once and each user in order.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use muster_core::document::is_same;
use muster_core::govern::is_name;
use muster_core::mutation::Mutation;
use muster_core::name::{GroupName, UserName};
use muster_core::plan::{Change, Plan, UserPlan};
use muster_core::roster::{ReadBy, Roster};
use muster_core::taxonomy::GroupRole;
use tokio::time::Instant;

use crate::error::{CallError, Effect, Kind};
use crate::gateway::{Gateway, Repeat};
use crate::parallel::in_parallel;
use crate::policy::{create_policy, create_version};
use crate::read::{groups_of, read_groups_and_policies};
use crate::record::{Ended, Line, Record, RecordError};
use crate::send::{patiently, send_once};

/// How long something that this run made may be "not found" before that is believed.
///
/// IAM promises no bound; two minutes is what Terraform's AWS provider waits.
pub(crate) const PROPAGATION: Duration = Duration::from_mins(2);

/// How long to wait between two looks.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What became of one change.
#[derive(Debug, Clone)]
pub enum Applied {
    /// It was carried out.
    Done,
    /// It was so already, by somebody else's doing.
    AlreadySo,
    /// It was not, or nobody knows; the error says which.
    Failed(CallError),
    /// It was left out because of what happened to another change of the same user.
    LeftOut(String),
    /// The account is not as it was when the plan was made.
    Moved(String),
    /// Ctrl-C came first.
    Interrupted,
}

impl Applied {
    /// Returns whether this run carried it out.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Returns whether the account is now as the change wanted it.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Done | Self::AlreadySo)
    }
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Each group to create.
    pub groups: Vec<(GroupName, GroupRole, Applied)>,
    /// Each user with changes, in the plan's order, and each of its changes.
    pub users: Vec<(UserName, Vec<(Change, Applied)>)>,
    /// Each call about policies, in order.
    pub policies: Vec<(Mutation, Applied)>,
    /// Each group to delete.
    pub deleted: Vec<(GroupName, Applied)>,
    /// Why the record could not be kept, which ends a run.
    pub record_error: Option<RecordError>,
}

impl Outcome {
    /// Returns what became of each change.
    pub fn all(&self) -> impl Iterator<Item = &Applied> {
        let groups = self.groups.iter().map(|(.., applied)| applied);
        let users = self.users.iter().flat_map(|(_, changes)| changes.iter().map(|(_, applied)| applied));
        let policies = self.policies.iter().map(|(_, applied)| applied);
        groups.chain(users).chain(policies).chain(self.deleted.iter().map(|(_, applied)| applied))
    }

    /// Returns whether the account is changed, or may be.
    pub fn may_have_changed(&self) -> bool {
        self.all().any(|applied| match applied {
            Applied::Done => true,
            Applied::Failed(error) => error.effect == Effect::Unknown,
            _ => false,
        })
    }
}

/// What an apply needs besides the plan.
pub struct ApplyContext<'a> {
    /// The way to the account.
    pub gateway: &'a Gateway,
    /// The account as the plan saw it.
    pub roster: &'a Roster,
    /// The user that calls, whose own memberships change last.
    pub caller: Option<&'a UserName>,
    /// Where each change is written down.
    pub record: &'a Record,
    /// Is told how many changes are done.
    pub progress: &'a (dyn Fn(usize) + Send + Sync),
}

/// What is to be carried out, in this order.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Groups to create first of all, and users to move between the next two.
    pub plan: &'a Plan,
    /// Calls about policies before users move. If one fails, nothing that follows is begun.
    pub tighten: &'a [Mutation],
    /// Calls about policies after users have moved; left out if one of them could not be.
    pub loosen: &'a [Mutation],
    /// Groups to delete at the end.
    pub delete: &'a [GroupName],
}

impl<'a> Work<'a> {
    /// Returns work that is about groups and members alone.
    pub fn on_members(plan: &'a Plan) -> Self {
        Self { plan, tighten: &[], loosen: &[], delete: &[] }
    }
}

/// Carries work out as far as it can; what could not be done is in the outcome.
pub async fn apply(context: &ApplyContext<'_>, work: Work<'_>) -> Outcome {
    Run::new(context).work(work).await
}

struct Run<'a> {
    context: &'a ApplyContext<'a>,
    /// Groups made a moment ago, which reads and writes may not see yet.
    created: HashSet<GroupName>,
    done: AtomicU64,
    failed: AtomicU64,
    number: AtomicU64,
    record_error: Mutex<Option<RecordError>>,
    /// Why nothing more is begun.
    halted: Option<String>,
}

impl<'a> Run<'a> {
    fn new(context: &'a ApplyContext<'a>) -> Self {
        Self {
            context,
            created: HashSet::new(),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            number: AtomicU64::new(0),
            record_error: Mutex::new(None),
            halted: None,
        }
    }

    async fn work(mut self, work: Work<'_>) -> Outcome {
        let Work { plan, tighten, loosen, delete } = work;
        let mut outcome = Outcome::default();
        for (group, role) in &plan.groups {
            let applied = self.create_group(group).await;
            // Also one that somebody else made a moment ago: neither is seen everywhere yet.
            if applied.holds() {
                self.created.insert(group.clone());
            }
            self.count(&applied);
            outcome.groups.push((group.clone(), *role, applied));
        }
        let lost = outcome.groups.iter().filter(|(.., applied)| !applied.holds());
        let lost: HashSet<GroupName> = lost.map(|(group, ..)| group.clone()).collect();

        let is_about_policies = !tighten.is_empty() || !loosen.is_empty();
        if is_about_policies && !lost.is_empty() {
            self.halt("a group that is needed could not be created");
        }
        let in_place = self.policies(tighten, &mut outcome.policies).await;
        let is_more = !loosen.is_empty() || plan.users.iter().any(|user| !user.changes.is_empty());
        if in_place && is_more && !tighten.is_empty() {
            self.wait_until_seen(tighten).await;
        }

        outcome.users = self.users(plan, &lost).await;
        let moved = |(_, changes): &(_, Vec<(Change, Applied)>)| changes.iter().all(|(_, made)| made.holds());
        if !loosen.is_empty() && !outcome.users.iter().all(moved) {
            self.halt("not all users could be moved; run again to go on");
        }
        self.policies(loosen, &mut outcome.policies).await;

        for group in delete {
            let applied = match self.stopped() {
                Some(stopped) => stopped,
                None => self.delete_group(group).await,
            };
            self.count(&applied);
            outcome.deleted.push((group.clone(), applied));
        }
        let end = Line::End { done: self.done.into_inner(), failed: self.failed.into_inner() };
        let record_error = self.record_error.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.record_error = record_error.or_else(|| self.context.record.line(&end).err());
        outcome
    }

    /// Moves users, many at once, the caller last.
    async fn users(&self, plan: &Plan, lost: &HashSet<GroupName>) -> Vec<(UserName, Vec<(Change, Applied)>)> {
        let work = |is_caller: bool| {
            let changing = plan.users.iter().filter(|user| !user.changes.is_empty());
            changing.filter(move |user| (Some(&user.user) == self.context.caller) == is_caller)
        };
        let one =
            async |user: &UserPlan| (user.user.clone(), self.user(&user.user, &user.changes, lost).await);
        let mut users = in_parallel(work(false), one).await;
        users.extend(in_parallel(work(true), one).await);
        users.sort_by(|a, b| a.0.cmp(&b.0));
        users
    }

    /// Makes calls about policies one after the other; after one that fails nothing more is begun in this run.
    async fn policies(&mut self, calls: &[Mutation], made: &mut Vec<(Mutation, Applied)>) -> bool {
        let mut in_place = true;
        for mutation in calls {
            let applied = match self.stopped() {
                Some(stopped) => stopped,
                None => {
                    let gateway = self.context.gateway;
                    let state = self.document_before(mutation, made);
                    self.recorded(mutation.clone(), state, async || {
                        self.change_policy(gateway, mutation).await
                    })
                    .await
                }
            };
            if !applied.holds() && in_place {
                in_place = false;
                self.halt("an earlier change, on which this one relies, was not made");
            }
            self.count(&applied);
            made.push((mutation.clone(), applied));
        }
        in_place
    }

    /// Returns the text that a call about policies replaces or takes away, for the record: the one that this run put there, or
    /// else the one that was read.
    fn document_before(&self, mutation: &Mutation, made: &[(Mutation, Applied)]) -> serde_json::Value {
        let roster = self.context.roster;
        let (place, read) = match mutation {
            Mutation::CreatePolicyVersion { policy, .. } | Mutation::DetachGroupPolicy { policy, .. } => {
                ((None, policy), roster.policy(policy).map(|policy| &policy.document))
            }
            Mutation::PutGroupPolicy { group, policy, .. }
            | Mutation::DeleteGroupPolicy { group, policy } => {
                let held = roster.group(group).and_then(|group| group.policies.as_ref());
                let mut inline = held.into_iter().flat_map(|held| &held.inline);
                let found = inline.find(|inline| is_name(&inline.name, policy));
                ((Some(group), policy), found.map(|inline| &inline.document))
            }
            _ => return serde_json::Value::Null,
        };
        let put = made.iter().rev().filter(|(_, applied)| applied.holds()).find_map(|(call, _)| match call {
            Mutation::CreatePolicyVersion { policy, document } if (None, policy) == place => Some(document),
            Mutation::PutGroupPolicy { group, policy, document } if (Some(group), policy) == place => {
                Some(document)
            }
            _ => None,
        });
        put.or(read).map_or(serde_json::Value::Null, |document| serde_json::json!({ "document": document }))
    }

    /// Makes a call about policies. Each says itself whether twice is once.
    async fn change_policy(&self, gateway: &Gateway, mutation: &Mutation) -> Result<Sent, CallError> {
        let sent = match mutation {
            Mutation::CreatePolicy { policy, path, document, description } => {
                let Roster { partition, account, .. } = self.context.roster;
                let arn = format!("arn:{partition}:iam::{account}:policy{path}{policy}");
                create_policy(gateway, &arn, (path, policy), document, description.as_deref()).await
            }
            Mutation::CreatePolicyVersion { policy, document } => {
                create_version(gateway, policy, document).await
            }
            // What this run made a moment ago may not be found yet.
            Mutation::AttachGroupPolicy { .. }
            | Mutation::AttachUserPolicy { .. }
            | Mutation::AttachRolePolicy { .. }
            | Mutation::PutGroupPolicy { .. } => {
                patiently(gateway, async || send_once(gateway, mutation).await).await
            }
            _ => send_once(gateway, mutation).await,
        };
        match sent {
            Err(error) if error.kind == Kind::NotFound && mutation.takes_away() => Ok(Sent::AlreadySo),
            other => other.map(|()| Sent::Done(None)),
        }
    }

    /// Waits until reads show what was done: what relies on a denial is not begun before it is there.
    async fn wait_until_seen(&mut self, calls: &[Mutation]) {
        let first = Instant::now();
        loop {
            match read_groups_and_policies(self.context.gateway, self.context.roster).await {
                Ok(seen) if calls.iter().all(|call| is_seen(call, &seen)) => return,
                Ok(_) if first.elapsed() < PROPAGATION / 4 && self.stopped().is_none() => {
                    self.context.gateway.wait(LOOK_AGAIN).await;
                }
                Ok(seen) => {
                    let unseen = calls.iter().find(|call| !is_seen(call, &seen));
                    let what = unseen.map(ToString::to_string).unwrap_or_default();
                    return self.halt(&format!("IAM does not show {what} yet; run again to go on"));
                }
                Err(error) => {
                    return self
                        .halt(&format!("what was done could not be looked at: {error}; run again to go on"));
                }
            }
        }
    }

    /// Has nothing more begun.
    fn halt(&mut self, why: &str) {
        self.halted.get_or_insert_with(|| why.to_owned());
    }

    fn count(&self, applied: &Applied) {
        if applied.is_done() {
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            (self.context.progress)(usize::try_from(done).unwrap_or(usize::MAX));
        } else if !applied.holds() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes one user's changes in order. A removal relies on the additions before it.
    async fn user(
        &self,
        user: &UserName,
        changes: &[Change],
        lost: &HashSet<GroupName>,
    ) -> Vec<(Change, Applied)> {
        let mut results: Vec<(Change, Applied)> = Vec::with_capacity(changes.len());
        let is_move = changes.iter().any(|change| matches!(change, Change::Remove(_)));
        let mut moved = if is_move && self.stopped().is_none() {
            self.moved(user, changes, Stage::Start).await
        } else {
            None
        };
        let mut checked = false;
        for change in changes {
            let applied = match (self.stopped().or_else(|| moved.clone()), change) {
                (Some(stopped), _) => stopped,
                (None, Change::Add(group)) if lost.contains(group) => {
                    Applied::LeftOut(format!("the group `{group}` could not be created"))
                }
                (None, Change::Add(group)) => self.add(user, group).await,
                (None, Change::Remove(_)) if results.iter().any(|(_, applied)| !applied.is_done()) => {
                    Applied::LeftOut("an earlier change of this user was not made".to_owned())
                }
                (None, Change::Remove(group)) => {
                    if !checked {
                        moved = self.moved(user, changes, Stage::Removal).await;
                        checked = true;
                    }
                    match &moved {
                        Some(applied) => applied.clone(),
                        None => self.remove(user, group).await,
                    }
                }
            };
            self.count(&applied);
            results.push((change.clone(), applied));
        }
        results
    }

    /// Returns what becomes of a change that is not begun any more: after Ctrl-C, without a record, or after one that it relies
    /// on failed.
    fn stopped(&self) -> Option<Applied> {
        if self.context.gateway.interrupt().is_set() {
            return Some(Applied::Interrupted);
        }
        if let Some(why) = &self.halted {
            return Some(Applied::LeftOut(why.clone()));
        }
        let no_record = self.record_error.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        no_record.then(|| Applied::LeftOut("the record of this run cannot be written".to_owned()))
    }

    /// Looks at a user that is to be moved again: at the start it must be as the plan saw it, and before anything is
    /// taken from it, it must be in the group it is to keep. Says why not, if so.
    async fn moved(&self, user: &UserName, changes: &[Change], stage: Stage) -> Option<Applied> {
        let first = Instant::now();
        let before = self.before(user);
        let expected = |groups: &[GroupName]| {
            let all_there = before.iter().all(|group| groups.contains(group));
            let of_changes = changes.iter().all(|change| match change {
                Change::Remove(group) => groups.contains(group),
                Change::Add(group) => stage == Stage::Start || groups.contains(group),
            });
            // Where all memberships were read, a new one is somebody else's doing too.
            let nothing_new = stage == Stage::Removal || before.is_empty() || groups.len() == before.len();
            all_there && of_changes && nothing_new
        };
        loop {
            match groups_of(self.context.gateway, user).await {
                Ok(groups) if expected(&groups) => return None,
                // Reads lag behind writes, ours and other people's.
                Ok(_) if first.elapsed() < PROPAGATION / 4 => self.context.gateway.wait(LOOK_AGAIN).await,
                Ok(_) => {
                    let why =
                        "its groups are not what they were when the plan was made; run again to plan anew";
                    return Some(Applied::Moved(why.to_owned()));
                }
                Err(error) if error.kind == Kind::Interrupted => return Some(Applied::Interrupted),
                Err(error) => return Some(Applied::Failed(error)),
            }
        }
    }

    fn before(&self, user: &UserName) -> Vec<GroupName> {
        let known = self.context.roster.read_by != ReadBy::GetGroup;
        let user = self.context.roster.user(user).filter(|_| known);
        user.map(|user| user.groups.clone()).unwrap_or_default()
    }

    async fn create_group(&self, group: &GroupName) -> Applied {
        let mutation = Mutation::CreateGroup { group: group.clone() };
        let gateway = self.context.gateway;
        self.recorded(mutation, serde_json::json!({ "exists": false }), async || {
            let (first, mut maybe_ours) = (Instant::now(), false);
            loop {
                let created = gateway
                    .call("iam", "CreateGroup", Repeat::LookFirst, || {
                        gateway.iam.create_group().group_name(group.as_str()).send()
                    })
                    .await;
                match created {
                    Ok(output) => return Ok(Sent::Done(request_id(&output))),
                    // It exists: by our own earlier try, whose answer was lost, or because somebody was quicker.
                    Err(error) if error.kind == Kind::AlreadyExists => {
                        return Ok(if maybe_ours { Sent::Done(error.request_id) } else { Sent::AlreadySo });
                    }
                    // It left and no answer came. Creating it once more answers the question without harm.
                    Err(error)
                        if error.effect == Effect::Unknown
                            && error.kind == Kind::Transient
                            && first.elapsed() < PROPAGATION
                            && self.stopped().is_none() =>
                    {
                        maybe_ours = true;
                        gateway.wait(LOOK_AGAIN).await;
                    }
                    Err(error) => return Err(if maybe_ours { error.unsure() } else { error }),
                }
            }
        })
        .await
    }

    async fn delete_group(&self, group: &GroupName) -> Applied {
        let mutation = Mutation::DeleteGroup { group: group.clone() };
        let gateway = self.context.gateway;
        self.recorded(mutation, serde_json::json!({ "exists": true }), async || {
            let deleted = gateway
                .call("iam", "DeleteGroup", Repeat::Safe, || {
                    gateway.iam.delete_group().group_name(group.as_str()).send()
                })
                .await;
            match deleted {
                // Also the second try after a lost answer to the first.
                Err(error) if error.kind == Kind::NotFound => Ok(Sent::Done(error.request_id)),
                other => other.map(|output| Sent::Done(request_id(&output))),
            }
        })
        .await
    }

    async fn add(&self, user: &UserName, group: &GroupName) -> Applied {
        let mutation = Mutation::AddUserToGroup { user: user.clone(), group: group.clone() };
        let state = serde_json::json!({ "groups": self.before(user) });
        let gateway = self.context.gateway;
        self.recorded(mutation, state, async || {
            let first = Instant::now();
            loop {
                let added = gateway
                    .call("iam", "AddUserToGroup", Repeat::Safe, || {
                        gateway
                            .iam
                            .add_user_to_group()
                            .user_name(user.as_str())
                            .group_name(group.as_str())
                            .send()
                    })
                    .await;
                match added {
                    Err(error) if self.not_visible_yet(&error, group, first) => {
                        gateway.wait(LOOK_AGAIN).await;
                    }
                    other => return other.map(|output| Sent::Done(request_id(&output))),
                }
            }
        })
        .await
    }

    async fn remove(&self, user: &UserName, group: &GroupName) -> Applied {
        let mutation = Mutation::RemoveUserFromGroup { user: user.clone(), group: group.clone() };
        let state = serde_json::json!({ "groups": self.before(user) });
        let gateway = self.context.gateway;
        self.recorded(mutation, state, async || {
            let removed = gateway.call("iam", "RemoveUserFromGroup", Repeat::Safe, || {
                gateway
                    .iam
                    .remove_user_from_group()
                    .user_name(user.as_str())
                    .group_name(group.as_str())
                    .send()
            });
            removed.await.map(|output| Sent::Done(request_id(&output)))
        })
        .await
    }

    /// Returns whether "not found" may be about a group that this run made a moment ago.
    fn not_visible_yet(&self, error: &CallError, group: &GroupName, first: Instant) -> bool {
        let ours = self.created.contains(group);
        error.kind == Kind::NotFound && ours && first.elapsed() < PROPAGATION && self.stopped().is_none()
    }

    /// Writes down that a call is about to be made, makes it, and writes down how it ended.
    async fn recorded(
        &self,
        mutation: Mutation,
        state: serde_json::Value,
        send: impl AsyncFnOnce() -> Result<Sent, CallError>,
    ) -> Applied {
        let change = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        if let Err(error) =
            self.context.record.line(&Line::Before { change, mutation: mutation.clone(), state })
        {
            let why = format!("nothing is changed without a record: {error}");
            *self.record_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return Applied::LeftOut(why);
        }
        let result = send().await;
        let outcome = result.as_ref().err().map_or_else(|| "done".to_owned(), ToString::to_string);
        tracing::info!(target: "muster", change, call = ?mutation, outcome);
        let line = match &result {
            Ok(Sent::Done(request_id)) => {
                Line::After { change, outcome: Ended::Done, request_id: request_id.clone(), error: None }
            }
            Ok(Sent::AlreadySo) => {
                Line::After { change, outcome: Ended::AlreadySo, request_id: None, error: None }
            }
            Err(error) => Line::After {
                change,
                outcome: if error.effect == Effect::Unknown { Ended::Unknown } else { Ended::Failed },
                request_id: error.request_id.clone(),
                error: Some(error.to_string()),
            },
        };
        if let Err(error) = self.context.record.line(&line) {
            *self.record_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        match result {
            Ok(Sent::Done(_)) => Applied::Done,
            Ok(Sent::AlreadySo) => Applied::AlreadySo,
            Err(error) if error.kind == Kind::Interrupted && error.effect == Effect::None => {
                Applied::Interrupted
            }
            Err(error) => Applied::Failed(error),
        }
    }
}

/// Returns whether reads show that a call was made.
fn is_seen(call: &Mutation, seen: &Roster) -> bool {
    let policies = |group: &GroupName| seen.group(group).and_then(|group| group.policies.as_ref());
    match call {
        Mutation::CreatePolicy { policy, path, .. } => {
            let end = format!(":policy{path}{policy}");
            seen.policies.iter().any(|found| found.arn.ends_with(&end))
        }
        Mutation::CreatePolicyVersion { policy, document } => {
            seen.policy(policy).is_some_and(|found| is_same(&found.document, document))
        }
        Mutation::AttachGroupPolicy { group, policy } => {
            policies(group).is_some_and(|found| found.attached.contains(policy))
        }
        Mutation::DetachGroupPolicy { group, policy } => {
            policies(group).is_none_or(|found| !found.attached.contains(policy))
        }
        Mutation::PutGroupPolicy { group, policy, document } => policies(group).is_some_and(|found| {
            let mut inline = found.inline.iter();
            inline.any(|p| p.name.eq_ignore_ascii_case(policy) && is_same(&p.document, document))
        }),
        Mutation::DeleteGroupPolicy { group, policy } => policies(group)
            .is_none_or(|found| found.inline.iter().all(|p| !p.name.eq_ignore_ascii_case(policy))),
        _ => true,
    }
}

/// How far the changes of a user have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// None is made.
    Start,
    /// The additions are made.
    Removal,
}

/// What came of a call that was answered.
enum Sent {
    /// It was carried out; with AWS's id of the request.
    Done(Option<String>),
    /// There was nothing left to do.
    AlreadySo,
}

fn request_id(output: &impl aws_types::request_id::RequestId) -> Option<String> {
    output.request_id().map(str::to_owned)
}
