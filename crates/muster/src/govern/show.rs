//! A plan for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use muster_core::govern::{PolicyChange, is_name, is_removal};
use muster_core::impact::{Denies, denies, policies_of};
use muster_core::mutation::Mutation;
use muster_core::name::{GroupName, UserName};
use muster_core::plan::Change;
use muster_core::rules::{INLINE_PREFIX, Rules};
use muster_core::taxonomy::GroupRole;
use serde::Serialize;

use super::{Governing, Undecided};
use crate::context::Context;
use crate::error::{count, count_of};
use crate::terminal::{BAD, CARE, GOOD, safe};

/// Users that join a group and are named before "and N more". Those that leave one are all named.
const JOINERS_SHOWN: usize = 8;

/// Users left to decide about that are shown before "and N more".
const UNDECIDED_SHOWN: usize = 20;

/// A plan as `--output json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct PlanReport {
    pub(crate) account: String,
    pub(crate) partition: String,
    pub(crate) taken_at: String,
    pub(crate) read_by: String,
    pub(crate) config_hash: Option<String>,
    pub(crate) groups: Vec<GroupRow>,
    pub(crate) changes: Vec<Mutation>,
    pub(crate) undecided: Vec<Undecided>,
    pub(crate) summary: Summary,
    pub(crate) api_calls: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct GroupRow {
    pub(crate) group: String,
    pub(crate) kind: GroupRole,
    pub(crate) create: bool,
    pub(crate) policies: Vec<PolicyRow>,
    /// Policies that the group carries before and after, of which those who join should know: they deny.
    pub(crate) joiners_are_denied_by: Vec<String>,
    pub(crate) add: Vec<String>,
    pub(crate) remove: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PolicyRow {
    pub(crate) policy: String,
    pub(crate) change: PolicyChange,
    pub(crate) denies: Option<Denies>,
}

/// How much a plan comes to.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) changes: usize,
    pub(crate) removals: usize,
    pub(crate) groups_to_create: usize,
    pub(crate) policies_to_create: usize,
    pub(crate) policies_to_change: usize,
    pub(crate) users_to_add: usize,
    pub(crate) users_to_remove: usize,
    pub(crate) undecided: usize,
}

impl PlanReport {
    pub(crate) fn new(governing: &Governing, api_calls: BTreeMap<&'static str, u64>) -> Self {
        let Governing { settings, config, roster, rules, plan, policy_changes, undecided } = governing;
        let mut groups: Vec<GroupRow> = settings
            .taxonomy
            .groups()
            .map(|(name, kind)| GroupRow {
                group: name.to_string(),
                kind,
                create: plan.members.groups.iter().any(|(group, _)| group == name),
                policies: policy_rows(policy_changes.get(name), rules),
                joiners_are_denied_by: Vec::new(),
                add: Vec::new(),
                remove: Vec::new(),
            })
            .collect();
        for planned in &plan.members.users {
            for change in &planned.changes {
                let row = groups.iter_mut().find(|row| GroupName::new(&row.group) == *change.group());
                if let Some(row) = row {
                    let list = if matches!(change, Change::Add(_)) { &mut row.add } else { &mut row.remove };
                    list.push(planned.user.to_string());
                }
            }
        }
        for row in groups.iter_mut().filter(|row| !row.add.is_empty()) {
            let changing = |name: &String| {
                let own = name.strip_prefix(INLINE_PREFIX).unwrap_or(name);
                row.policies
                    .iter()
                    .any(|policy| is_name(name, &policy.policy) || is_name(own, &policy.policy))
            };
            let carried = policies_of(&GroupName::new(&row.group), roster).unwrap_or_default();
            let denying =
                carried.into_iter().filter(|policy| is_denying(policy.denies)).map(|policy| policy.name);
            row.joiners_are_denied_by = denying.filter(|name| !changing(name)).collect();
        }
        let changes = plan.mutations();
        let calls = |wanted: fn(&Mutation) -> bool| changes.iter().filter(|change| wanted(change)).count();
        let summary = Summary {
            changes: changes.len(),
            removals: changes.iter().filter(|change| is_removal(change)).count(),
            groups_to_create: plan.members.groups.len(),
            policies_to_create: calls(|change| matches!(change, Mutation::CreatePolicy { .. })),
            policies_to_change: calls(|change| matches!(change, Mutation::CreatePolicyVersion { .. })),
            users_to_add: calls(|change| matches!(change, Mutation::AddUserToGroup { .. })),
            users_to_remove: calls(|change| matches!(change, Mutation::RemoveUserFromGroup { .. })),
            undecided: undecided.len(),
        };
        Self {
            account: roster.account.clone(),
            partition: roster.partition.clone(),
            taken_at: roster.taken_at.clone(),
            read_by: roster.read_by.to_string(),
            config_hash: config.hash.clone(),
            groups,
            changes,
            undecided: undecided.clone(),
            summary,
            api_calls,
        }
    }

