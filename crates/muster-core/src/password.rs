//! What an account asks of its users' passwords.

/// A password policy, as far as it matters for making a password and for handing it over.
///
/// Source: IAM User Guide, "Set an account password policy for IAM users".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRules {
    /// Characters at the least.
    pub length_min: u32,
    /// Users may change their own password at any time.
    pub users_may_change: bool,
    /// Whether the account has a policy of its own; without one, AWS's default holds.
    pub is_own: bool,
}

impl Default for PasswordRules {
    /// What holds where an account has no policy of its own: at least eight characters.
    fn default() -> Self {
        Self { length_min: 8, users_may_change: false, is_own: false }
    }
}
