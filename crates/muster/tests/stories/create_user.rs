//! `create-user`: the article's dialogue, MFA by a person, what is checked before anything is created, and what the
//! credentials are good for.

use serde_json::Value;
use testkit::{Moto, Served, TestEnv, wait_for};

use super::crashes::{password_hash, unzip};
use super::screen::Screen;
use super::{ARTICLE, article_with_groups, env};

const USER: &str = "MisconfiguredUser-BlogPostExample";

/// Returns a user of the embedded account.
pub(crate) fn user_of(env: &TestEnv, name: &str) -> Option<Value> {
    let account: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    account["users"].as_array().unwrap().iter().find(|user| user["name"] == name).cloned()
}

fn devices(env: &TestEnv) -> Vec<Value> {
    let account: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    account["devices"].as_array().cloned().unwrap_or_default()
}

/// The first config block of the article, in which nobody has answered the second question yet.
fn asking() -> String {
    ARTICLE.replace("},\n\"force_common_group\": true", "}")
}

/// Returns the code of a seed at a time step, computed by the tests themselves.
fn code(seed: &str, step: u64) -> String {
    let codes = muster_credentials::Codes::new(&secrecy::SecretString::from(seed)).unwrap();
    codes.at_step(step)
}

fn step_now() -> u64 {
    std::process::Command::new("date")
        .arg("+%s")
        .output()
        .unwrap()
        .stdout
        .trim_ascii()
        .iter()
        .fold(0, |n, digit| n * 10 + u64::from(digit - b'0'))
        / 30
}

