//! Policies tried out without a call: `SimulatePrincipalPolicy` and `SimulateCustomPolicy`.
//!
//! Source: AWS IAM API Reference, both operations, `EvaluationResult` and `ResourceSpecificResult`. What is tried out here are
//! the policies of users, groups and roles, and boundaries; resource policies are not.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::evaluation::{Decision, Judgement, Question, context_keys, judge};
use super::params::{arn, policy_document};
use super::policies::Held;
use super::state::{User, key};
use super::{Account, Call, Caller, IamError, Reply};

/// Parameters that change the answer in ways that are not known here.
const NOT_KNOWN: [&str; 4] =
    ["PolicyExclusionList.member.1", "ResourcePolicy", "ResourceOwner", "ResourceHandlingOption"];

/// What requests are judged by.
struct Judge<'c> {
    policies: Vec<Held<'c>>,
    boundary: Option<Held<'c>>,
    /// What is known of each request, beside its action and resource.
    about: Question,
    missing: Vec<String>,
}

/// The answer for one action on one resource.
struct Verdict {
    judgement: Judgement,
    within_boundary: Option<bool>,
}

impl Account {
    pub(super) fn simulate_principal_policy(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let source = call.params.required("PolicySourceArn", arn)?;
        let not_found = || IamError::not_found(format!("The entity {source} cannot be found."));
        let state = &self.visible;
        let (mut policies, mut user) = (Vec::new(), None);
        match self.kind_in(source) {
            Some("user") => {
                let found = self.visible_user(source).ok_or_else(not_found)?;
                policies.extend(state.policies_of_user(found));
                user = Some(found);
            }
            Some("group") => {
                let mut groups = state.groups.values();
                let group = groups.find(|group| self.group_arn(group) == source).ok_or_else(not_found)?;
                policies.extend(state.policies_of_group(group));
            }
            Some("role") => {
                let mut roles = state.roles.values();
                let role = roles.find(|role| self.role_arn(role) == source).ok_or_else(not_found)?;
                policies.extend(state.policies_of_role(role));
            }
            _ => {
                return Err(IamError::invalid(format!(
                    "Invalid Entity Arn: {source} does not clearly define entity type and name."
                )));
            }
        }
        let boundary = user.and_then(|user| state.policies.get(user.boundary.as_ref()?));
        let boundary = boundary.map(|policy| Held {
            name: Cow::Borrowed(&policy.name),
            source: "user-managed",
            document: &policy.document,
        });
        self.simulate(call, policies, boundary, user)
    }

    pub(super) fn simulate_custom_policy(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        if call.params.get("PolicyInputList.member.1").is_none() {
            call.params.required("PolicyInputList", policy_document)?;
        }
        self.simulate(call, Vec::new(), None, None)
    }

    /// Returns `user`, `group` or `role` for the ARN of one of this account's.
    fn kind_in<'a>(&self, arn: &'a str) -> Option<&'a str> {
        arn.strip_prefix(&self.arn(""))?.split_once('/').map(|(kind, _)| kind)
    }

    fn visible_user(&self, arn: &str) -> Option<&User> {
        let name = arn.rsplit('/').next()?;
        let user = self.visible.users.get(&key(name)).filter(|user| self.user_arn(user) == arn);
        user.map(AsRef::as_ref)
    }

    /// Judges each action on each resource by these policies and those that the call brings along.
    fn simulate<'c>(
        &'c self,
        call: &'c Call<'_>,
        mut policies: Vec<Held<'c>>,
        boundary: Option<Held<'c>>,
        user: Option<&User>,
    ) -> Result<Reply, IamError> {
        if let Some(name) = NOT_KNOWN.into_iter().find(|name| call.params.get(name).is_some()) {
            let name = name.split('.').next().unwrap_or(name);
            return Err(IamError::invalid(format!("{name} is not known to this embedded account")));
        }
        policies.extend(given(call, "PolicyInputList")?);
        let boundary = given(call, "PermissionsBoundaryPolicyInputList")?.pop().or(boundary);
        let judge = Judge::new(policies, boundary, self.what_is_known(call, user)?);
        let actions = call.params.list("ActionNames")?;
        if actions.is_empty() {
            call.params.required("ActionNames", |_, _| Ok(()))?;
        }
        if let Some(action) = actions.iter().find(|action| !is_action(action)) {
            return Err(IamError::invalid(format!("Invalid action name: {action}")));
        }
        let resources = call.params.list("ResourceArns")?;
        let page = self.page(call, &format!("{actions:?} {resources:?}"))?;
        let results = actions.iter().enumerate();
        let (results, tail) = page.cut(results.map(|(place, action)| (format!("{place:06}"), *action)));
        let results = results.into_iter().map(|action| judge.result(action, &resources));
        Ok(tail.add_to(Reply::new().structs("EvaluationResults", results)))
    }

    /// Returns what a simulated request carries: whose it is, and what the call says of it.
    fn what_is_known(&self, call: &Call<'_>, user: Option<&User>) -> Result<Question, IamError> {
        let user = match call.params.text("CallerArn", arn)? {
            Some(caller) => Some(self.visible_user(caller).ok_or_else(|| {
                IamError::invalid(format!("Invalid CallerArn: {caller} is no user of this account"))
            })?),
            None => user,
        };
        let mut about = match user {
            Some(user) => self.about(&self.visible, &Caller::User(key(&user.name)), call.now),
            None => Question::default(),
        };
        for (name, values) in call.params.context_entries()? {
            about.context.insert(name.to_ascii_lowercase(), values.into_iter().map(str::to_owned).collect());
        }
        Ok(about)
    }
}

