//! Users that come and go: what their commands share, and the sagas themselves.

mod bundle;
mod folder;
mod guards;
mod leaving;
mod making;
mod mfa_dialogue;
mod report;
mod sealing;

pub(crate) use folder::OutFolder;
pub(crate) use guards::{Guards, check_names};
pub(crate) use leaving::{DisabledRecord, read_record, records};
pub(crate) use making::{Done, Material, Undoing};
pub(crate) use report::{Report, UserReport};
pub(crate) use sealing::{Sealing, sealer_again, sealer_of};

use muster_aws::{Journal, OpenTask, Sender, Task, open_journals};
use muster_core::config::{ConfigFile, Settings};
use muster_core::name::UserName;

use crate::context::{Config, Context, Session};
use crate::error::CliError;
use crate::terminal::safe;

/// What a saga works with.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    pub(crate) context: &'a Context,
    pub(crate) session: &'a Session,
    pub(crate) journal: &'a Journal,
    pub(crate) folder: &'a OutFolder,
}

impl<'a> Work<'a> {
    fn sender(&self) -> Sender<'a> {
        Sender { gateway: &self.session.account.gateway, journal: self.journal }
    }

    /// Returns a task for the journal.
    pub(crate) fn task(&self, user: &UserName, user_id: Option<&str>, kind: muster_aws::TaskKind) -> Task {
        Task {
            user: user.clone(),
            user_id: user_id.map(str::to_owned),
            out_dir: self.folder.absolute().to_owned(),
            kind,
        }
    }
}

/// Returns what a crash left open in this account.
pub(crate) fn open_tasks(session: &Session) -> Result<Vec<OpenTask>, CliError> {
    Ok(open_journals(&session.home)?.iter().flat_map(muster_aws::OpenJournal::open_tasks).collect())
}

/// Finishes what an earlier run of this command for these users left open; warns of what else is open.
pub(crate) async fn settle_earlier(
    context: &Context,
    session: &Session,
    folder: &OutFolder,
    users: &[UserName],
    settings: &Settings,
    config: &Config,
) -> Result<(), CliError> {
    let open = open_tasks(session)?;
    let (ours, others): (Vec<OpenTask>, Vec<OpenTask>) =
        open.into_iter().partition(|open| users.contains(&open.task.user));
    for open in &others {
        context.terminal.warn(format_args!(
            "an earlier run was cut off while it worked on `{}`; `muster recover` finishes or undoes that",
            safe(open.task.user.as_str())
        ));
    }
    if ours.is_empty() {
        return Ok(());
    }
    let options = crate::commands::recover::Options {
        only: users,
        resume: false,
        settle: crate::commands::recover::SETTLE,
        sealing: Sealing::of_journal(),
        folder,
        settings,
        profile: config.file.as_ref().and_then(ConfigFile::profile_name),
    };
    let recovered = crate::commands::recover::recover(context, session, &options).await?;
    if recovered.iter().any(|user| !user.errors.is_empty()) {
        let problems = recovered.iter().flat_map(|user| user.errors.clone()).collect();
        return Err(CliError::Preflight { problems, exit: crate::exit::Exit::Failed });
    }
    Ok(())
}

/// Returns whether a file is one that a task wrote: by its name, and by the hash of what is in it.
fn is_file_of(open: &OpenTask, path: &std::path::Path, name: &str) -> bool {
    let mut hashes = open.files.iter().filter(|(other, _)| other == name).map(|(_, hash)| hash);
    let Ok(bytes) = std::fs::read(path) else { return false };
    let hash = muster_aws::sha256(&bytes);
    hashes.any(|other| *other == hash)
}
