//! How fast to call: one budget for all workers, found out from what the account lets through.
//!
//! IAM publishes no request rates; it lets a burst through, then so many a second, and answers `Throttling` to
//! the rest. From one refusal to the next, the calls that did get through are exactly what the account's bucket
//! was refilled with in that time, so their number over that time *is* the rate. [`Pacing`] starts slowly, speeds
//! up until the first refusal, and then stays a hair above the rate so measured: enough to use all of it, and to
//! notice when it grows, at the price of a refusal now and then.
//!
//! Pure: time comes in as seconds since the start.

use std::collections::VecDeque;

/// Calls a second at the start of an `auto` run.
const RATE_START: f64 = 20.0;

/// Calls a second that an `auto` run never exceeds.
const RATE_MAX_AUTO: f64 = 500.0;

/// Calls a second that nothing slows down below.
const RATE_MIN: f64 = 0.5;

/// How much one success adds to the rate before the first refusal: it doubles each second at full use.
const GROWTH: f64 = 0.7;

/// Calls that may leave at once after a quiet time.
const SLACK_CALLS: f64 = 5.0;

/// A stretch between two refusals shorter than this measures nothing.
const STRETCH_MIN_S: f64 = 0.4;

/// Older stretches say nothing about today's rate.
const MEMORY_S: f64 = 60.0;

/// How many calls a second to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Find out.
    Auto,
    /// At most this many, fewer when the account refuses some.
    AtMost(f64),
}

/// The pace of one run.
#[derive(Debug)]
pub(crate) struct Pacing {
    rate: f64,
    rate_max: f64,
    tokens: f64,
    at_s: f64,
    successes: u64,
    /// When the account's bucket was known to be empty, and how many calls had got through by then.
    empty_at: VecDeque<(f64, u64)>,
    slowed_at_s: f64,
    known: Known,
}

/// What is known of the account's rate.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// Nothing was refused yet.
    Nothing,
    /// This was taken after the first refusal, whose burst hides the rate.
    Guessed(f64),
    /// This was measured between two refusals.
    Measured(f64),
}

impl Pacing {
    pub(crate) fn new(rate: Rate) -> Self {
        let (rate, rate_max) = match rate {
            Rate::Auto => (RATE_START, RATE_MAX_AUTO),
            Rate::AtMost(rate) => (rate, rate),
        };
        Self {
            rate,
            rate_max,
            tokens: SLACK_CALLS.min(rate_max),
            at_s: 0.0,
            successes: 0,
            empty_at: VecDeque::new(),
            slowed_at_s: f64::NEG_INFINITY,
            known: Known::Nothing,
        }
    }

    /// Returns how long the next call has to wait, in seconds; it is counted as made.
    pub(crate) fn reserve(&mut self, now_s: f64) -> f64 {
        self.refill(now_s);
        self.tokens -= 1.0;
        if self.tokens > -1e-9 { 0.0 } else { -self.tokens / self.rate }
    }

    fn refill(&mut self, now_s: f64) {
        let quiet_s = (now_s - self.slowed_at_s).clamp(0.0, MEMORY_S);
        self.rate = match self.known {
            Known::Nothing => self.rate,
            // Up until it is refused again, which measures the rate.
            Known::Guessed(rate) => rate * (1.0 + 0.2 * quiet_s),
            // A hair above, and more the longer nothing is refused.
            Known::Measured(rate) => rate * (1.0 + 0.0003 + 0.00003 * quiet_s * quiet_s),
        }
        .clamp(RATE_MIN.min(self.rate_max), self.rate_max);
        let slack = if self.empty_at.is_empty() { SLACK_CALLS.min(self.rate_max) } else { 1.0 };
        let elapsed_s = (now_s - self.at_s).max(0.0);
        self.at_s = self.at_s.max(now_s);
        self.tokens = (self.tokens + elapsed_s * self.rate).min(slack);
    }

    /// Returns whether any call got through.
    pub(crate) fn any_success(&self) -> bool {
        self.successes > 0
    }

    /// A call got through.
    pub(crate) fn succeeded(&mut self) {
        self.successes += 1;
        let in_full_use = self.tokens < 1.0;
        if self.empty_at.is_empty() && in_full_use {
            self.rate = (self.rate + GROWTH).min(self.rate_max);
        }
    }

