//! The session machine under virtual time: single cases, and an exploration of interleavings.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn machine(protocol: Protocol, transport: Transport) -> (Machine, Instant) {
    let now = Instant::now();
    (Machine::new(Arc::new(Config::default()), protocol, transport, now), now)
}

fn message(text: &'static str) -> Packet {
    Packet::Message(text.into())
}

fn ping(data: &'static str) -> Packet {
    Packet::Ping(data.into())
}

fn failed(fault: Fault) -> Option<Action> {
    Some(Action::Closed(CloseReason::TransportError(fault), FinalPacket::Close))
}

#[test]
fn the_first_ping_is_due_one_interval_after_the_opening() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    assert_eq!(session.poll_timeout(), Some(start + 25 * SECOND));
    assert_eq!(session.handle(Input::Timeout, start + 24 * SECOND), None, "never earlier");
    assert_eq!(session.handle(Input::Timeout, start + 25 * SECOND), Some(Action::Ping));
    assert_eq!(session.poll_timeout(), Some(start + 45 * SECOND));
    let dead = Some(Action::Closed(CloseReason::PingTimeout, FinalPacket::Close));
    assert_eq!(session.handle(Input::Timeout, start + 45 * SECOND), dead);
    assert_eq!(session.poll_timeout(), None);
}

/// A process that was suspended for longer than the heartbeat timeout has not sent its ping yet.
#[test]
fn a_server_that_slept_asks_before_it_takes_the_peer_for_dead() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    assert_eq!(session.handle(Input::Timeout, start + 100 * SECOND), Some(Action::Ping));
    assert_eq!(session.poll_timeout(), Some(start + 120 * SECOND));
    assert_eq!(session.handle(Input::Timeout, start + 100 * SECOND), None);
}

/// The pong may be in the socket buffer of a process that was suspended while it waited for it.
#[test]
fn a_deadline_that_passed_while_the_server_slept_is_put_off_once() {
    for (protocol, asked) in [(Protocol::V4, true), (Protocol::V3, false)] {
        let dead = Some(Action::Closed(CloseReason::PingTimeout, FinalPacket::Close));
        let slept = || {
            let (mut session, start) = machine(protocol, Transport::Polling);
            let ping = session.handle(Input::Timeout, start + 25 * SECOND);
            assert_eq!(ping, asked.then_some(Action::Ping));
            assert_eq!(session.poll_timeout(), Some(start + 45 * SECOND));
            let woke = start + 60 * SECOND;
            assert_eq!(session.handle(Input::Timeout, woke), None);
            assert_eq!(session.poll_timeout(), Some(woke + SECOND));
            (session, woke)
        };
        let (mut silent, woke) = slept();
        assert_eq!(silent.handle(Input::Timeout, woke + SECOND), dead);
        let (mut slept_again, woke) = slept();
        assert_eq!(slept_again.handle(Input::Timeout, woke + 60 * SECOND), dead);

        let (mut lives, woke) = slept();
        let heard = woke + SECOND / 2;
        let (packet, next) = match protocol {
            Protocol::V4 => (Packet::Pong(Text::new()), heard + 25 * SECOND),
            Protocol::V3 => (ping(""), heard + 45 * SECOND),
        };
        let _ = lives.handle(Input::Packet(packet), heard);
        assert_eq!(lives.poll_timeout(), Some(next));
        // The next deadline has a grace period of its own.
        if asked {
            assert_eq!(lives.handle(Input::Timeout, next), Some(Action::Ping));
        }
        let by = lives.poll_timeout().unwrap();
        assert_eq!(lives.handle(Input::Timeout, by + 9 * SECOND), None);
        assert_eq!(lives.handle(Input::Timeout, by + 10 * SECOND), dead);
    }
}

/// A timer that fires slightly late does not count as a suspension.
#[test]
fn a_deadline_that_is_noticed_in_time_is_not_put_off() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::Timeout, start + 25 * SECOND), Some(Action::Ping));
    let dead = Some(Action::Closed(CloseReason::PingTimeout, FinalPacket::Close));
    assert_eq!(session.handle(Input::Timeout, start + 46 * SECOND), dead);
}

