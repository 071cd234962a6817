//! Access keys are replaced, and nobody is ever without one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use serde_json::{Value, json};
use testkit::{Ran, TestEnv};

use super::crashes::{for_each, unzip};
use super::person::{ALICE, KEY, MFA_ONLY, Person, SECRET, SELF, account, code, credentials};
use super::screen::Screen;

fn rotate(person: &Person, more: &[&str]) -> Ran {
    person.muster(&["rotate-my-key", "--profile", "me"].iter().chain(more).copied().collect::<Vec<_>>())
}

fn keys(person: &Person) -> Vec<(String, bool)> {
    keys_of(&person.user("alice"))
}

fn keys_of(user: &Value) -> Vec<(String, bool)> {
    let keys = user["access_keys"].as_array().cloned().unwrap_or_default();
    keys.iter().map(|key| (key["id"].as_str().unwrap().to_owned(), key["active"] == true)).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "compared with the time of a file")]
fn a_key_is_replaced_and_no_client_notices() {
    let person = Person::alice(SELF);
    // A second profile with the same key, and one in the config file.
    person.env.write(
        ".aws/credentials",
        format!("{}[copy]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n", credentials()),
    );
    person.env.write(
        ".aws/config",
        format!("# mine\n[profile third]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"),
    );
    let before = person.file();
    person.works("me-nomfa", ALICE);
    let done = AtomicBool::new(false);
    // The AWS CLI uses the profile all the while.
    let calls = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut calls = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let began = SystemTime::now();
                calls.push((began, person.aws(&["sts", "get-caller-identity", "--profile", "me-nomfa"])));
            }
            calls
        });
        let ran = rotate(&person, &[]).exits(0).prints("rotated").says("--finish");
        assert!(ran.stdout.contains(&format!("the old key {KEY} is inactive")), "{}", ran.stdout);
        done.store(true, Ordering::Relaxed);
        client.join().unwrap()
    });
    assert!(calls.len() > 1);
    // One that had read the file just before it was switched over may still come with the old key.
    let switched = std::fs::metadata(person.env.path(".aws/credentials")).unwrap().modified().unwrap();
    let refused: Vec<_> = calls.into_iter().filter(|(_, ran)| ran.status != 0).collect();
    assert!(
        refused.len() <= 1
            && refused
                .iter()
                .all(|(began, ran)| *began <= switched && ran.stderr.contains("InvalidClientTokenId")),
        "switched at {switched:?}: {refused:?}"
    );
    let new = person.key_in("me-nomfa");
    assert_eq!(keys(&person), [(KEY.to_owned(), false), (new.clone(), true)]);
    for profile in ["me-nomfa", "copy", "third"] {
        person.works(profile, ALICE);
    }
    let secret = person.aws(&["configure", "get", "aws_secret_access_key", "--profile", "me-nomfa"]).stdout;
    assert_eq!(
        person.file().replace(&new, KEY).replace(secret.trim(), SECRET),
        before,
        "nothing else has changed"
    );
    assert_eq!(person.served.count("DeleteAccessKey"), 0);
    rotate(&person, &["--finish", "--yes"]).exits(0).prints("DeleteAccessKey");
    assert_eq!(keys(&person), [(new, true)]);
    rotate(&person, &["--finish"]).exits(0).says("nothing is left of a rotation");
    person.muster(&["recover", "--profile", "me-nomfa"]).exits(0).says("Nothing is left half done");
}

