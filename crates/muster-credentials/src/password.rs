//! Passwords that every account's policy takes.

use muster_core::password::PasswordRules;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Characters of a password, where the account does not ask for more.
pub const PASSWORD_CHARS: usize = 24;

/// The longest password that IAM takes, in characters. Source: IAM API Reference, `CreateLoginProfile`.
const PASSWORD_CHARS_MAX: usize = 128;

/// Letters, digits and symbols of which no two look alike in common fonts, and which a double click selects or a
/// shell leaves alone wherever a class allows it. All symbols are among those that IAM counts
/// (IAM User Guide, "Set an account password policy for IAM users").
const LOWER: &[u8] = b"abcdefghijkmnpqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const DIGITS: &[u8] = b"23456789";
const SYMBOLS: &[u8] = b"!@#%^*_+-=";

/// How hard to try to please a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// What the account's policy asks for, and a character of each class.
    AsAsked,
    /// After a refusal: much longer, with several characters of each class.
    Stricter,
}

/// Draws a password from the operating system's generator.
///
/// Every character is drawn alike from one alphabet, and a draw that lacks a class is thrown away whole, so all
/// passwords that fit are equally likely.
pub fn generate_password(
    rules: &PasswordRules,
    strength: Strength,
) -> Result<SecretString, getrandom::Error> {
    let alphabet = [LOWER, UPPER, DIGITS, SYMBOLS].concat();
    let (chars, of_each) = match strength {
        Strength::AsAsked => (PASSWORD_CHARS, 1),
        Strength::Stricter => (2 * PASSWORD_CHARS, 3),
    };
    let chars = chars.max(rules.length_min as usize).min(PASSWORD_CHARS_MAX);
    // The largest multiple of the alphabet's size that a byte reaches: what is above is drawn again.
    let fair = 256 - 256 % alphabet.len();
    loop {
        let mut password = Zeroizing::new(String::with_capacity(chars));
        let mut bytes = Zeroizing::new([0_u8; 256]);
        while password.len() < chars {
            getrandom::fill(bytes.as_mut_slice())?;
            let drawn = bytes.iter().filter(|byte| usize::from(**byte) < fair);
            let drawn = drawn.map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()]));
            let room = chars - password.len();
            password.extend(drawn.take(room));
        }
        let enough = |class: &[u8]| password.bytes().filter(|byte| class.contains(byte)).count() >= of_each;
        if [LOWER, UPPER, DIGITS, SYMBOLS].into_iter().all(enough) {
            return Ok(SecretString::from(password.as_str()));
        }
    }
}

/// Returns the entropy of a password of so many characters, in bits, before draws that lack a class are left out.
pub fn entropy_bits(chars: u32) -> f64 {
    let alphabet = [LOWER, UPPER, DIGITS, SYMBOLS].concat().len();
    f64::from(chars) * f64::from(u32::try_from(alphabet).unwrap_or(u32::MAX)).log2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    use super::*;

    proptest! {
        #[test]
        fn every_policy_is_pleased(length_min in 6_u32..=128, strict in any::<bool>()) {
            let rules = PasswordRules { length_min, ..PasswordRules::default() };
            let strength = if strict { Strength::Stricter } else { Strength::AsAsked };
            let password = generate_password(&rules, strength).unwrap();
            let password = password.expose_secret();
            prop_assert!((length_min as usize..=128).contains(&password.len()));
            for class in [LOWER, UPPER, DIGITS, SYMBOLS] {
                prop_assert!(password.bytes().any(|byte| class.contains(&byte)));
            }
            prop_assert!(!password.contains(['l', 'o', 'I', 'O', '0', '1']));
        }
    }

    /// 16 bytes modulo 88 favoured some characters elsewhere; here each comes as often as any other.
    #[test]
    fn no_character_is_favoured() {
        let mut counts = [0_u32; 256];
        let rules = PasswordRules { length_min: 128, ..PasswordRules::default() };
        for _ in 0..1000 {
            let password = generate_password(&rules, Strength::AsAsked).unwrap();
            password.expose_secret().bytes().for_each(|byte| counts[usize::from(byte)] += 1);
        }
        let alphabet = [LOWER, UPPER, DIGITS, SYMBOLS].concat();
        let expected = 128_000.0 / f64::from(u32::try_from(alphabet.len()).unwrap());
        for byte in alphabet {
            let count = f64::from(counts[usize::from(byte)]);
            // Six standard deviations: one run in hundreds of millions fails by chance.
            assert!((count - expected).abs() < 6.0 * expected.sqrt(), "{}: {count}", char::from(byte));
        }
    }

    #[test]
    fn a_password_holds_more_than_128_bits() {
        assert!(entropy_bits(u32::try_from(PASSWORD_CHARS).unwrap()) > 140.0);
    }
}
