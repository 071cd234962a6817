//! `muster disable-user`

use muster_aws::{Journal, TaskKind, estate, owner_of_key, roles};
use muster_core::config::{Overrides, Tool};
use muster_core::departure::{Quarantine, deny, is_denied, quarantine, revocation};
use muster_core::name::GroupName;

use crate::cli::DisableUserArgs;
use crate::context::Context;
use crate::environment::{now_s, rfc3339};
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::safe;
use crate::users::{
    Guards, OutFolder, Report, UserReport, Work, check_names, earlier, end_earlier_quarantines, left_of,
};

pub(crate) async fn run(context: &Context, args: &DisableUserArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::DisableUser, &Overrides::default())?;
    let folder = OutFolder::new(&args.folder)?;
    let mut names = args.names.all();
    if args.access_key_id.is_empty() || !names.is_empty() {
        check_names(&names)?;
    }
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let mut problems = Vec::new();
    for id in &args.access_key_id {
        match owner_of_key(&session.account.gateway, id).await? {
            Some(user) if !names.contains(&user) => names.push(user),
            Some(_) => {}
            None => problems.push(format!("no user of this account has the access key `{id}`")),
        }
    }
    if problems.is_empty() {
        check_names(&names)?;
    }
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    // Nothing that an earlier run left keeps a user from being locked out now.
    let open = if args.dry_run { Vec::new() } else { earlier(context, &session, &names)? };
    let guards = Guards::new(context, &session, &settings).await?;
    let mut estates = Vec::new();
    for name in &names {
        match estate(&session.account, name).await? {
            Some(found) => estates.push(found),
            None => {
                let help = guards.nearest(name).unwrap_or_default();
                problems.push(format!("the account has no user `{name}`{help}"));
            }
        }
    }
    problems.extend(guards.problems(&estates, args.force)?);
    if !args.revoke_role_sessions.is_empty() {
        let known = roles(&session.account.gateway).await?;
        let unknown = |name: &&String| known.iter().all(|role| !role.name.eq_ignore_ascii_case(name));
        let unknown = args.revoke_role_sessions.iter().filter(unknown);
        problems.extend(unknown.map(|name| format!("the account has no role `{name}`")));
    }
    if !problems.is_empty() {
        return Err(CliError::Preflight { problems, exit: Exit::Failed });
    }
    let managed: Vec<GroupName> = settings.taxonomy.groups().map(|(group, _)| group.clone()).collect();
    let disabled_group = settings.taxonomy.disabled_group.as_ref();
    for found in &estates {
        context.terminal.say(format_args!("User '{}' ({}) has:", safe(found.user.as_str()), found.user_id));
        for line in super::belongings(found) {
            context.terminal.say(format_args!("  {}", safe(&line)));
        }
    }
    if args.dry_run {
        let users = estates.iter().map(|found| {
            let how = Quarantine {
                disabled_group: disabled_group.cloned(),
                managed: managed.clone(),
                at: rfc3339(context.started_ms),
                by: session.account.caller_arn.clone(),
            };
            let first = (!is_denied(found)).then(|| deny(&found.user));
            let revocations = args.revoke_role_sessions.iter().map(|role| revocation(role, &how.at));
            let calls: Vec<_> = first.into_iter().chain(quarantine(found, &how)).chain(revocations).collect();
            let mut report = UserReport::new(&found.user, Some(&found.user_id)).planned(calls);
            "would be disabled".clone_into(&mut report.result);
            report
        });
        return Report::new(context, &session, true, users.collect(), None).show(context);
    }
    let journal = Journal::create(&session.home, &context.record_head(&config, &session), now_s)?;
    let work = Work { context, session: &session, journal: &journal, folder: &folder };
    let mut users = Vec::new();
    for found in &estates {
        if context.interrupt.is_set() {
            break;
        }
        let kind = TaskKind::Disable { revoke: args.revoke_role_sessions.clone() };
        journal.begin(&work.task(&found.user, Some(&found.user_id), kind))?;
        let left = left_of(&open, &found.user, &folder, |kind| matches!(kind, TaskKind::Disable { .. }));
        let revoke = &args.revoke_role_sessions;
        let done = Box::pin(work.disable(found, disabled_group, &managed, revoke, left.as_ref())).await;
        users.push(done.unwrap_or_else(|e| UserReport::of_error(&found.user, Some(&found.user_id), &e)));
    }
    session.save()?;
    let record = super::close_journal(context, journal, &users)?;
    end_earlier_quarantines(&session, &users, &folder)?;
    Report::new(context, &session, false, users, Some(record)).show(context)
}
