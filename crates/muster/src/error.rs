//! Everything that can end a run, what to say about it, and the exit status it has.

use std::path::PathBuf;

use miette::Diagnostic;
use muster_aws::{CallError, ConnectError, HomeError, Kind, RecordError, StepError};
use muster_core::config::Problem;
use muster_core::roster::SnapshotError;
use muster_core::taxonomy::AssessError;
use muster_credentials::profiles::ProfileError;
use muster_credentials::sealing::SealError;
use muster_sandbox::StoreError;

use crate::exit::Exit;
use crate::terminal::safe;

/// A config file's text under the name that people know it by.
pub(crate) type ConfigSource = std::sync::Arc<miette::NamedSource<String>>;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line asks for something that cannot be.
    #[error("{message}")]
    Usage { message: String, help: Option<String> },
    /// It cannot be done, although it was asked for rightly.
    #[error("{message}")]
    Refused { message: String, help: String },
    /// A file cannot be written.
    #[error("failed to write `{}`: {reason}", path.display())]
    Write { path: PathBuf, reason: String },
    /// The config is wrong; the problems have been shown.
    #[error("the config cannot be used: {}", count(.0.len(), "error"))]
    Config(Vec<Problem>),
    /// A decisions file is wrong.
    #[error("`{}` has {}:{}", path.display(), count(problems.len(), "wrong line"), listed(problems))]
    Decisions { path: PathBuf, problems: Vec<muster_core::decisions::DecisionProblem> },
    /// The account is not the one that the config is for.
    #[error("the config is for the account {}, and these credentials are for {found}", wanted.join(" or "))]
    WrongAccount { wanted: Vec<String>, found: String },
    /// Groups that the rules name do not exist.
    #[error("{} not exist in the account: {}", if groups.len() == 1 { "this group does" } else { "these groups do" }, some(groups))]
    MissingGroups { groups: Vec<String> },
    /// A run would change more than it may.
    #[error("this run would make {changes} changes, and --max-changes allows {changes_max}")]
    TooMany { changes: usize, changes_max: usize },
    /// The account cannot be reached.
    #[error(transparent)]
    Connect(Box<ConnectError>),
    /// A call failed before anything was changed.
    #[error("{0}")]
    Call(Box<CallError>),
    /// A user's standing cannot be told.
    #[error(transparent)]
    Assess(#[from] AssessError),
    /// The folder for records cannot be used, or another run is at work.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A record cannot be written or read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An embedded account's file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A snapshot cannot be used.
    #[error("failed to read the snapshot `{}`: {source}", path.display())]
    Snapshot { path: PathBuf, source: SnapshotError },
    /// The account is not what it was a moment ago.
    #[error("{0}")]
    Moved(String),
    /// What has to be so before anything is created or taken away is not so.
    #[error("this cannot be done:{}", indented(problems))]
    Preflight { problems: Vec<String>, exit: Exit },
    /// A secret cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A step of a saga failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A file of AWS profiles cannot be read or changed.
    #[error(transparent)]
    Profiles(#[from] ProfileError),
    /// A role was refused.
    #[error("the role {role} is refused: {source}")]
    Role { role: String, source: Box<CallError> },
    /// Ctrl-C, with what is to be said about it.
    #[error("interrupted; {0}")]
    Interrupted(String),
}

impl From<CallError> for CliError {
    fn from(error: CallError) -> Self {
        if error.kind == Kind::Interrupted {
            return Self::Interrupted("nothing was changed".to_owned());
        }
        Self::Call(Box::new(error))
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Identity { source, .. } if source.kind == Kind::Interrupted => source.into(),
            error => Self::Connect(Box::new(error)),
        }
    }
}

impl CliError {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: None }
    }

    pub(crate) fn usage_with(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: Some(help.into()) }
    }

    pub(crate) fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: help.into() }
    }

    /// Returns the exit status.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. }
            | Self::Config(_)
            | Self::Decisions { .. }
            | Self::WrongAccount { .. }
            | Self::Snapshot { .. } => Exit::Usage,
            Self::Connect(error) => match **error {
                ConnectError::NoProfile { .. } | ConnectError::ProfileFiles(_) => Exit::Usage,
                _ => Exit::Failed,
            },
            Self::Interrupted(_) => Exit::Interrupted,
            Self::Preflight { exit, .. } => *exit,
            _ => Exit::Failed,
        }
    }

    /// Returns what to do about it. `changed`: some of the run had been done.
    pub(crate) fn help(&self, changed: bool) -> Option<String> {
        match self {
            Self::Call(error) if changed => {
                let help = help_with(error, None).map(|help| format!("\n{help}")).unwrap_or_default();
                Some(format!("some of it was done; `muster recover` finishes what was begun{help}"))
            }
            Self::Step(StepError::Call(error)) => help_with(error, None),
            Self::Role { .. } => Some(
                "its trust policy has to name you, with the external id that it asks for (--external-id) and MFA; and \
                 where it names the account, your own policies have to allow sts:AssumeRole"
                    .to_owned(),
            ),
            Self::Profiles(_) | Self::Preflight { .. } if !changed => Some("nothing was changed".to_owned()),
            Self::Refused { help, .. } => Some(help.clone()),
            Self::Usage { help, .. } => help.clone(),
            Self::WrongAccount { .. } => {
                Some("nothing was changed; use the right profile, or correct `account` in the config".to_owned())
            }
            Self::MissingGroups { .. } => Some(
                "nothing was changed; create them with `muster create-default-groups`, or let this run do it with \
                 --create-groups"
                    .to_owned(),
            ),
            Self::TooMany { .. } => {
                Some("nothing was changed; look at them with --dry-run, then raise the limit".to_owned())
            }
            Self::Home(HomeError::Locked { .. }) => {
                Some("nothing was changed; wait until it ends, then run again".to_owned())
            }
            Self::Store(StoreError::InUse { .. }) => Some(
                "nothing was changed; end the other one, or, if it is `muster sandbox serve`, call it as `muster \
                 sandbox env` says"
                    .to_owned(),
            ),
            Self::Connect(error) => help_to_connect(error),
            Self::Call(error) => {
                let help = help_with(error, None).map(|help| format!("\n{help}")).unwrap_or_default();
                Some(format!("nothing was changed{help}"))
            }
            Self::Assess(_) | Self::Decisions { .. } => Some("nothing was changed".to_owned()),
            _ => None,
        }
    }
}

