//! A virtual MFA device for oneself, or for somebody else.

use serde_json::{Value, json};
use testkit::TestEnv;

use super::crashes::unzip;
use super::person::{
    ACCOUNT, KEY, MFA_ONLY, Person, SECRET, SELF, SERIAL, account, code, code_of, credentials,
};
use super::screen::Screen;

/// Alice before she has a device.
fn without_device(policy: &str) -> Person {
    let mut account = account(policy);
    account["devices"] = json!([]);
    let person = Person::new(&account, "");
    let file = credentials().replace(&format!("mfa_serial = {SERIAL}\n"), "");
    person.env.write(".aws/credentials", file);
    person
}

fn devices(person: &Person) -> Vec<Value> {
    // The account is written five times a second.
    std::thread::sleep(std::time::Duration::from_millis(400));
    let state: Value = serde_json::from_str(&person.env.read("account.json")).unwrap();
    state["devices"].as_array().cloned().unwrap_or_default()
}

/// The seed, as a person reads it off the screen.
pub(crate) fn seed_on(screen: &mut Screen) -> String {
    screen.shows("First code:");
    screen.types("s\n");
    screen.shows("The secret: ");
    let text = screen.text();
    let (_, rest) = text.split_once("The secret: ").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// An MFA-only policy lets the first device be set up without MFA, and nothing else.
const FIRST: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["iam:CreateVirtualMFADevice","iam:DeleteVirtualMFADevice"],"Resource":"arn:aws:iam::*:mfa/${aws:username}"},
    {"Effect":"Allow","Action":["iam:EnableMFADevice","iam:ListMFADevices"],"Resource":"arn:aws:iam::*:user/${aws:username}"}]}"#;

#[test]
fn the_first_device_is_enabled_and_its_serial_is_in_the_profile() {
    let person = without_device(FIRST);
    let mut screen = Screen::new(&person.env, &["enable-mfa", "--profile", "me"], 140, &person.variables());
    let seed = seed_on(&mut screen);
    screen.types(&format!("{}\n{}\n", code_of(&seed, -1), code_of(&seed, 0)));
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    assert!(raw.contains("muster init-sts-session --profile me"), "{raw}");
    assert!(person.file().contains(&format!("mfa_serial = {SERIAL}\n")), "{}", person.file());
    assert_eq!(
        person.file().replace(&format!("mfa_serial = {SERIAL}\n"), ""),
        credentials().replace(&format!("mfa_serial = {SERIAL}\n"), "")
    );
    assert_eq!(devices(&person)[0]["user"], "alice");
    let code = code_of(&seed, 1);
    person.muster(&["init-sts-session", "--profile", "me", "--mfa-code", &code]).exits(0);
}

/// B6: nothing stays behind when somebody gives up, whichever way.
#[test]
fn a_device_that_is_given_up_is_gone() {
    let person = without_device(SELF);
    let mut screen = Screen::new(&person.env, &["enable-mfa", "--profile", "me"], 140, &person.variables());
    screen.shows("First code:");
    screen.types("q\n");
    let (status, raw) = screen.ends();
    assert_eq!(status, 1, "{raw}");
    let mut screen = Screen::new(&person.env, &["enable-mfa", "--profile", "me"], 140, &person.variables());
    screen.shows("First code:");
    screen.types("\x03");
    let (status, raw) = screen.ends();
    assert_eq!(status, 130, "{raw}");
    let wrong = "111111\n222222\n".repeat(5);
    person.muster_typing(&["enable-mfa", "--profile", "me"], &wrong).exits(1).says("five wrong pairs");
    assert_eq!(devices(&person), [] as [Value; 0]);
    assert!(!person.file().contains("mfa_serial"));
    person.muster(&["recover", "--profile", "me-nomfa"]).exits(0).says("Nothing is left half done");
    // Where nobody can be asked, nothing is begun.
    let before = person.served.count("CreateVirtualMFADevice");
    person.muster(&["enable-mfa", "--profile", "me", "--no-input"]).exits(2).says("--mfa auto");
    assert_eq!(person.served.count("CreateVirtualMFADevice"), before);
}

