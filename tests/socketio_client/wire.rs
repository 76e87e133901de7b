//! The client's packets on the wire, and its behaviour when the server violates the protocol.

use std::time::Duration;

use socketio_client::{ConnectError, DisconnectReason, Events, Protocol, ProtocolError, SocketEvent};
use tests::raw::{ServerEvent, soon, start as start_engine};

use crate::support::{Log, builder};

/// SIO-CLI-054, SIO-CLI-055
#[tokio::test]
async fn connect_is_sent_once_per_namespace() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let socket = manager.socket("/");
    socket.connect();
    manager.socket("/").connect();
    let session = running.opened().await;
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(socket.connected()).await.unwrap();
    socket.connect().disconnect();
    let packets = packets_until_close(&mut running).await;
    assert_eq!(packets, ["0", "1"]);
    // The same socket may be connected again, and remains a single socket.
    assert!(manager.socket("/") == socket && !socket.is_active());
    socket.connect();
    assert!(socket.is_active());
    running.opened().await.send(r#"0{"sid":"b"}"#).unwrap();
    soon(socket.connected()).await.unwrap();
    assert_eq!(socket.id().as_deref(), Some("b"));
}

/// SIO-CLI-056
#[tokio::test]
async fn every_namespace_sends_connect_and_disconnect() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    root.connect();
    chat.connect();
    let session = running.opened().await;
    session.send(r#"0{"sid":"a"}"#).unwrap();
    session.send(r#"0/foo,{"sid":"b"}"#).unwrap();
    soon(root.connected()).await.unwrap();
    soon(chat.connected()).await.unwrap();
    root.disconnect();
    chat.disconnect();
    assert_eq!(packets_until_close(&mut running).await, ["0", "0/foo,", "1", "1/foo,"]);
}

/// SIO-CLI-057
#[tokio::test]
async fn an_invalid_packet_closes_the_connection_and_a_new_one_follows() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.connect();
    for wrong in
        ["bad", "51-[\"x\",{\"_placeholder\":true,\"num\":7}]", "2[]", "2[\"connect\"]", "7", "0{", "3x"]
    {
        let session = running.opened().await;
        session.send(r#"0{"sid":"a"}"#).unwrap();
        assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { .. })));
        session.send(wrong).unwrap();
        if wrong.starts_with("51") {
            session.send(vec![1]).unwrap();
        }
        let Some(SocketEvent::Disconnect(reason)) = soon(events.recv()).await else { panic!("{wrong}") };
        assert!(matches!(reason, DisconnectReason::ParseError(ProtocolError::Decode(_))), "{reason:?}");
        assert_eq!(reason.to_string(), "parse error");
        running.closed().await;
    }
}

#[tokio::test]
async fn unexpected_packets_are_ignored() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let socket = manager.socket("/");
    let mut log = Log::new();
    let write = log.writer();
    socket.on("x", move |socketio_client::Data(number): socketio_client::Data<u32>| {
        write(number);
        async {}
    });
    socket.connect();
    let session = running.opened().await;
    for packet in [
        "2/elsewhere,[\"x\",1]",
        "399[1]",
        "1/elsewhere,",
        "4/elsewhere,{\"message\":\"no\"}",
        "0{\"sid\":\"a\"}",
        "0{\"sid\":\"b\"}",
        "2",
        "3[1]",
        "2[\"unknown\"]",
        "2[\"x\",2]",
    ] {
        session.send(packet).unwrap();
    }
    assert_eq!(log.next().await, 2);
    assert_eq!(socket.id().as_deref(), Some("a"));
}

/// The numbers of the next events, and 0 for a connect.
async fn numbers(events: &mut Events, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.push(match soon(events.recv()).await {
            Some(SocketEvent::Event { event, .. }) => event.args().parse::<u32>(0).unwrap(),
            Some(SocketEvent::Connect { .. }) => 0,
            other => panic!("{other:?}"),
        });
    }
    numbers
}

#[tokio::test]
async fn events_before_the_confirmation_are_buffered_and_bounded() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager =
        builder(running.addr).path("/engine.io/").configure(|config| config.max_early_events = 2).build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.connect();
    let session = running.opened().await;
    running.message().await;
    for packet in ["2[\"x\",1]", "2[\"x\",2]", "0{\"sid\":\"a\"}", "2[\"x\",3]"] {
        session.send(packet).unwrap();
    }
    assert_eq!(numbers(&mut events, 4).await, [1, 2, 0, 3]);
    session.abort();
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Disconnect(_))));
    let session = running.opened().await;
    running.message().await;
    for _ in 0..3 {
        session.send("2[\"x\",1]").unwrap();
    }
    // The namespace was never confirmed, so there is no disconnect; another attempt follows.
    running.opened().await;
    assert!(socket.is_active());
}

