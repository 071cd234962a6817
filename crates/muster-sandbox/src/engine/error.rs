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

    /// A policy or version that cannot go.
    pub fn cannot_delete(message: &str) -> Self {
        Self::new("DeleteConflict", 409, message)
    }

    /// No credential report was ever asked for.
    pub fn no_report() -> Self {
        Self::new("ReportNotPresent", 410, "No credential report exists")
    }

    /// The report is being made.
    pub fn report_in_progress() -> Self {
        Self::new("ReportInProgress", 404, "Report generation is in progress")
    }

    /// The report is older than four hours.
    pub fn report_expired() -> Self {
        Self::new("ReportExpired", 410, "The credential report has expired")
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

    /// `AccessDenied` because a policy says so.
    pub fn denied_explicitly(caller_arn: &str, action: &str, resource: &str) -> Self {
        let message = format!(
            "User: {caller_arn} is not authorized to perform: {action} on resource: {resource} with an explicit deny \
             in an identity-based policy"
        );
        Self::new("AccessDenied", 403, message)
    }

    /// `AccessDenied` in STS's words.
    pub fn access_denied(message: &str) -> Self {
        Self::new("AccessDenied", 403, message)
    }

    /// `ExpiredToken`.
    pub fn expired_token() -> Self {
        Self::new("ExpiredToken", 403, "The security token included in the request is expired")
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

    /// `InvalidClientTokenId`.
    pub fn unknown_key() -> Self {
        Self::new("InvalidClientTokenId", 403, "The security token included in the request is invalid.")
    }

    /// `SignatureDoesNotMatch`.
    pub fn wrong_signature() -> Self {
        Self::new(
            "SignatureDoesNotMatch",
            403,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        )
    }

    /// `RequestExpired`: the request's own time is too far off.
    pub fn expired() -> Self {
        Self::new("RequestExpired", 400, "Request has expired.")
    }

    /// `EntityTemporarilyUnmodifiable`.
    pub fn unmodifiable(message: &str) -> Self {
        Self::new("EntityTemporarilyUnmodifiable", 409, message)
    }

    /// `PasswordPolicyViolation`.
    pub fn password(message: impl Into<String>) -> Self {
        Self::new("PasswordPolicyViolation", 400, message)
    }

    /// `InvalidUserType`: only a user can do this.
    pub fn user_type() -> Self {
        Self::new("InvalidUserType", 400, "Only IAM Users can change their own password")
    }

    /// `InvalidAuthenticationCode`, which IAM sends with status 403.
    pub fn wrong_code() -> Self {
        Self::new("InvalidAuthenticationCode", 403, "Authentication code for device is not valid.")
    }

    /// `DuplicateSSHPublicKey`.
    pub fn duplicate_ssh_key() -> Self {
        Self::new(
            "DuplicateSSHPublicKey",
            400,
            "The SSH public key is already associated with the specified IAM user.",
        )
    }

    /// `InvalidPublicKey`.
    pub fn invalid_public_key() -> Self {
        Self::new("InvalidPublicKey", 400, "The public key is invalid.")
    }

    /// `UnrecognizedPublicKeyEncoding`.
    pub fn unrecognized_key() -> Self {
        Self::new("UnrecognizedPublicKeyEncoding", 400, "The public key encoding is not supported.")
    }

    /// `MalformedCertificate`.
    pub fn malformed_certificate() -> Self {
        Self::new("MalformedCertificate", 400, "Invalid certificate body.")
    }

    /// `DuplicateCertificate`.
    pub fn duplicate_certificate() -> Self {
        Self::new("DuplicateCertificate", 409, "The certificate is already associated with another IAM user.")
    }

    /// Who is at fault, as the envelope says it.
    pub fn fault(&self) -> &'static str {
        if self.status >= 500 { "Receiver" } else { "Sender" }
    }
}
