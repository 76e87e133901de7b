//! The steps of each command.

#[cfg(feature = "adapter")]
use serde_json::{Value, json};
#[cfg(feature = "adapter")]
use socketio_broker::driver::{Bucket, Request};
use socketio_broker::driver::{Command, Reply};
use socketio_cluster::streams::EntryId;

#[cfg(feature = "adapter")]
use super::reads::Read;
use super::refused;
use crate::driver::jetstream::answer::{Failure, NO_STREAM, number};
#[cfg(feature = "adapter")]
use crate::driver::jetstream::answer::{NO_MESSAGE, WRONG_SEQUENCE};
use crate::driver::jetstream::entry;
#[cfg(feature = "adapter")]
use crate::driver::jetstream::keys;
use crate::driver::jetstream::store::{Found, Store};
#[cfg(feature = "adapter")]
use crate::driver::jetstream::stored::Stored;
use crate::driver::requests::{Ask, Outcome, Outgoing};
#[cfg(feature = "adapter")]
use crate::protocol::Headers;

/// The error of commands that NATS does not have.
pub(super) const NO_COMMAND: &str = "NATS has no such command";
/// The error of keys that are too long.
#[cfg(feature = "adapter")]
const LONG_KEY: &str = "a key has more than 1024 bytes when it is escaped";
/// The header of a message that is stored only if the last one of the subject has this sequence number.
#[cfg(feature = "adapter")]
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// Next step of a command.
pub(super) enum Step<'a> {
    /// It sends a message.
    Send(Outgoing<'a>),
    /// It has its reply.
    Done(Reply),
    /// Its stream is missing.
    Missing,
    /// It reads several messages.
    #[cfg(feature = "adapter")]
    Read(Read),
}

/// A command that is underway.
pub(super) struct Work<'a> {
    command: &'a Command,
    /// When the stream was made, as part of the ids of its entries.
    created: u64,
    #[cfg(feature = "adapter")]
    state: State,
}

#[cfg(feature = "adapter")]
enum State {
    /// The first message was sent.
    Begun,
    /// A value that should not be there may be a message that stands for a removed value.
    Looking,
    /// The value is written behind such a message.
    Replacing,
    /// A value is being removed.
    Removing,
    /// A value was not removed, for this reason. It may have been replaced.
    Checking(Failure),
}

impl<'a> Work<'a> {
    /// The first step of a command. Its stream is known, if it needs one.
    pub(super) fn begin(command: &'a Command, opened: Option<&(Store, Found)>) -> (Self, Step<'a>) {
        let created = opened.map_or(0, |(_, found)| found.created);
        let step = first(command, opened.map(|(store, _)| store));
        let work = Self {
            command,
            created,
            #[cfg(feature = "adapter")]
            state: State::Begun,
        };
        (work, step)
    }

    /// The next step of the command.
    pub(super) fn advance(&mut self, outcome: Outcome) -> Step<'a> {
        match self.command {
            Command::Publish { .. } => published(outcome),
            #[cfg(feature = "adapter")]
            Command::Request(Request::Probe { .. }) => published(outcome),
            Command::Append { .. } => appended(outcome, self.created),
            #[cfg(feature = "adapter")]
            Command::Request(request) => self.request(request, outcome),
            Command::Store { .. } => Step::Done(Reply::Refused(NO_COMMAND.to_owned())),
        }
    }
}

fn published(outcome: Outcome) -> Step<'static> {
    Step::Done(match outcome {
        Outcome::Refused(reason) => Reply::Refused(reason),
        _ => Reply::Nothing,
    })
}

fn appended(outcome: Outcome, created: u64) -> Step<'static> {
    if matches!(outcome, Outcome::NoResponders) {
        return Step::Missing;
    }
    match outcome.json().and_then(|answer| number(&answer, "seq").map_err(Some)) {
        Ok(sequence) => Step::Done(Reply::Text(EntryId { milliseconds: created, sequence }.to_string())),
        Err(failure) => failed(failure),
    }
}

