//! Requests that a service sends and answers.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use serde::Serialize;
use socketio_client::{Ack, Data, Socket};
use socketio_parser::Value;

use super::error::{BusError, RequestError};
use crate::event::Event;
use crate::requests::Request;

type Answering = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;
type Handler = Arc<dyn Fn(Event) -> Answering + Send + Sync>;

/// The answer to a request, as the bus expects it.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Answer(Value),
    Refused(String),
}

/// The handlers of requests, by their types.
#[derive(Clone, Default)]
pub(super) struct Requests(Arc<Mutex<HashMap<String, Handler>>>);

impl Requests {
    pub(super) fn register(&self, socket: &Socket) {
        let own = self.clone();
        socket.on("bus:request", move |Data(event): Data<Event>| {
            let handler = own.0.lock().get(event.kind.name()).cloned();
            async move {
                let answer = match handler {
                    Some(handler) => handler(event).await,
                    None => Err(format!("there is no handler of {}", event.kind)),
                };
                Ack(answer.map_or_else(Answer::Refused, Answer::Answer))
            }
        });
    }

    pub(super) fn set<F, Fut, T>(&self, kind: &str, handler: F)
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, String>> + Send + 'static,
        T: Serialize,
    {
        let handler: Handler = Arc::new(move |event| {
            let answering = handler(event);
            Box::pin(async move {
                let answer = answering.await?;
                Value::from_serialize(&answer).map_err(|error| error.to_string())
            })
        });
        self.0.lock().insert(kind.to_owned(), handler);
    }
}

/// Sends a request over the connection.
pub(super) async fn ask(socket: &Socket, request: &Request, limit: Duration) -> Result<Value, RequestError> {
    let asked = socket.timeout(limit).emit_with_ack::<Value>("request", request).await;
    let answer = asked.map_err(BusError::Unanswered)?;
    if !answer.get("answer").is_missing() {
        let answer =
            answer.parse::<HashMap<String, Value>>().ok().and_then(|mut parts| parts.remove("answer"));
        return answer.ok_or_else(|| RequestError::Refused("the answer cannot be read".to_owned()));
    }
    let failed = answer.get("failed");
    let text = |part: &str| failed.get(part).as_str().unwrap_or_default().to_owned();
    if failed.is_missing() {
        let why = answer.get("error").as_str().unwrap_or_default().to_owned();
        return Err(RequestError::Refused(why));
    }
    Err(RequestError::of(&text("code"), text("message")))
}
