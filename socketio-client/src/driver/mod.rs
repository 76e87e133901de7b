//! The task behind a manager. It owns the connection, and its turn is:
//!
//! 1. If the bell rang: what the application wants. Who left is told so, who wants to join asks the server, the
//!    connection is opened for the first and closed behind the last. Namespaces that nobody needs are forgotten.
//! 2. Handlers that wait for something go on.
//! 3. Credentials that are ready leave in a CONNECT packet.
//! 4. Events whose answer is late are sent again, and those for which there was no room.
//! 5. The connection: one step of its being opened, or one message.
//!
//! It begins with [`Socket::connect`](crate::Socket::connect), and ends when nobody wants to be connected and no handler
//! is at work.

mod crowd;
mod incoming;
mod join;
mod link;
mod lost;
mod old;
mod tell;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use engineio::client::{Closed, Event, Sender};
use socketio_events::handler::Running;
use socketio_parser::Decoder;
use tokio::time::{Instant, Sleep};

use self::crowd::Crowd;
use self::join::{Credentials, Joining};
use self::link::{Link, LinkEvent};
use self::old::Root;
use crate::backoff::Backoff;
use crate::disconnect_reason::DisconnectReason;
use crate::error::ProtocolError;
use crate::manager_event::ManagerEvent;
use crate::socket::{Hub, Notice, Space};

/// Begins the task.
pub(crate) fn start(hub: Arc<Hub>) {
    tokio::spawn(Driver::new(hub));
}

/// Waits for room in the connection's outbox.
type Room = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Driver {
    hub: Arc<Hub>,
    link: Link,
    decoder: Decoder,
    backoff: Backoff,
    /// Whether the connection that is waited for or opened follows another one, or an attempt that failed.
    reconnecting: bool,
    /// How often nobody wanted to be connected, as far as this task has seen.
    lulls: u64,
    /// Meaningful with servers of Socket.IO v2 only.
    root: Root,
    works: Crowd<Running<Arc<Space>>>,
    joining: Crowd<Joining>,
    /// When the first answer is late.
    late: Option<Pin<Box<Sleep>>>,
    room: Option<Room>,
    /// Another task may have begun in place of this one.
    done: bool,
}

/// What a turn came upon.
enum Happened {
    Rung,
    Credentials(Credentials),
    Late,
    Room,
    Link(LinkEvent),
}

/// By hand, because an async function would hold the driver twice: as its argument and as its variable.
impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let idle = this.link.is_closed() && (this.works.is_empty() || this.hub.is_orphaned());
            if idle && !this.hub.is_wanted() && this.hub.stop() {
                this.done = true;
                return Poll::Ready(());
            }
            match ready!(this.poll_turn(cx)) {
                Happened::Rung => this.look_around(),
                Happened::Credentials(credentials) => this.ask(credentials),
                Happened::Late => {
                    let now = Instant::now();
                    this.hub.spaces().iter().for_each(|space| space.expire(now));
                    this.flush();
                }
                Happened::Room => this.flush(),
                Happened::Link(event) => this.step(event),
            }
        }
    }
}

