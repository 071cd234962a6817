//! Access keys, and when they were last used.

use std::sync::Arc;

use super::params::{access_key_id, status};
use super::state::{AccessKey, LastUse, User, key};
use super::{Account, Call, Caller, IamError, Millis, Reply, Service, seconds, timestamp};

/// How often the last use of a key is written down, in seconds. AWS's own figure lags by up to fifteen minutes.
const LAST_USE_EVERY_S: i64 = 60;

/// The administrator's key: the example of AWS's own documentation.
const ADMINISTRATOR: &str = "AKIAIOSFODNN7EXAMPLE";

impl Account {
    pub(super) fn create_access_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        if user.access_keys.len() >= self.quotas.access_keys_per_user {
            return Err(IamError::limit("AccessKeysPerUser", self.quotas.access_keys_per_user));
        }
        let mut id = self.new_id("AKIA");
        id.truncate(20);
        let secret = self.new_secret(40);
        let new = AccessKey { id, secret, active: true, created: seconds(call.now), last_use: None };
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

    pub(super) fn update_access_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("AccessKeyId", access_key_id)?;
        let active = status(call)?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let key = user.access_keys.iter_mut().find(|key| key.id == id);
        key.ok_or_else(|| no_such_key(id))?.active = active;
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn delete_access_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("AccessKeyId", access_key_id)?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let before = user.access_keys.len();
        user.access_keys.retain(|key| key.id != id);
        if user.access_keys.len() == before {
            return Err(no_such_key(id));
        }
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn get_access_key_last_used(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("AccessKeyId", access_key_id)?;
        let find = |user: &Arc<User>| user.access_keys.iter().find(|key| key.id == id).cloned();
        let (owner, key) = self
            .visible
            .users
            .values()
            .find_map(|user| find(user).map(|key| (user, key)))
            .ok_or_else(|| no_such_key(id))?;
        let (service, date) = match &key.last_use {
            Some(last) => (last.service.as_str(), Some(timestamp(last.at))),
            None => ("N/A", None),
        };
        let region = if date.is_some() { "us-east-1" } else { "N/A" };
        let used =
            Reply::new().maybe("LastUsedDate", date).text("ServiceName", service).text("Region", region);
        Ok(Reply::new().text("UserName", &owner.name).nested("AccessKeyLastUsed", used))
    }

    /// Finds out who signs with an access key. One that nobody here has is the administrator's.
    ///
    /// # Errors
    ///
    /// A key that is inactive, or was made a moment ago and is not known everywhere yet.
    pub fn owner_of_key(&self, access_key_id: &str) -> Result<Caller, IamError> {
        let of = |users: &std::collections::BTreeMap<String, Arc<User>>| {
            let has = |user: &User| user.access_keys.iter().any(|key| key.id == access_key_id);
            users.iter().find(|(_, user)| has(user)).map(|(name, _)| name.clone())
        };
        match (of(&self.current.users), of(&self.visible.users)) {
            // Also one that was deleted, for as long as that is not seen everywhere.
            (_, Some(name)) if self.is_active(&name, access_key_id) => Ok(Caller::User(name)),
            // A session of nobody's is none, and where policies hold, only the administrator is the administrator.
            (None, None) if access_key_id.starts_with("ASIA") => Err(IamError::unknown_key()),
            (None, None) if self.enforces && access_key_id != ADMINISTRATOR => Err(IamError::unknown_key()),
            (None, None) => Ok(Caller::Administrator),
            _ => Err(IamError::unknown_key()),
        }
    }

    fn is_active(&self, user: &str, access_key_id: &str) -> bool {
        let user = self.visible.users.get(user);
        user.is_some_and(|user| user.access_keys.iter().any(|key| key.id == access_key_id && key.active))
    }

    /// Returns the secret of a key that may be used.
    pub(crate) fn secret_of_key(&self, access_key_id: &str) -> Option<&str> {
        if let Some(session) = self.current.sessions.get(access_key_id) {
            return Some(&session.secret);
        }
        let mut keys = self.visible.users.values().flat_map(|user| &user.access_keys);
        keys.find(|key| key.id == access_key_id && key.active).map(|key| key.secret.as_str())
    }

    /// Writes down that a key was used.
    pub(crate) fn note_use(&mut self, access_key_id: &str, now: Millis, service: Service) {
        let at = seconds(now);
        let stale = |key: &AccessKey| {
            key.id == access_key_id
                && key.last_use.as_ref().is_none_or(|last| at - last.at >= LAST_USE_EVERY_S)
        };
        for state in [&mut self.current, &mut self.visible] {
            let user = state.users.values_mut().find(|user| user.access_keys.iter().any(stale));
            let Some(user) = user else { continue };
            if let Some(key) = Arc::make_mut(user).access_keys.iter_mut().find(|key| stale(key)) {
                key.last_use = Some(LastUse { at, service: service.name().to_owned() });
                self.changed = true;
            }
        }
    }
}

fn no_such_key(id: &str) -> IamError {
    IamError::not_found(format!("The Access Key with id {id} cannot be found."))
}

fn key_reply(user: &User, key: &AccessKey) -> Reply {
    Reply::new()
        .text("UserName", &user.name)
        .text("AccessKeyId", &key.id)
        .text("Status", if key.active { "Active" } else { "Inactive" })
        .text("CreateDate", timestamp(key.created))
}
