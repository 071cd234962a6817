//! The journal of a run that must not be left half done: what it is about to do, written down before it does it.
//!
//! A journal is a record that is not finished. It lies in a folder of its own and moves to the others when all that it
//! began is ended; so the journals that are there are what a crash left. It holds no secret, and no path in it is
//! ever used: files are found by the names of users.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use muster_core::mutation::Mutation;
use muster_core::name::{GroupName, UserName};
use muster_core::roster::Tag;
use serde::{Deserialize, Serialize};

use crate::error::{CallError, Effect};
use crate::home::{Home, HomeError};
use crate::record::{Ended, Head, Line, Record, RecordError, read_record};
use muster_durable as durable;

/// What is done to one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The user.
    pub user: UserName,
    /// Its id, if it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The folder of its files, to be shown and compared; never used.
    pub out_dir: String,
    /// What.
    #[serde(flatten)]
    pub kind: TaskKind,
}

/// What is done to a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case")]
pub enum TaskKind {
    /// It is created.
    Create(NewUser),
    /// It is deleted.
    Delete,
    /// It is put in quarantine.
    Disable {
        /// Roles whose sessions are to be ended.
        revoke: Vec<String>,
    },
    /// It is brought back.
    Restore {
        /// Whom its new password is sealed for: fingerprints and keys. Empty: in clear.
        recipients: Vec<String>,
        /// Who gets a copy.
        escrow: Option<String>,
    },
    /// It gets an MFA device.
    EnableMfa {
        /// Its serial number.
        device: String,
        /// How.
        mfa: Mfa,
        /// The profile into which the serial number goes, if it is the caller's own.
        profile: Option<String>,
    },
    /// The caller's own access key is replaced.
    RotateOwnKey(OwnRotation),
    /// Its access key is replaced by somebody else; the new one is sealed.
    RotateKey {
        /// Ids of the keys that it had before.
        known: Vec<String>,
    },
}

/// The replacement of one's own access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRotation {
    /// The profile that holds the key.
    pub profile: String,
    /// The file it is in, to be shown and compared; never used.
    pub file: String,
    /// Id of the key that is replaced.
    pub old: String,
    /// Ids of the keys that there were before.
    pub known: Vec<String>,
    /// The old one is to be deleted, not only switched off.
    pub delete_old: bool,
}

/// A user to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUser {
    /// Its path.
    pub path: String,
    /// Its tags, that of the run excepted.
    pub tags: Vec<Tag>,
    /// ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// The groups it joins, in order.
    pub groups: Vec<GroupName>,
    /// Whether it gets a password.
    pub password: bool,
    /// How it gets an MFA device.
    pub mfa: Mfa,
    /// Whether it gets an access key.
    pub access_key: bool,
    /// Whom its secrets are sealed for: fingerprints and keys. Empty: in clear.
    pub recipients: Vec<String>,
    /// Who gets a copy.
    pub escrow: Option<String>,
}

/// How a user gets an MFA device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mfa {
    /// A person types the codes that an app shows.
    Prompt,
    /// muster computes the codes.
    Auto,
    /// Not at all.
    None,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskEnd {
    /// It was carried out.
    Done,
    /// All of it was undone.
    Undone,
    /// It was left as it was, because a person wanted it so.
    Kept,
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    record: Record,
    folder: PathBuf,
    changes: AtomicU64,
    clock: Clock,
    /// The user that is worked on, for calls that name none.
    about: Mutex<Option<UserName>>,
}

/// Says what time it is, in seconds since 1970.
pub type Clock = fn() -> i64;

/// Why a step of a saga failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It could not be written down, so it was not done.
    #[error(transparent)]
    Journal(#[from] RecordError),
    /// Something that IAM does not call an error.
    #[error("{0}")]
    Other(String),
}

impl Journal {
    /// Begins a journal.
    pub fn create(home: &Home, head: &Head, clock: Clock) -> Result<Self, RecordError> {
        let folder = folder(home)?;
        let record = Record::create_in(&folder, head)?;
        Ok(Self {
            record,
            folder: home.records()?,
            changes: AtomicU64::new(0),
            clock,
            about: Mutex::new(None),
        })
    }

    /// Goes on with one that a crash left.
    pub fn resume(home: &Home, open: &OpenJournal, clock: Clock) -> Result<Self, RecordError> {
        let last = open.lines.iter().filter_map(|line| match line {
            Line::Before { change, .. } => Some(*change),
            _ => None,
        });
        let changes = AtomicU64::new(last.max().unwrap_or_default());
        Ok(Self {
            record: Record::append_to(&open.path)?,
            folder: home.records()?,
            changes,
            clock,
            about: Mutex::new(None),
        })
    }

