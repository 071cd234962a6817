//! Roles, as far as finding out who may assume them and revoking their sessions needs them.

use std::sync::Arc;

use super::params::{arn, name_128, number_in, path, path_prefix, policy_document, role_name};
use super::policies::{detach, encoded, find, inline, put, remove, with_document};
use super::state::{Edit, Role, key};
use super::{Account, Call, IamError, Reply, seconds, timestamp};

/// Characters of all inline policies of a role, without white space. Source: IAM User Guide, quotas.
const ROLE_POLICY_CHARS: usize = 10_240;

impl Account {
    pub(super) fn create_role(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let path = call.params.text("Path", path)?.unwrap_or("/").to_owned();
        let trust = call.params.required("AssumeRolePolicyDocument", policy_document)?.to_owned();
        if self.current.roles.contains_key(&key(name)) {
            return Err(IamError::already_exists("Role", name));
        }
        let id = self.new_id("AROA");
        let created = seconds(call.now);
        let max_session_s = number_in(call.params, "MaxSessionDuration", 3600, 43_200)?.unwrap_or(3600);
        let role = Role {
            name: name.to_owned(),
            path,
            id,
            created,
            trust,
            max_session_s,
            attached: Vec::new(),
            inline: Vec::new(),
        };
        let reply = self.role_reply(&role).text("AssumeRolePolicyDocument", encoded(&role.trust));
        self.write(call.now, Edit::Role(key(name), Some(Arc::new(role))));
        Ok(Reply::new().nested("Role", reply))
    }

    pub(super) fn get_role(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let role = self.role_to_read(name)?;
        let reply = self.role_reply(role).text("AssumeRolePolicyDocument", encoded(&role.trust));
        Ok(Reply::new().nested("Role", reply.text("MaxSessionDuration", role.max_session_s)))
    }

    pub(super) fn list_roles(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let prefix = call.params.text("PathPrefix", path_prefix)?.unwrap_or("/");
        let page = self.page(call, prefix)?;
        let roles = self.visible.roles.iter().filter(|(_, role)| role.path.starts_with(prefix));
        let (roles, tail) = page.cut(roles.map(|(key, role)| (key.clone(), role)));
        let roles = roles.iter().map(|role| {
            self.role_reply(role)
                .text("AssumeRolePolicyDocument", encoded(&role.trust))
                .text("MaxSessionDuration", role.max_session_s)
        });
        Ok(tail.add_to(Reply::new().structs("Roles", roles)))
    }

    pub(super) fn delete_role(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let role = self.role_to_write(name)?;
        if !role.inline.is_empty() {
            return Err(IamError::conflict("must delete policies first."));
        }
        if !role.attached.is_empty() {
            return Err(IamError::conflict("must detach all policies first."));
        }
        self.write(call.now, Edit::Role(key(name), None));
        Ok(Reply::new())
    }

    pub(super) fn put_role_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let policy = inline(call)?;
        let mut role = self.role_to_write(name)?;
        put(&mut role.inline, policy);
        super::policies::check_size(&role.inline, "role", &role.name, ROLE_POLICY_CHARS)?;
        self.write(call.now, Edit::Role(key(name), Some(Arc::new(role))));
        Ok(Reply::new())
    }

    pub(super) fn get_role_policy(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let policy_name = call.params.required("PolicyName", name_128)?;
        let role = self.role_to_read(name)?;
        let policy = find(&role.inline, "role", policy_name)?;
        Ok(with_document(Reply::new().text("RoleName", &role.name), policy))
    }

    pub(super) fn list_role_policies(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        self.list_inline(call, name, &self.role_to_read(name)?.inline)
    }

    pub(super) fn delete_role_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let policy_name = call.params.required("PolicyName", name_128)?;
        let mut role = self.role_to_write(name)?;
        remove(&mut role.inline, "role", policy_name)?;
        self.write(call.now, Edit::Role(key(name), Some(Arc::new(role))));
        Ok(Reply::new())
    }

    pub(super) fn attach_role_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let arn = call.params.required("PolicyArn", arn)?;
        let mut role = self.role_to_write(name)?;
        if self.attach(arn, &mut role.attached, "PoliciesPerRole")? {
            self.write(call.now, Edit::Role(key(name), Some(Arc::new(role))));
        }
        Ok(Reply::new())
    }

    pub(super) fn detach_role_policy(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        let arn = call.params.required("PolicyArn", arn)?;
        let mut role = self.role_to_write(name)?;
        detach(arn, &mut role.attached)?;
        self.write(call.now, Edit::Role(key(name), Some(Arc::new(role))));
        Ok(Reply::new())
    }

    pub(super) fn list_attached_role_policies(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("RoleName", role_name)?;
        self.list_attached(call, name, &self.role_to_read(name)?.attached)
    }

    fn role_to_read(&self, name: &str) -> Result<&Role, IamError> {
        let role = self.visible.roles.get(&key(name));
        role.map(AsRef::as_ref).ok_or_else(|| IamError::no_such("role", name))
    }

    fn role_to_write(&self, name: &str) -> Result<Role, IamError> {
        let role = self.current.roles.get(&key(name)).filter(|_| self.visible.roles.contains_key(&key(name)));
        role.map(|role| Role::clone(role)).ok_or_else(|| IamError::no_such("role", name))
    }

    pub(super) fn role_arn(&self, role: &Role) -> String {
        self.arn(&format!("role{}{}", role.path, role.name))
    }

    pub(super) fn role_reply(&self, role: &Role) -> Reply {
        Reply::new()
            .text("Path", &role.path)
            .text("RoleName", &role.name)
            .text("RoleId", &role.id)
            .text("Arn", self.role_arn(role))
            .text("CreateDate", timestamp(role.created))
    }
}
