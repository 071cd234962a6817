//! The account as a service: a request's bytes in, an answer's bytes out, with faults in between.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use crate::engine::{Account, Call, IamError, Millis, OPERATIONS, Params, Principal, Service as Api};
use crate::faults::{Course, Fate, Faults};
use crate::sigv4::Authorization;
use crate::store::StateFile;
use crate::xml;

/// A request as it came over the wire.
#[derive(Debug, Clone, Default)]
pub struct WireRequest {
    /// `POST` or `GET`.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// Everything after `?` in the address.
    pub query: String,
    /// All headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer to put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireResponse {
    /// The HTTP status.
    pub status: u16,
    /// For the header `x-amzn-requestid`.
    pub request_id: String,
    /// When, by the account's clock, for the header `date`.
    pub time_ms: Millis,
    /// XML.
    pub body: String,
}

impl WireResponse {
    /// Returns the time as HTTP writes it.
    pub(crate) fn date(&self) -> String {
        let time = jiff::Timestamp::from_millisecond(self.time_ms).unwrap_or_default();
        time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered.
    Answer(WireResponse),
    /// The connection is closed without an answer.
    HangUp,
}

/// An embedded account that answers requests. Clones share the account.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Mutex<Inner>>,
    clock: Clock,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

struct Inner {
    account: Account,
    course: Course,
    requests: u64,
    log: Option<Box<dyn Write + Send>>,
    file: Option<StateFile>,
    verify_signatures: bool,
    checks_time: bool,
}

/// How far a request's own time may be from the account's. Source: AWS General Reference, Signature Version 4.
const CLOCKS_APART_MS: Millis = 15 * 60 * 1000;

/// The account's clock: a start, and the runtime's own time since then, which a test can let fly.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start_ms: Millis,
    start: Instant,
    /// Seconds that pass in a second.
    speed: u32,
}

impl Clock {
    fn now(self) -> Millis {
        self.start_ms.saturating_add(
            Millis::try_from(self.start.elapsed().saturating_mul(self.speed).as_millis())
                .unwrap_or(Millis::MAX),
        )
    }
}

impl WireRequest {
    /// Returns a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Sandbox {
    /// Starts a service on an account; must be called within a tokio runtime.
    pub fn new(mut account: Account, faults: Faults, start_ms: Millis) -> Self {
        account.pages = faults.pages;
        account.report_is_stuck = faults.stuck_report;
        account.delay_ms = Millis::try_from(faults.delay.as_millis()).unwrap_or(Millis::MAX);
        let clock = Clock { start_ms, start: Instant::now(), speed: faults.clock.max(1) };
        let course = Course::new(faults);
        let inner = Inner {
            account,
            course,
            requests: 0,
            log: None,
            file: None,
            verify_signatures: false,
            checks_time: clock.speed == 1,
        };
        Self { inner: Arc::new(Mutex::new(inner)), clock }
    }

    /// Writes one JSON object a line for each request.
    #[must_use]
    pub fn with_log(self, log: Box<dyn Write + Send>) -> Self {
        self.lock().log = Some(log);
        self
    }

    /// Checks the signature of every request.
    #[must_use]
    pub fn with_signatures_checked(self) -> Self {
        self.lock().verify_signatures = true;
        self
    }

    /// Holds every call to the policies of the user that makes it.
    #[must_use]
    pub fn with_policies_enforced(self) -> Self {
        self.lock().account.enforces = true;
        self
    }

    /// Gives every call this source address.
    #[must_use]
    pub fn with_source_ip(self, address: std::net::IpAddr) -> Self {
        self.lock().account.source_ip = address.to_string();
        self
    }

    /// Keeps the state in a file; see [`Sandbox::save`].
    #[must_use]
    pub fn with_file(self, file: StateFile) -> Self {
        self.lock().file = Some(file);
        self
    }

    /// Writes the state to its file, if it has one and something changed since the last time.
    pub fn save(&self) -> Result<(), crate::store::StoreError> {
        let mut inner = self.lock();
        let clock_ms = self.clock.now();
        let Inner { account, file, .. } = &mut *inner;
        if let Some(file) = file.as_ref().filter(|_| account.changed()) {
            file.write(account, clock_ms)?;
            account.forget_changes();
        }
        Ok(())
    }

    /// Returns how many requests came in so far.
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the account was held left it as it was: operations change it in one last step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request.
    pub async fn handle(&self, request: WireRequest) -> Outcome {
        let started = Instant::now();
        let form = Form::read(&request);
        let one_way = self.lock().course.latency() / 2;
        travel(one_way).await;
        let (outcome, line) = self.carry_out(&form, &request);
        travel(one_way).await;
        if let Some(log) = &mut self.lock().log {
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let mut line = line;
            line["duration_ms"] = duration_ms.into();
            // The log is a convenience; a full disk must not turn into a failing account.
            // One write a line, so that a reader never meets half of one.
            let _ = log.write_all(format!("{line}\n").as_bytes()).and_then(|()| log.flush());
        }
        outcome
    }

