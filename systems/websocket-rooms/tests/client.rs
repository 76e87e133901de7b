//! The client: reconnects, gives up, and emits events; a group manages several named clients.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::time::Duration;

use tests::raw::{soon, until};
use tests::tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use websocket_rooms::{
    Client, ClientEventKind, ClientOptions, CloseReason, ConnectError, ConnectionOptions, ConnectionState,
    CreateError, Farewell, Group, Identity, Reached, Refusal, SendError, Server, ServerStats,
};

async fn serve(server: &Server, addr: &str) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = server.clone();
    (addr, tokio::spawn(async move { server.serve(listener).await }))
}

fn echo() -> Server {
    let server = Server::default();
    server.on_message(|_, connection, message| async move {
        let _ = connection.send(message);
    });
    server
}

fn quick() -> ClientOptions {
    ClientOptions {
        reconnect_interval: Duration::from_millis(5),
        reconnect_interval_max: Duration::from_millis(20),
        max_reconnect_attempts: None,
        ..ClientOptions::default()
    }
}

/// Collects all events of a client.
fn listen(client: &Client) -> mpsc::UnboundedReceiver<String> {
    let (record, recorded) = mpsc::unbounded_channel();
    let say = |record: &mpsc::UnboundedSender<String>| {
        let record = record.clone();
        move |what: String| {
            let _ = record.send(what);
        }
    };
    let open = say(&record);
    client.on_open(move |client| {
        open(format!("open {:?}", client.state()));
        async {}
    });
    let message = say(&record);
    client.on_message(move |_, got| {
        message(format!("message {}", String::from_utf8_lossy(got.data())));
        async {}
    });
    let sent = say(&record);
    client.on_sent(move |_, got| {
        sent(format!("sent {}", String::from_utf8_lossy(got.data())));
        async {}
    });
    let close = say(&record);
    client.on_close(move |_, reason| {
        close(format!("close {reason}"));
        async {}
    });
    recorded
}

