//! A client's session with its outbox, its connections, a server and the network: the state of a driver
//! without I/O.

mod check;
mod driver;
mod event;

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

pub(super) use self::event::{EVENTS, Event};
use super::super::*;
use super::settings;

/// An entry of the outbox.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Item {
    /// A message. It has two packets, so that a POST can split it.
    Message(u8),
    Ping,
    Pong,
}

/// A packet on its way to the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Sent {
    /// A half of a message: its number, and whether it is the second one.
    Half(u8, bool),
    Ping,
    Pong,
    Probe,
    Upgrade,
    Close,
}

/// A packet on its way to the client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Reply {
    Message(u8),
    Ping,
    Pong,
    Noop,
    Close,
}

/// The GET of the client.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Get {
    None,
    Waiting,
    /// The packets of the response that the driver has not handled yet.
    Answered(VecDeque<Reply>),
}

/// The WebSocket of an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum ProbeStage {
    Opening,
    Open,
    /// The server has sent its pong.
    Answered,
}

/// A session and everything around it.
#[derive(Clone)]
pub(super) struct World {
    machine: Machine,
    protocol: Protocol,
    now: Instant,
    /// The largest number of messages in each direction.
    messages: u8,

    /// The number of messages that the application sent, and those that no transport has taken yet.
    sent: u8,
    outbox: VecDeque<Item>,
    /// An entry that was taken out of the outbox, and whether its first packet is sent.
    held: Option<(Item, bool)>,
    /// The POST in progress.
    post: Option<Vec<Sent>>,
    /// The packets on the WebSocket that the server has not read.
    stream: VecDeque<Sent>,
    /// The halves of messages that the server received, as numbers from 2 on.
    received: Vec<u16>,

    get: Get,
    probe: Option<ProbeStage>,
    websocket: bool,
    /// The server has received the upgrade packet, or the close packet.
    server_upgraded: bool,
    server_closed: bool,
    /// The number of messages that the server sent, and the packets that are not on their way yet.
    server_sent: u8,
    server_queue: VecDeque<Reply>,
    /// The messages that the application received.
    delivered: Vec<u8>,

    closing: bool,
    close_sent: bool,
    /// A connection was lost, the server closed the session or a deadline passed.
    disturbed: bool,
    pub(super) ended: Option<&'static str>,
    pub(super) upgraded: bool,
}

impl World {
    pub(super) fn new(protocol: Protocol, transport: Transport, now: Instant, messages: u8) -> Self {
        let machine = Machine::new(&settings(protocol, transport), now);
        let polling = transport == Transport::Polling;
        Self {
            probe: machine.is_upgrading().then_some(ProbeStage::Opening),
            machine,
            protocol,
            now,
            messages,
            sent: 0,
            outbox: VecDeque::new(),
            held: None,
            post: None,
            stream: VecDeque::new(),
            received: Vec::new(),
            get: if polling { Get::Answered(VecDeque::new()) } else { Get::None },
            websocket: !polling,
            server_upgraded: !polling,
            server_closed: false,
            server_sent: 0,
            server_queue: VecDeque::new(),
            delivered: Vec::new(),
            closing: false,
            close_sent: false,
            disturbed: false,
            ended: None,
            upgraded: false,
        }
    }

    /// Two worlds with the same key have the same possible futures.
    pub(super) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let (state, carrier, deadline) = match &self.machine.state {
            State::Open(carrier) => (0, Some(carrier), None),
            State::Closing(carrier, deadline) => (1, Some(carrier), Some(deadline)),
            State::CloseSent(carrier, deadline) => (2, Some(carrier), Some(deadline)),
            State::Closed(_) => (3, None, None),
        };
        (state, carrier, deadline, self.machine.heartbeat, self.machine.pong_queued).hash(&mut hasher);
        (self.now, self.sent, &self.outbox, self.held, &self.post, &self.stream).hash(&mut hasher);
        (&self.received, &self.get, self.probe, self.websocket, &self.server_queue).hash(&mut hasher);
        (self.server_upgraded, self.server_closed, self.server_sent, &self.delivered).hash(&mut hasher);
        (self.disturbed, self.close_sent).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether the driver, the server, the application or the network can cause this event now.
    pub(super) fn allows(&self, event: Event) -> bool {
        let waiting = self.held.is_some() || !self.outbox.is_empty();
        match event {
            Event::Read => !self.websocket,
            Event::Handle if self.websocket => self.server_upgraded && !self.server_queue.is_empty(),
            Event::Handle => matches!(self.get, Get::Answered(_)),
            Event::Write => true,
            Event::WritePart => waiting,
            Event::AnswerGet | Event::CutGet => self.get == Get::Waiting,
            Event::AnswerPost | Event::CutPost => self.post.is_some(),
            Event::Receive => !self.stream.is_empty(),
            Event::OpenProbe => self.probe == Some(ProbeStage::Opening),
            Event::AnswerProbe | Event::MisanswerProbe => {
                self.probe == Some(ProbeStage::Open) && self.stream.is_empty()
            }
            Event::CutProbe => self.probe.is_some(),
            Event::CutWebSocket => self.websocket,
            Event::Send => !self.closing && self.sent < self.messages,
            Event::Close => !self.closing,
            Event::ServerSend => !self.server_closed && self.server_sent < self.messages,
            Event::ServerPing => self.protocol == Protocol::V4 && !self.server_queue.contains(&Reply::Ping),
            Event::ServerClose => !self.server_queue.contains(&Reply::Close),
            Event::Tick | Event::Wait => true,
        }
    }

