//! Who must not be taken away or locked out.

use muster_aws::{Depth, Kind, read_roster};
use muster_core::config::{Settings, nearest};
use muster_core::departure::administrators;
use muster_core::estate::Estate;
use muster_core::name::UserName;
use muster_core::roster::{Roster, User};

use crate::context::{Context, Session};
use crate::environment::rfc3339;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::safe;

/// Refuses names that no IAM user can have, and an empty list.
pub(crate) fn check_names(users: &[UserName]) -> Result<(), CliError> {
    if users.is_empty() {
        return Err(CliError::usage_with(
            "no user is named",
            "names come before options that take several values, such as --recipient",
        ));
    }
    let wrong = users.iter().filter_map(|user| user.check().err().map(|problem| (user, problem)));
    let problems: Vec<String> =
        wrong.map(|(user, problem)| format!("`{user}` is no name of a user: {problem}")).collect();
    if problems.is_empty() { Ok(()) } else { Err(CliError::Preflight { problems, exit: Exit::Usage }) }
}

/// What is known of the account as a whole, for deciding who must stay.
pub(crate) struct Guards<'a> {
    settings: &'a Settings,
    caller: Option<UserName>,
    caller_arn: String,
    /// `None` where it may not be read.
    roster: Option<Roster>,
}

impl<'a> Guards<'a> {
    /// Reads the account.
    pub(crate) async fn new(
        context: &Context,
        session: &Session,
        settings: &'a Settings,
    ) -> Result<Self, CliError> {
        let taken_at = rfc3339(context.started_ms);
        let read =
            read_roster(&session.account, &settings.taxonomy, Depth::Everything, taken_at, &|_| {}).await;
        let roster = match read {
            Ok(roster) => Some(roster),
            Err(error) if error.kind == Kind::Denied => {
                context.terminal.warn(
                    "the account's policies may not be read, so nobody can tell whether this is the last administrator",
                );
                None
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Self {
            settings,
            caller: session.caller(),
            caller_arn: session.account.caller_arn.clone(),
            roster,
        })
    }

    /// Returns a user's name in the account that is like this one.
    pub(crate) fn nearest(&self, user: &UserName) -> Option<String> {
        let names = self.roster.iter().flat_map(|roster| &roster.users).map(|user| user.name.as_str());
        nearest(user.as_str(), names).map(|name| format!("; did you mean `{}`?", safe(name)))
    }

    /// Returns why these users must not be touched. `force` lets the last administrator go.
    pub(crate) fn problems(&self, estates: &[Estate], force: bool) -> Result<Vec<String>, CliError> {
        let mut problems = Vec::new();
        for estate in estates {
            let name = safe(estate.user.as_str());
            if self.caller.as_ref() == Some(&estate.user) || estate.arn == self.caller_arn {
                problems.push(format!("`{name}` is the user that runs this command"));
            }
            let user = User {
                name: estate.user.clone(),
                path: estate.path.clone(),
                id: estate.user_id.clone(),
                tags: Some(estate.tags.clone()),
                groups: estate.groups.clone(),
                policies: muster_core::roster::Policies::default(),
                boundary: None,
                created_s: None,
            };
            for protection in &self.settings.taxonomy.protected {
                if protection.users.picks(&user)? {
                    problems.push(format!("`{name}` is protected: {}", safe(&protection.reason)));
                }
            }
            if !self.settings.taxonomy.covers(&user) {
                let prefix = self.settings.taxonomy.path_prefix.as_deref().unwrap_or_default();
                problems.push(format!("`{name}` is at `{}`, outside `{prefix}`", safe(&estate.path)));
            }
        }
        if let Some(roster) = self.roster.as_ref().filter(|_| !force) {
            let all = administrators(roster);
            let going = |user: &&UserName| estates.iter().any(|estate| estate.user == **user);
            let (leaving, staying): (Vec<&UserName>, Vec<&UserName>) = all.into_iter().partition(going);
            if staying.is_empty()
                && let Some(last) = leaving.first()
            {
                problems.push(format!(
                    "`{}` is the last administrator among the users that can be seen; --force goes on all the same",
                    safe(last.as_str())
                ));
            }
        }
        Ok(problems)
    }
}
