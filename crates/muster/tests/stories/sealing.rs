//! Sealing with the real GnuPG and a throw-away keyring, with real age and SSH keys: who can open what, and who is
//! never taken for somebody else.

use std::path::PathBuf;
use std::process::Command;

use testkit::{Ran, TestEnv};

use super::article_with_groups;
use super::crashes::{password_hash, unzip};
use super::create_user::user_of;

/// A keyring of its own, gone with the test.
struct Keyring {
    home: tempfile::TempDir,
}

impl Keyring {
    fn new() -> Self {
        // Sockets have short names: gpg's agent wants its home near the root.
        let home = tempfile::Builder::new().prefix("gpg-").tempdir_in("/tmp").expect("a temporary folder");
        std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        Self { home }
    }

    fn path(&self) -> &str {
        self.home.path().to_str().unwrap()
    }

    fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new("gpg")
            .args([
                "--batch",
                "--quiet",
                "--homedir",
                self.path(),
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(args)
            .output()
            .expect("gnupg is installed");
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key; `usage` as gpg takes it.
    fn key(&self, user_id: &str, algorithm: &str, usage: &str, expires: &str) -> String {
        // The same address twice is meant.
        self.gpg(&[
            "--yes",
            "--faked-system-time",
            "20260101T000000",
            "--quick-gen-key",
            user_id,
            algorithm,
            usage,
            expires,
        ]);
        self.fingerprints(user_id).pop().unwrap()
    }

    /// Makes a key on a curve, with a subkey that encrypts.
    fn curve(&self, user_id: &str, signs: &str, encrypts: &str) -> String {
        let fingerprint = self.key(user_id, signs, "sign", "never");
        self.gpg(&["--quick-add-key", &fingerprint, encrypts, "encr", "never"]);
        fingerprint
    }

    fn fingerprints(&self, user_id: &str) -> Vec<String> {
        let listing =
            String::from_utf8(self.gpg(&["--with-colons", "--list-keys", &format!("={user_id}")])).unwrap();
        let mut fingerprints = Vec::new();
        let mut primary = false;
        for line in listing.lines() {
            primary |= line.starts_with("pub:");
            if primary && line.starts_with("fpr:") {
                fingerprints.push(line.split(':').nth(9).unwrap().to_owned());
                primary = false;
            }
        }
        fingerprints
    }

    /// Decrypts with the keys in here.
    fn decrypt(&self, env: &TestEnv, sealed: &[u8]) -> String {
        let file = env.write("sealed", sealed);
        String::from_utf8(self.gpg(&["--decrypt", &file])).unwrap()
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").args(["--homedir", self.path(), "--kill", "all"]).output();
    }
}

fn create(env: &TestEnv, account: &str, keyring: &Keyring, name: &str, args: &[&str]) -> Ran {
    let mut all = vec![
        "--sandbox",
        account,
        "--no-input",
        "create-user",
        name,
        "--category",
        "AllHumanUsers",
        "--no-mfa",
        "--access-key",
    ];
    all.extend(args);
    env.muster_with(&all, &[("GNUPGHOME", keyring.path())], "")
}

/// Opens the bundle of a user and asserts that what was sealed is what the account knows.
fn opens(env: &TestEnv, name: &str, ending: &str, decrypt: impl Fn(&[u8]) -> String) {
    let bundle = unzip(env, &format!("users/{name}.zip"));
    let user = user_of(env, name).unwrap();
    let password = decrypt(&bundle[&format!("password.txt{ending}")]);
    assert_eq!(user["login"]["hash"], password_hash(&user, password.trim_end()), "{name}");
    let credentials = decrypt(&bundle[&format!("credentials{ending}")]);
    assert!(credentials.contains(user["access_keys"][0]["secret"].as_str().unwrap()), "{name}");
    assert!(
        !bundle.contains_key("password.txt") && !bundle.contains_key("credentials"),
        "{:?}",
        bundle.keys()
    );
}

#[test]
fn every_kind_of_pgp_key_opens_what_was_sealed_for_it() {
    let (env, account) = article_with_groups();
    let keyring = Keyring::new();
    let rsa = keyring.key("Anna Rsa <anna@example.com>", "rsa2048", "sign,encr", "never");
    let nist = keyring.curve("Nina Nist <nina@example.com>", "nistp256", "nistp256");
    let curve = keyring.curve("Carl Curve <carl@example.com>", "ed25519", "cv25519");
    for (name, recipient) in
        [("u1", rsa.as_str()), ("u2", "nina@example.com"), ("u3", &curve), ("u4", &nist[24..])]
    {
        create(&env, &account, &keyring, name, &["--recipient", recipient])
            .exits(0)
            .says("Sealing its credentials for OpenPGP key");
        opens(&env, name, ".pgp", |sealed| keyring.decrypt(&env, sealed));
    }
    // Without --recipient: the user id whose address, local part or whole name is the user's.
    for name in ["anna", "nina@example.com", "CARL"] {
        create(&env, &account, &keyring, name, &[]).exits(0);
        opens(&env, name, ".pgp", |sealed| keyring.decrypt(&env, sealed));
    }
    // Several, and a copy for escrow.
    env.write("escrow.toml", format!("common_groups = [\"AllUsers\"]\nforce_common_group = true\nescrow = \"{rsa}\"\n[[category]]\ngroup = \"AllHumanUsers\"\n[recipients]\nu5 = \"nina@example.com\"\n"));
    let args = ["--config", "escrow.toml", "--mfa", "auto"];
    let args: Vec<&str> = args.into_iter().collect();
    let mut all =
        vec!["--sandbox", &account, "--no-input", "create-user", "u5", "--category", "AllHumanUsers"];
    all.extend(args);
    let report = env
        .muster_with(&[&all[..], &["--output", "json"]].concat(), &[("GNUPGHOME", keyring.path())], "")
        .exits(0)
        .json();
    assert_eq!(report["users"][0]["sealed_for"], serde_json::json!([nist, rsa]));
    let recipients = |sealed: &[u8]| {
        let file = env.write("sealed", sealed);
        let status =
            String::from_utf8(keyring.gpg(&["--status-fd", "1", "--list-only", "--decrypt", &file])).unwrap();
        status.lines().filter(|line| line.contains("ENC_TO")).count()
    };
    assert_eq!(recipients(&unzip(&env, "users/u5.zip")["password.txt.pgp"]), 2, "the user and escrow");
    assert_eq!(
        recipients(&unzip(&env, "users/u5.mfa.zip")["seed.txt.pgp"]),
        1,
        "the second factor is the user's alone"
    );
    assert_eq!(recipients(&unzip(&env, "users/u5.mfa.zip")["qrcode.png.pgp"]), 1);
}

/// C7: `lice` is not Alice, and `al` is somebody else. Keys that are no good are refused before anything is made.
#[test]
fn nobody_is_taken_for_somebody_else() {
    let (env, account) = article_with_groups();
    let keyring = Keyring::new();
    keyring.key("Alice <alice@example.com>", "rsa2048", "sign,encr", "never");
    keyring.key("Al <al@example.com>", "rsa2048", "sign,encr", "never");
    keyring.key("Old <old@example.com>", "rsa2048", "sign,encr", "2026-02-01");
    keyring.key("Signer <signer@example.com>", "rsa2048", "sign", "never");
    let revoked = keyring.key("Gone <gone@example.com>", "rsa2048", "sign,encr", "never");
    let certificate =
        std::fs::read_to_string(keyring.home.path().join(format!("openpgp-revocs.d/{revoked}.rev"))).unwrap();
    let certificate = env.write("revocation", certificate.replace(":-----BEGIN", "-----BEGIN"));
    keyring.gpg(&["--import", &certificate]);
    keyring.key("Twin <twin@example.com>", "rsa2048", "sign,encr", "never");
    keyring.key("Twin Two <twin@example.com>", "rsa2048", "sign,encr", "never");
    let cases: &[(&str, &[&str], i32, &str)] = &[
        ("lice", &[], 3, "there is nobody to seal the credentials of `lice` for"),
        ("x1", &["--recipient", "lice"], 1, "no key in the keyring is of `lice`"),
        ("x2", &["--recipient", "lice@example.com"], 1, "no key in the keyring"),
        ("x3", &["--recipient", "example.com"], 1, "no key in the keyring"),
        ("old", &[], 1, "has expired"),
        ("signer", &[], 1, "has no subkey in order that can encrypt"),
        ("gone", &[], 1, "is revoked"),
        ("twin", &[], 1, "more than one key is of the user `twin`"),
        ("x4", &["--recipient", "twin@example.com"], 1, "more than one key is of `twin@example.com`"),
    ];
    let both = keyring.fingerprints("Twin <twin@example.com>");
    for (name, args, status, says) in cases {
        let ran = create(&env, &account, &keyring, name, args).exits(*status).says(says);
        if *name == "twin" {
            assert!(ran.stderr.contains(&both[0]), "the fingerprints are listed: {}", ran.stderr);
        }
        assert!(user_of(&env, name).is_none(), "{name}");
    }
    create(&env, &account, &keyring, "al", &[]).exits(0).says("(Al <al@example.com>)");
    opens(&env, "al", ".pgp", |sealed| keyring.decrypt(&env, sealed));
}

/// C6: a key that nobody vouches for is refused before anything exists, not found out afterwards.
#[test]
fn a_key_that_nobody_vouches_for_needs_always_trust() {
    let (env, account) = article_with_groups();
    let (owner, keyring) = (Keyring::new(), Keyring::new());
    let fingerprint = owner.key("Anna <anna@example.com>", "rsa2048", "sign,encr", "never");
    let armored = owner.gpg(&["--armor", "--export", &fingerprint]);
    let file = env.write("anna.asc", &armored);
    keyring.gpg(&["--import", &file]);
    for args in [&[][..], &["--recipient", &fingerprint]] {
        create(&env, &account, &keyring, "anna", args)
            .exits(1)
            .says("nothing in the keyring says that the key");
    }
    assert!(user_of(&env, "anna").is_none());
    create(&env, &account, &keyring, "anna", &["--always-trust"]).exits(0);
    opens(&env, "anna", ".pgp", |sealed| owner.decrypt(&env, sealed));
    // From a file, armored or not, the keyring is neither needed nor changed.
    let empty = Keyring::new();
    let binary = env.write("anna.gpg", owner.gpg(&["--export", &fingerprint]));
    for (name, file) in [("b1", &file), ("b2", &binary)] {
        create(&env, &account, &empty, name, &["--recipient", file]).exits(0);
        opens(&env, name, ".pgp", |sealed| owner.decrypt(&env, sealed));
    }
    assert!(empty.fingerprints_of_all().is_empty());
    owner.key("Otto <otto@example.com>", "rsa2048", "sign,encr", "2026-02-01");
    let cases = [
        (env.write("none.asc", "no key at all"), "it holds no OpenPGP, age or SSH public key"),
        (env.write("two.asc", owner.gpg(&["--export"])), "it holds several keys"),
        (env.write("otto.asc", owner.gpg(&["--export", "=Otto <otto@example.com>"])), "has expired"),
        (env.write("secret.age", "AGE-SECRET-KEY-1EXAMPLE"), "it is a private key"),
    ];
    for (file, says) in &cases {
        create(&env, &account, &empty, "nobody", &["--recipient", file]).exits(1).says(says);
    }
    assert!(user_of(&env, "nobody").is_none());
}

/// An option in gpg.conf that adds a recipient is found out by the test encryption, or switched off.
#[test]
fn no_configuration_of_gpg_adds_a_reader() {
    let (env, account) = article_with_groups();
    let keyring = Keyring::new();
    keyring.key("Anna <anna@example.com>", "rsa2048", "sign,encr", "never");
    let other = keyring.key("Mallory <mallory@example.com>", "rsa2048", "sign,encr", "never");
    let conf = PathBuf::from(keyring.path()).join("gpg.conf");
    std::fs::write(
        &conf,
        format!("encrypt-to {other}\nhidden-encrypt-to {other}\ngroup anna={other}\nthrow-keyids\narmor\n"),
    )
    .unwrap();
    create(&env, &account, &keyring, "anna", &[]).exits(0);
    std::fs::write(&conf, "").unwrap();
    let sealed = env.write("sealed", &unzip(&env, "users/anna.zip")["password.txt.pgp"]);
    let status =
        String::from_utf8(keyring.gpg(&["--status-fd", "1", "--list-only", "--decrypt", &sealed])).unwrap();
    assert_eq!(status.lines().filter(|line| line.contains("ENC_TO")).count(), 1, "{status}");
    std::fs::write(&conf, format!("recipient {other}\n")).unwrap();
    create(&env, &account, &keyring, "anna2", &["--recipient", "anna@example.com"])
        .exits(1)
        .says("an option in its configuration adds recipients");
    assert!(user_of(&env, "anna2").is_none());
}

#[test]
fn age_and_ssh_keys_open_what_was_sealed_for_them() {
    let (env, account) = article_with_groups();
    let keyring = Keyring::new();
    let run = |program: &str, args: &[&str]| {
        let output =
            env.command(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run("/usr/bin/age-keygen", &["-o", "id.age"]);
    let public =
        env.read("id.age").lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    run("/usr/bin/ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "anna@laptop", "-f", "id_ed25519"]);
    run("/usr/bin/ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "id_rsa"]);
    run("/usr/bin/ssh-keygen", &["-q", "-t", "ecdsa", "-N", "", "-f", "id_ecdsa"]);
    env.write("age.pub", format!("# a comment\n{public}\n"));
    let ed25519 = env.read("id_ed25519.pub");
    let cases = [
        ("a1", public.as_str(), "id.age"),
        ("a2", "age.pub", "id.age"),
        ("a3", ed25519.trim(), "id_ed25519"),
        ("a4", "id_ed25519.pub", "id_ed25519"),
        ("a5", "id_rsa.pub", "id_rsa"),
    ];
    for (name, recipient, identity) in cases {
        create(&env, &account, &keyring, name, &["--recipient", recipient]).exits(0);
        opens(&env, name, ".age", |sealed| {
            let file = env.write("sealed", sealed);
            String::from_utf8(run("/usr/bin/age", &["--decrypt", "-i", identity, &file])).unwrap()
        });
    }
    // Both kinds at once make a file for each.
    let fingerprint = keyring.key("Anna <anna@example.com>", "rsa2048", "sign,encr", "never");
    create(&env, &account, &keyring, "both", &["--recipient", &public, &fingerprint]).exits(0);
    opens(&env, "both", ".pgp", |sealed| keyring.decrypt(&env, sealed));
    assert!(unzip(&env, "users/both.zip").contains_key("password.txt.age"));
    for (recipient, says) in [
        ("id_ecdsa.pub", "age takes keys of the kinds age1…, ssh-ed25519 and ssh-rsa"),
        ("id_ed25519", "it is a private key"),
        ("id.age", "it is a private key"),
        ("age1yubikey1nonsense", "is no recipient"),
    ] {
        create(&env, &account, &keyring, "nobody", &["--recipient", recipient]).exits(1).says(says);
    }
    assert!(user_of(&env, "nobody").is_none());
}

impl Keyring {
    fn fingerprints_of_all(&self) -> Vec<String> {
        let listing = String::from_utf8(self.gpg(&["--with-colons", "--list-keys"])).unwrap();
        listing.lines().filter(|line| line.starts_with("fpr:")).map(str::to_owned).collect()
    }
}
