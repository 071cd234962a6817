//! Sessions: made with an MFA code, or by assuming a role; and whether keys work.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::connect::Account;
use crate::error::{CallError, Kind};
use crate::gateway::Repeat;

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

/// Credentials for a time.
#[derive(Debug, Clone)]
pub struct StsSession {
    /// The credentials.
    pub keys: Keys,
    /// When they end, in seconds since 1970.
    pub expires_s: i64,
}

/// A role to take on.
#[derive(Debug, Clone)]
pub struct RoleRequest {
    /// Its ARN.
    pub arn: String,
    /// The session's name, which CloudTrail shows.
    pub session_name: String,
    /// What the role's owner knows the caller by.
    pub external_id: Option<String>,
    /// For how long, in seconds; `None` for the role's default of an hour.
    pub duration_s: Option<i32>,
}

/// Answers in a row that show that a new key is known everywhere: it flaps at first.
const PROOFS: u32 = 4;

/// How long a new key is given.
const PROOF_TIME: Duration = Duration::from_mins(1);

impl From<Keys> for SharedCredentialsProvider {
    fn from(keys: Keys) -> Self {
        let token = keys.token.map(|token| token.expose_secret().to_owned());
        Self::new(Credentials::new(keys.id, keys.secret.expose_secret(), token, None, "muster"))
    }
}

impl Account {
    /// Returns the same account, called with other keys; pace, counts and the wish to stop are one.
    #[must_use]
    pub fn with_keys(&self, keys: &Keys) -> Self {
        let mut config = self.config.to_builder();
        config.set_credentials_provider(Some(keys.clone().into()));
        config.set_identity_cache(Some(IdentityCache::lazy().build()));
        let config = config.build();
        Self {
            gateway: self.gateway.with_config(&config, keys.token.is_some()),
            config,
            id: self.id.clone(),
            partition: self.partition.clone(),
            caller_arn: self.caller_arn.clone(),
            endpoint: self.endpoint.clone(),
            profile: self.profile.clone(),
        }
    }

    /// Asks for a session with an MFA code. A code is good once, so a lost answer is not asked for again.
    pub async fn session_token(
        &self,
        serial: &str,
        code: &str,
        duration_s: i32,
    ) -> Result<StsSession, CallError> {
        let gateway = &self.gateway;
        let answer = gateway
            .call("sts", "GetSessionToken", Repeat::LookFirst, || {
                let call = gateway.sts.get_session_token().serial_number(serial).token_code(code);
                call.duration_seconds(duration_s).send()
            })
            .await?;
        answer.credentials.map(session).ok_or_else(|| nothing("GetSessionToken"))
    }

    /// Assumes a role.
    pub async fn assume_role(&self, role: &RoleRequest) -> Result<StsSession, CallError> {
        let gateway = &self.gateway;
        let answer = gateway
            .call("sts", "AssumeRole", Repeat::Safe, || {
                let call =
                    gateway.sts.assume_role().role_arn(&role.arn).role_session_name(&role.session_name);
                call.set_external_id(role.external_id.clone()).set_duration_seconds(role.duration_s).send()
            })
            .await?;
        answer.credentials.map(session).ok_or_else(|| nothing("AssumeRole"))
    }

    /// Asks who it is that calls; returns the ARN.
    pub async fn caller(&self) -> Result<String, CallError> {
        let gateway = &self.gateway;
        let answer = gateway
            .call("sts", "GetCallerIdentity", Repeat::Safe, || gateway.sts.get_caller_identity().send())
            .await?;
        answer.arn.ok_or_else(|| nothing("GetCallerIdentity"))
    }

    /// Waits until the keys of this account work: several calls in a row have to succeed within a minute, with `wait`
    /// between them.
    ///
    /// # Errors
    ///
    /// With what AWS said last, if they do not.
    pub async fn prove(&self, wait: Duration) -> Result<(), CallError> {
        let begun = Instant::now();
        let mut in_a_row = 0;
        loop {
            match self.caller().await {
                Ok(_) => in_a_row += 1,
                Err(error) if error.kind == Kind::Credentials && begun.elapsed() < PROOF_TIME => in_a_row = 0,
                Err(error) => return Err(error),
            }
            if in_a_row == PROOFS {
                return Ok(());
            }
            if self.gateway.is_stopped() {
                return Err(CallError::interrupted("sts", "GetCallerIdentity"));
            }
            self.gateway.wait(wait).await;
        }
    }
}

fn session(credentials: aws_sdk_sts::types::Credentials) -> StsSession {
    StsSession {
        expires_s: credentials.expiration.secs(),
        keys: Keys {
            id: credentials.access_key_id,
            secret: SecretString::from(credentials.secret_access_key),
            token: Some(SecretString::from(credentials.session_token)),
        },
    }
}

fn nothing(action: &'static str) -> CallError {
    CallError { service: "sts", ..CallError::nonsense(action, "the answer does not have what was asked for") }
}
