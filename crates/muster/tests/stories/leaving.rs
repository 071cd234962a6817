//! `delete-user`, `disable-user`, `restore-user`: who is let go, who is not, and what is said about it.

use serde_json::Value;
use testkit::{Served, TestEnv};

use super::crashes::{account, unzip};
use super::create_user::user_of;
use super::env;
use super::screen::Screen;

/// A home with an account in which `alice` has one of everything, and two administrators.
fn world() -> (TestEnv, String) {
    let env = env();
    let mut state = account();
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    state["policies"].as_array_mut().unwrap().push(serde_json::json!({
        "arn": admin, "name": "AdministratorAccess", "path": "/", "id": "ANPAEXAMPLEADMINAAAAA", "created": 1_790_000_000,
        "document": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}",
    }));
    for (name, key) in [("root1", "AKIAEXAMPLEAAAAAROOT"), ("root2", "AKIAEXAMPLEBBBBBROOT")] {
        state["users"].as_array_mut().unwrap().push(serde_json::json!({
            "name": name, "path": "/", "id": format!("AIDA{name:A<17}"), "created": 1_790_000_000, "attached": [admin],
            "access_keys": [{ "id": key, "secret": "EXAMPLE", "active": true, "created": 1_790_000_000 }],
        }));
    }
    env.write("account.json", state.to_string());
    let file = env.text_path("account.json");
    (env, file)
}

fn change(env: &TestEnv, change: impl FnOnce(&mut Value)) {
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    change(&mut state);
    env.write("account.json", state.to_string());
}

