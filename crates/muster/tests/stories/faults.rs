//! Trouble on the way: what is denied, lost, late, cut off or deleted meanwhile.

use std::process::Stdio;

use serde_json::{Value, json};
use testkit::{Served, wait_for};

use super::{ARTICLE, CONFIG, GROUPS, account_of, article_with_groups, env};

fn many(count: usize) -> Vec<(String, &'static [&'static str])> {
    (0..count).map(|i| (format!("Headless-{i:04}"), [].as_slice())).collect()
}

fn account_of_many(count: usize) -> (testkit::TestEnv, String) {
    let users = many(count);
    let users: Vec<(&str, &[&str])> = users.iter().map(|(name, groups)| (name.as_str(), *groups)).collect();
    account_of(CONFIG, &GROUPS, &users)
}

/// W1, W2: users whose groups cannot be read are never skipped.
#[test]
fn without_the_authorization_details_the_reading_goes_another_way() {
    let (env, account) = article_with_groups();
    for (faults, read_by) in [
        ("deny=iam:GetAccountAuthorizationDetails", "get-group"),
        ("deny=iam:GetAccountAuthorizationDetails,deny=iam:GetGroup", "list-groups-for-user"),
    ] {
        let args = [
            "sort-users",
            "--sandbox",
            &account,
            "--no-input",
            "--dry-run",
            "--output",
            "json",
            "--faults",
            faults,
        ];
        let report = env.muster(&args).exits(3).json();
        assert_eq!(report["read_by"], read_by);
        assert_eq!(report["summary"]["users"], 8);
        assert_eq!(report["summary"]["sorted"], 5);
    }
    let all = "deny=iam:GetAccountAuthorizationDetails,deny=iam:GetGroup,deny=iam:ListGroupsForUser";
    let before = env.read("account.json");
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--faults", all]).exits(1);
    ran.says("iam:ListGroupsForUser failed: AccessDenied").says(r#""Action": "iam:ListGroupsForUser""#);
    assert_eq!(env.read("account.json"), before);
}

/// B14, W16: rules on tags are decided on tags that were read, or not at all.
#[test]
fn rules_on_tags_are_decided_on_tags_that_were_read() {
    let config = "[[category]]\ngroup = \"AllBots\"\ntags = { kind = \"bot\" }\n[[category]]\ngroup = \"AllHumanUsers\"\n";
    let (env, account) = account_of(config, &GROUPS, &[("r2", &[]), ("c3", &[])]);
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    for user in state["users"].as_array_mut().unwrap().iter_mut().filter(|user| user["name"] == "r2") {
        user["tags"] = json!([{ "key": "KIND", "value": "bot" }]);
    }
    env.write("account.json", state.to_string());
    let faults = "deny=iam:GetAccountAuthorizationDetails";
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--faults", faults];
    let report = env.muster(&args).exits(3).json();
    assert_eq!(report["api_calls"]["ListUserTags"], 2);
    assert_eq!(env.groups_of("r2"), ["allbots"]);
    let faults = "deny=iam:GetAccountAuthorizationDetails,deny=iam:ListUserTags";
    env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--faults", faults])
        .exits(1)
        .says("iam:ListUserTags");
}

#[test]
fn short_and_empty_pages_are_followed_to_the_end() {
    for pages in ["pages=short", "pages=empty"] {
        for deny in [
            "",
            ",deny=iam:GetAccountAuthorizationDetails",
            ",deny=iam:GetAccountAuthorizationDetails,deny=iam:GetGroup",
        ] {
            let (env, account) = account_of_many(30);
            let faults = format!("{pages}{deny}");
            let args =
                ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--faults", &faults];
            assert_eq!(env.muster(&args).exits(0).json()["summary"]["sorted"], 30, "{faults}");
        }
    }
}

/// A page that fails half-way fails the run before any change.
#[test]
fn a_page_that_fails_ends_the_run_before_any_change() {
    let env = env();
    env.write(".aws/recipes/default.json", ARTICLE);
    let account = env.sandbox(&["--users", "1500"]);
    let before = env.read("account.json");
    let faults = "error=iam:GetAccountAuthorizationDetails@2+";
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--faults", faults]).exits(1);
    ran.says("iam:GetAccountAuthorizationDetails failed: ServiceFailure");
    assert_eq!(env.read("account.json"), before);
}

/// W4, W12: one refused write ends nothing but itself; the exit status says it.
#[test]
fn a_write_that_is_denied_is_reported_and_the_others_go_on() {
    let (env, account) = account_of_many(5);
    let faults = "deny=iam:AddUserToGroup@3";
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--faults", faults];
    let ran = env.muster(&args).exits(4).says(r#""Action": "iam:AddUserToGroup""#);
    let report = ran.json();
    assert_eq!(report["summary"]["failed"], 1);
    assert_eq!(report["api_calls"]["AddUserToGroup"], 10);
    let errors: Vec<&Value> =
        report["users"].as_array().unwrap().iter().filter(|row| row["errors"] != json!([])).collect();
    assert!(errors[0]["errors"][0].as_str().unwrap().contains("AccessDenied"), "{errors:?}");

    let args = ["sort-users", "--sandbox", &account, "--no-input", "--faults", "deny=iam:AddUserToGroup"];
    env.muster(&args).exits(1);
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(0);
}

/// A later page that is denied is a page that fails: no other way of reading is taken half-way.
#[test]
fn a_later_page_that_is_denied_ends_the_run() {
    let env = env();
    env.write(".aws/recipes/default.json", ARTICLE);
    let account = env.sandbox(&["--users", "1500"]);
    let before = env.read("account.json");
    let faults = "deny=iam:GetAccountAuthorizationDetails@2";
    env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--faults", faults])
        .exits(1)
        .says("AccessDenied");
    assert_eq!(env.read("account.json"), before);
}

#[test]
fn a_group_that_may_not_be_created_fails_with_1() {
    let (env, account) = super::article();
    let ran = env
        .muster(&["create-default-groups", "--sandbox", &account, "--faults", "deny=iam:CreateGroup"])
        .exits(1);
    ran.says(r#""Action": "iam:CreateGroup""#);
    let ran = env
        .muster(&["create-default-groups", "--sandbox", &account, "--faults", "deny=iam:CreateGroup@2"])
        .exits(4);
    assert_eq!(ran.stdout.matches("  created").count(), 3, "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("  failed").count(), 1, "{}", ran.stdout);
}

/// The answer to a write lost: it is sent again, which does no harm, and counted.
#[test]
fn a_lost_answer_is_asked_for_again() {
    let (env, account) = account_of_many(3);
    let faults = "lose=iam:AddUserToGroup@1,lose=iam:AddUserToGroup@4";
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--faults", faults];
    let report = env.muster(&args).exits(0).json();
    assert_eq!(report["api_calls"]["AddUserToGroup"], 8);
    let (env, account) = super::article();
    let args = ["create-default-groups", "--sandbox", &account, "--faults", "lose=iam:CreateGroup@2"];
    let ran = env.muster(&args).exits(0);
    assert_eq!(ran.stdout.matches(" created").count(), 4, "{}", ran.stdout);
}

/// A call whose answers are all lost may have been made: the report and the record say so.
#[test]
fn a_change_that_may_have_been_made_is_not_called_unmade() {
    let (env, account) = account_of_many(1);
    let faults = "lose=iam:AddUserToGroup";
    let args = ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--faults", faults];
    let report = env.muster(&args).exits(4).json();
    let errors = report["users"][0]["errors"][0].as_str().unwrap();
    assert!(errors.contains("it may have been made all the same"), "{errors}");
    let record = report["record"].as_str().unwrap().to_owned();
    assert!(std::fs::read_to_string(&record).unwrap().contains("\"outcome\":\"unknown\""));
    assert_eq!(env.groups_of("Headless-0000"), ["allheadlessusers", "allusers"]);
    env.muster(&["revert", &record, "--sandbox", &account, "--yes"]).exits(0).prints("2 changes undone");
}

/// A group that this run made is waited for, however long reads lag behind; no simulated wait takes time.
#[test]
fn a_group_just_made_is_waited_for() {
    let (env, account) = super::article();
    let faults = "delay=10s,latency=50ms";
    let args = [
        "sort-users",
        "--sandbox",
        &account,
        "--no-input",
        "--create-groups",
        "--output",
        "json",
        "--faults",
        faults,
    ];
    let start = std::time::Instant::now();
    let report = env.muster(&args).exits(3).json();
    assert_eq!(report["summary"]["sorted"], 5);
    assert!(report["api_calls"]["AddUserToGroup"].as_u64().unwrap() > 13);
    assert!(start.elapsed().as_secs() < 8, "the clock is simulated");
}

/// W2 and more: with everything going wrong at once nobody is lost, whatever the seed.
#[test]
fn nobody_is_lost_in_trouble_of_every_kind() {
    for seed in 0..testkit::how_many(12, 1000) {
        let (env, account) = account_of_many(40);
        let faults = format!(
            "latency=50ms,jitter=20ms,rate=50,burst=20,delay=1s,error=0.1,drop=0.05,lose=0.05,pages=short,seed={seed}"
        );
        let args =
            ["sort-users", "--sandbox", &account, "--no-input", "--output", "json", "--faults", &faults];
        let report = env.muster(&args).exits(0).json();
        assert_eq!(report["summary"]["sorted"], 40, "seed {seed}");
        for i in 0..40 {
            assert_eq!(
                env.groups_of(&format!("Headless-{i:04}")),
                ["allheadlessusers", "allusers"],
                "seed {seed}"
            );
        }
    }
}

/// One seed, run twice, says the same to the byte.
#[test]
fn one_seed_says_the_same_twice() {
    let run = || {
        let (env, account) = account_of_many(20);
        let faults = "latency=50ms,rate=30,burst=10,error=0.1,seed=3";
        let ran =
            env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--faults", faults]).exits(0);
        ran.stdout
    };
    assert_eq!(run(), run());
}

/// A group that somebody else made a moment ago, and that is not seen everywhere yet, is waited for as well.
#[test]
fn a_group_made_by_somebody_else_a_moment_ago_is_waited_for() {
    let (env, account) = account_of(CONFIG, &["developers"], &[("Headless-x", &[])]);
    let served = Served::new(&env, Some(&account), "delay=3s");
    let vars = served.env();
    env.muster_with(&["create-default-groups"], &vars, "").exits(0).says("`muster revert");
    env.muster_with(&["sort-users", "--create-groups", "--no-input"], &vars, "").exits(0).prints("1 sorted");
}

/// A group deleted between reading and writing: said, and nothing else is harmed.
#[test]
fn a_group_deleted_meanwhile_is_told() {
    let (env, account) = account_of_many(12);
    let served = Served::new(&env, Some(&account), "latency=50ms");
    let vars = served.env();
    let ran = std::thread::scope(|scope| {
        let run = scope.spawn(|| env.muster_with(&["sort-users", "--no-input", "--rate", "4"], &vars, ""));
        wait_for("the reading", || served.count("GetAccountAuthorizationDetails") > 0);
        testkit::python(&env, "delete.py", &["group", "AllHeadlessUsers"], &vars).exits(0);
        run.join().unwrap()
    });
    ran.exits(4)
        .prints("not added to AllHeadlessUsers")
        .prints("The group with name AllHeadlessUsers cannot be found");
}

/// A user deleted between reading and writing: said, and the others are sorted.
#[test]
fn what_is_deleted_meanwhile_is_told() {
    // Enough others that the last one's turn comes late, on a slow machine too.
    let (env, account) = account_of_many(20);
    let served = Served::new(&env, Some(&account), "latency=200ms");
    let vars = served.env();
    let ran = std::thread::scope(|scope| {
        let run = scope.spawn(|| env.muster_with(&["sort-users", "--no-input", "--rate", "4"], &vars, ""));
        wait_for("the reading", || served.count("GetAccountAuthorizationDetails") > 0);
        let deleted = testkit::python(&env, "delete.py", &["user", "Headless-0019"], &vars);
        deleted.exits(0);
        run.join().unwrap()
    });
    ran.exits(4).prints("Headless-0019: not added to").prints("deleted while this run was under way?");
    assert!(served.requests().iter().any(|r| r["action"] == "DeleteUser" && r["code"] == Value::Null));
}

/// A user that somebody else moves meanwhile is not moved on from where it is no longer.
#[test]
fn a_user_moved_meanwhile_is_left_alone() {
    let users: [(&str, &[&str]); 1] = [("Headless-lost", &["AllUsers", "AllHumanUsers"])];
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let served = Served::new(&env, Some(&account), "");
    let vars = served.env();
    let args = ["sort-users", "--no-input", "--move-misfiled", "--output", "json"];
    let record = env.muster_with(&args, &vars, "").exits(0).json()["record"].as_str().unwrap().to_owned();
    // While revert asks, the user is moved on; the answer comes too late.
    let mut command = env.command(env.binary());
    command.args(["revert", &record]).envs(vars.clone()).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    wait_for("the question", || served.count("GetAccountAuthorizationDetails") > 1);
    testkit::python(&env, "move.py", &["Headless-lost", "AllHeadlessUsers", "AllBots"], &vars).exits(0);
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"y\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was undone"));
    assert_eq!(served.stop(), 0);
    assert_eq!(env.groups_of("Headless-lost"), ["allbots", "allusers"]);
}

/// A removal that is denied leaves the user in two categories, never in none, and says so.
#[test]
fn a_removal_that_is_denied_or_lost_leaves_nobody_in_none() {
    for (faults, status, groups) in [
        ("deny=iam:RemoveUserFromGroup", 4, vec!["allheadlessusers", "allhumanusers", "allusers"]),
        ("lose=iam:RemoveUserFromGroup@1", 0, vec!["allheadlessusers", "allusers"]),
        ("deny=iam:AddUserToGroup", 1, vec!["allhumanusers", "allusers"]),
        ("deny=iam:ListGroupsForUser", 1, vec!["allhumanusers", "allusers"]),
        ("rate=5,burst=1", 0, vec!["allheadlessusers", "allusers"]),
    ] {
        let (env, account) =
            account_of(CONFIG, &GROUPS, &[("Headless-lost", &["AllUsers", "AllHumanUsers"])]);
        let args = ["sort-users", "--sandbox", &account, "--no-input", "--move-misfiled", "--faults", faults];
        let _ = env.muster(&args).exits(status);
        assert_eq!(env.groups_of("Headless-lost"), groups, "{faults}");
    }
}

/// What was answered is kept, however the run ends after that.
#[test]
fn answers_are_kept_when_the_run_fails_after_them() {
    let (env, account) = article_with_groups();
    let faults = "error=iam:GetAccountAuthorizationDetails@2+";
    let args = ["sort-users", "--sandbox", &account, "--faults", faults];
    let ran = env.muster_with(&args, &[], "y\n1\nn\nn\n").exits(1).says("What you answered so far is kept");
    let path = ran.stderr.split("--decisions ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "asmith,AllHumanUsers\n");
    let args = ["sort-users", "--sandbox", &account, "--max-changes", "1"];
    env.muster_with(&args, &[], "y\n1\nn\nn\n").exits(1).says("What you answered so far is kept");
}

/// A record that cannot be written to its end ends the run, and no exit status calls that success.
#[test]
fn a_record_that_cannot_be_written_is_no_success() {
    let (env, account) = account_of_many(30);
    let served = Served::new(&env, Some(&account), "");
    let mut command = env.command("/bin/bash");
    let script = format!("trap '' XFSZ; ulimit -f 4; exec {} sort-users --no-input", env.binary().display());
    let output = command.args(["-c", &script]).envs(served.env()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("failed to write the record"), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("the record of this run cannot be written"), "{stdout}");
}

/// W13: no connection is said in plain words.
#[test]
fn no_connection_is_told() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let vars = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ENDPOINT_URL", &url),
    ];
    let ran = env.muster_with(&["sort-users", "--no-input"], &vars, "").exits(1);
    ran.says("sts:GetCallerIdentity failed").says("is the address right, and the network up?");
}

/// Ctrl-C in the middle of a thousand writes: what was done is said, and running again goes on.
#[test]
fn an_interrupted_run_says_what_it_did_and_can_go_on() {
    let (env, account) = account_of_many(500);
    let served = Served::new(&env, Some(&account), "latency=20ms");
    let mut command = env.command(env.binary());
    command.args(["sort-users", "--no-input", "--output", "json", "--rate", "200"]).envs(served.env());
    // Files, not pipes: nobody reads while the test waits.
    let file = |name: &str| Stdio::from(std::fs::File::create(env.path(name)).unwrap());
    let mut child = command.stdout(file("out")).stderr(file("err")).spawn().unwrap();
    wait_for("a hundred writes", || served.count("AddUserToGroup") > 100);
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{}", env.read("err"));
    assert!(env.read("err").contains("interrupted"));
    let report: Value = serde_json::from_str(&env.read("out")).unwrap();
    let done: usize =
        report["users"].as_array().unwrap().iter().map(|row| row["added"].as_array().unwrap().len()).sum();
    let sent = served.count("AddUserToGroup");
    assert_eq!(done, sent, "every call that left was finished and reported");
    assert!(sent < 1000);

    let again = env.muster_with(
        &["sort-users", "--no-input", "--output", "json", "--rate", "5000"],
        &served.env(),
        "",
    );
    assert_eq!(again.exits(0).json()["summary"]["sorted"], 500);
    assert_eq!(served.count("AddUserToGroup"), 1000, "nothing was done twice");
}
