//! Who is to be created: the command line, or a CSV.

use std::path::Path;

use muster_core::name::UserName;
use muster_core::roster::Tag;

use crate::cli::{CreateUserArgs, parse_tag};
use crate::context::read_input;
use crate::error::{CliError, count};
use crate::exit::Exit;
use crate::users::check_names;

/// One user, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// Where it was asked for, to put before what is wrong with it: empty, or the file and line.
    pub(super) place: String,
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
                place: String::new(),
                user,
                category: args.category.clone(),
                groups: args.group_name.clone(),
                recipients: Vec::new(),
                tags: args.tag.clone(),
            };
            args.names.all().into_iter().map(request).collect()
        }
    };
    let mut problems = Vec::new();
    for request in &requests {
        problems.extend(
            tag_problems(&request.tags).into_iter().map(|problem| format!("{}{problem}", request.place)),
        );
    }
    if !is_path(&args.path) {
        problems
            .push(format!("`{}` is no path: one begins and ends with a slash, such as /people/", args.path));
    }
    if let Some(arn) = args.permissions_boundary.as_ref().filter(|arn| !arn.contains(":policy/")) {
        problems.push(format!("`{arn}` is not the ARN of a policy"));
    }
    if !problems.is_empty() {
        return Err(CliError::Preflight { problems, exit: Exit::Usage });
    }
    let names: Vec<UserName> = requests.iter().map(|request| request.user.clone()).collect();
    check_names(&names)?;
    Ok(requests)
}

/// Tags that a user may have besides that of the run. Source: IAM User Guide, "IAM and AWS STS quotas".
const TAGS_MAX: usize = 49;

/// Returns what IAM would not take of these tags. Source: service model, `tagKeyType` and `tagValueType`.
fn tag_problems(tags: &[Tag]) -> Vec<String> {
    let good = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c))
    };
    let mut problems = Vec::new();
    for (number, Tag { key, value }) in tags.iter().enumerate() {
        if let Err(problem) = parse_tag(&format!("{key}={value}")) {
            problems.push(format!("the tag `{key}={value}` cannot be: {problem}"));
        } else if !good(key) || !good(value) || key.chars().count() > 128 || value.chars().count() > 256 {
            problems.push(format!("IAM does not take the tag `{key}={value}`"));
        }
        if tags[..number].iter().any(|other| other.key.eq_ignore_ascii_case(key)) {
            problems.push(format!("the tag `{key}` is there twice (IAM ignores case)"));
        }
    }
    if tags.len() > TAGS_MAX {
        problems
            .push(format!("there are {} tags, and IAM allows {TAGS_MAX} besides muster's own", tags.len()));
    }
    problems
}

/// Returns whether this is a path of a user. Source: service model, `pathType`.
fn is_path(path: &str) -> bool {
    let inner = path.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let printable = |inner: &str| !inner.is_empty() && inner.bytes().all(|b| (0x21..=0x7e).contains(&b));
    path == "/" || (path.len() <= 512 && inner.is_some_and(printable))
}

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
    let twice =
        |column: &&&str| headers.iter().filter(|header| header.eq_ignore_ascii_case(column)).count() > 1;
    if let Some(column) = COLUMNS.iter().find(|column| twice(column)) {
        return Err(wrong(vec![format!("line 1: the column `{column}` is there twice")]));
    }
    let mut problems: Vec<String> = headers
        .iter()
        .filter(|header| !COLUMNS.iter().any(|column| column.eq_ignore_ascii_case(header)))
        .map(|header| format!("line 1: there is no column `{header}`; they are {}", COLUMNS.join(", ")))
        .collect();
    let mut requests: Vec<Request> = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        }
        // Blank lines are skipped; the reader stands after the record.
        let line = reader.position().line() - 1;
        let field = |column: &str| position(column).and_then(|at| record.get(at)).unwrap_or_default();
        if record.len() > headers.len() {
            let (fields, columns) = (count(record.len(), "field"), count(headers.len(), "column"));
            problems.push(format!("line {line}: {fields} in {columns}"));
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
            place: format!("`{}`, line {line}: ", path.display()),
            user,
            category: category.or_else(|| args.category.clone()),
            groups: [args.group_name.clone(), list("groups")].concat(),
            recipients: list("recipient"),
            tags,
        });
    }
    if problems.is_empty() { Ok(requests) } else { Err(wrong(problems)) }
}