#[test]
fn a_pong_starts_the_interval_anew() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    assert_eq!(session.handle(Input::Timeout, start + 25 * SECOND), Some(Action::Ping));
    assert_eq!(session.handle(Input::Packet(Packet::Pong(Text::new())), start + 30 * SECOND), None);
    assert_eq!(session.poll_timeout(), Some(start + 55 * SECOND));
}

#[test]
fn in_revision_3_the_client_pings() {
    let (mut session, start) = machine(Protocol::V3, Transport::WebSocket);
    assert_eq!(session.poll_timeout(), Some(start + 45 * SECOND));
    let pong = session.handle(Input::Packet(ping("x")), start + 10 * SECOND);
    assert_eq!(pong, Some(Action::Pong("x".into())));
    assert_eq!(session.poll_timeout(), Some(start + 55 * SECOND));
    let wrong = session.handle(Input::Packet(Packet::Pong(Text::new())), start);
    assert_eq!(wrong, failed(Fault::InvalidHeartbeatDirection));
}

#[test]
fn in_revision_4_the_client_must_not_ping() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    assert_eq!(session.handle(Input::Packet(ping("")), start), failed(Fault::InvalidHeartbeatDirection));
}

#[test]
fn overlapping_requests_end_the_session() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::PollOpened, start), None);
    assert!(session.writable());
    assert_eq!(session.handle(Input::PollOpened, start), failed(Fault::PollOverlap));
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::PostOpened, start), None);
    assert_eq!(session.handle(Input::PostOpened, start), failed(Fault::PostOverlap));
}

#[test]
fn a_websocket_session_takes_neither_requests_nor_trials() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    for input in [Input::PollOpened, Input::PostOpened, Input::ProbeOpened] {
        assert_eq!(session.handle(input, start), Some(Action::Refuse));
    }
    assert_eq!(session.transport(), Some(Transport::WebSocket));
}

#[test]
fn an_upgrade_goes_through_its_steps() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::PollOpened, start), None);
    assert_eq!(session.handle(Input::ProbeOpened, start), None);
    assert_eq!(session.handle(Input::ProbeOpened, start), Some(Action::Refuse), "one at a time");
    assert_eq!(session.handle(Input::ProbePacket(ping("probe")), start), Some(Action::AnswerProbe));
    assert_eq!(session.poll_timeout(), Some(start), "the poll is released at once");
    assert_eq!(session.handle(Input::Timeout, start), Some(Action::ReleasePoll));
    assert_eq!(session.handle(Input::PollAnswered, start), None);
    assert_eq!(session.handle(Input::PollOpened, start), None);
    assert_eq!(session.handle(Input::Timeout, start), None, "and the next one after a moment");
    assert_eq!(session.poll_timeout(), Some(start + SECOND / 10));
    assert_eq!(session.handle(Input::ProbePacket(Packet::Upgrade), start), Some(Action::Switch));
    assert_eq!(session.transport(), Some(Transport::WebSocket));
}

#[test]
fn a_trial_has_a_deadline_and_leaves_polling_as_it_was() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::ProbeOpened, start), None);
    assert_eq!(session.poll_timeout(), Some(start + 10 * SECOND));
    assert_eq!(session.handle(Input::Timeout, start + 10 * SECOND), Some(Action::DropProbe));
    assert_eq!(session.handle(Input::ProbePacket(Packet::Upgrade), start + 11 * SECOND), None, "too late");
    assert_eq!(session.transport(), Some(Transport::Polling));
    assert_eq!(session.handle(Input::ProbeOpened, start + 11 * SECOND), None, "another may try");
}

#[test]
fn an_upgrade_gives_an_open_ping_the_whole_timeout_again() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::Timeout, start + 25 * SECOND), Some(Action::Ping));
    assert_eq!(session.handle(Input::ProbeOpened, start + 40 * SECOND), None);
    assert_eq!(
        session.handle(Input::ProbePacket(Packet::Upgrade), start + 40 * SECOND),
        Some(Action::Switch)
    );
    assert_eq!(session.poll_timeout(), Some(start + 60 * SECOND));
}

