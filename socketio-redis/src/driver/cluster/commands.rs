//! Commands for the servers of a cluster: each goes to the server that has its slot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use socketio_broker::driver::{BoxError, BoxFuture, Command, Commands, Reply};

use super::super::DriverError;
use super::super::address::Address;
use super::super::redis::{Connected, Packed, reply_to, to_redis};
use super::join::join_all;
use super::nodes::Nodes;
use super::slots::{Redirection, slot};
#[cfg(feature = "adapter")]
use socketio_broker::driver::Request;

/// Maximum number of times that a command is sent elsewhere.
const MAX_REDIRECTIONS: usize = 5;

/// The purpose of the connections.
const PURPOSE: &str = "publish";

/// Connections to the servers that have been needed.
pub(super) struct ClusterCommands {
    nodes: Arc<Nodes>,
    /// The server for what any of them can do.
    home: Address,
    open: HashMap<Address, Connected>,
}

/// Which server a command needs.
enum Route {
    Any,
    Slot(u16),
    /// Each has a part of the answer.
    #[cfg(feature = "adapter")]
    All,
}

/// Result of commands at a server.
enum Outcome {
    Answered(Vec<Value>),
    /// It was not reached.
    Unsent(DriverError),
    /// Nothing is known.
    Lost(DriverError),
}

impl ClusterCommands {
    pub(super) async fn open(nodes: &Arc<Nodes>) -> Result<Self, DriverError> {
        let (home, connected) = nodes.open_any(PURPOSE, |_| {}).await?;
        Ok(Self { nodes: Arc::clone(nodes), open: HashMap::from([(home.clone(), connected)]), home })
    }

    async fn run(&mut self, batch: &[&Command]) -> Result<Vec<Reply>, DriverError> {
        self.open.retain(|_, open| !open.has_ended());
        let mut replies: Vec<Option<Reply>> = vec![None; batch.len()];
        let mut waiting: Vec<usize> = (0..batch.len()).collect();
        let mut has_moved = false;
        for _ in 0..=MAX_REDIRECTIONS {
            let groups = self.groups(batch, std::mem::take(&mut waiting), &mut replies).await;
            let mut asks = Vec::new();
            for (address, numbers, outcome) in self.exchange(batch, groups).await {
                match outcome {
                    Outcome::Answered(values) => {
                        for (number, value) in numbers.into_iter().zip(values) {
                            let redirection = match &value {
                                Value::ServerError(error) => Redirection::read(error, &address),
                                _ => None,
                            };
                            match redirection {
                                None => merge(&mut replies[number], reply_to(batch[number], value)),
                                Some(Redirection::Moved(slot, owner)) => {
                                    self.nodes.moved(slot, &owner);
                                    waiting.push(number);
                                    has_moved = true;
                                }
                                Some(Redirection::Ask(place)) => asks.push((number, place)),
                            }
                        }
                    }
                    Outcome::Unsent(error) | Outcome::Lost(error) if address == self.home => {
                        return Err(error);
                    }
                    outcome => {
                        for number in numbers {
                            let reply = match (route(batch[number]), &outcome) {
                                // The subscribers of a server that is gone are gone too.
                                #[cfg(feature = "adapter")]
                                (Route::All, _) => Reply::Number(0),
                                (_, Outcome::Unsent(error)) => Reply::Refused(error.to_string()),
                                _ => Reply::Lost,
                            };
                            merge(&mut replies[number], reply);
                        }
                        self.nodes.refresh().await;
                    }
                }
            }
            asks.sort_by_key(|(number, _)| *number);
            for (number, place) in asks {
                replies[number] = Some(self.ask(batch[number], &place).await);
            }
            if waiting.is_empty() {
                break;
            }
            // In their order, as far as they have the same owner.
            waiting.sort_unstable();
        }
        if has_moved {
            // Other slots have moved too, as a rule.
            self.nodes.refresh().await;
        }
        let or_refused = |reply: Option<Reply>| {
            reply.unwrap_or_else(|| {
                Reply::Refused("the servers of the cluster disagree on the slot".to_owned())
            })
        };
        Ok(replies.into_iter().map(or_refused).collect())
    }

    /// The commands of each server, in their order.
    async fn groups(
        &self,
        batch: &[&Command],
        waiting: Vec<usize>,
        replies: &mut [Option<Reply>],
    ) -> BTreeMap<Address, Vec<usize>> {
        let mut groups = BTreeMap::<Address, Vec<usize>>::new();
        for number in waiting {
            match route(batch[number]) {
                Route::Any => groups.entry(self.home.clone()).or_default().push(number),
                Route::Slot(slot) => match self.nodes.owner(slot).await {
                    Ok(owner) => groups.entry(owner).or_default().push(number),
                    Err(error) => replies[number] = Some(Reply::Refused(error.to_string())),
                },
                #[cfg(feature = "adapter")]
                Route::All => {
                    for server in self.nodes.all() {
                        groups.entry(server).or_default().push(number);
                    }
                }
            }
        }
        groups
    }

