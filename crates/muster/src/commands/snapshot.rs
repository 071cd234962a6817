//! `muster snapshot`

use muster_aws::{Depth, read_roster};
use muster_core::config::Tool;

use crate::cli::SnapshotArgs;
use crate::context::{Context, NewFile};
use crate::environment::rfc3339;
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::progress::Progress;

pub(crate) async fn run(context: &Context, args: &SnapshotArgs) -> Result<Exit, CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::SortUsers, &muster_core::config::Overrides::default())?;
    let file = args.out.as_deref().map(NewFile::create).transpose()?;
    let session = context.connect(&config, &settings, false).await?;
    let progress = Progress::counting(&context.terminal, "Reading users:");
    let taken_at = rfc3339(context.started_ms);
    let account = &session.account;
    let roster =
        read_roster(account, &settings.taxonomy, Depth::Everything, taken_at, &|users| progress.set(users))
            .await?;
    drop(progress);
    let mut text = serde_json::to_string_pretty(&roster)
        .map_err(|error| CliError::usage(format!("failed to write the snapshot: {error}")))?;
    text.push('\n');
    match file.zip(args.out.as_ref()) {
        None => context.terminal.out(text),
        Some((file, path)) => {
            file.write(&text)?;
            context.terminal.say(format_args!(
                "{} and {} of account {} written to {}",
                count(roster.users.len(), "user"),
                count(roster.groups.len(), "group"),
                roster.account,
                path.display()
            ));
        }
    }
    Ok(Exit::Ok)
}
