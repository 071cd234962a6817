//! Writes a config in the native format.

use std::fmt::Write as _;

use super::keys::Tool;
use super::resolve::{Overrides, resolve};
use super::{ConfigFile, Problem};
use crate::pattern::Pattern;
use crate::taxonomy::Category;

/// Returns the TOML form of a config, with the sections of the tools that have one.
pub fn to_toml(file: &ConfigFile) -> (String, Vec<Problem>) {
    let top = ConfigFile { sections: Vec::new(), ..file.clone() };
    let (settings, problems) = resolve(Some(&top), Tool::SortUsers, &Overrides::default());
    let mut out = String::new();
    if let Some(profile) = file.profile_name() {
        line(&mut out, "profile_name", profile);
    }
    line(&mut out, "common_groups", &settings.taxonomy.common);
    if file.top.force_common_group.is_some() {
        line(&mut out, "force_common_group", settings.force_common_group);
    }
    if file.top.create_groups.is_some() {
        line(&mut out, "create_groups", settings.create_groups);
    }
    if let Some(default) = &settings.default_category {
        line(&mut out, "default_category", default);
    }
    if let Some(prefix) = &settings.taxonomy.path_prefix {
        line(&mut out, "path_prefix", prefix);
    }
    if let Some(max_changes) = settings.max_changes {
        line(&mut out, "max_changes", max_changes);
    }
    // A section's list replaces the file's: the two only go together in the same form.
    let as_lists = file
        .sections
        .iter()
        .any(|(.., layer)| layer.category_groups.is_some() || layer.category_regex.is_some());
    if as_lists {
        line(&mut out, "category_groups", settings.taxonomy.category_groups().collect::<Vec<_>>());
        let pattern =
            |category: &Category| category.rule.pattern.as_ref().map_or("", Pattern::as_str).to_owned();
        if settings.taxonomy.categories.iter().any(|category| category.rule.pattern.is_some()) {
            line(
                &mut out,
                "category_regex",
                settings.taxonomy.categories.iter().map(pattern).collect::<Vec<_>>(),
            );
        }
    }
    for category in settings.taxonomy.categories.iter().filter(|_| !as_lists) {
        out.push_str("\n[[category]]\n");
        line(&mut out, "group", &category.group);
        match &category.rule.pattern {
            Some(pattern) => line(&mut out, "pattern", pattern.as_str()),
            None => out.push_str("# no pattern: a person decides who belongs to it\n"),
        }
    }
    for (tool, _, layer) in &file.sections {
        let mut section = String::new();
        let texts = |list: &super::file::At<Vec<super::file::At<String>>>| {
            list.value.iter().map(|text| text.value.clone()).collect::<Vec<_>>()
        };
        for (key, list) in [
            ("common_groups", &layer.common_groups),
            ("category_groups", &layer.category_groups),
            ("category_regex", &layer.category_regex),
        ] {
            if let Some(list) = list {
                line(&mut section, key, texts(list));
            }
        }
        for (key, flag) in
            [("force_common_group", &layer.force_common_group), ("create_groups", &layer.create_groups)]
        {
            if let Some(flag) = flag {
                line(&mut section, key, flag.value);
            }
        }
        for (key, text) in
            [("default_category", &layer.default_category), ("path_prefix", &layer.path_prefix)]
        {
            if let Some(text) = text {
                line(&mut section, key, &text.value);
            }
        }
        if let Some(max_changes) = &layer.max_changes {
            line(&mut section, "max_changes", max_changes.value);
        }
        let _ = write!(out, "\n[{}]\n{section}", tool.names()[0]);
    }
    (out, problems)
}

/// Writes one `key = value`; JSON's texts, lists, numbers and booleans are TOML's, but for a few escapes.
fn line(out: &mut String, key: &str, value: impl serde::Serialize) {
    let value = serde_json::to_value(value).unwrap_or_default();
    let _ = writeln!(out, "{key} = {}", toml_value(&value));
}

fn toml_value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::String(text)
            if text.contains('\\') && !text.contains('\'') && !text.contains(char::is_control) =>
        {
            format!("'{text}'")
        }
        serde_json::Value::String(text) => toml::Value::String(text.clone()).to_string(),
        other => other.to_string(),
    }
}
