//! Events in both directions, with all types of arguments.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketio_client::{
    Ack, Args, Arguments, Binary, ConnectionParser, Data, EmitError, HandlerError, Parser, RawArgs, Socket,
    Transport,
};
use tests::raw::{soon, start as start_engine};
use tests::tilde::Tilde;

use crate::support::{Log, builder, start};

async fn connect(addr: std::net::SocketAddr) -> Socket {
    let socket = builder(addr).build().socket("/");
    soon(socket.connect().connected()).await.unwrap();
    socket
}

/// The arguments that the server sends back.
fn sent_back(socket: &Socket) -> Log<RawArgs> {
    let log = Log::new();
    let write = log.writer();
    socket.on("sent back", move |args: RawArgs| {
        write(args);
        async {}
    });
    log
}

/// SIO-CLI-017, SIO-CLI-018, SIO-CLI-019, SIO-CLI-044, SIO-CLI-045
#[tokio::test]
async fn values_are_echoed_unchanged() {
    let running = start().await;
    let socket = connect(running.addr).await;
    let mut log = sent_back(&socket);
    let texts = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "\u{10ffff}\u{1}\""];
    let date = "2026-01-02T03:04:05.678Z";
    for value in [json!(false), json!(date), json!({ "date": date, "deep": [[{ "a": null }]] }), json!(-1.5)]
    {
        socket.emit("send back", &value).unwrap();
        assert_eq!(log.next().await.parse::<Value>(0).unwrap(), value);
    }
    for text in texts {
        socket.emit("send back", text).unwrap();
    }
    for text in texts {
        assert_eq!(log.next().await.parse::<String>(0).unwrap(), text);
    }
    socket.emit("send back", &Args((1, "b", [3]))).unwrap();
    let (a, b, c): (u8, String, Vec<u8>) = log.next().await.parse_all().unwrap();
    assert_eq!((a, b.as_str(), c), (1, "b", vec![3]));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Upload {
    before: String,
    content: Binary,
    after: Vec<Binary>,
}

/// SIO-CLI-047, SIO-CLI-048, SIO-CLI-049, SIO-CLI-050
#[tokio::test]
async fn binary_data_is_supported_at_any_position() {
    let running = start().await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let socket = builder(running.addr).transports([transport]).build().socket("/");
        soon(socket.connect().connected()).await.unwrap();
        let mut log = sent_back(&socket);
        let upload = || Upload {
            before: "howdy".to_owned(),
            content: Binary::from_static(b"asdfasdf"),
            after: vec![Binary::from_static(b""), Binary::from(vec![7; 100_000])],
        };
        socket.emit("send raw", &upload()).unwrap();
        socket.emit("send raw", "text").unwrap();
        assert_eq!(log.next().await.parse::<Upload>(0).unwrap(), upload());
        assert_eq!(log.next().await.parse::<String>(0).unwrap(), "text");
        let back: Upload = soon(socket.emit_with_ack("echo", &upload())).await.unwrap();
        assert_eq!(back, upload());
    }
}

/// SIO-CLI-079
#[tokio::test]
async fn reserved_names_are_refused() {
    let running = start().await;
    let socket = connect(running.addr).await;
    for name in ["disconnecting", "connect", "connect_error"] {
        assert!(matches!(socket.emit(name, "goodbye"), Err(EmitError::Encode(_))));
    }
}

