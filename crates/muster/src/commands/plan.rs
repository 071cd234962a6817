//! `muster plan`

use std::collections::BTreeMap;

use crate::cli::{Output, PlanArgs, PlanFormat};
use crate::context::{Context, NewFile, read_snapshot};
use crate::error::CliError;
use crate::exit::Exit;
use crate::govern::show::PlanReport;
use crate::govern::{self, Governing, saved};

pub(crate) async fn run(context: &Context, args: &PlanArgs) -> Result<Exit, CliError> {
    let (config, settings) = govern::settings(context)?;
    let out = args.out.as_deref().map(NewFile::create).transpose()?;
    let reports: Vec<(PlanFormat, NewFile)> = args
        .report
        .iter()
        .map(|report| Ok((report.format, NewFile::create(&report.path)?)))
        .collect::<Result<_, CliError>>()?;
    let (roster, session) = match &args.roster {
        Some(path) => (read_snapshot(path)?, None),
        None => {
            let session = context.connect(&config, &settings, false).await?;
            (govern::read(context, &session, &settings.taxonomy).await?, Some(session))
        }
    };
    let governing = Governing::new(context, config, settings, roster, &args.decided)?;
    if args.validate
        && let Some(session) = &session
    {
        govern::validate(context, session, &governing.rules).await?;
    }
    let calls = session.as_ref().map_or_else(BTreeMap::new, |session| session.account.gateway.counts());
    let report = PlanReport::new(&governing, calls);
    match context.global.output {
        Output::Json => super::print_json(context, &report)?,
        Output::Csv => {
            super::print_csv(context, &["action", "user", "group", "policy"], report.csv().into_iter())?;
        }
        Output::Text => {
            let paint = |text: &str, style| context.terminal.on_out(text, style);
            context.terminal.out(report.text(paint, context.lists_all()));
        }
    }
    for (format, file) in reports {
        match format {
            PlanFormat::Markdown => file.write(&report.markdown())?,
        }
    }
    if let Some((file, path)) = out.zip(args.out.as_ref()) {
        saved::write(file, path, &governing)?;
        context.terminal.say(format_args!(
            "The plan is kept in {}: `muster apply` with it does this or nothing",
            path.display()
        ));
    }
    let is_something = args.check && report.summary.changes > 0;
    Ok(if is_something || !report.undecided.is_empty() { Exit::Left } else { Exit::Ok })
}
