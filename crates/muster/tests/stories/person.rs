//! Somebody with a key and an MFA device, at an account that checks signatures.

use serde_json::{Value, json};
use testkit::{Ran, Served, TestEnv, aws_with};

use super::env;

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const KEY: &str = "AKIAEXAMPLEAAAAAAAA1";
pub(crate) const SECRET: &str = "EXAMPLEexampleEXAMPLEexampleEXAMPLEexamp";
pub(crate) const SERIAL: &str = "arn:aws:iam::123456789012:mfa/alice";
pub(crate) const SEED: &str = "EXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEE";

/// All but what is needed to get an MFA session is denied without one.
pub(crate) const MFA_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"},
    {"Effect":"Allow","Action":["iam:*MFADevice*","iam:List*"],"Resource":"*"},
    {"Effect":"Deny","NotAction":["iam:ListMFADevices","iam:GetUser","sts:*"],"Resource":"*",
     "Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#;

/// Everything about oneself, MFA or not.
pub(crate) const SELF: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::*:mfa/*"]},
    {"Effect":"Allow","Action":["iam:ListVirtualMFADevices","sts:*"],"Resource":"*"}]}"#;

/// Whom the role trusts: MFA and an external id are wanted.
pub(crate) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"AWS":"arn:aws:iam::123456789012:user/alice"},"Action":"sts:AssumeRole",
    "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"StringEquals":{"sts:ExternalId":"4711"}}}]}"#;

/// Options of the account that hold its callers to keys and policies.
pub(crate) const STRICT: [&str; 2] = ["--verify-signatures", "--enforce"];

/// A home with somebody in it, and the account that they have a key for.
pub(crate) struct Person {
    pub(crate) env: TestEnv,
    pub(crate) served: Served,
}

/// Returns an account with alice, who has a key and a device, and a role.
pub(crate) fn account(policy: &str) -> Value {
    let user =
        |name: &str, id: &str| json!({ "name": name, "path": "/", "id": id, "created": 1_700_000_000 });
    let mut alice = user("alice", "AIDAEXAMPLEALICE00001");
    let own = json!({
        "inline": [{ "name": "own", "document": policy }],
        "access_keys": [{ "id": KEY, "secret": SECRET, "active": true, "created": 1_700_000_000 }],
    });
    alice.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    json!({
        "muster_sandbox": 1,
        "identity": { "account": ACCOUNT, "partition": "aws", "seed": 1, "drawn": 0 },
        "clock_ms": 1_700_000_000_000_i64,
        "users": [alice, user("bob", "AIDAEXAMPLEBOB0000001")],
        "roles": [{ "name": "deploy", "path": "/", "id": "AROAEXAMPLE0000000001", "created": 1_700_000_000, "trust": TRUST }],
        "devices": [{ "serial": SERIAL, "user": "alice", "enabled": 1_700_000_000, "seed": SEED }],
    })
}

/// Returns a code of alice's device, so many steps from now.
pub(crate) fn code(steps: i64) -> String {
    code_of(SEED, steps)
}

/// Returns a code of any seed, so many steps from now.
#[expect(clippy::disallowed_methods, reason = "a code is of a time")]
pub(crate) fn code_of(seed: &str, steps: i64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let step = i64::try_from(since.as_secs() / muster_credentials::STEP_S).unwrap() + steps;
    let codes = muster_credentials::Codes::new(&secrecy::SecretString::from(seed)).unwrap();
    codes.at_step(u64::try_from(step).unwrap())
}

impl Person {
    pub(crate) fn new(account: &Value, faults: &str) -> Self {
        let env = env();
        env.write("account.json", account.to_string());
        let served = Served::with_options(&env, &env.text_path("account.json"), faults, &STRICT);
        Self { env, served }
    }

    /// Alice, with her key and her device in the profile beside `me`.
    pub(crate) fn alice(policy: &str) -> Self {
        let person = Self::new(&account(policy), "");
        person.env.write(".aws/credentials", credentials());
        person
    }

    /// Ends the account and starts it again at another time.
    pub(crate) fn at(self, time: &str) -> Self {
        let Self { env, served } = self;
        served.stop();
        let served = Served::at(&env, time, &env.text_path("account.json"), &STRICT);
        Self { env, served }
    }

    /// Returns the environment of somebody without credentials in it.
    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        vec![("AWS_ENDPOINT_URL", self.served.url.as_str()), ("AWS_DEFAULT_REGION", "us-east-1")]
    }

    #[must_use]
    pub(crate) fn muster(&self, args: &[&str]) -> Ran {
        self.muster_typing(args, "")
    }

    #[must_use]
    pub(crate) fn muster_typing(&self, args: &[&str], stdin: &str) -> Ran {
        self.env.muster_with(args, &self.variables(), stdin)
    }

    #[must_use]
    pub(crate) fn aws(&self, args: &[&str]) -> Ran {
        aws_with(&self.env, None, args, &self.variables())
    }

    /// Returns the key id in a profile of the credentials file, as the AWS CLI reads it.
    pub(crate) fn key_in(&self, profile: &str) -> String {
        let ran = self.aws(&["configure", "get", "aws_access_key_id", "--profile", profile]);
        ran.stdout.trim().to_owned()
    }

    /// Asserts that the AWS CLI can use a profile, and as whom.
    #[track_caller]
    pub(crate) fn works(&self, profile: &str, arn: &str) {
        let ran = self.aws(&["sts", "get-caller-identity", "--profile", profile]).exits(0);
        assert!(ran.json()["Arn"].as_str().unwrap().starts_with(arn), "{}", ran.stdout);
    }

    pub(crate) fn file(&self) -> String {
        self.env.read(".aws/credentials")
    }

    /// Returns a user of the account, as it is kept in its file.
    pub(crate) fn user(&self, name: &str) -> Value {
        // It is written five times a second.
        std::thread::sleep(std::time::Duration::from_millis(400));
        let state: Value = serde_json::from_str(&self.env.read("account.json")).unwrap();
        state["users"].as_array().unwrap().iter().find(|user| user["name"] == name).unwrap().clone()
    }
}

/// The credentials file of somebody who has lived with it for a while.
pub(crate) fn credentials() -> String {
    format!(
        "# keys of mine, do not touch\n[other]\naws_access_key_id=AKIAI44QH8DHBEXAMPLE\naws_secret_access_key=EXAMPLE\n\n\
         [me-nomfa]   ; long-lived\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n# the phone\nmfa_serial = {SERIAL}\n\
         s3 =\n    max_concurrent_requests = 20\n"
    )
}

pub(crate) const ALICE: &str = "arn:aws:iam::123456789012:user/alice";
