//! Holds calls to the policies of who makes them.
//!
//! Source of the resources: Service Authorization Reference, "Actions, resources, and condition keys for AWS Identity and
//! Access Management".

use super::evaluation::{Decision, Question};
use super::state::key;
use super::{Account, Call, Caller, IamError, Service};

impl Account {
    /// Refuses a call that the caller's policies do not allow.
    pub(super) fn check_policies(&self, call: &Call<'_>, service: Service) -> Result<(), IamError> {
        // Of STS, `AssumeRole` looks at more than the caller's policies, and the other two need no permission.
        if !self.enforces || service == Service::Sts || call.caller == Caller::Administrator {
            return Ok(());
        }
        let resource = self.resource_of(call);
        let mut asked = vec![(format!("iam:{}", call.action), resource.clone())];
        // Tags that come with a creation are a permission of their own.
        if call.params.get("Tags.member.1.Key").is_some() {
            match call.action {
                "CreateUser" => asked.push(("iam:TagUser".to_owned(), resource)),
                "CreateVirtualMFADevice" => asked.push(("iam:TagMFADevice".to_owned(), resource)),
                _ => {}
            }
        }
        for (action, resource) in asked {
            let mut question = Question::new(&action, &resource);
            question.context =
                self.context_of(call, call.session.as_ref().and_then(|session| session.mfa_at));
            if let Some(policy) = call.params.get("PolicyArn") {
                question = question.with("iam:PolicyARN", policy);
            }
            if let Some(boundary) = self.boundary_of(call) {
                question = question.with("iam:PermissionsBoundary", boundary);
            }
            for tag in call.params.tags().unwrap_or_default() {
                let name = format!("aws:RequestTag/{}", tag.key);
                question = question.with(&name, tag.value).with("aws:TagKeys", tag.key);
            }
            for key in call.params.list("TagKeys").unwrap_or_default() {
                question = question.with("aws:TagKeys", key);
            }
            let caller = self.arn_of(&call.caller);
            match self.decide_own(call, &question) {
                Decision::Allowed => {}
                Decision::ImplicitDeny => return Err(IamError::denied(&caller, &action, &resource)),
                Decision::ExplicitDeny => {
                    return Err(IamError::denied_explicitly(&caller, &action, &resource));
                }
            }
        }
        Ok(())
    }

    /// Returns the boundary that a condition looks at: the one that is given, else the one that the user has.
    fn boundary_of(&self, call: &Call<'_>) -> Option<String> {
        if matches!(call.action, "CreateUser" | "PutUserPermissionsBoundary") {
            return call.params.get("PermissionsBoundary").map(str::to_owned);
        }
        self.current.users.get(&key(call.params.get("UserName")?))?.boundary.clone()
    }

    /// Returns the ARN of what a call is about.
    fn resource_of(&self, call: &Call<'_>) -> String {
        let get = |name: &str| call.params.get(name);
        let path = get("Path").unwrap_or("/");
        let is_new = matches!(call.action, "CreateUser" | "CreateGroup" | "CreateRole");
        let prefix = get("PathPrefix").unwrap_or("/");
        let group = || {
            let name = get("GroupName").unwrap_or_default();
            let found = self.current.groups.get(&key(name)).filter(|_| !is_new);
            found.map_or_else(|| self.arn(&format!("group{path}{name}")), |group| self.group_arn(group))
        };
        let role = || {
            let name = get("RoleName").unwrap_or_default();
            let found = self.current.roles.get(&key(name)).filter(|_| !is_new);
            found.map_or_else(|| self.arn(&format!("role{path}{name}")), |role| self.role_arn(role))
        };
        match call.action {
            "AddUserToGroup" | "RemoveUserFromGroup" => group(),
            "CreateVirtualMFADevice" => {
                self.arn(&format!("mfa{path}{}", get("VirtualMFADeviceName").unwrap_or_default()))
            }
            "DeleteVirtualMFADevice" | "TagMFADevice" | "ListMFADeviceTags" => {
                get("SerialNumber").unwrap_or("*").to_owned()
            }
            "CreatePolicy" => self.arn(&format!("policy{path}{}", get("PolicyName").unwrap_or_default())),
            "CreatePolicyVersion"
            | "DeletePolicy"
            | "DeletePolicyVersion"
            | "GetPolicy"
            | "GetPolicyVersion"
            | "ListEntitiesForPolicy"
            | "ListPolicyVersions"
            | "SetDefaultPolicyVersion" => get("PolicyArn").unwrap_or("*").to_owned(),
            "ListPolicies" => self.arn(&format!("policy{prefix}")),
            "GenerateCredentialReport"
            | "GetCredentialReport"
            | "GetAccountAuthorizationDetails"
            | "GetAccountPasswordPolicy"
            | "GetAccountSummary"
            | "UpdateAccountPasswordPolicy"
            | "DeleteAccountPasswordPolicy"
            | "CreateAccountAlias"
            | "ListAccountAliases"
            | "SimulateCustomPolicy" => "*".to_owned(),
            "SimulatePrincipalPolicy" => get("PolicySourceArn").unwrap_or("*").to_owned(),
            "ListUsers" => self.arn(&format!("user{prefix}")),
            "ListGroups" => self.arn(&format!("group{prefix}")),
            "ListRoles" => self.arn(&format!("role{prefix}")),
            "ListVirtualMFADevices" => self.arn("mfa/"),
            action if action.contains("Role") => role(),
            action if action.contains("Group") && !action.ends_with("ForUser") => group(),
            "GetAccessKeyLastUsed" => {
                let id = get("AccessKeyId").unwrap_or_default();
                let mut users = self.current.users.values();
                let owner = users.find(|user| user.access_keys.iter().any(|key| key.id == id));
                owner.map_or_else(|| "*".to_owned(), |user| self.user_arn(user))
            }
            _ => {
                let name = get("UserName").map(str::to_owned).or_else(|| match &call.caller {
                    Caller::User(key) => Some(key.clone()),
                    _ => None,
                });
                let name = name.unwrap_or_default();
                let found = self.current.users.get(&key(&name)).filter(|_| !is_new);
                found.map_or_else(|| self.arn(&format!("user{path}{name}")), |user| self.user_arn(user))
            }
        }
    }
}