impl Driver {
    fn new(hub: Arc<Hub>) -> Self {
        let decoder = hub.config.parser.decoder(hub.config.limits);
        let lulls = hub.lulls();
        Self {
            hub,
            link: Link::Closed,
            decoder,
            backoff: Backoff::default(),
            reconnecting: false,
            lulls,
            root: Root::default(),
            works: Crowd::default(),
            joining: Crowd::default(),
            late: None,
            room: None,
            done: false,
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        if self.hub.bell.poll_rung(cx).is_ready() {
            return Poll::Ready(Happened::Rung);
        }
        while let Poll::Ready(Some(done)) = self.works.poll_next(cx) {
            if let Some((space, failure)) = done {
                self.tell_failure(&space, failure);
            }
        }
        if let Poll::Ready(Some(credentials)) = self.joining.poll_next(cx) {
            return Poll::Ready(Happened::Credentials(credentials));
        }
        if self.late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready()) {
            self.late = None;
            return Poll::Ready(Happened::Late);
        }
        if self.room.as_mut().is_some_and(|room| room.as_mut().poll(cx).is_ready()) {
            self.room = None;
            return Poll::Ready(Happened::Room);
        }
        let reading = self.has_room();
        match self.link.poll(reading, cx) {
            Poll::Ready(event) => Poll::Ready(Happened::Link(event)),
            // What handlers have done in the meantime may leave nothing to wait for.
            Poll::Pending if self.link.is_closed() && self.works.is_empty() && !self.hub.is_wanted() => {
                Poll::Ready(Happened::Rung)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether the application keeps up with what comes.
    fn has_room(&self) -> bool {
        self.works.len() < self.hub.config.max_waiting_handlers && !self.hub.is_backed_up()
    }

    // What the application wants.

    fn look_around(&mut self) {
        for space in self.hub.spaces() {
            for notice in space.take_notices() {
                match notice {
                    Notice::Disconnect(reason) => {
                        self.note_left(&space);
                        self.tell_disconnect(&space, &reason);
                    }
                    Notice::End => self.tell_end(&space),
                }
            }
        }
        let lulls = self.hub.lulls();
        if lulls != self.lulls {
            self.lulls = lulls;
            self.backoff.reset();
            self.reconnecting = false;
            self.joining.clear();
            self.link.close();
            self.hub.set_open(!self.link.is_closed());
        }
        match &self.link {
            Link::Closed if self.hub.is_wanted() => self.open(),
            Link::Open(_) if !self.hub.is_wanted() => self.link.close(),
            Link::Open(_) => self.join(),
            _ => {}
        }
        self.hub.set_open(!self.link.is_closed());
        if !matches!(self.link, Link::Open(_)) {
            // Nothing is answered any more.
            self.hub.spaces().iter().for_each(|space| space.start_over());
        }
        drop(self.hub.take_forgotten());
        self.flush();
    }

    fn open(&mut self) {
        self.link = Link::open(self.hub.engine.clone(), self.hub.config.connect_timeout);
        self.hub.set_open(true);
    }

    /// Sends what waits for room, and what is due again.
    fn flush(&mut self) {
        let mut full = false;
        for space in self.hub.spaces() {
            full |= space.flush();
        }
        self.room = self.link.sender().filter(|_| full).map(|link| Box::pin(room_in(link)) as Room);
        self.set_alarm();
    }

    fn set_alarm(&mut self) {
        if self.hub.config.retries.is_none() {
            return;
        }
        let first = self.hub.spaces().iter().filter_map(|space| space.deadline()).min();
        self.late = first.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    }

    // What the connection does.

    fn step(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Due => {
                self.hub.tell(&ManagerEvent::ReconnectAttempt(self.backoff.attempts()));
                // The application may have changed its mind.
                self.link = Link::Closed;
                self.look_around();
            }
            LinkEvent::Opened(Ok(client)) => {
                self.decoder.reset();
                self.root = Root::default();
                self.hub.spaces().iter().for_each(|space| space.start_over());
                self.link = Link::Open(client);
                self.hub.tell(&ManagerEvent::Open);
                let attempts = self.backoff.attempts();
                self.backoff.reset();
                if std::mem::take(&mut self.reconnecting) {
                    self.hub.tell(&ManagerEvent::Reconnect(attempts));
                }
                self.look_around();
            }
            LinkEvent::Opened(Err(error)) => self.not_opened(&error),
            LinkEvent::Engine(Event::Message(message)) => {
                if matches!(self.link, Link::Open(_)) {
                    if let Err(error) = self.take(message) {
                        self.lose(DisconnectReason::ParseError(error));
                    }
                }
            }
            LinkEvent::Engine(Event::Upgraded) => self.hub.tell(&ManagerEvent::Upgraded),
            LinkEvent::Engine(Event::UpgradeFailed(error)) => {
                self.hub.tell(&ManagerEvent::UpgradeFailed(error));
            }
            LinkEvent::Engine(_) => {}
            LinkEvent::Ended(closed) => self.ended(closed),
        }
    }

    fn ended(&mut self, closed: Closed) {
        if matches!(self.link, Link::Closing(_)) {
            self.link = Link::Closed;
            self.hub.set_open(false);
            self.hub.tell(&ManagerEvent::Close(DisconnectReason::ClientDisconnect));
            self.look_around();
        } else {
            self.lose(closed.into());
        }
    }
}

/// A runtime that ends, or a handler that panics, takes the task along.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for space in self.hub.spaces() {
            if space.lock().is_active() && !self.hub.is_orphaned() {
                space.lost(false);
                self.tell_end(&space);
            }
        }
        self.hub.set_open(false);
        self.hub.stopped();
    }
}

async fn room_in(link: Sender) {
    // However it ends, those who wait look again.
    let _ = link.flushed().await;
}

/// What a message of the server does wrong.
type Taken = Result<(), ProtocolError>;
