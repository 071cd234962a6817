//! `muster configure`

use std::path::{Path, PathBuf};

use muster_aws::{ConnectError, Kind, mfa_devices};
use muster_core::config::{Overrides, Tool};
use muster_credentials::profiles::{FileKind, Keys, ProfileError, ProfileFiles, ProfileText, SERIAL_KEYS};
use muster_credentials::sealing::{AskPassphrase, SealedWith, open, take_from_bundle};
use muster_credentials::{CsvKey, read_csv_keys};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::rotate_my_key::agreed;
use crate::cli::{ConfigureArgs, Output};
use crate::context::{Config, Connecting, Context, Session, read_secret_input};
use crate::error::CliError;
use crate::exit::Exit;
use crate::own::{LongLived, Own, best_device, check_serial, long_lived_name, move_keys, signing_with};
use crate::prompt::{Answer, Choice, Prompter, YesNo};
use crate::terminal::safe;

/// Wrong answers to the question for a key id before it is given up.
const TRIES_MAX: u32 = 5;

/// A key that is about to be saved.
struct Given {
    id: String,
    secret: SecretString,
    /// The profile whose name came with it.
    profile: Option<String>,
    /// The section that it leaves.
    from: Option<LongLived>,
    /// What else the CSV file holds, that is perhaps nowhere else.
    also: Option<&'static str>,
}

#[derive(Serialize)]
struct Configured {
    /// The profile that holds the key.
    profile: String,
    /// The one in which sessions live.
    session_profile: Option<String>,
    access_key_id: String,
    /// Who it is of, if that could be asked.
    arn: Option<String>,
    mfa_serial: Option<String>,
    csv_deleted: bool,
}

pub(crate) async fn run(context: &Context, args: &ConfigureArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::Configure, &Overrides::default())?;
    let files = context.profile_files()?;
    files.check_writable(FileKind::Credentials)?;
    if context.global.region.is_some() {
        files.check_writable(FileKind::Config)?;
    }
    let mut prompter = context.prompter();
    let given = given(context, args, &config, &mut prompter).await?;
    let profile = profile_of(context, &config, &given, args.no_suffix);
    let target = if args.no_suffix { profile.clone() } else { long_lived_name(&profile) };
    if given.from.as_ref().is_some_and(|from| from.profile == target) {
        context.terminal.say(format_args!("The key is in the profile '{}' already.", safe(&target)));
        return Ok(Exit::Ok);
    }
    let connected =
        if args.offline { None } else { connect(context, &config, &settings, &profile, &given).await? };
    let serial = serial(context, args, connected.as_ref(), &given, &files, &mut prompter).await?;
    let old = files.profile(&target)?.and_then(|found| found.keys);
    if !may_replace(context, &target, old.as_ref().map(|(keys, _)| keys), &given, &mut prompter).await? {
        return Ok(Exit::Left);
    }
    if let Some(from) = &given.from {
        let question = format!(
            "The key {} moves from the profile '{}' to '{}'; '{}' is then without one until a session is in it. Go on (y/n)?",
            given.id,
            safe(&from.profile),
            safe(&target),
            safe(&from.profile)
        );
        if !agreed(context, &mut prompter, &question).await? {
            return Ok(Exit::Left);
        }
    }
    let saving = Saving {
        given: &given,
        profile: &profile,
        target: &target,
        serial: serial.as_deref(),
        connected: connected.as_ref(),
    };
    save(context, &files, &saving)?;
    let csv_deleted = match &args.from_csv {
        Some(path) => delete_csv(context, args, path, &given, &mut prompter).await?,
        None => false,
    };
    let configured = Configured {
        session_profile: (!args.no_suffix).then(|| profile.clone()),
        profile: target,
        access_key_id: given.id.clone(),
        arn: connected.as_ref().map(|session| session.account.caller_arn.clone()),
        mfa_serial: serial,
        csv_deleted,
    };
    show(context, &configured)?;
    if configured.mfa_serial.is_none() && connected.as_ref().is_some_and(|session| session.caller().is_some())
    {
        context.terminal.say(format_args!("Next: `muster enable-mfa --profile {}`", safe(&profile)));
    } else if !args.no_suffix {
        context.terminal.say(format_args!("Next: `muster init-sts-session --profile {}`", safe(&profile)));
    }
    Ok(Exit::Ok)
}

