//! The two files where they lie.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_durable::{LockError, lock, real_path, replace};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::text::{FileKind, ProfileText, check_profile};
use super::{Keys, Profile, ProfileError, RoleProfile, SERIAL_KEYS};

/// How long another program that changes the files is waited for.
pub const WRITE_WAIT: Duration = Duration::from_secs(30);

/// How often a file is read anew that another program changes without a lock.
const READS_MAX: u32 = 5;

/// The longest file that is read, in bytes.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where the files are.
#[derive(Debug, Clone)]
pub struct ProfileFiles {
    /// `~/.aws/credentials`, or what `AWS_SHARED_CREDENTIALS_FILE` says.
    pub credentials: PathBuf,
    /// `~/.aws/config`, or what `AWS_CONFIG_FILE` says.
    pub config: PathBuf,
}

impl ProfileFiles {
    /// Returns where a file is.
    pub fn path(&self, kind: FileKind) -> &Path {
        match kind {
            FileKind::Credentials => &self.credentials,
            FileKind::Config => &self.config,
        }
    }

    /// Reads a file; one that is not there is an empty one.
    pub fn read(&self, kind: FileKind) -> Result<ProfileText, ProfileError> {
        let path = self.path(kind);
        let failed = |error: std::io::Error| ProfileError::Io {
            what: "read",
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let mut bytes = Zeroizing::new(Vec::new());
        match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(file) => {
                let meta = file.metadata().map_err(failed)?;
                if meta.is_dir() {
                    return Err(failed(std::io::ErrorKind::IsADirectory.into()));
                }
                if meta.len() > BYTES_MAX {
                    return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
                }
                // Room for all of it from the start: a buffer that grows leaves copies of secrets behind.
                bytes.reserve_exact(usize::try_from(meta.len()).unwrap_or_default() + 1);
                file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
            }
        }
        ProfileText::new(kind, bytes).map_err(|source| in_file(path, source))
    }

    /// Reads what both files say about a profile; `None` if neither has it.
    pub fn profile(&self, name: &str) -> Result<Option<Profile>, ProfileError> {
        let credentials = self.read(FileKind::Credentials)?;
        let config = self.read(FileKind::Config)?;
        Ok(profile(name, &credentials, &config))
    }