    /// Writes down that a task is begun.
    pub fn begin(&self, task: &Task) -> Result<(), RecordError> {
        self.about(&task.user);
        self.record.durable_line(&Line::Begin { at_s: (self.clock)(), task: task.clone() })
    }

    /// Says which user is worked on from now on.
    pub fn about(&self, user: &UserName) {
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = Some(user.clone());
    }

    /// Writes down that a file is about to be there, known by the hash of its content.
    pub fn file(&self, user: &UserName, name: &str, sha256: String) -> Result<(), RecordError> {
        let line = Line::File { user: user.clone(), name: name.to_owned(), sha256, at_s: (self.clock)() };
        self.record.durable_line(&line)
    }

    /// Writes down what was learned about a user.
    pub fn learned(&self, user: &UserName, user_id: &str) -> Result<(), RecordError> {
        self.record.durable_line(&Line::Learned { user: user.clone(), user_id: user_id.to_owned() })
    }

    /// Writes down the id of an access key that was made.
    pub fn made_key(&self, user: &UserName, key: &str) -> Result<(), RecordError> {
        self.record.durable_line(&Line::MadeKey { user: user.clone(), key: key.to_owned() })
    }

    /// Returns what time it is, in seconds since 1970.
    pub(crate) fn now_s(&self) -> i64 {
        (self.clock)()
    }

    /// Writes down that a task is ended.
    pub fn end(&self, user: &UserName, how: TaskEnd) -> Result<(), RecordError> {
        self.record.durable_line(&Line::Ended { user: user.clone(), how })
    }

    /// Moves the journal to the records, now that nothing in it is open; returns where it is.
    pub fn close(self) -> Result<PathBuf, RecordError> {
        let from = self.record.path().to_owned();
        let to = self.folder.join(from.file_name().unwrap_or_default());
        let moved = durable::rename_new(&from, &to);
        moved.map_err(|source| RecordError::Io { what: "finish", path: from, source })?;
        Ok(to)
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        self.record.path()
    }

    /// Returns the id of the run that began it.
    pub fn run(&self) -> &str {
        // The file is called so, and its name is made of nothing else.
        self.record.path().file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Writes down that a call is about to be made, makes it, and writes down how it ended.
    pub async fn recorded<T>(
        &self,
        mutation: &Mutation,
        send: impl AsyncFnOnce() -> Result<T, CallError>,
    ) -> Result<T, StepError> {
        let change = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        let about = self.about.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = serde_json::json!({ "at_s": (self.clock)(), "user": about });
        if let Err(error) =
            self.record.durable_line(&Line::Before { change, mutation: mutation.clone(), state })
        {
            // A disk that is full is no reason to leave a credential alive: that it may be there is written down.
            if !mutation.takes_away() {
                return Err(error.into());
            }
            tracing::warn!(target: "muster", %error);
        }
        let result = send().await;
        let outcome = result.as_ref().err().map_or_else(|| "done".to_owned(), ToString::to_string);
        tracing::info!(target: "muster", change, call = %mutation, outcome);
        let line = match &result {
            Ok(_) => Line::After { change, outcome: Ended::Done, request_id: None, error: None },
            Err(error) => Line::After {
                change,
                outcome: if error.effect == Effect::Unknown { Ended::Unknown } else { Ended::Failed },
                request_id: error.request_id.clone(),
                error: Some(error.to_string()),
            },
        };
        let written = self.record.line(&line);
        // The call is made, whatever becomes of the line about it: its answer may hold a secret that is there once.
        let value = result?;
        if let Err(error) = written {
            tracing::warn!(target: "muster", %error);
        }
        Ok(value)
    }
}

fn folder(home: &Home) -> Result<PathBuf, HomeError> {
    home.folder("journal")
}

/// A journal that a crash left, or one that was kept open.
#[derive(Debug)]
pub struct OpenJournal {
    /// Where it is.
    pub path: PathBuf,
    /// What ran.
    pub head: Head,
    /// What was written down.
    pub lines: Vec<Line>,
}

/// A task that a crash left open.
#[derive(Debug, Clone)]
pub struct OpenTask {
    /// The ids of the runs that began it, the latest last.
    pub runs: Vec<String>,
    /// The task.
    pub task: Task,
    /// The user's id, where it was learned.
    pub user_id: Option<String>,
    /// Calls that were about to be made.
    pub calls: Vec<Mutation>,
    /// Files that were about to be there: name, and hash of the content.
    pub files: Vec<(String, String)>,
    /// Ids of access keys that were made.
    pub keys: Vec<String>,
    /// When it began, and when something was last written down about it: seconds since 1970.
    pub window: (i64, i64),
}

impl OpenTask {
    /// Brings together what several runs have left of one task; `None` of none.
    pub fn merged<'o>(tasks: impl IntoIterator<Item = &'o Self>) -> Option<Self> {
        let mut tasks = tasks.into_iter();
        let mut all = tasks.next()?.clone();
        for task in tasks {
            all.task = task.task.clone();
            all.user_id = task.user_id.clone().or(all.user_id);
            all.runs.extend(task.runs.iter().cloned());
            all.calls.extend(task.calls.iter().cloned());
            all.files.extend(task.files.iter().cloned());
            all.keys.extend(task.keys.iter().cloned());
            all.window = (all.window.0.min(task.window.0), all.window.1.max(task.window.1));
        }
        Some(all)
    }
}

