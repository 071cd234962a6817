//! `muster create-policy`: policies from templates, as managed ones or put into groups, roles and users.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_aws::{Applied, ApplyContext, Outcome, Record, Work, apply, roles};
use muster_core::assess::assess;
use muster_core::config::{Overrides, Severity, Tool};
use muster_core::document::{
    self, GROUP_INLINE_CHARS_MAX, MANAGED_CHARS_MAX, POLICIES_PER_GROUP_MAX, USER_INLINE_CHARS_MAX, is_same,
};
use muster_core::mutation::Mutation;
use muster_core::name::{GroupName, UserName};
use muster_core::plan::Plan;
use muster_core::roster::{Policies, Roster};
use muster_core::taxonomy::Taxonomy;
use muster_core::templates::{OwnTemplate, Place, find};
use serde::Serialize;

use super::sort_report::why;
use crate::cli::{CreatePolicyArgs, Output, TargetKind};
use crate::context::{Context, NewFile, Session, read_input};
use crate::error::{CliError, help_with};
use crate::exit::Exit;
use crate::govern;
use crate::terminal::safe;

/// The longest description that IAM takes. Source: IAM API Reference, `CreatePolicy`.
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// A template, and what is said of it beside.
struct Source {
    name: String,
    /// `None`: a built-in one.
    own: Option<OwnTemplate>,
    description: Option<String>,
}

/// A policy that is to be made.
struct NewPolicy {
    name: String,
    document: String,
    description: Option<String>,
}

/// What a run came to, as `--output json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    account: String,
    partition: String,
    dry_run: bool,
    policies: Vec<String>,
    saved: Vec<PathBuf>,
    changes: Vec<Row>,
    run: String,
    record: Option<String>,
    api_calls: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Row {
    change: String,
    done: bool,
    error: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &CreatePolicyArgs) -> Result<Exit, CliError> {
    check_options(args)?;
    let config = context.config()?;
    let settings = context.settings(&config, Tool::CreatePolicy, &Overrides::default())?;
    let sources = sources(args)?;
    let session = context.connect(&config, &settings, !args.dry_run).await?;
    let place =
        Place { partition: session.account.partition.clone(), account_id: session.account.id.clone() };
    let policies = write(context, args, &settings.policies, sources, &place)?;
    let files = policies.iter().filter(|_| args.save);
    let files: Vec<(PathBuf, NewFile, &str)> = files
        .map(|policy| {
            let path = PathBuf::from(format!("{}-{}.json", policy.name, place.account_id));
            NewFile::create(&path).map(|file| (path, file, policy.document.as_str()))
        })
        .collect::<Result<_, _>>()?;
    let _lock = if args.dry_run { None } else { Some(session.home.lock()?) };
    let roster = govern::read(context, &session, &Taxonomy::default()).await?;
    let changes = Box::pin(changes(args, &policies, &settings.taxonomy, &roster, &session)).await?;

    let (mut outcome, mut record_path) = (Outcome::default(), None);
    if !args.dry_run && !changes.is_empty() {
        let record = Record::create(&session.home, &context.record_head(&config, &session))?;
        let apply_context = ApplyContext {
            gateway: &session.account.gateway,
            roster: &roster,
            caller: None,
            record: &record,
            progress: &|_| {},
        };
        let nobody = Plan::default();
        outcome = apply(&apply_context, Work { tighten: &changes, ..Work::on_members(&nobody) }).await;
        context.changed.set(outcome.may_have_changed());
        session.save()?;
        record_path = Some(record.path().display().to_string());
    }
    let mut saved = Vec::new();
    for (path, file, document) in files {
        if args.dry_run {
            continue;
        }
        file.write(&format!("{}\n", pretty(document)))?;
        saved.push(path);
    }
    let report = Report {
        account: session.account.id.clone(),
        partition: session.account.partition.clone(),
        dry_run: args.dry_run,
        policies: policies.iter().map(|policy| policy.name.clone()).collect(),
        saved,
        changes: rows(&changes, &outcome),
        run: context.run.clone(),
        record: record_path,
        api_calls: session.account.gateway.counts(),
    };
    report.show(context)?;
    Ok(close(context, &report, &outcome))
}

