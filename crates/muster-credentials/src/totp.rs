//! The codes of a virtual MFA device: RFC 6238 with SHA-1, six digits, thirty seconds.

use secrecy::{ExposeSecret as _, SecretString};
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds that a code lasts.
pub const STEP_S: u64 = 30;

/// Why a seed is of no use.
#[derive(Debug, thiserror::Error)]
#[error("the seed of the MFA device is not the base32 text that it should be")]
pub struct TotpError;

/// Computes the codes of a device.
pub struct Codes(Totp);

impl Codes {
    /// Takes the seed as IAM hands it out: base32 text.
    pub fn new(seed: &SecretString) -> Result<Self, TotpError> {
        let seed = seed.expose_secret().trim_end_matches('=').to_ascii_uppercase();
        let secret =
            Secret::try_from_base32(zeroize::Zeroizing::new(seed).as_str()).map_err(|_| TotpError)?;
        let builder = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(0)
            .with_step_duration(STEP_S)
            .with_secret(secret);
        // Unchecked: how long a seed is, is for IAM to decide.
        Ok(Self(builder.build_noncompliant()))
    }

    /// Returns the code of a time step, which is a time in seconds since 1970 divided by thirty.
    pub fn at_step(&self, step: u64) -> String {
        self.0.generate(step * STEP_S).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let codes = Codes::new(&SecretString::from("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")).unwrap();
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(codes.at_step(time / STEP_S), code);
        }
        assert!(Codes::new(&SecretString::from("no base32!")).is_err());
    }
}
