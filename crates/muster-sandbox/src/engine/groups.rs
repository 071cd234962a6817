//! Groups and memberships.

use super::params::{name_128, path, path_prefix};
use super::state::{Edit, Group, key};
use super::{Account, Call, IamError, Reply, seconds, timestamp};

impl Account {
    pub(super) fn create_group(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let path = call.params.text("Path", path)?.unwrap_or("/").to_owned();
        if self.current.groups.contains_key(&key(name)) {
            return Err(IamError::already_exists("Group", name));
        }
        if self.current.groups.len() >= self.quotas.groups {
            return Err(IamError::limit("GroupsPerAccount", self.quotas.groups));
        }
        let group = Group {
            name: name.to_owned(),
            path,
            id: self.new_id("AGPA"),
            created: seconds(call.now),
            attached: Vec::new(),
            inline: Vec::new(),
        };
        let reply = Reply::new().nested("Group", self.group_reply(&group));
        self.write_group(call.now, group);
        Ok(reply)
    }

    pub(super) fn get_group(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let page = self.page(call, &key(name))?;
        let group = self.group_to_read(name)?;
        let members = self.visible.users.iter().filter(|(_, user)| user.groups.contains(&key(name)));
        let (members, tail) = page.cut(members.map(|(key, user)| (key.clone(), user)));
        let reply = Reply::new().nested("Group", self.group_reply(group));
        Ok(tail.add_to(reply.structs("Users", members.iter().map(|user| self.user_reply(user, false)))))
    }

    pub(super) fn list_groups(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let prefix = call.params.text("PathPrefix", path_prefix)?.unwrap_or("/");
        let page = self.page(call, prefix)?;
        let groups = self.visible.groups.iter().filter(|(_, group)| group.path.starts_with(prefix));
        let (groups, tail) = page.cut(groups.map(|(key, group)| (key.clone(), group)));
        Ok(tail.add_to(Reply::new().structs("Groups", groups.iter().map(|group| self.group_reply(group)))))
    }

    pub(super) fn list_groups_for_user(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let page = self.page(call, &key(name))?;
        let keys = &self.user_to_read(name)?.groups;
        let groups = keys.iter().filter_map(|key| Some((key.clone(), self.visible.groups.get(key)?)));
        let (groups, tail) = page.cut(groups);
        Ok(tail.add_to(Reply::new().structs("Groups", groups.iter().map(|group| self.group_reply(group)))))
    }

    pub(super) fn delete_group(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("GroupName", name_128)?;
        let group = self.group_to_write(name)?;
        if self.current.users.values().any(|user| user.groups.contains(&key(name))) {
            return Err(IamError::conflict("must remove users from group first."));
        }
        if !group.inline.is_empty() {
            return Err(IamError::conflict("must delete policies first."));
        }
        if !group.attached.is_empty() {
            return Err(IamError::conflict("must detach all policies first."));
        }
        self.write(call.now, Edit::Group(key(name), None));
        Ok(Reply::new())
    }

    /// A second time changes nothing and is no error.
    pub(super) fn add_user_to_group(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let group = call.params.required("GroupName", name_128)?;
        let name = call.params.required("UserName", name_128)?;
        self.group_to_write(group)?;
        let mut user = self.user_to_write(name)?;
        if user.groups.contains(&key(group)) {
            return Ok(Reply::new());
        }
        if user.groups.len() >= self.quotas.groups_per_user {
            return Err(IamError::limit("GroupsPerUser", self.quotas.groups_per_user));
        }
        user.groups.insert(key(group));
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    /// A user that is no member is no error either (the popular emulators answer 404).
    pub(super) fn remove_user_from_group(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let group = call.params.required("GroupName", name_128)?;
        let name = call.params.required("UserName", name_128)?;
        self.group_to_write(group)?;
        let mut user = self.user_to_write(name)?;
        if user.groups.remove(&key(group)) {
            self.write_user(call.now, user);
        }
        Ok(Reply::new())
    }

    pub(super) fn group_reply(&self, group: &Group) -> Reply {
        Reply::new()
            .text("Path", &group.path)
            .text("GroupName", &group.name)
            .text("GroupId", &group.id)
            .text("Arn", self.group_arn(group))
            .text("CreateDate", timestamp(group.created))
    }
}
