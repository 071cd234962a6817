//! The policies that `permissions` prints, held to by the account: they are enough, and nothing in them is too much.

use serde_json::{Value, json};
use testkit::{Ran, Served, TestEnv};

use super::person::{KEY, STRICT, TRUST, account, code, credentials};

/// A command under a policy.
struct Case {
    name: &'static str,
    options: &'static [&'static str],
    command: Vec<String>,
    stdin: String,
    /// Actions without which another way is taken, and what is said then.
    fallbacks: &'static [(&'static str, &'static str)],
    /// Alice has a second key that is inactive.
    two_keys: bool,
    without_device: bool,
    trusts_account: bool,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn cases() -> Vec<Case> {
    let case = |name, command: &str| Case {
        name,
        options: &[],
        command: words(command),
        stdin: String::new(),
        fallbacks: &[],
        two_keys: false,
        without_device: false,
        trusts_account: false,
    };
    vec![
        Case {
            stdin: format!("{KEY}\n{}\n", super::person::SECRET),
            fallbacks: &[("iam:ListMFADevices", "may not look the MFA device up")],
            ..case("configure", "configure --profile new")
        },
        Case {
            fallbacks: &[("iam:ListMFADevices", "the key may not look it up")],
            ..case("init-sts-session", &format!("init-sts-session --profile bare --mfa-code {}", code(0)))
        },
        Case {
            without_device: true,
            fallbacks: &[
                ("iam:GetUser", ""),
                ("iam:ListMFADevices", "may not be listed"),
                // A leftover of that name is then found when the device is made.
                ("iam:ListVirtualMFADevices", ""),
                ("iam:ListAccountAliases", ""),
                // Only for a device that has to go again.
                ("iam:DeleteVirtualMFADevice", ""),
            ],
            ..case("enable-mfa", "enable-mfa --profile me --mfa auto --allow-plaintext")
        },
        Case {
            two_keys: true,
            fallbacks: &[
                ("iam:GetAccessKeyLastUsed", "its last use is not known"),
                ("iam:ListAccountAliases", ""),
            ],
            ..case("rotate-my-key", "rotate-my-key --profile me --yes --poll 20ms --rate 10000")
        },
        Case {
            trusts_account: true,
            ..case(
                "assume-role",
                &format!(
                    "assume-role --role-arn arn:aws:iam::123456789012:role/deploy --source-profile me --profile deploy --external-id 4711 --mfa-code {}",
                    code(0)
                ),
            )
        },
    ]
}

fn run(case: &Case, policy: &str) -> (TestEnv, Served, Ran) {
    let env = super::env();
    let mut account = account(policy);
    if case.two_keys {
        let other = json!({ "id": "AKIAEXAMPLEAAAAAAAA2", "secret": "EXAMPLE", "active": false, "created": 1_700_000_000 });
        account["users"][0]["access_keys"].as_array_mut().unwrap().push(other);
    }
    if case.without_device {
        account["devices"] = json!([]);
    }
    if case.trusts_account {
        account["roles"][0]["trust"] = TRUST.replace(":user/alice", ":root").into();
    }
    env.write("account.json", account.to_string());
    let served = Served::with_options(&env, &env.text_path("account.json"), "", &STRICT);
    let bare = credentials().replace("me-nomfa", "bare-nomfa").replace("mfa_serial", "# mfa_serial");
    let (_, bare) = bare.split_once("[bare-nomfa]").unwrap();
    env.write(".aws/credentials", format!("{}[bare-nomfa]{bare}", credentials()));
    let args: Vec<&str> = case.command.iter().map(String::as_str).collect();
    let ran = env.muster_with(&args, &[("AWS_ENDPOINT_URL", &served.url)], &case.stdin);
    (env, served, ran)
}

/// Returns the policy without one action, and all actions in it.
fn without(policy: &Value, action: &str) -> String {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        let actions = statement["Action"].as_array_mut().unwrap();
        actions.retain(|other| other != action);
        if actions.is_empty() {
            // A statement has to have one.
            actions.push("iam:None".into());
        }
    }
    policy.to_string()
}

#[test]
fn the_printed_policy_is_enough_and_no_action_in_it_is_too_much() {
    for case in cases() {
        let name = case.name;
        let env = super::env();
        let args = [&["permissions", "--account", "123456789012"], case.options, &[name]].concat();
        let policy = env.muster(&args).exits(0).json();
        let (_env, _served, ran) = run(&case, &policy.to_string());
        assert_eq!(ran.status, 0, "{name} under {policy}:\n{}\n{}", ran.stderr, ran.stdout);
        let statements = policy["Statement"].as_array().unwrap();
        let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
        for action in actions.map(|action| action.as_str().unwrap()) {
            let (_env, _served, ran) = run(&case, &without(&policy, action));
            let said = format!("{}{}", ran.stderr, ran.stdout);
            match case.fallbacks.iter().find(|(fallback, _)| *fallback == action) {
                Some((_, says)) => assert!(said.contains(says), "{name} without {action}:\n{said}"),
                None => {
                    assert_ne!(ran.status, 0, "{name} without {action}:\n{said}");
                    assert!(said.contains(action), "{name} without {action} names it:\n{said}");
                }
            }
        }
    }
}

