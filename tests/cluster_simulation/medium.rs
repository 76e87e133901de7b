//! A medium in memory with virtual time: links are slow, are cut and return.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::cluster::{
    Adapter, AdapterError, AdapterErrorKind, AdapterHealth, BoxFuture, ClusterInbox, ClusterLink, EchoId,
    Message, NodeId, Offset, Presence,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::numbers::Numbers;

/// Behaviour of the medium: latency, losses and partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Messages to a node that is cut off are lost. The nodes detect each other by heartbeats.
    Heartbeats,
    /// The same, but the medium counts the nodes.
    Counted,
    /// The medium orders the operations and returns them to their nodes; a node that was cut off reads them later.
    Ordered,
}

/// The medium. Clones share it.
#[derive(Clone)]
pub(crate) struct Medium {
    kind: Kind,
    state: Arc<Mutex<State>>,
}

struct State {
    numbers: Numbers,
    ports: Vec<Arc<Port>>,
    offset: u128,
}

/// The end of the medium at one node.
pub(crate) struct Port {
    node: NodeId,
    state: Mutex<PortState>,
    changed: Notify,
    health: watch::Sender<AdapterHealth>,
}

struct PortState {
    queue: VecDeque<Post>,
    is_cut: bool,
    is_closed: bool,
    /// Maximum delay of a message to this node, in milliseconds.
    slowness: usize,
    cut_since: Instant,
    lost: u64,
}

#[derive(Clone)]
struct Post {
    at: Instant,
    from: NodeId,
    message: Message,
    offset: Option<Offset>,
    echo: Option<EchoId>,
}

struct PortLink {
    medium: Medium,
    port: Arc<Port>,
}

impl Medium {
    pub(crate) fn new(kind: Kind, numbers: Numbers) -> Self {
        let state = State { numbers, ports: Vec::new(), offset: 0 };
        Self { kind, state: Arc::new(Mutex::new(state)) }
    }

    /// The end of the node that joined last.
    pub(crate) fn newest(&self) -> Arc<Port> {
        Arc::clone(self.state.lock().unwrap().ports.last().unwrap())
    }

    /// The node has crashed.
    pub(crate) fn remove(&self, port: &Arc<Port>) {
        self.state.lock().unwrap().ports.retain(|other| !Arc::ptr_eq(other, port));
        port.state.lock().unwrap().is_closed = true;
        port.changed.notify_one();
    }

    fn send(
        &self,
        from: &Port,
        to: Option<&NodeId>,
        message: &Message,
        echo: Option<EchoId>,
    ) -> Result<(), AdapterError> {
        {
            let state = from.state.lock().unwrap();
            if state.is_cut || state.is_closed {
                return Err(AdapterError::of_kind(AdapterErrorKind::Down, "the link is cut"));
            }
        }
        let mut state = self.state.lock().unwrap();
        let offset = (self.kind == Kind::Ordered && is_ordered(message)).then(|| {
            state.offset += 1;
            Offset::new(state.offset, state.offset.to_string())
        });
        let State { numbers, ports, .. } = &mut *state;
        for port in ports.iter().filter(|port| to.is_none_or(|to| *to == port.node)) {
            if port.node != from.node || echo.is_some() {
                let (message, from, offset) = (message.clone(), from.node.clone(), offset.clone());
                let at = Instant::now();
                port.post(numbers, Post { at, from, message, offset, echo });
            }
        }
        Ok(())
    }
}

fn is_ordered(message: &Message) -> bool {
    matches!(
        message,
        Message::Broadcast { request: None, .. }
            | Message::SocketsJoin { .. }
            | Message::SocketsLeave { .. }
            | Message::DisconnectSockets { .. }
    )
}

impl Port {
    fn post(&self, numbers: &mut Numbers, mut post: Post) {
        let mut state = self.state.lock().unwrap();
        if state.is_cut && post.offset.is_none() {
            state.lost += 1;
            return;
        }
        let delay = numbers.milliseconds(state.slowness);
        // A message does not overtake an earlier one.
        post.at = state.queue.back().map_or(post.at + delay, |last| last.at.max(post.at + delay));
        state.queue.push_back(post);
        self.changed.notify_one();
    }

