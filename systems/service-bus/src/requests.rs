//! Requests of services to services, and their answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use serde::{Deserialize, Serialize};
use socketio_parser::Value;
use socketio_server::{AckError, Namespace, Object};

use crate::command::CommandError;
use crate::event::Event;
use crate::names::SERVICE_ROOM;

/// Event of a service's connection with a request.
const EVENT: &str = "bus:request";
/// Maximum number of requests of one service that wait for an answer.
const MAX_WAITING: usize = 1000;
/// Maximum time of an answer, and the time of a request that has none.
const LONGEST: Duration = Duration::from_secs(60);
const DEFAULT: Duration = Duration::from_secs(5);

/// A request to one instance of a service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The service.
    pub(crate) service: String,
    /// The request.
    pub(crate) event: Event,
    /// Maximum time of the answer.
    pub(crate) timeout_ms: Option<u64>,
}

impl Request {
    pub(crate) fn read(data: &Value) -> Result<Self, CommandError> {
        let read = data.parse().map_err(|error| CommandError::Invalid(error.to_string()));
        read.map(|Object(request)| request)
    }
}

/// Answer of an instance.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    answer: Option<Value>,
    #[serde(default)]
    refused: Option<String>,
}

/// Requests that wait for an answer. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Number of waiting requests by the service that asks.
    waiting: HashMap<String, usize>,
    /// Number of the next instance by the service that is asked.
    turns: HashMap<String, usize>,
}

/// Place of a waiting request.
struct Place<'a> {
    requests: &'a Requests,
    asking: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.requests.0.lock();
        if let Some(waiting) = state.waiting.get_mut(self.asking) {
            *waiting -= 1;
            if *waiting == 0 {
                state.waiting.remove(self.asking);
            }
        }
    }
}

impl Requests {
    /// Asks one instance of a service, each in turn.
    pub(crate) async fn ask(
        &self,
        namespace: &Namespace,
        asking: &str,
        request: &Request,
    ) -> Result<Value, CommandError> {
        let _place = self.place(asking)?;
        let service = request.service.as_str();
        let mut instances =
            namespace.r#in(format!("{SERVICE_ROOM}{service}")).fetch_sockets().await.unwrap_or_default();
        // All nodes of a cluster have the same order.
        instances.sort_by(|a, b| a.id().cmp(b.id()));
        let turn = self.turn(service, instances.len());
        let Some(instance) = turn.and_then(|turn| instances.into_iter().nth(turn)) else {
            return Err(CommandError::NoService);
        };
        let timeout = request.timeout_ms.map_or(DEFAULT, Duration::from_millis).min(LONGEST);
        let answer = match namespace.socket(instance.id()) {
            // Its disconnect ends the wait.
            Some(socket) => socket.timeout(timeout).emit_with_ack::<Answer>(EVENT, &request.event).await,
            None => instance.timeout(timeout).emit_with_ack(EVENT, &request.event).await,
        };
        match answer {
            Ok(Answer { answer: Some(answer), .. }) => Ok(answer),
            Ok(Answer { refused, .. }) => Err(CommandError::Refused(refused.unwrap_or_default())),
            Err(AckError::Timeout) => Err(CommandError::Timeout),
            Err(AckError::Disconnected) => Err(CommandError::Left),
            Err(error) => Err(CommandError::Refused(error.to_string())),
        }
    }

    fn place<'a>(&'a self, asking: &'a str) -> Result<Place<'a>, CommandError> {
        let mut state = self.0.lock();
        let waiting = state.waiting.entry(asking.to_owned()).or_default();
        if *waiting >= MAX_WAITING {
            return Err(CommandError::TooMany("requests of this service that wait for an answer"));
        }
        *waiting += 1;
        Ok(Place { requests: self, asking })
    }

    /// The instance whose turn it is.
    fn turn(&self, service: &str, instances: usize) -> Option<usize> {
        let mut state = self.0.lock();
        if instances == 0 {
            state.turns.remove(service);
            return None;
        }
        let turn = state.turns.entry(service.to_owned()).or_default();
        *turn = turn.wrapping_add(1);
        Some(*turn % instances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waiting_requests_of_a_service_are_bounded() {
        let requests = Requests::default();
        let places: Vec<_> = (0..MAX_WAITING).map(|_| requests.place("chat").unwrap()).collect();
        assert!(matches!(requests.place("chat"), Err(CommandError::TooMany(_))));
        assert!(requests.place("mail").is_ok(), "another service has its own places");
        drop(places);
        assert!(requests.place("chat").is_ok());
        assert!(requests.0.lock().waiting.is_empty());
    }

    #[test]
    fn instances_are_asked_in_turn() {
        let requests = Requests::default();
        let mut turns: Vec<_> = (0..4).map(|_| requests.turn("chat", 2).unwrap()).collect();
        assert_ne!(turns[0], turns[1]);
        assert_eq!(turns[..2], turns[2..]);
        turns.dedup();
        assert_eq!(turns.len(), 4, "alternately");
        assert_eq!(requests.turn("chat", 0), None);
        assert!(requests.0.lock().turns.is_empty());
    }
}
