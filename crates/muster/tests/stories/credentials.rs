//! Whose credentials are used, and what is said when there are none.

use testkit::Served;

use super::{ARTICLE, CONFIG, GROUPS, account_of, env};

const ADMIN: &str = "AKIAIOSFODNN7EXAMPLE";
const OTHER: &str = "AKIAI44QH8DHBEXAMPLE";

/// W9: with a profile named, that profile's config and credentials are used, whatever else is set.
#[test]
fn a_named_profile_is_used_alone() {
    let env = env();
    let served = Served::new(&env, None, "");
    env.write(".aws/recipes/prod.json", ARTICLE.replace("AllUsers", "ProdUsers"));
    env.write(".aws/recipes/default.json", ARTICLE);
    env.write(
        ".aws/credentials",
        format!("[prod]\naws_access_key_id = {OTHER}\naws_secret_access_key = s\n[default]\naws_access_key_id = {ADMIN}\naws_secret_access_key = s\n"),
    );
    let keys =
        [("AWS_ACCESS_KEY_ID", ADMIN), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL", &served.url)];
    for args in [["--profile", "prod"].as_slice(), &["--profile=prod"]] {
        let args: Vec<&str> = ["create-default-groups", "--dry-run"].iter().chain(args).copied().collect();
        let ran = env.muster_with(&args, &keys, "").exits(0).prints("ProdUsers");
        ran.says("using the profile `prod`, although the config names `isecpartners`");
        assert_eq!(served.requests().last().unwrap()["caller"], OTHER);
    }
    // `AWS_PROFILE` chooses the config too; keys in the environment win, as in the AWS CLI, and that is said.
    let vars: Vec<(&str, &str)> = keys.into_iter().chain([("AWS_PROFILE", "prod")]).collect();
    let ran =
        env.muster_with(&["create-default-groups", "--dry-run"], &vars, "").exits(0).prints("ProdUsers");
    ran.says("AWS_ACCESS_KEY_ID is set and wins over AWS_PROFILE=prod");
    assert_eq!(served.requests().last().unwrap()["caller"], ADMIN);
    let vars = [("AWS_PROFILE", "prod"), ("AWS_ENDPOINT_URL", served.url.as_str())];
    env.muster_with(&["create-default-groups", "--dry-run"], &vars, "").exits(0).prints("ProdUsers");
    assert_eq!(served.requests().last().unwrap()["caller"], OTHER);
}

/// The profile that the config itself names is used when nobody says another.
#[test]
fn the_configs_own_profile_is_used_when_none_is_said() {
    let env = env();
    let served = Served::new(&env, None, "");
    env.write(".aws/recipes/default.json", ARTICLE);
    env.write(
        ".aws/credentials",
        format!("[isecpartners]\naws_access_key_id = {OTHER}\naws_secret_access_key = s\n"),
    );
    env.muster_with(&["create-default-groups"], &[("AWS_ENDPOINT_URL", &served.url)], "")
        .exits(0)
        .says("profile isecpartners");
    assert_eq!(served.requests().last().unwrap()["caller"], OTHER);
}

#[test]
fn a_profile_that_is_not_there_is_told_with_the_ones_that_are() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    env.write(".aws/credentials", "[work]\naws_access_key_id = x\naws_secret_access_key = y\n");
    let args = ["sort-users", "--no-input", "--profile", "wrok", "--config"];
    let file = env.text_path(".aws/muster/default.toml");
    let ran = env.muster(&args.iter().copied().chain([file.as_str()]).collect::<Vec<_>>()).exits(2);
    ran.says("there is no profile `wrok`").says("the profiles are work");
}

#[test]
fn no_credentials_are_told_in_plain_words() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    let ran = env.muster(&["sort-users", "--no-input"]).exits(1);
    ran.says("no AWS credentials were found").says("--profile").says("muster demo");
}

/// The failures that everybody meets are explained.
#[test]
fn common_failures_are_explained() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    let run = |status: &'static str, body: &'static str, more: &[(&str, &str)]| {
        let url = testkit::canned(status, body);
        let vars: Vec<(&str, &str)> =
            [("AWS_ACCESS_KEY_ID", ADMIN), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL", &url)]
                .into_iter()
                .chain(more.iter().copied())
                .collect();
        env.muster_with(&["sort-users", "--no-input"], &vars, "").exits(1)
    };
    let unknown = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token \
                   included in the request is invalid.</Message></Error></ErrorResponse>";
    run("403 Forbidden", unknown, &[])
        .says("does not know this access key")
        .says("--region cn-north-1 or --region us-gov-west-1");
    let with_region = run("403 Forbidden", unknown, &[("AWS_REGION", "us-east-1")]);
    assert!(!with_region.stderr.contains("cn-north-1"), "{}", with_region.stderr);
    let session = run("403 Forbidden", unknown, &[("AWS_SESSION_TOKEN", "t")]);
    session.says("only when it was made with an MFA code");
    let expired = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>The security token included \
                   in the request is expired</Message></Error></ErrorResponse>";
    run("403 Forbidden", expired, &[("AWS_SESSION_TOKEN", "t")]).says("the session has expired");
    run("502 Bad Gateway", "<html>proxy</html>", &[]).says("sts:GetCallerIdentity failed");
}

/// ARNs and reports take the partition from the caller's own.
#[test]
fn the_partition_is_the_callers() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    env.write(
        "account.json",
        env.read("account.json").replace("\"partition\":\"aws\"", "\"partition\":\"aws-cn\""),
    );
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "--output", "json"]).exits(0);
    let ran = ran.says("arn:aws-cn:iam::123456789012:root");
    assert_eq!(ran.json()["partition"], "aws-cn");
}

