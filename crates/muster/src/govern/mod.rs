//! The account as the config wants it: what `plan`, `apply`, `rehearse` and `audit` share.

pub(crate) mod effect;
pub(crate) mod saved;
pub(crate) mod show;

use std::collections::BTreeMap;

use muster_aws::{Depth, read_roster, validate_policy};
use muster_core::assess::{Standing, StandingName, assess};
use muster_core::config::{Settings, Tool};
use muster_core::decisions;
use muster_core::govern::{AccountPlan, PolicyChange, govern, policy_changes};
use muster_core::name::GroupName;
use muster_core::plan::{Choices, DecidedBy, Plan, missing_groups, plan};
use muster_core::roster::Roster;
use muster_core::rules::Rules;
use muster_core::taxonomy::Taxonomy;
use muster_core::templates::{OwnTemplate, Place, find};

use crate::cli::DecisionArgs;
use crate::context::{Config, Context, Session, read_input};
use crate::environment::rfc3339;
use crate::error::CliError;
use crate::progress::Progress;
use crate::terminal::safe;

/// Has Access Analyzer look at every policy.
pub(crate) async fn validate(context: &Context, session: &Session, rules: &Rules) -> Result<(), CliError> {
    if context.global.sandbox.is_some() {
        return Err(CliError::usage_with(
            "--validate asks AWS's Access Analyzer, and an embedded account has none",
            "leave it out: what can be checked without AWS is always checked",
        ));
    }
    let mut errors = 0;
    for wanted in rules.policies.values() {
        for remark in validate_policy(&session.account, &wanted.document).await? {
            errors += usize::from(remark.is_error);
            context.terminal.warn(format_args!(
                "Access Analyzer on the policy {}: {} {}: {}",
                safe(&wanted.name),
                safe(&remark.kind),
                safe(&remark.code),
                safe(&remark.details)
            ));
        }
    }
    if errors == 0 {
        return Ok(());
    }
    Err(CliError::refused(
        format!("Access Analyzer finds {} in the policies", crate::error::count(errors, "error")),
        "nothing was changed; correct the templates or their parameters",
    ))
}

/// A user about whom something is left to decide.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Undecided {
    pub(crate) user: String,
    pub(crate) standing: StandingName,
    pub(crate) why: String,
}

/// How an account differs from the config.
pub(crate) struct Governing {
    pub(crate) settings: Settings,
    pub(crate) config: Config,
    pub(crate) roster: Roster,
    pub(crate) rules: Rules,
    pub(crate) plan: AccountPlan,
    pub(crate) policy_changes: BTreeMap<GroupName, BTreeMap<String, PolicyChange>>,
    pub(crate) undecided: Vec<Undecided>,
}

/// Reads the config and everything that it says; nothing is called yet.
pub(crate) fn settings(context: &Context) -> Result<(Config, Settings), CliError> {
    let config = context.config()?;
    let settings = context.settings(&config, Tool::Govern, &muster_core::config::Overrides::default())?;
    crate::commands::sort_users::require_groups(context, &settings.taxonomy, &config)?;
    Ok((config, settings))
}

/// Writes the policies of a config for a place, and says what looks wrong with them.
pub(crate) fn rules(
    context: &Context,
    config: &Config,
    settings: &Settings,
    place: &Place,
) -> Result<Rules, CliError> {
    let own = own_templates(config, settings)?;
    let written = Rules::write(
        &settings.taxonomy,
        &settings.common_policies,
        &settings.policies,
        &own,
        settings.carried_as,
        place,
    );
    let (rules, warnings) = written.map_err(|error| {
        let help = "nothing was called on AWS; `muster config check` looks at the policies, too";
        CliError::usage_with(error.to_string(), help)
    })?;
    for warning in warnings {
        context.terminal.warn(safe(&warning));
    }
    Ok(rules)
}

/// Reads the templates of somebody's own that a config names, beside the config.
fn own_templates(config: &Config, settings: &Settings) -> Result<Vec<OwnTemplate>, CliError> {
    let folder = config.path.as_ref().and_then(|path| path.parent());
    let of_categories = settings.taxonomy.categories.iter().flat_map(|category| &category.policies);
    let mut own: Vec<OwnTemplate> = Vec::new();
    for name in of_categories.chain(&settings.common_policies) {
        if find(name).is_some() || own.iter().any(|template| template.file == *name) {
            continue;
        }
        let path = folder.map_or_else(|| name.into(), |folder| folder.join(name));
        let text = read_input(&path)?;
        let template = OwnTemplate::read(name, &text).map_err(|error| CliError::usage(error.to_string()))?;
        if let Some(other) = own.iter().find(|other| other.name.eq_ignore_ascii_case(&template.name)) {
            return Err(CliError::usage(format!(
                "`{}` and `{}` would both be the policy `{}`",
                other.file, template.file, template.name
            )));
        }
        own.push(template);
    }
    Ok(own)
}

/// Returns where the policies of a roster are to hold.
pub(crate) fn place(roster: &Roster) -> Place {
    Place { partition: roster.partition.clone(), account_id: roster.account.clone() }
}

