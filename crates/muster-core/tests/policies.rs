//! Laws of policies: whatever a text is, it is read or refused; what is made of a template has no hole in it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use muster_core::audit::CredentialReport;
use muster_core::document::{Said, check};
use muster_core::templates::{OwnTemplate, Place};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts as they stand in policies, with and without holes.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z*?:{} $]{0,12}",
        Just("{{a}}".to_owned()),
        Just("x{{ b }}y".to_owned()),
        Just("{{c}}-{{account_id}}".to_owned()),
        Just("arn:{{partition}}:s3:::AWS_ACCOUNT_ID/*".to_owned()),
        Just("s3:GetObject".to_owned()),
        Just("Allow".to_owned()),
        Just("Deny".to_owned()),
    ]
}

/// JSON that is nearly a policy.
fn documents() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "Version",
        "Statement",
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
        "Principal",
        "StringEquals",
        "aws:x",
        "{{a}}",
    ]);
    let leaf =
        prop_oneof![words().prop_map(Value::from), any::<bool>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_document_is_it_is_read_or_refused(document in documents(), text in "\\PC{0,80}") {
        let _ = CredentialReport::read(text.as_bytes(), 0);
        let _ = OwnTemplate::read("own.json", &text);
        let _ = check(&document);
        let written = document.to_string();
        let said = Said::by(&written);
        prop_assert!(Said::by(&said.document()).is(&said));
        prop_assert!(said.tightened(&said).is(&said));
        let Ok(template) = OwnTemplate::read("own.json", &written) else { return Ok(()) };
        let place = Place { partition: "aws".to_owned(), account_id: "123456789012".to_owned() };
        let used = |name: &str| written.contains(&format!("{{{{{name}}}}}")) || written.contains(&format!("{{{{ {name} }}}}"));
        let mut given = json!({});
        for (name, value) in [("a", json!(["y"])), ("b", json!("x")), ("c", json!(7))] {
            if used(name) {
                given[name] = value;
            }
        }
        if let Ok(policy) = template.policy(Some(&given), &place) {
            let policy = policy.to_string();
            for hole in ["{{a}}", "{{ b }}", "{{c}}", "{{account_id}}", "{{partition}}", "AWS_ACCOUNT_ID"] {
                prop_assert!(!policy.contains(hole), "{hole} in {policy}");
            }
        }
    }
}
