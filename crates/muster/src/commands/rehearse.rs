//! `muster rehearse`: the plan carried out on an embedded copy, and what it does to people. Nothing is touched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use muster_aws::{ApplyContext, Record, Work, apply};
use muster_core::audit::{Evidence, Finding, Known, Severity, audit};
use muster_core::name::UserName;
use muster_core::roster::Roster;
use muster_sandbox::StateFile;
use serde::Serialize;

use super::sandbox::copy;
use crate::cli::{Output, RehearseArgs};
use crate::context::{Context, read_snapshot};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::govern::effect::{Verdict, effect};
use crate::govern::saved::about;
use crate::govern::show::PlanReport;
use crate::govern::{self, Governing};
use crate::terminal::{BAD, GOOD, safe};

/// What is tried out unless something else is asked for: the own credentials, and what an administrator would do.
const ACTIONS: [&str; 9] = [
    "iam:ChangePassword",
    "iam:CreateAccessKey",
    "iam:EnableMFADevice",
    "iam:ListUsers",
    "iam:CreateUser",
    "iam:AttachUserPolicy",
    "sts:AssumeRole",
    "s3:GetObject",
    "ec2:RunInstances",
];

/// What a rehearsal came to, as `--output json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    account: String,
    taken_at: String,
    changes: usize,
    failed: Vec<String>,
    findings_before: usize,
    findings_after: Vec<Finding>,
    /// Empty: carried out once more, the plan has nothing left to do.
    left: Vec<String>,
    effects: Vec<Effect>,
    kept: Option<PathBuf>,
    api_calls: BTreeMap<&'static str, u64>,
}

/// What one user may do before and after.
#[derive(Debug, Serialize)]
struct Effect {
    user: String,
    action: String,
    mfa: bool,
    before: Verdict,
    after: Verdict,
}

pub(crate) async fn run(context: &Context, args: &RehearseArgs) -> Result<Exit, CliError> {
    let (config, settings) = govern::settings(context)?;
    if let Some(keep) = args.keep.as_ref().filter(|keep| keep.exists()) {
        return Err(CliError::usage(format!("`{}` exists already and is not overwritten", keep.display())));
    }
    let (roster, api_calls) = match &args.roster {
        Some(path) => (read_snapshot(path)?, BTreeMap::new()),
        None => {
            let session = context.connect(&config, &settings, false).await?;
            let roster = govern::read(context, &session, &settings.taxonomy).await?;
            (roster, session.account.gateway.counts())
        }
    };
    let users = chosen(args, &roster)?;
    let governing = Governing::new(context, config, settings, roster, &args.decided)?;
    let folder = tempfile::tempdir()
        .map_err(|error| CliError::usage(format!("failed to make a folder for the copy: {error}")))?;
    let file = args.keep.clone().unwrap_or_else(|| folder.path().join("account.json"));
    StateFile::create(&file, &copy(&governing.roster, 1, context.started_ms), context.started_ms)?;

    let (failed, after) = Box::pin(carry_out(context, &governing, file.clone())).await?;
    let now_s = context.started_ms.div_euclid(1000);
    let report = Report {
        account: governing.roster.account.clone(),
        taken_at: governing.roster.taken_at.clone(),
        changes: governing.plan.changes(),
        failed,
        findings_before: findings(&governing, &governing.roster, now_s)?.len(),
        findings_after: findings(&governing, &after, now_s)?,
        left: left(&governing, &after, args)?,
        effects: effects(args, &users, &governing.roster, &after),
        kept: args.keep.clone(),
        api_calls,
    };
    report.show(context, &governing)?;
    let clean = report.findings_after.iter().all(|finding| finding.severity == Severity::Info);
    let is_done = report.failed.is_empty() && report.left.is_empty();
    Ok(if is_done && clean && governing.undecided.is_empty() { Exit::Ok } else { Exit::Left })
}

/// Returns the users that are looked at, as the account spells them.
fn chosen(args: &RehearseArgs, roster: &Roster) -> Result<Vec<UserName>, CliError> {
    let named = args.user_name.iter().map(|name| {
        let found = roster.user(&UserName::new(name));
        found
            .map(|user| user.name.clone())
            .ok_or_else(|| CliError::usage(format!("the account has no user `{}`", safe(name))))
    });
    named.collect()
}

