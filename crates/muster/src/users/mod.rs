//! Users that come and go: what their commands share, and the sagas themselves.

mod bundle;
mod folder;
mod guards;
mod leaving;
mod making;
mod mfa_dialogue;
mod report;
mod sealing;

pub(crate) use bundle::{Handover, Place};
pub(crate) use folder::OutFolder;
pub(crate) use guards::{Guards, check_names};
pub(crate) use leaving::{DisabledRecord, PasswordMaterial, read_record, records};
pub(crate) use making::{Done, Material, Undoing};
pub(crate) use mfa_dialogue::{Enrolment, automatic, by_a_person};
pub(crate) use report::{Report, UserReport};
pub(crate) use sealing::{Sealing, sealer_again, sealer_of};

use std::time::Duration;

use muster_aws::{Journal, Journals, OpenTask, Sender, Task, TaskKind};
use muster_core::estate::KeyFacts;
use muster_core::name::UserName;

use crate::context::{Context, Session};
use crate::environment::now_s;
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
    pub(crate) fn sender(&self) -> Sender<'a> {
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

/// Reads the journals; warns of those that cannot be read.
pub(crate) fn journals(context: &Context, session: &Session) -> Result<Journals, CliError> {
    let journals = Journals::read(&session.home)?;
    for error in &journals.unreadable {
        context.terminal.warn(format_args!("{error}; what that run left is not known, so look at its users"));
    }
    Ok(journals)
}

/// Returns what earlier runs left open about these users; warns of what else is open.
pub(crate) fn earlier(
    context: &Context,
    session: &Session,
    users: &[UserName],
) -> Result<Vec<OpenTask>, CliError> {
    Journals::settle(&session.home, now_s, |_| false)?;
    let (ours, others): (Vec<OpenTask>, Vec<OpenTask>) =
        journals(context, session)?.tasks().into_iter().partition(|open| users.contains(&open.task.user));
    for open in &others {
        context.terminal.warn(format_args!(
            "what an earlier run began with `{}` was not finished; `muster recover` finishes or undoes it",
            safe(open.task.user.as_str())
        ));
    }
    Ok(ours)
}

/// Says in the journals of earlier runs that these users have been seen to; `which` picks the tasks that are over.
pub(crate) fn end_earlier(
    session: &Session,
    users: &[UserReport],
    which: impl Fn(&OpenTask) -> bool,
) -> Result<(), CliError> {
    let done = |open: &OpenTask| {
        let report = users.iter().find(|report| UserName::new(&report.user) == open.task.user);
        report.is_some_and(|report| report.errors.is_empty()) && which(open)
    };
    Ok(Journals::settle(&session.home, now_s, done)?)
}

/// Says so of the runs that disabled or restored these users with their files in this folder.
pub(crate) fn end_earlier_quarantines(
    session: &Session,
    users: &[UserReport],
    folder: &OutFolder,
) -> Result<(), CliError> {
    end_earlier(session, users, |open| {
        let is_quarantine = matches!(open.task.kind, TaskKind::Disable { .. } | TaskKind::Restore { .. });
        is_quarantine && open.task.out_dir == folder.absolute()
    })
}

/// Brings together what earlier runs have left of one kind of task about a user, with its files in this folder.
pub(crate) fn left_of(
    open: &[OpenTask],
    user: &UserName,
    folder: &OutFolder,
    is_kind: impl Fn(&TaskKind) -> bool,
) -> Option<OpenTask> {
    let here = |open: &&OpenTask| {
        open.task.user == *user && open.task.out_dir == folder.absolute() && is_kind(&open.task.kind)
    };
    OpenTask::merged(open.iter().filter(here))
}

/// Waits until it may be believed that what a task was about to make is not there.
pub(crate) async fn settle(context: &Context, session: &Session, open: &OpenTask, folder: &OutFolder) {
    let waits = settling(open, folder.settle());
    if waits > Duration::ZERO {
        context.terminal.say(format_args!(
            "Waiting {} s, until what was begun last is visible everywhere...",
            waits.as_secs().max(1)
        ));
        session.account.gateway.wait(waits).await;
    }
}

/// Returns how long it is until absence may be believed.
fn settling(open: &OpenTask, settle: Duration) -> Duration {
    let ago = u64::try_from(now_s() - open.window.1).unwrap_or_default();
    // The journal counts whole seconds.
    settle.saturating_sub(Duration::from_secs(ago.saturating_sub(1)))
}

/// How far AWS's clock and this machine's may be apart, in seconds: more than that no signature bears.
const CLOCKS_APART_S: i64 = 900;

/// Returns whether a key is one that a task made: by its id, or, where a crash came before that was written down, because it
/// was made then, was not there before, and has never been used.
pub(crate) fn made_key(open: &OpenTask, known: &[String], key: &KeyFacts) -> bool {
    if known.contains(&key.id) {
        return false;
    }
    if !open.keys.is_empty() {
        return open.keys.contains(&key.id);
    }
    let was_begun = open.calls.iter().any(|call| call.action() == "CreateAccessKey");
    let then = open.window.0 - CLOCKS_APART_S..=open.window.1 + CLOCKS_APART_S;
    was_begun && then.contains(&key.created) && key.last_used.is_none()
}

/// Returns whether a file is one that a task wrote: by its name, and by the hash of what is in it.
pub(crate) fn is_file_of(open: &OpenTask, path: &std::path::Path, name: &str) -> bool {
    let mut hashes = open.files.iter().filter(|(other, _)| other == name).map(|(_, hash)| hash);
    let Ok(bytes) = std::fs::read(path) else { return false };
    let hash = muster_aws::sha256(&bytes);
    hashes.any(|other| *other == hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(30);

    #[test]
    fn absence_is_believed_when_the_time_has_passed() {
        let now = now_s();
        let open = |last: i64| OpenTask {
            runs: Vec::new(),
            task: Task {
                user: UserName::new("alice"),
                user_id: None,
                out_dir: String::new(),
                kind: TaskKind::Delete,
            },
            user_id: None,
            calls: Vec::new(),
            files: Vec::new(),
            keys: Vec::new(),
            window: (last, last),
        };
        assert_eq!(settling(&open(now - 100), SETTLE), Duration::ZERO);
        assert!(settling(&open(now), SETTLE) >= Duration::from_secs(29));
        // A clock that was turned back does not make it wait for ever.
        assert!(settling(&open(now + 1000), SETTLE) <= SETTLE);
    }
}
