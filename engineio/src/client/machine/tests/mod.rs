//! The client's machine under virtual time: single cases here, an exploration of interleavings in
//! `exploration`.

mod exploration;
mod world;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The settings of the tests: an interval of 25 s, and timeouts of 20 s for pings and 10 s for the others.
fn settings(protocol: Protocol, transport: Transport) -> Settings {
    Settings {
        protocol,
        transport,
        ping_interval: 25 * SECOND,
        ping_timeout: 20 * SECOND,
        upgrade_timeout: Some(10 * SECOND),
        close_timeout: 10 * SECOND,
    }
}

fn machine(protocol: Protocol, transport: Transport) -> (Machine, Instant) {
    let now = Instant::now();
    (Machine::new(&settings(protocol, transport), now), now)
}

/// A polling session whose probe the server has answered, with a GET and a POST in progress.
fn paused() -> (Machine, Instant) {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    act(&mut session, Input::PollEnded, start, "None");
    act(&mut session, Input::Read, start, "Poll");
    act(&mut session, Input::Write { waiting: true }, start, "Post");
    act(&mut session, Input::ProbeOpened, start, "Probe");
    act(&mut session, Input::ProbePacket(pong("probe")), start, "None");
    assert!(session.is_paused() && !session.writable());
    (session, start)
}

/// Passes an input and checks the action by its `Debug` form: the errors in it cannot be compared.
#[track_caller]
fn act(session: &mut Machine, input: Input, now: Instant, expected: &str) {
    let action = session.handle(input, now);
    let shown = action.map_or_else(|| "None".to_owned(), |action| format!("{action:?}"));
    assert_eq!(shown, expected);
}

fn ping(data: &'static str) -> Packet {
    Packet::Ping(data.into())
}

fn pong(data: &'static str) -> Packet {
    Packet::Pong(data.into())
}

fn message(text: &'static str) -> Packet {
    Packet::Message(text.into())
}

