//! Commands that mend findings, as they can be copied into a shell.

/// Returns an option with its value. Text from an account may be anything: it is quoted where a shell would read more into it.
pub(super) fn option(name: &str, value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    let value = if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    };
    let between = if value.starts_with('-') || value.starts_with("'-") { '=' } else { ' ' };
    format!("{name}{between}{value}")
}

/// Returns the option for a user.
pub(super) fn user(name: &str) -> String {
    option("--user-name", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_command_runs_nothing_of_the_accounts() {
        assert_eq!(user("alice"), "--user-name alice");
        assert_eq!(user("-alice"), "--user-name=-alice");
        assert_eq!(option("--x", "a;id;$(id)`id`"), "--x 'a;id;$(id)`id`'");
        assert_eq!(option("--x", "-a'b"), r"--x='-a'\''b'");
    }
}