#[tokio::test]
async fn events_before_the_confirmation_are_limited_in_bytes() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager =
        builder(running.addr).path("/engine.io/").configure(|config| config.max_early_bytes = 8192).build();
    let socket = manager.socket("/");
    let mut events = socket.events();
    socket.connect();
    let session = running.opened().await;
    running.message().await;
    let event = |number: usize, len: usize| format!("2[\"x\",{number},\"{}\"]", "x".repeat(len));
    for packet in [event(1, 3000), event(2, 3000), "0{\"sid\":\"a\"}".to_owned(), event(3, 9000)] {
        session.send(packet).unwrap();
    }
    // A confirmed namespace has no such limit.
    assert_eq!(numbers(&mut events, 4).await, [1, 2, 0, 3]);
    session.abort();
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Disconnect(_))));
    let session = running.opened().await;
    running.message().await;
    for number in 1..=3 {
        session.send(event(number, 3000)).unwrap();
    }
    // The third event closes the connection. Another attempt follows, which begins with nothing held.
    let session = running.opened().await;
    running.message().await;
    for packet in [event(4, 3000), event(5, 3000), "0{\"sid\":\"b\"}".to_owned()] {
        session.send(packet).unwrap();
    }
    assert_eq!(numbers(&mut events, 3).await, [4, 5, 0]);
}

/// SIO-CLI-105
#[tokio::test]
async fn events_emitted_after_a_missed_heartbeat_wait_for_the_next_connection() {
    let heartbeat = Duration::from_millis(200);
    let server = engineio::Server::builder().ping_interval(heartbeat).ping_timeout(heartbeat);
    let mut running = start_engine(server).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let socket = manager.socket("/");
    socket.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(socket.connected()).await.unwrap();
    // As in a suspended laptop: no code of this process runs.
    std::thread::sleep(3 * heartbeat);
    assert!(socket.is_connected());
    socket.emit("x", &1).unwrap();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"b"}"#).unwrap();
    assert_eq!(running.message().await, r#"2["x",1]"#.into());
}

/// A server that receives a second CONNECT, or any other packet before it has answered the first one, closes
/// the connection for all namespaces.
#[tokio::test]
async fn a_disconnect_before_the_confirmation_is_sent_after_it() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr).path("/engine.io/").build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    root.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(root.connected()).await.unwrap();

    chat.connect();
    assert_eq!(running.message().await, "0/foo,".into());
    chat.disconnect();
    session.send(r#"0/foo,{"sid":"b"}"#).unwrap();
    assert_eq!(running.message().await, "1/foo,".into());

    // The socket connects again meanwhile, and waits for the response.
    for answer in [r#"0/foo,{"sid":"c"}"#, r#"4/foo,{"message":"not today"}"#] {
        chat.connect();
        assert_eq!(running.message().await, "0/foo,".into());
        chat.disconnect().connect();
        root.emit("x", &1).unwrap();
        assert_eq!(running.message().await, r#"2["x",1]"#.into());
        session.send(answer).unwrap();
        if answer.starts_with('0') {
            assert_eq!(running.message().await, "1/foo,".into());
        }
        assert_eq!(running.message().await, "0/foo,".into());
        session.send(r#"0/foo,{"sid":"d"}"#).unwrap();
        soon(chat.connected()).await.unwrap();
        assert_eq!(chat.id().as_deref(), Some("d"));
        chat.disconnect();
        assert_eq!(running.message().await, "1/foo,".into());
    }
}

#[tokio::test]
async fn connect_and_disconnect_are_sent_with_a_full_outbox() {
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr)
        .path("/engine.io/")
        .engine(|engine| engine.configure(|config| config.max_buffered = 10))
        .build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    root.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    soon(root.connected()).await.unwrap();
    let large = r#"2["x","more than ten bytes"]"#;
    root.emit("x", "more than ten bytes").unwrap();
    chat.connect();
    assert_eq!(running.message().await, large.into());
    assert_eq!(running.message().await, "0/foo,".into());
    session.send(r#"0/foo,{"sid":"b"}"#).unwrap();
    soon(chat.connected()).await.unwrap();
    root.emit("x", "more than ten bytes").unwrap();
    chat.disconnect();
    assert_eq!(running.message().await, large.into());
    assert_eq!(running.message().await, "1/foo,".into());
}

async fn packets_until_close(running: &mut tests::raw::Running) -> Vec<String> {
    let mut packets = Vec::new();
    running
        .find(|seen| match seen {
            ServerEvent::Message(_, message) => {
                packets.push(String::from_utf8(message.as_bytes().to_vec()).unwrap());
                None
            }
            ServerEvent::Close(..) => Some(()),
            _ => None,
        })
        .await;
    packets
}

#[tokio::test]
async fn connect_packets_for_version_2_servers_have_a_query() {
    let mut running = start_engine(engineio::Server::builder().allow_eio3(true)).await;
    let manager = builder(running.addr).path("/engine.io/").protocol(Protocol::V3).build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    chat.auth(&serde_json::json!({ "token": "a b" })).unwrap();
    root.connect();
    chat.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0/foo?token=a%20b,".into());
    session.send("0/foo,").unwrap();
    soon(chat.connected()).await.unwrap();
    // The root namespace may refuse, and is joined again only after the reconnect.
    session.send(r#"4"no""#).unwrap();
    assert_eq!(soon(root.connected()).await.unwrap_err().to_string(), "no");
    root.connect();
    assert_eq!(running.message().await, "0".into());
    session.send(r#"4{"a":1}"#).unwrap();
    let ConnectError::Refused(refusal) = soon(root.connected()).await.unwrap_err() else { panic!("let in") };
    assert_eq!(refusal.data, Some(serde_json::json!({ "a": 1 })));
    root.connect();
    assert_eq!(running.message().await, "0".into());
    session.send("0").unwrap();
    soon(root.connected()).await.unwrap();
    assert_eq!(root.id().as_deref(), Some(session.id().as_str()));
    assert_eq!(chat.id(), Some(format!("/foo#{}", session.id().as_str())));
}
