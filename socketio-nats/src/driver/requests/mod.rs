//! Requests on a connection: all of them are sent before the first answer is awaited.

#[cfg(feature = "adapter")]
mod consumers;

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::driver::connection::{Connection, Missing};
use crate::driver::error::DriverError;
use crate::driver::inbox::{ANSWERS, Answer, Inbox};
use crate::driver::jetstream::answer::{self, Failure, NAME_IN_USE, NO_STREAM};
use crate::driver::jetstream::store::{Found, Store};
use crate::driver::servers::Servers;
use crate::protocol::{Frame, Headers, Message, Permission};
use crate::settings::JetStream;

/// The error of a request that has no subscriber.
const NO_RESPONDERS: &str =
    "no NATS server answers for JetStream: it is not enabled, or not for this account, or has no leader";

/// The error of a request whose answer would not arrive.
const NO_INBOX: &str = "the user may not subscribe to _INBOX.>";

/// A connection that makes requests.
pub(in crate::driver) struct Requests {
    pub(in crate::driver) connection: Connection,
    inbox: Arc<Inbox>,
    servers: Arc<Servers>,
    settings: JetStream,
    /// The subjects of answers without their numbers.
    name: String,
    /// The last number of a request.
    last: u64,
    #[cfg(feature = "adapter")]
    last_subscription: u64,
    is_subscribed: bool,
}

/// A message to send.
pub(in crate::driver) enum Outgoing<'a> {
    /// Publishes a message.
    Publish { subject: &'a str, payload: &'a [u8] },
    /// Asks for an answer.
    Ask(Ask<'a>),
}

/// A request.
#[derive(Debug)]
pub(in crate::driver) struct Ask<'a> {
    pub(in crate::driver) subject: String,
    /// A block of headers, or empty.
    pub(in crate::driver) headers: String,
    /// The beginning of the message.
    pub(in crate::driver) beginning: String,
    /// The rest of the message.
    pub(in crate::driver) payload: &'a [u8],
}

impl<'a> Ask<'a> {
    /// A request of the API of JetStream.
    pub(in crate::driver) fn api(subject: String, json: &dyn fmt::Display) -> Self {
        Self { subject, headers: String::new(), beginning: json.to_string(), payload: &[] }
    }

    /// The state of a stream.
    pub(in crate::driver) fn info(store: &Store) -> Self {
        Self::api(store.api("STREAM.INFO"), &"")
    }
}

/// Outcome of a message.
#[derive(Debug)]
pub(in crate::driver) enum Outcome {
    /// A message was published.
    Published,
    /// A request has an answer.
    Answer(Message),
    /// The subject of a request has no subscribers.
    NoResponders,
    /// The message was not sent, or the server has not taken it.
    Refused(String),
    /// There is no answer in time. The request may have been carried out.
    Silent,
}

impl Outcome {
    /// The answer of JetStream. `Err(None)`: there is none in time.
    pub(in crate::driver) fn json(self) -> Result<serde_json::Value, Option<Failure>> {
        match self {
            Self::Answer(message) => Ok(answer::decode(&message.payload)?),
            Self::NoResponders => Err(Some(Failure::new(NO_RESPONDERS))),
            Self::Refused(reason) => Err(Some(Failure::new(reason))),
            Self::Silent | Self::Published => Err(None),
        }
    }
}

impl Requests {
    pub(in crate::driver) fn new(
        connection: Connection,
        inbox: Arc<Inbox>,
        servers: Arc<Servers>,
        settings: JetStream,
    ) -> Result<Self, DriverError> {
        // The subject of an answer is random, so that only the receiver of the request knows it.
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
        let mut name = "_INBOX.".to_owned();
        for byte in random {
            let _ = write!(name, "{byte:02x}");
        }
        Ok(Self {
            connection,
            inbox,
            servers,
            settings,
            name,
            last: 0,
            #[cfg(feature = "adapter")]
            last_subscription: ANSWERS,
            is_subscribed: false,
        })
    }

