//! The command line as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use muster_core::config::{Overrides, Tool};

use crate::terminal::ColorChoice;

/// Put every IAM user of an AWS account in the common groups and in one, and only one, category group
#[derive(Debug, Parser)]
#[command(name = "muster", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalArgs {
    /// Use this AWS profile, its credentials alone, and its config
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Use this AWS region; IAM itself has only one in each partition
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Call this address instead of AWS
    #[arg(long, global = true, value_name = "URL", value_parser = parse_url)]
    pub(crate) endpoint_url: Option<String>,
    /// Read this config file (or `MUSTER_CONFIG`)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Work on the embedded account in this file: no network, no credentials (or `MUSTER_SANDBOX`)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) sandbox: Option<PathBuf>,
    /// Trouble that the embedded account makes, such as latency=50ms,rate=20,burst=40,lose=0.01
    #[arg(long, global = true, value_name = "FAULTS")]
    pub(crate) faults: Option<muster_sandbox::Faults>,
    /// Print the result in this form
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Output,
    /// Call at most this often a second; `auto` finds out what the account takes
    #[arg(long, global = true, value_parser = parse_rate, default_value = "auto", value_name = "N|auto")]
    pub(crate) rate: Rate,
    /// The code of the MFA device, where one is asked for
    #[arg(long, alias = "mfa_code", global = true, value_name = "CODE")]
    pub(crate) mfa_code: Option<String>,
    /// Run this command, which prints the code of the MFA device, instead of asking
    #[arg(long, alias = "mfa_command", global = true, value_name = "COMMAND")]
    pub(crate) mfa_command: Option<String>,
    /// Never ask anything
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// Go on without asking, also where a name would have to be typed; never agrees to plaintext
    #[arg(long, short = 'y', global = true)]
    pub(crate) yes: bool,
    /// Use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// Log what is done to stderr; twice for every call
    #[arg(long, short = 'v', global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// The same as -vv
    #[arg(long, global = true, hide = true)]
    pub(crate) debug: bool,
}

/// The form of a result on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// Lines of CSV.
    Csv,
}

/// `--rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(pub(crate) muster_aws::Rate);

