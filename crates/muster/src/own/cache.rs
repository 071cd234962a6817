//! Sessions that were made, kept for those who ask for the same.
//!
//! One file each, their owner's alone, in a folder that is; named by a hash of all that makes two sessions different.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_aws::{Interrupt, Keys, StsSession};
use muster_durable::{Lock, LockError};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::context::Context;
use crate::environment::now_s;
use crate::error::CliError;
use crate::terminal::safe;

/// How long another program that asks the person is waited for.
const WAIT: Duration = Duration::from_mins(10);

/// The last time that is believed, in seconds since 1970: the year 5000.
const TIME_MAX_S: i64 = 95_617_584_000;

/// The longest file that is read, in bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// All that makes two sessions different.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CacheKey {
    /// Where STS is called, if not at AWS.
    pub(crate) endpoint: Option<String>,
    pub(crate) account: Option<String>,
    /// The long-lived key it was made with.
    pub(crate) access_key_id: String,
    pub(crate) serial: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) role_session_name: Option<String>,
    /// What was asked for, in seconds.
    pub(crate) duration_s: i32,
}

/// A session of the cache.
#[derive(Debug, Clone)]
pub(crate) struct CachedSession {
    pub(crate) key: CacheKey,
    pub(crate) session: StsSession,
}

#[derive(Serialize)]
struct Written<'a> {
    muster_session: u32,
    key: &'a CacheKey,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration_s: i64,
}

#[derive(Deserialize)]
struct Read {
    muster_session: u32,
    key: CacheKey,
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration_s: i64,
}

/// The version of the files.
const VERSION: u32 = 1;

/// The folder with the sessions.
pub(crate) struct Cache {
    /// `None` where there is no folder that can be trusted.
    folder: Option<PathBuf>,
}

/// Keeps others who want the same session waiting; what the holder learns is written in it.
pub(crate) struct Turn(Option<Lock>);

impl Turn {
    /// Tells those who have been waiting why there is no session, if the person would only be asked the same again.
    pub(crate) fn give_up(&mut self, context: &Context, why: &CliError) {
        let Some(lock) = &mut self.0 else { return };
        if !matches!(why, CliError::Refused { .. } | CliError::Interrupted(_)) {
            return;
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(format!("{}\n{why}", context.run).as_bytes())
        };
        // If it cannot be written, the next one asks once more.
        let _ = write(&mut lock.file);
    }
}

/// Returns which run gave up last, and why. No times: clocks are put back.
fn given_up(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|run| !run.is_empty())
}

impl Cache {
    /// Opens it. Where its folder cannot be used, sessions are made and not kept.
    pub(crate) fn open(context: &Context) -> Self {
        let folder = context.environment.state.as_ref().map(|state| state.join("muster").join("sessions"));
        let folder = folder.filter(|folder| match usable(folder) {
            Ok(()) => true,
            Err(reason) => {
                context.terminal.warn(format_args!("sessions are not kept: `{}` {reason}", folder.display()));
                false
            }
        });
        Self { folder }
    }

    fn path(&self, key: &CacheKey, ending: &str) -> Option<PathBuf> {
        let text = serde_json::to_vec(key).unwrap_or_default();
        Some(self.folder.as_ref()?.join(format!("{}.{ending}", muster_aws::sha256(&text))))
    }

    /// Waits until nobody else is about to make the same session.
    pub(crate) async fn turn(&self, key: &CacheKey, interrupt: &Interrupt) -> Result<Turn, CliError> {
        let Some(path) = self.path(key, "lock") else { return Ok(Turn(None)) };
        let before = given_up(&path);
        let marked = path.clone();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        // A thread of its own: waiting for a lock cannot be interrupted, and must not keep Ctrl-C from being obeyed.
        std::thread::spawn(move || sender.send(muster_durable::lock(&path, WAIT)));
        let lock = tokio::select! {
            lock = receiver => lock,
            () = interrupt.wait() => return Err(CliError::Interrupted("nothing was changed".to_owned())),
        };
        match lock {
            Ok(Ok(lock)) => {
                let after = given_up(&marked);
                if let Some(after) = after.filter(|after| Some(after) != before.as_ref()) {
                    let why = after.split_once('\n').map_or("", |(_, why)| why).replace('\n', "; ");
                    return Err(CliError::refused(
                        format!("another program asked for the code, without success: {}", safe(&why)),
                        "run this again to be asked",
                    ));
                }
                Ok(Turn(Some(lock)))
            }
            Ok(Err(LockError::Held { .. })) => Err(CliError::refused(
                "another program has been asking for the code for ten minutes",
                "answer it, or end it",
            )),
            // Without a lock somebody may be asked twice, which is better than not at all.
            Ok(Err(LockError::Io { .. })) | Err(_) => Ok(Turn(None)),
        }
    }

