use std::convert::Infallible;

use std::time::Duration;

use super::*;

fn room(name: &str) -> Room {
    name.into()
}

fn target(rooms: &[&str], except: &[&str]) -> Target {
    Target {
        rooms: rooms.iter().copied().map(room).collect(),
        except: except.iter().copied().map(room).collect(),
    }
}

fn away(rooms: &[&str]) -> AwaySocket {
    AwaySocket {
        sid: "sid".into(),
        pid: "pid".into(),
        rooms: rooms.iter().copied().map(room).collect(),
        data: SocketData::default(),
    }
}

/// Emits an event with its offset as text, and returns the offset.
fn emit(log: &RecoveryLog, to: &Target) -> String {
    let mut offset = String::new();
    log.emit::<Infallible>(
        to,
        || true,
        |number| {
            number.clone_into(&mut offset);
            Ok(Prepared::text(number))
        },
        |_| {},
    )
    .unwrap();
    offset
}

fn missed(log: &RecoveryLog, pid: &str, offset: &str) -> Result<Vec<String>, NotRecovered> {
    let pending = log.claim(pid, offset)?;
    Ok(log.admit(Some(pending), |pending, missed| {
        assert_eq!(&*pending.unwrap().unwrap().away.sid, "sid");
        let text = |message: &Prepared| String::from_utf8(message.text_packet()[1..].to_vec()).unwrap();
        missed.iter().map(text).collect()
    }))
}

/// ADAPTER-18
#[test]
fn a_client_without_missed_events_receives_none() {
    let log = RecoveryLog::new(Recovery::default());
    let last = emit(&log, &Target::default());
    log.leave(Some(away(&["sid"])), || {});
    assert_eq!(missed(&log, "pid", &last), Ok(vec![]));
}

/// ADAPTER-19: events with an ack id, volatile events and other packets never reach the log.
#[test]
fn a_client_receives_the_events_it_missed() {
    let log = RecoveryLog::new(Recovery::default());
    let seen = emit(&log, &Target::default());
    log.leave(Some(away(&["sid", "r1"])), || {});
    let all = emit(&log, &Target::default());
    let to_its_room = emit(&log, &target(&["r1"], &[]));
    let to_others = emit(&log, &target(&["r2"], &[]));
    let but_its_room = emit(&log, &target(&[], &["r1"]));
    let but_another = emit(&log, &target(&[], &["r3"]));
    let to_it = emit(&log, &target(&["sid"], &[]));
    assert_eq!(missed(&log, "pid", &seen), Ok(vec![all, to_its_room, but_another, to_it]));
    assert_ne!(to_others, but_its_room);
}

/// ADAPTER-20, ADAPTER-21
#[test]
fn unknown_sessions_and_offsets_are_not_recovered() {
    let log = RecoveryLog::new(Recovery::default());
    let last = emit(&log, &Target::default());
    assert_eq!(missed(&log, "pid", &last), Err(NotRecovered::UnknownSession));
    for unknown in [
        "",
        "x",
        "9",
        ".0",
        &format!("{last}f"),
        &last[..last.len() - 1],
        &RecoveryLog::new(Recovery::default()).offset(0),
    ] {
        log.leave(Some(away(&["sid"])), || {});
        assert_eq!(missed(&log, "pid", unknown), Err(NotRecovered::UnknownOffset), "{unknown:?}");
    }
}

#[test]
fn a_session_is_recovered_once() {
    let log = RecoveryLog::new(Recovery::default());
    let last = emit(&log, &Target::default());
    log.leave(Some(away(&["sid"])), || {});
    assert!(log.claim("pid", &last).is_ok());
    assert_eq!(log.claim("pid", &last).unwrap_err(), NotRecovered::UnknownSession);
    // A refused recovery can be repeated.
    log.leave(Some(away(&["sid"])), || {});
    log.put_back(log.claim("pid", &last).unwrap());
    assert!(log.claim("pid", &last).is_ok());
}

fn named(pid: &str) -> AwaySocket {
    AwaySocket { pid: pid.into(), ..away(&["sid"]) }
}

/// A refusal does not extend the deadline.
#[test]
fn a_refusal_does_not_extend_the_lifetime_of_a_session() {
    let log = RecoveryLog::new(Recovery { max_sessions: 2, ..Recovery::default() });
    let last = emit(&log, &Target::default());
    log.leave(Some(named("a")), || {});
    let pending = log.claim("a", &last).unwrap();
    for pid in ["b", "c", "d"] {
        log.leave(Some(named(pid)), || {});
    }
    // Older than the sockets that were removed in the meantime.
    log.put_back(pending);
    log.leave(Some(named("e")), || {});
    assert_eq!(log.claim("a", &last).unwrap_err(), NotRecovered::UnknownSession);
    assert!(log.claim("d", &last).is_ok() && log.claim("e", &last).is_ok());

    let log = RecoveryLog::new(Recovery::default());
    let last = emit(&log, &Target::default());
    log.leave(Some(named("a")), || {});
    let pending = log.claim("a", &last).unwrap();
    let later = Instant::now() + 2 * log.settings.max_disconnection_duration;
    log.state.lock().forget(later, &log.settings, &mut Forgotten::default());
    log.put_back(pending);
    assert!(log.state.lock().away.is_empty(), "the session has expired");
}

