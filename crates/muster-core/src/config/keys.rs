//! The one table of every key that a config file may hold.
//!
//! It drives the search for unknown keys, the JSON Schema and the guide's reference.

/// Where a key may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// At the top level and in a tool's section, in every format.
    Everywhere,
    /// At the top level only, in every format.
    Top,
    /// At the top level of the native (TOML) format only.
    Native,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// True or false.
    Bool,
    /// One text.
    Text,
    /// A list of texts.
    Texts,
    /// One text, or a list of them.
    TextOrTexts,
    /// A whole number, not negative.
    Count,
    /// A table with keys of its own.
    Table,
    /// A list of tables with keys of their own.
    Tables,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// As it is written in a file.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Where it may stand.
    pub scope: Scope,
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

const fn key(name: &'static str, shape: Shape, scope: Scope, meaning: &'static str) -> Key {
    Key { name, shape, scope, meaning }
}

/// All keys of the top level.
pub const KEYS: &[Key] = &[
    key("common_groups", Shape::Texts, Scope::Everywhere, "Groups that every user belongs to."),
    key(
        "category_groups",
        Shape::Texts,
        Scope::Everywhere,
        "Groups of which every user belongs to one, and only one.",
    ),
    key(
        "category_regex",
        Shape::Texts,
        Scope::Everywhere,
        "One pattern for each category group, in the same order; an empty text where a person decides.",
    ),
    key(
        "force_common_group",
        Shape::Bool,
        Scope::Everywhere,
        "Put every user into the common groups without asking.",
    ),
    key(
        "create_groups",
        Shape::Bool,
        Scope::Everywhere,
        "Create the common and category groups that do not exist before sorting.",
    ),
    key(
        "default_category",
        Shape::Text,
        Scope::Everywhere,
        "The category group of a user that no pattern matches, instead of asking.",
    ),
    key(
        "path_prefix",
        Shape::Text,
        Scope::Everywhere,
        "Only users whose path starts with this are looked at.",
    ),
    key(
        "max_changes",
        Shape::Count,
        Scope::Everywhere,
        "Stop before changing anything if a run would change more.",
    ),
    key(
        "profile_name",
        Shape::TextOrTexts,
        Scope::Top,
        "The AWS profile to use when neither --profile nor AWS_PROFILE says one.",
    ),
    key(
        "account",
        Shape::TextOrTexts,
        Scope::Native,
        "The account (or accounts) that this config is for; on any other nothing is changed.",
    ),
    key("disabled_group", Shape::Text, Scope::Native, "The group that a disabled user is moved to."),
    key("category", Shape::Tables, Scope::Native, "One category: its group, and who belongs to it."),
    key("policy", Shape::Table, Scope::Native, "Parameters of the policies that groups carry."),
    key(
        "common_policies",
        Shape::Texts,
        Scope::Native,
        "Policies that the first common group carries, and so hold for every user.",
    ),
    key(
        "policies_as",
        Shape::Text,
        Scope::Native,
        "How groups carry policies: \"managed\" (customer managed ones under /muster/, the default) or \"inline\".",
    ),
    key(
        "max_removals",
        Shape::Count,
        Scope::Native,
        "Stop `apply` before changing anything if it would take away more memberships and policies.",
    ),
    key("audit", Shape::Table, Scope::Native, "Thresholds and severities of the audit."),
    key("recipients", Shape::Table, Scope::Native, "The key to which each user's credentials are sealed."),
    key(
        "escrow",
        Shape::Text,
        Scope::Native,
        "A recipient that gets a copy of every bundle, MFA seeds excepted.",
    ),
    key("protected", Shape::Tables, Scope::Native, "Users that no command changes, each with a reason."),
    key(
        "exempt",
        Shape::Tables,
        Scope::Native,
        "Findings that the audit leaves out, each with a reason and an end date.",
    ),
];

/// Keys of a `[[category]]`.
pub const CATEGORY_KEYS: &[Key] = &[
    key("group", Shape::Text, Scope::Native, "The category group."),
    key("pattern", Shape::Text, Scope::Native, "Names that belong to it, matched as Python's re.match does."),
    key("path", Shape::Text, Scope::Native, "Users whose path starts with this belong to it."),
    key("tags", Shape::Table, Scope::Native, "Users that carry all of these tags belong to it."),
    key("credentials", Shape::Table, Scope::Native, "What its users are given: password, mfa, access_key."),
    key("policies", Shape::Texts, Scope::Native, "Policies that its group carries."),
];

/// Keys of a category's `credentials`.
pub const CREDENTIALS_KEYS: &[Key] = &[
    key("password", Shape::Bool, Scope::Native, "A console password."),
    key("mfa", Shape::Bool, Scope::Native, "A virtual MFA device."),
    key("access_key", Shape::Bool, Scope::Native, "An access key."),
];

/// Keys of a `[[protected]]`.
pub const PROTECTED_KEYS: &[Key] = &[
    key("user", Shape::Text, Scope::Native, "Names it protects, a pattern as for categories."),
    key("path", Shape::Text, Scope::Native, "Users whose path starts with this."),
    key("tags", Shape::Table, Scope::Native, "Users that carry all of these tags."),
    key("reason", Shape::Text, Scope::Native, "Why."),
];