/// Returns the policies that come with a call. Source of their names: IAM API Reference, example of `SimulateCustomPolicy`.
fn given<'c>(call: &'c Call<'_>, list: &str) -> Result<Vec<Held<'c>>, IamError> {
    let documents = call.params.list(list)?.into_iter().zip(1..);
    let held = documents.map(|(document, place)| {
        policy_document(list, document)?;
        Ok(Held { name: format!("{list}.{place}").into(), source: "none", document })
    });
    held.collect()
}

/// Returns whether this names one operation of one service.
fn is_action(action: &str) -> bool {
    let named = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    action.split_once(':').is_some_and(|(service, name)| named(service) && named(name)) && action.len() <= 128
}

impl<'c> Judge<'c> {
    fn new(policies: Vec<Held<'c>>, boundary: Option<Held<'c>>, about: Question) -> Self {
        let asked: BTreeSet<String> =
            policies.iter().chain(&boundary).flat_map(|policy| context_keys(policy.document)).collect();
        let known = |name: &String| about.context.contains_key(&name.to_ascii_lowercase());
        let missing = asked.into_iter().filter(|name| !known(name)).collect();
        Self { policies, boundary, about, missing }
    }

    fn verdict(&self, action: &str, resource: &str) -> Verdict {
        let question = Question { context: self.about.context.clone(), ..Question::new(action, resource) };
        let mut judgement = judge(self.policies.iter().map(|policy| policy.document), &question);
        let boundary = self.boundary.as_ref().map(|policy| judge([policy.document], &question).decision);
        match boundary {
            Some(Decision::ExplicitDeny) => judgement.decision = Decision::ExplicitDeny,
            Some(Decision::ImplicitDeny) if judgement.decision == Decision::Allowed => {
                judgement.decision = Decision::ImplicitDeny;
            }
            _ => {}
        }
        Verdict { judgement, within_boundary: boundary.map(|decision| decision == Decision::Allowed) }
    }

    /// Returns the one result of an action: the strictest of all its resources, with the answer for each.
    fn result(&self, action: &str, resources: &[&str]) -> Reply {
        let verdicts: Vec<(&str, Verdict)> =
            resources.iter().map(|resource| (*resource, self.verdict(action, resource))).collect();
        let strictness = |verdict: &Verdict| match verdict.judgement.decision {
            Decision::Allowed => 0,
            Decision::ImplicitDeny => 1,
            Decision::ExplicitDeny => 2,
        };
        let of_all;
        let strictest =
            match verdicts.iter().map(|(_, verdict)| verdict).max_by_key(|verdict| strictness(verdict)) {
                Some(strictest) => strictest,
                None => {
                    of_all = self.verdict(action, "*");
                    &of_all
                }
            };
        let reply = Reply::new().text("EvalActionName", action).text("EvalResourceName", "*");
        let reply = self.told(reply, "EvalDecision", strictest);
        if verdicts.is_empty() {
            return reply;
        }
        let each = verdicts.iter().map(|(resource, verdict)| {
            self.told(Reply::new().text("EvalResourceName", resource), "EvalResourceDecision", verdict)
        });
        reply.structs("ResourceSpecificResults", each)
    }

    fn told(&self, reply: Reply, member: &'static str, verdict: &Verdict) -> Reply {
        let decision = match verdict.judgement.decision {
            Decision::Allowed => "allowed",
            Decision::ImplicitDeny => "implicitDeny",
            Decision::ExplicitDeny => "explicitDeny",
        };
        let by = verdict.judgement.by.iter().filter_map(|place| self.policies.get(*place));
        let by = by.map(|policy| {
            Reply::new().text("SourcePolicyId", &policy.name).text("SourcePolicyType", policy.source)
        });
        let reply = reply
            .text(member, decision)
            .structs("MatchedStatements", by)
            .texts("MissingContextValues", self.missing.iter().cloned());
        match verdict.within_boundary {
            Some(within) => reply.nested(
                "PermissionsBoundaryDecisionDetail",
                Reply::new().text("AllowedByPermissionsBoundary", within),
            ),
            None => reply,
        }
    }
}