#[test]
fn devices_that_are_there_are_recognised() {
    let mut account = account(SELF);
    account["devices"].as_array_mut().unwrap().extend([
        json!({ "serial": "GAHT12345678", "user": "alice", "enabled": 1_700_000_000 }),
        json!({ "serial": format!("arn:aws:iam::{ACCOUNT}:u2f/user/alice/key-EXAMPLE"), "user": "alice", "enabled": 1_700_000_000 }),
    ]);
    let person = Person::new(&account, "");
    person.env.write(".aws/credentials", credentials().replace(SERIAL, "GAHT12345678"));
    let ran = person.muster(&["enable-mfa", "--profile", "me"]).exits(0);
    let ran = ran
        .says(&format!("the virtual MFA device {SERIAL}"))
        .says("the hardware token GAHT12345678")
        .says("which gives no codes")
        .says("Enable another MFA device for user 'alice' (y/n)?");
    ran.prints("has a device");
    let file = person.file();
    assert!(file.contains("mfa_serial = GAHT12345678"), "one that is the user's stays: {file}");
    person.env.write(".aws/credentials", credentials().replace(SERIAL, "arn:aws:iam::123456789012:mfa/gone"));
    person.muster(&["enable-mfa", "--profile", "me"]).exits(0).prints(&format!("names {SERIAL} now"));
    assert_eq!(person.served.count("CreateVirtualMFADevice"), 0);
    assert_eq!(person.file(), credentials());
}

/// Whoever has a device adds another one in an MFA session; one code does for that.
#[test]
fn another_device_needs_a_session() {
    let person = Person::alice(MFA_ONLY);
    let args = ["enable-mfa", "--profile", "me", "--mfa", "auto", "--allow-plaintext", "--yes", "--mfa-code"];
    let with_code = |code: &str| person.muster(&args.iter().copied().chain([code]).collect::<Vec<_>>());
    with_code("000000").exits(1).says("invalid MFA one time pass code");
    assert_eq!(person.served.count("CreateVirtualMFADevice"), 0);
    with_code(&code(0)).exits(0).prints("mfa/alice-2 is enabled");
    let found = devices(&person);
    assert_eq!(found.len(), 2, "{found:?}");
    let seed = String::from_utf8(unzip(&person.env, "users/alice.mfa.zip")["seed.txt"].clone()).unwrap();
    assert!(
        found.iter().any(|device| device["seed"] == seed.trim_end() && device["user"] == "alice"),
        "{found:?}"
    );
    // The profile names the newest, which somebody has to use from now on.
    assert!(
        person.file().contains("mfa_serial = arn:aws:iam::123456789012:mfa/alice-2"),
        "{}",
        person.file()
    );
    with_code(&code(1)).exits(1).says("alice.mfa.zip` exists");
}

#[test]
fn an_administrator_enables_a_device_for_somebody_else() {
    let person = without_device(SELF);
    let admin: Vec<(&str, &str)> = person.served.env();
    let run = |args: &[&str]| person.env.muster_with(args, &admin, "");
    let args = ["enable-mfa", "--user-name", "bob", "--mfa", "auto", "--allow-plaintext"];
    run(&[&args[..], &["--dry-run"]].concat())
        .exits(0)
        .prints("CreateVirtualMFADevice arn:aws:iam::123456789012:mfa/bob");
    assert_eq!(person.served.mutations().len(), 0, "{:?}", person.served.mutations());
    run(&args).exits(0).prints("users/bob.mfa.zip");
    assert_eq!(devices(&person)[0]["user"], "bob");
    assert!(!person.file().contains("mfa_serial"), "nobody else's profile is touched");
    run(&["enable-mfa", "--user-name", "nobody"]).exits(1);
    run(&["enable-mfa", "--user-name", "no body"]).exits(2);
    run(&["enable-mfa"]).exits(2).says("is no user").says("--user-name");
}

/// A leftover of the same name is offered for removal.
#[test]
fn a_leftover_is_removed_first_or_left_alone() {
    let mut account = account(SELF);
    account["devices"] = json!([{ "serial": SERIAL, "seed": "AAAA" }]);
    let person = Person::new(&account, "");
    person.env.write(
        ".aws/credentials",
        format!("[me]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"),
    );
    let args = ["enable-mfa", "--profile", "me", "--mfa", "auto", "--allow-plaintext"];
    person
        .muster_typing(&args, "n\n")
        .exits(0)
        .says("is left from an earlier try")
        .prints("mfa/alice-2 is enabled");
    assert_eq!(devices(&person).len(), 2);
    std::fs::remove_dir_all(person.env.path("users")).unwrap();
    let args = [&args[..], &["--device-name", "alice", "--mfa-code"]].concat();
    let seed =
        devices(&person).iter().find(|d| d["user"] == "alice").unwrap()["seed"].as_str().unwrap().to_owned();
    let code = code_of(&seed, 1);
    person.muster_typing(&[&args[..], &[&code]].concat(), "y\n").exits(0).prints("mfa/alice is enabled");
    assert_eq!(devices(&person).iter().filter(|device| device["user"] == "alice").count(), 2);
}

