//! The environment, read in one place.

use std::path::PathBuf;

/// What the environment says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// The home folder.
    pub(crate) home: Option<PathBuf>,
    /// Where state that outlives a run belongs.
    pub(crate) state: Option<PathBuf>,
    /// `AWS_PROFILE` (or the older `AWS_DEFAULT_PROFILE`).
    pub(crate) profile: Option<String>,
    /// Whether `AWS_ACCESS_KEY_ID` is set.
    pub(crate) has_keys: bool,
    /// `AWS_ENDPOINT_URL_IAM` or `AWS_ENDPOINT_URL`.
    pub(crate) endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_STS` or `AWS_ENDPOINT_URL`.
    pub(crate) sts_endpoint: Option<String>,
    /// Variables that name an endpoint, as they are set.
    pub(crate) endpoints: Vec<(&'static str, String)>,
    /// `AWS_SHARED_CREDENTIALS_FILE`.
    pub(crate) credentials_file: Option<String>,
    /// `AWS_CONFIG_FILE`.
    pub(crate) config_file: Option<String>,
    /// `MUSTER_CONFIG`.
    pub(crate) config: Option<PathBuf>,
    /// `MUSTER_SANDBOX`.
    pub(crate) sandbox: Option<PathBuf>,
    /// `MUSTER_SANDBOX_FAULTS`.
    pub(crate) faults: Option<String>,
    /// `MUSTER_LOG`.
    pub(crate) log: Option<String>,
    /// `MUSTER_CUT`: where a test ends the process. No release looks at it.
    #[cfg(debug_assertions)]
    pub(crate) cut: Option<String>,
    /// Whether colours are unwelcome: `NO_COLOR`, or a terminal that has none.
    pub(crate) no_color: bool,
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = etcetera::home_dir().ok();
        let state = etcetera::choose_base_strategy().ok().and_then(|base| {
            etcetera::BaseStrategy::state_dir(&base).or(Some(etcetera::BaseStrategy::data_dir(&base)))
        });
        let names = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS"];
        let endpoints =
            names.into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?))).collect();
        Self {
            endpoints,
            home,
            state,
            profile: text("AWS_PROFILE").or_else(|| text("AWS_DEFAULT_PROFILE")),
            has_keys: text("AWS_ACCESS_KEY_ID").is_some(),
            endpoint: text("AWS_ENDPOINT_URL_IAM").or_else(|| text("AWS_ENDPOINT_URL")),
            sts_endpoint: text("AWS_ENDPOINT_URL_STS").or_else(|| text("AWS_ENDPOINT_URL")),
            credentials_file: text("AWS_SHARED_CREDENTIALS_FILE"),
            config_file: text("AWS_CONFIG_FILE"),
            config: text("MUSTER_CONFIG").map(PathBuf::from),
            sandbox: text("MUSTER_SANDBOX").map(PathBuf::from),
            faults: text("MUSTER_SANDBOX_FAULTS"),
            log: text("MUSTER_LOG"),
            #[cfg(debug_assertions)]
            cut: text("MUSTER_CUT"),
            no_color: text("NO_COLOR").is_some() || text("TERM").as_deref() == Some("dumb"),
        }
    }
}

/// Returns the time now, as milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the time now, in seconds since 1970.
pub(crate) fn now_s() -> i64 {
    now_ms().div_euclid(1000)
}

/// Returns a time as RFC 3339 in whole seconds.
pub(crate) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1000)).map(|time| time.to_string()).unwrap_or_default()
}

/// Returns an id for this run: when, and something random.
pub(crate) fn new_run_id(ms: i64) -> String {
    let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
    let at: String = rfc3339(ms).chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{at}-{random:08x}")
}
