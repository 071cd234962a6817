//! age recipients and SSH public keys.

use std::fmt;
use std::io::Write as _;

use super::SealError;

/// A key that age encrypts to.
#[derive(Clone)]
pub struct AgeKey {
    text: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    X25519(age::x25519::Recipient),
    Ssh(age::ssh::Recipient),
}

impl fmt::Debug for AgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AgeKey").field(&self.text).finish()
    }
}

impl fmt::Display for AgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AgeKey {
    /// Returns whether a text is meant as one.
    pub(super) fn looks_like(text: &str) -> bool {
        let beginnings = ["age1", "AGE-SECRET-KEY-", "ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
        beginnings.iter().any(|beginning| text.starts_with(beginning))
    }

    pub(super) fn parse(text: &str) -> Result<Self, SealError> {
        // A secret key is not repeated in the message about it.
        let shown = if text.starts_with("AGE-SECRET-KEY-") { "AGE-SECRET-KEY-…" } else { text };
        let shown: String = shown.chars().take(60).collect();
        let wrong = |reason: &str| SealError::Malformed { shown: shown.clone(), reason: reason.to_owned() };
        let words: Vec<&str> = text.split_whitespace().collect();
        let key = match words.as_slice() {
            [one] if one.starts_with("age1") => {
                let key = one.parse().map_err(|reason: &str| match reason {
                    "incorrect HRP" => {
                        wrong("it is of a plugin or a kind of age key that muster does not know")
                    }
                    reason => wrong(reason),
                })?;
                Key::X25519(key)
            }
            [one, ..] if one.starts_with("AGE-SECRET-KEY-") => {
                return Err(wrong("it is a secret key; give the public one, which begins with age1"));
            }
            ["ssh-ed25519" | "ssh-rsa", body, ..] => {
                let key = format!("{} {body}", words[0]).parse();
                Key::Ssh(key.map_err(|error| wrong(&ssh_reason(&error)))?)
            }
            _ => return Err(wrong("age takes keys of the kinds age1…, ssh-ed25519 and ssh-rsa")),
        };
        // The comment of an SSH key is left out: the key alone says who can open.
        let text = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        Ok(Self { text, key })
    }
}

fn ssh_reason(error: &age::ssh::ParseRecipientKeyError) -> String {
    use age::ssh::ParseRecipientKeyError as Error;
    match error {
        Error::RsaModulusTooSmall => "its RSA modulus is too small".to_owned(),
        Error::RsaModulusTooLarge => "its RSA modulus is too large".to_owned(),
        Error::Unsupported(kind) => format!("age takes no keys of the kind {kind}"),
        _ => "it is not a whole SSH public key".to_owned(),
    }
}

pub(super) fn encrypt(keys: &[&AgeKey], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let recipients = keys.iter().map(|key| match &key.key {
        Key::X25519(key) => key as &dyn age::Recipient,
        Key::Ssh(key) => key as &dyn age::Recipient,
    });
    let failed = |error: String| SealError::Age(error);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|error| failed(error.to_string()))?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|error| failed(error.to_string()))?;
    writer.write_all(plaintext).map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))?;
    Ok(sealed)
}