/// Returns the profile for sessions: the one that was named, else the one that came with the key.
fn profile_of(context: &Context, config: &Config, given: &Given, no_suffix: bool) -> String {
    let is_named = context.global.profile.is_some() || context.environment.profile.is_some();
    let profile = match &given.profile {
        Some(profile) if !is_named => profile.clone(),
        _ => context.meant_profile(config),
    };
    let plain = profile.strip_suffix("-nomfa").filter(|name| !name.is_empty() && !no_suffix);
    plain.map_or(profile.clone(), str::to_owned)
}

/// Gets the key from where it is.
async fn given(
    context: &Context,
    args: &ConfigureArgs,
    config: &Config,
    prompter: &mut Prompter<'_>,
) -> Result<Given, CliError> {
    let given = if let Some(path) = &args.from_csv {
        of_csv(path, args.user_name.as_deref(), prompter).await?
    } else if let Some(path) = &args.from_bundle {
        of_bundle(context, path, &args.identity)?
    } else if let Some(name) = &args.from_profile {
        let from = Own::of(context, name)?.long_lived()?.clone();
        let Keys { id, secret, .. } = from.keys.clone();
        Given { id, secret, profile: Some(from.profile.clone()), from: Some(from), also: None }
    } else {
        let name =
            profile_of(context, config, &Given::typed(String::new(), SecretString::from("")), args.no_suffix);
        of_prompts(&name, prompter).await?
    };
    let is_id = |id: &str| {
        (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if given.id.starts_with("ASIA") {
        return Err(CliError::usage_with(
            format!("{} is the key of a session, which ends by itself", safe(&given.id)),
            "a long-lived key begins with AKIA",
        ));
    }
    if !is_id(&given.id) {
        return Err(CliError::usage("what should be the id of an access key is none: it begins with AKIA"));
    }
    if given.secret.expose_secret().is_empty()
        || !given.secret.expose_secret().bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(CliError::usage("the secret access key is empty, or has characters that none has"));
    }
    Ok(given)
}

impl Given {
    fn typed(id: String, secret: SecretString) -> Self {
        Self { id, secret, profile: None, from: None, also: None }
    }
}

async fn of_prompts(profile: &str, prompter: &mut Prompter<'_>) -> Result<Given, CliError> {
    let nobody = || {
        CliError::usage_with(
            "no access key is given",
            "type it in on a terminal, or name where it is with --from-csv, --from-bundle or --from-profile",
        )
    };
    for _ in 0..TRIES_MAX {
        let id = match prompter.text(format_args!("Access key id for '{}':", safe(profile))).await {
            Answer::Given(id) => id,
            Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
            Answer::Skipped | Answer::End => return Err(nobody()),
        };
        if !id.starts_with("AKIA") || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            prompter.tell("The id of an access key begins with AKIA.");
            continue;
        }
        return match prompter.secret("Secret access key:").await {
            Answer::Given(secret) => Ok(Given::typed(id, secret)),
            Answer::Interrupted => Err(CliError::Interrupted("nothing was changed".to_owned())),
            Answer::Skipped | Answer::End => Err(nobody()),
        };
    }
    Err(nobody())
}