/// Reads an address, of which the SDK takes for granted that it is one.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let good =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    if !host.is_empty() && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err("an address is written like https://iam.amazonaws.com or http://127.0.0.1:4711".to_owned())
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "auto" {
        return Ok(Rate(muster_aws::Rate::Auto));
    }
    let rate = text.parse::<f64>().ok().filter(|rate| (0.01..=100_000.0).contains(rate));
    let rate = rate.ok_or("it must be a number of calls a second from 0.01 to 100000, or auto")?;
    Ok(Rate(muster_aws::Rate::AtMost(rate)))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Propose a config from what the account looks like
    Init(InitArgs),
    /// Create the common and category groups that do not exist yet
    CreateDefaultGroups(CreateDefaultGroupsArgs),
    /// Put every user in the common groups and in one category group
    SortUsers(SortUsersArgs),
    /// Create users, with sealed credentials, groups and MFA
    CreateUser(CreateUserArgs),
    /// Take users away with all that hangs on them, locked out first
    DeleteUser(DeleteUserArgs),
    /// Put users in quarantine: every call denied, every credential off, until restore-user
    DisableUser(DisableUserArgs),
    /// Bring users back from quarantine
    RestoreUser(RestoreUserArgs),
    /// Put a long-lived access key and the MFA device's serial number into an AWS profile
    Configure(ConfigureArgs),
    /// Give yourself, or another user, a virtual MFA device
    EnableMfa(EnableMfaArgs),
    /// Make an MFA session for the AWS CLI and SDKs, also as a `credential_process`
    InitStsSession(InitStsSessionArgs),
    /// Take on a role from an MFA session, in the same ways
    AssumeRole(AssumeRoleArgs),
    /// Replace your access key, without ever being without one
    RotateMyKey(RotateMyKeyArgs),
    /// Replace another user's access key; the new one is sealed
    RotateKey(RotateKeyArgs),
    /// Finish or undo what a crash left half done
    Recover(RecoverArgs),
    /// Write the account's users, groups and policies to a file
    Snapshot(SnapshotArgs),
    /// Say how the account differs from the config: groups, policies and memberships, in one plan
    Plan(PlanArgs),
    /// Make the account what the config says, in an order that is safe at every step
    Apply(ApplyArgs),
    /// Carry the plan out on an embedded copy of the account, and see what it does to people
    Rehearse(RehearseArgs),
    /// Hold the account against every rule, and change nothing
    Audit(AuditArgs),
    /// Create policies from templates
    CreatePolicy(CreatePolicyArgs),
    /// Undo the membership and group changes of an earlier run
    Revert(RevertArgs),
    /// Print the IAM policy that commands need, and no more
    Permissions(PermissionsArgs),
    /// Look at, check or convert the config
    #[command(subcommand)]
    Config(ConfigCommand),
    /// An IAM account embedded in muster, to rehearse on
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Show the whole story on an embedded account, in a moment, without AWS
    Demo(DemoArgs),
    /// Make links with the names that the recipes had
    InstallLinks(InstallLinksArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// The groups and rules, which a config file can give too.
#[derive(Debug, Clone, Args, Default)]
pub(crate) struct TaxonomyArgs {
    /// The groups that every user belongs to
    #[arg(long, alias = "common_groups", num_args = 1.., value_name = "GROUP")]
    pub(crate) common_groups: Option<Vec<String>>,
    /// The groups of which every user belongs to one, and only one
    #[arg(long, alias = "category_groups", num_args = 1.., value_name = "GROUP")]
    pub(crate) category_groups: Option<Vec<String>>,
}

impl TaxonomyArgs {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            common_groups: self.common_groups.clone(),
            category_groups: self.category_groups.clone(),
            ..Overrides::default()
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CreateDefaultGroupsArgs {
    #[command(flatten)]
    pub(crate) taxonomy: TaxonomyArgs,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SortUsersArgs {
    #[command(flatten)]
    pub(crate) taxonomy: TaxonomyArgs,
    /// One pattern for each category group, in the same order; '' where a person decides
    #[arg(long, alias = "category_regex", num_args = 1.., value_name = "REGEX")]
    pub(crate) category_regex: Option<Vec<String>>,
    /// Put every user in the common groups without asking
    #[arg(
        long, alias = "force_common_group", num_args = 0..=1, default_missing_value = "true", require_equals = true,
        value_name = "BOOL"
    )]
    pub(crate) force_common_group: Option<bool>,
    /// Create missing common and category groups first
    #[arg(
        long, alias = "create_groups", num_args = 0..=1, default_missing_value = "true", require_equals = true,
        value_name = "BOOL"
    )]
    pub(crate) create_groups: Option<bool>,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
    /// Plan on a snapshot instead of the account (with --dry-run)
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub(crate) roster: Option<PathBuf>,
    /// Take the categories of users that no pattern matches from this CSV of user,group lines
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
    /// The category group of users that nothing else decides about
    #[arg(long, value_name = "GROUP")]
    pub(crate) default_category: Option<String>,
    /// Let the name decide which of several category groups a user keeps
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) resolve_conflicts: Option<Resolve>,
    /// Move users whose name says another category group
    #[arg(long)]
    pub(crate) move_misfiled: bool,
    /// Look only at users whose path starts with this
    #[arg(long, value_name = "PATH")]
    pub(crate) path_prefix: Option<String>,
    /// Look only at these users (--user-name=-x for a name that begins with a dash)
    #[arg(long, alias = "users", alias = "user_name", num_args = 1.., value_name = "USER")]
    pub(crate) user_name: Vec<String>,
    /// Stop before changing anything if there would be more changes
    #[arg(long, value_name = "N")]
    pub(crate) max_changes: Option<usize>,
    /// Also write who is in which group to this CSV file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// How a conflict is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resolve {
    /// The name's pattern.
    Pattern,
}