/// D2: a question is asked, and only the name is a yes.
#[test]
fn a_user_is_deleted_only_when_its_name_is_typed() {
    let (env, account) = world();
    let mut screen = Screen::new(&env, &["--sandbox", &account, "delete-user", "alice"], 120, &[]);
    screen.shows("Type the name to delete user 'alice' and all of this for good:");
    let text = screen.text();
    for part in [
        "AKIAEXAMPLEAAAAAAAA1, last used: never",
        "AKIAEXAMPLEAAAAAAAA2, inactive",
        "SSH key APKA",
        "GAHT12345678",
        "bedrock",
        "inline policies: own",
        "boundary",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    screen.types("yes\n");
    let (status, raw) = screen.ends();
    assert_eq!(status, 3, "{raw}");
    assert!(user_of(&env, "alice").is_some());
    env.muster(&["--sandbox", &account, "delete-user", "alice"]).exits(3);
    env.muster_with(&["--sandbox", &account, "delete-user", "alice"], &[], "alice\n")
        .exits(0)
        .prints("alice: deleted");
    assert!(user_of(&env, "alice").is_none());
    let record: Value = serde_json::from_str(&env.read("users/alice.deleted.json")).unwrap();
    assert_eq!(record["before"]["access_keys"].as_array().unwrap().len(), 2);
    // D1: what is not there is an error.
    env.muster(&["--sandbox", &account, "delete-user", "alice", "--yes"])
        .exits(1)
        .says("has no user `alice`");
}

/// D4: every kind of thing that hangs on a user is taken off, all pages of it.
#[test]
fn nothing_is_forgotten_on_any_page() {
    for pages in ["full", "short", "empty"] {
        let (env, account) = world();
        let served = Served::new(&env, Some(&account), &format!("pages={pages}"));
        let dry = env
            .muster_with(&["delete-user", "alice", "--dry-run", "--output", "json"], &served.env(), "")
            .exits(0)
            .json();
        assert_eq!(served.mutations(), [] as [String; 0]);
        let planned: Vec<String> = dry["users"][0]["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["call"].as_str().unwrap().to_owned())
            .collect();
        env.muster_with(&["delete-user", "alice", "--yes"], &served.env(), "").exits(0);
        assert_eq!(served.mutations(), planned, "pages={pages}: what was shown is what was done");
        served.stop();
        assert!(user_of(&env, "alice").is_none());
        let state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
        assert!(state["devices"].as_array().is_none_or(Vec::is_empty), "{}", state["devices"]);
    }
}

#[test]
fn the_caller_the_last_administrator_and_the_protected_stay() {
    let (env, account) = world();
    env.write(
        ".aws/muster/default.toml",
        "path_prefix = \"/\"\ncommon_groups = [\"AllUsers\"]\n[[protected]]\npattern = \"^bob$\"\nreason = \"break glass\"\n",
    );
    let caller = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEAAAAAROOT"), ("AWS_SECRET_ACCESS_KEY", "EXAMPLE")];
    let served = Served::new(&env, Some(&account), "");
    let variables: Vec<(&str, &str)> =
        served.env().into_iter().filter(|(name, _)| !name.contains("KEY")).chain(caller).collect();
    for command in ["delete-user", "disable-user"] {
        let run = |names: &[&str]| {
            let mut args = vec![command, "--yes"];
            args.extend(names);
            env.muster_with(&args, &variables, "")
        };
        run(&["root1"]).exits(1).says("`root1` is the user that runs this command");
        run(&["ROOT1"]).exits(1).says("is the user that runs this command");
        run(&["bob"]).exits(1).says("`bob` is protected: break glass");
        run(&["root1", "root2"]).exits(1).says("is the last administrator");
        run(&["alice", "nobody"]).exits(1).says("has no user `nobody`");
    }
    assert_eq!(served.mutations(), [] as [String; 0]);
    served.stop();
    env.write(".aws/muster/default.toml", "path_prefix = \"/people/\"\ncommon_groups = [\"AllUsers\"]\n");
    env.muster(&["--sandbox", &account, "delete-user", "alice", "--yes"]).exits(1).says("outside `/people/`");
    env.write(".aws/muster/default.toml", "common_groups = [\"AllUsers\"]\n");
    env.muster(&["--sandbox", &account, "delete-user", "root1", "root2", "--yes"])
        .exits(1)
        .says("last administrator");
    env.muster(&["--sandbox", &account, "delete-user", "root1", "root2", "--yes", "--force"]).exits(0);
}

#[test]
fn what_was_used_of_late_is_warned_of() {
    let (env, account) = world();
    let served = Served::new(&env, Some(&account), "");
    let used = [
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEBBBBBROOT"),
        ("AWS_SECRET_ACCESS_KEY", "EXAMPLE"),
        ("AWS_ENDPOINT_URL", served.url.as_str()),
    ];
    env.muster_with(&["snapshot", "--out", "s.json"], &used, "").exits(0);
    let warning = "was used within the last day: somebody or something still works with this user";
    env.muster_with(&["delete-user", "root2", "--dry-run"], &served.env(), "").exits(0).says(warning);
    let quiet =
        env.muster_with(&["delete-user", "root2", "--dry-run", "--recent", "0s"], &served.env(), "").exits(0);
    assert!(!quiet.stderr.contains(warning));
}

/// D4, D5 and more: whatever single call is denied, the user keeps nothing that lets it act, and a second run finishes.
#[test]
fn a_deletion_that_fails_leaves_the_user_locked_out_and_can_be_finished() {
    let actions = [
        "DeleteLoginProfile",
        "DeleteAccessKey",
        "DeleteSSHPublicKey",
        "DeleteServiceSpecificCredential",
        "DeleteSigningCertificate",
        "DeactivateMFADevice",
        "DeleteVirtualMFADevice",
        "RemoveUserFromGroup",
        "DetachUserPolicy",
        "DeleteUser",
    ];
    for action in actions {
        let (env, account) = world();
        let served = Served::new(&env, Some(&account), &format!("deny={action}"));
        env.muster_with(&["delete-user", "alice", "--yes"], &served.env(), "")
            .exits(4)
            .prints("alice: not deleted");
        served.stop();
        let alice = user_of(&env, "alice").unwrap_or_else(|| panic!("{action}"));
        let denied =
            alice["inline"].as_array().is_some_and(|list| list.iter().any(|p| p["name"] == "MusterDenyAll"));
        assert!(denied, "{action}: {alice}");
        env.muster(&["--sandbox", &account, "delete-user", "alice", "--yes"]).exits(0);
        assert!(user_of(&env, "alice").is_none(), "{action}");
    }
}

/// A boundary that may not be taken off is no reason to keep the user.
#[test]
fn a_boundary_that_stays_is_reported_and_not_fatal() {
    let (env, account) = world();
    let served = Served::new(&env, Some(&account), "deny=DeleteUserPermissionsBoundary");
    env.muster_with(&["delete-user", "alice", "--yes"], &served.env(), "")
        .exits(0)
        .prints("alice: deleted")
        .prints("DeleteUserPermissionsBoundary failed");
}

/// Where the quota of inline policies is used up, AWS's own denying policy takes its place.
#[test]
fn a_user_with_no_room_for_a_policy_is_denied_all_the_same() {
    let (env, account) = world();
    change(&env, |state| {
        state["users"][0]["inline"][0]["document"] =
            format!("{{\"Statement\":[],\"x\":\"{}\"}}", "x".repeat(2015)).into();
        state["policies"].as_array_mut().unwrap().push(serde_json::json!({
            "arn": "arn:aws:iam::aws:policy/AWSDenyAll", "name": "AWSDenyAll", "path": "/", "id": "ANPAEXAMPLEDENYAAAAAA",
            "created": 1_790_000_000, "document": "{\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}]}",
        }));
    });
    env.muster(&["--sandbox", &account, "disable-user", "alice"]).exits(0);
    let attached = user_of(&env, "alice").unwrap()["attached"].clone();
    assert!(
        attached.as_array().unwrap().contains(&"arn:aws:iam::aws:policy/AWSDenyAll".into()),
        "{attached}"
    );
    env.muster(&["--sandbox", &account, "restore-user", "alice", "--yes", "--allow-plaintext"]).exits(0);
    assert_eq!(user_of(&env, "alice").unwrap()["attached"].as_array().unwrap().len(), 1);
    env.muster(&["--sandbox", &account, "delete-user", "alice", "--yes"]).exits(0);
}

/// At night one has a leaked key, and neither a config nor a name.
#[test]
fn a_leaked_key_is_enough_to_lock_its_user_out() {
    let (env, account) = world();
    change(&env, |state| {
        state["roles"] = serde_json::json!([
            { "name": "deploy", "path": "/", "id": "AROAEXAMPLEAAAAAAAAAA", "created": 1_790_000_000,
              "trust": "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:root\"},\"Action\":\"sts:AssumeRole\"}]}" },
            { "name": "ec2", "path": "/", "id": "AROAEXAMPLEBBBBBBBBBB", "created": 1_790_000_000,
              "trust": "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}" },
        ]);
    });
    let run = |args: &[&str]| {
        let mut all = vec!["--sandbox", &account, "disable-user"];
        all.extend(args);
        env.muster(&all)
    };
    run(&["--access-key-id", "AKIAEXAMPLENOBODYSKEY"])
        .exits(1)
        .says("no user of this account has the access key");
    let ran = run(&["--access-key-id", "AKIAEXAMPLEAAAAAAAA1"])
        .exits(0)
        .prints("alice: disabled")
        .prints("live on: deploy");
    assert!(!ran.stdout.contains("ec2"), "{}", ran.stdout);
    let alice = user_of(&env, "alice").unwrap();
    assert_eq!(alice["inline"][1]["name"], "MusterDenyAll");
    assert!(alice["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == "muster:disabled-at"));
    // Again: nothing breaks, and the record of what it was stays.
    let before = env.read("users/alice.disabled.json");
    run(&["alice", "--revoke-role-sessions", "deploy"]).exits(0);
    assert_eq!(env.read("users/alice.disabled.json"), before);
    let state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    assert_eq!(state["roles"][0]["inline"][0]["name"], "AWSRevokeOlderSessions");
}

/// Who may tag could otherwise promote: a restoration believes the record alone, and only one of this very user.
#[test]
fn a_restoration_works_from_the_record_and_asks() {
    let (env, account) = world();
    let run = |args: &[&str], stdin: &str| {
        let mut all = vec!["--sandbox", &account];
        all.extend(args);
        env.muster_with(&all, &[], stdin)
    };
    run(&["restore-user", "alice", "--yes"], "").exits(1).says("there is no record");
    run(&["disable-user", "alice"], "").exits(0);
    change(&env, |state| {
        state["users"][0]["tags"]
            .as_array_mut()
            .unwrap()
            .push(serde_json::json!({ "key": "muster:groups", "value": "Admins" }));
    });
    run(&["restore-user", "alice", "--allow-plaintext"], "n\n")
        .exits(3)
        .says("would get back:")
        .says("UpdateAccessKey AKIAEXAMPLEAAAAAAAA1 Active");
    run(&["restore-user", "alice", "--yes"], "").exits(1).says("there is nobody to seal the credentials");
    let dry = run(&["restore-user", "alice", "--dry-run", "--output", "json"], "").exits(0).json();
    let last = dry["users"][0]["steps"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["call"], "DeleteUserPolicy", "the denying policy goes last");
    run(&["restore-user", "alice", "--yes", "--allow-plaintext"], "").exits(0);
    assert!(unzip(&env, "users/alice.restored.zip").contains_key("password.txt"));
    run(&["restore-user", "alice", "--yes", "--allow-plaintext"], "").exits(1).says("there is no record");
    // Another user of that name.
    run(&["disable-user", "bob"], "").exits(0);
    change(&env, |state| state["users"][1]["id"] = "AIDAANOTHERBOBAAAAAAA".into());
    run(&["restore-user", "bob", "--yes"], "").exits(1).says("is not of the user `bob`");
    run(&["disable-user", "bob"], "").exits(0);
    let aside = std::fs::read_dir(env.path("users")).unwrap().flatten();
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().starts_with("bob.superseded-"));
    assert_eq!(aside.count(), 1, "the other user's record is kept");
}

#[test]
fn only_those_long_disabled_are_taken() {
    let (env, account) = world();
    let run = |args: &[&str]| {
        let mut all = vec!["--sandbox", &account];
        all.extend(args);
        env.muster(&all)
    };
    run(&["delete-user", "--disabled-for", "30d", "--yes"]).exits(0).says("There is nobody to delete");
    run(&["disable-user", "alice", "bob"]).exits(0);
    run(&["delete-user", "--disabled-for", "30d", "--yes"])
        .exits(0)
        .says("User 'alice' stays: it was disabled on");
    for user in ["alice", "bob"] {
        let mut record: Value =
            serde_json::from_str(&env.read(&format!("users/{user}.disabled.json"))).unwrap();
        record["at_s"] = (record["at_s"].as_i64().unwrap() - 31 * 86_400).into();
        env.write(&format!("users/{user}.disabled.json"), record.to_string());
    }
    // bob was let in again by somebody: the denying policy is gone.
    change(&env, |state| {
        state["users"][1].as_object_mut().unwrap().remove("inline");
    });
    run(&["delete-user", "--disabled-for", "30d", "--yes"])
        .exits(0)
        .says("User 'bob' stays: it does not carry");
    assert!(user_of(&env, "alice").is_none() && user_of(&env, "bob").is_some());
}

/// A half-made user is completed with fresh secrets when asked.
#[test]
fn a_half_made_user_can_be_completed() {
    let (env, account) = world();
    env.write(".aws/muster/default.toml", "common_groups = [\"AllUsers\"]\nforce_common_group = true\n");
    let served = Served::new(&env, Some(&account), "");
    let mut variables = served.env();
    variables.push(("MUSTER_CUT", "kill:80"));
    let args =
        ["--rate", "10000", "create-user", "carol", "--mfa", "auto", "--access-key", "--allow-plaintext"];
    assert_eq!(env.muster_with(&args, &variables, "").status, 128 + 9);
    let dry = env.muster_with(&["recover", "--dry-run"], &served.env(), "").exits(3);
    assert!(dry.stderr.contains("User 'carol' is half made, and will be removed"), "{}", dry.stderr);
    let before: Value =
        serde_json::from_str(&env.muster_with(&["snapshot"], &served.env(), "").stdout).unwrap();
    let id = |roster: &Value| {
        roster["users"].as_array().unwrap().iter().find(|u| u["name"] == "carol").unwrap()["id"].clone()
    };
    env.muster_with(&["recover", "--resume", "--yes", "--settle", "0s"], &served.env(), "")
        .exits(0)
        .prints("carol: completed");
    let after: Value =
        serde_json::from_str(&env.muster_with(&["snapshot"], &served.env(), "").stdout).unwrap();
    assert_eq!(id(&before), id(&after), "it is the same user");
    served.stop();
    let carol = user_of(&env, "carol").unwrap();
    let keys = carol["access_keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let bundle = unzip(&env, "users/carol.zip");
    assert!(
        String::from_utf8(bundle["credentials"].clone())
            .unwrap()
            .contains(keys[0]["secret"].as_str().unwrap())
    );
}

/// A journal of another account, or one that was tampered with, takes nothing away.
#[test]
fn a_user_that_is_not_the_runs_own_is_never_removed() {
    let (env, account) = world();
    env.write(".aws/muster/default.toml", "common_groups = [\"AllUsers\"]\nforce_common_group = true\n");
    let served = Served::new(&env, Some(&account), "");
    let mut variables = served.env();
    variables.push(("MUSTER_CUT", "kill:55"));
    let args = ["--rate", "10000", "create-user", "carol", "--no-mfa", "--access-key", "--allow-plaintext"];
    assert_eq!(env.muster_with(&args, &variables, "").status, 128 + 9);
    served.stop();
    // Somebody has taken the user over meanwhile.
    change(&env, |state| {
        let users = state["users"].as_array_mut().unwrap();
        let carol = users.iter_mut().find(|user| user["name"] == "carol").unwrap();
        carol["attached"] = serde_json::json!(["arn:aws:iam::123456789012:policy/reader"]);
    });
    let served = Served::new(&env, Some(&account), "");
    // Another port is another endpoint, and so another account for the journal.
    env.muster_with(&["recover", "--yes"], &served.env(), "").exits(0).says("Nothing is left half done");
    let state = env.path(".local/state/muster");
    let homes: Vec<_> = std::fs::read_dir(&state).unwrap().flatten().map(|e| e.path()).collect();
    let [from, to] = [0, 1].map(|wanted| {
        let has = |path: &std::path::PathBuf| {
            std::fs::read_dir(path.join("journal")).is_ok_and(|mut d| d.next().is_some())
        };
        homes.iter().find(|home| has(home) == (wanted == 0)).unwrap().clone()
    });
    std::fs::create_dir_all(to.join("journal")).unwrap();
    for entry in std::fs::read_dir(from.join("journal")).unwrap().flatten() {
        std::fs::rename(entry.path(), to.join("journal").join(entry.file_name())).unwrap();
    }
    env.muster_with(&["recover", "--yes", "--settle", "0s"], &served.env(), "")
        .exits(1)
        .prints("the half-made user `carol` is left alone: it has attached policies");
    served.stop();
    assert!(user_of(&env, "carol").is_some());
}

/// A policy that is only called like ours denies nothing: what it says counts.
#[test]
fn a_policy_of_our_name_is_looked_into() {
    let (env, account) = world();
    change(&env, |state| {
        state["users"][0]["inline"] = serde_json::json!([{ "name": "MusterDenyAll",
            "document": "{\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]}" }]);
    });
    env.muster(&["--sandbox", &account, "disable-user", "alice"]).exits(0);
    let policy = user_of(&env, "alice").unwrap()["inline"][0]["document"].as_str().unwrap().to_owned();
    assert!(policy.contains("Deny") && !policy.contains("Allow"), "{policy}");
}

/// What was done by hand after a quarantine is not undone by a later one: a stale record gives nothing back.
#[test]
fn a_restoration_never_gives_more_than_there_was() {
    let (env, account) = world();
    let run = |args: &[&str]| {
        let mut all = vec!["--sandbox", &account];
        all.extend(args);
        env.muster(&all)
    };
    run(&["disable-user", "alice"]).exits(0);
    // Lifted by hand, with the key left off and a group taken away.
    change(&env, |state| {
        let alice = &mut state["users"][0];
        alice["inline"].as_array_mut().unwrap().retain(|policy| policy["name"] != "MusterDenyAll");
        alice["groups"] = serde_json::json!(["allusers"]);
    });
    run(&["disable-user", "alice"]).exits(0);
    // Made during the quarantine, by whoever could.
    change(&env, |state| {
        let keys = state["users"][0]["access_keys"].as_array_mut().unwrap();
        keys.remove(1);
        keys.push(serde_json::json!({ "id": "AKIAEXAMPLEAAAAAAAA9", "secret": "EXAMPLE", "active": true, "created": 1_790_000_000 }));
        state["users"][0]["login"] =
            serde_json::json!({ "created": 1_790_000_000, "reset_required": false, "hash": "x" });
    });
    run(&["restore-user", "alice", "--yes", "--allow-plaintext"]).exits(0);
    let alice = user_of(&env, "alice").unwrap();
    assert_eq!(alice["groups"], serde_json::json!(["allusers"]));
    let active: Vec<&Value> =
        alice["access_keys"].as_array().unwrap().iter().filter(|key| key["active"] == true).collect();
    assert!(active.is_empty(), "{active:?}");
    assert!(alice["login"].is_null(), "a password that came during the quarantine is not the user's own");
}

/// A denying policy that was there before the quarantine is not ours to lift.
#[test]
fn what_was_denied_before_stays_denied() {
    let (env, account) = world();
    change(&env, |state| {
        state["users"][0]["attached"]
            .as_array_mut()
            .unwrap()
            .push("arn:aws:iam::aws:policy/AWSDenyAll".into());
    });
    env.muster(&["--sandbox", &account, "disable-user", "alice"]).exits(0);
    env.muster(&["--sandbox", &account, "restore-user", "alice", "--yes", "--allow-plaintext"]).exits(0);
    let attached = user_of(&env, "alice").unwrap()["attached"].clone();
    assert!(
        attached.as_array().unwrap().contains(&"arn:aws:iam::aws:policy/AWSDenyAll".into()),
        "{attached}"
    );
}

/// A list that may not be read does not keep a leaked key from being locked out; it is said.
#[test]
fn what_may_not_be_listed_does_not_keep_a_user_from_being_locked_out() {
    let (env, account) = world();
    let served = Served::new(&env, Some(&account), "deny=ListServiceSpecificCredentials,deny=ListRoles");
    env.muster_with(&["disable-user", "alice"], &served.env(), "")
        .exits(4)
        .prints("service-specific credentials may not be listed")
        .prints("which roles it may have assumed is not known");
    served.stop();
    let alice = user_of(&env, "alice").unwrap();
    assert_eq!(alice["inline"][1]["name"], "MusterDenyAll");
    assert_eq!(alice["access_keys"][0]["active"], false);
}

/// A restoration that was cut off is in the way of nobody who has to lock the user out.
#[test]
fn a_quarantine_never_finishes_a_restoration_first() {
    let (env, account) = world();
    let served = Served::new(&env, Some(&account), "");
    let run = |args: &[&str], cut: Option<&str>| {
        let mut variables = served.env();
        variables.extend(cut.map(|cut| ("MUSTER_CUT", cut)));
        let mut all = vec!["--rate", "10000"];
        all.extend(args);
        env.muster_with(&all, &variables, "")
    };
    run(&["disable-user", "alice"], None).exits(0);
    let restore = ["restore-user", "alice", "--yes", "--allow-plaintext"];
    assert_eq!(run(&restore, Some("kill:100")).status, 128 + 9);
    let before = served.count("DeleteUserPolicy");
    run(&["disable-user", "alice"], None).exits(0);
    assert_eq!(served.count("DeleteUserPolicy"), before, "nothing was lifted");
    run(&["recover", "--yes"], None).exits(0).says("Nothing is left half done");
    served.stop();
    assert_eq!(user_of(&env, "alice").unwrap()["access_keys"][0]["active"], false);
}

/// With the quarantined ones left out, the last one is the last one.
#[test]
fn a_quarantined_administrator_does_not_count() {
    let (env, account) = world();
    env.muster(&["--sandbox", &account, "disable-user", "root1"]).exits(0);
    env.muster(&["--sandbox", &account, "disable-user", "root2"]).exits(1).says("last administrator");
}

/// `permissions` names every call that the commands make: what was counted is held against what is printed.
#[test]
fn permissions_name_every_call_that_was_made() {
    let (env, account) = world();
    env.write(
        ".aws/muster/default.toml",
        "common_groups = [\"AllUsers\"]\nforce_common_group = true\ndisabled_group = \"Disabled\"\n",
    );
    let runs: [(&str, &[&str]); 4] = [
        ("create-user", &["carol", "--mfa", "auto", "--access-key", "--allow-plaintext"]),
        ("disable-user", &["alice"]),
        ("restore-user", &["alice", "--yes", "--allow-plaintext"]),
        ("delete-user", &["alice", "--yes"]),
    ];
    for (command, args) in runs {
        let policy = env.muster(&["permissions", command]).exits(0).json();
        let statements = policy["Statement"].as_array().unwrap();
        let allowed: Vec<&str> = statements
            .iter()
            .flat_map(|s| s["Action"].as_array().unwrap())
            .map(|a| a.as_str().unwrap())
            .collect();
        let mut all = vec!["--sandbox", &account, "--output", "json", command];
        all.extend(args);
        let calls = env.muster(&all).exits(0).json()["api_calls"].clone();
        for call in calls.as_object().unwrap().keys().filter(|call| *call != "GetCallerIdentity") {
            assert!(allowed.contains(&format!("iam:{call}").as_str()), "{command} made {call}");
        }
        let recovers = env.muster(&["permissions", "recover"]).exits(0).stdout;
        assert!(
            allowed.iter().all(|action| recovers.contains(action)),
            "recover may finish or undo {command}"
        );
    }
}

/// Ctrl-C ends after the call in hand, says so, and the same command goes on.
#[test]
fn a_deletion_that_is_interrupted_says_so_and_goes_on() {
    let (env, account) = world();
    let served = Served::new(&env, Some(&account), "latency=100ms");
    let mut command = env.command(env.binary());
    command.args(["delete-user", "alice", "--yes"]).envs(served.env());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    testkit::wait_for("the first key to be gone", || served.count("DeleteAccessKey") > 0);
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{stdout}{stderr}");
    assert!(stdout.contains("alice: not deleted"), "{stdout}");
    assert!(stderr.contains("run the same again"), "{stderr}");
    assert!(!stderr.contains("nothing was changed"), "{stderr}");
    env.muster_with(&["delete-user", "alice", "--yes"], &served.env(), "").exits(0).prints("alice: deleted");
    env.muster_with(&["recover"], &served.env(), "").exits(0).says("Nothing is left half done");
}

/// A group for the disabled that does not exist keeps nobody from being locked out, and leaves nobody in no group.
#[test]
fn who_cannot_be_moved_stays_in_its_groups() {
    let (env, account) = world();
    env.write(".aws/muster/default.toml", "common_groups = [\"AllUsers\"]\ndisabled_group = \"Nowhere\"\n");
    env.muster(&["--sandbox", &account, "disable-user", "alice"])
        .exits(4)
        .prints("The group with name Nowhere cannot be found");
    let alice = user_of(&env, "alice").unwrap();
    assert_eq!(alice["groups"], serde_json::json!(["allhumanusers", "allusers"]));
    assert_eq!(alice["access_keys"][0]["active"], false);
}

/// A record of a saga is not one that `revert` can undo by halves: it says what undoes it.
#[test]
fn a_record_of_a_saga_is_not_reverted() {
    let (env, account) = world();
    let report =
        env.muster(&["--sandbox", &account, "--output", "json", "disable-user", "bob"]).exits(0).json();
    let record = report["record"].as_str().unwrap();
    env.muster(&["--sandbox", &account, "revert", record, "--yes"])
        .exits(2)
        .says("`muster restore-user bob` brings");
}

/// The same command, several times over, on an account whose process lives on.
struct Serving<'e> {
    env: &'e TestEnv,
    served: Served,
}

impl<'e> Serving<'e> {
    fn new(env: &'e TestEnv, account: &str, faults: &str) -> Self {
        Self { env, served: Served::new(env, Some(account), faults) }
    }

    fn run(&self, args: &[&str], cut: Option<&str>) -> testkit::Ran {
        let mut variables = self.served.env();
        variables.extend(cut.map(|cut| ("MUSTER_CUT", cut)));
        let mut all = vec!["--rate", "10000"];
        all.extend(args);
        self.env.muster_with(&all, &variables, "")
    }
}

/// Cut once, recovered and cut again, and once more: the record stays what the user was before all of it.
#[test]
fn a_quarantine_cut_off_twice_still_knows_what_the_user_was() {
    for mends in [["recover", "recover"], ["disable-user", "recover"], ["disable-user", "disable-user"]] {
        let (env, account) = world();
        let serving = Serving::new(&env, &account, "");
        let mend = |command: &str| match command {
            "recover" => vec!["recover", "--yes", "--settle", "0s"],
            _ => vec!["disable-user", "alice", "--settle", "0s"],
        };
        assert_eq!(serving.run(&["disable-user", "alice"], Some("kill:105")).status, 128 + 9);
        assert_eq!(serving.run(&mend(mends[0]), Some("kill:130")).status, 128 + 9, "{mends:?}");
        serving.run(&mend(mends[1]), None).exits(0);
        serving.run(&["recover", "--yes", "--settle", "0s"], None).exits(0);
        serving.run(&["restore-user", "alice", "--yes", "--allow-plaintext"], None).exits(0);
        serving.served.stop();
        let alice = user_of(&env, "alice").unwrap();
        assert_eq!(alice["access_keys"][0]["active"], true, "{mends:?}");
        assert!(!alice["login"].is_null() && env.path("users/alice.restored.zip").exists(), "{mends:?}");
        assert_eq!(alice["groups"], serde_json::json!(["allhumanusers", "allusers"]));
        assert_eq!(alice["inline"].as_array().unwrap().len(), 1, "{mends:?}: {alice}");
    }
}

/// A restoration that was cut off twice neither loses the password that is in its bundle nor stays open.
#[test]
fn a_restoration_cut_off_twice_can_be_finished() {
    for places in [["kill:60", "kill:150"], ["kill:60", "kill:165"]] {
        let (env, account) = world();
        let serving = Serving::new(&env, &account, "");
        serving.run(&["disable-user", "alice"], None).exits(0);
        let restore = ["restore-user", "alice", "--yes", "--allow-plaintext", "--settle", "0s"];
        assert_eq!(serving.run(&restore, Some(places[0])).status, 128 + 9);
        assert_eq!(serving.run(&restore, Some(places[1])).status, 128 + 9);
        serving.run(&restore, None).exits(0);
        serving.run(&["recover"], None).exits(0).says("Nothing is left half done");
        serving.served.stop();
        let alice = user_of(&env, "alice").unwrap();
        let password = unzip(&env, "users/alice.restored.zip")["password.txt"].clone();
        let password = String::from_utf8(password).unwrap();
        assert_eq!(
            alice["login"]["hash"],
            super::crashes::password_hash(&alice, password.trim_end()),
            "{places:?}"
        );
        assert_eq!(alice["inline"].as_array().unwrap().len(), 1, "{places:?}");
    }
}

/// `recover` believes a record no more than `restore-user` does.
#[test]
fn nobody_is_restored_from_a_record_of_somebody_else() {
    let (env, account) = world();
    let serving = Serving::new(&env, &account, "");
    serving.run(&["disable-user", "alice"], None).exits(0);
    let restore = ["restore-user", "alice", "--yes", "--allow-plaintext"];
    assert_eq!(serving.run(&restore, Some("kill:60")).status, 128 + 9);
    let mut record: Value = serde_json::from_str(&env.read("users/alice.disabled.json")).unwrap();
    record["account"] = "999999999999".into();
    env.write("users/alice.disabled.json", record.to_string());
    serving.run(&["recover", "--yes", "--settle", "0s"], None).exits(1).prints("is not of the user `alice`");
    serving.served.stop();
    assert!(user_of(&env, "alice").unwrap()["inline"].to_string().contains("MusterDenyAll"));
}

/// Two users left open by one run: what each was given is remembered as its own.
#[test]
fn each_half_made_user_is_known_by_its_own_calls() {
    let (env, account) = world();
    env.write(".aws/muster/default.toml", "common_groups = [\"AllUsers\"]\nforce_common_group = true\n");
    let bad = Serving::new(&env, &account, "deny=CreateAccessKey,deny=DeleteUser");
    let create = ["create-user", "al", "bo", "--no-mfa", "--access-key", "--allow-plaintext"];
    bad.run(&create, None).exits(4).prints("left:");
    bad.run(&["recover", "--yes", "--resume", "--settle", "0s"], None).exits(4);
    let port = bad.served.url.rsplit(':').next().unwrap().to_owned();
    bad.served.stop();
    // The same endpoint, and so the same journal, without the trouble.
    let good = Served::on_port(&env, Some(&account), &port);
    let mended = env.muster_with(&["recover", "--yes", "--settle", "0s"], &good.env(), "").exits(0);
    assert!(
        mended.stdout.contains("al: removed") && mended.stdout.contains("bo: removed"),
        "{}",
        mended.stdout
    );
    good.stop();
    assert!(user_of(&env, "al").is_none() && user_of(&env, "bo").is_none());
}

/// A half-made user that was locked out meanwhile is taken away all the same.
#[test]
fn a_half_made_user_that_was_disabled_can_be_recovered() {
    let (env, account) = world();
    env.write(".aws/muster/default.toml", "common_groups = [\"AllUsers\"]\nforce_common_group = true\n");
    let serving = Serving::new(&env, &account, "");
    let create = ["create-user", "carol", "--no-mfa", "--access-key", "--allow-plaintext"];
    assert_eq!(serving.run(&create, Some("kill:55")).status, 128 + 9);
    serving.run(&["disable-user", "carol"], None).exits(0);
    serving.run(&["recover", "--yes", "--settle", "0s"], None).exits(0).prints("carol: removed");
    serving.served.stop();
    assert!(user_of(&env, "carol").is_none());
}

/// Lists that lag behind are waited for, and not asked as fast as they answer.
#[test]
fn a_deletion_does_not_run_in_circles() {
    let (env, account) = world();
    let args = [
        "--sandbox",
        &account,
        "--faults",
        "delay=5s",
        "--rate",
        "10000",
        "--output",
        "json",
        "delete-user",
        "alice",
        "--yes",
    ];
    let calls = env.muster(&args).exits(0).json()["api_calls"].clone();
    let calls: u64 = calls.as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert!(calls < 400, "{calls} calls");
}

/// A record that cannot be read does not make a deletion that was carried out one that failed.
#[test]
fn a_damaged_record_is_told_and_no_more() {
    let (env, account) = world();
    env.muster(&["--sandbox", &account, "disable-user", "alice"]).exits(0);
    env.write("users/alice.disabled.json", "{");
    env.muster(&["--sandbox", &account, "delete-user", "alice", "--yes"])
        .exits(0)
        .prints("alice: deleted")
        .prints("failed to read the record");
    assert!(user_of(&env, "alice").is_none());
}

/// `--keep-partial` keeps only what somebody has: after a lost answer that nothing could make good, all is undone.
#[test]
fn nothing_is_kept_that_nobody_has() {
    for faults in
        ["lose=CreateAccessKey@1,deny=ListAccessKeys@1", "lose=CreateLoginProfile@1,deny=UpdateLoginProfile"]
    {
        let (env, account) = world();
        env.write(".aws/muster/default.toml", "common_groups = [\"AllUsers\"]\nforce_common_group = true\n");
        let serving = Serving::new(&env, &account, &format!("{faults},clock=1000x"));
        let create =
            ["create-user", "carol", "--no-mfa", "--access-key", "--allow-plaintext", "--keep-partial"];
        let ran = serving.run(&create, None);
        assert!(matches!(ran.status, 1 | 4), "{faults}: {}{}", ran.stdout, ran.stderr);
        serving.run(&["recover", "--yes", "--settle", "0s"], None).exits(0);
        serving.served.stop();
        assert!(user_of(&env, "carol").is_none(), "{faults}: {}", ran.stdout);
    }
}

/// Ctrl-C at a question is Ctrl-C, and not a no.
#[test]
fn ctrl_c_at_a_question_ends_with_130() {
    let (env, account) = world();
    env.muster(&["--sandbox", &account, "disable-user", "bob"]).exits(0);
    for (args, question) in [
        (&["restore-user", "bob"][..], "Restore user 'bob' (y/n)?"),
        (&["delete-user", "bob"], "Type the name to delete user 'bob'"),
    ] {
        let mut all = vec!["--sandbox", account.as_str()];
        all.extend(args);
        let mut screen = Screen::new(&env, &all, 120, &[]);
        screen.shows(question);
        screen.types("\x03");
        let (status, raw) = screen.ends();
        assert_eq!(status, 130, "{raw}");
    }
    assert!(user_of(&env, "bob").is_some());
}
