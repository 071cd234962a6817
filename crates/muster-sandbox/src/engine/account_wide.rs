//! Operations about the account as a whole.

use super::params::account_alias;
use super::policies::encoded;
use super::state::{Group, InlinePolicy, ManagedPolicy, Role, User};
use super::users::with_tags_and_boundary;
use super::versions::version_reply;
use super::{Account, Call, IamError, Reply, timestamp};

/// One entity in the order in which the authorization details list them.
enum Detail<'s> {
    User(&'s User),
    Role(&'s Role),
    Group(&'s Group),
    Policy(&'s ManagedPolicy),
}

impl Account {
    /// One `MaxItems` is spent over users, then roles, groups and policies; all
    /// lists are present on each page.
    pub(super) fn get_account_authorization_details(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let mut filter = call.params.list("Filter")?;
        filter.sort_unstable();
        filter.dedup();
        let known = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];
        if let Some(unknown) = filter.iter().find(|entity| !known.contains(entity)) {
            return Err(IamError::validation(format!(
                "1 validation error detected: Value '[{unknown}]' at 'filter' failed to satisfy constraint: \
                 Member must satisfy enum value set: [{}]",
                known.join(", ")
            )));
        }
        let page = self.page(call, &filter.join(" "))?;
        let wants = |entity: &str| filter.is_empty() || filter.contains(&entity);
        let state = &self.visible;
        let users = state.users.iter().filter(|_| wants("User"));
        let users = users.map(|(key, user)| (format!("0 {key}"), Detail::User(user)));
        let roles = state.roles.iter().filter(|_| wants("Role"));
        let roles = roles.map(|(key, role)| (format!("1 {key}"), Detail::Role(role)));
        let groups = state.groups.iter().filter(|_| wants("Group"));
        let groups = groups.map(|(key, group)| (format!("2 {key}"), Detail::Group(group)));
        let policies = state.policies.iter().filter(|(arn, _)| {
            if arn.contains(":iam::aws:") {
                wants("AWSManagedPolicy") && self.is_attached(arn)
            } else {
                wants("LocalManagedPolicy")
            }
        });
        let policies = policies.map(|(arn, policy)| (format!("3 {arn}"), Detail::Policy(policy)));
        let (details, tail) = page.cut(users.chain(roles).chain(groups).chain(policies));

        let (mut users, mut roles, mut groups, mut policies) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for detail in details {
            match detail {
                Detail::User(user) => users.push(self.user_detail(user)),
                Detail::Role(role) => roles.push(self.role_detail(role)),
                Detail::Group(group) => groups.push(self.group_detail(group)),
                Detail::Policy(policy) => policies.push(self.policy_detail(policy)),
            }
        }
        let reply = Reply::new()
            .structs("Policies", policies)
            .structs("UserDetailList", users)
            .structs("RoleDetailList", roles)
            .structs("GroupDetailList", groups);
        Ok(tail.add_to(reply))
    }

    pub(super) fn is_attached(&self, arn: &str) -> bool {
        let mut users = self.visible.users.values();
        users.any(|user| user.boundary.as_deref() == Some(arn)) || self.uses(arn) > 0
    }

    fn user_detail(&self, user: &User) -> Reply {
        let groups = user.groups.iter().filter_map(|key| self.visible.groups.get(key));
        let mut reply = Reply::new()
            .text("Path", &user.path)
            .text("UserName", &user.name)
            .text("UserId", &user.id)
            .text("Arn", self.user_arn(user))
            .text("CreateDate", timestamp(user.created))
            .texts("GroupList", groups.map(|group| group.name.clone()))
            .structs("AttachedManagedPolicies", self.attached(&user.attached));
        if !user.inline.is_empty() {
            reply = reply.structs("UserPolicyList", inline(&user.inline));
        }
        with_tags_and_boundary(reply, user, true)
    }

    fn role_detail(&self, role: &Role) -> Reply {
        self.role_reply(role)
            .text("AssumeRolePolicyDocument", encoded(&role.trust))
            .structs("InstanceProfileList", [])
            .structs("RolePolicyList", inline(&role.inline))
            .structs("AttachedManagedPolicies", self.attached(&role.attached))
            .structs("Tags", [])
    }

    fn group_detail(&self, group: &Group) -> Reply {
        self.group_reply(group)
            .structs("GroupPolicyList", inline(&group.inline))
            .structs("AttachedManagedPolicies", self.attached(&group.attached))
    }

    fn policy_detail(&self, policy: &ManagedPolicy) -> Reply {
        let versions = policy
            .versions()
            .map(|version| version_reply(policy, &version).text("Document", encoded(&version.document)));
        self.policy_reply(policy).text("IsAttachable", true).structs("PolicyVersionList", versions)
    }

    fn attached(&self, arns: &[String]) -> Vec<Reply> {
        let policies = arns.iter().filter_map(|arn| self.visible.policies.get(arn));
        policies.map(|p| Reply::new().text("PolicyName", &p.name).text("PolicyArn", &p.arn)).collect()
    }

    pub(super) fn get_account_summary(&self) -> Reply {
        let state = &self.visible;
        let quotas = &self.quotas;
        let own = || state.policies.values().filter(|policy| !policy.is_of_aws());
        let entries = [
            ("AccessKeysPerUserQuota", quotas.access_keys_per_user),
            ("AccountAccessKeysPresent", self.root.access_key.into()),
            ("AccountMFAEnabled", self.root.mfa.into()),
            ("AccountPasswordPresent", 1),
            ("AccountSigningCertificatesPresent", 0),
            ("AttachedPoliciesPerGroupQuota", quotas.attached_policies),
            ("AttachedPoliciesPerRoleQuota", 20),
            ("AttachedPoliciesPerUserQuota", quotas.attached_policies),
            ("GroupPolicySizeQuota", quotas.group_policy_chars),
            ("Groups", state.groups.len()),
            ("GroupsPerUserQuota", quotas.groups_per_user),
            ("GroupsQuota", quotas.groups),
            ("MFADevices", state.devices.len()),
            ("MFADevicesInUse", state.devices.values().filter(|device| device.user.is_some()).count()),
            ("Policies", own().count()),
            ("PoliciesQuota", quotas.policies),
            ("PolicySizeQuota", quotas.policy_chars),
            ("PolicyVersionsInUse", own().map(|policy| policy.others.len() + 1).sum()),
            ("PolicyVersionsInUseQuota", 10_000),
            ("Roles", state.roles.len()),
            ("RolesQuota", 1000),
            ("ServerCertificates", 0),
            ("ServerCertificatesQuota", 20),
            ("UserPolicySizeQuota", quotas.user_policy_chars),
            ("Users", state.users.len()),
            ("UsersQuota", quotas.users),
            ("VersionsPerPolicyQuota", 5),
        ];
        Reply::new()
            .map("SummaryMap", entries.map(|(key, value)| (key.to_owned(), value.to_string())).to_vec())
    }

    pub(super) fn list_account_aliases(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let page = self.page(call, "")?;
        let (aliases, tail) = page.cut(self.current.alias.iter().map(|alias| (alias.clone(), alias.clone())));
        Ok(tail.add_to(Reply::new().texts("AccountAliases", aliases)))
    }

    pub(super) fn create_account_alias(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let alias = call.params.required("AccountAlias", account_alias)?;
        self.current.alias = Some(alias.to_owned());
        self.visible.alias.clone_from(&self.current.alias);
        self.changed = true;
        Ok(Reply::new())
    }
}

fn inline(policies: &[InlinePolicy]) -> Vec<Reply> {
    let reply = |policy: &InlinePolicy| {
        Reply::new().text("PolicyName", &policy.name).text("PolicyDocument", encoded(&policy.document))
    };
    policies.iter().map(reply).collect()
}
