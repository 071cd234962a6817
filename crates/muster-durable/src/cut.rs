//! Places at which a test can end the process: before and after every call and every file operation of a saga.
//!
//! Only in builds with debug assertions, which no release has.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU64, Ordering};

/// How the process is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As `kill -9` does it.
    Killed,
    /// By a panic.
    Panic,
}

#[cfg(debug_assertions)]
static POINTS: AtomicU64 = AtomicU64::new(0);
#[cfg(debug_assertions)]
static CUT: std::sync::OnceLock<(u64, Ending)> = std::sync::OnceLock::new();

/// Ends the process at the `nth` place, counted from 1. Reads `kill:N` or `panic:N`.
#[cfg(debug_assertions)]
pub fn arm(text: &str) {
    let ending = |word| match word {
        "kill" => Some(Ending::Killed),
        "panic" => Some(Ending::Panic),
        _ => None,
    };
    let parsed = text.split_once(':').and_then(|(word, nth)| Some((nth.parse().ok()?, ending(word)?)));
    if let Some(cut) = parsed {
        let _ = CUT.set(cut);
    }
}

/// Returns how many places were passed.
#[cfg(debug_assertions)]
pub fn passed() -> u64 {
    POINTS.load(Ordering::Relaxed)
}

/// A place.
///
/// # Panics
///
/// Where that is what was armed.
#[cfg(debug_assertions)]
pub fn point() {
    let number = POINTS.fetch_add(1, Ordering::Relaxed) + 1;
    match CUT.get() {
        Some((nth, Ending::Killed)) if *nth == number => {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            // The signal is on its way.
            loop {
                std::thread::park();
            }
        }
        Some((nth, Ending::Panic)) if *nth == number => panic!("cut at place {number}"),
        _ => {}
    }
}

/// A place, of which a release has none.
#[cfg(not(debug_assertions))]
pub fn point() {}
