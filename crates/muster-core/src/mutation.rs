//! The calls that change an account, as they are planned, shown, written down and sent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{GroupName, UserName};
use crate::roster::Tag;

/// A call that changes the account. None of its members is a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call")]
#[expect(
    missing_docs,
    reason = "each is the call of that name in the IAM API Reference, with its parameters"
)]
pub enum Mutation {
    CreateGroup {
        group: GroupName,
    },
    DeleteGroup {
        group: GroupName,
    },
    AddUserToGroup {
        user: UserName,
        group: GroupName,
    },
    RemoveUserFromGroup {
        user: UserName,
        group: GroupName,
    },
    CreateUser {
        user: UserName,
        path: String,
        tags: Vec<Tag>,
        boundary: Option<String>,
    },
    DeleteUser {
        user: UserName,
    },
    CreateLoginProfile {
        user: UserName,
    },
    DeleteLoginProfile {
        user: UserName,
    },
    CreateAccessKey {
        user: UserName,
    },
    UpdateAccessKey {
        user: UserName,
        key: String,
        active: bool,
    },
    DeleteAccessKey {
        user: UserName,
        key: String,
    },
    CreateVirtualMFADevice {
        device: String,
    },
    EnableMFADevice {
        user: UserName,
        device: String,
    },
    DeactivateMFADevice {
        user: UserName,
        device: String,
    },
    DeleteVirtualMFADevice {
        device: String,
    },
    UpdateSSHPublicKey {
        user: UserName,
        key: String,
        active: bool,
    },
    DeleteSSHPublicKey {
        user: UserName,
        key: String,
    },
    UpdateSigningCertificate {
        user: UserName,
        certificate: String,
        active: bool,
    },
    DeleteSigningCertificate {
        user: UserName,
        certificate: String,
    },
    UpdateServiceSpecificCredential {
        user: UserName,
        credential: String,
        active: bool,
    },
    DeleteServiceSpecificCredential {
        user: UserName,
        credential: String,
    },
    PutUserPolicy {
        user: UserName,
        policy: String,
        document: String,
    },
    DeleteUserPolicy {
        user: UserName,
        policy: String,
    },
    AttachUserPolicy {
        user: UserName,
        policy: String,
    },
    DetachUserPolicy {
        user: UserName,
        policy: String,
    },
    DeleteUserPermissionsBoundary {
        user: UserName,
    },
    TagUser {
        user: UserName,
        tags: Vec<Tag>,
    },
    UntagUser {
        user: UserName,
        keys: Vec<String>,
    },
    PutRolePolicy {
        role: String,
        policy: String,
        document: String,
    },
    AttachRolePolicy {
        role: String,
        policy: String,
    },
    CreatePolicy {
        policy: String,
        path: String,
        document: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    CreatePolicyVersion {
        policy: String,
        document: String,
    },
    DeletePolicyVersion {
        policy: String,
        version: String,
    },
    AttachGroupPolicy {
        group: GroupName,
        policy: String,
    },
    DetachGroupPolicy {
        group: GroupName,
        policy: String,
    },
    PutGroupPolicy {
        group: GroupName,
        policy: String,
        document: String,
    },
    DeleteGroupPolicy {
        group: GroupName,
        policy: String,
    },
}

impl Mutation {
    /// Returns the name of the call.
    pub fn action(&self) -> &'static str {
        match self {
            Self::CreateGroup { .. } => "CreateGroup",
            Self::DeleteGroup { .. } => "DeleteGroup",
            Self::AddUserToGroup { .. } => "AddUserToGroup",
            Self::RemoveUserFromGroup { .. } => "RemoveUserFromGroup",
            Self::CreateUser { .. } => "CreateUser",
            Self::DeleteUser { .. } => "DeleteUser",
            Self::CreateLoginProfile { .. } => "CreateLoginProfile",
            Self::DeleteLoginProfile { .. } => "DeleteLoginProfile",
            Self::CreateAccessKey { .. } => "CreateAccessKey",
            Self::UpdateAccessKey { .. } => "UpdateAccessKey",
            Self::DeleteAccessKey { .. } => "DeleteAccessKey",
            Self::CreateVirtualMFADevice { .. } => "CreateVirtualMFADevice",
            Self::EnableMFADevice { .. } => "EnableMFADevice",
            Self::DeactivateMFADevice { .. } => "DeactivateMFADevice",
            Self::DeleteVirtualMFADevice { .. } => "DeleteVirtualMFADevice",
            Self::UpdateSSHPublicKey { .. } => "UpdateSSHPublicKey",
            Self::DeleteSSHPublicKey { .. } => "DeleteSSHPublicKey",
            Self::UpdateSigningCertificate { .. } => "UpdateSigningCertificate",
            Self::DeleteSigningCertificate { .. } => "DeleteSigningCertificate",
            Self::UpdateServiceSpecificCredential { .. } => "UpdateServiceSpecificCredential",
            Self::DeleteServiceSpecificCredential { .. } => "DeleteServiceSpecificCredential",
            Self::PutUserPolicy { .. } => "PutUserPolicy",
            Self::DeleteUserPolicy { .. } => "DeleteUserPolicy",
            Self::AttachUserPolicy { .. } => "AttachUserPolicy",
            Self::DetachUserPolicy { .. } => "DetachUserPolicy",
            Self::DeleteUserPermissionsBoundary { .. } => "DeleteUserPermissionsBoundary",
            Self::TagUser { .. } => "TagUser",
            Self::UntagUser { .. } => "UntagUser",
            Self::PutRolePolicy { .. } => "PutRolePolicy",
            Self::AttachRolePolicy { .. } => "AttachRolePolicy",
            Self::CreatePolicy { .. } => "CreatePolicy",
            Self::CreatePolicyVersion { .. } => "CreatePolicyVersion",
            Self::DeletePolicyVersion { .. } => "DeletePolicyVersion",
            Self::AttachGroupPolicy { .. } => "AttachGroupPolicy",
            Self::DetachGroupPolicy { .. } => "DetachGroupPolicy",
            Self::PutGroupPolicy { .. } => "PutGroupPolicy",
            Self::DeleteGroupPolicy { .. } => "DeleteGroupPolicy",
        }
    }

