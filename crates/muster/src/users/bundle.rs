//! What is handed over to a user.

use std::path::PathBuf;

use muster_core::name::UserName;
use muster_credentials::sealing::{Copies, Recipient, SealError, Sealer};
use muster_credentials::{Bundle, BundleFile};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::Work;
use crate::error::CliError;

/// The bundles of one user while they are filled. What is put in is sealed at once.
pub(crate) struct Handover<'a> {
    sealer: &'a Sealer,
    user: &'a UserName,
    main: Bundle,
    mfa: Bundle,
    has_key: bool,
    has_password: bool,
}

/// Where the account's users sign in, and under which name its profile goes.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) profile: String,
}

impl Place {
    pub(crate) fn new(work: &Work<'_>, profile: Option<&str>) -> Self {
        let account = &work.session.account;
        let name = work.session.alias.as_deref().unwrap_or(&account.id);
        // Source: IAM User Guide, "Signing in to the AWS Management Console", and those of the other partitions.
        let domain = match account.partition.as_str() {
            "aws-cn" => "signin.amazonaws.cn",
            "aws-us-gov" => "signin.amazonaws-us-gov.com",
            _ => "signin.aws.amazon.com",
        };
        Self { url: format!("https://{name}.{domain}/console"), profile: profile.unwrap_or(name).to_owned() }
    }
}

impl<'a> Handover<'a> {
    pub(crate) fn new(sealer: &'a Sealer, user: &'a UserName) -> Self {
        Self {
            sealer,
            user,
            main: Bundle::default(),
            mfa: Bundle::default(),
            has_key: false,
            has_password: false,
        }
    }

    pub(super) fn password(&mut self, password: &SecretString) -> Result<(), SealError> {
        let text = Zeroizing::new(format!("{}\n", password.expose_secret()));
        self.has_password = true;
        self.put("password.txt", text.as_bytes(), Copies::WithEscrow)
    }

    pub(crate) fn access_key(
        &mut self,
        id: &str,
        secret: &SecretString,
        profile: &str,
    ) -> Result<(), SealError> {
        let text = Zeroizing::new(format!(
            "[{profile}]\naws_access_key_id = {id}\naws_secret_access_key = {}\n",
            secret.expose_secret()
        ));
        self.has_key = true;
        self.put("credentials", text.as_bytes(), Copies::WithEscrow)
    }

    /// The QR code of a device that the person has enrolled.
    pub(super) fn qr_code(&mut self, png: &[u8]) -> Result<(), SealError> {
        self.put("qrcode.png", png, Copies::UserOnly)
    }

    /// The second factor of a device that was enabled for the person: in a bundle of its own, so that it does not lie
    /// beside the password.
    pub(crate) fn second_factor(&mut self, png: &[u8], seed: &SecretString) -> Result<(), SealError> {
        let seed = Zeroizing::new(format!("{}\n", seed.expose_secret()));
        let files = self.sealer.seal("qrcode.png", png, Copies::UserOnly)?;
        let files =
            files.into_iter().chain(self.sealer.seal("seed.txt", seed.as_bytes(), Copies::UserOnly)?);
        let files: Vec<BundleFile> = files.collect();
        let text = format!(
            "The second factor (MFA) of the AWS user {}.\n\n\
             Open qrcode.png{ending} and scan it with the authenticator app on your phone; or type in the secret that is\n\
             in seed.txt{ending}. Then delete this file. The device is provisional: replace it with one that nobody else has\n\
             ever seen as soon as you can, with `muster enable-mfa --device-name NAME` or in the console under Security\n\
             credentials.\n{}",
            self.user,
            self.how_to_open(),
            ending = self.ending()
        );
        self.mfa.put_text("README.txt", &text);
        self.mfa.put(files);
        Ok(())
    }

    fn put(&mut self, name: &str, bytes: &[u8], copies: Copies) -> Result<(), SealError> {
        let files = self.sealer.seal(name, bytes, copies)?;
        self.main.put(files);
        Ok(())
    }

    /// Forgets a second factor whose device was not enabled.
    pub(super) fn forget_second_factor(&mut self) {
        self.mfa = Bundle::default();
    }

    /// Returns what the names of sealed files end in.
    fn ending(&self) -> &'static str {
        match self.sealer.own().first() {
            None => "",
            Some(Recipient::Pgp(_)) => ".pgp",
            Some(Recipient::Age(_)) => ".age",
        }
    }

    fn how_to_open(&self) -> &'static str {
        if self.sealer.is_plaintext() {
            return "\nNothing in here is encrypted: whoever has this file has what is in it.\n";
        }
        "\nFiles that end in .pgp open with `gpg --decrypt FILE`, those that end in .age with `age --decrypt -i KEY FILE`\n\
         (KEY is your age identity, or the private half of your SSH key).\n"
    }

    /// Writes the bundles: the second factor's first, the other one last, so that where that one is, all is done.
    /// Returns the files, with the main one last.
    pub(crate) fn write(
        &mut self,
        work: &Work<'_>,
        place: &Place,
        ending: &str,
    ) -> Result<Vec<PathBuf>, CliError> {
        let mut files = Vec::new();
        if !self.mfa.is_empty() {
            files.push(self.one(work, &self.mfa, ".mfa.zip")?);
        }
        if self.main.is_empty() {
            return Ok(files);
        }
        let console = if self.has_password {
            format!(
                "Sign in at {}\nas {} with the password in the file password.txt{}; you will be asked for a new one at once.\n",
                place.url,
                self.user,
                self.ending()
            )
        } else {
            String::new()
        };
        let key = if self.has_key {
            format!(
                "The access key for the AWS CLI and SDKs is in the file credentials{}: `muster configure --from-bundle` with \
                 this file puts it into a profile; or add its lines to ~/.aws/credentials.\n",
                self.ending()
            )
        } else {
            String::new()
        };
        let text = format!(
            "Your AWS user is {}.\n\n{console}{key}\nWhen you have taken these over, delete this file.\n{}",
            self.user,
            self.how_to_open()
        );
        self.main.put_text("README.txt", &text);
        self.main.put_text("sign-in-url.txt", &format!("{}\n", place.url));
        files.push(self.one(work, &self.main, ending)?);
        Ok(files)
    }

    fn one(&self, work: &Work<'_>, bundle: &Bundle, ending: &str) -> Result<PathBuf, CliError> {
        let path = work.folder.file(self.user, ending);
        let failed = |reason: String| CliError::Write { path: path.clone(), reason };
        let zip = bundle.to_zip().map_err(|error| failed(error.to_string()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hash = muster_aws::sha256(&zip);
        work.journal.file(self.user, &name, hash).map_err(CliError::from)?;
        let beside = muster_durable::beside(&path, work.journal.run());
        muster_durable::write_new(&path, &beside, &zip).map_err(|error| failed(error.to_string()))?;
        Ok(path)
    }
}