/// Reads a QR code with zbar.
fn zbar(png: &std::path::Path) -> String {
    let output = std::process::Command::new("zbarimg")
        .args(["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"])
        .arg(png)
        .output()
        .expect("zbar-tools is installed");
    assert!(output.status.success(), "zbar reads {}", png.display());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Pixels of one module of a photographed QR code.
const PIXELS: usize = 6;

/// Draws what half blocks on a terminal show as a picture: light and dark as a camera would see them.
fn photograph(env: &TestEnv, raw: &str) -> std::path::PathBuf {
    let lines: Vec<&str> = raw.lines().filter(|line| line.contains("\x1b[30;107m")).collect();
    assert!(lines.len() > 10, "a QR code is on the screen");
    let rows: Vec<Vec<char>> = lines
        .iter()
        .map(|line| {
            let (_, rest) = line.split_once("\x1b[30;107m").unwrap();
            rest.split('\x1b').next().unwrap().chars().collect()
        })
        .collect();
    let (width, height) = (rows[0].len() * PIXELS, rows.len() * 2 * PIXELS);
    let mut pixels = vec![255_u8; width * height];
    for (y, row) in rows.iter().enumerate() {
        for (x, c) in row.iter().enumerate() {
            for half in 0..2 {
                // Black ink on bright white.
                let dark = *c == '█' || (*c == '▀' && half == 0) || (*c == '▄' && half == 1);
                for py in 0..PIXELS {
                    for px in 0..PIXELS {
                        let at = ((y * 2 + half) * PIXELS + py) * width + x * PIXELS + px;
                        pixels[at] = if dark { 0 } else { 255 };
                    }
                }
            }
        }
    }
    let mut file = format!("P5\n{width} {height}\n255\n").into_bytes();
    file.extend(pixels);
    env.write("photo.pgm", file);
    env.path("photo.pgm")
}

#[test]
fn the_articles_dialogue_on_a_terminal() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", asking());
    let link = env.path("aws_iam_create_user.py");
    std::os::unix::fs::symlink(env.binary(), &link).unwrap();
    let mut screen = Screen::program(&env, &link, &["--sandbox", &account, "--users", USER], 130, &[]);
    screen.shows(&format!("Creating user {USER}... Save unencrypted value (y/n)?"));
    screen.types("y\n");
    screen.shows(&format!(
        "User '{USER}' does not belong to the mandatory common group 'AllUsers'. Do you want to remediate this now (y/n)?"
    ));
    screen.types("y\n");
    screen.shows(&format!(
        "User '{USER}' does not belong to any of the category group (AllHumanUsers, AllHeadlessUsers, \
         AllMisconfiguredUsers). Automatically adding..."
    ));
    screen.shows(&format!("Enabling MFA for user {USER}..."));
    screen.shows("First code:");
    let text = zbar(&photograph(&env, &screen.raw()));
    assert!(text.starts_with(&format!("otpauth://totp/{USER}@123456789012?secret=")), "{text}");
    let (_, seed) = text.split_once("secret=").unwrap();
    let step = step_now();
    // A wrong pair first, then the same code twice, then the right ones.
    screen.types("000000\n");
    screen.shows("Second code: (the next one in");
    screen.types("111111\n");
    screen.shows("AWS does not accept these two codes");
    screen.types(&format!("{}\n", code(seed, step - 1)));
    screen.types(&format!("{}\n", code(seed, step - 1)));
    screen.shows("That is the first code again");
    screen.types(&format!("{}\n", code(seed, step)));
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    assert!(raw.contains("NOT encrypted: users/MisconfiguredUser-BlogPostExample.zip"), "{raw}");
    assert!(!raw.contains(&format!("{seed}\r\n")), "the secret is shown only to who asks for it");
    let user = user_of(&env, USER).unwrap();
    assert_eq!(user["groups"], serde_json::json!(["allmisconfiguredusers", "allusers"]));
    assert!(user["access_keys"].is_null(), "an access key is made only when asked for");
    assert_eq!(devices(&env)[0]["user"], USER.to_lowercase());
    let bundle = unzip(&env, &format!("users/{USER}.zip"));
    let names: Vec<&String> = bundle.keys().collect();
    assert_eq!(names, ["README.txt", "password.txt", "qrcode.png", "sign-in-url.txt"]);
    env.write("qrcode.png", &bundle["qrcode.png"]);
    assert!(
        zbar(&env.path("qrcode.png")).ends_with(&format!("secret={seed}")),
        "AWS's own QR code, the same seed"
    );
    let password = String::from_utf8(bundle["password.txt"].clone()).unwrap();
    assert_eq!(user["login"]["hash"], password_hash(&user, password.trim_end()));
    assert_eq!(user["login"]["reset_required"], true);
}

#[test]
fn who_gives_up_mfa_is_asked_whether_to_go_on() {
    for (answer, status) in [("y", 3), ("n", 1)] {
        let (env, account) = article_with_groups();
        let args = ["--sandbox", &account, "create-user", USER, "--allow-plaintext"];
        let mut screen = Screen::new(&env, &args, 130, &[]);
        screen.shows("First code:");
        screen.types("s\n");
        screen.shows("The secret: ");
        screen.types("12\n");
        screen.shows("A code has six digits.");
        screen.types("q\n");
        screen.shows(&format!("Go on without MFA for user '{USER}' (y/n)?"));
        screen.types(&format!("{answer}\n"));
        let (ended, raw) = screen.ends();
        assert_eq!(ended, status, "{raw}");
        assert_eq!(devices(&env), [] as [Value; 0], "no device is left");
        assert_eq!(user_of(&env, USER).is_some(), answer == "y");
        assert_eq!(env.path(&format!("users/{USER}.zip")).exists(), answer == "y");
    }
}