    /// Sends messages in their order, and waits for the answers until the deadline.
    pub(in crate::driver) async fn exchange(
        &mut self,
        outgoing: &[Outgoing<'_>],
        deadline: Instant,
    ) -> Result<Vec<Outcome>, DriverError> {
        let max_payload = self.servers.max_payload();
        let mut frames = Vec::with_capacity(outgoing.len() + 1);
        let mut outcomes = Vec::with_capacity(outgoing.len());
        // The numbers of the requests that were sent, and their places.
        let mut numbers = Vec::new();
        for (place, outgoing) in outgoing.iter().enumerate() {
            let frame = match outgoing {
                Outgoing::Publish { subject, payload } => Frame::publish(subject, payload),
                Outgoing::Ask(_) if !self.connection.has_headers() => {
                    let reason = "the NATS server has turned headers off, which JetStream needs";
                    outcomes.push(Outcome::Refused(reason.to_owned()));
                    continue;
                }
                Outgoing::Ask(ask) => {
                    let reply = format!("{}.{}", self.name, self.last + 1);
                    Frame::ask(&ask.subject, &reply, &ask.headers, &ask.beginning, ask.payload)
                }
            };
            // The server would close the connection.
            if frame.size > max_payload {
                outcomes.push(Outcome::Refused(too_large(frame.size, max_payload)));
                continue;
            }
            if let Outgoing::Ask(_) = outgoing {
                if !self.is_subscribed {
                    // Only now: the user of a server without JetStream need not have the permission.
                    frames.push(Frame::subscribe(&format!("{}.*", self.name), ANSWERS));
                    self.is_subscribed = true;
                }
                self.last += 1;
                self.inbox.expect(self.last);
                numbers.push((self.last, place));
                outcomes.push(Outcome::Silent);
            } else {
                outcomes.push(Outcome::Published);
            }
            frames.push(frame);
        }
        if frames.is_empty() {
            return Ok(outcomes);
        }
        let missing = match self.connection.confirmed(&frames).await {
            Ok(missing) => missing,
            Err(error) => {
                numbers.iter().for_each(|(number, _)| self.inbox.forget(*number));
                return Err(error);
            }
        };
        self.settle_missing(&missing, outgoing, &mut outcomes);
        for (number, place) in numbers {
            if matches!(outcomes[place], Outcome::Silent) {
                if let Some(answer) = self.answer(number, deadline).await? {
                    outcomes[place] = answer;
                }
            }
            self.inbox.forget(number);
        }
        Ok(outcomes)
    }

    /// Messages for which a permission is missing are refused.
    fn settle_missing(&mut self, missing: &[Missing], outgoing: &[Outgoing<'_>], outcomes: &mut [Outcome]) {
        for (permission, subject) in missing {
            let is_inbox = *permission == Permission::Subscribe && subject.starts_with(&self.name);
            if is_inbox {
                self.is_subscribed = false;
            }
            for (outgoing, outcome) in outgoing.iter().zip(&mut *outcomes) {
                let own = match outgoing {
                    Outgoing::Publish { subject, .. } => subject,
                    Outgoing::Ask(ask) => ask.subject.as_str(),
                };
                if *permission == Permission::Publish && own == subject {
                    *outcome = Outcome::Refused(format!("the user may not publish on {subject}"));
                } else if is_inbox && matches!(outcome, Outcome::Silent) {
                    *outcome = Outcome::Refused(NO_INBOX.to_owned());
                }
            }
        }
    }

    /// Waits for the answer of a request.
    async fn answer(&self, number: u64, deadline: Instant) -> Result<Option<Outcome>, DriverError> {
        let mut arrived = self.inbox.watch();
        loop {
            if let Some(answer) = self.inbox.take(number) {
                return Ok(Some(match answer {
                    Answer::TooLarge => Outcome::Refused("the answer of NATS is too large".to_owned()),
                    Answer::Message(message) => {
                        let status = Headers::decode(&message.headers).and_then(|headers| headers.status);
                        if status == Some(503) { Outcome::NoResponders } else { Outcome::Answer(message) }
                    }
                }));
            }
            tokio::select! {
                // The inbox does not end.
                _ = arrived.changed() => {}
                () = self.connection.lost() => return Err(self.lost()),
                () = tokio::time::sleep_until(deadline) => return Ok(None),
            }
        }
    }

    fn lost(&self) -> DriverError {
        self.connection.reason().map_or(DriverError::Ended, DriverError::Lost)
    }

    /// One request of JetStream.
    pub(in crate::driver) async fn ask(
        &mut self,
        ask: Ask<'_>,
        deadline: Instant,
    ) -> Result<Result<serde_json::Value, Option<Failure>>, DriverError> {
        let outcomes = self.exchange(&[Outgoing::Ask(ask)], deadline).await?;
        Ok(outcomes.into_iter().next().map_or(Err(None), Outcome::json))
    }

    /// Finds a stream, whatever its limits are. It is made if it is missing.
    #[cfg(feature = "adapter")]
    pub(in crate::driver) async fn find(
        &mut self,
        store: &Store,
        deadline: Instant,
    ) -> Result<Result<Found, Option<Failure>>, DriverError> {
        let found = match self.ask(Ask::info(store), deadline).await? {
            Err(Some(Failure { code: NO_STREAM, .. })) => self.create(store, deadline).await?,
            found => found,
        };
        Ok(found.and_then(|found| Found::decode(&found).map_err(Some)))
    }

    /// Makes a stream. Another server may do the same now: the same configuration twice is no error.
    async fn create(
        &mut self,
        store: &Store,
        deadline: Instant,
    ) -> Result<Result<serde_json::Value, Option<Failure>>, DriverError> {
        self.ask(Ask::api(store.api("STREAM.CREATE"), &store.configuration(&self.settings)), deadline).await
    }

    /// Finds a stream. It is made if it is missing, and changed if it has other limits.
    pub(in crate::driver) async fn open(
        &mut self,
        store: &Store,
        deadline: Instant,
    ) -> Result<Result<Found, Option<Failure>>, DriverError> {
        let mut answer = self.ask(Ask::info(store), deadline).await?;
        if matches!(answer, Err(Some(Failure { code: NO_STREAM, .. }))) {
            answer = self.create(store, deadline).await?;
            if matches!(answer, Err(Some(Failure { code: NAME_IN_USE, .. }))) {
                // Another server has just made it, with other limits.
                answer = self.ask(Ask::info(store), deadline).await?;
            }
        }
        if let Ok(found) = &answer {
            match store.update(&found["config"]) {
                Ok(None) => {}
                Ok(Some(json)) => {
                    let update = Ask::api(store.api("STREAM.UPDATE"), &json);
                    answer = self.ask(update, deadline).await?;
                }
                Err(failure) => return Ok(Err(Some(failure))),
            }
        }
        Ok(answer.and_then(|answer| Found::decode(&answer).map_err(Some)))
    }
}

/// When a batch has to have its answers: before the writer gives the connection up, so that a JetStream without a leader does not
/// leave other messages unconfirmed.
pub(in crate::driver) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout * 3 / 4
}

/// The error of a message that is too large.
pub(crate) fn too_large(bytes: usize, max_payload: usize) -> String {
    format!("a message has {bytes} bytes, and max_payload of the server is {max_payload}")
}
