//! Opens what was sealed, for the person who has the key.

use std::io::{Cursor, Read as _};
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{Gpg, SealError};

/// The longest file of a bundle that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The longest bundle that is read, in bytes.
const BUNDLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Asks for the passphrase of a key, given a text that names it; `None` where nobody answers.
pub type AskPassphrase = fn(&str) -> Option<SecretString>;

/// How a file of a bundle is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedWith {
    /// Not at all.
    Nothing,
    /// OpenPGP.
    Pgp,
    /// age.
    Age,
}

/// Takes a file out of a bundle, as it is in there, sealed or not: what can be opened here is taken first.
pub fn take_from_bundle(
    path: &Path,
    name: &str,
    has_identity: bool,
) -> Result<(Zeroizing<Vec<u8>>, SealedWith), SealError> {
    let wrong = |reason: String| SealError::Bundle { path: path.to_owned(), reason };
    let bytes = read(path, BUNDLE_BYTES_MAX).map_err(|error| wrong(error.to_string()))?;
    let mut zip =
        zip::ZipArchive::new(Cursor::new(bytes.as_slice())).map_err(|error| wrong(error.to_string()))?;
    let (pgp, age) = ((format!("{name}.pgp"), SealedWith::Pgp), (format!("{name}.age"), SealedWith::Age));
    let sealed = if has_identity { [age, pgp] } else { [pgp, age] };
    for (name, how) in std::iter::once((name.to_owned(), SealedWith::Nothing)).chain(sealed) {
        let Ok(file) = zip.by_name(&name) else { continue };
        let mut content = Zeroizing::new(Vec::with_capacity(
            usize::try_from(file.size().min(FILE_BYTES_MAX)).unwrap_or(0) + 1,
        ));
        let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content);
        read.map_err(|error| wrong(error.to_string()))?;
        if content.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(format!("`{name}` in it is too long")));
        }
        return Ok((content, how));
    }
    Err(wrong(format!("there is no `{name}` in it")))
}

/// Opens what gpg or age sealed. `identities` are files with age identities or private SSH keys.
pub fn open(
    sealed: &[u8],
    how: SealedWith,
    identities: &[std::path::PathBuf],
    ask: AskPassphrase,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    match how {
        SealedWith::Nothing => Ok(Zeroizing::new(sealed.to_vec())),
        SealedWith::Pgp => Gpg::default().decrypt(sealed),
        SealedWith::Age => open_age(sealed, identities, ask),
    }
}

fn open_age(
    sealed: &[u8],
    paths: &[std::path::PathBuf],
    ask: AskPassphrase,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut identities: Vec<Box<dyn age::Identity>> = Vec::new();
    for path in paths {
        identities.extend(identities_in(path, ask)?);
    }
    let failed = |error: age::DecryptError| match error {
        age::DecryptError::NoMatchingKeys => SealError::NoIdentity,
        error => SealError::AgeOpen(error.to_string()),
    };
    let mut reader = age::Decryptor::new(sealed)
        .and_then(|decryptor| decryptor.decrypt(identities.iter().map(AsRef::as_ref)))
        .map_err(failed)?;
    let mut opened = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut opened).map_err(|error| SealError::AgeOpen(error.to_string()))?;
    Ok(opened)
}

/// Reads a file with age identities, or with one private SSH key.
fn identities_in(path: &Path, ask: AskPassphrase) -> Result<Vec<Box<dyn age::Identity>>, SealError> {
    let wrong = |reason: String| SealError::File { path: path.to_owned(), reason };
    let bytes = read(path, FILE_BYTES_MAX).map_err(|error| wrong(error.to_string()))?;
    let callbacks = Callbacks { ask };
    let name = Some(path.display().to_string());
    if let Ok(identity) = age::ssh::Identity::from_buffer(bytes.as_slice(), name) {
        return match identity {
            age::ssh::Identity::Unsupported(_) => {
                Err(wrong("age cannot open with this kind of SSH key".to_owned()))
            }
            identity => Ok(vec![Box::new(identity.with_callbacks(callbacks))]),
        };
    }
    let file = age::IdentityFile::from_buffer(bytes.as_slice());
    let file =
        file.map_err(|_| wrong("it holds neither an age identity nor a private SSH key".to_owned()))?;
    let identities = file.with_callbacks(callbacks).into_identities();
    Ok(identities
        .map_err(|error| wrong(error.to_string()))?
        .into_iter()
        .map(|identity| identity as _)
        .collect())
}

fn read(path: &Path, bytes_max: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let file = std::fs::File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size.min(bytes_max)).unwrap_or(0) + 1));
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// How age asks for the passphrase of an SSH key.
#[derive(Clone)]
struct Callbacks {
    ask: AskPassphrase,
}

impl age::Callbacks for Callbacks {
    fn display_message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn request_public_string(&self, _: &str) -> Option<String> {
        None
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        (self.ask)(description)
    }
}
