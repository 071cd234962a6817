//! The JSON Schema of a config, made from the key table.

use serde_json::{Map, Value, json};

use super::file::schema_of;
use super::keys::{
    AUDIT_KEYS, CATEGORY_KEYS, CREDENTIALS_KEYS, EXEMPT_KEYS, KEYS, Key, PROTECTED_KEYS, Scope, Tool,
};

/// Returns a JSON Schema (draft 2020-12) of all formats of the config.
pub fn schema() -> Value {
    let mut properties = object(KEYS.iter());
    let nested = [
        ("category", CATEGORY_KEYS, "group"),
        ("protected", PROTECTED_KEYS, "reason"),
        ("exempt", EXEMPT_KEYS, "rule"),
    ];
    for (key, keys, required) in nested {
        let mut item = object(keys.iter());
        if let Some(credentials) = item.get_mut("credentials") {
            credentials["properties"] = object(CREDENTIALS_KEYS.iter()).into();
            credentials["additionalProperties"] = false.into();
        }
        if let Some(property) = properties.get_mut(key) {
            property["items"] = json!({
                "type": "object", "properties": item, "required": [required], "additionalProperties": false,
            });
        }
    }
    if let Some(audit) = properties.get_mut("audit") {
        audit["properties"] = object(AUDIT_KEYS.iter()).into();
        audit["additionalProperties"] = false.into();
    }
    let section = object(KEYS.iter().filter(|key| key.scope == Scope::Everywhere));
    for name in Tool::ALL.iter().flat_map(|tool| tool.names()) {
        properties.insert(
            (*name).to_owned(),
            json!({ "type": "object", "description": "Defaults of this tool.", "properties": section }),
        );
    }
    let shared = object(KEYS.iter().filter(|key| key.scope != Scope::Native));
    properties.insert(
        "shared".to_owned(),
        json!({ "type": "object", "description": "The common keys, in the later JSON format.", "properties": shared }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "muster config",
        "type": "object",
        "properties": properties,
    })
}

fn object<'k>(keys: impl Iterator<Item = &'k Key>) -> Map<String, Value> {
    keys.map(|key| {
        let mut schema = schema_of(key.shape);
        schema["description"] = key.meaning.into();
        (key.name.to_owned(), schema)
    })
    .collect()
}