    fn carry_out(&self, form: &Form, request: &WireRequest) -> (Outcome, serde_json::Value) {
        let now = self.clock.now();
        let mut inner = self.lock();
        inner.requests += 1;
        let request_id = request_id(inner.requests);
        let fate = inner.course.fate(&form.action, now);
        let api = api_of(&form.action, &form.version);
        let result = match (&fate, &form.problem) {
            (Fate::Dropped, _) => Err(None),
            (_, Some(problem)) => Err(Some(problem.clone())),
            (Fate::Throttled, _) => Err(Some(IamError::throttled())),
            (Fate::Error, _) => Err(Some(IamError::service_failure())),
            (Fate::Denied | Fate::Fine | Fate::Lost, None) => {
                inner.call(form, request, &fate, now).map_err(Some)
            }
        };
        let code = match &result {
            Ok(_) => None,
            Err(error) => error.as_ref().map(|error| error.code),
        };
        let outcome = match (&fate, result) {
            (Fate::Lost, _) | (_, Err(None)) => Outcome::HangUp,
            (_, Ok(reply)) => Outcome::Answer(WireResponse {
                status: 200,
                time_ms: now,
                body: xml::success(api, &form.action, &reply, &request_id),
                request_id: request_id.clone(),
            }),
            (_, Err(Some(error))) => Outcome::Answer(WireResponse {
                status: error.status,
                time_ms: now,
                body: xml::failure(api, &error, &request_id),
                request_id: request_id.clone(),
            }),
        };
        let line = serde_json::json!({
            "time_ms": now,
            "action": form.action,
            "outcome": if code.is_some() && fate == Fate::Fine { "refused".to_owned() } else { fate.to_string() },
            "code": code,
            "request_id": request_id,
            "caller": form.access_key_id,
        });
        (outcome, line)
    }
}

impl Inner {
    fn call(
        &mut self,
        form: &Form,
        request: &WireRequest,
        fate: &Fate,
        now: Millis,
    ) -> Result<crate::engine::Reply, IamError> {
        self.account.catch_up(now);
        let key_id = form.access_key_id.as_deref().unwrap_or_default();
        let token = request.header("x-amz-security-token");
        let Principal { caller, session } = self.account.principal(key_id, token, now)?;
        if self.verify_signatures {
            self.verify(request, now)?;
        }
        if matches!(caller, crate::engine::Caller::User(_)) {
            self.account.note_use(key_id, now, api_of(&form.action, &form.version));
        }
        if *fate == Fate::Denied {
            let arn = self.account.arn_of(&caller);
            let api = api_of(&form.action, &form.version).name();
            return Err(IamError::denied(&arn, &format!("{api}:{}", form.action), "*"));
        }
        let call =
            Call { action: &form.action, version: &form.version, params: &form.params, caller, session, now };
        self.account.call(&call)
    }

    /// Holds a request to the secret of its key. The administrator's key is AWS's documentation's own example.
    fn verify(&self, request: &WireRequest, now: Millis) -> Result<(), IamError> {
        let header = request.header("authorization").ok_or_else(IamError::unsigned)?;
        let authorization = Authorization::read(header).ok_or_else(IamError::wrong_signature)?;
        authorization.check_scope(request)?;
        // An account whose clock flies has no time in common with its clients.
        if self.checks_time && Authorization::age_ms(request, now).is_none_or(|age| age > CLOCKS_APART_MS) {
            return Err(IamError::expired());
        }
        let secret = match authorization.access_key_id {
            "AKIAIOSFODNN7EXAMPLE" => Some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            id => self.account.secret_of_key(id),
        };
        let secret = secret.ok_or_else(IamError::unknown_key)?;
        if authorization.fits(request, secret) { Ok(()) } else { Err(IamError::wrong_signature()) }
    }
}

/// Takes as long as a message does on its way.
#[expect(clippy::disallowed_methods, reason = "the latency of an embedded account, which nobody interrupts")]
async fn travel(one_way: Duration) {
    if one_way > Duration::ZERO {
        tokio::time::sleep(one_way).await;
    }
}

fn api_of(action: &str, version: &str) -> Api {
    let known = OPERATIONS.iter().find(|(name, _)| *name == action).map(|(_, api)| *api);
    known.unwrap_or(if version == "2011-06-15" { Api::Sts } else { Api::Iam })
}

/// Returns an id that looks like AWS's and counts up, so that one seed gives one log.
fn request_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// A request's form, decoded.
struct Form {
    action: String,
    version: String,
    params: Params,
    access_key_id: Option<String>,
    problem: Option<IamError>,
}

impl Form {
    fn read(request: &WireRequest) -> Self {
        let body = String::from_utf8_lossy(&request.body);
        let pairs: Vec<(String, String)> = request
            .query
            .split('&')
            .chain(body.split('&'))
            .filter(|pair| !pair.is_empty())
            .map(pair)
            .collect();
        let get = |name: &str| pairs.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let action = get("Action").unwrap_or_default();
        let version = get("Version").unwrap_or_default();
        let authorization = request.header("authorization");
        let access_key_id = authorization.and_then(access_key_id);
        let problem = if authorization.is_none() {
            Some(IamError::unsigned())
        } else if action.is_empty() {
            Some(IamError {
                code: "MissingAction",
                ..IamError::validation("The request must contain an action")
            })
        } else {
            None
        };
        Self { action, version, params: Params::new(pairs), access_key_id, problem }
    }
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    (decode(name), decode(value))
}

/// Reads the key id out of `AWS4-HMAC-SHA256 Credential=AKIA…/20261122/us-east-1/iam/aws4_request, …`.
fn access_key_id(authorization: &str) -> Option<String> {
    let credential = authorization.split("Credential=").nth(1)?;
    Some(credential.split('/').next()?.to_owned())
}
