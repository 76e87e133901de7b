//! Requests of this node to other nodes: collected replies and outstanding nodes.

use std::collections::{BTreeSet, HashMap};
use std::sync::MutexGuard;
use std::time::Duration;

use engineio::sync::Mutex;
use serde::de::DeserializeOwned;
use socketio_cluster::{NodeId, RequestId, Room, SocketDetails};
use socketio_parser::{ArgError, RawArgs, RawValue};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::AdapterHealth;
use crate::acks::AckBudget;

/// The pending requests of one namespace.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<HashMap<RequestId, ReplyChannel>>);

/// Destination of the replies to a request.
#[derive(Clone, Debug)]
struct ReplyChannel {
    replies: mpsc::UnboundedSender<Reply>,
    /// Budget for acknowledgements of clients, if they are limited.
    budget: Option<AckBudget>,
}

/// A reply to a request.
#[derive(Debug)]
pub(super) enum Reply {
    /// The sockets of a node.
    Sockets(NodeId, Vec<SocketDetails>),
    /// The names of a node's rooms.
    Rooms(NodeId, Vec<Room>),
    /// Number of clients of the node that received the broadcast.
    Count(NodeId, usize),
    /// The answer of a server.
    Server(NodeId, Option<RawValue>),
    /// The acknowledgement of a client.
    Client(Option<RawValue>),
    /// The acknowledgement of a client, dropped because the budget was used up.
    Dropped,
    /// The node has left or timed out.
    NodeLost(NodeId),
}

/// The acknowledgement of a client, on this node or another one.
#[derive(Debug)]
pub(crate) enum Answer {
    Local(RawArgs),
    Remote(Option<RawValue>),
}

/// Outstanding replies to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExpectedReplies {
    /// Replies of these nodes.
    Nodes(BTreeSet<NodeId>),
    /// Replies of this number of nodes.
    Count(usize),
}

/// Answers that were gathered before all had arrived or the deadline passed.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    pub(crate) answers: Vec<T>,
    /// Number of missing answers.
    pub(crate) missing: usize,
    /// The nodes among them, if their names are known.
    pub(crate) silent: Vec<NodeId>,
    /// State of the link to the other nodes. If it is not connected the answers are not complete, even if
    /// none is missing.
    pub(crate) health: AdapterHealth,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl<T> Gathered<T> {
    /// Complete answers.
    pub(crate) fn of(answers: Vec<T>) -> Self {
        Self { answers, missing: 0, silent: Vec::new(), health: AdapterHealth::Connected }
    }

    /// The same result with other answers.
    pub(crate) fn with<U>(self, answers: impl FnOnce(Vec<T>) -> Vec<U>) -> Gathered<U> {
        let Self { missing, silent, health, .. } = self;
        Gathered { answers: answers(self.answers), missing, silent, health }
    }

    /// Whether no answer is missing, and none that this node does not expect.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0 && self.health.is_connected()
    }

    /// Adds the result of another namespace.
    pub(crate) fn add(&mut self, other: Self) {
        if self.answers.is_empty() {
            self.answers = other.answers;
        } else {
            self.answers.extend(other.answers);
        }
        self.missing = self.missing.saturating_add(other.missing);
        self.silent.extend(other.silent);
        self.health = self.health.worse(other.health);
    }
}

/// A pending request. Dropping it removes it from the table.
#[derive(Debug)]
pub(super) struct PendingRequest<'a> {
    requests: &'a Requests,
    id: RequestId,
    replies: mpsc::UnboundedReceiver<Reply>,
    expected: ExpectedReplies,
    /// State of the link, and its worst state at the beginning and the end of the request.
    link: watch::Receiver<AdapterHealth>,
    health: AdapterHealth,
}

