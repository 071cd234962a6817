//! Sealing: a secret is encrypted for the person who is to have it before it goes anywhere.

mod age_key;
mod gpg;
mod opening;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::bundle::BundleFile;

use age_key::AgeKey;
pub use gpg::{Gpg, PgpKey};
pub use opening::{AskPassphrase, SealedWith, open, take_from_bundle};

/// The longest file that is read as a key, in bytes.
const KEY_BYTES_MAX: u64 = 1024 * 1024;

/// Who can open what is sealed.
#[derive(Debug, Clone)]
pub enum Recipient {
    /// The owner of an OpenPGP key.
    Pgp(PgpKey),
    /// The owner of an age or SSH key.
    Age(AgeKey),
}

/// Why something cannot be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is no `gpg`.
    #[error("failed to start `gpg`: {0}")]
    NoGpg(std::io::Error),
    /// gpg ended with a failure.
    #[error("gpg failed to {what}: {detail}")]
    Gpg {
        /// What it was to do.
        what: &'static str,
        /// What it said, its last lines.
        detail: String,
    },
    /// Nobody in the keyring is meant.
    #[error("no key in the keyring is {wanted}")]
    NoKey {
        /// What was looked for.
        wanted: String,
    },
    /// There is no recipient, and nobody agreed to plaintext.
    #[error("there is nobody to seal it for")]
    Nobody,
    /// Several keys are meant.
    #[error("more than one key is {wanted}: {}", fingerprints.join(", "))]
    SeveralKeys {
        /// What was looked for.
        wanted: String,
        /// What was found.
        fingerprints: Vec<String>,
    },
    /// The key is not to be used.
    #[error("the key {fingerprint} ({name}) {reason}")]
    Unusable {
        /// The key.
        fingerprint: String,
        /// Its first user id.
        name: String,
        /// `has expired`, `is revoked`, …
        reason: &'static str,
    },
    /// Nobody vouches for the key.
    #[error("nothing in the keyring says that the key {fingerprint} belongs to {name}")]
    Untrusted {
        /// The key.
        fingerprint: String,
        /// The user id that was matched.
        name: String,
    },
    /// A key of age or SSH is wrong.
    #[error("`{shown}` is no recipient: {reason}")]
    Malformed {
        /// Its beginning.
        shown: String,
        /// Why.
        reason: String,
    },
    /// A file with a key cannot be read.
    #[error("failed to read the key `{}`: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// age failed.
    #[error("age failed to encrypt: {0}")]
    Age(String),
    /// age failed to open something.
    #[error("age failed to open it: {0}")]
    AgeOpen(String),
    /// None of the keys at hand opens it.
    #[error("none of the keys at hand opens it; name the file with yours with --identity")]
    NoIdentity,
    /// A bundle cannot be used.
    #[error("failed to read the bundle `{}`: {reason}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What gpg made can be opened by somebody else.
    #[error(
        "gpg encrypted to {found} keys instead of {wanted}: an option in its configuration adds recipients"
    )]
    OtherRecipients {
        /// How many keys can open it.
        found: usize,
        /// How many were to.
        wanted: usize,
    },
}

impl Recipient {
    /// Finds the recipient that a text names: a file with a key, an age or SSH key, or a fingerprint, key id or
    /// e-mail address in the keyring.
    pub fn named(text: &str, gpg: &Gpg, always_trust: bool) -> Result<Self, SealError> {
        let text = text.trim();
        let path = Path::new(text);
        if path.is_file() {
            return Self::in_file(path, gpg);
        }
        if AgeKey::looks_like(text) {
            return AgeKey::parse(text).map(Self::Age);
        }
        let key_file =
            path.extension().is_some_and(|e| ["asc", "gpg", "pgp", "pub", "age"].iter().any(|k| e == *k));
        if key_file || text.contains('/') {
            return Err(SealError::File {
                path: path.to_owned(),
                reason: "there is no such file".to_owned(),
            });
        }
        gpg.find(text, always_trust).map(Self::Pgp)
    }

    /// Finds a recipient again by the name that [`Recipient::name`] gave: a fingerprint or a key, never a file.
    pub fn again(name: &str, gpg: &Gpg) -> Result<Self, SealError> {
        if AgeKey::looks_like(name) {
            return AgeKey::parse(name).map(Self::Age);
        }
        // It was vouched for then.
        gpg.find(name, true).map(Self::Pgp)
    }

