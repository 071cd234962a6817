//! File operations that must have happened, whole, when they are said to have: those of journals, bundles, records and
//! credentials.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub mod cut;
mod lock;
mod replace;

pub use lock::{Lock, LockError, lock};
pub use replace::{forget, real_path, replace};

use cut::point;

/// Makes a folder that only its owner can look into, and those it is in.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    point();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    point();
    Ok(())
}

/// Makes a file that only its owner can read; an existing one is an error.
pub fn create(path: &Path) -> io::Result<File> {
    point();
    let mut options = OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    point();
    Ok(file)
}

/// Adds to a file, in one write; after a crash all of it is there or a part of it at the end.
pub fn append(file: &mut File, bytes: &[u8], sync: bool) -> io::Result<()> {
    point();
    file.write_all(bytes)?;
    point();
    if sync {
        file.sync_data()?;
        point();
    }
    Ok(())
}

/// Gives a file a name that nothing has.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    point();
    rename_without_replacing(from, to)?;
    point();
    sync_folder(to)
}

/// Takes a file away; one that is not there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    point();
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    point();
    sync_folder(path)
}

/// Writes a new file: under another name beside it first, synced, then renamed. `beside` is that name.
pub fn write_new(path: &Path, beside: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = create(beside).and_then(|mut file| {
        append(&mut file, bytes, false)?;
        file.sync_all()?;
        point();
        rename_new(beside, path)
    });
    if written.is_err() {
        // Half a file is worse than none; the error that is reported is the first one.
        let _ = std::fs::remove_file(beside);
    }
    written
}

/// Returns the name under which a file is written before it has its own; derived, so that a later run finds it.
pub fn beside(path: &Path, run: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{run}.new"));
    path.with_file_name(name)
}

/// Returns a file of this folder that has the name but for the case of its letters.
pub fn taken(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut entries = std::fs::read_dir(folder).ok()?.flatten();
    let same = |other: &std::ffi::OsStr| other.to_str().is_some_and(|o| o.eq_ignore_ascii_case(name));
    entries.find(|entry| same(&entry.file_name())).map(|entry| entry.path())
}

#[cfg(unix)]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags};
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can; there the look beforehand has to do.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
        other => return Ok(other?),
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

#[cfg(not(unix))]
fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(from, to)
}

/// Makes a new name, or the end of one, outlive a loss of power.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    point();
    Ok(())
}