/// SIO-CLI-016
#[tokio::test]
async fn the_return_value_of_a_handler_is_the_ack() {
    let running = crate::support::start_with(|io| {
        io.of("/").on("ask me", |peer: socketio_server::Socket| async move {
            let answer = peer
                .timeout(tests::raw::LONG)
                .emit_with_ack_args("question", &Args((1, "two")))
                .await
                .unwrap();
            let all: Vec<Value> = answer.parse_all().unwrap();
            peer.emit("got it", &all).unwrap();
        });
    })
    .await;
    let socket = connect(running.addr).await;
    let mut log = Log::new();
    let write = log.writer();
    socket.on("got it", move |Data(value): Data<Value>| {
        write(value);
        async {}
    });
    let id = socket.on("question", |Arguments((a, b)): Arguments<(u32, String)>| async move {
        assert_eq!((a, b.as_str()), (1, "two"));
        Ack(Args((5, json!({ "test": true }))))
    });
    socket.emit("ask me", &Args(())).unwrap();
    assert_eq!(log.next().await, json!([5, { "test": true }]));
    socket.off(id);

    // Errors and arguments of the wrong type are acknowledged too.
    let id = socket.on("question", || async { Err::<(), _>("no idea") });
    socket.emit("ask me", &Args(())).unwrap();
    assert_eq!(log.next().await, json!([{ "error": "no idea" }]));
    socket.off(id);
    let mut errors = Log::new();
    let write = errors.writer();
    socket.on_error(move |_, error| {
        let HandlerError::Extract { event, .. } = error else { panic!("{error}") };
        write(event.clone());
    });
    socket.on("question", |Data(_): Data<bool>| async {});
    socket.emit("ask me", &Args(())).unwrap();
    assert!(log.next().await[0]["error"].is_string());
    assert_eq!(errors.next().await, "question");
}

