//! The page of the guide for somebody new, run as it is printed.

use testkit::{TestEnv, venv, wait_for};

use super::person::code_of;
use super::screen::Screen;
use super::{ARTICLE, commands_of, env};

const PAGE: &str = include_str!("../../../../docs/src/first-day.md");

/// What the shell says when it waits for a command.
const PROMPT: &str = "next>";

/// A shell on a terminal, with muster and the AWS CLI where they are found.
fn shell(env: &TestEnv) -> Screen {
    let muster = env.binary().parent().unwrap().display().to_string();
    let aws = venv("aws").parent().unwrap().canonicalize().unwrap().display().to_string();
    let path = format!("{muster}:{aws}:/usr/bin:/bin");
    let variables =
        [("PATH", path.as_str()), ("PS1", PROMPT), ("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_PAGER", "")];
    Screen::program(env, std::path::Path::new("/bin/sh"), &["-i"], 160, &variables)
}

#[test]
fn a_new_persons_first_day_works_as_the_guide_prints_it() {
    let env = env();
    env.write("examples/article.json", ARTICLE);
    let commands = commands_of(PAGE);
    assert!(commands.len() >= 15, "{commands:?}");
    let mut screen = shell(&env);
    let prompts = |screen: &Screen| screen.raw().matches(PROMPT).count();
    wait_for("the shell", || prompts(&screen) == 1);
    let mut seed = String::new();
    for (number, command) in commands.iter().enumerate() {
        let begun = screen.raw().len();
        screen.types(&format!("{command}\n"));
        if command.starts_with("muster enable-mfa") {
            screen.shows("First code:");
            screen.types("s\n");
            screen.shows("The secret: ");
            let text = screen.raw();
            let (_, rest) = text.split_once("The secret: ").unwrap();
            seed = rest.split_whitespace().next().unwrap().to_owned();
            screen.types(&format!("{}\n{}\n", code_of(&seed, -1), code_of(&seed, 0)));
        }
        if command.starts_with("muster init-sts-session") {
            screen.shows("MFA code of");
            screen.types(&format!("{}\n", code_of(&seed, 1)));
        }
        if command.ends_with("--finish") {
            screen.shows("for good (y/n)?");
            screen.types("y\n");
        }
        wait_for(&format!("the end of `{command}`:\n{}", screen.raw()), || prompts(&screen) == number + 2);
        if command.contains("sandbox serve") {
            wait_for("the service", || env.read("served.txt").contains("listening"));
        }
        let text = screen.raw()[begun..].to_owned();
        for bad in ["error:", "not found", "usage:", "Unable to"] {
            assert!(!text.contains(bad), "`{command}`:\n{text}");
        }
        let asks_aws = command.starts_with("aws sts");
        assert!(!asks_aws || text.contains("user/nnewman"), "`{command}`:\n{text}");
    }
    screen.types("echo 'status '$?; kill %1; exit\n");
    let (_, raw) = screen.ends();
    assert!(raw.contains("status 0"), "{raw}");
    let file = env.read("credentials");
    let (long_lived, session) = (file.find("[work-nomfa]").unwrap(), file.find("[work]").unwrap());
    assert!(
        file[long_lived..].contains("aws_access_key_id = AKIA") && file[session..].contains("= ASIA"),
        "{file}"
    );
    assert!(!env.path(".aws/credentials").exists(), "the person's own files were left alone");
    assert_eq!(
        env.read("config"),
        "[profile work]\nregion = us-east-1\n\n[profile work-nomfa]\nregion = us-east-1\n"
    );
}

/// The same on an account in process, where everything is one program: a second device, a session for it, a rotation.
#[test]
fn a_persons_commands_work_on_an_account_in_process() {
    use super::person::{KEY, SELF, account, code, credentials};

    let env = env();
    env.write("account.json", account(SELF).to_string());
    env.write(".aws/credentials", credentials());
    let file = env.text_path("account.json");
    let run = |args: &[&str]| env.muster(&[args, &["--sandbox", &file, "--profile", "me"]].concat());
    run(&["enable-mfa", "--mfa", "auto", "--allow-plaintext", "--yes", "--mfa-code", &code(0)])
        .exits(0)
        .prints("alice-2");
    run(&["init-sts-session"]).exits(1).says("mfa/alice-2 is needed");
    run(&["rotate-my-key"]).exits(0).prints("rotated");
    run(&["rotate-my-key", "--finish", "--yes"]).exits(0).prints("finished");
    assert!(!env.read(".aws/credentials").contains(KEY));
    let account: serde_json::Value = serde_json::from_str(&env.read("account.json")).unwrap();
    assert_eq!(account["users"][0]["access_keys"].as_array().unwrap().len(), 1);
    let key = account["users"][0]["access_keys"][0]["id"].as_str().unwrap();
    assert!(env.read(".aws/credentials").contains(key), "the key that is left is the one in the file");
}
