//! Everything that can be known before anything is created.

use std::collections::HashSet;

use muster_aws::{
    AccountFacts, Depth, Kind, Mfa, NewUser, account_facts, device_serial, read_roster, user_exists,
};
use muster_core::assess::{Standing, assess};
use muster_core::config::{Settings, nearest};
use muster_core::impact::{Denies, allows, policies_of};
use muster_core::name::{GroupName, UserName};
use muster_core::password::PasswordRules;
use muster_core::plan::{Change, Choices, DecidedBy, Plan, plan, questions};
use muster_core::roster::{Policies, ReadBy, Roster, User};
use muster_core::taxonomy::{Credentials, Taxonomy};
use muster_credentials::sealing::{Recipient, SealError, Sealer};

use super::requests::Request;
use crate::cli::{CreateUserArgs, MfaChoice};
use crate::commands::sort_dialogue::Asking;
use crate::context::{Context, Session};
use crate::environment::rfc3339;
use crate::error::CliError;
use crate::exit::Exit;
use crate::prompt::{Answer, Prompter, YesNo};
use crate::terminal::{CARE, safe};
use crate::users::{OutFolder, Sealing, sealer_of};

/// Looks at everything before the first user is created.
pub(super) struct Preflight<'a> {
    pub(super) context: &'a Context,
    pub(super) session: &'a Session,
    pub(super) settings: &'a Settings,
    pub(super) args: &'a CreateUserArgs,
    pub(super) folder: &'a OutFolder,
}

/// A user that can be created.
pub(super) struct Ready {
    pub(super) name: UserName,
    pub(super) new: NewUser,
    pub(super) sealer: Sealer,
    pub(super) rules: PasswordRules,
    pub(super) stray_device: Option<String>,
}

/// What was found out about a user so far.
struct Candidate<'r> {
    request: &'r Request,
    sealer: Option<Sealer>,
    credentials: Credentials,
    groups: Vec<GroupName>,
    stray_device: Option<String>,
}

/// Says that there is nobody to seal for.
pub(crate) fn nobody_to_seal_for(user: &UserName) -> CliError {
    CliError::Preflight { problems: vec![nobody(user)], exit: Exit::Failed }
}

fn nobody(user: &UserName) -> String {
    format!(
        "there is nobody to seal the credentials of `{user}` for: name a key with --recipient or in the config's \
         [recipients], or save them unencrypted with --allow-plaintext"
    )
}

