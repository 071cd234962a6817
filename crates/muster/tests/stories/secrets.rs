//! The canary: every secret of a run is looked for wherever it must not be.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use testkit::{Served, TestEnv};

use super::crashes::unzip;
use super::{ARTICLE, article_with_groups};

/// What is encoded where RFC 3986's unreserved characters are not.
const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A secret, and the ways in which it could be written.
fn forms(secret: &str) -> Vec<(String, Vec<u8>)> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url: String =
        percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    // As the SDK writes forms, and as a browser would.
    let url_kept = percent_encoding::utf8_percent_encode(secret, UNRESERVED).to_string();
    let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
    let mut forms = vec![
        ("raw".to_owned(), secret.as_bytes().to_vec()),
        ("hex".to_owned(), hex.clone().into_bytes()),
        ("HEX".to_owned(), hex.to_uppercase().into_bytes()),
        ("URL-encoded".to_owned(), url.into_bytes()),
        ("URL-encoded".to_owned(), url_kept.into_bytes()),
        ("JSON".to_owned(), serde_json::to_string(secret).unwrap().trim_matches('"').as_bytes().to_vec()),
    ];
    // base64 of it at each place in a longer text: the middle is always the same.
    for shift in 0..3 {
        let shifted = base64::engine::general_purpose::STANDARD
            .encode([&[b' '; 3][..shift], secret.as_bytes()].concat());
        let middle = &shifted[4..shifted.len() - 4];
        forms.push((format!("base64 shifted by {shift}"), middle.as_bytes().to_vec()));
    }
    forms.push(("base64".to_owned(), base64.into_bytes()));
    forms
}

fn finds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Returns where any form of a secret is found.
fn search(places: &BTreeMap<String, Vec<u8>>, secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for secret in secrets {
        for (form, needle) in forms(secret) {
            found.extend(
                places
                    .iter()
                    .filter(|(_, bytes)| finds(bytes, &needle))
                    .map(|(place, _)| format!("{place}: {form}")),
            );
        }
    }
    found
}

/// Puts every file under a folder among the places.
fn collect(folder: &Path, leave_out: &[&str], places: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if leave_out.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, leave_out, places);
        } else {
            places.insert(path.display().to_string(), std::fs::read(&path).unwrap_or_default());
        }
    }
}

/// Watches the arguments of all processes while something runs.
fn arguments_while<T>(work: impl FnOnce() -> T) -> (T, Vec<u8>) {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    for file in ["cmdline", "environ"] {
                        seen.extend(std::fs::read(entry.path().join(file)).unwrap_or_default());
                    }
                    seen.push(b'\n');
                }
            }
            seen
        });
        let result = work();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        (result, watcher.join().unwrap())
    })
}

const LOUD: [(&str, &str); 4] = [
    ("RUST_LOG", "trace"),
    ("MUSTER_LOG", "trace"),
    ("LOG_SENSITIVE_BODIES", "true"),
    ("RUST_BACKTRACE", "full"),
];

/// Returns every secret of a user that was made: they are in its bundles, in clear.
fn secrets_of(env: &TestEnv, name: &str) -> Vec<String> {
    let bundle = unzip(env, &format!("users/{name}.zip"));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().trim().to_owned();
    let credentials = text(&bundle["credentials"]);
    let (_, key) = credentials.split_once("aws_secret_access_key = ").unwrap();
    let seed = text(&unzip(env, &format!("users/{name}.mfa.zip"))["seed.txt"]);
    vec![text(&bundle["password.txt"]), key.to_owned(), seed]
}