    /// A call that left at `sent_s` was refused for going too fast.
    pub(crate) fn refused(&mut self, now_s: f64, sent_s: f64) {
        self.refill(now_s);
        if sent_s <= self.slowed_at_s {
            // It left before the last slowing down, and says only that the bucket was empty until now.
            if let [first] = self.empty_at.make_contiguous() {
                *first = (now_s, self.successes);
            }
            return;
        }
        self.slowed_at_s = now_s;
        while self.empty_at.len() > 1 && self.empty_at.front().is_some_and(|(at, _)| now_s - at > MEMORY_S) {
            self.empty_at.pop_front();
        }
        let stretch = self.empty_at.front().map(|(at, successes)| (now_s - at, self.successes - successes));
        self.known = match stretch {
            Some((stretch_s, successes)) if stretch_s >= STRETCH_MIN_S => {
                #[expect(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^52 calls")]
                let successes = successes as f64;
                Known::Measured(successes / stretch_s)
            }
            _ => Known::Guessed(self.rate / 2.0),
        };
        self.empty_at.push_back((now_s, self.successes));
        self.tokens = self.tokens.min(0.0);
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a simulated run of a minute in microseconds"
)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    struct Ran {
        took_s: f64,
        refused: u64,
        /// `(calls - burst) / rate`.
        limit_s: f64,
    }

    #[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
    enum Event {
        Leaves,
        Arrives { sent: u64 },
        Answered { sent: u64, ok: bool },
    }

    /// Runs a number of calls against a bucket, with a latency and as many workers as muster has. Times are
    /// microseconds.
    fn run(calls: u64, rate: f64, burst: f64, latency_s: f64) -> Ran {
        let mut pacing = Pacing::new(Rate::Auto);
        let micros = |s: f64| (s * 1e6).round() as u64;
        let (mut tokens, mut filled_s): (f64, f64) = (burst, 0.0);
        let (mut waiting, mut free, mut done, mut refused) = (calls, 64_u64, 0, 0);
        let (mut at_the_gate, mut again, mut number, mut now_s) = (false, 0, 0_u64, 0.0_f64);
        let mut events: BinaryHeap<Reverse<(u64, u64, Event)>> = BinaryHeap::new();
        loop {
            if !at_the_gate && (again > 0 || (waiting > 0 && free > 0)) {
                if again > 0 {
                    again -= 1;
                } else {
                    waiting -= 1;
                    free -= 1;
                }
                at_the_gate = true;
                number += 1;
                events.push(Reverse((micros(now_s + pacing.reserve(now_s)), number, Event::Leaves)));
            }
            let Some(Reverse((at, _, event))) = events.pop() else { break };
            now_s = at as f64 / 1e6;
            let half_way = at + micros(latency_s / 2.0);
            number += 1;
            match event {
                Event::Leaves => {
                    at_the_gate = false;
                    events.push(Reverse((half_way, number, Event::Arrives { sent: at })));
                }
                Event::Arrives { sent } => {
                    tokens = (tokens + (now_s - filled_s) * rate).min(burst);
                    filled_s = now_s;
                    let ok = tokens >= 1.0 - 1e-9;
                    tokens -= if ok { 1.0 } else { 0.0 };
                    events.push(Reverse((half_way, number, Event::Answered { sent, ok })));
                }
                Event::Answered { ok: true, .. } => {
                    pacing.succeeded();
                    done += 1;
                    free += 1;
                }
                Event::Answered { sent, ok: false } => {
                    pacing.refused(now_s, sent as f64 / 1e6);
                    refused += 1;
                    again += 1;
                }
            }
        }
        assert_eq!(done, calls);
        Ran { took_s: now_s, refused, limit_s: (calls as f64 - burst) / rate }
    }

    #[test]
    fn all_of_a_bucket_is_used_and_little_is_refused() {
        for (rate, burst, latency_s) in
            [(20.0, 40.0, 0.05), (10.0, 20.0, 0.1), (50.0, 100.0, 0.05), (5.0, 10.0, 0.2)]
        {
            let ran = run(1180, rate, burst, latency_s);
            let share = ran.took_s / ran.limit_s;
            assert!(share < 1.03, "rate {rate}: {} s for a limit of {} s ({share})", ran.took_s, ran.limit_s);
            let refused = ran.refused as f64 / (1180 + ran.refused) as f64;
            assert!(refused < 0.016, "rate {rate}: {} refused", ran.refused);
        }
    }

    #[test]
    fn nothing_is_lost_where_almost_nothing_gets_through() {
        let ran = run(60, 1.0, 1.0, 0.05);
        assert!(ran.took_s < 120.0, "{} s", ran.took_s);
    }

    #[test]
    fn a_fixed_rate_is_never_exceeded() {
        let mut pacing = Pacing::new(Rate::AtMost(10.0));
        let mut now_s = 0.0;
        for _ in 0..105 {
            now_s += pacing.reserve(now_s);
            pacing.succeeded();
        }
        assert!((9.9..10.2).contains(&now_s), "{now_s}");
    }
}
