//! Users, their tags and access keys.

use super::params::{TAGS_MAX, access_key_id, arn, name_128, new_user_name, path, path_prefix, tag_key};
use super::state::{AccessKey, Edit, Tag, User, key};
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
            groups: std::collections::BTreeSet::default(),
            attached: Vec::new(),
            inline: Vec::new(),
            boundary,
            access_keys: Vec::new(),
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
        if !user.access_keys.is_empty() {
            return Err(IamError::conflict("must delete access keys first."));
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

    pub(super) fn create_access_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        if user.access_keys.len() >= self.quotas.access_keys_per_user {
            return Err(IamError::limit("AccessKeysPerUser", self.quotas.access_keys_per_user));
        }
        let mut id = self.new_id("AKIA");
        id.truncate(20);
        let secret = self.new_id("") + &self.new_id("");
        let secret = secret[..40].to_owned();
        let new = AccessKey { id, secret, active: true, created: seconds(call.now) };
        let reply = key_reply(&user, &new).text("SecretAccessKey", &new.secret);
        user.access_keys.push(new);
        self.write_user(call.now, user);
        Ok(Reply::new().nested("AccessKey", reply))
    }

    pub(super) fn list_access_keys(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let user = self.user_to_read(Self::user_meant(call)?)?;
        let page = self.page(call, &key(&user.name))?;
        let mut keys: Vec<&AccessKey> = user.access_keys.iter().collect();
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        let (keys, tail) = page.cut(keys.into_iter().map(|key| (key.id.clone(), key)));
        let keys = keys.into_iter().map(|key| key_reply(user, key));
        Ok(tail.add_to(Reply::new().structs("AccessKeyMetadata", keys)))
    }

    pub(super) fn delete_access_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("AccessKeyId", access_key_id)?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let before = user.access_keys.len();
        user.access_keys.retain(|key| key.id != id);
        if user.access_keys.len() == before {
            return Err(IamError::not_found(format!("The Access Key with id {id} cannot be found.")));
        }
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn get_caller_identity(&self, call: &Call<'_>) -> Reply {
        let id = match &call.caller {
            Caller::User(key) => self.current.users.get(key).map(|user| user.id.clone()),
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
            .text("CreateDate", timestamp(user.created));
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

fn tag_reply(tag: &Tag) -> Reply {
    Reply::new().text("Key", &tag.key).text("Value", &tag.value)
}

fn key_reply(user: &User, key: &AccessKey) -> Reply {
    Reply::new()
        .text("UserName", &user.name)
        .text("AccessKeyId", &key.id)
        .text("Status", if key.active { "Active" } else { "Inactive" })
        .text("CreateDate", timestamp(key.created))
}