    /// Writes it for people. `paint` colours what is given to it.
    pub(crate) fn text(&self, paint: impl Fn(&str, anstyle::Style) -> String, all_names: bool) -> String {
        let mut text = String::new();
        for row in self.groups.iter().filter(|row| !row.is_quiet()) {
            let new = if row.create { ": to be created" } else { "" };
            let _ = writeln!(text, "Group {} ({}){new}", safe(&row.group), row.kind);
            for policy in &row.policies {
                let (line, style) = (policy.line(), policy.style());
                let _ = writeln!(text, "  {}", paint(&line, style));
            }
            if !row.add.is_empty() {
                let shown = if all_names { row.add.len() } else { JOINERS_SHOWN };
                let line = format!("+ {}: {}", count(row.add.len(), "user"), names(&row.add, shown));
                let _ = writeln!(text, "  {}", paint(&line, GOOD));
            }
            if let Some(line) = row.denied_line() {
                let _ = writeln!(text, "  {}", paint(&line, CARE));
            }
            if !row.remove.is_empty() {
                let line =
                    format!("- {}: {}", count(row.remove.len(), "user"), names(&row.remove, usize::MAX));
                let _ = writeln!(text, "  {}", paint(&line, BAD));
            }
        }
        if !self.undecided.is_empty() {
            let line = format!("Left to decide: {}", count(self.undecided.len(), "user"));
            let _ = writeln!(text, "{}", paint(&line, CARE));
            let shown = if all_names { usize::MAX } else { UNDECIDED_SHOWN };
            for left in self.undecided.iter().take(shown) {
                let _ = writeln!(text, "  {}: {}", safe(&left.user), safe(&left.why));
            }
            if self.undecided.len() > shown {
                let _ = writeln!(text, "  and {} more", self.undecided.len() - shown);
            }
        }
        let _ = writeln!(text, "{}", self.summary.line());
        text
    }

    /// Writes it for a pull request.
    pub(crate) fn markdown(&self) -> String {
        let mut text =
            format!("## muster plan for account {}\n\n{}\n\n", md(&self.account), md(&self.summary.line()));
        for row in self.groups.iter().filter(|row| !row.is_quiet()) {
            let new = if row.create { ", to be created" } else { "" };
            let _ = writeln!(text, "### {} ({}{new})\n\n```diff", md(&row.group), row.kind);
            for policy in &row.policies {
                let _ = writeln!(text, "{}", fenced(&policy.line()));
            }
            if !row.add.is_empty() {
                let line = format!("+ {}: {}", count(row.add.len(), "user"), names(&row.add, usize::MAX));
                let _ = writeln!(text, "{}", fenced(&line));
            }
            if let Some(line) = row.denied_line() {
                let _ = writeln!(text, "{}", fenced(&line));
            }
            if !row.remove.is_empty() {
                let line =
                    format!("- {}: {}", count(row.remove.len(), "user"), names(&row.remove, usize::MAX));
                let _ = writeln!(text, "{}", fenced(&line));
            }
            text.push_str("```\n\n");
        }
        if !self.undecided.is_empty() {
            text.push_str("### Left to decide\n\n| user | why |\n| --- | --- |\n");
            for left in &self.undecided {
                let _ = writeln!(text, "| {} | {} |", md(&left.user), md(&left.why));
            }
            text.push('\n');
        }
        let _ = writeln!(text, "Read {} by {}.", md(&self.taken_at), self.read_by);
        text
    }

    /// Returns one line for each change: what is called, and on what.
    pub(crate) fn csv(&self) -> Vec<Vec<String>> {
        let row = |change: &Mutation| {
            let user = match change {
                Mutation::AddUserToGroup { user, .. } | Mutation::RemoveUserFromGroup { user, .. } => {
                    user.to_string()
                }
                _ => String::new(),
            };
            let policy = match change {
                Mutation::CreatePolicy { policy, .. }
                | Mutation::CreatePolicyVersion { policy, .. }
                | Mutation::DeletePolicyVersion { policy, .. }
                | Mutation::AttachGroupPolicy { policy, .. }
                | Mutation::DetachGroupPolicy { policy, .. }
                | Mutation::PutGroupPolicy { policy, .. }
                | Mutation::DeleteGroupPolicy { policy, .. } => policy.clone(),
                _ => String::new(),
            };
            let group = change.group().map(ToString::to_string).unwrap_or_default();
            vec![change.action().to_owned(), user, group, policy]
        };
        self.changes.iter().map(row).collect()
    }