#[tokio::test]
async fn a_client_reconnects_when_the_server_restarts() {
    let server = echo();
    let (addr, served) = serve(&server, "127.0.0.1:0").await;
    let client = Client::new(&format!("ws://{addr}"), quick()).unwrap();
    let mut recorded = listen(&client);
    let (failed, mut failures) = mpsc::unbounded_channel();
    client.on_error(move |client, error| {
        let _ = failed.send((client.state(), error));
        async {}
    });
    assert_eq!((client.state(), client.send("early")), (ConnectionState::Closed, Err(SendError::NotOpen)));
    client.connect().await.unwrap();
    assert!(matches!(client.connect().await, Err(ConnectError::AlreadyConnected)));
    assert_eq!(client.state(), ConnectionState::Open);
    assert_eq!(soon(recorded.recv()).await.unwrap(), "open Open");
    client.send("hello").unwrap();
    let mut both = [soon(recorded.recv()).await.unwrap(), soon(recorded.recv()).await.unwrap()];
    both.sort();
    assert_eq!(both, ["message hello", "sent hello"]);

    server.close();
    soon(served).await.unwrap().unwrap();
    assert_eq!(
        soon(recorded.recv()).await.unwrap(),
        "close closed by the other side (1001 the server is shutting down)"
    );
    let (state, error) = soon(failures.recv()).await.unwrap();
    assert!(matches!(error, ConnectError::Io(_)), "{error}");
    assert_eq!((state, client.send("meanwhile")), (ConnectionState::Connecting, Err(SendError::NotOpen)));

    let (_, served) = serve(&echo(), &addr.to_string()).await;
    assert_eq!(soon(recorded.recv()).await.unwrap(), "open Open");
    client.send_json(&["again"]).unwrap();
    let mut both = [soon(recorded.recv()).await.unwrap(), soon(recorded.recv()).await.unwrap()];
    both.sort();
    assert_eq!(both, [r#"message ["again"]"#, r#"sent ["again"]"#]);
    client.close();
    soon(client.closed()).await;
    assert_eq!(soon(recorded.recv()).await.unwrap(), "close closed by this side (1000 )");
    assert_eq!(client.state(), ConnectionState::Closed);
    served.abort();
}

#[tokio::test]
async fn a_client_stops_after_its_last_attempt() {
    // A port without a listener, because the listener is dropped.
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (options, attempts) in [
        (ClientOptions { max_reconnect_attempts: Some(3), ..quick() }, 4),
        (ClientOptions { max_reconnect_attempts: Some(0), ..quick() }, 1),
        (ClientOptions { auto_reconnect: false, ..quick() }, 1),
    ] {
        let client = Client::new(&format!("ws://{addr}"), options).unwrap();
        let (failed, mut failures) = mpsc::unbounded_channel();
        client.on_error(move |_, error| {
            let _ = failed.send(error);
            async {}
        });
        assert!(matches!(soon(client.connect()).await, Err(ConnectError::Io(_))));
        soon(client.closed()).await;
        assert_eq!(client.state(), ConnectionState::Closed);
        let mut count = 0;
        while failures.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, attempts);
    }
}

#[tokio::test]
async fn a_close_stops_the_attempts_of_a_client() {
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let options = ClientOptions { reconnect_interval: Duration::from_secs(3600), ..quick() };
    let client = Client::new(&format!("ws://{addr}"), options).unwrap();
    client.events().once(ClientEventKind::Error, |event| async move {
        if let websocket_rooms::ClientEvent::Error(client, _) = event {
            client.close();
        }
    });
    assert!(matches!(soon(client.connect()).await, Err(ConnectError::Closed)));
    assert_eq!(client.state(), ConnectionState::Closed);
}

#[tokio::test]
async fn a_client_sends_its_headers_and_reports_a_refusal() {
    let server = Server::default();
    server.authenticate(|handshake| {
        let known = handshake.bearer() == Some("sesame");
        async move { if known { Ok(Identity::default()) } else { Err(Refusal::unauthorized("who?")) } }
    });
    let (addr, _) = serve(&server, "127.0.0.1:0").await;
    let url = format!("ws://{addr}");
    let stranger = ClientOptions { auto_reconnect: false, ..ClientOptions::default() };
    let refused = Client::new(&url, stranger.clone()).unwrap().connect().await;
    assert!(matches!(refused, Err(ConnectError::Refused(status)) if status.as_u16() == 401));
    let mut options = stranger;
    options.headers.insert("authorization", "Bearer sesame".parse().unwrap());
    let client = Client::new(&url, options).unwrap();
    client.connect().await.unwrap();
    let (closed, mut why) = mpsc::unbounded_channel();
    client.on_close(move |_, reason| {
        let _ = closed.send(reason);
        async {}
    });
    server.connections()[0].close(4403, "you have to go");
    let expected = CloseReason::Remote(Some(Farewell::new(4403, "you have to go")));
    assert_eq!(soon(why.recv()).await, Some(expected));
    soon(client.closed()).await;
    for wrong in ["wss://", "http://localhost", "localhost", "ws://"] {
        assert!(Client::new(wrong, ClientOptions::default()).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_client_verifies_the_certificate_of_the_server() {
    let (addr, _) = serve(&echo(), "127.0.0.1:0").await;
    let (secure, tls) = tls::in_front_of(addr).await;
    let url = format!("wss://localhost:{}/?user=ada", secure.port());
    let client = Client::new(&url, ClientOptions { tls, ..quick() }).unwrap();
    let mut recorded = listen(&client);
    soon(client.connect()).await.unwrap();
    let large = "x".repeat(200_000);
    client.send(large.as_str()).unwrap();
    assert_eq!(soon(recorded.recv()).await.unwrap(), "open Open");
    let mut both = [soon(recorded.recv()).await.unwrap(), soon(recorded.recv()).await.unwrap()];
    both.sort();
    assert_eq!(both, [format!("message {large}"), format!("sent {large}")]);
    client.close();
    soon(client.closed()).await;
    // An untrusted certificate.
    let strict = ClientOptions { auto_reconnect: false, ..ClientOptions::default() };
    let refused = soon(Client::new(&url, strict).unwrap().connect()).await;
    assert!(matches!(refused, Err(ConnectError::Tls(_))), "{refused:?}");
}

#[tokio::test]
async fn a_client_closed_during_the_close_handshake_stays_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    // The server sends a close frame, and keeps the connection open as long as it can.
    let (record, recorded) = tokio::sync::oneshot::channel();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut ws = tokio_tungstenite::accept_async(stream).await.unwrap();
        ws.close(None).await.unwrap();
        let mut stream = ws.into_inner();
        record.send(()).unwrap();
        let again = tokio::select! {
            again = listener.accept() => again.is_ok(),
            _ = async { while stream.read(&mut [0; 64]).await.is_ok_and(|len| len > 0) {} } => false,
        };
        let _ = stream.shutdown().await;
        again
    });
    let connection =
        ConnectionOptions { close_timeout: Duration::from_secs(1), ..ConnectionOptions::default() };
    let client = Client::new(&format!("ws://{addr}"), ClientOptions { connection, ..quick() }).unwrap();
    client.connect().await.unwrap();
    soon(recorded).await.unwrap();
    until(async || client.state() == ConnectionState::Closing).await;
    client.close();
    soon(client.closed()).await;
    assert_eq!(client.state(), ConnectionState::Closed);
    assert!(!soon(serving).await.unwrap(), "it came back");
}

#[tokio::test]
async fn a_client_can_be_connected_again_after_a_handler_panic() {
    let (addr, _) = serve(&echo(), "127.0.0.1:0").await;
    let client = Client::new(&format!("ws://{addr}"), quick()).unwrap();
    let bad =
        client.on_sent(|_, message| async move { assert_ne!(message.text(), Some("panic"), "as asked for") });
    client.connect().await.unwrap();
    client.send("panic").unwrap();
    soon(client.closed()).await;
    assert_eq!(client.state(), ConnectionState::Closed);
    assert!(client.events().off(bad));
    soon(client.connect()).await.unwrap();
    assert_eq!(client.state(), ConnectionState::Open);
}

#[tokio::test]
async fn a_slow_handler_does_not_delay_the_server() {
    let (addr, _) = serve(&echo(), "127.0.0.1:0").await;
    let connection =
        ConnectionOptions { ping_timeout: Duration::from_millis(20), ..ConnectionOptions::default() };
    let client = Client::new(&format!("ws://{addr}"), ClientOptions { connection, ..quick() }).unwrap();
    client.on_sent(|_, _| tokio::time::sleep(Duration::from_millis(100)));
    let mut recorded = listen(&client);
    client.connect().await.unwrap();
    for text in ["one", "two"] {
        client.send(text).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(soon(recorded.recv()).await.unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["message one", "message two", "open Open", "sent one", "sent two"]);
}

#[tokio::test]
async fn a_hub_has_a_server_and_named_clients() {
    let (one, two) = (echo(), echo());
    let (first, _) = serve(&one, "127.0.0.1:0").await;
    let (second, _) = serve(&two, "127.0.0.1:0").await;
    let group = Group::new(echo());
    let (own, served) = serve(group.server(), "127.0.0.1:0").await;
    let (joined, mut joins) = mpsc::unbounded_channel();
    group.server().on_connect(move |server, connection| {
        let joined = joined.clone();
        async move {
            server.join_room(connection.id(), "lobby").await.unwrap();
            let _ = joined.send(());
        }
    });
    let visitor = Client::new(&format!("ws://{own}"), quick()).unwrap();
    let mut seen = listen(&visitor);
    visitor.connect().await.unwrap();
    soon(joins.recv()).await.unwrap();

    let client = group.create_client_with(&format!("ws://{first}"), "one", quick()).unwrap();
    let mut recorded = listen(&client);
    client.connect().await.unwrap();
    group.create_client(&format!("ws://{second}"), "two").unwrap();
    assert!(matches!(group.create_client("ws://x", "two"), Err(CreateError::NameTaken)));
    assert!(matches!(group.create_client("x", "three"), Err(CreateError::Client(_))));
    let stats = group.stats();
    assert_eq!(
        (stats.server, stats.clients, stats.clients_open),
        (ServerStats { connections: 1, rooms: 1, users: 0 }, 2, 1)
    );
    assert_eq!(
        serde_json::to_value(stats).unwrap(),
        serde_json::json!({ "server": { "connections": 1, "rooms": 1, "users": 0 }, "clients": 2, "clients_open": 1 })
    );
    assert_eq!(group.broadcast_all("to all"), Reached { connections: 1, clients: 1 });
    group.client("two").unwrap().connect().await.unwrap();
    assert_eq!(group.broadcast_all("to all").clients, 2);
    assert_eq!(group.send_to_room("lobby", "to the room"), 1);
    for expected in ["open Open", "message to all", "message to all", "message to the room"] {
        assert_eq!(soon(seen.recv()).await.unwrap(), expected);
    }
    // A message that a client sent is echoed by its server.
    let mut rest = Vec::new();
    while rest.len() < 5 {
        rest.push(soon(recorded.recv()).await.unwrap());
    }
    assert_eq!(rest.iter().filter(|line| *line == "message to all").count(), 2);
    assert!(group.remove_client("two"));
    assert!(!group.remove_client("two"));
    assert_eq!(group.named_clients().len(), 1);
    group.close();
    soon(served).await.unwrap().unwrap();
    soon(client.closed()).await;
}

/// Messages after `connect` follow those of the handlers of `open`, however long these take.
#[tokio::test]
async fn connect_returns_after_the_handlers_of_open() {
    let server = Server::default();
    let (sender, mut received) = mpsc::unbounded_channel();
    server.on_message(move |_, _, message| {
        let _ = sender.send(message.text().unwrap().to_owned());
        async {}
    });
    let (addr, _served) = serve(&server, "127.0.0.1:0").await;
    let client = Client::new(&format!("ws://{addr}"), quick()).unwrap();
    client.on_open(|client| async move {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        client.send("hello").unwrap();
    });
    soon(client.connect()).await.unwrap();
    client.send("second").unwrap();
    assert_eq!(soon(received.recv()).await.unwrap(), "hello");
    assert_eq!(soon(received.recv()).await.unwrap(), "second");
    client.close();
}