async fn of_csv(path: &Path, user: Option<&str>, prompter: &mut Prompter<'_>) -> Result<Given, CliError> {
    let bytes = read_secret_input(path)?;
    let wrong = |reason: String| CliError::usage(format!("`{}`: {reason}", path.display()));
    let mut keys = read_csv_keys(&bytes).map_err(|error| wrong(error.to_string()))?;
    let name = |key: &CsvKey| key.user.clone().unwrap_or_else(|| key.id.clone());
    let names: Vec<String> = keys.iter().map(name).collect();
    let chosen = match user {
        Some(user) => keys.iter().position(|key| key.user.as_deref() == Some(user)).ok_or_else(|| {
            wrong(format!("there is no user `{}` in it; there are {}", safe(user), safe(&names.join(", "))))
        })?,
        None if keys.len() == 1 => 0,
        None => match prompter.choose("Whose key is it?", &names, None).await {
            Answer::Given(Choice::One(position) | Choice::AllLikeIt(position)) => position,
            Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
            _ => {
                return Err(CliError::usage_with(
                    format!(
                        "`{}` has the keys of several users: {}",
                        path.display(),
                        safe(&names.join(", "))
                    ),
                    "say whose with --user-name",
                ));
            }
        },
    };
    let CsvKey { id, secret, has_password, .. } = keys.swap_remove(chosen);
    let also = if !keys.is_empty() {
        Some("the keys of other users")
    } else if has_password {
        Some("a password")
    } else {
        None
    };
    Ok(Given { also, ..Given::typed(id, secret) })
}

fn of_bundle(context: &Context, path: &Path, identities: &[PathBuf]) -> Result<Given, CliError> {
    let (sealed, how) = take_from_bundle(path, "credentials", !identities.is_empty())?;
    let mut identities = identities.to_vec();
    if how == SealedWith::Age && identities.is_empty() {
        // The keys that `ssh` itself would try, if they are there.
        let ssh = context.environment.home.as_ref().map(|home| home.join(".ssh"));
        let usual = ssh.iter().flat_map(|ssh| ["id_ed25519", "id_rsa"].map(|name| ssh.join(name)));
        identities.extend(usual.filter(|path| path.exists()));
    }
    let ask: AskPassphrase = if context.global.no_input { |_| None } else { ask_passphrase };
    let opened = open(&sealed, how, &identities, ask)?;
    let wrong = || CliError::usage(format!("there is no access key in `{}`", path.display()));
    let text = ProfileText::new(FileKind::Credentials, opened).map_err(|_| wrong())?;
    let profile = text.profiles().into_iter().next().ok_or_else(wrong)?;
    let get = |key: &str| text.get(&profile, key).filter(|value| !value.is_empty());
    let id = get("aws_access_key_id").ok_or_else(wrong)?;
    let secret = get("aws_secret_access_key").ok_or_else(wrong)?;
    let given = Given::typed(String::clone(&id), SecretString::from(secret.as_str()));
    Ok(Given { profile: Some(profile), ..given })
}

/// Asks for the passphrase of an SSH key, on a terminal.
fn ask_passphrase(question: &str) -> Option<SecretString> {
    let asked = inquire::Password::new(question)
        .without_confirmation()
        .with_display_mode(inquire::PasswordDisplayMode::Hidden)
        .prompt();
    asked.ok().map(SecretString::from)
}