impl SortUsersArgs {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            category_regex: self.category_regex.clone(),
            force_common_group: self.force_common_group,
            create_groups: self.create_groups,
            default_category: self.default_category.clone(),
            path_prefix: self.path_prefix.clone(),
            max_changes: self.max_changes,
            ..self.taxonomy.overrides()
        }
    }
}

/// Names of users, given one way or the other.
#[derive(Debug, Clone, Args)]
pub(crate) struct NameArgs {
    /// The users
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The same (--user-name=-x for a name that begins with a dash)
    #[arg(long = "user-name", alias = "users", alias = "user_name", num_args = 1.., value_name = "NAME")]
    pub(crate) user_name: Vec<String>,
}

impl NameArgs {
    /// Returns all names, each once.
    pub(crate) fn all(&self) -> Vec<muster_core::name::UserName> {
        let mut names: Vec<muster_core::name::UserName> = Vec::new();
        for name in self.names.iter().chain(&self.user_name) {
            let name = muster_core::name::UserName::new(name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// For whom secrets are sealed, and where the result goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct SealArgs {
    /// Seal for this person: a PGP fingerprint, key id, e-mail address or key file; an age or SSH public key, or a file
    /// with one
    #[arg(long, num_args = 1.., value_name = "R")]
    pub(crate) recipient: Vec<String>,
    /// Take PGP keys that nothing in the keyring vouches for
    #[arg(long, alias = "always_trust")]
    pub(crate) always_trust: bool,
    /// Save secrets unencrypted where there is nobody to seal them for
    #[arg(long, alias = "no-prompt-before-plaintext", alias = "no_prompt_before_plaintext")]
    pub(crate) allow_plaintext: bool,
}

/// The folder for bundles and records of users.
#[derive(Debug, Clone, Args)]
pub(crate) struct FolderArgs {
    /// The folder for bundles and records of users
    #[arg(long, value_name = "DIR", default_value = "users")]
    pub(crate) out_dir: PathBuf,
    /// After a crash: wait until this long after the last entry of the run before believing that something is not there
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30s", hide_short_help = true)]
    pub(crate) settle: std::time::Duration,
}

#[derive(Debug, Args)]
pub(crate) struct CreateUserArgs {
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// Create the users in this CSV: name, category, groups, recipient, tags
    #[arg(long, value_name = "FILE", conflicts_with_all = ["names", "user_name"])]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) taxonomy: TaxonomyArgs,
    /// One pattern for each category group, in the same order; '' where a person decides
    #[arg(long, alias = "category_regex", num_args = 1.., value_name = "REGEX")]
    pub(crate) category_regex: Option<Vec<String>>,
    /// Groups that the users join besides the common ones and their category group
    #[arg(long, alias = "groups", alias = "group_name", num_args = 1.., value_name = "GROUP")]
    pub(crate) group_name: Vec<String>,
    /// The category group that the users belong to
    #[arg(long, value_name = "GROUP")]
    pub(crate) category: Option<String>,
    /// Put the users in the common groups without asking
    #[arg(
        long, alias = "force_common_group", num_args = 0..=1, default_missing_value = "true", require_equals = true,
        value_name = "BOOL"
    )]
    pub(crate) force_common_group: Option<bool>,
    /// How the users get an MFA device [default: prompt, where their category has MFA]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) mfa: Option<MfaChoice>,
    /// The same as --mfa none
    #[arg(long, alias = "no_mfa", conflicts_with = "mfa")]
    pub(crate) no_mfa: bool,
    /// Make no password
    #[arg(long, alias = "no_password")]
    pub(crate) no_password: bool,
    /// Make an access key
    #[arg(long, alias = "access_key", conflicts_with = "no_access_key")]
    pub(crate) access_key: bool,
    /// Make no access key
    #[arg(long, alias = "no_access_key")]
    pub(crate) no_access_key: bool,
    /// One of the recipes' tools made an access key unless told otherwise
    #[arg(long, hide = true)]
    pub(crate) access_key_by_default: bool,
    /// Their path
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub(crate) path: String,
    /// Tags for them
    #[arg(long, num_args = 1.., value_name = "KEY=VALUE", value_parser = parse_tag)]
    pub(crate) tag: Vec<muster_core::roster::Tag>,
    /// The policy that is their permissions boundary
    #[arg(long, value_name = "ARN")]
    pub(crate) permissions_boundary: Option<String>,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Keep a user whose creation failed half-way
    #[arg(long)]
    pub(crate) keep_partial: bool,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

/// `--mfa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MfaChoice {
    /// Draw the QR code and ask for two codes.
    Prompt,
    /// Enable it now, and seal QR code and seed for the user.
    Auto,
    /// Not at all.
    None,
}

impl From<MfaChoice> for muster_aws::Mfa {
    fn from(choice: MfaChoice) -> Self {
        match choice {
            MfaChoice::Prompt => Self::Prompt,
            MfaChoice::Auto => Self::Auto,
            MfaChoice::None => Self::None,
        }
    }
}

pub(crate) fn parse_tag(text: &str) -> Result<muster_core::roster::Tag, String> {
    let (key, value) = text.split_once('=').ok_or("a tag is written KEY=VALUE")?;
    if key.is_empty() || key.to_ascii_lowercase().starts_with("aws:") || key.starts_with("muster:") {
        return Err("the key of a tag is not empty, and does not begin with aws: or muster:".to_owned());
    }
    Ok(muster_core::roster::Tag { key: key.to_owned(), value: value.to_owned() })
}

/// Reads `30s`, `7d` and the like.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let scale_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("a time is written like 30s, 10m, 12h or 7d".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a time is written like 30s, 10m, 12h or 7d".to_owned())?;
    number
        .checked_mul(scale_ms)
        .map(std::time::Duration::from_millis)
        .ok_or_else(|| "that is too long".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct DeleteUserArgs {
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// Take users that have been in quarantine for at least this long; without names, all of whom the folder has records
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) disabled_for: Option<std::time::Duration>,
    /// Warn of what was used within this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "7d")]
    pub(crate) recent: std::time::Duration,
    /// Delete the last administrator too
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Print the exact calls, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DisableUserArgs {
    #[command(flatten)]
    pub(crate) names: NameArgs,
    /// Find the user by one of its access keys
    #[arg(long, num_args = 1.., value_name = "AKIA")]
    pub(crate) access_key_id: Vec<String>,
    /// End the sessions of these roles, too: they are not the user's, and live on
    #[arg(long, num_args = 1.., value_name = "ROLE")]
    pub(crate) revoke_role_sessions: Vec<String>,
    /// Disable the last administrator too
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Print the exact calls, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreUserArgs {
    #[command(flatten)]
    pub(crate) names: NameArgs,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Print the exact calls, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigureArgs {
    /// Take the key from this CSV file of AWS's console
    #[arg(long, alias = "csv", alias = "from_csv", value_name = "FILE", group = "source")]
    pub(crate) from_csv: Option<PathBuf>,
    /// Take the key from this bundle of create-user; gpg or --identity opens it
    #[arg(long, alias = "from_bundle", value_name = "FILE", group = "source")]
    pub(crate) from_bundle: Option<PathBuf>,
    /// Move the key here from this profile
    #[arg(long, alias = "from_profile", value_name = "NAME", group = "source")]
    pub(crate) from_profile: Option<String>,
    /// Open the bundle with this age identity or private SSH key
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "from_bundle")]
    pub(crate) identity: Vec<PathBuf>,
    /// Take the key of this user, where the CSV file has several
    #[arg(long, alias = "user_name", value_name = "NAME", requires = "from_csv")]
    pub(crate) user_name: Option<String>,
    /// Put the key into the profile itself and not into NAME-nomfa; sessions then have no place there
    #[arg(long, alias = "no_suffix")]
    pub(crate) no_suffix: bool,
    /// The serial number of the MFA device; looked up if the key may
    #[arg(long, alias = "mfa_serial", value_name = "ARN")]
    pub(crate) mfa_serial: Option<String>,
    /// Delete the CSV file once the key is saved; asked otherwise
    #[arg(long, requires = "from_csv")]
    pub(crate) delete_csv: bool,
    /// Save the key without trying it
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EnableMfaArgs {
    /// The user; yourself if none is named
    #[arg(long, alias = "user_name", alias = "users", value_name = "NAME")]
    pub(crate) user_name: Option<String>,
    /// The name of the device [default: the user's, with a number where that is taken]
    #[arg(long, alias = "device_name", value_name = "NAME")]
    pub(crate) device_name: Option<String>,
    /// How the device is enabled
    #[arg(long, value_enum, value_name = "HOW", default_value = "prompt")]
    pub(crate) mfa: EnableChoice,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

/// `--mfa` of `enable-mfa`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnableChoice {
    /// Draw the QR code and ask for two codes.
    Prompt,
    /// Enable it now, and seal QR code and seed for the user.
    Auto,
}

/// How a session is made and where it goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct SessionArgs {
    /// Use this MFA device instead of the profile's
    #[arg(long, alias = "mfa_serial", value_name = "ARN")]
    pub(crate) mfa_serial: Option<String>,
    /// Print the session instead of putting it into the profile
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) format: Option<SessionFormat>,
    /// Make a new one, even if one that was made before is still good
    #[arg(long)]
    pub(crate) force: bool,
}

/// `--format` of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SessionFormat {
    /// Shell exports.
    Env,
    /// As `aws sts get-session-token` prints it.
    Json,
    /// As AWS clients want it from the `credential_process` of a profile; asks on the terminal.
    CredentialProcess,
}

