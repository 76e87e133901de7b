//! The invariants: what an action may be, and what holds after each step.

use super::*;

impl World {
    pub(super) fn act(&mut self, action: Action) {
        assert_eq!(self.ended, None, "no action after the end: {action:?}");
        match action {
            Action::Deliver(message) => self.delivered.extend_from_slice(message.as_bytes()),
            Action::Ping => {
                assert_eq!(self.protocol, Protocol::V3, "in revision 4 the server pings");
                assert!(!self.closing);
                self.outbox.push_back(Item::Ping);
            }
            Action::Pong(_) => {
                assert!(!self.is_pending(Item::Pong), "one pong at a time");
                assert!(!self.closing);
                self.outbox.push_back(Item::Pong);
            }
            Action::Poll => {
                assert_eq!(self.get, Get::None, "one GET at a time");
                assert!(!self.websocket, "no GET after the switch");
                assert!(!self.close_sent, "no GET after the close packet");
                self.get = Get::Waiting;
            }
            Action::Post => panic!("only writing starts a POST"),
            Action::Probe => {
                assert_eq!(self.probe, Some(ProbeStage::Open));
                self.stream.push_back(Sent::Probe);
            }
            Action::Switch => {
                assert_eq!(self.probe, Some(ProbeStage::Answered));
                assert_eq!((&self.get, &self.post), (&Get::None, &None), "polling has come to rest");
                assert!(!self.held.is_some_and(|(_, begun)| begun), "no message is split between transports");
                assert!(!self.websocket, "a session moves once");
                (self.probe, self.websocket, self.upgraded) = (None, true, true);
                self.stream.push_back(Sent::Upgrade);
            }
            Action::FailUpgrade(_) | Action::CancelUpgrade => {
                assert!(self.probe.take().is_some(), "an upgrade fails once");
                assert!(self.stream.drain(..).all(|sent| sent == Sent::Probe), "nothing else was sent on it");
            }
            Action::SendClose => {
                assert!(self.closing && !self.close_sent, "the close is sent once, if it was requested");
                assert!(self.outbox.is_empty() && self.held.is_none(), "behind all messages");
                assert_eq!(self.probe, None, "not during an upgrade");
                self.close_sent = true;
                if self.websocket {
                    self.stream.push_back(Sent::Close);
                } else {
                    assert_eq!(self.post, None);
                    self.post = Some(vec![Sent::Close]);
                }
            }
            Action::Closed(closed) => {
                assert_eq!(self.ended.replace(closed.as_str()), None, "a session ends once");
                assert!(!self.closing || matches!(closed, Closed::Forced), "{closed}");
            }
        }
    }

    pub(super) fn check(&mut self) {
        assert_eq!(
            self.machine.poll_timeout().is_none(),
            self.ended.is_some(),
            "every state but the last has a deadline"
        );
        assert_eq!(self.machine.closed().is_some(), self.ended.is_some());
        assert!(self.received.iter().copied().eq((2..).take(self.received.len())), "{:?}", self.received);
        assert!(self.delivered.iter().copied().eq((1..).take(self.delivered.len())), "{:?}", self.delivered);
        let posted = self.post.iter().flatten();
        let under_way = posted.chain(&self.stream).filter(|sent| matches!(sent, Sent::Half(..))).count();
        let waiting: usize =
            self.outbox.iter().map(|item| usize::from(matches!(item, Item::Message(_)))).sum();
        let held = match self.held {
            Some((Item::Message(_), begun)) => 2 - usize::from(begun),
            _ => 0,
        };
        assert_eq!(
            self.received.len() + under_way + 2 * waiting + held,
            2 * usize::from(self.sent),
            "no message to the server is lost or doubled"
        );
        let answered = match &self.get {
            Get::Answered(packets) => Some(packets),
            Get::None | Get::Waiting => None,
        };
        let replies = answered.into_iter().flatten().chain(&self.server_queue);
        assert_eq!(
            self.delivered.len() + replies.filter(|reply| matches!(reply, Reply::Message(_))).count(),
            usize::from(self.server_sent),
            "no message to the client is lost or doubled"
        );
        if self.ended.is_some() {
            // Nothing that arrives afterwards has an effect.
            for input in
                [Input::Read, Input::Write { waiting: true }, Input::PollEnded, Input::Close, Input::Timeout]
            {
                self.feed(input);
            }
            // A close without a disturbance has written everything.
            if self.ended == Some("forced close") && !self.disturbed {
                assert!(self.server_closed, "the server received the close");
                assert_eq!(self.received.len(), 2 * usize::from(self.sent), "behind all messages");
            }
        }
    }
}
