//! All that hangs on one user.

use serde::{Deserialize, Serialize};

use crate::name::{GroupName, UserName};
use crate::roster::{InlinePolicy, Tag};

/// A user with everything that belongs to it. Holds no secret: IAM gives none out twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estate {
    /// The name, as the account spells it.
    pub user: UserName,
    /// The unique id, `AIDA…`.
    pub user_id: String,
    /// The ARN.
    pub arn: String,
    /// The path.
    pub path: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Seconds since 1970; `None` also where there is no password.
    pub password_last_used: Option<i64>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// ARN of the policy that is its permissions boundary.
    pub boundary: Option<String>,
    /// Whether it has a console password.
    pub login_profile: bool,
    /// Access keys.
    pub access_keys: Vec<KeyFacts>,
    /// SSH public keys.
    pub ssh_keys: Vec<CredentialFacts>,
    /// Signing certificates.
    pub certificates: Vec<CredentialFacts>,
    /// Service-specific credentials, of all services.
    pub service_credentials: Vec<CredentialFacts>,
    /// Serial numbers of the MFA devices that are assigned to it.
    pub mfa_devices: Vec<String>,
    /// Serial numbers of virtual MFA devices that bear its name and are assigned to nobody.
    pub stray_devices: Vec<String>,
    /// Groups.
    pub groups: Vec<GroupName>,
    /// Inline policies.
    pub inline: Vec<InlinePolicy>,
    /// ARNs of attached policies.
    pub attached: Vec<String>,
    /// What the caller may not list, so that nobody knows what there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFacts {
    /// `AKIA…`.
    pub id: String,
    /// Whether it may be used.
    pub active: bool,
    /// Seconds since 1970.
    pub created: i64,
    /// When it was last used, in seconds since 1970, as far as that was asked.
    pub last_used: Option<i64>,
    /// For which service.
    pub last_service: Option<String>,
    /// Whether the last use could be asked for: if not, that there is none means nothing.
    #[serde(default)]
    pub use_known: bool,
}

/// A credential of another kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialFacts {
    /// Its id.
    pub id: String,
    /// The service it is for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Whether it may be used.
    pub active: bool,
}

impl Estate {
    /// Returns the last time anything of it was used, with what it was.
    pub fn last_use(&self) -> Option<(i64, String)> {
        let keys = self.access_keys.iter().filter_map(|key| {
            let service = key.last_service.as_deref().map(|s| format!(" for {s}")).unwrap_or_default();
            Some((key.last_used?, format!("the access key {}{service}", key.id)))
        });
        keys.chain(self.password_last_used.map(|at| (at, "the password".to_owned()))).max()
    }
}

/// Returns whether an MFA device is a virtual one: only those have an ARN under `mfa`.
pub fn is_virtual(serial: &str) -> bool {
    serial.splitn(6, ':').nth(5).is_some_and(|resource| resource.starts_with("mfa/"))
}
