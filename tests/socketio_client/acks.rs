//! Acknowledgements: their arrival, their timeouts, and the state of those that are no longer awaited.

use std::time::Duration;

use serde_json::json;
use socketio_client::{Ack, AckError, Args, Data, Socket};
use socketio_server::{Namespace, Socket as Peer};
use tests::raw::soon;

use crate::support::{Running, builder, is_pending, start, start_with};

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
    socket.on("sent back", move |Data(text): Data<String>| {
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

/// A handler that fails answers with the text of its error, on both sides, and the caller gets the text instead of
/// an error of deserialization. An answer of the requested type is returned, whatever it contains.
#[tokio::test]
async fn the_error_of_a_handler_reaches_the_caller() {
    const TEXT: &str = "you are not on this board";
    let running = start_with(|io| {
        io.on("fail", || async { Err::<(), _>(TEXT) });
        io.on("ask", |peer: Peer| async move { peer.emit_with_ack::<u32>("fail", &1).await.map(Ack) });
        io.on("ask all", |namespace: Namespace| async move {
            namespace.emit_with_ack::<u32>("fail", &1).await.map(Ack)
        });
        io.on("text", |_: Data<String>| async {});
        io.on("similar", || async { Ack(json!({ "error": TEXT, "code": 1 })) });
    })
    .await;
    let socket = builder(running.addr).build().socket("/");
    socket.on("fail", || async { Err::<(), _>(TEXT) });
    soon(socket.connect().connected()).await.unwrap();
    for event in ["fail", "ask", "ask all"] {
        let error = soon(socket.emit_with_ack::<u32>(event, &1)).await.unwrap_err();
        assert!(matches!(&error, AckError::Remote(text) if text == TEXT), "{event}: {error:?}");
        assert_eq!(error.to_string(), TEXT);
    }
    let answer: serde_json::Value = soon(socket.emit_with_ack("fail", &1)).await.unwrap();
    assert_eq!(answer, json!({ "error": TEXT }));
    // Not the form of an error.
    let similar = soon(socket.emit_with_ack::<u32>("similar", &1)).await;
    assert!(matches!(similar, Err(AckError::Decode(_))));
    // An argument that the handler does not accept.
    let unreadable = soon(socket.emit_with_ack::<u32>("text", &1)).await.unwrap_err();
    assert!(
        matches!(&unreadable, AckError::Remote(text) if text.starts_with("argument 0: ")),
        "{unreadable}"
    );
}
