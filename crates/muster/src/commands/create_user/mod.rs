//! `muster create-user`: who is to be created, whether that can work, what only a person can say; then, and only then,
//! the users, one after the other, each whole or not at all.

mod preflight;
mod report;
mod requests;

use muster_aws::{Journal, Mfa, OpenTask, TaskKind};
use muster_core::config::{ConfigFile, Overrides, Settings, Tool};
use muster_core::name::UserName;

use crate::cli::{CreateUserArgs, MfaChoice};
use crate::commands::recover::{Options, recover};
use crate::context::{Config, Context, Session};
use crate::environment::now_s;
use crate::error::CliError;
use crate::exit::Exit;
use crate::prompt::Prompter;
use crate::users::{Material, OutFolder, Sealing, Work, earlier};

pub(crate) use preflight::{may_be_plaintext, nobody_to_seal_for};

impl CreateUserArgs {
    fn overrides(&self) -> Overrides {
        Overrides {
            category_regex: self.category_regex.clone(),
            force_common_group: self.force_common_group,
            ..self.taxonomy.overrides()
        }
    }

    /// Returns how the command line wants the MFA device.
    fn mfa_choice(&self) -> Option<MfaChoice> {
        if self.no_mfa { Some(MfaChoice::None) } else { self.mfa }
    }
}

pub(crate) async fn run(context: &Context, args: &CreateUserArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::CreateUser, &args.overrides())?;
    let requests = requests::read(args)?;
    if settings.taxonomy.groups().next().is_none() {
        context.terminal.warn(format_args!(
            "there are no common and no category groups to put users in: {}",
            context.where_configs_are()
        ));
    }
    let folder = OutFolder::new(&args.folder)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let names: Vec<_> = requests.iter().map(|request| request.user.clone()).collect();
    let sealing = Sealing::from(&args.seal);
    if !args.dry_run {
        finish_earlier(context, &session, &config, &settings, &sealing, &folder, &names).await?;
    }
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
    let check =
        preflight::Preflight { context, session: &session, settings: &settings, args, folder: &folder };
    let ready = check.run(&requests, &sealing, &mut prompter).await?;
    if args.dry_run {
        return report::planned(context, &session, &settings, &ready);
    }
    folder.mind_git(context, &mut prompter).await?;
    folder.prepare()?;

    let journal = Journal::create(&session.home, &context.record_head(&config, &session), now_s)?;
    let work = Work { context, session: &session, journal: &journal, folder: &folder };
    let profile = config.file.as_ref().and_then(ConfigFile::profile_name);
    let mut made = Vec::new();
    for user in &ready {
        if context.interrupt.is_set() {
            break;
        }
        let material = Material {
            sealer: &user.sealer,
            rules: user.rules,
            profile: profile.map(str::to_owned),
            keep_partial: args.keep_partial,
            stray_device: user.stray_device.clone().filter(|_| user.new.mfa != Mfa::None),
        };
        made.push(work.create(&user.name, &user.new, &material, &mut prompter).await?);
    }
    session.save()?;
    let open = made.iter().any(|done| !done.ended);
    let record = if open { journal.path().to_owned() } else { journal.close()? };
    report::made(context, &session, &settings, &ready, &made, &record)
}

/// Undoes, or finds complete, what an earlier run of this command left of these users.
async fn finish_earlier(
    context: &Context,
    session: &Session,
    config: &Config,
    settings: &Settings,
    sealing: &Sealing,
    folder: &OutFolder,
    names: &[UserName],
) -> Result<(), CliError> {
    let open = earlier(context, session, names)?;
    let is_creation = |open: &OpenTask| matches!(open.task.kind, TaskKind::Create(_));
    if !open.iter().any(is_creation) {
        return Ok(());
    }
    let options = Options {
        which: &|open| is_creation(open) && names.contains(&open.task.user),
        resume: false,
        sealing: sealing.clone(),
        folder,
        settings,
        config,
        profile: config.file.as_ref().and_then(ConfigFile::profile_name),
    };
    let recovered = recover(context, session, &options).await?;
    let problems: Vec<String> = recovered.into_iter().flat_map(|user| user.errors).collect();
    if problems.is_empty() { Ok(()) } else { Err(CliError::Preflight { problems, exit: Exit::Failed }) }
}
