//! `muster install-links DIR`

use crate::cli::InstallLinksArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::invocation::link_names;

pub(crate) fn run(context: &Context, args: &InstallLinksArgs) -> Result<Exit, CliError> {
    let wrong = |path: &std::path::Path, error: std::io::Error| CliError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let muster = std::env::current_exe().map_err(|error| wrong(&args.folder, error))?;
    std::fs::create_dir_all(&args.folder).map_err(|error| wrong(&args.folder, error))?;
    for name in link_names() {
        let path = args.folder.join(name);
        if path.symlink_metadata().is_ok() {
            if std::fs::read_link(&path).is_ok_and(|target| target == muster) {
                continue;
            }
            context.terminal.warn(format_args!("`{}` exists already and is left alone", path.display()));
            continue;
        }
        link(&muster, &path).map_err(|error| wrong(&path, error))?;
        context.terminal.out(format_args!("{}\n", path.display()));
    }
    Ok(Exit::Ok)
}

#[cfg(unix)]
fn link(muster: &std::path::Path, path: &std::path::Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(muster, path)
}

#[cfg(not(unix))]
fn link(muster: &std::path::Path, path: &std::path::Path) -> std::io::Result<()> {
    std::fs::hard_link(muster, path)
}
