//! An account in a file: one JSON document, written beside and renamed, with a version and a lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{
    Account, Group, Identity, ManagedPolicy, MfaDevice, Millis, PasswordPolicy, Quotas, Report, Role, Root,
    Session, State, User, key,
};

/// The version of the file format that this build writes, and the only one it reads.
const VERSION: u32 = 1;

/// How long to wait for another process to let go of the file.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("failed to {what} `{}`", path.display())]
    Io {
        /// `read`, `write`, `lock`, …
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process uses it.
    #[error("`{}` is in use by another muster", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is not the JSON that it should be.
    #[error("`{}` is damaged, or no embedded account (it was left as it is)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// It was written by another version.
    #[error("`{}` has format {found}, and this muster uses format {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It exists and was not to.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize, Deserialize)]
struct Document {
    muster_sandbox: u32,
    identity: Identity,
    #[serde(default)]
    quotas: Quotas,
    /// The account's own clock when it was written, in milliseconds since 1970.
    clock_ms: Millis,
    #[serde(default)]
    alias: Option<String>,
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    groups: Vec<Group>,
    #[serde(default)]
    policies: Vec<ManagedPolicy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    devices: Vec<MfaDevice>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Role>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<Session>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password_policy: Option<PasswordPolicy>,
    #[serde(default, skip_serializing_if = "is_default")]
    root: Root,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_default(root: &Root) -> bool {
    *root == Root::default()
}

impl Document {
    /// Says what no account of ours would hold.
    fn check(&self) -> Result<(), String> {
        let year_5000_s = 95_617_584_000;
        if !(0..year_5000_s * 1000).contains(&self.clock_ms) {
            return Err("its clock is out of range".to_owned());
        }
        let of_user = |user: &User| {
            let mut times = vec![user.created];
            times.extend(user.password_last_used);
            times.extend(user.login.iter().map(|login| login.created));
            times.extend(user.access_keys.iter().map(|key| key.created));
            times.extend(user.access_keys.iter().filter_map(|key| Some(key.last_use.as_ref()?.at)));
            times.extend(user.ssh_keys.iter().map(|key| key.uploaded));
            times.extend(user.certificates.iter().map(|cert| cert.uploaded));
            times.extend(user.service_credentials.iter().map(|credential| credential.created));
            times
        };
        let mut times: Vec<i64> = self.users.iter().flat_map(of_user).collect();
        times.extend(self.groups.iter().map(|group| group.created));
        times.extend(self.policies.iter().flat_map(|p| p.versions().map(|version| version.created)));
        times
            .extend(self.policies.iter().flat_map(|policy| [Some(policy.created), policy.updated]).flatten());
        times.extend(self.roles.iter().map(|role| role.created));
        times.extend(self.sessions.iter().map(|session| session.expires));
        times.extend(self.devices.iter().filter_map(|device| device.enabled));
        if times.iter().any(|t| !(0..year_5000_s).contains(t)) {
            return Err("a time is out of range".to_owned());
        }
        let users: std::collections::BTreeSet<_> = self.users.iter().map(|user| key(&user.name)).collect();
        if let Some(device) =
            self.devices.iter().find(|device| device.user.as_ref().is_some_and(|user| !users.contains(user)))
        {
            return Err(format!("the MFA device {} is of a user that does not exist", device.serial));
        }
        let groups: std::collections::BTreeSet<_> =
            self.groups.iter().map(|group| key(&group.name)).collect();
        let stray = self.users.iter().find(|user| !user.groups.is_subset(&groups));
        stray.map_or(Ok(()), |user| Err(format!("the user {} is in a group that does not exist", user.name)))
    }
}

/// A state file, held against other writers until dropped.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl StateFile {
    /// Creates a file for an account; an existing one is left alone.
    pub fn create(path: &Path, account: &Account, clock_ms: Millis) -> Result<(), StoreError> {
        let path = &Self::resolved(path)?;
        let file = Self::lock(path)?;
        if path.exists() {
            return Err(StoreError::Exists { path: path.to_owned() });
        }
        file.write(account, clock_ms)
    }

    /// Opens a file; returns the account in it and where its clock stood.
    pub fn open(path: &Path) -> Result<(Self, Account, Millis), StoreError> {
        let path = &Self::resolved(path)?;
        // Read once before locking, so that a path that is no account gets no lock file beside it.
        Self::read(path)?;
        let file = Self::lock(path)?;
        let (account, clock_ms) = Self::read(path)?;
        Ok((file, account, clock_ms))
    }

    /// Reads a file without holding it.
    pub fn read(path: &Path) -> Result<(Account, Millis), StoreError> {
        #[derive(Deserialize)]
        struct Head {
            muster_sandbox: u32,
        }
        let io = |source| StoreError::Io { what: "read", path: path.to_owned(), source };
        let damaged = |source| StoreError::Damaged { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(io)?;
        let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
        if head.muster_sandbox != VERSION {
            return Err(StoreError::Version { path: path.to_owned(), found: head.muster_sandbox });
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(damaged)?;
        document.check().map_err(|reason| damaged(serde::de::Error::custom(reason)))?;
        let state = State {
            users: document.users.into_iter().map(|user| (key(&user.name), Arc::new(user))).collect(),
            groups: document.groups.into_iter().map(|group| (key(&group.name), Arc::new(group))).collect(),
            policies: document
                .policies
                .into_iter()
                .map(|policy| (policy.arn.clone(), Arc::new(policy)))
                .collect(),
            devices: document
                .devices
                .into_iter()
                .map(|device| (device.serial.clone(), Arc::new(device)))
                .collect(),
            roles: document.roles.into_iter().map(|role| (key(&role.name), Arc::new(role))).collect(),
            sessions: document.sessions.into_iter().map(|s| (s.id.clone(), Arc::new(s))).collect(),
            password_policy: document.password_policy,
            alias: document.alias,
        };
        let mut account = Account::new(document.identity, document.quotas, state);
        account.root = document.root;
        account.report = document.report;
        Ok((account, document.clock_ms))
    }

    /// Follows links, so that one account has one lock and stays where it is.
    fn resolved(path: &Path) -> Result<PathBuf, StoreError> {
        let io = |source| StoreError::Io { what: "open", path: path.to_owned(), source };
        if path.exists() {
            return path.canonicalize().map_err(io);
        }
        let name = path.file_name().ok_or_else(|| io(std::io::ErrorKind::InvalidFilename.into()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(folder.canonicalize().map_err(io)?.join(name))
    }

    fn lock(path: &Path) -> Result<Self, StoreError> {
        let lock_path = beside(path, "lock");
        let io = |source| StoreError::Io { what: "lock", path: lock_path.clone(), source };
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(io)?;
        let mut waited = Duration::ZERO;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: lock }),
                Err(TryLockError::Error(source)) => {
                    return Err(StoreError::Io { what: "lock", path: lock_path, source });
                }
                Err(TryLockError::WouldBlock) if waited >= LOCK_WAIT => {
                    return Err(StoreError::InUse { path: path.to_owned() });
                }
                Err(TryLockError::WouldBlock) => {
                    let step = Duration::from_millis(20);
                    std::thread::sleep(step);
                    waited += step;
                }
            }
        }
    }

    /// Writes the account: to a new file beside, synced, then renamed over the old one.
    pub fn write(&self, account: &Account, clock_ms: Millis) -> Result<(), StoreError> {
        let state = account.state();
        let document = Document {
            muster_sandbox: VERSION,
            identity: account.identity.clone(),
            quotas: account.quotas,
            clock_ms,
            alias: state.alias.clone(),
            users: state.users.values().map(|user| User::clone(user)).collect(),
            groups: state.groups.values().map(|group| Group::clone(group)).collect(),
            policies: state.policies.values().map(|policy| ManagedPolicy::clone(policy)).collect(),
            devices: state.devices.values().map(|device| MfaDevice::clone(device)).collect(),
            roles: state.roles.values().map(|role| Role::clone(role)).collect(),
            sessions: state.sessions.values().map(|session| Session::clone(session)).collect(),
            password_policy: state.password_policy,
            root: account.root,
            report: account.report.clone(),
        };
        let new = beside(&self.path, "new");
        let io = |source| StoreError::Io { what: "write", path: self.path.clone(), source };
        let write = || {
            let mut options = OpenOptions::new();
            // The lock is ours, so a file of this name is what a crash left; a link is never followed.
            let _ = std::fs::remove_file(&new);
            options.create_new(true).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&new)?;
            serde_json::to_writer(&mut file, &document)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)
        };
        write().map_err(io)
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}
