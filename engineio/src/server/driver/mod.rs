//! The task of a session. It owns the state machine, the connections, the handler and the timer.
//!
//! Each wake-up of the task is one turn, in this order:
//!
//! 1. The probing WebSocket is read. A client may upgrade and send a request right after; the request then
//!    finds a session that has left polling.
//! 2. Commands of HTTP requests and handles are executed, then the POST in progress and the waiting GET are
//!    polled.
//! 3. The carrier is read, at most [`READS_PER_TURN`](websocket::READS_PER_TURN) times. After each read the
//!    handler is polled and the outbox flushed, so all replies to one read take one write.
//! 4. The futures of the handler are polled.
//! 5. The deadlines are checked.
//! 6. The outbox is flushed once, with the messages of all other tasks.
//!
//! Then the task sleeps, unless a command or a message has arrived in the meantime.

mod begin;
pub(crate) mod close;
mod finish;
#[cfg(not(feature = "peers"))]
mod no_remote;
mod polling;
#[cfg(feature = "peers")]
mod remote;
mod websocket;
pub(crate) mod websocket_carrier;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::oneshot;
use tokio::time::Sleep;

#[cfg(not(feature = "peers"))]
use self::no_remote::Remote;
use self::polling::Post;
#[cfg(feature = "peers")]
use self::remote::Remote;
use self::websocket_carrier::WebSocketCarrier;
use super::handler::Handler;
use super::http::address_limit::CountedAddress;
use super::metrics::stats::Gauge;
use super::metrics::traffic::Traffic;
use super::observer::Observer;
use super::session::command::{Command, Polled, PostAnswer};
use super::session::handle::Session;
use super::session::translator::Translator;
use super::trace;
use crate::close_reason::{CloseReason, Fault};
use crate::config::Transport;
use crate::polling::PollAnswer;
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Packet, PacketType};
use crate::protocol::prepared::Prepared;
use crate::protocol::text::Text;
use crate::server::shared::Shared;
use crate::session::{Action, Input, Machine, State};

/// The future of a session, ready when the session has ended.
pub(crate) struct Driver {
    session: Session,
    machine: Machine,
    handler: Box<dyn Handler>,
    server: Arc<Shared>,
    /// The waiting GET, while the machine has one parked.
    parked: Option<oneshot::Sender<Polled>>,
    post: Option<Post>,
    /// The WebSocket that carries the session.
    carrier: Option<Box<WebSocketCarrier>>,
    /// The translator of a client that does not speak Engine.IO.
    translator: Option<Box<dyn Translator>>,
    /// The probing WebSocket.
    probe: Option<Box<WebSocketCarrier>>,
    /// The part of the session that is at other nodes.
    remote: Remote,
    timer: Pin<Box<Sleep>>,
    /// The code of the close frame, if the session ends now.
    close_code: Option<CloseCode>,
    /// The traffic of this turn, not yet added to the counters of the server.
    traffic: Traffic,
    over: bool,
    _task: Gauge,
    /// The session in the count of its address.
    _address: Option<CountedAddress>,
}

impl Driver {
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = tokio::time::Instant::now().into_std();
            if self.session.outbox().attend() {
                self.close_code = Some(CloseCode::POLICY_VIOLATION);
                self.input(Input::Abort(CloseReason::TransportError(Fault::SlowConsumer)), now);
            }
            // A client sends its upgrade packet before the request that follows it.
            self.read_probe(cx, now);
            for command in self.session.take_commands() {
                // The command is dropped, as one after the end of the session: its request finds no session.
                if self.over {
                    break;
                }
                self.command(command, now);
            }
            // A session on a WebSocket has no requests that wait.
            if self.carrier.is_none() {
                self.remote_turn(now);
                self.poll_post(cx, now);
                self.poll_parked(cx, now);
            }
            // A new probe has to be polled once, to register the waker of this task.
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

