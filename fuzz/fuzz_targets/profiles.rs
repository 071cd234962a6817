//! Files of AWS profiles: whatever is in one, a change of one key changes nothing else.
//!
//! `cargo +nightly fuzz run profiles`

#![cfg_attr(feature = "libfuzzer", no_main)]

use libfuzzer_sys::fuzz_target;
use muster_credentials::profiles::{FileKind, ProfileText};
use zeroize::Zeroizing;

const KEYS: [&str; 3] = ["aws_access_key_id", "region", "k"];

fuzz_target!(|data: &[u8]| check(data));

fn check(data: &[u8]) {
    for kind in [FileKind::Credentials, FileKind::Config] {
        let parse = || ProfileText::new(kind, Zeroizing::new(data.to_vec())).ok();
        let (Some(before), Some(mut after)) = (parse(), parse()) else { return };
        for profile in ["p", "default"] {
            if after.set(profile, "k", "v").is_err() {
                return;
            }
            let set = after.get(profile, "k");
            assert_eq!(set.as_deref().map(String::as_str), Some("v"));
        }
        for profile in before.profiles() {
            for key in KEYS {
                if key != "k" || !["p", "default"].contains(&profile.as_str()) {
                    assert_eq!(before.get(&profile, key), after.get(&profile, key), "{profile} {key}");
                }
            }
        }
        for profile in before.profiles() {
            if after.remove_profile(&profile).is_ok() {
                assert!(!after.has(&profile), "{profile}");
            }
        }
    }
}

/// Without libFuzzer the target only has to compile.
#[cfg(not(feature = "libfuzzer"))]
fn main() {}
