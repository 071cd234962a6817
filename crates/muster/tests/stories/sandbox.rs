//! `sandbox new|serve|env`

use testkit::{Served, python, wait_for};

use super::{CONFIG, GROUPS, account_of, article_with_groups, env};

#[test]
fn a_served_account_keeps_its_state_and_ends_with_0() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[]);
    let served = Served::new(&env, Some(&account), "");
    python(&env, "memberships.py", &["zoe", "Headless-1"], &served.env()).exits(0).prints("zoe:");
    assert_eq!(served.stop(), 0);
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(3).prints("2 users");
}

#[test]
fn one_file_has_one_writer() {
    let (env, account) = article_with_groups();
    let served = Served::new(&env, Some(&account), "");
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"])
        .exits(1)
        .says("is in use by another muster");
    drop(served);
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(3);
}

#[test]
fn an_existing_file_is_left_alone() {
    let env = env();
    let file = env.write("account.json", "mine");
    env.muster(&["sandbox", "new", &file]).exits(1).says("exists already");
    assert_eq!(env.read("account.json"), "mine");
    env.muster(&["sandbox", "new", "x.json", "--account", "12"]).exits(2).says("twelve digits");
}

#[test]
fn one_seed_makes_one_account() {
    let env = env();
    let users = |name: &str, seed: &str| {
        let file = env.text_path(name);
        env.muster(&["sandbox", "new", &file, "--users", "50", "--seed", seed]).exits(0);
        let account: serde_json::Value = serde_json::from_str(&env.read(name)).unwrap();
        account["users"].as_array().unwrap().iter().map(|user| user["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(users("a.json", "3"), users("b.json", "3"));
    assert_ne!(users("c.json", "3"), users("d.json", "4"));
}

/// The page of the guide as it is printed: the AWS CLI with nothing configured but what `sandbox env` says.
#[test]
fn the_exports_are_all_that_the_aws_cli_needs() {
    let (env, account) = article_with_groups();
    let served = Served::new(&env, Some(&account), "");
    let port = served.url.rsplit(':').next().unwrap().to_owned();
    let aws = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/aws");
    let script = format!(
        "eval \"$({} sandbox env --port {port})\" && {aws} iam list-groups --output text",
        env.binary().display()
    );
    let output = env.command("/bin/bash").args(["-c", &script]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("AllHeadlessUsers"), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn another_address_is_listened_on_when_asked_for() {
    let env = env();
    let mut command = env.command(env.binary());
    command.args(["sandbox", "serve", "--listen", "127.0.0.2"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("listening on http://127.0.0.2:"), "{line}");
}

#[test]
fn exports_point_other_clients_at_it() {
    let env = env();
    let ran = env.muster(&["sandbox", "env", "--port", "4711"]).exits(0);
    let ran = ran.prints("export AWS_ENDPOINT_URL=http://127.0.0.1:4711");
    assert!(
        ran.stdout.lines().all(|line| line.starts_with("export ") || line.starts_with("unset ")),
        "{}",
        ran.stdout
    );
}

/// A page in a browser may post a form to a loopback port, under a name that is not this machine's.
#[test]
fn only_clients_that_mean_it_are_answered() {
    let env = env();
    let served = Served::new(&env, None, "");
    let curl = |args: &[&str]| {
        let mut command = env.command("/usr/bin/curl");
        let out = command
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(args)
            .arg(&served.url)
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let form = ["-d", "Action=ListUsers&Version=2010-05-08"];
    let signed = [
        "-H",
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/iam/aws4_request",
    ];
    assert_eq!(curl(&[&form[..], &signed[..]].concat()), "200");
    assert_eq!(curl(&form), "403");
    assert_eq!(curl(&[&form[..], &signed[..], &["-H", "Host: evil.example"]].concat()), "403");
    assert_eq!(curl(&[&["-d", "Action=MakeCoffee&Version=2010-05-08"][..], &signed[..]].concat()), "400");
    wait_for("the log", || {
        served.requests().iter().any(|r| r["action"] == "MakeCoffee" && r["code"] == "InvalidAction")
    });
}

#[test]
fn a_copy_of_a_snapshot_is_the_account_that_was_taken() {
    let (env, account) = article_with_groups();
    env.muster(&["sort-users", "--sandbox", &account, "--no-input"]).exits(3);
    let shot = env.text_path("shot.json");
    env.muster(&["snapshot", "--sandbox", &account, "--out", &shot]).exits(0).says("8 users and 4 groups");
    let copy = env.text_path("copy.json");
    env.muster(&["sandbox", "new", &copy, "--from", &shot]).exits(0);
    let again = env.muster(&["snapshot", "--sandbox", &copy]).exits(0).json();
    let first: serde_json::Value = serde_json::from_str(&env.read("shot.json")).unwrap();
    for part in ["users", "groups", "policies", "account"] {
        assert_eq!(again[part], first[part], "{part}");
    }
    env.muster(&["snapshot", "--sandbox", &account, "--out", &shot]).exits(2).says("is not overwritten");
}