fn failed(failure: Option<Failure>) -> Step<'static> {
    match failure {
        Some(Failure { code: NO_STREAM, .. }) => Step::Missing,
        failure => Step::Done(refused(failure)),
    }
}

fn first<'a>(command: &'a Command, store: Option<&Store>) -> Step<'a> {
    let refused = |reason: &str| Step::Done(Reply::Refused(reason.to_owned()));
    match (command, store) {
        (Command::Publish { channel, payload, sharded: false }, _) => {
            Step::Send(Outgoing::Publish { subject: channel, payload })
        }
        (Command::Append { fields, .. }, Some(store)) => match entry::encode(fields) {
            Ok((beginning, payload)) => {
                let subject = store.subjects.clone();
                Step::Send(Outgoing::Ask(Ask { subject, headers: String::new(), beginning, payload }))
            }
            Err(reason) => refused(&reason),
        },
        #[cfg(feature = "adapter")]
        (Command::Request(request), store) => first_request(request, store),
        _ => refused(NO_COMMAND),
    }
}

#[cfg(feature = "adapter")]
fn first_request<'a>(request: &'a Request, store: Option<&Store>) -> Step<'a> {
    let refused = |reason: &str| Step::Done(Reply::Refused(reason.to_owned()));
    match (request, store) {
        (Request::Probe { channel, sharded: false }, _) => {
            Step::Send(Outgoing::Publish { subject: channel, payload: &[] })
        }
        (Request::Range { stream, from, .. }, _) => match from.parse::<EntryId>() {
            Ok(_) => Step::Send(Outgoing::Ask(Ask::info(&Store::entries(stream, 1)))),
            Err(error) => refused(&error.to_string()),
        },
        (Request::Get { bucket, key }, Some(store)) => match keys::subject(&bucket.name, key) {
            Some(subject) => look(store, &json!({ "last_by_subj": subject })),
            None => refused(LONG_KEY),
        },
        (Request::Put { bucket, key, value, revision, .. }, Some(_)) => put(bucket, key, value, *revision),
        (Request::Delete { revision: 0, .. }, _) => Step::Done(Reply::Conflict),
        (Request::Delete { revision, .. }, Some(store)) => look(store, &json!({ "seq": revision })),
        (Request::List { bucket, after, count }, Some(store)) => Step::Read(Read::List {
            bucket: bucket.name.clone(),
            store: store.clone(),
            after: *after,
            count: *count,
        }),
        _ => refused(NO_COMMAND),
    }
}

#[cfg(feature = "adapter")]
fn look(store: &Store, json: &Value) -> Step<'static> {
    Step::Send(Outgoing::Ask(Ask::api(store.api("STREAM.MSG.GET"), json)))
}

#[cfg(feature = "adapter")]
fn put<'a>(bucket: &Bucket, key: &str, value: &'a [u8], revision: u64) -> Step<'a> {
    let Some(subject) = keys::subject(&bucket.name, key) else {
        return Step::Done(Reply::Refused(LONG_KEY.to_owned()));
    };
    let headers = Headers::encode(&[(EXPECTED, &revision.to_string())]);
    Step::Send(Outgoing::Ask(Ask { subject, headers, beginning: String::new(), payload: value }))
}

