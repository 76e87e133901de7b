//! The connection for commands. Messages are confirmed by the answer to a question behind them, and requests of JetStream by their
//! answers. The commands of a batch go through their steps together: the first requests of all are sent before the first answer is
//! awaited, then the second ones of those that need more. A command that depends on another one waits for its reply (`order.rs`).

mod order;
#[cfg(feature = "adapter")]
mod reads;
mod steps;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

#[cfg(feature = "adapter")]
use socketio_broker::driver::Request;
use socketio_broker::driver::{BoxError, BoxFuture, Command, Commands, Reply};
use tokio::time::Instant;

use self::steps::{Step, Work};
use super::error::DriverError;
use super::jetstream::answer::Failure;
use super::jetstream::store::{Found, Store};
use super::requests::{Outgoing, Requests, deadline};

/// A connection for commands.
pub(super) struct Publishing {
    requests: Requests,
    timeout: Duration,
    /// The streams that are known to be as they have to be. Their names are those of settings.
    opened: HashMap<String, (Store, Found)>,
}

impl Publishing {
    pub(super) fn new(requests: Requests, timeout: Duration) -> Self {
        Self { requests, timeout, opened: HashMap::new() }
    }

    async fn carry_out(&mut self, batch: &[&Command]) -> Result<Vec<Reply>, BoxError> {
        let deadline = deadline(self.timeout);
        let mut replies = Vec::with_capacity(batch.len());
        for part in order::parts(batch) {
            replies.extend(self.carry_out_together(&batch[part], deadline).await?);
        }
        Ok(replies)
    }

    async fn carry_out_together(
        &mut self,
        batch: &[&Command],
        deadline: Instant,
    ) -> Result<Vec<Reply>, DriverError> {
        let mut replies: Vec<Option<Reply>> = batch.iter().map(|_| None).collect();
        self.attempt(batch, &mut replies, deadline).await?;
        // A stream was removed since it was opened. Only entries behind which nothing was appended are appended again, so that
        // they stay in their order.
        let mut appended = HashSet::new();
        for (command, reply) in batch.iter().zip(&mut replies).rev() {
            let Ok(Some(store)) = store(command) else { continue };
            if let (Command::Append { .. }, Some(Reply::Text(_))) = (command, &reply) {
                appended.insert(store.name);
            } else if reply.is_none() {
                self.opened.remove(&store.name);
                if matches!(command, Command::Append { .. }) && appended.contains(&store.name) {
                    *reply = Some(gone(&store));
                }
            }
        }
        if replies.iter().any(Option::is_none) {
            self.attempt(batch, &mut replies, deadline).await?;
        }
        let last = |(command, reply): (&&Command, Option<Reply>)| {
            reply.unwrap_or_else(|| match store(command) {
                Ok(Some(store)) => gone(&store),
                _ => Reply::Refused(steps::NO_COMMAND.to_owned()),
            })
        };
        Ok(batch.iter().zip(replies).map(last).collect())
    }

    /// Carries out the commands that have no reply yet. There is still none where a stream is missing.
    async fn attempt(
        &mut self,
        batch: &[&Command],
        replies: &mut [Option<Reply>],
        deadline: Instant,
    ) -> Result<(), DriverError> {
        self.prepare(batch, replies, deadline).await?;
        let mut works: Vec<(usize, Work<'_>, Step<'_>)> = Vec::new();
        for (place, command) in batch.iter().enumerate().filter(|(place, _)| replies[*place].is_none()) {
            let opened = store(command).ok().flatten().and_then(|store| self.opened.get(&store.name));
            let (work, step) = Work::begin(command, opened);
            works.push((place, work, step));
        }
        while !works.is_empty() {
            let mut outgoing: Vec<Outgoing<'_>> = Vec::new();
            let mut sent = Vec::new();
            for (place, work, step) in works {
                match step {
                    Step::Send(message) => {
                        outgoing.push(message);
                        sent.push((place, work));
                    }
                    Step::Done(reply) => replies[place] = Some(reply),
                    Step::Missing => {}
                    #[cfg(feature = "adapter")]
                    Step::Read(read) => {
                        replies[place] = reads::carry_out(&mut self.requests, read, deadline).await?;
                    }
                }
            }
            let outcomes = self.requests.exchange(&outgoing, deadline).await?;
            works = Vec::with_capacity(sent.len());
            for ((place, mut work), outcome) in sent.into_iter().zip(outcomes) {
                let step = work.advance(outcome);
                works.push((place, work, step));
            }
        }
        Ok(())
    }

    /// Opens the streams that the commands need and that are not known yet. Commands whose stream cannot be opened are refused.
    async fn prepare(
        &mut self,
        batch: &[&Command],
        replies: &mut [Option<Reply>],
        deadline: Instant,
    ) -> Result<(), DriverError> {
        let mut failed: HashMap<String, Reply> = HashMap::new();
        for (command, reply) in batch.iter().zip(replies).filter(|(_, reply)| reply.is_none()) {
            let store = match store(command) {
                Ok(Some(store)) => store,
                Ok(None) => continue,
                Err(reason) => {
                    *reply = Some(Reply::Refused(reason.to_owned()));
                    continue;
                }
            };
            if self.opened.get(&store.name).is_some_and(|(opened, _)| *opened == store) {
                continue;
            }
            if let Some(failed) = failed.get(&store.name) {
                *reply = Some(failed.clone());
                continue;
            }
            match self.requests.open(&store, deadline).await? {
                Ok(found) => {
                    self.opened.insert(store.name.clone(), (store, found));
                }
                Err(failure) => {
                    let refused = refused(failure);
                    failed.insert(store.name, refused.clone());
                    *reply = Some(refused);
                }
            }
        }
        Ok(())
    }
}

impl Commands for Publishing {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
        Box::pin(self.carry_out(batch))
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.requests.connection.lost())
    }

    fn reason(&self) -> Option<String> {
        self.requests.connection.reason()
    }
}

/// The stream that a command needs, which is made if it is missing.
fn store(command: &Command) -> Result<Option<Store>, &'static str> {
    match command {
        Command::Append { stream, max_len, .. } => Ok(Some(Store::entries(stream, *max_len))),
        #[cfg(feature = "adapter")]
        Command::Request(
            Request::Get { bucket, .. }
            | Request::Put { bucket, .. }
            | Request::Delete { bucket, .. }
            | Request::List { bucket, .. },
        ) => match Store::bucket(bucket) {
            Some(store) => Ok(Some(store)),
            None => Err("the name of a bucket has ASCII letters, digits, `-` and `_`, at most 200"),
        },
        _ => Ok(None),
    }
}

/// The reply to a request that has failed, or has no answer in time.
fn refused(failure: Option<Failure>) -> Reply {
    failure.map_or(Reply::Lost, |failure| Reply::Refused(failure.text))
}

fn gone(store: &Store) -> Reply {
    Reply::Refused(format!("the stream {} of JetStream is gone, or has no leader", store.name))
}
