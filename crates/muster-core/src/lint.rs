//! What is legal in a config and yet looks like a mistake.

use crate::config::{Problem, nearest};
use crate::name::{GroupName, UserName};
use crate::roster::Roster;
use crate::taxonomy::{AssessError, Category, Taxonomy};

/// How many names a finding lists before it says "and N more".
const NAMES_MAX: usize = 5;

/// Lints that need the config alone.
pub fn config(taxonomy: &Taxonomy, default_category: Option<&GroupName>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if taxonomy.common.is_empty() && taxonomy.categories.is_empty() {
        let problem = Problem::warning("the config names no common group and no category group");
        problems
            .push(problem.help("there is nothing to sort; name groups in the file or on the command line"));
    }
    for category in &taxonomy.categories {
        if category.rule.is_empty() && default_category != Some(&category.group) {
            let message = format!("nobody is assigned to `{}` by itself: it has no pattern", category.group);
            let help = "with --no-input a user gets there only by --decisions or --default-category";
            problems.push(Problem::advice(message).help(help));
        }
    }
    problems.extend(taxonomy.categories.iter().filter_map(|category| near_miss_of_group(category, taxonomy)));
    problems
}

/// Notices `^Headless-` for the group `AllHeadlessUsers` beside `^MisconfiguredUser-` for `AllMisconfiguredUsers`.
fn near_miss_of_group(category: &Category, taxonomy: &Taxonomy) -> Option<Problem> {
    let kind = |group: &GroupName| {
        let kind = group.as_str().strip_prefix("All").unwrap_or(group.as_str());
        kind.strip_suffix('s').unwrap_or(kind).to_owned()
    };
    let stem = |category: &Category| {
        let prefix = category.rule.pattern.as_ref()?.literal_prefix();
        Some(prefix.trim_end_matches(['-', '_', '.']).to_owned()).filter(|stem| !stem.is_empty())
    };
    let (own_kind, own_stem) = (kind(&category.group), stem(category)?);
    let others_spell_it_out = taxonomy.categories.iter().any(|other| stem(other) == Some(kind(&other.group)));
    if own_stem == own_kind || !own_kind.starts_with(&own_stem) || !others_spell_it_out {
        return None;
    }
    let source = category.rule.pattern.as_ref()?.as_str();
    let message = format!(
        "the pattern `{source}` does not match names that start with `{own_kind}-`, which the group `{}` suggests",
        category.group
    );
    Some(
        Problem::advice(message)
            .help("if users are called so, change the pattern; the config is what counts"),
    )
}

/// Lints that need to know the users and groups that exist.
pub fn roster(taxonomy: &Taxonomy, roster: &Roster) -> Result<Vec<Problem>, AssessError> {
    let mut problems = Vec::new();
    let mut picked: Vec<Vec<UserName>> = vec![Vec::new(); taxonomy.categories.len()];
    let mut won: Vec<usize> = vec![0; taxonomy.categories.len()];
    let mut ambiguous: Vec<(UserName, Vec<usize>)> = Vec::new();
    let mut unmatched: Vec<&UserName> = Vec::new();
    for user in roster.users.iter().filter(|user| taxonomy.covers(user)) {
        let mut matches = Vec::new();
        for (position, category) in taxonomy.categories.iter().enumerate() {
            if category.rule.picks(user)? {
                picked[position].push(user.name.clone());
                matches.push(position);
            }
        }
        match matches.as_slice() {
            [] => unmatched.push(&user.name),
            [first, rest @ ..] => {
                won[*first] += 1;
                if !rest.is_empty() {
                    ambiguous.push((user.name.clone(), matches));
                }
            }
        }
    }
    for (position, category) in taxonomy.categories.iter().enumerate() {
        if !picked[position].is_empty() && won[position] == 0 {
            let message = format!(
                "the rule of `{}` decides about nobody: each of the {} it matches is taken by an earlier rule ({})",
                category.group,
                users(picked[position].len()),
                list(picked[position].iter()),
            );
            problems.push(Problem::warning(message).help("put the narrower rule first"));
        }
    }
    for (user, matches) in &ambiguous {
        let groups: Vec<&str> = matches.iter().map(|m| taxonomy.categories[*m].group.as_str()).collect();
        let message = format!("the rules of {} all match `{user}`; the first wins", groups.join(" and "));
        problems.push(Problem::warning(message));
    }
    problems.extend(near_miss_of_names(taxonomy, &unmatched));
    problems.extend(near_miss_of_groups(taxonomy, roster));
    Ok(problems)
}

/// Notices users whose name begins like a pattern's fixed part and still does not match it.
fn near_miss_of_names(taxonomy: &Taxonomy, unmatched: &[&UserName]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for category in &taxonomy.categories {
        let Some(pattern) = &category.rule.pattern else { continue };
        let stem = pattern.literal_prefix().trim_end_matches(['-', '_', '.']).to_ascii_lowercase();
        if stem.len() < 3 {
            continue;
        }
        let near: Vec<UserName> = unmatched
            .iter()
            .filter(|name| name.as_str().to_ascii_lowercase().starts_with(&stem))
            .map(|name| (*name).clone())
            .collect();
        if !near.is_empty() {
            let message = format!(
                "the pattern `{}` of `{}` nearly matches {} ({})",
                pattern.as_str(),
                category.group,
                users(near.len()),
                list(near.iter()),
            );
            problems.push(Problem::advice(message).help("rename them, or widen the pattern"));
        }
    }
    problems
}

/// Notices a group of the config that does not exist while one with nearly its name does.
fn near_miss_of_groups(taxonomy: &Taxonomy, roster: &Roster) -> Vec<Problem> {
    let missing = taxonomy.groups().filter(|(name, _)| roster.group(name).is_none());
    let near = missing.filter_map(|(name, role)| {
        let others = roster.groups.iter().map(|group| group.name.as_str());
        let others =
            others.filter(|other| taxonomy.groups().all(|(managed, _)| managed != &GroupName::new(other)));
        let nearest = nearest(name.as_str(), others)?;
        let message = format!("the account has no {role} group `{name}`, but it has `{nearest}`");
        Some(Problem::warning(message).help("is the name in the config right?"))
    });
    near.collect()
}

fn users(number: usize) -> String {
    if number == 1 { "1 user".to_owned() } else { format!("{number} users") }
}

fn list<'n>(names: impl ExactSizeIterator<Item = &'n UserName>) -> String {
    let total = names.len();
    let mut shown: Vec<String> = names.take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
    if total > NAMES_MAX {
        shown.push(format!("and {} more", total - NAMES_MAX));
    }
    shown.join(", ")
}
