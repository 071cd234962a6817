//! The other commands: config, snapshot, revert, permissions, completions, man.

use serde_json::{Value, json};

use testkit::{Served, wait_for};

use super::{CONFIG, GROUPS, account_of, article, article_with_groups, env};

#[test]
fn groups_are_created_once() {
    let (env, account) = article();
    let args = ["create-default-groups", "--sandbox", &account, "--output", "json"];
    let first = env.muster(&args).exits(0).json();
    assert_eq!(
        first["groups"][0],
        json!({ "group": "AllUsers", "kind": "common", "action": "created", "error": null })
    );
    assert_eq!(first["groups"][2]["kind"], "category");
    assert_eq!(first["api_calls"]["CreateGroup"], 4);
    let second = env.muster(&args).exits(0).json();
    assert!(second["groups"].as_array().unwrap().iter().all(|group| group["action"] == "exists"));
    assert_eq!(second["api_calls"]["CreateGroup"], Value::Null);
    assert_eq!((&second["account"], &second["dry_run"]), (&json!("123456789012"), &json!(false)));
}

#[test]
fn each_value_is_shown_with_where_it_came_from() {
    let (env, _) = article();
    let ran = env.muster(&["config", "show"]).exits(0);
    let home = env.text_path("");
    insta::assert_snapshot!("config show", ran.stdout.replace(&home, "HOME/"));
}

#[test]
fn a_config_is_checked_against_a_snapshot() {
    let config = "common_groups = [\"AllUser\"]\n[[category]]\ngroup = \"A\"\npattern = \"svc\"\n\
                  [[category]]\ngroup = \"B\"\npattern = \"svc-b\"\n[[category]]\ngroup = \"C\"\npattern = \"robot-\"\n";
    let (env, account) =
        account_of(config, &["AllUsers", "A", "B", "C"], &[("svc-b-1", &[]), ("RobotX", &[])]);
    let shot = env.text_path("shot.json");
    env.muster(&["snapshot", "--sandbox", &account, "--out", &shot]).exits(0);
    let ran = env.muster(&["config", "check", "--roster", &shot]).exits(0);
    ran.says("the rule of `B` decides about nobody: each of the 1 user it matches is taken by an earlier rule (`svc-b-1`)")
        .says("the rules of A and B all match `svc-b-1`; the first wins")
        .says("the pattern `robot-` of `C` nearly matches 1 user (`RobotX`)")
        .says("the account has no common group `AllUser`, but it has `AllUsers`");
}

#[test]
fn a_config_is_checked_converted_and_described() {
    let (env, _) = article();
    env.muster(&["config", "check"]).exits(0).prints("can be used").says("HeadlessUser-");
    let toml = env.muster(&["config", "convert"]).exits(0).stdout;
    let file = env.write("c.toml", toml);
    env.muster(&["config", "check", "--config", &file]).exits(0);
    env.muster(&["config", "convert", "--config", &file]).exits(2).says("native form already");
    assert_eq!(env.muster(&["config", "schema"]).exits(0).json()["title"], "muster config");
    let wrong = env.write("w.json", "{\"common_groups\": [\"a b\"]}");
    env.muster(&["config", "check", "--config", &wrong]).exits(2).says("the config cannot be used: 1 error");
}

#[test]
fn a_plan_on_a_snapshot_needs_no_account() {
    let (env, account) = article_with_groups();
    let shot = env.text_path("shot.json");
    env.muster(&["snapshot", "--sandbox", &account, "--out", &shot]).exits(0);
    let report = env
        .muster(&["sort-users", "--dry-run", "--roster", &shot, "--no-input", "--output", "json"])
        .exits(3)
        .json();
    assert_eq!(report["summary"]["sorted"], 5);
    assert_eq!(report["api_calls"], json!({}));
}

