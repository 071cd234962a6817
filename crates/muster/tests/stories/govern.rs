//! `plan`, `apply`, `rehearse`, `init` and `create-policy`: the account as the config wants it.

use serde_json::{Value, json};
use testkit::{Ran, Served, TestEnv};

use super::{account_of, env};

/// The config of the guide.
pub(crate) const GOVERNED: &str = include_str!("../../../../examples/governed.toml");

/// People of the article's test environment, sorted by a person.
pub(crate) const PEOPLE: &str = "jdoe,AllHumanUsers\nasmith,AllHumanUsers\nbwayne,AllHumanUsers\n";

const ARN: &str = "arn:aws:iam::123456789012:policy/muster";

/// A home with the guide's config, and the article's users in `account.json`.
fn governed() -> (TestEnv, String) {
    let env = env();
    env.write(".aws/muster/default.toml", GOVERNED);
    env.write("people.csv", PEOPLE);
    let account = env.sandbox(&["--article"]);
    (env, account)
}

/// A small config: one common group, two categories.
fn config(common: &str, human: &str, headless: &str, more: &str) -> String {
    format!(
        "common_groups = [\"AllUsers\"]\ncommon_policies = [{common}]\nforce_common_group = true\n{more}\n\
         [[category]]\ngroup = \"Humans\"\npattern = \"^h-\"\npolicies = [{human}]\n\
         [[category]]\ngroup = \"Machines\"\npattern = \"^m-\"\npolicies = [{headless}]\n"
    )
}

fn run(env: &TestEnv, account: &str, args: &[&str]) -> Ran {
    env.muster(&[args, &["--sandbox", account]].concat())
}

fn apply(env: &TestEnv, account: &str) -> Ran {
    run(env, account, &["apply", "--yes"])
}

/// Returns the account as its file holds it.
fn state(env: &TestEnv) -> Value {
    serde_json::from_str(&env.read("account.json")).unwrap()
}

fn find<'v>(list: &'v Value, key: &str, name: &str) -> &'v Value {
    list.as_array().unwrap().iter().find(|item| item[key] == name).unwrap_or(&Value::Null)
}