    /// Cuts the link. The node notices it after `notice`.
    pub(crate) fn cut(self: &Arc<Self>, notice: Duration) {
        {
            let mut state = self.state.lock().unwrap();
            if state.is_cut {
                return;
            }
            (state.is_cut, state.cut_since) = (true, Instant::now());
            let before = state.queue.len();
            state.queue.retain(|post| post.offset.is_some());
            state.lost += (before - state.queue.len()) as u64;
        }
        let port = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(notice).await;
            let since = port.state.lock().unwrap().cut_since;
            if port.is_cut() {
                port.health.send_replace(AdapterHealth::Down { since });
            }
        });
    }

    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().is_cut = false;
        self.health.send_replace(AdapterHealth::Connected);
        self.changed.notify_one();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.state.lock().unwrap().is_cut
    }

    pub(crate) fn set_slowness(&self, milliseconds: usize) {
        self.state.lock().unwrap().slowness = milliseconds;
    }

    /// The next message, when its time has come. `None` after a crash.
    async fn next(&self, inbox: &ClusterInbox) -> Option<Post> {
        loop {
            let changed = self.changed.notified();
            let (at, gap) = {
                let mut state = self.state.lock().unwrap();
                if state.is_closed {
                    return None;
                }
                let at = state.queue.front().filter(|_| !state.is_cut).map(|post| post.at);
                let lost = if state.is_cut { 0 } else { std::mem::take(&mut state.lost) };
                (at, (lost > 0).then(|| (state.cut_since.elapsed(), lost)))
            };
            if let Some((duration, lost)) = gap {
                inbox.gap(duration, Some(lost));
            }
            let Some(at) = at else {
                changed.await;
                continue;
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(at) => {
                    let mut state = self.state.lock().unwrap();
                    if !state.is_cut && state.queue.front().is_some_and(|post| post.at <= Instant::now()) {
                        return state.queue.pop_front();
                    }
                }
                () = changed => {}
            }
        }
    }
}

impl Adapter for Medium {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        let state = PortState {
            queue: VecDeque::new(),
            is_cut: false,
            is_closed: false,
            slowness: 20,
            cut_since: Instant::now(),
            lost: 0,
        };
        let port = Arc::new(Port {
            node: inbox.node().clone(),
            state: Mutex::new(state),
            changed: Notify::new(),
            health: watch::Sender::default(),
        });
        self.state.lock().unwrap().ports.push(Arc::clone(&port));
        let reading = Arc::clone(&port);
        tokio::spawn(async move {
            while let Some(post) = reading.next(&inbox).await {
                match post.echo.filter(|_| post.from == reading.node).zip(post.offset.clone()) {
                    Some((echo, offset)) => inbox.receive_echo(echo, &offset),
                    None => inbox.receive(post.from, post.message, post.offset).await,
                }
            }
        });
        Arc::new(PortLink { medium: self.clone(), port })
    }
}

impl ClusterLink for PortLink {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async { self.medium.send(&self.port, None, message, None) })
    }

    fn respond<'a>(
        &'a self,
        to: &'a NodeId,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.medium.send(&self.port, Some(to), message, None) })
    }

    fn echoes(&self, _: &Message) -> bool {
        self.medium.kind == Kind::Ordered
    }

    fn publish_echoed<'a>(
        &'a self,
        message: &'a Message,
        echo: EchoId,
    ) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move { self.medium.send(&self.port, None, message, Some(echo)) })
    }

    fn presence(&self) -> Presence {
        if self.medium.kind == Kind::Heartbeats { Presence::default() } else { Presence::Counted }
    }

    fn count_others(&self) -> BoxFuture<'_, Result<usize, AdapterError>> {
        Box::pin(async {
            // The number of subscribers: a node that is cut off is none.
            let ports = self.medium.state.lock().unwrap().ports.clone();
            Ok(ports.iter().filter(|port| !port.is_cut() && port.node != self.port.node).count())
        })
    }

    fn health(&self) -> watch::Receiver<AdapterHealth> {
        self.port.health.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.medium.remove(&self.port) })
    }
}
