//! Which value holds: command line over tool section over top level over default.

use std::collections::HashSet;

use super::file::{At, CategoryEntry, ConfigFile, Exemption, Layer, SelectorEntry, nearest};
use super::keys::Tool;
use super::node::Span;
use super::problem::Problem;
use crate::audit::{AuditSettings, Rule, Severity};
use crate::name::{GROUPS_PER_USER_MAX, GroupName};
use crate::pattern::Pattern;
use crate::rules::CarriedAs;
use crate::taxonomy::{Category, Protection, Selector, Taxonomy};
use crate::templates;

/// What was given on the command line, as typed.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--common-groups`.
    pub common_groups: Option<Vec<String>>,
    /// `--category-groups`.
    pub category_groups: Option<Vec<String>>,
    /// `--category-regex`.
    pub category_regex: Option<Vec<String>>,
    /// `--force-common-group`.
    pub force_common_group: Option<bool>,
    /// `--create-groups`.
    pub create_groups: Option<bool>,
    /// `--default-category`.
    pub default_category: Option<String>,
    /// `--path-prefix`.
    pub path_prefix: Option<String>,
    /// `--max-changes`.
    pub max_changes: Option<usize>,
}

/// Where an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The top level of the file.
    File(Span),
    /// A tool's section of the file.
    Section(String, Span),
    /// The command line.
    CommandLine,
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// The value as JSON.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: Origin,
}

/// What holds for a run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The groups and the rules.
    pub taxonomy: Taxonomy,
    /// Put users into the common groups without asking.
    pub force_common_group: bool,
    /// Create missing groups before sorting.
    pub create_groups: bool,
    /// Category group of users that no rule picks.
    pub default_category: Option<GroupName>,
    /// Stop before changing more than this.
    pub max_changes: Option<usize>,
    /// Accounts that the config is for; empty means any.
    pub accounts: Vec<String>,
    /// User name → recipient of its credentials.
    pub recipients: Vec<(String, String)>,
    /// Recipient of a copy of every bundle.
    pub escrow: Option<String>,
    /// Findings that the audit leaves out.
    pub exempt: Vec<Exemption>,
    /// Parameters of policies, by policy name.
    pub policies: Vec<(String, serde_json::Value)>,
    /// Names of the policies that the first common group carries.
    pub common_policies: Vec<String>,
    /// How groups carry policies.
    pub carried_as: CarriedAs,
    /// Stop `apply` before taking away more than this.
    pub max_removals: Option<usize>,
    /// What the audit asks for.
    pub audit: AuditSettings,
    /// Every value with its origin, in the order of the key table.
    pub shown: Vec<Setting>,
}

/// A value with the origin that won.
struct Won<T> {
    value: T,
    origin: Origin,
}

impl Origin {
    fn span(&self) -> Option<Span> {
        match self {
            Self::File(span) | Self::Section(_, span) => Some(span.clone()),
            Self::Default | Self::CommandLine => None,
        }
    }
}

/// Works out what holds for a tool, with everything that is wrong about it.
pub fn resolve(file: Option<&ConfigFile>, tool: Tool, given: &Overrides) -> (Settings, Vec<Problem>) {
    let empty = ConfigFile::default();
    let file = file.unwrap_or(&empty);
    let mut resolver = Resolver { file, tool, problems: Vec::new() };
    let settings = resolver.settings(given);
    (settings, resolver.problems)
}

