//! Gives a file new content in one step.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::cut::point;
use crate::{append, create, sync_folder};

/// Links that are followed one after the other. Linux itself follows forty.
const LINKS_MAX: usize = 40;

/// Returns where a file really is, or is to be: links are followed, also one to a file that is not there yet.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match path.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let Ok(target) = std::fs::read_link(&path) else {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
            return match folder.unwrap_or(Path::new(".")).canonicalize() {
                Ok(folder) => Ok(folder.join(name)),
                // The folder is still to be made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(&path),
                Err(error) => Err(error),
            };
        };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("its links lead in a circle"))
}

/// Replaces what is in a file, or makes it with 0600. The new content is written beside it, synced, and renamed, so that
/// whoever reads meets the old one or the new one; mode and owner stay. `path` must be a [`real_path`], and the
/// caller must hold a lock that everybody takes who does this.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    forget(path)?;
    let beside = beside(path);
    let written = create(&beside).and_then(|mut file| {
        keep_owner(&file, path)?;
        append(&mut file, bytes, false)?;
        file.sync_all()?;
        point();
        std::fs::rename(&beside, path)?;
        point();
        sync_folder(path)
    });
    if written.is_err() {
        // It may hold secrets; the error that is reported is the first one.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Takes away what a crash left beside a file while it was being replaced. The caller must hold the lock.
pub fn forget(path: &Path) -> io::Result<()> {
    let beside = beside(path);
    if beside.symlink_metadata().is_ok() { crate::remove(&beside) } else { Ok(()) }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".muster-new");
    path.with_file_name(name)
}

/// Gives the new file the owner and the mode of the one that it takes the place of.
#[cfg(unix)]
fn keep_owner(new: &File, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let old = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let meta = new.metadata()?;
    if (meta.uid(), meta.gid()) != (old.uid(), old.gid()) {
        let (user, group) = (rustix::fs::Uid::from_raw(old.uid()), rustix::fs::Gid::from_raw(old.gid()));
        rustix::fs::fchown(new, Some(user), Some(group)).map_err(|error| {
            let source = io::Error::from(error);
            io::Error::new(
                source.kind(),
                format!("it belongs to somebody else, and that cannot be kept: {source}"),
            )
        })?;
    }
    new.set_permissions(std::fs::Permissions::from_mode(old.mode() & 0o7777))?;
    keep_access_list(new, path)
}

/// Takes over who else may read: without its access list, the mode of a file says something else.
#[cfg(target_os = "linux")]
fn keep_access_list(new: &File, old: &Path) -> io::Result<()> {
    use rustix::fs::{XattrFlags, fsetxattr, getxattr};

    const NAME: &str = "system.posix_acl_access";
    let mut list = vec![0; 64 * 1024];
    match getxattr(old, NAME, list.as_mut_slice()) {
        Ok(length) => Ok(fsetxattr(new, NAME, &list[..length], XattrFlags::empty())?),
        // There is none, or there cannot be one.
        Err(_) => Ok(()),
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn keep_access_list(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn keep_owner(new: &File, old: &Path) -> io::Result<()> {
    match old.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => new.set_permissions(other?.permissions()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_link_stays_and_so_does_the_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        replace(&real_path(&link).unwrap(), b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    }

    #[test]
    fn a_link_to_what_is_not_there_yet_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("to-come", &link).unwrap();
        replace(&real_path(&link).unwrap(), b"new").unwrap();
        let file = folder.path().join("to-come");
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        assert!(real_path(&folder.path().join("a")).is_err());
    }

    #[test]
    fn what_a_crash_left_beside_it_is_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".file.muster-new"), "half").unwrap();
        replace(&folder.path().join("file"), b"whole").unwrap();
        let names: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["file"]);
    }
}