/// EIO-SRV-089
#[test]
fn a_session_ends_without_the_pings_of_the_server() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    assert_eq!(session.poll_timeout(), Some(start + 45 * SECOND));
    act(&mut session, Input::Packet(message("a")), start + 20 * SECOND, r#"Deliver(Text("a"))"#);
    act(&mut session, Input::Timeout, start + 44 * SECOND, "None");
    act(&mut session, Input::Packet(ping("x")), start + 44 * SECOND, r#"Pong("x")"#);
    assert_eq!(session.poll_timeout(), Some(start + 89 * SECOND));
    act(&mut session, Input::Timeout, start + 88 * SECOND, "None");
    act(&mut session, Input::Timeout, start + 89 * SECOND, "Closed(PingTimeout)");
    assert_eq!(session.poll_timeout(), None);
    act(&mut session, Input::Packet(message("b")), start + 89 * SECOND, "None");
}

#[test]
fn in_revision_3_the_client_pings() {
    let (mut session, start) = machine(Protocol::V3, Transport::WebSocket);
    assert_eq!(session.poll_timeout(), Some(start + 25 * SECOND));
    act(&mut session, Input::Timeout, start + 25 * SECOND, "Ping");
    act(&mut session, Input::Packet(pong("")), start + 26 * SECOND, "None");
    assert_eq!(session.poll_timeout(), Some(start + 51 * SECOND));
    act(&mut session, Input::Close, start + 50 * SECOND, "None");
    act(&mut session, Input::Timeout, start + 51 * SECOND, "None");
}

#[test]
fn pings_get_one_pong_until_it_is_written() {
    let (mut session, start) = machine(Protocol::V4, Transport::WebSocket);
    act(&mut session, Input::Packet(ping("1")), start, r#"Pong("1")"#);
    act(&mut session, Input::Packet(ping("2")), start, "None");
    act(&mut session, Input::PongWritten, start, "None");
    act(&mut session, Input::Packet(ping("3")), start, r#"Pong("3")"#);
}

#[test]
fn polling_has_one_get_and_one_post_in_progress() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    act(&mut session, Input::Read, start, "None");
    act(&mut session, Input::PollEnded, start, "None");
    act(&mut session, Input::Read, start, "Poll");
    act(&mut session, Input::Read, start, "None");
    act(&mut session, Input::Write { waiting: false }, start, "None");
    act(&mut session, Input::Write { waiting: true }, start, "Post");
    act(&mut session, Input::Write { waiting: true }, start, "None");
    act(&mut session, Input::PostEnded { split: false }, start, "None");
    act(&mut session, Input::Write { waiting: true }, start, "Post");
}

#[test]
fn a_session_moves_when_both_requests_have_ended() {
    let (mut session, start) = paused();
    act(&mut session, Input::PollEnded, start, "None");
    act(&mut session, Input::Read, start, "None");
    act(&mut session, Input::PostEnded { split: false }, start, "Switch");
    assert!(session.writable() && !session.is_upgrading());
    assert_eq!(session.poll_timeout(), Some(start + 45 * SECOND));
}

#[test]
fn a_split_message_is_finished_before_the_session_moves() {
    let (mut session, start) = paused();
    act(&mut session, Input::PollEnded, start, "None");
    act(&mut session, Input::PostEnded { split: true }, start, "None");
    act(&mut session, Input::Write { waiting: true }, start, "Post");
    act(&mut session, Input::PostEnded { split: false }, start, "Switch");
}

#[test]
fn an_upgrade_has_a_deadline_and_leaves_polling_as_it_was() {
    let (mut session, start) = paused();
    let late = start + 10 * SECOND;
    assert_eq!(session.poll_timeout(), Some(late));
    act(&mut session, Input::PollEnded, start, "None");
    act(&mut session, Input::Read, start, "None");
    act(&mut session, Input::Timeout, late, "FailUpgrade(Timeout)");
    act(&mut session, Input::Read, late, "Poll");
    act(&mut session, Input::ProbePacket(pong("probe")), late, "None");
    act(&mut session, Input::ProbeFailed(UpgradeError::Closed), late, "None");
}

#[test]
fn any_other_answer_to_the_probe_fails_the_upgrade() {
    for packet in [pong(""), message("probe"), ping("probe"), Packet::Close] {
        let (mut session, start) = machine(Protocol::V4, Transport::Polling);
        act(&mut session, Input::ProbeOpened, start, "Probe");
        act(&mut session, Input::ProbePacket(packet), start, "FailUpgrade(Answer)");
    }
}

#[test]
fn a_close_cancels_an_upgrade_that_the_server_has_not_answered() {
    let (mut session, start) = machine(Protocol::V4, Transport::Polling);
    act(&mut session, Input::ProbeOpened, start, "Probe");
    act(&mut session, Input::Close, start, "CancelUpgrade");
    act(&mut session, Input::Close, start, "None");
    act(&mut session, Input::Write { waiting: true }, start, "Post");
    act(&mut session, Input::PostEnded { split: false }, start, "None");
    act(&mut session, Input::Write { waiting: false }, start, "SendClose");
    act(&mut session, Input::PollEnded, start, "None");
    act(&mut session, Input::Read, start, "None");
    act(&mut session, Input::PostEnded { split: false }, start, "Closed(Forced)");
}

#[test]
fn a_close_waits_for_an_upgrade_that_the_server_has_answered() {
    let (mut session, start) = paused();
    act(&mut session, Input::Close, start, "None");
    act(&mut session, Input::PollEnded, start, "None");
    act(&mut session, Input::Write { waiting: false }, start, "None");
    act(&mut session, Input::PostEnded { split: false }, start, "Switch");
    act(&mut session, Input::Write { waiting: true }, start, "None");
    act(&mut session, Input::Write { waiting: false }, start, "SendClose");
    act(&mut session, Input::CarrierClosed(None), start, "Closed(Forced)");
}

#[test]
fn a_close_ends_by_itself() {
    let (mut waits, start) = machine(Protocol::V4, Transport::WebSocket);
    act(&mut waits, Input::Close, start, "None");
    act(&mut waits, Input::Write { waiting: true }, start, "None");
    let mut unanswered = waits.clone();
    act(&mut waits, Input::Timeout, start + 10 * SECOND, "Closed(Forced)");
    act(&mut unanswered, Input::Write { waiting: false }, start + 9 * SECOND, "SendClose");
    assert_eq!(unanswered.poll_timeout(), Some(start + 11 * SECOND));
    act(&mut unanswered, Input::Timeout, start + 11 * SECOND, "Closed(Forced)");
}

#[test]
fn a_failure_ends_an_open_session_with_its_reason() {
    let failed = || Input::Failed(TransportError::Handshake);
    let (mut open, start) = machine(Protocol::V4, Transport::Polling);
    act(&mut open, failed(), start, "Closed(TransportError(Handshake))");
    let (mut closing, start) = machine(Protocol::V4, Transport::Polling);
    act(&mut closing, Input::Close, start, "CancelUpgrade");
    act(&mut closing, failed(), start, "Closed(Forced)");
    let (mut closed, start) = machine(Protocol::V4, Transport::Polling);
    act(&mut closed, Input::Packet(Packet::Close), start, "Closed(TransportClose(None))");
}