    /// Returns whether it takes something away, so that "not found" means that it is done, and that it should be done
    /// even where it cannot be written down.
    pub fn takes_away(&self) -> bool {
        matches!(
            self,
            Self::RemoveUserFromGroup { .. }
                | Self::DeleteUser { .. }
                | Self::DeleteLoginProfile { .. }
                | Self::DeleteAccessKey { .. }
                | Self::DeactivateMFADevice { .. }
                | Self::DeleteVirtualMFADevice { .. }
                | Self::DeleteSSHPublicKey { .. }
                | Self::DeleteSigningCertificate { .. }
                | Self::DeleteServiceSpecificCredential { .. }
                | Self::DeleteUserPolicy { .. }
                | Self::DetachUserPolicy { .. }
                | Self::DeleteUserPermissionsBoundary { .. }
                | Self::UntagUser { .. }
                | Self::DeletePolicyVersion { .. }
                | Self::DetachGroupPolicy { .. }
                | Self::DeleteGroupPolicy { .. }
        )
    }

    /// Returns the MFA device it is about.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::CreateVirtualMFADevice { device }
            | Self::EnableMFADevice { device, .. }
            | Self::DeactivateMFADevice { device, .. }
            | Self::DeleteVirtualMFADevice { device } => Some(device),
            _ => None,
        }
    }

    /// Returns the group whose membership, policies or existence it changes.
    pub fn group(&self) -> Option<&GroupName> {
        match self {
            Self::CreateGroup { group }
            | Self::DeleteGroup { group }
            | Self::AddUserToGroup { group, .. }
            | Self::RemoveUserFromGroup { group, .. }
            | Self::AttachGroupPolicy { group, .. }
            | Self::DetachGroupPolicy { group, .. }
            | Self::PutGroupPolicy { group, .. }
            | Self::DeleteGroupPolicy { group, .. } => Some(group),
            _ => None,
        }
    }

    /// Returns what it is about besides the user.
    fn detail(&self) -> String {
        let status = |active: &bool| if *active { "Active" } else { "Inactive" };
        let tags = |tags: &[Tag]| {
            tags.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect::<Vec<_>>().join(" ")
        };
        match self {
            Self::CreateGroup { group }
            | Self::DeleteGroup { group }
            | Self::AddUserToGroup { group, .. }
            | Self::RemoveUserFromGroup { group, .. } => group.to_string(),
            Self::CreateUser { path, tags: list, boundary, .. } => {
                let boundary = boundary.as_ref().map(|arn| format!(" boundary {arn}")).unwrap_or_default();
                format!("path {path} tags {}{boundary}", tags(list))
            }
            Self::DeleteUser { .. }
            | Self::CreateLoginProfile { .. }
            | Self::DeleteLoginProfile { .. }
            | Self::CreateAccessKey { .. }
            | Self::DeleteUserPermissionsBoundary { .. } => String::new(),
            Self::UpdateAccessKey { key, active, .. } | Self::UpdateSSHPublicKey { key, active, .. } => {
                format!("{key} {}", status(active))
            }
            Self::UpdateSigningCertificate { certificate, active, .. } => {
                format!("{certificate} {}", status(active))
            }
            Self::UpdateServiceSpecificCredential { credential, active, .. } => {
                format!("{credential} {}", status(active))
            }
            Self::DeleteAccessKey { key, .. } | Self::DeleteSSHPublicKey { key, .. } => key.clone(),
            Self::CreateVirtualMFADevice { device }
            | Self::EnableMFADevice { device, .. }
            | Self::DeactivateMFADevice { device, .. }
            | Self::DeleteVirtualMFADevice { device } => device.clone(),
            Self::DeleteSigningCertificate { certificate, .. } => certificate.clone(),
            Self::DeleteServiceSpecificCredential { credential, .. } => credential.clone(),
            Self::CreatePolicyVersion { policy, .. }
            | Self::PutUserPolicy { policy, .. }
            | Self::DeleteUserPolicy { policy, .. }
            | Self::AttachUserPolicy { policy, .. }
            | Self::DetachUserPolicy { policy, .. } => policy.clone(),
            Self::TagUser { tags: list, .. } => tags(list),
            Self::UntagUser { keys, .. } => keys.join(" "),
            Self::PutRolePolicy { role, policy, .. } | Self::AttachRolePolicy { role, policy } => {
                format!("{policy} on {role}")
            }
            Self::CreatePolicy { policy, path, .. } => format!("{path}{policy}"),
            Self::DeletePolicyVersion { policy, version } => format!("{version} of {policy}"),
            Self::AttachGroupPolicy { group, policy }
            | Self::DetachGroupPolicy { group, policy }
            | Self::PutGroupPolicy { group, policy, .. }
            | Self::DeleteGroupPolicy { group, policy } => format!("{policy} on {group}"),
        }
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = self.detail();
        if detail.is_empty() { f.write_str(self.action()) } else { write!(f, "{} {detail}", self.action()) }
    }
}
