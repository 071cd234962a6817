//! The log on stderr.
//!
//! The SDK's own logs print request bodies in clear at `trace` (secrets among them), so what its crates and those
//! under them may say is capped here, whatever the environment asks for.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Targets that may say this much at the most.
const CAPS: [(&str, LevelFilter); 4] = [
    ("muster", LevelFilter::TRACE),
    ("aws_smithy_runtime", LevelFilter::WARN),
    ("aws_config", LevelFilter::WARN),
    ("hyper_util", LevelFilter::WARN),
];

/// Starts logging: `verbose` 0 is off, 1 info, 2 debug. `MUSTER_LOG` names a level too.
pub(crate) fn start(verbose: u8, environment: Option<&str>, color: bool) {
    let asked = match verbose {
        0 => environment.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::OFF),
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    if asked == LevelFilter::OFF {
        return;
    }
    let caps = CAPS.into_iter().map(|(target, cap)| (target, cap.min(asked)));
    let filter = Targets::new().with_default(LevelFilter::ERROR.min(asked)).with_targets(caps);
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(color).with_filter(filter);
    tracing_subscriber::registry().with(layer).init();
}
