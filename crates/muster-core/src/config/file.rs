//! A config file as it is written: checked for shape, nothing resolved yet.

use super::keys::{
    AUDIT_KEYS, CATEGORY_KEYS, CREDENTIALS_KEYS, EXEMPT_KEYS, KEYS, Key, PROTECTED_KEYS, Scope, Shape, Tool,
};
use super::node::{self, Entry, Node, Span, Value};
use super::problem::Problem;
use crate::roster::Tag;
use crate::taxonomy::Credentials;

/// The formats of a config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// TOML, the native format.
    Native,
    /// JSON: the format of 2015, or the later one with its keys under `shared`.
    Recipes,
}

/// A value and where it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// The values that may stand at the top level and in the section of a tool.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    pub(super) common_groups: Option<At<Vec<At<String>>>>,
    pub(super) category_groups: Option<At<Vec<At<String>>>>,
    pub(super) category_regex: Option<At<Vec<At<String>>>>,
    pub(super) force_common_group: Option<At<bool>>,
    pub(super) create_groups: Option<At<bool>>,
    pub(super) default_category: Option<At<String>>,
    pub(super) path_prefix: Option<At<String>>,
    pub(super) max_changes: Option<At<usize>>,
}

/// A `[[category]]` as written.
#[derive(Debug, Clone)]
pub(super) struct CategoryEntry {
    pub(super) group: At<String>,
    pub(super) selector: SelectorEntry,
    pub(super) credentials: Option<Credentials>,
    pub(super) policies: Vec<At<String>>,
}

/// The conditions of a category or a protection as written.
#[derive(Debug, Clone, Default)]
pub(super) struct SelectorEntry {
    pub(super) pattern: Option<At<String>>,
    pub(super) path: Option<At<String>>,
    pub(super) tags: Vec<Tag>,
}

/// A `[[protected]]` as written.
#[derive(Debug, Clone)]
pub(super) struct ProtectedEntry {
    pub(super) span: Span,
    pub(super) selector: SelectorEntry,
    pub(super) reason: String,
}

/// A finding that the audit leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemption {
    /// The audit rule.
    pub rule: String,
    /// Pattern of the names it holds for.
    pub user: String,
    /// Why.
    pub reason: String,
    /// The last day it holds, as `YYYY-MM-DD`.
    pub until: String,
    /// Where it stands in the file.
    pub(super) span: Span,
}

/// A config file, read and checked for shape.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    pub(super) top: Layer,
    pub(super) sections: Vec<(Tool, String, Layer)>,
    pub(super) categories: Option<At<Vec<CategoryEntry>>>,
    pub(super) profile_name: Option<At<String>>,
    pub(super) accounts: Vec<At<String>>,
    pub(super) disabled_group: Option<At<String>>,
    pub(super) recipients: Vec<(String, String)>,
    pub(super) escrow: Option<At<String>>,
    pub(super) protected: Vec<ProtectedEntry>,
    pub(super) exempt: Vec<Exemption>,
    /// Parameters of policies, as JSON, by policy name.
    pub(super) policies: Vec<(At<String>, serde_json::Value)>,
    pub(super) common_policies: Vec<At<String>>,
    pub(super) policies_as: Option<At<String>>,
    pub(super) max_removals: Option<At<usize>>,
    pub(super) audit: AuditEntry,
}

