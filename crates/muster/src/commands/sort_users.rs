//! `muster sort-users`: observe → assess → plan → apply → report.

use std::collections::HashSet;

use muster_aws::{ApplyContext, Depth, Outcome, Record, Work, apply, read_roster};
use muster_core::assess::Standing;
use muster_core::config::{Settings, Severity, Tool, nearest};
use muster_core::impact::{Denies, impacts};
use muster_core::name::{GroupName, UserName};
use muster_core::plan::{Choices, DecidedBy, Plan, Question, UserPlan, missing_groups, plan, questions};
use muster_core::roster::{Group, Roster};
use muster_core::taxonomy::{GroupRole, Taxonomy};
use muster_core::{decisions, lint};

use super::sort_dialogue::Asking;
use super::sort_report::{Made, SortReport};
use crate::cli::SortUsersArgs;
use crate::context::{Config, Context, NewFile, Session, read_input, read_snapshot};
use crate::environment::rfc3339;
use crate::error::{CliError, count, help_with};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::prompt::{Answer, Prompter};
use crate::terminal::{CARE, safe};

/// Lints that are shown before "and N more".
const LINTS_SHOWN: usize = 10;

/// Users added by their pattern that are told to a person one by one.
const AUTOMATIC_SHOWN: usize = 5;

pub(crate) async fn run(context: &Context, args: &SortUsersArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::SortUsers, &args.overrides())?;
    require_groups(context, &settings.taxonomy, &config)?;
    let out = args.out.as_deref().map(NewFile::create).transpose()?;
    match &args.roster {
        Some(path) => {
            let roster = read_snapshot(path)?;
            let sorting = Sorting { context, args, config, settings, session: None };
            sorting.run(roster, out).await
        }
        None => {
            let session = context.connect(&config, &settings, !args.dry_run).await?;
            let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
            let sorting = Sorting { context, args, config, settings, session: Some(session) };
            let roster = sorting.read().await?;
            sorting.run(roster, out).await
        }
    }
}

/// Refuses to go on without a single group to sort into.
pub(crate) fn require_groups(
    context: &Context,
    taxonomy: &Taxonomy,
    config: &Config,
) -> Result<(), CliError> {
    if taxonomy.groups().next().is_some() {
        return Ok(());
    }
    let (found, place) = match &config.path {
        Some(path) => (format!("`{}` names none", path.display()), String::new()),
        None => ("no config was found".to_owned(), format!("{}; ", context.where_configs_are())),
    };
    Err(CliError::usage_with(
        format!("there are no common groups and no category groups: {found}"),
        format!(
            "{place}name a file with --config, or give the groups with --common-groups and --category-groups"
        ),
    ))
}

struct Sorting<'c> {
    context: &'c Context,
    args: &'c SortUsersArgs,
    config: Config,
    settings: Settings,
    session: Option<Session>,
}

