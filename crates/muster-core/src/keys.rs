//! Which access key may make room for a new one.

use crate::estate::KeyFacts;

/// How long a key must have been left unused before it is offered for removal, in seconds: ninety days.
const UNUSED_S: i64 = 90 * 86_400;

/// A key that was never used may be one that is about to be: one that is younger than this, in seconds.
const NEW_S: i64 = 86_400;

/// Whether a key may be removed to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It may be offered.
    Offered,
    /// Only if the person names it; and why.
    OnlyByName(&'static str),
}

/// Decides about a user's other key.
pub fn removable(key: &KeyFacts, now_s: i64) -> Removal {
    if !key.active {
        return Removal::Offered;
    }
    match key.last_used {
        Some(at) if now_s - at < UNUSED_S => Removal::OnlyByName("was used within the last ninety days"),
        None if !key.use_known => Removal::OnlyByName("may be in use: its last use cannot be read"),
        None if now_s - key.created < NEW_S => Removal::OnlyByName("was made within the last day"),
        _ => Removal::Offered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_may_be_in_use_has_to_be_named() {
        const NOW: i64 = 1_790_000_000;
        const DAY: i64 = 86_400;
        let key = |active, created, last_used, use_known| KeyFacts {
            id: "AKIAEXAMPLE".to_owned(),
            active,
            created: NOW - created,
            last_used,
            last_service: None,
            use_known,
        };
        for (key, is_offered) in [
            (key(false, DAY, Some(NOW), true), true),
            (key(true, 400 * DAY, Some(NOW - 89 * DAY), true), false),
            (key(true, 400 * DAY, Some(NOW - 91 * DAY), true), true),
            (key(true, 2 * DAY, None, true), true),
            (key(true, 0, None, true), false),
            (key(true, 400 * DAY, None, false), false),
        ] {
            assert_eq!(removable(&key, NOW) == Removal::Offered, is_offered, "{key:?}");
        }
    }
}
