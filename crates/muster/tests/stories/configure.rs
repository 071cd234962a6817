//! Long-lived keys into a profile.

use std::os::unix::fs::PermissionsExt as _;

use super::person::{ALICE, KEY, Person, SECRET, SELF, SERIAL, account, credentials};
use super::screen::Screen;

fn nobody() -> Person {
    Person::new(&account(SELF), "")
}

#[test]
fn a_key_is_typed_in_tried_and_saved_beside_the_profile() {
    let person = nobody();
    let typed = format!("{KEY}\n{SECRET}\n");
    let ran =
        person.muster_typing(&["configure", "--profile", "me", "--region", "eu-west-1"], &typed).exits(0);
    let ran = ran.prints(KEY).prints(ALICE).prints(SERIAL).says("muster init-sts-session --profile me");
    assert!(!ran.stderr.contains(SECRET) && !ran.stdout.contains(SECRET), "{}", ran.stderr);
    let expected = format!(
        "[me-nomfa]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\nmfa_serial = {SERIAL}\n"
    );
    assert_eq!(person.file(), expected);
    let mode = person.env.path(".aws/credentials").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let region = person.env.read(".aws/config");
    assert_eq!(region, "[profile me]\nregion = eu-west-1\n\n[profile me-nomfa]\nregion = eu-west-1\n");
    person.works("me-nomfa", ALICE);
    // Again is nothing new.
    person.muster_typing(&["configure", "--profile", "me-nomfa"], &typed).exits(0);
    assert_eq!(person.file(), expected);
    person.muster_typing(&["configure", "--profile", "plain", "--no-suffix"], &typed).exits(0);
    assert_eq!(person.key_in("plain"), KEY);
}

/// The secret is not shown where it is typed.
#[test]
fn on_a_terminal_the_secret_is_not_shown() {
    let person = nobody();
    let mut screen = Screen::new(&person.env, &["configure", "--profile", "me"], 120, &person.variables());
    screen.shows("Access key id for 'me':");
    screen.types("nonsense\n");
    screen.shows("begins with AKIA");
    screen.types(&format!("{KEY}\n"));
    screen.shows("Secret access key:");
    screen.types(&format!("{SECRET}\r"));
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    assert!(!raw.contains(SECRET), "{raw}");
    assert_eq!(person.key_in("me-nomfa"), KEY);
}

/// Also where stderr goes elsewhere, a secret is not shown.
#[test]
fn a_secret_is_not_shown_wherever_stderr_goes() {
    let person = nobody();
    let muster = person.env.binary().display();
    let script = person.env.write("quiet.sh", format!("{muster} configure --profile me 2>log; echo ended\n"));
    let mut screen =
        Screen::program(&person.env, std::path::Path::new("/bin/sh"), &[&script], 140, &person.variables());
    testkit::wait_for("the question", || {
        person.env.path("log").exists() && person.env.read("log").contains("Access key id")
    });
    screen.types(&format!("{KEY}\n"));
    screen.shows("Secret access key:");
    screen.types(&format!("{SECRET}\n"));
    screen.shows("ended");
    let (_, raw) = screen.ends();
    assert!(!raw.contains(SECRET) && !person.env.read("log").contains(SECRET), "{raw}");
    assert_eq!(person.key_in("me-nomfa"), KEY);
}

/// What cannot all be saved is not half saved.
#[test]
fn a_config_file_that_cannot_be_changed_is_found_out_before() {
    let person = nobody();
    let config = "[profile me]\nregion = a\n[profile me]\nregion = b\n";
    person.env.write(".aws/config", config);
    let args = ["configure", "--profile", "me", "--region", "eu-west-1"];
    person
        .muster_typing(&args, &format!("{KEY}\n{SECRET}\n"))
        .exits(1)
        .says("is there twice")
        .says("nothing was changed");
    assert!(!person.env.path(".aws/credentials").exists());
    assert_eq!(person.env.read(".aws/config"), config);
}

