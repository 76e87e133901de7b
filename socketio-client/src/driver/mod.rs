//! Task of a manager. It owns the connection. The order of a turn:
//!
//! 1. After a signal, the requests of the application: disconnected sockets are reported to their handlers,
//!    active ones join their namespaces, the connection is opened for the first active socket or for
//!    [`Manager::open`](crate::Manager::open), and closed after the last socket. Unused namespaces are
//!    removed.
//! 2. Handlers that wait continue.
//! 3. CONNECT packets are sent whose credentials are ready.
//! 4. Events are sent again whose acknowledgement is late, and events for which the outbox was full.
//! 5. The connection: one step of opening it, or one message.
//!
//! [`Socket::connect`](crate::Socket::connect) spawns the task. It ends when no socket is active and no
//! handler waits.

mod backoff;
mod connection;
mod dispatch;
mod incoming;
mod join;
mod pending;
mod reconnect;
mod v2;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use engineio::client::{Closed, Event, Sender};
use socketio_events::handler::Running;
use socketio_parser::ConnectionDecoder;
use tokio::time::{Instant, Sleep};

use self::backoff::Backoff;
use self::connection::{Connection, ConnectionEvent};
use self::join::{Credentials, PendingConnect};
use self::pending::PendingFutures;
use self::v2::Root;
use crate::disconnect_reason::DisconnectReason;
use crate::manager_event::ManagerEvent;
use crate::namespace::state::Notice;
use crate::socket::{ManagerShared, Namespace};

/// Spawns the task.
pub(crate) fn start(shared: Arc<ManagerShared>) {
    tokio::spawn(Driver::new(shared));
}

/// Waits until the outbox of the connection has capacity.
type OutboxCapacity = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Driver {
    shared: Arc<ManagerShared>,
    connection: Connection,
    decoder: ConnectionDecoder,
    backoff: Backoff,
    /// Whether the current attempt follows a lost connection or a failed attempt.
    reconnecting: bool,
    /// Value of [`ManagerShared::idle_count`](crate::shared::ManagerShared::idle_count) that this
    /// task has handled.
    idle_count: u64,
    /// Used with servers of Socket.IO v2 only.
    root: Root,
    /// Handlers that wait.
    handlers: PendingFutures<Running<Arc<Namespace>>>,
    /// Credentials that functions of the application are providing.
    credentials: PendingFutures<PendingConnect>,
    /// Timer of the next deadline of an acknowledgement, with retries.
    ack_timer: Option<Pin<Box<Sleep>>>,
    outbox_capacity: Option<OutboxCapacity>,
    /// Set before the task completes, after which another task may exist.
    completed: bool,
}

/// Event that a turn handles.
enum DriverEvent {
    Signal,
    Credentials(Credentials),
    AckTimeout,
    OutboxCapacity,
    Connection(ConnectionEvent),
}

/// Written by hand, because the future of an async function would contain the driver twice: as argument and
/// as variable.
impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let idle = this.connection.is_closed() && (this.handlers.is_empty() || this.shared.is_orphaned());
            if idle && !this.shared.is_needed() && this.shared.stop() {
                this.completed = true;
                return Poll::Ready(());
            }
            match ready!(this.poll_turn(cx)) {
                DriverEvent::Signal => this.handle_requests(),
                DriverEvent::Credentials(credentials) => this.send_connect(credentials),
                DriverEvent::AckTimeout => {
                    let now = Instant::now();
                    this.shared.namespaces().iter().for_each(|namespace| namespace.expire(now));
                    this.flush();
                }
                DriverEvent::OutboxCapacity => this.flush(),
                DriverEvent::Connection(event) => this.handle_connection_event(event),
            }
        }
    }
}

