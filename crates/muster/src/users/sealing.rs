//! For whom a user's secrets are sealed.

use muster_core::config::Settings;
use muster_core::name::UserName;
use muster_credentials::sealing::{Gpg, Recipient, SealError, Sealer};

use crate::cli::SealArgs;

/// What the command line says about sealing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sealing {
    pub(crate) recipients: Vec<String>,
    pub(crate) always_trust: bool,
    pub(crate) allow_plaintext: bool,
}

impl From<&SealArgs> for Sealing {
    fn from(args: &SealArgs) -> Self {
        Self {
            recipients: args.recipient.clone(),
            always_trust: args.always_trust,
            allow_plaintext: args.allow_plaintext,
        }
    }
}

/// Finds out for whom a user's secrets are sealed: who was named, else whom the config names, else who in the keyring
/// bears the name. Without anybody the sealer leaves everything in clear.
pub(crate) fn sealer_of(
    user: &UserName,
    own: &[String],
    sealing: &Sealing,
    settings: &Settings,
) -> Result<Sealer, SealError> {
    let gpg = Gpg::default();
    let named = if own.is_empty() { &sealing.recipients } else { own };
    let configured = settings.recipients.iter().find(|(name, _)| UserName::new(name) == *user);
    let mut recipients = Vec::new();
    for text in named {
        recipients.push(Recipient::named(text, &gpg, sealing.always_trust)?);
    }
    if recipients.is_empty() {
        if let Some((_, text)) = configured {
            recipients.push(Recipient::named(text, &gpg, sealing.always_trust)?);
        } else if let Some(key) = gpg.of_user(user.as_str(), sealing.always_trust)? {
            recipients.push(Recipient::Pgp(key));
        }
    }
    let escrow = settings.escrow.as_deref();
    let escrow = escrow.map(|text| Recipient::named(text, &gpg, sealing.always_trust)).transpose()?;
    Ok(Sealer::new(gpg, recipients, escrow))
}

/// Finds the recipients of an earlier run again, by the names it wrote down.
pub(crate) fn sealer_again(recipients: &[String], escrow: Option<&str>) -> Result<Sealer, SealError> {
    let gpg = Gpg::default();
    let own = recipients.iter().map(|name| Recipient::again(name, &gpg)).collect::<Result<Vec<_>, _>>()?;
    let escrow = escrow.map(|name| Recipient::again(name, &gpg)).transpose()?;
    let mut sealer = Sealer::new(gpg, own, escrow);
    if recipients.is_empty() {
        // That nothing is sealed was agreed to in the run that wrote them down.
        sealer.agree_to_plaintext();
    }
    Ok(sealer)
}