#[test]
fn ctrl_c_at_any_question_leaves_nothing_behind() {
    let prompts = [
        "Save unencrypted value (y/n)?",
        "mandatory common group 'AllUsers'",
        "does not belong to any of the category group",
        "First code:",
        "Second code:",
        "Go on without MFA",
    ];
    let answers = ["y\n", "y\n", "n\n", "123456\n", "q\n"];
    for stop_at in 0..prompts.len() {
        // A name that no pattern matches asks for the category; the others are sorted by theirs.
        let name = if stop_at == 2 { "jdoe2" } else { "Headless-x" };
        let (env, account) = article_with_groups();
        env.write(".aws/recipes/default.json", asking());
        let mut screen = Screen::new(&env, &["--sandbox", &account, "create-user", name], 130, &[]);
        for (at, prompt) in prompts.iter().enumerate().take(stop_at + 1) {
            if at == 2 && name != "jdoe2" {
                continue;
            }
            screen.shows(prompt);
            if at == stop_at {
                screen.types("\x03");
            } else {
                screen.types(answers[at]);
            }
        }
        let (status, raw) = screen.ends();
        assert_eq!(status, 130, "at `{}`: {raw}", prompts[stop_at]);
        assert!(user_of(&env, name).is_none(), "at `{}`", prompts[stop_at]);
        assert_eq!(devices(&env), [] as [Value; 0], "at `{}`", prompts[stop_at]);
        assert!(!env.path(&format!("users/{name}.zip")).exists());
        env.muster(&["--sandbox", &account, "recover"]).exits(0).says("Nothing is left half done");
    }
}

/// What comes through a pipe can answer the article's questions, but not the one about plaintext.
#[test]
fn yes_through_a_pipe_never_saves_unencrypted() {
    let (env, account) = article_with_groups();
    let yes = "y\n".repeat(100);
    for args in [&["--yes"][..], &[]] {
        let mut all = vec!["--sandbox", &account, "create-user", USER];
        all.extend(args);
        env.muster_with(&all, &[], &yes).exits(3).says("there is nobody to seal the credentials");
    }
    assert!(user_of(&env, USER).is_none());
    assert!(!env.path("users").exists());
}

#[test]
fn the_command_line_of_the_article_on_moto() {
    let env = env();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    let moto = Moto::new(&env);
    env.muster_with(&["create-default-groups"], &moto.env(), "").exits(0);
    let args = ["create-user", "--users", USER, "--allow-plaintext", "--mfa", "auto", "--output", "json"];
    let report = env.muster_with(&args, &moto.env(), "").exits(0).json();
    assert_eq!(report["users"][0]["groups"], serde_json::json!(["AllMisconfiguredUsers", "AllUsers"]));
    let seen = testkit::python(&env, "memberships.py", &[], &moto.env());
    assert!(seen.stdout.contains(USER), "{}{}", seen.stdout, seen.stderr);
    assert!(
        env.path(&format!("users/{USER}.zip")).exists()
            && env.path(&format!("users/{USER}.mfa.zip")).exists()
    );
}

/// The tool of that name made an access key, too.
#[test]
fn through_the_later_link_an_access_key_is_made() {
    let (env, account) = article_with_groups();
    env.muster(&["install-links", &env.text_path("bin")]).exits(0);
    for (extra, name, has_key) in
        [(&[][..], "Headless-a", true), (&["--no-access-key"][..], "Headless-b", false)]
    {
        let mut command = env.command(env.path("bin/awsrecipes_create_iam_user.py"));
        command.args(["--sandbox", &account, "--users", name, "--no-mfa", "--allow-plaintext"]).args(extra);
        assert!(command.output().unwrap().status.success());
        assert_eq!(!user_of(&env, name).unwrap()["access_keys"].is_null(), has_key, "{name}");
    }
}

