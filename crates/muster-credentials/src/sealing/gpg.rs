//! OpenPGP through the person's own `gpg`: their keyring, their trust.
//!
//! What gpg says is read from its machine-readable output only. Keys are matched here, for equality; gpg itself is
//! never given anything but a full fingerprint or a file, because it takes a part of a name for the name.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempPath;
use zeroize::Zeroizing;

use super::SealError;

/// Options of every call: nothing is asked, nothing is looked up elsewhere.
const ALWAYS: [&str; 6] = [
    "--batch",
    "--no-tty",
    "--quiet",
    "--no-auto-key-locate",
    "--disable-dirmngr",
    "--no-permission-warning",
];

/// The program `gpg`.
#[derive(Debug, Clone)]
pub struct Gpg {
    program: PathBuf,
}

/// An OpenPGP key that can be encrypted to.
#[derive(Debug, Clone)]
pub struct PgpKey {
    fingerprint: String,
    user_id: String,
    /// Ids of its subkeys, to know it again in a message.
    key_ids: Vec<String>,
    /// The file it is in, if it is not in the keyring.
    file: Option<Arc<TempPath>>,
}

impl PgpKey {
    /// Returns the full fingerprint of the primary key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Returns the user id that was matched, else the first.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }
}

impl Default for Gpg {
    fn default() -> Self {
        Self { program: PathBuf::from("gpg") }
    }
}

impl Gpg {
    /// Finds the key that a fingerprint, key id, e-mail address or whole user id names.
    pub(super) fn find(&self, text: &str, always_trust: bool) -> Result<PgpKey, SealError> {
        let hex: String = text.strip_prefix("0x").unwrap_or(text).split_whitespace().collect();
        let is_id = matches!(hex.len(), 8 | 16 | 40 | 64) && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let wanted = if is_id { format!("called {text}") } else { format!("of `{text}`") };
        let found = if is_id {
            let hex = hex.to_ascii_uppercase();
            // Any user id that is vouched for will do: the key was named, not a person.
            let vouched = |key: &Listed| key.user_ids.iter().position(|id| id.valid).unwrap_or_default();
            self.matching(&wanted, |key| key.has_id(&hex).then(|| vouched(key)))?
        } else {
            self.matching(&wanted, |key| key.user_ids.iter().position(|id| id.is(text)))?
        };
        found.ok_or(SealError::NoKey { wanted })?.chosen(always_trust)
    }