    fn in_file(path: &Path, gpg: &Gpg) -> Result<Self, SealError> {
        let wrong = |reason: String| SealError::File { path: path.to_owned(), reason };
        let length = path.metadata().map_err(|error| wrong(error.to_string()))?.len();
        if length > KEY_BYTES_MAX {
            return Err(wrong("it is too long for a key".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let is_private = |line: &&str| {
            line.starts_with("-----BEGIN") && line.contains("PRIVATE KEY")
                || line.starts_with("AGE-SECRET-KEY")
        };
        if std::str::from_utf8(&bytes).unwrap_or_default().lines().any(|line| is_private(&line)) {
            return Err(wrong("it is a private key; give the public one".to_owned()));
        }
        let lines = std::str::from_utf8(&bytes).unwrap_or_default().lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        match lines.as_slice() {
            [one] if AgeKey::looks_like(one) => AgeKey::parse(one).map(Self::Age),
            [first, ..] if AgeKey::looks_like(first) => {
                Err(wrong("it holds several keys; give the one that is meant".to_owned()))
            }
            _ => gpg.in_file(path, &bytes).map(Self::Pgp),
        }
    }

    /// Returns how to name the recipient to a person, and to a later run.
    pub fn name(&self) -> String {
        match self {
            Self::Pgp(key) => key.fingerprint().to_owned(),
            Self::Age(key) => key.to_string(),
        }
    }

    /// Returns how to describe the recipient to a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Pgp(key) => format!("OpenPGP key {} ({})", key.fingerprint(), key.user_id()),
            Self::Age(key) => format!("key {key}"),
        }
    }
}

/// Seals secrets, or leaves them as they are where a person asked for that.
#[derive(Debug, Clone)]
pub struct Sealer {
    gpg: Gpg,
    own: Vec<Recipient>,
    escrow: Option<Recipient>,
    /// A person agreed to plaintext.
    plaintext_agreed: bool,
}

/// Who gets a copy of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// The user, and the escrow recipient if there is one.
    WithEscrow,
    /// The user alone: the seed of an MFA device never goes to anybody else.
    UserOnly,
}

impl Sealer {
    /// Seals for these; without any, nothing can be saved until a person agrees to plaintext.
    pub fn new(gpg: Gpg, own: Vec<Recipient>, escrow: Option<Recipient>) -> Self {
        Self { gpg, own, escrow, plaintext_agreed: false }
    }

    /// A person has agreed that what has no recipient is saved in clear.
    pub fn agree_to_plaintext(&mut self) {
        self.plaintext_agreed = true;
    }

    /// Returns whether nothing is sealed.
    pub fn is_plaintext(&self) -> bool {
        self.own.is_empty()
    }

    /// Returns the user's own recipients.
    pub fn own(&self) -> &[Recipient] {
        &self.own
    }

    /// Returns the escrow recipient.
    pub fn escrow(&self) -> Option<&Recipient> {
        self.escrow.as_ref()
    }

    /// Tries the sealing out, and sees to it that nobody but the recipients could open the result.
    pub fn test(&self) -> Result<(), SealError> {
        if self.is_plaintext() {
            return Ok(());
        }
        for copies in [Copies::WithEscrow, Copies::UserOnly] {
            let sealed = self.seal("test.txt", b"a test before anything is created", copies)?;
            let keys = self.pgp_keys(copies);
            // gpg's file comes first, where there is one.
            if let Some(message) = sealed.first().filter(|_| !keys.is_empty()) {
                self.gpg.check_recipients(&message.bytes, &keys)?;
            }
        }
        Ok(())
    }

    /// Seals a file; returns one or two files with `.pgp` or `.age` added to the name, or the file itself where
    /// nothing is sealed.
    pub fn seal(&self, name: &str, plaintext: &[u8], copies: Copies) -> Result<Vec<BundleFile>, SealError> {
        if self.is_plaintext() {
            if !self.plaintext_agreed || self.escrow.is_some() {
                return Err(SealError::Nobody);
            }
            let bytes = Zeroizing::new(plaintext.to_vec());
            return Ok(vec![BundleFile { name: name.to_owned(), bytes }]);
        }
        let mut files = Vec::new();
        let pgp = self.pgp_keys(copies);
        if !pgp.is_empty() {
            let bytes = Zeroizing::new(self.gpg.encrypt(&pgp, plaintext)?);
            files.push(BundleFile { name: format!("{name}.pgp"), bytes });
        }
        let age: Vec<&AgeKey> = self
            .recipients(copies)
            .filter_map(|recipient| match recipient {
                Recipient::Age(key) => Some(key),
                Recipient::Pgp(_) => None,
            })
            .collect();
        if !age.is_empty() {
            let bytes = Zeroizing::new(age_key::encrypt(&age, plaintext)?);
            files.push(BundleFile { name: format!("{name}.age"), bytes });
        }
        Ok(files)
    }

    fn recipients(&self, copies: Copies) -> impl Iterator<Item = &Recipient> {
        self.own.iter().chain(self.escrow.as_ref().filter(|_| copies == Copies::WithEscrow))
    }

    fn pgp_keys(&self, copies: Copies) -> Vec<&PgpKey> {
        let mut keys: Vec<&PgpKey> = Vec::new();
        for recipient in self.recipients(copies) {
            if let Recipient::Pgp(key) = recipient
                && !keys.iter().any(|known| known.fingerprint() == key.fingerprint())
            {
                keys.push(key);
            }
        }
        keys
    }
}
