//! All interleavings of a session's events, against the rules that no interleaving may break.

use super::*;

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
            self.heartbeat
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
