//! Answers that were cut off on the way, which the SDK's own reader takes for whole ones.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use muster_aws::{ConnectOptions, Depth, connect, read_roster};
use muster_core::taxonomy::Taxonomy;
use muster_sandbox::{Faults, Sandbox, synthetic};

/// The embedded account behind something that loses the end of long answers.
#[derive(Debug, Clone)]
struct CuttingOff {
    sandbox: Sandbox,
    bytes_max: usize,
}

impl HttpClient for CuttingOff {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for CuttingOff {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, bytes_max) = (self.sandbox.call(request), self.bytes_max);
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            let body = response.body().bytes().unwrap_or_default().to_vec();
            if body.len() > bytes_max {
                // Between two entries, where the XML reader sees nothing wrong.
                let text = String::from_utf8(body).unwrap();
                let end = text[..bytes_max].rfind("</member>").unwrap() + "</member>".len();
                *response.body_mut() = SdkBody::from(text[..end].to_owned());
            }
            Ok(response)
        })
    }
}

async fn read(bytes_max: usize) -> Result<usize, muster_aws::CallError> {
    let account = synthetic("123456789012", 300, 1, 1_700_000_000_000);
    let sandbox = Sandbox::new(account, Faults::default(), 1_700_000_000_000);
    let embedded = SharedHttpClient::new(CuttingOff { sandbox, bytes_max });
    let options =
        ConnectOptions { embedded: Some(embedded), run_id: "test".to_owned(), ..ConnectOptions::default() };
    let account = connect(options).await.unwrap();
    let roster =
        read_roster(&account, &Taxonomy::default(), Depth::Memberships, String::new(), &|_| {}).await?;
    Ok(roster.users.len())
}

#[tokio::test(start_paused = true)]
async fn half_a_page_is_never_taken_for_a_whole_one() {
    assert_eq!(read(usize::MAX).await.unwrap(), 300);
    let error = read(20_000).await.unwrap_err();
    assert_eq!(error.action, "GetAccountAuthorizationDetails");
    assert!(error.to_string().contains("cut off"), "{error}");
}