#[cfg(feature = "adapter")]
impl<'a> Work<'a> {
    fn request(&mut self, request: &'a Request, outcome: Outcome) -> Step<'a> {
        match request {
            Request::Range { stream, from, count } => {
                match outcome.json().and_then(|answer| Ok(Found::decode(&answer)?)) {
                    Ok(found) => Step::Read(Read::range(stream, from, *count, found)),
                    Err(Some(Failure { code: NO_STREAM, .. })) => Step::Done(Reply::Entries(Vec::new())),
                    Err(failure) => Step::Done(refused(failure)),
                }
            }
            Request::Get { .. } => match stored(outcome) {
                Ok(Some(Stored { is_removal: false, data: value, sequence: revision, .. })) => {
                    Step::Done(Reply::Value { value, revision })
                }
                Ok(_) => Step::Done(Reply::Nothing),
                Err(failure) => failed(failure),
            },
            Request::Put { bucket, key, value, revision, .. } => {
                self.put(bucket, key, value, *revision, outcome)
            }
            Request::Delete { bucket, key, revision } => self.delete(bucket, key, *revision, outcome),
            _ => Step::Done(Reply::Refused(NO_COMMAND.to_owned())),
        }
    }

    fn put(
        &mut self,
        bucket: &Bucket,
        key: &str,
        value: &'a [u8],
        revision: u64,
        outcome: Outcome,
    ) -> Step<'a> {
        if let State::Looking = self.state {
            self.state = State::Replacing;
            return match stored(outcome) {
                Ok(Some(stored)) if stored.is_removal => put(bucket, key, value, stored.sequence),
                Ok(Some(_)) => Step::Done(Reply::Conflict),
                // It has expired meanwhile.
                Ok(None) => put(bucket, key, value, 0),
                Err(failure) => failed(failure),
            };
        }
        if matches!(outcome, Outcome::NoResponders) {
            return Step::Missing;
        }
        match outcome.json().and_then(|answer| number(&answer, "seq").map_err(Some)) {
            Ok(sequence) => Step::Done(Reply::Number(sequence)),
            Err(Some(failure)) if WRONG_SEQUENCE.contains(&failure.code) => {
                let is_first = matches!(self.state, State::Begun);
                match Store::bucket(bucket).zip(keys::subject(&bucket.name, key)) {
                    Some((store, subject)) if revision == 0 && is_first => {
                        self.state = State::Looking;
                        look(&store, &json!({ "last_by_subj": subject }))
                    }
                    _ => Step::Done(Reply::Conflict),
                }
            }
            Err(failure) => failed(failure),
        }
    }

    /// A value is removed by its sequence number, in one step, so that no other value can be removed. It leaves no message,
    /// which would count towards the size of the bucket. The number belongs to this key unless the bucket was made anew, which
    /// is checked before.
    fn delete(&mut self, bucket: &Bucket, key: &str, revision: u64, outcome: Outcome) -> Step<'a> {
        let Some(store) = Store::bucket(bucket) else { return Step::Missing };
        let number = json!({ "seq": revision, "no_erase": true });
        match std::mem::replace(&mut self.state, State::Removing) {
            State::Removing => match outcome.json() {
                Ok(_) => Step::Done(Reply::Number(revision)),
                Err(Some(failure)) if failure.code != NO_STREAM => {
                    self.state = State::Checking(failure);
                    look(&store, &json!({ "seq": revision }))
                }
                Err(failure) => failed(failure),
            },
            State::Checking(failure) => match stored(outcome) {
                Ok(None) => Step::Done(Reply::Conflict),
                _ => Step::Done(refused(Some(failure))),
            },
            _ => match stored(outcome) {
                Ok(Some(stored))
                    if !stored.is_removal
                        && Some(&stored.subject) == keys::subject(&bucket.name, key).as_ref() =>
                {
                    Step::Send(Outgoing::Ask(Ask::api(store.api("STREAM.MSG.DELETE"), &number)))
                }
                Ok(_) => Step::Done(Reply::Conflict),
                Err(failure) => failed(failure),
            },
        }
    }
}

/// The message of an answer, if there is one.
#[cfg(feature = "adapter")]
fn stored(outcome: Outcome) -> Result<Option<Stored>, Option<Failure>> {
    match outcome.json() {
        Ok(answer) => Ok(Some(Stored::decode(&answer)?)),
        Err(Some(Failure { code: NO_MESSAGE, .. })) => Ok(None),
        Err(failure) => Err(failure),
    }
}