#[derive(Debug, Args)]
pub(crate) struct InitStsSessionArgs {
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    /// How long it lasts, 15m to 36h, or in seconds [default: 12h, and any that is still good will do]
    #[arg(long, alias = "duration-seconds", value_name = "TIME", value_parser = parse_session_time)]
    pub(crate) duration: Option<i32>,
    /// Say which sessions there are, and until when
    #[arg(long, conflicts_with_all = ["clear", "format", "force", "duration"])]
    pub(crate) status: bool,
    /// Forget the profile's sessions
    #[arg(long, conflicts_with_all = ["format", "force", "duration"])]
    pub(crate) clear: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AssumeRoleArgs {
    /// The role; that of the profile in ~/.aws/config if none is named
    #[arg(long, alias = "role_arn", value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// The profile whose keys and MFA device are used [default: the `source_profile` of the profile]
    #[arg(long, alias = "source_profile", value_name = "NAME")]
    pub(crate) source_profile: Option<String>,
    /// What the role's owner knows you by
    #[arg(long, alias = "external_id", value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// The name of the session, which CloudTrail shows [default: your user name]
    #[arg(long, alias = "role_session_name", value_name = "NAME")]
    pub(crate) role_session_name: Option<String>,
    /// How long it lasts, 15m to 12h, or in seconds [default: the role's own, an hour]
    #[arg(long, alias = "duration-seconds", value_name = "TIME", value_parser = parse_role_time)]
    pub(crate) duration: Option<i32>,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}

/// Reads a time in seconds, or as `30m`, `12h`, between two others.
fn parse_time_in(text: &str, min_s: u64, max_s: u64, limits: &str) -> Result<i32, String> {
    let seconds = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| "that is too long".to_owned())?
    } else {
        parse_duration(text)?.as_secs()
    };
    let seconds = Some(seconds).filter(|seconds| (min_s..=max_s).contains(seconds));
    seconds.and_then(|seconds| i32::try_from(seconds).ok()).ok_or_else(|| format!("it can be from {limits}"))
}