/// On a machine whose clock is off, codes are computed by AWS's clock: the person's phone has the right time.
#[test]
fn a_device_that_muster_enables_goes_by_the_accounts_clock() {
    let person = without_device(SELF);
    let args = ["enable-mfa", "--profile", "me", "--mfa", "auto", "--allow-plaintext"];
    person.env.muster_at("+2m", &args, &person.variables(), "").exits(0);
    assert_eq!(devices(&person)[0]["offset"], 0, "{:?}", devices(&person));
    let seed = String::from_utf8(unzip(&person.env, "users/alice.mfa.zip")["seed.txt"].clone()).unwrap();
    let code = code_of(seed.trim_end(), 1);
    person.muster(&["init-sts-session", "--profile", "me", "--mfa-code", &code]).exits(0);
}

fn state(env: &TestEnv) -> Value {
    serde_json::from_str(&env.read("account.json")).unwrap()
}

/// B6: killed at any place, what is there is mended by `recover`, or by running it again.
#[test]
fn an_enrolment_that_is_killed_anywhere_is_mended() {
    let command =
        ["enable-mfa", "--profile", "me", "--mfa", "auto", "--allow-plaintext", "--settle", "200ms"];
    let run = |person: &Person, args: &[&str], cut: Option<&str>| {
        let mut variables = person.variables();
        variables.extend(cut.map(|cut| ("MUSTER_CUT", cut)));
        person.env.muster_with(args, &variables, "")
    };
    let whole = without_device(SELF);
    let ran = run(&whole, &command, Some("kill:1000000")).exits(0);
    let (_, rest) = ran.stderr.split_once("passed ").unwrap();
    let places: u64 = rest.split(' ').next().unwrap().parse().unwrap();
    super::crashes::for_each(1..=places, |place| {
        let person = without_device(SELF);
        let killed = run(&person, &command, Some(&format!("kill:{place}")));
        assert_eq!(killed.status, 137, "{place}: {}", killed.stderr);
        let again = place % 2 == 0;
        if again {
            let ran = run(&person, &[&command[..], &["--no-input"]].concat(), None);
            assert!(
                ran.status == 0 || ran.stderr.contains("exists"),
                "{place}: {}\n{}",
                ran.stderr,
                ran.stdout
            );
        } else {
            run(&person, &["recover", "--profile", "me-nomfa", "--yes", "--settle", "200ms"], None).exits(0);
        }
        let Person { env, served } = person;
        served.stop();
        let state = state(&env);
        let devices = state["devices"].as_array().cloned().unwrap_or_default();
        let unassigned = devices.iter().filter(|device| device["user"].is_null()).count();
        assert_eq!(unassigned, 0, "{place}: {devices:?}");
        if again {
            assert_eq!(devices.len(), 1, "{place}");
        }
        let hidden = std::fs::read_dir(env.path("users")).into_iter().flatten().flatten();
        let hidden: Vec<_> =
            hidden.map(|entry| entry.file_name()).filter(|n| n.to_string_lossy().starts_with('.')).collect();
        assert!(hidden.is_empty(), "{place}: {hidden:?}");
        if let [device] = devices.as_slice() {
            let seed = String::from_utf8(unzip(&env, "users/alice.mfa.zip")["seed.txt"].clone()).unwrap();
            assert_eq!(device["seed"], seed.trim_end(), "{place}: somebody holds the seed");
            assert!(
                env.read(".aws/credentials").contains("mfa_serial"),
                "{place}: {}",
                env.read(".aws/credentials")
            );
        } else {
            assert!(!env.path("users/alice.mfa.zip").exists(), "{place}");
        }
    });
    println!("enable-mfa: {places} places");
}

/// Who may not list or be asked for by name is found by its ARN.
#[test]
fn one_is_found_by_name_or_by_arn() {
    let person = without_device(FIRST);
    let ran = person.muster(&["enable-mfa", "--profile", "me", "--dry-run"]).exits(0);
    ran.prints("EnableMFADevice arn:aws:iam::123456789012:mfa/alice");
    assert_eq!(person.served.count("GetUser"), 1, "and it is refused");
}