    /// Sets the timer and parks the outbox. Returns `false` if the next turn has to follow at once.
    fn sleep(&mut self, cx: &mut Context<'_>) -> bool {
        let mut deadline = first_deadline(&self.machine);
        let writable = match &self.carrier {
            Some(websocket) => {
                websocket.is_writable() || (self.translator.is_some() && websocket.takes_ahead())
            }
            None => {
                deadline = self.remote.deadline(deadline);
                self.can_answer()
            }
        };
        let deadline = deadline.into();
        // Most inputs, such as pongs, move the deadline to a later time. A timer that fires early is then
        // reset once, which is cheaper than a reset for each input.
        if deadline < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx).is_pending() && self.session.park(writable, cx.waker())
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
                    self.poll_opened(now);
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
            Command::Probe(answer, upgrading, deflate) => {
                let (dialect, received) = (self.session.dialect(), self.session.received_bytes());
                let websocket =
                    WebSocketCarrier::new(upgrading, dialect, deflate, &self.server.config, received);
                match self.machine.handle(Input::ProbeOpened, now) {
                    None => self.probe = Some(Box::new(websocket)),
                    // As at the official server, the WebSocket is opened and then closed.
                    Some(action) => {
                        close::spawn(websocket, None, &self.server);
                        self.act(action, now);
                    }
                }
                let _ = answer.send(());
            }
            Command::Receive(message) => self.packet(Packet::Message(message), now),
            #[cfg(feature = "peers")]
            Command::Peer(command) => self.peer_command(*command, now),
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
            // A client without its 101 cannot answer, so the ping counts as answered.
            Action::Ping if self.translator.is_some() && self.is_upgrading() => {
                self.input(Input::Packet(Packet::Pong(Text::new())), now);
            }
            Action::Ping => {
                let ping = Prepared::ping();
                self.session.created(&ping);
                self.session.outbox().push_control(ping);
            }
            Action::Pong(data) => {
                let pong = Prepared::control(PacketType::Pong, data.as_bytes());
                self.session.created(&pong);
                // The client chooses the number and the size of pings, so pongs count like messages.
                let _ = self.session.outbox().push_tracked(pong);
            }
            Action::Refuse | Action::Drain => {}
            Action::AnswerProbe => {
                if let Some(websocket) = &mut self.probe {
                    websocket.answer_probe();
                }
                self.handler.on_upgrading(&self.session, Transport::WebSocket);
                self.observe(|observer, session| observer.on_upgrading(session, Transport::WebSocket));
            }
            Action::ReleasePoll => self.answer_poll(&[PacketType::Noop], now),
            Action::DropProbe => {
                self.remote.drop_probe();
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
        // A POST in progress belongs to the transport that the client has left.
        self.post = None;
        self.carrier = self.probe.take();
        self.remote_switch(now);
        if self.over {
            return;
        }
        self.session.set_transport(Transport::WebSocket);
        self.session.set_plan(self.carrier.as_ref().and_then(|websocket| websocket.plan_ahead()));
        self.session.outbox().set_blocked(false);
        trace::upgraded(&self.session);
        self.handler.on_upgrade(&self.session, Transport::WebSocket);
        self.observe(|observer, session| observer.on_upgrade(session, Transport::WebSocket));
    }

    fn observe(&self, event: impl FnOnce(&dyn Observer, &Session)) {
        if let Some(observing) = &self.server.options.observer {
            // The observer gets the session when it is announced.
            if !self.remote.is_held() {
                event(&*observing.observer, &self.session);
            }
        }
    }

    fn packet(&mut self, packet: Packet, now: Instant) {
        if self.over {
            return;
        }
        self.handler.on_packet(&self.session, &packet);
        self.observe(|observer, session| observer.on_packet(session, &packet));
        let is_heartbeat = matches!(packet, Packet::Ping(_) | Packet::Pong(_));
        self.input(Input::Packet(packet), now);
        if is_heartbeat && !self.over {
            self.handler.on_heartbeat(&self.session);
            self.observe(|observer, session| observer.on_heartbeat(session));
        }
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
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().turn(cx)
    }
}

/// Counts the messages that are being written. Control packets of the protocol do not count.
fn count(messages: &[Prepared], traffic: &mut Traffic) {
    for message in messages.iter().filter(|message| message.kind() == PacketType::Message) {
        traffic.sent.add(message.wire_len());
    }
}

/// The next deadline of the session. Only a closed session has none, and its task ends.
fn first_deadline(machine: &Machine) -> Instant {
    machine.poll_timeout().unwrap_or_else(Instant::now)
}