fn parse_session_time(text: &str) -> Result<i32, String> {
    parse_time_in(text, 900, 129_600, "15m to 36h")
}

fn parse_role_time(text: &str) -> Result<i32, String> {
    parse_time_in(text, 900, 43_200, "15m to 12h")
}

#[derive(Debug, Args)]
pub(crate) struct RotateMyKeyArgs {
    /// Show your keys, with age and last use, and change nothing
    #[arg(long, conflicts_with_all = ["finish", "delete_old", "check"])]
    pub(crate) list: bool,
    /// Delete the old key of an earlier rotation, which is inactive since
    #[arg(long, conflicts_with_all = ["delete_old", "check", "max_age"])]
    pub(crate) finish: bool,
    /// Delete the old key at once, instead of making it inactive
    #[arg(long, alias = "delete_old")]
    pub(crate) delete_old: bool,
    /// Make room by deleting this other key, although it was used lately
    #[arg(long, alias = "delete_key", value_name = "AKIA", conflicts_with_all = ["list", "check"])]
    pub(crate) delete_key: Option<String>,
    /// Rotate only if the key is older than this
    #[arg(long, alias = "max_age", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) max_age: Option<std::time::Duration>,
    /// Only say whether a key is older than --max-age: exit status 3 if one is
    #[arg(long, requires = "max_age")]
    pub(crate) check: bool,
    /// Try the new key this often, until it has worked several times in a row
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1s", hide_short_help = true)]
    pub(crate) poll: std::time::Duration,
    /// After a crash: wait until this long after the last entry of the run before believing that something is not there
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "30s", hide_short_help = true)]
    pub(crate) settle: std::time::Duration,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKeyArgs {
    /// The user
    #[arg(long, alias = "user_name", alias = "users", value_name = "NAME")]
    pub(crate) user_name: String,
    /// Take the old key away: make it inactive, or, if it is, delete it
    #[arg(long)]
    pub(crate) finish: bool,
    /// Make room by deleting this other key, although it was used lately
    #[arg(long, alias = "delete_key", value_name = "AKIA")]
    pub(crate) delete_key: Option<String>,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// Complete half-made users, with fresh secrets, instead of removing them
    #[arg(long)]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Write it here instead of to stdout; an existing file is not overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// What is decided beyond the config, for a plan.
#[derive(Debug, Clone, Args)]
pub(crate) struct DecisionArgs {
    /// Take the categories of users that no pattern matches from this CSV of user,group lines
    #[arg(long, value_name = "FILE")]
    pub(crate) decisions: Option<PathBuf>,
    /// Let the name decide which of several category groups a user keeps
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) resolve_conflicts: Option<Resolve>,
    /// Move users whose name says another category group
    #[arg(long)]
    pub(crate) move_misfiled: bool,
}

