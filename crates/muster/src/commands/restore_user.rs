//! `muster restore-user`

use muster_aws::{Journal, TaskKind, account_facts, estate};
use muster_core::config::{ConfigFile, Overrides, Tool};
use muster_core::departure::{is_denied, lifting, restoration};
use muster_core::estate::Estate;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_credentials::sealing::Recipient;

use crate::cli::RestoreUserArgs;
use crate::context::{Context, Session};
use crate::environment::now_s;
use crate::error::CliError;
use crate::exit::Exit;
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;
use crate::users::{
    DisabledRecord, Guards, OutFolder, Report, Sealing, UserReport, Work, check_names, read_record,
    sealer_of, settle_earlier,
};

pub(crate) async fn run(context: &Context, args: &RestoreUserArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::RestoreUser, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder.out_dir)?;
    let names = args.names.all();
    check_names(&names)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let earlier: Vec<_> =
        crate::users::open_tasks(&session)?.into_iter().map(|open| open.task.user).collect();
    if !args.dry_run {
        settle_earlier(context, &session, &folder, &names, &settings, &config).await?;
    }
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
    let guards = Guards::new(context, &session, &settings).await?;
    let sealing = Sealing::from(&args.seal);
    let look = Look { context, session: &session, guards: &guards, folder: &folder };
    let ready = look.at(&names, &earlier).await?;
    let facts = account_facts(&session.account.gateway).await?;
    let mut agreed = Vec::new();
    for (record, now) in ready {
        let name = safe(now.user.as_str()).into_owned();
        let mut calls = restoration(&record.before, &now, record.disabled_group.as_ref());
        if record.before.login_profile && !now.login_profile {
            calls.push(Mutation::CreateLoginProfile { user: now.user.clone() });
        }
        calls.extend(lifting(&now));
        context.terminal.say(format_args!("User '{name}' would get back:"));
        for call in &calls {
            context.terminal.say(format_args!("  {}", safe(&call.to_string())));
        }
        let sealer = sealer_of(&now.user, &[], &sealing, &settings)?;
        sealer.test()?;
        if record.before.login_profile
            && sealer.is_plaintext()
            && !args.dry_run
            && !sealing.allow_plaintext
            && !prompter.only_a_person("Save unencrypted value (y/n)?").await
        {
            return Err(super::create_user::nobody_to_seal_for(&now.user));
        }
        let go_on = args.dry_run
            || matches!(
                prompter.yes_no(format!("Restore user '{name}' (y/n)?"), 0).await,
                Answer::Given(YesNo::Yes | YesNo::YesToAll)
            );
        if go_on {
            agreed.push((record, now, sealer, calls));
        }
    }
    if args.dry_run {
        let users = agreed.into_iter().map(|(_, now, _, calls)| {
            let mut report = UserReport::new(&now.user, Some(&now.user_id)).planned(calls);
            "would be restored".clone_into(&mut report.result);
            report
        });
        return Report::new(context, &session, true, users.collect(), None).show(context);
    }
    if agreed.is_empty() {
        context.terminal.say("Nothing was changed.");
        return Ok(if earlier.is_empty() { Exit::Left } else { Exit::Ok });
    }
    let journal = Journal::create(&session.home, &context.record_head(&config, &session), now_s)?;
    let work = Work { context, session: &session, journal: &journal, folder: &folder };
    let profile = config.file.as_ref().and_then(ConfigFile::profile_name);
    let mut users = Vec::new();
    for (record, now, sealer, _) in &agreed {
        if context.interrupt.is_set() {
            break;
        }
        let kind = TaskKind::Restore {
            recipients: sealer.own().iter().map(Recipient::name).collect(),
            escrow: sealer.escrow().map(Recipient::name),
        };
        journal.begin(&work.task(&now.user, Some(&now.user_id), kind))?;
        users.push(work.restore(record, now, sealer, facts.password, profile, None).await?);
    }
    session.save()?;
    let record = super::close_journal(context, journal, &users)?;
    Report::new(context, &session, false, users, record).show(context)
}

/// Looks at what is to be restored.
struct Look<'a> {
    context: &'a Context,
    session: &'a Session,
    guards: &'a Guards<'a>,
    folder: &'a OutFolder,
}

impl Look<'_> {
    /// Returns each user's record, and the user as it is now. `earlier`: users whom a moment ago the run that was cut
    /// off was finished for.
    async fn at(
        &self,
        names: &[UserName],
        earlier: &[UserName],
    ) -> Result<Vec<(DisabledRecord, Estate)>, CliError> {
        let (mut ready, mut problems) = (Vec::new(), Vec::new());
        for name in names {
            let path = self.folder.file(name, ".disabled.json");
            let Some(record) = read_record(&path)? else {
                if !earlier.contains(name) {
                    problems.push(format!("there is no record `{}` of what `{name}` was", path.display()));
                }
                continue;
            };
            let account = &self.session.account;
            let now = estate(account, name).await?;
            let same = now.filter(|now| now.user_id == record.before.user_id && record.account == account.id);
            let Some(now) = same else {
                problems.push(format!("`{}` is not of the user `{name}` of this account", path.display()));
                continue;
            };
            problems.extend(self.guards.problems(std::slice::from_ref(&now), true)?);
            if !is_denied(&now) {
                let name = safe(name.as_str());
                self.context.terminal.warn(format_args!("user '{name}' is not denied anything any more"));
            }
            if record.before.login_profile {
                problems.extend(self.folder.taken(name, ".restored.zip"));
            }
            ready.push((record, now));
        }
        if problems.is_empty() {
            Ok(ready)
        } else {
            Err(CliError::Preflight { problems, exit: Exit::Failed })
        }
    }
}
