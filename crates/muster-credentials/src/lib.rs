//! The secrets of IAM users: made, sealed and bundled; the only crate of ours that works on one in clear.

mod bundle;
mod csv_keys;
mod password;
pub mod profiles;
mod qr;
pub mod sealing;
mod totp;

pub use bundle::{Bundle, BundleError, BundleFile};
pub use csv_keys::{CsvKey, CsvKeysError, read_csv_keys};
pub use password::{PASSWORD_CHARS, Strength, entropy_bits, generate_password};
pub use qr::{Drawing, draw_qr};
pub use totp::{Codes, STEP_S, TotpError};