impl Requests {
    /// Opens a request, before it is published.
    pub(super) fn open(
        &self,
        expected: ExpectedReplies,
        link: watch::Receiver<AdapterHealth>,
    ) -> PendingRequest<'_> {
        let id = RequestId::random();
        let (sender, replies) = mpsc::unbounded_channel();
        self.lock().insert(id.clone(), ReplyChannel { replies: sender, budget: None });
        let health = *link.borrow();
        PendingRequest { requests: self, id, replies, expected, link, health }
    }

    /// Whether this request is pending.
    pub(super) fn is_pending(&self, id: &RequestId) -> bool {
        self.lock().contains_key(id)
    }

    /// Number of pending requests.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Passes a reply to its request. A reply to an unknown or closed request is dropped.
    pub(super) fn reply(&self, request: &RequestId, reply: Reply) {
        let channel = self.lock().get(request).cloned();
        let Some(ReplyChannel { replies, budget }) = channel else { return };
        let fits = match (&reply, budget) {
            (Reply::Client(Some(answer)), Some(budget)) => {
                budget.take(answer.as_bytes().len(), answer.attachments())
            }
            _ => true,
        };
        // Sent after the table is unlocked, because it wakes the waiting task.
        let _ = replies.send(if fits { reply } else { Reply::Dropped });
    }

    /// Removes a lost node from all pending requests.
    pub(super) fn node_lost(&self, node: &NodeId) {
        let channels: Vec<_> = self.lock().values().cloned().collect();
        for channel in channels {
            let _ = channel.replies.send(Reply::NodeLost(node.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, ReplyChannel>> {
        self.0.lock()
    }
}

impl PendingRequest<'_> {
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Limits the acknowledgements of clients that arrive from now on.
    pub(super) fn limit(&self, budget: AckBudget) {
        if let Some(channel) = self.requests.lock().get_mut(&self.id) {
            channel.budget = Some(budget);
        }
    }

    /// Gathers one answer of each node.
    pub(super) async fn gather<T>(
        mut self,
        deadline: Instant,
        mut take: impl FnMut(Reply) -> Option<T>,
    ) -> Gathered<T> {
        let mut answers = Vec::new();
        while !self.expected.is_settled() {
            let Ok(Some(reply)) = tokio::time::timeout_at(deadline, self.replies.recv()).await else { break };
            if let Some(node) = reply.node() {
                self.expected.settle(node, matches!(reply, Reply::NodeLost(_)));
            }
            answers.extend(take(reply));
        }
        let (missing, silent) = self.expected.missing();
        Gathered { answers, missing, silent, health: self.health() }
    }

    /// State of the link during the request.
    fn health(&self) -> AdapterHealth {
        self.health.worse(*self.link.borrow())
    }

    /// The next acknowledgement of a client on another node; `Some(None)` is one that was dropped. Each node
    /// reports the number of its clients.
    async fn next_client(&mut self, remote_receivers: &mut usize) -> Option<Option<Answer>> {
        loop {
            match self.replies.recv().await? {
                Reply::Client(answer) => return Some(Some(Answer::Remote(answer))),
                Reply::Dropped => return Some(None),
                Reply::Count(node, count) => {
                    // The count comes from another process, so it may be wrong.
                    *remote_receivers = remote_receivers.saturating_add(count);
                    self.expected.settle(&node, false);
                }
                Reply::NodeLost(node) => self.expected.settle(&node, true),
                Reply::Sockets(..) | Reply::Rooms(..) | Reply::Server(..) => {}
            }
            if self.expected.is_settled() {
                return None;
            }
        }
    }
}

/// The deadline of a wait that starts now; 30 years ahead if `timeout` overflows.
pub(super) fn deadline(timeout: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + FAR)
}

/// Gathers the acknowledgements of a broadcast: from `receivers` clients of this node, and from the request
/// to other nodes. It ends when `wanted` of them have arrived, even if others are missing.
pub(super) async fn gather_clients(
    mut local: mpsc::UnboundedReceiver<RawArgs>,
    receivers: usize,
    remote: Option<PendingRequest<'_>>,
    wanted: usize,
    deadline: Instant,
) -> Gathered<Answer> {
    let mut answers = Vec::with_capacity(receivers.min(wanted));
    while answers.len() < receivers.min(wanted) {
        // When the last sender is dropped no more acknowledgements can arrive.
        let Ok(Some(args)) = tokio::time::timeout_at(deadline, local.recv()).await else { break };
        answers.push(Answer::Local(args));
    }
    let mut gathered = Gathered::of(answers);
    gathered.missing = receivers - gathered.answers.len();
    let Some(mut open) = remote else { return gathered };
    // Remote acknowledgements wait in their channel meanwhile.
    let (mut remote_receivers, mut received) = (0, 0);
    while gathered.answers.len() < wanted && (!open.expected.is_settled() || received < remote_receivers) {
        match tokio::time::timeout_at(deadline, open.next_client(&mut remote_receivers)).await {
            Ok(Some(answer)) => {
                received += 1;
                match answer {
                    Some(answer) => gathered.answers.push(answer),
                    None => gathered.missing = gathered.missing.saturating_add(1),
                }
            }
            Ok(None) => {}
            Err(_) => break,
        }
    }
    // A node that never reported its number of clients counts as one missing answer.
    let (nodes, silent) = open.expected.missing();
    let unanswered = remote_receivers.saturating_sub(received).saturating_add(nodes);
    gathered.missing = gathered.missing.saturating_add(unanswered);
    (gathered.silent, gathered.health) = (silent, open.health());
    gathered
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        let sender = self.requests.lock().remove(&self.id);
        drop(sender);
    }
}

impl Reply {
    fn node(&self) -> Option<&NodeId> {
        match self {
            Self::Sockets(node, _)
            | Self::Rooms(node, _)
            | Self::Count(node, _)
            | Self::Server(node, _)
            | Self::NodeLost(node) => Some(node),
            Self::Client(_) | Self::Dropped => None,
        }
    }
}

impl ExpectedReplies {
    fn len(&self) -> usize {
        match self {
            Self::Nodes(nodes) => nodes.len(),
            Self::Count(count) => *count,
        }
    }

    fn is_settled(&self) -> bool {
        self.len() == 0
    }

    fn settle(&mut self, node: &NodeId, lost: bool) {
        match self {
            Self::Nodes(nodes) => {
                nodes.remove(node);
            }
            // Counted nodes are not known by name, so a lost node cannot be distinguished from one that
            // joined later.
            Self::Count(_) if lost => {}
            Self::Count(count) => *count = count.saturating_sub(1),
        }
    }

    fn missing(&self) -> (usize, Vec<NodeId>) {
        match self {
            Self::Nodes(nodes) => (nodes.len(), nodes.iter().cloned().collect()),
            Self::Count(count) => (*count, Vec::new()),
        }
    }
}

impl Answer {
    /// The first argument, deserialized.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ArgError> {
        match self {
            Self::Local(args) => args.parse(0),
            Self::Remote(Some(value)) => value.parse(),
            Self::Remote(None) => RawArgs::empty().parse(0),
        }
    }
}
