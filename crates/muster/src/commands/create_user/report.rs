//! What `create-user` tells at the end.

use std::collections::BTreeMap;
use std::path::Path;

use muster_aws::{Mfa, device_serial};
use muster_core::assess::StandingName;
use muster_core::config::Settings;
use muster_core::departure::RUN_TAG;
use muster_core::mutation::Mutation;
use muster_core::roster::Tag;
use muster_credentials::sealing::Recipient;
use serde::Serialize;

use super::preflight::{Ready, standing};
use crate::cli::Output;
use crate::commands::{print_csv, print_json};
use crate::context::{Context, Session};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{BAD, GOOD, safe};
use crate::users::Done;

#[derive(Debug, Serialize)]
struct Report {
    account: String,
    partition: String,
    dry_run: bool,
    users: Vec<Row>,
    summary: Summary,
    run: String,
    record: Option<String>,
    api_calls: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Row {
    user: String,
    user_id: Option<String>,
    created: bool,
    groups: Vec<String>,
    standing: StandingName,
    missing_common: Vec<String>,
    password: bool,
    mfa: bool,
    /// MFA was wanted, and a person went on without it.
    lacks_mfa: bool,
    access_key: Option<String>,
    /// Fingerprints and keys; empty if the credentials are in clear.
    sealed_for: Vec<String>,
    files: Vec<String>,
    /// The calls, in order, of a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Mutation>,
    errors: Vec<String>,
    undone: Vec<String>,
    left: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Summary {
    users: usize,
    created: usize,
    failed: usize,
}

fn row(settings: &Settings, ready: &Ready) -> Result<Row, CliError> {
    let assessment = standing(&settings.taxonomy, ready)?;
    let common = &settings.taxonomy.common;
    Ok(Row {
        user: ready.name.to_string(),
        user_id: None,
        created: false,
        groups: ready.new.groups.iter().map(ToString::to_string).collect(),
        standing: assessment.standing.name(),
        missing_common: assessment.missing_common.iter().map(|i| common[*i].to_string()).collect(),
        password: ready.new.password,
        mfa: ready.new.mfa != Mfa::None,
        lacks_mfa: false,
        access_key: None,
        sealed_for: ready.sealer.own().iter().chain(ready.sealer.escrow()).map(Recipient::name).collect(),
        files: Vec::new(),
        steps: Vec::new(),
        errors: Vec::new(),
        undone: Vec::new(),
        left: Vec::new(),
    })
}

/// Takes back what was only meant to be.
fn not_created(row: Row) -> Row {
    Row { groups: Vec::new(), standing: StandingName::Uncategorized, missing_common: Vec::new(), ..row }
}

/// Tells of a dry run: the exact calls.
pub(super) fn planned(
    context: &Context,
    session: &Session,
    settings: &Settings,
    ready: &[Ready],
) -> Result<Exit, CliError> {
    let mut rows = Vec::new();
    for user in ready {
        rows.push(Row { steps: calls(context, session, user), ..row(settings, user)? });
    }
    let report = Report::new(context, session, true, rows, None);
    if context.global.output == Output::Text {
        for row in &report.users {
            context.terminal.out(format_args!("{}: would be created\n", safe(&row.user)));
            for step in &row.steps {
                context.terminal.out(format_args!("  {}\n", safe(&step.to_string())));
            }
        }
    } else {
        report.print(context)?;
    }
    Ok(if report.is_something_left() { Exit::Left } else { Exit::Ok })
}

/// Returns the calls that create a user.
fn calls(context: &Context, session: &Session, ready: &Ready) -> Vec<Mutation> {
    let (new, user) = (&ready.new, || ready.name.clone());
    let mut tags = new.tags.clone();
    tags.push(Tag { key: RUN_TAG.to_owned(), value: context.run.clone() });
    let mut calls = vec![Mutation::CreateUser {
        user: user(),
        path: new.path.clone(),
        tags,
        boundary: new.boundary.clone(),
    }];
    calls.extend(
        new.groups.iter().map(|group| Mutation::AddUserToGroup { user: user(), group: group.clone() }),
    );
    if new.password {
        calls.push(Mutation::CreateLoginProfile { user: user() });
    }
    if new.mfa != Mfa::None {
        let device = device_serial(&session.account, &ready.name);
        if let Some(stray) = &ready.stray_device {
            calls.push(Mutation::DeleteVirtualMFADevice { device: stray.clone() });
        }
        calls.push(Mutation::CreateVirtualMFADevice { device: device.clone() });
        calls.push(Mutation::EnableMFADevice { user: user(), device });
    }
    if new.access_key {
        calls.push(Mutation::CreateAccessKey { user: user() });
    }
    calls
}

/// Tells what was made.
pub(super) fn made(
    context: &Context,
    session: &Session,
    settings: &Settings,
    ready: &[Ready],
    made: &[Done],
    record: &Path,
) -> Result<Exit, CliError> {
    let mut rows = Vec::new();
    for (user, done) in ready.iter().zip(made) {
        rows.push(Row {
            user_id: done.user_id.clone(),
            created: done.errors.is_empty(),
            mfa: done.mfa,
            password: user.new.password && done.errors.is_empty(),
            lacks_mfa: user.new.mfa != Mfa::None && !done.mfa && done.errors.is_empty(),
            access_key: done.access_key.clone(),
            files: done.files.iter().map(|file| file.display().to_string()).collect(),
            errors: done.errors.clone(),
            undone: done.undone.clone(),
            left: done.left.clone(),
            ..if done.errors.is_empty() { row(settings, user)? } else { not_created(row(settings, user)?) }
        });
    }
    let report = Report::new(context, session, false, rows, Some(record.display().to_string()));
    if context.global.output == Output::Text {
        report.show_text(context);
    } else {
        report.print(context)?;
    }
    context.terminal.say(format_args!("Record: {}", record.display()));
    let created = report.summary.created > 0;
    let left = made.iter().any(|done| !done.left.is_empty());
    Ok(match (context.interrupt.is_set(), report.summary.failed > 0) {
        (true, _) => Exit::Interrupted,
        (_, true) if created || left => Exit::Partial,
        (_, true) => Exit::Failed,
        _ if report.is_something_left() => Exit::Left,
        _ => Exit::Ok,
    })
}

impl Report {
    fn new(
        context: &Context,
        session: &Session,
        dry_run: bool,
        users: Vec<Row>,
        record: Option<String>,
    ) -> Self {
        let created = users.iter().filter(|user| user.created).count();
        let failed = users.iter().filter(|user| !user.errors.is_empty()).count();
        Self {
            account: session.account.id.clone(),
            partition: session.account.partition.clone(),
            dry_run,
            summary: Summary { users: users.len(), created, failed },
            users,
            run: context.run.clone(),
            record,
            api_calls: session.account.gateway.counts(),
        }
    }

    fn is_something_left(&self) -> bool {
        self.users.iter().any(|user| {
            user.errors.is_empty()
                && (user.standing != StandingName::Sorted
                    || !user.missing_common.is_empty()
                    || user.lacks_mfa)
        })
    }

    fn print(&self, context: &Context) -> Result<(), CliError> {
        if context.global.output == Output::Json {
            return print_json(context, self);
        }
        let rows = self.users.iter().map(|row| {
            vec![
                row.user.clone(),
                row.created.to_string(),
                row.groups.join(";"),
                row.standing.as_str().to_owned(),
                row.files.join(";"),
                row.errors.join("; "),
            ]
        });
        print_csv(context, &["user", "created", "groups", "standing", "files", "errors"], rows)
    }

    fn show_text(&self, context: &Context) {
        let terminal = &context.terminal;
        for row in &self.users {
            let name = safe(&row.user);
            if !row.created {
                terminal.out(format_args!("{name}: {}\n", terminal.on_out("not created", BAD)));
                for error in &row.errors {
                    terminal.out(format_args!("  {}\n", safe(error)));
                }
                for undone in &row.undone {
                    terminal.out(format_args!("  undone: {}\n", safe(undone)));
                }
                for left in &row.left {
                    terminal.out(format_args!("  {} {}\n", terminal.on_out("left:", BAD), safe(left)));
                }
                continue;
            }
            let groups: Vec<_> = row.groups.iter().map(|group| safe(group)).collect();
            let groups = if groups.is_empty() { "no groups".to_owned() } else { groups.join(", ") };
            terminal.out(format_args!("{name}: {} in {groups}\n", terminal.on_out("created", GOOD)));
            if row.lacks_mfa {
                terminal.out("  without MFA, as was chosen\n");
            }
            if !row.missing_common.is_empty() {
                terminal.out(format_args!(
                    "  it lacks the common group {}\n",
                    safe(&row.missing_common.join(", "))
                ));
            }
            if row.standing != StandingName::Sorted {
                terminal
                    .out(format_args!("  it is {}: `muster sort-users` says more\n", row.standing.as_str()));
            }
            for file in &row.files {
                let how = if row.sealed_for.is_empty() { "NOT encrypted" } else { "sealed" };
                terminal.out(format_args!("  {how}: {file}\n"));
            }
        }
    }
}
