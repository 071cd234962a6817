//! The command `muster`.

mod audit;
mod cli;
mod commands;
mod context;
mod environment;
mod error;
mod exit;
mod govern;
mod invocation;
mod logging;
mod own;
mod progress;
mod prompt;
mod terminal;
mod users;

use std::cell::Cell;
use std::process::ExitCode;

use clap::Parser as _;
use muster_aws::Interrupt;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::environment::Environment;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::Terminal;

fn main() -> ExitCode {
    let arguments = invocation::arguments(std::env::args_os());
    let command_line = arguments.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let Cli { mut global, command } = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    let environment = Environment::read();
    no_core_dumps();
    #[cfg(debug_assertions)]
    if let Some(cut) = &environment.cut {
        muster_durable::cut::arm(cut);
    }
    global.config = global.config.or_else(|| environment.config.clone());
    global.sandbox = global.sandbox.or_else(|| environment.sandbox.clone());
    let terminal = Terminal::new(global.color, environment.no_color);
    global.verbose += if global.debug { 2 } else { 0 };
    logging::start(global.verbose, environment.log.as_deref(), terminal.colors_err());
    let started_ms = environment::now_ms();
    let mut context = Context {
        run: environment::new_run_id(started_ms),
        global,
        environment,
        terminal,
        interrupt: Interrupt::default(),
        started_ms,
        command_line: without_code(command_line),
        changed: Cell::new(false),
        is_demo: false,
    };
    let ended = context.take_faults_of_environment().and_then(|()| run(&context, command));
    let exit = match ended {
        Ok(exit) => exit,
        Err(error) => {
            context.show_error(&error);
            // What fails after changes were made has not "failed with nothing changed".
            let exit = error.exit();
            if context.changed.get() && exit != Exit::Interrupted { Exit::Partial } else { exit }
        }
    };
    #[cfg(debug_assertions)]
    if context.environment.cut.is_some() {
        context.terminal.say(format_args!("passed {} places", muster_durable::cut::passed()));
    }
    match context.terminal.output_error() {
        None => exit.into(),
        Some(error) => {
            context.terminal.say(format_args!("error: failed to write the result: {error}"));
            if context.changed.get() { Exit::Partial.into() } else { Exit::Failed.into() }
        }
    }
}

/// Secrets are in memory for a moment; what crashes must not leave them in a file.
fn no_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Where it cannot be lowered, it is 0 already.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}

/// Leaves an MFA code, and a command that may hold the seed of one, out of what is written down.
fn without_code(mut command_line: Vec<String>) -> Vec<String> {
    for option in ["--mfa-code", "--mfa_code", "--mfa-command", "--mfa_command"] {
        for i in 0..command_line.len() {
            if command_line[i] == option && i + 1 < command_line.len() {
                "******".clone_into(&mut command_line[i + 1]);
            } else if command_line[i].strip_prefix(option).is_some_and(|rest| rest.starts_with('=')) {
                command_line[i] = format!("{option}=******");
            }
        }
    }
    command_line
}

fn run(context: &Context, command: Command) -> Result<Exit, CliError> {
    match command {
        Command::CreateDefaultGroups(args) => {
            with_runtime(context, commands::create_default_groups::run(context, &args))
        }
        Command::SortUsers(args) => with_runtime(context, commands::sort_users::run(context, &args)),
        Command::CreateUser(args) => with_runtime(context, commands::create_user::run(context, &args)),
        Command::DeleteUser(args) => with_runtime(context, commands::delete_user::run(context, &args)),
        Command::DisableUser(args) => with_runtime(context, commands::disable_user::run(context, &args)),
        Command::RestoreUser(args) => with_runtime(context, commands::restore_user::run(context, &args)),
        Command::Configure(args) => with_runtime(context, commands::configure::run(context, &args)),
        Command::EnableMfa(args) => with_runtime(context, commands::enable_mfa::run(context, &args)),
        Command::InitStsSession(args) => {
            with_runtime(context, commands::init_sts_session::run(context, &args))
        }
        Command::AssumeRole(args) => {
            with_runtime(context, commands::init_sts_session::assume_role(context, &args))
        }
        Command::RotateMyKey(args) => with_runtime(context, commands::rotate_my_key::run(context, &args)),
        Command::RotateKey(args) => with_runtime(context, commands::rotate_key::run(context, &args)),
        Command::Recover(args) => with_runtime(context, commands::recover::run(context, &args)),
        Command::Snapshot(args) => with_runtime(context, commands::snapshot::run(context, &args)),
        Command::Plan(args) => with_runtime(context, commands::plan::run(context, &args)),
        Command::Apply(args) => with_runtime(context, commands::apply::run(context, &args)),
        Command::Rehearse(args) => with_runtime(context, commands::rehearse::run(context, &args)),
        Command::Init(args) => with_runtime(context, commands::init::run(context, &args)),
        Command::CreatePolicy(args) => with_runtime(context, commands::create_policy::run(context, &args)),
        Command::Audit(args) => with_runtime(context, commands::audit::run(context, &args)),
        Command::Revert(args) => with_runtime(context, commands::revert::run(context, &args)),
        Command::Permissions(args) => commands::permissions::run(context, &args),
        Command::Config(command) => commands::config::run(context, &command),
        Command::Sandbox(command) => commands::sandbox::run(context, &command),
        Command::Demo(args) => commands::demo::run(context, &args),
        Command::InstallLinks(args) => commands::install_links::run(context, &args),
        Command::Completions(args) => Ok(commands::completions::run(context, &args)),
        Command::Man => commands::completions::man(context),
    }
}

/// Runs a command that calls an account. Time stands still for an embedded account but for what the command itself
/// waits for, so that its waits take none.
fn with_runtime(
    context: &Context,
    command: impl Future<Output = Result<Exit, CliError>>,
) -> Result<Exit, CliError> {
    let runtime = runtime(context.global.sandbox.is_some())?;
    runtime.block_on(async {
        obey_ctrl_c(context.interrupt.clone());
        command.await
    })
}

pub(crate) fn runtime(embedded: bool) -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let built = builder.enable_all().start_paused(embedded).build();
    built.map_err(|error| CliError::usage(format!("failed to start: {error}")))
}

/// The first Ctrl-C finishes what is under way; the second ends at once.
pub(crate) fn obey_ctrl_c(interrupt: Interrupt) {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if interrupt.is_set() {
                #[expect(clippy::exit, reason = "the person insists")]
                std::process::exit(130);
            }
            interrupt.set();
        }
    });
}
