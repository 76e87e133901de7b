//! Catch-all listeners in both directions, and handlers that are added and removed.

use serde_json::Value;
use socketio_client::{Args, Binary, EventName, RawArgs, Socket};
use tests::raw::soon;

use crate::support::{Log, builder, start};

type Seen = (u8, String, Vec<Value>);

async fn connect() -> (crate::support::Running, Socket, Log<Seen>) {
    let running = start().await;
    let socket = builder(running.addr).build().socket("/");
    soon(socket.connect().connected()).await.unwrap();
    (running, socket, Log::new())
}

/// SIO-CLI-085, SIO-CLI-086, SIO-CLI-087
#[tokio::test]
async fn catch_all_listeners_receive_incoming_events() {
    let (_running, socket, mut log) = connect().await;
    let writer = log.writer();
    let any = |mark: u8| {
        let write = writer.clone();
        move |EventName(name): EventName, args: RawArgs| {
            write((mark, name, args.parse_all().unwrap()));
            async {}
        }
    };
    let second = socket.on_any(any(2));
    socket.on_any(any(3));
    socket.prepend_any(any(1));
    let write = log.writer();
    socket.on("sent back", move || {
        write((4, "its own".to_owned(), Vec::new()));
        async {}
    });
    socket.emit("send back", "123").unwrap();
    let seen = log.take(4).await;
    assert_eq!(seen.iter().map(|(mark, ..)| *mark).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((seen[0].1.as_str(), &seen[0].2), ("sent back", &vec!["123".into()]));
    assert_eq!((socket.listeners_any().len(), socket.listeners_any()[1]), (3, second));
    assert!(socket.off(second) && !socket.off(second));
    socket.emit("send back", "123").unwrap();
    assert_eq!(log.take(3).await.iter().map(|(mark, ..)| *mark).collect::<Vec<_>>(), [1, 3, 4]);
    socket.off_any();
    socket.emit("send back", "123").unwrap();
    assert_eq!(log.next().await.0, 4);
    assert!(socket.listeners_any().is_empty());
}

/// SIO-CLI-088, SIO-CLI-090, SIO-CLI-091
#[tokio::test]
async fn catch_all_listeners_receive_outgoing_events() {
    let (_running, socket, mut log) = connect().await;
    let writer = log.writer();
    let any = |mark: u8| {
        let write = writer.clone();
        move |name: &str, args: &RawArgs| write((mark, name.to_owned(), args.parse_all().unwrap()))
    };
    let second = socket.on_any_outgoing(any(2));
    socket.on_any_outgoing(any(3));
    socket.prepend_any_outgoing(any(1));
    socket.emit("my-event", "123").unwrap();
    let seen = log.rest();
    assert_eq!(seen.iter().map(|(mark, ..)| *mark).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((seen[0].1.as_str(), &seen[0].2), ("my-event", &vec!["123".into()]));
    assert_eq!((socket.listeners_any_outgoing().len(), socket.listeners_any_outgoing()[1]), (3, second));
    assert!(socket.off_any_outgoing(second));
    socket.emit("my-event", "123").unwrap();
    assert_eq!(log.rest().iter().map(|(mark, ..)| *mark).collect::<Vec<_>>(), [1, 3]);
    socket.off_all_outgoing();
    assert!(socket.listeners_any_outgoing().is_empty());
    socket.emit("my-event", "123").unwrap();
    assert!(log.rest().is_empty());
    // Listeners receive a queued event when it is sent.
    socket.on_any_outgoing(any(1));
    socket.disconnect();
    socket.emit("echo", "later").unwrap();
    assert!(log.rest().is_empty());
    soon(socket.connect().connected()).await.unwrap();
    assert_eq!(log.next().await.2, ["later"]);
}

/// SIO-CLI-089
#[tokio::test]
async fn outgoing_listeners_receive_binary_data() {
    let (_running, socket, _) = connect().await;
    let mut log = Log::new();
    let write = log.writer();
    socket.on_any_outgoing(move |_, args| write(args.parse::<Binary>(0).unwrap()));
    socket.emit("my-event", &Binary::from_static(b"\x01\x02")).unwrap();
    assert_eq!(log.rest(), [Binary::from_static(b"\x01\x02")]);
    log.rest();
}

#[tokio::test]
async fn a_once_handler_is_called_once() {
    let (_running, socket, _) = connect().await;
    let mut log = Log::new();
    let write = log.writer();
    let all = write.clone();
    socket.once("sent back", move || {
        write("once");
        async {}
    });
    socket.on("sent back", move || {
        all("each");
        async {}
    });
    for _ in 0..2 {
        socket.emit("send back", &Args(())).unwrap();
    }
    assert_eq!(log.take(3).await, ["once", "each", "each"]);
    socket.off_event("sent back");
    socket.emit("send back", &Args(())).unwrap();
    let _: u8 = soon(socket.emit_with_ack("echo", &1)).await.unwrap();
    assert!(log.rest().is_empty());
}
