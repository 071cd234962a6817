//! `muster sandbox new|serve|env`

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::sync::Arc;

use muster_core::name::GroupName;
use muster_core::roster::{Policies, Roster, version_number};
use muster_sandbox::engine::{
    Account, Group, Identity, InlinePolicy, ManagedPolicy, PolicyVersion, Quotas, State, Tag, User, key,
};
use muster_sandbox::{Sandbox, Server, StateFile, article, empty, synthetic};

use crate::cli::{SandboxCommand, SandboxEnvArgs, SandboxNewArgs, SandboxServeArgs};
use crate::context::{Context, read_snapshot};
use crate::error::{CliError, count};
use crate::exit::Exit;

/// The account of an embedded account, unless another is asked for.
pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) fn run(context: &Context, command: &SandboxCommand) -> Result<Exit, CliError> {
    match command {
        SandboxCommand::New(args) => new(context, args),
        SandboxCommand::Serve(args) => {
            let runtime = crate::runtime(false)?;
            runtime.block_on(async {
                crate::obey_ctrl_c(context.interrupt.clone());
                serve(context, args).await
            })
        }
        SandboxCommand::Env(args) => {
            env(context, args);
            Ok(Exit::Ok)
        }
    }
}

fn new(context: &Context, args: &SandboxNewArgs) -> Result<Exit, CliError> {
    let id = args.account.as_deref().unwrap_or(ACCOUNT);
    let now = context.started_ms;
    let account = match (&args.from, args.users) {
        (Some(path), _) => {
            let mut account = copy(&read_snapshot(path)?, args.seed, now);
            if let Some(id) = &args.account {
                account.identity.account.clone_from(id);
            }
            account
        }
        (None, Some(users)) => synthetic(id, users, args.seed, now),
        (None, None) if args.article => article(id, now),
        (None, None) => empty(id, args.seed, now),
    };
    let users = account.state().users.len();
    StateFile::create(&args.file, &account, now)?;
    let file = args.file.display();
    context.terminal.say(format_args!(
        "{} in the embedded account {file}; use it with --sandbox {file}",
        count(users, "user")
    ));
    Ok(Exit::Ok)
}

async fn serve(context: &Context, args: &SandboxServeArgs) -> Result<Exit, CliError> {
    let faults = context.global.faults.clone().unwrap_or_default();
    let state = args.state.as_ref().or(context.global.sandbox.as_ref());
    let mut sandbox = match state {
        Some(path) => {
            let (file, account, clock_ms) = StateFile::open(path)?;
            Sandbox::new(account, faults, clock_ms.max(context.started_ms)).with_file(file)
        }
        None => Sandbox::new(empty(ACCOUNT, 1, context.started_ms), faults, context.started_ms),
    };
    if args.verify_signatures {
        sandbox = sandbox.with_signatures_checked();
    }
    if let Some(address) = args.source_ip {
        sandbox = sandbox.with_source_ip(address);
    }
    if args.enforce {
        sandbox = sandbox.with_policies_enforced();
    }
    if let Some(path) = &args.log {
        let log = OpenOptions::new().create(true).append(true).open(path);
        let log = log.map_err(|error| CliError::Write { path: path.clone(), reason: error.to_string() })?;
        sandbox = sandbox.with_log(Box::new(log));
    }
    let address = SocketAddr::new(args.listen, args.port);
    let listening = Server::bind(sandbox, address).await;
    let server =
        listening.map_err(|error| CliError::usage(format!("failed to listen on {address}: {error}")))?;
    let address = server.address().map_err(|error| CliError::usage(error.to_string()))?;
    context.terminal.out(format_args!("listening on http://{address}\n"));
    if !args.listen.is_loopback() {
        context.terminal.warn("anybody who reaches this address is the account's administrator");
    }
    server.run(stopped(context)).await?;
    Ok(Exit::Ok)
}

/// Waits for Ctrl-C, or for a polite request to end.
async fn stopped(context: &Context) {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminated.recv() => {}
            () = context.interrupt.wait() => {}
        }
        return;
    }
    context.interrupt.wait().await;
}

fn env(context: &Context, args: &SandboxEnvArgs) {
    context.terminal.out(format_args!(
        "export AWS_ENDPOINT_URL=http://127.0.0.1:{}\n\
         export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n\
         export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n\
         export AWS_REGION=us-east-1\n\
         export AWS_DEFAULT_REGION=us-east-1\n\
         unset AWS_PROFILE AWS_SESSION_TOKEN\n",
        args.port
    ));
}

/// Makes an embedded copy of an account.
pub(crate) fn copy(roster: &Roster, seed: u64, now: i64) -> Account {
    let created = now.div_euclid(1000);
    let inline = |policies: &Policies| {
        let copy = |p: &muster_core::roster::InlinePolicy| InlinePolicy {
            name: p.name.clone(),
            document: p.document.clone(),
        };
        policies.inline.iter().map(copy).collect::<Vec<_>>()
    };
    let mut state = State::default();
    let known = |group: &GroupName| roster.group(group).is_some();
    for (number, group) in roster.groups.iter().enumerate() {
        let policies = group.policies.clone().unwrap_or_default();
        let copied = Group {
            name: group.name.to_string(),
            path: group.path.clone(),
            id: format!("AGPA{number:017}"),
            created,
            inline: inline(&policies),
            attached: policies.attached,
        };
        state.groups.insert(key(group.name.as_str()), Arc::new(copied));
    }
    for (number, user) in roster.users.iter().enumerate() {
        let id = if user.id.is_empty() { format!("AIDA{number:017}") } else { user.id.clone() };
        let tags = user.tags.iter().flatten();
        let copied = User {
            name: user.name.to_string(),
            path: user.path.clone(),
            id,
            created: user.created_s.unwrap_or(created),
            tags: tags.map(|tag| Tag { key: tag.key.clone(), value: tag.value.clone() }).collect(),
            groups: user
                .groups
                .iter()
                .filter(|group| known(group))
                .map(|group| key(group.as_str()))
                .collect(),
            attached: user.policies.attached.clone(),
            inline: inline(&user.policies),
            boundary: user.boundary.clone(),
            ..User::default()
        };
        state.users.insert(key(user.name.as_str()), Arc::new(copied));
    }
    for policy in &roster.policies {
        let path = policy.arn.split_once(":policy").and_then(|(_, rest)| rest.rsplit_once('/'));
        let path = path.map_or_else(|| "/".to_owned(), |(path, _)| format!("{path}/"));
        let others = policy.others.iter().map(muster_core::roster::PolicyVersion::number);
        let numbers = others.chain([version_number(&policy.version)]);
        let copied = ManagedPolicy {
            arn: policy.arn.clone(),
            name: policy.name.clone(),
            path,
            id: format!("ANPA{:017}", state.policies.len()),
            created,
            description: String::new(),
            document: policy.document.clone(),
            version: version_number(&policy.version),
            version_created: None,
            others: policy
                .others
                .iter()
                .map(|other| PolicyVersion {
                    number: other.number(),
                    created,
                    document: other.document.clone(),
                })
                .collect(),
            versions_made: numbers.max().unwrap_or(1),
            updated: None,
        };
        state.policies.insert(policy.arn.clone(), Arc::new(copied));
    }
    let identity =
        Identity { account: roster.account.clone(), partition: roster.partition.clone(), seed, drawn: 0 };
    Account::new(identity, Quotas::default(), state)
}
