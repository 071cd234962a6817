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
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let man = clap_mangen::Man::new(sub.clone());
            page.extend(format!(".SH MUSTER {}\n", sub.get_name().to_uppercase()).into_bytes());
            man.render_description_section(&mut page)?;
            man.render_options_section(&mut page)?;
        }
        Ok(())
    });
    rendered.map_err(|error| CliError::usage(format!("failed to write the manual page: {error}")))?;
    context.terminal.out(String::from_utf8_lossy(&page));
    Ok(Exit::Ok)
}
