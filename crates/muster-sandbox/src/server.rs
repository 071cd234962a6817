//! The account over HTTP, for any AWS client on this machine.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, DATE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::service::{Outcome, Sandbox, WireRequest};

/// The longest body that is read, in bytes; IAM's largest parameter is a policy of 128 KiB.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// How long requests in flight are waited for at the end.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// How often the state is written to its file while the service runs.
const SAVE_EVERY: Duration = Duration::from_millis(200);

/// A service that listens.
pub struct Server {
    listener: TcpListener,
    sandbox: Sandbox,
}

impl Server {
    /// Listens on an address; port 0 takes a free one.
    pub async fn bind(sandbox: Sandbox, address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, sandbox })
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests until `stop` is done, then keeps the state.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), crate::store::StoreError> {
        let only_loopback = self.address().is_ok_and(|address| address.ip().is_loopback());
        let mut save = tokio::time::interval(SAVE_EVERY);
        let mut connections = tokio::task::JoinSet::new();
        let (closing, closed) = watch::channel(false);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = save.tick() => {
                    self.sandbox.save()?;
                    while connections.try_join_next().is_some() {}
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, self.sandbox.clone(), only_loopback, closed.clone()));
                    }
                    // Out of file descriptors, or a client gone before it was accepted: others still count.
                    Err(_) => tokio::task::yield_now().await,
                },
            }
        }
        // What was read is answered, then the state is kept.
        drop(self.listener);
        closing.send_replace(true);
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(CLOSING_TIME, all).await;
        self.sandbox.save()
    }
}

async fn serve(stream: TcpStream, sandbox: Sandbox, only_loopback: bool, mut closed: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, sandbox.clone(), only_loopback));
    // Ends with an error whenever a client goes away or an answer is withheld on purpose: nothing to report.
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = closed.wait_for(|closed| *closed) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Makes hyper close the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct HangUp;

async fn answer(
    request: Request<Incoming>,
    sandbox: Sandbox,
    only_loopback: bool,
) -> Result<Response<Full<Bytes>>, HangUp> {
    // A web page may post a form to this address under another host name; a browser cannot fake `Host`.
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if only_loopback && !is_loopback(host) {
        return Ok(plain(StatusCode::FORBIDDEN, "this service answers on the loopback address only\n"));
    }
    let headers = request.headers().iter();
    let headers =
        headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let mut wire = WireRequest {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
    };
    let Ok(body) = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long or was cut off\n"));
    };
    wire.body = body.to_bytes().to_vec();
    // In a task of its own: a request that was read is completed, whatever becomes of the client.
    let outcome = tokio::spawn(async move { sandbox.handle(wire).await }).await;
    match outcome {
        Ok(Outcome::Answer(answer)) => {
            let date = HeaderValue::from_str(&answer.date());
            let mut response = Response::new(Full::new(Bytes::from(answer.body)));
            *response.status_mut() =
                StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
            if let Ok(date) = date {
                headers.insert(DATE, date);
            }
            if let Ok(id) = HeaderValue::from_str(&answer.request_id) {
                headers.insert("x-amzn-requestid", id);
            }
            Ok(response)
        }
        Ok(Outcome::HangUp) | Err(_) => Err(HangUp),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
