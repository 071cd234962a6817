//! `muster apply`

use muster_aws::{Applied, ApplyContext, Outcome, Record, Work, apply};
use serde::Serialize;

use super::sort_report::why;
use crate::cli::{ApplyArgs, Output};
use crate::context::{Context, Session};
use crate::error::{CliError, count, count_of, help_with};
use crate::exit::Exit;
use crate::govern::effect::locks_out;
use crate::govern::saved::{Promise, about};
use crate::govern::show::{PlanReport, Summary};
use crate::govern::{self, Governing, Undecided};
use crate::progress::Progress;
use crate::prompt::{Answer, YesNo};
use crate::terminal::safe;

/// Changes that one run makes unless told otherwise.
const CHANGES_MAX: usize = 1_000;

/// Memberships and policies that one run takes away unless told otherwise.
const REMOVALS_MAX: usize = 20;

/// What a run came to, as `--output json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    account: String,
    partition: String,
    dry_run: bool,
    changes: Vec<Row>,
    undecided: Vec<Undecided>,
    summary: Summary,
    done: usize,
    failed: usize,
    run: String,
    record: Option<String>,
    api_calls: std::collections::BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Row {
    change: String,
    done: bool,
    error: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &ApplyArgs) -> Result<Exit, CliError> {
    let promise = args.plan.as_deref().map(Promise::read).transpose()?;
    let (config, settings) = govern::settings(context)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    if let Some(promise) = &promise {
        promise.check_account(&session.account.id, &session.account.partition)?;
    }
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let roster = govern::read(context, &session, &settings.taxonomy).await?;
    let governing = Governing::new(context, config, settings, roster, &args.decided)?;
    if let Some(promise) = &promise {
        promise.check(&governing, &governing.config)?;
    }
    if args.validate {
        govern::validate(context, &session, &governing.rules).await?;
    }
    let planned = PlanReport::new(&governing, session.account.gateway.counts());
    if context.global.output == Output::Text {
        let paint = |text: &str, style| context.terminal.on_err(text, style);
        context.terminal.say(planned.text(paint, context.lists_all()).trim_end());
    }
    let caller = session.caller();
    planned.take_care(context, &governing, caller.as_ref().map(muster_core::name::UserName::as_str));
    check_size(args, &governing, &planned.summary)?;
    check_caller(&session, &governing, &planned)?;

    let (mut outcome, mut record) = (Outcome::default(), None);
    if !args.dry_run && !governing.plan.is_empty() {
        if promise.is_none() && !agreed(context, planned.summary.changes).await? {
            context.terminal.say("Nothing was changed.");
            return Ok(Exit::Failed);
        }
        if promise.is_none() && context.terminal.interactive && !context.global.yes {
            look_again(context, &session, &governing).await?;
        }
        (outcome, record) = carry_out(context, &session, &governing).await?;
    }
    let report = Report::new(context, args, &session, &governing, planned, &outcome, record);
    report.show(context)?;
    Ok(report.close(context, outcome))
}

/// Stops a run that is larger than anybody has agreed to.
fn check_size(args: &ApplyArgs, governing: &Governing, summary: &Summary) -> Result<(), CliError> {
    let settings = &governing.settings;
    let changes_max = args.max_changes.or(settings.max_changes).unwrap_or(CHANGES_MAX);
    let removals_max = args.max_removals.or(settings.max_removals).unwrap_or(REMOVALS_MAX);
    if summary.removals > removals_max {
        return Err(CliError::refused(
            format!(
                "this would take away {}, and --max-removals allows {removals_max}",
                count_of(summary.removals, "membership or policy", "memberships and policies")
            ),
            format!("look at the plan; if it is right, give --max-removals {}", summary.removals),
        ));
    }
    if summary.changes > changes_max {
        return Err(CliError::refused(
            format!(
                "this would make {}, and --max-changes allows {changes_max}",
                count(summary.changes, "change")
            ),
            format!("look at the plan; if it is right, give --max-changes {}", summary.changes),
        ));
    }
    Ok(())
}

/// Stops a run that would lock out whoever makes it, half-way.
fn check_caller(session: &Session, governing: &Governing, planned: &PlanReport) -> Result<(), CliError> {
    let Some(caller) = session.caller().filter(|_| !session.account.gateway.is_session()) else {
        return Ok(());
    };
    if !locks_out(&governing.roster, &planned.changes, &caller) {
        return Ok(());
    }
    Err(CliError::refused(
        "this would deny you everything without MFA, and you call without: the run would end half-way, and you be locked out",
        "make a session with MFA first (`muster enable-mfa`, `muster init-sts-session`); nothing was changed",
    ))
}

async fn agreed(context: &Context, changes: usize) -> Result<bool, CliError> {
    let question = format!("Make {} (y/n)?", count(changes, "change"));
    match context.prompter().yes_no(question, 0).await {
        Answer::Given(answer) => Ok(answer == YesNo::Yes),
        Answer::Skipped => Ok(false),
        Answer::End => Err(CliError::usage_with(
            "nobody can be asked whether to make these changes",
            "say so with --yes, or keep a plan with `muster plan -o FILE` and apply that; nothing was changed",
        )),
        Answer::Interrupted => Err(CliError::Interrupted("nothing was changed".to_owned())),
    }
}