/// A command of an administrator under a policy, on an account with users of its own.
struct Governed {
    name: &'static str,
    options: &'static [&'static str],
    /// Commands that come first, by whoever may do everything.
    before: &'static [&'static str],
    /// Commands, with ` && ` between them.
    command: &'static str,
    /// Exit statuses that are as good as any.
    ends: &'static [i32],
    /// Actions without which the command goes on, and what it says then.
    fallbacks: &'static [(&'static str, &'static str)],
}

const RULES: &str = r#"
common_groups = ["AllUsers"]
common_policies = ["enforce-tls"]
force_common_group = true

[[category]]
group = "Humans"
pattern = "^h-"
credentials = { password = true, mfa = true, access_key = true }
policies = ["enforce-mfa", "both.json"]

[[category]]
group = "Machines"
pattern = "^m-"
policies = ["deny-console"]

[policy.enforce-mfa]
max_session_age = "12h"
"#;

const BOTH: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},{"Effect":"Deny","Action":"s3:PutObject","Resource":"*"}]}"#;

/// The config after a change of everything.
fn changed() -> String {
    let changed = RULES
        .replace("12h", "8h")
        .replace(", \"both.json\"", "")
        .replace("[\"deny-console\"]", "[\"enforce-tls\", \"deny-access-keys\"]");
    format!("{changed}\n[[category]]\ngroup = \"Guests\"\npattern = \"^g-\"\n")
}

/// A user with one of everything that can hang on one.
fn laden(name: &str) -> Value {
    json!({
        "name": name, "path": "/", "id": format!("AIDAEXAMPLE{:0>10}", name.len()), "created": 1_700_000_000,
        "groups": ["elsewhere"],
        "inline": [{ "name": "own", "document": BOTH }],
        "attached": ["arn:aws:iam::aws:policy/IAMUserChangePassword"],
        "boundary": "arn:aws:iam::aws:policy/IAMUserChangePassword",
        "login": { "created": 1_700_000_000, "reset_required": false, "hash": "x" },
        "access_keys": [{ "id": "AKIAEXAMPLEAAAAAAAA7", "secret": "EXAMPLE", "active": true, "created": 1_700_000_000 }],
        "ssh_keys": [{ "id": "APKAEXAMPLEAAAAAAAA1", "body": "ssh-rsa EXAMPLE", "fingerprint": "00", "active": true, "uploaded": 1_700_000_000 }],
        "certificates": [{ "id": "EXAMPLECERTIFICATEEXAMPLE", "body": "-", "active": true, "uploaded": 1_700_000_000 }],
        "service_credentials": [{ "id": "ACCAEXAMPLEAAAAAAAA1", "service": "codecommit.amazonaws.com", "login": "x", "active": true, "created": 1_700_000_000 }],
    })
}

fn run_governed(case: &Governed, policy: &str) -> Ran {
    let env = super::env();
    let mut account = account(policy);
    let user = |name: &str, groups: &[&str]| json!({ "name": name, "path": "/", "id": format!("AIDAEXAMPLE{:0>10}", name.len() + 20), "created": 1_700_000_000, "groups": groups });
    let users = account["users"].as_array_mut().unwrap();
    users.extend([
        user("h-ann", &[]),
        user("m-ci", &["humans"]),
        user("m-both", &["humans", "machines"]),
        laden("h-all"),
    ]);
    let group = |name: &str| json!({ "name": name, "path": "/", "id": format!("AGPAEXAMPLE{:0>10}", name.len()), "created": 1_700_000_000 });
    account["groups"] = json!([group("Humans"), group("Machines"), group("elsewhere")]);
    // What h-ann was when the credential report was made is not what it is: it is looked at itself.
    let devices = account["devices"].as_array_mut().unwrap();
    devices.push(json!({ "serial": "arn:aws:iam::123456789012:mfa/h-all", "user": "h-all", "enabled": 1_700_000_000, "seed": super::person::SEED }));
    // A policy of ours with as many versions as it can have.
    let version = |number: u32| json!({ "number": number, "created": 1_700_000_000, "document": BOTH });
    account["policies"] = json!([{ "arn": "arn:aws:iam::123456789012:policy/muster/enforce-mfa", "name": "enforce-mfa",
        "path": "/muster/", "id": "ANPAEXAMPLE0000000001", "created": 1_700_000_000, "document": BOTH, "version": 5,
        "versions_made": 5, "others": [version(1), version(2), version(3), version(4)] }]);
    env.write("account.json", account.to_string());
    env.write(".aws/muster/default.toml", RULES);
    env.write(".aws/muster/both.json", BOTH);
    env.write("both.json", BOTH);
    env.write("changed.toml", changed());
    let served = Served::with_options(&env, &env.text_path("account.json"), "", &["--enforce"]);
    for before in case.before {
        let before: Vec<String> = words(before);
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        let ran = env.muster_with(&before, &served.env(), "");
        assert!([0, 3].contains(&ran.status), "{before:?}: {}", ran.stderr);
        if let Some(record) = ran.stderr.lines().find_map(|line| line.strip_prefix("Record: ")) {
            env.write("record", std::fs::read(record).unwrap());
        }
    }
    let variables = [
        ("AWS_ENDPOINT_URL", served.url.as_str()),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", super::person::SECRET),
        ("AWS_REGION", "us-east-1"),
    ];
    let mut last = None;
    for command in case.command.split(" && ") {
        let command = words(command);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = env.muster_with(&command, &variables, "");
        let failed = !case.ends.contains(&ran.status);
        last = Some(ran);
        if failed {
            break;
        }
    }
    last.unwrap()
}

