//! Crashes: the real binary is killed before and after every call and every file operation, while the account, in a
//! process of its own, lives on. Then `recover`, or the same command again, has to put everything right.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use testkit::{Ran, Served, TestEnv, how_many};

use crate::env;

/// Threads that cut at once: most of the time each waits for processes.
const WORKERS: usize = 4;

const ACCOUNT: &str = "123456789012";

/// A saga to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saga {
    Create,
    Delete,
    Disable,
    Restore,
}

/// How a cut is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mend {
    Recover,
    Again,
}

const SAGAS: [Saga; 4] = [Saga::Create, Saga::Delete, Saga::Disable, Saga::Restore];

impl Saga {
    fn command(self) -> Vec<&'static str> {
        match self {
            Self::Create => {
                vec![
                    "create-user",
                    "Headless-new",
                    "--mfa",
                    "auto",
                    "--access-key",
                    "--allow-plaintext",
                    "--settle",
                    "200ms",
                ]
            }
            Self::Delete => vec!["delete-user", "alice", "--yes", "--settle", "200ms"],
            Self::Disable => vec!["disable-user", "alice", "--settle", "200ms"],
            Self::Restore => {
                vec!["restore-user", "alice", "--yes", "--allow-plaintext", "--settle", "200ms"]
            }
        }
    }
}

