//! The profiles of `~/.aws/credentials` and `~/.aws/config`, read, and changed in place.

mod store;
mod text;

use std::path::PathBuf;

pub use store::{ProfileFiles, WRITE_WAIT};
pub use text::{FileKind, ProfileText};

use secrecy::SecretString;

/// What a profile holds, from both files.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its keys, and which file they are in.
    pub keys: Option<(Keys, FileKind)>,
    /// Serial number of its MFA device.
    pub mfa_serial: Option<String>,
    /// When its session ends, as it is written there.
    pub expiration: Option<String>,
    /// The role that it takes on.
    pub role: Option<RoleProfile>,
}

/// A role as a profile describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleProfile {
    /// `role_arn`.
    pub arn: String,
    /// `source_profile`.
    pub source: Option<String>,
    /// `external_id`.
    pub external_id: Option<String>,
    /// `role_session_name`.
    pub session_name: Option<String>,
    /// `duration_seconds`.
    pub duration_s: Option<u32>,
}

/// What requests are signed with.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `AKIA…`, or `ASIA…` of a session.
    pub id: String,
    /// The secret half.
    pub secret: SecretString,
    /// The session's token, if it is one.
    pub token: Option<SecretString>,
}

/// Names under which the serial number of an MFA device has been kept: AWS's own first, then the recipes', then that of
/// aws-mfa.
pub const SERIAL_KEYS: [&str; 3] = ["mfa_serial", "aws_mfa_serial", "aws_mfa_device"];

/// Why a file of profiles cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Reading or writing failed.
    #[error("failed to {what} `{}`: {reason}", path.display())]
    Io {
        /// `read`, `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another program holds the lock.
    #[error("`{}` is being changed by another program, which does not end", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// What is wrong with the text of a file.
    #[error("`{}`: {source}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What.
        source: Box<ProfileError>,
    },
    /// A profile or key is there twice.
    #[error("{what} is there twice, in lines {} and {}: take one of them out", lines[0], lines[1])]
    Twice {
        /// What.
        what: String,
        /// Where, from 1.
        lines: [usize; 2],
    },
    /// A line ends with a carriage return alone.
    #[error("line {line} has a carriage return in it, which AWS clients read differently")]
    OddLineBreak {
        /// Which, from 1.
        line: usize,
    },
    /// A line cannot be put in without another one being read differently.
    #[error(
        "it is laid out in a way that muster cannot change safely: a line that begins with blanks is read as the rest of the one before"
    )]
    OddLayout,
    /// A blank that some clients take for one and others do not.
    #[error("line {line} has a blank in it that is none for some AWS clients: type it anew")]
    OddBlank {
        /// Which, from 1.
        line: usize,
    },
    /// A header that some clients read otherwise.
    #[error(
        "line {line} is a header that AWS clients read differently: write it as `[name]`, in the config file as `[profile name]`"
    )]
    OddHeader {
        /// Which, from 1.
        line: usize,
    },
    /// A key that the AWS CLI takes for every profile.
    #[error(
        "line {line} is in the section `[DEFAULT]`, which the AWS CLI takes for part of every profile: move it to `[default]`"
    )]
    Defaults {
        /// Which, from 1.
        line: usize,
    },
    /// A session would write over a key that does not end.
    #[error("the profile `{profile}` holds a long-lived access key, which a session would overwrite")]
    LongLived {
        /// The profile.
        profile: String,
    },
    /// No profile can be called so.
    #[error("`{profile}` cannot be the name of a profile")]
    BadName {
        /// The name.
        profile: String,
    },
    /// A value that cannot be written; it is not repeated.
    #[error("the value for `{key}` is empty, or has characters that it cannot have")]
    BadValue {
        /// The key.
        key: String,
    },
}
