//! Faults on demand: what a network and a busy service do to a client, drawn from a seed.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::engine::{Draw, PageShape};

/// What goes wrong, and how often.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Time that every request takes.
    pub latency: Duration,
    /// Up to this much more or less.
    pub jitter: Duration,
    /// Requests a second that are let through; the others are answered `Throttling`.
    pub rate: Option<f64>,
    /// Requests that are let through at once after a quiet time.
    pub burst: f64,
    /// How long a write stays invisible to reads.
    pub delay: Duration,
    /// Requests answered with a server error before anything happened.
    pub error: Vec<When>,
    /// Connections closed before anything happened.
    pub drop: Vec<When>,
    /// Connections closed after the request was carried out.
    pub lose: Vec<When>,
    /// Operations answered `AccessDenied`.
    pub deny: Vec<When>,
    /// Seconds of the account's clock that pass in one: a delay is over the sooner.
    pub clock: u32,
    /// A credential report that is asked for is never ready.
    pub stuck_report: bool,
    /// How full pages are.
    pub pages: PageShape,
    /// What all chances are drawn from.
    pub seed: u64,
}

/// When a fault strikes.
#[derive(Debug, Clone, PartialEq)]
pub enum When {
    /// On any request, with this chance from 0 to 1.
    Chance(f64),
    /// On requests for this operation.
    On {
        /// The operation's name without the service.
        action: String,
        /// On this call of it only, counted from 1.
        nth: Option<u64>,
        /// And on all calls after that one.
        and_after: bool,
    },
}

/// What is wrong with the text of `--faults`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` in the faults is wrong: {reason}")]
pub struct FaultsError {
    part: String,
    reason: String,
}

impl std::str::FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut faults = Self { burst: 1.0, ..Self::default() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = |reason: String| FaultsError { part: part.to_owned(), reason };
            let (name, value) =
                part.split_once('=').ok_or_else(|| wrong("write it as name=value".to_owned()))?;
            match name {
                "latency" => faults.latency = duration(value).map_err(wrong)?,
                "jitter" => faults.jitter = duration(value).map_err(wrong)?,
                "delay" => faults.delay = duration(value).map_err(wrong)?,
                "rate" => faults.rate = Some(positive(value).map_err(wrong)?),
                "burst" => faults.burst = positive(value).map_err(wrong)?.max(1.0),
                "clock" => {
                    let speed =
                        value.trim_end_matches('x').parse().ok().filter(|n| (1..=100_000).contains(n));
                    faults.clock =
                        speed.ok_or_else(|| wrong("write it as 100x, up to 100000x".to_owned()))?;
                }
                "seed" => {
                    faults.seed = value.parse().map_err(|_| wrong("a seed is a whole number".to_owned()))?;
                }
                "error" => faults.error.push(when(value, true).map_err(wrong)?),
                "drop" => faults.drop.push(when(value, true).map_err(wrong)?),
                "lose" => faults.lose.push(when(value, true).map_err(wrong)?),
                "deny" => faults.deny.push(when(value, false).map_err(wrong)?),
                "report" if value == "stuck" => faults.stuck_report = true,
                "report" => return Err(wrong("a report is stuck or is not".to_owned())),
                "pages" => {
                    faults.pages = match value {
                        "full" => PageShape::Full,
                        "short" => PageShape::Short,
                        "empty" => PageShape::Empty,
                        _ => return Err(wrong("pages are full, short or empty".to_owned())),
                    }
                }
                _ => {
                    let names = "latency, jitter, rate, burst, delay, clock, error, drop, lose, deny, pages, report, seed";
                    return Err(wrong(format!("the names are {names}")));
                }
            }
        }
        Ok(faults)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("a time is written like 50ms, 2s or 1m".to_owned()),
    };
    let seconds = digits.parse::<f64>().ok().filter(|n| n.is_finite() && (0.0..=86_400.0).contains(n));
    seconds.map(|n| Duration::from_secs_f64(n * scale)).ok_or_else(|| "it is no time up to a day".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "it must be a number above 0".to_owned())
}

fn when(text: &str, chance: bool) -> Result<When, String> {
    if let Ok(number) = text.parse::<f64>() {
        if chance && (0.0..=1.0).contains(&number) {
            return Ok(When::Chance(number));
        }
        return Err("a chance is from 0 to 1".to_owned());
    }
    let (action, nth) = text.split_once('@').map_or((text, None), |(action, nth)| (action, Some(nth)));
    let action = action.rsplit(':').next().unwrap_or(action).to_owned();
    let and_after = nth.is_some_and(|nth| nth.ends_with('+'));
    let nth = match nth.map(|nth| nth.trim_end_matches('+').parse::<u64>()) {
        None => None,
        Some(Ok(nth)) if nth > 0 => Some(nth),
        Some(_) => return Err("after @ stands the number of the call, from 1".to_owned()),
    };
    if action.is_empty() || !action.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("an operation is written like iam:GetGroup, iam:GetGroup@3 or iam:GetGroup@3+".to_owned());
    }
    Ok(When::On { action, nth, and_after })
}

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Fine,
    /// `Throttling`.
    Throttled,
    /// A server error; nothing happened.
    Error,
    /// The connection is closed; nothing happened.
    Dropped,
    /// It is carried out and the connection closed.
    Lost,
    /// `AccessDenied`.
    Denied,
}

