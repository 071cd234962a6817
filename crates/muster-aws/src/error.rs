//! What went wrong with a call, and what can be done about it.

use std::fmt;

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::request_id::RequestId as _;

/// Whether a call that failed may have changed something all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was never sent, or AWS said no.
    None,
    /// It left, and no usable answer came back: look before trying again.
    Unknown,
}

/// What kind of failure a [`CallError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Too fast; every call is worth repeating later.
    Throttled,
    /// The service or the network failed; worth repeating where that is safe.
    Transient,
    /// Another change to the same entity is under way; worth repeating.
    Busy,
    /// No permission.
    Denied,
    /// What the call is about does not exist.
    NotFound,
    /// What the call would create exists.
    AlreadyExists,
    /// A quota of IAM.
    Limit,
    /// The credentials are not accepted.
    Credentials,
    /// Ctrl-C.
    Interrupted,
    /// Anything else.
    Other,
}

/// A call that failed for good.
#[derive(Debug, Clone)]
pub struct CallError {
    /// The operation, such as `AddUserToGroup`.
    pub action: &'static str,
    /// The service's prefix in policies, `iam` or `sts`.
    pub service: &'static str,
    /// What kind of failure.
    pub kind: Kind,
    /// AWS's error code, if it answered with one.
    pub code: Option<String>,
    /// What AWS or the network said.
    pub message: String,
    /// AWS's id of the request, if it answered.
    pub request_id: Option<String>,
    /// Whether it may have happened all the same.
    pub effect: Effect,
    /// Whether it was signed with the keys of a session, of which AWS refuses some as if it did not know them.
    pub by_session: bool,
}

impl std::error::Error for CallError {}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, action, code, message, .. } = self;
        match code {
            Some(code) => write!(f, "{service}:{action} failed: {code}: {message}"),
            None => write!(f, "{service}:{action} failed: {message}"),
        }
    }
}

impl CallError {
    /// The same, of a call of which an earlier attempt may have been carried out.
    pub(crate) fn unsure(mut self) -> Self {
        self.effect = Effect::Unknown;
        if self.kind == Kind::Interrupted {
            "interrupted before it was answered".clone_into(&mut self.message);
        }
        self
    }

    /// An answer that makes no sense.
    pub(crate) fn nonsense(action: &'static str, message: &str) -> Self {
        Self {
            action,
            service: "iam",
            kind: Kind::Other,
            code: None,
            message: message.to_owned(),
            request_id: None,
            effect: Effect::None,
            by_session: false,
        }
    }

    pub(crate) fn interrupted(service: &'static str, action: &'static str) -> Self {
        Self {
            action,
            service,
            kind: Kind::Interrupted,
            code: None,
            message: "interrupted before it was sent".to_owned(),
            request_id: None,
            effect: Effect::None,
            by_session: false,
        }
    }

    /// Reads an error of the SDK.
    pub(crate) fn new<E>(
        service: &'static str,
        action: &'static str,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.code().map(str::to_owned);
        let effect = match error {
            SdkError::ConstructionFailure(_) => Effect::None,
            SdkError::ServiceError(_) if status.is_some_and(|status| (400..500).contains(&status)) => {
                Effect::None
            }
            SdkError::DispatchFailure(failure) if failure.is_user() => Effect::None,
            _ => Effect::Unknown,
        };
        let kind = match code.as_deref() {
            Some(code) => kind_of(code, status),
            None => match error {
                SdkError::ServiceError(_) if status.is_some_and(|status| status < 500) => Kind::Other,
                SdkError::ConstructionFailure(_) => Kind::Other,
                SdkError::DispatchFailure(failure) if failure.is_user() || is_about_credentials(error) => {
                    Kind::Credentials
                }
                _ => Kind::Transient,
            },
        };
        // An empty message is legal (`ConcurrentModification` has been seen with one).
        let message = error.message().map(str::to_owned).filter(|message| !message.is_empty());
        let message = message.unwrap_or_else(|| match (&code, error) {
            (Some(_), _) => "AWS gave no reason".to_owned(),
            (None, SdkError::ServiceError(_)) => {
                format!("an answer with status {} that IAM does not give", status.unwrap_or_default())
            }
            (None, _) => innermost(error),
        });
        Self {
            action,
            service,
            kind,
            code,
            message,
            request_id: error.request_id().map(str::to_owned),
            effect,
            by_session: false,
        }
    }
}

fn kind_of(code: &str, status: Option<u16>) -> Kind {
    // Both families of codes: the Query endpoint sends the short ones, newer documentation names the long ones.
    match code.strip_suffix("Exception").unwrap_or(code) {
        "Throttling"
        | "Throttled"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "SlowDown"
        | "RequestThrottled" => Kind::Throttled,
        "AccessDenied" | "UnauthorizedOperation" | "OptInRequired" => Kind::Denied,
        "NoSuchEntity" => Kind::NotFound,
        "EntityAlreadyExists" => Kind::AlreadyExists,
        "LimitExceeded" => Kind::Limit,
        "ConcurrentModification" | "EntityTemporarilyUnmodifiable" => Kind::Busy,
        "InvalidClientTokenId"
        | "UnrecognizedClient"
        | "ExpiredToken"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => Kind::Credentials,
        "ServiceFailure" | "InternalFailure" | "ServiceUnavailable" | "RequestTimeout" => Kind::Transient,
        _ if status.is_some_and(|status| status >= 500) => Kind::Transient,
        _ => Kind::Other,
    }
}

fn is_about_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    use aws_credential_types::provider::error::CredentialsError;
    causes(error).any(<dyn std::error::Error>::is::<CredentialsError>)
}

/// Returns an error and all that caused it.
fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn std::error::Error + 'static)| error.source())
}

/// Returns the texts of the last two causes, which is where the SDK says something.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let chain: Vec<String> = causes(error).skip(1).map(ToString::to_string).collect();
    match chain.as_slice() {
        [] => error.to_string(),
        [.., before, last] if !before.contains(last.as_str()) => format!("{before}: {last}"),
        [.., last] => last.clone(),
    }
}
