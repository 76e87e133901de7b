//! The model of the driver and of the server: their handling of packets.

use super::*;

impl World {
    pub(super) fn handle(&mut self) {
        let packet = if self.websocket {
            self.server_queue.pop_front()
        } else {
            match &mut self.get {
                Get::Answered(packets) => packets.pop_front(),
                Get::None | Get::Waiting => None,
            }
        };
        let Some(packet) = packet else {
            self.get = Get::None;
            return self.feed(Input::PollEnded);
        };
        let packet = match packet {
            Reply::Message(number) => Packet::Message(vec![number].into()),
            Reply::Ping => {
                if self.machine.pong_queued && !self.is_pending(Item::Pong) {
                    self.feed(Input::PongWritten);
                }
                Packet::Ping(Text::new())
            }
            Reply::Pong => Packet::Pong(Text::new()),
            Reply::Noop => Packet::Noop,
            Reply::Close => {
                self.disturbed = true;
                Packet::Close
            }
        };
        self.feed(Input::Packet(packet));
    }

    pub(super) fn is_pending(&self, item: Item) -> bool {
        let sent = if item == Item::Pong { Sent::Pong } else { Sent::Ping };
        let posted = self.post.as_ref().is_some_and(|post| post.contains(&sent));
        posted || self.outbox.contains(&item) || self.held.is_some_and(|(held, _)| held == item)
    }

    pub(super) fn write(&mut self, part: bool) {
        if self.websocket {
            let count = if part { 1 } else { usize::MAX };
            for _ in 0..count {
                let Some((item, _)) = self.take() else { break };
                self.stream.extend(halves(item).into_iter().flatten());
            }
        }
        let waiting = self.held.is_some() || !self.outbox.is_empty();
        let before = self.post.is_some();
        if let Some(action) = self.machine.handle(Input::Write { waiting }, self.now) {
            match action {
                Action::Post => {
                    assert!(!before, "one POST at a time");
                    assert!(!self.websocket, "no POST after the switch");
                    assert!(waiting, "no empty POST");
                    self.post = Some(self.body(part));
                }
                action => self.act(action),
            }
        }
    }

    /// The packets of a POST: everything, or the smallest part that leaves a message split.
    fn body(&mut self, part: bool) -> Vec<Sent> {
        let mut body = Vec::new();
        while let Some((item, begun)) = self.take() {
            let packets = halves(item);
            match packets {
                [Some(first), Some(_)] if part && !begun => {
                    // The first entry of a body is always written, at least in part.
                    self.held = Some((item, body.is_empty()));
                    if body.is_empty() {
                        body.push(first);
                    }
                    break;
                }
                packets => body.extend(packets.into_iter().skip(usize::from(begun)).flatten()),
            }
        }
        body
    }

    fn take(&mut self) -> Option<(Item, bool)> {
        self.held.take().or_else(|| self.outbox.pop_front().map(|item| (item, false)))
    }

    /// The server receives a packet.
    pub(super) fn receive(&mut self, packet: Sent) {
        match packet {
            Sent::Half(number, second) => self.received.push(2 * u16::from(number) + u16::from(second)),
            Sent::Ping => self.server_queue.push_back(Reply::Pong),
            Sent::Pong | Sent::Probe => {}
            Sent::Upgrade => self.server_upgraded = true,
            Sent::Close => self.server_closed = true,
        }
    }

    pub(super) fn feed(&mut self, input: Input) {
        if let Some(action) = self.machine.handle(input, self.now) {
            self.act(action);
        }
    }
}

/// The packets of an entry.
fn halves(item: Item) -> [Option<Sent>; 2] {
    match item {
        Item::Message(number) => [Some(Sent::Half(number, false)), Some(Sent::Half(number, true))],
        Item::Ping => [Some(Sent::Ping), None],
        Item::Pong => [Some(Sent::Pong), None],
    }
}
