//! One tree for both file formats, in which each value knows where it stands.

use std::collections::HashSet;
use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, ParseOptions};
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// A range of bytes in the file's text.
pub type Span = Range<usize>;

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Span,
}

/// What a file can hold, in either format.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: Node,
}

impl Node {
    /// Returns what the value is, as an error message calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Reads JSON as people paste it: comments and trailing commas are fine, a key given twice is not.
pub(super) fn parse_json(text: &str) -> Result<Node, Vec<Problem>> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| {
        let range = error.range();
        let kind = error.kind().to_string();
        let mut problem = Problem::error(format!("this is not JSON: {kind}")).at(range.start..range.end);
        if kind.contains("more than one") {
            problem = problem.help(
                "a second block belongs inside the braces of the first: put a comma in place of the first block's \
                 last brace",
            );
        } else if kind.contains("comma") {
            problem = problem.help("put a comma between this value and the next");
        }
        vec![problem]
    })?;
    match parsed.value {
        Some(value) => from_json(value),
        None => Err(vec![Problem::error("the file is empty").at(0..0)]),
    }
}

fn from_json(value: ast::Value<'_>) -> Result<Node, Vec<Problem>> {
    use jsonc_parser::common::Ranged as _;
    let range = value.range();
    let span = range.start..range.end;
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::Text(literal.value.into_owned()),
        ast::Value::Array(array) => Value::List(collect(array.elements.into_iter().map(from_json))?),
        ast::Value::Object(object) => {
            let entries = collect(object.properties.into_iter().map(|property| {
                let key_range = property.name.range();
                let key = property.name.into_string();
                let value = from_json(property.value)?;
                Ok(Entry { key, key_span: key_range.start..key_range.end, value })
            }))?;
            let mut seen = HashSet::new();
            let twice: Vec<Problem> = entries
                .iter()
                .filter(|entry| !seen.insert(&entry.key))
                .map(|e| Problem::error(format!("`{}` is given twice", e.key)).at(e.key_span.clone()))
                .collect();
            if !twice.is_empty() {
                return Err(twice);
            }
            Value::Table(entries)
        }
    };
    Ok(Node { value, span })
}

/// Collects all values, or else all problems.
fn collect<T>(items: impl Iterator<Item = Result<T, Vec<Problem>>>) -> Result<Vec<T>, Vec<Problem>> {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for item in items {
        match item {
            Ok(value) => good.push(value),
            Err(problems) => bad.extend(problems),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Reads TOML; every syntax error is reported, not only the first.
pub(super) fn parse_toml(text: &str) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &toml::de::Error| {
            Problem::error(format!("this is not TOML: {}", error.message())).at(error.span().unwrap_or(0..0))
        };
        return Err(errors.iter().map(problem).collect());
    }
    let span = table.span();
    Ok(Node { value: from_toml_table(table.get_ref()), span })
}

fn from_toml_table(table: &DeTable<'_>) -> Value {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            value: from_toml(value.get_ref(), value.span()),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Value::Table(entries)
}

fn from_toml(value: &DeValue<'_>, span: Span) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            Value::Number(decimal.map_or_else(|_| number.as_str().to_owned(), |value| value.to_string()))
        }
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| from_toml(item.get_ref(), item.span())).collect())
        }
        DeValue::Table(table) => from_toml_table(table),
    };
    Node { value, span }
}
