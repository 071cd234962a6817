//! Sends the calls that a plan is made of, one by one, each written down before.

use std::time::Duration;

use aws_sdk_iam::types::{StatusType, Tag as IamTag};
use aws_types::request_id::RequestId;
use muster_core::mutation::Mutation;
use muster_core::roster::Tag;
use tokio::time::Instant;

use crate::apply::PROPAGATION;
use crate::error::{CallError, Kind};
use crate::gateway::{Gateway, Repeat};
use crate::journal::{Journal, StepError};

/// The first wait between two looks, and the longest.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(2);

/// Makes the calls of a saga.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The way to the account.
    pub gateway: &'a Gateway,
    /// Where each call is written down.
    pub journal: &'a Journal,
}

/// What came of a call of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was carried out.
    Done,
    /// There was nothing left to take away.
    Gone,
}

impl Sender<'_> {
    /// Makes one call. What it takes away and is gone already is no error.
    pub async fn send(&self, mutation: &Mutation) -> Result<Sent, StepError> {
        self.journal.recorded(mutation, async || self.call(mutation).await).await
    }

    /// Makes one call about something that this run made a moment ago: "not found" is not believed at once.
    pub async fn send_patiently(&self, mutation: &Mutation) -> Result<Sent, StepError> {
        let call = async || patiently(self.gateway, async || send_once(self.gateway, mutation).await).await;
        self.journal.recorded(mutation, call).await.map(|()| Sent::Done)
    }

    async fn call(&self, mutation: &Mutation) -> Result<Sent, CallError> {
        match send_once(self.gateway, mutation).await {
            Err(error) if error.kind == Kind::NotFound && mutation.takes_away() => Ok(Sent::Gone),
            other => other.map(|()| Sent::Done),
        }
    }
}

