//! What a command works with: the config that holds, the account, and the way to the person.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{GraphicalReportHandler, GraphicalTheme, NamedSource};
use muster_aws::{Account, ConnectError, ConnectOptions, Head, Home, Interrupt, connect};
use muster_core::config::{
    ConfigFile, Format, Overrides, Problem, Settings, Severity, Tool, line_and_column, resolve,
};
use muster_core::name::UserName;
use muster_core::roster::Roster;
use muster_credentials::profiles::{FileKind, ProfileFiles};
use muster_sandbox::{Sandbox, StateFile};
use zeroize::Zeroizing;

use crate::cli::GlobalArgs;
use crate::environment::{Environment, rfc3339};
use crate::error::{CliError, ConfigProblem, ConfigSource};
use crate::prompt::Prompter;
use crate::terminal::{BAD, Terminal, safe};

/// The longest config file that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// Problems of a config that are shown before "and N more".
const PROBLEMS_SHOWN: usize = 30;

/// The longest line of a config that is shown with a problem in it, in bytes.
const LINE_BYTES_SHOWN: usize = 500;

/// The longest snapshot or decisions file that is read, in bytes.
const INPUT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Everything that a command is given besides its own options.
pub(crate) struct Context {
    pub(crate) global: GlobalArgs,
    pub(crate) environment: Environment,
    pub(crate) terminal: Terminal,
    pub(crate) interrupt: Interrupt,
    /// This run's id.
    pub(crate) run: String,
    /// When it began, in milliseconds since 1970.
    pub(crate) started_ms: i64,
    /// The command line, for the record.
    pub(crate) command_line: Vec<String>,
    /// Whether anything was changed, for the exit status of what fails after that.
    pub(crate) changed: Cell<bool>,
    /// The demo runs it: told for people, with nothing to keep.
    pub(crate) is_demo: bool,
}

/// A config that was found, or that there is none.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) path: Option<PathBuf>,
    /// Its text as it can be shown.
    pub(crate) source: Option<ConfigSource>,
    pub(crate) hash: Option<String>,
    pub(crate) file: Option<ConfigFile>,
    pub(crate) format: Option<Format>,
    pub(crate) problems: Vec<Problem>,
}

/// An account that a command works on.
pub(crate) struct Session {
    pub(crate) account: Account,
    pub(crate) alias: Option<String>,
    pub(crate) home: Home,
    sandbox: Option<Sandbox>,
}

/// How to connect.
#[derive(Default)]
pub(crate) struct Connecting {
    /// The command is about to change something.
    pub(crate) changes: bool,
    /// With these keys and no others.
    pub(crate) keys: Option<muster_aws::Keys>,
    /// The profile whose region and endpoint hold, whatever was given.
    pub(crate) profile: Option<String>,
    /// Without a word about it.
    pub(crate) silent: bool,
}

impl Session {
    /// Returns the user that calls, if it is one.
    pub(crate) fn caller(&self) -> Option<UserName> {
        let (_, resource) = self.account.caller_arn.rsplit_once(":user/")?;
        Some(UserName::new(resource.rsplit('/').next()?))
    }

    /// Returns the same session, called with other keys.
    pub(crate) fn with_keys(&self, keys: &muster_aws::Keys) -> Self {
        Self {
            account: self.account.with_keys(keys),
            alias: self.alias.clone(),
            home: self.home.clone(),
            sandbox: self.sandbox.clone(),
        }
    }

    /// Keeps what happened to an embedded account.
    pub(crate) fn save(&self) -> Result<(), CliError> {
        Ok(self.sandbox.as_ref().map_or(Ok(()), Sandbox::save)?)
    }
}

impl Context {
    /// Takes over `MUSTER_SANDBOX_FAULTS` where no `--faults` is given.
    pub(crate) fn take_faults_of_environment(&mut self) -> Result<(), CliError> {
        if let (None, Some(faults)) = (&self.global.faults, &self.environment.faults) {
            let faults =
                faults.parse().map_err(|error| CliError::usage(format!("MUSTER_SANDBOX_FAULTS: {error}")))?;
            self.global.faults = Some(faults);
        }
        Ok(())
    }

