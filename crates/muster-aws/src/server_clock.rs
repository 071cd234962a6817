//! How far this machine's clock is from AWS's: MFA codes and signatures depend on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::journal::Clock;

/// What the last answer said the time is, against this machine's own.
#[derive(Debug, Clone)]
pub(crate) struct ServerClock {
    own: Option<Clock>,
    ahead_s: Arc<AtomicI64>,
}

impl ServerClock {
    pub(crate) fn new(own: Option<Clock>) -> Self {
        Self { own, ahead_s: Arc::default() }
    }

    /// Returns by how many seconds AWS's clock is ahead of this machine's; 0 before the first answer.
    pub(crate) fn ahead_s(&self) -> i64 {
        self.ahead_s.load(Ordering::Relaxed)
    }
}

impl Intercept for ServerClock {
    fn name(&self) -> &'static str {
        "server-clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let (Some(date), Some(own)) = (date, self.own) {
            self.ahead_s.store(date.secs() - own(), Ordering::Relaxed);
        }
        Ok(())
    }
}