#[test]
fn closing_delivers_what_waits_and_ignores_the_peer() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    assert_eq!(session.handle(Input::Drained, start), None, "nothing to do while open");
    assert_eq!(session.handle(Input::Close, start), Some(Action::Drain));
    assert_eq!(session.handle(Input::Close, start), None);
    assert_eq!(session.handle(Input::Packet(message("late")), start), None);
    let closed = Some(Action::Closed(CloseReason::ForcedClose, FinalPacket::Close));
    assert_eq!(session.handle(Input::Drained, start), closed);
    assert_eq!(session.handle(Input::Packet(message("later")), start), None);
}

#[test]
fn closing_ends_by_itself() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::Close, start), Some(Action::Drain));
    // The due ping is not sent, but the peer still has to prove that it is alive.
    assert_eq!(session.handle(Input::Timeout, start + 25 * SECOND), None);
    let closed = Some(Action::Closed(CloseReason::ForcedClose, FinalPacket::Close));
    assert_eq!(session.handle(Input::Timeout, start + 30 * SECOND), closed);
}

/// The request for the remaining messages may be in the socket buffer of a process that was suspended.
#[test]
fn a_close_whose_deadline_passed_while_the_server_slept_is_put_off_once() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    assert_eq!(session.handle(Input::Close, start), Some(Action::Drain));
    let woke = start + 60 * SECOND;
    assert_eq!(session.handle(Input::Timeout, woke), None);
    assert_eq!(session.poll_timeout(), Some(woke + SECOND));
    assert_eq!(session.handle(Input::PollOpened, woke + SECOND / 2), None);
    assert!(session.writable());
    let closed = Some(Action::Closed(CloseReason::ForcedClose, FinalPacket::Close));
    assert_eq!(session.handle(Input::Timeout, woke + 60 * SECOND), closed);
}

#[test]
fn a_close_packet_is_answered_with_a_noop() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    let closed = Some(Action::Closed(CloseReason::TransportClose, FinalPacket::Noop));
    assert_eq!(session.handle(Input::Packet(Packet::Close), start), closed);
    assert_eq!(session.handle(Input::PollOpened, start), Some(Action::Refuse));
}

/// A session with its outbox, the connections and a client: the state of a driver, without I/O.
#[derive(Clone)]
struct World {
    state: State,
    heartbeat: Heartbeat,
    now: Instant,
    /// The messages that the application sent and no transport has taken yet.
    outbox: VecDeque<u8>,
    sent: u8,
    /// The messages that reached the client.
    received: Vec<u8>,
    /// The next message of the client, and the messages that the application received.
    said: u8,
    heard: Vec<u8>,
    /// The client's state: a GET in progress, and the stage of its upgrade.
    polling: bool,
    client: ClientStage,
    ended: Option<CloseReason>,
    lost: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum ClientStage {
    Polling,
    Connected,
    Probed,
    /// The pong has arrived: no further GET, and the upgrade packet once the last GET is answered.
    Pausing,
    Upgraded,
}

/// The possible next events.
#[derive(Clone, Copy, Debug)]
enum Event {
    Poll,
    CutPoll,
    Say,
    Pong,
    Connect,
    Probe,
    Upgrade,
    CutProbe,
    Send,
    Tick,
    Close,
    Abort,
    PeerClose,
    CutCarrier,
    Nonsense,
}

const EVENTS: [Event; 15] = [
    Event::Poll,
    Event::CutPoll,
    Event::Say,
    Event::Pong,
    Event::Connect,
    Event::Probe,
    Event::Upgrade,
    Event::CutProbe,
    Event::Send,
    Event::Tick,
    Event::Close,
    Event::Abort,
    Event::PeerClose,
    Event::CutCarrier,
    Event::Nonsense,
];

impl World {
    fn new(start: Instant, config: &Arc<Config>) -> Self {
        let machine = Machine::new(Arc::clone(config), Protocol::V4, Transport::Polling, start);
        Self {
            state: machine.state,
            heartbeat: machine.heartbeat,
            now: start,
            outbox: VecDeque::new(),
            sent: 0,
            received: Vec::new(),
            said: 0,
            heard: Vec::new(),
            polling: false,
            client: ClientStage::Polling,
            ended: None,
            lost: false,
        }
    }

