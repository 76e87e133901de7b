//! The one task of a session: it owns the state machine, the connections, the handler and the timer.
//!
//! A turn, each time the task is woken, always goes in this order:
//!
//! 1. what the WebSocket on trial brings: a client that moved over may send a request right after, which is then
//!    one for a transport that is no more;
//! 2. commands of HTTP requests and handles, then the POST that is being read and the GET that waits;
//! 3. what the carrier brings, at most [`READS_PER_TURN`](websocket::READS_PER_TURN) reads; after each one the handler goes on and its replies
//!    leave, so that what one read caused takes one write;
//! 4. the handler's own futures;
//! 5. the clock;
//! 6. everything that waits in the outbox, one flush for all that other tasks left there.
//!
//! Then it sleeps, unless something came in the meantime.

pub(crate) mod close;
mod polling;
mod websocket;
pub(crate) mod websocket_carrier;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::Sleep;

use self::polling::Post;
use self::websocket_carrier::WebSocketCarrier;
use super::handler::Handler;
use super::http::address_limit::CountedAddress;
use super::metrics::stats::Gauge;
use super::metrics::traffic::Traffic;
use super::session::command::{Command, Polled, PostAnswer};
use super::session::handle::Session;
use super::session::translator::Translator;
use super::trace;
use crate::close_reason::{CloseReason, Fault};
use crate::config::Transport;
use crate::io::Upgrading;
use crate::polling::PollAnswer;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Packet, PacketType};
use crate::protocol::prepared::Prepared;
use crate::protocol::text::Text;
use crate::server::shared::Shared;
use crate::session::{Action, FinalPacket, Input, Machine, State};

/// Drives one session until it is over.
pub(crate) struct Driver {
    session: Session,
    machine: Machine,
    handler: Box<dyn Handler>,
    server: Arc<Shared>,
    /// The GET that waits, while the machine says that one is parked.
    parked: Option<oneshot::Sender<Polled>>,
    post: Option<Post>,
    /// The WebSocket that carries the session.
    carrier: Option<Box<WebSocketCarrier>>,
    /// What the client speaks, if that is not Engine.IO.
    translator: Option<Box<dyn Translator>>,
    /// The WebSocket on trial.
    probe: Option<Box<WebSocketCarrier>>,
    timer: Pin<Box<Sleep>>,
    /// What the peer hears on the WebSocket if the session ends now.
    close_code: Option<CloseCode>,
    /// What has not been added to the server's yet.
    traffic: Traffic,
    over: bool,
    _task: Gauge,
    /// That of its address.
    _address: Option<CountedAddress>,
}