/// Carries the plan out on the copy; returns what failed, and the copy as it is then.
async fn carry_out(
    context: &Context,
    governing: &Governing,
    file: PathBuf,
) -> Result<(Vec<String>, Roster), CliError> {
    let mut global = context.global.clone();
    global.sandbox = Some(file);
    let there = context.with_global(global);
    // Time stands still on an embedded account: nothing is waited for.
    let session = there.connect_as(
        &governing.config,
        &governing.settings,
        crate::context::Connecting { silent: true, ..Default::default() },
    );
    let session = session.await?;
    let record = Record::create(&session.home, &there.record_head(&governing.config, &session))?;
    let apply_context = ApplyContext {
        gateway: &session.account.gateway,
        roster: &governing.roster,
        caller: None,
        record: &record,
        progress: &|_| {},
    };
    let plan = &governing.plan;
    let work = Work { plan: &plan.members, tighten: &plan.tighten, loosen: &plan.loosen, delete: &[] };
    let outcome = apply(&apply_context, work).await;
    session.save()?;
    let failed = outcome.all().filter(|made| !made.holds()).map(super::sort_report::why).collect();
    let after = govern::read(&there, &session, &governing.settings.taxonomy).await?;
    Ok((failed, after))
}

/// Returns what an audit finds of which a roster tells. Passwords and keys are not in a copy.
fn findings(governing: &Governing, roster: &Roster, now_s: i64) -> Result<Vec<Finding>, CliError> {
    let no = || "a rehearsal copies no credentials".to_owned();
    let evidence = Evidence {
        taxonomy: &governing.settings.taxonomy,
        rules: &governing.rules,
        settings: &governing.settings.audit,
        exempt: &governing.settings.exempt,
        roster,
        credentials: Known::No(no()),
        password_policy: Known::No(no()),
        stray_devices: Known::No(no()),
        now_s,
    };
    Ok(audit(&evidence)?.findings)
}

/// Plans once more: a plan that was carried out leaves nothing to do.
fn left(governing: &Governing, after: &Roster, args: &RehearseArgs) -> Result<Vec<String>, CliError> {
    let (plan, _) = govern::plan_of(&governing.settings, &governing.rules, after, &args.decided)?;
    Ok(plan.mutations().iter().map(about).collect())
}

fn effects(args: &RehearseArgs, users: &[UserName], before: &Roster, after: &Roster) -> Vec<Effect> {
    let usual = || ACTIONS.map(str::to_owned).to_vec();
    let actions = if args.action.is_empty() { usual() } else { args.action.clone() };
    let mut effects = Vec::new();
    for user in users {
        for (mfa, action) in [false, true].into_iter().flat_map(|mfa| actions.iter().map(move |a| (mfa, a))) {
            effects.push(Effect {
                user: user.to_string(),
                action: action.clone(),
                mfa,
                before: effect(before, user, action, mfa, args.source_ip),
                after: effect(after, user, action, mfa, args.source_ip),
            });
        }
    }
    effects
}

impl Report {
    fn show(&self, context: &Context, governing: &Governing) -> Result<(), CliError> {
        match context.global.output {
            Output::Json => super::print_json(context, self),
            Output::Csv => {
                let rows = self.effects.iter().map(|effect| {
                    let (was, is) = (effect.before.to_string(), effect.after.to_string());
                    vec![effect.user.clone(), effect.action.clone(), effect.mfa.to_string(), was, is]
                });
                super::print_csv(context, &["user", "action", "mfa", "before", "after"], rows)
            }
            Output::Text => {
                let paint = |text: &str, style| context.terminal.on_out(text, style);
                let plan = PlanReport::new(governing, BTreeMap::new());
                context.terminal.out(plan.text(paint, context.lists_all()));
                context.terminal.out(self.text(context));
                Ok(())
            }
        }
    }

    fn text(&self, context: &Context) -> String {
        let mut text = format!(
            "\nRehearsed on a copy: {} made, {} failed; nothing was touched.\n",
            count(self.changes - self.failed.len().min(self.changes), "change"),
            self.failed.len()
        );
        for failed in &self.failed {
            let _ = writeln!(text, "  {}", context.terminal.on_out(safe(failed), BAD));
        }
        for left in &self.left {
            let _ = writeln!(text, "  left to do after it: {}", safe(left));
        }
        let _ = writeln!(
            text,
            "An audit of groups and policies finds {} before and {} after.",
            self.findings_before,
            self.findings_after.len()
        );
        for finding in &self.findings_after {
            let (id, name) = (finding.rule.id(), safe(finding.subject.name()));
            let _ = writeln!(text, "  {} {id}: {name}: {}", finding.severity, safe(&finding.message));
        }
        let mut user = "";
        for effect in &self.effects {
            if effect.user != user {
                user = &effect.user;
                let _ = writeln!(text, "\n{}, before and after:", safe(user));
            }
            let with = if effect.mfa { "with MFA" } else { "without MFA" };
            let change = if effect.before == effect.after {
                effect.after.to_string()
            } else {
                let style = if effect.after == Verdict::Allowed { GOOD } else { BAD };
                context.terminal.on_out(format!("{} -> {}", effect.before, effect.after), style)
            };
            let _ = writeln!(text, "  {:24} {with:12} {change}", safe(&effect.action));
        }
        if let Some(kept) = &self.kept {
            let _ =
                writeln!(text, "\nThe copy is kept in {0}: look around with --sandbox {0}", kept.display());
        }
        text
    }
}