impl Driver {
    fn new(shared: Arc<ManagerShared>) -> Self {
        let decoder = shared.config.parser.decoder(shared.config.limits);
        let idle_count = shared.idle_count();
        Self {
            shared,
            connection: Connection::Closed,
            decoder,
            backoff: Backoff::default(),
            reconnecting: false,
            idle_count,
            root: Root::default(),
            handlers: PendingFutures::default(),
            credentials: PendingFutures::default(),
            ack_timer: None,
            outbox_capacity: None,
            completed: false,
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<DriverEvent> {
        if self.shared.wakeup.poll_signal(cx).is_ready() {
            return Poll::Ready(DriverEvent::Signal);
        }
        while let Poll::Ready(Some(outcome)) = self.handlers.poll_next(cx) {
            if let Some((namespace, failure)) = outcome {
                self.report_failure(&namespace, failure);
            }
        }
        if let Poll::Ready(Some(credentials)) = self.credentials.poll_next(cx) {
            return Poll::Ready(DriverEvent::Credentials(credentials));
        }
        if self.ack_timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
            self.ack_timer = None;
            return Poll::Ready(DriverEvent::AckTimeout);
        }
        if self.outbox_capacity.as_mut().is_some_and(|capacity| capacity.as_mut().poll(cx).is_ready()) {
            self.outbox_capacity = None;
            return Poll::Ready(DriverEvent::OutboxCapacity);
        }
        let reading = self.has_capacity();
        match self.connection.poll(reading, cx) {
            Poll::Ready(event) => Poll::Ready(DriverEvent::Connection(event)),
            // The last handler may have completed in this turn, so that the task has to end.
            Poll::Pending
                if self.connection.is_closed() && self.handlers.is_empty() && !self.shared.is_needed() =>
            {
                Poll::Ready(DriverEvent::Signal)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether the application can take another message.
    fn has_capacity(&self) -> bool {
        self.handlers.len() < self.shared.config.max_waiting_handlers
            && self.shared.full_inboxes.load(Ordering::Relaxed) == 0
    }

    /// Handles the requests of the application.
    fn handle_requests(&mut self) {
        for namespace in self.shared.namespaces() {
            for notice in namespace.take_notices() {
                match notice {
                    Notice::Disconnect(reason) => {
                        self.track_disconnect(&namespace);
                        self.dispatch_disconnect(&namespace, &reason);
                    }
                    Notice::End => self.dispatch_end(&namespace),
                }
            }
        }
        let idle_count = self.shared.idle_count();
        if idle_count != self.idle_count {
            self.idle_count = idle_count;
            self.backoff.reset();
            self.reconnecting = false;
            self.credentials.clear();
            self.connection.close();
            self.shared.set_open(!self.connection.is_closed());
        }
        match &self.connection {
            Connection::Closed if self.shared.is_needed() => self.open(),
            Connection::Open(_) if !self.shared.is_needed() => self.connection.close(),
            Connection::Open(_) => self.join_namespaces(),
            _ => {}
        }
        self.shared.set_open(!self.connection.is_closed());
        if !matches!(self.connection, Connection::Open(_)) {
            // Pending replies do not arrive any more.
            self.shared.namespaces().iter().for_each(|namespace| namespace.reset_reply());
        }
        drop(self.shared.take_unused());
        self.flush();
    }

    fn open(&mut self) {
        let timeout = *self.shared.connect_timeout.lock();
        self.connection = Connection::open(self.shared.engine.clone(), timeout);
        self.shared.set_open(true);
    }

    /// Drops a packet whose last attachment has not arrived.
    fn reset_decoder(&mut self) {
        self.decoder = self.shared.config.parser.decoder(self.shared.config.limits);
    }

    /// Sends buffered and queued events of all namespaces.
    fn flush(&mut self) {
        let mut outbox_full = false;
        for namespace in self.shared.namespaces() {
            outbox_full |= namespace.flush();
        }
        let full = self.connection.sender().filter(|_| outbox_full);
        self.outbox_capacity = full.map(|connection| Box::pin(outbox_flushed(connection)) as OutboxCapacity);
        self.set_ack_timer();
    }

    fn set_ack_timer(&mut self) {
        if !self.shared.retrying.load(Ordering::Relaxed) {
            return;
        }
        let first = self.shared.namespaces().iter().filter_map(|namespace| namespace.deadline()).min();
        self.ack_timer = first.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    }

    fn handle_connection_event(&mut self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::AttemptDue => {
                self.shared.emit_event(&ManagerEvent::ReconnectAttempt(self.backoff.attempts()));
                // A hook may have disconnected the last socket.
                self.connection = Connection::Closed;
                self.handle_requests();
            }
            ConnectionEvent::Opened(Ok(client)) => {
                self.reset_decoder();
                self.root = Root::default();
                self.shared.namespaces().iter().for_each(|namespace| namespace.reset_reply());
                self.shared.set_engine(Some((client.sid().clone(), client.transport())));
                self.connection = Connection::Open(client);
                self.shared.emit_event(&ManagerEvent::Open);
                let attempts = self.backoff.attempts();
                self.backoff.reset();
                if std::mem::take(&mut self.reconnecting) {
                    self.shared.emit_event(&ManagerEvent::Reconnect(attempts));
                }
                self.handle_requests();
            }
            ConnectionEvent::Opened(Err(error)) => self.attempt_failed(&error),
            ConnectionEvent::Engine(Event::Message(message)) => {
                if matches!(self.connection, Connection::Open(_)) {
                    if let Err(error) = self.receive(message) {
                        self.connection_lost(DisconnectReason::ParseError(error));
                    }
                }
            }
            ConnectionEvent::Engine(Event::Upgraded) => {
                self.shared.engine_upgraded();
                self.shared.emit_event(&ManagerEvent::Upgraded);
            }
            ConnectionEvent::Engine(Event::Ping) => self.shared.emit_event(&ManagerEvent::Ping),
            ConnectionEvent::Engine(Event::UpgradeFailed(error)) => {
                self.shared.emit_event(&ManagerEvent::UpgradeFailed(error));
            }
            ConnectionEvent::Engine(_) => {}
            ConnectionEvent::Ended(closed) => self.connection_ended(closed),
        }
    }

    fn connection_ended(&mut self, closed: Closed) {
        if matches!(self.connection, Connection::Closing(_)) {
            self.connection = Connection::Closed;
            self.shared.set_open(false);
            self.shared.emit_event(&ManagerEvent::Close(DisconnectReason::ClientDisconnect));
            self.handle_requests();
        } else {
            self.connection_lost(closed.into());
        }
    }
}

/// Handles a task that is dropped before it completes: by a runtime that shuts down, or by the panic of a
/// hook.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.completed {
            return;
        }
        for namespace in self.shared.namespaces() {
            if namespace.lock().is_active() && !self.shared.is_orphaned() {
                namespace.lose(false);
                self.dispatch_end(&namespace);
            }
        }
        self.shared.set_open(false);
        self.shared.stopped();
    }
}

async fn outbox_flushed(connection: Sender) {
    // After an error the task finds out the state of the connection itself.
    let _ = connection.flushed().await;
}
