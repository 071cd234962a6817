//! A plan in a file. It is a promise and not a script: nothing in it is ever carried out. `apply FILE` plans again and compares.

use std::path::Path;

use muster_core::mutation::Mutation;
use serde::{Deserialize, Serialize};

use super::Governing;
use crate::context::{Config, NewFile, read_input};
use crate::error::{CliError, count};
use crate::terminal::safe;

/// The version of the format that this build writes, and the only one it reads.
const VERSION: u32 = 1;

/// Differences that are named before "and N more".
const SHOWN: usize = 10;

/// A plan as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    muster_plan: u32,
    account: String,
    partition: String,
    /// When the account was read.
    taken_at: String,
    /// The config that it was made from.
    config_hash: Option<String>,
    /// Hash of the changes, which tells an edited plan from an account that moved.
    changes_hash: String,
    changes: Vec<Mutation>,
}

/// Keeps a plan.
pub(crate) fn write(file: NewFile, path: &Path, governing: &Governing) -> Result<(), CliError> {
    let changes = governing.plan.mutations();
    let saved = Saved {
        muster_plan: VERSION,
        account: governing.roster.account.clone(),
        partition: governing.roster.partition.clone(),
        taken_at: governing.roster.taken_at.clone(),
        config_hash: governing.config.hash.clone(),
        changes_hash: hash(&changes),
        changes,
    };
    let text = serde_json::to_string_pretty(&saved);
    let text = text.map_err(|error| CliError::Write { path: path.to_owned(), reason: error.to_string() })?;
    file.write(&format!("{text}\n"))
}

/// A plan that was kept, read before anything is called.
pub(crate) struct Promise(Saved);

impl Promise {
    /// Reads a plan.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        #[derive(Deserialize)]
        struct Head {
            muster_plan: u32,
        }
        let text = read_input(path)?;
        let wrong = |error: serde_json::Error| {
            CliError::usage(format!("`{}` is no plan of muster's: {error}", path.display()))
        };
        let head: Head = serde_json::from_str(&text).map_err(wrong)?;
        if head.muster_plan != VERSION {
            return Err(CliError::usage(format!(
                "`{}` has format {}, and this muster reads format {VERSION}",
                path.display(),
                head.muster_plan
            )));
        }
        let saved: Saved = serde_json::from_str(&text).map_err(wrong)?;
        if hash(&saved.changes) != saved.changes_hash {
            return Err(CliError::refused(
                format!("`{}` was edited after it was made", path.display()),
                "a plan is carried out as it was made or not at all: change the config, and plan again",
            ));
        }
        Ok(Self(saved))
    }

    /// Refuses a plan for another account before anything is read.
    pub(crate) fn check_account(&self, account: &str, partition: &str) -> Result<(), CliError> {
        if (self.0.account.as_str(), self.0.partition.as_str()) == (account, partition) {
            return Ok(());
        }
        Err(CliError::refused(
            format!("the plan is for the account {}", safe(&self.0.account)),
            format!("this is the account {}; nothing was changed", safe(account)),
        ))
    }

    /// Refuses to go on unless the plan of now is the one that was kept, change for change.
    pub(crate) fn check(&self, governing: &Governing, config: &Config) -> Result<(), CliError> {
        let saved = &self.0;
        let now = governing.plan.mutations();
        if now == saved.changes {
            return Ok(());
        }
        let missing = |from: &[Mutation], of: &[Mutation]| -> Vec<String> {
            of.iter().filter(|change| !from.contains(change)).map(about).collect()
        };
        let mut lines: Vec<String> = Vec::new();
        lines.extend(missing(&saved.changes, &now).iter().map(|change| format!("now also: {change}")));
        lines.extend(missing(&now, &saved.changes).iter().map(|change| format!("no longer: {change}")));
        if lines.is_empty() {
            lines.push("the same changes, in another order".to_owned());
        }
        let more = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        if more > 0 {
            lines.push(format!("and {}", count(more, "more difference")));
        }
        let what = if saved.config_hash == config.hash {
            format!(
                "the account, the templates or the options are not what they were when the plan was made ({})",
                safe(&saved.taken_at)
            )
        } else {
            "the config is not the one that the plan was made from".to_owned()
        };
        let listed: Vec<_> = lines.iter().map(|line| safe(line)).collect();
        Err(CliError::refused(
            format!("{what}:\n  {}", listed.join("\n  ")),
            "look at `muster plan` again, with the same options; nothing was changed",
        ))
    }
}

/// Describes a change with whom it is about.
pub(crate) fn about(change: &Mutation) -> String {
    match change {
        Mutation::AddUserToGroup { user, .. } | Mutation::RemoveUserFromGroup { user, .. } => {
            format!("{change} for {user}")
        }
        _ => change.to_string(),
    }
}

fn hash(changes: &[Mutation]) -> String {
    muster_aws::sha256(serde_json::to_string(changes).unwrap_or_default().as_bytes())
}