/// A report in a file, as `FORMAT=FILE`.
#[derive(Debug, Clone)]
pub(crate) struct ReportFile<F> {
    pub(crate) format: F,
    pub(crate) path: PathBuf,
}

impl<F: ValueEnum> ReportFile<F> {
    fn parse(text: &str) -> Result<Self, String> {
        let formats = || {
            let all = F::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            all.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
        };
        let (format, path) = text
            .split_once('=')
            .ok_or_else(|| format!("write it as FORMAT=FILE, with one of {}", formats()))?;
        let format = F::from_str(format, true)
            .map_err(|_| format!("`{format}` is none of the formats {}", formats()))?;
        if path.is_empty() {
            return Err("the name of the file is missing after the `=`".to_owned());
        }
        Ok(Self { format, path: PathBuf::from(path) })
    }
}

/// Formats of a plan's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For pull requests.
    Markdown,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) decided: DecisionArgs,
    /// Plan on a snapshot instead of the account
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: Option<PathBuf>,
    /// Keep the plan in this file, for `apply FILE`; an existing file is not overwritten
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// End with exit status 3 if there is anything to change
    #[arg(long)]
    pub(crate) check: bool,
    /// Also write the plan in this form to a file
    #[arg(long, value_name = "FORMAT=FILE", value_parser = ReportFile::<PlanFormat>::parse)]
    pub(crate) report: Vec<ReportFile<PlanFormat>>,
    /// Have AWS's Access Analyzer look at every policy, too
    #[arg(long, conflicts_with = "roster")]
    pub(crate) validate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A plan that was kept: nothing is done unless it is still the plan, change for change
    #[arg(value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) decided: DecisionArgs,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
    /// Stop before changing anything if there would be more changes [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) max_changes: Option<usize>,
    /// Stop before changing anything if more memberships and policies would be taken away [default: 20]
    #[arg(long, value_name = "N")]
    pub(crate) max_removals: Option<usize>,
    /// Have AWS's Access Analyzer look at every policy first, and stop at what it calls an error
    #[arg(long)]
    pub(crate) validate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    #[command(flatten)]
    pub(crate) decided: DecisionArgs,
    /// Rehearse on a snapshot instead of the account
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: Option<PathBuf>,
    /// Show what these users may do before and after
    #[arg(long, alias = "users", alias = "user_name", num_args = 1.., value_name = "USER")]
    pub(crate) user_name: Vec<String>,
    /// The actions that are tried out, such as s3:GetObject [default: some telling ones]
    #[arg(long, num_args = 1.., value_name = "ACTION")]
    pub(crate) action: Vec<String>,
    /// The address that the users call from
    #[arg(long, value_name = "IP")]
    pub(crate) source_ip: Option<std::net::IpAddr>,
    /// Keep the copy in this file, as an embedded account
    #[arg(long, value_name = "FILE")]
    pub(crate) keep: Option<PathBuf>,
}

