//! Exit statuses: the contract of design and documentation, in one place.

use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done and in order.
    Ok = 0,
    /// Failed; nothing was changed.
    Failed = 1,
    /// The command line or the config is wrong.
    Usage = 2,
    /// Done as far as asked, and something is left to decide or to fix.
    Left = 3,
    /// Some changes were made and some failed.
    Partial = 4,
    /// Interrupted; what was done is said.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
