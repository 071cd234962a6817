//! Policies, as far as reading them needs: managed ones, and inline ones of groups and users.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::params::{
    arn, name_128, new_user_name, path_prefix, policy_description, policy_document, policy_path,
};
use super::state::{Edit, Group, InlinePolicy, ManagedPolicy, Role, State, User, key};
use super::{Account, Call, IamError, Reply, seconds, timestamp};

/// RFC 3986: everything but the unreserved characters is encoded.
const DOCUMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Policies of AWS's own that are there in every account: those that muster itself has to do with.
const OF_AWS: [(&str, &str); 3] = [
    (
        "AdministratorAccess",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    ),
    ("AWSDenyAll", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#),
    (
        "IAMUserChangePassword",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:ChangePassword"],"Resource":["arn:aws:iam::*:user/${aws:username}"]},{"Effect":"Allow","Action":["iam:GetAccountPasswordPolicy"],"Resource":"*"}]}"#,
    ),
];

/// Returns them for a partition.
pub(super) fn of_aws(partition: &str) -> impl Iterator<Item = ManagedPolicy> {
    OF_AWS.into_iter().map(move |(name, document)| ManagedPolicy {
        arn: format!("arn:{partition}:iam::aws:policy/{name}"),
        name: name.to_owned(),
        path: "/".to_owned(),
        id: format!("ANPA{:A<17}", name.to_ascii_uppercase().chars().take(17).collect::<String>()),
        // The day on which AWS brought managed policies out.
        created: 1_423_699_200,
        description: String::new(),
        document: document.to_owned(),
        version: 1,
        version_created: None,
        others: Vec::new(),
        versions_made: 1,
        updated: None,
    })
}

/// Returns a policy's text as IAM answers it.
pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, DOCUMENT).to_string()
}

/// Counts characters as IAM's quotas do.
pub(super) fn chars_without_space(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// A policy that somebody lives under.
#[derive(Debug, Clone)]
pub(super) struct Held<'s> {
    /// Its name.
    pub(super) name: Cow<'s, str>,
    /// Where it comes from, in the words of simulations (`PolicySourceType`).
    pub(super) source: &'static str,
    /// Its JSON text.
    pub(super) document: &'s str,
}

impl State {
    /// Returns a user's policies and those of its groups; the boundary is none of them.
    pub(super) fn policies_of_user<'s>(&'s self, user: &'s User) -> impl Iterator<Item = Held<'s>> {
        let groups = user.groups.iter().filter_map(|key| self.groups.get(key));
        let of_groups = groups.flat_map(|group| self.policies_of_group(group));
        self.held(&user.attached, &user.inline, "user").chain(of_groups)
    }

    /// Returns a group's policies.
    pub(super) fn policies_of_group<'s>(&'s self, group: &'s Group) -> impl Iterator<Item = Held<'s>> {
        self.held(&group.attached, &group.inline, "group")
    }

    /// Returns a role's policies.
    pub(super) fn policies_of_role<'s>(&'s self, role: &'s Role) -> impl Iterator<Item = Held<'s>> {
        self.held(&role.attached, &role.inline, "role")
    }

    fn held<'s>(
        &'s self,
        attached: &'s [String],
        inline: &'s [InlinePolicy],
        source: &'static str,
    ) -> impl Iterator<Item = Held<'s>> {
        let attached = attached.iter().filter_map(|arn| self.policies.get(arn)).map(|policy| Held {
            name: Cow::Borrowed(&policy.name),
            source: if policy.is_of_aws() { "aws-managed" } else { "user-managed" },
            document: &policy.document,
        });
        let inline = inline.iter().map(move |policy| Held {
            name: Cow::Borrowed(&policy.name),
            source,
            document: &policy.document,
        });
        attached.chain(inline)
    }
}