fn attached(env: &TestEnv, group: &str) -> Vec<String> {
    let state = state(env);
    let list = find(&state["groups"], "name", group)["attached"].as_array().cloned().unwrap_or_default();
    list.iter().map(|arn| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn the_plan_is_shown_carried_out_and_then_there_is_none() {
    let (env, account) = governed();
    let planned = run(&env, &account, &["plan", "--decisions", &env.text_path("people.csv")]).exits(0);
    insta::assert_snapshot!("a plan", planned.stdout);
    run(&env, &account, &["plan", "--check", "--decisions", &env.text_path("people.csv")]).exits(3);
    let made = run(
        &env,
        &account,
        &["apply", "--yes", "--decisions", &env.text_path("people.csv"), "--output", "json"],
    );
    let made = made.exits(0).json();
    assert_eq!(
        (made["failed"].as_u64(), made["done"].as_u64()),
        (Some(0), made["summary"]["changes"].as_u64())
    );
    assert_eq!(env.groups_of("jdoe"), ["allhumanusers", "allusers"]);
    assert_eq!(
        attached(&env, "AllHumanUsers"),
        ["enforce-mfa", "enforce-source-ip", "self-manage-credentials"]
    );
    let state = state(&env);
    let policy = find(&state["policies"], "arn", &format!("{ARN}/enforce-mfa"));
    assert_eq!(policy["path"], "/muster/");
    run(&env, &account, &["plan", "--check"]).exits(0).prints("Nothing to change");
    apply(&env, &account).exits(0).prints("Nothing to change");
}

#[test]
fn a_plan_is_printed_for_programs_and_for_pull_requests() {
    let (env, account) = governed();
    let report = format!("markdown={}", env.text_path("plan.md"));
    let ran = run(&env, &account, &["plan", "--output", "json", "--report", &report]).exits(3);
    let plan = ran.json();
    let keys: Vec<&String> = plan.as_object().unwrap().keys().collect();
    insta::assert_snapshot!(format!("{keys:?}"), @r#"["account", "partition", "taken_at", "read_by", "config_hash", "groups", "changes", "undecided", "summary", "api_calls"]"#);
    assert_eq!(plan["api_calls"], json!({ "GetCallerIdentity": 1, "GetAccountAuthorizationDetails": 1 }));
    assert_eq!(plan["undecided"].as_array().unwrap().len(), 3);
    let markdown = env.read("plan.md");
    let (markdown, _) = markdown.split_once("\nRead 2").unwrap();
    insta::assert_snapshot!("a plan in markdown", markdown);
    run(&env, &account, &["plan", "--report", &report]).exits(2).says("exists already");
    let csv = run(&env, &account, &["plan", "--output", "csv"]).exits(3).stdout;
    assert!(csv.contains("AddUserToGroup,jdoe,AllUsers,\n"), "{csv}");
}

#[test]
fn a_saved_plan_is_a_promise_and_not_a_script() {
    let (env, account) = governed();
    let file = env.text_path("kept.json");
    run(&env, &account, &["plan", "-o", &file]).exits(3).says("is kept in");
    run(&env, &account, &["plan", "-o", &file]).exits(2).says("exists already");
    let kept: Value = serde_json::from_str(&env.read("kept.json")).unwrap();

    // Edited by hand: with the hash as it was, and with one that fits.
    let mut edited = kept.clone();
    let administrator = json!({ "call": "AttachGroupPolicy", "group": "AllUsers", "policy": "arn:aws:iam::aws:policy/AdministratorAccess" });
    edited["changes"].as_array_mut().unwrap().push(administrator);
    env.write("edited.json", edited.to_string());
    let before = env.read("account.json");
    run(&env, &account, &["apply", &env.text_path("edited.json")])
        .exits(1)
        .says("was edited after it was made");
    let changes = serde_json::to_string(&edited["changes"]).unwrap();
    edited["changes_hash"] = sha256(&changes).into();
    env.write("forged.json", edited.to_string());
    let ran = run(&env, &account, &["apply", &env.text_path("forged.json")]).exits(1);
    ran.says("no longer: AttachGroupPolicy arn:aws:iam::aws:policy/AdministratorAccess on AllUsers");
    env.write("other.json", env.read("kept.json").replace("123456789012", "999999999999"));
    run(&env, &account, &["apply", &env.text_path("other.json")]).exits(1);
    env.write("old.json", env.read("kept.json").replace("\"muster_plan\": 1", "\"muster_plan\": 7"));
    run(&env, &account, &["apply", &env.text_path("old.json")]).exits(2).says("has format 7");
    env.write("none.json", "{}");
    run(&env, &account, &["apply", &env.text_path("none.json")]).exits(2).says("is no plan of muster's");
    assert_eq!(env.read("account.json"), before, "nothing was changed");

    // The account moves: then the plan is another one.
    env.write("moved.json", before.replace("\"name\":\"jdoe\"", "\"name\":\"Headless-jdoe\""));
    let moved = env.text_path("moved.json");
    let ran =
        run(&env, &moved, &["apply", &file]).exits(1).says("are not what they were when the plan was made");
    ran.says("now also: AddUserToGroup AllHeadlessUsers for Headless-jdoe");
    // The config does.
    env.write(".aws/muster/default.toml", GOVERNED.replace("12h", "8h"));
    run(&env, &account, &["apply", &file]).exits(1).says("the config is not the one");
    env.write(".aws/muster/default.toml", GOVERNED);
    // As it was, it is carried out without a question, and once.
    run(&env, &account, &["apply", &file, "--no-input"]).exits(3).prints("changes made");
    run(&env, &account, &["apply", &file]).exits(1).says("are not what they were when the plan was made");
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_run_that_is_larger_than_agreed_stops_before_it_begins() {
    let config = config("", "", "", "");
    let users: Vec<String> = (0..25).map(|n| format!("m-{n}")).collect();
    let users: Vec<(&str, &[&str])> =
        users.iter().map(|name| (name.as_str(), &["AllUsers", "Humans"][..])).collect();
    let (env, account) = account_of(&config, &["AllUsers", "Humans", "Machines"], &users);
    let before = env.read("account.json");
    let move_all = ["apply", "--yes", "--move-misfiled"];
    run(&env, &account, &move_all).exits(1).says("--max-removals 25");
    run(&env, &account, &[&move_all[..], &["--max-removals", "25", "--max-changes", "49"]].concat())
        .exits(1)
        .says("--max-changes 50");
    assert_eq!(env.read("account.json"), before);
    run(&env, &account, &["apply", "--no-input", "--move-misfiled", "--max-removals", "25"])
        .exits(2)
        .says("nobody can be asked");
    let shown = run(&env, &account, &["plan", "--move-misfiled"]).exits(0);
    shown.prints("- 25 users: m-0, m-1, m-10");
    run(&env, &account, &[&move_all[..], &["--max-removals", "25"]].concat())
        .exits(0)
        .prints("50 changes made");
    assert_eq!(env.groups_of("m-7"), ["allusers", "machines"]);
}

#[test]
fn a_changed_template_becomes_a_new_version_and_five_are_the_most() {
    let of = |age: &str| {
        config("", "\"enforce-mfa\"", "", &format!("[policy.enforce-mfa]\nmax_session_age = \"{age}\""))
    };
    let (env, account) = account_of(&of("1h"), &[], &[("h-ann", &[])]);
    apply(&env, &account).exits(0);
    for hours in 2..=8 {
        env.write(".aws/muster/default.toml", of(&format!("{hours}h")));
        let made = run(&env, &account, &["apply", "--yes", "--output", "json"]).exits(0).json();
        let calls = &made["api_calls"];
        assert_eq!(calls["CreatePolicyVersion"], 1, "{calls}");
        for never in ["DeletePolicy", "CreatePolicy", "DetachGroupPolicy", "AttachGroupPolicy"] {
            assert_eq!(calls[never], Value::Null, "{never}");
        }
        assert_eq!(calls["DeletePolicyVersion"].is_null(), hours <= 5, "{hours}: {calls}");
    }
    let state = state(&env);
    let policy = find(&state["policies"], "name", "enforce-mfa");
    let versions: Vec<u64> =
        policy["others"].as_array().unwrap().iter().map(|v| v["number"].as_u64().unwrap()).collect();
    assert_eq!((policy["version"].as_u64(), versions), (Some(8), vec![7, 6, 5, 4]), "the oldest went");
    assert!(policy["document"].as_str().unwrap().contains("28800"));
    run(&env, &account, &["plan", "--check"]).exits(0);
}

#[test]
fn what_is_not_ours_is_left_alone_and_stops_a_plan_where_it_is_in_the_way() {
    let (env, account) = account_of(&config("", "\"enforce-tls\"", "", ""), &["dev"], &[("h-ann", &["dev"])]);
    let aws = "arn:aws:iam::aws:policy/AdministratorAccess";
    let served = Served::new(&env, Some(&account), "");
    let call = |args: &[&str]| testkit::aws_with(&env, None, args, &served.env()).exits(0);
    call(&["iam", "create-group", "--group-name", "Humans"]);
    call(&["iam", "attach-group-policy", "--group-name", "Humans", "--policy-arn", aws]);
    call(&["iam", "attach-group-policy", "--group-name", "dev", "--policy-arn", aws]);
    served.stop();
    apply(&env, &account).exits(0);
    assert_eq!(attached(&env, "Humans"), ["AdministratorAccess", "enforce-tls"]);
    assert_eq!(attached(&env, "dev"), ["AdministratorAccess"]);
    assert_eq!(env.groups_of("h-ann"), ["allusers", "dev", "humans"]);
    // Taken out of the config, ours goes and the other stays.
    env.write(".aws/muster/default.toml", config("", "", "", ""));
    run(&env, &account, &["plan"]).exits(0).prints("- policy enforce-tls");
    apply(&env, &account).exits(0);
    assert_eq!(attached(&env, "Humans"), ["AdministratorAccess"]);
    // A policy of the same name elsewhere: IAM takes no second one, whatever its path and spelling.
    let served = Served::new(&env, Some(&account), "");
    let document =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let args = ["iam", "create-policy", "--policy-name", "Deny-Console", "--policy-document", document];
    testkit::aws_with(&env, None, &args, &served.env()).exits(0);
    served.stop();
    env.write(".aws/muster/default.toml", config("", "", "\"deny-console\"", ""));
    apply(&env, &account).exits(1).says("which is not muster's").says("policy/Deny-Console");
}

#[test]
fn templates_of_ones_own_are_filled_in_and_checked() {
    let config_of = |more: &str| config("", "\"own.json\"", "", more);
    let more =
        "[policy.\"own.json\"]\nbucket = \"reports\"\nactions = [\"s3:GetObject\", \"s3:ListBucket\"]\n";
    let (env, account) = account_of(&config_of(more), &[], &[("h-ann", &[])]);
    let template = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "{{actions}}", "Resource": "arn:{{partition}}:s3:::{{bucket}}/AWS_ACCOUNT_ID/*" },
        { "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*",
          "Condition": { "StringNotEquals": { "aws:PrincipalAccount": "{{account_id}}" } } },
    ] });
    let write = |value: &Value| env.write(".aws/muster/own.json", value.to_string());
    write(&template);
    run(&env, &account, &["apply", "--yes"]).exits(0);
    let now = state(&env);
    let document = find(&now["policies"], "name", "own")["document"].as_str().unwrap().to_owned();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["Statement"][0]["Action"], json!(["s3:GetObject", "s3:ListBucket"]));
    assert_eq!(document["Statement"][0]["Resource"], "arn:aws:s3:::reports/123456789012/*");
    assert_eq!(
        document["Statement"][1]["Condition"]["StringNotEquals"]["aws:PrincipalAccount"],
        "123456789012"
    );
    run(&env, &account, &["plan", "--check"]).exits(0);

    // What is wrong is said before anything is called.
    let wrong = |more: &str, says: &str| {
        env.write(".aws/muster/default.toml", config_of(more));
        env.muster(&["config", "check"]).exits(2).says(says);
        run(&env, &account, &["plan"]).exits(2).says(says);
    };
    wrong("", "uses `{{actions}}`, of which `[policy.\"own.json\"]` says nothing");
    wrong(&format!("{more}buckets = 1\n"), "has no parameter `buckets`");
    env.write(".aws/muster/default.toml", config_of(more));
    let bad = |value: Value, says: &str| {
        write(&value);
        run(&env, &account, &["plan"]).exits(2).says(says);
    };
    let mut refused = template.clone();
    refused["Statement"][0]["Efect"] = "Allow".into();
    bad(refused, "did you mean `Effect`?");
    let mut long = template.clone();
    long["Statement"][1]["Resource"] =
        json!((0..200).map(|n| format!("arn:aws:s3:::a-bucket-of-some-length-{n}/*")).collect::<Vec<_>>());
    bad(long, "and IAM takes 6144");
    env.write(".aws/muster/own.json", "{{bucket}}");
    run(&env, &account, &["plan"]).exits(2).says("it is no JSON");
    std::fs::remove_file(env.path(".aws/muster/own.json")).unwrap();
    run(&env, &account, &["plan"]).exits(2).says("own.json");
    // What cannot be meant is a warning.
    let mut odd = template;
    odd["Statement"][1]["Action"] = "s3:DeleteObjekt".into();
    write(&odd);
    run(&env, &account, &["plan"]).exits(0).says("there is no action `s3:DeleteObjekt`");
}