impl Driver {
    /// A driver for a session that opened at `now`; for a WebSocket session with the connection to come.
    pub(crate) fn new(
        session: Session,
        machine: Machine,
        handler: Box<dyn Handler>,
        server: Arc<Shared>,
        carrier: Option<Upgrading>,
        address: Option<CountedAddress>,
        translator: Option<Box<dyn Translator>>,
    ) -> Self {
        let websocket = |upgrading| {
            Box::new(WebSocketCarrier::new(
                upgrading,
                session.dialect(),
                &server.config,
                session.received_bytes(),
            ))
        };
        let carrier = carrier.map(websocket);
        let timer = Box::pin(tokio::time::sleep_until(first_deadline(&machine).into()));
        let task = server.tasks.enter();
        // At once: in its first turn the application may look already.
        server.meters.add(Traffic { opened: 1, ..Traffic::default() });
        Self {
            session,
            machine,
            handler,
            server,
            parked: None,
            post: None,
            carrier,
            translator,
            probe: None,
            timer,
            close_code: None,
            traffic: Traffic::default(),
            over: false,
            _task: task,
            _address: address,
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = tokio::time::Instant::now().into_std();
            if self.session.outbox().attend() {
                self.close_code = Some(CloseCode::POLICY_VIOLATION);
                self.input(Input::Abort(CloseReason::TransportError(Fault::SlowConsumer)), now);
            }
            // What a WebSocket on trial brought was sent before the request that follows it.
            self.read_probe(cx, now);
            for command in self.session.take_commands() {
                // Dropped, like one that comes a moment later: its request finds no session.
                if self.over {
                    break;
                }
                self.command(command, now);
            }
            self.poll_post(cx, now);
            self.poll_parked(cx, now);
            // A trial that has just begun has to be asked once, to wake this task.
            self.read_probe(cx, now);
            let more = self.read_carrier(cx, now);
            let held_back = !self.handler.is_ready();
            let _ = self.handler.poll(&self.session, cx);
            self.tick(now);
            self.flush(cx, now);
            self.server.meters.add(std::mem::take(&mut self.traffic));
            if self.over {
                return Poll::Ready(());
            }
            if more {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if held_back && self.handler.is_ready() {
                continue;
            }
            if self.sleep(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Arms the timer and parks. `false` says that there is something to do at once.
    fn sleep(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = first_deadline(&self.machine).into();
        // Deadlines mostly move away (each pong does that). A timer that fires too early is armed again then, which
        // is cheaper than moving it each time.
        if deadline < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx).is_pending() && self.session.park(self.can_write(), cx.waker())
    }

    fn can_write(&self) -> bool {
        match &self.carrier {
            Some(websocket) => {
                websocket.is_writable() || (self.translator.is_some() && websocket.takes_ahead())
            }
            None => self.parked.is_some(),
        }
    }

    fn is_upgrading(&self) -> bool {
        self.carrier.as_ref().is_some_and(|websocket| websocket.is_upgrading())
    }

    fn is_closing(&self) -> bool {
        matches!(self.machine.state(), State::Closing { .. })
    }

    fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Poll(answer) => match self.machine.handle(Input::PollOpened, now) {
                None => {
                    self.parked = Some(answer);
                    self.session.outbox().set_blocked(false);
                    // The official server wakes a poll that comes after the close with a noop.
                    if self.is_closing() && self.session.outbox().is_empty() {
                        self.answer_poll(&[PacketType::Noop, PacketType::Close], now);
                        self.input(Input::Drained, now);
                    }
                }
                Some(action) => {
                    self.act(action, now);
                    let _ = answer.send(PollAnswer::Refused.into());
                }
            },
            Command::Post(body, form, answer) => match self.machine.handle(Input::PostOpened, now) {
                None => self.begin_post(body, form, answer, now),
                Some(action) => {
                    self.act(action, now);
                    let _ = answer.send(PostAnswer::Refused);
                }
            },
            Command::Probe(answer, upgrading) => {
                let (dialect, received) = (self.session.dialect(), self.session.received_bytes());
                let websocket = WebSocketCarrier::new(upgrading, dialect, &self.server.config, received);
                match self.machine.handle(Input::ProbeOpened, now) {
                    None => self.probe = Some(Box::new(websocket)),
                    // As at the official server the client gets its WebSocket, but only to see it closed.
                    Some(action) => {
                        close::spawn(websocket, None, &self.server);
                        self.act(action, now);
                    }
                }
                let _ = answer.send(());
            }
            Command::Receive(message) => self.packet(Packet::Message(message), now),
            Command::Close => self.input(Input::Close, now),
            Command::Abort(reason) => {
                self.close_code = Some(CloseCode::GOING_AWAY).filter(|_| self.server.is_closing());
                self.input(Input::Abort(reason), now);
            }
        }
    }

    fn input(&mut self, input: Input, now: Instant) {
        if let Some(action) = self.machine.handle(input, now) {
            self.act(action, now);
        }
    }

    fn act(&mut self, action: Action, now: Instant) {
        match action {
            Action::Deliver(message) => {
                self.traffic.received.add(message.as_bytes().len());
                self.handler.on_message(&self.session, message);
            }
            // Who has not got its WebSocket yet cannot answer.
            Action::Ping if self.translator.is_some() && self.is_upgrading() => {
                self.input(Input::Packet(Packet::Pong(Text::new())), now);
            }
            Action::Ping => {
                self.session.outbox().push_control(Prepared::ping());
            }
            Action::Pong(data) => {
                // The client says how many and how large they are, so they count like messages.
                let _ = self.session.outbox().push(Prepared::control(PacketType::Pong, data.as_bytes()));
            }
            Action::Refuse | Action::Drain => {}
            Action::AnswerProbe => {
                if let Some(websocket) = &mut self.probe {
                    websocket.answer_probe();
                }
            }
            Action::ReleasePoll => self.answer_poll(&[PacketType::Noop], now),
            Action::DropProbe => {
                if let Some(websocket) = self.probe.take() {
                    close::spawn(*websocket, None, &self.server);
                }
            }
            Action::Switch => self.switch(now),
            Action::Closed(reason, final_packet) => self.finish(reason, final_packet, now),
        }
    }

    fn switch(&mut self, now: Instant) {
        self.answer_poll(&[PacketType::Noop], now);
        // A POST that is still being read belongs to a transport that is no more.
        self.post = None;
        self.carrier = self.probe.take();
        self.session.set_transport(Transport::WebSocket);
        self.session.outbox().set_blocked(false);
        trace::upgraded(&self.session);
        self.handler.on_upgrade(&self.session, Transport::WebSocket);
    }

    fn packet(&mut self, packet: Packet, now: Instant) {
        if self.over {
            return;
        }
        self.handler.on_packet(&self.session, packet.kind());
        self.input(Input::Packet(packet), now);
    }

    fn tick(&mut self, now: Instant) {
        while self.machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.input(Input::Timeout, now);
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>, now: Instant) {
        if let Some(websocket) = &mut self.probe {
            if websocket.poll_flush(None, cx).is_err() {
                self.input(Input::ProbeLost, now);
            }
        }
        if self.over {
            return;
        }
        if self.carrier.is_some() { self.flush_websocket(cx, now) } else { self.flush_polling(now) }
    }

    fn finish(&mut self, reason: CloseReason, final_packet: FinalPacket, now: Instant) {
        self.over = true;
        trace::closed(&self.session, reason);
        self.session.outbox().close();
        self.server.registry.remove(&self.session);
        self.session.close_mailbox();
        let last = match final_packet {
            FinalPacket::Close => PacketType::Close,
            FinalPacket::Noop => PacketType::Noop,
        };
        self.answer_poll(&[last], now);
        self.refuse_post();
        let code = self.close_code.take();
        let last = match &mut self.translator {
            Some(translator) => translator.close_frame(reason, code),
            None => code.map(|code| (code, "")),
        };
        if let Some(websocket) = self.probe.take() {
            close::spawn_on_trial(*websocket, last, &self.server);
        }
        if let Some(websocket) = self.carrier.take() {
            close::spawn(*websocket, last, &self.server);
        }
        self.handler.on_close(&self.session, reason);
        self.session.outbox().clear();
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().turn(cx)
    }
}

/// A handler that panics, or a runtime that shuts down, ends the session all the same.
impl Drop for Driver {
    fn drop(&mut self) {
        if !self.over {
            self.session.outbox().close();
            self.session.close_mailbox();
            self.session.outbox().clear();
            self.server.registry.remove(&self.session);
            if std::thread::panicking() {
                self.server.panics.add();
                trace::panicked(&self.session);
                for websocket in [self.probe.take(), self.carrier.take()].into_iter().flatten() {
                    close::spawn(*websocket, Some((CloseCode::INTERNAL_ERROR, "")), &self.server);
                }
            }
        }
    }
}

/// Counts what is being written, without the packets that are the protocol's own.
fn count(messages: &[Prepared], traffic: &mut Traffic) {
    for message in messages.iter().filter(|message| message.kind() == PacketType::Message) {
        traffic.sent.add(message.wire_len());
    }
}

/// Every state but the last has a deadline; in the last the task is over.
fn first_deadline(machine: &Machine) -> Instant {
    machine.poll_timeout().unwrap_or_else(Instant::now)
}