    pub(super) fn step(&mut self, event: Event) {
        match event {
            Event::Read => self.feed(Input::Read),
            Event::Handle => self.handle(),
            Event::Write => self.write(false),
            Event::WritePart => self.write(true),
            Event::AnswerGet => {
                let mut packets = std::mem::take(&mut self.server_queue);
                if packets.is_empty() {
                    packets.push_back(Reply::Noop);
                }
                self.get = Get::Answered(packets);
            }
            Event::AnswerPost => {
                let packets = self.post.take().unwrap();
                packets.into_iter().for_each(|packet| self.receive(packet));
                let split = self.held.is_some_and(|(_, begun)| begun);
                self.feed(Input::PostEnded { split });
            }
            Event::Receive => {
                let packets = std::mem::take(&mut self.stream);
                packets.into_iter().for_each(|packet| self.receive(packet));
            }
            Event::OpenProbe => {
                self.probe = Some(ProbeStage::Open);
                self.feed(Input::ProbeOpened);
            }
            Event::AnswerProbe => {
                self.probe = Some(ProbeStage::Answered);
                self.feed(Input::ProbePacket(Packet::Pong("probe".into())));
            }
            Event::MisanswerProbe => self.feed(Input::ProbePacket(Packet::Noop)),
            Event::CutProbe => self.feed(Input::ProbeFailed(UpgradeError::Closed)),
            Event::CutGet | Event::CutPost => {
                self.disturbed = true;
                self.feed(Input::Failed(TransportError::Handshake));
            }
            Event::CutWebSocket => {
                self.disturbed |= !self.server_closed;
                self.feed(Input::CarrierClosed(None));
            }
            Event::Send => {
                self.sent += 1;
                self.outbox.push_back(Item::Message(self.sent));
            }
            Event::Close => {
                self.closing = true;
                self.feed(Input::Close);
            }
            Event::ServerSend => {
                self.server_sent += 1;
                self.server_queue.push_back(Reply::Message(self.server_sent));
            }
            Event::ServerPing => self.server_queue.push_back(Reply::Ping),
            Event::ServerClose => self.server_queue.push_back(Reply::Close),
            Event::Tick => {
                self.now = self.machine.poll_timeout().expect("a session that has not ended has a deadline");
                self.pass_timeouts();
            }
            Event::Wait => {
                let next = self.machine.poll_timeout().expect("a session that has not ended has a deadline");
                self.now += next.saturating_duration_since(self.now) / 2;
            }
        }
        self.check();
    }

    /// The server and the driver do everything that is due, without the clock, until the session has ended.
    pub(super) fn finish(mut self) {
        if !self.closing && self.ended.is_none() {
            self.step(Event::Close);
        }
        for _ in 0..100 {
            let prompt = [
                Event::Read,
                Event::Handle,
                Event::Write,
                Event::OpenProbe,
                Event::AnswerProbe,
                Event::AnswerGet,
                Event::AnswerPost,
                Event::Receive,
            ];
            for event in prompt {
                if self.ended.is_none() && self.allows(event) {
                    self.step(event);
                }
            }
            if self.ended.is_none() && self.websocket && self.server_closed {
                self.step(Event::CutWebSocket);
            }
            if self.ended.is_some() {
                return;
            }
        }
        panic!("a close does not end although the server answers everything");
    }

    fn pass_timeouts(&mut self) {
        for round in 0.. {
            assert!(round < 10, "the machine requests the same time again and again");
            if self.machine.poll_timeout().is_none_or(|next| next > self.now) {
                return;
            }
            self.feed(Input::Timeout);
            self.disturbed |= self.ended.is_some();
        }
    }
}