/// B17: under a policy that wants MFA one code is enough for all of it.
#[test]
fn one_code_is_enough_for_a_rotation() {
    let person = Person::alice(MFA_ONLY);
    rotate(&person, &[]).exits(1).says("an MFA session may").says("nobody answers");
    let ran = person
        .muster_typing(&["rotate-my-key", "--profile", "me", "--delete-old"], &format!("{}\n", code(0)))
        .exits(0);
    assert_eq!(ran.stderr.matches("MFA code of").count(), 1, "{}", ran.stderr);
    let new = person.key_in("me-nomfa");
    assert_eq!(keys(&person), [(new.clone(), true)]);
    person.works("me-nomfa", ALICE);
    // The session lives on, and is found by the new key.
    let old = new;
    person.muster(&["init-sts-session", "--profile", "me"]).exits(0);
    person.works("me", ALICE);
    rotate(&person, &[]).exits(0);
    assert_ne!(person.key_in("me-nomfa"), old);
    assert_eq!(person.served.count("GetSessionToken"), 1);
    // A check asks nobody.
    let fresh = Person::alice(MFA_ONLY);
    let typed = format!("{}\n", code(0));
    let args = ["rotate-my-key", "--profile", "me", "--max-age", "90d", "--check"];
    let ran = fresh.muster_typing(&args, &typed).exits(1).says("nobody answers");
    assert!(!ran.stderr.contains("Account 123456789012"), "{}", ran.stderr);
}

#[test]
fn a_check_says_whether_a_key_is_too_old() {
    let person = Person::alice(SELF);
    let ran = rotate(&person, &["--max-age", "90d", "--check"]).exits(3);
    let ran = ran.says(&format!("The key {KEY} is ")).prints("active");
    drop(ran);
    let json = rotate(&person, &["--max-age", "90d", "--check", "--output", "json"]).exits(3).json();
    assert_eq!((&json["keys"][0]["too_old"], &json["keys"][0]["in_profile"]), (&true.into(), &true.into()));
    rotate(&person, &["--max-age", "36500d", "--check"]).exits(0);
    rotate(&person, &["--max-age", "36500d"]).exits(0).prints("young enough");
    rotate(&person, &["--check"]).exits(2);
    assert_eq!(person.served.mutations(), [] as [&str; 0]);
    rotate(&person, &["--list"]).exits(0).prints("last used 0 min ago for sts, the one in the profile");
    let json = rotate(&person, &["--list", "--output", "json"]).exits(0).json();
    assert_eq!(json["keys"][0]["access_key_id"], KEY);
    rotate(&person, &["--dry-run"])
        .exits(0)
        .prints("CreateAccessKey")
        .prints(&format!("UpdateAccessKey {KEY} Inactive"));
    assert_eq!(person.served.mutations(), [] as [&str; 0]);
    rotate(&person, &["--max-age", "90d"]).exits(0).prints("rotated");
}

/// B10: with two keys one has to go, and never one that may be in use unless it is named.
#[test]
fn with_two_keys_one_is_offered_or_has_to_be_named() {
    let other = "AKIAEXAMPLEAAAAAAAA2";
    let two = |more: Value| {
        let mut account = account(SELF);
        let mut key = json!({ "id": other, "secret": "EXAMPLE", "active": true, "created": 1_700_000_000 });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        account["users"][0]["access_keys"].as_array_mut().unwrap().push(key);
        let person = Person::new(&account, "");
        person.env.write(".aws/credentials", credentials());
        person
    };
    let person = two(json!({ "active": false }));
    rotate(&person, &[])
        .exits(3)
        .says(&format!("the other one, {other}, has to be deleted for good"))
        .prints("inactive");
    assert_eq!(person.served.count("DeleteAccessKey"), 0);
    person.muster_typing(&["rotate-my-key", "--profile", "me"], "y\n").exits(0);
    assert!(!keys(&person).iter().any(|(id, _)| id == other));
    // Unused.
    let person = two(json!({}));
    rotate(&person, &["--yes"]).exits(0);
    // Used yesterday: not even --yes deletes it.
    let person = two(json!({ "last_use": { "at": 4_000_000_000_i64, "service": "s3" } }));
    let ran = rotate(&person, &["--yes"]).exits(1).says("was used within the last ninety days");
    ran.says(&format!("--delete-key {other}")).says("for s3");
    rotate(&person, &["--yes", "--delete-key", KEY]).exits(2).says("is not the other key");
    assert_eq!(person.served.mutations(), [] as [&str; 0]);
    rotate(&person, &["--yes", "--delete-key", other]).exits(0);
    rotate(&person, &["--finish", "--yes"]).exits(0);
    // On a terminal.
    let person = two(json!({}));
    let mut screen =
        Screen::new(&person.env, &["rotate-my-key", "--profile", "me"], 140, &person.variables());
    screen.shows("Delete it (y/n)?");
    screen.types("y\n");
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    rotate(&person, &["--finish"]).exits(3).says("Delete the inactive key");
    // An active other key is not what a rotation left.
    let person = two(json!({}));
    rotate(&person, &["--finish", "--yes"]).exits(1).says("is active, so it is not what a rotation left");
}

