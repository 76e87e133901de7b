//! The protocol, packet by packet.

use std::time::Duration;

use serde_json::json;
use socketio_server::{Ack, Auth, Config, Data, DisconnectReason, Namespace, RawArgs, Server, Socket};
use tests::raw::{Request, WebSocket, soon, until};
use tokio::sync::mpsc;

use crate::support::{Running, builder, join, refused, start};

fn suite(io: &Server) {
    let greet = |namespace: &Namespace| {
        namespace.on_connect(|socket: Socket, Auth(auth): Auth<serde_json::Value>| async move {
            socket.emit("auth", &auth).unwrap();
        });
    };
    greet(io);
    greet(&io.of("/custom"));
    io.on("message", |socket: Socket, args: RawArgs| async move { socket.emit("message-back", &args) });
    io.on("message-with-ack", |args: RawArgs| async move { Ack(args) });
}

async fn start_suite() -> Running {
    start(builder(), suite).await
}

async fn connected(running: &Running) -> WebSocket {
    let (mut ws, _) = running.connect().await;
    assert_eq!(ws.text().await, r#"42["auth",{}]"#);
    ws
}

/// SIO-PROTO-01, SIO-PROTO-05
#[tokio::test]
async fn the_handshake_has_the_keys_of_engineio() {
    let running = start_suite().await;
    let polling = running.polling().await;
    let mut keys: Vec<&String> = polling.open.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert_eq!(polling.open["upgrades"], json!(["websocket"]));
    running.open().await;
}

/// SIO-PROTO-02, SIO-PROTO-03, SIO-PROTO-04, SIO-PROTO-06, SIO-PROTO-07
#[tokio::test]
async fn invalid_handshakes_are_refused() {
    let running = start_suite().await;
    for (method, query) in [
        ("GET", "transport=polling"),
        ("GET", "EIO=abc&transport=polling"),
        ("GET", "EIO=4"),
        ("GET", "EIO=4&transport=abc"),
        ("POST", "EIO=4&transport=polling"),
        ("PUT", "EIO=4&transport=polling"),
    ] {
        let request = Request::new(method, &format!("/socket.io/?{query}"));
        assert_eq!(request.send(running.addr).await.status, 400, "{method} {query}");
    }
    for query in ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"] {
        assert_eq!(
            WebSocket::open(running.addr, &format!("/socket.io/?{query}")).await.err(),
            Some(400),
            "{query}"
        );
    }
    assert_eq!(Request::new("GET", "/other").send(running.addr).await.status, 404);
}

/// SIO-PROTO-08, SIO-PROTO-10
#[tokio::test]
async fn heartbeats_work_without_a_connect() {
    let short = builder().ping_interval(Duration::from_millis(30)).ping_timeout(Duration::from_secs(20));
    let running = start(short, suite).await;
    let polling = running.polling().await;
    let mut ws = running.open().await;
    for _ in 0..3 {
        assert_eq!(polling.poll().await, "2");
        assert_eq!(polling.post("3").await.status, 200);
        assert_eq!(ws.text().await, "2");
        ws.send("3").await;
    }
}

/// SIO-PROTO-09, SIO-PROTO-11
#[tokio::test]
async fn a_session_without_pongs_ends() {
    let short = builder().ping_interval(Duration::from_millis(20)).ping_timeout(Duration::from_millis(20));
    let running = start(short, suite).await;
    let polling = running.polling().await;
    let mut ws = running.open().await;
    ws.closed().await;
    until(async || running.io.engine().stats().sessions == 0).await;
    assert_eq!(polling.get().await.status, 400);
}

/// SIO-PROTO-12, SIO-PROTO-13
#[tokio::test]
async fn a_close_packet_ends_the_session() {
    let running = start_suite().await;
    let polling = running.polling().await;
    let waiting = polling.clone();
    let waiting = tokio::spawn(async move { waiting.get().await });
    let session = running.io.engine().session(polling.sid()).unwrap();
    until(async || session.can_send_now()).await;
    assert_eq!(polling.post("1").await.status, 200);
    assert_eq!(soon(waiting).await.unwrap().both(), (200, "6"));
    assert_eq!(polling.get().await.status, 400);
    let mut ws = running.open().await;
    ws.send("1").await;
    ws.closed().await;
}