/// Repeated refusals keep a single entry, at its original time.
#[test]
fn repeated_refusals_take_no_more_memory() {
    let log = RecoveryLog::new(Recovery::default());
    let last = emit(&log, &Target::default());
    log.leave(Some(named("a")), || {});
    log.leave(Some(named("b")), || {});
    for _ in 0..10 {
        log.put_back(log.claim("a", &last).unwrap());
    }
    assert_eq!(log.state.lock().departures.len(), 2);
}

#[test]
fn events_during_pending_middlewares_are_not_lost() {
    let log = RecoveryLog::new(Recovery::default());
    let seen = emit(&log, &Target::default());
    log.leave(Some(away(&["sid"])), || {});
    let first = emit(&log, &Target::default());
    let pending = log.claim("pid", &seen).unwrap();
    let second = emit(&log, &Target::default());
    let got = log.admit(Some(pending), |_, missed| missed.len());
    assert_eq!(got, 2, "{first} {second}");
}

#[test]
fn memory_is_bounded_by_bytes_and_by_sessions() {
    let log = RecoveryLog::new(Recovery { max_bytes: 2000, max_sessions: 2, ..Recovery::default() });
    let first = emit(&log, &Target::default());
    let offsets: Vec<_> = (0..1000).map(|_| emit(&log, &Target::default())).collect();
    assert!(log.state.lock().bytes <= 2500 && log.state.lock().entries.len() < 30);
    log.leave(Some(away(&["sid"])), || {});
    assert_eq!(missed(&log, "pid", &first), Err(NotRecovered::UnknownOffset));
    log.leave(Some(away(&["sid"])), || {});
    assert_eq!(missed(&log, "pid", &offsets[998]), Ok(vec![offsets[999].clone()]));
    for pid in ["a", "b", "c"] {
        log.leave(Some(named(pid)), || {});
    }
    assert_eq!(log.state.lock().away.len(), 2);
    assert_eq!(missed(&log, "a", &offsets[999]), Err(NotRecovered::UnknownSession));
    assert!(missed(&log, "c", &offsets[999]).is_ok());
}

#[test]
fn expired_sessions_and_events_are_removed() {
    let log =
        RecoveryLog::new(Recovery { max_disconnection_duration: Duration::ZERO, ..Recovery::default() });
    let last = emit(&log, &Target::default());
    log.leave(Some(away(&["sid"])), || {});
    while Instant::now() == log.state.lock().departures[0].0 {}
    assert_eq!(missed(&log, "pid", &last), Err(NotRecovered::UnknownSession));
    assert!(log.state.lock().entries.is_empty() && log.state.lock().departures.is_empty());
}

#[test]
fn without_receivers_no_event_is_encoded() {
    let log = RecoveryLog::new(Recovery::default());
    let made = |log: &RecoveryLog| {
        let mut made = false;
        let make = |_: &str| {
            made = true;
            Ok::<_, Infallible>(Prepared::text(""))
        };
        log.emit(&Target::default(), || false, make, |_| {}).unwrap();
        made
    };
    assert!(!made(&log));
    log.leave(Some(away(&["sid"])), || {});
    assert!(made(&log), "a socket may be recovered");
}

/// Bytes of an application, which looks at the log when they are dropped.
struct Watching(Arc<RecoveryLog>, std::sync::mpsc::Sender<usize>);

impl AsRef<[u8]> for Watching {
    fn as_ref(&self) -> &[u8] {
        b"data"
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Waits for ever if the lock is held.
        let entries = self.0.state.lock().entries.len();
        let _ = self.1.send(entries);
    }
}

/// Emits an event whose bytes belong to the application.
fn emit_watching(log: &Arc<RecoveryLog>, told: &std::sync::mpsc::Sender<usize>) {
    let data = bytes::Bytes::from_owner(Watching(Arc::clone(log), told.clone()));
    let make = |_: &str| Ok::<_, Infallible>(Prepared::binary(data));
    log.emit(&Target::default(), || true, make, |_| {}).unwrap();
}

#[test]
fn bytes_of_the_application_are_dropped_after_the_lock_is_released() {
    let (told, dropped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let small = Arc::new(RecoveryLog::new(Recovery { max_bytes: 1, ..Recovery::default() }));
        emit_watching(&small, &told);
        // Each event removes the one before it.
        let _ = emit(&small, &Target::default());

        let log = Arc::new(RecoveryLog::new(Recovery::default()));
        let seen = emit(&log, &Target::default());
        log.leave(Some(away(&["sid"])), || {});
        emit_watching(&log, &told);
        // The recovery has the last handle of the event.
        let pending = log.claim("pid", &seen).unwrap();
        let late = Instant::now() + 2 * log.settings.max_disconnection_duration;
        log.state.lock().forget(late, &log.settings, &mut Forgotten::default());
        log.admit(Some(pending), |pending, missed| assert_eq!((pending.is_ok(), missed.len()), (true, 1)));
        told.send(usize::MAX).unwrap();
    });
    let next = || dropped.recv_timeout(Duration::from_secs(10)).expect("the lock is free");
    assert_eq!((next(), next(), next()), (1, 0, usize::MAX));
}