#[test]
fn a_category_says_what_its_users_are_given() {
    let (env, account) = article_with_groups();
    let config = "common_groups = [\"AllUsers\"]\nforce_common_group = true\n\
        [[category]]\ngroup = \"AllHumanUsers\"\ncredentials = { password = true, mfa = false, access_key = false }\n\
        [[category]]\ngroup = \"AllHeadlessUsers\"\npattern = \"^Headless-\"\n\
        credentials = { password = false, mfa = false, access_key = true }\n";
    env.write(".aws/muster/default.toml", config);
    let create = |args: &[&str]| {
        let mut all = vec!["--sandbox", &account, "--no-input", "create-user", "--allow-plaintext"];
        all.extend(args);
        env.muster(&all)
    };
    create(&["Headless-a"]).exits(0);
    let bundle = unzip(&env, "users/Headless-a.zip");
    assert!(
        !bundle.contains_key("password.txt") && bundle.contains_key("credentials"),
        "{:?}",
        bundle.keys()
    );
    create(&["anna", "--category", "AllHumanUsers"]).exits(0);
    assert!(unzip(&env, "users/anna.zip").contains_key("password.txt"));
    create(&["Headless-b", "--no-access-key"]).exits(0);
    assert!(!env.path("users/Headless-b.zip").exists(), "nothing is handed over, so there is no bundle");
    create(&["otto"]).exits(3).says("no pattern matches `otto`: say with --category");
    create(&["otto", "--group-name", "AllHumanUsers", "AllHeadlessUsers"])
        .exits(1)
        .says("belongs to only one");
    assert!(user_of(&env, "otto").is_none());
    let profile = String::from_utf8(bundle["credentials"].clone()).unwrap();
    assert!(profile.starts_with("[123456789012]\naws_access_key_id = AKIA"), "{profile}");
}

