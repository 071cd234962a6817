//! The account as an HTTP client for the AWS SDK for Rust: the same bytes, no socket.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::service::{Outcome, Sandbox, WireRequest};

impl HttpClient for Sandbox {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Sandbox {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (address, query) = request.uri().split_once('?').unwrap_or((request.uri(), ""));
        let address = address.split_once("://").map_or(address, |(_, after)| after);
        let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let host = Some(host).filter(|_| request.headers().get("host").is_none());
        let wire = WireRequest {
            method: request.method().to_owned(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.to_owned(),
            headers: headers.chain(host.map(|host| ("host".to_owned(), host.to_owned()))).collect(),
            body: request.body().bytes().map(<[u8]>::to_vec).unwrap_or_default(),
        };
        let sandbox = self.clone();
        HttpConnectorFuture::new(async move {
            match sandbox.handle(wire).await {
                Outcome::HangUp => {
                    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                    Err(ConnectorError::io(reset.into()))
                }
                Outcome::Answer(answer) => {
                    let status = answer.status.try_into().map_err(|_| {
                        ConnectorError::other(
                            "the embedded account answered an impossible status".into(),
                            None,
                        )
                    })?;
                    let date = answer.date();
                    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
                    response.headers_mut().insert("date", date);
                    response.headers_mut().insert("content-type", "text/xml");
                    response.headers_mut().insert("x-amzn-requestid", answer.request_id);
                    Ok(response)
                }
            }
        })
    }
}
