//! Where muster keeps what outlives a run: records, and the lock that keeps two runs apart.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use muster_durable as durable;

/// The folder of one account as it is reached through one endpoint.
///
/// Keyed by partition, account and endpoint, so that what a rehearsal on a copy leaves behind can never be taken
/// for something about the real account.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Reading or writing failed.
    #[error("failed to {what} `{}`: {source}", path.display())]
    Io {
        /// `create`, `open`, `lock`, …
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another run is at work on the same account.
    #[error("another run of muster is changing this account (it holds `{}`)", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

impl Home {
    /// The folder of an account under the platform's folder for state.
    pub fn of_account(state: &Path, partition: &str, account: &str, endpoint: Option<&str>) -> Self {
        let endpoint = endpoint.map_or_else(|| "aws".to_owned(), |url| short_hash(url.as_bytes()));
        Self { folder: state.join("muster").join(format!("{partition}-{account}-{endpoint}")) }
    }

    /// The folder of an embedded account: beside its file.
    pub fn of_sandbox(file: &Path) -> Self {
        // One account has one folder, by whatever link it is reached.
        let file = &file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(".muster");
        Self { folder: file.with_file_name(name) }
    }

    /// Returns the folder of the records, made if need be.
    pub fn records(&self) -> Result<PathBuf, HomeError> {
        self.folder("records")
    }

    /// Returns where a folder or file of the account is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns a folder of the account, made if need be.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, HomeError> {
        let path = self.path(name);
        let io = |source| HomeError::Io { what: "create", path: path.clone(), source };
        durable::create_folder(&path).map_err(io)?;
        Ok(path)
    }

    /// Keeps other runs on this machine off the account until the guard is dropped.
    pub fn lock(&self) -> Result<Lock, HomeError> {
        self.records()?;
        let path = self.folder.join("lock");
        let io = |what, source| HomeError::Io { what, path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|source| io("open", source))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(HomeError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(io("lock", source)),
        }
    }
}

/// Holds the account against other runs.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Returns a SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in &Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Returns the first eight bytes of a SHA-256 in hex: enough to tell files and endpoints apart.
pub fn short_hash(bytes: &[u8]) -> String {
    let mut hash = sha256(bytes);
    hash.truncate(16);
    hash
}