/// `[audit]` as written.
#[derive(Debug, Clone, Default)]
pub(super) struct AuditEntry {
    pub(super) span: Option<Span>,
    pub(super) counts: Vec<(&'static str, u32)>,
    pub(super) severities: Vec<(At<String>, At<String>)>,
}

impl ConfigFile {
    /// Reads a config; returns everything that there is to say about its shape.
    pub fn parse(text: &str, format: Format) -> (Option<Self>, Vec<Problem>) {
        let text_only = text.strip_prefix('\u{feff}').unwrap_or(text);
        let shift = text.len() - text_only.len();
        let root = match format {
            Format::Native => node::parse_toml(text_only),
            Format::Recipes => node::parse_json(text_only),
        };
        let (file, mut problems) = match root {
            Err(problems) => (None, problems),
            Ok(root) => {
                let mut reader = Reader { format, problems: Vec::new(), file: Self::default() };
                reader.root(&root);
                (Some(reader.file), reader.problems)
            }
        };
        for span in problems.iter_mut().filter_map(|problem| problem.span.as_mut()) {
            *span = span.start + shift..span.end + shift;
        }
        (file, problems)
    }

    /// Returns the profile that the config itself names.
    pub fn profile_name(&self) -> Option<&str> {
        self.profile_name.as_ref().map(|name| name.value.as_str())
    }
}

struct Reader {
    format: Format,
    problems: Vec<Problem>,
    file: ConfigFile,
}

impl Reader {
    fn root(&mut self, root: &Node) {
        let Value::Table(entries) = &root.value else {
            let message = format!("a config is a table of keys and values, and this is {}", root.kind());
            return self.problems.push(Problem::error(message).at(root.span.clone()));
        };
        let mut top = Layer::default();
        for entry in entries {
            if let Value::Table(inner) = &entry.value.value {
                // The later format of the recipes keeps the common keys under `shared`.
                if entry.key == "shared" && self.format == Format::Recipes {
                    for entry in inner {
                        self.top_level(&mut top, entry);
                    }
                    continue;
                }
                if let Some(tool) = Tool::from_name(&entry.key) {
                    let mut layer = Layer::default();
                    for inner in inner {
                        if !self.layered(&mut layer, inner) {
                            self.unknown(inner, |key| key.scope == Scope::Everywhere);
                        }
                    }
                    self.file.sections.push((tool, entry.key.clone(), layer));
                    continue;
                }
            }
            if Tool::from_name(&entry.key).is_some()
                || (entry.key == "shared" && self.format == Format::Recipes)
            {
                self.wrong(&entry.key, "a table", &entry.value);
                continue;
            }
            self.top_level(&mut top, entry);
        }
        self.file.top = top;
    }

    fn top_level(&mut self, top: &mut Layer, entry: &Entry) {
        if self.layered(top, entry) {
            return;
        }
        let node = &entry.value;
        if entry.key == "profile_name" {
            let names = self.text_or_texts(entry);
            if names.len() > 1 {
                let message = "`profile_name` names more than one profile; the first is used";
                self.problems.push(Problem::warning(message).at(node.span.clone()));
            }
            self.file.profile_name = names.into_iter().next();
            return;
        }
        if self.format == Format::Recipes {
            return self.unknown(entry, |key| key.scope != Scope::Native);
        }
        match entry.key.as_str() {
            "account" => self.accounts(entry),
            "disabled_group" => self.file.disabled_group = self.text(entry),
            "escrow" => self.file.escrow = self.text(entry),
            "recipients" => self.file.recipients = self.text_table(entry),
            "category" => self.categories(entry),
            "protected" => self.protected(entry),
            "exempt" => self.exempt(entry),
            "policy" => self.policies(entry),
            "common_policies" => {
                self.file.common_policies = self.texts(entry).map(|list| list.value).unwrap_or_default();
            }
            "policies_as" => self.file.policies_as = self.text(entry),
            "max_removals" => self.file.max_removals = self.count(entry),
            "audit" => self.audit(entry),
            _ => self.unknown(entry, |_| true),
        }
    }

