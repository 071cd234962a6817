//! `muster completions SHELL` and `muster man`

use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

pub(crate) fn run(context: &Context, args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "muster", &mut script);
    context.terminal.out(String::from_utf8_lossy(&script));
    Exit::Ok
}

pub(crate) fn man(context: &Context) -> Result<Exit, CliError> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page).and_then(|()| {
        // One page for all: each command's own options follow.
        command.get_subcommands().try_for_each(|sub| describe(&mut page, "MUSTER", sub))
    });
    rendered.map_err(|error| CliError::usage(format!("failed to write the manual page: {error}")))?;
    context.terminal.out(String::from_utf8_lossy(&page));
    Ok(Exit::Ok)
}

/// Adds a command's description and own options, then its subcommands. The options of every command stand once, in
/// the page's own section.
fn describe(page: &mut Vec<u8>, parent: &str, command: &clap::Command) -> std::io::Result<()> {
    let name = format!("{parent} {}", command.get_name().to_uppercase());
    if command.get_name() == "help" {
        return Ok(());
    }
    let own = command.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    let man = clap_mangen::Man::new(own);
    page.extend(format!(".SH {name}\n").into_bytes());
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    command.get_subcommands().try_for_each(|sub| describe(page, &name, sub))
}
