//! A scripted backend of webhooks.

use std::convert::Infallible;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tests::raw::soon;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::support::{Running, start};

pub(crate) const SECRET: &str = "a secret of the backend";

/// A backend whose responses the test gives.
pub(crate) struct Backend {
    pub(crate) addr: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
}

/// A request that waits for its response. Dropping it breaks the connection without a response.
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) text: Bytes,
    pub(crate) answer: oneshot::Sender<(u16, String)>,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let sender = sender.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let text = body.collect().await.map_err(|_| "the body broke")?.to_bytes();
                        let (answer, answered) = oneshot::channel();
                        let _ = sender.send(Call { headers: head.headers, text, answer });
                        let (status, text) = answered.await.map_err(|_| "no answer")?;
                        let mut response = Response::new(Full::<Bytes>::from(text));
                        *response.status_mut() = status.try_into().unwrap();
                        Ok::<_, &str>(response)
                    }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    let _ = connection.await;
                    Ok::<_, Infallible>(())
                });
            }
        });
        Self { addr, calls }
    }

    pub(crate) async fn gateway(&self, hooks: Value) -> Running {
        start(json!({"webhooks": self.settings(&hooks)})).await
    }

    /// Settings of webhooks to this backend, with further ones.
    pub(crate) fn settings(&self, hooks: &Value) -> Value {
        let mut settings = json!({
            "url": format!("http://{}/hooks", self.addr), "secrets": [SECRET],
            "retries": 0, "backoff_ms": 1, "open_ms": 1,
        });
        settings.as_object_mut().unwrap().extend(hooks.as_object().unwrap().clone());
        settings
    }

    /// The next request of any type.
    pub(crate) async fn any(&mut self) -> Call {
        soon(self.calls.recv()).await.unwrap()
    }

    /// The next request, which must have this type.
    pub(crate) async fn next(&mut self, kind: &str) -> Call {
        let call = self.any().await;
        assert_eq!(call.body()["type"], kind);
        call
    }

    /// Admits the next connecting client.
    pub(crate) async fn lets_in(&mut self) -> Value {
        let call = self.next("connect").await;
        let body = call.body();
        call.says(json!({}));
        body
    }

    pub(crate) fn is_quiet(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

impl Call {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_slice(&self.text).unwrap()
    }

    pub(crate) fn says(self, answer: impl Into<Value>) {
        let answer: Value = answer.into();
        self.answer.send((200, answer.to_string())).unwrap();
    }

    pub(crate) fn fails(self, status: u16) {
        self.answer.send((status, String::new())).unwrap();
    }
}

/// Connects a native client that the backend admits.
pub(crate) async fn native(running: &Running, backend: &mut Backend) -> crate::support::Client {
    tokio::join!(running.native("/"), backend.lets_in()).0
}

impl crate::support::Client {
    /// The acknowledgement of a refused event, beside the event `error`.
    pub(crate) async fn ask_refused(&mut self, event: &str) -> Value {
        self.ask(event, json!(null)).await
    }
}