struct Resolver<'f> {
    file: &'f ConfigFile,
    tool: Tool,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    fn settings(&mut self, given: &Overrides) -> Settings {
        let common = self.pick_list(given.common_groups.as_ref(), |layer| layer.common_groups.as_ref());
        let categories = self.category_entries(given);
        let force = self.pick(given.force_common_group, |layer| layer.force_common_group.as_ref());
        let create = self.pick(given.create_groups, |layer| layer.create_groups.as_ref());
        let default = self.pick(given.default_category.clone(), |layer| layer.default_category.as_ref());
        let prefix = self.pick(given.path_prefix.clone(), |layer| layer.path_prefix.as_ref());
        let max_changes = self.pick(given.max_changes, |layer| layer.max_changes.as_ref());

        let common_groups: Vec<(GroupName, Option<Span>)> =
            common.value.iter().map(|name| (GroupName::new(&name.0), name.1.clone())).collect();
        let taxonomy = Taxonomy {
            common: common_groups.iter().map(|(name, _)| name.clone()).collect(),
            categories: categories.value.iter().map(|entry| self.category(entry)).collect(),
            protected: self.protected(),
            path_prefix: prefix.value.clone(),
            disabled_group: self.file.disabled_group.as_ref().map(|name| GroupName::new(&name.value)),
        };
        self.check_groups(&common_groups, &categories.value);
        self.check_prefix(&prefix);
        self.check_default(&taxonomy, &default);
        self.check_policies(&taxonomy.common);

        let mut shown = vec![
            shown("common_groups", &taxonomy.common, &common.origin),
            shown("category_groups", taxonomy.category_groups().collect::<Vec<_>>(), &categories.origin),
            shown("category_rules", rules(&taxonomy), &categories.origin),
            shown("force_common_group", force.value.unwrap_or(false), &force.origin),
            shown("create_groups", create.value.unwrap_or(false), &create.origin),
            shown("default_category", &default.value, &default.origin),
            shown("path_prefix", &prefix.value, &prefix.origin),
            shown("max_changes", max_changes.value, &max_changes.origin),
        ];
        shown.extend(self.native_shown());
        let policies = self.file.policies.iter();
        Settings {
            taxonomy,
            force_common_group: force.value.unwrap_or(false),
            create_groups: create.value.unwrap_or(false),
            default_category: default.value.map(GroupName::new),
            max_changes: max_changes.value,
            accounts: self.file.accounts.iter().map(|account| account.value.clone()).collect(),
            recipients: self.file.recipients.clone(),
            escrow: self.file.escrow.as_ref().map(|escrow| escrow.value.clone()),
            exempt: self.file.exempt.clone(),
            policies: policies.map(|(name, given)| (name.value.clone(), given.clone())).collect(),
            common_policies: self.file.common_policies.iter().map(|name| name.value.clone()).collect(),
            carried_as: self.carried_as(),
            max_removals: self.file.max_removals.as_ref().map(|max| max.value),
            audit: self.audit(),
            shown,
        }
    }

    /// Returns the layers of the file from the weakest to the strongest.
    fn layers(&self) -> impl Iterator<Item = (Option<&str>, &Layer)> {
        let sections = self.file.sections.iter().filter(|(tool, ..)| *tool == self.tool);
        let sections = sections.map(|(_, name, layer)| (Some(name.as_str()), layer));
        std::iter::once((None, &self.file.top)).chain(sections)
    }

    fn pick<T: Clone>(&self, given: Option<T>, of: impl Fn(&Layer) -> Option<&At<T>>) -> Won<Option<T>> {
        if let Some(value) = given {
            return Won { value: Some(value), origin: Origin::CommandLine };
        }
        let mut won = Won { value: None, origin: Origin::Default };
        for (section, layer) in self.layers() {
            if let Some(at) = of(layer) {
                won = Won { value: Some(at.value.clone()), origin: origin(section, &at.span) };
            }
        }
        won
    }

    fn pick_list(
        &self,
        given: Option<&Vec<String>>,
        of: impl Fn(&Layer) -> Option<&At<Vec<At<String>>>>,
    ) -> Won<Vec<(String, Option<Span>)>> {
        if let Some(list) = given {
            let value = list.iter().map(|text| (text.clone(), None)).collect();
            return Won { value, origin: Origin::CommandLine };
        }
        let mut won = Won { value: Vec::new(), origin: Origin::Default };
        for (section, layer) in self.layers() {
            if let Some(list) = of(layer) {
                let value = list.value.iter().map(|at| (at.value.clone(), Some(at.span.clone()))).collect();
                won = Won { value, origin: origin(section, &list.span) };
            }
        }
        won
    }

    /// Brings the two ways to write categories together: two lists, or tables.
    fn category_entries(&mut self, given: &Overrides) -> Won<Vec<Entry>> {
        let groups = self.pick_list(given.category_groups.as_ref(), |layer| layer.category_groups.as_ref());
        let regex = self.pick_list(given.category_regex.as_ref(), |layer| layer.category_regex.as_ref());
        let tables = self.file.categories.as_ref();
        if let Some(tables) = tables
            && groups.origin.span().is_some()
        {
            let message = "the file has both `[[category]]` and `category_groups`; keep one of them";
            self.problems.push(Problem::error(message).at(tables.span.clone()));
        }
        let mut won: Won<Vec<Entry>> = match tables {
            Some(tables) if groups.origin == Origin::Default => {
                let value = tables.value.iter().map(Entry::from).collect();
                Won { value, origin: Origin::File(tables.span.clone()) }
            }
            _ => {
                let of_table = |name: &str| {
                    let name = GroupName::new(name);
                    tables?.value.iter().find(|entry| GroupName::new(&entry.group.value) == name)
                };
                let value = groups.value.iter().map(|(name, span)| match of_table(name) {
                    Some(entry) => Entry { span: None, ..Entry::from(entry) },
                    None => Entry::bare(name, span.clone()),
                });
                Won { value: value.collect(), origin: groups.origin }
            }
        };
        if regex.origin != Origin::Default {
            self.lay_patterns(&mut won.value, &regex);
        }
        won
    }

    fn lay_patterns(&mut self, entries: &mut [Entry], regex: &Won<Vec<(String, Option<Span>)>>) {
        if regex.value.len() != entries.len() {
            let message = format!(
                "`category_regex` has {} and `category_groups` has {}; both lists must have the same length",
                count(regex.value.len(), "pattern"),
                count(entries.len(), "group"),
            );
            let help = "leave `category_regex` out if there is no naming convention, and use \"\" for a group \
                        that no name is assigned to by itself";
            self.problems.push(Problem::error(message).at(regex.origin.span()).help(help));
            // The patterns themselves are looked at all the same: everything that is wrong is said in one go.
            for (pattern, span) in regex.value.iter().filter(|(pattern, _)| !pattern.is_empty()) {
                self.pattern(pattern, span.clone());
            }
            return;
        }
        for (entry, (pattern, span)) in entries.iter_mut().zip(&regex.value) {
            entry.selector.pattern = (!pattern.is_empty()).then(|| (pattern.clone(), span.clone()));
        }
    }

    /// Checks that the policies which categories carry exist, and take what is said about them.
    fn check_policies(&mut self, common: &[GroupName]) {
        let file = self.file;
        let carried = file.categories.iter().flat_map(|categories| &categories.value);
        let carried = carried.flat_map(|category| &category.policies).chain(&file.common_policies);
        if let Some(first) = file.common_policies.first().filter(|_| common.is_empty()) {
            let message = "`common_policies` is for the first common group, and there is none";
            self.problems.push(Problem::error(message).at(first.span.clone()));
        }
        for name in file.policies.iter().map(|(name, _)| name).chain(carried.clone()) {
            let extension = std::path::Path::new(&name.value).extension();
            let is_own = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
            if templates::find(&name.value).is_none() && !is_own {
                let names = || templates::BUILT_IN.iter().map(|template| template.name);
                let help = match nearest(&name.value, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "there are {}; a template of your own is named by its .json file",
                        names().collect::<Vec<_>>().join(", ")
                    ),
                };
                let message = format!("there is no policy `{}`", name.value);
                self.problems.push(Problem::error(message).at(name.span.clone()).help(help));
            }
        }
        for (name, given) in &file.policies {
            if !given.is_object() {
                let message = format!("what is said of the policy `{}` is no table", name.value);
                self.problems.push(Problem::error(message).at(name.span.clone()));
                continue;
            }
            let checked = templates::find(&name.value).map(|template| template.check(Some(given)));
            if let Some(Err(error)) = checked {
                self.problems.push(Problem::error(error.to_string()).at(name.span.clone()));
            }
        }
        for name in carried.filter(|name| file.policies.iter().all(|(given, _)| given.value != name.value)) {
            if let Some(Err(error)) = templates::find(&name.value).map(|template| template.check(None)) {
                self.problems.push(Problem::error(error.to_string()).at(name.span.clone()));
            }
        }
    }

    fn carried_as(&mut self) -> CarriedAs {
        match self.file.policies_as.as_ref().map(|text| (text.value.as_str(), &text.span)) {
            None | Some(("managed", _)) => CarriedAs::Managed,
            Some(("inline", _)) => CarriedAs::Inline,
            Some((other, span)) => {
                let message = format!("`policies_as` is \"managed\" or \"inline\", not \"{other}\"");
                self.problems.push(Problem::error(message).at(span.clone()));
                CarriedAs::Managed
            }
        }
    }

    /// Reads what the audit is asked for, and checks that rules and severities exist.
    fn audit(&mut self) -> AuditSettings {
        let file = self.file;
        let mut audit = AuditSettings::default();
        for (name, number) in &file.audit.counts {
            *match *name {
                "key_age_days" => &mut audit.key_age_days,
                "password_age_days" => &mut audit.password_age_days,
                "unused_days" => &mut audit.unused_days,
                "password_length" => &mut audit.password_length,
                _ => &mut audit.report_age_hours,
            } = *number;
        }
        for (name, number, least, most) in [
            ("password_length", audit.password_length, 6, 128),
            ("report_age_hours", audit.report_age_hours, 4, 24 * 365),
        ] {
            if !(least..=most).contains(&number)
                && let Some(span) = &file.audit.span
            {
                let message = format!("`{name}` is {number}, and it can be from {least} to {most}");
                self.problems.push(Problem::error(message).at(span.clone()));
            }
        }
        for (rule, severity) in &file.audit.severities {
            let known = self.known_rule(&rule.value, &rule.span);
            let wanted = Severity::from_name(&severity.value);
            if wanted.is_none() && severity.value != "off" {
                let message =
                    format!("`{}` is no severity: critical, high, medium, low, info or off", severity.value);
                self.problems.push(Problem::error(message).at(severity.span.clone()));
            } else if let Some(rule) = known {
                audit.severities.insert(rule, wanted);
            }
        }
        for exemption in &file.exempt {
            let rule = self.known_rule(&exemption.rule, &exemption.span);
            if rule.is_some_and(|rule| !rule.is_about_users()) {
                let message =
                    format!("`{}` is not about users, so no user can be exempted from it", exemption.rule);
                self.problems.push(
                    Problem::error(message)
                        .at(exemption.span.clone())
                        .help("`[audit] severity` can switch it off"),
                );
            }
            self.pattern(&exemption.user, Some(exemption.span.clone()));
        }
        audit
    }

    fn known_rule(&mut self, name: &str, span: &Span) -> Option<Rule> {
        let rule = Rule::from_id(name);
        if rule.is_none() {
            let mut problem = Problem::error(format!("the audit has no rule `{name}`")).at(span.clone());
            if let Some(near) = nearest(name, Rule::ALL.iter().map(|rule| rule.id())) {
                problem = problem.help(format!("did you mean `{near}`?"));
            }
            self.problems.push(problem);
        }
        rule
    }

    fn category(&mut self, entry: &Entry) -> Category {
        Category {
            group: GroupName::new(&entry.group),
            rule: self.selector(&entry.selector),
            credentials: entry.credentials,
            policies: entry.policies.clone(),
        }
    }

    fn selector(&mut self, typed: &TypedSelector) -> Selector {
        let pattern = typed.pattern.as_ref().and_then(|(source, span)| self.pattern(source, span.clone()));
        Selector { pattern, path: typed.path.clone(), tags: typed.tags.clone() }
    }

    fn pattern(&mut self, source: &str, span: Option<Span>) -> Option<Pattern> {
        match Pattern::new(source) {
            Ok(pattern) => Some(pattern),
            Err(problem) => {
                let message = format!("the pattern `{source}` is wrong: {problem}");
                self.problems.push(Problem::error(message).at(span));
                None
            }
        }
    }

    fn protected(&mut self) -> Vec<Protection> {
        let file = self.file;
        let entries = file.protected.iter();
        entries
            .map(|entry| Protection {
                users: self.selector(&TypedSelector::from(&entry.selector)),
                reason: entry.reason.clone(),
            })
            .collect()
    }

    fn check_groups(&mut self, common: &[(GroupName, Option<Span>)], categories: &[Entry]) {
        let categories = categories.iter().map(|entry| (GroupName::new(&entry.group), entry.span.clone()));
        let disabled = self.file.disabled_group.as_ref();
        let disabled = disabled.map(|at| (GroupName::new(&at.value), Some(at.span.clone())));
        let mut seen: HashSet<GroupName> = HashSet::new();
        for (name, span) in common.iter().cloned().chain(categories).chain(disabled) {
            if let Err(problem) = name.check() {
                let message = format!("`{name}` cannot be the name of a group: {problem}");
                self.problems.push(Problem::error(message).at(span.clone()));
            }
            if let Some(earlier) = seen.get(&name) {
                let spelling = if earlier.as_str() == name.as_str() {
                    String::new()
                } else {
                    format!(" (as `{earlier}`; IAM ignores case)")
                };
                let message = format!("the group `{name}` is named twice{spelling}");
                let help = "a group is either a common group or one category group";
                self.problems.push(Problem::error(message).at(span).help(help));
            } else {
                seen.insert(name);
            }
        }
        if common.len() >= GROUPS_PER_USER_MAX {
            let message = format!(
                "{} and a category group are more than the {GROUPS_PER_USER_MAX} groups that IAM lets a user be in",
                count(common.len(), "common group"),
            );
            self.problems.push(Problem::warning(message).at(common[0].1.clone()));
        }
    }

    fn check_prefix(&mut self, prefix: &Won<Option<String>>) {
        if prefix.value.as_ref().is_some_and(|prefix| !prefix.starts_with('/')) {
            let message = "`path_prefix` must start with `/`";
            self.problems.push(Problem::error(message).at(prefix.origin.span()));
        }
    }

    fn check_default(&mut self, taxonomy: &Taxonomy, default: &Won<Option<String>>) {
        let Some(name) = &default.value else { return };
        if taxonomy.category(&GroupName::new(name)).is_none() {
            let message = format!("`default_category` is `{name}`, which is no category group");
            self.problems.push(Problem::error(message).at(default.origin.span()));
        }
    }

    fn native_shown(&self) -> Vec<Setting> {
        let file = self.file;
        let mut shown_values = Vec::new();
        if let Some(profile) = &file.profile_name {
            shown_values.push(shown("profile_name", &profile.value, &Origin::File(profile.span.clone())));
        }
        if let Some(first) = file.accounts.first() {
            let ids: Vec<&String> = file.accounts.iter().map(|account| &account.value).collect();
            shown_values.push(shown("account", ids, &Origin::File(first.span.clone())));
        }
        if let Some(group) = &file.disabled_group {
            shown_values.push(shown("disabled_group", &group.value, &Origin::File(group.span.clone())));
        }
        if let Some(first) = file.common_policies.first() {
            let names: Vec<&String> = file.common_policies.iter().map(|name| &name.value).collect();
            shown_values.push(shown("common_policies", names, &Origin::File(first.span.clone())));
        }
        if let Some(how) = &file.policies_as {
            shown_values.push(shown("policies_as", &how.value, &Origin::File(how.span.clone())));
        }
        if let Some(max) = &file.max_removals {
            shown_values.push(shown("max_removals", max.value, &Origin::File(max.span.clone())));
        }
        for (name, given) in &file.policies {
            let value = serde_json::json!({ name.value.as_str(): given });
            shown_values.push(shown("policy", value, &Origin::File(name.span.clone())));
        }
        if let Some(span) = &file.audit.span {
            let counts =
                file.audit.counts.iter().map(|(name, number)| ((*name).to_owned(), (*number).into()));
            let severities = file.audit.severities.iter();
            let severities =
                severities.map(|(rule, severity)| (rule.value.clone(), severity.value.clone().into()));
            let mut value: serde_json::Map<String, serde_json::Value> = counts.collect();
            let severities: serde_json::Map<String, serde_json::Value> = severities.collect();
            if !severities.is_empty() {
                value.insert("severity".to_owned(), severities.into());
            }
            shown_values.push(shown("audit", value, &Origin::File(span.clone())));
        }
        if let Some(first) = file.protected.first() {
            let reasons: Vec<&String> = file.protected.iter().map(|entry| &entry.reason).collect();
            shown_values.push(shown("protected", reasons, &Origin::File(first.span.clone())));
        }
        shown_values
    }
}