    /// Finds the key of an IAM user: one with a user id whose e-mail address, its local part, or whole name is one
    /// of these names. `None` if the keyring has nobody of that name, or there is no gpg.
    pub fn of_user(&self, name: &str, always_trust: bool) -> Result<Option<PgpKey>, SealError> {
        let wanted = format!("of the user `{name}`");
        let position = |key: &Listed| key.user_ids.iter().position(|id| id.is_of_user(name));
        match self.matching(&wanted, position) {
            Err(SealError::NoGpg(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(found) => found.map(|found| found.chosen(always_trust)).transpose(),
        }
    }

    /// Returns the only key that fits. One that cannot be used any more does not stand in the way of one that can.
    fn matching(
        &self,
        wanted: &str,
        position: impl Fn(&Listed) -> Option<usize>,
    ) -> Result<Option<Found>, SealError> {
        let keys = self.list(&["--list-keys"])?;
        let fitting =
            keys.into_iter().filter_map(|key| position(&key).map(|position| Found { key, position }));
        let (usable, unusable): (Vec<Found>, Vec<Found>) =
            fitting.partition(|found| found.key.problem.is_none());
        let of = |found: &[Found]| found.iter().map(|found| found.key.fingerprint.clone()).collect();
        match (usable.len(), unusable.len()) {
            (0, 0) => Ok(None),
            (1, _) => Ok(usable.into_iter().next()),
            (0, _) => Ok(unusable.into_iter().next()),
            _ => Err(SealError::SeveralKeys { wanted: wanted.to_owned(), fingerprints: of(&usable) }),
        }
    }

    /// Takes the only key in a file, armored or binary; the keyring is left as it is.
    pub(super) fn in_file(&self, path: &Path, bytes: &[u8]) -> Result<PgpKey, SealError> {
        let wrong = |reason: String| SealError::File { path: path.to_owned(), reason };
        // A copy of our own: what was looked at is what is encrypted to, whatever becomes of the file.
        let mut copy = tempfile::Builder::new()
            .prefix("muster-key-")
            .tempfile()
            .map_err(|error| wrong(format!("no temporary file can be made: {error}")))?;
        copy.write_all(bytes).map_err(|error| wrong(error.to_string()))?;
        let copy = copy.into_temp_path();
        let shown = copy.to_string_lossy().into_owned();
        let keys = self.list(&["--show-keys", "--", &shown]).map_err(|error| match error {
            SealError::Gpg { .. } => wrong("it holds no OpenPGP, age or SSH public key".to_owned()),
            error => error,
        })?;
        let mut keys = keys.into_iter();
        match (keys.next(), keys.next()) {
            (None, _) => Err(wrong("it holds no OpenPGP, age or SSH public key".to_owned())),
            (Some(_), Some(_)) => {
                Err(wrong("it holds several keys; export the one that is meant".to_owned()))
            }
            // Whoever hands the file over vouches for it.
            (Some(key), None) => {
                let key = Found { key, position: 0 }.chosen(true)?;
                Ok(PgpKey { file: Some(Arc::new(copy)), ..key })
            }
        }
    }

    /// Encrypts to these keys and nobody else.
    pub(super) fn encrypt(&self, keys: &[&PgpKey], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut command = self.command();
        // Trust was looked at when the key was chosen.
        command.args([
            "--trust-model",
            "always",
            "--no-encrypt-to",
            "--no-default-recipient",
            "--no-groups",
            "--no-throw-keyids",
            "--no-armor",
            "--encrypt",
        ]);
        for key in keys {
            match &key.file {
                Some(file) => command.arg("--recipient-file").arg(file.as_os_str()),
                None => command.args(["--recipient", &key.fingerprint]),
            };
        }
        run(command, "encrypt", plaintext)
    }

    /// Opens a message with the person's own key; their agent asks for its passphrase.
    pub(super) fn decrypt(&self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut command = Command::new(&self.program);
        command.args(["--batch", "--quiet", "--disable-dirmngr", "--no-permission-warning", "--decrypt"]);
        // The message comes through stdin, so gpg cannot tell by it which terminal the person sits at.
        #[cfg(unix)]
        if let Ok(terminal) = rustix::termios::ttyname(std::io::stderr(), Vec::new()) {
            command.env("GPG_TTY", std::ffi::OsStr::new(&*terminal.to_string_lossy()));
        }
        run(command, "open it", message).map(Zeroizing::new)
    }

    /// Makes sure that a message can be opened with these keys, and with no other.
    pub(super) fn check_recipients(&self, message: &[u8], keys: &[&PgpKey]) -> Result<(), SealError> {
        let mut command = self.command();
        command.args(["--status-fd", "1", "--list-only", "--decrypt"]);
        let status = run(command, "read its own message", message)?;
        let status = String::from_utf8_lossy(&status);
        let found: Vec<&str> = status
            .lines()
            .filter_map(|line| line.strip_prefix("[GNUPG:] ENC_TO ")?.split(' ').next())
            .collect();
        let expected = |id: &&str| keys.iter().any(|key| key.key_ids.iter().any(|own| own == id));
        if found.len() == keys.len() && found.iter().all(expected) {
            return Ok(());
        }
        Err(SealError::OtherRecipients { found: found.len(), wanted: keys.len() })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(ALWAYS).env("LC_ALL", "C");
        command
    }

    fn list(&self, what: &[&str]) -> Result<Vec<Listed>, SealError> {
        let mut command = self.command();
        command.args(["--with-colons", "--fixed-list-mode"]).args(what);
        let listing = run(command, "list keys", &[])?;
        Ok(listed(&String::from_utf8_lossy(&listing)))
    }
}

/// Runs gpg with a text on its stdin; returns its stdout.
fn run(mut command: Command, what: &'static str, stdin: &[u8]) -> Result<Vec<u8>, SealError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(SealError::NoGpg)?;
    let input = child.stdin.take();
    // What is written is far shorter than what a pipe holds; gpg may also end without reading it.
    let written = input.map(|mut input| input.write_all(stdin));
    let output = child.wait_with_output().map_err(SealError::NoGpg)?;
    if output.status.success() && !matches!(written, Some(Err(_))) {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(|line| line.strip_prefix("gpg: ").unwrap_or(line)).collect();
    let detail = said[said.len().saturating_sub(2)..].join("; ");
    Err(SealError::Gpg { what, detail })
}

/// A key of a listing.
struct Listed {
    fingerprint: String,
    /// Long key ids and fingerprints, of subkeys too.
    ids: Vec<String>,
    user_ids: Vec<UserId>,
    /// Why it cannot be encrypted to.
    problem: Option<&'static str>,
    /// The key as a whole has expired, is revoked or not valid.
    is_over: bool,
}

struct UserId {
    text: String,
    /// Whether the keyring vouches for it.
    valid: bool,
}

/// A key, and the user id by which it was found.
struct Found {
    key: Listed,
    position: usize,
}

impl Found {
    fn chosen(self, trusted: bool) -> Result<PgpKey, SealError> {
        let Self { key, position } = self;
        let user_id = key.user_ids.get(position);
        let name = user_id.map_or_else(|| "nobody by name".to_owned(), |id| id.text.clone());
        if let Some(reason) = key.problem {
            return Err(SealError::Unusable { fingerprint: key.fingerprint, name, reason });
        }
        if !trusted && !user_id.is_some_and(|id| id.valid) {
            return Err(SealError::Untrusted { fingerprint: key.fingerprint, name });
        }
        Ok(PgpKey { fingerprint: key.fingerprint, user_id: name, key_ids: key.ids, file: None })
    }
}

impl Listed {
    /// Returns whether a fingerprint or key id, whole, is this key's or one of its subkeys'.
    fn has_id(&self, hex: &str) -> bool {
        match hex.len() {
            8 | 16 => self.ids.iter().any(|id| id.ends_with(hex)),
            _ => self.ids.iter().any(|id| id == hex),
        }
    }
}

impl UserId {
    /// Returns the e-mail address in `Name (comment) <address>`, or in an address alone.
    fn address(&self) -> Option<&str> {
        let text = self.text.trim();
        match (text.rfind('<'), text.strip_suffix('>')) {
            (Some(start), Some(inner)) => inner.get(start + 1..),
            _ => (text.contains('@') && !text.contains(' ')).then_some(text),
        }
    }

    /// Returns whether this is the address or the whole user id that a text names.
    fn is(&self, text: &str) -> bool {
        let text = text.trim();
        let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
        self.text.eq_ignore_ascii_case(text)
            || self.address().is_some_and(|address| address.eq_ignore_ascii_case(bare))
    }

    /// Returns whether this is the user id of an IAM user: its name is the address, the address's local part, or
    /// the whole name.
    fn is_of_user(&self, name: &str) -> bool {
        let local = self.address().and_then(|address| address.rsplit_once('@')).map(|(local, _)| local);
        let full_name = self.text.split(['<', '(']).next().unwrap_or_default().trim();
        self.is(name)
            || full_name.eq_ignore_ascii_case(name)
            || local.is_some_and(|local| local.eq_ignore_ascii_case(name))
    }
}

/// Reads `--with-colons`. Source: GnuPG's `doc/DETAILS`.
fn listed(text: &str) -> Vec<Listed> {
    let mut keys: Vec<Listed> = Vec::new();
    let mut wants_fingerprint = false;
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let field = |number: usize| fields.get(number - 1).copied().unwrap_or_default();
        match (field(1), keys.last_mut()) {
            ("pub", _) => {
                let problem = problem(field(2), field(12));
                let ids = vec![field(5).to_owned()];
                let is_over = matches!(field(2), "r" | "e" | "i");
                keys.push(Listed { fingerprint: String::new(), ids, user_ids: Vec::new(), problem, is_over });
                wants_fingerprint = true;
            }
            ("sub", Some(key)) => key.ids.push(field(5).to_owned()),
            ("fpr", Some(key)) => {
                key.ids.push(field(10).to_owned());
                if std::mem::take(&mut wants_fingerprint) {
                    field(10).clone_into(&mut key.fingerprint);
                }
            }
            // A user id that was revoked or has expired names nobody any more; where the whole key was, it still says
            // whose it was.
            ("uid", Some(key)) if key.is_over || !matches!(field(2), "r" | "e" | "i") => {
                let valid = matches!(field(2), "f" | "u" | "m");
                key.user_ids.push(UserId { text: unescaped(field(10)), valid });
            }
            _ => {}
        }
    }
    keys.retain(|key| !key.fingerprint.is_empty());
    keys
}

/// Returns why a key cannot be encrypted to, from its validity and its capabilities.
fn problem(validity: &str, capabilities: &str) -> Option<&'static str> {
    match validity {
        "r" => Some("is revoked"),
        "e" => Some("has expired"),
        "i" => Some("is not valid"),
        _ if capabilities.contains('D') => Some("is disabled"),
        // A capital says what the key as a whole can do, with those of its subkeys that are in order.
        _ if !capabilities.contains('E') => Some("has no subkey in order that can encrypt"),
        _ => None,
    }
}

/// Undoes the `\x3a` with which gpg writes colons and the like.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.strip_prefix(b"x").and_then(|hex| hex.get(..2)).filter(|_| *first == b'\\');
        let byte = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_id(text: &str) -> UserId {
        UserId { text: text.to_owned(), valid: true }
    }

    #[test]
    fn a_name_is_matched_whole() {
        let alice = user_id("Alice Example (work) <alice@example.com>");
        for name in ["alice", "Alice Example", "alice@example.com", "ALICE"] {
            assert!(alice.is_of_user(name), "{name}");
        }
        for name in ["lice", "al", "Alice E", "example.com", "alice@example", "work", ""] {
            assert!(!alice.is_of_user(name), "{name}");
        }
        assert!(user_id("bob@example.com").is_of_user("bob"));
        assert!(user_id("carol").is_of_user("carol"));
        assert!(!user_id("carol and dave").is_of_user("carol"));
    }

    #[test]
    fn colons_in_a_user_id_are_read_back() {
        assert_eq!(unescaped(r"a\x3ab \xc3\xa9 \q"), r"a:b é \q");
    }
}
