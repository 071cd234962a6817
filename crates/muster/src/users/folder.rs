//! The folder in which bundles and records of users lie.

use std::path::{Path, PathBuf};
use std::time::Duration;

use muster_core::name::UserName;

use crate::cli::FolderArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::prompt::{Answer, Prompter, YesNo};

/// A folder that was looked at, and may still have to be made.
pub(crate) struct OutFolder {
    path: PathBuf,
    absolute: String,
    settle: Duration,
}

impl OutFolder {
    /// Looks whether the folder can be used: ours, no link, and nobody else may write in it.
    pub(crate) fn new(args: &FolderArgs) -> Result<Self, CliError> {
        // Without a slash or a dot at its end, which would have a link looked through.
        let path = &args.out_dir.components().collect::<PathBuf>();
        let wrong = |reason: String, help: &str| {
            CliError::usage_with(format!("the folder `{}` cannot be used: {reason}", path.display()), help)
        };
        let other = "name another with --out-dir";
        let absolute = std::path::absolute(path).map_err(|error| wrong(error.to_string(), other))?;
        match path.symlink_metadata() {
            Ok(meta) if meta.file_type().is_symlink() => {
                return Err(wrong("it is a link, and what is secret must not follow one".to_owned(), other));
            }
            Ok(meta) if !meta.is_dir() => return Err(wrong("it is no folder".to_owned(), other)),
            Ok(meta) => {
                #[cfg(unix)]
                {
                    use std::os::unix::fs::MetadataExt as _;
                    if meta.uid() != rustix::process::geteuid().as_raw() {
                        return Err(wrong("it belongs to somebody else".to_owned(), other));
                    }
                    if meta.mode() & 0o022 != 0 {
                        let help = format!("take that away with `chmod 700 {}`", path.display());
                        return Err(wrong("others may write in it".to_owned(), &help));
                    }
                }
                writable(path).map_err(|reason| wrong(reason, other))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let parent = absolute.ancestors().skip(1).find(|parent| parent.exists());
                writable(parent.unwrap_or(Path::new("/"))).map_err(|reason| wrong(reason, other))?;
            }
            Err(error) => return Err(wrong(error.to_string(), other)),
        }
        // One folder has one name, so that a later run knows it again.
        let resolved = absolute.canonicalize().unwrap_or_else(|_| resolved_parent(&absolute));
        Ok(Self {
            path: path.to_owned(),
            absolute: resolved.to_string_lossy().into_owned(),
            settle: args.settle,
        })
    }

    /// No folder, for what writes no file there.
    pub(crate) fn unused(settle: Duration) -> Self {
        Self { path: PathBuf::new(), absolute: String::new(), settle }
    }

    /// Returns the whole path, by which a later run knows the folder again.
    pub(crate) fn absolute(&self) -> &str {
        &self.absolute
    }

    /// Returns how long what an earlier run began is waited for.
    pub(crate) fn settle(&self) -> Duration {
        self.settle
    }

    /// Returns where a user's file is.
    pub(crate) fn file(&self, user: &UserName, ending: &str) -> PathBuf {
        self.path.join(format!("{user}{ending}"))
    }

    /// Returns the folder's path as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder.
    pub(crate) fn prepare(&self) -> Result<(), CliError> {
        let made = muster_durable::create_folder(&self.path);
        made.map_err(|error| CliError::Write { path: self.path.clone(), reason: error.to_string() })
    }

    /// Returns what stands in the way of a new file of this name.
    pub(crate) fn taken(&self, user: &UserName, ending: &str) -> Option<String> {
        let taken = muster_durable::taken(&self.file(user, ending))?;
        Some(format!(
            "`{}` exists, and may be the only copy of somebody's secrets: move it away first",
            taken.display()
        ))
    }

    /// Says so where the folder is in a git work tree and git does not leave it out, and offers to see to that.
    pub(crate) async fn mind_git(
        &self,
        context: &Context,
        prompter: &mut Prompter<'_>,
    ) -> Result<(), CliError> {
        let folder = Path::new(&self.absolute);
        let Some(tree) = folder.ancestors().find(|folder| folder.join(".git").exists()) else {
            return Ok(());
        };
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(tree).args(["check-ignore", "--quiet"]).arg(folder.join("NAME.zip"));
        let ignored = git.stderr(std::process::Stdio::null()).status();
        let ignore = tree.join(".gitignore");
        let ignored = match ignored.ok().and_then(|status| status.code()) {
            Some(code @ (0 | 1)) => code == 0,
            // No git to ask: then the plain case alone is seen.
            _ => {
                let line = format!("/{}/", folder.strip_prefix(tree).unwrap_or(folder).display());
                let text = std::fs::read(&ignore).unwrap_or_default();
                text.split(|byte| *byte == b'\n').any(|other| other == line.as_bytes())
            }
        };
        if ignored {
            return Ok(());
        }
        let name = folder.strip_prefix(tree).unwrap_or(folder).to_string_lossy().into_owned();
        context.terminal.warn(format_args!(
            "`{}` is in the git work tree `{}`, and git does not ignore what is written there",
            self.path.display(),
            tree.display()
        ));
        if name.is_empty() || !(prompter.interactive() || context.global.yes) {
            return Ok(());
        }
        let question = format!("Add `/{name}/` to `{}` (y/n)?", ignore.display());
        if !matches!(prompter.yes_no(question, 0).await, Answer::Given(YesNo::Yes)) {
            return Ok(());
        }
        add_line(&ignore, &format!("/{name}/"))
            .map_err(|error| CliError::Write { path: ignore.clone(), reason: error.to_string() })
    }
}

/// Adds a line to a file, and leaves every byte that is in it as it is.
fn add_line(path: &Path, line: &str) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    let mut file = std::fs::OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let start = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{start}{line}\n").as_bytes())
}

/// Returns a path that does not exist yet, by way of what exists of it.
fn resolved_parent(path: &Path) -> PathBuf {
    let mut rest = Vec::new();
    for ancestor in path.ancestors() {
        if let Ok(resolved) = ancestor.canonicalize() {
            return rest.iter().rev().fold(resolved, |path, name| path.join(name));
        }
        rest.extend(ancestor.file_name());
    }
    path.to_owned()
}

fn writable(folder: &Path) -> Result<(), String> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, access};
        access(folder, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| format!("`{}` is not writable: {error}", folder.display()))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
