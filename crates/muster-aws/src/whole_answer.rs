//! Refuses answers that were cut off.
//!
//! The SDK's XML reader takes the end of the text for the end of a list: half a page of users would read as all
//! of them, with `is_truncated` false.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Checks that each answer of the Query protocol ends as it began.
#[derive(Debug)]
pub(crate) struct WholeAnswer;

#[derive(Debug, thiserror::Error)]
#[error("the answer was cut off")]
struct CutOff;

impl Intercept for WholeAnswer {
    fn name(&self) -> &'static str {
        "whole-answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let whole = response.body().bytes().is_none_or(|body| body.trim_ascii_end().ends_with(b"Response>"));
        if response.status().is_success() && !whole {
            return Err(CutOff.into());
        }
        Ok(())
    }
}
