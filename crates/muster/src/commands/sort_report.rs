//! What `sort-users` found and did: one value, shown as text, JSON or CSV.

use std::collections::{BTreeMap, HashMap};

use muster_aws::{Applied, Effect};
use muster_core::assess::{StandingName, assess};
use muster_core::name::{GroupName, UserName};
use muster_core::plan::{Change, DecidedBy, Plan, UserPlan};
use muster_core::roster::{ReadBy, Roster, User};
use muster_core::taxonomy::{AssessError, GroupRole, Taxonomy};
use serde::Serialize;

use crate::cli::Output;
use crate::context::Context;
use crate::error::{CliError, count};
use crate::terminal::{BAD, CARE, GOOD, csv_safe, safe, table};

/// Lines of one kind that a text report lists before it says "and N more".
const LINES_MAX: usize = 20;

/// The report. Its JSON is a contract: keys may be added, never changed.
#[derive(Debug, Serialize)]
pub(super) struct SortReport {
    account: String,
    partition: String,
    dry_run: bool,
    pub(super) users: Vec<UserRow>,
    /// Groups that this run created, or would create.
    groups_created: Vec<String>,
    pub(super) summary: Summary,
    read_by: ReadBy,
    run: String,
    record: Option<String>,
    api_calls: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    roles: Vec<(GroupName, GroupRole)>,
}

/// One user.
#[derive(Debug, Serialize)]
pub(super) struct UserRow {
    pub(super) user: UserName,
    before: Vec<GroupName>,
    after: Vec<GroupName>,
    added: Vec<GroupName>,
    removed: Vec<GroupName>,
    standing: StandingName,
    decided_by: DecidedBy,
    matches: Vec<GroupName>,
    missing_common: Vec<GroupName>,
    protected: bool,
    errors: Vec<String>,
    /// A change is due that IAM's limit of groups per user does not allow.
    #[serde(skip)]
    is_full: bool,
    /// A change was tried, or should have been, and is not there.
    #[serde(skip)]
    failed: bool,
}

/// Counts of users.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    users: usize,
    sorted: usize,
    uncategorized: usize,
    conflicting: usize,
    misfiled: usize,
    pub(super) changed: usize,
    pub(super) failed: usize,
}

/// What a report is made from, besides the plan.
pub(super) struct Made<'m> {
    pub(super) context: &'m Context,
    pub(super) taxonomy: &'m Taxonomy,
    pub(super) roster: &'m Roster,
    pub(super) dry_run: bool,
    pub(super) record: Option<String>,
    pub(super) api_calls: BTreeMap<&'static str, u64>,
}

/// Says in words why a change was not made.
pub(crate) fn why(applied: &Applied) -> String {
    match applied {
        Applied::Done | Applied::AlreadySo => "done".to_owned(),
        Applied::Failed(error) if error.effect == Effect::Unknown => {
            format!("{error} (it may have been made all the same; run again)")
        }
        Applied::Failed(error) if error.kind == muster_aws::Kind::NotFound => {
            format!("{error} (deleted while this run was under way?)")
        }
        Applied::Failed(error) => error.to_string(),
        Applied::LeftOut(why) | Applied::Moved(why) => why.clone(),
        Applied::Interrupted => "interrupted before it was sent".to_owned(),
    }
}

impl SortReport {
    /// Puts the report together. `outcome` is what became of each user's changes; without one, all of them count
    /// as made, as in a dry run.
    pub(super) fn new(
        made: &Made<'_>,
        plan: &Plan,
        outcome: Option<&muster_aws::Outcome>,
    ) -> Result<Self, AssessError> {
        let results: Option<HashMap<&UserName, &Vec<(Change, Applied)>>> =
            outcome.map(|outcome| outcome.users.iter().map(|(user, changes)| (user, changes)).collect());
        let mut users = Vec::with_capacity(plan.users.len());
        let mut summary = Summary::default();
        for planned in &plan.users {
            let Some(user) = made.roster.user(&planned.user) else { continue };
            let all_done =
                |planned: &UserPlan| planned.changes.iter().map(|c| (c.clone(), Applied::Done)).collect();
            let applied: Vec<(Change, Applied)> = match &results {
                None => all_done(planned),
                Some(results) => {
                    results.get(&planned.user).map(|changes| (*changes).clone()).unwrap_or_default()
                }
            };
            let row = user_row(made.taxonomy, user, planned, &applied)?;
            summary.add(&row);
            users.push(row);
        }
        let groups_created = match outcome {
            None => plan.groups.iter().map(|(group, _)| group.to_string()).collect(),
            Some(outcome) => {
                let created = outcome.groups.iter().filter(|(.., applied)| applied.is_done());
                created.map(|(group, ..)| group.to_string()).collect()
            }
        };
        Ok(Self {
            account: made.roster.account.clone(),
            partition: made.roster.partition.clone(),
            dry_run: made.dry_run,
            users,
            groups_created,
            summary,
            read_by: made.roster.read_by,
            run: made.context.run.clone(),
            record: made.record.clone(),
            api_calls: made.api_calls.clone(),
            roles: made.taxonomy.groups().map(|(name, role)| (name.clone(), role)).collect(),
        })
    }

