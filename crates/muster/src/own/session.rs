//! A session for the person: from the cache, or made with an MFA code.

use muster_aws::{Account, Kind, RoleRequest, StsSession, mfa_devices};
use muster_core::config::Settings;
use muster_core::estate::is_virtual;
use muster_core::name::UserName;

use super::cache::{Cache, CacheKey};
use super::code::{Asking, CODES_MAX, code, why_refused};
use super::{LongLived, Own, signing};
use crate::context::{Config, Connecting, Context, Session};
use crate::error::CliError;
use crate::prompt::Prompter;
use crate::terminal::safe;

/// How long a session lasts unless another time is asked for, in seconds: AWS's own default.
pub(crate) const SESSION_S: i32 = 43_200;

/// Which session is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The MFA device, if it is said which.
    pub(crate) serial: Option<String>,
    /// For how long, in seconds; `None`: the default, and any that is there will do.
    pub(crate) duration_s: Option<i32>,
    /// A new one, whatever is in the cache.
    pub(crate) force: bool,
    /// Where the person is asked.
    pub(crate) asking: Asking,
    /// Says which account it is about, where that was not said yet.
    pub(crate) announces: bool,
    /// How long one that was kept has to last yet, in seconds.
    pub(crate) left_s: i64,
}

/// A session that ends sooner than this is not handed out any more, in seconds.
pub(crate) const LEFT_S: i64 = 60;

impl Wanted {
    /// Any session that is there or can be made.
    pub(crate) fn any() -> Self {
        Self {
            serial: None,
            duration_s: None,
            force: false,
            asking: Asking::AsUsual,
            announces: false,
            left_s: LEFT_S,
        }
    }
}

/// The role to take on in a session.
#[derive(Debug, Clone)]
pub(crate) struct ForRole {
    pub(crate) arn: String,
    pub(crate) external_id: Option<String>,
    /// The name of its session; `None`: the user's.
    pub(crate) session_name: Option<String>,
    pub(crate) duration_s: Option<i32>,
}

/// What making a session works with.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) context: &'a Context,
    pub(crate) config: &'a Config,
    pub(crate) settings: &'a Settings,
    pub(crate) own: &'a Own,
    /// The account, where it was connected to already.
    pub(crate) at: Option<&'a Session>,
}

