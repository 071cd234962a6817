//! An IAM account in a box: in process for the AWS SDK, over HTTP on loopback for any other client.
//!
//! `engine` is the account itself, in memory, with the clock passed in; around it stand the Query
//! protocol, the faults, the state file and the server. Nothing here is shared with muster's client side, so
//! that the two cannot make the same mistake about the protocol.

pub mod engine;
mod faults;
mod sdk;
mod server;
mod service;
mod sigv4;
mod store;
mod worlds;
mod xml;

pub use faults::{Faults, FaultsError, When};
pub use server::Server;
pub use service::{Outcome, Sandbox, WireRequest, WireResponse};
pub use store::{StateFile, StoreError};
pub use worlds::{article, demo, empty, synthetic};
