//! `muster init-sts-session` and `muster assume-role`

use muster_aws::StsSession;
use muster_core::config::{Overrides, Tool};
use muster_credentials::profiles::{FileKind, Keys, ProfileError, ProfileText};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::{AssumeRoleArgs, InitStsSessionArgs, Output, SessionArgs, SessionFormat};
use crate::context::Context;
use crate::environment::{now_s, rfc3339};
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::own::{
    Asker, Asking, Cache, ForRole, LongLived, Own, Wanted, check_given_code, long_lived_name, session,
    with_session,
};
use crate::prompt::{Answer, YesNo};
use crate::terminal::safe;

pub(crate) async fn run(context: &Context, args: &InitStsSessionArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::InitStsSession, &Overrides::default())?;
    if args.status {
        return status(context, &Own::of(context, &context.meant_profile(&config))?);
    }
    let own = Own::find(context, &config)?;
    if args.clear {
        return clear(context, &own);
    }
    own.long_lived()?;
    check_given_code(context)?;
    let moves = if args.session.format.is_none() {
        let Some(moves) = room(context, &own).await? else { return Ok(Exit::Left) };
        // A code is good once: that its session can be saved is known before it is spent.
        let nothing = Place { own: &own, profile: &own.profile, moves: moves.as_ref() };
        own.files.rehearse(FileKind::Credentials, |text| {
            nothing.put(text, &rehearsed(), "1970-01-01T00:00:00Z")
        })?;
        moves
    } else {
        None
    };
    let asker = Asker { context, config: &config, settings: &settings, own: &own, at: None };
    let mut prompter = context.prompter();
    let made = session(asker, &wanted(&args.session, args.duration), &mut prompter).await?;
    let place = Place { own: &own, profile: &own.profile, moves: moves.as_ref() };
    deliver(context, &place, &made, args.session.format)
}

pub(crate) async fn assume_role(context: &Context, args: &AssumeRoleArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::InitStsSession, &Overrides::default())?;
    let target = context.meant_profile(&config);
    let files = context.profile_files()?;
    let of_profile = files.profile(&target)?.and_then(|profile| profile.role);
    let is_printed = args.session.format.is_some();
    let role = of_profile.clone().unwrap_or_default();
    let source = args.source_profile.clone().or(role.source.clone());
    let source = source.or_else(|| is_printed.then(|| target.clone())).ok_or_else(|| {
        CliError::usage_with(
            "it is not said whose keys and MFA device are used",
            "name their profile with --source-profile; --profile is where the role's session goes",
        )
    })?;
    let arn = args.role_arn.clone().or_else(|| of_profile.as_ref().map(|role| role.arn.clone()));
    let Some(arn) = arn else {
        return Err(CliError::usage_with("no role is named", "name it with --role-arn"));
    };
    if of_profile.is_some() && !is_printed {
        return Err(CliError::usage_with(
            format!(
                "the profile `{}` has a role_arn, so AWS clients would not look at a session in it",
                safe(&target)
            ),
            "name another --profile for the session, or make it a credential_process, as the guide shows",
        ));
    }
    let own = Own::of(context, &source)?;
    own.long_lived()?;
    check_given_code(context)?;
    let place = Place { own: &own, profile: &target, moves: None };
    if !is_printed {
        let is_own = target == own.profile || target == long_lived_name(&own.profile);
        let keys = files.profile(&target)?.and_then(|profile| profile.keys);
        if is_own || keys.is_some_and(|(keys, _)| keys.token.is_none()) {
            return Err(CliError::usage_with(
                format!("the profile `{}` holds the keys or the session of a person", safe(&target)),
                "name another --profile for the role's session",
            ));
        }
        files
            .rehearse(FileKind::Credentials, |text| place.put(text, &rehearsed(), "1970-01-01T00:00:00Z"))?;
    }
    let asker = Asker { context, config: &config, settings: &settings, own: &own, at: None };
    let role = ForRole {
        arn,
        external_id: args.external_id.clone().or(role.external_id),
        session_name: args.role_session_name.clone().or(role.session_name),
        duration_s: args.duration.or_else(|| role.duration_s.and_then(|seconds| i32::try_from(seconds).ok())),
    };
    let mut prompter = context.prompter();
    let made = with_session(asker, &wanted(&args.session, None), &role, &mut prompter).await?;
    deliver(context, &place, &made, args.session.format)
}

fn wanted(args: &SessionArgs, duration_s: Option<i32>) -> Wanted {
    let is_process = args.format == Some(SessionFormat::CredentialProcess);
    Wanted {
        serial: args.mfa_serial.clone(),
        duration_s,
        force: args.force,
        asking: if is_process { Asking::OnTheTerminal } else { Asking::AsUsual },
        announces: !is_process,
        ..Wanted::any()
    }
}

