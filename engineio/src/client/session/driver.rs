//! The driver of a session: it passes packets, ends of requests and the time to the machine, and carries out
//! the actions.
//!
//! A turn has this order:
//!
//! 1. The clock: the server's heartbeat, the upgrade, the close.
//! 2. A close by the application.
//! 3. Received packets. A message is returned at once, and the other steps follow in the next turn. The
//!    responses to the messages of one read are thus written together, before the next read.
//! 4. The outbox, and behind it the close packet or close frame.
//! 5. The WebSocket of the upgrade.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::carrier::Carrier;
use super::handle::Shared;
use super::handshake::Handshake;
use super::probe::Probe;
use crate::client::error::{Closed, UpgradeError};
use crate::client::http::route::Route;
use crate::client::machine::{Action, Input, Machine};
use crate::client::trace;
use crate::protocol::packet::{Message, Packet, PacketType};
use crate::protocol::prepared::Prepared;
use crate::protocol::sid::Sid;

/// An event of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message of the server.
    Message(Message),
    /// The session has upgraded to WebSocket.
    Upgraded,
    /// The session stays on polling.
    UpgradeFailed(UpgradeError),
    /// The server sent a ping, and the pong is queued: see
    /// [`ClientConfig::ping_events`](crate::client::ClientConfig::ping_events).
    Ping,
}

/// Drives one session until it ends.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) sid: Sid,
    pub(super) carrier: Carrier,
    /// Whether the application wants messages.
    pub(super) reading: bool,
    machine: Machine,
    probe: Option<Probe>,
    /// Fires at the machine's next time or before: a time that moves later does not reset it.
    timer: Pin<Box<Sleep>>,
    /// Whether the last session of the builder used a WebSocket.
    remembered: Arc<AtomicBool>,
    /// The outbox number of the pong that may still be queued.
    pong: Option<u64>,
    /// Whether pings are events.
    ping_events: bool,
}

impl Driver {
    pub(super) fn new(
        route: &Arc<Route>,
        carrier: Carrier,
        handshake: Handshake,
        remembered: Arc<AtomicBool>,
    ) -> Self {
        let now = now();
        let config = &route.config;
        let machine = Machine::new(&handshake.settings(config, carrier.transport()), now);
        remembered.store(matches!(carrier, Carrier::WebSocket(_)), Ordering::Relaxed);
        let first = machine.poll_timeout().unwrap_or(now);
        let driver = Self {
            shared: Arc::new(Shared::new(
                config.max_buffered,
                config.dialect().is_plain(),
                machine.heartbeat_deadline(),
            )),
            probe: machine.is_upgrading().then(|| Probe::new(Arc::clone(route), handshake.sid.clone())),
            sid: handshake.sid.into(),
            carrier,
            reading: true,
            machine,
            timer: Box::pin(sleep_until(first.into())),
            remembered,
            pong: None,
            ping_events: config.ping_events,
        };
        driver.shared.set_plan(driver.carrier.plan_ahead());
        trace::opened(&driver.sid, driver.carrier.transport());
        driver
    }