/// Each of these is known before anything is created: nothing is, for no user of the run.
#[test]
fn what_cannot_work_is_said_before_anything_is_created() {
    let (env, account) = article_with_groups();
    env.write("users/Headless-old.zip", "the only copy of somebody's secrets");
    std::fs::set_permissions(env.path("users"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    env.write("file", "");
    env.write("wide/x", "");
    std::fs::set_permissions(env.path("wide"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink(env.path("users"), env.path("link")).unwrap();
    let served = Served::new(&env, Some(&account), "");
    let long = "Headless-".to_owned() + &"x".repeat(60);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["Headless-new", "bad name"], 2, "`bad name` is no name of a user"),
        (&["Headless-new", "../x"], 2, "`../x` is no name of a user"),
        (&["Headless-new", &long], 2, "it has 69 characters, and IAM allows 64"),
        (&[], 2, "no user is named"),
        (&["Headless-new", "asmith", "--category", "AllHumanUsers"], 1, "the user `asmith` exists already"),
        (&["Headless-new", "ASMITH", "--category", "AllHumanUsers"], 1, "exists already"),
        (&["Headless-new", "Headless-old"], 1, "users/Headless-old.zip` exists, and may be the only copy"),
        (&["Headless-new", "headless-OLD"], 1, "users/Headless-old.zip` exists, and may be the only copy"),
        (&["Headless-new", "--group-name", "AllUser"], 1, "no group `AllUser`; did you mean `AllUsers`?"),
        (&["Headless-new", "--category", "AllUsers"], 1, "is no category group"),
        (
            &["Headless-new", "--recipient", "nobody@example.com"],
            1,
            "no key in the keyring is of `nobody@example.com`",
        ),
        (&["Headless-new", "--recipient", "age1nonsense"], 1, "is no recipient"),
        (&["Headless-new", "--out-dir", "file"], 2, "it is no folder"),
        (&["Headless-new", "--out-dir", "link"], 2, "it is a link"),
        (&["Headless-new", "--out-dir", "wide"], 2, "others may write in it"),
        (&["Headless-new", "--tag", "novalue"], 2, "KEY=VALUE"),
        (&["Headless-new", "--mfa", "prompt", "--no-input"], 3, "somebody has to type the MFA codes"),
        (
            &["Headless-new", "--common-groups", "Nowhere"],
            1,
            "this group does not exist in the account: `Nowhere`",
        ),
    ];
    for (args, status, says) in cases {
        let mut all = vec!["create-user"];
        all.extend(*args);
        if !args.contains(&"--recipient") {
            all.push("--allow-plaintext");
        }
        if !args.contains(&"--mfa") {
            all.extend(["--mfa", "auto"]);
        }
        let mut variables = served.env();
        variables.push(("AWS_PROFILE", ""));
        env.write(
            ".aws/recipes/default.json",
            ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""),
        );
        env.muster_with(&all, &variables, "").exits(*status).says(says);
    }
    assert_eq!(served.mutations(), [] as [String; 0], "nothing was created");
    assert_eq!(env.read("users/Headless-old.zip"), "the only copy of somebody's secrets");
}

/// With faults that only the account knows of: quota full, a policy that strands the user, a group that is full.
#[test]
fn a_user_that_could_never_sign_in_is_not_created() {
    let (env, account) = article_with_groups();
    let policy = serde_json::json!({ "length_min": 14, "symbols": true, "numbers": true, "uppercase": true, "lowercase": true,
        "users_may_change": false, "age_days_max": null, "reuse_prevention": null, "hard_expiry": false });
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    state["password_policy"] = policy;
    env.write("account.json", state.to_string());
    let args = ["--sandbox", &account, "create-user", "Headless-x", "--no-mfa", "--allow-plaintext"];
    env.muster(&args).exits(1).says("must change its password at first sign-in");
    assert!(user_of(&env, "Headless-x").is_none());
    state["password_policy"]["users_may_change"] = true.into();
    state["quotas"]["users"] = state["users"].as_array().unwrap().len().into();
    env.write("account.json", state.to_string());
    env.muster(&args).exits(1).says("and may have");
    state["quotas"]["users"] = 5000.into();
    env.write("account.json", state.to_string());
    env.muster(&args).exits(0);
}

#[test]
fn a_csv_is_read_whole_before_anybody_is_created() {
    let (env, account) = article_with_groups();
    let run = |text: &str| {
        env.write("new.csv", text);
        let args =
            ["--sandbox", &account, "create-user", "--from", "new.csv", "--no-mfa", "--allow-plaintext"];
        env.muster(&args)
    };
    run("name,category,groups,recipient,tags\nHeadless-1,,,,team=red\nbad name,,,,\nHeadless-1,,,,\nHeadless-2,,,,novalue\n")
        .exits(2)
        .says("line 3: `bad name` is no name of a user")
        .says("line 4: the user `Headless-1` is there twice")
        .says("line 5: the tag `novalue` is not written KEY=VALUE");
    run("user\nx\n").exits(2).says("`name` must be there");
    run("name,colour\nHeadless-1,red\n").exits(2).says("there is no column `colour`");
    assert!(user_of(&env, "Headless-1").is_none());
    run("\u{feff}Name,Category,Groups,Tags\nHeadless-1,,,team=red;n=1\nanna,AllHumanUsers,,\n").exits(0);
    let user = user_of(&env, "Headless-1").unwrap();
    assert_eq!(user["tags"][0], serde_json::json!({ "key": "team", "value": "red" }));
    assert_eq!(env.groups_of("anna"), ["allhumanusers", "allusers"]);
}

#[test]
fn a_dry_run_prints_the_exact_steps_and_makes_no_call_that_changes() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    let served = Served::new(&env, Some(&account), "");
    let args = ["create-user", "Headless-x", "--mfa", "auto", "--access-key", "--allow-plaintext"];
    let dry: Vec<&str> = args.iter().copied().chain(["--dry-run", "--output", "json"]).collect();
    let planned = env.muster_with(&dry, &served.env(), "").exits(0).json();
    assert_eq!(served.mutations(), [] as [String; 0]);
    assert!(!env.path("users").exists());
    env.muster_with(&args, &served.env(), "").exits(0);
    let steps: Vec<String> = planned["users"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["call"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(served.mutations(), steps, "what was shown is what was done");
}

/// Whatever step fails, nothing of the user is left, and the other users of the run are created.
#[test]
fn whatever_fails_is_undone_and_the_others_go_on() {
    for action in [
        "AddUserToGroup",
        "CreateLoginProfile",
        "CreateVirtualMFADevice",
        "EnableMFADevice",
        "CreateAccessKey",
    ] {
        let (env, account) = article_with_groups();
        env.write(
            ".aws/recipes/default.json",
            ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""),
        );
        let served = Served::new(&env, Some(&account), &format!("deny={action}@1"));
        let args =
            ["create-user", "Headless-a", "Headless-b", "--mfa", "auto", "--access-key", "--allow-plaintext"];
        env.muster_with(&args, &served.env(), "")
            .exits(4)
            .prints("Headless-a: not created")
            .prints("undone: DeleteUser");
        served.stop();
        assert!(user_of(&env, "Headless-a").is_none(), "{action}");
        assert!(user_of(&env, "Headless-b").is_some(), "{action}");
        assert_eq!(devices(&env).len(), 1, "{action}");
        assert!(
            !env.path("users/Headless-a.zip").exists() && !env.path("users/Headless-a.mfa.zip").exists(),
            "{action}"
        );
        env.muster(&["--sandbox", &account, "recover"]).exits(0).says("Nothing is left half done");
    }
}

/// An answer that is lost on the way is not a user, a device or a key that is lost.
#[test]
fn a_lost_answer_loses_nothing() {
    for action in
        ["CreateUser", "CreateLoginProfile", "CreateVirtualMFADevice", "EnableMFADevice", "CreateAccessKey"]
    {
        let (env, account) = article_with_groups();
        env.write(
            ".aws/recipes/default.json",
            ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""),
        );
        let served = Served::new(&env, Some(&account), &format!("lose={action}@1,delay=2s,clock=100x"));
        let args = ["create-user", "Headless-a", "--mfa", "auto", "--access-key", "--allow-plaintext"];
        env.muster_with(&args, &served.env(), "").exits(0);
        served.stop();
        let user = user_of(&env, "Headless-a").unwrap();
        let keys = user["access_keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1, "{action}: no key is alive that nobody holds");
        let bundle = unzip(&env, "users/Headless-a.zip");
        let text = |name: &str| String::from_utf8(bundle[name].clone()).unwrap();
        assert!(text("credentials").contains(keys[0]["secret"].as_str().unwrap()), "{action}");
        assert_eq!(user["login"]["hash"], password_hash(&user, text("password.txt").trim_end()), "{action}");
        let seed = String::from_utf8(unzip(&env, "users/Headless-a.mfa.zip")["seed.txt"].clone()).unwrap();
        assert_eq!(devices(&env).len(), 1, "{action}");
        assert_eq!(devices(&env)[0]["seed"], seed.trim_end(), "{action}");
    }
}

/// An aborted try leaves an MFA device whose name is taken: it is offered for removal.
#[test]
fn a_device_that_somebodys_try_left_is_offered_for_removal() {
    let (env, account) = article_with_groups();
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    state["devices"] =
        serde_json::json!([{ "serial": "arn:aws:iam::123456789012:mfa/Headless-x", "seed": "AAAA" }]);
    env.write("account.json", state.to_string());
    let args = ["--sandbox", &account, "create-user", "Headless-x", "--mfa", "auto", "--allow-plaintext"];
    env.muster_with(&args, &[], "n\n")
        .exits(3)
        .says("An MFA device called 'Headless-x' that nobody uses is left");
    assert!(user_of(&env, "Headless-x").is_none());
    env.muster_with(&args, &[], "y\n").exits(0);
    assert_eq!(devices(&env).len(), 1);
    assert_eq!(devices(&env)[0]["user"], "headless-x");
}

/// What is in the bundle works: the key signs, the password can be changed, checked by the account's own signatures.
#[test]
fn the_credentials_in_the_bundle_work() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    state["password_policy"] = serde_json::json!({ "length_min": 20, "symbols": true, "numbers": true, "uppercase": true,
        "lowercase": true, "users_may_change": true, "age_days_max": 90, "reuse_prevention": 5, "hard_expiry": false });
    env.write("account.json", state.to_string());
    let served = Served::with_signatures(&env, Some(&account));
    let args = ["create-user", "Headless-a", "--no-mfa", "--access-key", "--allow-plaintext"];
    env.muster_with(&args, &served.env(), "").exits(0);
    let bundle = unzip(&env, "users/Headless-a.zip");
    let text = |name: &str| String::from_utf8(bundle[name].clone()).unwrap();
    env.write(".aws/credentials", text("credentials"));
    let url = served.url.clone();
    let aws = |args: &[&str]| {
        let mut all = vec![
            "--profile",
            "123456789012",
            "--endpoint-url",
            &url,
            "--region",
            "us-east-1",
            "--output",
            "json",
        ];
        all.extend(args);
        testkit::aws(&env, &all)
    };
    aws(&["sts", "get-caller-identity"]).exits(0).prints("user/Headless-a");
    let password = text("password.txt");
    let change = |old: &str| {
        aws(&["iam", "change-password", "--old-password", old, "--new-password", "Another-1-long-EXAMPLE!"])
    };
    assert_ne!(change("wrong").status, 0);
    change(password.trim_end()).exits(0);
    // A wrong secret is refused, and so is an inactive key.
    let wrong = text("credentials").replace("aws_secret_access_key = ", "aws_secret_access_key = x");
    env.write(".aws/credentials", wrong);
    assert!(aws(&["sts", "get-caller-identity"]).stderr.contains("SignatureDoesNotMatch"));
    env.write(".aws/credentials", text("credentials"));
    env.muster_with(&["disable-user", "Headless-a"], &served.env(), "").exits(0);
    assert!(aws(&["sts", "get-caller-identity"]).stderr.contains("InvalidClientTokenId"));
    wait_for("the state", || served.count("GetCallerIdentity") >= 3);
}

