//! The steps that make a user and its credentials. Each knows what became of it even when its answer was lost.

use std::time::Duration;

use aws_sdk_iam::types::AccessKeyMetadata;
use muster_core::departure::RUN_TAG;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_core::roster::Tag;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use tokio::time::Instant;

use crate::apply::PROPAGATION;
use crate::connect::Account;
use crate::error::{CallError, Effect, Kind};
use crate::estate::device_serial;
use crate::gateway::Repeat;
use crate::journal::{Journal, StepError};
use crate::send::{Sender, iam_tags, patiently};

/// How long something that a lost call may have made is waited for before it is believed not to be there.
const SETTLE: Duration = Duration::from_secs(30);

/// How far a time that AWS tells may be from what its clock said a moment before, in seconds.
const CLOCK_SLACK_S: i64 = 120;

/// The wait between two looks for it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Makes one user.
pub struct Creation<'a> {
    /// The account.
    pub account: &'a Account,
    /// Where each call is written down.
    pub journal: &'a Journal,
    /// The user.
    pub user: UserName,
    /// The run's id, with which the user is tagged.
    pub run: String,
}

/// A virtual MFA device that is nobody's yet.
pub struct NewDevice {
    /// Its serial number.
    pub serial: String,
    /// Its seed, as base32 text.
    pub seed: SecretString,
    /// AWS's own QR code of it.
    pub qr_png: SecretBox<Vec<u8>>,
}

