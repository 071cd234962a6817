//! `muster init`

use std::path::PathBuf;

use muster_core::config::Overrides;
use muster_core::propose::{Candidate, Proposal, propose};

use crate::cli::{DecisionArgs, GlobalArgs, InitArgs};
use crate::context::{Config, Context, NewFile};
use crate::environment::rfc3339;
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::govern::show::PlanReport;
use crate::govern::{self, Governing};
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;

pub(crate) async fn run(context: &Context, args: &InitArgs) -> Result<Exit, CliError> {
    let path = target(context, args)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| CliError::Write { path: folder.to_owned(), reason: error.to_string() })?;
    }
    let file = NewFile::create(&path)?;
    // The account is looked at as it is, whatever an older config says of it.
    let none = Config::default();
    let settings = context.settings(&none, muster_core::config::Tool::Govern, &Overrides::default())?;
    let session = context.connect(&none, &settings, false).await?;
    let roster = govern::read(context, &session, &settings.taxonomy).await?;
    let proposal = agree(context, propose(&roster)).await?;
    if proposal.common.is_none() && proposal.categories.is_empty() {
        return Err(CliError::refused(
            "there is not one group to put into a config",
            "no config was written; write one by hand, as the guide shows, and look at it with `muster plan`",
        ));
    }
    let date = rfc3339(context.started_ms);
    file.write(&proposal.toml(&roster.account, date.get(..10).unwrap_or_default()))?;
    context.terminal.say(format_args!("Written to {}", path.display()));

    // What the plan would be is worked out from the file, as `muster plan` would do it.
    let mut global: GlobalArgs = context.global.clone();
    global.config = Some(path.clone());
    let context = &context.with_global(global);
    let (config, settings) = govern::settings(context)?;
    let decided = DecisionArgs { decisions: None, resolve_conflicts: None, move_misfiled: false };
    let governing = Governing::new(context, config, settings, roster, &decided)?;
    let report = PlanReport::new(&governing, session.account.gateway.counts());
    let paint = |text: &str, style| context.terminal.on_out(text, style);
    context.terminal.out(report.text(paint, context.lists_all()));
    Ok(if report.undecided.is_empty() { Exit::Ok } else { Exit::Left })
}

/// Returns where the config goes: where it would be looked for.
fn target(context: &Context, args: &InitArgs) -> Result<PathBuf, CliError> {
    if let Some(path) = args.out.as_ref().or(context.global.config.as_ref()) {
        return Ok(path.clone());
    }
    let profile = context.global.profile.as_deref().or(context.environment.profile.as_deref());
    let profile = profile.unwrap_or("default");
    if profile.contains(['/', '\\']) || profile.starts_with('.') {
        return Err(CliError::usage_with(
            format!("no file can be called after the profile `{}`", safe(profile)),
            "say where the config goes with --out FILE",
        ));
    }
    let home = context.environment.home.as_ref();
    let home = home.ok_or_else(|| CliError::usage("no home folder is known; say where with --out FILE"))?;
    Ok(home.join(".aws").join("muster").join(format!("{profile}.toml")))
}

/// Asks about each part of a proposal, and keeps what is agreed to.
async fn agree(context: &Context, mut proposal: Proposal) -> Result<Proposal, CliError> {
    let mut prompter = context.prompter();
    let describe = |candidate: &Candidate| {
        let new = if candidate.exists { "" } else { ", a new group" };
        let pattern =
            candidate.pattern.as_ref().map(|p| format!(" with the pattern {p}")).unwrap_or_default();
        format!("{}{pattern}{new} ({})", safe(candidate.group.as_str()), safe(&candidate.why))
    };
    if let Some(common) = &proposal.common {
        let question = format!("The common group, which every user belongs to: {} (y/n)?", describe(common));
        if !is_yes(&mut prompter, question, 0).await? {
            proposal.common = None;
        }
    }
    let mut kept = Vec::new();
    let all = proposal.categories.len();
    let mut to_all = None;
    for (place, category) in proposal.categories.drain(..).enumerate() {
        let question = format!("A category group: {} (y/n)?", describe(&category));
        let answer = match to_all {
            Some(answer) => answer,
            None => match prompter.yes_no(question, all - place - 1).await {
                Answer::Given(YesNo::Yes) => true,
                Answer::Given(YesNo::No) | Answer::Skipped => false,
                Answer::Given(YesNo::YesToAll) => *to_all.insert(true),
                Answer::Given(YesNo::NoToAll) => *to_all.insert(false),
                Answer::End => return Err(nobody()),
                Answer::Interrupted => return Err(CliError::Interrupted("no config was written".to_owned())),
            },
        };
        if answer {
            kept.push(category);
        }
    }
    context.terminal.say(format_args!("{} proposed, {} kept", count(all, "category group"), kept.len()));
    Ok(Proposal { categories: kept, ..proposal })
}

async fn is_yes(prompter: &mut Prompter<'_>, question: String, others: usize) -> Result<bool, CliError> {
    match prompter.yes_no(question, others).await {
        Answer::Given(answer) => Ok(matches!(answer, YesNo::Yes | YesNo::YesToAll)),
        Answer::Skipped => Ok(false),
        Answer::End => Err(nobody()),
        Answer::Interrupted => Err(CliError::Interrupted("no config was written".to_owned())),
    }
}

fn nobody() -> CliError {
    CliError::usage_with(
        "nobody can be asked about the proposal",
        "take it as it is with --yes, and edit the file then; no config was written",
    )
}