    /// Drives the session until the next event or the end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Closed>> {
        loop {
            if let Some(closed) = self.machine.closed() {
                return Poll::Ready(Err(closed.clone()));
            }
            self.shared.outbox.attend();
            if let Some(event) = self.turn(cx) {
                return Poll::Ready(Ok(event));
            }
            if self.machine.closed().is_some() {
                continue;
            }
            let writable = self.machine.writable() && !self.shared.outbox.is_blocked();
            let parked = self.shared.outbox.park(writable, cx.waker());
            // A close before the outbox was parked has not woken this task.
            if parked && !self.has_unseen_close() {
                return Poll::Pending;
            }
        }
    }

    /// `None`: everything waits for the server, the application or the clock, or the session has ended.
    fn turn(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        loop {
            if let Some(event) = self.read_clock(cx) {
                return Some(event);
            }
            let now = now();
            if self.has_unseen_close() {
                self.input(Input::Close, now);
            }
            let event = self.read(now, cx).or_else(|| self.write(now, cx));
            if let Some(event) = event.or_else(|| self.read_probe(now, cx)) {
                return Some(event);
            }
            // A timer that fires later than the machine's next time is set anew, and polled in another round.
            let next = self.machine.poll_timeout()?;
            if self.timer.deadline().into_std() <= next {
                return None;
            }
            self.timer.as_mut().reset(next.into());
        }
    }

    fn read_clock(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let event = self.input(Input::Timeout, now());
            self.timer.as_mut().reset(self.machine.poll_timeout()?.into());
            if event.is_some() {
                return event;
            }
        }
        None
    }

    fn read(&mut self, now: Instant, cx: &mut Context<'_>) -> Option<Event> {
        while self.machine.must_read() || (self.reading && self.machine.is_open()) {
            self.input(Input::Read, now);
            self.carrier.write_before_read(&self.shared.outbox, cx);
            let Poll::Ready(input) = self.carrier.poll_input(cx) else { return None };
            if matches!(input, Input::Packet(Packet::Ping(_))) {
                self.note_pong(now);
            }
            if let Some(event) = self.input(input, now) {
                return Some(event);
            }
            if self.machine.closed().is_some() {
                self.carrier.write_last(cx);
            }
        }
        None
    }

    fn write(&mut self, now: Instant, cx: &mut Context<'_>) -> Option<Event> {
        while self.machine.closed().is_none() {
            let (posted, waiting) = self.carrier.poll_write(&self.shared.outbox, cx);
            let input = match posted {
                Poll::Ready(Ok(split)) => Input::PostEnded { split },
                Poll::Ready(Err(error)) => Input::Failed(error),
                Poll::Pending => {
                    let Some(action) = self.machine.handle(Input::Write { waiting }, now) else {
                        self.shared.outbox.set_blocked(waiting || !self.machine.writable());
                        return None;
                    };
                    if let Some(event) = self.act(action, now) {
                        return Some(event);
                    }
                    continue;
                }
            };
            if let Some(event) = self.input(input, now) {
                return Some(event);
            }
        }
        None
    }

    fn read_probe(&mut self, now: Instant, cx: &mut Context<'_>) -> Option<Event> {
        // The packets behind the probe's pong are the session's.
        while !self.machine.is_paused() {
            let Poll::Ready(input) = self.probe.as_mut()?.poll_input(cx) else { return None };
            if let Some(event) = self.input(input, now) {
                return Some(event);
            }
        }
        self.shared.outbox.set_blocked(true);
        None
    }

    fn has_unseen_close(&self) -> bool {
        self.machine.is_open() && self.shared.is_closing()
    }

    /// Reports a pong that was written meanwhile.
    fn note_pong(&mut self, now: Instant) {
        if self.pong.is_some_and(|number| self.shared.outbox.has_written(number)) {
            self.pong = None;
            self.input(Input::PongWritten, now);
        }
    }

    /// Passes an input to the machine and carries out its action.
    fn input(&mut self, input: Input, now: Instant) -> Option<Event> {
        if matches!(input, Input::Failed(_)) {
            self.remembered.store(false, Ordering::Relaxed);
        }
        let before = self.machine.heartbeat_deadline();
        let action = self.machine.handle(input, now);
        let after = self.machine.heartbeat_deadline();
        if after != before {
            self.shared.set_heartbeat(after);
        }
        self.act(action?, now)
    }

    fn act(&mut self, action: Action, now: Instant) -> Option<Event> {
        match action {
            Action::Deliver(message) => return Some(Event::Message(message)),
            Action::Ping => {
                self.shared.outbox.push_control(Prepared::ping());
            }
            Action::Pong(data) => {
                let pong = Prepared::control(PacketType::Pong, data.as_bytes());
                self.pong = Some(self.shared.outbox.push_control(pong));
                return self.ping_events.then_some(Event::Ping);
            }
            Action::Poll => self.carrier.polling()?.start_get(),
            Action::Post => {
                if !self.carrier.polling()?.start_post(&self.shared.outbox) {
                    return self.input(Input::PostEnded { split: false }, now);
                }
            }
            Action::Probe => self.probe.as_mut()?.send_ping(),
            Action::Switch => return self.switch(),
            Action::FailUpgrade(error) => {
                self.probe = None;
                trace::not_upgraded(&self.sid, &error);
                return Some(Event::UpgradeFailed(error));
            }
            Action::CancelUpgrade => self.probe = None,
            Action::SendClose => self.carrier.send_close(),
            Action::Closed(closed) => {
                trace::closed(&self.sid, &closed);
                self.probe = None;
                self.shared.outbox.close();
                self.shared.outbox.clear();
            }
        }
        None
    }

    fn switch(&mut self) -> Option<Event> {
        let held = self.carrier.polling().and_then(|polling| polling.take_held());
        let mut websocket = self.probe.take()?.into_websocket()?;
        websocket.send(Prepared::control(PacketType::Upgrade, b""));
        if let Some(held) = held {
            websocket.send_taken(held);
        }
        self.carrier = Carrier::WebSocket(websocket);
        self.shared.set_plan(self.carrier.plan_ahead());
        self.remembered.store(true, Ordering::Relaxed);
        trace::upgraded(&self.sid);
        Some(Event::Upgraded)
    }
}

/// The time. Tests of an application may pause it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
