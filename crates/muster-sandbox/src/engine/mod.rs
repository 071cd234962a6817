//! An IAM account in memory: operations in, answers out. No network, no clock of its own.

mod access_keys;
mod account_wide;
mod enforcement;
mod error;
mod evaluation;
mod groups;
mod login;
mod mfa;
mod other_credentials;
mod page;
mod params;
mod policies;
mod reply;
mod report;
mod roles;
mod simulation;
mod state;
mod sts;
mod users;
mod versions;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use error::IamError;
pub use evaluation::{Decision, Judgement, Question, decide, decide_trust, judge};
pub use login::PasswordPolicy;
pub use page::PageShape;
pub use params::Params;
pub use reply::{Field, Reply};
pub use state::{
    AccessKey, Certificate, Edit, Group, InlinePolicy, LastUse, Login, ManagedPolicy, MfaDevice,
    PolicyVersion, Quotas, Report, Role, Root, ServiceCredential, Session, SessionOf, SshKey, State, Tag,
    User, key,
};
pub use sts::Principal;

use page::Page;

/// Milliseconds since 1970.
pub type Millis = i64;

/// Which service an operation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Identity and Access Management.
    Iam,
    /// Security Token Service.
    Sts,
}

impl Service {
    /// Returns its name in ARNs and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
        }
    }

    /// Returns the version of its API, which every request names.
    pub fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
        }
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The account's administrator.
    Administrator,
    /// A user, by key.
    User(state::Key),
    /// Whoever has assumed a role.
    Role {
        /// The role's key.
        role: state::Key,
        /// The name of the session.
        session: String,
    },
}

/// A request, decoded.
#[derive(Debug)]
pub struct Call<'c> {
    /// The operation.
    pub action: &'c str,
    /// `Version` as sent.
    pub version: &'c str,
    /// Its parameters.
    pub params: &'c Params,
    /// Who calls.
    pub caller: Caller,
    /// The session it calls in, if it is one.
    pub session: Option<Arc<Session>>,
    /// When.
    pub now: Millis,
}

/// Facts about an account that no operation here changes.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// What new ids are drawn from.
    pub seed: u64,
    /// How many ids were drawn.
    pub drawn: u64,
}

/// An account: its state now, and the older state that reads still see.
#[derive(Debug)]
pub struct Account {
    /// Who it is.
    pub identity: Identity,
    /// What IAM allows.
    pub quotas: Quotas,
    /// How full pages are.
    pub pages: PageShape,
    /// How long a write stays invisible to reads, in milliseconds.
    pub delay_ms: Millis,
    /// Whether calls are held to the policies of who makes them.
    pub enforces: bool,
    /// What `aws:SourceIp` is of every call.
    pub source_ip: String,
    /// The account's own user.
    pub root: Root,
    /// A credential report that is asked for is never ready.
    pub report_is_stuck: bool,
    /// The latest credential report.
    pub(crate) report: Option<Report>,
    current: State,
    visible: State,
    pending: VecDeque<(Millis, Edit)>,
    /// How often each MFA device was asked about in which stretch of time.
    checks: HashMap<String, (i64, u32)>,
    changed: bool,
}

