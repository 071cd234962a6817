//! Sessions: made with a code, kept, handed to AWS clients, and over after their time.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;
use testkit::{aws_with, wait_for};

use super::person::{ALICE, KEY, MFA_ONLY, Person, SECRET, SELF, SERIAL, account, code, credentials};
use super::screen::Screen;

fn init(person: &Person, more: &[&str]) -> testkit::Ran {
    let args: Vec<&str> =
        ["init-sts-session", "--profile", "me"].into_iter().chain(more.iter().copied()).collect();
    person.muster(&args)
}

/// The cached sessions, as files.
fn kept(person: &Person) -> Vec<std::path::PathBuf> {
    let folder = person.env.path(".local/state/muster/sessions");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

#[test]
fn a_session_goes_into_the_profile_and_aws_clients_use_it() {
    let person = Person::alice(MFA_ONLY);
    person.aws(&["iam", "list-access-keys", "--profile", "me-nomfa"]).exits(255).says("AccessDenied");
    let used = code(0);
    init(&person, &["--mfa-code", &used, "--duration", "1h"]).exits(0).prints(" min left)");
    person.works("me", ALICE);
    person.aws(&["iam", "list-access-keys", "--profile", "me"]).exits(0).prints(KEY);
    let file = person.file();
    assert!(file.starts_with(&credentials()), "what was there is as it was:\n{file}");
    for key in ["aws_access_key_id = ASIA", "aws_session_token = ", "expiration = 20"] {
        assert!(file[credentials().len()..].contains(key), "{file}");
    }
    // One that is still good is not asked for again.
    init(&person, &["--duration", "1h"]).exits(0);
    init(&person, &[]).exits(0);
    assert_eq!(person.served.count("GetSessionToken"), 1);
    init(&person, &["--status"]).exits(0).prints("good until");
    assert_eq!(init(&person, &["--status", "--output", "json"]).exits(0).json()["session"]["is_valid"], true);
    // It is made anew when that is wanted, and with a code that was not used before.
    init(&person, &["--force", "--mfa-code", &used]).exits(1).says("a code is good once");
    init(&person, &["--force", "--mfa-code", &code(1)]).exits(0);
    init(&person, &["--clear"]).exits(0).prints("3 sessions");
    init(&person, &["--status"]).exits(3).prints("no session");
    assert_eq!(kept(&person), [] as [std::path::PathBuf; 0]);
    assert_eq!(
        person.file().trim_end(),
        format!("{}\n[me]", credentials()),
        "its header may have been somebody's"
    );
}

#[test]
fn the_code_comes_from_a_command_a_pipe_or_the_person() {
    let person = Person::alice(SELF);
    init(&person, &["--mfa-command", &format!("echo {}", code(-1))]).exits(0);
    init(&person, &["--force", "--mfa-command", "echo none"])
        .exits(1)
        .says("did not print a code of six digits");
    init(&person, &["--force", "--mfa-command", "exit 3"]).exits(1).says("failed: exit status: 3");
    let args = ["init-sts-session", "--profile", "me", "--force"];
    let typed = format!("12345\n000000\n000000\n{}\n", code(0));
    let ran = person.muster_typing(&args, &typed).exits(0);
    let ran =
        ran.says("A code has six digits").says("invalid MFA one time pass code").says("That code was used");
    assert!(!ran.stderr.contains("AKIA"), "{}", ran.stderr);
    let mut screen = Screen::new(&person.env, &args, 140, &person.variables());
    screen.shows(&format!("MFA code of {SERIAL}:"));
    screen.types(&format!("{}\n", code(1)));
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    person.muster(&args).exits(1).says("nobody answers").says("--mfa-command");
    // Three wrong ones are enough: AWS looks at nine in three minutes.
    let ran = person.muster_typing(&args, "000001\n000002\n000003\n000004\n").exits(1);
    assert_eq!(ran.stderr.matches("invalid MFA one time pass code").count(), 3, "{}", ran.stderr);
    // A record of what was run holds no code.
    let journals = person.env.path(".local/state/muster");
    assert!(!journals.join("aws-123456789012").exists());
}

#[test]
fn what_is_printed_is_what_clients_read() {
    let person = Person::alice(SELF);
    let env = init(&person, &["--format", "env", "--mfa-code", &code(0)]).exits(0).stdout;
    assert_eq!(person.file(), credentials(), "the profile is left alone");
    let mut command = person.env.command("sh");
    command.args(["-c", &format!("{env}\nexec {} sts get-caller-identity", testkit::venv("aws").display())]);
    let output = command.envs(person.variables()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(ALICE), "{output:?}");
    let json = init(&person, &["--format", "json"]).exits(0).json();
    assert!(json["Credentials"]["AccessKeyId"].as_str().unwrap().starts_with("ASIA"), "{json}");
    let process = init(&person, &["--format", "credential-process"]).exits(0).json();
    assert_eq!(
        (&process["Version"], &process["SessionToken"]),
        (&1.into(), &json["Credentials"]["SessionToken"])
    );
    assert!(process["Expiration"].as_str().unwrap().ends_with('Z'), "{process}");
    assert_eq!(person.served.count("GetSessionToken"), 1);
}

fn process_profile(person: &Person, more: &str) {
    let muster = person.env.binary().display();
    person.env.write(
        ".aws/config",
        format!("[profile p]\nregion = us-east-1\ncredential_process = {muster} init-sts-session --profile me --format credential-process{more}\n"),
    );
}

/// Twenty clients at once, none of which has a terminal of its own: the person is asked once.
#[test]
fn twenty_clients_at_once_ask_once() {
    let person = Person::alice(SELF);
    process_profile(&person, "");
    let script = person.env.write(
        "twenty.sh",
        format!(
            "for i in $(seq 20); do {} sts get-caller-identity --profile p </dev/null >out.$i 2>err.$i & done; wait; echo all done\n",
            testkit::venv("aws").display()
        ),
    );
    let mut variables = person.variables();
    variables.push(("PATH", "/usr/bin:/bin"));
    let mut screen =
        Screen::program(&person.env, std::path::Path::new("/bin/sh"), &[&script], 140, &variables);
    screen.shows(&format!("MFA code of {SERIAL}:"));
    screen.types(&format!("{}\n", code(0)));
    wait_for("all of them", || screen.text().contains("all done"));
    let (_, raw) = screen.ends();
    assert_eq!(raw.matches("MFA code of").count(), 1, "{raw}");
    for number in 1..=20 {
        let out = person.env.read(&format!("out.{number}"));
        assert!(out.contains(ALICE), "{number}: {out}{}", person.env.read(&format!("err.{number}")));
    }
    assert_eq!(person.served.count("GetSessionToken"), 1);
    let [file] = kept(&person).try_into().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

/// Somebody who does not answer is not asked again by those who have been waiting.
#[test]
fn whoever_waits_learns_that_nobody_answered() {
    let person = Person::alice(SELF);
    let muster = person.env.binary().display();
    let one = format!("{muster} init-sts-session --profile me --format credential-process </dev/null");
    let script = person
        .env
        .write("two.sh", format!("for i in 1 2 3; do ({one} >out.$i 2>err.$i; echo ended $?) & sleep 0.5; done; wait; echo all done\n"));
    let mut screen =
        Screen::program(&person.env, std::path::Path::new("/bin/sh"), &[&script], 140, &person.variables());
    screen.shows("MFA code of");
    std::thread::sleep(std::time::Duration::from_secs(2));
    // The end of the terminal's input.
    screen.types("\u{4}");
    wait_for("all of them", || screen.text().contains("all done"));
    let (_, raw) = screen.ends();
    assert_eq!(raw.matches("MFA code of").count(), 1, "{raw}");
    let errors: String = (1..=3).map(|number| person.env.read(&format!("err.{number}"))).collect();
    assert_eq!(errors.matches("another program asked for the code, without success").count(), 2, "{errors}");
}

/// A client that reads its data from stdin keeps it.
#[test]
fn a_credential_process_leaves_stdin_alone() {
    let person = Person::alice(SELF);
    let args = ["init-sts-session", "--profile", "me", "--format", "credential-process"];
    let ran = person.muster_typing(&args, &format!("{}\n", code(0))).exits(1);
    ran.says("nobody answers");
    assert_eq!(person.served.count("GetSessionToken"), 0);
}

/// The real AWS CLI and boto3, through the end of a session: what has ended is not handed out.
#[test]
fn after_its_end_a_session_is_made_anew() {
    let person = Person::alice(SELF);
    process_profile(&person, " --mfa-command \"cat code\"");
    person.env.write("code", code(0));
    init(&person, &["--mfa-code", &code(-1)]).exits(0);
    person.muster(&["init-sts-session", "--profile", "me", "--clear"]).exits(0);
    init(&person, &["--mfa-command", "cat code", "--duration", "12h"]).exits(0);
    person.aws(&["sts", "get-caller-identity", "--profile", "p"]).exits(0).prints(ALICE);
    let session = person.key_in("me");
    let later = person.at("+13h");
    let cli = |args: &[&str]| aws_with(&later.env, Some("+13h"), args, &later.variables());
    cli(&["sts", "get-caller-identity", "--profile", "me"]).exits(255).says("ExpiredToken");
    let ran = later.env.muster_at(
        "+13h",
        &["sort-users", "--profile", "me", "--no-input", "--common-groups", "x"],
        &later.variables(),
        "",
    );
    ran.exits(1).says("the session has expired");
    later
        .env
        .muster_at("+13h", &["init-sts-session", "--profile", "me", "--status"], &later.variables(), "")
        .exits(3)
        .prints("ended");
    // Thirteen hours are 1,560 steps.
    later.env.write("code", code(1560));
    cli(&["sts", "get-caller-identity", "--profile", "p"]).exits(0).prints(ALICE);
    assert_eq!(kept(&later).len(), 1, "what has ended is forgotten");
    let ran = later
        .env
        .muster_at("+13h", &["init-sts-session", "--profile", "me"], &later.variables(), "")
        .exits(0);
    ran.prints("holds a session until");
    assert_ne!(later.key_in("me"), session);
    cli(&["sts", "get-caller-identity", "--profile", "me"]).exits(0);
}

/// A cache that is not its owner's alone, or is no cache, is not used, and is said.
#[test]
fn a_cache_that_cannot_be_trusted_is_not_used() {
    let person = Person::alice(SELF);
    init(&person, &["--mfa-code", &code(-2)]).exits(0);
    let [file] = kept(&person).try_into().unwrap();
    let good = std::fs::read(&file).unwrap();
    let again = |why: &str, code: &str| {
        let ran = init(&person, &["--mfa-code", code]).exits(0);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
        assert_eq!(std::fs::read(&file).unwrap().first(), Some(&b'{'));
        assert_eq!(file.symlink_metadata().unwrap().permissions().mode() & 0o777, 0o600);
    };
    std::fs::write(&file, &good[..40]).unwrap();
    again("is damaged and not used", &code(-1));
    let mut late: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    late["expiration_s"] = i64::MAX.into();
    std::fs::write(&file, late.to_string()).unwrap();
    init(&person, &["--status"]).exits(0);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    again("others can read or write it", &code(0));
    // A link is not followed, neither to be read nor to be written through.
    let elsewhere = person.env.write("elsewhere.json", &good);
    std::fs::remove_file(&file).unwrap();
    symlink(&elsewhere, &file).unwrap();
    again("is not used: it is a link", &code(1));
    assert_eq!(std::fs::read(person.env.path("elsewhere.json")).unwrap(), good);
    assert_eq!(person.served.count("GetSessionToken"), 4);
    let folder = person.env.path(".local/state/muster/sessions");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    init(&person, &["--mfa-code", &code(2)]).exits(0).says("sessions are not kept").says("chmod 700");
}

#[test]
fn a_clock_that_is_off_is_said() {
    let person = Person::alice(SELF);
    let args = ["init-sts-session", "--profile", "me", "--mfa-code", "000000"];
    let ran = person.env.muster_at("+2m", &args, &person.variables(), "").exits(1);
    ran.says("this machine's clock is 2 min ahead of AWS's");
    let ran = person.env.muster_at("-2m", &args, &person.variables(), "").exits(1);
    ran.says("this machine's clock is 2 min behind AWS's");
    let ran = person.muster(&args).exits(1);
    assert!(!ran.stderr.contains("this machine's clock"), "{}", ran.stderr);
    // An hour is too much for a signature.
    person.env.muster_at("+1h", &args, &person.variables(), "").exits(1);
}

#[test]
fn what_stands_in_the_way_of_a_session_is_said() {
    let person = Person::new(&account(SELF), "");
    init(&person, &[])
        .exits(2)
        .says("neither the profile `me-nomfa` nor `me` has a long-lived access key")
        .says("muster configure");
    // A serial number of another account spends no code.
    person.env.write(".aws/credentials", credentials().replace("123456789012", "210987654321"));
    init(&person, &["--mfa-code", &code(0)]).exits(2).says("is of the account 210987654321");
    assert_eq!(person.served.count("GetSessionToken"), 0);
    // Without one it is looked up.
    person.env.write(".aws/credentials", credentials().replace(&format!("mfa_serial = {SERIAL}\n"), ""));
    init(&person, &["--mfa-code", &code(0)]).exits(0);
    // A serial that is nobody's.
    let args = ["--force", "--mfa-serial", "arn:aws:iam::123456789012:mfa/nobody", "--mfa-code", &code(1)];
    init(&person, &args).exits(1).says("unable to validate MFA code");
    for duration in ["14m", "37h", "899", "x"] {
        init(&person, &["--duration", duration]).exits(2);
    }
    // What cannot become a session moves nothing.
    let plain = format!("[me]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    person.env.write(".aws/credentials", &plain);
    init(&person, &["--yes", "--mfa-code", "abc"]).exits(2).says("six digits");
    init(&person, &["--yes", "--force", "--mfa-code", "000000"]).exits(1);
    assert_eq!(person.file(), plain);
    // Long-lived keys in the way of a session move, when that is agreed to.
    init(&person, &["--no-input"]).exits(3).says("a session would overwrite the key");
    assert_eq!(person.file(), plain);
    let args = ["init-sts-session", "--profile", "me", "--force", "--mfa-code", &code(1)];
    person.muster_typing(&args, "y\n").exits(0);
    assert_eq!(person.key_in("me-nomfa"), KEY);
    assert!(person.key_in("me").starts_with("ASIA"));
    // Two different long-lived keys: neither is written over.
    person.env.write(
        ".aws/credentials",
        format!("{plain}[me-nomfa]\naws_access_key_id = AKIAEXAMPLEAAAAAAAA9\naws_secret_access_key = E\n"),
    );
    init(&person, &[]).exits(2).says("holds another one");
    // A profile that has only its long-lived keys yet: other commands say what to do.
    person.env.write(".aws/credentials", credentials());
    let ran = person.muster(&["sort-users", "--profile", "me", "--common-groups", "x"]).exits(2);
    ran.says("holds no session").says("muster init-sts-session --profile me");
}

/// B3, B19: what AWS calls an unknown token is explained as what it is.
#[test]
fn a_session_without_mfa_is_explained() {
    let person = Person::alice(SELF);
    let made = person.aws(&["sts", "get-session-token", "--profile", "me-nomfa"]).exits(0).json();
    let get = |key: &str| made["Credentials"][key].as_str().unwrap().to_owned();
    person.env.write(
        ".aws/credentials",
        format!(
            "[weak]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
            get("AccessKeyId"),
            get("SecretAccessKey"),
            get("SessionToken")
        ),
    );
    person.aws(&["iam", "list-access-keys", "--profile", "weak"]).exits(255).says("InvalidClientTokenId");
    let ran =
        person.muster(&["sort-users", "--profile", "weak", "--no-input", "--common-groups", "x"]).exits(1);
    ran.says("only when it was made with an MFA code").says("muster init-sts-session");
}

fn assume(person: &Person, more: &[&str]) -> testkit::Ran {
    let role = "arn:aws:iam::123456789012:role/deploy";
    let args = ["assume-role", "--role-arn", role, "--source-profile", "me", "--profile", "deploy"];
    person.muster(&args.iter().chain(more).copied().collect::<Vec<_>>())
}

#[test]
fn a_role_is_taken_on_from_an_mfa_session() {
    let person = Person::alice(SELF);
    let code_now = code(0);
    assume(&person, &["--mfa-code", &code_now]).exits(1).says("--external-id");
    // The code was good, and its session is kept: none is needed for the next try.
    assume(&person, &["--external-id", "4711"]).exits(0).prints("'deploy' holds a session");
    person.works("deploy", "arn:aws:sts::123456789012:assumed-role/deploy/alice");
    assert_eq!((person.served.count("GetSessionToken"), person.served.count("AssumeRole")), (1, 2));
    assume(&person, &["--external-id", "4711"]).exits(0);
    assert_eq!(person.served.count("AssumeRole"), 2, "it is kept, too");
    assume(&person, &["--external-id", "4711", "--role-session-name", "release"]).exits(0);
    person.works("deploy", "arn:aws:sts::123456789012:assumed-role/deploy/release");
    assume(&person, &["--external-id", "4711", "--duration", "2h"]).exits(1).says("MaxSessionDuration");
    // The role as the config file has it, through a credential_process.
    let muster = person.env.binary().display();
    person.env.write(
        ".aws/config",
        format!(
            "[profile r]\nrole_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = me\nexternal_id = 4711\n\
             [profile q]\nregion = us-east-1\ncredential_process = {muster} assume-role --profile r --format credential-process\n"
        ),
    );
    person.works("q", "arn:aws:sts::123456789012:assumed-role/deploy/alice");
    person.muster(&["assume-role", "--profile", "r"]).exits(2).says("would not look at a session in it");
    person
        .muster(&[
            "assume-role",
            "--profile",
            "me",
            "--role-arn",
            "arn:aws:iam::123456789012:role/deploy",
            "--source-profile",
            "me",
        ])
        .exits(2)
        .says("holds the keys or the session of a person");
    person.muster(&["assume-role", "--profile", "x"]).exits(2).says("--source-profile");
    // A long-lived key is never written over, by whatever name its profile is given.
    let before = person.file();
    for profile in ["me-nomfa", "other"] {
        let role = ["--role-arn", "arn:aws:iam::123456789012:role/deploy", "--external-id", "4711"];
        let args = [&["assume-role", "--source-profile", "me"], &role[..]].concat();
        let variables = [&person.variables()[..], &[("AWS_PROFILE", profile)]].concat();
        person
            .env
            .muster_with(&args, &variables, "")
            .exits(2)
            .says("holds the keys or the session of a person");
    }
    assert_eq!(person.file(), before);
}

/// A session of one account is not handed out for another.
#[test]
fn sessions_are_kept_by_where_they_are_good() {
    let person = Person::alice(SELF);
    init(&person, &["--mfa-code", &code(0)]).exits(0);
    let other = Person::alice(SELF);
    let elsewhere = [("AWS_ENDPOINT_URL", other.served.url.as_str())];
    let args = ["init-sts-session", "--profile", "me", "--mfa-code", &code(0)];
    person.env.muster_with(&args, &elsewhere, "").exits(0);
    assert_eq!((person.served.count("GetSessionToken"), other.served.count("GetSessionToken")), (1, 1));
    let files = kept(&person);
    let key: Value = serde_json::from_slice(&std::fs::read(&files[0]).unwrap()).unwrap();
    for part in ["endpoint", "account", "access_key_id", "serial", "role", "external_id", "duration_s"] {
        assert!(key["key"].get(part).is_some(), "{part}");
    }
    assert_eq!(files.len(), 2);
}

/// stdin and stdout of the client are pipes, and its stderr is kept back until it fails.
#[test]
fn a_credential_process_without_any_stream_still_asks_on_the_terminal() {
    let person = Person::alice(SELF);
    process_profile(&person, "");
    let aws = testkit::venv("aws").display().to_string();
    let script = person.env.write(
        "one.sh",
        format!("echo data | {aws} sts get-caller-identity --profile p | cat > out; cat out\n"),
    );
    let mut screen =
        Screen::program(&person.env, std::path::Path::new("/bin/sh"), &[&script], 140, &person.variables());
    screen.shows("MFA code of");
    screen.types("000000\n");
    screen.shows("refuses the code");
    screen.types(&format!("{}\n", code(0)));
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    assert!(raw.contains(ALICE), "{raw}");
}
