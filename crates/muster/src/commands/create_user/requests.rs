//! Who is to be created: the command line, or a CSV.

use std::path::Path;

use muster_core::name::UserName;
use muster_core::roster::Tag;

use crate::cli::CreateUserArgs;
use crate::context::read_input;
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::users::check_names;

/// One user, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) user: UserName,
    pub(super) category: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) recipients: Vec<String>,
    pub(super) tags: Vec<Tag>,
}

/// Reads the requests; what is wrong with any of them is said of all.
pub(super) fn read(args: &CreateUserArgs) -> Result<Vec<Request>, CliError> {
    let requests = match &args.from {
        Some(path) => from_csv(path, &read_input(path)?, args)?,
        None => {
            let request = |user| Request {
                user,
                category: args.category.clone(),
                groups: args.group_name.clone(),
                recipients: Vec::new(),
                tags: args.tag.clone(),
            };
            args.names.all().into_iter().map(request).collect()
        }
    };
    let names: Vec<UserName> = requests.iter().map(|request| request.user.clone()).collect();
    check_names(&names)?;
    // `CreateUser` takes fewer characters than look-ups do. Source: IAM API Reference, `CreateUser`.
    let long = names.iter().filter(|name| name.as_str().chars().count() > USER_NAME_CHARS_MAX);
    let problems: Vec<String> = long
        .map(|name| format!("`{name}` is longer than the {USER_NAME_CHARS_MAX} characters that IAM takes"))
        .collect();
    if !problems.is_empty() {
        return Err(CliError::Preflight { problems, exit: Exit::Usage });
    }
    Ok(requests)
}

const USER_NAME_CHARS_MAX: usize = 64;

/// The columns of a CSV; only the first must be there.
const COLUMNS: [&str; 5] = ["name", "category", "groups", "recipient", "tags"];

fn from_csv(path: &Path, text: &str, args: &CreateUserArgs) -> Result<Vec<Request>, CliError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let wrong = |problems: Vec<String>| {
        let problems =
            problems.into_iter().map(|problem| format!("`{}`, {problem}", path.display())).collect();
        CliError::Preflight { problems, exit: Exit::Usage }
    };
    let headers = reader.headers().map_err(|error| wrong(vec![error.to_string()]))?.clone();
    let position = |column: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(column));
    if position("name").is_none() {
        return Err(wrong(vec![format!(
            "line 1: the columns are {}, and `name` must be there",
            COLUMNS.join(", ")
        )]));
    }
    let mut problems: Vec<String> = headers
        .iter()
        .filter(|header| !COLUMNS.iter().any(|column| column.eq_ignore_ascii_case(header)))
        .map(|header| format!("line 1: there is no column `{header}`; they are {}", COLUMNS.join(", ")))
        .collect();
    let mut requests: Vec<Request> = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let line = record.position().map(csv::Position::line).unwrap_or_default();
        let field = |column: &str| position(column).and_then(|at| record.get(at)).unwrap_or_default();
        if record.len() > headers.len() {
            let more = count(record.len() - headers.len(), "field");
            problems.push(format!("line {line}: there are {more} more than columns"));
        }
        let user = UserName::new(field("name"));
        if let Err(problem) = user.check() {
            problems.push(format!("line {line}: `{user}` is no name of a user: {problem}"));
        }
        if requests.iter().any(|other| other.user == user) {
            problems.push(format!("line {line}: the user `{user}` is there twice (IAM ignores case)"));
        }
        let mut tags = args.tag.clone();
        for text in field("tags").split(';').map(str::trim).filter(|text| !text.is_empty()) {
            match text.split_once('=') {
                Some((key, value)) if !key.is_empty() => {
                    tags.push(Tag { key: key.to_owned(), value: value.to_owned() });
                }
                _ => problems.push(format!("line {line}: the tag `{text}` is not written KEY=VALUE")),
            }
        }
        let list = |column: &str| -> Vec<String> {
            let parts = field(column).split(';').map(str::trim);
            parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let category = Some(field("category")).filter(|text| !text.is_empty()).map(str::to_owned);
        requests.push(Request {
            user,
            category: category.or_else(|| args.category.clone()),
            groups: [args.group_name.clone(), list("groups")].concat(),
            recipients: list("recipient"),
            tags,
        });
    }
    if problems.is_empty() { Ok(requests) } else { Err(wrong(problems)) }
}