#[test]
fn a_secret_is_nowhere_but_in_its_bundle() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    std::fs::create_dir(env.path("tmp")).unwrap();
    let served = Served::new(&env, Some(&account), "");
    let tmp = env.text_path("tmp");
    let mut variables = served.env();
    variables.extend(LOUD);
    variables.push(("TMPDIR", &tmp));
    // In clear first, so that the secrets are known.
    let args = ["--debug", "create-user", "Headless-a", "--mfa", "auto", "--access-key", "--allow-plaintext"];
    let (ran, arguments) = arguments_while(|| env.muster_with(&args, &variables, ""));
    let ran = ran.exits(0);
    let secrets = secrets_of(&env, "Headless-a");
    // Then disabled, restored with a new password, and deleted.
    let mut outputs = vec![ran];
    for args in [
        &["--debug", "disable-user", "Headless-a"][..],
        &["--debug", "restore-user", "Headless-a", "--yes", "--allow-plaintext"],
        &["--debug", "delete-user", "Headless-a", "--yes"],
    ] {
        outputs.push(env.muster_with(args, &variables, "").exits(0));
    }
    let restored =
        String::from_utf8(unzip(&env, "users/Headless-a.restored.zip")["password.txt"].clone()).unwrap();
    let secrets: Vec<String> = secrets.into_iter().chain([restored.trim().to_owned()]).collect();
    assert_eq!(secrets.len(), 4);
    let mut places = BTreeMap::new();
    places.insert("arguments and environments".to_owned(), arguments);
    for (number, ran) in outputs.iter().enumerate() {
        places.insert(format!("stdout {number}"), ran.stdout.clone().into_bytes());
        places.insert(format!("stderr {number}"), ran.stderr.clone().into_bytes());
    }
    assert!(outputs[0].stderr.contains("CreateAccessKey"), "the log is on");
    // The account itself knows keys and seeds, as AWS does; the bundles are where the secrets belong.
    let bundles = ["account.json", "Headless-a.zip", "Headless-a.mfa.zip", "Headless-a.restored.zip"];
    collect(&env.path(""), &bundles, &mut places);
    assert!(places.keys().any(|place| place.contains("records/")), "{:?}", places.keys());
    assert!(places.keys().any(|place| place.contains("deleted.json")), "{:?}", places.keys());
    assert_eq!(search(&places, &secrets), [] as [String; 0]);

    // The search itself finds what is there, in every form.
    let mut planted = BTreeMap::new();
    for (form, needle) in forms(&secrets[0]) {
        planted.insert(form, [b"before ", needle.as_slice(), b" after"].concat());
    }
    let found = search(&planted, &secrets[..1]);
    assert!(planted.keys().all(|form| found.iter().any(|hit| hit.starts_with(form.as_str()))), "{found:?}");
}

/// What panics while it holds secrets says none of them, and `recover` takes them out of the world.
#[test]
fn a_panic_says_no_secret() {
    let (env, account) = article_with_groups();
    env.write(".aws/recipes/default.json", ARTICLE.replace("\"profile_name\": [ \"isecpartners\" ],\n", ""));
    // What a run with these ids makes is drawn from the account's seed, so a whole run tells what the panicking one had.
    env.write("copy.json", env.read("account.json"));
    let served = Served::new(&env, Some(&account), "");
    let mut variables = served.env();
    variables.extend(LOUD);
    variables.push(("MUSTER_CUT", "panic:95"));
    let args = ["--debug", "create-user", "Headless-a", "--mfa", "auto", "--access-key", "--allow-plaintext"];
    let ran = env.muster_with(&args, &variables, "");
    assert_eq!(ran.status, 101, "{}", ran.stderr);
    assert!(ran.stderr.contains("cut at place"), "it panicked: {}", ran.stderr);
    served.stop();
    let state: serde_json::Value = serde_json::from_str(&env.read("account.json")).unwrap();
    let user = state["users"].as_array().unwrap().iter().find(|user| user["name"] == "Headless-a").unwrap();
    let secrets = vec![
        user["access_keys"][0]["secret"].as_str().expect("the key is made by then").to_owned(),
        state["devices"][0]["seed"].as_str().unwrap().to_owned(),
    ];
    let mut places = BTreeMap::new();
    places.insert("stderr".to_owned(), ran.stderr.into_bytes());
    places.insert("stdout".to_owned(), ran.stdout.into_bytes());
    collect(&env.path(""), &["account.json", "users"], &mut places);
    assert_eq!(search(&places, &secrets), [] as [String; 0]);
    assert!(!env.path("core").exists());
}