    /// Two worlds with the same key have the same possible futures.
    fn key(&self, start: Instant) -> String {
        let deadline = |at: Instant| at.saturating_duration_since(start);
        let state = format!("{:?}", self.state);
        let next = self.machine(&Arc::new(Config::default())).poll_timeout().map(deadline);
        format!(
            "{state}{next:?}{:?}{:?}{:?}{}{}{:?}{}{:?}{:?}",
            deadline(self.now),
            self.outbox,
            self.received,
            self.sent,
            self.said,
            self.heard,
            self.polling,
            self.client,
            self.heartbeat.deadline().saturating_duration_since(start)
        )
    }

    fn machine(&self, config: &Arc<Config>) -> Machine {
        Machine {
            config: Arc::clone(config),
            protocol: Protocol::V4,
            state: self.state,
            heartbeat: self.heartbeat,
        }
    }

    fn on_websocket(&self) -> bool {
        self.client == ClientStage::Upgraded
    }

    /// Whether a client that follows the protocol, or the network, can cause this event now.
    fn allows(&self, event: Event) -> bool {
        let open = self.ended.is_none();
        match event {
            Event::Poll => {
                !self.polling
                    && matches!(
                        self.client,
                        ClientStage::Polling | ClientStage::Connected | ClientStage::Probed
                    )
            }
            Event::CutPoll => self.polling && open,
            Event::Say => open && self.said < 2 && self.client != ClientStage::Pausing,
            Event::Pong => open,
            Event::Connect => open && self.client == ClientStage::Polling,
            Event::Probe => open && self.client == ClientStage::Connected,
            Event::Upgrade => open && self.client == ClientStage::Pausing && !self.polling,
            Event::CutProbe => {
                open && matches!(
                    self.client,
                    ClientStage::Connected | ClientStage::Probed | ClientStage::Pausing
                )
            }
            Event::Send => open && self.sent < 3,
            Event::CutCarrier => open && self.on_websocket(),
            Event::Tick | Event::Close | Event::Abort | Event::PeerClose | Event::Nonsense => open,
        }
    }

    fn step(&mut self, event: Event, config: &Arc<Config>) {
        let input = match event {
            Event::Poll => {
                self.polling = true;
                Input::PollOpened
            }
            Event::CutPoll => {
                self.polling = false;
                self.lost = true;
                Input::PollLost
            }
            Event::Say => {
                self.said += 1;
                Input::Packet(Packet::Message(vec![self.said].into()))
            }
            Event::Pong => Input::Packet(Packet::Pong(Text::new())),
            Event::Connect => {
                self.client = ClientStage::Connected;
                Input::ProbeOpened
            }
            Event::Probe => {
                self.client = ClientStage::Probed;
                Input::ProbePacket(ping("probe"))
            }
            Event::Upgrade => {
                self.client = ClientStage::Upgraded;
                Input::ProbePacket(Packet::Upgrade)
            }
            Event::CutProbe => {
                self.client = ClientStage::Polling;
                Input::ProbeLost
            }
            Event::Send => {
                // The outbox of a closing session refuses messages.
                if matches!(self.state, State::Open(_)) {
                    self.sent += 1;
                    self.outbox.push_back(self.sent);
                }
                return self.settle(config);
            }
            Event::Tick => {
                self.now = self.machine(config).poll_timeout().expect("an open session has a deadline");
                Input::Timeout
            }
            Event::Close => Input::Close,
            Event::Abort => Input::Abort(CloseReason::ForcedClose),
            Event::PeerClose => Input::Packet(Packet::Close),
            Event::CutCarrier => {
                self.lost = true;
                Input::CarrierLost(CloseReason::TransportClose)
            }
            Event::Nonsense => Input::Undecodable,
        };
        self.feed(input, config);
        self.settle(config);
    }

