//! Requests of this node that others answer: who still owes an answer, and who never will.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::{ArgError, RawArgs, RawValue};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::details::SocketDetails;
use crate::id::{NodeId, RequestId};

/// The open requests of one namespace.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<HashMap<RequestId, mpsc::UnboundedSender<Reply>>>);

/// What a request brings.
#[derive(Debug)]
pub(super) enum Reply {
    /// The node's sockets.
    Sockets(NodeId, Vec<SocketDetails>),
    /// How many clients of the node were asked.
    Count(NodeId, usize),
    /// A server's answer.
    Server(NodeId, Option<RawValue>),
    /// A client's answer.
    Client(Option<RawValue>),
    /// The node is gone.
    Lost(NodeId),
}

/// The answer of a client of this node or another one.
#[derive(Debug)]
pub(crate) enum Answer {
    Here(RawArgs),
    Elsewhere(Option<RawValue>),
}

/// Who has to answer a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owing {
    /// These nodes.
    Nodes(BTreeSet<NodeId>),
    /// So many nodes.
    Count(usize),
}

/// What was gathered until everybody had answered or the time was over.
#[derive(Debug)]
pub(crate) struct Gathered<T> {
    pub(crate) answers: Vec<T>,
    /// How many did not answer.
    pub(crate) missing: usize,
    /// The nodes among them, as far as their names are known.
    pub(crate) silent: Vec<NodeId>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self { answers: Vec::new(), missing: 0, silent: Vec::new() }
    }
}

impl<T> Gathered<T> {
    /// Adds what was gathered elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.answers.extend(other.answers);
        self.missing = self.missing.saturating_add(other.missing);
        self.silent.extend(other.silent);
    }
}

/// An open request. Dropping it closes it.
#[derive(Debug)]
pub(super) struct Open<'a> {
    requests: &'a Requests,
    id: RequestId,
    replies: mpsc::UnboundedReceiver<Reply>,
    owing: Owing,
}

impl Requests {
    /// Opens a request, before it is published.
    pub(super) fn open(&self, owing: Owing) -> Open<'_> {
        let id = RequestId::random();
        let (sender, replies) = mpsc::unbounded_channel();
        self.lock().insert(id.clone(), sender);
        Open { requests: self, id, replies, owing }
    }

    /// A reply came. One to a request that is closed, or was never made, is dropped.
    pub(super) fn reply(&self, request: &RequestId, reply: Reply) {
        if let Some(sender) = self.lock().get(request) {
            let _ = sender.send(reply);
        }
    }

    /// A node is gone: nobody waits for it any more.
    pub(super) fn lost(&self, node: &NodeId) {
        for sender in self.lock().values() {
            let _ = sender.send(Reply::Lost(node.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, mpsc::UnboundedSender<Reply>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open<'_> {
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// One answer of each node.
    pub(super) async fn gather<T>(
        mut self,
        deadline: Instant,
        mut take: impl FnMut(Reply) -> Option<T>,
    ) -> Gathered<T> {
        let mut answers = Vec::new();
        while !self.owing.is_settled() {
            let Ok(Some(reply)) = tokio::time::timeout_at(deadline, self.replies.recv()).await else { break };
            if let Some(node) = reply.node() {
                self.owing.settle(node, matches!(reply, Reply::Lost(_)));
            }
            answers.extend(take(reply));
        }
        let (missing, silent) = self.owing.rest();
        Gathered { answers, missing, silent }
    }

    /// The answers of other nodes' clients, of which there are as many as these nodes say.
    async fn next_client(&mut self, expected: &mut usize) -> Option<Answer> {
        loop {
            match self.replies.recv().await? {
                Reply::Client(answer) => return Some(Answer::Elsewhere(answer)),
                Reply::Count(node, count) => {
                    // Another process says so.
                    *expected = expected.saturating_add(count);
                    self.owing.settle(&node, false);
                }
                Reply::Lost(node) => self.owing.settle(&node, true),
                Reply::Sockets(..) | Reply::Server(..) => {}
            }
            if self.owing.is_settled() {
                return None;
            }
        }
    }
}

/// When a wait that begins now and takes so long is over; in thirty years, if that cannot be said.
pub(super) fn deadline(timeout: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + FAR)
}

/// Gathers the answers to a broadcast: of the `asked` clients of this node, and those of a request to the others.
pub(super) async fn gather_clients(
    mut here: mpsc::UnboundedReceiver<RawArgs>,
    asked: usize,
    elsewhere: Option<Open<'_>>,
    deadline: Instant,
) -> Gathered<Answer> {
    let mut answers = Vec::with_capacity(asked);
    while answers.len() < asked {
        // When the last sender is gone no more answers can come.
        let Ok(Some(args)) = tokio::time::timeout_at(deadline, here.recv()).await else { break };
        answers.push(Answer::Here(args));
    }
    let mut missing = asked - answers.len();
    let Some(mut open) = elsewhere else { return Gathered { answers, missing, silent: Vec::new() } };
    // The others' answers wait in their channel meanwhile.
    let (mut expected, mut came) = (0, 0);
    while !open.owing.is_settled() || came < expected {
        match tokio::time::timeout_at(deadline, open.next_client(&mut expected)).await {
            Ok(Some(answer)) => {
                came += 1;
                answers.push(answer);
            }
            Ok(None) => {}
            Err(_) => break,
        }
    }
    // A node that never said how many clients it asked counts as one that is missing.
    let (nodes, silent) = open.owing.rest();
    missing = missing.saturating_add(expected.saturating_sub(came)).saturating_add(nodes);
    Gathered { answers, missing, silent }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.requests.lock().remove(&self.id);
    }
}

impl Reply {
    fn node(&self) -> Option<&NodeId> {
        match self {
            Self::Sockets(node, _) | Self::Count(node, _) | Self::Server(node, _) | Self::Lost(node) => {
                Some(node)
            }
            Self::Client(_) => None,
        }
    }
}

impl Owing {
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
            // Who was counted is not known by name, so a node that goes away cannot be told from one that came later.
            Self::Count(_) if lost => {}
            Self::Count(count) => *count = count.saturating_sub(1),
        }
    }

    fn rest(&self) -> (usize, Vec<NodeId>) {
        match self {
            Self::Nodes(nodes) => (nodes.len(), nodes.iter().cloned().collect()),
            Self::Count(count) => (*count, Vec::new()),
        }
    }
}

impl Answer {
    /// The first argument.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ArgError> {
        match self {
            Self::Here(args) => args.parse(0),
            Self::Elsewhere(Some(value)) => value.parse(),
            Self::Elsewhere(None) => RawArgs::empty().parse(0),
        }
    }
}