    /// Reads a key that may also stand in a tool's section; returns whether it is one.
    fn layered(&mut self, layer: &mut Layer, entry: &Entry) -> bool {
        match entry.key.as_str() {
            "common_groups" => layer.common_groups = self.texts(entry),
            "category_groups" => layer.category_groups = self.texts(entry),
            "category_regex" => layer.category_regex = self.texts(entry),
            "force_common_group" => layer.force_common_group = self.bool(entry),
            "create_groups" => layer.create_groups = self.bool(entry),
            "default_category" => layer.default_category = self.text(entry),
            "path_prefix" => layer.path_prefix = self.text(entry),
            "max_changes" => layer.max_changes = self.count(entry),
            _ => return false,
        }
        true
    }

    fn unknown(&mut self, entry: &Entry, allowed: impl Fn(&Key) -> bool) {
        let known = KEYS.iter().filter(|key| allowed(key)).map(|key| key.name);
        let tools = Tool::ALL.iter().map(|tool| tool.names()[0]);
        self.unknown_among(entry, known.chain(tools));
    }

    fn unknown_among<'k>(&mut self, entry: &Entry, known: impl Iterator<Item = &'k str>) {
        let nearest = nearest(&entry.key, known);
        let mut problem = Problem::warning(format!("`{}` is no key of a config, and is ignored", entry.key))
            .at(entry.key_span.clone());
        if let Some(nearest) = nearest {
            problem = problem.help(format!("did you mean `{nearest}`?"));
        }
        self.problems.push(problem);
    }

    fn wrong(&mut self, key: &str, wanted: &str, found: &Node) {
        let message = format!("`{key}` must be {wanted}, and this is {}", found.kind());
        self.problems.push(Problem::error(message).at(found.span.clone()));
    }

    fn bool(&mut self, entry: &Entry) -> Option<At<bool>> {
        match entry.value.value {
            Value::Bool(value) => Some(At { value, span: entry.value.span.clone() }),
            _ => {
                self.wrong(&entry.key, "true or false", &entry.value);
                None
            }
        }
    }

    fn count(&mut self, entry: &Entry) -> Option<At<usize>> {
        if let Value::Number(digits) = &entry.value.value
            && let Ok(value) = digits.parse()
        {
            return Some(At { value, span: entry.value.span.clone() });
        }
        self.wrong(&entry.key, "a whole number, not negative", &entry.value);
        None
    }

    fn text(&mut self, entry: &Entry) -> Option<At<String>> {
        match &entry.value.value {
            Value::Text(value) => Some(At { value: value.clone(), span: entry.value.span.clone() }),
            _ => {
                self.wrong(&entry.key, "a text", &entry.value);
                None
            }
        }
    }

