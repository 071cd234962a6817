//! Users and their tags.

use super::params::{TAGS_MAX, arn, name_128, new_user_name, path, path_prefix, tag_key};
use super::state::{Edit, Tag, User, key};
use super::{Account, Call, Caller, IamError, Reply, seconds, timestamp};

impl Account {
    pub(super) fn create_user(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let path = call.params.text("Path", path)?.unwrap_or("/").to_owned();
        let tags = call.params.tags()?;
        let boundary = call.params.text("PermissionsBoundary", arn)?.map(str::to_owned);
        if self.current.users.contains_key(&key(name)) {
            return Err(IamError::already_exists("User", name));
        }
        if let Some(arn) = boundary.as_ref().filter(|arn| !self.current.policies.contains_key(*arn)) {
            return Err(IamError::not_found(format!(
                "Scope ARN: {arn} does not exist or is not attachable."
            )));
        }
        if self.current.users.len() >= self.quotas.users {
            return Err(IamError::limit("UsersPerAccount", self.quotas.users));
        }
        let user = User {
            name: name.to_owned(),
            path,
            id: self.new_id("AIDA"),
            created: seconds(call.now),
            tags,
            boundary,
            ..User::default()
        };
        let reply = Reply::new().nested("User", self.user_reply(&user, true));
        self.write_user(call.now, user);
        Ok(reply)
    }

    pub(super) fn get_user(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let user = self.user_to_read(Self::user_meant(call)?)?;
        Ok(Reply::new().nested("User", self.user_reply(user, true)))
    }

    pub(super) fn list_users(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let prefix = call.params.text("PathPrefix", path_prefix)?.unwrap_or("/");
        let page = self.page(call, prefix)?;
        let users = self.visible.users.iter().filter(|(_, user)| user.path.starts_with(prefix));
        let (users, tail) = page.cut(users.map(|(key, user)| (key.clone(), user)));
        Ok(tail.add_to(Reply::new().structs("Users", users.iter().map(|user| self.user_reply(user, false)))))
    }

    pub(super) fn delete_user(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let user = self.user_to_write(name)?;
        // The order of the first three is that of one report of 2016; nobody knows more.
        if user.login.is_some() {
            return Err(IamError::conflict("must delete login profile first."));
        }
        if !user.access_keys.is_empty() {
            return Err(IamError::conflict("must delete access keys first."));
        }
        if self.devices_of(&user).next().is_some() {
            return Err(IamError::conflict("must remove tokens from principal first."));
        }
        if !user.ssh_keys.is_empty() || !user.service_credentials.is_empty() {
            return Err(IamError::conflict("must remove referenced objects first."));
        }
        if !user.certificates.is_empty() {
            return Err(IamError::conflict("must delete signing certificates first."));
        }
        if !user.inline.is_empty() {
            return Err(IamError::conflict("must delete policies first."));
        }
        if !user.attached.is_empty() {
            return Err(IamError::conflict("must detach all policies first."));
        }
        if !user.groups.is_empty() {
            return Err(IamError::conflict("must remove users from group first."));
        }
        self.write(call.now, Edit::User(key(name), None));
        Ok(Reply::new())
    }

    pub(super) fn tag_user(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let tags = call.params.tags()?;
        if tags.is_empty() {
            return Err(IamError::invalid("Tags must not be empty."));
        }
        let mut user = self.user_to_write(name)?;
        for tag in tags {
            user.tags.retain(|old| !old.key.eq_ignore_ascii_case(&tag.key));
            user.tags.push(tag);
        }
        if user.tags.len() > TAGS_MAX {
            return Err(IamError::limit("TagsPerUser", TAGS_MAX));
        }
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn untag_user(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let keys = call.params.list("TagKeys")?;
        keys.iter().try_for_each(|key| tag_key(key))?;
        let mut user = self.user_to_write(name)?;
        user.tags.retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn list_user_tags(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let page = self.page(call, &key(name))?;
        let mut tags = self.user_to_read(name)?.tags.clone();
        tags.sort_by(|a, b| a.key.cmp(&b.key));
        let (tags, tail) = page.cut(tags.into_iter().map(|tag| (tag.key.clone(), tag)));
        Ok(tail.add_to(Reply::new().structs("Tags", tags.iter().map(tag_reply))))
    }

    pub(super) fn get_caller_identity(&self, call: &Call<'_>) -> Reply {
        let id = match &call.caller {
            Caller::User(key) => self.current.users.get(key).map(|user| user.id.clone()),
            Caller::Role { role, session } => {
                self.current.roles.get(role).map(|role| format!("{}:{session}", role.id))
            }
            Caller::Administrator => None,
        };
        Reply::new()
            .text("Arn", self.arn_of(&call.caller))
            .text("UserId", id.unwrap_or_else(|| self.identity.account.clone()))
            .text("Account", &self.identity.account)
    }

    /// Lists leave tags and boundary out, as IAM's do.
    pub(super) fn user_reply(&self, user: &User, whole: bool) -> Reply {
        let reply = Reply::new()
            .text("Path", &user.path)
            .text("UserName", &user.name)
            .text("UserId", &user.id)
            .text("Arn", self.user_arn(user))
            .text("CreateDate", timestamp(user.created))
            .maybe("PasswordLastUsed", user.password_last_used.map(timestamp));
        if whole { with_tags_and_boundary(reply, user, false) } else { reply }
    }
}

/// Adds the boundary, and the tags unless there are none and an empty list is not wanted.
pub(super) fn with_tags_and_boundary(reply: Reply, user: &User, empty_list: bool) -> Reply {
    let reply = match &user.boundary {
        Some(arn) => reply.nested(
            "PermissionsBoundary",
            Reply::new()
                .text("PermissionsBoundaryType", "PermissionsBoundaryPolicy")
                .text("PermissionsBoundaryArn", arn),
        ),
        None => reply,
    };
    if user.tags.is_empty() && !empty_list {
        return reply;
    }
    reply.structs("Tags", user.tags.iter().map(tag_reply))
}

pub(super) fn tag_reply(tag: &Tag) -> Reply {
    Reply::new().text("Key", &tag.key).text("Value", &tag.value)
}