#[test]
fn policies_are_carried_inline_where_the_config_says_so() {
    let inline = |human: &str| config("\"enforce-tls\"", human, "", "policies_as = \"inline\"");
    let (env, account) = account_of(&inline("\"enforce-mfa\""), &[], &[("h-ann", &[])]);
    apply(&env, &account).exits(0);
    let names = |env: &TestEnv| -> Vec<String> {
        let state = state(env);
        let list = find(&state["groups"], "name", "Humans")["inline"].as_array().cloned().unwrap_or_default();
        list.iter().map(|policy| policy["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&env), ["muster-enforce-mfa"]);
    run(&env, &account, &["plan", "--check"]).exits(0);
    env.write(".aws/muster/default.toml", inline("\"deny-console\""));
    apply(&env, &account).exits(0);
    assert_eq!(names(&env), ["muster-deny-console"]);
    // And as managed ones from then on: what holds goes on holding.
    env.write(".aws/muster/default.toml", config("\"enforce-tls\"", "\"deny-console\"", "", ""));
    apply(&env, &account).exits(0);
    assert_eq!((names(&env), attached(&env, "Humans")), (vec![], vec!["deny-console".to_owned()]));
    run(&env, &account, &["plan", "--check"]).exits(0);
    env.write(".aws/muster/default.toml", inline("").replace("\"inline\"", "\"both\""));
    run(&env, &account, &["plan"]).exits(2).says("`policies_as` is \"managed\" or \"inline\"");
}

#[test]
fn a_group_at_its_limit_is_said_before_anything_is_called() {
    let (env, account) = account_of(&config("", "\"enforce-tls\"", "", ""), &["Humans"], &[("h-ann", &[])]);
    let mut full = state(&env);
    let policy = |n: usize| {
        json!({ "arn": format!("arn:aws:iam::123456789012:policy/p{n}"), "name": format!("p{n}"),
        "path": "/", "id": format!("ANPAEXAMPLE{n:010}"), "created": 1_700_000_000, "document": "{\"Version\":\"2012-10-17\",\"Statement\":[]}" })
    };
    full["policies"].as_array_mut().unwrap().extend((0..10).map(policy));
    full["groups"][0]["attached"] =
        (0..10).map(|n| format!("arn:aws:iam::123456789012:policy/p{n}")).collect();
    env.write("account.json", full.to_string());
    let served = Served::new(&env, Some(&account), "");
    let ran = env.muster_with(&["apply", "--yes"], &served.env(), "");
    ran.exits(1).says("the group `Humans` would have 11 managed policies").says("policies_as = \"inline\"");
    assert_eq!(served.mutations(), Vec::<String>::new());
}

/// Refused, busy, slow to show, and with answers lost: the end is the same, and once.
#[test]
fn an_account_in_trouble_ends_as_one_without() {
    let (env, account) = governed();
    let people = env.text_path("people.csv");
    run(&env, &account, &["apply", "--yes", "--decisions", &people]).exits(0);
    let wanted = state(&env);
    let summary = |state: &Value| {
        let groups =
            state["groups"].as_array().unwrap().iter().map(|g| (g["name"].clone(), g["attached"].clone()));
        let users =
            state["users"].as_array().unwrap().iter().map(|u| (u["name"].clone(), u["groups"].clone()));
        let policies =
            state["policies"].as_array().unwrap().iter().map(|p| (p["arn"].clone(), p["version"].clone()));
        (groups.collect::<Vec<_>>(), users.collect::<Vec<_>>(), policies.collect::<Vec<_>>())
    };
    for seed in 0..testkit::how_many(6, 100) {
        let fresh = env.text_path(&format!("fresh-{seed}.json"));
        env.muster(&["sandbox", "new", &fresh, "--article"]).exits(0);
        let faults = format!("error=0.1,lose=0.1,drop=0.05,delay=3s,rate=50,burst=5,seed={seed}");
        let args = ["apply", "--yes", "--decisions", &people, "--sandbox", &fresh, "--faults", &faults];
        env.muster(&args).exits(0);
        let made: Value = serde_json::from_str(&env.read(&format!("fresh-{seed}.json"))).unwrap();
        assert_eq!(summary(&made), summary(&wanted), "seed {seed}");
    }
}

#[test]
fn what_relies_on_a_change_that_failed_is_not_begun_and_the_next_run_goes_on() {
    let (env, account) = governed();
    let people = env.text_path("people.csv");
    for denied in ["AttachGroupPolicy@2+", "CreatePolicy@3+", "AddUserToGroup@4+", "CreateGroup@2+"] {
        let fresh = env.text_path(&format!("{}.json", denied.split('@').next().unwrap()));
        env.muster(&["sandbox", "new", &fresh, "--article"]).exits(0);
        let apply = |more: &[&str]| {
            env.muster(&[&["apply", "--yes", "--decisions", &people, "--sandbox", &fresh], more].concat())
        };
        let ran = apply(&["--faults", &format!("deny={denied}")]).exits(4);
        ran.prints("not made").says("Record: ");
        apply(&[]).exits(0);
        env.muster(&["plan", "--check", "--sandbox", &fresh]).exits(0);
    }
    // Denials first: where they could not be put in place, nobody was moved.
    let served = Served::new(&env, Some(&account), "deny=AttachGroupPolicy");
    env.muster_with(&["apply", "--yes", "--decisions", &people], &served.env(), "").exits(4);
    assert_eq!(served.count("AddUserToGroup"), 0);
}

#[test]
fn a_dry_run_and_everything_that_only_looks_change_nothing() {
    let (env, account) = governed();
    let served = Served::new(&env, Some(&account), "");
    let people = env.text_path("people.csv");
    env.write(
        "own.json",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#,
    );
    let own = env.text_path("own.json");
    for args in [
        &["plan", "--decisions", &people][..],
        &["apply", "--dry-run", "--decisions", &people],
        &["rehearse", "--decisions", &people],
        &["audit"],
        &["init", "--yes", "--out", &env.text_path("proposed.toml")],
        &["create-policy", "--dry-run", "--save", "--managed", "--templates", &own],
    ] {
        let ran = env.muster_with(args, &served.env(), "");
        assert!([0, 3].contains(&ran.status), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(served.mutations(), Vec::<String>::new());
}

#[test]
fn a_rehearsal_shows_the_end_and_touches_nothing() {
    let (env, account) = governed();
    let people = env.text_path("people.csv");
    let before = env.read("account.json");
    let args = ["rehearse", "--decisions", &people, "--user-name", "jdoe", "--source-ip", "203.0.113.9"];
    let keep = env.text_path("kept.json");
    let ran = run(&env, &account, &[&args[..], &["--keep", &keep, "--output", "json"]].concat()).exits(0);
    let report = ran.json();
    assert_eq!(report["failed"], json!([]));
    assert_eq!(report["left"], json!([]), "carried out once more, nothing is left");
    assert_eq!(report["findings_after"], json!([]));
    assert!(report["findings_before"].as_u64().unwrap() > 0);
    let effect = |action: &str, mfa: bool| {
        let effects = report["effects"].as_array().unwrap();
        let found = effects.iter().find(|e| e["action"] == action && e["mfa"] == mfa).unwrap();
        (found["before"].as_str().unwrap().to_owned(), found["after"].as_str().unwrap().to_owned())
    };
    let (not, denied, allowed) = ("not-allowed".to_owned(), "denied".to_owned(), "allowed".to_owned());
    assert_eq!(effect("iam:CreateAccessKey", true), (not.clone(), allowed));
    assert_eq!(effect("iam:CreateAccessKey", false), (not.clone(), denied.clone()));
    assert_eq!(effect("iam:CreateUser", true), (not.clone(), not.clone()));
    assert_eq!(env.read("account.json"), before);
    run(&env, &keep, &["plan", "--check"]).exits(0);
    run(&env, &account, &[&args[..], &["--keep", &keep]].concat()).exits(2).says("exists already");
    // Outside the office, everything is denied to an employee.
    let args = [
        "rehearse",
        "--decisions",
        &people,
        "--user-name",
        "jdoe",
        "--source-ip",
        "198.51.100.7",
        "--action",
        "iam:ListMFADevices",
    ];
    run(&env, &account, &args).exits(0).prints("iam:ListMFADevices").prints("not allowed -> denied");
    run(&env, &account, &["rehearse", "--user-name", "nobody"]).exits(2).says("has no user `nobody`");
    // A snapshot will do.
    let snapshot = env.text_path("snapshot.json");
    run(&env, &account, &["snapshot", "--out", &snapshot]).exits(0);
    env.muster(&["rehearse", "--roster", &snapshot, "--decisions", &people])
        .exits(0)
        .prints("nothing was touched");
}

#[test]
fn a_config_is_proposed_from_what_the_account_looks_like() {
    let env = env();
    let account = env.sandbox(&["--users", "200"]);
    let ran = run(&env, &account, &["init", "--yes"]).exits(0);
    let proposed = env.read(".aws/muster/default.toml");
    let (head, proposed) = proposed.split_once('\n').unwrap();
    assert!(head.starts_with("# Proposed by `muster init` on 20"), "{head}");
    insta::assert_snapshot!("a proposed config", proposed);
    assert!(ran.stdout.contains("Plan: "), "{}", ran.stdout);
    run(&env, &account, &["init", "--yes"]).exits(2).says("exists already");
    run(&env, &account, &["config", "check"]).exits(0);
    let plan = run(&env, &account, &["plan"]);
    assert_eq!(plan.stdout, ran.stdout, "what was shown is the plan");
    // One by one, through a pipe; nothing is written if nobody answers.
    let other = env.text_path("other.toml");
    let args = ["init", "--sandbox", &account, "--out", &other];
    env.muster_with(&args, &[], "").exits(2).says("nobody can be asked");
    assert!(!env.path("other.toml").exists());
    env.muster_with(&args, &[], "y\nn\ny\ny\n").exits(3).says("A category group: AllHeadlessUsers");
    assert!(!env.read("other.toml").contains("AllHeadlessUsers"), "{}", env.read("other.toml"));
}

#[test]
fn policies_are_created_from_templates_as_the_recipes_did() {
    let env = env();
    let account = env.sandbox(&["--article"]);
    let template = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::AWS_ACCOUNT_ID-{{bucket}}/*"}]}"#;
    let file = env.write("reader.json", template);
    env.write("reader.description", "Reads the reports.\n");
    let create =
        |args: &[&str]| run(&env, &account, &[&["create-policy", "--templates", &file], args].concat());
    create(&[]).exits(2).says("has to be put somewhere");
    create(&["--managed"]).exits(2).says("uses `{{bucket}}`");
    create(&["--managed", "--set", "bucket=x", "--targets", "jdoe"]).exits(2).says("--type");
    create(&["--managed", "--set", "bucket=x", "--type", "user", "--targets", "nobody"])
        .exits(2)
        .says("has no user `nobody`");
    create(&["--managed", "--set", "bucket=x", "--type", "user", "--targets", "jdoe", "asmith"])
        .exits(0)
        .prints("AttachUserPolicy arn:aws:iam::123456789012:policy/reader on jdoe: done");
    let made = state(&env);
    let policy = find(&made["policies"], "name", "reader");
    assert_eq!(policy["description"], "Reads the reports.");
    assert!(policy["document"].as_str().unwrap().contains("123456789012-x"));
    create(&["--managed", "--set", "bucket=x"]).exits(0).prints("Nothing to do");
    create(&["--managed", "--set", "bucket=y"]).exits(1).says("another policy `reader`");
    // Put into groups, by the recipes' own name and spelling.
    run(&env, &account, &["create-default-groups", "--common-groups", "AllUsers"]).exits(0);
    create(&["--set", "bucket=x", "--type", "group", "--targets", "AllUsers"]).exits(0);
    let made = state(&env);
    assert_eq!(made["groups"][0]["inline"][0]["name"], "reader");
    // A built-in one, by its name.
    let args = ["create-policy", "--templates", "enforce-tls", "--managed", "--path", "/muster/"];
    run(&env, &account, &args).exits(0).prints("CreatePolicy /muster/enforce-tls: done");
}

/// IAM ignores the case of names: another spelling is the same policy.
#[test]
fn a_policy_under_another_spelling_is_the_same_policy() {
    let own = |name: &str, more: &str| config("", &format!("\"{name}.json\""), "", more);
    for (more, inline) in [("", false), ("policies_as = \"inline\"", true)] {
        let (env, account) = account_of(&own("Reports", more), &[], &[("h-ann", &[])]);
        let deny = |action: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"{action}","Resource":"*"}}]}}"#
            )
        };
        env.write(".aws/muster/Reports.json", deny("s3:PutObject"));
        apply(&env, &account).exits(0);
        std::fs::remove_file(env.path(".aws/muster/Reports.json")).unwrap();
        env.write(".aws/muster/reports.json", deny("s3:DeleteObject"));
        env.write(".aws/muster/default.toml", own("reports", more));
        let report = run(&env, &account, &["apply", "--yes", "--output", "json"]).exits(0).json();
        let record = std::fs::read_to_string(report["record"].as_str().unwrap()).unwrap();
        let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let before: Vec<Value> = lines.filter(|line| line["phase"] == "before").collect();
        assert_eq!(before.len(), 1, "{record}");
        assert!(before[0]["state"]["document"].as_str().unwrap().contains("s3:PutObject"), "{record}");
        let now = state(&env);
        let group = find(&now["groups"], "name", "Humans");
        let holds = if inline {
            assert_eq!(group["inline"].as_array().unwrap().len(), 1, "{group}");
            group["inline"][0]["document"].as_str().unwrap().to_owned()
        } else {
            assert_eq!(attached(&env, "Humans"), ["Reports"]);
            find(&now["policies"], "name", "Reports")["document"].as_str().unwrap().to_owned()
        };
        assert!(holds.contains("s3:DeleteObject"), "{holds}");
        run(&env, &account, &["plan", "--check"]).exits(0);
        let report = run(&env, &account, &["audit", "--output", "json"]).json();
        let found: Vec<&Value> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["rule"].as_str().unwrap().contains("polic") && f["subject"]["name"] == "Humans")
            .collect();
        assert!(found.is_empty(), "{found:?}");
    }
    let (env, account) = account_of(&own("Enforce-MFA", ""), &[], &[]);
    env.write(".aws/muster/Enforce-MFA.json", "{}");
    run(&env, &account, &["plan"]).exits(2).says("is a name of muster's own");
}

/// No hole is left in a policy that goes out, however it is written.
#[test]
fn a_template_is_filled_in_whole_or_refused() {
    let more = "[policy.\"own.json\"]\nbucket = \"reports\"\nnumber = 7\nlist = [\"a\", \"b\"]\n";
    let (env, account) = account_of(&config("", "\"own.json\"", "", more), &[], &[("h-ann", &[])]);
    let template = |resource: &str| {
        env.write(
            ".aws/muster/own.json",
            format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"{{{{list}}}}","Resource":"{resource}"}}]}}"#)
                .replace("{{list}}", "s3:*")
                .replace("LIST", "{{list}}"),
        )
    };
    template("arn:aws:s3:::{{ bucket }}-{{number}}/LIST");
    run(&env, &account, &["plan"]).exits(2).says("has to be the whole of it");
    env.write(
        ".aws/muster/own.json",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":"s3:*","Resource":"arn:aws:s3:::{{ bucket }}-{{number}}/*","Condition":{"StringEquals":{"aws:x":"{{ list }}"}}}]}"#,
    );
    apply(&env, &account).exits(0);
    let now = state(&env);
    let document = find(&now["policies"], "name", "own")["document"].as_str().unwrap().to_owned();
    assert!(document.contains("arn:aws:s3:::reports-7/*") && document.contains(r#"["a","b"]"#), "{document}");
    for (text, says) in [
        (r#"{"Version":"2012-10-17","Statement":[],"Statement":[]}"#, "`Statement` is there twice"),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Condition":{"{{bucket}}":{}}}]}"#,
            "parameters stand in values only",
        ),
    ] {
        env.write(".aws/muster/own.json", text);
        run(&env, &account, &["plan"]).exits(2).says(says);
    }
    env.write(".aws/muster/default.toml", config("", "\"own.json\"", "", "[policy]\n\"own.json\" = \"x\""));
    run(&env, &account, &["plan"]).exits(2).says("is no table");
}

#[test]
fn a_group_that_cannot_be_created_stops_what_relies_on_it_at_once() {
    let (env, account) = governed();
    let served = Served::new(&env, Some(&account), "deny=CreateGroup");
    let began = std::time::Instant::now();
    env.muster_with(&["apply", "--yes"], &served.env(), "").exits(1).prints("could not be created");
    assert!(began.elapsed().as_secs() < 20, "nobody waits for a group that is not there");
    assert_eq!(served.mutations(), ["CreateGroup"; 5].map(str::to_owned), "no policy was made");
}

#[test]
fn create_policy_writes_over_nothing_and_leaves_the_protected_alone() {
    let protected = "[[protected]]\nuser = \"break-glass\"\nreason = \"for emergencies\"\n";
    let (env, account) =
        account_of(&config("", "", "", protected), &["Humans"], &[("h-ann", &[]), ("break-glass", &[])]);
    let text = |action: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
        )
    };
    let file = env.write("extra.json", text("s3:GetObject"));
    let to = |kind: &str, target: &str| {
        run(&env, &account, &["create-policy", "--templates", &file, "--type", kind, "--targets", target])
    };
    to("user", "break-glass").exits(1).says("is protected: for emergencies");
    to("user", "h-ann").exits(0).prints("done");
    to("user", "H-Ann").exits(0).prints("Nothing to do");
    env.write("extra.json", text("s3:PutObject"));
    to("user", "h-ann").exits(1).says("has another policy `extra`");
    let long: Vec<String> = (0..80).map(|n| format!("\"s3:GetObjectSomethingLong{n}\"")).collect();
    env.write("extra.json", text("s3:*").replace("\"s3:*\"", &format!("[{}]", long.join(","))));
    to("group", "Humans").exits(0);
    std::fs::rename(env.path("extra.json"), env.path("more.json")).unwrap();
    let more = env.text_path("more.json");
    run(&env, &account, &["create-policy", "--templates", &more, "--type", "user", "--targets", "h-ann"])
        .exits(1)
        .says("and IAM takes 2048");
}

/// A person's "no" counts, and what is written is a config.
#[test]
fn a_proposal_is_always_a_config_that_can_be_used() {
    let env = env();
    for (number, users) in [(0, 10), (1, 1), (2, 0)] {
        let account = env.text_path(&format!("{number}.json"));
        env.muster(&["sandbox", "new", &account, "--users", &users.to_string()]).exits(0);
        let out = env.text_path(&format!("{number}.toml"));
        let ran = env.muster(&["init", "--yes", "--sandbox", &account, "--out", &out]);
        if users == 0 {
            ran.exits(1).says("there is not one group to put into a config");
            assert!(!env.path(&format!("{number}.toml")).exists());
            continue;
        }
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        env.muster(&["config", "check", "--config", &out]).exits(0);
    }
    let account = env.text_path("0.json");
    let out = env.text_path("no.toml");
    let ran = env.muster_with(&["init", "--sandbox", &account, "--out", &out], &[], "n\ny\ny\ny\n");
    assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
    assert!(!env.read("no.toml").contains("common_groups"), "{}", env.read("no.toml"));
}

/// Access Analyzer is asked on a real account only; what it calls an error stops a run before anything is changed.
#[test]
fn access_analyzer_is_asked_where_there_is_one() {
    let (env, account) = governed();
    run(&env, &account, &["plan", "--validate"]).exits(2).says("an embedded account has none");
    let served = Served::new(&env, Some(&account), "");
    let answer = |kind: &str| {
        let finding = json!({ "findingType": kind, "issueCode": "EXAMPLE_CODE", "findingDetails": "an example", "learnMoreLink": "https://docs.aws.amazon.com/", "locations": [] });
        testkit::canned("200 OK", Box::leak(json!({ "findings": [finding] }).to_string().into_boxed_str()))
    };
    let ask = |command: &str, kind: &str| {
        let analyzer = answer(kind);
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_IAM", served.url.as_str()),
            ("AWS_ENDPOINT_URL_STS", served.url.as_str()),
            ("AWS_ENDPOINT_URL_ACCESSANALYZER", analyzer.as_str()),
        ];
        env.muster_with(&[command, "--yes", "--validate"], &variables, "")
    };
    ask("plan", "SUGGESTION")
        .exits(3)
        .says("Access Analyzer on the policy enforce-mfa: SUGGESTION EXAMPLE_CODE");
    ask("apply", "ERROR").exits(1).says("Access Analyzer finds 6 errors in the policies");
    assert_eq!(served.mutations(), Vec::<String>::new());
}

/// Whoever calls with a long-lived key is not locked out by their own run: without MFA it is refused, with it it goes through.
#[test]
fn nobody_locks_themselves_out() {
    use super::person::{KEY, SECRET, account, code, credentials};

    let env = env();
    let everything =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    env.write("account.json", account(everything).to_string());
    env.write(".aws/credentials", credentials());
    env.write(".aws/muster/me.toml", config("\"enforce-mfa\"", "", "", "default_category = \"Humans\""));
    env.write(".aws/muster/default.toml", config("\"enforce-mfa\"", "", "", "default_category = \"Humans\""));
    let served = Served::with_options(&env, &env.text_path("account.json"), "", &super::person::STRICT);
    let with_key = [
        ("AWS_ENDPOINT_URL", served.url.as_str()),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_REGION", "us-east-1"),
    ];
    env.muster_with(&["apply", "--yes"], &with_key, "").exits(1).says("you be locked out");
    assert_eq!(served.mutations(), Vec::<String>::new());
    let endpoint = [("AWS_ENDPOINT_URL", served.url.as_str())];
    env.muster_with(&["init-sts-session", "--profile", "me", "--mfa-code", &code(0)], &endpoint, "").exits(0);
    let ran = env.muster_with(&["apply", "--yes", "--profile", "me"], &endpoint, "");
    ran.exits(0).says("take care: you are in AllUsers, and will live under enforce-mfa yourself");
    env.muster_with(&["plan", "--check"], &with_key, "").exits(1).says("AccessDenied");
    env.muster_with(&["plan", "--check", "--profile", "me"], &endpoint, "").exits(0);
}