/// Returns a session of a person's, made if need be.
pub(crate) async fn session(
    asker: Asker<'_>,
    wanted: &Wanted,
    prompter: &mut Prompter<'_>,
) -> Result<StsSession, CliError> {
    let Asker { context, own, .. } = asker;
    let long_lived = own.long_lived()?;
    let mut connected = None;
    let serial = match wanted.serial.clone().or_else(|| own.serial.clone()) {
        Some(serial) => serial,
        None => {
            let session = connect(asker, long_lived, wanted).await?;
            let serial = listed_serial(&session).await?;
            connected = Some(session);
            serial
        }
    };
    let cache = Cache::open(context);
    let key = CacheKey {
        endpoint: endpoint(context, own),
        account: account_of(&serial).map(str::to_owned),
        access_key_id: long_lived.keys.id.clone(),
        serial: Some(serial.clone()),
        duration_s: wanted.duration_s.unwrap_or(SESSION_S),
        ..CacheKey::default()
    };
    let mut turn = cache.turn(&key, &context.interrupt).await?;
    if !wanted.force {
        let found = cache.get(context, &key, wanted.left_s);
        let found = found.or_else(|| {
            wanted.duration_s.is_none().then(|| cache.get_any(context, &key, wanted.left_s)).flatten()
        });
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let connected = match connected {
        Some(connected) => connected,
        None => connect(asker, long_lived, wanted).await?,
    };
    let made =
        as_session(context, &connected.account, &serial, key.duration_s, wanted.asking, prompter).await;
    match made {
        Ok(made) => {
            connected.save()?;
            cache.put(context, &key, &made);
            Ok(made)
        }
        Err(error) => {
            turn.give_up(context, &error);
            Err(error)
        }
    }
}

/// Returns a session of a role that is taken on from a person's own session.
pub(crate) async fn with_session(
    asker: Asker<'_>,
    wanted: &Wanted,
    role: &ForRole,
    prompter: &mut Prompter<'_>,
) -> Result<StsSession, CliError> {
    let Asker { context, own, .. } = asker;
    let long_lived = own.long_lived()?;
    let cache = Cache::open(context);
    let key = CacheKey {
        endpoint: endpoint(context, own),
        account: account_of(&role.arn).map(str::to_owned),
        access_key_id: long_lived.keys.id.clone(),
        serial: wanted.serial.clone().or_else(|| own.serial.clone()),
        role: Some(role.arn.clone()),
        external_id: role.external_id.clone(),
        role_session_name: role.session_name.clone(),
        duration_s: role.duration_s.unwrap_or_default(),
    };
    let mut turn = cache.turn(&key, &context.interrupt).await?;
    if let Some(found) = cache.get(context, &key, wanted.left_s).filter(|_| !wanted.force) {
        return Ok(found);
    }
    let made = async {
        // The session itself may be an older one: it is the role's that is to be new.
        let own_session = session(asker, &Wanted { force: false, ..wanted.clone() }, prompter).await?;
        let connected = connect(asker, long_lived, wanted).await?;
        let name = role.session_name.clone().or_else(|| connected.caller().map(|user| user.to_string()));
        let request = RoleRequest {
            arn: role.arn.clone(),
            session_name: name.unwrap_or_else(|| "muster".to_owned()),
            external_id: role.external_id.clone(),
            duration_s: role.duration_s,
        };
        let made = connected.account.with_keys(&own_session.keys).assume_role(&request).await;
        let made =
            made.map_err(|source| CliError::Role { role: role.arn.clone(), source: Box::new(source) })?;
        connected.save()?;
        Ok(made)
    };
    match made.await {
        Ok(made) => {
            cache.put(context, &key, &made);
            Ok(made)
        }
        Err(error) => {
            turn.give_up(context, &error);
            Err(error)
        }
    }
}

/// Asks for a code until AWS takes it, three times at most.
pub(crate) async fn as_session(
    context: &Context,
    account: &Account,
    serial: &str,
    duration_s: i32,
    asking: Asking,
    prompter: &mut Prompter<'_>,
) -> Result<StsSession, CliError> {
    check_serial(serial, account)?;
    let mut used = Vec::new();
    loop {
        let typed = code(context, prompter, asking, serial, &used).await?;
        match account.session_token(serial, &typed, duration_s).await {
            Ok(made) => return Ok(made),
            // It needs no permission, so what is refused is the code or the device.
            Err(error) if error.kind == Kind::Denied => {
                let why = why_refused(&account.gateway);
                used.push(typed);
                let can_be_asked = context.global.mfa_code.is_none() && context.global.mfa_command.is_none();
                if used.len() >= CODES_MAX as usize || !can_be_asked {
                    return Err(CliError::refused(
                        format!("AWS refuses the MFA code: {}", error.message.trim()),
                        why,
                    ));
                }
                prompter.tell(&format!("AWS refuses the code: {}\n{why}", safe(error.message.trim())));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Refuses a device of another account before a code is spent on it.
pub(crate) fn check_serial(serial: &str, account: &Account) -> Result<(), CliError> {
    match account_of(serial) {
        Some(other) if other != account.id => Err(CliError::usage_with(
            format!(
                "the MFA device {} is of the account {}, and this key is of {}",
                safe(serial),
                safe(other),
                account.id
            ),
            "name the right device with --mfa-serial, or correct `mfa_serial` of the profile",
        )),
        _ => Ok(()),
    }
}

/// Connects with long-lived keys.
async fn connect(asker: Asker<'_>, long_lived: &LongLived, wanted: &Wanted) -> Result<Session, CliError> {
    if let Some(session) = asker.at {
        return Ok(session.with_keys(&signing(&long_lived.keys)));
    }
    let how = Connecting {
        keys: Some(signing(&long_lived.keys)),
        profile: Some(asker.own.profile.clone()),
        silent: !wanted.announces,
        changes: false,
    };
    asker.context.connect_as(asker.config, asker.settings, how).await
}

/// Looks the person's own MFA device up.
pub(super) async fn listed_serial(session: &Session) -> Result<String, CliError> {
    let nothing = |reason: &str| {
        CliError::usage_with(
            format!("the profile names no MFA device, and {reason}"),
            "name it with --mfa-serial; or set one up with `muster enable-mfa`",
        )
    };
    let Some(user) = session.caller() else { return Err(nothing("the key is not a user's")) };
    let devices = match mfa_devices(&session.account.gateway, &user).await {
        Ok(devices) => devices,
        Err(error) if error.kind == Kind::Denied => return Err(nothing("the key may not look it up")),
        Err(error) => return Err(error.into()),
    };
    best_device(&devices, &user).ok_or_else(|| nothing("the user has none that gives codes"))
}

/// Returns the device to use for codes: the virtual one that is called as the user is, else any that gives codes.
pub(crate) fn best_device(devices: &[String], user: &UserName) -> Option<String> {
    let gives_codes = |serial: &&String| !serial.contains(":u2f/");
    let named = devices.iter().find(|serial| is_virtual(serial) && serial.ends_with(&format!("/{user}")));
    named.or_else(|| devices.iter().find(gives_codes)).cloned()
}

/// Returns the account in an ARN; the serial number of a token of hardware names none.
fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}

/// Returns where STS is called, if not at AWS: a session of one place is of no use at another.
fn endpoint(context: &Context, own: &Own) -> Option<String> {
    let of_profile = || {
        let config = own.files.read(muster_credentials::profiles::FileKind::Config).ok()?;
        config.get(&own.profile, "endpoint_url").map(|url| String::clone(&url))
    };
    let sandbox = context.sandbox_path().map(|path| format!("embedded in {path}"));
    let given = || context.global.endpoint_url.clone().or_else(|| context.environment.sts_endpoint.clone());
    sandbox.or_else(given).or_else(of_profile)
}
