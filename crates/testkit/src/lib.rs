//! What muster's tests run in: a home of their own, the real binary, and independent judges beside it.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::return_self_not_must_use,
    reason = "in a test a panic is the report, and an assertion is chained or left"
)]

mod canned;
mod env;
mod python;
mod served;

pub use canned::canned;
pub use env::{Ran, TestEnv, run_command};
pub use python::{Moto, aws, aws_with, python, venv};
pub use served::{Served, wait_for};

/// Returns one number for an ordinary run of the tests, and another for `cargo xtask test --full`.
#[expect(clippy::disallowed_methods, reason = "how the tests are run is said in the environment")]
pub fn how_many(ordinary: u64, full: u64) -> u64 {
    if std::env::var_os("MUSTER_TEST_FULL").is_some() { full } else { ordinary }
}