fn help_to_connect(error: &ConnectError) -> Option<String> {
    Some(match error {
        ConnectError::NoProfile { profile, known } if known.is_empty() => {
            format!("no profiles are configured; `aws configure --profile {profile}` makes this one")
        }
        ConnectError::NoProfile { known, .. } => format!("the profiles are {}", safe(&known.join(", "))),
        ConnectError::NoCredentials { detail } if detail.starts_with("the profile") => {
            format!("{}: no keys, role, SSO or credential_process", safe(detail))
        }
        ConnectError::NoCredentials { .. } => "name a profile with --profile, set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, or try muster without AWS: `muster demo`"
            .to_owned(),
        ConnectError::Credentials { detail }
            if detail.to_ascii_lowercase().contains("sso") || detail.contains("token") =>
        {
            "sign in again with `aws sso login`".to_owned()
        }
        ConnectError::MfaCode { .. } => "give it with --mfa-code, or run muster on a terminal".to_owned(),
        ConnectError::Role { source, .. } => help_with(source, None)?,
        ConnectError::Identity { source, region_guessed, is_session } => {
            help_with(source, Some((*region_guessed, *is_session)))?
        }
        _ => return None,
    })
}

/// Explains the failures that everybody meets. `session` says whether the region was guessed, and whether the
/// credentials are those of a session.
pub(crate) fn help_with(error: &CallError, session: Option<(bool, bool)>) -> Option<String> {
    let code = error.code.as_deref().unwrap_or_default();
    Some(match (error.kind, code) {
        (Kind::Denied, _) => format!(
            "the caller needs this statement in a policy (`muster permissions` prints all that a command needs):\n  \
             {{\"Effect\": \"Allow\", \"Action\": \"{}:{}\", \"Resource\": \"*\"}}",
            error.service, error.action
        ),
        (Kind::Credentials, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "the session has expired: sign in again, or renew it".to_owned()
        }
        (Kind::Credentials, "InvalidClientTokenId" | "UnrecognizedClientException") => {
            let (region_guessed, is_session) = session.unwrap_or_default();
            let mut help = if is_session || error.by_session {
                "AWS does not accept this session here: one from GetSessionToken may call IAM only when it was made \
                 with an MFA code; `muster init-sts-session` makes one that may."
            } else {
                "AWS does not know this access key: was it deleted or made inactive, or is it of another partition?"
            }
            .to_owned();
            if region_guessed {
                help.push_str(
                    "\nNo region is configured, so us-east-1 was called; if the account is in another partition, try \
                     --region cn-north-1 or --region us-gov-west-1.",
                );
            }
            help
        }
        (Kind::Credentials, "SignatureDoesNotMatch") => {
            "the secret access key does not fit the access key id, or this machine's clock is wrong"
                .to_owned()
        }
        (Kind::Transient, "") => "no answer came; is the address right, and the network up?".to_owned(),
        (Kind::Transient, _) => "the service has trouble; run again later".to_owned(),
        (Kind::Throttled, _) => "the account refuses calls for going too fast; try a lower --rate".to_owned(),
        _ => return None,
    })
}

/// Returns the first few of a list, and how many more there are.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn indented(problems: &[String]) -> String {
    problems.iter().flat_map(|problem| ["\n  ".to_owned(), safe(problem).into_owned()]).collect()
}

fn listed(problems: &[muster_core::decisions::DecisionProblem]) -> String {
    problems.iter().flat_map(|problem| ["\n  ".to_owned(), safe(&problem.to_string()).into_owned()]).collect()
}

/// Returns `1 user`, `2 users`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Returns `1 policy`, `2 policies` and the like.
pub(crate) fn count_of(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// A problem of a config, with the text around it.
#[derive(Debug, thiserror::Error)]
#[error("{}{place}", safe(&problem.message))]
pub(crate) struct ConfigProblem {
    pub(crate) problem: Problem,
    pub(crate) text: Option<ConfigSource>,
    /// Where it is, in words, if the text is not shown.
    pub(crate) place: String,
}

impl Diagnostic for ConfigProblem {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            muster_core::config::Severity::Advice => miette::Severity::Advice,
            muster_core::config::Severity::Warning => miette::Severity::Warning,
            muster_core::config::Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problem.span.as_ref()?;
        self.text.as_deref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let span = self.problem.span.clone()?;
        self.text.as_ref()?;
        Some(Box::new(std::iter::once(miette::LabeledSpan::underline(span))))
    }
}
