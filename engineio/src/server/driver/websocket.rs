//! WebSockets in the driver: reading from the carrier and the probing WebSocket, and writing to the carrier.

use std::any::Any;
use std::task::{Context, Poll};
use std::time::Instant;

use super::websocket_carrier::{Batch, Received};
use super::{Driver, count};
use crate::close_reason::{CloseReason, Fault};
use crate::protocol::frame::CloseCode;
use crate::protocol::packet::{Message, Packet, PacketType, decode_binary, decode_text};
use crate::protocol::prepared::{FrameWriter, Prepared};
use crate::protocol::text::Text;
use crate::server::session::translator::Delivery;
use crate::session::{Action, Input};
use crate::websocket::inbound::Event;
use crate::websocket::outbound::Source;

/// Maximum number of reads in a turn, so that a peer that never stops sending does not delay other sessions.
pub(super) const READS_PER_TURN: usize = 8;

impl Driver {
    /// Reads from the carrier, and flushes the replies after each read. Returns whether there may be more to
    /// read.
    pub(super) fn read_carrier(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        for _ in 0..READS_PER_TURN {
            if self.over || !self.handler.is_ready() {
                return false;
            }
            let Some(websocket) = &mut self.carrier else { return false };
            let mut received = match websocket.poll_receive(cx) {
                Poll::Pending => return false,
                Poll::Ready(received) => received,
            };
            while let Some(event) = self.carrier.as_mut().and_then(|websocket| websocket.next(&mut received))
            {
                self.carrier_event(event, now);
                if !self.handler.is_ready() {
                    self.keep(received, now);
                    break;
                }
            }
            let _ = self.handler.poll(&self.session, cx);
            self.flush(cx, now);
        }
        true
    }

    /// Stores the rest of a read until the handler is ready for more.
    fn keep(&mut self, received: Batch, now: Instant) {
        if self.carrier.as_mut().is_some_and(|websocket| !websocket.keep(received)) {
            self.carrier_event(Received::ServerFull, now);
        }
    }

    fn carrier_event(&mut self, event: Received, now: Instant) {
        let packet = match event {
            Received::Event(event) if self.translator.is_some() => return self.foreign_event(event, now),
            Received::Event(Event::Text(text)) => decode_text(text, self.machine.protocol()),
            Received::Event(Event::Binary(data)) => decode_binary(data, self.machine.protocol()),
            Received::Event(Event::Ping(data)) => {
                if let Some(websocket) = &mut self.carrier {
                    websocket.pong(&data);
                }
                return;
            }
            Received::Event(_) => return,
            Received::Closed(code) => {
                self.close_code = code;
                return self.input(Input::CarrierLost(CloseReason::TransportClose), now);
            }
            Received::Violation(code) => {
                self.close_code = Some(code);
                return self.input(Input::CarrierLost(CloseReason::TransportError(Fault::WebSocket)), now);
            }
            Received::ServerFull => {
                self.close_code = Some(CloseCode::TRY_AGAIN_LATER);
                return self.input(Input::CarrierLost(CloseReason::TransportError(Fault::ServerFull)), now);
            }
            Received::Lost => {
                return self.input(Input::CarrierLost(CloseReason::TransportError(Fault::Io)), now);
            }
        };
        match packet {
            Ok(packet) => self.packet(packet, now),
            Err(_) => self.input(Input::Undecodable, now),
        }
    }

    /// Handles an event of a client that speaks another protocol. Its heartbeat consists of ping and pong
    /// frames.
    fn foreign_event(&mut self, event: Event, now: Instant) {
        let message = match event {
            Event::Text(text) => Message::Text(text),
            Event::Binary(data) => Message::Binary(data),
            Event::Pong => return self.packet(Packet::Pong(Text::new()), now),
            Event::Ping(data) => {
                if let Some(websocket) = &mut self.carrier {
                    websocket.pong(&data);
                }
                return;
            }
            Event::Close { .. } => return,
        };
        let Some(mut translator) = self.translator.take() else { return };
        let session = self.session.clone();
        translator.incoming(&session, message, &mut |delivery| match delivery {
            Delivery::Message(message) => self.packet(Packet::Message(message), now),
            Delivery::Decoded { bytes, message } => self.decoded(message, bytes, now),
        });
        self.translator = Some(translator);
    }

