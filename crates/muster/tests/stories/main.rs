//! Stories: the real binary on an embedded account, asserted by what it says and by what the account is then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::format_collect,
    reason = "in a test a panic is the report"
)]

mod audits;
mod bad_input;
mod clients;
mod commands;
mod configure;
mod crashes;
mod create_user;
mod credentials;
mod demo;
mod enable_mfa;
mod faults;
mod first_day;
mod govern;
mod governing_day;
mod least;
mod leaving;
mod links;
mod person;
mod prompts;
mod rotation;
mod sandbox;
mod screen;
mod sealing;
mod secrets;
mod sessions;
mod sort_users;
mod templates;
mod terminal;

use testkit::TestEnv;

/// Returns the commands that a page of the guide prints, in order.
fn commands_of(page: &'static str) -> Vec<&'static str> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            line if inside => commands.push(line.strip_prefix("$ ").expect("every line is a command")),
            _ => {}
        }
    }
    commands
}

/// The article's config, byte for byte.
const ARTICLE: &str = include_str!("../../../../examples/article.json");

fn env() -> TestEnv {
    TestEnv::new(env!("CARGO_BIN_EXE_muster"))
}

/// A home with the article's config where the article has it, and the article's users in `account.json`.
fn article() -> (TestEnv, String) {
    let env = env();
    env.write(".aws/recipes/default.json", ARTICLE);
    let account = env.sandbox(&["--article"]);
    (env, account)
}

/// The same, with the groups there.
fn article_with_groups() -> (TestEnv, String) {
    let (env, account) = article();
    env.muster(&["create-default-groups", "--sandbox", &account]).exits(0);
    (env, account)
}

/// A home with a native config and an account made of `(user, groups)`.
fn account_of(config: &str, groups: &[&str], users: &[(&str, &[&str])]) -> (TestEnv, String) {
    let env = env();
    env.write(".aws/muster/default.toml", config);
    let snapshot = serde_json::json!({
        "muster_snapshot": 1, "account": "123456789012", "partition": "aws", "taken_at": "2026-11-22T00:00:00Z",
        "read_by": "account-authorization-details",
        "users": users.iter().map(|(name, groups)| serde_json::json!({
            "name": name, "path": "/", "tags": [], "groups": groups,
        })).collect::<Vec<_>>(),
        "groups": groups.iter().map(|name| serde_json::json!({ "name": name, "path": "/" })).collect::<Vec<_>>(),
    });
    let snapshot = env.write("snapshot.json", snapshot.to_string());
    let account = env.sandbox(&["--from", &snapshot]);
    (env, account)
}

/// One common group, three categories.
const CONFIG: &str = r#"
common_groups = ["AllUsers"]
force_common_group = true

[[category]]
group = "AllHumanUsers"

[[category]]
group = "AllHeadlessUsers"
pattern = "^Headless-"

[[category]]
group = "AllBots"
pattern = "^(Headless-)?bot-"
"#;

const GROUPS: [&str; 5] = ["AllUsers", "AllHumanUsers", "AllHeadlessUsers", "AllBots", "developers"];
