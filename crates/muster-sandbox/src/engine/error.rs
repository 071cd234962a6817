//! IAM's errors, with the codes and statuses that go over the wire.

/// An error as IAM answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct IamError {
    /// The code on the wire, such as `NoSuchEntity` (not the name of an exception class).
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The text; clients must not branch on it.
    pub message: String,
}

impl IamError {
    fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    /// `NoSuchEntity`.
    pub fn no_such(kind: &str, name: &str) -> Self {
        Self::new("NoSuchEntity", 404, format!("The {kind} with name {name} cannot be found."))
    }

    /// `NoSuchEntity` in other words.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("NoSuchEntity", 404, message)
    }

    /// `EntityAlreadyExists`.
    pub fn already_exists(kind: &str, name: &str) -> Self {
        Self::new("EntityAlreadyExists", 409, format!("{kind} with name {name} already exists."))
    }

    /// `LimitExceeded`; `quota` as in `GroupsPerUser`.
    pub fn limit(quota: &str, limit: usize) -> Self {
        Self::new("LimitExceeded", 409, format!("Cannot exceed quota for {quota}: {limit}"))
    }

    /// `DeleteConflict`; `rest` follows "Cannot delete entity, ".
    pub fn conflict(rest: &str) -> Self {
        Self::new("DeleteConflict", 409, format!("Cannot delete entity, {rest}"))
    }

    /// `ValidationError`.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", 400, message)
    }

    /// `MalformedInput`.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new("MalformedInput", 400, message)
    }

    /// `InvalidInput`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidInput", 400, message)
    }

    /// `MalformedPolicyDocument`.
    pub fn policy_document(message: impl Into<String>) -> Self {
        Self::new("MalformedPolicyDocument", 400, message)
    }

    /// `InvalidAction`: what AWS says to an operation it does not have.
    pub fn unknown_action(action: &str, version: &str) -> Self {
        Self::new("InvalidAction", 400, format!("Could not find operation {action} for version {version}"))
    }

    /// `AccessDenied`.
    pub fn denied(caller_arn: &str, action: &str, resource: &str) -> Self {
        let message = format!(
            "User: {caller_arn} is not authorized to perform: {action} on resource: {resource} because no \
             identity-based policy allows the {action} action"
        );
        Self::new("AccessDenied", 403, message)
    }

    /// `Throttling`, which IAM sends with status 400.
    pub fn throttled() -> Self {
        Self::new("Throttling", 400, "Rate exceeded")
    }

    /// `ServiceFailure`.
    pub fn service_failure() -> Self {
        Self::new("ServiceFailure", 500, "The request processing has failed because of an unknown error.")
    }

    /// `MissingAuthenticationToken`.
    pub fn unsigned() -> Self {
        Self::new("MissingAuthenticationToken", 403, "Request is missing Authentication Token")
    }

    /// Who is at fault, as the envelope says it.
    pub fn fault(&self) -> &'static str {
        if self.status >= 500 { "Receiver" } else { "Sender" }
    }
}