/// Refuses what makes no sense before anything is called.
fn check_options(args: &CreatePolicyArgs) -> Result<(), CliError> {
    match (args.managed, &args.kind, args.targets.is_empty()) {
        (false, _, true) => Err(CliError::usage_with(
            "a policy that is not managed has to be put somewhere",
            "say where with --type and --targets, or make it a managed one with --managed",
        )),
        (_, None, false) => {
            Err(CliError::usage("say with --type group, role or user what the --targets are"))
        }
        (_, Some(_), true) => Err(CliError::usage("--type says what --targets are, and there are none")),
        _ => Ok(()),
    }
}

/// Reads the templates and what is said about them beside.
fn sources(args: &CreatePolicyArgs) -> Result<Vec<Source>, CliError> {
    let mut sources = Vec::new();
    for path in &args.templates {
        let name = path.to_string_lossy();
        let described = path.with_extension("description");
        let description =
            if described.is_file() { Some(read_input(&described)?.trim().to_owned()) } else { None };
        if description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX) {
            return Err(CliError::usage(format!(
                "`{}` has more than the {DESCRIPTION_CHARS_MAX} characters that IAM takes",
                described.display()
            )));
        }
        if find(&name).is_some() && !Path::new(&*name).exists() {
            sources.push(Source { name: name.into_owned(), own: None, description });
            continue;
        }
        let own = OwnTemplate::read(&name, &read_input(path)?)
            .map_err(|error| CliError::usage(error.to_string()))?;
        sources.push(Source { name: own.name.clone(), own: Some(own), description });
    }
    Ok(sources)
}

/// Writes the policies, and checks them as AWS would.
fn write(
    context: &Context,
    args: &CreatePolicyArgs,
    of_config: &[(String, serde_json::Value)],
    sources: Vec<Source>,
    place: &Place,
) -> Result<Vec<NewPolicy>, CliError> {
    let mut policies: Vec<NewPolicy> = Vec::new();
    for Source { name, own, description } in sources {
        let known = own.as_ref().map_or(name.as_str(), |own| own.file.as_str());
        let ending = Path::new(known).file_name().and_then(|name| name.to_str()).unwrap_or(known);
        let of_config = of_config.iter().find(|(n, _)| n == known || n == ending);
        let mut given = of_config.map_or_else(|| serde_json::json!({}), |(_, given)| given.clone());
        for (key, value) in &args.set {
            given[key] = value.clone();
        }
        let given = Some(&given);
        let written = match &own {
            Some(own) => own.policy(given, place),
            None => find(&name).map_or(Ok(serde_json::Value::Null), |template| template.policy(given, place)),
        };
        let policy = written.map_err(|error| CliError::usage(error.to_string()))?;
        let mut errors = Vec::new();
        for fault in document::check(&policy) {
            match fault.severity {
                Severity::Error => errors.push(fault.message),
                _ => context.terminal.warn(format_args!("policy `{name}`: {}", safe(&fault.message))),
            }
        }
        if !errors.is_empty() {
            let what = format!("the policy `{name}` is one that AWS would refuse: {}", errors.join("; "));
            return Err(CliError::usage(what));
        }
        let document = policy.to_string();
        let chars = document::chars(&document);
        if chars > MANAGED_CHARS_MAX {
            return Err(CliError::usage(format!(
                "the policy `{name}` has {chars} characters without white space, and IAM takes {MANAGED_CHARS_MAX}"
            )));
        }
        if policies.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            return Err(CliError::usage(format!("two templates would make the policy `{name}`")));
        }
        policies.push(NewPolicy { name, document, description });
    }
    Ok(policies)
}

