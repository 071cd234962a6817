//! `--decisions FILE`: what a person decided beforehand, as CSV lines `user,group`.

use std::collections::{HashMap, HashSet};

use crate::config::nearest;
use crate::name::{GroupName, UserName};
use crate::roster::Roster;
use crate::taxonomy::Taxonomy;

/// What is wrong with one line of a decisions file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct DecisionProblem {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub message: String,
}

/// What a decisions file decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The category of a user, by position.
    pub category: HashMap<UserName, usize>,
    /// Common groups that a user is to join.
    pub common: HashSet<(UserName, GroupName)>,
}

enum Decision {
    Category(usize),
    Common(GroupName),
}

/// Reads a decisions file against the account and the config; every wrong line is reported.
pub fn read(text: &str, taxonomy: &Taxonomy, roster: &Roster) -> Result<Decisions, Vec<DecisionProblem>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes());
    let (mut decisions, mut problems) = (Decisions::default(), Vec::new());
    let (mut record, mut first) = (csv::StringRecord::new(), true);
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                problems.push(DecisionProblem { line, message: format!("this is not CSV: {error}") });
                break;
            }
        }
        let line = record.position().map_or(0, csv::Position::line);
        let fields: Vec<&str> = record.iter().collect();
        if std::mem::take(&mut first)
            && fields.len() == 2
            && fields[0].eq_ignore_ascii_case("user")
            && fields[1].eq_ignore_ascii_case("group")
        {
            continue;
        }
        match decide(&fields, taxonomy, roster) {
            Ok((user, Decision::Common(group))) => {
                decisions.common.insert((user, group));
            }
            Ok((user, Decision::Category(category))) => {
                let earlier = decisions.category.insert(user.clone(), category);
                if earlier.is_some_and(|earlier| earlier != category) {
                    problems.push(DecisionProblem { line, message: format!("`{user}` is decided twice") });
                }
            }
            Err(message) => problems.push(DecisionProblem { line, message }),
        }
    }
    if problems.is_empty() { Ok(decisions) } else { Err(problems) }
}

fn decide(fields: &[&str], taxonomy: &Taxonomy, roster: &Roster) -> Result<(UserName, Decision), String> {
    let &[user, group] = fields else {
        return Err(format!(
            "a line is `user,group`, and this has {}",
            crate::config::count(fields.len(), "field")
        ));
    };
    let (name, group) = (UserName::new(user), GroupName::new(group));
    let known = roster.user(&name).ok_or_else(|| {
        match nearest(user, roster.users.iter().map(|u| u.name.as_str())) {
            Some(nearest) => format!("the account has no user `{user}`; did you mean `{nearest}`?"),
            None => format!("the account has no user `{user}`"),
        }
    })?;
    if let Some(common) = taxonomy.common.iter().find(|common| **common == group) {
        return Ok((known.name.clone(), Decision::Common(common.clone())));
    }
    let category = taxonomy.category(&group).ok_or_else(|| {
        let groups: Vec<&str> = taxonomy.category_groups().map(GroupName::as_str).collect();
        format!("`{group}` is no category group; those are {}", groups.join(", "))
    })?;
    Ok((known.name.clone(), Decision::Category(category)))
}