/// Where the authorization details are refused, the account is read in another way, which names what it lacks.
const READS: [(&str, &str); 2] =
    [("iam:ListAccountAliases", ""), ("iam:GetAccountAuthorizationDetails", "iam:ListUsers")];

fn governed() -> Vec<Governed> {
    let case = |name, command| Governed {
        name,
        options: &[],
        before: &[],
        command,
        ends: &[0],
        fallbacks: &[("iam:ListAccountAliases", "")],
    };
    vec![
        Governed {
            ends: &[0],
            fallbacks: &[("iam:ListAccountAliases", ""), ("iam:ListGroups", "iam:GetGroup")],
            ..case("create-default-groups", "create-default-groups")
        },
        case("snapshot", "snapshot --out snapshot.json"),
        Governed {
            options: &["--create-groups"],
            ends: &[0, 3],
            fallbacks: &READS,
            ..case("sort-users", "sort-users --create-groups --move-misfiled --resolve-conflicts pattern")
        },
        Governed {
            before: &["sort-users --create-groups --move-misfiled --resolve-conflicts pattern"],
            ends: &[0, 3],
            fallbacks: &READS,
            ..case("revert", "revert record --yes")
        },
        Governed { ends: &[0, 3], ..case("plan", "plan") },
        Governed { ends: &[0, 3], ..case("rehearse", "rehearse --user-name h-ann") },
        Governed { ends: &[0, 3], ..case("init", "init --yes --out proposed.toml") },
        Governed {
            // Every kind of change: a group, policies made and changed, five versions, one that goes, inline ones meanwhile.
            before: &["apply --yes"],
            ends: &[0, 3],
            fallbacks: &[
                ("iam:ListAccountAliases", ""),
                // Only where an answer is lost.
                ("iam:GetPolicy", ""),
                ("iam:GetPolicyVersion", ""),
            ],
            options: &["--config", "changed.toml"],
            ..case("apply", "apply --yes --move-misfiled --resolve-conflicts pattern --config changed.toml")
        },
        Governed {
            before: &[
                "audit",
                "create-default-groups",
                "create-user h-new --access-key --no-password --no-mfa --allow-plaintext --yes",
            ],
            ends: &[3],
            ..case("audit", "audit")
        },
        case(
            "create-policy",
            "create-policy --templates both.json --managed --type group --targets Humans && \
             create-policy --templates both.json --managed --type user --targets h-ann && \
             create-policy --templates both.json --managed --type role --targets deploy && \
             create-policy --templates both.json --type group --targets Machines && \
             create-policy --templates both.json --type user --targets m-ci && \
             create-policy --templates both.json --type role --targets deploy",
        ),
    ]
}

#[test]
fn the_printed_policies_of_governing_are_enough_and_no_action_in_them_is_too_much() {
    let mut wrong = Vec::new();
    for case in governed() {
        let name = case.name;
        let env = super::env();
        env.write(".aws/muster/default.toml", RULES);
        env.write(".aws/muster/both.json", BOTH);
        env.write("changed.toml", changed());
        let args = [&["permissions", "--account", "123456789012"], case.options, &[name]].concat();
        let policy = env.muster(&args).exits(0).json();
        let ran = run_governed(&case, &policy.to_string());
        if !case.ends.contains(&ran.status) {
            wrong.push(format!("{name}: {} under {policy}:\n{}", ran.status, ran.stderr));
            continue;
        }
        let (status, out) = (ran.status, ran.stdout.len());
        let statements = policy["Statement"].as_array().unwrap();
        let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
        for action in actions.map(|action| action.as_str().unwrap()) {
            let ran = run_governed(&case, &without(&policy, action));
            let said = format!("{}{}", ran.stderr, ran.stdout);
            match case.fallbacks.iter().find(|(fallback, _)| *fallback == action) {
                Some((_, says))
                    if said.contains(says) && (!says.is_empty() || case.ends.contains(&ran.status)) => {}
                None if said.contains(action) && (!case.ends.contains(&ran.status) || name == "audit") => {}
                _ => {
                    wrong.push(format!("{name} without {action}: {} ({status}, {out}):\n{said}", ran.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
