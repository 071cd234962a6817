//! The credential report: asked for, waited for, fetched.

use std::time::Duration;

use aws_sdk_iam::types::ReportStateType;
use aws_smithy_types::DateTime;
use muster_core::audit::CredentialReport;
use tokio::time::Instant;

use crate::error::{CallError, Kind};
use crate::gateway::{Gateway, Repeat};

/// How long a report is waited for. AWS takes seconds, and minutes in large accounts.
const PATIENCE: Duration = Duration::from_mins(3);

/// The wait between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Has AWS make a credential report, or takes the one it has made in the last four hours.
pub async fn credential_report(gateway: &Gateway) -> Result<CredentialReport, CallError> {
    let first = Instant::now();
    loop {
        let asked = gateway
            .call("iam", "GenerateCredentialReport", Repeat::Safe, || {
                gateway.iam.generate_credential_report().send()
            })
            .await?;
        if asked.state() == Some(&ReportStateType::Complete) {
            break;
        }
        if first.elapsed() >= PATIENCE {
            let why = "AWS did not finish the credential report in three minutes; try again later";
            return Err(CallError::nonsense("GenerateCredentialReport", why));
        }
        gateway.wait(LOOK_AGAIN).await;
        if gateway.is_stopped() {
            return Err(CallError::interrupted("iam", "GenerateCredentialReport"));
        }
    }
    let got = gateway
        .call("iam", "GetCredentialReport", Repeat::Safe, || gateway.iam.get_credential_report().send())
        .await?;
    let nonsense = |why: &str| CallError::nonsense("GetCredentialReport", why);
    let made_s = got.generated_time().map(DateTime::secs);
    let made_s = made_s.ok_or_else(|| nonsense("the answer does not say when the report was made"))?;
    let content = got.content().map(AsRef::as_ref).unwrap_or_default();
    CredentialReport::read(content, made_s).map_err(|error| nonsense(&error.to_string()))
}

/// Returns whether an error means that something is not known, and not that the run has to end.
pub fn is_unknown(error: &CallError) -> bool {
    !matches!(error.kind, Kind::Interrupted | Kind::Credentials)
}
