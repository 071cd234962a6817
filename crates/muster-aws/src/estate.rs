//! Reads all that hangs on a user, and what the account says of itself.

use aws_sdk_iam::types::{AssignmentStatusType, SummaryKeyType};
use aws_smithy_types::DateTime;
use muster_core::audit::{CredentialRow, KeyRow};
use muster_core::departure::RUN_TAG;
use muster_core::estate::{CredentialFacts, Estate, KeyFacts};
use muster_core::name::UserName;
use muster_core::password::PasswordRules;
use muster_core::roster::InlinePolicy;

use crate::connect::Account;
use crate::error::{CallError, Kind};
use crate::gateway::{Gateway, Repeat};
use crate::read::{PAGE_ITEMS, decoded, groups_of, pages, tags, tail};

/// Reads everything that belongs to a user, all lists at once; `None` if there is no such user.
pub async fn estate(account: &Account, user: &UserName) -> Result<Option<Estate>, CallError> {
    let gateway = &account.gateway;
    let got = gateway
        .call("iam", "GetUser", Repeat::Safe, || gateway.iam.get_user().user_name(user.as_str()).send())
        .await;
    let found = match got {
        Err(error) if error.kind == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(output) => output,
    };
    let Some(found) = found.user() else { return Ok(None) };
    let name = UserName::new(found.user_name());
    let reader = Reader { gateway, user: &name };
    // Boxed: ten futures side by side are larger than a stack should hold.
    let read = tokio::try_join!(
        Box::pin(seen(reader.has_login_profile())),
        Box::pin(seen(reader.access_keys())),
        Box::pin(seen(reader.ssh_keys())),
        Box::pin(seen(reader.certificates())),
        Box::pin(seen(reader.service_credentials())),
        Box::pin(seen(reader.mfa_devices())),
        Box::pin(seen(reader.stray_devices(account))),
        Box::pin(seen(groups_of(gateway, &name))),
        Box::pin(seen(reader.inline())),
        Box::pin(seen(reader.attached())),
    );
    let (login, keys, ssh, certificates, services, mfa, stray, groups, inline, attached) = match read {
        // Gone while it was looked at.
        Err(error) if error.kind == Kind::NotFound => return Ok(None),
        other => other?,
    };
    let mut unseen = Vec::new();
    let login_profile = or_unseen(login, "a password", &mut unseen);
    let access_keys = or_unseen(keys, "access keys", &mut unseen);
    let ssh_keys = or_unseen(ssh, "SSH keys", &mut unseen);
    let certificates = or_unseen(certificates, "signing certificates", &mut unseen);
    let service_credentials = or_unseen(services, "service-specific credentials", &mut unseen);
    let mfa_devices = or_unseen(mfa, "MFA devices", &mut unseen);
    let stray_devices = or_unseen(stray, "unassigned MFA devices", &mut unseen);
    let groups = or_unseen(groups, "groups", &mut unseen);
    let inline = or_unseen(inline, "inline policies", &mut unseen);
    let attached = or_unseen(attached, "attached policies", &mut unseen);
    let boundary = found.permissions_boundary().and_then(|b| b.permissions_boundary_arn());
    Ok(Some(Estate {
        user_id: found.user_id().to_owned(),
        arn: found.arn().to_owned(),
        path: found.path().to_owned(),
        created: found.create_date().secs(),
        password_last_used: found.password_last_used().map(DateTime::secs),
        tags: tags(found.tags()),
        boundary: boundary.map(str::to_owned),
        login_profile,
        access_keys,
        ssh_keys,
        certificates,
        service_credentials,
        mfa_devices,
        stray_devices,
        groups,
        inline,
        attached,
        unseen,
        user: name,
    }))
}

/// Returns whether there is a user of this name.
pub async fn user_exists(gateway: &Gateway, user: &UserName) -> Result<bool, CallError> {
    let got = gateway
        .call("iam", "GetUser", Repeat::Safe, || gateway.iam.get_user().user_name(user.as_str()).send())
        .await;
    match got {
        Err(error) if error.kind == Kind::NotFound => Ok(false),
        other => other.map(|_| true),
    }
}

/// A list that the caller may not read is `None`: that is something else than an empty one.
async fn seen<T>(read: impl Future<Output = Result<T, CallError>>) -> Result<Option<T>, CallError> {
    match read.await {
        Err(error) if error.kind == Kind::Denied => Ok(None),
        other => other.map(Some),
    }
}