/// Keys of `[audit]`. Days are whole days.
pub(super) const AUDIT_KEYS: &[Key] = &[
    key("key_age_days", Shape::Count, Scope::Native, "Days after which an access key is old [default: 90]."),
    key(
        "password_age_days",
        Shape::Count,
        Scope::Native,
        "Days after which a password is old; 0 for never, as is usual today [default: 0].",
    ),
    key(
        "unused_days",
        Shape::Count,
        Scope::Native,
        "Days after which a password or key is unused [default: 90].",
    ),
    key(
        "password_length",
        Shape::Count,
        Scope::Native,
        "Characters that the account's password policy has to ask for [default: 14].",
    ),
    key(
        "report_age_hours",
        Shape::Count,
        Scope::Native,
        "Hours up to which a credential report may be old; AWS makes one every four at the most [default: 4].",
    ),
    key(
        "severity",
        Shape::Table,
        Scope::Native,
        "Severities of rules: critical, high, medium, low, info or off.",
    ),
];

/// Keys of an `[[exempt]]`.
pub const EXEMPT_KEYS: &[Key] = &[
    key("rule", Shape::Text, Scope::Native, "The audit rule."),
    key("user", Shape::Text, Scope::Native, "Names it exempts, a pattern as for categories."),
    key("reason", Shape::Text, Scope::Native, "Why."),
    key("until", Shape::Text, Scope::Native, "The last day it holds, as YYYY-MM-DD."),
];

/// A tool that may have a section of its own in a config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    /// `create-default-groups`.
    CreateDefaultGroups,
    /// `sort-users`.
    SortUsers,
    /// `create-user`.
    CreateUser,
    /// `delete-user`.
    DeleteUser,
    /// `disable-user`.
    DisableUser,
    /// `restore-user`.
    RestoreUser,
    /// `enable-mfa`.
    EnableMfa,
    /// `rotate-my-key`.
    RotateMyKey,
    /// `init-sts-session`.
    InitStsSession,
    /// `configure`.
    Configure,
    /// `create-policy`.
    CreatePolicy,
    /// `plan`, `apply`, `rehearse`, `audit`.
    Govern,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 12] = [
        Self::CreateDefaultGroups,
        Self::SortUsers,
        Self::CreateUser,
        Self::DeleteUser,
        Self::DisableUser,
        Self::RestoreUser,
        Self::EnableMfa,
        Self::RotateMyKey,
        Self::InitStsSession,
        Self::Configure,
        Self::CreatePolicy,
        Self::Govern,
    ];

    /// Returns every name that the tool has borne, today's first. Underscores and dashes are one.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::CreateDefaultGroups => &[
                "create-default-groups",
                "aws_iam_create_default_groups.py",
                "aws_create_default_groups.py",
                "awsrecipes_create_default_iam_groups.py",
                "awsrecipes_create_default_groups.py",
            ],
            Self::SortUsers => &[
                "sort-users",
                "aws_iam_sort_users.py",
                "aws_sort_users.py",
                "awsrecipes_sort_iam_users.py",
                "awsrecipes_sort_users.py",
            ],
            Self::CreateUser => &[
                "create-user",
                "aws_iam_create_user.py",
                "aws_create_user.py",
                "awsrecipes_create_iam_user.py",
                "awsrecipes_create_user.py",
            ],
            Self::DeleteUser => &[
                "delete-user",
                "aws_iam_delete_user.py",
                "aws_delete_user.py",
                "awsrecipes_delete_iam_user.py",
                "awsrecipes_delete_user.py",
            ],
            Self::Govern => &["apply"],
            Self::DisableUser => &["disable-user"],
            Self::RestoreUser => &["restore-user"],
            Self::EnableMfa => &["enable-mfa", "aws_iam_enable_mfa.py", "awsrecipes_enable_mfa.py"],
            Self::RotateMyKey => {
                &["rotate-my-key", "aws_iam_rotate_my_key.py", "awsrecipes_rotate_my_key.py"]
            }
            Self::InitStsSession => {
                &["init-sts-session", "aws_recipes_init_sts_session.py", "awsrecipes_init_sts_session.py"]
            }
            Self::Configure => &["configure", "aws_recipes_configure_iam.py", "awsrecipes_configure_iam.py"],
            Self::CreatePolicy => &[
                "create-policy",
                "aws_iam_create_policy.py",
                "awsrecipes_create_iam_policy.py",
                "awsrecipes_create_policy.py",
            ],
        }
    }

    /// Returns the tool that bears or bore this name, with or without `.py`.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain =
            |name: &str| name.strip_suffix(".py").unwrap_or(name).replace('_', "-").to_ascii_lowercase();
        let wanted = plain(name);
        Self::ALL.into_iter().find(|tool| tool.names().iter().any(|name| plain(name) == wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_known_by_every_name_it_has_borne() {
        for name in
            ["aws_sort_users.py", "aws_iam_sort_users.py", "awsrecipes_sort_iam_users.py", "sort-users"]
        {
            assert_eq!(Tool::from_name(name), Some(Tool::SortUsers), "{name}");
        }
        assert_eq!(Tool::from_name("aws_iam_create_default_groups"), Some(Tool::CreateDefaultGroups));
        assert_eq!(Tool::from_name("aws_sort.py"), None);
    }
}
