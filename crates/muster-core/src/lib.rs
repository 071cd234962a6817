//! The decisions of muster: who belongs in which group, and what has to change for that.
//!
//! Everything here is plain functions over plain values: no network, no clock, no file system. Data flows one
//! way: [`config`] (a [`taxonomy`]) and [`roster`] → [`assess`] → [`plan`] → [`impact`].

pub mod assess;
pub mod audit;
pub mod config;
pub mod decisions;
pub mod departure;
pub mod document;
pub mod estate;
pub mod govern;
pub mod impact;
pub mod keys;
pub mod lint;
pub mod mutation;
pub mod name;
pub mod password;
pub mod pattern;
pub mod permissions;
pub mod plan;
pub mod propose;
pub mod roster;
pub mod rules;
pub mod taxonomy;
pub mod templates;
