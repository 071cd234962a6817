//! Assess and plan a million synthetic users with eight patterns, on one core.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use muster_core::name::{GroupName, UserName};
use muster_core::pattern::Pattern;
use muster_core::plan::{Choices, plan};
use muster_core::roster::{Policies, ReadBy, Roster, SNAPSHOT_VERSION, User};
use muster_core::taxonomy::{Category, Selector, Taxonomy};

const USERS: usize = 1_000_000;
const PATTERNS: [&str; 8] = [
    "^Headless-(.*)",
    "^MisconfiguredUser-(.*)",
    "^svc-[a-z]+-",
    "^ext\\.",
    "^bot[0-9]+$",
    "^ci-(prod|test)-",
    "^vendor_",
    "^tmp-",
];

fn taxonomy() -> Taxonomy {
    let category = |(i, pattern): (usize, &&str)| Category {
        group: GroupName::new(format!("Category{i}")),
        rule: Selector { pattern: Some(Pattern::new(pattern).unwrap()), ..Selector::default() },
        credentials: None,
        policies: Vec::new(),
    };
    Taxonomy {
        common: vec![GroupName::new("AllUsers")],
        categories: PATTERNS.iter().enumerate().map(category).collect(),
        ..Taxonomy::default()
    }
}

fn roster() -> Roster {
    let user = |i: usize| {
        let name = match i % 5 {
            0 => format!("Headless-{i:07}"),
            1 => format!("svc-mail-{i:07}"),
            2 => format!("bot{i:07}"),
            _ => format!("jdoe{i:07}"),
        };
        User {
            name: UserName::new(name),
            path: "/".to_owned(),
            id: String::new(),
            tags: None,
            groups: if i.is_multiple_of(2) {
                vec![GroupName::new("AllUsers"), GroupName::new("Category0")]
            } else {
                Vec::new()
            },
            policies: Policies::default(),
            boundary: None,
            created_s: None,
        }
    };
    Roster {
        muster_snapshot: SNAPSHOT_VERSION,
        account: "123456789012".to_owned(),
        partition: "aws".to_owned(),
        taken_at: String::new(),
        read_by: ReadBy::AccountAuthorizationDetails,
        users: (0..USERS).map(user).collect(),
        groups: Vec::new(),
        policies: Vec::new(),
    }
}

fn decide(criterion: &mut Criterion) {
    let (taxonomy, roster) = (taxonomy(), roster());
    let choices = Choices { force_common_group: true, ..Choices::default() };
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(USERS as u64)).sample_size(10);
    group.bench_function("assess and plan a million users", |bencher| {
        bencher.iter(|| plan(&taxonomy, &roster, &choices).unwrap().users.len());
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