/// Works out the calls. Whatever is there is not written over, and whoever is to have a policy must be there.
async fn changes(
    args: &CreatePolicyArgs,
    policies: &[NewPolicy],
    taxonomy: &Taxonomy,
    roster: &Roster,
    session: &Session,
) -> Result<Vec<Mutation>, CliError> {
    let known_roles = match args.kind {
        Some(TargetKind::Role) => roles(&session.account.gateway).await?,
        _ => Vec::new(),
    };
    let is_there = |target: &str| match args.kind {
        Some(TargetKind::Group) => roster.group(&GroupName::new(target)).is_some(),
        Some(TargetKind::User) => roster.user(&UserName::new(target)).is_some(),
        Some(TargetKind::Role) => known_roles.iter().any(|role| role.name.eq_ignore_ascii_case(target)),
        None => false,
    };
    if let Some(missing) = args.targets.iter().find(|target| !is_there(target)) {
        let kind = args.kind.map_or("target", TargetKind::as_str);
        return Err(CliError::usage(format!("the account has no {kind} `{}`", safe(missing))));
    }
    check_targets(args, policies, taxonomy, roster)?;
    let mut changes = Vec::new();
    for policy in policies {
        let arn =
            format!("arn:{}:iam::{}:policy{}{}", roster.partition, roster.account, args.path, policy.name);
        if args.managed {
            let found = roster.policies.iter().find(|found| {
                found.name.eq_ignore_ascii_case(&policy.name)
                    && found.arn.contains(&format!("::{}:", roster.account))
            });
            match found {
                None => changes.push(Mutation::CreatePolicy {
                    policy: policy.name.clone(),
                    path: args.path.clone(),
                    document: policy.document.clone(),
                    description: policy.description.clone(),
                }),
                Some(found) if found.arn == arn && is_same(&found.document, &policy.document) => {}
                Some(found) => {
                    return Err(CliError::refused(
                        format!("the account has another policy `{}`: {}", policy.name, safe(&found.arn)),
                        "nothing was changed; `muster apply` changes policies of groups, with a new version",
                    ));
                }
            }
        }
        for target in &args.targets {
            if !args.managed && inline_of(args.kind, target, roster, &policy.name).is_some() {
                continue; // it is there, and says the same
            }
            let (name, document) = (policy.name.clone(), policy.document.clone());
            let (group, user, role) = (GroupName::new(target), UserName::new(target), target.clone());
            let arn = arn.clone();
            changes.push(match (args.kind.unwrap_or(TargetKind::Group), args.managed) {
                (TargetKind::Group, true) => Mutation::AttachGroupPolicy { group, policy: arn },
                (TargetKind::Group, false) => Mutation::PutGroupPolicy { group, policy: name, document },
                (TargetKind::User, true) => Mutation::AttachUserPolicy { user, policy: arn },
                (TargetKind::User, false) => Mutation::PutUserPolicy { user, policy: name, document },
                (TargetKind::Role, true) => Mutation::AttachRolePolicy { role, policy: arn },
                (TargetKind::Role, false) => Mutation::PutRolePolicy { role, policy: name, document },
            });
        }
    }
    Ok(changes)
}

/// Returns the policies that a group or user has. Those of roles are not read.
fn policies_of<'r>(kind: Option<TargetKind>, target: &str, roster: &'r Roster) -> Option<&'r Policies> {
    match kind? {
        TargetKind::Group => roster.group(&GroupName::new(target))?.policies.as_ref(),
        TargetKind::User => roster.user(&UserName::new(target)).map(|user| &user.policies),
        TargetKind::Role => None,
    }
}

/// Returns the text of an inline policy; IAM ignores the case of its name.
fn inline_of<'r>(kind: Option<TargetKind>, target: &str, roster: &'r Roster, name: &str) -> Option<&'r str> {
    let mut inline = policies_of(kind, target, roster)?.inline.iter();
    inline.find(|policy| policy.name.eq_ignore_ascii_case(name)).map(|policy| policy.document.as_str())
}