    /// Returns whether something is left for a person to decide or to fix.
    pub(super) fn is_something_left(&self) -> bool {
        self.users.iter().any(UserRow::is_left)
    }

    /// Shows the report on stdout.
    pub(super) fn show(&self, context: &Context) -> Result<(), CliError> {
        match context.global.output {
            Output::Json => super::print_json(context, self),
            Output::Csv => self.show_csv(context),
            Output::Text => {
                self.show_text(context);
                Ok(())
            }
        }
    }

    fn show_csv(&self, context: &Context) -> Result<(), CliError> {
        let groups =
            |groups: &[GroupName]| groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(" ");
        let rows = self.users.iter().map(|row| {
            vec![
                row.user.to_string(),
                row.standing.as_str().to_owned(),
                row.decided_by.as_str().to_owned(),
                groups(&row.added),
                groups(&row.removed),
                groups(&row.after),
                groups(&row.missing_common),
                row.errors.join("; "),
            ]
        });
        let head =
            ["user", "standing", "decided_by", "added", "removed", "after", "missing_common", "errors"];
        super::print_csv(context, &head, rows)
    }

    fn show_text(&self, context: &Context) {
        let terminal = &context.terminal;
        let mut rows = vec![["GROUP", "KIND", "BEFORE", "JOINED", "LEFT", "NOW"].map(str::to_owned).to_vec()];
        for (group, role) in &self.roles {
            let members = |of: fn(&UserRow) -> &Vec<GroupName>| {
                self.users.iter().filter(|row| of(row).contains(group)).count().to_string()
            };
            rows.push(vec![
                safe(group.as_str()).into_owned(),
                role.to_string(),
                members(|row| &row.before),
                members(|row| &row.added),
                members(|row| &row.removed),
                members(|row| &row.after),
            ]);
        }
        terminal.out(table(rows, terminal.width()));
        let summary = &self.summary;
        let would = if self.dry_run { " (nothing was changed: this is what would be)" } else { "" };
        terminal.out(format_args!(
            "\n{}: {} sorted, {} uncategorized, {} conflicting, {} misfiled; {} changed, {} failed{would}\n",
            count(summary.users, "user"),
            terminal.on_out(summary.sorted, GOOD),
            summary.uncategorized,
            summary.conflicting,
            summary.misfiled,
            summary.changed,
            summary.failed,
        ));
        self.show_lines(context, "Not done", BAD, |row| {
            (!row.errors.is_empty()).then(|| row.errors.join("; "))
        });
        let categories: Vec<&GroupName> = self
            .roles
            .iter()
            .filter(|(_, role)| *role == GroupRole::Category)
            .map(|(name, _)| name)
            .collect();
        let title = if context.interrupt.is_set() { "Not sorted yet" } else { "Left for a person" };
        self.show_lines(context, title, CARE, |row| row.what_is_left(&categories));
        for (group, _) in self.roles.iter().filter(|(_, role)| *role == GroupRole::Common) {
            let missing = self.users.iter().filter(|row| row.missing_common.contains(group)).count();
            if missing > 0 {
                let (missing, group) = (count(missing, "user"), safe(group.as_str()));
                terminal
                    .out(format_args!("\n{missing} not in {group}: answer y, or use --force-common-group\n"));
            }
        }
        if self.read_by != ReadBy::AccountAuthorizationDetails {
            terminal.say(format_args!(
                "Read by way of {}, as the account's details may not be read",
                self.read_by
            ));
        }
        let protected = self.users.iter().filter(|row| row.protected).count();
        if protected > 0 {
            terminal
                .out(format_args!("\n{} left alone: protected by the config\n", count(protected, "user")));
        }
    }

    fn show_lines(
        &self,
        context: &Context,
        title: &str,
        style: anstyle::Style,
        line: impl Fn(&UserRow) -> Option<String>,
    ) {
        let lines: Vec<(&UserRow, String)> =
            self.users.iter().filter_map(|row| line(row).map(|text| (row, text))).collect();
        if lines.is_empty() {
            return;
        }
        let terminal = &context.terminal;
        terminal.out(format_args!("\n{}:\n", terminal.on_out(title, style)));
        let shown = if context.global.verbose > 0 { lines.len() } else { LINES_MAX };
        for (row, text) in lines.iter().take(shown) {
            terminal.out(format_args!("  {}: {}\n", safe(row.user.as_str()), safe(text)));
        }
        if lines.len() > shown {
            terminal.out(format_args!("  and {} more (-v shows all)\n", lines.len() - shown));
        }
    }