/// Where a session goes in the files, and the long-lived key that makes room for it.
struct Place<'a> {
    own: &'a Own,
    profile: &'a str,
    moves: Option<&'a LongLived>,
}

impl Place<'_> {
    /// Puts a session in its place, in the same step in which the long-lived key makes room.
    fn put(&self, text: &mut ProfileText, keys: &Keys, expiration: &str) -> Result<(), ProfileError> {
        if let Some(from) = self.moves {
            let beside = long_lived_name(&self.own.profile);
            text.put_keys(&beside, &from.keys.id, &from.keys.secret)?;
            if let Some(serial) = &self.own.serial {
                text.put_serial(&beside, serial)?;
            }
            if from.kind == FileKind::Credentials {
                text.take_keys(&from.profile)?;
            }
        }
        text.put_session(self.profile, keys, expiration)
    }
}

/// A session of nobody's, to see whether one could be saved.
fn rehearsed() -> Keys {
    let text = || SecretString::from("REHEARSED");
    Keys { id: "ASIAREHEARSED".to_owned(), secret: text(), token: Some(text()) }
}

/// Finds out whether a long-lived key has to make room for a session first; `None` if the person does not want that.
async fn room(context: &Context, own: &Own) -> Result<Option<Option<LongLived>>, CliError> {
    let (profile, beside) = (safe(&own.profile), long_lived_name(&own.profile));
    let in_profile = own.files.profile(&own.profile)?.and_then(|profile| profile.keys);
    let Some((keys, _)) = in_profile.filter(|(keys, _)| keys.token.is_none()) else { return Ok(Some(None)) };
    let from = own.long_lived()?;
    if from.profile != own.profile {
        return Err(CliError::usage_with(
            format!(
                "the profile `{profile}` holds the long-lived key {}, which a session would overwrite",
                safe(&keys.id)
            ),
            format!("`{}` holds another one: take one of the two out", safe(&beside)),
        ));
    }
    own.files.check_writable(from.kind)?;
    let question = format!(
        "The long-lived key {} of the profile '{profile}' makes room for the session and moves to '{}', with your MFA device. \
         Go on (y/n)?",
        safe(&keys.id),
        safe(&beside)
    );
    match context.prompter().yes_no(question, 0).await {
        Answer::Given(YesNo::Yes | YesNo::YesToAll) => Ok(Some(Some(from.clone()))),
        Answer::Interrupted => Err(CliError::Interrupted("nothing was changed".to_owned())),
        _ => {
            context.terminal.say(
                "Nothing was changed: a session would overwrite the key. --format prints it instead, and --yes moves the key.",
            );
            Ok(None)
        }
    }
}

/// What clients of a `credential_process` read. Source: AWS SDKs and Tools Reference Guide, "Process credential provider".
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Printed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: &'a str,
}

#[derive(Serialize)]
struct Saved<'a> {
    profile: &'a str,
    access_key_id: &'a str,
    expiration: &'a str,
}

/// Hands a session over: into the profile, or printed.
fn deliver(
    context: &Context,
    place: &Place<'_>,
    made: &StsSession,
    format: Option<SessionFormat>,
) -> Result<Exit, CliError> {
    let (own, profile) = (place.own, place.profile);
    let expiration = rfc3339(made.expires_s * 1000);
    let token = made.keys.token.as_ref().map(secrecy::ExposeSecret::expose_secret).unwrap_or_default();
    let secret = made.keys.secret.expose_secret();
    let printed = |version| Printed {
        version,
        access_key_id: &made.keys.id,
        secret_access_key: secret,
        session_token: token,
        expiration: &expiration,
    };
    match format {
        Some(SessionFormat::Env) => {
            let text = Zeroizing::new(format!(
                "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={secret}\nexport AWS_SESSION_TOKEN={token}\n\
                 export AWS_CREDENTIAL_EXPIRATION={expiration}\n",
                made.keys.id
            ));
            context.terminal.out(&*text);
        }
        Some(SessionFormat::Json) => {
            super::print_json(context, &serde_json::json!({ "Credentials": printed(None) }))?;
        }
        Some(SessionFormat::CredentialProcess) => super::print_json(context, &printed(Some(1)))?,
        None => {
            let keys = Keys {
                id: made.keys.id.clone(),
                secret: made.keys.secret.clone(),
                token: made.keys.token.clone(),
            };
            own.files.edit(FileKind::Credentials, |text| place.put(text, &keys, &expiration))?;
            if let Some(from) = place.moves.filter(|from| from.kind == FileKind::Config) {
                context.changed.set(true);
                own.files.edit(FileKind::Config, |text| text.take_keys(&from.profile))?;
            }
            let saved = Saved { profile, access_key_id: &made.keys.id, expiration: &expiration };
            match context.global.output {
                Output::Json => super::print_json(context, &saved)?,
                Output::Csv => {
                    let row = vec![profile.to_owned(), made.keys.id.clone(), expiration.clone()];
                    super::print_csv(
                        context,
                        &["profile", "access_key_id", "expiration"],
                        std::iter::once(row),
                    )?;
                }
                Output::Text => context.terminal.out(format_args!(
                    "The profile '{}' holds a session until {expiration} ({} left).\n",
                    safe(profile),
                    left(made.expires_s)
                )),
            }
        }
    }
    Ok(Exit::Ok)
}