/// Answering took its time: what is done is what was shown, or nothing.
async fn look_again(context: &Context, session: &Session, governing: &Governing) -> Result<(), CliError> {
    let now = govern::read(context, session, &governing.settings.taxonomy).await?;
    let same = now.users == governing.roster.users
        && now.groups == governing.roster.groups
        && now.policies == governing.roster.policies;
    if same {
        return Ok(());
    }
    let message = "the account was changed while you were asked; nothing was done, look at the plan again";
    Err(CliError::Moved(message.to_owned()))
}

async fn carry_out(
    context: &Context,
    session: &Session,
    governing: &Governing,
) -> Result<(Outcome, Option<String>), CliError> {
    let record = Record::create(&session.home, &context.record_head(&governing.config, session))?;
    let plan = &governing.plan;
    let progress = Progress::up_to(&context.terminal, plan.changes(), "Changing the account");
    let caller = session.caller();
    let apply_context = ApplyContext {
        gateway: &session.account.gateway,
        roster: &governing.roster,
        caller: caller.as_ref(),
        record: &record,
        progress: &|done| progress.set(done),
    };
    let work = Work { plan: &plan.members, tighten: &plan.tighten, loosen: &plan.loosen, delete: &[] };
    let outcome = apply(&apply_context, work).await;
    context.changed.set(outcome.may_have_changed());
    session.save()?;
    Ok((outcome, Some(record.path().display().to_string())))
}

impl Report {
    fn new(
        context: &Context,
        args: &ApplyArgs,
        session: &Session,
        governing: &Governing,
        planned: PlanReport,
        outcome: &Outcome,
        record: Option<String>,
    ) -> Self {
        let groups = outcome.groups.iter().map(|(group, _, made)| (format!("CreateGroup {group}"), made));
        let policies = outcome.policies.iter().map(|(mutation, made)| (about(mutation), made));
        let users = outcome.users.iter().flat_map(|(user, changes)| {
            changes.iter().map(move |(change, made)| {
                let verb = match change {
                    muster_core::plan::Change::Add(_) => "AddUserToGroup",
                    muster_core::plan::Change::Remove(_) => "RemoveUserFromGroup",
                };
                (format!("{verb} {} for {user}", change.group()), made)
            })
        });
        let row = |(change, made): (String, &Applied)| Row {
            change,
            done: made.holds(),
            error: (!made.holds()).then(|| why(made)),
        };
        let changes: Vec<Row> = groups.chain(policies).chain(users).map(row).collect();
        Self {
            account: governing.roster.account.clone(),
            partition: governing.roster.partition.clone(),
            dry_run: args.dry_run,
            done: changes.iter().filter(|row| row.done).count(),
            failed: changes.iter().filter(|row| !row.done).count(),
            changes,
            undecided: planned.undecided,
            summary: planned.summary,
            run: context.run.clone(),
            record,
            api_calls: session.account.gateway.counts(),
        }
    }

    fn show(&self, context: &Context) -> Result<(), CliError> {
        match context.global.output {
            Output::Json => super::print_json(context, self)?,
            Output::Csv => {
                let rows = self.changes.iter().map(|row| {
                    vec![row.change.clone(), row.done.to_string(), row.error.clone().unwrap_or_default()]
                });
                super::print_csv(context, &["change", "done", "error"], rows)?;
            }
            Output::Text => {
                for row in self.changes.iter().filter(|row| !row.done) {
                    let error = row.error.as_deref().unwrap_or_default();
                    context.terminal.out(format_args!("not done: {}: {}\n", safe(&row.change), safe(error)));
                }
                let line = match (self.dry_run, self.summary.changes) {
                    (_, 0) => "Nothing to change.".to_owned(),
                    (true, changes) => {
                        format!("{} would be made; nothing was changed.", count(changes, "change"))
                    }
                    (false, _) if self.failed > 0 => {
                        format!("{} made, {} not made.", count(self.done, "change"), self.failed)
                    }
                    (false, _) => format!("{} made.", count(self.done, "change")),
                };
                context.terminal.out(format_args!("{line}\n"));
            }
        }
        Ok(())
    }

    /// Says what remains to be said, and picks the exit status.
    fn close(&self, context: &Context, outcome: Outcome) -> Exit {
        let help = outcome.all().find_map(|applied| match applied {
            Applied::Failed(error) => help_with(error, None),
            _ => None,
        });
        if let Some(help) = help {
            context.terminal.say(format_args!("  help: {help}"));
        }
        if let Some(path) = &self.record {
            context.terminal.say(format_args!("Record: {path}"));
        }
        let failed = self.failed > 0 || outcome.record_error.is_some();
        if let Some(error) = outcome.record_error {
            context.show_error(&error.into());
        }
        if context.interrupt.is_set() {
            context.terminal.warn("interrupted: what is reported above was done; run again to go on");
            return Exit::Interrupted;
        }
        match (failed, context.changed.get()) {
            (true, true) => Exit::Partial,
            (true, false) => Exit::Failed,
            (false, _) if !self.undecided.is_empty() => Exit::Left,
            (false, _) => Exit::Ok,
        }
    }
}