#[test]
fn a_key_moves_to_its_own_profiles_name() {
    let person = nobody();
    person.env.write(
        ".aws/credentials",
        format!("[mine]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"),
    );
    person.muster(&["configure", "--from-profile", "mine", "--yes"]).exits(0).prints("'mine-nomfa'");
    person.muster(&["configure", "--from-profile", "mine", "--yes"]).exits(0).says("already");
    assert_eq!(person.key_in("mine-nomfa"), KEY);
}

/// An address that is none is said, whoever gives it.
#[test]
fn an_endpoint_that_is_none_is_refused() {
    let person = nobody();
    person.env.write(".aws/credentials", credentials());
    let check = ["rotate-my-key", "--profile", "me", "--list"];
    for url in ["", "nowhere", "http://"] {
        person
            .env
            .muster_with(&check, &[("AWS_ENDPOINT_URL", url)], "")
            .exits(2)
            .says("AWS_ENDPOINT_URL is set to");
        person.muster(&[&check[..], &["--endpoint-url", url]].concat()).exits(2);
    }
    person.env.write(".aws/config", "[profile me]\nendpoint_url =\n");
    person.muster(&check).exits(2).says("has the endpoint_url ``");
}

#[test]
fn both_kinds_of_csv_are_taken_and_deleted_when_that_is_wanted() {
    let person = nobody();
    let plain = format!("\u{feff}Access key ID,Secret access key\r\n{KEY},{SECRET}\r\n");
    let csv = person.env.write("alice_accessKeys.csv", &plain);
    person.muster(&["configure", "--profile", "a", "--from-csv", &csv]).exits(0).says("still holds the key");
    person
        .muster_typing(&["configure", "--profile", "b", "--from-csv", &csv], "y\n")
        .exits(0)
        .prints("is deleted");
    assert!(!person.env.path("alice_accessKeys.csv").exists());
    let csv = person.env.write("new.csv", &plain);
    // An offer is not a confirmation.
    person.muster(&["configure", "--profile", "c", "--from-csv", &csv, "--yes"]).exits(0);
    assert!(person.env.path("new.csv").exists());
    person.muster(&["configure", "--profile", "c", "--from-csv", &csv, "--delete-csv"]).exits(0);
    assert!(!person.env.path("new.csv").exists());
    let users = format!(
        "User name,Password,Access key ID,Secret access key,Console login link\nbob,p,AKIAI44QH8DHBEXAMPLE,EXAMPLE,https://x\nalice,p,{KEY},{SECRET},https://x\n"
    );
    let csv = person.env.write("credentials.csv", users);
    let ran = person.muster(&["configure", "--profile", "d", "--from-csv", &csv]).exits(2);
    ran.says("the keys of several users: bob, alice").says("--user-name");
    let args = ["configure", "--profile", "d", "--from-csv", &csv, "--user-name", "alice"];
    person.muster_typing(&args, "y\n").exits(0).says("holds the keys of other users too, so it stays");
    let args = [&args[..], &["--delete-csv"]].concat();
    person.muster(&args).exits(0);
    assert!(person.env.path("credentials.csv").exists(), "what else is in it is in no other place");
    let one = format!("User name,Password,Access key ID,Secret access key\nalice,p,{KEY},{SECRET}\n");
    let csv = person.env.write("one.csv", one);
    person.muster(&["configure", "--profile", "d", "--from-csv", &csv]).exits(0).says("holds a password too");
    let csv = person.env.write("plain.csv", &plain);
    std::os::unix::fs::symlink(&csv, person.env.path("to-plain.csv")).unwrap();
    person
        .muster(&["configure", "--profile", "d", "--from-csv", "to-plain.csv", "--delete-csv"])
        .exits(0)
        .says("is a link");
    assert!(person.env.path("to-plain.csv").exists());
    for profile in ["a-nomfa", "b-nomfa", "c-nomfa", "d-nomfa"] {
        assert_eq!(person.key_in(profile), KEY);
    }
}

