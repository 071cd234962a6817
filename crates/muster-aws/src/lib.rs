//! The account side of muster: connects to an account, reads a roster, applies a plan.

mod apply;
mod connect;
mod creation;
mod error;
mod estate;
mod gateway;
mod home;
mod interrupt;
mod journal;
mod pacing;
mod parallel;
mod policy;
mod read;
mod record;
mod report;
mod revert;
mod send;
mod server_clock;
mod sts;
mod validate;
mod whole_answer;

pub use apply::{Applied, ApplyContext, Outcome, Work, apply};
pub use connect::{Account, AskMfaCode, ConnectError, ConnectOptions, connect};
pub use creation::{Creation, EnableError, NewDevice, NewKey};
pub use error::{CallError, Effect, Kind};
pub use estate::{
    AccountFacts, RoleFacts, access_keys, account_facts, credential_row, device_run, device_serial, estate,
    mfa_devices, own_name, owner_of_key, password_rules, roles, stray_devices, user_exists,
};
pub use gateway::{Gateway, Shield};
pub use home::{Home, HomeError, Lock, sha256, short_hash};
pub use interrupt::Interrupt;
pub use journal::{
    Clock, Journal, Journals, Mfa, NewUser, OpenJournal, OpenTask, OwnRotation, StepError, Task, TaskEnd,
    TaskKind,
};
pub use pacing::Rate;
pub use read::{Depth, OnProgress, alias, read_groups, read_roster};
pub use record::{Ended, Head, Line, Record, RecordError, read_record};
pub use report::{credential_report, is_unknown};
pub use revert::{Undo, undos};
pub use send::{Sender, Sent};
pub use sts::{Keys, RoleRequest, StsSession};
pub use validate::{Remark, validate_policy};
