//! Accounts to begin with.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::{Account, Draw, Group, Identity, InlinePolicy, Millis, Quotas, State, User, key};

/// The groups of the article.
const COMMON: &str = "AllUsers";
const HUMANS: &str = "AllHumanUsers";
const HEADLESS: &str = "AllHeadlessUsers";
const MISCONFIGURED: &str = "AllMisconfiguredUsers";

const FIRST: [&str; 26] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u",
    "v", "w", "x", "y", "z",
];
const LAST: [&str; 24] = [
    "adams", "baker", "clark", "davis", "evans", "foster", "garcia", "hill", "ito", "jones", "khan", "lopez",
    "martin", "nguyen", "ortiz", "patel", "quinn", "rossi", "silva", "tanaka", "usman", "vega", "weber",
    "young",
];
const SERVICES: [&str; 12] = [
    "backup", "billing", "build", "ci", "crawler", "deploy", "export", "import", "mailer", "metrics",
    "reports", "search",
];

struct Builder {
    account: String,
    partition: String,
    seed: u64,
    created: i64,
    draw: Draw,
    state: State,
    drawn: u64,
}

impl Builder {
    fn new(account: &str, seed: u64, now: Millis) -> Self {
        Self {
            account: account.to_owned(),
            partition: "aws".to_owned(),
            seed,
            created: now.div_euclid(1000) - 86_400,
            draw: Draw::new(seed),
            state: State::default(),
            drawn: 0,
        }
    }

    fn id(&mut self, prefix: &str) -> String {
        self.drawn += 1;
        let rest = format!("{:016X}", self.draw.number());
        let rest: String = rest.chars().map(|c| if "0189".contains(c) { 'Z' } else { c }).collect();
        format!("{prefix}{rest}A")
    }

    fn group(&mut self, name: &str) {
        let group = Group {
            name: name.to_owned(),
            path: "/".to_owned(),
            id: self.id("AGPA"),
            created: self.created,
            attached: Vec::new(),
            inline: Vec::new(),
        };
        self.state.groups.insert(key(name), Arc::new(group));
    }

    fn policy(&mut self, group: &str, name: &str, document: &str) {
        if let Some(group) = self.state.groups.get_mut(&key(group)) {
            let policy = InlinePolicy { name: name.to_owned(), document: document.to_owned() };
            Arc::make_mut(group).inline.push(policy);
        }
    }

    fn user(&mut self, name: &str, groups: &[&str]) {
        if self.state.users.contains_key(&key(name)) {
            return;
        }
        let user = User {
            name: name.to_owned(),
            path: "/".to_owned(),
            id: self.id("AIDA"),
            created: self.created,
            groups: groups.iter().map(|group| key(group)).collect::<BTreeSet<_>>(),
            ..User::default()
        };
        self.state.users.insert(key(name), Arc::new(user));
    }

    fn person(&mut self) -> String {
        let first = FIRST[self.draw.below(FIRST.len())];
        format!("{first}{}", LAST[self.draw.below(LAST.len())])
    }

    fn finish(self) -> Account {
        let identity =
            Identity { account: self.account, partition: self.partition, seed: self.seed, drawn: self.drawn };
        Account::new(identity, Quotas::default(), self.state)
    }
}

/// An account with nothing in it.
pub fn empty(account: &str, seed: u64, now: Millis) -> Account {
    Builder::new(account, seed, now).finish()
}

/// The test environment of the article: a few users of each kind, none of them in a group yet.
pub fn article(account: &str, now: Millis) -> Account {
    let mut builder = Builder::new(account, 2015, now);
    for name in ["jdoe", "asmith", "bwayne"] {
        builder.user(name, &[]);
    }
    for name in ["Headless-backup", "Headless-ci", "Headless-mailer"] {
        builder.user(name, &[]);
    }
    for name in ["MisconfiguredUser-NoMFA", "MisconfiguredUser-OldKey"] {
        builder.user(name, &[]);
    }
    builder.finish()
}

/// The account of `muster demo`: a few hundred users as accounts grow them, some sorted, some not, some wrongly.
pub fn demo(account: &str, now: Millis) -> Account {
    let mut builder = Builder::new(account, 7, now);
    builder.group(HUMANS);
    builder.group(HEADLESS);
    builder.group("developers");
    builder.group("billing-readers");
    builder.policy(
        HUMANS,
        "enforce-mfa",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":["iam:CreateVirtualMFADevice","iam:EnableMFADevice","iam:ListMFADevices","iam:ChangePassword","sts:GetSessionToken"],"Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#,
    );
    while builder.state.users.len() < 180 {
        let name = builder.person();
        let groups: &[&str] = match builder.draw.below(10) {
            0..=7 => &[HUMANS, "developers"],
            8 => &[HUMANS],
            _ => &["developers"],
        };
        builder.user(&name, groups);
    }
    for service in SERVICES {
        for stage in ["prod", "test", "dev", "eu", "us", "ap", "legacy", "batch"] {
            let sorted = builder.draw.below(3) == 0;
            let name = format!("Headless-{service}-{stage}");
            builder.user(&name, if sorted { &[HEADLESS] } else { &[] });
        }
    }
    for fault in ["NoMFA", "OldKey", "TwoKeys", "AdminInline", "NeverUsed", "RootLike"] {
        builder.user(&format!("MisconfiguredUser-{fault}"), &[]);
    }
    // In two categories; in the wrong one; named like headless users, but not quite.
    builder.user("Headless-crawler-old", &[HUMANS, HEADLESS]);
    builder.user("kknuth", &[HUMANS, HEADLESS]);
    builder.user("Headless-report-mailer", &[HUMANS]);
    builder.user("HeadlessUser-import", &[]);
    builder.user("headless-nightly", &["billing-readers"]);
    builder.finish()
}

/// An account of any size: one user in five headless, one in fifty misconfigured, a part of them sorted already.
pub fn synthetic(account: &str, users: usize, seed: u64, now: Millis) -> Account {
    let mut builder = Builder::new(account, seed, now);
    for group in [COMMON, HUMANS, HEADLESS, MISCONFIGURED, "developers"] {
        builder.group(group);
    }
    for number in 0..users {
        let (name, category) = match number % 50 {
            0 => (format!("MisconfiguredUser-{number:05}"), MISCONFIGURED),
            n if n % 5 == 1 => {
                (format!("Headless-{}-{number:05}", SERVICES[builder.draw.below(SERVICES.len())]), HEADLESS)
            }
            _ => (format!("{}{number:05}", builder.person()), HUMANS),
        };
        // People are sorted already as far as a person could have done it; the rest is what a first run finds.
        let groups: Vec<&str> = if category == HUMANS {
            [HUMANS, "developers"].into_iter().take(1 + builder.draw.below(2)).collect()
        } else {
            Vec::new()
        };
        builder.user(&name, &groups);
    }
    builder.finish()
}