#[test]
fn a_csv_of_the_wrong_kind_is_told_apart() {
    let person = nobody();
    let args = |csv: &str| person.muster(&["configure", "--profile", "me", "--from-csv", csv]);
    let csv =
        person.env.write("password.csv", "User name,Password,Console sign-in URL\nalice,SECRET,https://x\n");
    let ran = args(&csv).exits(2).says("it holds a password and no access key");
    assert!(!ran.stderr.contains("SECRET"));
    let csv = person.env.write("other.csv", "a,b\n1,2\n");
    args(&csv).exits(2).says("none of the CSV files");
    args("missing.csv").exits(2).says("failed to read `missing.csv`");
    args(&person.env.text_path("")).exits(2);
    assert!(!person.env.path(".aws/credentials").exists());
}

/// Never overwrites without asking, and says which key goes.
#[test]
fn another_key_is_replaced_only_by_agreement() {
    let person = nobody();
    let before = credentials().replace(KEY, "AKIAEXAMPLEAAAAAAAA9");
    person.env.write(".aws/credentials", &before);
    let csv = person.env.write("k.csv", format!("Access key ID,Secret access key\n{KEY},{SECRET}\n"));
    let args = ["configure", "--profile", "me", "--from-csv", &csv];
    person.muster(&args).exits(3).says("holds the access key AKIAEXAMPLEAAAAAAAA9");
    person.muster_typing(&args, "n\n").exits(3).says("Nothing was changed");
    assert_eq!(person.file(), before);
    person.muster_typing(&args, "y\nn\n").exits(0);
    assert_eq!(person.file(), credentials());
}

#[test]
fn keys_move_out_of_the_way_of_sessions() {
    let person = nobody();
    let before = format!(
        "# mine\n[me]\n# old\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\nregion=eu-west-1\n"
    );
    person.env.write(".aws/credentials", &before);
    let args = ["configure", "--profile", "me", "--from-profile", "me"];
    person.muster(&args).exits(3).says("moves from the profile 'me' to 'me-nomfa'");
    assert_eq!(person.file(), before);
    person.muster_typing(&args, "y\n").exits(0);
    let expected = format!(
        "# mine\n[me]\n# old\nregion=eu-west-1\n\n[me-nomfa]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\nmfa_serial={SERIAL}\n"
    );
    assert_eq!(person.file(), expected);
    person.works("me-nomfa", ALICE);
    // From the config file, where keys can be too.
    person.env.write(".aws/credentials", "");
    person.env.write(
        ".aws/config",
        format!("[profile old]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"),
    );
    person.muster(&["configure", "--profile", "new", "--from-profile", "old", "--yes"]).exits(0);
    assert_eq!(person.key_in("new-nomfa"), KEY);
    assert_eq!(person.env.read(".aws/config"), "[profile old]\n");
}

#[test]
fn a_key_that_aws_refuses_is_not_saved() {
    let person = nobody();
    let ran =
        person.muster_typing(&["configure", "--profile", "me"], &format!("{KEY}\nEXAMPLEwrong\n")).exits(1);
    ran.says("AWS refuses the access key").says("--offline saves it untried");
    assert!(!person.env.path(".aws/credentials").exists());
    let typed = "AKIAEXAMPLEAAAAAAAA9\nEXAMPLE\n";
    person.muster_typing(&["configure", "--profile", "me", "--offline"], typed).exits(0);
    assert_eq!(person.key_in("me-nomfa"), "AKIAEXAMPLEAAAAAAAA9");
    // No way to AWS is not a refusal.
    let dead = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    let ran = person.env.muster_with(&["configure", "--profile", "far"], &dead, typed).exits(0);
    ran.says("without having been tried");
    for (typed, why) in [
        ("ASIAEXAMPLEAAAAAAAA9\nx\n", "begins with AKIA"),
        ("", "no access key is given"),
        ("AKIAEXAMPLEAAAAAAAA9\n\n", "empty"),
    ] {
        person.muster_typing(&["configure", "--profile", "bad"], typed).exits(2).says(why);
    }
}

