//! Acknowledgements: their arrival, their timeouts, and the state of those that are no longer awaited.

use std::time::Duration;

use socketio_client::{AckError, Args, Socket};
use tests::raw::soon;

use crate::support::{Running, builder, is_pending, start};

const SHORT: Duration = Duration::from_millis(50);

async fn connect() -> (Running, Socket) {
    let running = start().await;
    let socket = builder(running.addr).build().socket("/");
    soon(socket.connect().connected()).await.unwrap();
    (running, socket)
}

/// SIO-CLI-081, SIO-CLI-095, SIO-CLI-097
#[tokio::test]
async fn an_ack_is_received() {
    let (_running, socket) = connect().await;
    assert_eq!(soon(socket.emit_with_ack::<u32>("echo", &123)).await.unwrap(), 123);
    let long = socket.timeout(Duration::from_secs(30));
    assert_eq!(soon(long.emit_with_ack::<u32>("echo", &42)).await.unwrap(), 42);
    assert!(matches!(soon(socket.emit_with_ack::<u32>("echo", "text")).await, Err(AckError::Decode(_))));
}

/// SIO-CLI-093, SIO-CLI-094, SIO-CLI-096
#[tokio::test]
async fn a_missing_ack_times_out() {
    let (_running, socket) = connect().await;
    for timeout in [SHORT, Duration::ZERO] {
        let error = soon(socket.timeout(timeout).emit_with_ack::<u32>("never", &Args(()))).await.unwrap_err();
        assert!(matches!(error, AckError::Timeout));
        assert_eq!(error.to_string(), "operation has timed out");
    }
    // A late ack is ignored.
    let late = socket.timeout(Duration::ZERO).emit_with_ack::<u32>("echo", &1).await;
    assert!(matches!(late, Err(AckError::Timeout)));
    assert_eq!(soon(socket.emit_with_ack::<u32>("echo", &2)).await.unwrap(), 2);
}

/// SIO-CLI-098
#[tokio::test]
async fn an_ack_timeout_can_be_set_for_all_events() {
    let running = start().await;
    let socket = builder(running.addr).ack_timeout(SHORT).build().socket("/");
    soon(socket.connect().connected()).await.unwrap();
    let error = soon(socket.emit_with_ack::<u32>("never", &Args(()))).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
}

/// SIO-CLI-099, SIO-CLI-100, SIO-CLI-101, SIO-CLI-102, SIO-CLI-103
#[tokio::test]
async fn a_disconnect_fails_pending_acks() {
    let (_running, socket) = connect().await;
    for way in ["client", "server", "connection"] {
        soon(socket.connect().connected()).await.unwrap();
        let waiting = socket.clone();
        let plain = async { waiting.emit_with_ack::<u32>("never", &Args(())).await };
        let timed = waiting.timeout(Duration::from_secs(60));
        let timed = async { timed.emit_with_ack::<u32>("never", &Args(())).await };
        let leave = async {
            match way {
                "client" => drop(socket.disconnect()),
                "server" => socket.emit("kick", &Args(())).unwrap(),
                _ => socket.emit("close", &Args(())).unwrap(),
            }
        };
        let (plain, timed, ()) = soon(async { tokio::join!(plain, timed, leave) }).await;
        for error in [plain.unwrap_err(), timed.unwrap_err()] {
            assert!(matches!(error, AckError::Disconnected), "{way}: {error}");
            assert_eq!(error.to_string(), "socket has been disconnected");
        }
    }
}

/// SIO-CLI-092, SIO-CLI-104
#[tokio::test]
async fn a_buffered_event_whose_ack_timed_out_is_not_sent() {
    let (_running, socket) = connect().await;
    socket.disconnect();
    let error = soon(socket.timeout(SHORT).emit_with_ack::<u32>("echo", &1)).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
    // That event is not sent any more: the next id is the first that the server sees.
    let later = socket.emit_with_ack::<u32>("echo", &2);
    let connect = async {
        tokio::task::yield_now().await;
        socket.connect();
    };
    let (later, ()) = soon(async { tokio::join!(later, connect) }).await;
    assert_eq!(later.unwrap(), 2);
}

#[tokio::test]
async fn a_dropped_ack_future_removes_its_buffered_event() {
    let (_running, socket) = connect().await;
    let mut log = crate::support::Log::new();
    let write = log.writer();
    socket.on("sent back", move |socketio_client::Data(text): socketio_client::Data<String>| {
        write(text);
        async {}
    });
    socket.disconnect();
    {
        let mut waiting = std::pin::pin!(socket.emit_with_ack::<u32>("send back", "dropped"));
        assert!(is_pending(waiting.as_mut()).await);
    }
    socket.emit("send back", "kept").unwrap();
    soon(socket.connect().connected()).await.unwrap();
    assert_eq!(log.next().await, "kept");
}

#[tokio::test]
async fn pending_acks_are_bounded() {
    let running = start().await;
    let socket = builder(running.addr).configure(|config| config.max_pending_acks = 1).build().socket("/");
    let mut first = std::pin::pin!(socket.emit_with_ack::<u32>("echo", &1));
    assert!(is_pending(first.as_mut()).await);
    assert!(matches!(socket.emit_with_ack::<u32>("echo", &1).await, Err(AckError::TooMany)));
    socket.connect();
    assert_eq!(soon(first).await.unwrap(), 1);
    assert_eq!(soon(socket.emit_with_ack::<u32>("echo", &2)).await.unwrap(), 2);
}