/// Names of all operations that are implemented, with their service.
pub const OPERATIONS: &[(&str, Service)] = &[
    ("AddUserToGroup", Service::Iam),
    ("AttachGroupPolicy", Service::Iam),
    ("AttachRolePolicy", Service::Iam),
    ("AttachUserPolicy", Service::Iam),
    ("ChangePassword", Service::Iam),
    ("CreateAccessKey", Service::Iam),
    ("CreateAccountAlias", Service::Iam),
    ("CreateGroup", Service::Iam),
    ("CreateLoginProfile", Service::Iam),
    ("CreatePolicy", Service::Iam),
    ("CreatePolicyVersion", Service::Iam),
    ("CreateRole", Service::Iam),
    ("CreateServiceSpecificCredential", Service::Iam),
    ("CreateUser", Service::Iam),
    ("CreateVirtualMFADevice", Service::Iam),
    ("DeactivateMFADevice", Service::Iam),
    ("DeleteAccessKey", Service::Iam),
    ("DeleteAccountPasswordPolicy", Service::Iam),
    ("DeleteGroup", Service::Iam),
    ("DeleteGroupPolicy", Service::Iam),
    ("DeleteLoginProfile", Service::Iam),
    ("DeletePolicy", Service::Iam),
    ("DeletePolicyVersion", Service::Iam),
    ("DeleteRole", Service::Iam),
    ("DeleteRolePolicy", Service::Iam),
    ("DeleteServiceSpecificCredential", Service::Iam),
    ("DeleteSigningCertificate", Service::Iam),
    ("DeleteSSHPublicKey", Service::Iam),
    ("DeleteUser", Service::Iam),
    ("DeleteUserPermissionsBoundary", Service::Iam),
    ("DeleteUserPolicy", Service::Iam),
    ("DeleteVirtualMFADevice", Service::Iam),
    ("DetachGroupPolicy", Service::Iam),
    ("DetachRolePolicy", Service::Iam),
    ("DetachUserPolicy", Service::Iam),
    ("EnableMFADevice", Service::Iam),
    ("GenerateCredentialReport", Service::Iam),
    ("GetAccessKeyLastUsed", Service::Iam),
    ("GetAccountAuthorizationDetails", Service::Iam),
    ("GetAccountPasswordPolicy", Service::Iam),
    ("GetAccountSummary", Service::Iam),
    ("GetCredentialReport", Service::Iam),
    ("GetGroup", Service::Iam),
    ("GetGroupPolicy", Service::Iam),
    ("GetLoginProfile", Service::Iam),
    ("GetPolicy", Service::Iam),
    ("GetPolicyVersion", Service::Iam),
    ("GetRole", Service::Iam),
    ("GetRolePolicy", Service::Iam),
    ("GetUser", Service::Iam),
    ("GetUserPolicy", Service::Iam),
    ("ListAccessKeys", Service::Iam),
    ("ListAccountAliases", Service::Iam),
    ("ListAttachedGroupPolicies", Service::Iam),
    ("ListAttachedRolePolicies", Service::Iam),
    ("ListAttachedUserPolicies", Service::Iam),
    ("ListEntitiesForPolicy", Service::Iam),
    ("ListGroupPolicies", Service::Iam),
    ("ListGroups", Service::Iam),
    ("ListGroupsForUser", Service::Iam),
    ("ListMFADevices", Service::Iam),
    ("ListMFADeviceTags", Service::Iam),
    ("ListPolicies", Service::Iam),
    ("ListPolicyVersions", Service::Iam),
    ("ListRolePolicies", Service::Iam),
    ("ListRoles", Service::Iam),
    ("ListServiceSpecificCredentials", Service::Iam),
    ("ListSigningCertificates", Service::Iam),
    ("ListSSHPublicKeys", Service::Iam),
    ("ListUserPolicies", Service::Iam),
    ("ListUsers", Service::Iam),
    ("ListUserTags", Service::Iam),
    ("ListVirtualMFADevices", Service::Iam),
    ("PutGroupPolicy", Service::Iam),
    ("PutRolePolicy", Service::Iam),
    ("PutUserPermissionsBoundary", Service::Iam),
    ("PutUserPolicy", Service::Iam),
    ("RemoveUserFromGroup", Service::Iam),
    ("ResetServiceSpecificCredential", Service::Iam),
    ("ResyncMFADevice", Service::Iam),
    ("SetDefaultPolicyVersion", Service::Iam),
    ("SimulateCustomPolicy", Service::Iam),
    ("SimulatePrincipalPolicy", Service::Iam),
    ("TagMFADevice", Service::Iam),
    ("TagUser", Service::Iam),
    ("UntagUser", Service::Iam),
    ("UpdateAccessKey", Service::Iam),
    ("UpdateAccountPasswordPolicy", Service::Iam),
    ("UpdateLoginProfile", Service::Iam),
    ("UpdateServiceSpecificCredential", Service::Iam),
    ("UpdateSigningCertificate", Service::Iam),
    ("UpdateSSHPublicKey", Service::Iam),
    ("UploadSigningCertificate", Service::Iam),
    ("UploadSSHPublicKey", Service::Iam),
    ("AssumeRole", Service::Sts),
    ("GetCallerIdentity", Service::Sts),
    ("GetSessionToken", Service::Sts),
];