impl Sorting<'_> {
    async fn read(&self) -> Result<Roster, CliError> {
        let Some(session) = &self.session else { return Err(CliError::usage("there is no account to read")) };
        let progress = Progress::counting(&self.context.terminal, "Reading users:");
        let taken_at = rfc3339(self.context.started_ms);
        let taxonomy = &self.settings.taxonomy;
        Ok(read_roster(&session.account, taxonomy, Depth::Memberships, taken_at, &|users| {
            progress.set(users);
        })
        .await?)
    }

    async fn run(&self, mut roster: Roster, out: Option<NewFile>) -> Result<Exit, CliError> {
        let taxonomy = &self.settings.taxonomy;
        let missing = self.missing_groups(&mut roster)?;
        self.show_lints(&roster)?;
        let mut choices = self.choices(&roster)?;

        let first = plan(taxonomy, &roster, &choices)?;
        self.show_unused_decisions(&first, &choices);
        let open = questions(taxonomy, &first, &choices);
        let answered = self.ask(&open, &mut choices).await?;
        let carried_on = self.carry_on(roster, missing, &choices, answered, out).await;
        if answered && !matches!(carried_on, Ok(Exit::Ok | Exit::Left)) {
            self.keep_answers(&choices);
        }
        carried_on
    }

    /// Goes on when all questions are answered.
    async fn carry_on(
        &self,
        mut roster: Roster,
        mut missing: Vec<(GroupName, GroupRole)>,
        choices: &Choices,
        answered: bool,
        out: Option<NewFile>,
    ) -> Result<Exit, CliError> {
        let (context, taxonomy) = (self.context, &self.settings.taxonomy);
        if answered && self.session.is_some() {
            // Answering took its time: what was read before is not what is now.
            roster = self.read().await?;
            missing = self.missing_groups(&mut roster)?;
        }
        let plan = Plan { groups: missing, ..plan(taxonomy, &roster, choices)? };
        self.announce(&plan, &roster);
        if let Some(changes_max) = self.settings.max_changes.filter(|max| plan.changes() > *max) {
            let error = CliError::TooMany { changes: plan.changes(), changes_max };
            if !self.args.dry_run {
                return Err(error);
            }
            context.terminal.warn(error);
        }

        let mut record_path = None;
        let outcome = match &self.session {
            Some(session) if !self.args.dry_run => {
                let (outcome, path) = self.apply(session, &plan, &roster).await?;
                record_path = path;
                Some(outcome)
            }
            _ => None,
        };
        let api_calls =
            self.session.as_ref().map(|session| session.account.gateway.counts()).unwrap_or_default();
        let made = Made {
            context,
            taxonomy,
            roster: &roster,
            dry_run: self.args.dry_run,
            record: record_path.clone(),
            api_calls,
        };
        let report = SortReport::new(&made, &plan, outcome.as_ref())?;
        report.show(context)?;
        if let Some(session) = &self.session {
            session.save()?;
        }
        if let Some(out) = out {
            out.write(&report.matrix(taxonomy))?;
        }
        Ok(self.close(&report, outcome, record_path.as_deref()))
    }

    /// Says what remains to be said, and picks the exit status.
    fn close(&self, report: &SortReport, outcome: Option<Outcome>, record: Option<&str>) -> Exit {
        let terminal = &self.context.terminal;
        let done = self.context.changed.get();
        if let Some(outcome) = &outcome {
            let failed = outcome.all().filter_map(|applied| match applied {
                muster_aws::Applied::Failed(error) => help_with(error, None),
                _ => None,
            });
            let help: HashSet<String> = failed.collect();
            for help in help {
                terminal.say(format_args!("  help: {help}"));
            }
        }
        self.context.name_record(record);
        let groups_failed = outcome.as_ref().is_some_and(|o| o.groups.iter().any(|(.., a)| !a.holds()));
        let record_error = outcome.and_then(|outcome| outcome.record_error);
        let failed = report.summary.failed > 0 || groups_failed || record_error.is_some();
        if let Some(error) = record_error {
            self.context.show_error(&error.into());
        }
        if self.context.interrupt.is_set() {
            terminal.warn("interrupted: what is reported above was done; run again to go on");
            return Exit::Interrupted;
        }
        match (failed, done) {
            (true, true) => Exit::Partial,
            (true, false) => Exit::Failed,
            (false, _) if report.is_something_left() => Exit::Left,
            (false, _) => Exit::Ok,
        }
    }

    /// Returns the groups to create first; without leave to create them, missing ones end the run.
    fn missing_groups(&self, roster: &mut Roster) -> Result<Vec<(GroupName, GroupRole)>, CliError> {
        let missing = missing_groups(&self.settings.taxonomy, roster);
        if missing.is_empty() || self.settings.create_groups {
            for (group, _) in &missing {
                add_group(roster, group);
            }
            return Ok(missing);
        }
        Err(CliError::MissingGroups { groups: missing.iter().map(|(name, _)| format!("`{name}`")).collect() })
    }

    fn show_lints(&self, roster: &Roster) -> Result<(), CliError> {
        let mut problems = lint::roster(&self.settings.taxonomy, roster)?;
        problems.retain(|problem| problem.severity >= Severity::Warning);
        let hidden = problems.len().saturating_sub(LINTS_SHOWN);
        problems.truncate(LINTS_SHOWN);
        self.context.show_problems(&self.config, &problems);
        if hidden > 0 {
            self.context
                .terminal
                .warn(format_args!("and {hidden} more of this kind; see `muster config check --roster`"));
        }
        Ok(())
    }

    /// Brings together what the command line and the decisions file decide.
    fn choices(&self, roster: &Roster) -> Result<Choices, CliError> {
        let taxonomy = &self.settings.taxonomy;
        let mut choices = Choices {
            force_common_group: self.settings.force_common_group,
            default_category: self
                .settings
                .default_category
                .as_ref()
                .and_then(|name| taxonomy.category(name)),
            resolve_conflicts: self.args.resolve_conflicts.is_some(),
            move_misfiled: self.args.move_misfiled,
            ..Choices::default()
        };
        for name in &self.args.user_name {
            let user = UserName::new(name);
            let Some(found) = roster.user(&user) else {
                let nearest = nearest(name, roster.users.iter().map(|user| user.name.as_str()));
                let help = nearest.map(|nearest| format!("did you mean `{}`?", safe(nearest)));
                let message = format!("the account has no user `{}`", safe(name));
                return Err(CliError::Usage { message, help });
            };
            choices.only.insert(found.name.clone());
        }
        if let Some(path) = &self.args.decisions {
            let text = read_input(path)?;
            let decided = decisions::read(&text, taxonomy, roster)
                .map_err(|problems| CliError::Decisions { path: path.clone(), problems })?;
            let by_file = |(user, category)| (user, (category, DecidedBy::DecisionsFile));
            choices.category = decided.category.into_iter().map(by_file).collect();
            choices.common = decided.common;
        }
        Ok(choices)
    }

    /// Points out lines of the decisions file that decide nothing, because something else has.
    fn show_unused_decisions(&self, plan: &Plan, choices: &Choices) {
        let used = |user: &UserName| {
            let planned = plan.users.iter().find(|planned| planned.user == *user);
            planned.is_some_and(|planned| planned.decided_by == DecidedBy::DecisionsFile)
        };
        let mut unused: Vec<&UserName> = choices.category.keys().filter(|user| !used(user)).collect();
        unused.sort();
        for user in unused {
            let name = safe(user.as_str());
            self.context
                .terminal
                .warn(format_args!("the decision about `{name}` is not needed, and not used"));
        }
    }

    /// Asks what only a person can say; returns whether anything was answered.
    async fn ask(&self, open: &[Question], choices: &mut Choices) -> Result<bool, CliError> {
        let (context, taxonomy) = (self.context, &self.settings.taxonomy);
        // A dry run on a terminal looks; answers that come through a pipe were meant.
        let only_looks = self.args.dry_run && context.terminal.interactive;
        let silent = context.global.no_input || open.is_empty() || only_looks;
        let mut prompter = Prompter::new(&context.terminal, &context.interrupt, silent, context.global.yes);
        let mut asking = Asking { taxonomy, choices, prompter: &mut prompter, refused: HashSet::new() };
        let mut answered = false;
        for (i, question) in open.iter().enumerate() {
            match asking.question(question, &open[i + 1..]).await {
                Answer::Given(()) => answered = true,
                Answer::Skipped => {}
                // With --yes the questions that need no choice still have their answer.
                Answer::End if context.global.yes => {}
                Answer::End => break,
                Answer::Interrupted => {
                    self.keep_answers(choices);
                    return Err(CliError::Interrupted("nothing was changed".to_owned()));
                }
            }
        }
        Ok(answered)
    }

    /// Keeps the answers given so far where `--decisions` can take them up, and says where.
    fn keep_answers(&self, choices: &Choices) {
        let mut lines: Vec<String> = choices
            .category
            .iter()
            .filter(|(_, (_, by))| *by == DecidedBy::Prompt)
            .map(|(user, (category, _))| csv_line(user, &self.settings.taxonomy.categories[*category].group))
            .collect();
        lines.extend(choices.common.iter().map(|(user, group)| csv_line(user, group)));
        lines.sort();
        let Some(session) = self.session.as_ref().filter(|_| !lines.is_empty()) else { return };
        let kept = session.home.records().map_err(CliError::from).and_then(|folder| {
            let path = folder.join(format!("{}.decisions.csv", self.context.run));
            NewFile::create(&path)?.write(&lines.concat())?;
            Ok(path)
        });
        match kept {
            Ok(path) => self.context.terminal.say(format_args!(
                "What you answered so far is kept: go on with --decisions {}",
                path.display()
            )),
            Err(error) => self.context.terminal.warn(format_args!("your answers are lost: {error}")),
        }
    }

    /// Says, before anything is written, who goes where by itself and what the groups that gain members carry.
    fn announce(&self, plan: &Plan, roster: &Roster) {
        let terminal = &self.context.terminal;
        let taxonomy = &self.settings.taxonomy;
        let groups: Vec<String> =
            taxonomy.category_groups().map(|name| safe(name.as_str()).into_owned()).collect();
        let groups = groups.join(", ");
        let by_pattern: Vec<&UserPlan> = plan
            .users
            .iter()
            .filter(|planned| {
                let uncategorized = planned.before.standing == Standing::Uncategorized;
                uncategorized && planned.decided_by == DecidedBy::Pattern && !planned.changes.is_empty()
            })
            .collect();
        // A script reads every line; a person has a screen.
        let shown = match (terminal.progress || self.context.is_demo, self.context.global.verbose) {
            (true, 0) => AUTOMATIC_SHOWN,
            _ => by_pattern.len(),
        };
        for planned in by_pattern.iter().take(shown) {
            terminal.say(format_args!(
                "User '{}' does not belong to any of the category group ({groups}). Automatically adding...",
                safe(planned.user.as_str())
            ));
        }
        if by_pattern.len() > shown {
            terminal
                .say(format_args!("... and the same for {}", count(by_pattern.len() - shown, "more user")));
        }
        for planned in plan.users.iter().filter(|planned| planned.before.protected.is_some()) {
            let reason =
                planned.before.protected.map(|i| taxonomy.protected[i].reason.as_str()).unwrap_or_default();
            terminal.say(format_args!(
                "User '{}' is protected: {}",
                safe(planned.user.as_str()),
                safe(reason)
            ));
        }
        for impact in impacts(plan, roster) {
            let joiners = count(impact.joiners, "user");
            let group = safe(impact.group.as_str());
            let Some(policies) = impact.policies else {
                terminal.say(format_args!("{joiners} to join {group}, whose policies could not be read"));
                continue;
            };
            let names: Vec<String> = policies
                .iter()
                .map(|policy| {
                    let note = match policy.denies {
                        Denies::Nothing => "",
                        Denies::UnderACondition => " (denies under a condition)",
                        Denies::Always => " (denies)",
                        Denies::Unknown => " (text not readable)",
                    };
                    format!("{}{note}", safe(&policy.name))
                })
                .collect();
            if names.is_empty() {
                terminal.say(format_args!("{joiners} to join {group}, which carries no policies"));
            } else {
                terminal.say(format_args!("{joiners} to join {group}, which carries {}", names.join(", ")));
            }
            if policies.iter().any(|policy| matches!(policy.denies, Denies::Always | Denies::UnderACondition))
            {
                let note = terminal.on_err("take care:", CARE);
                terminal.say(format_args!(
                    "  {note} what {group} denies is denied to all {joiners} from then on"
                ));
            }
        }
    }

    async fn apply(
        &self,
        session: &Session,
        plan: &Plan,
        roster: &Roster,
    ) -> Result<(Outcome, Option<String>), CliError> {
        if plan.is_empty() {
            return Ok((Outcome::default(), None));
        }
        let record = Record::create(&session.home, &self.context.record_head(&self.config, session))?;
        let progress = Progress::up_to(&self.context.terminal, plan.changes(), "Changing memberships");
        let caller = session.caller();
        let context = ApplyContext {
            gateway: &session.account.gateway,
            roster,
            caller: caller.as_ref(),
            record: &record,
            progress: &|done| progress.set(done),
        };
        let outcome = apply(&context, Work::on_members(plan)).await;
        self.context.changed.set(outcome.may_have_changed());
        Ok((outcome, Some(record.path().display().to_string())))
    }
}

/// A group that is about to be created, as far as planning needs it.
fn add_group(roster: &mut Roster, name: &GroupName) {
    if roster.group(name).is_none() {
        roster.groups.push(Group { name: name.clone(), path: "/".to_owned(), policies: None });
        roster.sort();
    }
}

fn csv_line(user: &UserName, group: &GroupName) -> String {
    let quoted = |text: &str| if text.contains(',') { format!("\"{text}\"") } else { text.to_owned() };
    format!("{},{}\n", quoted(user.as_str()), quoted(group.as_str()))
}