    fn feed(&mut self, input: Input, config: &Arc<Config>) {
        let refused_poll = matches!(input, Input::PollOpened);
        let mut machine = self.machine(config);
        let action = machine.handle(input, self.now);
        self.state = machine.state;
        self.heartbeat = machine.heartbeat;
        match action {
            Some(Action::Deliver(message)) => self.heard.extend_from_slice(message.as_bytes()),
            Some(Action::AnswerProbe) => self.client = ClientStage::Pausing,
            Some(Action::ReleasePoll) => self.answer_poll(config),
            Some(Action::DropProbe) if self.client != ClientStage::Polling => {
                self.client = ClientStage::Polling;
            }
            Some(Action::Switch) => {
                assert_eq!(self.client, ClientStage::Upgraded);
                self.polling = false;
            }
            Some(Action::Refuse) if refused_poll => self.polling = false,
            Some(Action::Closed(reason, _)) => {
                assert_eq!(self.ended.replace(reason), None, "a session ends once");
                self.polling = false;
            }
            _ => {}
        }
    }

    fn answer_poll(&mut self, config: &Arc<Config>) {
        assert!(self.polling, "only a GET that waits can be answered");
        self.polling = false;
        self.feed(Input::PollAnswered, config);
    }

    /// The end of a driver's turn: the clock, the outbox, the drain.
    fn settle(&mut self, config: &Arc<Config>) {
        for round in 0.. {
            assert!(round < 10, "time stands still and the machine is not done");
            let due = self.machine(config).poll_timeout().is_some_and(|deadline| deadline <= self.now);
            if !due {
                break;
            }
            self.feed(Input::Timeout, config);
        }
        let machine = self.machine(config);
        if machine.writable() && (!self.outbox.is_empty() || matches!(self.state, State::Closing { .. })) {
            self.received.extend(self.outbox.drain(..));
            if machine.transport() == Some(Transport::Polling) {
                self.answer_poll(config);
            }
            if matches!(self.state, State::Closing { .. }) {
                self.feed(Input::Drained, config);
            }
        }
    }

    fn check(&self, config: &Arc<Config>) {
        let machine = self.machine(config);
        assert_eq!(
            machine.poll_timeout().is_none(),
            self.ended.is_some(),
            "every state but the last has a deadline"
        );
        assert_eq!(matches!(self.state, State::Closed(_)), self.ended.is_some());
        let in_order =
            |numbers: &[u8]| numbers.iter().copied().eq(1..=u8::try_from(numbers.len()).unwrap_or(u8::MAX));
        assert!(in_order(&self.received), "to the client: {:?}", self.received);
        assert!(in_order(&self.heard), "from the client: {:?}", self.heard);
        if self.ended.is_none() {
            assert_eq!(self.received.len() + self.outbox.len(), usize::from(self.sent), "nothing is lost");
            if matches!(self.state, State::Open(_)) {
                assert_eq!(self.heard.len(), usize::from(self.said));
            }
        }
        // An undisturbed orderly close has delivered everything.
        if self.ended == Some(CloseReason::ForcedClose) && !self.lost && self.outbox.is_empty() {
            assert_eq!(self.received.len(), usize::from(self.sent));
        }
    }
}

/// Walks through all interleavings of the events of a client, the network, the clock and the application, up
/// to a depth. After each step it checks that no message is lost, duplicated or out of order, that every
/// state has a deadline, and that a session ends exactly once.
#[test]
fn no_interleaving_breaks_a_session() {
    const DEPTH: usize = 22;
    let config = Arc::new(Config::default());
    let start = Instant::now();
    let mut seen = HashSet::new();
    let mut layer = vec![World::new(start, &config)];
    let mut steps = 0_usize;
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for world in &layer {
            for event in EVENTS.into_iter().filter(|event| world.allows(*event)) {
                let mut world = world.clone();
                world.step(event, &config);
                world.check(&config);
                steps += 1;
                if world.ended.is_none() && seen.insert(world.key(start)) {
                    next.push(world);
                }
            }
        }
        layer = next;
    }
    println!(
        "{steps} steps from {} different situations, all interleavings of up to {DEPTH} events",
        seen.len()
    );
    assert!(steps > 1_000_000, "the exploration has become too small to mean anything: {steps}");
}