/// The hook receives an error if an ack has no outbox capacity, if it cannot be serialized, and if an event
/// without ack fails.
#[tokio::test]
async fn an_ack_that_is_not_sent_is_reported() {
    struct Unwritable;
    impl Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("out of ink"))
        }
    }
    let mut running = start_engine(engineio::Server::builder()).await;
    let manager = builder(running.addr)
        .path("/engine.io/")
        .engine(|engine| engine.configure(|config| config.max_buffered = 1000))
        .build();
    let socket = manager.socket("/");
    let mut errors = Log::new();
    let write = errors.writer();
    socket.on_error(move |socket, error| {
        assert!(socket.is_connected());
        assert!(matches!(error, HandlerError::Answer(_) | HandlerError::Failed { .. }));
        write(error.to_string());
    });
    // The first message may have any size.
    socket.on("no room", |socket: Socket| async move {
        socket.emit("fill", &"x".repeat(2000)).unwrap();
        Ack("lost")
    });
    socket.on("no answer wanted", |socket: Socket| async move {
        socket.emit("fill", &"x".repeat(2000)).unwrap();
        Ack(Unwritable)
    });
    socket.on("unwritable", || async { Ack(Unwritable) });
    socket.on("room", || async { Ack("said") });
    socket.on("fail", || async { Err::<(), _>("no") });
    socket.on("fail later", || async {
        tokio::task::yield_now().await;
        Err::<(), _>("not even later")
    });
    socket.on("gone", |socket: Socket| async move {
        socket.disconnect();
        Ack("not sent")
    });
    socket.connect();
    let session = running.opened().await;
    assert_eq!(running.message().await, "0".into());
    session.send(r#"0{"sid":"a"}"#).unwrap();
    session.send(r#"21["no room"]"#).unwrap();
    assert!(running.message().await.as_bytes().starts_with(br#"2["fill","#));
    assert_eq!(errors.next().await, "acknowledgement not sent: the send buffer is full");
    session.send(r#"2["no answer wanted"]"#).unwrap();
    assert!(running.message().await.as_bytes().starts_with(br#"2["fill","#));
    session.send(r#"22["unwritable"]"#).unwrap();
    let instead = running.message().await;
    assert!(instead.as_bytes().starts_with(br#"32[{"error":"#), "{instead:?}");
    assert!(errors.next().await.contains("out of ink"));
    session.send(r#"23["room"]"#).unwrap();
    assert_eq!(running.message().await, r#"33["said"]"#.into());
    session.send(r#"2["fail"]"#).unwrap();
    assert_eq!(errors.next().await, "fail: no");
    session.send(r#"2["fail later"]"#).unwrap();
    assert_eq!(errors.next().await, "fail later: not even later");
    session.send(r#"24["gone"]"#).unwrap();
    assert_eq!(running.message().await, "1".into());
    // Nothing may follow: a server would close the connection.
    socket.connect();
    assert_eq!(running.message().await, "0".into());
    assert!(errors.rest().is_empty());
}

/// SIO-CLI-067, SIO-CLI-068
#[tokio::test]
async fn compression_can_be_set_for_each_event() {
    let running = start().await;
    let socket = connect(running.addr).await;
    for compress in [true, false] {
        let echo: String =
            soon(socket.compress(compress).emit_with_ack("echo", &"x".repeat(5000))).await.unwrap();
        assert_eq!(echo.len(), 5000);
    }
}

#[tokio::test]
async fn the_msgpack_parser_works() {
    let io = socketio_server::Server::builder().parser(Parser::Msgpack).build().unwrap();
    let running = crate::support::serve(io, "127.0.0.1:0".parse().unwrap()).await;
    let manager = builder(running.addr).parser(Parser::Msgpack).build();
    let socket = manager.socket("/foo");
    let bytes = Binary::from_static(&[1, 2, 3]);
    let (a, b): (u64, Binary) = {
        let args =
            soon(socket.connect().emit_with_ack_args("echo", &Args((u64::MAX, &bytes)))).await.unwrap();
        args.parse_all().unwrap()
    };
    assert_eq!((a, b), (u64::MAX, bytes));
    let refused = soon(manager.socket("/no").connect().connected()).await.unwrap_err();
    assert_eq!(refused.to_string(), "Auth failed (custom namespace)");
}

/// Client and server use a parser of the application, also for events that wait and for queued ones.
#[tokio::test]
async fn a_parser_of_the_application_works() {
    let own = || ConnectionParser::Custom(Arc::new(Tilde));
    let io = socketio_server::Server::builder().connection_parser(move |_| own()).build().unwrap();
    let running = crate::support::serve(io, "127.0.0.1:0".parse().unwrap()).await;
    for retries in [0, 1] {
        let manager = builder(running.addr).parser(own()).retries(retries).build();
        let socket = manager.socket("/foo");
        let mut log = sent_back(&socket);
        let mut sent = Log::new();
        let write = sent.writer();
        socket.on_any_outgoing(move |name, _| write(name.to_owned()));
        let error = socket.emit("not for all", &1).unwrap_err();
        assert_eq!(error.to_string(), "the packet cannot be encoded: no tilde for this one");
        socket.emit("send raw", &Binary::from_static(b"waits")).unwrap();
        soon(socket.connect().connected()).await.unwrap();
        assert_eq!(&log.next().await.parse::<Binary>(0).unwrap()[..], b"waits");
        let bytes = Binary::from_static(&[1, 2, 3]);
        let answer = soon(socket.emit_with_ack_args("echo", &Args(("é", &bytes)))).await.unwrap();
        assert_eq!(answer.parse_all::<(String, Binary)>().unwrap(), ("é".to_owned(), bytes));
        assert_eq!(sent.rest(), ["send raw", "echo"]);
        let refused = soon(manager.socket("/no").connect().connected()).await.unwrap_err();
        assert_eq!(refused.to_string(), "Auth failed (custom namespace)");
        soon(manager.close()).await;
    }
    // A server that expects the tilde closes the connection of a client without one.
    let plain = builder(running.addr).reconnection(|it| it.enabled = false).build().socket("/");
    assert!(soon(plain.connect().connected()).await.is_err());
}

#[tokio::test]
async fn handlers_start_in_order_and_run_concurrently() {
    let running = start().await;
    let socket = connect(running.addr).await;
    let mut log = Log::new();
    let write = log.writer();
    socket.on("sent back", move |socket: Socket, Data(number): Data<u32>| {
        let write = write.clone();
        write(number);
        async move {
            // An ack that can arrive only while this handler waits.
            let echo: u32 = socket.emit_with_ack("echo", &(number + 100)).await.unwrap();
            write(echo);
        }
    });
    for number in 0..50 {
        socket.emit("send back", &number).unwrap();
    }
    let seen = log.take(100).await;
    let (begun, done): (Vec<u32>, Vec<u32>) = seen.into_iter().partition(|number| *number < 100);
    assert_eq!(begun, (0..50).collect::<Vec<_>>());
    assert_eq!(done, (100..150).collect::<Vec<_>>());
}
