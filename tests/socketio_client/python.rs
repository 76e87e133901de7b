//! PyPI's `python-socketio`, its asyncio server.

use socketio_client::{Args, Arguments, Binary, DisconnectReason, Parser, Transport};
use tests::raw::soon;

use crate::foreign::{
    Foreign, RefusalMessages, closed_connections, exchange, exchange_over_all_transports, lost_servers,
};
use crate::support::{Log, builder};

const REFUSALS: RefusalMessages =
    RefusalMessages { no: "not today", has_data: true, nowhere: "Unable to connect" };

async fn start(port: u16, arguments: &[&str]) -> Foreign {
    let mut python = tests::python::command("server.py");
    python.arg(port.to_string()).args(arguments);
    Foreign::start(python, tests::python::NEEDED).await
}

#[tokio::test]
async fn all_client_features_work_with_the_server() {
    let server = start(0, &[]).await;
    exchange_over_all_transports(&server, &REFUSALS, |builder| builder).await;
}

#[tokio::test]
async fn all_client_features_work_with_msgpack() {
    let server = start(0, &["msgpack"]).await;
    let end = exchange(builder(server.addr).parser(Parser::Msgpack), &REFUSALS).await;
    // The disconnect packet has the key `data` without a value, which the official client rejects as well.
    assert!(matches!(end, DisconnectReason::ParseError(_)), "{end:?}");
}

/// By default the server accepts 16 packets per request, and drops a larger request as a whole.
#[tokio::test]
async fn many_packets_are_sent_in_requests_within_the_limit() {
    let server = start(0, &[]).await;
    let manager = builder(server.addr)
        .transports([Transport::Polling])
        .engine(|engine| engine.configure(|config| config.max_packets_per_request = 16))
        .build();
    let socket = manager.socket("/");
    let mut log = Log::new();
    let write = log.writer();
    socket.on("sent back", move |Arguments((number, data)): Arguments<(u32, Binary)>| {
        write((number, data));
        async {}
    });
    // These events wait for the connection, and each one is two packets.
    for number in 0..100 {
        socket.emit("send back", &Args((number, Binary::from(vec![7])))).unwrap();
    }
    soon(socket.connect().connected()).await.unwrap();
    let mut numbers: Vec<_> = log.take(100).await.into_iter().map(|(number, _)| number).collect();
    // The server handles events concurrently.
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..100));
}

#[tokio::test]
async fn a_client_reconnects_after_a_lost_connection_or_server() {
    let server = start(0, &[]).await;
    closed_connections(&server, |builder| builder).await;
    lost_servers(|port| start(port, &[]), |builder| builder).await;
}