impl Account {
    /// Takes an account over as it is.
    pub fn new(identity: Identity, quotas: Quotas, mut state: State) -> Self {
        for policy in policies::of_aws(&identity.partition) {
            state.policies.entry(policy.arn.clone()).or_insert_with(|| Arc::new(policy));
        }
        Self {
            identity,
            quotas,
            pages: PageShape::Full,
            delay_ms: 0,
            enforces: false,
            source_ip: "127.0.0.1".to_owned(),
            root: Root::default(),
            report_is_stuck: false,
            report: None,
            visible: state.clone(),
            current: state,
            pending: VecDeque::new(),
            checks: HashMap::new(),
            changed: false,
        }
    }

    /// Returns the state with all writes in it, whatever reads see.
    pub fn state(&self) -> &State {
        &self.current
    }

    /// Returns whether anything was written since [`Account::forget_changes`].
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// Says that everything written so far is kept elsewhere.
    pub fn forget_changes(&mut self) {
        self.changed = false;
    }

    /// Returns the ARN of a caller.
    pub fn arn_of(&self, caller: &Caller) -> String {
        match caller {
            Caller::Administrator => self.arn("root"),
            Caller::User(key) => {
                let user = self.current.users.get(key);
                user.map_or_else(|| self.arn(&format!("user/{key}")), |user| self.user_arn(user))
            }
            Caller::Role { role, session } => {
                let name = self.current.roles.get(role).map_or(role.as_str(), |role| role.name.as_str());
                let Identity { partition, account, .. } = &self.identity;
                format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}")
            }
        }
    }

    /// Carries one operation out.
    ///
    /// # Errors
    ///
    /// With the error that IAM would answer; nothing has changed then.
    #[expect(clippy::too_many_lines, reason = "a line for each operation")]
    pub fn call(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        self.catch_up(call.now);
        let service = OPERATIONS.iter().find(|(name, _)| *name == call.action).map(|(_, service)| *service);
        if service.is_none_or(|service| service.version() != call.version) {
            return Err(IamError::unknown_action(call.action, call.version));
        }
        let service = service.unwrap_or(Service::Iam);
        Self::check_session(call, service)?;
        self.check_policies(call, service)?;
        match call.action {
            "AddUserToGroup" => self.add_user_to_group(call),
            "AttachGroupPolicy" => self.attach_group_policy(call),
            "AttachRolePolicy" => self.attach_role_policy(call),
            "AttachUserPolicy" => self.attach_user_policy(call),
            "ChangePassword" => self.change_password(call),
            "CreateAccessKey" => self.create_access_key(call),
            "CreateAccountAlias" => self.create_account_alias(call),
            "CreateGroup" => self.create_group(call),
            "CreateLoginProfile" => self.create_login_profile(call),
            "CreatePolicy" => self.create_policy(call),
            "CreatePolicyVersion" => self.create_policy_version(call),
            "CreateRole" => self.create_role(call),
            "CreateServiceSpecificCredential" => self.create_service_specific_credential(call),
            "CreateUser" => self.create_user(call),
            "CreateVirtualMFADevice" => self.create_virtual_mfa_device(call),
            "DeactivateMFADevice" => self.deactivate_mfa_device(call),
            "DeleteAccessKey" => self.delete_access_key(call),
            "DeleteAccountPasswordPolicy" => self.delete_account_password_policy(call),
            "DeleteGroup" => self.delete_group(call),
            "DeleteGroupPolicy" => self.delete_group_policy(call),
            "DeleteLoginProfile" => self.delete_login_profile(call),
            "DeletePolicy" => self.delete_policy(call),
            "DeletePolicyVersion" => self.delete_policy_version(call),
            "DeleteRole" => self.delete_role(call),
            "DeleteRolePolicy" => self.delete_role_policy(call),
            "DeleteServiceSpecificCredential" => self.delete_service_specific_credential(call),
            "DeleteSigningCertificate" => self.delete_signing_certificate(call),
            "DeleteSSHPublicKey" => self.delete_ssh_public_key(call),
            "DeleteUser" => self.delete_user(call),
            "DeleteUserPermissionsBoundary" => self.delete_user_permissions_boundary(call),
            "DeleteUserPolicy" => self.delete_user_policy(call),
            "DeleteVirtualMFADevice" => self.delete_virtual_mfa_device(call),
            "DetachGroupPolicy" => self.detach_group_policy(call),
            "DetachRolePolicy" => self.detach_role_policy(call),
            "DetachUserPolicy" => self.detach_user_policy(call),
            "EnableMFADevice" => self.enable_mfa_device(call),
            "GenerateCredentialReport" => Ok(self.generate_credential_report(call)),
            "GetAccessKeyLastUsed" => self.get_access_key_last_used(call),
            "GetAccountAuthorizationDetails" => self.get_account_authorization_details(call),
            "GetAccountPasswordPolicy" => self.get_account_password_policy(),
            "GetAccountSummary" => Ok(self.get_account_summary()),
            "GetCredentialReport" => self.get_credential_report(call),
            "GetGroup" => self.get_group(call),
            "GetGroupPolicy" => self.get_group_policy(call),
            "GetLoginProfile" => self.get_login_profile(call),
            "GetPolicy" => self.get_policy(call),
            "GetPolicyVersion" => self.get_policy_version(call),
            "GetRole" => self.get_role(call),
            "GetRolePolicy" => self.get_role_policy(call),
            "GetUser" => self.get_user(call),
            "GetUserPolicy" => self.get_user_policy(call),
            "ListAccessKeys" => self.list_access_keys(call),
            "ListAccountAliases" => self.list_account_aliases(call),
            "ListAttachedGroupPolicies" => self.list_attached_group_policies(call),
            "ListAttachedRolePolicies" => self.list_attached_role_policies(call),
            "ListAttachedUserPolicies" => self.list_attached_user_policies(call),
            "ListEntitiesForPolicy" => self.list_entities_for_policy(call),
            "ListGroupPolicies" => self.list_group_policies(call),
            "ListGroups" => self.list_groups(call),
            "ListGroupsForUser" => self.list_groups_for_user(call),
            "ListMFADevices" => self.list_mfa_devices(call),
            "ListMFADeviceTags" => self.list_mfa_device_tags(call),
            "ListPolicies" => self.list_policies(call),
            "ListPolicyVersions" => self.list_policy_versions(call),
            "ListRolePolicies" => self.list_role_policies(call),
            "ListRoles" => self.list_roles(call),
            "ListServiceSpecificCredentials" => self.list_service_specific_credentials(call),
            "ListSigningCertificates" => self.list_signing_certificates(call),
            "ListSSHPublicKeys" => self.list_ssh_public_keys(call),
            "ListUserPolicies" => self.list_user_policies(call),
            "ListUsers" => self.list_users(call),
            "ListUserTags" => self.list_user_tags(call),
            "ListVirtualMFADevices" => self.list_virtual_mfa_devices(call),
            "PutGroupPolicy" => self.put_group_policy(call),
            "PutRolePolicy" => self.put_role_policy(call),
            "PutUserPermissionsBoundary" => self.put_user_permissions_boundary(call),
            "PutUserPolicy" => self.put_user_policy(call),
            "RemoveUserFromGroup" => self.remove_user_from_group(call),
            "ResetServiceSpecificCredential" => self.reset_service_specific_credential(call),
            "ResyncMFADevice" => self.resync_mfa_device(call),
            "SetDefaultPolicyVersion" => self.set_default_policy_version(call),
            "SimulateCustomPolicy" => self.simulate_custom_policy(call),
            "SimulatePrincipalPolicy" => self.simulate_principal_policy(call),
            "TagMFADevice" => self.tag_mfa_device(call),
            "TagUser" => self.tag_user(call),
            "UntagUser" => self.untag_user(call),
            "UpdateAccessKey" => self.update_access_key(call),
            "UpdateAccountPasswordPolicy" => self.update_account_password_policy(call),
            "UpdateLoginProfile" => self.update_login_profile(call),
            "UpdateServiceSpecificCredential" => self.update_service_specific_credential(call),
            "UpdateSigningCertificate" => self.update_signing_certificate(call),
            "UpdateSSHPublicKey" => self.update_ssh_public_key(call),
            "UploadSigningCertificate" => self.upload_signing_certificate(call),
            "UploadSSHPublicKey" => self.upload_ssh_public_key(call),
            "AssumeRole" => self.assume_role(call),
            "GetCallerIdentity" => Ok(self.get_caller_identity(call)),
            "GetSessionToken" => self.get_session_token(call),
            action => Err(IamError::unknown_action(action, call.version)),
        }
    }

    /// Makes visible what has been waiting long enough.
    pub(crate) fn catch_up(&mut self, now: Millis) {
        while self.pending.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, edit)) = self.pending.pop_front() {
                self.visible.apply(&edit);
            }
        }
    }

    fn write(&mut self, now: Millis, edit: Edit) {
        self.changed = true;
        self.current.apply(&edit);
        if self.delay_ms == 0 && self.pending.is_empty() {
            self.visible.apply(&edit);
        } else {
            self.pending.push_back((now.saturating_add(self.delay_ms), edit));
        }
    }

    fn write_user(&mut self, now: Millis, user: User) {
        self.write(now, Edit::User(key(&user.name), Some(Arc::new(user))));
    }

    fn write_group(&mut self, now: Millis, group: Group) {
        self.write(now, Edit::Group(key(&group.name), Some(Arc::new(group))));
    }

    /// Returns a user that a write is about: it must exist, and be visible already.
    fn user_to_write(&self, name: &str) -> Result<User, IamError> {
        let user = self.current.users.get(&key(name)).filter(|_| self.visible.users.contains_key(&key(name)));
        user.map(|user| User::clone(user)).ok_or_else(|| IamError::no_such("user", name))
    }

    /// Returns a group that a write is about: it must exist, and be visible already.
    fn group_to_write(&self, name: &str) -> Result<Group, IamError> {
        let group =
            self.current.groups.get(&key(name)).filter(|_| self.visible.groups.contains_key(&key(name)));
        group.map(|group| Group::clone(group)).ok_or_else(|| IamError::no_such("group", name))
    }

    /// Returns a user as reads see it.
    fn user_to_read(&self, name: &str) -> Result<&User, IamError> {
        let user = self.visible.users.get(&key(name));
        user.map(AsRef::as_ref).ok_or_else(|| IamError::no_such("user", name))
    }

    /// Returns a group as reads see it.
    fn group_to_read(&self, name: &str) -> Result<&Group, IamError> {
        let group = self.visible.groups.get(&key(name));
        group.map(AsRef::as_ref).ok_or_else(|| IamError::no_such("group", name))
    }

    /// Returns the user that a call means: the one it names, else the caller.
    fn user_meant<'c>(call: &'c Call<'_>) -> Result<&'c str, IamError> {
        if let Some(name) = call.params.text("UserName", params::name_128)? {
            return Ok(name);
        }
        match &call.caller {
            Caller::User(key) => Ok(key),
            Caller::Administrator | Caller::Role { .. } => {
                Err(IamError::validation("Must specify userName when calling with non-User credentials"))
            }
        }
    }

    fn page(&self, call: &Call<'_>, filter: &str) -> Result<Page, IamError> {
        Page::new(call.params, &format!("{} {filter}", call.action), self.pages)
    }

    fn arn(&self, rest: &str) -> String {
        format!("arn:{}:iam::{}:{rest}", self.identity.partition, self.identity.account)
    }

    fn user_arn(&self, user: &User) -> String {
        self.arn(&format!("user{}{}", user.path, user.name))
    }

    fn group_arn(&self, group: &Group) -> String {
        self.arn(&format!("group{}{}", group.path, group.name))
    }

    /// Draws a number that no earlier draw gave a hint of.
    fn draw_number(&mut self) -> u64 {
        self.identity.drawn += 1;
        // Mixed twice, so that neighbouring draws share no stretch of the generator's sequence.
        Draw::new(Draw::new(self.identity.drawn).number() ^ self.identity.seed).number()
    }

    /// Draws a secret in the alphabet of AWS's secret access keys.
    fn new_secret(&mut self, chars: usize) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut draw = Draw::new(self.draw_number());
        (0..chars).map(|_| char::from(ALPHABET[draw.below(64)])).collect()
    }

    /// Draws a new id, in the alphabet that AWS uses after the prefix.
    fn new_id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut draw = Draw::new(self.draw_number());
        let rest: String = (0..21 - prefix.len()).map(|_| char::from(ALPHABET[draw.below(32)])).collect();
        format!("{prefix}{rest}")
    }
}

/// A small generator of numbers that are spread well and can be had again from their seed (SplitMix64).
/// It decides about ids and faults, never about anything secret outside an embedded account.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % bound as u64).unwrap_or_default()
    }

    /// Returns a number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
        let numerator = (self.number() >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }
}

/// Writes bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Returns a time as AWS writes it: whole seconds with a `Z`.
fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_default()
}

fn seconds(now: Millis) -> i64 {
    now.div_euclid(1000)
}
