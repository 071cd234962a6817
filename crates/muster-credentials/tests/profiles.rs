//! Laws of changing the files of profiles, and what happens to the files themselves.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::Path;

use muster_credentials::profiles::{FileKind, ProfileError, ProfileFiles, ProfileText};
use proptest::prelude::*;
use zeroize::Zeroizing;

/// A line of a file as people and programs write them.
fn line() -> impl Strategy<Value = String> {
    let name = prop_oneof!["[a-c]", "[a-c] [a-c]"];
    let key = prop_oneof![
        Just("aws_access_key_id".to_owned()),
        Just("AWS_Access_Key_Id".to_owned()),
        Just("region".to_owned()),
        Just("x".to_owned()),
    ];
    let equals = prop_oneof![Just("="), Just(" = "), Just(" ="), Just(": "), Just("\t=\t")];
    prop_oneof![
        1 => name.clone().prop_map(|name| format!("[{name}]")),
        1 => name.prop_map(|name| format!("[profile {name}]  # x")),
        3 => (key, equals, "[A-Z/+]{0,6}( [#;] mine)?").prop_map(|(key, equals, value)| format!("{key}{equals}{value}")),
        1 => "  [a-z]{1,4}( = [a-z]{1,3})?",
        1 => "[ ]{0,2}[#;] [a-zé]{0,5}",
        1 => Just(String::new()),
        1 => "[a-z]{1,3}",
    ]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(line(), 0..14), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(lines, windows, bom, ends)| {
            let line_break = if windows { "\r\n" } else { "\n" };
            let mut text = if bom { "\u{feff}".to_owned() } else { String::new() };
            text.push_str(&lines.join(line_break));
            if ends && !lines.is_empty() {
                text.push_str(line_break);
            }
            text.into_bytes()
        },
    )
}

fn parse(kind: FileKind, bytes: &[u8]) -> ProfileText {
    ProfileText::new(kind, Zeroizing::new(bytes.to_vec())).unwrap()
}

const KEYS: [&str; 3] = ["aws_access_key_id", "region", "x"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is set is read again; nothing else reads differently, and no other line changes or moves.
    #[test]
    fn setting_one_key_changes_nothing_else(
        bytes in file(), config in any::<bool>(), profile in "[a-d]", key in 0..3_usize, value in "[A-Z0-9/+=]{1,8}",
    ) {
        let kind = if config { FileKind::Config } else { FileKind::Credentials };
        let before = parse(kind, &bytes);
        let mut after = parse(kind, &bytes);
        let set = after.set(&profile, KEYS[key], &value);
        prop_assume!(set.is_ok());
        prop_assert_eq!(after.get(&profile, KEYS[key]).map(|v| v.to_string()), Some(value.clone()));
        for other in before.profiles() {
            for name in KEYS {
                if (other.as_str(), name) != (profile.as_str(), KEYS[key]) {
                    prop_assert_eq!(before.get(&other, name), after.get(&other, name), "{} {}", other, name);
                }
            }
        }
        // Lines of the old text that are not about this key are in the new one, in order.
        let about = |line: &str| line.to_ascii_lowercase().contains(KEYS[key]) || line.starts_with("  ");
        let (old, new) = (String::from_utf8(bytes.clone()).unwrap().replace('\u{feff}', ""), String::from_utf8(after.bytes().to_vec()).unwrap().replace('\u{feff}', ""));
        let mut rest = new.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n']));
        for line in old.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n'])).filter(|line| !about(line)) {
            prop_assert!(rest.any(|other| other == line), "{:?} is not in {:?}", line, new);
        }
        // Twice is once.
        let once = after.bytes().to_vec();
        after.set(&profile, KEYS[key], &value).unwrap();
        prop_assert_eq!(after.bytes(), &once[..]);
    }

    /// What is taken away is gone, and nothing else.
    #[test]
    fn removing_one_key_changes_nothing_else(bytes in file(), profile in "[a-d]", key in 0..3_usize) {
        let before = parse(FileKind::Credentials, &bytes);
        let mut after = parse(FileKind::Credentials, &bytes);
        prop_assume!(after.remove(&profile, KEYS[key]).is_ok());
        prop_assert_eq!(after.get(&profile, KEYS[key]), None);
        for other in before.profiles() {
            for name in KEYS {
                if (other.as_str(), name) != (profile.as_str(), KEYS[key]) {
                    prop_assert_eq!(before.get(&other, name), after.get(&other, name));
                }
            }
        }
    }

    /// No bytes make it panic.
    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200), profile in "[a-d]") {
        if let Ok(mut text) = ProfileText::new(FileKind::Credentials, Zeroizing::new(bytes)) {
            let _ = text.profiles();
            let _ = text.set(&profile, "k", "v");
            let _ = text.remove_profile(&profile);
        }
    }
}

