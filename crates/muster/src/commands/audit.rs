//! `muster audit`

use std::collections::BTreeMap;

use muster_aws::{CallError, credential_report, credential_row, is_unknown, password_rules, stray_devices};
use muster_core::audit::{CredentialReport, Evidence, Known, Since, audit, since};
use muster_core::roster::Roster;
use muster_core::rules::Rules;
use muster_core::taxonomy::Taxonomy;

use crate::audit::{AuditReport, Run};
use crate::cli::{AuditArgs, AuditFormat, Output};
use crate::context::{Context, NewFile, Session, read_snapshot};
use crate::error::CliError;
use crate::exit::Exit;
use crate::govern;

/// Users whom the credential report does not know, and who are looked at one by one. Beyond that the report is too old to be of use.
const LOOKED_AT_MAX: usize = 200;

/// What only a live account can tell.
struct Facts {
    credentials: Known<CredentialReport>,
    password_policy: Known<muster_core::password::PasswordRules>,
    stray_devices: Known<Vec<String>>,
}

pub(crate) async fn run(context: &Context, args: &AuditArgs) -> Result<Exit, CliError> {
    let (config, settings) = govern::settings(context)?;
    let files: Vec<(AuditFormat, NewFile)> = args
        .report
        .iter()
        .map(|report| Ok((report.format, NewFile::create(&report.path)?)))
        .collect::<Result<_, CliError>>()?;
    let before = args.since.as_deref().map(read_snapshot).transpose()?;
    let (roster, session) = match &args.roster {
        Some(path) => (read_snapshot(path)?, None),
        None => {
            let session = context.connect(&config, &settings, false).await?;
            (govern::read(context, &session, &settings.taxonomy).await?, Some(session))
        }
    };
    let since = before.map(|before| compare(&before, &roster)).transpose()?;
    let rules = govern::rules(context, &config, &settings, &govern::place(&roster))?;
    let facts = match &session {
        Some(session) => Box::pin(facts(context, session, &settings.taxonomy, &roster)).await?,
        None => Facts::none("a snapshot does not hold it"),
    };
    let run = Run {
        alias: session.as_ref().and_then(|session| session.alias.clone()),
        config_hash: config.hash.clone(),
        id: context.run.clone(),
        since,
        api_calls: session.as_ref().map_or_else(BTreeMap::new, |session| session.account.gateway.counts()),
    };
    let report = report_on(&settings, &rules, &roster, facts, context.started_ms.div_euclid(1000), run)?;
    if let Some(session) = &session {
        session.save()?;
    }
    match context.global.output {
        Output::Json => super::print_json(context, &report)?,
        Output::Csv => {
            let head = ["severity", "rule", "kind", "name", "message", "fix", "source", "as_of"];
            super::print_csv(context, &head, report.csv().into_iter())?;
        }
        Output::Text => {
            let paint = |text: &str, style| context.terminal.on_out(text, style);
            context.terminal.out(report.text(paint, context.lists_all()));
        }
    }
    for (format, file) in files {
        file.write(&report.render(format)?)?;
    }
    Ok(if report.summary.clean { Exit::Ok } else { Exit::Left })
}

/// Holds a roster and what is known besides against every rule.
fn report_on(
    settings: &muster_core::config::Settings,
    rules: &Rules,
    roster: &Roster,
    facts: Facts,
    now_s: i64,
    run: Run,
) -> Result<AuditReport, CliError> {
    let evidence = Evidence {
        taxonomy: &settings.taxonomy,
        rules,
        settings: &settings.audit,
        exempt: &settings.exempt,
        roster,
        credentials: facts.credentials.not_older_than(settings.audit.report_age_hours, now_s),
        password_policy: facts.password_policy,
        stray_devices: facts.stray_devices,
        now_s,
    };
    let found = audit(&evidence)?;
    AuditReport::new(&evidence, found, run)
}

impl Facts {
    fn none(why: &str) -> Self {
        Self {
            credentials: Known::No(why.to_owned()),
            password_policy: Known::No(why.to_owned()),
            stray_devices: Known::No(why.to_owned()),
        }
    }
}

/// Asks the account for what no roster holds. What it does not tell is unknown, and no reason to say less of the rest.
async fn facts(
    context: &Context,
    session: &Session,
    taxonomy: &Taxonomy,
    roster: &Roster,
) -> Result<Facts, CliError> {
    let gateway = &session.account.gateway;
    let (report, policy, devices) = tokio::join!(
        Box::pin(credential_report(gateway)),
        Box::pin(password_rules(gateway)),
        Box::pin(stray_devices(&session.account)),
    );
    let mut credentials = known(report)?;
    if let Known::Yes(report) = &mut credentials {
        let now_s = context.started_ms.div_euclid(1000);
        let missing: Vec<_> = roster
            .users
            .iter()
            .filter(|user| taxonomy.covers(user) && report.row(user).is_none())
            .take(LOOKED_AT_MAX)
            .collect();
        for user in missing {
            match Box::pin(credential_row(gateway, &user.name, now_s)).await {
                Ok(row) => {
                    let row = muster_core::audit::CredentialRow { created_s: user.created_s, ..row };
                    report.users.insert(user.name.clone(), row);
                }
                Err(error) if is_unknown(&error) => {
                    report.users.remove(&user.name);
                    report.unseen.insert(user.name.clone(), error.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Facts { credentials, password_policy: known(policy)?, stray_devices: known(devices)? })
}

fn known<T>(result: Result<T, CallError>) -> Result<Known<T>, CliError> {
    match result {
        Ok(value) => Ok(Known::Yes(value)),
        Err(error) if is_unknown(&error) => Ok(Known::No(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn compare(before: &Roster, now: &Roster) -> Result<Since, CliError> {
    if (&before.account, &before.partition) != (&now.account, &now.partition) {
        return Err(CliError::usage(format!(
            "the snapshot is of account {}, and this is account {}",
            before.account, now.account
        )));
    }
    Ok(since(before, now))
}