    /// Returns the same with other options, such as another account to work on.
    pub(crate) fn with_global(&self, global: GlobalArgs) -> Self {
        Self {
            global,
            environment: self.environment.clone(),
            terminal: self.terminal.clone(),
            interrupt: self.interrupt.clone(),
            run: self.run.clone(),
            started_ms: self.started_ms,
            command_line: self.command_line.clone(),
            changed: Cell::new(false),
            is_demo: self.is_demo,
        }
    }

    /// Finds the config of the profile and reads it.
    pub(crate) fn config(&self) -> Result<Config, CliError> {
        let Some((path, format)) = self.find_config() else { return Ok(Config::default()) };
        let text = read_text(&path, CONFIG_BYTES_MAX, true)?;
        let format = format.unwrap_or(if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            Format::Recipes
        } else {
            Format::Native
        });
        let (file, problems) = ConfigFile::parse(&text, format);
        let hash = Some(muster_aws::short_hash(text.as_bytes()));
        let source = Some(Arc::new(NamedSource::new(path.display().to_string(), showable(&text))));
        Ok(Config { path: Some(path), source, hash, file, format: Some(format), problems })
    }

    /// Returns where the config is: never in the current folder unless it was named.
    fn find_config(&self) -> Option<(PathBuf, Option<Format>)> {
        if let Some(path) = &self.global.config {
            let format = match path.extension().and_then(|ending| ending.to_str()) {
                Some("toml") => Some(Format::Native),
                Some("json") => Some(Format::Recipes),
                _ => None,
            };
            return Some((path.clone(), format));
        }
        let profile = self.given_profile().unwrap_or("default");
        if profile.contains(['/', '\\']) || profile.starts_with('.') {
            return None; // no file of ours is called so, and no folder is left by way of a name
        }
        let aws = self.environment.home.as_ref()?.join(".aws");
        let candidates = [
            (aws.join("muster").join(format!("{profile}.toml")), Format::Native),
            (aws.join("recipes").join(format!("{profile}.json")), Format::Recipes),
            (aws.join("opinel").join(format!("{profile}.json")), Format::Recipes),
        ];
        let found = candidates.into_iter().find(|(path, _)| path.symlink_metadata().is_ok());
        found.map(|(path, format)| (path, Some(format)))
    }

    /// Says where a config was looked for, and which others there are.
    pub(crate) fn where_configs_are(&self) -> String {
        let profile = safe(self.given_profile().unwrap_or("default")).into_owned();
        let aws = self.environment.home.as_ref().map(|home| home.join(".aws"));
        let names = |(folder, ending): &(&str, &str)| -> Vec<String> {
            let entries =
                aws.as_ref().and_then(|aws| std::fs::read_dir(aws.join(folder)).ok()).into_iter().flatten();
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
        };
        let others: BTreeSet<String> =
            [("muster", ".toml"), ("recipes", ".json"), ("opinel", ".json")].iter().flat_map(names).collect();
        let text = format!("neither ~/.aws/muster/{profile}.toml nor ~/.aws/recipes/{profile}.json exists");
        if others.is_empty() {
            return text;
        }
        let others: Vec<String> = others.into_iter().collect();
        format!("{text} (there is one for the profile {})", safe(&others.join(", ")))
    }

    /// Returns the profile that was named outright.
    fn given_profile(&self) -> Option<&str> {
        self.global.profile.as_deref().or(self.environment.profile.as_deref())
    }

    /// Works out what holds for a tool; shows everything that is wrong, and ends here if anything is.
    pub(crate) fn settings(
        &self,
        config: &Config,
        tool: Tool,
        given: &Overrides,
    ) -> Result<Settings, CliError> {
        let mut problems = config.problems.clone();
        let mut settings = Settings::default();
        if config.path.is_none() || config.file.is_some() {
            let (resolved, more) = resolve(config.file.as_ref(), tool, given);
            settings = resolved;
            problems.extend(more);
        }
        self.show_problems(config, &problems);
        problems.retain(|problem| problem.severity == Severity::Error);
        if !problems.is_empty() {
            return Err(CliError::Config(problems));
        }
        if let (Some(given), Some(own)) =
            (self.given_profile(), config.file.as_ref().and_then(ConfigFile::profile_name))
            && given != own
        {
            let (given, own) = (safe(given), safe(own));
            self.terminal
                .warn(format_args!("using the profile `{given}`, although the config names `{own}`"));
        }
        Ok(settings)
    }

    /// Shows problems of a config with the lines they are on.
    pub(crate) fn show_problems(&self, config: &Config, problems: &[Problem]) {
        let theme = match (self.terminal.progress, self.terminal.colors_err()) {
            (_, true) => GraphicalTheme::unicode(),
            (true, false) => GraphicalTheme::unicode_nocolor(),
            (false, false) => GraphicalTheme::none(),
        };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_wrap_lines(false);
        for problem in problems.iter().take(PROBLEMS_SHOWN) {
            // A line that fills the screen shows nothing: then the place alone is told.
            let long =
                |source: &ConfigSource| source.inner().lines().any(|line| line.len() > LINE_BYTES_SHOWN);
            let text = config.source.clone().filter(|source| !long(source));
            let place = config.source.as_ref().filter(|_| text.is_none()).zip(problem.span.as_ref());
            let place = place.map(|(source, span)| {
                let (line, column) = line_and_column(source.inner(), span.start);
                format!(" ({}:{line}:{column})", source.name())
            });
            let diagnostic =
                ConfigProblem { problem: problem.clone(), text, place: place.unwrap_or_default() };
            let mut text = String::new();
            if handler.render_report(&mut text, &diagnostic).is_ok() {
                self.terminal.say(text.trim_end());
            }
        }
        if problems.len() > PROBLEMS_SHOWN {
            self.terminal.say(format_args!("  and {} more", problems.len() - PROBLEMS_SHOWN));
        }
    }

    /// Shows why a run ended.
    pub(crate) fn show_error(&self, error: &CliError) {
        let mut text = error.to_string();
        if self.changed.get() {
            text = text.replace("; nothing was changed", "; what was done before is done");
        }
        for cause in std::iter::successors(std::error::Error::source(error), |cause| cause.source()) {
            let cause = cause.to_string();
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        self.terminal.say(format_args!("{} {}", self.terminal.on_err("error:", BAD), lines_safe(&text)));
        if let Some(help) = error.help(self.changed.get()) {
            self.terminal.say(format_args!("  help: {}", help.replace('\n', "\n        ")));
        }
    }

    /// Connects to the account, and says which it is.
    ///
    /// `changes`: the command is about to change something, so that the config's guard ends it on another account.
    pub(crate) async fn connect(
        &self,
        config: &Config,
        settings: &Settings,
        changes: bool,
    ) -> Result<Session, CliError> {
        self.connect_as(config, settings, Connecting { changes, ..Connecting::default() }).await
    }

    /// The same, in a particular way.
    pub(crate) async fn connect_as(
        &self,
        config: &Config,
        settings: &Settings,
        how: Connecting,
    ) -> Result<Session, CliError> {
        let Connecting { changes, keys, profile: own_profile, silent } = how;
        for (name, url) in &self.environment.endpoints {
            crate::cli::parse_url(url).map_err(|problem| {
                CliError::usage_with(
                    format!("{name} is set to `{}`: {problem}", safe(url)),
                    "unset it, or correct it",
                )
            })?;
        }
        let of_profile = own_profile.as_deref().or(self.given_profile()).unwrap_or("default");
        let configured = self.profile_files().ok().and_then(|files| files.read(FileKind::Config).ok());
        if let Some(url) = configured.and_then(|config| config.get(of_profile, "endpoint_url")) {
            crate::cli::parse_url(&url).map_err(|problem| {
                let profile = safe(of_profile);
                CliError::usage(format!(
                    "the profile `{profile}` has the endpoint_url `{}`: {problem}",
                    safe(&url)
                ))
            })?;
        }
        let sandbox = self.global.sandbox.as_deref().map(|path| self.sandbox(path)).transpose()?;
        let profile = own_profile.clone().or_else(|| self.global.profile.clone());
        let profile = profile.or_else(|| {
            let own = config.file.as_ref()?.profile_name()?;
            self.environment.profile.is_none().then(|| own.to_owned())
        });
        let by_config = profile.is_some() && self.global.profile.is_none() && own_profile.is_none();
        if let (None, Some(name), true, None) =
            (&profile, &self.environment.profile, self.environment.has_keys, &sandbox)
        {
            self.terminal.warn(format_args!(
                "AWS_ACCESS_KEY_ID is set and wins over AWS_PROFILE={}; use --profile to have that profile's credentials",
                safe(name)
            ));
        }
        let ask = {
            let (code, command) = (self.global.mfa_code.clone(), self.global.mfa_command.clone());
            let (terminal, silent) = (self.terminal.clone(), self.global.no_input);
            move |serial: &str| match (&code, &command) {
                (Some(code), _) => Ok(code.clone()),
                (None, Some(command)) => crate::own::code_of_command(command),
                (None, None) if terminal.interactive && !silent => {
                    inquire::Text::new(&format!("MFA code of {}:", safe(serial)))
                        .prompt()
                        .map_err(|e| e.to_string())
                }
                (None, None) => Err("there is no terminal to ask on".to_owned()),
            }
        };
        let account = connect(ConnectOptions {
            profile,
            environment_profile: self.environment.profile.clone(),
            environment_has_keys: self.environment.has_keys,
            environment_endpoint: self.environment.endpoint.clone(),
            region: self.global.region.clone(),
            endpoint_url: self.global.endpoint_url.clone(),
            keys,
            clock: Some(crate::environment::now_s),
            embedded: sandbox.clone().map(aws_smithy_runtime_api::client::http::SharedHttpClient::new),
            ask_mfa_code: Some(Box::new(ask)),
            run_id: self.run.clone(),
            rate: Some(self.global.rate.0),
            interrupt: self.interrupt.clone(),
        })
        .await;
        let account = account.map_err(|error| match (error, by_config) {
            (ConnectError::NoProfile { profile, .. }, true) => CliError::usage_with(
                format!("the config names the profile `{}`, which does not exist", safe(&profile)),
                "name another with --profile or AWS_PROFILE, or take `profile_name` out of the config to use the \
                 keys of the environment",
            ),
            (error, _) => self.with_long_lived(error),
        })?;
        let home = match (&self.global.sandbox, &self.environment.state) {
            (Some(file), _) => Home::of_sandbox(file),
            (None, Some(state)) => {
                Home::of_account(state, &account.partition, &account.id, account.endpoint.as_deref())
            }
            (None, None) => {
                return Err(CliError::usage("no home folder is known, so no record of the run can be kept"));
            }
        };
        let alias = if changes { muster_aws::alias(&account.gateway).await } else { None };
        let session = Session { account, alias, home, sandbox };
        if !silent {
            self.announce(config, &session);
        }
        let guard = &settings.accounts;
        if self.global.sandbox.is_none() && !guard.is_empty() && !guard.contains(&session.account.id) {
            let error = CliError::WrongAccount { wanted: guard.clone(), found: session.account.id.clone() };
            if changes {
                return Err(error);
            }
            self.terminal.warn(format_args!("{error}; nothing would be changed there"));
        }
        Ok(session)
    }

    /// Says how a profile without keys gets a session, where its long-lived keys are beside it.
    fn with_long_lived(&self, error: ConnectError) -> CliError {
        let profile = match &error {
            ConnectError::NoProfile { profile, .. } => Some(profile.clone()),
            ConnectError::NoCredentials { .. } => self.given_profile().map(str::to_owned),
            _ => None,
        };
        let has_keys = |profile: &String| {
            let found = self.profile_files().ok()?.profile(&crate::own::long_lived_name(profile)).ok()?;
            found?.keys
        };
        match profile.filter(|profile| has_keys(profile).is_some()) {
            Some(profile) => CliError::usage_with(
                format!("the profile `{}` holds no session", safe(&profile)),
                format!("`muster init-sts-session --profile {}` puts one there", safe(&profile)),
            ),
            None => error.into(),
        }
    }

    /// Returns whether everything is listed: a script reads every line, a person has a screen.
    pub(crate) fn lists_all(&self) -> bool {
        !self.terminal.progress || self.global.verbose > 0
    }

    /// Returns who asks questions.
    pub(crate) fn prompter(&self) -> Prompter<'_> {
        Prompter::new(&self.terminal, &self.interrupt, self.global.no_input, self.global.yes)
    }

    /// Returns where the AWS credentials and config files are.
    pub(crate) fn profile_files(&self) -> Result<ProfileFiles, CliError> {
        let home = self.environment.home.as_deref();
        let path = |given: &Option<String>, name: &str| match (given.as_deref(), home) {
            (Some(given), Some(home)) if given.starts_with("~/") => Some(home.join(&given[2..])),
            (Some(given), _) => Some(PathBuf::from(given)),
            (None, home) => home.map(|home| home.join(".aws").join(name)),
        };
        let files = path(&self.environment.credentials_file, "credentials")
            .zip(path(&self.environment.config_file, "config"));
        let given = [&self.environment.credentials_file, &self.environment.config_file];
        if let Some(path) = given.into_iter().flatten().find(|path| path.contains('$')) {
            return Err(CliError::usage_with(
                format!("`{}` names a file of AWS profiles with a `$` in it", safe(path)),
                "some AWS clients put the value of a variable there and others do not: write the whole path",
            ));
        }
        let (credentials, config) = files
            .ok_or_else(|| CliError::usage("no home folder is known, so neither are the AWS credentials"))?;
        Ok(ProfileFiles { credentials, config })
    }

    /// Returns the profile that is meant: the one that was named, else the config's own, else `default`.
    pub(crate) fn meant_profile(&self, config: &Config) -> String {
        let own = || config.file.as_ref().and_then(ConfigFile::profile_name);
        self.given_profile().or_else(own).unwrap_or("default").to_owned()
    }

    fn sandbox(&self, path: &Path) -> Result<Sandbox, CliError> {
        let (file, account, clock_ms) = StateFile::open(path)?;
        let faults = self.global.faults.clone().unwrap_or_default();
        Ok(Sandbox::new(account, faults, clock_ms.max(self.started_ms)).with_file(file))
    }

    /// Says which config, profile, account and endpoint are about to be used.
    fn announce(&self, config: &Config, session: &Session) {
        let account = &session.account;
        let alias = session.alias.as_deref().map(|alias| format!(" ({})", safe(alias))).unwrap_or_default();
        let place = match (&self.global.sandbox, &account.endpoint) {
            (Some(file), _) => format!("embedded in {}", file.display()),
            (None, Some(url)) => format!("at {}", safe(url)),
            (None, None) => format!("of partition {}", safe(&account.partition)),
        };
        let profile = account.profile.as_deref().filter(|_| self.global.sandbox.is_none());
        let profile = profile.map(|profile| format!(", profile {}", safe(profile))).unwrap_or_default();
        let path = config.path.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
        self.terminal.say(format_args!(
            "Account {}{alias} {place}, as {}{profile}; config: {path}",
            safe(&account.id),
            safe(&account.caller_arn)
        ));
    }

    /// Names the record of a run, and what undoes it, on the same account.
    pub(crate) fn name_record(&self, record: Option<&str>) {
        let Some(path) = record.filter(|_| !self.is_demo) else { return };
        let mut undo = format!("muster revert {path}");
        let sandbox = self.global.sandbox.as_ref().map(|path| path.display().to_string());
        for (option, value) in [
            ("sandbox", &sandbox),
            ("profile", &self.global.profile),
            ("endpoint-url", &self.global.endpoint_url),
        ] {
            if let Some(value) = value {
                undo = format!("{undo} --{option} {}", safe(value));
            }
        }
        self.terminal.say(format_args!("Record: {path}\n`{undo}` undoes it"));
    }

    /// Returns the file of the embedded account, by the name that no link changes.
    pub(crate) fn sandbox_path(&self) -> Option<String> {
        let path = self.global.sandbox.as_ref()?;
        let path = path.canonicalize().unwrap_or_else(|_| path.clone());
        Some(path.to_string_lossy().into_owned())
    }

    /// Returns the head of this run's record.
    pub(crate) fn record_head(&self, config: &Config, session: &Session) -> Head {
        Head {
            muster_record: Head::VERSION,
            run: self.run.clone(),
            at: rfc3339(self.started_ms),
            command: self.command_line.clone(),
            account: session.account.id.clone(),
            partition: session.account.partition.clone(),
            endpoint: session.account.endpoint.clone(),
            sandbox: self.sandbox_path(),
            caller: session.account.caller_arn.clone(),
            profile: session.account.profile.clone(),
            config_hash: config.hash.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

pub(crate) fn lines_safe(text: &str) -> String {
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n")
}

/// Returns a text with what could drive a terminal blotted out, byte for byte, so that places in it stay right.
fn showable(text: &str) -> String {
    let blot = |c: char| c != '\n' && c != '\t' && safe(c.encode_utf8(&mut [0; 4])) != c.to_string();
    text.chars().flat_map(|c| if blot(c) { vec!['?'; c.len_utf8()] } else { vec![c] }).collect()
}

/// Reads a snapshot.
pub(crate) fn read_snapshot(path: &Path) -> Result<Roster, CliError> {
    let text = read_text(path, INPUT_BYTES_MAX, false)?;
    Roster::from_json(&text).map_err(|source| CliError::Snapshot { path: path.to_owned(), source })
}

/// Reads a text that a person wrote.
pub(crate) fn read_input(path: &Path) -> Result<String, CliError> {
    read_text(path, INPUT_BYTES_MAX, false)
}

/// Reads a file that holds a secret.
pub(crate) fn read_secret_input(path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let wrong =
        |error: std::io::Error| CliError::usage(format!("failed to read `{}`: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(wrong)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    file.take(CONFIG_BYTES_MAX).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(bytes)
}

/// Reads a text up to a length. A config is a file; other input may come through a pipe.
fn read_text(path: &Path, bytes_max: u64, only_files: bool) -> Result<String, CliError> {
    let wrong = |reason: String| CliError::usage(format!("failed to read `{}`: {reason}", path.display()));
    let meta = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if meta.is_dir() {
        return Err(wrong("it is a folder".to_owned()));
    }
    if only_files && !meta.is_file() {
        return Err(wrong("it is no ordinary file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > bytes_max {
        return Err(wrong(format!("more than {} MiB is not read", bytes_max / (1024 * 1024))));
    }
    String::from_utf8(bytes).map_err(|error| {
        wrong(format!("it is not text in UTF-8: byte {} is wrong", error.utf8_error().valid_up_to() + 1))
    })
}

/// A file that did not exist and is there to be written; gone again unless it was.
pub(crate) struct NewFile {
    path: PathBuf,
    file: std::fs::File,
    written: bool,
}

impl NewFile {
    /// Makes the file, so that it is certain before anything else that it can be written.
    pub(crate) fn create(path: &Path) -> Result<Self, CliError> {
        let mut options = std::fs::OpenOptions::new();
        match options.create_new(true).write(true).open(path) {
            Ok(file) => Ok(Self { path: path.to_owned(), file, written: false }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(CliError::usage(format!("`{}` exists already and is not overwritten", path.display())))
            }
            Err(error) => Err(CliError::Write { path: path.to_owned(), reason: error.to_string() }),
        }
    }

    /// Writes all of it.
    pub(crate) fn write(mut self, text: &str) -> Result<(), CliError> {
        let result = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        self.written = result.is_ok();
        result.map_err(|error| CliError::Write { path: self.path.clone(), reason: error.to_string() })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.written {
            // Half a file is worse than none; if it cannot go, the message about it has been shown.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
