//! The name that muster was started under.

use std::ffi::OsString;
use std::path::Path;

use muster_core::config::Tool;

/// Tools that this muster has, with the subcommand for each.
const TOOLS: [(Tool, &str); 9] = [
    (Tool::CreateDefaultGroups, "create-default-groups"),
    (Tool::SortUsers, "sort-users"),
    (Tool::CreateUser, "create-user"),
    (Tool::DeleteUser, "delete-user"),
    (Tool::EnableMfa, "enable-mfa"),
    (Tool::RotateMyKey, "rotate-my-key"),
    (Tool::InitStsSession, "init-sts-session"),
    (Tool::Configure, "configure"),
    (Tool::CreatePolicy, "create-policy"),
];

/// Returns the arguments with the subcommand that a recipe's name stands for put first.
pub(crate) fn arguments(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let name = args.first().map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str());
    let name = name.map(str::to_owned);
    let name = name.as_deref();
    if let Some(tool) = name.filter(|name| name.starts_with("aws")).and_then(Tool::from_name)
        && let Some((_, subcommand)) = TOOLS.iter().find(|(known, _)| *known == tool)
    {
        args.insert(1, OsString::from(subcommand));
        // The later of the two tools made an access key unless it was told not to.
        if name.is_some_and(|name| name.starts_with("awsrecipes_create_iam_user")) {
            args.insert(2, OsString::from("--access-key-by-default"));
        }
    }
    args
}

/// Returns the names under which muster behaves as one of the recipes' tools.
pub(crate) fn link_names() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().flat_map(|(tool, _)| tool.names()).copied().filter(|name| name.starts_with("aws"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(line: &str) -> Vec<String> {
        let args = arguments(line.split(' ').map(OsString::from));
        args.into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn a_recipes_name_stands_for_its_subcommand() {
        let args = arguments_of("./aws_iam_sort_users.py --profile isecpartners");
        assert_eq!(args[1..], ["sort-users", "--profile", "isecpartners"]);
        let args = arguments_of("/usr/bin/awsrecipes_create_default_iam_groups.py --dry");
        assert_eq!(args[1..], ["create-default-groups", "--dry"]);
        assert_eq!(arguments_of("muster demo"), ["muster", "demo"]);
    }

    #[test]
    fn links_have_the_recipes_own_names() {
        let names: Vec<&str> = link_names().collect();
        for name in [
            "aws_iam_create_default_groups.py",
            "aws_iam_sort_users.py",
            "awsrecipes_create_default_iam_groups.py",
            "awsrecipes_sort_iam_users.py",
            "aws_iam_enable_mfa.py",
            "aws_iam_rotate_my_key.py",
            "aws_recipes_init_sts_session.py",
            "aws_recipes_configure_iam.py",
            "awsrecipes_enable_mfa.py",
            "awsrecipes_rotate_my_key.py",
            "awsrecipes_init_sts_session.py",
            "awsrecipes_configure_iam.py",
            "aws_iam_create_policy.py",
            "awsrecipes_create_iam_policy.py",
        ] {
            assert!(names.contains(&name), "{name}");
        }
    }
}
