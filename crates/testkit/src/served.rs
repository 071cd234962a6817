//! An embedded account served over HTTP.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::TestEnv;

/// A `muster sandbox serve` that ends with the test.
pub struct Served {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    log: std::path::PathBuf,
}

/// An access key that every embedded account takes for its administrator's.
const KEY: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
];

impl Served {
    /// Serves the account in a file, or an empty one.
    pub fn new(env: &TestEnv, state: Option<&str>, faults: &str) -> Self {
        Self::with(env, state, faults, &[])
    }

    /// Serves it with every signature checked.
    pub fn with_signatures(env: &TestEnv, state: Option<&str>) -> Self {
        Self::with(env, state, "", &["--verify-signatures"])
    }

    /// Serves it with options of `sandbox serve`.
    pub fn with_options(env: &TestEnv, state: &str, faults: &str, options: &[&str]) -> Self {
        Self::with(env, Some(state), faults, options)
    }

    /// The same, at another time, such as `+13h`.
    pub fn at(env: &TestEnv, time: &str, state: &str, options: &[&str]) -> Self {
        Self::start(env, Some(time), Some(state), "", options)
    }

    /// Serves it on a port that was used before.
    pub fn on_port(env: &TestEnv, state: Option<&str>, port: &str) -> Self {
        Self::with(env, state, "", &["--port", port])
    }

    fn with(env: &TestEnv, state: Option<&str>, faults: &str, options: &[&str]) -> Self {
        Self::start(env, None, state, faults, options)
    }

    fn start(env: &TestEnv, time: Option<&str>, state: Option<&str>, faults: &str, options: &[&str]) -> Self {
        let log = env.path("requests.log");
        let mut command = env.command_at(time, env.binary());
        command.args(["sandbox", "serve", "--log"]).arg(&log).args(options);
        if let Some(state) = state {
            command.args(["--state", state]);
        }
        if !faults.is_empty() {
            command.args(["--faults", faults]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("muster starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the first line");
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .expect("the first line says where it listens")
            .to_owned();
        Self { child, url, log }
    }

    /// Returns the environment that points a client at it.
    pub fn env(&self) -> Vec<(&str, &str)> {
        KEY.into_iter().chain([("AWS_ENDPOINT_URL", self.url.as_str())]).collect()
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).expect("a line of the log is JSON")).collect()
    }

    /// Returns how many requests for an operation came in.
    pub fn count(&self, action: &str) -> usize {
        self.requests().iter().filter(|request| request["action"] == action).count()
    }

    /// Returns the operations that change something among the requests.
    pub fn mutations(&self) -> Vec<String> {
        let actions =
            self.requests().into_iter().filter_map(|request| request["action"].as_str().map(str::to_owned));
        let reads = ["Get", "List", "GenerateCredentialReport"];
        actions.filter(|action| !reads.iter().any(|read| action.starts_with(read))).collect()
    }

    /// Ends it as Ctrl-C does, so that it keeps its state; returns its exit status.
    pub fn stop(mut self) -> i32 {
        interrupt(&self.child);
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends Ctrl-C's signal.
pub(crate) fn interrupt(child: &Child) {
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
}

/// Waits until something is so, for a minute at the most.
#[track_caller]
pub fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}