/// B2: a new key flaps for a while, and is waited for; one that never works is taken away again.
#[test]
fn a_new_key_is_proved_before_the_old_one_goes() {
    let mut account = account(SELF);
    account["users"][0]["inline"] = json!([]);
    let env = super::env();
    env.write("account.json", account.to_string());
    env.write(".aws/credentials", credentials());
    let served = testkit::Served::with_options(
        &env,
        &env.text_path("account.json"),
        "delay=20s,clock=10x",
        &["--verify-signatures"],
    );
    let person = Person { env, served };
    rotate(&person, &[]).exits(0).prints("rotated");
    assert!(person.served.count("GetCallerIdentity") > 4, "{}", person.served.count("GetCallerIdentity"));
    person.works("me-nomfa", ALICE);
    // Never visible within a minute.
    let env = super::env();
    env.write("account.json", account.to_string());
    env.write(".aws/credentials", credentials());
    let file = env.text_path("account.json");
    let ran = env
        .muster(&["rotate-my-key", "--profile", "me", "--sandbox", &file, "--faults", "delay=10m"])
        .exits(1);
    ran.prints("the new key does not work, so the old one stays").prints("not rotated");
    assert_eq!(env.read(".aws/credentials"), credentials());
    let state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    assert_eq!(keys_of(&state["users"][0]), [(KEY.to_owned(), true)]);
}