    fn texts(&mut self, entry: &Entry) -> Option<At<Vec<At<String>>>> {
        let Value::List(items) = &entry.value.value else {
            self.wrong(&entry.key, "a list of texts", &entry.value);
            return None;
        };
        let mut value = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::Text(text) => value.push(At { value: text.clone(), span: item.span.clone() }),
                _ => self.wrong(&entry.key, "a list of texts", item),
            }
        }
        (value.len() == items.len()).then(|| At { value, span: entry.value.span.clone() })
    }

    fn text_or_texts(&mut self, entry: &Entry) -> Vec<At<String>> {
        match &entry.value.value {
            Value::Text(value) => vec![At { value: value.clone(), span: entry.value.span.clone() }],
            Value::List(_) => self.texts(entry).map(|list| list.value).unwrap_or_default(),
            _ => {
                self.wrong(&entry.key, "a text or a list of texts", &entry.value);
                Vec::new()
            }
        }
    }

    fn table<'n>(&mut self, name: &str, node: &'n Node) -> &'n [Entry] {
        match &node.value {
            Value::Table(entries) => entries,
            _ => {
                self.wrong(name, "a table", node);
                &[]
            }
        }
    }

    fn tables<'n>(&mut self, entry: &'n Entry) -> &'n [Node] {
        match &entry.value.value {
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Table(_))) => items,
            _ => {
                self.wrong(
                    &entry.key,
                    &format!("a list of tables, written `[[{}]]`", entry.key),
                    &entry.value,
                );
                &[]
            }
        }
    }

    fn text_table(&mut self, entry: &Entry) -> Vec<(String, String)> {
        let entries = self.table(&entry.key, &entry.value);
        entries.iter().filter_map(|entry| Some((entry.key.clone(), self.text(entry)?.value))).collect()
    }

    fn accounts(&mut self, entry: &Entry) {
        let accounts = self.text_or_texts(entry);
        for account in &accounts {
            if account.value.len() != 12 || !account.value.bytes().all(|b| b.is_ascii_digit()) {
                let message = format!("`{}` is no account id: those have twelve digits", account.value);
                self.problems.push(Problem::error(message).at(account.span.clone()));
            }
        }
        self.file.accounts = accounts;
    }

    fn policies(&mut self, entry: &Entry) {
        let entries = self.table(&entry.key, &entry.value);
        let name = |entry: &Entry| At { value: entry.key.clone(), span: entry.key_span.clone() };
        self.file.policies = entries.iter().map(|entry| (name(entry), to_json(&entry.value))).collect();
    }

    fn categories(&mut self, entry: &Entry) {
        let tables = self.tables(entry);
        let value = tables.iter().filter_map(|table| self.category(table)).collect();
        self.file.categories = Some(At { value, span: entry.key_span.clone() });
    }

    fn category(&mut self, node: &Node) -> Option<CategoryEntry> {
        let (mut group, mut selector, mut credentials, mut policies) =
            (None, SelectorEntry::default(), None, Vec::new());
        for entry in self.table("category", node) {
            match entry.key.as_str() {
                "group" => group = self.text(entry),
                "pattern" => selector.pattern = self.text(entry),
                "path" => selector.path = self.path(entry),
                "tags" => selector.tags = self.tags(entry),
                "credentials" => credentials = Some(self.credentials(entry)),
                "policies" => policies = self.texts(entry).map(|list| list.value).unwrap_or_default(),
                _ => self.unknown_among(entry, CATEGORY_KEYS.iter().map(|key| key.name)),
            }
        }
        let Some(group) = group else {
            let problem = Problem::error("this category has no `group`").at(node.span.clone());
            self.problems.push(problem);
            return None;
        };
        Some(CategoryEntry { group, selector, credentials, policies })
    }

    /// Reads the beginning of a path. An empty one would pick everybody.
    fn path(&mut self, entry: &Entry) -> Option<At<String>> {
        let path = self.text(entry)?;
        if !path.value.starts_with('/') {
            let problem = Problem::error("a `path` must start with `/`").at(path.span.clone());
            self.problems.push(problem);
        }
        Some(path)
    }

    fn tags(&mut self, entry: &Entry) -> Vec<Tag> {
        self.text_table(entry).into_iter().map(|(key, value)| Tag { key, value }).collect()
    }

    fn credentials(&mut self, entry: &Entry) -> Credentials {
        let mut credentials = Credentials { password: false, mfa: false, access_key: false };
        for entry in self.table(&entry.key, &entry.value) {
            let field = match entry.key.as_str() {
                "password" => &mut credentials.password,
                "mfa" => &mut credentials.mfa,
                "access_key" => &mut credentials.access_key,
                _ => {
                    self.unknown_among(entry, CREDENTIALS_KEYS.iter().map(|key| key.name));
                    continue;
                }
            };
            if let Some(given) = self.bool(entry) {
                *field = given.value;
            }
        }
        credentials
    }

    fn protected(&mut self, entry: &Entry) {
        for node in self.tables(entry) {
            let (mut selector, mut reason) = (SelectorEntry::default(), None);
            for entry in self.table("protected", node) {
                match entry.key.as_str() {
                    "user" | "pattern" => selector.pattern = self.text(entry),
                    "path" => selector.path = self.path(entry),
                    "tags" => selector.tags = self.tags(entry),
                    "reason" => reason = self.text(entry),
                    _ => self.unknown_among(entry, PROTECTED_KEYS.iter().map(|key| key.name)),
                }
            }
            let picks = |text: &Option<At<String>>| text.as_ref().is_some_and(|text| !text.value.is_empty());
            if !picks(&selector.pattern) && !picks(&selector.path) && selector.tags.is_empty() {
                let message = "this protects nobody: it needs `user`, `path` or `tags`";
                self.problems.push(Problem::error(message).at(node.span.clone()));
            }
            let Some(reason) = reason else {
                let problem = Problem::error("a protection needs a `reason`").at(node.span.clone());
                self.problems.push(problem);
                continue;
            };
            self.file.protected.push(ProtectedEntry {
                span: node.span.clone(),
                selector,
                reason: reason.value,
            });
        }
    }

    fn audit(&mut self, entry: &Entry) {
        self.file.audit.span = Some(entry.key_span.clone());
        for entry in self.table("audit", &entry.value) {
            match AUDIT_KEYS.iter().find(|key| key.name == entry.key) {
                Some(key) if key.shape == Shape::Count => {
                    let Some(given) = self.count(entry) else { continue };
                    match u32::try_from(given.value) {
                        Ok(number) => self.file.audit.counts.push((key.name, number)),
                        Err(_) => self.wrong(&entry.key, "a smaller number", &entry.value),
                    }
                }
                Some(_) => {
                    for entry in self.table("severity", &entry.value) {
                        let rule = At { value: entry.key.clone(), span: entry.key_span.clone() };
                        let severity = self.text(entry);
                        self.file.audit.severities.extend(severity.map(|severity| (rule, severity)));
                    }
                }
                None => self.unknown_among(entry, AUDIT_KEYS.iter().map(|key| key.name)),
            }
        }
    }

    fn exempt(&mut self, entry: &Entry) {
        for node in self.tables(entry) {
            let mut fields: Vec<(&str, String)> = Vec::new();
            for entry in self.table("exempt", node) {
                match EXEMPT_KEYS.iter().find(|key| key.name == entry.key) {
                    Some(key) => fields.extend(self.text(entry).map(|text| (key.name, text.value))),
                    None => self.unknown_among(entry, EXEMPT_KEYS.iter().map(|key| key.name)),
                }
            }
            let field = |name| fields.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
            let (Some(rule), Some(user), Some(reason), Some(until)) =
                (field("rule"), field("user"), field("reason"), field("until"))
            else {
                let message = "an exemption needs `rule`, `user`, `reason` and `until`";
                self.problems.push(Problem::error(message).at(node.span.clone()));
                continue;
            };
            if !is_date(&until) {
                let message = format!("`{until}` is no date: write it as YYYY-MM-DD");
                self.problems.push(Problem::error(message).at(node.span.clone()));
            }
            self.file.exempt.push(Exemption { rule, user, reason, until, span: node.span.clone() });
        }
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize| {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let [year, month, day] = parts.as_slice() else { return false };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(digits) => {
            digits.parse().map_or_else(|_| digits.clone().into(), serde_json::Value::Number)
        }
        Value::Text(text) => text.clone().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Table(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), to_json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// Returns the known word that is most like the given one, if any is like it at all.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let word = plain(word);
    known
        .map(|candidate| (strsim::jaro_winkler(&word, &plain(candidate)), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Returns what JSON Schema calls the shape.
pub(super) fn schema_of(shape: Shape) -> serde_json::Value {
    use serde_json::json;
    match shape {
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Text => json!({ "type": "string" }),
        Shape::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::TextOrTexts => json!({ "oneOf": [
            { "type": "string" },
            { "type": "array", "items": { "type": "string" } },
        ] }),
        Shape::Count => json!({ "type": "integer", "minimum": 0 }),
        Shape::Table => json!({ "type": "object" }),
        Shape::Tables => json!({ "type": "array", "items": { "type": "object" } }),
    }
}
