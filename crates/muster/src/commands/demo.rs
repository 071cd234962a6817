//! `muster demo`: the whole story on an embedded account.

use std::path::PathBuf;

use muster_sandbox::StateFile;

use super::{create_default_groups, sandbox, sort_users};
use crate::cli::{CreateDefaultGroupsArgs, DemoArgs, GlobalArgs, Output, SortUsersArgs, TaxonomyArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// The config of the article.
const CONFIG: &str = include_str!("../../../../examples/article.json");

pub(crate) fn run(context: &Context, args: &DemoArgs) -> Result<Exit, CliError> {
    let folder = std::env::temp_dir().join(format!("muster-demo-{}", context.run));
    let wrong = |path: &std::path::Path, error: std::io::Error| CliError::Write {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    std::fs::create_dir(&folder).map_err(|error| wrong(&folder, error))?;
    let cleanup = RemoveLater(folder.clone());
    let file = args.keep.clone().unwrap_or_else(|| folder.join("account.json"));
    let config = match &args.keep {
        Some(keep) => keep.with_extension("config.json"),
        None => folder.join("config.json"),
    };
    if args.keep.is_some() && config.exists() {
        return Err(CliError::usage(format!("`{}` exists already and is not overwritten", config.display())));
    }
    let account = muster_sandbox::demo(sandbox::ACCOUNT, context.started_ms);
    StateFile::create(&file, &account, context.started_ms)?;
    std::fs::write(&config, CONFIG).map_err(|error| wrong(&config, error))?;

    let global = GlobalArgs {
        sandbox: Some(file.clone()),
        config: Some(config.clone()),
        profile: None,
        no_input: true,
        output: Output::Text,
        ..context.global.clone()
    };
    let demo = Context { is_demo: true, ..context.with_global(global) };
    let say = |text: &str| context.terminal.out(format_args!("\n# {text}\n\n"));
    context.terminal.out("An account as accounts grow, embedded in muster: no AWS, nothing to set up.\n");

    say("muster sort-users --dry-run: the account before");
    let looked = SortUsersArgs { dry_run: true, create_groups: Some(true), ..no_sort_args() };
    crate::with_runtime(&demo, sort_users::run(&demo, &looked))?;

    say("muster create-default-groups: the groups of the config that do not exist yet");
    let groups = CreateDefaultGroupsArgs { taxonomy: TaxonomyArgs::default(), dry_run: false };
    crate::with_runtime(&demo, create_default_groups::run(&demo, &groups))?;

    say("muster sort-users: every user in the common group and in one category group");
    let sorting = Context { run: format!("{}-sort", demo.run), ..demo };
    crate::with_runtime(&sorting, sort_users::run(&sorting, &no_sort_args()))?;

    say("What is left is for a person to decide. Go on yourself:");
    match &args.keep {
        Some(keep) => {
            let again = format!("--sandbox {} --config {}", keep.display(), config.display());
            context.terminal.out(format_args!(
                "  muster sort-users {again}\n  \
                 muster sort-users {again} --resolve-conflicts pattern --move-misfiled --dry-run\n  \
                 muster snapshot {again}\n"
            ));
        }
        None => context.terminal.out(
            "  muster demo --keep demo.json          the same, and the account stays\n  \
             muster sandbox new FILE --article     the article's own test environment\n  \
             muster sandbox serve --state FILE     for the AWS CLI, boto3 and any other client\n",
        ),
    }
    drop(cleanup);
    Ok(Exit::Ok)
}

/// Removes the demo's folder at the end, however that comes.
struct RemoveLater(PathBuf);

impl Drop for RemoveLater {
    fn drop(&mut self) {
        // Nothing can be done about a folder that will not go, and nothing in it matters.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn no_sort_args() -> SortUsersArgs {
    SortUsersArgs {
        taxonomy: TaxonomyArgs::default(),
        category_regex: None,
        force_common_group: None,
        create_groups: None,
        dry_run: false,
        roster: None,
        decisions: None,
        default_category: None,
        resolve_conflicts: None,
        move_misfiled: false,
        path_prefix: None,
        user_name: Vec::new(),
        max_changes: None,
        out: None,
    }
}
