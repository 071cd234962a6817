//! Bad input: a clear message, and nothing changed.

use serde_json::Value;
use testkit::{Ran, TestEnv};

use super::{ARTICLE, CONFIG, GROUPS, account_of, article_with_groups, env};

/// Runs `sort-users` with a config file and asserts that it ends with 2 before any change.
#[track_caller]
fn refused(name: &str, text: impl AsRef<[u8]>) -> Ran {
    let (env, account) = article_with_groups();
    let file = env.write(name, text);
    let before = env.read("account.json");
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--config", &file, "--no-input"]).exits(2);
    assert_eq!(env.read("account.json"), before);
    ran
}

#[test]
fn a_config_that_is_wrong_is_shown_where() {
    let ran =
        refused("c.json", "{\n  \"common_groups\": [\"All Users\"],\n  \"category_regex\": [\"(\"]\n}\n");
    let (folder, _) = ran.stderr.split_once("/c.json").unwrap();
    let (_, folder) = folder.rsplit_once('[').unwrap();
    insta::assert_snapshot!("a wrong config", ran.stderr.replace(folder, "HOME"));
}

#[test]
fn files_that_are_no_config_are_refused() {
    refused("c.json", "").says("the file is empty");
    refused("c.toml", "").says("names none");
    refused("c.json", "{").says("this is not JSON");
    refused("c.toml", b"\xff\xfe\x00binary").says("not text in UTF-8");
    refused("c.json", "[".repeat(50_000)).says("not JSON");
    refused("c.toml", vec![b'#'; 50 * 1024 * 1024]).says("more than 1 MiB is not read");
    refused("c.toml", "common_groups = []\n").says("there are no common groups and no category groups");
    refused("c.json", r#"{"category_groups": ["A", "B"], "category_regex": ["x"]}"#).says("same length");
    refused("c.json", r#"{"category_groups": ["A"], "category_regex": ["(a"]}"#)
        .says("this group is not closed");
    refused("c.toml", "common_groups = [\"a b\"]\n").says("cannot be the name of a group");
    refused("c.toml", format!("common_groups = [\"{}\"]\n", "g".repeat(129))).says("it has 129 characters");
    refused("c.json", r#"{"common_groups": ["A", "a"]}"#).says("is named twice");
}

#[test]
fn a_config_that_is_a_folder_or_not_there_or_not_readable_is_refused() {
    let (env, account) = article_with_groups();
    let folder = env.text_path(".aws");
    let run = |config: &str| {
        env.muster(&["sort-users", "--sandbox", &account, "--config", config, "--no-input"]).exits(2)
    };
    run(&folder).says("it is a folder");
    run("/nonexistent/config.toml").says("No such file");
    std::fs::remove_file(env.path(".aws/recipes/default.json")).unwrap();
    std::fs::create_dir_all(env.path(".aws/muster/default.toml")).unwrap();
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(2).says("it is a folder");
}

/// Lines that no screen holds, and characters that drive one, are not shown.
#[test]
fn an_error_on_an_endless_line_is_told_by_its_place() {
    let ran = refused("c.toml", format!("a = {}", "[".repeat(100_000)));
    assert!(ran.stderr.len() < 10_000, "{} bytes", ran.stderr.len());
    ran.says("c.toml:1:");
    let ran = refused("c.json", "{\"common_groups\": [\"a\u{1b}[31m b\"]}".replace('\u{1b}', "\\u001b"));
    assert!(!ran.stderr.contains('\u{1b}'));
    let ran = refused("c.toml", "common_groups = [\"a b\"] # \u{202e}\u{9b}31m\n");
    assert!(!ran.stderr.contains(['\u{202e}', '\u{9b}']), "{:?}", ran.stderr);
}

#[test]
fn what_is_no_ordinary_file_is_no_config() {
    let (env, account) = article_with_groups();
    env.muster(&["sort-users", "--sandbox", &account, "--config", "/dev/zero"])
        .exits(2)
        .says("it is no ordinary file");
    // Set, but to nothing, is not set.
    let vars = [("MUSTER_CONFIG", ""), ("MUSTER_SANDBOX", ""), ("MUSTER_SANDBOX_FAULTS", "")];
    env.muster_with(&["sort-users", "--sandbox", &account, "--no-input"], &vars, "").exits(3);
    let vars = [("MUSTER_SANDBOX_FAULTS", "latency=x")];
    env.muster_with(&["sort-users", "--sandbox", &account], &vars, "").exits(2).says("MUSTER_SANDBOX_FAULTS");
}

/// A pattern that cannot be decided is never taken for one that does not match.
#[test]
fn a_catastrophic_pattern_names_itself_and_the_user() {
    let config = "category_groups = [\"AllBots\"]\ncategory_regex = ['(?:(?=a)(?:a|aa))+b']\n";
    let name = "a".repeat(64);
    let (env, account) = account_of(config, &GROUPS, &[(&name, &[]), ("Headless-x", &[])]);
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(1);
    ran.says(&name).says("(?:(?=a)(?:a|aa))+b").says("nothing was changed");
}

#[test]
fn an_empty_account_is_in_order() {
    let env = env();
    env.write(".aws/recipes/default.json", ARTICLE);
    let account = env.sandbox(&[]);
    env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--create-groups"])
        .exits(0)
        .prints("0 users");
    assert!(env.read("account.json").contains("AllMisconfiguredUsers"));
}

#[test]
fn wrong_lines_of_a_decisions_file_are_all_named() {
    let (env, account) = article_with_groups();
    let file = env.write(
        "d.csv",
        "jdoe,AllHumanUsers\njdo,AllHumanUsers\nbwayne,AllHuman\nonly\njdoe,AllHeadlessUsers\n",
    );
    let before = env.read("account.json");
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--decisions", &file]).exits(2);
    ran.says("line 2: the account has no user `jdo`; did you mean `jdoe`?")
        .says("line 3: `AllHuman` is no category group")
        .says("line 4: a line is `user,group`")
        .says("line 5: `jdoe` is decided twice");
    assert_eq!(env.read("account.json"), before);
    env.muster(&["sort-users", "--sandbox", &account, "--decisions", "/nonexistent"])
        .exits(2)
        .says("No such file");
}

#[test]
fn names_with_every_allowed_character_are_sorted() {
    let long = format!("Headless-{}", "x".repeat(55));
    let users: [(&str, &[&str]); 3] = [("Headless-a+b=c,d.e@f_g", &[]), (&long, &[]), ("=Headless", &[])];
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let out = env.text_path("m.csv");
    let ran = env
        .muster(&["sort-users", "--sandbox", &account, "--no-input", "--out", &out, "--output", "csv"])
        .exits(3);
    assert_eq!(env.groups_of("Headless-a+b=c,d.e@f_g"), ["allheadlessusers", "allusers"]);
    assert_eq!(env.groups_of(&long), ["allheadlessusers", "allusers"]);
    // Neither CSV has a field that a spreadsheet takes for a formula.
    assert!(ran.stdout.contains("\n'=Headless,"), "{}", ran.stdout);
    assert!(env.read("m.csv").contains("\n'=Headless, x"), "{}", env.read("m.csv"));
    assert!(env.read("m.csv").contains("\"Headless-a+b=c,d.e@f_g\""));
}

/// Text from an account is not trusted: not its escapes, not its markup.
#[test]
fn escapes_in_names_reach_no_terminal() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    let evil = "x\u{1b}]0;owned\u{7}\u{202e}<script>";
    let snapshot = serde_json::json!({
        "muster_snapshot": 1, "account": "123456789012", "partition": "aws", "taken_at": "", "groups":
            GROUPS.iter().map(|name| serde_json::json!({ "name": name, "path": "/" })).collect::<Vec<_>>(),
        "read_by": "account-authorization-details",
        "users": [{ "name": evil, "path": "/\u{9b}31m/", "groups": [], "tags": [{ "key": "k", "value": "\u{1b}[2J" }] }],
    });
    let file = env.write("s.json", snapshot.to_string());
    let ran = env.muster(&["sort-users", "--dry-run", "--roster", &file, "--no-input"]).exits(3);
    for stream in [&ran.stdout, &ran.stderr] {
        assert!(!stream.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']), "{stream:?}");
    }
    assert!(
        ran.stdout.contains(r"x\u{1b}]0;owned\u{7}\u{202e}<script>: in no category group"),
        "{}",
        ran.stdout
    );
    let json = env
        .muster(&["sort-users", "--dry-run", "--roster", &file, "--no-input", "--output", "json"])
        .exits(3);
    assert_eq!(json.json()["users"][0]["user"], evil);
}

#[test]
fn a_snapshot_that_is_none_is_refused() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    let run = |text: &str| {
        let file = env.write("s.json", text);
        env.muster(&["sort-users", "--dry-run", "--roster", &file, "--no-input"]).exits(2)
    };
    run("{}").says("missing field `muster_snapshot`");
    run("no json").says("this is no snapshot of muster");
    run("{\"muster_snapshot\": 99}").says("this snapshot has format 99");
    env.muster(&["sort-users", "--roster", "s.json"]).exits(2).says("--dry-run");
}

#[test]
fn a_damaged_account_file_is_left_as_it_is() {
    let (env, account) = article_with_groups();
    for (text, word) in
        [("{\"muster_sandbox\": 1, ", "damaged"), ("", "damaged"), ("{\"muster_sandbox\": 7}", "format 7")]
    {
        env.write("account.json", text);
        env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(1).says(word);
        assert_eq!(env.read("account.json"), text);
    }
    env.muster(&["sort-users", "--sandbox", "/nonexistent.json", "--no-input"]).exits(1).says("No such file");
}

#[test]
fn wrong_usage_is_told_with_2() {
    let env = env();
    env.muster(&["sort-user"]).exits(2).says("sort-users");
    env.muster(&["sort-users", "--rate", "0"]).exits(2).says("from 0.01");
    env.muster(&["sort-users", "--rate", "1e-20"]).exits(2).says("from 0.01");
    env.muster(&["help", "sort-users"]).exits(0).prints("--decisions");
    env.muster(&["sort-users", "--faults", "rate=x"]).exits(2).says("rate=x");
    env.muster(&["sort-users", "--resolve-conflicts", "luck"]).exits(2).says("pattern");
    env.muster(&["--version"]).exits(0).prints("muster 0.");
}

/// As many groups as a file can name are not all listed.
#[test]
fn a_message_never_fills_the_screen() {
    let (env, account) = article_with_groups();
    let groups: Vec<String> = (0..60_000).map(|i| format!("\"g{i}\"")).collect();
    let file = env.write("c.json", format!("{{\"category_groups\": [{}]}}", groups.join(",")));
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--config", &file, "--no-input"]).exits(1);
    assert!(ran.stderr.len() < 2000, "{} bytes", ran.stderr.len());
    ran.says("and 59990 more");
}

/// The two blocks of the article, put together as people do.
#[test]
fn the_articles_blocks_put_together_wrongly_are_explained() {
    let block = "\"aws_sort_users.py\": {\n\"create_groups\": false,\n},\n\"force_common_group\": true\n";
    let start = ARTICLE.find("\"aws_sort_users.py\"").unwrap();
    let first = ARTICLE[..start].trim_end().trim_end_matches(',');
    refused("c.json", format!("{first}\n}}\n{{{block}}}"))
        .says("a second block belongs inside the braces of the first");
    refused("c.json", format!("{first}\n{block}}}")).says("put a comma between this value and the next");
}

/// The config's guard: the wrong account ends the run before any change.
#[test]
fn the_wrong_account_is_refused() {
    let (env, account) =
        account_of(&format!("account = \"999999999999\"\n{CONFIG}"), &GROUPS, &[("Headless-x", &[])]);
    let served = testkit::Served::new(&env, Some(&account), "");
    let ran = env.muster_with(&["sort-users", "--no-input"], &served.env(), "").exits(2);
    ran.says("the config is for the account 999999999999, and these credentials are for 123456789012");
    assert_eq!(served.mutations(), Vec::<String>::new());
    // A dry run goes on, and says it.
    let dry = env.muster_with(&["sort-users", "--no-input", "--dry-run"], &served.env(), "").exits(0);
    dry.says("nothing would be changed there").says("Account 123456789012");
    drop(served);
    // A rehearsal on a copy is what the guard is not for.
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(0);
}

/// Two runs at once on one account: the second changes nothing, and says who is at work.
#[test]
fn two_runs_at_once_are_kept_apart() {
    let users: [(&str, &[&str]); 4] =
        [("Headless-1", &[]), ("Headless-2", &[]), ("Headless-3", &[]), ("Headless-4", &[])];
    let (env, account) = account_of(CONFIG, &GROUPS, &users);
    let served = testkit::Served::new(&env, Some(&account), "");
    let vars = served.env();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| env.muster_with(&["sort-users", "--no-input", "--rate", "2"], &vars, ""));
        testkit::wait_for("the first run's reading", || served.count("GetAccountAuthorizationDetails") > 0);
        let second = env.muster_with(&["sort-users", "--no-input"], &vars, "").exits(1);
        second.says("another run of muster is changing this account");
        first.join().unwrap().exits(0);
    });
    assert_eq!(served.count("AddUserToGroup"), 8);
}

/// Nothing is changed where no record of it can be kept.
#[test]
fn no_record_no_change() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let before = env.read("account.json");
    std::fs::write(env.path("account.json.muster"), "in the way").unwrap();
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(1).says("failed to create");
    assert_eq!(env.read("account.json"), before);
}

#[test]
fn a_large_account_is_sorted_in_six_reads() {
    let env = env();
    env.write(".aws/recipes/default.json", ARTICLE);
    let account = env.sandbox(&["--users", "5000"]);
    let report = large(&env, &account);
    assert!(
        report["api_calls"]["GetAccountAuthorizationDetails"].as_u64().unwrap() <= 6,
        "{}",
        report["api_calls"]
    );
    assert_eq!(report["summary"]["users"], 5000);
    assert_eq!(report["summary"]["sorted"], 5000);
    let again = large(&env, &account);
    assert_eq!(again["summary"]["changed"], 0);
}

fn large(env: &TestEnv, account: &str) -> Value {
    env.muster(&["sort-users", "--sandbox", account, "--no-input", "--output", "json", "--rate", "100000"])
        .exits(0)
        .json()
}
