//! The session machine under virtual time: single cases, and an exploration of interleavings.

mod interleavings;

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

/// The pong may be behind a message that takes long to arrive.
#[test]
fn another_packet_extends_the_wait_for_a_pong_once() {
    for packet in [message("a"), Packet::Noop, Packet::Upgrade] {
        let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
        let _ = session.handle(Input::Packet(packet.clone()), start + 20 * SECOND);
        assert_eq!(session.poll_timeout(), Some(start + 25 * SECOND), "no pong is due");
        for ping in [start + 25 * SECOND, start + 100 * SECOND] {
            assert_eq!(session.handle(Input::Timeout, ping), Some(Action::Ping));
            let _ = session.handle(Input::Packet(packet.clone()), ping + 15 * SECOND);
            assert_eq!(session.poll_timeout(), Some(ping + 35 * SECOND));
            let _ = session.handle(Input::Packet(packet.clone()), ping + 30 * SECOND);
            assert_eq!(session.poll_timeout(), Some(ping + 35 * SECOND), "once");
            let pong = Input::Packet(Packet::Pong(Text::new()));
            assert_eq!(session.handle(pong, ping + 34 * SECOND), None);
        }
        let ping = start + 159 * SECOND;
        assert_eq!(session.handle(Input::Timeout, ping), Some(Action::Ping));
        let _ = session.handle(Input::Packet(packet), ping + 15 * SECOND);
        let dead = Some(Action::Closed(CloseReason::PingTimeout, FinalPacket::Close));
        assert_eq!(session.handle(Input::Timeout, ping + 35 * SECOND), dead);
    }
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

/// EIO-SRV-085, EIO-SRV-086
#[test]
fn a_session_lives_for_interval_and_timeout_after_each_heartbeat() {
    let millis = Duration::from_millis;
    for (interval, timeout, heartbeat) in [(300, 100, None), (80, 50, Some(85))] {
        let (ping_interval, ping_timeout) = (millis(interval), millis(timeout));
        let config = Config { ping_interval, ping_timeout, ..Config::default() };
        let start = Instant::now();
        let mut session = Machine::new(Arc::new(config), Protocol::V4, Transport::Polling, start);
        let mut from = start;
        if let Some(heartbeat) = heartbeat {
            assert_eq!(session.handle(Input::Timeout, start + ping_interval), Some(Action::Ping));
            from = start + millis(heartbeat);
            assert_eq!(session.handle(Input::Packet(Packet::Pong(Text::new())), from), None);
        }
        assert_eq!(session.handle(Input::Timeout, from + ping_interval - millis(1)), None, "no ping yet");
        assert_eq!(session.handle(Input::Timeout, from + ping_interval), Some(Action::Ping));
        let deadline = from + ping_interval + ping_timeout;
        assert_eq!(session.handle(Input::Timeout, deadline - millis(1)), None, "alive");
        let dead = Some(Action::Closed(CloseReason::PingTimeout, FinalPacket::Close));
        assert_eq!(session.handle(Input::Timeout, deadline), dead);
    }
}

/// EIO-SRV-088
#[test]
fn in_revision_3_a_silent_client_lives_for_interval_and_timeout() {
    let millis = Duration::from_millis;
    let config = Config { ping_interval: millis(300), ping_timeout: millis(100), ..Config::default() };
    let start = Instant::now();
    let mut session = Machine::new(Arc::new(config), Protocol::V3, Transport::WebSocket, start);
    assert_eq!(session.handle(Input::Timeout, start + millis(350)), None, "alive");
    assert_eq!(session.handle(Input::Timeout, start + millis(399)), None, "alive");
    let dead = Some(Action::Closed(CloseReason::PingTimeout, FinalPacket::Close));
    assert_eq!(session.handle(Input::Timeout, start + millis(400)), dead);
}

/// EIO-SRV-102
#[test]
fn the_heartbeat_goes_on_after_an_upgrade() {
    let millis = Duration::from_millis;
    let config = Config { ping_interval: millis(200), ping_timeout: millis(20), ..Config::default() };
    let start = Instant::now();
    let mut session = Machine::new(Arc::new(config), Protocol::V4, Transport::Polling, start);
    assert_eq!(session.handle(Input::ProbeOpened, start + millis(150)), None);
    let switch = session.handle(Input::ProbePacket(Packet::Upgrade), start + millis(150));
    assert_eq!(switch, Some(Action::Switch));
    // Far longer than the 500 ms of the row: the upgrade leaves no timer of polling behind.
    let mut ping = start + millis(200);
    for _ in 0..10 {
        assert_eq!(session.poll_timeout(), Some(ping));
        assert_eq!(session.handle(Input::Timeout, ping), Some(Action::Ping));
        assert_eq!(session.handle(Input::Timeout, ping + millis(19)), None);
        assert_eq!(session.handle(Input::Packet(Packet::Pong(Text::new())), ping + millis(19)), None);
        ping += millis(219);
    }
    assert_eq!(session.state(), State::Open(Carrier::WebSocket));
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
fn a_websocket_session_takes_neither_requests_nor_probes() {
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
fn a_probe_has_a_deadline_and_leaves_polling_as_it_was() {
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