fn or_unseen<T: Default>(read: Option<T>, what: &str, unseen: &mut Vec<String>) -> T {
    read.unwrap_or_else(|| {
        unseen.push(what.to_owned());
        T::default()
    })
}

struct Reader<'r> {
    gateway: &'r Gateway,
    user: &'r UserName,
}

/// Goes through a listing about one user to its end.
macro_rules! list {
    ($reader:expr, $action:literal, $request:ident, $page:ident => $take:expr) => {{
        let reader = $reader;
        let fetch = async |marker: Option<String>| {
            let call = || {
                let call = reader.gateway.iam.$request().user_name(reader.user.as_str());
                call.max_items(PAGE_ITEMS).set_marker(marker.clone()).send()
            };
            reader.gateway.call("iam", $action, Repeat::Safe, call).await
        };
        let mut all = Vec::new();
        pages(
            $action,
            fetch,
            |page| tail(page.is_truncated(), page.marker()),
            |$page| {
                all.extend($take);
                Ok(())
            },
        )
        .await?;
        all
    }};
}

impl Reader<'_> {
    async fn has_login_profile(&self) -> Result<bool, CallError> {
        let got = self
            .gateway
            .call("iam", "GetLoginProfile", Repeat::Safe, || {
                self.gateway.iam.get_login_profile().user_name(self.user.as_str()).send()
            })
            .await;
        match got {
            Err(error) if error.kind == Kind::NotFound => Ok(false),
            other => other.map(|_| true),
        }
    }

    async fn access_keys(&self) -> Result<Vec<KeyFacts>, CallError> {
        let mut keys: Vec<KeyFacts> = list!(self, "ListAccessKeys", list_access_keys, page => {
            page.access_key_metadata().iter().map(|key| KeyFacts {
                id: key.access_key_id().unwrap_or_default().to_owned(),
                active: key.status().is_some_and(|status| status.as_str() == "Active"),
                created: key.create_date().map(DateTime::secs).unwrap_or_default(),
                last_used: None,
                last_service: None,
                use_known: false,
            }).collect::<Vec<_>>()
        });
        for key in &mut keys {
            let asked = self
                .gateway
                .call("iam", "GetAccessKeyLastUsed", Repeat::Safe, || {
                    self.gateway.iam.get_access_key_last_used().access_key_id(&key.id).send()
                })
                .await;
            // A hint for a person; that it may not be read, or lags, changes nothing else.
            key.use_known = asked.is_ok();
            if let Some(used) = asked.ok().and_then(|answer| answer.access_key_last_used().cloned()) {
                key.last_used = used.last_used_date().map(DateTime::secs);
                key.last_service = key.last_used.map(|_| used.service_name().to_owned());
            }
        }
        Ok(keys)
    }

    async fn ssh_keys(&self) -> Result<Vec<CredentialFacts>, CallError> {
        Ok(list!(self, "ListSSHPublicKeys", list_ssh_public_keys, page => {
            page.ssh_public_keys().iter().map(|key| CredentialFacts {
                id: key.ssh_public_key_id().to_owned(),
                service: None,
                active: key.status().as_str() == "Active",
            }).collect::<Vec<_>>()
        }))
    }

    async fn certificates(&self) -> Result<Vec<CredentialFacts>, CallError> {
        Ok(list!(self, "ListSigningCertificates", list_signing_certificates, page => {
            page.certificates().iter().map(|certificate| CredentialFacts {
                id: certificate.certificate_id().to_owned(),
                service: None,
                active: certificate.status().as_str() == "Active",
            }).collect::<Vec<_>>()
        }))
    }

    /// Of all services: without a name of one, none is forgotten.
    async fn service_credentials(&self) -> Result<Vec<CredentialFacts>, CallError> {
        Ok(list!(self, "ListServiceSpecificCredentials", list_service_specific_credentials, page => {
            page.service_specific_credentials().iter().map(|credential| CredentialFacts {
                id: credential.service_specific_credential_id().to_owned(),
                service: Some(credential.service_name().to_owned()),
                active: credential.status().as_str() == "Active",
            }).collect::<Vec<_>>()
        }))
    }

    async fn mfa_devices(&self) -> Result<Vec<String>, CallError> {
        Ok(list!(self, "ListMFADevices", list_mfa_devices, page => {
            page.mfa_devices().iter().map(|device| device.serial_number().to_owned()).collect::<Vec<_>>()
        }))
    }

    /// Devices that are called as the user is, and are nobody's: what an enrolment that was given up leaves.
    async fn stray_devices(&self, account: &Account) -> Result<Vec<String>, CallError> {
        let stray = stray_devices(account).await?;
        let serial = device_serial(account, self.user);
        Ok(stray.into_iter().filter(|other| *other == serial).collect())
    }

    async fn inline(&self) -> Result<Vec<InlinePolicy>, CallError> {
        let names: Vec<String> =
            list!(self, "ListUserPolicies", list_user_policies, page => page.policy_names().to_vec());
        let mut policies = Vec::new();
        for name in names {
            let got = self
                .gateway
                .call("iam", "GetUserPolicy", Repeat::Safe, || {
                    self.gateway.iam.get_user_policy().user_name(self.user.as_str()).policy_name(&name).send()
                })
                .await;
            match got {
                Ok(policy) => {
                    policies.push(InlinePolicy { document: decoded(policy.policy_document()), name });
                }
                // Gone since it was listed.
                Err(error) if error.kind == Kind::NotFound => {}
                // Its text is for the record; to take it away its name is enough.
                Err(error) if error.kind == Kind::Denied => {
                    policies.push(InlinePolicy { document: String::new(), name });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(policies)
    }

    async fn attached(&self) -> Result<Vec<String>, CallError> {
        Ok(list!(self, "ListAttachedUserPolicies", list_attached_user_policies, page => {
            page.attached_policies().iter().filter_map(|policy| policy.policy_arn().map(str::to_owned)).collect::<Vec<_>>()
        }))
    }
}

/// Returns the serial number of the virtual MFA device that is called as a user is.
pub fn device_serial(account: &Account, user: &UserName) -> String {
    format!("arn:{}:iam::{}:mfa/{user}", account.partition, account.id)
}

/// Returns a user's access keys, with when they were last used as far as that may be asked.
pub async fn access_keys(gateway: &Gateway, user: &UserName) -> Result<Vec<KeyFacts>, CallError> {
    Reader { gateway, user }.access_keys().await
}

/// Reads a user's credentials from the account itself, for one whom the credential report does not know.
pub async fn credential_row(
    gateway: &Gateway,
    user: &UserName,
    now_s: i64,
) -> Result<CredentialRow, CallError> {
    let reader = Reader { gateway, user };
    let (password, keys, devices) =
        tokio::try_join!(reader.has_login_profile(), reader.access_keys(), reader.mfa_devices())?;
    // A key whose last use may not be read is not one that was never used.
    if keys.iter().any(|key| !key.use_known) {
        let why = "the last use of an access key could not be read";
        return Err(CallError::nonsense("GetAccessKeyLastUsed", why));
    }
    let key =
        |key: &KeyFacts| KeyRow { active: key.active, made_s: Some(key.created), used_s: key.last_used };
    Ok(CredentialRow {
        password,
        mfa: !devices.is_empty(),
        keys: keys.iter().map(key).collect(),
        read_s: Some(now_s),
        ..CredentialRow::default()
    })
}

/// Returns the serial numbers of the MFA devices that a user has.
pub async fn mfa_devices(gateway: &Gateway, user: &UserName) -> Result<Vec<String>, CallError> {
    Reader { gateway, user }.mfa_devices().await
}

/// Asks IAM for the name of the user that calls.
pub async fn own_name(gateway: &Gateway) -> Result<Option<UserName>, CallError> {
    let got = gateway.call("iam", "GetUser", Repeat::Safe, || gateway.iam.get_user().send()).await?;
    Ok(got.user().map(|user| UserName::new(user.user_name())))
}

/// Returns the virtual MFA devices that are nobody's. One cannot be asked for by name, so all are listed.
pub async fn stray_devices(account: &Account) -> Result<Vec<String>, CallError> {
    let (gateway, action) = (&account.gateway, "ListVirtualMFADevices");
    let fetch = async |marker: Option<String>| {
        let call = || {
            let call = gateway.iam.list_virtual_mfa_devices();
            let call = call.assignment_status(AssignmentStatusType::Unassigned).max_items(PAGE_ITEMS);
            call.set_marker(marker.clone()).send()
        };
        gateway.call("iam", action, Repeat::Safe, call).await
    };
    let mut all = Vec::new();
    pages(
        action,
        fetch,
        |page| tail(page.is_truncated(), page.marker()),
        |page| {
            let devices = page.virtual_mfa_devices().iter();
            all.extend(devices.map(|device| device.serial_number().to_owned()));
            Ok(())
        },
    )
    .await?;
    Ok(all)
}

/// Returns the id of the run that made a virtual MFA device, as its tag says it.
pub async fn device_run(account: &Account, serial: &str) -> Result<Option<String>, CallError> {
    let (gateway, action) = (&account.gateway, "ListMFADeviceTags");
    let fetch = async |marker: Option<String>| {
        let call = || {
            let call = gateway.iam.list_mfa_device_tags().serial_number(serial);
            call.max_items(PAGE_ITEMS).set_marker(marker.clone()).send()
        };
        gateway.call("iam", action, Repeat::Safe, call).await
    };
    let mut run = None;
    let read = pages(
        action,
        fetch,
        |page| tail(page.is_truncated(), page.marker()),
        |page| {
            let tag = page.tags().iter().find(|tag| tag.key() == RUN_TAG);
            run = run.take().or(tag.map(|tag| tag.value().to_owned()));
            Ok(())
        },
    );
    match read.await {
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        other => other.map(|()| run),
    }
}

/// Returns the user that an access key belongs to.
pub async fn owner_of_key(gateway: &Gateway, access_key_id: &str) -> Result<Option<UserName>, CallError> {
    let asked = gateway
        .call("iam", "GetAccessKeyLastUsed", Repeat::Safe, || {
            gateway.iam.get_access_key_last_used().access_key_id(access_key_id).send()
        })
        .await;
    match asked {
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        other => Ok(other?.user_name().map(UserName::new)),
    }
}

/// What the account says of itself that creating users has to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountFacts {
    /// Users there are, and how many there may be; `None` where it may not be asked.
    pub users: Option<(i32, i32)>,
    /// Groups that a user may be in.
    pub groups_per_user: Option<i32>,
    /// What its password policy asks.
    pub password: PasswordRules,
}

/// Asks the account for its quotas and its password policy.
pub async fn account_facts(gateway: &Gateway) -> Result<AccountFacts, CallError> {
    let summary = async {
        let asked = gateway
            .call("iam", "GetAccountSummary", Repeat::Safe, || gateway.iam.get_account_summary().send())
            .await;
        match asked {
            Err(error) if error.kind == Kind::Denied => Ok(None),
            other => Ok(other?.summary_map().cloned()),
        }
    };
    let (summary, password) = tokio::try_join!(summary, password_rules(gateway))?;
    let value = |key: SummaryKeyType| summary.as_ref().and_then(|map| map.get(&key)).copied();
    Ok(AccountFacts {
        users: value(SummaryKeyType::Users).zip(value(SummaryKeyType::UsersQuota)),
        groups_per_user: value(SummaryKeyType::GroupsPerUserQuota),
        password,
    })
}

/// Returns what the account asks of passwords.
pub async fn password_rules(gateway: &Gateway) -> Result<PasswordRules, CallError> {
    let asked = gateway
        .call("iam", "GetAccountPasswordPolicy", Repeat::Safe, || {
            gateway.iam.get_account_password_policy().send()
        })
        .await;
    match asked {
        Err(error) if error.kind == Kind::NotFound => Ok(PasswordRules::default()),
        other => {
            let output = other?;
            let policy = output.password_policy();
            let length = policy
                .and_then(aws_sdk_iam::types::PasswordPolicy::minimum_password_length)
                .and_then(|n| u32::try_from(n).ok());
            Ok(PasswordRules {
                length_min: length.unwrap_or(PasswordRules::default().length_min),
                users_may_change: policy
                    .is_some_and(aws_sdk_iam::types::PasswordPolicy::allow_users_to_change_password),
                is_own: true,
            })
        }
    }
}

/// A role, and who may assume it.
#[derive(Debug, Clone)]
pub struct RoleFacts {
    /// Its name.
    pub name: String,
    /// Its trust policy, as JSON text.
    pub trust: String,
}

/// Lists the account's roles.
pub async fn roles(gateway: &Gateway) -> Result<Vec<RoleFacts>, CallError> {
    let action = "ListRoles";
    let fetch = async |marker: Option<String>| {
        let call = || gateway.iam.list_roles().max_items(PAGE_ITEMS).set_marker(marker.clone()).send();
        gateway.call("iam", action, Repeat::Safe, call).await
    };
    let mut all = Vec::new();
    pages(
        action,
        fetch,
        |page| tail(page.is_truncated(), page.marker()),
        |page| {
            all.extend(page.roles().iter().map(|role| RoleFacts {
                name: role.role_name().to_owned(),
                trust: role.assume_role_policy_document().map(decoded).unwrap_or_default(),
            }));
            Ok(())
        },
    )
    .await?;
    Ok(all)
}
