//! Managed policies: made, and given new versions, whatever becomes of an answer.

use muster_core::document::is_same;
use tokio::time::Instant;

use crate::apply::{LOOK_AGAIN, PROPAGATION};
use crate::error::{CallError, Effect, Kind};
use crate::gateway::{Gateway, Repeat};
use crate::read::decoded;
use crate::send::patiently;

/// Creates a policy. Its ARN is known beforehand, so that an answer that is lost costs nothing but another try.
pub(crate) async fn create_policy(
    gateway: &Gateway,
    arn: &str,
    (path, name): (&str, &str),
    document: &str,
    description: Option<&str>,
) -> Result<(), CallError> {
    let (first, mut maybe_ours) = (Instant::now(), false);
    loop {
        let created = gateway
            .call("iam", "CreatePolicy", Repeat::LookFirst, || {
                let call = gateway.iam.create_policy().policy_name(name).path(path).policy_document(document);
                call.set_description(description.map(str::to_owned)).send()
            })
            .await;
        match created {
            Ok(_) => return Ok(()),
            // Made by an earlier try of ours whose answer was lost, or by somebody else a moment before.
            Err(error) if error.kind == Kind::AlreadyExists && maybe_ours => {
                let found = patiently(gateway, async || default_version(gateway, arn).await).await?;
                return if is_same(&found, document) { Ok(()) } else { Err(error) };
            }
            Err(error) if is_lost(gateway, &error, first) => {
                maybe_ours = true;
                gateway.wait(LOOK_AGAIN).await;
            }
            Err(error) => return Err(if maybe_ours { error.unsure() } else { error }),
        }
    }
}

/// Makes a text the default version of a policy. Every call makes a version, so one whose answer is lost is looked for.
pub(crate) async fn create_version(gateway: &Gateway, arn: &str, document: &str) -> Result<(), CallError> {
    let (first, mut maybe_ours) = (Instant::now(), false);
    loop {
        let created = gateway
            .call("iam", "CreatePolicyVersion", Repeat::LookFirst, || {
                let call = gateway.iam.create_policy_version().policy_arn(arn);
                call.policy_document(document).set_as_default(true).send()
            })
            .await;
        match created {
            Ok(_) => return Ok(()),
            Err(error) if is_lost(gateway, &error, first) => {
                maybe_ours = true;
                gateway.wait(LOOK_AGAIN).await;
                let now = default_version(gateway, arn).await.map_err(CallError::unsure)?;
                if is_same(&now, document) {
                    return Ok(());
                }
            }
            Err(error) => return Err(if maybe_ours { error.unsure() } else { error }),
        }
    }
}

/// Returns whether an answer was lost and the question can be settled by asking again.
fn is_lost(gateway: &Gateway, error: &CallError, first: Instant) -> bool {
    error.effect == Effect::Unknown
        && error.kind == Kind::Transient
        && first.elapsed() < PROPAGATION
        && !gateway.is_stopped()
}

/// Returns the text of a policy's default version.
async fn default_version(gateway: &Gateway, arn: &str) -> Result<String, CallError> {
    let policy = gateway
        .call("iam", "GetPolicy", Repeat::Safe, || gateway.iam.get_policy().policy_arn(arn).send())
        .await?;
    let version = policy.policy().and_then(|policy| policy.default_version_id()).unwrap_or("v1").to_owned();
    let version = gateway
        .call("iam", "GetPolicyVersion", Repeat::Safe, || {
            gateway.iam.get_policy_version().policy_arn(arn).version_id(&version).send()
        })
        .await?;
    let document = version.policy_version().and_then(|version| version.document());
    Ok(document.map(decoded).unwrap_or_default())
}