impl Preflight<'_> {
    pub(super) async fn run(
        &self,
        requests: &[Request],
        sealing: &Sealing,
        prompter: &mut Prompter<'_>,
    ) -> Result<Vec<Ready>, CliError> {
        let account = &self.session.account;
        let taxonomy = &self.settings.taxonomy;
        let mut problems = Vec::new();
        let roster = self.roster(requests).await?;
        let facts = account_facts(&account.gateway).await?;
        self.check_room(requests, &facts, &mut problems);
        let missing: Vec<&GroupName> =
            taxonomy.groups().map(|(group, _)| group).filter(|group| roster.group(group).is_none()).collect();
        if !missing.is_empty() {
            let groups = missing.iter().map(|name| format!("`{name}`")).collect();
            return Err(CliError::MissingGroups { groups });
        }
        let mut candidates = Vec::new();
        for request in requests {
            candidates.push(self.candidate(request, sealing, &roster, &mut problems).await?);
        }
        if !problems.is_empty() {
            return Err(CliError::Preflight { problems, exit: Exit::Failed });
        }
        let mut ready = Vec::new();
        for mut candidate in candidates {
            self.ask(&mut candidate, &roster, sealing, prompter, &mut problems).await?;
            let limit = facts.groups_per_user.and_then(|limit| usize::try_from(limit).ok());
            if limit.is_some_and(|limit| candidate.groups.len() > limit) {
                problems.push(format!(
                    "`{}` would be in {} groups, and IAM allows {}",
                    candidate.request.user,
                    candidate.groups.len(),
                    limit.unwrap_or_default()
                ));
            }
            ready.push(self.ready(candidate, &roster, facts.password, &mut problems));
        }
        if !problems.is_empty() {
            return Err(CliError::Preflight { problems, exit: Exit::Left });
        }
        self.show_impact(&ready, &roster);
        Ok(ready)
    }

    /// Reads the groups with their policies, and takes the new users for users without groups.
    async fn roster(&self, requests: &[Request]) -> Result<Roster, CliError> {
        let taxonomy = &self.settings.taxonomy;
        let mut reading = taxonomy.clone();
        let named = requests.iter().flat_map(|request| &request.groups);
        for group in named.map(GroupName::new) {
            if reading.groups().all(|(managed, _)| *managed != group) {
                reading.common.push(group);
            }
        }
        let taken_at = rfc3339(self.context.started_ms);
        let mut roster =
            read_roster(&self.session.account, &reading, Depth::Groups, taken_at, &|_| {}).await?;
        roster.users = requests
            .iter()
            .map(|request| User {
                name: request.user.clone(),
                path: self.args.path.clone(),
                id: String::new(),
                tags: Some(request.tags.clone()),
                groups: Vec::new(),
                policies: Policies::default(),
                boundary: None,
            })
            .collect();
        roster.read_by = ReadBy::AccountAuthorizationDetails;
        roster.sort();
        Ok(roster)
    }

    fn check_room(&self, requests: &[Request], facts: &AccountFacts, problems: &mut Vec<String>) {
        let Some((users, users_max)) = facts.users else {
            self.context.terminal.warn("the account's quotas may not be read, so they were not checked");
            return;
        };
        let wanted = i32::try_from(requests.len()).unwrap_or(i32::MAX);
        if users.saturating_add(wanted) > users_max {
            problems.push(format!("the account has {users} users, and may have {users_max}"));
        }
    }

    /// Finds out all about a user that nobody has to be asked for.
    async fn candidate<'r>(
        &self,
        request: &'r Request,
        sealing: &Sealing,
        roster: &Roster,
        problems: &mut Vec<String>,
    ) -> Result<Candidate<'r>, CliError> {
        let account = &self.session.account;
        let taxonomy = &self.settings.taxonomy;
        let user = &request.user;
        if user_exists(&account.gateway, user).await? {
            problems.push(format!("the user `{user}` exists already"));
        }
        problems.extend(self.folder.taken(user, ".zip"));
        let mut groups: Vec<GroupName> = Vec::new();
        for name in request.groups.iter().chain(&request.category) {
            let group = GroupName::new(name);
            match roster.group(&group) {
                Some(found) if !groups.contains(&found.name) => groups.push(found.name.clone()),
                Some(_) => {}
                None => {
                    let like = nearest(name, roster.groups.iter().map(|group| group.name.as_str()));
                    let help =
                        like.map(|like| format!("; did you mean `{}`?", safe(like))).unwrap_or_default();
                    problems.push(format!("the account has no group `{name}`{help}"));
                }
            }
        }
        if let Some(name) =
            request.category.as_ref().filter(|name| taxonomy.category(&GroupName::new(name)).is_none())
        {
            problems.push(format!("`{name}` is no category group of the config"));
        }
        let categories: Vec<&GroupName> =
            groups.iter().filter(|group| taxonomy.category(group).is_some()).collect();
        if let [first, second, ..] = categories.as_slice() {
            problems.push(format!(
                "`{user}` would be in the category groups `{first}` and `{second}`, and belongs to only one"
            ));
        }
        let category = self.category(request, &groups)?;
        let credentials = self.credentials(category);
        let sealer = match sealer_of(user, &request.recipients, sealing, self.settings) {
            Ok(sealer) => match sealer.test() {
                Ok(()) => Some(sealer),
                Err(error) => {
                    problems.push(Self::seal_problem(user, &error));
                    None
                }
            },
            Err(error) => {
                problems.push(Self::seal_problem(user, &error));
                None
            }
        };
        let mut stray_device = None;
        if credentials.mfa {
            if self.mfa(credentials) == Mfa::Prompt && self.context.global.no_input {
                problems.push(format!(
                    "somebody has to type the MFA codes of `{user}`: with --no-input use --mfa auto or --no-mfa"
                ));
            }
            if self.mfa(credentials) == Mfa::Auto {
                problems.extend(self.folder.taken(user, ".mfa.zip"));
            }
            let serial = device_serial(account, user);
            stray_device = match muster_aws::stray_devices(account).await {
                Ok(strays) => strays.into_iter().find(|other| *other == serial),
                Err(error) if error.kind == Kind::Denied => None,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(Candidate { request, sealer, credentials, groups, stray_device })
    }

    fn seal_problem(user: &UserName, error: &SealError) -> String {
        let help = match error {
            SealError::Untrusted { .. } => {
                "; check the fingerprint with its owner, then sign the key or use --always-trust"
            }
            SealError::SeveralKeys { .. } => "; name the one that is meant with --recipient",
            _ => "",
        };
        format!("nothing can be sealed for `{user}`: {error}{help}")
    }

    /// Returns the category that the command line, or the name, says.
    fn category(&self, request: &Request, groups: &[GroupName]) -> Result<Option<usize>, CliError> {
        let taxonomy = &self.settings.taxonomy;
        let named = groups.iter().find_map(|group| taxonomy.category(group));
        let user = User {
            name: request.user.clone(),
            path: self.args.path.clone(),
            id: String::new(),
            tags: Some(request.tags.clone()),
            groups: Vec::new(),
            policies: Policies::default(),
            boundary: None,
        };
        let assessment = assess(taxonomy, &user)?;
        Ok(named.or(assessment.matches.first().copied()))
    }

    /// What the category says, with the command line over it; without either, what the article's tool made.
    fn credentials(&self, category: Option<usize>) -> Credentials {
        let rule = category.and_then(|position| self.settings.taxonomy.categories[position].credentials);
        let rule = rule.unwrap_or(Credentials {
            password: true,
            mfa: true,
            access_key: self.args.access_key_by_default,
        });
        Credentials {
            password: rule.password && !self.args.no_password,
            mfa: match self.args.mfa_choice() {
                Some(MfaChoice::None) => false,
                Some(_) => true,
                None => rule.mfa,
            },
            access_key: (rule.access_key || self.args.access_key) && !self.args.no_access_key,
        }
    }

    fn mfa(&self, credentials: Credentials) -> Mfa {
        match self.args.mfa_choice() {
            _ if !credentials.mfa => Mfa::None,
            Some(choice) => choice.into(),
            None => Mfa::Prompt,
        }
    }

    /// Asks what only a person can say, in the order of the article.
    async fn ask(
        &self,
        candidate: &mut Candidate<'_>,
        roster: &Roster,
        sealing: &Sealing,
        prompter: &mut Prompter<'_>,
        problems: &mut Vec<String>,
    ) -> Result<(), CliError> {
        let terminal = &self.context.terminal;
        let user = &candidate.request.user;
        let name = safe(user.as_str()).into_owned();
        terminal.say(format_args!("Creating user {name}..."));
        self.ask_plaintext(candidate, sealing, prompter, problems).await;
        let (plan, decided) = self.ask_groups(candidate, roster, prompter).await?;
        let planned = plan.users.first();
        let added =
            planned.map(|planned| planned.changes.iter().map(Change::group).cloned().collect::<Vec<_>>());
        let mut groups = added.unwrap_or_default();
        groups.extend(candidate.groups.iter().cloned());
        // The category first: where something fails half-way, that is the group that counts.
        let taxonomy = &self.settings.taxonomy;
        groups.sort_by_key(|group| taxonomy.category(group).is_none());
        let mut seen = HashSet::new();
        groups.retain(|group| seen.insert(group.clone()));
        candidate.groups = groups;
        if !decided && !taxonomy.categories.is_empty() {
            problems.push(format!(
                "no pattern matches `{user}`: say with --category or --group-name to which category group it belongs"
            ));
        }
        // The choice that was made may say what it is given.
        let category = candidate.groups.iter().find_map(|group| taxonomy.category(group));
        candidate.credentials = self.credentials(category);
        if let Some(serial) = candidate.stray_device.as_ref().filter(|_| candidate.credentials.mfa) {
            let question = format!(
                "An MFA device called '{name}' that nobody uses is left from an earlier try ({}). Remove it (y/n)?",
                safe(serial)
            );
            if !matches!(prompter.yes_no(question, 0).await, Answer::Given(YesNo::Yes | YesNo::YesToAll)) {
                problems.push(format!("the MFA device `{serial}` stands in the way of one for `{user}`"));
            }
        }
        Ok(())
    }

    async fn ask_plaintext(
        &self,
        candidate: &Candidate<'_>,
        sealing: &Sealing,
        prompter: &mut Prompter<'_>,
        problems: &mut Vec<String>,
    ) {
        let terminal = &self.context.terminal;
        let Some(sealer) = &candidate.sealer else { return };
        let Credentials { password, mfa, access_key } = candidate.credentials;
        if !(password || mfa || access_key) {
            return;
        }
        if !sealer.is_plaintext() {
            let names: Vec<String> =
                sealer.own().iter().chain(sealer.escrow()).map(Recipient::describe).collect();
            terminal.say(format_args!("Sealing its credentials for {}", safe(&names.join(" and "))));
            return;
        }
        let user = &candidate.request.user;
        if sealer.escrow().is_some() {
            problems.push(nobody(user));
        } else if sealing.allow_plaintext || self.args.dry_run {
            terminal.warn("the credentials are saved unencrypted");
        } else if !prompter.only_a_person("Save unencrypted value (y/n)?").await {
            problems.push(nobody(user));
        }
    }

    /// Returns the memberships that the rules and a person give, and whether the category is decided.
    async fn ask_groups(
        &self,
        candidate: &Candidate<'_>,
        roster: &Roster,
        prompter: &mut Prompter<'_>,
    ) -> Result<(Plan, bool), CliError> {
        let (context, taxonomy) = (self.context, &self.settings.taxonomy);
        let user = &candidate.request.user;
        let mut roster = roster.clone();
        roster.users.retain(|other| other.name == *user);
        for user in &mut roster.users {
            user.groups.clone_from(&candidate.groups);
        }
        let default = self.settings.default_category.as_ref();
        let mut choices = Choices {
            force_common_group: self.settings.force_common_group,
            default_category: default.and_then(|name| taxonomy.category(name)),
            ..Choices::default()
        };
        let open = questions(taxonomy, &plan(taxonomy, &roster, &choices)?, &choices);
        let mut asking = Asking { taxonomy, choices: &mut choices, prompter, refused: HashSet::new() };
        for question in open {
            if let Answer::Interrupted = asking.question(&question, &[]).await {
                return Err(CliError::Interrupted("nothing was changed".to_owned()));
            }
        }
        let plan = plan(taxonomy, &roster, &choices)?;
        let planned = plan.users.first();
        let by_rule = planned.is_some_and(|planned| {
            matches!(planned.decided_by, DecidedBy::Pattern | DecidedBy::Default)
                && planned.before.standing == Standing::Uncategorized
        });
        if by_rule {
            let groups: Vec<String> =
                taxonomy.category_groups().map(|group| safe(group.as_str()).into_owned()).collect();
            context.terminal.say(format_args!(
                "User '{}' does not belong to any of the category group ({}). Automatically adding...",
                safe(user.as_str()),
                groups.join(", ")
            ));
        }
        let decided = planned.is_some_and(|planned| planned.decided_by != DecidedBy::None)
            || candidate.groups.iter().any(|group| taxonomy.category(group).is_some());
        Ok((plan, decided))
    }

    fn ready(
        &self,
        candidate: Candidate<'_>,
        roster: &Roster,
        rules: PasswordRules,
        problems: &mut Vec<String>,
    ) -> Ready {
        let Candidate { request, sealer, credentials, groups, stray_device } = candidate;
        let user = &request.user;
        if credentials.password && !rules.users_may_change && !may_change_password(&groups, roster) {
            let text = format!(
                "`{user}` must change its password at first sign-in, and neither the account's password policy nor a \
                 policy of its groups lets it (iam:ChangePassword)"
            );
            if rules.is_own {
                problems.push(text);
            } else {
                self.context.terminal.warn(text);
            }
        }
        // Without a sealer a problem was found, and nobody is created.
        let sealer = sealer
            .unwrap_or_else(|| Sealer::new(muster_credentials::sealing::Gpg::default(), Vec::new(), None));
        Ready {
            name: user.clone(),
            new: NewUser {
                path: self.args.path.clone(),
                tags: request.tags.clone(),
                boundary: self.args.permissions_boundary.clone(),
                groups,
                password: credentials.password,
                mfa: self.mfa(credentials),
                access_key: credentials.access_key,
                recipients: sealer.own().iter().map(Recipient::name).collect(),
                escrow: sealer.escrow().map(Recipient::name),
            },
            sealer,
            rules,
            stray_device,
        }
    }

    /// Says what the groups carry that the users join.
    fn show_impact(&self, ready: &[Ready], roster: &Roster) {
        let terminal = &self.context.terminal;
        let mut groups: Vec<&GroupName> = ready.iter().flat_map(|user| &user.new.groups).collect();
        groups.sort();
        groups.dedup();
        for name in groups {
            let group = safe(name.as_str()).into_owned();
            let Some(policies) = policies_of(name, roster) else {
                terminal.say(format_args!("The policies of {group} could not be read"));
                continue;
            };
            let denying = policies
                .iter()
                .filter(|policy| matches!(policy.denies, Denies::Always | Denies::UnderACondition));
            let names: Vec<String> = denying.map(|policy| safe(&policy.name).into_owned()).collect();
            if !names.is_empty() {
                let care = terminal.on_err("take care:", CARE);
                terminal.say(format_args!("{care} {group} denies: {}", names.join(", ")));
            }
        }
    }
}

/// Returns whether a policy of these groups lets their members change their own password.
fn may_change_password(groups: &[GroupName], roster: &Roster) -> bool {
    groups.iter().filter_map(|group| roster.group(group)).any(|group| match &group.policies {
        // Not readable: then nobody can say that it does not.
        None => true,
        Some(policies) => {
            let attached = policies.attached.iter().filter_map(|arn| roster.policy(arn));
            let documents = attached.map(|policy| &policy.document);
            documents
                .chain(policies.inline.iter().map(|policy| &policy.document))
                .any(|document| allows(document, "iam:ChangePassword"))
        }
    })
}

/// Returns how a user will stand, once created.
pub(super) fn standing(
    taxonomy: &Taxonomy,
    ready: &Ready,
) -> Result<muster_core::assess::Assessment, CliError> {
    let user = User {
        name: ready.name.clone(),
        path: ready.new.path.clone(),
        id: String::new(),
        tags: Some(ready.new.tags.clone()),
        groups: ready.new.groups.clone(),
        policies: Policies::default(),
        boundary: None,
    };
    Ok(assess(taxonomy, &user)?)
}