    /// Says what deserves a second look before anything is done.
    pub(crate) fn take_care(&self, context: &Context, governing: &Governing, caller: Option<&str>) {
        let caller = caller.map(UserName::new);
        for row in &self.groups {
            let arriving = row.policies.iter().filter(|policy| {
                policy.change != PolicyChange::Remove && policy.denies.is_some_and(is_denying)
            });
            let mut arriving: Vec<String> = arriving.map(|policy| policy.policy.clone()).collect();
            let group = GroupName::new(&row.group);
            let is_named = |names: &[String]| names.iter().any(|name| caller == Some(UserName::new(name)));
            let joins = is_named(&row.add);
            if joins {
                arriving.extend(row.joiners_are_denied_by.iter().cloned());
            }
            let is_member = caller.as_ref().is_some_and(|caller| {
                let user = governing.roster.user(caller);
                let stays = user.is_some_and(|user| user.groups.contains(&group)) && !is_named(&row.remove);
                joins || stays
            });
            if is_member && !arriving.is_empty() {
                let note = context.terminal.on_err("take care:", CARE);
                context.terminal.say(format_args!(
                    "{note} you are in {}, and will live under {} yourself",
                    safe(&row.group),
                    safe(&arriving.join(", "))
                ));
            }
        }
    }
}

fn is_denying(denies: Denies) -> bool {
    matches!(denies, Denies::Always | Denies::UnderACondition)
}

impl GroupRow {
    fn denied_line(&self) -> Option<String> {
        let names = &self.joiners_are_denied_by;
        (!names.is_empty()).then(|| format!("! they will live under {}", self::names(names, usize::MAX)))
    }

    fn is_quiet(&self) -> bool {
        !self.create && self.policies.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

impl PolicyRow {
    fn line(&self) -> String {
        let note = match self.denies {
            Some(Denies::UnderACondition) => " (denies under a condition)",
            Some(Denies::Always) => " (denies)",
            _ => "",
        };
        let sign = match self.change {
            PolicyChange::Add => "+",
            PolicyChange::Update => "~",
            PolicyChange::Remove => "-",
            PolicyChange::Carry => "=",
        };
        let how = if self.change == PolicyChange::Carry { " (carried in another way)" } else { note };
        format!("{sign} policy {}{how}", safe(&self.policy))
    }

    fn style(&self) -> anstyle::Style {
        match self.change {
            PolicyChange::Add => GOOD,
            PolicyChange::Update | PolicyChange::Carry => CARE,
            PolicyChange::Remove => BAD,
        }
    }
}

impl Summary {
    fn line(&self) -> String {
        if self.changes == 0 {
            return match self.undecided {
                0 => "Nothing to change: the account is as the config says.".to_owned(),
                left => format!("Nothing to change, and {} left to decide about.", count(left, "user")),
            };
        }
        let part = |number: usize, one: &str, many: &str, rest: &str| {
            (number > 0).then(|| format!("{} {rest}", count_of(number, one, many)))
        };
        let parts: Vec<String> = [
            part(self.groups_to_create, "group", "groups", "to create"),
            part(self.policies_to_create, "policy", "policies", "to create"),
            part(self.policies_to_change, "version of a policy", "versions of policies", "to make"),
            part(self.users_to_add, "membership", "memberships", "to add"),
            part(self.users_to_remove, "membership", "memberships", "to remove"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        let away = match self.removals {
            0 => "none of them takes anything away".to_owned(),
            1 => "1 of them takes something away".to_owned(),
            removals => format!("{removals} of them take something away"),
        };
        format!("Plan: {}{parts}; {away}.", count(self.changes, "change"))
    }
}

fn policy_rows(changes: Option<&BTreeMap<String, PolicyChange>>, rules: &Rules) -> Vec<PolicyRow> {
    let changes = changes.into_iter().flatten();
    changes
        .map(|(name, change)| PolicyRow {
            policy: name.clone(),
            change: *change,
            denies: rules.policies.get(name).map(|wanted| denies(&wanted.document)),
        })
        .collect()
}

fn names(names: &[String], shown: usize) -> String {
    let listed: Vec<String> = names.iter().take(shown).map(|name| safe(name).into_owned()).collect();
    let listed = listed.join(", ");
    if names.len() > shown { format!("{listed} and {} more", names.len() - shown) } else { listed }
}

/// Returns a text that Markdown takes as it is.
pub(crate) fn md(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in safe(text).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '@'
        ) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Returns a text that does not end the block of code that it is in.
fn fenced(text: &str) -> String {
    text.replace("```", "` ` `")
}