/// An account with a user that has one of everything.
pub(crate) fn account() -> Value {
    let group = |name: &str| json!({ "name": name, "path": "/", "id": format!("AGPA{name:A<17}"), "created": 1_790_000_000 });
    let groups =
        ["AllUsers", "AllHumanUsers", "AllHeadlessUsers", "AllMisconfiguredUsers", "Disabled"].map(group);
    let user = |name: &str| json!({ "name": name, "path": "/", "id": format!("AIDA{name:A<17}"), "created": 1_790_000_000 });
    let mut alice = user("alice");
    let own = json!({
        "groups": ["allusers", "allhumanusers"],
        "attached": [format!("arn:aws:iam::{ACCOUNT}:policy/reader")],
        "inline": [{ "name": "own", "document": "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }],
        "boundary": format!("arn:aws:iam::{ACCOUNT}:policy/reader"),
        "login": { "created": 1_790_000_000, "reset_required": false, "hash": "none" },
        "access_keys": [
            { "id": "AKIAEXAMPLEAAAAAAAA1", "secret": "EXAMPLE", "active": true, "created": 1_790_000_000 },
            { "id": "AKIAEXAMPLEAAAAAAAA2", "secret": "EXAMPLE", "active": false, "created": 1_790_000_000 },
        ],
        "ssh_keys": [{ "id": "APKAEXAMPLEAAAAAAAAA1", "body": "ssh-rsa EXAMPLE", "fingerprint": "EXAMPLE", "active": true, "uploaded": 1_790_000_000 }],
        "certificates": [{ "id": "CERTEXAMPLECERTEXAMPLECERTEXAMPL", "body": "EXAMPLE", "active": true, "uploaded": 1_790_000_000 }],
        "service_credentials": [{ "id": "ACCAEXAMPLEAAAAAAAAA1", "service": "bedrock.amazonaws.com", "login": "alice", "active": true, "created": 1_790_000_000 }],
    });
    alice.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    let device = |serial: &str| json!({ "serial": serial, "user": "alice", "enabled": 1_790_000_000 });
    json!({
        "muster_sandbox": 1,
        "identity": { "account": ACCOUNT, "partition": "aws", "seed": 1, "drawn": 0 },
        "clock_ms": 1_790_000_000_000_i64,
        "users": [alice, user("bob")],
        "groups": groups,
        "policies": [{
            "arn": format!("arn:aws:iam::{ACCOUNT}:policy/reader"), "name": "reader", "path": "/",
            "id": "ANPAEXAMPLEAAAAAAAAAA", "created": 1_790_000_000,
            "document": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:Get*\",\"Resource\":\"*\"}]}",
        }],
        "devices": [
            device(&format!("arn:aws:iam::{ACCOUNT}:mfa/alice")),
            device(&format!("arn:aws:iam::{ACCOUNT}:mfa/alices-phone")),
            device("GAHT12345678"),
            device(&format!("arn:aws:iam::{ACCOUNT}:u2f/user/alice/key-EXAMPLE")),
        ],
    })
}

/// The rules of the article, with a group for disabled users.
const CONFIG: &str = r#"
common_groups = ["AllUsers"]
force_common_group = true
disabled_group = "Disabled"

[[category]]
group = "AllHumanUsers"

[[category]]
group = "AllHeadlessUsers"
pattern = "^Headless-(.*)"
"#;

/// One world: a home, and an account served in it.
struct World {
    env: TestEnv,
    served: Option<Served>,
}

impl World {
    fn new(saga: Saga, faults: &str) -> Self {
        let env = env();
        env.write("account.json", account().to_string());
        env.write("config.toml", CONFIG);
        if saga == Saga::Restore {
            // Disabled beforehand, without trouble.
            let world =
                Self { served: Some(Served::new(&env, Some(&env.text_path("account.json")), "")), env };
            world.run(&Saga::Disable.command(), None).exits(0);
            let env = world.stop().0;
            let served = Some(Served::new(&env, Some(&env.text_path("account.json")), faults));
            return Self { env, served };
        }
        let served = Some(Served::new(&env, Some(&env.text_path("account.json")), faults));
        Self { env, served }
    }

    fn run(&self, command: &[&str], cut: Option<&str>) -> Ran {
        let mut args = vec!["--config", "config.toml", "--rate", "10000"];
        args.extend(command);
        let served = self.served.as_ref().expect("it is served until the end");
        let mut variables = served.env();
        if let Some(cut) = cut {
            variables.push(("MUSTER_CUT", cut));
        }
        self.env.muster_with(&args, &variables, "")
    }

    /// Ends the account, and returns what it holds.
    fn stop(mut self) -> (TestEnv, Value) {
        self.served.take().expect("it is served until the end").stop();
        let account =
            serde_json::from_str(&self.env.read("account.json")).expect("an account's file is JSON");
        (self.env, account)
    }
}

/// Returns what is in a zip that is not compressed, by the names of its files.
pub(crate) fn unzip(env: &TestEnv, path: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(env.path(path)).expect("the bundle is there");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("the bundle is a zip");
    let mut files = BTreeMap::new();
    for i in 0..zip.len() {
        let mut file = zip.by_index(i).expect("a file of the zip");
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content).expect("a file of the zip can be read");
        files.insert(file.name().expect("a name").into_owned(), content);
    }
    files
}

/// Returns what the embedded account knows a password by.
pub(crate) fn password_hash(user: &Value, password: &str) -> String {
    use sha2::Digest as _;
    let text = format!("{ACCOUNT}\n{}\n{password}", user["id"].as_str().unwrap());
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn user<'a>(account: &'a Value, name: &str) -> Option<&'a Value> {
    account["users"].as_array().unwrap().iter().find(|user| user["name"] == name)
}