/// A category from whichever source, before its pattern is compiled.
#[derive(Clone)]
struct Entry {
    group: String,
    span: Option<Span>,
    selector: TypedSelector,
    credentials: Option<crate::taxonomy::Credentials>,
    policies: Vec<String>,
}

#[derive(Clone, Default)]
struct TypedSelector {
    pattern: Option<(String, Option<Span>)>,
    path: Option<String>,
    tags: Vec<crate::roster::Tag>,
}

impl Entry {
    fn bare(group: &str, span: Option<Span>) -> Self {
        let selector = TypedSelector::default();
        Self { group: group.to_owned(), span, selector, credentials: None, policies: Vec::new() }
    }
}

impl From<&CategoryEntry> for Entry {
    fn from(entry: &CategoryEntry) -> Self {
        Self {
            group: entry.group.value.clone(),
            span: Some(entry.group.span.clone()),
            selector: TypedSelector::from(&entry.selector),
            credentials: entry.credentials,
            policies: entry.policies.iter().map(|name| name.value.clone()).collect(),
        }
    }
}

impl From<&SelectorEntry> for TypedSelector {
    fn from(entry: &SelectorEntry) -> Self {
        let pattern = entry.pattern.as_ref().filter(|pattern| !pattern.value.is_empty());
        Self {
            pattern: pattern.map(|at| (at.value.clone(), Some(at.span.clone()))),
            path: entry.path.as_ref().map(|at| at.value.clone()),
            tags: entry.tags.clone(),
        }
    }
}

fn origin(section: Option<&str>, span: &Span) -> Origin {
    match section {
        Some(name) => Origin::Section(name.to_owned(), span.clone()),
        None => Origin::File(span.clone()),
    }
}

fn shown(key: &'static str, value: impl serde::Serialize, origin: &Origin) -> Setting {
    let value = serde_json::to_value(value).unwrap_or_default();
    Setting { key, value, origin: origin.clone() }
}

/// Returns the rule of each category as `config show` prints it.
fn rules(taxonomy: &Taxonomy) -> Vec<serde_json::Value> {
    let rule = |category: &Category| {
        let mut map = serde_json::Map::new();
        if let Some(pattern) = &category.rule.pattern {
            map.insert("pattern".to_owned(), pattern.as_str().into());
        }
        if let Some(path) = &category.rule.path {
            map.insert("path".to_owned(), path.clone().into());
        }
        if !category.rule.tags.is_empty() {
            let tags = category.rule.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone().into()));
            map.insert("tags".to_owned(), tags.collect::<serde_json::Map<_, _>>().into());
        }
        serde_json::Value::from(map)
    };
    taxonomy.categories.iter().map(rule).collect()
}

/// Returns `1 group`, `2 groups`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
