//! The other yardstick of `cargo xtask bench`: the same sort with the SDK's own adaptive retries instead of our
//! pacing, on as many tasks as muster has workers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring device")]

use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_iam::types::EntityType;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};

const COMMON: &str = "AllUsers";
const CATEGORIES: [(&str, &str); 3] = [
    ("AllHumanUsers", ""),
    ("AllHeadlessUsers", "Headless-"),
    ("AllMisconfiguredUsers", "MisconfiguredUser-"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ring = tls::Provider::Rustls(CryptoMode::Ring);
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(ring).build_https())
        .retry_config(RetryConfig::adaptive().with_max_attempts(30))
        .load()
        .await;
    let iam = aws_sdk_iam::Client::new(&config);
    let mut todo = Vec::new();
    let read = iam.get_account_authorization_details().filter(EntityType::User).filter(EntityType::Group);
    let mut pages = read.max_items(1000).into_paginator().send();
    while let Some(page) = pages.next().await {
        for user in page.unwrap().user_detail_list() {
            let (name, groups) = (user.user_name().unwrap().to_owned(), user.group_list());
            let is_in = |group: &str| groups.iter().any(|other| other == group);
            if !is_in(COMMON) {
                todo.push((name.clone(), COMMON));
            }
            if !CATEGORIES.iter().any(|(group, _)| is_in(group)) {
                let fits = |(_, prefix): &&(&str, &str)| !prefix.is_empty() && name.starts_with(prefix);
                todo.extend(CATEGORIES.iter().find(fits).map(|(group, _)| (name.clone(), *group)));
            }
        }
    }
    let (todo, lost) = (Arc::new(Mutex::new(todo)), Arc::new(Mutex::new(0)));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (iam, todo, lost) = (iam.clone(), Arc::clone(&todo), Arc::clone(&lost));
        workers.spawn(async move {
            loop {
                let next = todo.lock().unwrap().pop();
                let Some((user, group)) = next else { return };
                if iam.add_user_to_group().user_name(user).group_name(group).send().await.is_err() {
                    *lost.lock().unwrap() += 1;
                }
            }
        });
    }
    while workers.join_next().await.is_some() {}
    println!("{} changes lost", lost.lock().unwrap());
}