fn left(expires_s: i64) -> String {
    let minutes = (expires_s - now_s()).max(0) / 60;
    if minutes < 120 { format!("{minutes} min") } else { format!("{} h {} min", minutes / 60, minutes % 60) }
}

#[derive(Serialize)]
struct Status {
    profile: String,
    /// The session in the profile.
    session: Option<StatusRow>,
    /// Those that are kept for who asks for the same.
    kept: Vec<StatusRow>,
}

#[derive(Serialize)]
struct StatusRow {
    access_key_id: String,
    role: Option<String>,
    expiration: Option<String>,
    /// `None`: that cannot be told by what is written there.
    is_valid: Option<bool>,
}

fn status(context: &Context, own: &Own) -> Result<Exit, CliError> {
    let cache = Cache::open(context);
    let key = own.long_lived.as_ref().map(|long_lived| long_lived.keys.id.clone());
    let kept = cache.all(context).into_iter().filter(|found| Some(&found.key.access_key_id) == key.as_ref());
    let kept = kept.map(|found| StatusRow {
        access_key_id: found.session.keys.id,
        role: found.key.role,
        expiration: Some(rfc3339(found.session.expires_s * 1000)),
        is_valid: Some(found.session.expires_s > now_s()),
    });
    let session = own.session.as_ref().map(|session| StatusRow {
        access_key_id: session.access_key_id.clone(),
        role: None,
        is_valid: session.expiration.as_deref().and_then(seconds).map(|at| at > now_s()),
        expiration: session.expiration.clone(),
    });
    let status = Status { profile: own.profile.clone(), session, kept: kept.collect() };
    let rows =
        status.session.iter().map(|row| ("profile", row)).chain(status.kept.iter().map(|row| ("kept", row)));
    match context.global.output {
        Output::Json => super::print_json(context, &status)?,
        Output::Csv => {
            let rows = rows.map(|(place, row)| {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                vec![
                    place.to_owned(),
                    row.access_key_id.clone(),
                    text(&row.role),
                    text(&row.expiration),
                    row.is_valid.map_or_else(|| "unknown".to_owned(), |valid| valid.to_string()),
                ]
            });
            super::print_csv(context, &["place", "access_key_id", "role", "expiration", "is_valid"], rows)?;
        }
        Output::Text => {
            let mut any = false;
            for (place, row) in rows {
                any = true;
                let place =
                    if place == "profile" { format!("profile '{}'", own.profile) } else { "kept".to_owned() };
                let role = row.role.as_ref().map(|role| format!(" of {role}")).unwrap_or_default();
                let until = match (&row.expiration, row.is_valid) {
                    (Some(at), Some(true)) => {
                        format!("good until {at} ({} left)", left(seconds(at).unwrap_or_default()))
                    }
                    (Some(at), Some(false)) => format!("ended {at}"),
                    (Some(at), None) => format!("until `{at}`, which is no time that muster writes"),
                    (None, _) => "until nobody has written down when".to_owned(),
                };
                context.terminal.out(format_args!(
                    "{}\n",
                    safe(&format!("{place}: session {}{role}, {until}", row.access_key_id))
                ));
            }
            if !any {
                context.terminal.out(format_args!("no session for the profile '{}'\n", safe(&own.profile)));
            }
        }
    }
    let is_valid = |row: &StatusRow| row.is_valid == Some(true);
    let any = status.session.iter().chain(&status.kept).any(is_valid);
    Ok(if any { Exit::Ok } else { Exit::Left })
}

fn seconds(at: &str) -> Option<i64> {
    at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

fn clear(context: &Context, own: &Own) -> Result<Exit, CliError> {
    if own.session.is_some() {
        own.files.edit(FileKind::Credentials, |text| text.take_keys(&own.profile))?;
    }
    let cache = Cache::open(context);
    let kept = match &own.long_lived {
        Some(long_lived) => cache.clear(context, &long_lived.keys.id)?,
        None => 0,
    };
    let cleared = kept + usize::from(own.session.is_some());
    match context.global.output {
        Output::Json => {
            super::print_json(context, &serde_json::json!({ "profile": own.profile, "cleared": cleared }))?;
        }
        _ => context.terminal.out(format_args!(
            "{} of the profile '{}' forgotten; AWS itself knows no way to end a session early\n",
            count(cleared, "session"),
            safe(&own.profile)
        )),
    }
    Ok(Exit::Ok)
}
