//! The record of a run: one JSON object a line, written before and after each change.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use serde::{Deserialize, Serialize};

use crate::home::{Home, HomeError};
use crate::journal::{Task, TaskEnd};
use muster_durable as durable;

/// The version of the record format.
const VERSION: u32 = 1;

/// The first line: what ran, and on what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    /// Version of the format.
    pub muster_record: u32,
    /// The run's id.
    pub run: String,
    /// When it began, RFC 3339.
    pub at: String,
    /// The command and its options.
    pub command: Vec<String>,
    /// The account's id.
    pub account: String,
    /// The partition.
    pub partition: String,
    /// The endpoint, if it is not AWS's own.
    pub endpoint: Option<String>,
    /// The file of the embedded account, if it is one.
    #[serde(default)]
    pub sandbox: Option<String>,
    /// ARN of the caller.
    pub caller: String,
    /// The profile, if any.
    pub profile: Option<String>,
    /// SHA-256 (its first eight bytes) of the config file.
    pub config_hash: Option<String>,
    /// Version of muster.
    pub version: String,
}

/// How a mutation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It was done.
    Done,
    /// It was so already, by somebody else's doing.
    AlreadySo,
    /// It was not done.
    Failed,
    /// It was sent, and nobody knows.
    Unknown,
}

/// A line of a record after the first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Line {
    /// Written before a call.
    Before {
        /// Number of the change in this run.
        change: u64,
        /// The call.
        #[serde(flatten)]
        mutation: Mutation,
        /// The user's groups, or whether the group existed.
        state: serde_json::Value,
    },
    /// Written after it.
    After {
        /// Number of the change in this run.
        change: u64,
        /// How it ended.
        outcome: Ended,
        /// AWS's id of the request.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        request_id: Option<String>,
        /// What went wrong.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        error: Option<String>,
    },
    /// A task of a saga begins.
    Begin {
        /// When, in seconds since 1970.
        at_s: i64,
        /// What is to be done.
        #[serde(flatten)]
        task: Task,
    },
    /// The id of a user became known.
    Learned {
        /// The user.
        user: UserName,
        /// Its id.
        user_id: String,
    },
    /// An access key was made.
    MadeKey {
        /// Whose.
        user: UserName,
        /// Its id.
        key: String,
    },
    /// A file is about to be there.
    File {
        /// The user it is about.
        user: UserName,
        /// Its name, without a folder.
        name: String,
        /// Hash of its content.
        sha256: String,
        /// When, in seconds since 1970.
        at_s: i64,
    },
    /// A task of a saga is ended.
    Ended {
        /// The user.
        user: UserName,
        /// How.
        how: TaskEnd,
    },
    /// Written at the end.
    End {
        /// Changes done.
        done: u64,
        /// Changes that failed, or of which nobody knows.
        failed: u64,
    },
}

/// A record being written.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    file: Mutex<File>,
}

/// Why a record cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Reading or writing failed.
    #[error("failed to {what} the record `{}`: {source}", path.display())]
    Io {
        /// `write`, `read`.
        what: &'static str,
        /// The record.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what this version writes.
    #[error("line {line} of `{}` is no line of a muster record: {source}", path.display())]
    Line {
        /// The record.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// It was written by another version.
    #[error("the record `{}` has format {found}, and this muster reads format {VERSION}", path.display())]
    Version {
        /// The record.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

impl Head {
    /// The version that this build writes.
    pub const VERSION: u32 = VERSION;
}

impl Record {
    /// Begins a record; a name that is taken is an error, so that no record is ever overwritten.
    pub fn create(home: &Home, head: &Head) -> Result<Self, RecordError> {
        Self::create_in(&home.records()?, head)
    }

    pub(crate) fn create_in(folder: &Path, head: &Head) -> Result<Self, RecordError> {
        let path = folder.join(format!("{}.jsonl", head.run));
        let file = durable::create(&path).map_err(|source| RecordError::Io {
            what: "create",
            path: path.clone(),
            source,
        })?;
        let record = Self { path, file: Mutex::new(file) };
        record.write(head, true)?;
        Ok(record)
    }

    /// Goes on with a record; a last line that a crash cut short is ended first.
    pub(crate) fn append_to(path: &Path) -> Result<Self, RecordError> {
        let io = |source| RecordError::Io { what: "open", path: path.to_owned(), source };
        let whole = std::fs::read(path).map_err(io)?;
        let file = OpenOptions::new().append(true).open(path).map_err(io)?;
        let end = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |position| position + 1);
        if end < whole.len() {
            file.set_len(end as u64).map_err(io)?;
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line.
    pub fn line(&self, line: &Line) -> Result<(), RecordError> {
        self.write(line, false)
    }

    /// Adds a line that is there after a loss of power too.
    pub(crate) fn durable_line(&self, line: &Line) -> Result<(), RecordError> {
        self.write(line, true)
    }

    fn write(&self, value: &impl Serialize, sync: bool) -> Result<(), RecordError> {
        let io = |source| RecordError::Io { what: "write", path: self.path.clone(), source };
        let mut text = serde_json::to_vec(value).map_err(|error| io(error.into()))?;
        text.push(b'\n');
        // One write for the whole line: after a crash a line is there or not.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let before = file.metadata().map(|meta| meta.len());
        durable::append(&mut file, &text, sync).map_err(|error| {
            // Half a line would spoil the next one, and with it the whole record.
            if let Ok(before) = before {
                let _ = file.set_len(before);
            }
            io(error)
        })
    }
}

/// Reads a record; a last line that a crash cut short is left out.
pub fn read_record(path: &Path) -> Result<(Head, Vec<Line>), RecordError> {
    let io = |source| RecordError::Io { what: "read", path: path.to_owned(), source };
    let texts: Vec<String> =
        BufReader::new(File::open(path).map_err(io)?).lines().collect::<Result<_, _>>().map_err(io)?;
    let wrong = |line: usize, source| RecordError::Line { path: path.to_owned(), line: line + 1, source };
    let first = texts.first().map(String::as_str).unwrap_or_default();
    let head: Head = serde_json::from_str(first).map_err(|source| wrong(0, source))?;
    if head.muster_record != VERSION {
        return Err(RecordError::Version { path: path.to_owned(), found: head.muster_record });
    }
    let mut lines = Vec::new();
    for (number, text) in texts.iter().enumerate().skip(1) {
        match serde_json::from_str(text) {
            Ok(line) => lines.push(line),
            Err(error) if error.is_eof() && number + 1 == texts.len() => {}
            Err(source) => return Err(wrong(number, source)),
        }
    }
    Ok((head, lines))
}