impl Account {
    pub(super) fn create_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("PolicyName", name_128)?;
        let path = call.params.text("Path", policy_path)?.unwrap_or("/");
        let document = call.params.required("PolicyDocument", policy_document)?;
        let arn = self.arn(&format!("policy{path}{name}"));
        let taken = self.current.policies.values().any(|policy| {
            policy.arn.contains(&format!("::{}:", self.identity.account))
                && policy.name.eq_ignore_ascii_case(name)
        });
        if taken {
            return Err(IamError::already_exists("A policy called", name));
        }
        if chars_without_space(document) > self.quotas.policy_chars {
            return Err(IamError::limit("PolicySize", self.quotas.policy_chars));
        }
        let own = self.current.policies.values().filter(|policy| !policy.is_of_aws()).count();
        if own >= self.quotas.policies {
            return Err(IamError::limit("PoliciesPerAccount", self.quotas.policies));
        }
        let policy = ManagedPolicy {
            arn: arn.clone(),
            name: name.to_owned(),
            path: path.to_owned(),
            id: self.new_id("ANPA"),
            created: seconds(call.now),
            description: call.params.text("Description", policy_description)?.unwrap_or_default().to_owned(),
            document: document.to_owned(),
            version: 1,
            version_created: None,
            others: Vec::new(),
            versions_made: 1,
            updated: None,
        };
        let reply = self.policy_reply(&policy).text("IsAttachable", true);
        self.write(call.now, Edit::Policy(arn, Some(Arc::new(policy))));
        Ok(Reply::new().nested("Policy", reply))
    }

    pub(super) fn attach_group_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let arn = call.params.required("PolicyArn", arn)?;
        let mut group = self.group_to_write(name)?;
        if self.attach(arn, &mut group.attached, "PoliciesPerGroup")? {
            self.write_group(call.now, group);
        }
        Ok(Reply::new())
    }

    pub(super) fn attach_user_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let arn = call.params.required("PolicyArn", arn)?;
        let mut user = self.user_to_write(name)?;
        if self.attach(arn, &mut user.attached, "PoliciesPerUser")? {
            self.write_user(call.now, user);
        }
        Ok(Reply::new())
    }

    /// Returns whether anything changed: a second time is no error.
    pub(super) fn attach(
        &self,
        arn: &str,
        attached: &mut Vec<String>,
        quota: &str,
    ) -> Result<bool, IamError> {
        if !self.current.policies.contains_key(arn) || !self.visible.policies.contains_key(arn) {
            return Err(IamError::not_found(format!("Policy {arn} does not exist or is not attachable.")));
        }
        if attached.iter().any(|other| other == arn) {
            return Ok(false);
        }
        if attached.len() >= self.quotas.attached_policies {
            return Err(IamError::limit(quota, self.quotas.attached_policies));
        }
        attached.push(arn.to_owned());
        Ok(true)
    }

    pub(super) fn detach_group_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let arn = call.params.required("PolicyArn", arn)?;
        let mut group = self.group_to_write(name)?;
        detach(arn, &mut group.attached)?;
        self.write_group(call.now, group);
        Ok(Reply::new())
    }

    pub(super) fn detach_user_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let arn = call.params.required("PolicyArn", arn)?;
        let mut user = self.user_to_write(name)?;
        detach(arn, &mut user.attached)?;
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn list_attached_group_policies(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        self.list_attached(call, name, &self.group_to_read(name)?.attached)
    }

    pub(super) fn list_attached_user_policies(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        self.list_attached(call, name, &self.user_to_read(name)?.attached)
    }

    pub(super) fn list_attached(
        &self,
        call: &Call<'_>,
        name: &str,
        arns: &[String],
    ) -> Result<Reply, IamError> {
        let prefix = call.params.text("PathPrefix", path_prefix)?.unwrap_or("/");
        let page = self.page(call, &format!("{} {prefix}", key(name)))?;
        let arns: BTreeSet<&String> = arns.iter().collect();
        let policies = arns.into_iter().filter_map(|arn| self.visible.policies.get(arn));
        let policies = policies.filter(|policy| policy.path.starts_with(prefix));
        let (policies, tail) = page.cut(policies.map(|policy| (policy.arn.clone(), policy)));
        let policies =
            policies.iter().map(|p| Reply::new().text("PolicyName", &p.name).text("PolicyArn", &p.arn));
        Ok(tail.add_to(Reply::new().structs("AttachedPolicies", policies)))
    }

    pub(super) fn put_group_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let policy = inline(call)?;
        let mut group = self.group_to_write(name)?;
        put(&mut group.inline, policy);
        check_size(&group.inline, "group", &group.name, self.quotas.group_policy_chars)?;
        self.write_group(call.now, group);
        Ok(Reply::new())
    }

    pub(super) fn put_user_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let policy = inline(call)?;
        let mut user = self.user_to_write(name)?;
        put(&mut user.inline, policy);
        check_size(&user.inline, "user", &user.name, self.quotas.user_policy_chars)?;
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn get_group_policy(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let policy_name = call.params.required("PolicyName", name_128)?;
        let group = self.group_to_read(name)?;
        let policy = find(&group.inline, "group", policy_name)?;
        Ok(with_document(Reply::new().text("GroupName", &group.name), policy))
    }

    pub(super) fn get_user_policy(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let policy_name = call.params.required("PolicyName", name_128)?;
        let user = self.user_to_read(name)?;
        let policy = find(&user.inline, "user", policy_name)?;
        Ok(with_document(Reply::new().text("UserName", &user.name), policy))
    }

    pub(super) fn list_group_policies(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        self.list_inline(call, name, &self.group_to_read(name)?.inline)
    }

    pub(super) fn list_user_policies(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        self.list_inline(call, name, &self.user_to_read(name)?.inline)
    }

    pub(super) fn list_inline(
        &self,
        call: &Call<'_>,
        name: &str,
        policies: &[InlinePolicy],
    ) -> Result<Reply, IamError> {
        let page = self.page(call, &key(name))?;
        let names: BTreeSet<&String> = policies.iter().map(|policy| &policy.name).collect();
        let (names, tail) = page.cut(names.into_iter().map(|name| (name.clone(), name.clone())));
        Ok(tail.add_to(Reply::new().texts("PolicyNames", names)))
    }

    pub(super) fn delete_group_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let policy_name = call.params.required("PolicyName", name_128)?;
        let mut group = self.group_to_write(name)?;
        remove(&mut group.inline, "group", policy_name)?;
        self.write_group(call.now, group);
        Ok(Reply::new())
    }

    pub(super) fn delete_user_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let policy_name = call.params.required("PolicyName", name_128)?;
        let mut user = self.user_to_write(name)?;
        remove(&mut user.inline, "user", policy_name)?;
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    /// The members that a policy has in `CreatePolicy` and in the authorization details alike.
    pub(super) fn policy_reply(&self, policy: &ManagedPolicy) -> Reply {
        let boundaries =
            self.visible.users.values().filter(|user| user.boundary.as_ref() == Some(&policy.arn));
        Reply::new()
            .text("PolicyName", &policy.name)
            .text("PolicyId", &policy.id)
            .text("Arn", &policy.arn)
            .text("Path", &policy.path)
            .text("DefaultVersionId", format!("v{}", policy.version))
            .text("AttachmentCount", self.uses(&policy.arn))
            .text("PermissionsBoundaryUsageCount", boundaries.count())
            .text("CreateDate", timestamp(policy.created))
            .text("UpdateDate", timestamp(policy.updated.unwrap_or(policy.created)))
    }
}

