//! What a user can have besides passwords and access keys: SSH keys, signing certificates, service-specific
//! credentials.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;

use super::params::{certificate_id, id_128, name_128, new_user_name, status};
use super::state::{Certificate, ServiceCredential, SshKey, User, key};
use super::{Account, Call, IamError, Reply, seconds, timestamp};

/// Source: IAM User Guide, "IAM and AWS STS quotas".
const SSH_KEYS_PER_USER: usize = 5;
const CERTIFICATES_PER_USER: usize = 2;
/// Source: IAM API Reference, `CreateServiceSpecificCredential`.
const CREDENTIALS_PER_SERVICE: usize = 2;

/// Services whose credentials are a user name and a password; the others' are an alias and a secret.
const WITH_PASSWORD: [&str; 2] = ["codecommit.amazonaws.com", "cassandra.amazonaws.com"];
const WITH_SECRET: [&str; 4] = [
    "bedrock.amazonaws.com",
    "logs.amazonaws.com",
    "cloudwatch.amazonaws.com",
    "aws-external-anthropic.amazonaws.com",
];

impl Account {
    pub(super) fn upload_ssh_public_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let body = call.params.required("SSHPublicKeyBody", |_, _| Ok(()))?;
        let mut user = self.user_to_write(name)?;
        let blob = ssh_rsa(body)?;
        let fingerprint =
            md5::Md5::digest(&blob).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        let fingerprint = fingerprint.join(":");
        if user.ssh_keys.iter().any(|key| key.fingerprint == fingerprint) {
            return Err(IamError::duplicate_ssh_key());
        }
        if user.ssh_keys.len() >= SSH_KEYS_PER_USER {
            return Err(IamError::limit("SSHPublicKeysPerUser", SSH_KEYS_PER_USER));
        }
        let body = body.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let uploaded = seconds(call.now);
        let new = SshKey { id: self.new_id("APKA"), body, fingerprint, active: true, uploaded };
        let reply =
            ssh_reply(&user, &new).text("Fingerprint", &new.fingerprint).text("SSHPublicKeyBody", &new.body);
        user.ssh_keys.push(new);
        self.write_user(call.now, user);
        Ok(Reply::new().nested("SSHPublicKey", reply))
    }

    pub(super) fn list_ssh_public_keys(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let user = self.user_to_read(Self::user_meant(call)?)?;
        let page = self.page(call, &key(&user.name))?;
        let mut keys: Vec<&SshKey> = user.ssh_keys.iter().collect();
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        let (keys, tail) = page.cut(keys.into_iter().map(|key| (key.id.clone(), key)));
        Ok(tail.add_to(Reply::new().structs("SSHPublicKeys", keys.iter().map(|key| ssh_reply(user, key)))))
    }

    pub(super) fn update_ssh_public_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let id = call.params.required("SSHPublicKeyId", id_128)?;
        let active = status(call)?;
        let mut user = self.user_to_write(name)?;
        let key = user.ssh_keys.iter_mut().find(|key| key.id == id);
        key.ok_or_else(|| no_ssh_key(id))?.active = active;
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn delete_ssh_public_key(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let id = call.params.required("SSHPublicKeyId", id_128)?;
        let mut user = self.user_to_write(name)?;
        let before = user.ssh_keys.len();
        user.ssh_keys.retain(|key| key.id != id);
        if user.ssh_keys.len() == before {
            return Err(no_ssh_key(id));
        }
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn upload_signing_certificate(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let body = call.params.required("CertificateBody", |_, _| Ok(()))?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let der = certificate(body)?;
        let digest: [u8; 20] = sha1::Sha1::digest(&der).into();
        let id = base32(&digest);
        let taken = |other: &User| {
            key(&other.name) != key(&user.name) && other.certificates.iter().any(|cert| cert.id == id)
        };
        if self.current.users.values().any(|other| taken(other)) {
            return Err(IamError::duplicate_certificate());
        }
        user.certificates.retain(|cert| cert.id != id);
        if user.certificates.len() >= CERTIFICATES_PER_USER {
            return Err(IamError::limit("CertificatesPerUser", CERTIFICATES_PER_USER));
        }
        let new = Certificate { id, body: body.to_owned(), active: true, uploaded: seconds(call.now) };
        let reply = certificate_reply(&user, &new);
        user.certificates.push(new);
        self.write_user(call.now, user);
        Ok(Reply::new().nested("Certificate", reply))
    }

    pub(super) fn list_signing_certificates(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let user = self.user_to_read(Self::user_meant(call)?)?;
        let page = self.page(call, &key(&user.name))?;
        let mut certs: Vec<&Certificate> = user.certificates.iter().collect();
        certs.sort_by(|a, b| a.id.cmp(&b.id));
        let (certs, tail) = page.cut(certs.into_iter().map(|cert| (cert.id.clone(), cert)));
        let certs = certs.into_iter().map(|cert| certificate_reply(user, cert));
        Ok(tail.add_to(Reply::new().structs("Certificates", certs)))
    }

    pub(super) fn update_signing_certificate(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("CertificateId", certificate_id)?;
        let active = status(call)?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let cert = user.certificates.iter_mut().find(|cert| cert.id == id);
        cert.ok_or_else(|| no_certificate(id))?.active = active;
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn delete_signing_certificate(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("CertificateId", certificate_id)?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let before = user.certificates.len();
        user.certificates.retain(|cert| cert.id != id);
        if user.certificates.len() == before {
            return Err(no_certificate(id));
        }
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn create_service_specific_credential(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let service = call.params.required("ServiceName", |_, _| Ok(()))?;
        let mut user = self.user_to_write(name)?;
        known_service(service)?;
        let number = user.service_credentials.iter().filter(|old| old.service == service).count();
        if number >= CREDENTIALS_PER_SERVICE {
            return Err(IamError::limit("ServiceSpecificCredentialsPerUser", CREDENTIALS_PER_SERVICE));
        }
        let login = format!("{}-at-{}", user.name, self.identity.account);
        let login =
            if number == 0 { login } else { format!("{}+{number}-at-{}", user.name, self.identity.account) };
        let id = self.new_id("ACCA");
        let created = seconds(call.now);
        let new = ServiceCredential { id, service: service.to_owned(), login, active: true, created };
        let reply = self.with_secret(service_reply(&user, &new), &new);
        user.service_credentials.push(new);
        self.write_user(call.now, user);
        Ok(Reply::new().nested("ServiceSpecificCredential", reply))
    }

    /// Without a service it lists those of all services.
    pub(super) fn list_service_specific_credentials(&self, call: &Call<'_>) -> Result<Reply, IamError> {
        let user = self.user_to_read(Self::user_meant(call)?)?;
        let service = call.params.get("ServiceName");
        if let Some(service) = service {
            known_service(service)?;
        }
        let page = self.page(call, &format!("{} {}", key(&user.name), service.unwrap_or_default()))?;
        let wanted = user.service_credentials.iter().filter(|c| service.is_none_or(|s| s == c.service));
        let mut credentials: Vec<&ServiceCredential> = wanted.collect();
        credentials.sort_by(|a, b| a.id.cmp(&b.id));
        let (credentials, tail) = page.cut(credentials.into_iter().map(|c| (c.id.clone(), c)));
        let credentials = credentials.into_iter().map(|c| service_reply(user, c));
        Ok(tail.add_to(Reply::new().structs("ServiceSpecificCredentials", credentials)))
    }

    pub(super) fn update_service_specific_credential(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("ServiceSpecificCredentialId", id_128)?;
        let active = status(call)?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let credential = user.service_credentials.iter_mut().find(|c| c.id == id);
        credential.ok_or_else(|| no_credential(id))?.active = active;
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn reset_service_specific_credential(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("ServiceSpecificCredentialId", id_128)?;
        let user = self.user_to_write(Self::user_meant(call)?)?;
        let found = user.service_credentials.iter().find(|c| c.id == id).cloned();
        let credential = found.ok_or_else(|| no_credential(id))?;
        let reply = self.with_secret(service_reply(&user, &credential), &credential);
        Ok(Reply::new().nested("ServiceSpecificCredential", reply))
    }

    pub(super) fn delete_service_specific_credential(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let id = call.params.required("ServiceSpecificCredentialId", id_128)?;
        let mut user = self.user_to_write(Self::user_meant(call)?)?;
        let before = user.service_credentials.len();
        user.service_credentials.retain(|c| c.id != id);
        if user.service_credentials.len() == before {
            return Err(no_credential(id));
        }
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    fn with_secret(&mut self, reply: Reply, credential: &ServiceCredential) -> Reply {
        let secret = self.new_secret(40);
        let name = if WITH_PASSWORD.contains(&credential.service.as_str()) {
            "ServicePassword"
        } else {
            "ServiceCredentialSecret"
        };
        reply.text(name, secret)
    }

    pub(super) fn put_user_permissions_boundary(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", new_user_name)?;
        let arn = call.params.required("PermissionsBoundary", super::params::arn)?;
        let mut user = self.user_to_write(name)?;
        if !self.current.policies.contains_key(arn) {
            return Err(IamError::not_found(format!(
                "Scope ARN: {arn} does not exist or is not attachable."
            )));
        }
        user.boundary = Some(arn.to_owned());
        self.write_user(call.now, user);
        Ok(Reply::new())
    }

    pub(super) fn delete_user_permissions_boundary(&mut self, call: &Call<'_>) -> Result<Reply, IamError> {
        let name = call.params.required("UserName", name_128)?;
        let mut user = self.user_to_write(name)?;
        if user.boundary.take().is_none() {
            return Err(IamError::not_found(format!(
                "The user with name {} has no permissions boundary.",
                user.name
            )));
        }
        self.write_user(call.now, user);
        Ok(Reply::new())
    }
}

/// The model has a code of its own for this, and real answers another. Source: captures of real answers.
fn known_service(service: &str) -> Result<(), IamError> {
    if WITH_PASSWORD.contains(&service) || WITH_SECRET.contains(&service) {
        return Ok(());
    }
    Err(IamError::not_found(format!(
        "No such service {service} is supported for Service Specific Credentials"
    )))
}

fn no_ssh_key(id: &str) -> IamError {
    IamError::not_found(format!("The Public Key with id {id} cannot be found."))
}

fn no_certificate(id: &str) -> IamError {
    IamError::not_found(format!("The Certificate with id {id} cannot be found."))
}

fn no_credential(id: &str) -> IamError {
    IamError::not_found(format!("Service specific credential {id} not found."))
}

fn word(active: bool) -> &'static str {
    if active { "Active" } else { "Inactive" }
}

fn ssh_reply(user: &User, key: &SshKey) -> Reply {
    Reply::new()
        .text("UserName", &user.name)
        .text("SSHPublicKeyId", &key.id)
        .text("Status", word(key.active))
        .text("UploadDate", timestamp(key.uploaded))
}

fn certificate_reply(user: &User, cert: &Certificate) -> Reply {
    Reply::new()
        .text("UserName", &user.name)
        .text("CertificateId", &cert.id)
        .text("CertificateBody", &cert.body)
        .text("Status", word(cert.active))
        .text("UploadDate", timestamp(cert.uploaded))
}

fn service_reply(user: &User, credential: &ServiceCredential) -> Reply {
    let name = if WITH_PASSWORD.contains(&credential.service.as_str()) {
        "ServiceUserName"
    } else {
        "ServiceCredentialAlias"
    };
    Reply::new()
        .text("UserName", &user.name)
        .text("Status", word(credential.active))
        .text(name, &credential.login)
        .text("CreateDate", timestamp(credential.created))
        .text("ServiceSpecificCredentialId", &credential.id)
        .text("ServiceName", &credential.service)
}

/// Reads an RSA key in OpenSSH's form: 2048 to 16384 bits. Source: IAM API Reference, `UploadSSHPublicKey`.
fn ssh_rsa(body: &str) -> Result<Vec<u8>, IamError> {
    let mut words = body.split_whitespace();
    let (Some("ssh-rsa"), Some(blob)) = (words.next(), words.next()) else {
        return Err(IamError::unrecognized_key());
    };
    let blob = STANDARD.decode(blob).map_err(|_| IamError::invalid_public_key())?;
    let mut rest = blob.as_slice();
    let mut field = || -> Option<&[u8]> {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (field, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        rest = after;
        Some(field)
    };
    let parts = (field(), field(), field());
    let (Some(b"ssh-rsa"), Some(_), Some(modulus)) = parts else {
        return Err(IamError::invalid_public_key());
    };
    let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
    if !(2048..=16384).contains(&bits) {
        return Err(IamError::invalid_public_key());
    }
    Ok(blob)
}

/// Reads a certificate: PEM around one DER sequence.
fn certificate(body: &str) -> Result<Vec<u8>, IamError> {
    let inner = body.trim().strip_prefix("-----BEGIN CERTIFICATE-----");
    let inner = inner.and_then(|rest| rest.trim_end().strip_suffix("-----END CERTIFICATE-----"));
    let text: String = inner.ok_or_else(IamError::malformed_certificate)?.split_whitespace().collect();
    let der = STANDARD.decode(text).map_err(|_| IamError::malformed_certificate())?;
    let length = match der.as_slice() {
        [0x30, 0x82, high, low, ..] => Some(4 + usize::from(*high) * 256 + usize::from(*low)),
        [0x30, 0x81, low, ..] => Some(3 + usize::from(*low)),
        _ => None,
    };
    if length == Some(der.len()) { Ok(der) } else { Err(IamError::malformed_certificate()) }
}

fn base32(bytes: &[u8]) -> String {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bits, mut held, mut text) = (0_u32, 0_u32, String::new());
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(BASE32[((bits >> held) & 31) as usize]));
        }
        bits &= (1 << held) - 1;
    }
    text
}