#[test]
fn a_run_is_undone_as_far_as_it_is_still_as_the_run_left_it() {
    let (env, account) = article();
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--create-groups", "--output", "json"];
    let record = env.muster(&args).exits(3).json()["record"].as_str().unwrap().to_owned();
    // Somebody takes one user out again, and puts another one into a group of the run.
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    for user in state["users"].as_array_mut().unwrap() {
        match user["name"].as_str().unwrap() {
            "Headless-ci" => user["groups"] = json!(["allusers"]),
            "jdoe" => user["groups"] = json!(["allhumanusers", "allusers"]),
            _ => {}
        }
    }
    env.write("account.json", state.to_string());

    let before = env.read("account.json");
    let dry = env.muster(&["revert", &record, "--sandbox", &account, "--dry-run"]).exits(3);
    dry.says("take 'Headless-backup' out of 'AllHeadlessUsers'")
        .says("left alone: user 'Headless-ci' is no longer in 'AllHeadlessUsers'".replace('\'', "`").as_str())
        .says("has a member of others' making, `jdoe`");
    env.muster(&["revert", &record, "--sandbox", &account]).exits(2).says("--yes");
    env.muster_with(&["revert", &record, "--sandbox", &account], &[], "n\n")
        .exits(1)
        .says("Nothing was changed");
    assert_eq!(env.read("account.json"), before);

    let report =
        env.muster(&["revert", &record, "--sandbox", &account, "--yes", "--output", "json"]).exits(3).json();
    assert_eq!(env.groups_of("Headless-backup"), Vec::<String>::new());
    assert_eq!(env.groups_of("jdoe"), ["allhumanusers"]);
    assert!(report["changes"].as_array().unwrap().iter().all(|change| change["done"] == true));
    let groups: Vec<Value> = serde_json::from_str::<Value>(&env.read("account.json")).unwrap()["groups"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(
        groups.iter().map(|group| group["name"].clone()).collect::<Vec<_>>(),
        [json!("AllHumanUsers")]
    );
}

#[test]
fn a_move_is_undone_without_leaving_the_user_in_none() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-lost", &["AllUsers", "AllHumanUsers"])]);
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--move-misfiled", "--output", "json"];
    let record = env.muster(&args).exits(0).json()["record"].as_str().unwrap().to_owned();
    env.muster(&["revert", &record, "--sandbox", &account, "--yes"]).exits(0).prints("2 changes undone");
    assert_eq!(env.groups_of("Headless-lost"), ["allhumanusers", "allusers"]);
}

/// What a copy of an account recorded can never be undone on the account itself.
#[test]
fn a_record_of_a_copy_is_refused() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let copy = env.text_path("copy.json");
    env.muster(&["sandbox", "new", &copy, "--from", &env.text_path("snapshot.json")]).exits(0);
    let args = ["sort-users", "--sandbox", &copy, "--no-input", "--output", "json"];
    let record = env.muster(&args).exits(0).json()["record"].as_str().unwrap().to_owned();
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(0);
    env.muster(&["revert", &record, "--sandbox", &account, "--yes"]).exits(2).says("embedded in");
    assert_eq!(env.groups_of("Headless-x"), ["allheadlessusers", "allusers"]);
}

/// A user that was moved on since is left alone as a whole: half a move undone is two categories.
#[test]
fn a_user_moved_on_since_is_left_alone() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-lost", &["AllUsers", "AllHumanUsers"])]);
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--move-misfiled", "--output", "json"];
    let record = env.muster(&args).exits(0).json()["record"].as_str().unwrap().to_owned();
    let state = env.read("account.json").replace("allheadlessusers\",\"allusers", "allbots\",\"allusers");
    env.write("account.json", state);
    assert_eq!(env.groups_of("Headless-lost"), ["allbots", "allusers"]);
    env.muster(&["revert", &record, "--sandbox", &account, "--yes"])
        .exits(3)
        .says("user `Headless-lost` was moved on since");
    assert_eq!(env.groups_of("Headless-lost"), ["allbots", "allusers"]);
}

/// Protected users are left alone by this command too, and its changes can be limited.
#[test]
fn undoing_heeds_protections_and_limits() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[]), ("Headless-y", &[])]);
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json"];
    let record = env.muster(&args).exits(0).json()["record"].as_str().unwrap().to_owned();
    env.muster(&["revert", &record, "--sandbox", &account, "--yes", "--max-changes", "3"])
        .exits(1)
        .says("4 changes");
    let config = format!("{CONFIG}\n[[protected]]\nuser = \"Headless-x\"\nreason = \"r\"\n");
    env.write(".aws/muster/default.toml", config);
    env.muster(&["revert", &record, "--sandbox", &account, "--yes"])
        .exits(3)
        .says("user `Headless-x` is protected");
    assert_eq!(env.groups_of("Headless-x"), ["allheadlessusers", "allusers"]);
    assert_eq!(env.groups_of("Headless-y"), Vec::<String>::new());
}

/// Where only managed groups can be read, the record's groups are read, whatever the config says.
#[test]
fn undoing_reads_the_groups_of_the_record() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json"];
    let record = env.muster(&args).exits(0).json()["record"].as_str().unwrap().to_owned();
    std::fs::remove_file(env.path(".aws/muster/default.toml")).unwrap();
    let faults = "deny=iam:GetAccountAuthorizationDetails";
    env.muster(&["revert", &record, "--sandbox", &account, "--yes", "--faults", faults])
        .exits(0)
        .prints("2 changes undone");
}

