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
