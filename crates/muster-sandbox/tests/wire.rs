//! The account over its wire, without a client.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use muster_sandbox::{Faults, Outcome, Sandbox, WireRequest, WireResponse, empty};
use proptest::prelude::*;

const AUTHORIZATION: &str =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/iam/aws4_request";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn sandbox(faults: &str) -> Sandbox {
    Sandbox::new(
        empty("123456789012", 1, 1_700_000_000_000),
        faults.parse::<Faults>().unwrap(),
        1_700_000_000_000,
    )
}

async fn call(sandbox: &Sandbox, form: &str) -> WireResponse {
    let body = format!("Version=2010-05-08&{form}").into_bytes();
    let request = WireRequest {
        headers: vec![("authorization".to_owned(), AUTHORIZATION.to_owned())],
        body,
        ..WireRequest::default()
    };
    match sandbox.handle(request).await {
        Outcome::Answer(answer) => answer,
        Outcome::HangUp => panic!("no answer to {form}"),
    }
}

#[test]
fn parameters_are_read_as_iam_reads_them() {
    runtime().block_on(async {
        let sandbox = sandbox("");
        for (form, status, code) in [
            ("Action=CreateUser&UserName=a&Unknown=x", 200, ""),
            ("Action=ListUsers&MaxItems=01", 200, ""),
            ("Action=ListUsers&MaxItems=%2B1", 200, ""),
            ("Action=ListUsers&MaxItems=+1+", 400, "MalformedInput"),
            ("Action=ListUsers&MaxItems=1.0", 400, "MalformedInput"),
            ("Action=ListUsers&MaxItems=2147483648", 400, "MalformedInput"),
            ("Action=ListUsers&MaxItems=0", 400, "ValidationError"),
            ("Action=ListUsers&MaxItems=1001", 400, "ValidationError"),
            ("Action=TagUser&UserName=a&Tags.member.01.Key=k&Tags.member.1.Value=v", 200, ""),
            ("Action=TagUser&UserName=a&Tags.member.0.Key=k&Tags.member.0.Value=v", 400, "MalformedInput"),
            (
                "Action=TagUser&UserName=a&Tags.member.%2B1.Key=k&Tags.member.%2B1.Value=v",
                400,
                "MalformedInput",
            ),
            ("Action=TagUser&UserName=a&Tags.member.2.Key=k&Tags.member.2.Value=v", 400, "ValidationError"),
            ("Action=TagUser&UserName=a&Tags.member.99.Key=k&Tags.member.99.Value=v", 400, "MalformedInput"),
            (
                "Action=TagUser&UserName=a&Tags.member.1.Key=a%09b&Tags.member.1.Value=v",
                400,
                "ValidationError",
            ),
            ("Action=GetCallerIdentity", 400, "InvalidAction"),
            ("Action=MakeCoffee", 400, "InvalidAction"),
            ("UserName=a", 400, "MissingAction"),
        ] {
            let answer = call(&sandbox, form).await;
            assert_eq!(answer.status, status, "{form}: {}", answer.body);
            assert!(answer.body.contains(code), "{form}: {}", answer.body);
        }
    });
}

#[test]
fn a_marker_is_bound_to_its_listing() {
    runtime().block_on(async {
        let sandbox = sandbox("");
        for name in ["a", "b", "c"] {
            call(&sandbox, &format!("Action=CreateUser&UserName={name}")).await;
        }
        let page = call(&sandbox, "Action=ListUsers&MaxItems=1").await.body;
        let marker = page.split("<Marker>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        assert!(
            call(&sandbox, &format!("Action=ListUsers&Marker={marker}"))
                .await
                .body
                .contains("<UserName>b</UserName>")
        );
        assert_eq!(
            call(&sandbox, &format!("Action=ListUsers&PathPrefix=/x/&Marker={marker}")).await.status,
            400
        );
        assert_eq!(call(&sandbox, &format!("Action=ListGroups&Marker={marker}")).await.status, 400);
    });
}

/// What was just made "cannot be found" by reads and by writes about it, and then it can.
#[test]
fn writes_are_seen_late() {
    runtime().block_on(async {
        let sandbox = sandbox("delay=2s");
        assert_eq!(call(&sandbox, "Action=CreateUser&UserName=a").await.status, 200);
        assert_eq!(call(&sandbox, "Action=GetUser&UserName=a").await.status, 404);
        assert_eq!(
            call(&sandbox, "Action=TagUser&UserName=a&Tags.member.1.Key=k&Tags.member.1.Value=v")
                .await
                .status,
            404
        );
        assert_eq!(call(&sandbox, "Action=CreateUser&UserName=A").await.status, 409);
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        assert_eq!(call(&sandbox, "Action=GetUser&UserName=a").await.status, 200);
    });
}

/// The quotas of an account, at their edges.
#[test]
fn quotas_hold() {
    runtime().block_on(async {
        let sandbox = sandbox("");
        for number in 0..300 {
            assert_eq!(call(&sandbox, &format!("Action=CreateGroup&GroupName=g{number}")).await.status, 200);
        }
        let over = call(&sandbox, "Action=CreateGroup&GroupName=one-more").await;
        assert!(
            over.status == 409 && over.body.contains("Cannot exceed quota for GroupsPerAccount: 300"),
            "{}",
            over.body
        );
        for number in 0..5000 {
            call(&sandbox, &format!("Action=CreateUser&UserName=u{number}")).await;
        }
        let over = call(&sandbox, "Action=CreateUser&UserName=one-more").await;
        assert!(over.status == 409 && over.body.contains("UsersPerAccount: 5000"), "{}", over.body);
    });
}

proptest! {
    /// No request makes the account panic, and every answer is XML of one of two kinds.
    #[test]
    fn every_request_is_answered(action in 0..50_usize, form in "[A-Za-z0-9.=&%+/:-]{0,80}", name in "\\PC{0,20}") {
        let actions = muster_sandbox::engine::OPERATIONS;
        let action = actions.get(action).map_or("Nothing", |(name, _)| *name);
        runtime().block_on(async {
            let sandbox = sandbox("");
            let answer = call(&sandbox, &format!("Action={action}&UserName={name}&GroupName={name}&{form}")).await;
            let envelope = ["</ErrorResponse>".to_owned(), format!("</{action}Response>")];
            assert!(envelope.iter().any(|end| answer.body.ends_with(end.as_str())), "{}", answer.body);
        });
    }
}