fn files(folder: &Path) -> ProfileFiles {
    ProfileFiles { credentials: folder.join("aws/credentials"), config: folder.join("aws/config") }
}

/// Two hundred at once: each waits for its turn, and none writes over what another one wrote.
#[test]
fn of_two_hundred_edits_at_once_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    std::thread::scope(|scope| {
        for number in 0..200 {
            let files = files.clone();
            scope.spawn(move || {
                let value = format!("v{number}");
                files
                    .edit(FileKind::Credentials, |text| text.set(&format!("p{number}"), "k", &value))
                    .unwrap();
            });
        }
    });
    let text = files.read(FileKind::Credentials).unwrap();
    assert_eq!(text.profiles().len(), 200);
    for number in 0..200 {
        assert_eq!(text.get(&format!("p{number}"), "k").unwrap().as_str(), format!("v{number}"));
    }
    let names: Vec<_> =
        folder.path().join("aws").read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the file and the lock: {names:?}");
}

#[cfg(unix)]
#[test]
fn what_must_not_or_cannot_be_written_is_said_before() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let edit = || files.edit(FileKind::Credentials, |text| text.set("p", "k", "v")).unwrap_err().to_string();
    std::fs::create_dir_all(&files.credentials).unwrap();
    assert!(edit().contains("is a directory"), "{}", edit());
    std::fs::remove_dir(&files.credentials).unwrap();
    std::fs::write(&files.credentials, "[p]\nk = mine\n").unwrap();
    std::fs::set_permissions(&files.credentials, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(edit().contains("it is read-only"), "{}", edit());
    std::fs::set_permissions(&files.credentials, std::fs::Permissions::from_mode(0o640)).unwrap();
    files.edit(FileKind::Credentials, |text| text.set("p", "k", "v")).unwrap();
    assert_eq!(files.credentials.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    // A change that fails leaves the file as it was.
    let failed = files.edit(FileKind::Credentials, |text| {
        text.set("p", "k", "other")?;
        Err::<(), _>(ProfileError::OddLayout)
    });
    assert!(failed.is_err());
    assert_eq!(std::fs::read_to_string(&files.credentials).unwrap(), "[p]\nk = v\n");
}

#[test]
fn a_profile_is_read_from_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    std::fs::create_dir(folder.path().join("aws")).unwrap();
    std::fs::write(
        &files.credentials,
        "[p]\naws_access_key_id = AKIAEXAMPLE # mine\naws_secret_access_key = EXAMPLE\n",
    )
    .unwrap();
    std::fs::write(&files.config, "[profile p]\naws_mfa_serial = arn:aws:iam::123456789012:mfa/me\n[profile r]\nrole_arn = x\nsource_profile = p\n")
        .unwrap();
    let profile = files.profile("p").unwrap().unwrap();
    let (keys, kind) = profile.keys.unwrap();
    assert_eq!((keys.id.as_str(), kind, keys.token.is_none()), ("AKIAEXAMPLE", FileKind::Credentials, true));
    assert_eq!(profile.mfa_serial.as_deref(), Some("arn:aws:iam::123456789012:mfa/me"));
    let role = files.profile("r").unwrap().unwrap().role.unwrap();
    assert_eq!((role.arn.as_str(), role.source.as_deref()), ("x", Some("p")));
    assert!(files.profile("q").unwrap().is_none());
    assert_eq!(files.names().unwrap(), ["p", "r"]);
}