    /// Returns the names of all profiles.
    pub fn names(&self) -> Result<Vec<String>, ProfileError> {
        let mut names = self.read(FileKind::Credentials)?.profiles();
        names.extend(self.read(FileKind::Config)?.profiles());
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Finds out beforehand that a file can be changed.
    pub fn check_writable(&self, kind: FileKind) -> Result<(), ProfileError> {
        let path = self.path(kind);
        let failed = |reason: String| ProfileError::Io { what: "write", path: path.to_owned(), reason };
        self.read(kind)?;
        let real = real_path(path).map_err(|error| failed(error.to_string()))?;
        if let Ok(meta) = real.metadata() {
            // A rename would get past it; that it is read-only is what its owner wants.
            if meta.permissions().readonly() {
                return Err(failed("it is read-only".to_owned()));
            }
            if !meta.is_file() {
                return Err(failed("it is no ordinary file".to_owned()));
            }
        }
        #[cfg(unix)]
        {
            use rustix::fs::{Access, access};
            let folder = real.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/"));
            access(folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| failed(format!("its folder is not writable: {error}")))?;
        }
        Ok(())
    }

    /// Finds out beforehand whether a change could be made; nothing is written.
    pub fn rehearse(
        &self,
        kind: FileKind,
        change: impl Fn(&mut ProfileText) -> Result<(), ProfileError>,
    ) -> Result<(), ProfileError> {
        self.check_writable(kind)?;
        let mut text = self.read(kind)?;
        change(&mut text).map_err(|source| in_file(self.path(kind), source))
    }

    /// Changes a file: takes the lock, reads, changes, and puts the new text in its place in one step. Nothing is written
    /// where nothing has changed.
    pub fn edit<T>(
        &self,
        kind: FileKind,
        change: impl Fn(&mut ProfileText) -> Result<T, ProfileError>,
    ) -> Result<T, ProfileError> {
        let path = self.path(kind);
        let failed = |error: std::io::Error| ProfileError::Io {
            what: "write",
            path: path.to_owned(),
            reason: error.to_string(),
        };
        self.check_writable(kind)?;
        let real = real_path(path).map_err(failed)?;
        let folder = real.parent().unwrap_or(Path::new("/"));
        muster_durable::create_folder(folder).map_err(failed)?;
        let _lock = lock(&folder.join(".muster.lock"), WRITE_WAIT).map_err(|error| match error {
            LockError::Held { .. } => ProfileError::Locked { path: path.to_owned() },
            LockError::Io { source, .. } => failed(source),
        })?;
        // What a crash left beside it holds secrets, too.
        muster_durable::forget(&real).map_err(failed)?;
        for _ in 0..READS_MAX {
            let mut text = self.read(kind)?;
            let before = Zeroizing::new(text.bytes().to_vec());
            let done = change(&mut text).map_err(|source| in_file(path, source))?;
            if *text.bytes() == **before {
                return Ok(done);
            }
            // Others write without a lock: what they wrote meanwhile must not be lost.
            if *self.read(kind)?.bytes() == **before {
                replace(&real, text.bytes()).map_err(failed)?;
                return Ok(done);
            }
        }
        Err(ProfileError::Locked { path: path.to_owned() })
    }
}

fn in_file(path: &Path, source: ProfileError) -> ProfileError {
    match source {
        ProfileError::BadName { .. } | ProfileError::BadValue { .. } | ProfileError::Io { .. } => source,
        source => ProfileError::In { path: path.to_owned(), source: Box::new(source) },
    }
}

/// Reads what two texts say about a profile. What the credentials file says goes before the config file.
fn profile(name: &str, credentials: &ProfileText, config: &ProfileText) -> Option<Profile> {
    check_profile(name).ok()?;
    if !credentials.has(name) && !config.has(name) {
        return None;
    }
    let either = |key: &str| {
        let value = credentials.get(name, key).or_else(|| config.get(name, key));
        value.filter(|value| !value.is_empty())
    };
    let text = |key: &str| either(key).map(|value| String::clone(&value));
    let keys = [(credentials, FileKind::Credentials), (config, FileKind::Config)].into_iter().find_map(
        |(file, kind)| {
            let get = |key: &str| file.get(name, key).filter(|value| !value.is_empty());
            let secret = SecretString::from(get("aws_secret_access_key")?.as_str());
            let id = String::clone(&*get("aws_access_key_id")?);
            // In the order of the AWS CLI.
            let token = get("aws_security_token").or_else(|| get("aws_session_token"));
            Some((Keys { id, secret, token: token.map(|token| SecretString::from(token.as_str())) }, kind))
        },
    );
    let role = text("role_arn").map(|arn| RoleProfile {
        arn,
        source: text("source_profile"),
        external_id: text("external_id"),
        session_name: text("role_session_name"),
        duration_s: text("duration_seconds").and_then(|seconds| seconds.parse().ok()),
    });
    Some(Profile {
        name: name.to_owned(),
        keys,
        mfa_serial: SERIAL_KEYS.into_iter().find_map(text),
        expiration: text("expiration"),
        role,
    })
}

impl ProfileText {
    /// Puts long-lived keys into a profile: nothing of a session stays.
    pub fn put_keys(&mut self, profile: &str, id: &str, secret: &SecretString) -> Result<(), ProfileError> {
        use secrecy::ExposeSecret as _;
        self.set(profile, "aws_access_key_id", id)?;
        self.set(profile, "aws_secret_access_key", secret.expose_secret())?;
        for key in ["aws_session_token", "aws_security_token", "expiration"] {
            self.remove(profile, key)?;
        }
        Ok(())
    }

    /// Puts a session into a profile, with the time at which it ends. A long-lived key is never written over by one.
    pub fn put_session(&mut self, profile: &str, keys: &Keys, expiration: &str) -> Result<(), ProfileError> {
        use secrecy::ExposeSecret as _;
        let has = |key: &str| self.get(profile, key).is_some_and(|value| !value.is_empty());
        if has("aws_access_key_id") && !has("aws_session_token") && !has("aws_security_token") {
            return Err(ProfileError::LongLived { profile: profile.to_owned() });
        }
        self.set(profile, "aws_access_key_id", &keys.id)?;
        self.set(profile, "aws_secret_access_key", keys.secret.expose_secret())?;
        if let Some(token) = &keys.token {
            self.set(profile, "aws_session_token", token.expose_secret())?;
            // An older name, which some clients look at first.
            if self.get(profile, "aws_security_token").is_some() {
                self.set(profile, "aws_security_token", token.expose_secret())?;
            }
        }
        self.set(profile, "expiration", expiration)
    }

    /// Takes all keys out of a profile.
    pub fn take_keys(&mut self, profile: &str) -> Result<(), ProfileError> {
        for key in [
            "aws_access_key_id",
            "aws_secret_access_key",
            "aws_session_token",
            "aws_security_token",
            "expiration",
        ] {
            self.remove(profile, key)?;
        }
        Ok(())
    }

    /// Puts the serial number of an MFA device into a profile, under the name or names that are there already.
    pub fn put_serial(&mut self, profile: &str, serial: &str) -> Result<(), ProfileError> {
        let there: Vec<&str> =
            SERIAL_KEYS.into_iter().filter(|key| self.get(profile, key).is_some()).collect();
        let keys = if there.is_empty() { vec![SERIAL_KEYS[0]] } else { there };
        for key in keys {
            self.set(profile, key, serial)?;
        }
        Ok(())
    }
}