pub(super) fn inline(call: &Call<'_>) -> Result<InlinePolicy, IamError> {
    let name = call.params.required("PolicyName", name_128)?.to_owned();
    let document = call.params.required("PolicyDocument", policy_document)?.to_owned();
    Ok(InlinePolicy { name, document })
}

/// Another spelling of the name replaces the text and keeps the first spelling.
pub(super) fn put(policies: &mut Vec<InlinePolicy>, policy: InlinePolicy) {
    match policies.iter_mut().find(|old| old.name.eq_ignore_ascii_case(&policy.name)) {
        Some(old) => old.document = policy.document,
        None => policies.push(policy),
    }
}

pub(super) fn find<'p>(
    policies: &'p [InlinePolicy],
    kind: &str,
    name: &str,
) -> Result<&'p InlinePolicy, IamError> {
    let found = policies.iter().find(|policy| policy.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| IamError::no_such(&format!("{kind} policy"), name))
}

pub(super) fn remove(policies: &mut Vec<InlinePolicy>, kind: &str, name: &str) -> Result<(), IamError> {
    find(policies, kind, name)?;
    policies.retain(|policy| !policy.name.eq_ignore_ascii_case(name));
    Ok(())
}

pub(super) fn detach(arn: &str, attached: &mut Vec<String>) -> Result<(), IamError> {
    let before = attached.len();
    attached.retain(|other| other != arn);
    if attached.len() == before {
        return Err(IamError::not_found(format!("Policy {arn} was not found.")));
    }
    Ok(())
}

pub(super) fn with_document(reply: Reply, policy: &InlinePolicy) -> Reply {
    reply.text("PolicyName", &policy.name).text("PolicyDocument", encoded(&policy.document))
}

pub(super) fn check_size(
    policies: &[InlinePolicy],
    kind: &str,
    name: &str,
    chars_max: usize,
) -> Result<(), IamError> {
    let chars: usize = policies.iter().map(|policy| chars_without_space(&policy.document)).sum();
    if chars > chars_max {
        let message = format!("Maximum policy size of {chars_max} bytes exceeded for {kind} {name}");
        return Err(IamError { message, ..IamError::limit("PolicySize", chars_max) });
    }
    Ok(())
}
