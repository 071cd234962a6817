//! Patterns against a table that CPython made; `python_re/make_table.py` says how.

use muster_core::pattern::Pattern;
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    pattern: String,
    name: String,
    matches: bool,
}

#[test]
fn a_pattern_matches_what_pythons_re_match_matches() {
    let table: Table = serde_json::from_str(include_str!("python_re/table.json")).unwrap();
    assert!(table.rows.len() > 1000, "the table is cut short");
    let mut wrong = Vec::new();
    for row in &table.rows {
        match Pattern::new(&row.pattern).map(|pattern| pattern.matches(&row.name)) {
            Ok(Ok(matches)) if matches == row.matches => {}
            other => wrong
                .push(format!("{:?} on {:?}: Python {}, here {other:?}", row.pattern, row.name, row.matches)),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), table.rows.len(), wrong.join("\n"));
}
