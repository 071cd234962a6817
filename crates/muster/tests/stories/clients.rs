//! Independent judges: moto's server, boto3 and the AWS CLI.

use testkit::{Moto, Served, TestEnv, python};

use super::{ARTICLE, env};

const USERS: [&str; 5] =
    ["asmith", "jdoe", "Headless-ci", "Headless-backup", "MisconfiguredUser-BlogPostExample"];

/// The article's config and command lines against an endpoint; boto3 says what came of it.
fn the_articles_story(env: &TestEnv, endpoint: &[(&str, &str)]) {
    env.write(".aws/recipes/isecpartners.json", ARTICLE);
    let key = |name: &str| endpoint.iter().find(|(n, _)| *n == name).unwrap().1;
    env.write(
        ".aws/credentials",
        format!(
            "[isecpartners]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            key("AWS_ACCESS_KEY_ID"),
            key("AWS_SECRET_ACCESS_KEY")
        ),
    );
    let url = [("AWS_ENDPOINT_URL", key("AWS_ENDPOINT_URL"))];
    python(env, "memberships.py", &USERS, endpoint).exits(0);
    env.muster(&["install-links", &env.text_path("bin")]).exits(0);

    let link = |name: &str, args: &[&str], stdin: &str| {
        let linked = TestEnv::new(&env.text_path(&format!("bin/{name}")));
        let home = env.text_path("");
        let vars = [("HOME", home.as_str()), url[0]];
        linked.muster_with(args, &vars, stdin)
    };
    let groups = link("aws_iam_create_default_groups.py", &["--profile", "isecpartners"], "").exits(0);
    assert_eq!(groups.stdout.matches(" created").count(), 4, "{}", groups.stdout);
    link("aws_iam_create_default_groups.py", &["--profile", "isecpartners"], "").exits(0).prints("exists");
    // asmith is a human; nobody says so for jdoe.
    link("aws_iam_sort_users.py", &["--profile", "isecpartners"], "y\n1\nn\n").exits(3);

    let memberships = python(env, "memberships.py", &[], endpoint).exits(0);
    let expected = "Headless-backup: AllHeadlessUsers AllUsers\nHeadless-ci: AllHeadlessUsers AllUsers\n\
                    MisconfiguredUser-BlogPostExample: AllMisconfiguredUsers AllUsers\nasmith: AllHumanUsers AllUsers\n\
                    jdoe: AllUsers\n";
    assert_eq!(memberships.stdout, expected);
    let again =
        link("aws_iam_sort_users.py", &["--profile", "isecpartners", "--output", "json"], "n\n").exits(3);
    assert_eq!(again.json()["api_calls"]["AddUserToGroup"], serde_json::Value::Null);
}

#[test]
fn the_articles_story_on_the_embedded_account() {
    let env = env();
    let served = Served::new(&env, None, "");
    the_articles_story(&env, &served.env());
}

#[test]
fn the_articles_story_on_moto() {
    let env = env();
    let moto = Moto::new(&env);
    the_articles_story(&env, &moto.env());
}

/// At least 350 calls, errors included, by boto3 and the AWS CLI, judged by moto and by botocore's own model.
#[test]
fn the_embedded_account_answers_as_iam_does() {
    let env = env();
    let served = Served::new(&env, None, "");
    let moto = Moto::new(&env);
    let ran = python(&env, "truth.py", &["--embedded", &served.url, "--moto", &moto.url], &served.env());
    let ran = ran.exits(0).prints("0 wrong");
    let compared: usize = ran.stdout.split_whitespace().next().unwrap().parse().unwrap();
    assert!(compared >= 350, "{}", ran.stdout);
}

/// Sessions, codes and roles, judged in the same way; signatures are checked.
#[test]
fn the_embedded_account_makes_sessions_as_sts_does() {
    let env = env();
    let served = Served::with_signatures(&env, None);
    let moto = Moto::new(&env);
    let ran = python(&env, "truth_sts.py", &[&served.url, &moto.url], &[]).exits(0).prints("; 0 wrong");
    let compared: usize = ran.stdout.split_whitespace().next().unwrap().parse().unwrap();
    assert!(compared >= 45, "{}", ran.stdout);
}

/// Simulated policies, judged by AWS's published examples, and by what the account lets their user do.
#[test]
fn the_embedded_account_simulates_policies_as_iam_does() {
    let env = env();
    env.muster(&["sandbox", "new", "account.json"]).exits(0);
    let served = Served::with_options(&env, "account.json", "", &["--enforce"]);
    let ran = python(&env, "truth_simulate.py", &[&served.url], &served.env()).exits(0).prints("; 0 wrong");
    let compared: usize = ran.stdout.split_whitespace().next().unwrap().parse().unwrap();
    assert!(compared >= 45, "{}", ran.stdout);
}
