//! Templates, policy documents, credential reports and kept calls: whatever is in one, it is read or refused, and what is made of a
//! template has no hole in it.
//!
//! `cargo +nightly fuzz run policies`

#![cfg_attr(feature = "libfuzzer", no_main)]

use libfuzzer_sys::fuzz_target;
use muster_core::audit::CredentialReport;
use muster_core::document::{Said, check as faults, chars, is_same};
use muster_core::mutation::Mutation;
use muster_core::templates::{OwnTemplate, Place};
use serde_json::json;

fuzz_target!(|data: &[u8]| check(data));

fn check(data: &[u8]) {
    let _ = CredentialReport::read(data, 0);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = serde_json::from_str::<Vec<Mutation>>(text);
    let said = Said::by(text);
    assert!(Said::by(&said.document()).is(&said));
    assert!(said.tightened(&said).is(&said));
    if let Ok(policy) = serde_json::from_str(text) {
        let _ = faults(&policy);
        assert!(is_same(text, text) && chars(text) <= text.chars().count());
    }
    let Ok(template) = OwnTemplate::read("own.json", text) else { return };
    let place = Place { partition: "aws".to_owned(), account_id: "123456789012".to_owned() };
    if let Ok(policy) = template.policy(Some(&json!({ "a": "x", "b": ["y"], "c": 7 })), &place) {
        let text = policy.to_string();
        let holes = ["account_id", "partition", "a", "b", "c"].map(|name| format!("{{{{{name}}}}}"));
        assert!(holes.iter().all(|hole| !text.contains(hole.as_str())), "{text}");
    }
}

/// Without libFuzzer the target only has to compile.
#[cfg(not(feature = "libfuzzer"))]
fn main() {}