/// The course of faults over a run.
#[derive(Debug)]
pub(crate) struct Course {
    faults: Faults,
    draw: Draw,
    tokens: f64,
    refilled_at_ms: i64,
    calls: HashMap<String, u64>,
}

impl Course {
    pub(crate) fn new(faults: Faults) -> Self {
        let draw = Draw::new(faults.seed);
        Self { draw, tokens: faults.burst, refilled_at_ms: i64::MIN, calls: HashMap::new(), faults }
    }

    /// Draws how long the next request takes.
    pub(crate) fn latency(&mut self) -> Duration {
        let jitter = self.faults.jitter.as_secs_f64() * (2.0 * self.draw.unit() - 1.0);
        Duration::try_from_secs_f64(self.faults.latency.as_secs_f64() + jitter).unwrap_or_default()
    }

    /// Decides what happens to a request that arrives now.
    pub(crate) fn fate(&mut self, action: &str, now_ms: i64) -> Fate {
        if !self.take_token(now_ms) {
            return Fate::Throttled;
        }
        let nth = self.calls.entry(action.to_owned()).or_default();
        *nth += 1;
        let nth = *nth;
        let draw = &mut self.draw;
        let mut strikes = |rules: &[When]| {
            // Every chance is drawn, whatever came before, so that one fault does not shift another's draws.
            rules.iter().map(|rule| rule.strikes(action, nth, draw)).collect::<Vec<_>>().contains(&true)
        };
        let (dropped, error, denied, lost) = (
            strikes(&self.faults.drop),
            strikes(&self.faults.error),
            strikes(&self.faults.deny),
            strikes(&self.faults.lose),
        );
        match (dropped, error, denied, lost) {
            (true, ..) => Fate::Dropped,
            (_, true, ..) => Fate::Error,
            (_, _, true, _) => Fate::Denied,
            (_, _, _, true) => Fate::Lost,
            _ => Fate::Fine,
        }
    }

    fn take_token(&mut self, now_ms: i64) -> bool {
        let Some(rate) = self.faults.rate else { return true };
        if self.refilled_at_ms != i64::MIN {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run are far below 2^52")]
            let elapsed_s = (now_ms - self.refilled_at_ms).max(0) as f64 / 1000.0;
            self.tokens = (self.tokens + elapsed_s * rate).min(self.faults.burst);
        }
        self.refilled_at_ms = now_ms;
        // A hair below one is one: refills are sums of fractions.
        let enough = self.tokens >= 1.0 - 1e-9;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

impl When {
    fn strikes(&self, action: &str, nth: u64, draw: &mut Draw) -> bool {
        match self {
            Self::Chance(chance) => draw.unit() < *chance,
            Self::On { action: wanted, nth: at, and_after } => {
                wanted == action && at.is_none_or(|at| nth == at || (*and_after && nth > at))
            }
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "answered",
            Self::Throttled => "throttled",
            Self::Error => "failed",
            Self::Dropped => "dropped",
            Self::Lost => "answer lost",
            Self::Denied => "denied",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_syntax_is_read() {
        let text = "latency=50ms,jitter=10ms,rate=20,burst=40,delay=2s,error=0.01,drop=0.01,lose=iam:CreateUser@2+,\
                    deny=iam:GetGroup,pages=short,seed=7";
        let faults: Faults = text.parse().unwrap();
        assert_eq!(faults.latency, Duration::from_millis(50));
        assert_eq!(faults.delay, Duration::from_secs(2));
        assert_eq!(faults.rate, Some(20.0));
        assert_eq!(faults.deny, [When::On { action: "GetGroup".to_owned(), nth: None, and_after: false }]);
        assert_eq!(
            faults.lose,
            [When::On { action: "CreateUser".to_owned(), nth: Some(2), and_after: true }]
        );
        assert_eq!(faults.seed, 7);
    }

    #[test]
    fn wrong_faults_name_the_part() {
        for wrong in [
            "latency=50",
            "rate=0",
            "error=2",
            "deny=0.5",
            "x=1",
            "rate",
            "deny=iam:",
            "lose=A@0",
            "pages=odd",
        ] {
            let error = wrong.parse::<Faults>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_bucket_lets_the_burst_and_then_the_rate_through() {
        let mut course = Course::new("rate=10,burst=5".parse().unwrap());
        let mut let_through =
            |now_ms| (0..20).filter(|_| course.fate("GetUser", now_ms) == Fate::Fine).count();
        assert_eq!(let_through(0), 5);
        assert_eq!(let_through(0), 0);
        assert_eq!(let_through(200), 2);
        assert_eq!(let_through(100_000), 5);
    }

    #[test]
    fn one_seed_gives_one_course() {
        let course = |seed| {
            let mut course = Course::new(format!("error=0.3,drop=0.2,lose=0.1,seed={seed}").parse().unwrap());
            (0..100).map(|_| course.fate("GetUser", 0)).collect::<Vec<_>>()
        };
        assert_eq!(course(1), course(1));
        assert_ne!(course(1), course(2));
    }
}
