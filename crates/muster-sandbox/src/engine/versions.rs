//! Customer managed policies and their versions.
//!
//! Source: AWS IAM API Reference, the operations of these names, and IAM User Guide, "Versioning IAM policies".

use std::sync::Arc;

use super::params::{arn, path_prefix, policy_document, version_id};
use super::policies::{chars_without_space, encoded};
use super::state::{Edit, ManagedPolicy, PolicyVersion};
use super::{Account, Call, IamError, Reply, seconds, timestamp};

/// Versions that a policy may have. Source: IAM User Guide, "IAM and AWS STS quotas".
const VERSIONS_MAX: usize = 5;

impl Account {
    pub(super) fn get_policy(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let policy = self.policy_to_read(call)?;
        let reply = self.policy_reply(policy).text("IsAttachable", true);
        Ok(Reply::new().nested("Policy", reply.maybe("Description", described(policy))))
    }

    pub(super) fn list_policies(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let prefix = call.params.text("PathPrefix", path_prefix)?.unwrap_or("/");
        let scope = call.params.get("Scope").unwrap_or("All");
        let only_attached = call.params.bool("OnlyAttached")?.unwrap_or_default();
        let page = self.page(call, &format!("{scope} {only_attached} {prefix}"))?;
        let policies = self.visible.policies.iter().filter(|(_, policy)| {
            let of_aws = policy.is_of_aws();
            policy.path.starts_with(prefix)
                && (scope == "All" || (scope == "AWS") == of_aws)
                && (!only_attached || self.is_attached(&policy.arn))
        });
        let (policies, tail) = page.cut(policies.map(|(arn, policy)| (arn.clone(), policy)));
        let policies = policies.iter().map(|policy| self.policy_reply(policy).text("IsAttachable", true));
        Ok(tail.add_to(Reply::new().structs("Policies", policies)))
    }

