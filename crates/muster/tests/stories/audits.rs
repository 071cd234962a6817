//! `audit`: every rule found where it is broken, nothing taken for a pass that is not known, and every form of report.

use std::path::PathBuf;

use serde_json::{Value, json};
use testkit::{Ran, Served, TestEnv, aws_with, python};

use super::env;
use super::govern::{GOVERNED, PEOPLE};

const OLD_S: i64 = 1_600_000_000;

/// Returns a file of the npm packages that `cargo xtask setup` fetches.
fn npm(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/npm").join(name);
    assert!(path.exists(), "{} is not there: `cargo xtask test` fetches it", path.display());
    path.display().to_string()
}

/// An account as the config of the guide wants it.
fn in_order() -> (TestEnv, String) {
    let env = env();
    env.write(".aws/muster/default.toml", GOVERNED);
    let people = env.write("people.csv", PEOPLE);
    let account = env.sandbox(&["--article"]);
    env.muster(&["apply", "--yes", "--sandbox", &account, "--decisions", &people]).exits(0);
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    state["password_policy"] = json!({ "length_min": 14, "symbols": true, "numbers": true, "uppercase": true,
        "lowercase": true, "users_may_change": true, "age_days_max": null, "reuse_prevention": null, "hard_expiry": false });
    env.write("account.json", state.to_string());
    (env, account)
}