#[test]
fn a_bundle_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (env, account) = article_with_groups();
    env.muster(&["--sandbox", &account, "create-user", "Headless-a", "--no-mfa", "--allow-plaintext"])
        .exits(0);
    let mode = |path: &str| std::fs::metadata(env.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("users/Headless-a.zip"), 0o600);
    assert_eq!(mode("users"), 0o700);
}

#[test]
fn a_folder_under_git_is_offered_for_gitignore() {
    let (env, account) = article_with_groups();
    std::fs::create_dir(env.path(".git")).unwrap();
    let args = ["--sandbox", &account, "create-user", "Headless-a", "--no-mfa", "--allow-plaintext"];
    env.muster(&[&args[..], &["--yes"]].concat()).exits(0).says("is in the git work tree");
    assert_eq!(env.read(".gitignore"), "/users/\n");
    let second = env
        .muster(&["--sandbox", &account, "create-user", "Headless-b", "--no-mfa", "--allow-plaintext"])
        .exits(0);
    assert!(!second.stderr.contains("git work tree"));
}

/// `--keep-partial` keeps what is there, and says so.
#[test]
fn what_failed_half_way_is_kept_when_asked() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    let served = Served::new(&env, Some(&account), "deny=CreateAccessKey");
    let args = [
        "create-user",
        "Headless-a",
        "--no-mfa",
        "--no-password",
        "--access-key",
        "--allow-plaintext",
        "--keep-partial",
    ];
    env.muster_with(&args, &served.env(), "")
        .exits(4)
        .prints("the user is kept as it is, as --keep-partial says; it has no credentials");
    served.stop();
    assert!(user_of(&env, "Headless-a").is_some());
}