    /// Returns a session that is still good for a while.
    pub(crate) fn get(&self, context: &Context, key: &CacheKey, left_s: i64) -> Option<StsSession> {
        let path = self.path(key, "json")?;
        let found = self.read(context, &path)?;
        let is_good = found.key == *key && found.session.expires_s - now_s() > left_s;
        is_good.then_some(found.session)
    }

    /// Returns one with another duration, the longest that is left.
    pub(crate) fn get_any(&self, context: &Context, key: &CacheKey, left_s: i64) -> Option<StsSession> {
        let same = |other: &CacheKey| CacheKey { duration_s: key.duration_s, ..other.clone() } == *key;
        let good = self
            .all(context)
            .into_iter()
            .filter(|found| same(&found.key) && found.session.expires_s - now_s() > left_s);
        good.map(|found| found.session).max_by_key(|session| session.expires_s)
    }

    /// Returns all sessions, whether they have ended or not.
    pub(crate) fn all(&self, context: &Context) -> Vec<CachedSession> {
        let mut all: Vec<CachedSession> =
            self.files().iter().filter_map(|path| self.read(context, path)).collect();
        all.sort_by(|a, b| (&a.key.role, a.session.expires_s).cmp(&(&b.key.role, b.session.expires_s)));
        all
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = self.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok());
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
    }

    /// Reads a file that is its owner's alone. Any other is as good as none.
    #[expect(clippy::unused_self, reason = "what is read is what is in the folder")]
    fn read(&self, context: &Context, path: &Path) -> Option<CachedSession> {
        let bytes = match read_private(path) {
            Ok(bytes) => bytes?,
            Err(reason) => {
                context.terminal.warn(format_args!("`{}` is not used: {reason}", path.display()));
                return None;
            }
        };
        let Ok(read) = serde_json::from_slice::<Read>(&bytes) else {
            context.terminal.warn(format_args!("`{}` is damaged and not used", path.display()));
            return None;
        };
        if read.muster_session != VERSION || !(0..TIME_MAX_S).contains(&read.expiration_s) {
            return None;
        }
        let keys = Keys {
            id: read.access_key_id,
            secret: SecretString::from(read.secret_access_key),
            token: Some(SecretString::from(read.session_token)),
        };
        Some(CachedSession { key: read.key, session: StsSession { keys, expires_s: read.expiration_s } })
    }

    /// Keeps a session, and forgets those that have ended.
    pub(crate) fn put(&self, context: &Context, key: &CacheKey, session: &StsSession) {
        let Some(path) = self.path(key, "json") else { return };
        for old in self.files() {
            let is_over = self.read(context, &old).is_none_or(|found| found.session.expires_s <= now_s());
            if is_over {
                // What cannot be removed is not used either.
                let _ = muster_durable::remove(&old);
            }
        }
        let token = session.keys.token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let written = Written {
            muster_session: VERSION,
            key,
            access_key_id: &session.keys.id,
            secret_access_key: session.keys.secret.expose_secret(),
            session_token: token,
            expiration_s: session.expires_s,
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(token.len() + 4096));
        let written = serde_json::to_writer(&mut *bytes, &written).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|()| muster_durable::replace(&path, &bytes)) {
            context.terminal.warn(format_args!("the session is not kept: `{}`: {error}", path.display()));
        }
    }

    /// Lets sessions that were made with one key be found by another one of the same user: they outlive the key.
    pub(crate) fn copy(&self, context: &Context, from: &str, to: &str) {
        for found in self.all(context).into_iter().filter(|found| found.key.access_key_id == from) {
            let key = CacheKey { access_key_id: to.to_owned(), ..found.key };
            self.put(context, &key, &found.session);
        }
    }

    /// Forgets all sessions that were made with a long-lived key; returns how many there were.
    pub(crate) fn clear(&self, context: &Context, access_key_id: &str) -> Result<usize, CliError> {
        let mut cleared = 0;
        for path in self.files() {
            if self.read(context, &path).is_none_or(|found| found.key.access_key_id == access_key_id) {
                muster_durable::remove(&path)
                    .map_err(|error| CliError::Write { path: path.clone(), reason: error.to_string() })?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }
}

/// Makes the folder, and sees to it that it is its owner's alone.
fn usable(folder: &Path) -> Result<(), String> {
    muster_durable::create_folder(folder).map_err(|error| format!("cannot be made: {error}"))?;
    let meta = folder.symlink_metadata().map_err(|error| error.to_string())?;
    if !meta.is_dir() {
        return Err("is no folder".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return Err("belongs to somebody else".to_owned());
        }
        if meta.mode() & 0o077 != 0 {
            return Err(format!("is open to others; take that away with `chmod 700 {}`", folder.display()));
        }
    }
    Ok(())
}

/// Reads a file that only its owner can read, and that is no link; `None` if there is none.
fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options
            .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed());
    }
    let file = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it is a link, or cannot be read: {error}")),
        Ok(file) => file,
    };
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is no ordinary file".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
            return Err("others can read or write it".to_owned());
        }
    }
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len().min(BYTES_MAX)).unwrap_or(0) + 1));
    file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}
