//! What `delete-user`, `disable-user`, `restore-user` and `recover` tell.

use std::collections::BTreeMap;

use muster_core::mutation::Mutation;
use serde::Serialize;

use crate::cli::Output;
use crate::commands::{print_csv, print_json};
use crate::context::{Context, Session};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::terminal::{BAD, safe};

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It was carried out.
    Done,
    /// What it takes away was gone.
    Gone,
    /// It failed.
    Failed,
    /// It would be made.
    Planned,
}

/// A call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    #[serde(flatten)]
    pub(crate) call: Mutation,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<String>,
    /// It failed for want of permission.
    #[serde(skip)]
    pub(crate) is_denied: bool,
}

/// What was done about one user.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UserReport {
    pub(crate) user: String,
    pub(crate) user_id: Option<String>,
    /// What became of it: `deleted`, `disabled`, `restored`, `removed`, `completed`, `gone`, …
    pub(crate) result: String,
    pub(crate) steps: Vec<Step>,
    /// Files that were written for it.
    pub(crate) files: Vec<String>,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
    pub(crate) errors: Vec<String>,
    /// Something of it failed for want of permission.
    #[serde(skip)]
    pub(crate) is_denied: bool,
    /// Keys that were deleted, and that lists may show for a while.
    #[serde(skip)]
    pub(crate) deleted_keys: Vec<String>,
}

impl UserReport {
    pub(crate) fn new(user: &muster_core::name::UserName, user_id: Option<&str>) -> Self {
        Self {
            user: user.to_string(),
            user_id: user_id.map(str::to_owned),
            result: String::new(),
            steps: Vec::new(),
            files: Vec::new(),
            notes: Vec::new(),
            errors: Vec::new(),
            is_denied: false,
            deleted_keys: Vec::new(),
        }
    }

    /// Says that and why it came to nothing.
    pub(crate) fn fail(&mut self, result: &str, why: &str) {
        result.clone_into(&mut self.result);
        self.errors.push(why.to_owned());
    }

    /// What a saga that ended with an error has come to: other users of the run go on.
    pub(crate) fn of_error(
        user: &muster_core::name::UserName,
        user_id: Option<&str>,
        error: &CliError,
    ) -> Self {
        let mut report = Self::new(user, user_id);
        report.fail("not finished", &format!("{error}; `muster recover` goes on with it"));
        report
    }

    /// Puts down calls that would be made.
    pub(crate) fn planned(mut self, calls: impl IntoIterator<Item = Mutation>) -> Self {
        let planned = |call| Step { call, outcome: Outcome::Planned, error: None, is_denied: false };
        self.steps.extend(calls.into_iter().map(planned));
        self
    }

    /// Returns whether anything in the account was changed.
    pub(crate) fn changed(&self) -> bool {
        self.steps.iter().any(|step| step.outcome == Outcome::Done)
    }
}

/// What a run tells.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    account: String,
    partition: String,
    dry_run: bool,
    pub(crate) users: Vec<UserReport>,
    summary: Summary,
    run: String,
    record: Option<String>,
    api_calls: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Summary {
    users: usize,
    done: usize,
    failed: usize,
}

impl Report {
    pub(crate) fn new(
        context: &Context,
        session: &Session,
        dry_run: bool,
        users: Vec<UserReport>,
        record: Option<String>,
    ) -> Self {
        let failed = users.iter().filter(|user| !user.errors.is_empty()).count();
        Self {
            account: session.account.id.clone(),
            partition: session.account.partition.clone(),
            dry_run,
            summary: Summary { users: users.len(), done: users.len() - failed, failed },
            users,
            run: context.run.clone(),
            record,
            api_calls: session.account.gateway.counts(),
        }
    }

    /// Prints it and picks the exit status.
    pub(crate) fn show(&self, context: &Context) -> Result<Exit, CliError> {
        match context.global.output {
            Output::Json => print_json(context, self)?,
            Output::Csv => {
                let rows = self.users.iter().flat_map(|user| {
                    user.steps.iter().map(|step| {
                        let outcome = serde_json::to_value(step.outcome).unwrap_or_default();
                        let outcome = outcome.as_str().unwrap_or_default().to_owned();
                        vec![
                            user.user.clone(),
                            step.call.to_string(),
                            outcome,
                            step.error.clone().unwrap_or_default(),
                        ]
                    })
                });
                print_csv(context, &["user", "call", "outcome", "error"], rows)?;
            }
            Output::Text => self.show_text(context),
        }
        if let Some(record) = &self.record {
            context.terminal.say(format_args!("Record: {record}"));
        }
        Ok(self.exit(context))
    }

    fn show_text(&self, context: &Context) {
        let terminal = &context.terminal;
        for user in &self.users {
            let calls = match user.steps.len() {
                0 => String::new(),
                number => format!(" ({})", count(number, "call")),
            };
            terminal.out(format_args!("{}: {}{calls}\n", safe(&user.user), user.result));
            for step in user.steps.iter().filter(|_| self.dry_run || context.global.verbose > 0) {
                terminal.out(format_args!("  {}\n", safe(&step.call.to_string())));
            }
            for file in &user.files {
                terminal.out(format_args!("  file {file}\n"));
            }
            for note in &user.notes {
                terminal.out(format_args!("  note: {}\n", safe(note)));
            }
            for error in &user.errors {
                terminal.out(format_args!("  {} {}\n", terminal.on_out("error:", BAD), safe(error)));
            }
        }
    }

    fn exit(&self, context: &Context) -> Exit {
        let changed = (context.changed.get() || self.users.iter().any(UserReport::changed)) && !self.dry_run;
        let failed = self.summary.failed > 0;
        match (context.interrupt.is_set(), failed, changed) {
            (true, ..) => Exit::Interrupted,
            (_, true, true) => Exit::Partial,
            (_, true, false) => Exit::Failed,
            _ => Exit::Ok,
        }
    }
}
