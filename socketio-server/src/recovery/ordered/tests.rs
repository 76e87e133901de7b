//! Events that are kept while clients are restored.

use super::*;
use crate::recovery::BoxFuture;
use socketio_cluster::AdapterError;

/// A store without sessions.
struct Empty;

impl SessionStore for Empty {
    fn persist(&self, _: StoredSession, _: Lease, _: Duration) -> BoxFuture<'_, Result<(), AdapterError>> {
        Box::pin(async { Ok(()) })
    }

    fn restore<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: Lease,
    ) -> BoxFuture<'a, Result<Restored, NotRecovered>> {
        Box::pin(async { Err(NotRecovered::UnknownSession) })
    }
}

fn log(max_bytes: usize) -> Arc<OrderedLog> {
    let settings = Recovery::default().max_bytes(max_bytes);
    let timeout = Duration::from_secs(1);
    Arc::new(OrderedLog::new(&"/".into(), Parser::Json, settings, 10, Arc::new(Empty), timeout))
}

fn pending(watch: Watch) -> PendingRecovery {
    let (sid, pid) = (Arc::from("sid"), Arc::from("pid"));
    PendingRecovery::from_store(
        AwaySocket { sid, pid, rooms: vec!["sid".into()], data: SocketData::default() },
        Vec::new(),
        watch,
        Lease::default(),
    )
}

fn deliver(log: &OrderedLog, position: u128) {
    let make = |offset: &str| encode::event(Parser::Json, "/", None, "event", &1, Some(offset));
    let offset = Offset::new(position, position.to_string());
    log.deliver(&offset, &Target::default(), || false, make, |_| {}).unwrap();
}

/// Events are kept only while clients are being restored, up to a size. A client that needs one beyond it starts
/// anew, and one that does not is recovered.
#[test]
fn events_that_are_kept_for_clients_in_recovery_are_limited() {
    let log = log(10_000);
    deliver(&log, 1);
    assert_eq!(log.state.lock().kept.len(), 0);
    let mut watches = [Watch::new(&log), Watch::new(&log)];
    for position in 2..1000 {
        deliver(&log, position);
    }
    let (kept, bytes, lost_to) = {
        let state = log.state.lock();
        (state.kept.len(), state.bytes, state.lost_to)
    };
    assert!(kept > 10 && bytes <= 10_000, "{kept} events of {bytes} bytes");
    assert_eq!(lost_to, 999 - kept as u128);
    let [one, other] = &mut watches;
    (one.read_to, other.read_to) = (lost_to - 1, lost_to);
    let [one, other] = watches;
    log.admit(Some(pending(one)), |pending, missed| {
        assert_eq!((pending.unwrap_err(), missed.len()), (NotRecovered::UnknownOffset, 0));
    });
    log.admit(Some(pending(other)), |pending, missed| {
        assert_eq!((pending.unwrap().is_some(), missed.len()), (true, kept));
    });
    let state = log.state.lock();
    assert_eq!((state.kept.len(), state.bytes, state.watches), (0, 0, 0));
}
