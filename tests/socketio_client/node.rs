//! The official server, npm's `socket.io`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use socketio_client::{
    Ack, Args, Arguments, Binary, ConnectError, Data, DisconnectReason, Parser, SocketEvent, Transport,
};
use tests::raw::soon;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{Log, builder};

/// Node.js with the server in it, for as long as this lives.
struct Official {
    addr: SocketAddr,
    _node: Child,
}

impl Official {
    async fn start(arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        assert!(
            folder.join("node_modules/socket.io").is_dir(),
            "the npm packages are missing: run `npm ci` in tests/interop, or `cargo xtask test`, which does"
        );
        let mut node = Command::new("node")
            .arg("server.mjs")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node.js 20 or newer is needed on the PATH");
        let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let port: u16 = soon(lines.next_line()).await.unwrap().expect("a port").parse().unwrap();
        Self { addr: ([127, 0, 0, 1], port).into(), _node: node }
    }
}

async fn exchange(server: &Official, transports: &[Transport], parser: Parser) {
    let manager = builder(server.addr).transports(transports).parser(parser).build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    chat.auth(&json!({ "token": "x" })).unwrap();
    chat.on("question", |Arguments((number, data)): Arguments<(u32, Binary)>| async move {
        assert_eq!(&data[..], [2]);
        Ack(json!({ "answer": number + 1 }))
    });
    let mut log = Log::new();
    let write = log.writer();
    chat.on("sent back", move |Data(value): Data<Binary>| {
        write(value);
        async {}
    });
    for socket in [&root, &chat] {
        soon(socket.connect().connected()).await.unwrap();
    }
    let who: Value = soon(chat.emit_with_ack("who", &Args(()))).await.unwrap();
    assert_eq!(who["id"].as_str().map(str::to_owned), chat.id());
    assert_eq!(who["auth"], json!({ "token": "x" }));
    for number in 0..200 {
        assert_eq!(soon(root.emit_with_ack::<u32>("echo", &number)).await.unwrap(), number);
    }
    for size in [0, 1, 1000, 100_000] {
        let data = Binary::from(vec![7; size]);
        chat.emit("send back", &data).unwrap();
        assert_eq!(log.next().await, data);
        let (a, b): (Binary, String) =
            soon(chat.emit_with_ack_args("echo", &Args((&data, "ä€😀")))).await.unwrap().parse_all().unwrap();
        assert_eq!((a, b.as_str()), (data, "ä€😀"));
    }
    assert_eq!(soon(chat.emit_with_ack::<Value>("ask me", &Args(()))).await.unwrap(), json!({ "answer": 2 }));
    let refused = soon(manager.socket("/no").connect().connected()).await.unwrap_err();
    let ConnectError::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!((refusal.message.as_str(), refusal.data), ("not today", Some(json!({ "a": "b" }))));
    let refused = soon(manager.socket("/nowhere").connect().connected()).await.unwrap_err();
    assert_eq!(refused.to_string(), "Invalid namespace");

    let mut events = root.events();
    root.emit("kick", &Args(())).unwrap();
    let Some(SocketEvent::Disconnect(reason)) = soon(events.recv()).await else { panic!("still there") };
    assert!(matches!(reason, DisconnectReason::ServerDisconnect));
    soon(manager.close()).await;
}

#[tokio::test]
async fn everything_that_applications_do() {
    let server = Official::start(&[]).await;
    for transports in
        [&[Transport::Polling][..], &[Transport::WebSocket], &[Transport::Polling, Transport::WebSocket]]
    {
        exchange(&server, transports, Parser::Json).await;
    }
}

#[tokio::test]
async fn the_same_with_msgpack() {
    let server = Official::start(&["msgpack"]).await;
    exchange(&server, &[Transport::Polling, Transport::WebSocket], Parser::Msgpack).await;
}

#[tokio::test]
async fn what_was_missed_is_made_up_for() {
    let server = Official::start(&[]).await;
    let manager = builder(server.addr).build();
    let socket = manager.socket("/");
    let mut log = Log::new();
    let write = log.writer();
    socket.on("news", move |Data(number): Data<u32>| {
        write(number);
        async {}
    });
    let mut events = socket.events();
    soon(socket.connect().connected()).await.unwrap();
    let id = socket.id();
    socket.emit("tell", &1).unwrap();
    assert_eq!(log.next().await, 1);
    socket.emit("close and tell", &2).unwrap();
    assert_eq!(log.next().await, 2);
    loop {
        if let Some(SocketEvent::Connect { recovered: true }) = soon(events.recv()).await {
            break;
        }
    }
    assert_eq!(socket.id(), id);
    assert!(socket.recovered());
}