/// Where the category is asked for, and decides that there is something to save, plaintext is asked about after that:
/// an answer from a pipe can choose the category, and cannot allow plaintext.
#[test]
fn a_category_that_was_chosen_does_not_go_round_the_question_about_plaintext() {
    let (env, account) = article_with_groups();
    let config = "common_groups = [\"AllUsers\"]\nforce_common_group = true\n\
        [[category]]\ngroup = \"AllHumanUsers\"\n[[category]]\ngroup = \"AllHeadlessUsers\"\n\
        credentials = { password = false, mfa = false, access_key = true }\n";
    env.write(".aws/muster/default.toml", config);
    let args = ["--sandbox", &account, "create-user", "svc1", "--no-password", "--no-mfa"];
    env.muster_with(&args, &[], "y\n2\n").exits(3).says("there is nobody to seal the credentials of `svc1`");
    assert!(user_of(&env, "svc1").is_none() && !env.path("users").exists());
}

/// `--yes` does not take the second factor away from somebody.
#[test]
fn nobody_loses_mfa_to_a_yes() {
    let (env, account) = article_with_groups();
    let args = ["--sandbox", &account, "create-user", "Headless-a", "--allow-plaintext", "--yes"];
    env.muster(&args).exits(1).prints("MFA was not set up");
    assert!(user_of(&env, "Headless-a").is_none());
}