#[test]
fn a_serial_of_another_account_is_refused() {
    let person = nobody();
    let other = "arn:aws:iam::210987654321:mfa/alice";
    let args = ["configure", "--profile", "me", "--mfa-serial", other];
    let ran = person.muster_typing(&args, &format!("{KEY}\n{SECRET}\n")).exits(2);
    ran.says("is of the account 210987654321, and this key is of 123456789012");
    assert!(!person.env.path(".aws/credentials").exists());
    // One that an earlier key left goes with it.
    let old = format!(
        "[me-nomfa]\naws_access_key_id = AKIAEXAMPLEAAAAAAAA9\naws_secret_access_key = EXAMPLE\nmfa_serial = {other}\n"
    );
    person.env.write(".aws/credentials", old);
    person.muster_typing(&["configure", "--profile", "me", "--yes"], &format!("{KEY}\n{SECRET}\n")).exits(0);
    assert!(person.file().contains(SERIAL) && !person.file().contains(other), "{}", person.file());
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is_asked() {
    let person = nobody();
    person.env.write(".aws/credentials", credentials());
    let path = person.env.path(".aws/credentials");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    let ran = person.muster_typing(&["configure", "--profile", "me"], "y\n").exits(1).says("it is read-only");
    assert!(!ran.stderr.contains("Access key id"), "{}", ran.stderr);
    person.muster(&["rotate-my-key", "--profile", "me"]).exits(1).says("it is read-only");
    person.muster(&["init-sts-session", "--profile", "me"]).exits(1).says("it is read-only");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(person.file(), credentials());
    assert_eq!(person.served.count("CreateAccessKey"), 0);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    for command in ["configure", "rotate-my-key", "init-sts-session"] {
        person.muster(&[command, "--profile", "me"]).exits(1).says("is a directory");
    }
}

/// What clients read differently from each other is for a person to sort out.
#[test]
fn a_file_with_a_profile_twice_is_left_alone() {
    let person = nobody();
    let before = format!("{}[me-nomfa]\nx = 1\n", credentials());
    person.env.write(".aws/credentials", &before);
    let ran = person
        .muster_typing(&["configure", "--profile", "me", "--yes"], &format!("{KEY}\n{SECRET}\n"))
        .exits(1);
    ran.says("the profile `me-nomfa` is there twice");
    assert_eq!(person.file(), before);
}

/// Two hundred at once, by the program itself: each finds a place in the file.
#[test]
fn many_programs_at_once_lose_no_profile() {
    let person = nobody();
    person.env.write(".aws/credentials", credentials());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let person = &person;
            scope.spawn(move || {
                for number in 0..25 {
                    let profile = format!("p{thread}-{number}");
                    let args = ["configure", "--profile", &profile, "--offline"];
                    person
                        .muster_typing(&args, &format!("AKIAEXAMPLEAAAAAA{thread}{number:02}\nEXAMPLE\n"))
                        .exits(0);
                }
            });
        }
    });
    let file = person.file();
    assert!(file.starts_with(&credentials()), "{file}");
    assert_eq!(file.matches("[p").count(), 200, "{file}");
    assert_eq!(file.matches("= AKIAEXAMPLEAAAAAA").count(), 201, "{file}");
}

/// The parser of the AWS CLI reads what was there before, the new key, and nothing else differently.
#[test]
fn the_parser_of_the_aws_cli_agrees() {
    let env = super::env();
    let folder = env.text_path("");
    let muster = env.binary().to_str().unwrap().to_owned();
    let count = testkit::how_many(300, 3000).to_string();
    let ran = testkit::python(&env, "profiles.py", &[&muster, &folder, "1", &count], &[]);
    ran.exits(0).prints(&format!("{count} files judged"));
}