impl OpenJournal {
    /// Returns the tasks that are not ended.
    pub fn open_tasks(&self) -> Vec<OpenTask> {
        let mut open: Vec<OpenTask> = Vec::new();
        for line in &self.lines {
            match line {
                Line::Begin { at_s, task } => open.push(OpenTask {
                    runs: vec![self.head.run.clone()],
                    task: task.clone(),
                    user_id: task.user_id.clone(),
                    calls: Vec::new(),
                    files: Vec::new(),
                    keys: Vec::new(),
                    window: (*at_s, *at_s),
                }),
                Line::Before { mutation, state, .. } => {
                    let about = state.get("user").and_then(serde_json::Value::as_str).map(UserName::new);
                    let task = open.iter_mut().rev().find(|task| Some(&task.task.user) == about.as_ref());
                    if let Some(task) = task {
                        task.calls.push(mutation.clone());
                        let at_s = state.get("at_s").and_then(serde_json::Value::as_i64);
                        task.window.1 = at_s.unwrap_or(task.window.1);
                    }
                }
                Line::Learned { user, user_id } => {
                    for task in open.iter_mut().filter(|task| task.task.user == *user) {
                        task.user_id = Some(user_id.clone());
                    }
                }
                Line::MadeKey { user, key } => {
                    for task in open.iter_mut().filter(|task| task.task.user == *user) {
                        task.keys.push(key.clone());
                    }
                }
                Line::File { user, name, sha256, at_s } => {
                    for task in open.iter_mut().filter(|task| task.task.user == *user) {
                        task.files.push((name.clone(), sha256.clone()));
                        task.window.1 = *at_s;
                    }
                }
                Line::Ended { user, .. } => open.retain(|task| task.task.user != *user),
                Line::After { .. } | Line::End { .. } => {}
            }
        }
        open
    }
}

/// The journals of an account.
#[derive(Debug, Default)]
pub struct Journals {
    /// Those that can be read, oldest first.
    pub open: Vec<OpenJournal>,
    /// Why others cannot.
    pub unreadable: Vec<RecordError>,
    /// Those in which nothing was begun: a crash came before the first line was whole.
    empty: Vec<PathBuf>,
}

impl Journals {
    /// Reads them.
    pub fn read(home: &Home) -> Result<Self, RecordError> {
        let folder = home.path("journal");
        let io = |source| RecordError::Io { what: "read", path: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(io(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(io)?.path();
            if path.extension().is_some_and(|ending| ending == "jsonl") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut journals = Self::default();
        for path in paths {
            if std::fs::read(&path).is_ok_and(|bytes| !bytes.contains(&b'\n')) {
                journals.empty.push(path);
                continue;
            }
            match read_record(&path) {
                Ok((head, lines)) => journals.open.push(OpenJournal { path, head, lines }),
                Err(error) => journals.unreadable.push(error),
            }
        }
        Ok(journals)
    }

    /// Returns the tasks that are not ended.
    pub fn tasks(&self) -> Vec<OpenTask> {
        self.open.iter().flat_map(OpenJournal::open_tasks).collect()
    }

    /// Puts away journals in which nothing is open, and ends tasks of which somebody else has seen to what they were
    /// for. Only for who holds the account's lock.
    pub fn settle(home: &Home, clock: Clock, over: impl Fn(&OpenTask) -> bool) -> Result<(), RecordError> {
        let journals = Self::read(home)?;
        for path in &journals.empty {
            durable::remove(path).map_err(|source| RecordError::Io {
                what: "remove",
                path: path.clone(),
                source,
            })?;
        }
        for open in &journals.open {
            let tasks = open.open_tasks();
            let (over, left): (Vec<&OpenTask>, Vec<&OpenTask>) = tasks.iter().partition(|task| over(task));
            if left.is_empty() || !over.is_empty() {
                let journal = Journal::resume(home, open, clock)?;
                for task in over {
                    journal.end(&task.task.user, TaskEnd::Done)?;
                }
                if left.is_empty() {
                    journal.close()?;
                }
            }
        }
        Ok(())
    }
}
