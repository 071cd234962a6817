//! Config: from the text of a file and the command line to one set of rules.
//!
//! Data flows [`ConfigFile::parse`] (shape) → [`resolve`] (meaning) → [`Settings`]. Both say everything that
//! is wrong in one go, and neither touches the file system or the account.

mod convert;
mod file;
mod keys;
mod node;
mod problem;
mod resolve;
mod schema;

pub use convert::to_toml;
pub use file::{ConfigFile, Exemption, Format, nearest};
pub use keys::{CATEGORY_KEYS, CREDENTIALS_KEYS, EXEMPT_KEYS, KEYS, Key, PROTECTED_KEYS, Scope, Shape, Tool};
pub use node::Span;
pub use problem::{Problem, Severity, line_and_column};
pub(crate) use resolve::count;
pub use resolve::{Origin, Overrides, Setting, Settings, resolve};
pub use schema::schema;