/// Tries the key. `None` if there is no way to AWS: a key that AWS refuses is an error, one that it cannot be asked about
/// is not.
async fn connect(
    context: &Context,
    config: &Config,
    settings: &muster_core::config::Settings,
    profile: &str,
    given: &Given,
) -> Result<Option<Session>, CliError> {
    let how = Connecting {
        keys: Some(signing_with(&given.id, &given.secret)),
        profile: Some(profile.to_owned()),
        ..Connecting::default()
    };
    match context.connect_as(config, settings, how).await {
        Ok(session) => Ok(Some(session)),
        Err(CliError::Connect(error)) => match *error {
            ConnectError::Identity { ref source, .. } if source.kind == Kind::Transient => {
                context.terminal.warn(format_args!("the key is saved without having been tried: {source}"));
                Ok(None)
            }
            ConnectError::Identity { ref source, .. } if source.kind == Kind::Credentials => {
                Err(CliError::refused(
                    format!("AWS refuses the access key {}: {source}", given.id),
                    "nothing was changed. A key that was made a moment ago can take some seconds; else check that id and \
                     secret belong together, and that the key is active. --offline saves it untried",
                ))
            }
            error => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// Returns the serial number of the MFA device: as given, else as the profile had it, else looked up.
async fn serial(
    context: &Context,
    args: &ConfigureArgs,
    connected: Option<&Session>,
    given: &Given,
    files: &ProfileFiles,
    prompter: &mut Prompter<'_>,
) -> Result<Option<String>, CliError> {
    let of_source = match &given.from {
        Some(from) => files.profile(&from.profile)?.and_then(|profile| profile.mfa_serial),
        None => None,
    };
    if let Some(serial) = args.mfa_serial.clone().or(of_source) {
        if let Some(session) = connected {
            check_serial(&serial, &session.account)?;
        }
        return Ok(Some(serial));
    }
    let Some((session, user)) = connected.and_then(|session| Some((session, session.caller()?))) else {
        return Ok(None);
    };
    let devices = match mfa_devices(&session.account.gateway, &user).await {
        Ok(devices) => devices,
        Err(error) if error.kind == Kind::Denied => {
            context.terminal.say("The key may not look the MFA device up; --mfa-serial names it.");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let with_codes: Vec<String> =
        devices.iter().filter(|serial| !serial.contains(":u2f/")).cloned().collect();
    if with_codes.len() > 1 && prompter.interactive() {
        let answer = prompter.choose("Which MFA device do you use?", &with_codes, None).await;
        if let Answer::Given(Choice::One(position) | Choice::AllLikeIt(position)) = answer {
            return Ok(with_codes.get(position).cloned());
        }
    }
    Ok(best_device(&devices, &user))
}

/// Finds out whether what is in the profile may be written over.
async fn may_replace(
    context: &Context,
    target: &str,
    old: Option<&Keys>,
    given: &Given,
    prompter: &mut Prompter<'_>,
) -> Result<bool, CliError> {
    let Some(old) = old.filter(|old| old.token.is_none()) else { return Ok(true) };
    if old.id == given.id && old.secret.expose_secret() == given.secret.expose_secret() {
        return Ok(true);
    }
    let question = format!(
        "The profile '{}' holds the access key {}, which is then no longer in this file. Replace it with {} (y/n)?",
        safe(target),
        safe(&old.id),
        given.id
    );
    agreed(context, prompter, &question).await
}

/// What is about to be saved, and where.
struct Saving<'a> {
    given: &'a Given,
    profile: &'a str,
    target: &'a str,
    serial: Option<&'a str>,
    connected: Option<&'a Session>,
}

impl Saving<'_> {
    /// Puts the key and the serial number in their place.
    fn put(&self, text: &mut ProfileText) -> Result<(), ProfileError> {
        text.put_keys(self.target, &self.given.id, &self.given.secret)?;
        match self.serial {
            Some(serial) => text.put_serial(self.target, serial),
            None => forget_foreign_serial(text, self.target, self.connected),
        }
    }

    fn put_region(&self, text: &mut ProfileText, region: &str) -> Result<(), ProfileError> {
        text.set(self.profile, "region", region)?;
        if self.target == self.profile { Ok(()) } else { text.set(self.target, "region", region) }
    }
}

fn save(context: &Context, files: &ProfileFiles, saving: &Saving<'_>) -> Result<(), CliError> {
    let region = context.global.region.as_deref();
    // All of it can be saved, or nothing is.
    files.rehearse(FileKind::Credentials, |text| {
        saving.put(text)?;
        match &saving.given.from {
            Some(from) if from.kind == FileKind::Credentials => text.take_keys(&from.profile),
            _ => Ok(()),
        }
    })?;
    if let Some(region) = region {
        files.rehearse(FileKind::Config, |text| saving.put_region(text, region))?;
    }
    match &saving.given.from {
        Some(from) => move_keys(context, files, from, saving.target, saving.serial)?,
        None => files.edit(FileKind::Credentials, |text| saving.put(text))?,
    }
    context.changed.set(true);
    if let Some(region) = region {
        files.edit(FileKind::Config, |text| saving.put_region(text, region))?;
    }
    for kind in [FileKind::Credentials, FileKind::Config] {
        if let Some((line, what)) = files.read(kind)?.unreadable_to_the_cli() {
            let path = files.path(kind).display();
            context.terminal.warn(format_args!(
                "the AWS CLI cannot read `{path}`, because of {what} in line {line}; muster leaves that as it is"
            ));
        }
    }
    #[cfg(unix)]
    if let Ok(meta) = files.credentials.metadata() {
        use std::os::unix::fs::MetadataExt as _;
        if meta.mode() & 0o077 != 0 {
            context.terminal.warn(format_args!(
                "others can read `{path}`; take that away with `chmod 600 {path}`",
                path = files.credentials.display()
            ));
        }
    }
    Ok(())
}

/// Takes away the serial number of a device of another account, which the new key has nothing to do with.
fn forget_foreign_serial(
    text: &mut ProfileText,
    target: &str,
    connected: Option<&Session>,
) -> Result<(), ProfileError> {
    let Some(session) = connected else { return Ok(()) };
    for key in SERIAL_KEYS {
        if text.get(target, key).is_some_and(|serial| check_serial(&serial, &session.account).is_err()) {
            text.remove(target, key)?;
        }
    }
    Ok(())
}

/// Offers to delete the CSV file, now that its key is saved.
async fn delete_csv(
    context: &Context,
    args: &ConfigureArgs,
    path: &Path,
    given: &Given,
    prompter: &mut Prompter<'_>,
) -> Result<bool, CliError> {
    let file = path.display();
    if let Some(also) = given.also {
        context.terminal.say(format_args!(
            "`{file}` holds {also} too, so it stays: delete it when that is saved elsewhere"
        ));
        return Ok(false);
    }
    if path.is_symlink() {
        context
            .terminal
            .say(format_args!("`{file}` is a link: delete what it leads to, which still holds the key"));
        return Ok(false);
    }
    // An offer is not something that --yes agrees to: what is deleted is gone.
    let deletes = args.delete_csv
        || (!context.global.yes && {
            let question = format!("Delete `{file}`, now that its key is saved (y/n)?");
            matches!(prompter.yes_no(question, 0).await, Answer::Given(YesNo::Yes | YesNo::YesToAll))
        });
    if !deletes {
        context
            .terminal
            .say(format_args!("`{file}` still holds the key: delete it when you need it no more"));
        return Ok(false);
    }
    muster_durable::remove(path)
        .map_err(|error| CliError::Write { path: path.to_owned(), reason: error.to_string() })?;
    Ok(true)
}

fn show(context: &Context, configured: &Configured) -> Result<(), CliError> {
    match context.global.output {
        Output::Json => super::print_json(context, configured),
        Output::Csv => {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let row = vec![
                configured.profile.clone(),
                configured.access_key_id.clone(),
                text(&configured.arn),
                text(&configured.mfa_serial),
            ];
            super::print_csv(
                context,
                &["profile", "access_key_id", "arn", "mfa_serial"],
                std::iter::once(row),
            )
        }
        Output::Text => {
            let whose = configured.arn.as_ref().map(|arn| format!(" of {arn}")).unwrap_or_default();
            let mfa = configured.mfa_serial.as_ref().map(|serial| format!(", with the MFA device {serial}"));
            let deleted = if configured.csv_deleted { "; the CSV file is deleted" } else { "" };
            context.terminal.out(format_args!(
                "{}\n",
                safe(&format!(
                    "The profile '{}' holds the access key {}{whose}{}{deleted}.",
                    configured.profile,
                    configured.access_key_id,
                    mfa.unwrap_or_default()
                ))
            ));
            Ok(())
        }
    }
}
