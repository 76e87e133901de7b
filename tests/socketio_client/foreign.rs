//! Third-party servers as separate processes, and the exchanges of an application with each of them.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::{Value, json};
use socketio_client::{
    Ack, Args, Arguments, Binary, ConnectError, Data, DisconnectReason, Events, Manager, ManagerBuilder,
    Socket, SocketEvent, Transport,
};
use tests::program::Program;
use tests::raw::soon;
use tokio::process::{Child, Command};

use crate::support::{Log, builder};

/// All combinations of transports.
const TRANSPORTS: [&[Transport]; 3] =
    [&[Transport::Polling], &[Transport::WebSocket], &[Transport::Polling, Transport::WebSocket]];

/// A server process, which ends when this value is dropped.
pub(crate) struct Foreign {
    pub(crate) addr: SocketAddr,
    program: Child,
}

impl Foreign {
    /// Starts a program that prints the port on which it listens.
    pub(crate) async fn start(mut program: Command, needed: &str) -> Self {
        let mut program = Program::start(program.stdin(Stdio::null()), needed);
        let port: u16 = program.line().await.parse().unwrap();
        Self { addr: ([127, 0, 0, 1], port).into(), program: program.ignore_output() }
    }

    /// Kills the process.
    pub(crate) async fn crash(mut self) {
        soon(self.program.kill()).await.unwrap();
    }
}

/// Refusal messages of a server.
pub(crate) struct RefusalMessages {
    /// Message when a middleware of `/no` refuses with the message `not today` and data.
    pub(crate) no: &'static str,
    /// Whether the refusal includes the data.
    pub(crate) has_data: bool,
    /// Message for an unknown namespace.
    pub(crate) nowhere: &'static str,
}

/// Connects with credentials, exchanges text and binary events with acks, is refused, and is disconnected by
/// the server. Returns the reason of the disconnect.
pub(crate) async fn exchange(builder: ManagerBuilder, refusals: &RefusalMessages) -> DisconnectReason {
    let manager = builder.build();
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
    refused(&manager, refusals).await;

    let mut events = root.events();
    root.emit("kick", &Args(())).unwrap();
    let Some(SocketEvent::Disconnect(reason)) = soon(events.recv()).await else { panic!("still there") };
    soon(manager.close()).await;
    reason
}

/// Runs `exchange` over every transport. At the end the server disconnects the socket and sends a packet for
/// it.
pub(crate) async fn exchange_over_all_transports(
    server: &Foreign,
    refusals: &RefusalMessages,
    set_up: impl Fn(ManagerBuilder) -> ManagerBuilder,
) {
    for transports in TRANSPORTS {
        let end = exchange(set_up(builder(server.addr)).transports(transports), refusals).await;
        assert!(matches!(end, DisconnectReason::ServerDisconnect), "{end:?}");
    }
}

async fn refused(manager: &Manager, refusals: &RefusalMessages) {
    let refused = soon(manager.socket("/no").connect().connected()).await.unwrap_err();
    let ConnectError::Refused(refusal) = refused else { panic!("{refused}") };
    let data = refusals.has_data.then(|| json!({ "a": "b" }));
    assert_eq!((refusal.message.as_str(), refusal.data), (refusals.no, data));
    let refused = soon(manager.socket("/nowhere").connect().connected()).await.unwrap_err();
    assert_eq!(refused.to_string(), refusals.nowhere);
}

/// Over every transport, the server closes the connection; the client reconnects by itself, and the events
/// emitted in between arrive.
pub(crate) async fn closed_connections(server: &Foreign, set_up: impl Fn(ManagerBuilder) -> ManagerBuilder) {
    for transports in TRANSPORTS {
        let socket = set_up(builder(server.addr)).transports(transports).build().socket("/foo");
        let mut events = joined(&socket).await;
        socket.emit("close", &Args(())).unwrap();
        assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Disconnect(_))));
        assert_eq!(soon(socket.emit_with_ack::<u32>("echo", &1)).await.unwrap(), 1);
        assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { .. })));
    }
}

/// Over every transport, the server process is lost; the client reconnects by itself to the next one, which
/// `start` starts on the same port.
pub(crate) async fn lost_servers(
    start: impl AsyncFn(u16) -> Foreign,
    set_up: impl Fn(ManagerBuilder) -> ManagerBuilder,
) {
    for transports in TRANSPORTS {
        let server = start(0).await;
        let socket = set_up(builder(server.addr)).transports(transports).build().socket("/foo");
        let mut events = joined(&socket).await;
        let port = server.addr.port();
        server.crash().await;
        assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Disconnect(_))));
        let echo = socket.emit_with_ack::<u32>("echo", &2);
        let (_server, answer) = tokio::join!(start(port), soon(echo));
        assert_eq!(answer.unwrap(), 2);
    }
}

async fn joined(socket: &Socket) -> Events {
    let mut events = socket.events();
    soon(socket.connect().connected()).await.unwrap();
    assert!(matches!(soon(events.recv()).await, Some(SocketEvent::Connect { .. })));
    events
}