/// An access key that nobody has yet.
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// Why a device was not enabled.
#[derive(Debug, thiserror::Error)]
pub enum EnableError {
    /// The codes are not those of the device, or not two in a row.
    #[error("AWS does not accept these two codes")]
    WrongCodes,
    /// Anything else.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl Creation<'_> {
    fn sender(&self) -> Sender<'_> {
        Sender { gateway: &self.account.gateway, journal: self.journal }
    }

    /// Creates the user; returns its id.
    pub async fn user(&self, path: &str, tags: &[Tag], boundary: Option<&str>) -> Result<String, StepError> {
        let mut all = tags.to_vec();
        all.push(Tag { key: RUN_TAG.to_owned(), value: self.run.clone() });
        let mutation = Mutation::CreateUser {
            user: self.user.clone(),
            path: path.to_owned(),
            tags: all.clone(),
            boundary: boundary.map(str::to_owned),
        };
        let gateway = &self.account.gateway;
        let send = async || {
            let (first, mut maybe_ours) = (Instant::now(), false);
            loop {
                let created = gateway
                    .call("iam", "CreateUser", Repeat::LookFirst, || {
                        let call = gateway.iam.create_user().user_name(self.user.as_str()).path(path);
                        call.set_tags(Some(iam_tags(&all)))
                            .set_permissions_boundary(boundary.map(str::to_owned))
                            .send()
                    })
                    .await;
                match created {
                    Ok(output) => {
                        return output.user.map(|user| user.user_id).ok_or_else(|| made_what("CreateUser"));
                    }
                    // By our own earlier try, if the tag says so.
                    Err(error) if error.kind == Kind::AlreadyExists && maybe_ours => {
                        let found = patiently(gateway, async || self.look().await)
                            .await
                            .map_err(CallError::unsure)?;
                        let (id, tags) = found;
                        let ours = tags.iter().any(|tag| tag.key == RUN_TAG && tag.value == self.run);
                        return if ours { Ok(id) } else { Err(error) };
                    }
                    Err(error) if self.lost(&error, first) => {
                        maybe_ours = true;
                        gateway.wait(LOOK_AGAIN).await;
                    }
                    Err(error) => return Err(if maybe_ours { error.unsure() } else { error }),
                }
            }
        };
        let id = self.journal.recorded(&mutation, send).await?;
        self.journal.learned(&self.user, &id)?;
        Ok(id)
    }

    async fn look(&self) -> Result<(String, Vec<Tag>), CallError> {
        let gateway = &self.account.gateway;
        let got = gateway
            .call("iam", "GetUser", Repeat::Safe, || {
                gateway.iam.get_user().user_name(self.user.as_str()).send()
            })
            .await?;
        let user = got.user();
        let tags = user.map(|user| crate::read::tags(user.tags())).unwrap_or_default();
        Ok((user.map(|user| user.user_id().to_owned()).unwrap_or_default(), tags))
    }

    /// Returns whether a call left without an answer, and is worth another try after a look.
    fn lost(&self, error: &CallError, first: Instant) -> bool {
        error.effect == Effect::Unknown
            && error.kind == Kind::Transient
            && first.elapsed() < PROPAGATION
            && !self.account.gateway.is_stopped()
    }

    /// Puts the user in a group.
    pub async fn join(&self, group: &muster_core::name::GroupName) -> Result<(), StepError> {
        let mutation = Mutation::AddUserToGroup { user: self.user.clone(), group: group.clone() };
        self.sender().send_patiently(&mutation).await.map(|_| ())
    }

    /// Gives the user a password, to be changed when it is first used.
    pub async fn login_profile(&self, password: &SecretString) -> Result<(), StepError> {
        let mutation = Mutation::CreateLoginProfile { user: self.user.clone() };
        let gateway = &self.account.gateway;
        let send = async || {
            let (first, mut maybe_ours) = (Instant::now(), false);
            loop {
                let created = patiently(gateway, async || {
                    gateway
                        .call("iam", "CreateLoginProfile", Repeat::LookFirst, || {
                            let call = gateway.iam.create_login_profile().user_name(self.user.as_str());
                            call.password(password.expose_secret()).password_reset_required(true).send()
                        })
                        .await
                })
                .await;
                match created {
                    Ok(_) => return Ok(()),
                    // Whatever was there, from now on this is the password.
                    Err(error) if error.kind == Kind::AlreadyExists && maybe_ours => {
                        return self.set_password(password).await.map_err(CallError::unsure);
                    }
                    Err(error) if self.lost(&error, first) => {
                        maybe_ours = true;
                        gateway.wait(LOOK_AGAIN).await;
                    }
                    Err(error) => return Err(if maybe_ours { error.unsure() } else { error }),
                }
            }
        };
        self.journal.recorded(&mutation, send).await
    }

    async fn set_password(&self, password: &SecretString) -> Result<(), CallError> {
        let gateway = &self.account.gateway;
        patiently(gateway, async || {
            gateway
                .call("iam", "UpdateLoginProfile", Repeat::Safe, || {
                    let call = gateway.iam.update_login_profile().user_name(self.user.as_str());
                    call.password(password.expose_secret()).password_reset_required(true).send()
                })
                .await
                .map(|_| ())
        })
        .await
    }

    /// Returns the tags of a new device: who made it, and whether it is for the user to replace.
    pub fn device_tags(&self, provisional: bool) -> Vec<Tag> {
        let mut tags = vec![Tag { key: RUN_TAG.to_owned(), value: self.run.clone() }];
        if provisional {
            tags.push(Tag { key: "muster:provisional".to_owned(), value: "true".to_owned() });
        }
        tags
    }

    /// Makes a virtual MFA device. Names of devices are those of users, so that policies which let users manage their own
    /// fit them.
    pub async fn device(&self, name: &UserName, tags: &[Tag]) -> Result<NewDevice, StepError> {
        let serial = device_serial(self.account, name);
        let mutation = Mutation::CreateVirtualMFADevice { device: serial.clone() };
        let gateway = &self.account.gateway;
        let send = async || {
            let (first, mut maybe_ours) = (Instant::now(), false);
            loop {
                let created = gateway
                    .call("iam", "CreateVirtualMFADevice", Repeat::LookFirst, || {
                        let call =
                            gateway.iam.create_virtual_mfa_device().virtual_mfa_device_name(name.as_str());
                        // Without tags no permission to tag is needed.
                        let tags = Some(iam_tags(tags)).filter(|tags| !tags.is_empty());
                        call.set_tags(tags).send()
                    })
                    .await;
                match created {
                    Ok(output) => {
                        let device = output.virtual_mfa_device.and_then(new_device);
                        return device.ok_or_else(|| made_what("CreateVirtualMFADevice"));
                    }
                    // Its seed went with the answer: nobody can ever use it.
                    Err(error)
                        if maybe_ours
                            && error.kind == Kind::AlreadyExists
                            && first.elapsed() < PROPAGATION =>
                    {
                        self.discard(&serial).await.map_err(CallError::unsure)?;
                        gateway.wait(LOOK_AGAIN).await;
                    }
                    Err(error) if self.lost(&error, first) => {
                        maybe_ours = true;
                        gateway.wait(LOOK_AGAIN).await;
                    }
                    Err(error) => return Err(if maybe_ours { error.unsure() } else { error }),
                }
            }
        };
        self.journal.recorded(&mutation, send).await
    }

    async fn discard(&self, serial: &str) -> Result<(), CallError> {
        let gateway = &self.account.gateway;
        let deleted = gateway
            .call("iam", "DeleteVirtualMFADevice", Repeat::Safe, || {
                gateway.iam.delete_virtual_mfa_device().serial_number(serial).send()
            })
            .await;
        match deleted {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Enables a device for the user with two consecutive codes.
    pub async fn enable(&self, serial: &str, first: &str, second: &str) -> Result<(), EnableError> {
        let mutation = Mutation::EnableMFADevice { user: self.user.clone(), device: serial.to_owned() };
        let gateway = &self.account.gateway;
        let send = async || {
            let mut maybe_done = false;
            let begun = Instant::now();
            loop {
                let enabled = patiently(gateway, async || {
                    gateway
                        .call("iam", "EnableMFADevice", Repeat::LookFirst, || {
                            let call = gateway.iam.enable_mfa_device().user_name(self.user.as_str());
                            call.serial_number(serial)
                                .authentication_code1(first)
                                .authentication_code2(second)
                                .send()
                        })
                        .await
                })
                .await;
                match enabled {
                    Ok(_) => return Ok(()),
                    // The device is new and has only ever been offered to this user.
                    Err(error) if maybe_done && error.kind == Kind::AlreadyExists => return Ok(()),
                    Err(error) if self.lost(&error, begun) => {
                        maybe_done = true;
                        gateway.wait(LOOK_AGAIN).await;
                    }
                    Err(error) => return Err(if maybe_done { error.unsure() } else { error }),
                }
            }
        };
        match self.journal.recorded(&mutation, send).await {
            Err(StepError::Call(error))
                if error
                    .code
                    .as_deref()
                    .is_some_and(|code| code.starts_with("InvalidAuthenticationCode")) =>
            {
                Err(EnableError::WrongCodes)
            }
            other => Ok(other?),
        }
    }

    /// Takes a device away again that was not enabled.
    pub async fn abandon(&self, serial: &str) -> Result<(), StepError> {
        let mutation = Mutation::DeleteVirtualMFADevice { device: serial.to_owned() };
        self.sender().send(&mutation).await.map(|_| ())
    }

    /// Makes an access key. One whose answer was lost is deleted: nobody has its secret. `known` are the keys that the user
    /// had before.
    pub async fn access_key(&self, known: &[String]) -> Result<NewKey, StepError> {
        let mutation = Mutation::CreateAccessKey { user: self.user.clone() };
        let gateway = &self.account.gateway;
        let send = async || {
            let (first, mut lost) = (Instant::now(), false);
            let since_s = self.journal.now_s() + gateway.server_is_ahead_s() - CLOCK_SLACK_S;
            loop {
                let created = patiently(gateway, async || {
                    gateway
                        .call("iam", "CreateAccessKey", Repeat::LookFirst, || {
                            gateway.iam.create_access_key().user_name(self.user.as_str()).send()
                        })
                        .await
                })
                .await;
                match created {
                    Ok(output) => {
                        let key = output.access_key.ok_or_else(|| made_what("CreateAccessKey"))?;
                        let key = NewKey {
                            id: key.access_key_id,
                            secret: SecretString::from(key.secret_access_key),
                        };
                        if lost {
                            self.delete_strange_keys(known, Some(&key.id), since_s)
                                .await
                                .map_err(CallError::unsure)?;
                        }
                        return Ok(key);
                    }
                    Err(error) if self.lost(&error, first) => {
                        let begun = Instant::now();
                        lost = true;
                        // One look that finds nothing proves nothing: reads lag behind writes.
                        while lost && begun.elapsed() < SETTLE {
                            lost = !self
                                .delete_strange_keys(known, None, since_s)
                                .await
                                .map_err(CallError::unsure)?;
                            gateway.wait(LOOK_AGAIN).await;
                        }
                    }
                    Err(error) => return Err(if lost { error.unsure() } else { error }),
                }
            }
        };
        self.journal.recorded(&mutation, send).await
    }

    /// Deletes keys that were made since and are not the one we have; returns whether there was any.
    async fn delete_strange_keys(
        &self,
        known: &[String],
        ours: Option<&str>,
        since_s: i64,
    ) -> Result<bool, CallError> {
        let gateway = &self.account.gateway;
        let listed = patiently(gateway, async || {
            gateway
                .call("iam", "ListAccessKeys", Repeat::Safe, || {
                    gateway.iam.list_access_keys().user_name(self.user.as_str()).send()
                })
                .await
        })
        .await?;
        let new = |key: &&AccessKeyMetadata| key.create_date().is_none_or(|at| at.secs() >= since_s);
        let ids = listed.access_key_metadata().iter().filter(new).filter_map(|key| key.access_key_id());
        let strange = ids.filter(|id| Some(*id) != ours && !known.iter().any(|known| known == id));
        let strange: Vec<String> = strange.map(str::to_owned).collect();
        for id in &strange {
            let deleted = gateway
                .call("iam", "DeleteAccessKey", Repeat::Safe, || {
                    let call = gateway.iam.delete_access_key().user_name(self.user.as_str());
                    call.access_key_id(id).send()
                })
                .await;
            match deleted {
                Err(error) if error.kind == Kind::NotFound => {}
                other => {
                    other?;
                }
            }
        }
        Ok(!strange.is_empty())
    }
}

/// An answer of success without what was made: it is there, and nobody holds it.
fn made_what(action: &'static str) -> CallError {
    CallError::nonsense(action, "the answer does not have what was made").unsure()
}

fn new_device(device: aws_sdk_iam::types::VirtualMfaDevice) -> Option<NewDevice> {
    let seed = String::from_utf8(device.base32_string_seed?.into_inner()).ok()?;
    Some(NewDevice {
        serial: device.serial_number,
        seed: SecretString::from(seed),
        qr_png: SecretBox::new(Box::new(device.qr_code_png?.into_inner())),
    })
}
