//! `sort-users`, with nobody to ask.

use serde_json::{Value, json};
use testkit::Served;

use super::{CONFIG, GROUPS, account_of, article, article_with_groups, env};

fn row<'r>(report: &'r Value, user: &str) -> &'r Value {
    let users = report["users"].as_array().unwrap();
    users.iter().find(|row| row["user"] == user).unwrap_or_else(|| panic!("no row for {user}"))
}

#[test]
fn the_articles_users_are_sorted_and_a_second_run_writes_nothing() {
    let (env, account) = article_with_groups();
    let first = env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(3);
    for user in ["Headless-backup", "MisconfiguredUser-NoMFA"] {
        let line = format!(
            "User '{user}' does not belong to any of the category group (AllHumanUsers, AllHeadlessUsers, \
             AllMisconfiguredUsers). Automatically adding..."
        );
        assert!(first.stderr.contains(&line), "{}", first.stderr);
    }
    assert_eq!(env.groups_of("Headless-ci"), ["allheadlessusers", "allusers"]);
    assert_eq!(env.groups_of("MisconfiguredUser-OldKey"), ["allmisconfiguredusers", "allusers"]);
    assert_eq!(env.groups_of("jdoe"), ["allusers"]);

    let second =
        env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--output", "json"]).exits(3);
    let calls = &second.json()["api_calls"];
    assert_eq!(
        calls,
        &json!({ "GetCallerIdentity": 1, "ListAccountAliases": 1, "GetAccountAuthorizationDetails": 1 })
    );
}

#[test]
fn the_json_is_as_the_contract_says() {
    let (env, account) =
        account_of(CONFIG, &GROUPS, &[("Headless-ci", &["AllUsers"]), ("jdoe", &["developers"])]);
    let report =
        env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--output", "json"]).exits(3).json();
    assert_eq!(
        row(&report, "Headless-ci"),
        &json!({
            "user": "Headless-ci", "before": ["AllUsers"], "after": ["AllHeadlessUsers", "AllUsers"],
            "added": ["AllHeadlessUsers"], "removed": [], "standing": "sorted", "decided_by": "pattern",
            "matches": ["AllHeadlessUsers"], "missing_common": [], "protected": false, "errors": [],
        })
    );
    assert_eq!(row(&report, "jdoe")["standing"], "uncategorized");
    assert_eq!(row(&report, "jdoe")["decided_by"], "none");
    assert_eq!(
        report["summary"],
        json!({ "users": 2, "sorted": 1, "uncategorized": 1, "conflicting": 0, "misfiled": 0, "changed": 2, "failed": 0 })
    );
    assert_eq!((&report["account"], &report["partition"]), (&json!("123456789012"), &json!("aws")));
    assert_eq!(
        (&report["dry_run"], &report["read_by"]),
        (&json!(false), &json!("account-authorization-details"))
    );
    assert_eq!(report["api_calls"]["AddUserToGroup"], 2);
    assert!(std::path::Path::new(report["record"].as_str().unwrap()).exists());
}

/// W14: there is a dry run, and it makes no call that changes anything.
#[test]
fn a_dry_run_says_how_it_would_end_and_sends_nothing_that_changes() {
    let (env, account) = article_with_groups();
    let served = Served::new(&env, Some(&account), "");
    let config = [("MUSTER_CONFIG", env.text_path(".aws/recipes/default.json"))];
    let vars: Vec<(&str, &str)> =
        served.env().into_iter().chain(config.iter().map(|(k, v)| (*k, v.as_str()))).collect();
    // The config's own profile does not exist here: the keys of the environment are meant.
    env.write(".aws/config", "[profile isecpartners]\nregion = us-east-1\n");
    env.write(
        ".aws/credentials",
        "[isecpartners]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n",
    );
    let report = env
        .muster_with(&["sort-users", "--dry-run", "--no-input", "--output", "json"], &vars, "")
        .exits(3)
        .json();
    assert_eq!(row(&report, "Headless-ci")["after"], json!(["AllHeadlessUsers", "AllUsers"]));
    assert_eq!(row(&report, "Headless-ci")["standing"], "sorted");
    assert_eq!(report["record"], Value::Null);
    assert_eq!(served.mutations(), Vec::<String>::new());
    let groups = env
        .muster_with(&["create-default-groups", "--dry-run", "--common-groups", "New"], &vars, "")
        .exits(0);
    assert!(groups.stdout.contains("would be created"), "{}", groups.stdout);
    assert_eq!(served.mutations(), Vec::<String>::new());
}