/// An account with every rule broken once, or nearly.
fn in_disorder() -> (TestEnv, String) {
    let (env, account) = in_order();
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    state["password_policy"] = Value::Null;
    state["root"] = json!({ "mfa": false, "access_key": true });
    let now_s = state["clock_ms"].as_i64().unwrap() / 1000;
    let key = |n: u32, active: bool, created: i64, used: Option<i64>| {
        let mut key = json!({ "id": format!("AKIAEXAMPLE{n:09}"), "secret": "EXAMPLE", "active": active, "created": created });
        if let Some(at) = used {
            key["last_use"] = json!({ "at": at, "service": "s3" });
        }
        key
    };
    let login = |created: i64| json!({ "created": created, "reset_required": false, "hash": "x" });
    for user in state["users"].as_array_mut().unwrap() {
        match user["name"].as_str().unwrap() {
            "jdoe" => {
                user["login"] = login(OLD_S);
                user["access_keys"] = json!([key(1, true, OLD_S, Some(OLD_S)), key(2, true, OLD_S, None)]);
            }
            "Headless-ci" => {
                user["login"] = login(OLD_S);
                user["password_last_used"] = (now_s - 200 * 86_400).into();
            }
            "Headless-backup" => {
                user["groups"] = json!(["allhumanusers", "allusers"]);
                user["inline"] = json!([{ "name": "own", "document": r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"# }]);
            }
            "asmith" => user["groups"] = json!(["allhumanusers", "allcontractors"]),
            "bwayne" => user["groups"] = json!([]),
            _ => {}
        }
    }
    state["devices"] = json!([
        { "serial": "arn:aws:iam::123456789012:mfa/lost", "user": null },
        { "serial": "arn:aws:iam::123456789012:mfa/Headless-mailer", "user": "headless-mailer", "enabled": OLD_S },
    ]);
    for group in state["groups"].as_array_mut().unwrap() {
        match group["name"].as_str().unwrap() {
            "AllHeadlessUsers" => group["attached"] = json!(["arn:aws:iam::aws:policy/AdministratorAccess"]),
            "AllContractors" => {
                group["inline"] =
                    json!([{ "name": "extra", "document": "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }]);
            }
            _ => {}
        }
    }
    for policy in state["policies"].as_array_mut().unwrap() {
        if policy["name"] == "enforce-tls" {
            policy["others"] = json!([{ "number": 1, "created": OLD_S, "document": policy["document"] }]);
            policy["version"] = 2.into();
            policy["versions_made"] = 2.into();
            policy["document"] =
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#
                    .into();
        }
    }
    env.write("account.json", state.to_string());
    (env, account)
}

fn audit(env: &TestEnv, account: &str, more: &[&str]) -> Ran {
    env.muster(&[&["audit", "--sandbox", account], more].concat())
}

fn rules(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings.map(|f| (text(&f["rule"]), text(&f["subject"]["name"]))).collect()
}

#[test]
fn an_account_as_the_config_wants_it_is_clean() {
    let (env, account) = in_order();
    let ran = audit(&env, &account, &["--output", "json"]).exits(0);
    let report = ran.json();
    assert_eq!(report["findings"], json!([]));
    assert_eq!(report["unknown"], json!([]));
    assert_eq!(report["summary"]["clean"], true);
    assert_eq!(
        report["api_calls"],
        json!({ "GetCallerIdentity": 1, "GetAccountAuthorizationDetails": 1, "GenerateCredentialReport": 2,
                "GetCredentialReport": 1, "GetAccountPasswordPolicy": 1, "ListVirtualMFADevices": 1 })
    );
    audit(&env, &account, &[]).exits(0).prints("8 users: no findings; in order");
}

#[test]
fn every_rule_that_is_broken_is_found_with_what_mends_it() {
    let (env, account) = in_disorder();
    // A name that two patterns fit, and a group that is not there.
    let more = "\n[[category]]\ngroup = \"AllBackups\"\npattern = \"^(Headless-)?backup\"\n[audit]\npassword_age_days = 90\n";
    env.write(".aws/muster/default.toml", format!("{GOVERNED}{more}"));
    let report = audit(&env, &account, &["--output", "json"]).exits(3).json();
    let found = rules(&report);
    let is = |rule: &str, subject: &str| {
        assert!(
            found.contains(&(rule.to_owned(), subject.to_owned())),
            "{rule} of {subject} is not in {found:?}"
        );
    };
    for (rule, subject) in [
        ("root-access-key", "123456789012"),
        ("root-without-mfa", "123456789012"),
        ("weak-password-policy", "123456789012"),
        ("missing-group", "AllBackups"),
        ("uncategorized", "bwayne"),
        ("conflicting-categories", "asmith"),
        ("misfiled", "Headless-backup"),
        ("missing-common-group", "bwayne"),
        ("ambiguous-name", "Headless-backup"),
        ("password-without-mfa", "jdoe"),
        ("unwanted-password", "Headless-ci"),
        ("unwanted-mfa", "Headless-mailer"),
        ("old-access-key", "jdoe"),
        ("old-password", "jdoe"),
        ("unused-access-key", "jdoe"),
        ("never-used-access-key", "jdoe"),
        ("unused-password", "Headless-ci"),
        ("never-used-password", "jdoe"),
        ("two-active-keys", "jdoe"),
        ("unassigned-mfa-device", "arn:aws:iam::123456789012:mfa/lost"),
        ("missing-policy", "AllHeadlessUsers"),
        ("drifted-policy", "AllUsers"),
        ("foreign-policies", "AllContractors"),
        ("foreign-policies", "AllHeadlessUsers"),
        ("direct-policies", "Headless-backup"),
        ("administrator", "Headless-backup"),
        ("administrator", "Headless-ci"),
        ("extra-policy-versions", "arn:aws:iam::123456789012:policy/muster/enforce-tls"),
    ] {
        is(rule, subject);
    }
    // Everything has a rule with a reason, and what mends it; what rests on the report says how old that is.
    for finding in report["findings"].as_array().unwrap() {
        assert!(!finding["fix"].as_str().unwrap().is_empty(), "{finding}");
        let rule =
            report["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == finding["rule"]).unwrap();
        assert!(rule["reason"].as_str().unwrap().len() > 40, "{rule}");
    }
    // The only rules that this account does not break.
    let all: Vec<&str> =
        report["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    let unbroken: Vec<&&str> = all.iter().filter(|id| found.iter().all(|(rule, _)| rule != **id)).collect();
    assert_eq!(unbroken, [&"unwanted-access-key", &"lapsed-exemption"]);
    let text = audit(&env, &account, &[]).exits(3).stdout;
    assert!(
        text.contains("jdoe: access key 1 is active and ") && text.contains("(credential report, "),
        "{text}"
    );
    assert!(text.contains("muster enable-mfa --user-name jdoe"), "{text}");
    let csv = audit(&env, &account, &["--output", "csv"]).exits(3).stdout;
    assert!(
        csv.starts_with(
            "severity,rule,kind,name,message,fix,source,as_of\ncritical,root-access-key,account,"
        ),
        "{csv}"
    );
}

#[test]
fn thresholds_severities_and_exemptions_are_the_configs() {
    let (env, account) = in_disorder();
    let config = |audit: &str| env.write(".aws/muster/default.toml", format!("{GOVERNED}\n{audit}"));
    let found = || rules(&audit(&env, &account, &["--output", "json"]).exits(3).json());
    let has = |found: &[(String, String)], rule: &str| found.iter().any(|(r, _)| r == rule);
    config(
        "[audit]\nkey_age_days = 100000\nunused_days = 100000\npassword_length = 8\nseverity = { two-active-keys = \"off\", root-without-mfa = \"info\" }",
    );
    let now = found();
    for rule in ["old-access-key", "unused-access-key", "weak-password-policy", "two-active-keys"] {
        assert!(!has(&now, rule), "{rule}");
    }
    config("[audit]\nseverity = { misfield = \"off\" }");
    audit(&env, &account, &[])
        .exits(2)
        .says("the audit has no rule `misfield`")
        .says("did you mean `misfiled`?");
    config("[audit]\nseverity = { misfiled = \"huge\" }");
    audit(&env, &account, &[]).exits(2).says("`huge` is no severity");
    for (wrong, says) in [
        ("[audit]\nreport_age_hours = 0", "`report_age_hours` is 0, and it can be from 4"),
        ("[audit]\npassword_length = 500", "`password_length` is 500, and it can be from 6 to 128"),
        (
            "[[exempt]]\nrule = \"foreign-policies\"\nuser = \"x\"\nreason = \"y\"\nuntil = \"2030-01-01\"",
            "is not about users",
        ),
    ] {
        config(wrong);
        audit(&env, &account, &[]).exits(2).says(says);
    }
    let exempt = |until: &str| {
        format!(
            "[[exempt]]\nrule = \"misfiled\"\nuser = \"Headless-b.*\"\nreason = \"being moved\"\nuntil = \"{until}\"\n"
        )
    };
    config(&exempt("2999-12-31"));
    let report = audit(&env, &account, &["--output", "json"]).exits(3).json();
    assert!(!has(&rules(&report), "misfiled"));
    assert_eq!(report["exempted"][0]["exempt_because"], "being moved");
    config(&exempt("2020-12-31"));
    let now = found();
    assert!(has(&now, "misfiled") && has(&now, "lapsed-exemption"), "{now:?}");
    // Renewed, it holds, and nothing is said of the old one.
    config(&format!("{}{}", exempt("2020-12-31"), exempt("2999-12-31")));
    let now = found();
    assert!(!has(&now, "misfiled") && !has(&now, "lapsed-exemption"), "{now:?}");
}

#[test]
fn what_cannot_be_found_out_is_unknown_and_never_a_pass() {
    let (env, account) = in_order();
    for (faults, says) in [
        ("deny=GenerateCredentialReport", "iam:GenerateCredentialReport"),
        ("deny=GetCredentialReport", "iam:GetCredentialReport"),
        ("deny=GetAccountPasswordPolicy", "iam:GetAccountPasswordPolicy"),
        ("deny=ListVirtualMFADevices", "iam:ListVirtualMFADevices"),
        ("report=stuck", "did not finish the credential report"),
    ] {
        let ran = audit(&env, &account, &["--faults", faults, "--output", "json"]).exits(3);
        let report = ran.json();
        assert_eq!(report["findings"], json!([]), "{faults}");
        assert!(
            report["unknown"][0]["why"].as_str().unwrap().contains(says),
            "{faults}: {}",
            report["unknown"]
        );
        let junit = env.text_path(&format!("{}.xml", says.replace([':', ' '], "-")));
        audit(&env, &account, &["--faults", faults, "--report", &format!("junit={junit}")])
            .exits(3)
            .prints("so nobody can say whether these hold");
        assert!(std::fs::read_to_string(junit).unwrap().contains("<error message=\"not known"), "{faults}");
    }
    audit(&env, &account, &["--faults", "deny=GetAccountAuthorizationDetails"]).exits(1);
    // A snapshot holds no credentials.
    let snapshot = env.text_path("snapshot.json");
    env.muster(&["snapshot", "--sandbox", &account, "--out", &snapshot]).exits(0);
    env.muster(&["audit", "--roster", &snapshot]).exits(3).prints("a snapshot does not hold it");
    let other = env.write(
        "other.json",
        env.read("snapshot.json").replace("\"muster_snapshot\": 1", "\"muster_snapshot\": 9"),
    );
    env.muster(&["audit", "--roster", &other]).exits(2).says("this snapshot has format 9");
}

/// The report is up to four hours old: who came since is looked at itself, and nobody is taken for an earlier bearer of the name.
#[test]
fn whom_the_report_does_not_know_is_looked_at_itself() {
    let (env, account) = in_order();
    audit(&env, &account, &[]).exits(0);
    let served = Served::new(&env, Some(&account), "");
    let aws = |args: &[&str]| aws_with(&env, None, args, &served.env()).exits(0);
    for user in ["Headless-new", "Headless-ci"] {
        if user == "Headless-ci" {
            for group in ["AllUsers", "AllHeadlessUsers"] {
                aws(&["iam", "remove-user-from-group", "--user-name", user, "--group-name", group]);
            }
            aws(&["iam", "delete-user", "--user-name", user]);
        }
        aws(&["iam", "create-user", "--user-name", user]);
        aws(&["iam", "create-login-profile", "--user-name", user, "--password", "Correct-Horse-7-Battery"]);
        for group in ["AllUsers", "AllHeadlessUsers"] {
            aws(&["iam", "add-user-to-group", "--user-name", user, "--group-name", group]);
        }
    }
    let ran = env.muster_with(&["audit", "--output", "json"], &served.env(), "");
    let report = ran.exits(3).json();
    assert_eq!(
        rules(&report),
        ["Headless-ci", "Headless-new"].map(|user| ("unwanted-password".to_owned(), user.to_owned()))
    );
    assert_eq!(report["api_calls"]["GetLoginProfile"], 2, "only those two");
    assert_eq!(report["findings"][0]["source"], "account");
    // Where they cannot be looked at, nobody knows.
    served.stop();
    let report =
        audit(&env, &account, &["--faults", "deny=GetLoginProfile", "--output", "json"]).exits(3).json();
    assert!(report["unknown"][0]["what"].as_str().unwrap().contains("Headless-"), "{}", report["unknown"]);
}

#[test]
fn what_changed_since_a_snapshot_is_told() {
    let (env, account) = in_order();
    let snapshot = env.text_path("before.json");
    env.muster(&["snapshot", "--sandbox", &account, "--out", &snapshot]).exits(0);
    audit(&env, &account, &["--since", &snapshot]).exits(0).prints("nothing changed");
    let served = Served::new(&env, Some(&account), "");
    let aws = |args: &[&str]| aws_with(&env, None, args, &served.env()).exits(0);
    aws(&["iam", "create-user", "--user-name", "Headless-new"]);
    for group in ["AllUsers", "AllMisconfiguredUsers"] {
        aws(&[
            "iam",
            "remove-user-from-group",
            "--user-name",
            "MisconfiguredUser-OldKey",
            "--group-name",
            group,
        ]);
    }
    aws(&["iam", "delete-user", "--user-name", "MisconfiguredUser-OldKey"]);
    aws(&["iam", "add-user-to-group", "--user-name", "jdoe", "--group-name", "AllContractors"]);
    aws(&["iam", "remove-user-from-group", "--user-name", "jdoe", "--group-name", "AllHumanUsers"]);
    served.stop();
    let ran = audit(&env, &account, &["--since", &snapshot, "--output", "json"]).exits(3);
    let since = &ran.json()["since"];
    assert_eq!(since["came"], json!(["Headless-new"]));
    assert_eq!(since["left"], json!(["MisconfiguredUser-OldKey"]));
    assert_eq!(
        since["moved"],
        json!([{ "user": "jdoe", "joined": ["AllContractors"], "left": ["AllHumanUsers"] }])
    );
    assert_eq!(
        since["lost"],
        json!({ "jdoe": ["arn:aws:iam::123456789012:policy/muster/enforce-source-ip"] })
    );
    let text = audit(&env, &account, &["--since", &snapshot]).exits(3);
    text.prints("jdoe joined AllContractors, left AllHumanUsers");
    env.write("other.json", env.read("before.json").replace("123456789012", "999999999999"));
    audit(&env, &account, &["--since", &env.text_path("other.json")])
        .exits(2)
        .says("is of account 999999999999");
}

/// Every report against the published schema of its form, and the page in a real browser.
#[test]
fn reports_are_what_their_forms_ask_for() {
    let (env, account) = in_disorder();
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    // Text from an account is not trusted: no name that IAM takes has these, but a tag, a policy or a state file can.
    state["groups"][0]["inline"] = json!([{ "name": "<img src=x onerror=alert(1)>]]>&\"'`|\u{1b}[31m", "document": "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }]);
    env.write("account.json", state.to_string());
    env.write(".aws/muster/default.toml", format!("{GOVERNED}\n[[exempt]]\nrule = \"misfiled\"\nuser = \"Headless\"\nreason = \"<b>moving</b>\"\nuntil = \"2999-01-01\"\n"));
    let file = |name: &str| env.text_path(name);
    let before = env.text_path("before.json");
    env.muster(&["snapshot", "--sandbox", &account, "--out", &before]).exits(0);
    let reports: Vec<String> =
        ["junit=r.xml", "sarif=r.sarif", "ocsf=r.ocsf.json", "markdown=r.md", "html=r.html"]
            .iter()
            .flat_map(|report| {
                let (form, name) = report.split_once('=').unwrap();
                ["--report".to_owned(), format!("{form}={}", file(name))]
            })
            .collect();
    let reports: Vec<&str> = reports.iter().map(String::as_str).collect();
    audit(&env, &account, &[&reports[..], &["--since", &before]].concat()).exits(3);
    audit(&env, &account, &reports).exits(2).says("exists already");
    audit(&env, &account, &["--report", "pdf=x"]).exits(2).says("junit, sarif, ocsf, markdown, html");
    let xsd = npm("junit.xsd");
    python(&env, "judge_reports.py", &[&file("r.sarif"), &file("r.xml"), &file("r.ocsf.json"), &xsd], &[])
        .exits(0)
        .prints(", 0 wrong");
    let page = env.read("r.html");
    assert!(page.contains("&#60;img src=x onerror=alert(1)&#62;") && !page.contains("<img"), "escaped");
    assert!(!page.contains('\u{1b}') && !env.read("r.md").contains('\u{1b}'));
    assert!(env.read("r.md").contains("\\<img src=x onerror=alert(1)\\>"));
    let shots = env.path("shots");
    std::fs::create_dir_all(&shots).unwrap();
    let shots = shots.display().to_string();
    let args = [
        &file("r.html"),
        &npm("axe.min.js"),
        &shots,
        "8",
        "headless",
        "3",
        "allcontractors",
        "1",
        "conflicting",
        "1",
    ];
    python(&env, "judge_html.py", &args, &[]).exits(0).prints("; 0 wrong");
}

/// The page with nobody, one, three hundred and as many users as an account can have.
#[test]
fn the_page_holds_up_at_any_size() {
    let env = env();
    env.write(".aws/muster/default.toml", GOVERNED);
    for users in [0, 1, 300, 5_000] {
        let account = env.text_path(&format!("{users}.json"));
        env.muster(&["sandbox", "new", &account, "--users", &users.to_string()]).exits(0);
        let page = env.text_path(&format!("{users}.html"));
        let ran = audit(&env, &account, &["--report", &format!("html={page}")]);
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        let shots = env.path(&format!("shots-{users}"));
        std::fs::create_dir_all(&shots).unwrap();
        let (users, shots) = (users.to_string(), shots.display().to_string());
        python(&env, "judge_html.py", &[&page, &npm("axe.min.js"), &shots, &users], &[])
            .exits(0)
            .prints("; 0 wrong");
    }
}

/// What a review found: each of these was wrong once.
#[test]
fn what_deserves_no_finding_has_none_and_what_does_has_one() {
    let (env, account) = in_order();
    let mut state: Value = serde_json::from_str(&env.read("account.json")).unwrap();
    let now_s = state["clock_ms"].as_i64().unwrap() / 1000;
    let login = json!({ "created": now_s - 60, "reset_required": false, "hash": "x" });
    for user in state["users"].as_array_mut().unwrap() {
        match user["name"].as_str().unwrap() {
            // A new password, and the one before it was last used long ago.
            "jdoe" => {
                user["login"] = login.clone();
                user["password_last_used"] = OLD_S.into();
            }
            // In two categories, both of which ask for MFA.
            "asmith" => {
                user["login"] = login.clone();
                user["groups"] = json!(["allcontractors", "allhumanusers", "allusers"]);
            }
            _ => {}
        }
    }
    state["devices"] = json!([
        { "serial": "arn:aws:iam::123456789012:mfa/;id;$(id)", "user": null },
        { "serial": "arn:aws:iam::123456789012:mfa/jdoe", "user": "jdoe", "enabled": OLD_S },
    ]);
    env.write("account.json", state.to_string());
    env.muster(&["disable-user", "bwayne", "--yes", "--sandbox", &account]).exits(0);
    let report = audit(&env, &account, &["--output", "json"]).exits(3).json();
    let expected = [
        ("password-without-mfa", "asmith"),
        ("conflicting-categories", "asmith"),
        ("unassigned-mfa-device", "arn:aws:iam::123456789012:mfa/;id;$(id)"),
    ];
    assert_eq!(rules(&report), expected.map(|(rule, name)| (rule.to_owned(), name.to_owned())));
    let device = report["findings"].as_array().unwrap().last().unwrap();
    assert_eq!(
        device["fix"],
        "aws iam delete-virtual-mfa-device --serial-number 'arn:aws:iam::123456789012:mfa/;id;$(id)'"
    );
    // Events about what is not known; none is mistaken for a pass.
    let events = env.text_path("events.json");
    let report = format!("ocsf={events}");
    let sarif = format!("sarif={}", env.text_path("r.sarif"));
    let junit = format!("junit={}", env.text_path("r.xml"));
    let args =
        ["--faults", "deny=GetCredentialReport", "--report", &report, "--report", &sarif, "--report", &junit];
    audit(&env, &account, &args).exits(3);
    assert!(env.read("events.json").contains("not known: the credential report"));
    let files = [env.text_path("r.sarif"), env.text_path("r.xml"), events, npm("junit.xsd")];
    python(&env, "judge_reports.py", &files.each_ref().map(String::as_str), &[]).exits(0).prints(", 0 wrong");
}

/// Every form as it is: a change of any has to be meant.
#[test]
fn reports_look_as_they_did() {
    let (env, account) = in_disorder();
    // Long after the account's own clock, so that no run is later than another.
    let at = |args: &[&str]| {
        env.muster_at("@2031-01-01 12:00:00", &[&["audit", "--sandbox", &account], args].concat(), &[], "")
    };
    let same = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("\"run\": ") && !line.contains("config_hash"));
        let text = lines.collect::<Vec<_>>().join("\n");
        text.replace(env!("CARGO_PKG_VERSION"), "VERSION")
    };
    // The credential report is made by the first, and the same for all.
    insta::assert_snapshot!("an audit", same(&at(&[]).exits(3).stdout));
    insta::assert_snapshot!("an audit in csv", same(&at(&["--output", "csv"]).exits(3).stdout));
    insta::assert_snapshot!("an audit in json", same(&at(&["--output", "json"]).exits(3).stdout));
    for form in ["junit", "sarif", "ocsf", "markdown", "html"] {
        let file = env.text_path(form);
        at(&["--report", &format!("{form}={file}")]).exits(3);
        insta::assert_snapshot!(format!("an audit in {form}"), same(&env.read(form)));
    }
}