    /// Sends the commands of all servers at the same time.
    async fn exchange(
        &mut self,
        batch: &[&Command],
        groups: BTreeMap<Address, Vec<usize>>,
    ) -> Vec<(Address, Vec<usize>, Outcome)> {
        let exchanges = groups.into_iter().map(|(address, numbers)| {
            let (nodes, open) = (&self.nodes, self.open.remove(&address));
            let exchange = async move {
                let commands: Vec<&Command> = numbers.iter().map(|number| batch[*number]).collect();
                let packed = Packed::new(&commands);
                let (connected, outcome) = exchange(nodes, &address, open, &packed.pipeline).await;
                let outcome = match outcome {
                    Outcome::Answered(values) => packed
                        .unpack(values)
                        .map_or(Outcome::Lost(DriverError::Answer("EXEC")), Outcome::Answered),
                    outcome => outcome,
                };
                (address, numbers, connected, outcome)
            };
            Box::pin(exchange) as BoxFuture<'_, (Address, Vec<usize>, Option<Connected>, Outcome)>
        });
        let exchanged = join_all(exchanges.collect()).await;
        let mut outcomes = Vec::with_capacity(exchanged.len());
        for (address, numbers, connected, outcome) in exchanged {
            if let Some(connected) = connected {
                self.open.insert(Address::clone(&address), connected);
            }
            outcomes.push((address, numbers, outcome));
        }
        outcomes
    }

    /// Sends a command to a server that is about to have its slot.
    async fn ask(&mut self, command: &Command, place: &Address) -> Reply {
        self.nodes.redirected();
        let mut asking = Cmd::new();
        asking.arg("ASKING");
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(asking).add_command(to_redis(command));
        let open = self.open.remove(place);
        let (connected, outcome) = exchange(&self.nodes, place, open, &pipeline).await;
        if let Some(connected) = connected {
            self.open.insert(place.clone(), connected);
        }
        match outcome {
            Outcome::Answered(mut values) => {
                values.pop().map_or(Reply::Lost, |value| reply_to(command, value))
            }
            Outcome::Unsent(error) => Reply::Refused(error.to_string()),
            Outcome::Lost(_) => Reply::Lost,
        }
    }
}

/// Sends commands to a server, on a connection that is opened if there is none.
async fn exchange(
    nodes: &Nodes,
    address: &Address,
    open: Option<Connected>,
    pipeline: &Pipeline,
) -> (Option<Connected>, Outcome) {
    let mut connected = match open {
        Some(connected) => connected,
        None => match nodes.open(address, PURPOSE, Duration::ZERO, |_| {}).await {
            Ok(connected) => connected,
            Err(error) => return (None, Outcome::Unsent(error)),
        },
    };
    match tokio::time::timeout(nodes.timeout(), connected.pipelined(pipeline)).await {
        Ok(Ok(values)) => (Some(connected), Outcome::Answered(values)),
        Ok(Err(error)) => (None, Outcome::Lost(error)),
        Err(_) => (None, Outcome::Lost(DriverError::new("no answer in time"))),
    }
}

/// Adds the answer of one server to those of others.
fn merge(reply: &mut Option<Reply>, other: Reply) {
    *reply = Some(match (reply.take(), other) {
        (Some(Reply::Number(one)), Reply::Number(other)) => Reply::Number(one.saturating_add(other)),
        (Some(number @ Reply::Number(_)), _) => number,
        (_, other) => other,
    });
}

fn route(command: &Command) -> Route {
    let of_channel = |channel: &str, sharded: bool| {
        if sharded { Route::Slot(slot(channel.as_bytes())) } else { Route::Any }
    };
    match command {
        Command::Publish { channel, sharded, .. } => of_channel(channel, *sharded),
        // Refused by any.
        Command::Store { .. } => Route::Any,
        Command::Append { stream, .. } => Route::Slot(slot(stream.as_bytes())),
        #[cfg(feature = "adapter")]
        Command::Request(request) => match request {
            Request::Probe { channel, sharded } => of_channel(channel, *sharded),
            Request::Subscribers { sharded: false, .. } => Route::All,
            Request::Subscribers { channel, .. } => Route::Slot(slot(channel.as_bytes())),
            Request::Range { stream, .. } => Route::Slot(slot(stream.as_bytes())),
            Request::Script { keys, .. } => {
                keys.first().map_or(Route::Any, |key| Route::Slot(slot(key.as_bytes())))
            }
            // Refused by any.
            Request::Get { .. } | Request::Put { .. } | Request::Delete { .. } | Request::List { .. } => {
                Route::Any
            }
        },
    }
}

impl Commands for ClusterCommands {
    fn send<'a>(&'a mut self, batch: &'a [&'a Command]) -> BoxFuture<'a, Result<Vec<Reply>, BoxError>> {
        Box::pin(async move { Ok(self.run(batch).await?) })
    }

    fn lost(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(home) = self.open.get(&self.home) {
                home.ended().await;
            }
        })
    }
}