#[test]
fn what_stands_in_the_way_of_a_rotation_is_said() {
    let person = Person::alice(SELF);
    person
        .muster(&["rotate-my-key", "--profile", "nobody"])
        .exits(2)
        .says("the profiles are: me-nomfa, other");
    // A key that AWS does not know (any more).
    let mut inactive = account(SELF);
    inactive["users"][0]["access_keys"][0]["active"] = false.into();
    let person = Person::new(&inactive, "");
    person.env.write(".aws/credentials", credentials());
    rotate(&person, &[]).exits(1).says("does not know this access key");
    // No permission, and no device to get one with.
    let person = Person::new(&account(r#"{"Version":"2012-10-17","Statement":[]}"#), "");
    person.env.write(".aws/credentials", credentials().replace("mfa_serial", "# mfa_serial"));
    rotate(&person, &[]).exits(1).says("iam:ListAccessKeys");
    assert_eq!(person.served.mutations(), [] as [&str; 0]);
}

/// The answer with the new secret is lost: that key is found and deleted, and another one is made.
#[test]
fn a_key_whose_answer_is_lost_is_not_left_alive() {
    for fault in ["lose=iam:CreateAccessKey@1", "lose=iam:CreateAccessKey@1,delay=3s,clock=10x"] {
        let env = super::env();
        env.write("account.json", account(SELF).to_string());
        env.write(".aws/credentials", credentials());
        let served = testkit::Served::with_options(
            &env,
            &env.text_path("account.json"),
            fault,
            &["--verify-signatures"],
        );
        let person = Person { env, served };
        rotate(&person, &["--rate", "1000"]).exits(0);
        let new = person.key_in("me-nomfa");
        let mut found = keys(&person);
        found.sort();
        let mut expected = vec![(KEY.to_owned(), false), (new, true)];
        expected.sort();
        assert_eq!(found, expected, "{fault}");
    }
}

/// Everything may be listed without MFA, and nothing changed.
fn listable() -> String {
    MFA_ONLY.replace("\"iam:ListMFADevices\"", "\"iam:List*\",\"iam:GetAccessKeyLastUsed\"")
}

/// The device is looked up where the profile does not name it.
#[test]
fn a_session_is_made_with_a_device_that_is_looked_up() {
    let person = Person::alice(MFA_ONLY);
    person.env.write(".aws/credentials", credentials().replace("mfa_serial", "# mfa_serial"));
    rotate(&person, &["--mfa-code", &code(0)]).exits(0).prints("rotated");
}

/// A file that could not be changed later is found out before a key is made.
#[test]
fn a_file_that_cannot_take_the_new_key_is_found_out_before_it_is_made() {
    let person = Person::alice(SELF);
    let copy = format!("[copy]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n");
    for more in [format!("{copy}{copy}"), "[x]\nk\u{a0}= v\n".to_owned(), format!("[ copy ]\n{copy}")] {
        let before = format!("{}{more}", credentials());
        person.env.write(".aws/credentials", &before);
        rotate(&person, &[]).exits(1).says("nothing was changed");
        assert_eq!(person.file(), before);
    }
    assert_eq!(person.served.count("CreateAccessKey"), 0);
    person.muster(&["recover", "--profile", "other"]).exits(1);
}

/// A key that somebody made by hand after a crash is not one of muster's.
#[test]
fn a_key_of_somebody_elses_making_is_left_alone() {
    let person = Person::alice(SELF);
    let mut variables = person.variables();
    // Right after the task is written down, before any call.
    let begun = (1..80).find(|place| {
        let cut = format!("kill:{place}");
        variables.push(("MUSTER_CUT", Box::leak(cut.into_boxed_str())));
        let _ =
            person.env.muster_with(&["rotate-my-key", "--profile", "me", "--poll", "20ms"], &variables, "");
        variables.pop();
        let ran = person.muster(&["recover", "--profile", "me-nomfa", "--dry-run"]);
        ran.stderr.contains("was being replaced")
    });
    assert!(begun.is_some() && keys(&person).len() == 1, "{begun:?}");
    person.aws(&["iam", "create-access-key", "--profile", "me-nomfa"]).exits(0);
    let by_hand = keys(&person);
    assert_eq!(by_hand.len(), 2);
    let ran = person.muster(&["recover", "--profile", "me-nomfa", "--yes", "--settle", "200ms"]).exits(0);
    ran.prints(&by_hand[1].0).prints("leaves alone");
    assert_eq!(keys(&person), by_hand);
}

/// A policy that lets keys be listed without MFA, and not made: one session does for that, too.
#[test]
fn a_session_is_made_when_the_first_change_is_denied() {
    let policy = listable();
    for two_keys in [false, true] {
        let mut account = account(&policy);
        if two_keys {
            let other = json!({ "id": "AKIAEXAMPLEAAAAAAAA2", "secret": "E", "active": false, "created": 1_700_000_000 });
            account["users"][0]["access_keys"].as_array_mut().unwrap().push(other);
        }
        let person = Person::new(&account, "");
        person.env.write(".aws/credentials", credentials());
        let args = ["rotate-my-key", "--profile", "me", "--yes", "--poll", "20ms"];
        let ran = person.muster_typing(&args, &format!("{}\n", code(0))).exits(0).prints("rotated");
        assert_eq!(ran.stderr.matches("MFA code of").count(), 1, "{}", ran.stderr);
        assert_eq!(keys(&person).iter().filter(|(_, active)| *active).count(), 1);
    }
}

/// The answer to the call that takes the old key away is lost: the key that signed it cannot ask again.
#[test]
fn an_old_key_that_signs_its_own_end_goes_for_certain() {
    for (fault, more) in
        [("lose=iam:UpdateAccessKey@1", &[][..]), ("lose=iam:DeleteAccessKey@1", &["--delete-old"])]
    {
        let env = super::env();
        env.write("account.json", account(SELF).to_string());
        env.write(".aws/credentials", credentials());
        let served = testkit::Served::with_options(
            &env,
            &env.text_path("account.json"),
            fault,
            &["--verify-signatures"],
        );
        let person = Person { env, served };
        rotate(&person, more).exits(0).prints("rotated");
        let found = keys(&person);
        assert_eq!(found.iter().filter(|(_, active)| *active).count(), 1, "{fault}: {found:?}");
        assert_eq!(found.len(), if more.is_empty() { 2 } else { 1 }, "{fault}");
    }
}

/// Keys that may not be seen are not guessed at.
#[test]
fn somebody_elses_keys_have_to_be_listed() {
    let person = Person::alice(SELF);
    let mut admin: Vec<(&str, &str)> = person.served.env();
    admin.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    let served = testkit::Served::new(&person.env, None, "deny=iam:ListAccessKeys");
    admin.push(("AWS_ENDPOINT_URL", &served.url));
    let run = |args: &[&str]| person.env.muster_with(args, &admin, "");
    testkit::aws_with(&person.env, None, &["iam", "create-user", "--user-name", "eve"], &admin).exits(0);
    for more in [&["--allow-plaintext"][..], &["--finish", "--yes"]] {
        let args = [&["rotate-key", "--user-name", "eve"], more].concat();
        run(&args).exits(1).says("may not be listed");
    }
    assert_eq!(served.count("CreateAccessKey"), 0);
}

/// Somebody else's key: the new one is sealed, the old one goes in two later steps.
#[test]
fn somebody_elses_new_key_is_sealed() {
    let person = Person::alice(SELF);
    let admin: Vec<(&str, &str)> = person.served.env();
    let run = |args: &[&str]| {
        person.env.muster_with(&[&["rotate-key", "--user-name", "alice"], args].concat(), &admin, "")
    };
    run(&[]).exits(1).says("there is nobody to seal the credentials of `alice` for");
    run(&["--dry-run"]).exits(0).prints("CreateAccessKey");
    assert_eq!(person.served.mutations(), [] as [&str; 0]);
    let identity = age::x25519::Identity::generate();
    run(&["--recipient", &identity.to_public().to_string()])
        .exits(0)
        .prints("users/alice.key.zip")
        .says("--finish");
    let sealed = unzip(&person.env, "users/alice.key.zip")["credentials.age"].clone();
    let opened = String::from_utf8(age::decrypt(&identity, &sealed).unwrap()).unwrap();
    let found = keys(&person);
    assert_eq!((found.len(), found.iter().all(|(_, active)| *active)), (2, true), "the old one still works");
    assert!(opened.contains(&found[1].0), "{found:?}");
    run(&["--finish"]).exits(1).says("has not been used yet");
    // She takes it over, with her identity, and uses it.
    let key_file = person.env.write("identity.txt", age_text(&identity));
    let args = [
        "configure",
        "--profile",
        "me",
        "--from-bundle",
        "users/alice.key.zip",
        "--identity",
        &key_file,
        "--yes",
    ];
    person.muster(&args).exits(0);
    person.works("me-nomfa", ALICE);
    run(&["--finish"]).exits(3).says("UpdateAccessKey");
    run(&["--finish", "--yes"]).exits(0);
    assert_eq!(keys(&person).iter().filter(|(_, active)| *active).count(), 1);
    run(&["--finish", "--yes"]).exits(0);
    assert_eq!(keys(&person).len(), 1);
    person.works("me-nomfa", ALICE);
    run(&["--allow-plaintext"]).exits(1).says("alice.key.zip` exists");
    person
        .env
        .muster_with(&["rotate-key", "--user-name", "alcie"], &admin, "")
        .exits(2)
        .says("did you mean `alice`?");
}

fn age_text(identity: &age::x25519::Identity) -> String {
    use age::secrecy::ExposeSecret as _;
    identity.to_string().expose_secret().to_owned()
}

/// One command that changes keys, to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Own,
    /// Keys may be listed without MFA, and nothing else.
    OwnListable,
    OwnWithMfa,
    OwnDeletingOld,
    Others,
    Configure,
    Migrate,
}

const SETTLE: [&str; 2] = ["--settle", "200ms"];

impl What {
    fn person(self, faults: &str) -> Person {
        let policy = match self {
            Self::OwnWithMfa => MFA_ONLY.to_owned(),
            Self::OwnListable => listable(),
            _ => SELF.to_owned(),
        };
        let person = Person::new(&account(&policy), faults);
        person.env.write(".aws/credentials", credentials());
        if self == Self::Own {
            // The same key in the other file.
            person.env.write(
                ".aws/config",
                format!("[profile third]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"),
            );
        }
        match self {
            Self::Configure => {
                person.env.write("k.csv", format!("Access key ID,Secret access key\n{KEY},{SECRET}\n"));
            }
            Self::Migrate => {
                let plain =
                    format!("# mine\n[me]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
                person.env.write(".aws/credentials", plain);
            }
            Self::OwnWithMfa | Self::OwnListable => {
                person.muster(&["init-sts-session", "--profile", "me", "--mfa-code", &code(0)]).exits(0);
            }
            _ => {}
        }
        person
    }

    fn command(self) -> Vec<&'static str> {
        match self {
            Self::Own | Self::OwnWithMfa | Self::OwnListable => {
                vec!["rotate-my-key", "--profile", "me", "--rate", "10000", "--poll", "20ms"]
            }
            Self::OwnDeletingOld => {
                vec!["rotate-my-key", "--profile", "me", "--delete-old", "--rate", "10000", "--poll", "20ms"]
            }
            Self::Others => {
                vec!["rotate-key", "--user-name", "alice", "--allow-plaintext", "--rate", "10000"]
            }
            Self::Configure => {
                vec!["configure", "--profile", "new", "--from-csv", "k.csv", "--region", "eu-west-1"]
            }
            Self::Migrate => vec!["configure", "--profile", "me", "--from-profile", "me", "--yes"],
        }
    }

    fn run(self, person: &Person, args: &[&str], cut: Option<&str>) -> Ran {
        let mut variables = if self == Self::Others { person.served.env() } else { person.variables() };
        variables.extend(cut.map(|cut| ("MUSTER_CUT", cut)));
        person.env.muster_with(args, &variables, "")
    }
}

fn text(env: &TestEnv) -> String {
    env.read(".aws/credentials")
}

/// Returns the keys of the file that the account takes.
fn working(env: &TestEnv, alice: &Value) -> Vec<String> {
    let active = alice["access_keys"].as_array().unwrap().iter().filter(|key| key["active"] == true);
    let in_file = active.filter(|key| {
        let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
        text(env).contains(id) && text(env).contains(secret)
    });
    in_file.map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

fn alice(env: &TestEnv) -> Value {
    let state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    state["users"].as_array().unwrap().iter().find(|user| user["name"] == "alice").unwrap().clone()
}

fn cut(what: What, place: u64, faults: &str) {
    let name = format!("{what:?} cut at place {place}, faults `{faults}`");
    let person = what.person(faults);
    let before = text(&person.env);
    let mut command = what.command();
    if !matches!(what, What::Configure | What::Migrate) {
        command.extend(SETTLE);
    }
    let killed = what.run(&person, &command, Some(&format!("kill:{place}")));
    // With faults the run may be shorter than the one that was counted, or fail on its own.
    assert!(killed.status == 137 || !faults.is_empty(), "{name}: {}", killed.stderr);
    // At any moment a key that works is in the file.
    let now = person.user("alice");
    if what != What::Others {
        assert!(!working(&person.env, &now).is_empty(), "{name}: {now}\n{}", text(&person.env));
    }
    let recovers = place % 2 == 1 && !matches!(what, What::Configure | What::Migrate);
    if recovers {
        let profile = if what == What::Others { &[][..] } else { &["--profile", "me-nomfa"] };
        let args = [&["recover", "--yes"], profile, &SETTLE].concat();
        what.run(&person, &args, None).exits(0);
    } else {
        let ran = what.run(&person, &command, None);
        let is_over = ran.stderr.contains("in the profile `me` already")
            || ran.stderr.contains("has a long-lived access key")
            || ran.stderr.contains("alice.key.zip` exists")
            || ran.stderr.contains(&format!("the other one, {KEY}, has to be deleted for good"));
        assert!(
            ran.status == 0 || is_over || (what == What::Migrate && ran.status == 2),
            "{name}: {}\n{}",
            ran.stderr,
            ran.stdout
        );
    }
    let Person { env, served } = person;
    served.stop();
    let alice = alice(&env);
    let keys = keys_of(&alice);
    let active: Vec<&String> = keys.iter().filter(|(_, active)| *active).map(|(id, _)| id).collect();
    assert!(!text(&env).contains("-rotating]"), "{name}: {}", text(&env));
    let leftovers: Vec<_> =
        std::fs::read_dir(env.path(".aws")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !leftovers.iter().any(|name| name.to_string_lossy().contains("muster-new")),
        "{name}: {leftovers:?}"
    );
    match what {
        What::Own | What::OwnWithMfa | What::OwnListable | What::OwnDeletingOld => {
            if what == What::Own {
                let config = env.read(".aws/config");
                assert!(config.contains(active[0].as_str()), "{name}: the other file, too: {config}");
            }
            let in_file = working(&env, &alice);
            assert_eq!(active.len(), 1, "{name}: {keys:?}");
            assert_eq!(in_file, [active[0].as_str()], "{name}: {}", text(&env));
            if active[0] == KEY {
                assert!(recovers, "{name}: run again, it rotates");
                assert!(text(&env).starts_with(&before), "{name}: {}", text(&env));
                assert_eq!(keys.len(), 1, "{name}");
            } else if what == What::OwnDeletingOld {
                assert_eq!(keys.len(), 1, "{name}: {keys:?}");
            }
        }
        What::Others => {
            for id in active.iter().filter(|id| **id != KEY) {
                let bundle = unzip(&env, "users/alice.key.zip")["credentials"].clone();
                assert!(
                    String::from_utf8(bundle).unwrap().contains(id.as_str()),
                    "{name}: somebody holds {id}"
                );
            }
            if active.len() == 1 {
                assert!(!env.path("users/alice.key.zip").exists(), "{name}");
            }
        }
        What::Configure => {
            assert!(text(&env).starts_with(&before), "{name}");
            assert!(text(&env)[before.len()..].contains("[new-nomfa]"), "{name}: {}", text(&env));
        }
        What::Migrate => {
            assert_eq!(text(&env).matches(KEY).count(), 1, "{name}: {}", text(&env));
            assert!(text(&env).contains("[me-nomfa]"), "{name}");
        }
    }
    let state = env.path(".local/state/muster");
    let homes = std::fs::read_dir(state).into_iter().flatten().flatten();
    let journals: usize =
        homes.map(|home| std::fs::read_dir(home.path().join("journal")).into_iter().flatten().count()).sum();
    assert_eq!(journals, 0, "{name}: the journal is empty");
}

/// The real binary is killed before and after every call and every file operation, while the account lives on.
#[test]
fn a_change_of_keys_that_is_killed_anywhere_is_mended() {
    for what in [
        What::Own,
        What::OwnWithMfa,
        What::OwnListable,
        What::OwnDeletingOld,
        What::Others,
        What::Configure,
        What::Migrate,
    ] {
        let person = what.person("");
        let ran = what.run(&person, &what.command(), Some("kill:1000000")).exits(0);
        let (_, rest) = ran.stderr.split_once("passed ").unwrap();
        let places: u64 = rest.split(' ').next().unwrap().parse().unwrap();
        for_each(1..=places, |place| cut(what, place, ""));
        println!("{what:?}: {places} places");
    }
}

/// The same on bad days: server errors, lost answers, writes that are seen late.
#[test]
fn a_change_of_keys_that_is_killed_on_a_bad_day_is_mended() {
    for_each(0..testkit::how_many(60, 600), |seed| {
        let what = [What::Own, What::OwnDeletingOld, What::Others][usize::try_from(seed % 3).unwrap()];
        // Spread over the run, and past its end too.
        let place = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 90 + 1;
        let faults = match seed / 3 % 4 {
            0 => format!("error=0.03,seed={seed}"),
            1 => format!("lose=0.05,seed={seed}"),
            2 => format!("delay=5s,clock=100x,seed={seed}"),
            _ => format!("rate=40,burst=10,lose=0.02,error=0.01,delay=5s,clock=100x,seed={seed}"),
        };
        cut(what, place, &faults);
    });
}