/// Reads the account with everything that governing it needs.
pub(crate) async fn read(
    context: &Context,
    session: &Session,
    taxonomy: &Taxonomy,
) -> Result<Roster, CliError> {
    let progress = Progress::counting(&context.terminal, "Reading users:");
    let taken_at = rfc3339(context.started_ms);
    let on_progress = |users| progress.set(users);
    Ok(read_roster(&session.account, taxonomy, Depth::Everything, taken_at, &on_progress).await?)
}

impl Governing {
    /// Works out how an account differs from the config.
    pub(crate) fn new(
        context: &Context,
        config: Config,
        settings: Settings,
        roster: Roster,
        decided: &DecisionArgs,
    ) -> Result<Self, CliError> {
        let rules = rules(context, &config, &settings, &place(&roster))?;
        let (plan, undecided) = plan_of(&settings, &rules, &roster, decided)?;
        let policy_changes = policy_changes(&settings.taxonomy, &roster, &rules);
        Ok(Self { settings, config, roster, rules, plan, policy_changes, undecided })
    }
}

/// Plans, and says about whom something is left to decide.
pub(crate) fn plan_of(
    settings: &Settings,
    rules: &Rules,
    roster: &Roster,
    decided: &DecisionArgs,
) -> Result<(AccountPlan, Vec<Undecided>), CliError> {
    let taxonomy = &settings.taxonomy;
    let choices = choices(settings, roster, decided)?;
    let members = Plan { groups: missing_groups(taxonomy, roster), ..plan(taxonomy, roster, &choices)? };
    let undecided = undecided(taxonomy, roster, &members)?;
    let plan = govern(taxonomy, roster, rules, members)
        .map_err(|error| CliError::refused(error.to_string(), help_with(&error)))?;
    Ok((plan, undecided))
}

fn help_with(error: &muster_core::govern::GovernError) -> String {
    use muster_core::govern::GovernError;
    match error {
        GovernError::NameTaken { name, .. } => {
            format!("rename the other policy, or copy the template to a file of another name than `{name}`")
        }
        GovernError::GroupFull { .. } => {
            "take a policy off the group first, or carry them as inline ones: `policies_as = \"inline\"`"
                .to_owned()
        }
        GovernError::InlineTooLong { .. } => {
            "carry them as managed ones (`policies_as = \"managed\"`); a policy that allows and denies needs the room while it \
             changes, so split its template in two"
                .to_owned()
        }
        GovernError::Unread { .. } => {
            "the caller needs iam:GetAccountAuthorizationDetails; see `muster permissions plan`".to_owned()
        }
    }
}

/// Brings together what the config and the command line decide.
fn choices(settings: &Settings, roster: &Roster, given: &DecisionArgs) -> Result<Choices, CliError> {
    let taxonomy = &settings.taxonomy;
    let mut choices = Choices {
        force_common_group: settings.force_common_group,
        default_category: settings.default_category.as_ref().and_then(|name| taxonomy.category(name)),
        resolve_conflicts: given.resolve_conflicts.is_some(),
        move_misfiled: given.move_misfiled,
        ..Choices::default()
    };
    if let Some(path) = &given.decisions {
        let decided = decisions::read(&read_input(path)?, taxonomy, roster)
            .map_err(|problems| CliError::Decisions { path: path.clone(), problems })?;
        let by_file = |(user, category)| (user, (category, DecidedBy::DecisionsFile));
        choices.category = decided.category.into_iter().map(by_file).collect();
        choices.common = decided.common;
    }
    Ok(choices)
}

/// Returns the users that are not where they should be when all is done.
fn undecided(taxonomy: &Taxonomy, roster: &Roster, members: &Plan) -> Result<Vec<Undecided>, CliError> {
    let end = members.applied_to(roster);
    let mut left = Vec::new();
    for user in end.users.iter().filter(|user| taxonomy.covers(user)) {
        let found = assess(taxonomy, user)?;
        let group = |i: &usize| taxonomy.categories[*i].group.to_string();
        let mut why = Vec::new();
        match &found.standing {
            Standing::Uncategorized => why.push("in no category group, and no pattern says one".to_owned()),
            Standing::Conflicting(all) => {
                why.push(format!("in {}", all.iter().map(group).collect::<Vec<_>>().join(" and ")));
            }
            Standing::Misfiled { is_in, belongs_in } => {
                why.push(format!("in {}, and its name says {}", group(is_in), group(belongs_in)));
            }
            Standing::Sorted(_) | Standing::Disabled | Standing::NoCategories => {}
        }
        let missing: Vec<String> =
            found.missing_common.iter().map(|i| taxonomy.common[*i].to_string()).collect();
        if !missing.is_empty() {
            why.push(format!("not in {}", missing.join(" and ")));
        }
        if !why.is_empty() {
            if let Some(protection) = found.protected {
                why.push(format!("protected: {}", taxonomy.protected[protection].reason));
            }
            let (standing, why) = (found.standing.name(), why.join("; "));
            left.push(Undecided { user: user.name.to_string(), standing, why });
        }
    }
    Ok(left)
}
