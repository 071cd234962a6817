//! The built-in policy templates, where real clients live under them.

use muster_core::templates::{Place, find};
use serde_json::{Value, json};

use super::enable_mfa::seed_on;
use super::person::{ACCOUNT, ALICE, Person, SERIAL, account, code, code_of, credentials};
use super::screen::Screen;

/// Alice in a group that carries these templates.
fn human(templates: &[&str], given: &Value, has_device: bool) -> Person {
    let place = Place { partition: "aws".to_owned(), account_id: ACCOUNT.to_owned() };
    let inline = templates.iter().map(|name| {
        let policy = find(name).unwrap().policy(given.get(name), &place).unwrap();
        json!({ "name": name, "document": policy.to_string() })
    });
    let mut account = account("");
    account["users"][0]["inline"] = json!([]);
    account["users"][0]["groups"] = json!(["allhumanusers"]);
    account["groups"] = json!([{
        "name": "AllHumanUsers", "path": "/", "id": "AGPAEXAMPLE0000000001", "created": 1_700_000_000,
        "inline": inline.collect::<Vec<_>>(),
    }]);
    let mut file = credentials();
    if !has_device {
        account["devices"] = json!([]);
        file = file.replace(&format!("mfa_serial = {SERIAL}\n"), "");
    }
    let person = Person::new(&account, "");
    person.env.write(".aws/credentials", file);
    person
}

const HUMAN: [&str; 3] = ["enforce-mfa", "self-manage-credentials", "read-own-account-info"];

fn may(person: &Person, profile: &str, args: &[&str]) -> bool {
    let ran = person.aws(&[args, &["--profile", profile]].concat());
    assert!(ran.status == 0 || ran.stderr.contains("AccessDenied"), "{args:?}: {}", ran.stderr);
    ran.status == 0
}

/// Without MFA nothing goes but setting it up; with it, everything about oneself.
#[test]
fn a_person_lives_under_the_rules_for_humans() {
    let person = human(&HUMAN, &json!({ "enforce-mfa": { "max_session_age": "12h" } }), false);
    let keys = ["iam", "list-access-keys"];
    assert!(!may(&person, "me-nomfa", &keys));
    let mut screen = Screen::new(&person.env, &["enable-mfa", "--profile", "me"], 140, &person.variables());
    let seed = seed_on(&mut screen);
    screen.types(&format!("{}\n{}\n", code_of(&seed, -1), code_of(&seed, 0)));
    let (status, raw) = screen.ends();
    assert_eq!(status, 0, "{raw}");
    assert!(!may(&person, "me-nomfa", &keys));
    let of_alice = ["--user-name", "alice", "--serial-number"];
    assert!(!may(
        &person,
        "me-nomfa",
        &[&["iam", "deactivate-mfa-device"], &of_alice[..], &[SERIAL]].concat()
    ));
    // Whoever has stolen the key may make a device of their own, and not enable it.
    let out = person.env.text_path("phone.txt");
    let make = ["iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "phone"];
    let more = ["--bootstrap-method", "Base32StringSeed", "--outfile", &out];
    assert!(may(&person, "me-nomfa", &[make, more].concat()));
    let phone = person.env.read("phone.txt");
    let enable = |profile: &str| {
        let serial = SERIAL.replace("alice", "phone");
        let (first, second) = (code_of(phone.trim(), -1), code_of(phone.trim(), 0));
        let codes = ["--authentication-code1", &first, "--authentication-code2", &second];
        let args = [&["iam", "enable-mfa-device"], &of_alice[..], &[serial.as_str()], &codes].concat();
        may(&person, profile, &args)
    };
    assert!(!enable("me-nomfa"));
    let code = code_of(&seed, 1);
    person.muster(&["init-sts-session", "--profile", "me", "--mfa-code", &code]).exits(0);
    assert!(may(&person, "me", &keys));
    assert!(enable("me"));
    for args in [
        &["iam", "list-users"][..],
        &["iam", "list-access-keys", "--user-name", "bob"],
        &["iam", "create-access-key", "--user-name", "bob"],
        &["iam", "add-user-to-group", "--group-name", "AllHumanUsers", "--user-name", "alice"],
    ] {
        assert!(!may(&person, "me", args), "{args:?}");
    }
    person.works("me", ALICE);
}

/// muster's own commands for people need nothing that the templates do not give.
#[test]
fn a_key_is_rotated_under_the_rules_for_humans() {
    let person = human(&HUMAN, &json!({}), true);
    let rotate =
        |typed: &str| person.muster_typing(&["rotate-my-key", "--profile", "me", "--delete-old"], typed);
    rotate("").exits(1).says("nobody answers");
    rotate(&format!("{}\n", code(0))).exits(0).prints("rotated");
    person.works("me-nomfa", ALICE);
}

/// At one address, an employee outside the corporate range is denied and a contractor is not.
#[test]
fn a_source_address_counts_for_one_category_only() {
    let networks = |network: &str| json!({ "enforce-source-ip": { "source_ip": network } });
    let read = ["iam", "get-user", "--user-name", "alice"];
    for (templates, given, allowed) in [
        (&["read-own-account-info", "enforce-source-ip"][..], networks("203.0.113.0/24"), false),
        (&["read-own-account-info", "enforce-source-ip"], networks("127.0.0.0/8"), true),
        (&["read-own-account-info"], json!({}), true),
        (&["read-own-account-info", "deny-access-keys"], json!({}), false),
    ] {
        let person = human(templates, &given, true);
        assert_eq!(may(&person, "me-nomfa", &read), allowed, "{templates:?} {given}");
    }
}
