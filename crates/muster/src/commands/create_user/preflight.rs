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
use muster_credentials::sealing::{Gpg, Recipient, SealError, Sealer};

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
    sealer: Sealer,
    /// The category, where the command line, the name or the config says it.
    category: Option<usize>,
    credentials: Credentials,
    groups: Vec<GroupName>,
    stray_device: Option<String>,
}

/// Says that there is nobody to seal for.
pub(crate) fn nobody_to_seal_for(user: &UserName, sealer: &Sealer) -> CliError {
    CliError::Preflight { problems: vec![nobody(user, sealer)], exit: Exit::Failed }
}

fn nobody(user: &UserName, sealer: &Sealer) -> String {
    let plaintext =
        if sealer.escrow().is_some() { "" } else { ", or save them unencrypted with --allow-plaintext" };
    format!(
        "there is nobody to seal the credentials of `{user}` for: name a key with --recipient or in the config's \
         [recipients]{plaintext}"
    )
}

/// Says for whom a user's secrets are sealed, or finds out whether they may be saved in clear; returns whether there
/// is a way to save them.
pub(crate) async fn may_be_plaintext(
    context: &Context,
    sealer: &mut Sealer,
    sealing: &Sealing,
    prompter: &mut Prompter<'_>,
) -> Result<bool, CliError> {
    let terminal = &context.terminal;
    if !sealer.is_plaintext() {
        let names: Vec<String> =
            sealer.own().iter().chain(sealer.escrow()).map(Recipient::describe).collect();
        terminal.say(format_args!("Sealing its credentials for {}", safe(&names.join(" and "))));
        return Ok(true);
    }
    // Where somebody is to have a copy of everything, nothing goes past them.
    if sealer.escrow().is_some() {
        return Ok(false);
    }
    if sealing.allow_plaintext {
        terminal.warn("the credentials are saved unencrypted");
    } else {
        match prompter.only_a_person("Save unencrypted value (y/n)?").await {
            Answer::Given(YesNo::Yes | YesNo::YesToAll) => {}
            Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
            _ => return Ok(false),
        }
    }
    sealer.agree_to_plaintext();
    Ok(true)
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
            let mut of_user = Vec::new();
            candidates.push(self.candidate(request, sealing, &roster, &mut of_user).await?);
            problems.extend(of_user.into_iter().map(|problem| format!("{}{problem}", request.place)));
        }
        if !problems.is_empty() {
            return Err(CliError::Preflight { problems, exit: Exit::Failed });
        }
        let (mut ready, mut undecided) = (Vec::new(), Vec::new());
        for mut candidate in candidates {
            self.ask(&mut candidate, &roster, sealing, prompter, &mut problems, &mut undecided).await?;
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
        if !problems.is_empty() || !undecided.is_empty() {
            // What only waits for a decision is another end than what cannot be.
            let exit = if problems.is_empty() { Exit::Left } else { Exit::Failed };
            problems.extend(undecided);
            return Err(CliError::Preflight { problems, exit });
        }
        Self::check_files(&ready)?;
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
        roster.users = requests.iter().map(|request| self.as_user(request)).collect();
        roster.read_by = ReadBy::AccountAuthorizationDetails;
        roster.sort();
        Ok(roster)
    }

    /// Refuses two users whose bundles would have one name.
    fn check_files(ready: &[Ready]) -> Result<(), CliError> {
        let mut seen: HashSet<String> = HashSet::new();
        let names = |user: &Ready| {
            [".zip", ".mfa.zip"].map(|ending| format!("{}{ending}", user.name).to_ascii_lowercase())
        };
        let problems: Vec<String> = ready
            .iter()
            .flat_map(names)
            .filter(|name| !seen.insert(name.clone()))
            .map(|name| {
                format!("two users of this run would have the bundle `{name}`: create them one by one")
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(CliError::Preflight { problems, exit: Exit::Failed }) }
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
        self.check_scope(request, problems)?;
        let hands_over = |c: &Credentials| c.password || c.mfa || c.access_key;
        let mut sealer = Sealer::new(Gpg::default(), Vec::new(), None);
        // Who gets nothing needs nobody to seal for; with the category open, that is open too.
        if hands_over(&credentials) || category.is_none() {
            match sealer_of(user, &request.recipients, sealing, self.settings) {
                Ok(found) => match found.test() {
                    Ok(()) | Err(SealError::Nobody) => sealer = found,
                    Err(error) => problems.push(Self::seal_problem(user, &error)),
                },
                Err(error) => problems.push(Self::seal_problem(user, &error)),
            }
        }
        Ok(Candidate { request, sealer, category, credentials, groups, stray_device: None })
    }

    /// Refuses who is protected, or would be outside the part of the account that the config is about.
    fn check_scope(&self, request: &Request, problems: &mut Vec<String>) -> Result<(), CliError> {
        let taxonomy = &self.settings.taxonomy;
        let user = self.as_user(request);
        for protection in &taxonomy.protected {
            if protection.users.picks(&user)? {
                problems.push(format!("`{}` is protected: {}", request.user, protection.reason));
            }
        }
        if !taxonomy.covers(&user) {
            let prefix = taxonomy.path_prefix.as_deref().unwrap_or_default();
            problems.push(format!(
                "`{}` would be at `{}`, outside `{prefix}`: give a path with --path",
                request.user, self.args.path
            ));
        }
        Ok(())
    }

    /// Looks at what stands in the way of an MFA device.
    async fn check_mfa(
        &self,
        candidate: &mut Candidate<'_>,
        problems: &mut Vec<String>,
    ) -> Result<(), CliError> {
        let account = &self.session.account;
        let user = &candidate.request.user;
        if self.mfa(candidate.credentials) == Mfa::Auto {
            problems.extend(self.folder.taken(user, ".mfa.zip"));
        }
        let serial = device_serial(account, user);
        candidate.stray_device = match muster_aws::stray_devices(account).await {
            Ok(strays) => strays.into_iter().find(|other| *other == serial),
            Err(error) if error.kind == Kind::Denied => None,
            Err(error) => return Err(error.into()),
        };
        Ok(())
    }

    fn as_user(&self, request: &Request) -> User {
        User {
            name: request.user.clone(),
            path: self.args.path.clone(),
            id: String::new(),
            tags: Some(request.tags.clone()),
            groups: Vec::new(),
            policies: Policies::default(),
            boundary: None,
            created_s: None,
        }
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
        let user = self.as_user(request);
        let assessment = assess(taxonomy, &user)?;
        let default = self.settings.default_category.as_ref().and_then(|name| taxonomy.category(name));
        Ok(named.or(assessment.matches.first().copied()).or(default))
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
        undecided: &mut Vec<String>,
    ) -> Result<(), CliError> {
        let terminal = &self.context.terminal;
        let taxonomy = &self.settings.taxonomy;
        let user = &candidate.request.user;
        let name = safe(user.as_str()).into_owned();
        let verb = if self.args.dry_run { "Looking at" } else { "Creating" };
        terminal.say(format_args!("{verb} user {name}..."));
        // Where the category says whether there is anything to save, it is asked for first.
        let rules: Vec<_> = taxonomy.categories.iter().map(|category| category.credentials).collect();
        let is_open = candidate.category.is_none() && rules.windows(2).any(|pair| pair[0] != pair[1]);
        let hands_over = |c: Credentials| c.password || c.mfa || c.access_key;
        let asks_first = !is_open && hands_over(candidate.credentials);
        if asks_first && !self.can_be_saved(candidate, sealing, prompter, undecided).await? {
            return Ok(());
        }
        let (plan, decided) = self.ask_groups(candidate, roster, prompter).await?;
        let planned = plan.users.first();
        let added =
            planned.map(|planned| planned.changes.iter().map(Change::group).cloned().collect::<Vec<_>>());
        let mut groups = added.unwrap_or_default();
        groups.extend(candidate.groups.iter().cloned());
        // The category first: where something fails half-way, that is the group that counts.
        groups.sort_by_key(|group| taxonomy.category(group).is_none());
        let mut seen = HashSet::new();
        groups.retain(|group| seen.insert(group.clone()));
        candidate.groups = groups;
        if !decided && !taxonomy.categories.is_empty() {
            undecided.push(format!(
                "no pattern matches `{user}`: say with --category or --group-name to which category group it belongs"
            ));
            return Ok(());
        }
        // The choice that was made may say what it is given.
        let category = candidate.groups.iter().find_map(|group| taxonomy.category(group));
        candidate.credentials = self.credentials(category.or(candidate.category));
        if !asks_first
            && hands_over(candidate.credentials)
            && !self.can_be_saved(candidate, sealing, prompter, undecided).await?
        {
            return Ok(());
        }
        if candidate.credentials.mfa {
            if self.mfa(candidate.credentials) == Mfa::Prompt
                && self.context.global.no_input
                && !self.args.dry_run
            {
                undecided.push(format!(
                    "somebody has to type the MFA codes of `{user}`: with --no-input use --mfa auto or --no-mfa"
                ));
            }
            self.check_mfa(candidate, problems).await?;
        }
        if let Some(serial) = candidate.stray_device.as_ref().filter(|_| !self.args.dry_run) {
            let question = format!(
                "An MFA device called '{name}' that nobody uses is left from an earlier try ({}). Remove it (y/n)?",
                safe(serial)
            );
            match prompter.yes_no(question, 0).await {
                Answer::Given(YesNo::Yes | YesNo::YesToAll) => {}
                Answer::Interrupted => return Err(CliError::Interrupted("nothing was changed".to_owned())),
                _ => {
                    undecided
                        .push(format!("the MFA device `{serial}` stands in the way of one for `{user}`"));
                }
            }
        }
        Ok(())
    }

    /// Returns whether there is a way to save the user's secrets, asking a person if need be.
    async fn can_be_saved(
        &self,
        candidate: &mut Candidate<'_>,
        sealing: &Sealing,
        prompter: &mut Prompter<'_>,
        undecided: &mut Vec<String>,
    ) -> Result<bool, CliError> {
        let user = &candidate.request.user;
        // A dry run on a terminal would ask; it does not have to be answered to look.
        if self.args.dry_run
            && candidate.sealer.is_plaintext()
            && !sealing.allow_plaintext
            && prompter.interactive()
        {
            self.context.terminal.warn("it would be asked whether the credentials may be saved unencrypted");
            return Ok(true);
        }
        let can = may_be_plaintext(self.context, &mut candidate.sealer, sealing, prompter).await?;
        if !can {
            undecided.push(nobody(user, &candidate.sealer));
        }
        Ok(can)
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
        let Candidate { request, sealer, credentials, groups, stray_device, .. } = candidate;
        let user = &request.user;
        if credentials.password && !rules.users_may_change && !may_change_password(&groups, roster) {
            let text = format!(
                "`{user}` must change its password at first sign-in, and neither the account's password policy nor a \
                 policy of its groups lets it (iam:ChangePassword): attach IAMUserChangePassword to a group, or allow it in \
                 the password policy"
            );
            if rules.is_own {
                problems.push(text);
            } else {
                self.context.terminal.warn(text);
            }
        }
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
            let denying: Vec<String> = denying.map(|policy| safe(&policy.name).into_owned()).collect();
            let all: Vec<String> = policies.iter().map(|policy| safe(&policy.name).into_owned()).collect();
            let carries = if all.is_empty() { "no policies".to_owned() } else { all.join(", ") };
            terminal.say(format_args!("To join {group}, which carries {carries}"));
            if !denying.is_empty() {
                let care = terminal.on_err("take care:", CARE);
                terminal.say(format_args!("  {care} what {} denies is denied to them", denying.join(", ")));
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
        created_s: None,
    };
    Ok(assess(taxonomy, &user)?)
}
