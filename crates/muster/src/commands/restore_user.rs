//! `muster restore-user`

use muster_aws::{Journal, OpenTask, TaskKind, account_facts, estate};
use muster_core::config::{ConfigFile, Overrides, Tool};
use muster_core::departure::{is_denied, lifting_after, restoration};
use muster_core::estate::Estate;
use muster_core::mutation::Mutation;
use muster_core::name::UserName;
use muster_credentials::sealing::{Gpg, Recipient, Sealer};

use crate::cli::RestoreUserArgs;
use crate::context::{Context, Session};
use crate::environment::now_s;
use crate::error::CliError;
use crate::exit::Exit;
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::safe;
use crate::users::{
    DisabledRecord, Guards, OutFolder, PasswordMaterial, Report, Sealing, UserReport, Work, check_names,
    earlier, end_earlier_quarantines, left_of, read_record, sealer_of,
};

pub(crate) async fn run(context: &Context, args: &RestoreUserArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::RestoreUser, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder)?;
    let names = args.names.all();
    check_names(&names)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let open = if args.dry_run { Vec::new() } else { earlier(context, &session, &names)? };
    let mut prompter =
        Prompter::new(&context.terminal, &context.interrupt, context.global.no_input, context.global.yes);
    let guards = Guards::new(context, &session, &settings).await?;
    let sealing = Sealing::from(&args.seal);
    let look = Look { context, session: &session, guards: &guards, folder: &folder, open: &open };
    let (ready, finished) = look.at(&names).await?;
    let facts = account_facts(&session.account.gateway).await?;
    let mut agreed = Vec::new();
    for (record, now) in ready {
        let name = safe(now.user.as_str()).into_owned();
        let mut calls = restoration(&record.before, &now, record.disabled_group.as_ref());
        if record.before.login_profile {
            calls.push(Mutation::CreateLoginProfile { user: now.user.clone() });
        }
        calls.extend(lifting_after(&record.before, &now));
        context.terminal.say(format_args!("User '{name}' would get back:"));
        for call in &calls {
            context.terminal.say(format_args!("  {}", safe(&call.to_string())));
        }
        let mut sealer = Sealer::new(Gpg::default(), Vec::new(), None);
        if record.before.login_profile {
            sealer = sealer_of(&now.user, &[], &sealing, &settings)?;
            let may =
                super::create_user::may_be_plaintext(context, &mut sealer, &sealing, &mut prompter).await?;
            if !may && !args.dry_run {
                return Err(super::create_user::nobody_to_seal_for(&now.user, &sealer));
            }
            if may {
                sealer.test()?;
            }
        }
        let answer = if args.dry_run {
            Answer::Given(YesNo::Yes)
        } else {
            prompter.yes_no(format!("Restore user '{name}' (y/n)?"), 0).await
        };
        if answer == Answer::Interrupted {
            return Err(CliError::Interrupted("nothing was changed".to_owned()));
        }
        let go_on = matches!(answer, Answer::Given(YesNo::Yes | YesNo::YesToAll));
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
    if agreed.is_empty() && finished.is_empty() {
        context.terminal.say("Nothing was changed.");
        Report::new(context, &session, false, Vec::new(), None).show(context)?;
        return Ok(Exit::Left);
    }
    let journal = Journal::create(&session.home, &context.record_head(&config, &session), now_s)?;
    let work = Work { context, session: &session, journal: &journal, folder: &folder };
    let profile = config.file.as_ref().and_then(ConfigFile::profile_name);
    let mut users: Vec<UserReport> = finished;
    for (record, now, sealer, _) in &agreed {
        if context.interrupt.is_set() {
            break;
        }
        let kind = TaskKind::Restore {
            recipients: sealer.own().iter().map(Recipient::name).collect(),
            escrow: sealer.escrow().map(Recipient::name),
        };
        journal.begin(&work.task(&now.user, Some(&now.user_id), kind))?;
        let left = left_of(&open, &now.user, &folder, is_restoration);
        let material = PasswordMaterial { sealer, rules: facts.password, profile };
        let done = Box::pin(work.restore(record, now, &material, left.as_ref())).await;
        users.push(done.unwrap_or_else(|e| UserReport::of_error(&now.user, Some(&now.user_id), &e)));
    }
    session.save()?;
    let record = super::close_journal(context, journal, &users)?;
    end_earlier_quarantines(&session, &users, &folder)?;
    Report::new(context, &session, false, users, Some(record)).show(context)
}

fn is_restoration(kind: &TaskKind) -> bool {
    matches!(kind, TaskKind::Restore { .. })
}

/// Looks at what is to be restored.
struct Look<'a> {
    context: &'a Context,
    session: &'a Session,
    guards: &'a Guards<'a>,
    folder: &'a OutFolder,
    open: &'a [OpenTask],
}

impl Look<'_> {
    /// Returns each user's record with the user as it is now, and reports of users whom an earlier run had restored to
    /// the end when it was cut off.
    async fn at(
        &self,
        names: &[UserName],
    ) -> Result<(Vec<(DisabledRecord, Estate)>, Vec<UserReport>), CliError> {
        let (mut ready, mut finished, mut problems) = (Vec::new(), Vec::new(), Vec::new());
        for typed in names {
            let account = &self.session.account;
            let Some(now) = estate(account, typed).await? else {
                let help = self.guards.nearest(typed).unwrap_or_default();
                problems.push(format!("the account has no user `{typed}`{help}"));
                continue;
            };
            let name = &now.user;
            let open = left_of(self.open, name, self.folder, is_restoration);
            let path = self.folder.file(name, ".disabled.json");
            let Some(record) = read_record(&path)? else {
                let put_away =
                    |run: &String| self.folder.file(name, &format!(".restored-{run}.json")).exists();
                match open {
                    Some(open) if open.runs.iter().any(put_away) => {
                        let mut report = UserReport::new(name, Some(&now.user_id));
                        "restored".clone_into(&mut report.result);
                        finished.push(report);
                    }
                    _ => {
                        let shown = path.display();
                        problems.push(format!("there is no record `{shown}` of what `{name}` was"));
                    }
                }
                continue;
            };
            if !record.is_of(self.context, self.session, &now.user_id) {
                problems.push(format!("`{}` is not of the user `{name}` of this account", path.display()));
                continue;
            }
            problems.extend(self.guards.problems(std::slice::from_ref(&now), true)?);
            if !is_denied(&now) {
                let name = safe(name.as_str());
                self.context.terminal.warn(format_args!("user '{name}' is not denied anything any more"));
            }
            if record.before.login_profile && open.is_none() {
                problems.extend(self.folder.taken(name, ".restored.zip"));
            }
            ready.push((record, now));
        }
        if problems.is_empty() {
            Ok((ready, finished))
        } else {
            Err(CliError::Preflight { problems, exit: Exit::Failed })
        }
    }
}