/// Where everything is sealed, the bundle itself holds no secret that can be read.
#[test]
fn a_sealed_bundle_can_be_searched_in_vain() {
    let (env, account) = article_with_groups();
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let args = [
        "--sandbox",
        &account,
        "create-user",
        "Headless-a",
        "--mfa",
        "auto",
        "--access-key",
        "--recipient",
        &recipient,
    ];
    env.muster(&args).exits(0);
    let open = |zip: &str, name: &str| {
        let sealed = unzip(&env, zip)[name].clone();
        String::from_utf8(age::decrypt(&identity, &sealed).unwrap()).unwrap().trim().to_owned()
    };
    let credentials = open("users/Headless-a.zip", "credentials.age");
    let secrets = vec![
        open("users/Headless-a.zip", "password.txt.age"),
        credentials.split_once("aws_secret_access_key = ").unwrap().1.to_owned(),
        open("users/Headless-a.mfa.zip", "seed.txt.age"),
    ];
    let mut places = BTreeMap::new();
    collect(&env.path(""), &["account.json"], &mut places);
    assert!(places.keys().any(|place| place.ends_with("Headless-a.mfa.zip")));
    assert_eq!(search(&places, &secrets), [] as [String; 0]);
}

/// What is in the credentials file and the cache is nowhere else: keys, sessions, and codes.
#[test]
fn a_session_and_a_new_key_are_only_where_they_belong() {
    use super::person::{KEY, MFA_ONLY, Person, SECRET, code};

    let person = Person::alice(MFA_ONLY);
    let env = &person.env;
    std::fs::create_dir(env.path("tmp")).unwrap();
    let tmp = env.text_path("tmp");
    let mut variables = person.variables();
    variables.extend(LOUD);
    variables.push(("TMPDIR", &tmp));
    let run = |args: &[&str], stdin: &str| {
        let args = [&["--debug"], args].concat();
        env.muster_with(&args, &variables, stdin)
    };
    let csv = env.write("k.csv", format!("Access key ID,Secret access key\n{KEY},{SECRET}\n"));
    let rotate = ["rotate-my-key", "--profile", "me", "--poll", "20ms"];
    let (outputs, arguments) = arguments_while(|| {
        vec![
            run(&["configure", "--profile", "me", "--from-csv", &csv, "--delete-csv"], "").exits(0),
            run(&["configure", "--profile", "typed"], &format!("{KEY}\n{SECRET}\n")).exits(0),
            run(&["init-sts-session", "--profile", "me"], &format!("{}\n", code(0))).exits(0),
            run(&["init-sts-session", "--profile", "me", "--status"], "").exits(0),
            run(&rotate, "").exits(0),
            run(
                &[
                    "assume-role",
                    "--role-arn",
                    "arn:aws:iam::123456789012:role/deploy",
                    "--source-profile",
                    "me",
                    "--profile",
                    "d",
                    "--external-id",
                    "4711",
                ],
                "",
            )
            .exits(0),
            run(&[&rotate[..], &["--finish", "--yes"]].concat(), "").exits(0),
            run(&["init-sts-session", "--profile", "me", "--force", "--mfa-command", "echo 000000"], "")
                .exits(1),
        ]
    });
    assert!(outputs[4].stderr.contains("CreateAccessKey"), "the log is on");
    let file = person.file();
    let value = |line: &str| line.split_once('=').map(|(_, value)| value.trim().to_owned());
    let is_secret = |line: &&str| line.contains("secret_access_key") || line.contains("session_token");
    let mut secrets: Vec<String> =
        file.lines().filter(is_secret).filter_map(value).filter(|s| s != "EXAMPLE").collect();
    secrets.push(SECRET.to_owned());
    secrets.dedup();
    assert!(secrets.len() >= 6, "keys, sessions and the old key: {}", secrets.len());
    let mut places = BTreeMap::new();
    places.insert("arguments and environments".to_owned(), arguments);
    for (number, ran) in outputs.iter().enumerate() {
        places.insert(format!("stdout {number}"), ran.stdout.clone().into_bytes());
        places.insert(format!("stderr {number}"), ran.stderr.clone().into_bytes());
    }
    // The account knows them, as AWS does; the file and the cache are where they belong.
    collect(&env.path(""), &["account.json", "credentials", "sessions"], &mut places);
    assert!(places.keys().any(|place| place.contains("records/")), "{:?}", places.keys());
    assert_eq!(search(&places, &secrets), [] as [String; 0]);
    assert!(!places.values().any(|bytes| finds(bytes, SECRET.as_bytes())), "the old secret is gone for good");
    // In the cache and in the file they are.
    let mut cache = BTreeMap::new();
    collect(&env.path(".local/state/muster/sessions"), &[], &mut cache);
    let token = secrets.iter().find(|secret| secret.len() > 200).expect("a session has a long token");
    assert!(cache.values().any(|bytes| finds(bytes, token.as_bytes())), "the search finds what is there");
}