    /// A message that its translator has decoded. For the session it is an empty message.
    fn decoded(&mut self, message: &mut dyn Any, bytes: usize, now: Instant) {
        if self.over {
            return;
        }
        let packet = Packet::Message(Message::Text(Text::new()));
        self.handler.on_packet(&self.session, &packet);
        self.observe(|observer, session| observer.on_packet(session, &packet));
        match self.machine.handle(Input::Packet(packet), now) {
            Some(Action::Deliver(_)) => {
                self.traffic.received.add(bytes);
                self.handler.on_decoded(&self.session, message);
            }
            Some(action) => self.act(action, now),
            None => {}
        }
    }

    pub(super) fn read_probe(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(websocket) = &mut self.probe else { return };
        let Poll::Ready(mut received) = websocket.poll_receive(cx) else { return };
        // The upgrade packet makes the probing WebSocket the carrier. Packets behind it in the same read
        // belong to the session.
        loop {
            let is_probe = self.probe.is_some();
            if !is_probe && !self.handler.is_ready() {
                self.keep(received, now);
                break;
            }
            let websocket = if is_probe { &mut self.probe } else { &mut self.carrier };
            let Some(event) = websocket.as_mut().and_then(|websocket| websocket.next(&mut received)) else {
                break;
            };
            if is_probe { self.probe_event(event, now) } else { self.carrier_event(event, now) }
        }
        if self.probe.is_some() || self.carrier.is_some() {
            // There may be more to read. Only another read registers the waker of this task.
            cx.waker().wake_by_ref();
        }
    }

    fn probe_event(&mut self, event: Received, now: Instant) {
        let packet = match event {
            Received::Event(Event::Text(text)) => decode_text(text, self.machine.protocol()).ok(),
            Received::Event(Event::Binary(data)) => decode_binary(data, self.machine.protocol()).ok(),
            Received::Event(Event::Ping(data)) => {
                if let Some(websocket) = &mut self.probe {
                    websocket.pong(&data);
                }
                return;
            }
            Received::Event(_) => return,
            Received::Closed(_) | Received::Violation(_) | Received::Lost | Received::ServerFull => None,
        };
        match packet {
            Some(packet) => self.input(Input::ProbePacket(packet), now),
            None => self.input(Input::ProbeLost, now),
        }
    }

    pub(super) fn flush_websocket(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(websocket) = &mut self.carrier else { return };
        let (handler, session, traffic) = (&mut self.handler, &self.session, &mut self.traffic);
        let observing = self.server.options.observer.as_ref();
        let mut wrote = false;
        let mut on_take = |messages: &[Prepared]| {
            wrote = true;
            count(messages, traffic);
            handler.on_flush(session, messages);
            if let Some(observing) = observing {
                observing.observer.on_flush(session, messages);
            }
        };
        let outbox = session.outbox();
        let result = match &mut self.translator {
            None => websocket.poll_flush(Some(Source { outbox, on_take: &mut on_take, translate: None }), cx),
            Some(translator) => {
                let mut translate = |message: &Prepared, frames: &mut FrameWriter| match message.kind() {
                    PacketType::Message => translator.outgoing(session, message, frames),
                    PacketType::Ping => frames.ping(),
                    _ => {}
                };
                let translate = Some(&mut translate as _);
                websocket.poll_flush(Some(Source { outbox, on_take: &mut on_take, translate }), cx)
            }
        };
        match result {
            // Bytes that the peer sent before the failure are still read. The end of reading ends the
            // session.
            Err(_) => {
                websocket.fail();
                session.outbox().set_blocked(true);
            }
            Ok(true) => {
                if wrote {
                    self.handler.on_drain(&self.session);
                    self.observe(|observer, session| observer.on_drain(session));
                }
                if self.is_closing() {
                    self.input(Input::Drained, now);
                }
            }
            Ok(false) => {}
        }
    }
}