/// Makes one call of a plan, repeated where the service or the network fails.
#[expect(clippy::too_many_lines, reason = "a line for each call")]
pub(crate) async fn send_once(gateway: &Gateway, mutation: &Mutation) -> Result<(), CallError> {
    let iam = &gateway.iam;
    // Each of these twice is the same as once; those for which that is not so are made elsewhere.
    macro_rules! call {
        ($request:expr) => {
            gateway.call("iam", mutation.action(), Repeat::Safe, || $request.send()).await.map(ignore)
        };
    }
    match mutation {
        Mutation::AddUserToGroup { user, group } => {
            call!(iam.add_user_to_group().user_name(user.as_str()).group_name(group.as_str()))
        }
        Mutation::RemoveUserFromGroup { user, group } => {
            call!(iam.remove_user_from_group().user_name(user.as_str()).group_name(group.as_str()))
        }
        Mutation::DeleteUser { user } => call!(iam.delete_user().user_name(user.as_str())),
        Mutation::DeleteLoginProfile { user } => {
            call!(iam.delete_login_profile().user_name(user.as_str()))
        }
        Mutation::UpdateAccessKey { user, key, active } => {
            call!(iam.update_access_key().user_name(user.as_str()).access_key_id(key).status(status(*active)))
        }
        Mutation::DeleteAccessKey { user, key } => {
            call!(iam.delete_access_key().user_name(user.as_str()).access_key_id(key))
        }
        Mutation::DeactivateMFADevice { user, device } => {
            call!(iam.deactivate_mfa_device().user_name(user.as_str()).serial_number(device))
        }
        Mutation::DeleteVirtualMFADevice { device } => {
            call!(iam.delete_virtual_mfa_device().serial_number(device))
        }
        Mutation::UpdateSSHPublicKey { user, key, active } => call!(
            iam.update_ssh_public_key()
                .user_name(user.as_str())
                .ssh_public_key_id(key)
                .status(status(*active))
        ),
        Mutation::DeleteSSHPublicKey { user, key } => {
            call!(iam.delete_ssh_public_key().user_name(user.as_str()).ssh_public_key_id(key))
        }
        Mutation::UpdateSigningCertificate { user, certificate, active } => call!(
            iam.update_signing_certificate()
                .user_name(user.as_str())
                .certificate_id(certificate)
                .status(status(*active))
        ),
        Mutation::DeleteSigningCertificate { user, certificate } => {
            call!(iam.delete_signing_certificate().user_name(user.as_str()).certificate_id(certificate))
        }
        Mutation::UpdateServiceSpecificCredential { user, credential, active } => call!(
            iam.update_service_specific_credential()
                .user_name(user.as_str())
                .service_specific_credential_id(credential)
                .status(status(*active))
        ),
        Mutation::DeleteServiceSpecificCredential { user, credential } => call!(
            iam.delete_service_specific_credential()
                .user_name(user.as_str())
                .service_specific_credential_id(credential)
        ),
        Mutation::PutUserPolicy { user, policy, document } => call!(
            iam.put_user_policy().user_name(user.as_str()).policy_name(policy).policy_document(document)
        ),
        Mutation::DeleteUserPolicy { user, policy } => {
            call!(iam.delete_user_policy().user_name(user.as_str()).policy_name(policy))
        }
        Mutation::AttachUserPolicy { user, policy } => {
            call!(iam.attach_user_policy().user_name(user.as_str()).policy_arn(policy))
        }
        Mutation::DetachUserPolicy { user, policy } => {
            call!(iam.detach_user_policy().user_name(user.as_str()).policy_arn(policy))
        }
        Mutation::DeleteUserPermissionsBoundary { user } => {
            call!(iam.delete_user_permissions_boundary().user_name(user.as_str()))
        }
        Mutation::TagUser { user, tags } => {
            call!(iam.tag_user().user_name(user.as_str()).set_tags(Some(iam_tags(tags))))
        }
        Mutation::UntagUser { user, keys } => {
            call!(iam.untag_user().user_name(user.as_str()).set_tag_keys(Some(keys.clone())))
        }
        Mutation::PutRolePolicy { role, policy, document } => {
            call!(iam.put_role_policy().role_name(role).policy_name(policy).policy_document(document))
        }
        Mutation::AttachRolePolicy { role, policy } => {
            call!(iam.attach_role_policy().role_name(role).policy_arn(policy))
        }
        Mutation::AttachGroupPolicy { group, policy } => {
            call!(iam.attach_group_policy().group_name(group.as_str()).policy_arn(policy))
        }
        Mutation::DetachGroupPolicy { group, policy } => {
            call!(iam.detach_group_policy().group_name(group.as_str()).policy_arn(policy))
        }
        Mutation::PutGroupPolicy { group, policy, document } => call!(
            iam.put_group_policy().group_name(group.as_str()).policy_name(policy).policy_document(document)
        ),
        Mutation::DeleteGroupPolicy { group, policy } => {
            call!(iam.delete_group_policy().group_name(group.as_str()).policy_name(policy))
        }
        Mutation::DeletePolicyVersion { policy, version } => {
            call!(iam.delete_policy_version().policy_arn(policy).version_id(version))
        }
        // Creations answer with something that is there once, or are not to be repeated blindly.
        Mutation::CreatePolicy { .. }
        | Mutation::CreatePolicyVersion { .. }
        | Mutation::CreateGroup { .. }
        | Mutation::DeleteGroup { .. }
        | Mutation::CreateUser { .. }
        | Mutation::CreateLoginProfile { .. }
        | Mutation::CreateAccessKey { .. }
        | Mutation::CreateVirtualMFADevice { .. }
        | Mutation::EnableMFADevice { .. } => {
            Err(CallError::nonsense(mutation.action(), "this call is not one that a plan can hold"))
        }
    }
}

fn ignore(_: impl RequestId) {}

fn status(active: bool) -> StatusType {
    if active { StatusType::Active } else { StatusType::Inactive }
}

pub(crate) fn iam_tags(tags: &[Tag]) -> Vec<IamTag> {
    let tags = tags.iter().map(|tag| IamTag::builder().key(&tag.key).value(&tag.value).build());
    // Both members are set, which is all that can be wrong.
    tags.filter_map(Result::ok).collect()
}

/// Repeats something about what this run made a moment ago for as long as it may not be visible yet.
pub(crate) async fn patiently<T>(
    gateway: &Gateway,
    call: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let first = Instant::now();
    let mut wait = LOOK_AGAIN;
    loop {
        match call().await {
            Err(error)
                if error.kind == Kind::NotFound && first.elapsed() < PROPAGATION && !gateway.is_stopped() =>
            {
                gateway.wait(wait).await;
                wait = (wait * 2).min(LOOK_AGAIN_MAX);
            }
            other => return other,
        }
    }
}