/// Refuses to change protected users, to write over a policy that is there, and what IAM has no room for.
fn check_targets(
    args: &CreatePolicyArgs,
    policies: &[NewPolicy],
    taxonomy: &Taxonomy,
    roster: &Roster,
) -> Result<(), CliError> {
    for target in &args.targets {
        let kind = args.kind.map_or("target", TargetKind::as_str);
        if args.kind == Some(TargetKind::User)
            && let Some(user) = roster.user(&UserName::new(target))
            && let Some(position) = assess(taxonomy, user)?.protected
        {
            let reason = safe(&taxonomy.protected[position].reason).into_owned();
            let what = format!("the user `{}` is protected: {reason}", safe(target));
            return Err(CliError::refused(what, "nothing was changed"));
        }
        let Some(held) = policies_of(args.kind, target, roster) else { continue };
        let new =
            policies.iter().filter(|policy| inline_of(args.kind, target, roster, &policy.name).is_none());
        let (room, found, what) = if args.managed {
            (POLICIES_PER_GROUP_MAX, held.attached.len() + policies.len(), "managed policies")
        } else {
            for policy in policies {
                let there = inline_of(args.kind, target, roster, &policy.name);
                if there.is_some_and(|document| !is_same(document, &policy.document)) {
                    let what = format!("the {kind} `{}` has another policy `{}`", safe(target), policy.name);
                    return Err(CliError::refused(
                        what,
                        "take it away first, or call the template something else",
                    ));
                }
            }
            let is_user = args.kind == Some(TargetKind::User);
            let most = if is_user { USER_INLINE_CHARS_MAX } else { GROUP_INLINE_CHARS_MAX };
            let held = held.inline.iter().map(|policy| document::chars(&policy.document)).sum::<usize>();
            (
                most,
                held + new.map(|policy| document::chars(&policy.document)).sum::<usize>(),
                "characters of inline policies",
            )
        };
        if found > room {
            let what =
                format!("the {kind} `{}` would have {found} {what}, and IAM takes {room}", safe(target));
            return Err(CliError::refused(what, "nothing was changed"));
        }
    }
    Ok(())
}

fn rows(changes: &[Mutation], outcome: &Outcome) -> Vec<Row> {
    let describe = |change: &Mutation| match change {
        Mutation::AttachUserPolicy { user, .. } | Mutation::PutUserPolicy { user, .. } => {
            format!("{change} on {user}")
        }
        _ => change.to_string(),
    };
    let made = outcome.policies.iter().map(|(_, made)| made);
    let all = changes.iter().zip(made.map(Some).chain(std::iter::repeat(None)));
    all.map(|(change, made)| Row {
        change: describe(change),
        done: made.is_some_and(Applied::holds),
        error: made.filter(|made| !made.holds()).map(why),
    })
    .collect()
}

fn close(context: &Context, report: &Report, outcome: &Outcome) -> Exit {
    if let Some(error) = &outcome.record_error {
        context.terminal.warn(safe(&error.to_string()));
    }
    let help = outcome.all().find_map(|applied| match applied {
        Applied::Failed(error) => help_with(error, None),
        _ => None,
    });
    if let Some(help) = help {
        context.terminal.say(format_args!("  help: {help}"));
    }
    if let Some(path) = &report.record {
        context.terminal.say(format_args!("Record: {path}"));
    }
    let failed = report.changes.iter().any(|row| row.error.is_some()) || outcome.record_error.is_some();
    match (context.interrupt.is_set(), failed, context.changed.get()) {
        (true, ..) => Exit::Interrupted,
        (_, true, true) => Exit::Partial,
        (_, true, false) => Exit::Failed,
        _ => Exit::Ok,
    }
}

impl Report {
    fn show(&self, context: &Context) -> Result<(), CliError> {
        match context.global.output {
            Output::Json => super::print_json(context, self),
            Output::Csv => {
                let rows = self.changes.iter().map(|row| {
                    vec![row.change.clone(), row.done.to_string(), row.error.clone().unwrap_or_default()]
                });
                super::print_csv(context, &["change", "done", "error"], rows)
            }
            Output::Text => {
                for row in &self.changes {
                    let what = match (self.dry_run, row.done, &row.error) {
                        (true, ..) => "would be made".to_owned(),
                        (_, true, _) => "done".to_owned(),
                        (_, _, Some(error)) => safe(error).into_owned(),
                        _ => "not done".to_owned(),
                    };
                    context.terminal.out(format_args!("{}: {what}\n", safe(&row.change)));
                }
                for path in &self.saved {
                    context.terminal.out(format_args!("saved: {}\n", path.display()));
                }
                if self.changes.is_empty() {
                    context.terminal.out("Nothing to do: all of it is there already.\n");
                }
                Ok(())
            }
        }
    }
}

/// Writes a document over several lines, as people read it.
fn pretty(document: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(document).ok();
    parsed.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| document.to_owned())
}
