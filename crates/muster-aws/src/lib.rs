//! The account side of muster: connects to an account, reads a roster, applies a plan.

mod apply;
mod connect;
mod error;
mod gateway;
mod home;
mod interrupt;
mod pacing;
mod parallel;
mod read;
mod record;
mod revert;
mod whole_answer;

pub use apply::{Applied, ApplyContext, Outcome, apply};
pub use connect::{Account, AskMfaCode, ConnectError, ConnectOptions, connect};
pub use error::{CallError, Effect, Kind};
pub use gateway::Gateway;
pub use home::{Home, HomeError, Lock, short_hash};
pub use interrupt::Interrupt;
pub use pacing::Rate;
pub use read::{Depth, OnProgress, alias, read_groups, read_roster};
pub use record::{Ended, Head, Line, Mutation, Record, RecordError, read_record};
pub use revert::{Undo, undos};