/// A failure while a failure is undone is told, and keeps nobody else from being created.
#[test]
fn a_failure_in_undoing_is_told_and_left_to_recover() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    let served = Served::new(&env, Some(&account), "deny=CreateAccessKey@1,deny=DeleteLoginProfile@1");
    let args = ["create-user", "Headless-a", "Headless-b", "--no-mfa", "--access-key", "--allow-plaintext"];
    let ran =
        env.muster_with(&args, &served.env(), "").exits(4).prints("left:").prints("Headless-b: created");
    assert!(!ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    env.muster_with(&["recover", "--yes", "--settle", "0s"], &served.env(), "")
        .exits(0)
        .prints("Headless-a: removed");
    served.stop();
    assert!(user_of(&env, "Headless-a").is_none() && user_of(&env, "Headless-b").is_some());
}

/// The id says whose a half-made user is, even when somebody has taken its tag away.
#[test]
fn a_half_made_user_without_its_tag_is_not_forgotten() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    let served = Served::new(&env, Some(&account), "");
    let mut variables = served.env();
    variables.push(("MUSTER_CUT", "kill:60"));
    let args =
        ["--rate", "10000", "create-user", "Headless-a", "--no-mfa", "--access-key", "--allow-plaintext"];
    assert_eq!(env.muster_with(&args, &variables, "").status, 128 + 9);
    let untag = [
        "iam",
        "untag-user",
        "--user-name",
        "Headless-a",
        "--tag-keys",
        "muster:run",
        "--endpoint-url",
        &served.url,
    ];
    let mut command = env.command(testkit::venv("aws"));
    command.args(untag).envs(served.env());
    assert!(command.status().unwrap().success());
    env.muster_with(&["recover", "--yes", "--settle", "0s"], &served.env(), "")
        .exits(1)
        .prints("the half-made user `Headless-a` is left alone: it does not bear the tag of the run");
    env.muster_with(&["recover", "--dry-run"], &served.env(), "").exits(3).says("half made");
}

/// The wait for the next code passes as time does, also on an embedded account, whose clock stands still.
#[test]
fn the_countdown_neither_hurries_nor_moves_the_accounts_clock() {
    let (env, account) = article_with_groups();
    let mut screen = Screen::new(
        &env,
        &["--sandbox", &account, "create-user", "Headless-a", "--allow-plaintext"],
        130,
        &[],
    );
    screen.shows("First code:");
    screen.types("123456\n");
    screen.shows("Second code: (the next one in");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let drawn = screen.raw().matches("Second code:").count();
    assert!((2..=5).contains(&drawn), "{drawn} times in two seconds");
    screen.types("q\n");
    screen.shows("Go on without MFA");
    screen.types("n\n");
    assert_eq!(screen.ends().0, 1);
    let state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    let now = i64::try_from(step_now() * 30).unwrap() * 1000;
    assert!((state["clock_ms"].as_i64().unwrap() - now).abs() < 120_000, "{}", state["clock_ms"]);
}
