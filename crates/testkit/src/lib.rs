//! What muster's tests run in: a home of their own, the real binary, and independent judges beside it.

mod env;
mod python;
mod served;

pub use env::{Ran, TestEnv};
pub use python::{Moto, python};
pub use served::{Served, wait_for};