    /// Returns the matrix of 2015: who is in which group.
    pub(super) fn matrix(&self, taxonomy: &Taxonomy) -> String {
        let groups: Vec<&GroupName> = taxonomy.groups().map(|(name, _)| name).collect();
        let head = std::iter::once("username").chain(groups.iter().map(|group| group.as_str()));
        let mut out = matrix_line(head);
        for row in &self.users {
            let marks = groups.iter().map(|group| if row.after.contains(group) { "x" } else { "" });
            out.push_str(&matrix_line(std::iter::once(row.user.as_str()).chain(marks)));
        }
        out
    }
}

fn matrix_line<'f>(fields: impl Iterator<Item = &'f str>) -> String {
    let quoted = |field: &str| {
        let field = csv_safe(field);
        if field.contains([',', '"', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.into_owned()
        }
    };
    let line: Vec<String> = fields.map(quoted).collect();
    line.join(", ").trim_end().to_owned() + "\n"
}

impl UserRow {
    fn is_left(&self) -> bool {
        self.standing != StandingName::Sorted || !self.missing_common.is_empty() || self.is_full
    }

    /// Says what a person has to decide about the user, and what would decide it.
    fn what_is_left(&self, categories: &[&GroupName]) -> Option<String> {
        if self.standing == StandingName::Sorted && !self.is_full {
            return None;
        }
        let list = |groups: &[GroupName]| groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ");
        let own: Vec<GroupName> =
            self.after.iter().filter(|group| categories.contains(group)).cloned().collect();
        let mut parts = Vec::new();
        match self.standing {
            StandingName::Sorted => {}
            StandingName::Uncategorized => parts.push("in no category group".to_owned()),
            StandingName::Conflicting => parts.push(format!("in several category groups ({})", list(&own))),
            StandingName::Misfiled => {
                let said = self.matches.first().map(GroupName::as_str).unwrap_or_default();
                parts.push(format!("in {}, but its name says {said}", list(&own)));
            }
        }
        if self.is_full {
            parts.push("in as many groups as IAM allows".to_owned());
        }
        if self.protected {
            parts.push("protected".to_owned());
        }
        Some(parts.join("; "))
    }
}

impl Summary {
    fn add(&mut self, row: &UserRow) {
        self.users += 1;
        match row.standing {
            StandingName::Sorted => self.sorted += 1,
            StandingName::Uncategorized => self.uncategorized += 1,
            StandingName::Conflicting => self.conflicting += 1,
            StandingName::Misfiled => self.misfiled += 1,
        }
        self.changed += usize::from(!row.added.is_empty() || !row.removed.is_empty());
        self.failed += usize::from(row.failed);
    }
}

fn user_row(
    taxonomy: &Taxonomy,
    user: &User,
    planned: &UserPlan,
    applied: &[(Change, Applied)],
) -> Result<UserRow, AssessError> {
    let mut now = User { groups: user.groups.clone(), ..user.clone() };
    let (mut added, mut removed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (change, became) in applied {
        match (change, became) {
            (Change::Add(group), Applied::Done) => added.push(group.clone()),
            (Change::Remove(group), Applied::Done) => removed.push(group.clone()),
            (Change::Add(group), other) => errors.push(format!("not added to {group}: {}", why(other))),
            (Change::Remove(group), other) => {
                errors.push(format!("not removed from {group}: {}", why(other)));
            }
        }
        if became.is_done() {
            change.apply_to(&mut now);
        }
    }
    let failed = !errors.is_empty();
    for group in &planned.blocked {
        let max = muster_core::name::GROUPS_PER_USER_MAX;
        errors.push(format!(
            "not added to {group}: it is in {} groups, and IAM allows {max}",
            user.groups.len()
        ));
    }
    now.groups.sort();
    added.sort();
    removed.sort();
    let after = assess(taxonomy, &now)?;
    let category = |position: &usize| taxonomy.categories[*position].group.clone();
    let decided = errors.is_empty() || !added.is_empty() || planned.decided_by == DecidedBy::Already;
    Ok(UserRow {
        user: user.name.clone(),
        before: user.groups.clone(),
        after: now.groups,
        added,
        removed,
        standing: after.standing.name(),
        decided_by: if decided { planned.decided_by } else { DecidedBy::None },
        matches: after.matches.iter().map(category).collect(),
        missing_common: after.missing_common.iter().map(|&i| taxonomy.common[i].clone()).collect(),
        protected: after.protected.is_some(),
        errors,
        is_full: !planned.blocked.is_empty(),
        failed,
    })
}