/// What a policy is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetKind {
    /// Groups.
    Group,
    /// Roles.
    Role,
    /// Users.
    User,
}

impl TargetKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Role => "role",
            Self::User => "user",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CreatePolicyArgs {
    /// The templates: JSON files, each with a NAME.description beside it if there is one, or names of built-in ones
    #[arg(long, num_args = 1.., required = true, value_name = "FILE")]
    pub(crate) templates: Vec<PathBuf>,
    /// Make managed policies, and attach them to the targets
    #[arg(long)]
    pub(crate) managed: bool,
    /// What the targets are
    #[arg(long = "type", value_enum, value_name = "KIND")]
    pub(crate) kind: Option<TargetKind>,
    /// The groups, roles or users that get the policies
    #[arg(long, num_args = 1.., value_name = "NAME")]
    pub(crate) targets: Vec<String>,
    /// Also write each policy, as it is made, to NAME-ACCOUNT.json here
    #[arg(long)]
    pub(crate) save: bool,
    /// A parameter of the templates; its value is read as JSON, else as a text
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_parameter)]
    pub(crate) set: Vec<(String, serde_json::Value)>,
    /// The path of managed policies
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = parse_policy_path)]
    pub(crate) path: String,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
}

fn parse_parameter(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("write it as NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::from(value));
    Ok((name.to_owned(), value))
}

fn parse_policy_path(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "/.,+@=_-".contains(c);
    if text.starts_with('/') && text.ends_with('/') && !text.contains("//") && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err("a path begins and ends with `/`, such as /muster/".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Write the config here [default: ~/.aws/muster/PROFILE.toml]; an existing file is not overwritten
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Formats of an audit's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// XML for CI: each rule is a test.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Events of the Open Cybersecurity Schema Framework: Detection Finding.
    Ocsf,
    /// For issues and wikis.
    Markdown,
    /// One page that needs nothing else.
    Html,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Audit a snapshot instead of the account: what a snapshot does not hold is unknown then
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: Option<PathBuf>,
    /// Also say what changed since this snapshot was taken
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) since: Option<PathBuf>,
    /// Also write the audit in this form to a file: junit, sarif, ocsf, markdown or html
    #[arg(long, value_name = "FORMAT=FILE", value_parser = ReportFile::<AuditFormat>::parse)]
    pub(crate) report: Vec<ReportFile<AuditFormat>>,
}

#[derive(Debug, Args)]
pub(crate) struct RevertArgs {
    /// The record that the run named at its end
    #[arg(value_name = "RECORD")]
    pub(crate) record: PathBuf,
    /// Say what would be done, and change nothing
    #[arg(long, alias = "dry", alias = "dry_run")]
    pub(crate) dry_run: bool,
    /// Stop before changing anything if there would be more changes
    #[arg(long, value_name = "N")]
    pub(crate) max_changes: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct PermissionsArgs {
    #[command(flatten)]
    pub(crate) taxonomy: TaxonomyArgs,
    /// For runs that create missing groups
    #[arg(long, alias = "create_groups")]
    pub(crate) create_groups: bool,
    /// For `enable-mfa --user-name`
    #[arg(long)]
    pub(crate) of_others: bool,
    /// For `plan --validate` and `apply --validate`
    #[arg(long)]
    pub(crate) validate: bool,
    /// The commands; all if none is named
    #[arg(value_name = "COMMAND")]
    pub(crate) commands: Vec<String>,
    /// The account that the policy is for; any if the config names none
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// The partition that the policy is for
    #[arg(long, value_name = "NAME", default_value = "aws")]
    pub(crate) partition: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print each value that holds, and where it came from
    Show(ConfigShowArgs),
    /// Check the config and point out what looks like a mistake
    Check(ConfigCheckArgs),
    /// Print the config in the native form, TOML
    Convert,
    /// Print a JSON Schema of the config
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigShowArgs {
    /// What holds for this tool, under any name it has borne
    #[arg(long, value_name = "TOOL", value_parser = parse_tool, default_value = "sort-users")]
    pub(crate) tool: Tool,
}

fn parse_tool(text: &str) -> Result<Tool, String> {
    Tool::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Tool::ALL.iter().map(|tool| tool.names()[0]).collect();
        format!("the tools are {}", names.join(", "))
    })
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArgs {
    /// Also check it against the users and groups of this snapshot
    #[arg(long, value_name = "FILE")]
    pub(crate) roster: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Make an embedded account in a file
    New(SandboxNewArgs),
    /// Let any AWS client of this machine use an embedded account
    Serve(SandboxServeArgs),
    /// Print shell exports that point AWS clients at a served account
    Env(SandboxEnvArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SandboxNewArgs {
    /// The file; an existing one is left alone
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The test environment of the article: a few users of each kind, no groups
    #[arg(long, conflicts_with_all = ["users", "from"])]
    pub(crate) article: bool,
    /// This many users
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub(crate) users: Option<usize>,
    /// Draw names and ids from this number
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// A copy of the account in this snapshot
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) from: Option<PathBuf>,
    /// The account's id
    #[arg(long, value_name = "ID", value_parser = parse_account)]
    pub(crate) account: Option<String>,
}

fn parse_account(text: &str) -> Result<String, String> {
    let good = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.to_owned()).ok_or_else(|| "an account id has twelve digits".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct SandboxServeArgs {
    /// The account's file; without one the account is empty, and gone at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Listen on this port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// Listen on this address. Anybody who reaches it is the account's administrator
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) listen: std::net::IpAddr,
    /// Write one JSON object a line for each request to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Check signatures: only keys of the account's users, and the administrator's that `sandbox env` prints
    #[arg(long)]
    pub(crate) verify_signatures: bool,
    /// Hold every call to the policies of the user or role that makes it
    #[arg(long)]
    pub(crate) enforce: bool,
    /// The address that policies see as `aws:SourceIp` of every call [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub(crate) source_ip: Option<std::net::IpAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxEnvArgs {
    /// The port that `sandbox serve` printed
    #[arg(long, value_name = "PORT")]
    pub(crate) port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the account in this file, to go on with
    #[arg(long, value_name = "FILE")]
    pub(crate) keep: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InstallLinksArgs {
    /// The folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