    pub(super) fn delete_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let policy = self.policy_to_write(call)?;
        if self.uses(&policy.arn) > 0 {
            return Err(IamError::cannot_delete("Cannot delete a policy attached to entities."));
        }
        if !policy.others.is_empty() {
            let why = "This policy has more than one version. Before you delete a policy, you must delete the \
                       policy's versions. The default version is deleted with the policy.";
            return Err(IamError::cannot_delete(why));
        }
        self.write(call.now, Edit::Policy(policy.arn.clone(), None));
        Ok(Reply::new())
    }

    pub(super) fn create_policy_version(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let document = call.params.required("PolicyDocument", policy_document)?.to_owned();
        let is_default = call.params.bool("SetAsDefault")?.unwrap_or_default();
        let mut policy = self.policy_to_write(call)?;
        if chars_without_space(&document) > self.quotas.policy_chars {
            return Err(IamError::limit("PolicySize", self.quotas.policy_chars));
        }
        if policy.others.len() + 1 >= VERSIONS_MAX {
            let message = "A managed policy can have up to 5 versions. Before you create a new version, you must \
                           delete an existing version.";
            return Err(IamError {
                message: message.to_owned(),
                ..IamError::limit("VersionsPerPolicy", VERSIONS_MAX)
            });
        }
        policy.versions_made += 1;
        let number = policy.versions_made;
        policy.others.push(PolicyVersion { number, created: seconds(call.now), document });
        if is_default {
            set_default(&mut policy, number);
        }
        policy.updated = Some(seconds(call.now));
        let reply = Reply::new()
            .text("VersionId", format!("v{number}"))
            .text("IsDefaultVersion", is_default)
            .text("CreateDate", timestamp(seconds(call.now)));
        self.write(call.now, Edit::Policy(policy.arn.clone(), Some(Arc::new(policy))));
        Ok(Reply::new().nested("PolicyVersion", reply))
    }

    pub(super) fn get_policy_version(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let number = number_of(call)?;
        let policy = self.policy_to_read(call)?;
        let version = policy.versions().find(|version| version.number == number);
        let version = version.ok_or_else(|| no_version(policy, number))?;
        let reply = version_reply(policy, &version).text("Document", encoded(&version.document));
        Ok(Reply::new().nested("PolicyVersion", reply))
    }

    pub(super) fn list_policy_versions(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let policy = self.policy_to_read(call)?;
        let page = self.page(call, &policy.arn)?;
        // The newest first.
        let mut versions: Vec<PolicyVersion> = policy.versions().collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.number));
        let versions = versions.into_iter().map(|v| (format!("{:010}", u32::MAX - v.number), v));
        let (versions, tail) = page.cut(versions);
        let versions = versions.iter().map(|version| version_reply(policy, version));
        Ok(tail.add_to(Reply::new().structs("Versions", versions)))
    }

    pub(super) fn set_default_policy_version(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let number = number_of(call)?;
        let mut policy = self.policy_to_write(call)?;
        if policy.versions().all(|version| version.number != number) {
            return Err(no_version(&policy, number));
        }
        set_default(&mut policy, number);
        policy.updated = Some(seconds(call.now));
        self.write(call.now, Edit::Policy(policy.arn.clone(), Some(Arc::new(policy))));
        Ok(Reply::new())
    }

    pub(super) fn delete_policy_version(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let number = number_of(call)?;
        let mut policy = self.policy_to_write(call)?;
        if policy.version == number {
            return Err(IamError::cannot_delete("Cannot delete the default version of a policy."));
        }
        let before = policy.others.len();
        policy.others.retain(|version| version.number != number);
        if policy.others.len() == before {
            return Err(no_version(&policy, number));
        }
        policy.updated = Some(seconds(call.now));
        self.write(call.now, Edit::Policy(policy.arn.clone(), Some(Arc::new(policy))));
        Ok(Reply::new())
    }

    pub(super) fn list_entities_for_policy(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let policy = self.policy_to_read(call)?;
        let filter = call.params.get("EntityFilter").unwrap_or_default();
        let page = self.page(call, &format!("{} {filter}", policy.arn))?;
        let wants = |kind: &str| filter.is_empty() || filter == kind;
        let has = |attached: &[String]| attached.contains(&policy.arn);
        let state = &self.visible;
        let groups = state.groups.iter().filter(|(_, group)| wants("Group") && has(&group.attached));
        let groups = groups.map(|(key, group)| (format!("0 {key}"), (0, &group.name, &group.id)));
        let users = state.users.iter().filter(|(_, user)| wants("User") && has(&user.attached));
        let users = users.map(|(key, user)| (format!("1 {key}"), (1, &user.name, &user.id)));
        let roles = state.roles.iter().filter(|(_, role)| wants("Role") && has(&role.attached));
        let roles = roles.map(|(key, role)| (format!("2 {key}"), (2, &role.name, &role.id)));
        let (found, tail) = page.cut(groups.chain(users).chain(roles));
        let of = |kind: i32, name: &'static str, id: &'static str| -> Vec<Reply> {
            let found = found.iter().filter(|(of_kind, ..)| *of_kind == kind);
            found.map(|(_, n, i)| Reply::new().text(name, n).text(id, i)).collect()
        };
        let reply = Reply::new()
            .structs("PolicyGroups", of(0, "GroupName", "GroupId"))
            .structs("PolicyUsers", of(1, "UserName", "UserId"))
            .structs("PolicyRoles", of(2, "RoleName", "RoleId"));
        Ok(tail.add_to(reply))
    }

    /// Returns how many users, groups and roles have a policy.
    pub(super) fn uses(&self, arn: &str) -> usize {
        let state = &self.visible;
        let has = |attached: &[String]| attached.iter().any(|a| a == arn);
        state.users.values().filter(|user| has(&user.attached)).count()
            + state.groups.values().filter(|group| has(&group.attached)).count()
            + state.roles.values().filter(|role| has(&role.attached)).count()
    }

    fn policy_to_read(&self, call: &Call<'_>) -> Result<&ManagedPolicy, IamError> {
        let arn = call.params.required("PolicyArn", arn)?;
        let policy = self.visible.policies.get(arn);
        policy.map(AsRef::as_ref).ok_or_else(|| no_policy(arn))
    }

    fn policy_to_write(&self, call: &Call<'_>) -> Result<ManagedPolicy, IamError> {
        let arn = call.params.required("PolicyArn", arn)?;
        let policy = self.current.policies.get(arn).filter(|_| self.visible.policies.contains_key(arn));
        let policy = policy.ok_or_else(|| no_policy(arn))?;
        if policy.is_of_aws() {
            return Err(IamError::access_denied(&format!("Policy {arn} is managed by AWS.")));
        }
        Ok(ManagedPolicy::clone(policy))
    }
}

pub(super) fn version_reply(policy: &ManagedPolicy, version: &PolicyVersion) -> Reply {
    Reply::new()
        .text("VersionId", format!("v{}", version.number))
        .text("IsDefaultVersion", version.number == policy.version)
        .text("CreateDate", timestamp(version.created))
}

fn described(policy: &ManagedPolicy) -> Option<&str> {
    Some(policy.description.as_str()).filter(|text| !text.is_empty())
}

fn set_default(policy: &mut ManagedPolicy, number: u32) {
    let mut versions: Vec<PolicyVersion> = policy.versions().collect();
    if let Some(place) = versions.iter().position(|version| version.number == number) {
        let default = versions.remove(place);
        policy.version = default.number;
        policy.version_created = Some(default.created);
        policy.document = default.document;
        policy.others = versions;
    }
}

fn number_of(call: &Call<'_>) -> Result<u32, IamError> {
    let id = call.params.required("VersionId", version_id)?;
    Ok(id[1..].parse().unwrap_or_default())
}

fn no_policy(arn: &str) -> IamError {
    IamError::not_found(format!("Policy {arn} was not found."))
}

fn no_version(policy: &ManagedPolicy, number: u32) -> IamError {
    IamError::not_found(format!(
        "Policy {} version v{number} does not exist or is not attachable.",
        policy.arn
    ))
}