#[test]
fn a_missing_group_is_an_error_before_any_write() {
    let (env, account) = article();
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(1);
    ran.says("`AllUsers`, `AllHumanUsers`, `AllHeadlessUsers`, `AllMisconfiguredUsers`")
        .says("create-default-groups");
    assert_eq!(env.groups_of("Headless-ci"), Vec::<String>::new());
    env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--create-groups"]).exits(3);
    assert_eq!(env.groups_of("Headless-ci"), ["allheadlessusers", "allusers"]);
}

/// W3, B2: two categories, and a wrong one, are reported; nothing is moved that was not asked for.
#[test]
fn conflicts_and_misfilings_are_reported_and_moved_only_when_asked() {
    let users: [(&str, &[&str]); 3] = [
        ("kknuth", &["AllUsers", "AllHumanUsers", "AllHeadlessUsers"]),
        ("Headless-old", &["AllUsers", "AllHumanUsers", "AllHeadlessUsers"]),
        ("Headless-lost", &["AllUsers", "AllHumanUsers"]),
    ];
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let run = |more: &[&str]| {
        let args: Vec<&str> = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        env.muster(&args)
    };
    let report = run(&[]).exits(3).json();
    assert_eq!(report["summary"]["conflicting"], 2);
    assert_eq!(report["summary"]["misfiled"], 1);
    assert_eq!(report["summary"]["changed"], 0);

    let report = run(&["--resolve-conflicts", "pattern"]).exits(3).json();
    assert_eq!(row(&report, "Headless-old")["removed"], json!(["AllHumanUsers"]));
    assert_eq!(row(&report, "kknuth")["standing"], "conflicting");
    assert_eq!(report["summary"]["changed"], 1);

    let report = run(&["--move-misfiled"]).exits(3).json();
    assert_eq!(row(&report, "Headless-lost")["added"], json!(["AllHeadlessUsers"]));
    assert_eq!(row(&report, "Headless-lost")["removed"], json!(["AllHumanUsers"]));
    assert_eq!(row(&report, "Headless-lost")["standing"], "sorted");
    assert_eq!(env.groups_of("Headless-lost"), ["allheadlessusers", "allusers"]);
}

/// In the record, each move's addition comes before its removal.
#[test]
fn a_move_adds_before_it_removes() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-lost", &["AllUsers", "AllHumanUsers"])]);
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--move-misfiled", "--output", "json"];
    let report = env.muster(&args).exits(0).json();
    let record = std::fs::read_to_string(report["record"].as_str().unwrap()).unwrap();
    let lines: Vec<Value> = record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let calls: Vec<&str> = lines.iter().filter_map(|line| line["call"].as_str()).collect();
    assert_eq!(calls, ["AddUserToGroup", "RemoveUserFromGroup"]);
    assert_eq!(lines[0]["account"], "123456789012");
    assert_eq!(lines[1]["state"]["groups"], json!(["AllHumanUsers", "AllUsers"]));
    assert_eq!(lines[2]["outcome"], "done");
    assert!(lines[2]["request_id"].is_string());
    assert_eq!(lines.last().unwrap()["phase"], "end");
}

/// W8: a name that two patterns match goes to the first, and is pointed out.
#[test]
fn an_ambiguous_name_goes_to_the_first_category_and_is_reported() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-bot-1", &[])]);
    // Matched by `^Headless-` and, as `^(Headless-)?bot-`, by the bots' pattern too.
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--output", "json"]).exits(0);
    let ran = ran.says("AllHeadlessUsers and AllBots all match `Headless-bot-1`; the first wins");
    let report = ran.json();
    let row = row(&report, "Headless-bot-1");
    assert_eq!(row["matches"], json!(["AllHeadlessUsers", "AllBots"]));
    assert_eq!(row["added"], json!(["AllHeadlessUsers", "AllUsers"]));
}

#[test]
fn decisions_from_a_file_and_a_default_decide_about_the_rest() {
    let users: [(&str, &[&str]); 3] = [("jdoe", &[]), ("bot-1", &[]), ("zed", &[])];
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let file = env.write("decisions.csv", "user,group\njdoe,AllHumanUsers\n");
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--decisions", &file];
    let report = env.muster(&args).exits(3).json();
    assert_eq!(row(&report, "jdoe")["decided_by"], "decisions-file");
    assert_eq!(row(&report, "zed")["decided_by"], "none");
    let args = [
        "sort-users",
        "--sandbox",
        &account,
        "--no-input",
        "--output",
        "json",
        "--default-category",
        "AllBots",
    ];
    let report = env.muster(&args).exits(0).json();
    assert_eq!(row(&report, "zed")["decided_by"], "default");
    assert_eq!(row(&report, "jdoe")["decided_by"], "already");
}

