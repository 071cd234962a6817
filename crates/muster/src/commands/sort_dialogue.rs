//! The dialogue of `sort-users`: what only a person can say about a user.

use std::collections::HashSet;

use muster_core::name::{GroupName, UserName};
use muster_core::plan::{Choices, DecidedBy, Question};
use muster_core::taxonomy::Taxonomy;

use crate::error::count;
use crate::prompt::{Answer, Choice, Prompter, YesNo};
use crate::terminal::safe;

/// A dialogue about open questions.
pub(crate) struct Asking<'a, 'p> {
    pub(crate) taxonomy: &'a Taxonomy,
    pub(crate) choices: &'a mut Choices,
    pub(crate) prompter: &'a mut Prompter<'p>,
    /// Common groups to which a person said no for everybody.
    pub(crate) refused: HashSet<GroupName>,
}

impl Asking<'_, '_> {
    pub(crate) async fn question(&mut self, question: &Question, rest: &[Question]) -> Answer<()> {
        match question {
            Question::Common { user, group } => self.common(user, group, rest).await,
            Question::Category { user } if self.choices.category.contains_key(user) => Answer::Skipped,
            Question::Category { user } => self.category(user, rest).await,
            Question::Conflict { user, memberships } => self.conflict(user, memberships).await,
        }
    }

    async fn common(&mut self, user: &UserName, group: &GroupName, rest: &[Question]) -> Answer<()> {
        let pair = (user.clone(), group.clone());
        if self.refused.contains(group) || self.choices.common.contains(&pair) {
            return Answer::Skipped;
        }
        let others: Vec<&UserName> = rest
            .iter()
            .filter_map(|question| match question {
                Question::Common { user, group: other } if other == group => Some(user),
                _ => None,
            })
            .collect();
        let text = format!(
            "User '{}' does not belong to the mandatory common group '{}'. Do you want to remediate this now (y/n)?",
            safe(user.as_str()),
            safe(group.as_str())
        );
        match self.prompter.yes_no(text, others.len()).await {
            Answer::Given(YesNo::Yes) => {
                self.choices.common.insert(pair);
                Answer::Given(())
            }
            Answer::Given(YesNo::YesToAll) => {
                self.choices.common.insert(pair);
                self.choices.common.extend(others.into_iter().map(|user| (user.clone(), group.clone())));
                Answer::Given(())
            }
            Answer::Given(YesNo::NoToAll) => {
                self.refused.insert(group.clone());
                Answer::Skipped
            }
            Answer::Given(YesNo::No) | Answer::Skipped => Answer::Skipped,
            Answer::End => Answer::End,
            Answer::Interrupted => Answer::Interrupted,
        }
    }

    async fn category(&mut self, user: &UserName, rest: &[Question]) -> Answer<()> {
        let groups: Vec<String> =
            self.taxonomy.category_groups().map(|name| safe(name.as_str()).into_owned()).collect();
        let shown = safe(user.as_str());
        let text = format!(
            "User '{shown}' does not belong to any of the category group ({}). Do you want to remediate this now (y/n)?",
            groups.join(", ")
        );
        match self.prompter.yes_no(text, 0).await {
            Answer::Given(YesNo::Yes | YesNo::YesToAll) => {}
            Answer::Given(YesNo::No | YesNo::NoToAll) | Answer::Skipped => return Answer::Skipped,
            Answer::End => return Answer::End,
            Answer::Interrupted => return Answer::Interrupted,
        }
        let alike = like(user, rest);
        let offer = alike
            .as_ref()
            .map(|(prefix, users)| format!("{} like '{}…'", count(users.len(), "other user"), safe(prefix)));
        let question = format!("Which category group should '{shown}' belong to?");
        match self.prompter.choose(&question, &groups, offer.as_deref()).await {
            Answer::Given(Choice::One(category)) => {
                self.choices.category.insert(user.clone(), (category, DecidedBy::Prompt));
                Answer::Given(())
            }
            Answer::Given(Choice::AllLikeIt(category)) => {
                let others = alike.map(|(_, users)| users).unwrap_or_default();
                for user in std::iter::once(user).chain(others) {
                    self.choices.category.insert(user.clone(), (category, DecidedBy::Prompt));
                }
                Answer::Given(())
            }
            Answer::Skipped => Answer::Skipped,
            Answer::End => Answer::End,
            Answer::Interrupted => Answer::Interrupted,
        }
    }

    /// Only on a terminal: a conflict is never settled by an answer that was not made for it.
    async fn conflict(&mut self, user: &UserName, memberships: &[usize]) -> Answer<()> {
        if !self.prompter.interactive() {
            return Answer::Skipped;
        }
        let groups: Vec<String> = memberships
            .iter()
            .map(|position| safe(self.taxonomy.categories[*position].group.as_str()).into_owned())
            .collect();
        let question =
            format!("User '{}' is in {}. Which one does it keep?", safe(user.as_str()), groups.join(" and "));
        match self.prompter.choose(&question, &groups, None).await {
            Answer::Given(Choice::One(chosen) | Choice::AllLikeIt(chosen)) => {
                self.choices.category.insert(user.clone(), (memberships[chosen], DecidedBy::Prompt));
                Answer::Given(())
            }
            Answer::Skipped => Answer::Skipped,
            Answer::End => Answer::End,
            Answer::Interrupted => Answer::Interrupted,
        }
    }
}

/// Returns the others whose name begins as this one's does up to its first separator, if there are any.
fn like<'q>(user: &UserName, rest: &'q [Question]) -> Option<(String, Vec<&'q UserName>)> {
    let end = user.as_str().find(['-', '_', '.', '@'])?;
    let prefix = user.as_str()[..=end].to_owned();
    let others: Vec<&UserName> = rest
        .iter()
        .filter_map(|question| match question {
            Question::Category { user } if user.as_str().starts_with(&prefix) => Some(user),
            _ => None,
        })
        .collect();
    (!others.is_empty()).then_some((prefix, others))
}