/// W15: without keys anywhere else, what the instance metadata address says is not the story.
#[test]
fn nobody_is_told_about_instance_metadata() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    let url = testkit::canned("403 Forbidden", "no");
    let vars = [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    env.muster_with(&["sort-users", "--no-input"], &vars, "").exits(1).says("no AWS credentials were found");
    // A profile's keys in the file come first.
    let served = Served::new(&env, None, "");
    env.write(
        ".aws/credentials",
        format!("[default]\naws_access_key_id = {ADMIN}\naws_secret_access_key = s\n"),
    );
    let vars = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()),
        ("AWS_ENDPOINT_URL", served.url.as_str()),
    ];
    env.muster_with(&["create-default-groups"], &vars, "").exits(0);
}

/// `AWS_PROFILE=default` on a machine without AWS files says nothing, as in the AWS CLI.
#[test]
fn the_default_profile_need_not_exist() {
    let env = env();
    env.write(".aws/muster/default.toml", CONFIG);
    let ran = env.muster_with(&["sort-users", "--no-input"], &[("AWS_PROFILE", "default")], "").exits(1);
    ran.says("no AWS credentials were found");
    env.muster_with(
        &["sort-users", "--no-input"],
        &[("AWS_PROFILE", "other"), ("MUSTER_CONFIG", &env.text_path(".aws/muster/default.toml"))],
        "",
    )
    .exits(2)
    .says("there is no profile `other`");
}

/// `-v` says each change, `-vv` each call.
#[test]
fn the_log_says_what_is_done() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "-v"]).exits(0);
    assert!(ran.stderr.contains("AddUserToGroup") && ran.stderr.contains("done"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("GetAccountAuthorizationDetails"), "{}", ran.stderr);
    let ran = env.muster(&["sort-users", "--sandbox", &account, "--no-input", "-vv"]).exits(0);
    ran.says("GetAccountAuthorizationDetails");
}

/// No region configured anywhere must just work.
#[test]
fn no_region_is_needed() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let served = Served::new(&env, Some(&account), "");
    let vars =
        [("AWS_ACCESS_KEY_ID", ADMIN), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_ENDPOINT_URL", &served.url)];
    env.muster_with(&["sort-users", "--no-input"], &vars, "").exits(0);
}

/// What the SDK does not do: a role that wants an MFA code.
#[test]
fn a_role_with_mfa_asks_for_the_code() {
    let env = env();
    let moto = testkit::Moto::new(&env);
    env.write(".aws/muster/admin.toml", CONFIG);
    env.write(
        ".aws/config",
        "[profile admin]\nrole_arn = arn:aws:iam::123456789012:role/admin\n\
         mfa_serial = arn:aws:iam::123456789012:mfa/me\nsource_profile = me\nexternal_id = 4711\n",
    );
    env.write(".aws/credentials", format!("[me]\naws_access_key_id = {ADMIN}\naws_secret_access_key = s\n"));
    let vars = [("AWS_ENDPOINT_URL", moto.url.as_str())];
    let args = ["create-default-groups", "--profile", "admin", "--no-input"];
    env.muster_with(&args, &vars, "")
        .exits(1)
        .says("needs the code of the MFA device arn:aws:iam::123456789012:mfa/me");
    let args = ["create-default-groups", "--profile", "admin", "--mfa-code", "123456"];
    let ran = env.muster_with(&args, &vars, "").exits(0);
    let ran = ran.says("assumed-role/admin/muster-");
    // The code is in no record.
    let record = ran.stdout + &walk(&env.path(".local/state/muster"));
    assert!(record.contains("--mfa-code") && !record.contains("\"123456\""), "{record}");
}

/// Keys in the environment win over `AWS_PROFILE`, whatever that profile would do.
#[test]
fn keys_in_the_environment_win_over_a_role_of_its_profile() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let served = Served::new(&env, Some(&account), "");
    env.write(".aws/muster/admin.toml", CONFIG);
    env.write(
        ".aws/config",
        "[profile admin]\nrole_arn = arn:aws:iam::123456789012:role/admin\n\
         mfa_serial = arn:aws:iam::123456789012:mfa/me\nsource_profile = me\n",
    );
    let mut vars = served.env();
    vars.push(("AWS_PROFILE", "admin"));
    env.muster_with(&["sort-users", "--no-input"], &vars, "").exits(0).says("wins over AWS_PROFILE=admin");
    // An endpoint on this machine is not asked for through a proxy.
    vars.extend([("HTTP_PROXY", "http://127.0.0.1:1"), ("http_proxy", "http://127.0.0.1:1")]);
    env.muster_with(&["sort-users", "--no-input"], &vars, "").exits(0);
}

/// Returns the text of every file below a folder.
fn walk(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text += &if path.is_dir() { walk(&path) } else { std::fs::read_to_string(&path).unwrap() };
    }
    text
}

/// Logs at the highest level of everything hold no secret of the credentials.
#[test]
fn the_log_holds_no_secret() {
    let (env, account) = account_of(CONFIG, &GROUPS, &[("Headless-x", &[])]);
    let served = Served::new(&env, Some(&account), "");
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let mut vars = served.env();
    vars.extend([("MUSTER_LOG", "trace"), ("RUST_LOG", "trace"), ("LOG_SENSITIVE_BODIES", "true")]);
    let ran =
        env.muster_with(&["sort-users", "--no-input", "--debug", "--color", "always"], &vars, "").exits(0);
    let ran = ran.says("AddUserToGroup");
    assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret));
    assert!(!ran.stderr.contains("Action=AddUserToGroup"), "no bodies of requests: {}", ran.stderr);
}