/// W16: there are exceptions, and rules that ask for more than a name.
#[test]
fn protected_users_are_reported_and_left_alone() {
    let config = format!("{CONFIG}\n[[protected]]\nuser = \"^break-glass\"\nreason = \"for emergencies\"\n");
    let (env, account) = account_of(&config, &GROUPS, &[("break-glass-1", &[]), ("Headless-x", &[])]);
    let ran = env.muster(&[
        "sort-users",
        "--sandbox",
        &account,
        "--no-input",
        "--output",
        "json",
        "--default-category",
        "AllBots",
    ]);
    let ran = ran.exits(3).says("User 'break-glass-1' is protected: for emergencies");
    assert_eq!(row(&ran.json(), "break-glass-1")["protected"], true);
    assert_eq!(env.groups_of("break-glass-1"), Vec::<String>::new());
}

#[test]
fn what_the_groups_carry_is_said_before() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    for group in state["groups"].as_array_mut().unwrap() {
        if group["name"] == "AllHeadlessUsers" {
            group["inline"] = json!([{
                "name": "stop",
                "document": r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
            }]);
        }
    }
    env.write("account.json", state.to_string());
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(0);
    let ran = ran.says("1 user to join AllHeadlessUsers, which carries stop (denies)");
    ran.says("what AllHeadlessUsers denies is denied to all 1 user from then on")
        .says("1 user to join AllUsers, which carries no policies");
}

#[test]
fn a_limit_on_changes_stops_before_the_first() {
    let (env, account) = article_with_groups();
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--max-changes", "3"]).exits(1);
    ran.says("13 changes").says("nothing was changed");
    assert_eq!(env.groups_of("Headless-ci"), Vec::<String>::new());
    let dry = ["sort-users", "--sandbox", &account, "--no-input", "--max-changes", "3", "--dry-run"];
    env.muster(&dry).exits(3).prints("8 changed").says("13 changes");
}

/// IAM lets a user be in ten groups: nothing is sent that it would refuse, and nothing taken away for it.
#[test]
fn a_user_in_ten_groups_is_told_and_left_as_it_is() {
    let names: Vec<String> = (0..9).map(|i| format!("g{i}")).collect();
    let mut groups: Vec<&str> = GROUPS.to_vec();
    groups.extend(names.iter().map(String::as_str));
    let full: Vec<&str> = names.iter().map(String::as_str).chain(["AllHumanUsers"]).collect();
    let (env, account) = account_of(CONFIG, &groups, &[("Headless-full", &full)]);
    let ran = env
        .muster(&["sort-users", "--sandbox", &account, "--no-input", "--move-misfiled", "--output", "json"])
        .exits(3);
    let report = ran.json();
    let errors = row(&report, "Headless-full")["errors"].as_array().unwrap();
    assert!(errors[0].as_str().unwrap().contains("IAM allows 10"), "{errors:?}");
    assert_eq!(report["api_calls"]["AddUserToGroup"], Value::Null);
    assert_eq!(env.groups_of("Headless-full").len(), 10);
}

#[test]
fn only_named_users_and_only_a_path_are_looked_at() {
    let (env, account) = article_with_groups();
    let args =
        ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--user-name", "headless-CI"];
    let report = env.muster(&args).exits(0).json();
    assert_eq!(report["users"].as_array().unwrap().len(), 1);
    assert_eq!(env.groups_of("Headless-backup"), Vec::<String>::new());
    let ran = env
        .muster(&["sort-users", "--sandbox", &account, "--no-input", "--user-name", "Headless-c"])
        .exits(2);
    ran.says("did you mean `Headless-ci`?");
    let args =
        ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--path-prefix", "/nowhere/"];
    assert_eq!(env.muster(&args).exits(0).json()["users"], json!([]));
}