/// A group that somebody else made meanwhile is not ours to delete.
#[test]
fn a_group_that_was_there_is_not_recorded_as_made() {
    let (env, account) = article();
    let served = Served::new(&env, Some(&account), "delay=3s");
    let vars = served.env();
    env.write(
        ".aws/credentials",
        "[isecpartners]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = s\n",
    );
    let args = ["create-default-groups", "--output", "json"];
    let first = env.muster_with(&args, &vars, "").exits(0).json();
    assert_eq!(first["groups"][0]["action"], "created");
    let second = env.muster_with(&args, &vars, "").exits(0).json();
    assert_eq!(second["groups"][0]["action"], "exists", "made a moment before, and not visible yet");
    let record = second["record"].as_str().unwrap().to_owned();
    wait_for("the groups", || {
        served.requests().len() > 5 && {
            let listed = env.muster_with(&["create-default-groups", "--dry-run"], &vars, "").exits(0);
            !listed.stdout.contains("would be created")
        }
    });
    env.muster_with(&["revert", &record, "--yes"], &vars, "").exits(0).prints("0 changes undone");
}

#[test]
fn a_record_of_another_account_is_refused() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let record =
        env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--output", "json"]).exits(0).json();
    let other = env.text_path("other.json");
    env.muster(&["sandbox", "new", &other, "--account", "999999999999"]).exits(0);
    let ran =
        env.muster(&["revert", record["record"].as_str().unwrap(), "--sandbox", &other, "--yes"]).exits(2);
    ran.says("the record is of account 123456789012");
    env.muster(&["revert", "/nonexistent", "--sandbox", &other]).exits(1).says("No such file");
    let odd = env.write("odd.jsonl", "{}\n");
    env.muster(&["revert", &odd, "--sandbox", &other]).exits(1).says("is no line of a muster record");
}

#[test]
fn the_policy_names_what_the_config_manages_and_no_more() {
    let (env, _) = account_of(&format!("account = \"123456789012\"\n{CONFIG}"), &GROUPS, &[]);
    let policy = env.muster(&["permissions", "sort-users"]).exits(0).json();
    let statements = policy["Statement"].as_array().unwrap();
    let actions: Vec<&Value> = statements.iter().flat_map(|s| s["Action"].as_array().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "iam:GetAccountAuthorizationDetails",
            "iam:AddUserToGroup",
            "iam:RemoveUserFromGroup",
            "iam:ListGroupsForUser",
            "iam:ListAccountAliases"
        ]
    );
    let resources = &statements.iter().find(|s| s["Sid"] == "ChangeMemberships").unwrap()["Resource"];
    assert_eq!(resources[0], "arn:aws:iam::123456789012:group/AllUsers");
    assert_eq!(resources.as_array().unwrap().len(), 8);
    // Without groups there is nothing to allow, and a policy with no resource would be refused.
    super::env().muster(&["permissions", "sort-users"]).exits(2).says("there are no common groups");
    let args = ["permissions", "aws_iam_sort_users.py", "--common-groups", "G", "--create-groups"];
    let given = super::env().muster(&args).exits(0);
    assert!(given.stdout.contains("group/G") && given.stdout.contains("iam:CreateGroup"), "{}", given.stdout);
    env.muster(&["permissions", "nonsense"])
        .exits(2)
        .says("create-default-groups, sort-users, snapshot, revert");
    let all = env.muster(&["permissions", "--account", "999999999999", "--partition", "aws-cn"]).exits(0);
    assert!(
        all.stdout.contains("arn:aws-cn:iam::999999999999:group/AllUsers")
            && all.stdout.contains("iam:CreateGroup")
    );
}

#[test]
fn completions_and_the_manual_name_every_command() {
    let env = env();
    let man = env.muster(&["man"]).exits(0).stdout;
    assert!(man.contains("MUSTER SANDBOX SERVE"), "subcommands of subcommands too");
    let bash = env.muster(&["completions", "bash"]).exits(0).stdout;
    for command in [
        "sort-users",
        "create-default-groups",
        "revert",
        "snapshot",
        "sandbox",
        "demo",
        "permissions",
        "config",
    ] {
        assert!(man.contains(&command.replace('-', "\\-")), "{command} is not in the manual");
        assert!(bash.contains(command), "{command} is not in the completions");
    }
}

#[test]
fn the_help_is_this() {
    let env = env();
    insta::assert_snapshot!(env.muster(&["--help"]).exits(0).stdout);
    insta::assert_snapshot!("sort-users", env.muster(&["sort-users", "--help"]).exits(0).stdout);
}
