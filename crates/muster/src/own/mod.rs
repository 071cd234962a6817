//! The person at the keyboard: their profile, their keys, their sessions.

mod cache;
mod code;
pub(crate) mod rotation;
mod session;

use muster_credentials::profiles::{FileKind, Keys, Profile, ProfileFiles};
use secrecy::SecretString;

pub(crate) use cache::Cache;
pub(crate) use code::{Asking, check_given_code, code_of_command};
pub(crate) use session::{Asker, ForRole, Wanted, best_device, check_serial, session, with_session};

use crate::context::{Config, Context};
use crate::error::CliError;
use crate::terminal::safe;

/// What the recipes put behind the name of a profile for its long-lived keys, so that sessions can have the name itself.
const LONG_LIVED: &str = "-nomfa";

/// Returns the profile for the long-lived keys beside a profile.
pub(crate) fn long_lived_name(profile: &str) -> String {
    format!("{profile}{LONG_LIVED}")
}

/// A person's profile, with what goes with it.
pub(crate) struct Own {
    pub(crate) files: ProfileFiles,
    /// The profile in which sessions live.
    pub(crate) profile: String,
    /// The long-lived keys, and where they are.
    pub(crate) long_lived: Option<LongLived>,
    /// The session that is in the profile.
    pub(crate) session: Option<InProfile>,
    /// Serial number of the MFA device, where it is written down.
    pub(crate) serial: Option<String>,
}

/// Long-lived keys in a file.
#[derive(Debug, Clone)]
pub(crate) struct LongLived {
    /// The section they are in.
    pub(crate) profile: String,
    pub(crate) keys: Keys,
    pub(crate) kind: FileKind,
}

/// A session in a profile.
pub(crate) struct InProfile {
    pub(crate) access_key_id: String,
    /// As it is written there.
    pub(crate) expiration: Option<String>,
}

impl Own {
    /// Finds a person's profile: keys beside it, or in it.
    pub(crate) fn find(context: &Context, config: &Config) -> Result<Self, CliError> {
        let profile = context.meant_profile(config);
        if context.global.profile.is_none() && context.environment.has_keys {
            context.terminal.warn(format_args!(
                "AWS_ACCESS_KEY_ID is set, so AWS clients use that key and not the profile `{}`",
                safe(&profile)
            ));
        }
        Self::of(context, &profile)
    }

    /// The same of a profile by name.
    pub(crate) fn of(context: &Context, profile: &str) -> Result<Self, CliError> {
        let files = context.profile_files()?;
        // Either name of the pair will do.
        let profile = profile.strip_suffix(LONG_LIVED).filter(|name| !name.is_empty()).unwrap_or(profile);
        let beside = files.profile(&long_lived_name(profile))?;
        let own = files.profile(profile)?;
        let serial = [&beside, &own].into_iter().flatten().find_map(|profile| profile.mfa_serial.clone());
        let long_lived = [&beside, &own].into_iter().flatten().find_map(long_lived_of);
        let session = own.as_ref().and_then(|own| {
            let (keys, _) = own.keys.as_ref()?;
            keys.token.as_ref()?;
            Some(InProfile { access_key_id: keys.id.clone(), expiration: own.expiration.clone() })
        });
        Ok(Self { files, profile: profile.to_owned(), long_lived, session, serial })
    }

    /// Returns the long-lived keys, or says where they should be.
    pub(crate) fn long_lived(&self) -> Result<&LongLived, CliError> {
        self.long_lived.as_ref().ok_or_else(|| {
            let (own, beside) = (safe(&self.profile), long_lived_name(&self.profile));
            let names = self.files.names().unwrap_or_default();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            CliError::usage_with(
                format!("neither the profile `{}` nor `{own}` has a long-lived access key", safe(&beside)),
                format!(
                    "put one there with `muster configure --profile {own}`; the profiles are: {}",
                    safe(&names)
                ),
            )
        })
    }
}

/// Moves long-lived keys to another section; at no time are they in none.
pub(crate) fn move_keys(
    context: &Context,
    files: &ProfileFiles,
    from: &LongLived,
    to: &str,
    serial: Option<&str>,
) -> Result<(), CliError> {
    if from.profile == to && from.kind == FileKind::Credentials {
        return Ok(());
    }
    files.check_writable(from.kind)?;
    files.edit(FileKind::Credentials, |text| {
        text.put_keys(to, &from.keys.id, &from.keys.secret)?;
        if let Some(serial) = serial {
            text.put_serial(to, serial)?;
        }
        if from.kind == FileKind::Credentials { text.take_keys(&from.profile) } else { Ok(()) }
    })?;
    if from.kind == FileKind::Config {
        context.changed.set(true);
        files.edit(FileKind::Config, |text| text.take_keys(&from.profile))?;
    }
    Ok(())
}

fn long_lived_of(profile: &Profile) -> Option<LongLived> {
    let (keys, kind) = profile.keys.clone()?;
    // A session has a token, and dies.
    keys.token.is_none().then(|| LongLived { profile: profile.name.clone(), keys, kind })
}

/// Returns keys of a file as what requests are signed with.
pub(crate) fn signing(keys: &Keys) -> muster_aws::Keys {
    muster_aws::Keys { id: keys.id.clone(), secret: keys.secret.clone(), token: keys.token.clone() }
}

/// The same of a key that was just made or given.
pub(crate) fn signing_with(id: &str, secret: &SecretString) -> muster_aws::Keys {
    muster_aws::Keys { id: id.to_owned(), secret: secret.clone(), token: None }
}