/// SIO-PROTO-14, SIO-PROTO-15, SIO-PROTO-16
#[tokio::test]
async fn a_session_upgrades_once() {
    let running = start_suite().await;
    let polling = running.polling().await;
    let mut ws = polling.upgrade().await;
    assert_eq!(join(&mut ws, "/").await.len(), 20);
    assert_eq!(polling.get().await.status, 400);
    polling.probe().await.unwrap().closed().await;
}

/// SIO-PROTO-17, SIO-PROTO-18, SIO-PROTO-19, SIO-PROTO-20
#[tokio::test]
async fn a_connect_is_confirmed_and_its_credentials_are_available() {
    let running = start_suite().await;
    for (sent, prefix, auth) in [
        ("40", "40", r#"42["auth",{}]"#),
        (r#"40{"token":"123"}"#, "40", r#"42["auth",{"token":"123"}]"#),
        ("40/custom,", "40/custom,", r#"42/custom,["auth",{}]"#),
        (r#"40/custom,{"token":"abc"}"#, "40/custom,", r#"42/custom,["auth",{"token":"abc"}]"#),
    ] {
        let mut ws = running.open().await;
        ws.send(sent).await;
        let answer = ws.text().await;
        let answer: serde_json::Value = serde_json::from_str(answer.strip_prefix(prefix).unwrap()).unwrap();
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["sid"]);
        assert_eq!(ws.text().await, auth);
    }
}

/// SIO-PROTO-21, SIO-SRV-048
#[tokio::test]
async fn an_unknown_namespace_is_refused() {
    let running = start_suite().await;
    let mut ws = running.open().await;
    ws.send("40/random").await;
    assert_eq!(ws.text().await, r#"44/random,{"message":"Invalid namespace"}"#);
}

/// SIO-PROTO-22, SIO-PROTO-30, SIO-PROTO-31, SIO-PROTO-32
#[tokio::test]
async fn an_invalid_packet_closes_the_connection() {
    let running = start_suite().await;
    let mut ws = running.open().await;
    ws.send("4abc").await;
    ws.closed().await;
    for wrong in ["4abc", "42{}", r#"42abc["message-with-ack",1]"#] {
        let mut ws = connected(&running).await;
        ws.send(wrong).await;
        ws.closed().await;
    }
}

/// SIO-PROTO-23, SIO-SRV-058
#[tokio::test]
async fn a_client_without_a_namespace_is_disconnected() {
    let running = start(builder().connect_timeout(Duration::from_secs(5)), suite).await;
    let (mut joined, mut waiting) = (running.open().await, running.open().await);
    join(&mut joined, "/custom").await;
    // The clock advances to the timeout as soon as all tasks wait.
    tokio::time::pause();
    waiting.closed().await;
    assert_eq!(joined.text().await, r#"42/custom,["auth",{}]"#, "a client in a namespace stays connected");
    assert_eq!(running.io.engine().stats().sessions, 1);
}

/// SIO-PROTO-24, SIO-PROTO-25
#[tokio::test]
async fn a_disconnect_from_a_namespace_keeps_the_connection() {
    let running = start_suite().await;
    let mut ws = connected(&running).await;
    ws.send("40/custom").await;
    assert!(ws.text().await.starts_with("40/custom,"));
    assert_eq!(ws.text().await, r#"42/custom,["auth",{}]"#);
    ws.send("41/custom").await;
    ws.send(r#"42["message","message to main namespace"]"#).await;
    assert_eq!(ws.text().await, r#"42["message-back","message to main namespace"]"#);
    ws.send("41").await;
    join(&mut ws, "/").await;
}

/// SIO-PROTO-26
#[tokio::test]
async fn text_is_echoed_unchanged() {
    let running = start_suite().await;
    let mut ws = connected(&running).await;
    for args in [r#"1,"2",{"3":[true]}"#, r#"{"b":1,"a":12345678901234567890},1.0,"é\u0041""#] {
        ws.send(&format!(r#"42["message",{args}]"#)).await;
        assert_eq!(ws.text().await, format!(r#"42["message-back",{args}]"#));
    }
}

/// SIO-PROTO-27
#[tokio::test]
async fn binary_data_is_echoed_unchanged() {
    let running = start_suite().await;
    let mut ws = connected(&running).await;
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    ws.send(&format!(r#"452-["message",{placeholders}]"#)).await;
    ws.send_binary(&[1, 2, 3]).await;
    ws.send_binary(&[4, 5, 6]).await;
    assert_eq!(ws.text().await, format!(r#"452-["message-back",{placeholders}]"#));
    assert_eq!(ws.binary().await, [1, 2, 3]);
    assert_eq!(ws.binary().await, [4, 5, 6]);
}

/// SIO-PROTO-28, SIO-PROTO-29
#[tokio::test]
async fn events_are_acknowledged() {
    let running = start_suite().await;
    let mut ws = connected(&running).await;
    ws.send(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#).await;
    assert_eq!(ws.text().await, r#"43456[1,"2",{"3":[false]}]"#);
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    ws.send(&format!(r#"452-789["message-with-ack",{placeholders}]"#)).await;
    ws.send_binary(&[1]).await;
    ws.send_binary(&[2]).await;
    assert_eq!(ws.text().await, format!("462-789[{placeholders}]"));
    assert_eq!(ws.binary().await, [1]);
    assert_eq!(ws.binary().await, [2]);
}

/// A client often disconnects immediately after its last packet.
#[tokio::test]
async fn events_directly_before_the_disconnect_are_handled() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        let words = sender.clone();
        io.on("last words", move |Data(said): Data<String>| {
            words.send(said).unwrap();
            async {}
        });
        io.on_disconnect(move |reason: DisconnectReason| {
            sender.send(reason.to_string()).unwrap();
            async {}
        });
    })
    .await;
    for (packets, reason) in
        [("\u{1e}41\u{1e}1", "client namespace disconnect"), ("\u{1e}1", "transport close")]
    {
        let client = running.polling().await;
        assert_eq!(client.post("40").await.status, 200);
        assert!(client.poll().await.starts_with("40{"));
        assert_eq!(client.post(format!(r#"42["last words","bye"]{packets}"#)).await.status, 200);
        assert_eq!(soon(seen.recv()).await.unwrap(), "bye");
        assert_eq!(soon(seen.recv()).await.unwrap(), reason);
    }
}

/// Data that a socket holds for its lifetime has a limit. Data beyond it is not stored, and the connection
/// that sent it is closed.
#[tokio::test]
async fn credentials_over_the_limit_are_refused_and_close_the_connection() {
    let mut config = Config::default();
    config.max_auth_bytes = 64;
    let builder = builder().config(config);
    let running = start(builder, |io| drop(io.of("/custom"))).await;
    let (mut ws, _) = running.connect().await;
    let longest = format!(r#"{{"token":"{}"}}"#, "a".repeat(64 - r#"{"token":""}"#.len()));
    let longer = longest.replace(r#""a"#, r#""aa"#);
    let answer = refused(&mut ws, "/custom", &longer).await;
    assert_eq!(answer, json!({"message": "the credentials are too large"}));
    assert_eq!(ws.closed().await, None, "closed without a fault of the transport");
    assert_eq!((running.io.of("/custom").len(), running.io.len()), (0, 0));
    let (mut ws, _) = running.connect().await;
    ws.send(&format!("40/custom,{longest}")).await;
    assert!(ws.text().await.starts_with(r#"40/custom,{"sid""#));
}