#[test]
fn the_matrix_of_2015_is_written() {
    let (env, account) = article_with_groups();
    let out = env.text_path("matrix.csv");
    env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--out", &out]).exits(3);
    insta::assert_snapshot!(env.read("matrix.csv"), @r"
    username, AllUsers, AllHumanUsers, AllHeadlessUsers, AllMisconfiguredUsers
    asmith, x, , ,
    bwayne, x, , ,
    Headless-backup, x, , x,
    Headless-ci, x, , x,
    Headless-mailer, x, , x,
    jdoe, x, , ,
    MisconfiguredUser-NoMFA, x, , , x
    MisconfiguredUser-OldKey, x, , , x
    ");
    let again = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--out", &out]).exits(2);
    again.says("is not overwritten");
}

/// W5, W6, W7: no empty regex, several, none at all, only common groups: none of it is special.
#[test]
fn every_shape_of_config_of_the_recipes_works() {
    let (env, account) = article_with_groups();
    let run = |more: &[&str]| {
        let start = ["sort-users", "--sandbox", &account, "--no-input", "--dry-run", "--output", "json"];
        env.muster(&start.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let report = run(&["--category-regex", "^[a-z]", "^Headless-", "^Mis"]).exits(0).json();
    assert_eq!(row(&report, "jdoe")["added"], json!(["AllHumanUsers", "AllUsers"]));
    let report = run(&["--category-regex", "", "", "^Mis"]).exits(3).json();
    assert_eq!(report["summary"]["uncategorized"], 6);
    run(&["--category-regex", "a", "b"]).exits(2).says("same length");
    env.write("only.toml", "common_groups = [\"AllUsers\"]\nforce_common_group = true\n");
    let only = env.text_path("only.toml");
    let report = run(&["--config", &only]).exits(0).json();
    assert_eq!(report["summary"]["changed"], 8);
}

#[test]
fn the_report_for_people_counts_and_says_what_is_left() {
    let (env, account) = article_with_groups();
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(3);
    insta::assert_snapshot!(ran.stdout, @r"
     GROUP                  KIND      BEFORE  JOINED  LEFT  NOW
     AllUsers               common    0       8       0     8
     AllHumanUsers          category  0       0       0     0
     AllHeadlessUsers       category  0       3       0     3
     AllMisconfiguredUsers  category  0       2       0     2

    8 users: 5 sorted, 3 uncategorized, 0 conflicting, 0 misfiled; 8 changed, 0 failed

    Left for a person:
      asmith: in no category group
      bwayne: in no category group
      jdoe: in no category group
    ");
    assert!(
        !ran.stdout.contains('\x1b') && !ran.stderr.contains('\x1b'),
        "no control characters through a pipe"
    );
    let colored =
        env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--color", "always"]).exits(3);
    assert!(colored.stdout.contains("\x1b["));
}

/// The caller's own memberships change last.
#[test]
fn the_caller_comes_last() {
    let users: [(&str, &[&str]); 3] = [("Headless-a", &[]), ("Headless-b", &[]), ("Headless-c", &[])];
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    state["users"][0]["access_keys"] =
        json!([{ "id": "AKIAI44QH8DHBEXAMPLE", "secret": "s", "active": true, "created": 0 }]);
    env.write("account.json", state.to_string());
    let served = Served::new(&env, Some(&account), "");
    let vars = [
        ("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_ENDPOINT_URL", served.url.as_str()),
    ];
    let report =
        env.muster_with(&["sort-users", "--no-input", "--output", "json"], &vars, "").exits(0).json();
    let record = std::fs::read_to_string(report["record"].as_str().unwrap()).unwrap();
    let order: Vec<Value> = record
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["phase"] == "before")
        .collect();
    assert_eq!(order.len(), 6);
    assert!(order[..4].iter().all(|line| line["user"] != "Headless-a"), "{order:?}");
    assert!(order[4..].iter().all(|line| line["user"] == "Headless-a"), "{order:?}");
}

/// A result that cannot be written is said, whatever was done; a file that cannot be written stops before.
#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let (env, account) = article_with_groups();
    let before = env.read("account.json");
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--out", "/nonexistent/x.csv"];
    env.muster(&args).exits(1).says("failed to write `/nonexistent/x.csv`");
    assert_eq!(env.read("account.json"), before);
    let mut command = env.command(env.binary());
    command.args(["sort-users", "--sandbox", &account, "--no-input", "--output", "json"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = command.stdout(full).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(4), "changes were made, and the report is lost");
}

#[test]
fn a_config_of_its_own_wins_over_nothing_in_the_current_folder() {
    let env = env();
    env.write("default.toml", CONFIG);
    env.write("muster.toml", CONFIG);
    let account = env.sandbox(&["--article"]);
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(2).says("no config was found");
}
