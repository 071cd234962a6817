//! One way out to an account: every call is paced, repeated where that is safe, and counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;
use aws_types::request_id::RequestId;
use tokio::time::Instant;

use crate::connect::clients;
use crate::error::{CallError, Effect, Kind};
use crate::interrupt::Interrupt;
use crate::pacing::{Pacing, Rate};
use crate::server_clock::ServerClock;
use muster_durable::cut::point;

/// How often a call is sent in all when the service or the network fails.
const ATTEMPTS_MAX: u32 = 10;

/// The same for as long as nothing was answered yet.
const FIRST_ATTEMPTS_MAX: u32 = 7;

/// How long a call is repeated while it is throttled, or another change is under way.
const PATIENCE: Duration = Duration::from_mins(10);

/// The first wait after a failure; doubled each time.
const BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Whether a call may be repeated when nobody knows if it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It reads, or doing it twice is doing it once.
    Safe,
    /// A second time could fail over the first one, or do it twice.
    LookFirst,
}

/// An account's API, as muster uses it.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    clock: ServerClock,
    /// Whether calls are signed with the keys of a session.
    pub(crate) is_session: AtomicBool,
    pacing: Arc<Mutex<Pacing>>,
    /// Held while waiting for the next slot, so that waiting calls leave in turn and at today's pace.
    gate: Arc<tokio::sync::Mutex<()>>,
    started: Instant,
    counts: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    interrupt: Interrupt,
    /// How many shields are up: what is begun then is ended, whatever the person wants.
    shields: Arc<AtomicUsize>,
}

/// Lets calls through although a stop was asked for, until it is dropped: undoing is part of stopping.
#[derive(Debug)]
pub struct Shield<'g>(&'g AtomicUsize);

impl Drop for Shield<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gateway {
    /// Wraps clients whose own retries are off.
    pub(crate) fn new(
        (iam, sts): (aws_sdk_iam::Client, aws_sdk_sts::Client),
        clock: ServerClock,
        rate: Rate,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            iam,
            sts,
            clock,
            is_session: AtomicBool::new(false),
            pacing: Arc::new(Mutex::new(Pacing::new(rate))),
            gate: Arc::default(),
            started: Instant::now(),
            counts: Arc::default(),
            interrupt,
            shields: Arc::default(),
        }
    }

    /// Returns another way to the same account: all but what requests are signed with is shared.
    pub(crate) fn with_config(&self, config: &SdkConfig, is_session: bool) -> Self {
        let (iam, sts) = clients(config, &self.clock);
        Self {
            iam,
            sts,
            clock: self.clock.clone(),
            is_session: AtomicBool::new(is_session),
            pacing: Arc::clone(&self.pacing),
            gate: Arc::clone(&self.gate),
            started: self.started,
            counts: Arc::clone(&self.counts),
            interrupt: self.interrupt.clone(),
            shields: Arc::clone(&self.shields),
        }
    }

    /// Returns by how many seconds AWS's clock is ahead of this machine's, as its last answer says.
    pub fn server_is_ahead_s(&self) -> i64 {
        self.clock.ahead_s()
    }

    /// Returns whether calls are signed with the keys of a session, as those of roles and those made with MFA are.
    pub fn is_session(&self) -> bool {
        self.is_session.load(Ordering::Relaxed)
    }

    /// Returns how many requests were sent so far, by operation, repetitions included.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts up a shield against the wish to stop.
    pub fn shield(&self) -> Shield<'_> {
        self.shields.fetch_add(1, Ordering::Relaxed);
        Shield(&self.shields)
    }

    /// Returns whether to stop now.
    pub(crate) fn is_stopped(&self) -> bool {
        self.interrupt.is_set() && self.shields.load(Ordering::Relaxed) == 0
    }

    /// Returns the wish to stop that this gateway obeys.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Sends a call, again and again where that is safe and of use.
    pub(crate) async fn call<O, E, F>(
        &self,
        service: &'static str,
        action: &'static str,
        repeat: Repeat,
        send: impl Fn() -> F,
    ) -> Result<O, CallError>
    where
        O: RequestId,
        E: std::error::Error + ProvideErrorMetadata + 'static,
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    {
        let first = Instant::now();
        let mut failures = 0;
        // What an earlier attempt may have done is not undone by how a later one ends.
        let mut effect = Effect::None;
        let unsure =
            |error: CallError, effect| if effect == Effect::Unknown { error.unsure() } else { error };
        loop {
            let sent_s = self.leave(service, action).await.map_err(|error| unsure(error, effect))?;
            point();
            let result = send().await;
            point();
            let error = match result {
                Ok(output) => {
                    tracing::debug!(target: "muster", service, action, request_id = output.request_id(), "answered");
                    self.pacing().succeeded();
                    return Ok(output);
                }
                Err(error) => {
                    let by_session = self.is_session.load(Ordering::Relaxed);
                    CallError { by_session, ..CallError::new(service, action, &error) }
                }
            };
            tracing::debug!(
                target: "muster", service, action, request_id = error.request_id, code = error.code, "failed"
            );
            if error.effect == Effect::Unknown {
                effect = Effect::Unknown;
            }
            // Where nothing was ever answered, the address or the network is wrong, and patience does not help.
            let attempts_max = if self.pacing().any_success() { ATTEMPTS_MAX } else { FIRST_ATTEMPTS_MAX };
            let again = match error.kind {
                Kind::Throttled => {
                    self.pacing().refused(self.now_s(), sent_s);
                    first.elapsed() < PATIENCE
                }
                Kind::Busy => {
                    failures += 1;
                    first.elapsed() < PATIENCE
                }
                Kind::Transient => {
                    failures += 1;
                    let safe = repeat == Repeat::Safe || error.effect == Effect::None;
                    safe && failures < attempts_max
                }
                _ => false,
            };
            if !again {
                return Err(unsure(error, effect));
            }
            if error.kind != Kind::Throttled {
                self.wait(backoff(failures)).await;
            }
        }
    }

    /// Waits for the next slot and counts the call; returns when it leaves.
    async fn leave(&self, service: &'static str, action: &'static str) -> Result<f64, CallError> {
        let gate = self.gate.lock().await;
        let wait_s = self.pacing().reserve(self.now_s());
        if wait_s > 0.0 {
            self.wait(Duration::try_from_secs_f64(wait_s).unwrap_or(PATIENCE)).await;
        }
        drop(gate);
        if self.is_stopped() {
            return Err(CallError::interrupted(service, action));
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
        Ok(self.now_s())
    }

    /// Waits, but no longer than until the person wants to stop.
    #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
    pub async fn wait(&self, time: Duration) {
        if self.shields.load(Ordering::Relaxed) > 0 {
            return tokio::time::sleep(time).await;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.interrupt.wait() => {}
        }
    }

    fn now_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        // Pacing holds numbers only; a panic elsewhere leaves them good enough to go on with.
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a wait before the next try: somewhere up to a time that doubles with each failure.
fn backoff(failures: u32) -> Duration {
    let longest = BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(BACKOFF_MAX);
    // Without randomness from the system the full time is waited: slower, not wrong.
    let share = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    longest.mul_f64(0.25 + 0.75 * share)
}