fn files(env: &TestEnv, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(env.path(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Returns every journal that is left, anywhere in the home.
fn journals(env: &TestEnv) -> Vec<String> {
    let state = env.path(".local/state/muster");
    let homes = std::fs::read_dir(state).into_iter().flatten().flatten();
    homes
        .flat_map(|home| std::fs::read_dir(home.path().join("journal")).into_iter().flatten().flatten())
        .map(|entry| entry.path().display().to_string())
        .collect()
}

/// Asserts that everything is as it has to be after a cut was mended.
fn check(saga: Saga, mend: Mend, env: &TestEnv, account: &Value, what: &str) {
    assert_eq!(journals(env), [] as [String; 0], "{what}: the journal is empty");
    let hidden: Vec<String> = files(env, "users").into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [] as [String; 0], "{what}: no half-written file");
    let no_devices = Vec::new();
    let devices = account["devices"].as_array().unwrap_or(&no_devices);
    let unassigned: Vec<&Value> = devices.iter().filter(|device| device["user"].is_null()).collect();
    assert!(unassigned.is_empty(), "{what}: unassigned MFA devices {unassigned:?}");
    match saga {
        Saga::Create => check_created(mend, env, account, what),
        Saga::Delete => {
            assert!(user(account, "alice").is_none(), "{what}: the user is gone");
            assert!(devices.is_empty(), "{what}: {devices:?}");
            assert!(files(env, "users").contains(&"alice.deleted.json".to_owned()), "{what}");
        }
        Saga::Disable => {
            let alice = user(account, "alice").expect("a quarantine deletes nobody");
            assert_eq!(alice["inline"][1]["name"], "MusterDenyAll", "{what}: {alice}");
            assert!(alice["login"].is_null(), "{what}: {alice}");
            for kind in ["access_keys", "ssh_keys", "certificates", "service_credentials"] {
                let on = alice[kind].as_array().unwrap().iter().find(|c| c["active"] == true);
                assert!(on.is_none(), "{what}: {on:?}");
            }
            assert_eq!(alice["groups"], json!(["disabled"]), "{what}");
            assert_eq!(devices.len(), 4, "{what}");
            assert!(files(env, "users").contains(&"alice.disabled.json".to_owned()), "{what}");
        }
        Saga::Restore => {
            let alice = user(account, "alice").expect("it is there");
            assert_eq!(alice["inline"].as_array().unwrap().len(), 1, "{what}: {alice}");
            let active =
                |kind: &str| alice[kind].as_array().unwrap().iter().filter(|c| c["active"] == true).count();
            assert_eq!(active("access_keys"), 1, "{what}: the key that was active, and no other");
            assert_eq!(
                (active("ssh_keys"), active("certificates"), active("service_credentials")),
                (1, 1, 1),
                "{what}"
            );
            assert_eq!(alice["groups"], json!(["allhumanusers", "allusers"]), "{what}");
            assert!(alice["tags"].is_null(), "{what}: {alice}");
            let bundle = unzip(env, "users/alice.restored.zip");
            let password = String::from_utf8(bundle["password.txt"].clone()).unwrap();
            assert_eq!(alice["login"]["hash"], password_hash(alice, password.trim_end()), "{what}");
            assert!(!files(env, "users").contains(&"alice.disabled.json".to_owned()), "{what}");
        }
    }
}

/// A user that was being created is there whole, with its bundle, or not at all.
fn check_created(mend: Mend, env: &TestEnv, account: &Value, what: &str) {
    let new = user(account, "Headless-new");
    let devices: Vec<&Value> =
        account["devices"].as_array().unwrap().iter().filter(|d| d["user"] == "headless-new").collect();
    let Some(new) = new else {
        assert_eq!(mend, Mend::Recover, "{what}: the same command again creates the user");
        let others = files(env, "users");
        assert!(others.is_empty(), "{what}: a user that is not there has no bundle: {others:?}");
        assert_eq!(account["devices"].as_array().unwrap().len(), 4, "{what}");
        return;
    };
    assert_eq!(new["groups"], json!(["allheadlessusers", "allusers"]), "{what}");
    let bundle = unzip(env, "users/Headless-new.zip");
    let text = |name: &str| String::from_utf8(bundle[name].clone()).unwrap();
    assert_eq!(new["login"]["hash"], password_hash(new, text("password.txt").trim_end()), "{what}");
    let keys = new["access_keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "{what}: {keys:?}");
    assert!(text("credentials").contains(keys[0]["id"].as_str().unwrap()), "{what}");
    assert!(text("credentials").contains(keys[0]["secret"].as_str().unwrap()), "{what}");
    assert_eq!(devices.len(), 1, "{what}");
    let second = unzip(env, "users/Headless-new.mfa.zip");
    assert_eq!(
        String::from_utf8(second["seed.txt"].clone()).unwrap().trim_end(),
        devices[0]["seed"],
        "{what}"
    );
}

/// Returns how many places a saga passes when nobody cuts it.
fn places(saga: Saga) -> u64 {
    let world = World::new(saga, "");
    let ran = world.run(&saga.command(), Some("kill:1000000")).exits(0);
    let (_, rest) = ran.stderr.split_once("passed ").expect("it says how many places there were");
    let number = rest.split(' ').next().unwrap().parse().unwrap();
    let (env, account) = world.stop();
    check(saga, Mend::Again, &env, &account, "not cut at all");
    number
}

/// Cuts at one place, mends, and checks.
fn cut(saga: Saga, place: u64, mend: Mend, faults: &str) {
    let what = format!("{saga:?} cut at place {place}, mended by {mend:?}, faults `{faults}`");
    let world = World::new(saga, faults);
    let killed = world.run(&saga.command(), Some(&format!("kill:{place}")));
    // With faults the run may be shorter than the one that was counted, or fail on its own.
    if faults.is_empty() {
        assert_eq!(killed.status, 128 + 9, "{what}: {}", killed.stderr);
    }
    let mended = match mend {
        Mend::Recover => world.run(&["recover", "--yes", "--settle", "200ms"], None),
        Mend::Again => world.run(&saga.command(), None),
    };
    let created_twice = killed.status == 0 && saga == Saga::Create && mend == Mend::Again;
    // Before the journal was begun, there is nothing to recover, and nothing was done.
    let untouched =
        killed.status != 0 && mend == Mend::Recover && mended.stderr.contains("Nothing is left half done");
    if !created_twice {
        let finished_before = mend == Mend::Again && mended.status == 1 && is_over(saga, &mended);
        assert!(mended.status == 0 || finished_before, "{what}: {}\n{}", mended.stderr, mended.stdout);
    }
    if untouched && saga != Saga::Create {
        // Deletion, quarantine and restoration begin with the journal: then the command does all of it.
        let again = world.run(&saga.command(), None);
        assert!(again.status == 0 || is_over(saga, &again), "{what}: {}", again.stderr);
    }
    let (env, account) = world.stop();
    check(saga, mend, &env, &account, &what);
}

/// Returns whether a command failed only because it had been carried out already.
fn is_over(saga: Saga, ran: &Ran) -> bool {
    match saga {
        Saga::Create => ran.stderr.contains("exists already"),
        Saga::Delete => ran.stderr.contains("has no user `alice`"),
        Saga::Disable => false,
        Saga::Restore => ran.stderr.contains("there is no record"),
    }
}

/// Does a piece of work for each number, several at once, all of them whatever fails.
pub(crate) fn for_each(numbers: impl Iterator<Item = u64>, work: impl Fn(u64) + Sync) {
    let queue = Mutex::new(numbers.collect::<VecDeque<u64>>());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(number) = queue.lock().unwrap().pop_front() else { return };
                    // What went wrong has been printed by the panic.
                    if catch_unwind(AssertUnwindSafe(|| work(number))).is_err() {
                        failed.lock().unwrap().push(number);
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner().unwrap(), [] as [u64; 0], "these failed");
}

#[test]
fn a_run_that_is_killed_anywhere_is_mended() {
    let cuts = AtomicU64::new(0);
    for saga in SAGAS {
        let places = places(saga);
        for_each(1..=places, |place| {
            let mend = if place % 2 == 0 { Mend::Recover } else { Mend::Again };
            cut(saga, place, mend, "");
            if how_many(0, 1) == 1 {
                cut(saga, place, if mend == Mend::Recover { Mend::Again } else { Mend::Recover }, "");
                cuts.fetch_add(1, Ordering::Relaxed);
            }
            cuts.fetch_add(1, Ordering::Relaxed);
        });
        println!("{saga:?}: {places} places");
    }
    println!("{} cuts", cuts.into_inner());
}

#[test]
fn a_run_that_is_killed_on_a_bad_day_is_mended() {
    for_each(0..how_many(200, 2000), |seed| {
        let saga = SAGAS[usize::try_from(seed % 4).unwrap()];
        let mend = if seed % 8 < 4 { Mend::Recover } else { Mend::Again };
        // Spread over the run, and past its end too.
        let place = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 260 + 1;
        let faults = match seed / 8 % 4 {
            0 => format!("error=0.03,seed={seed}"),
            1 => format!("lose=0.05,seed={seed}"),
            2 => format!("delay=5s,clock=1000x,seed={seed}"),
            _ => format!("rate=40,burst=10,lose=0.02,error=0.01,delay=5s,clock=1000x,seed={seed}"),
        };
        cut(saga, place, mend, &faults);
    });
}
