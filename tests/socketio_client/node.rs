//! The official server, npm's `socket.io`.

use socketio_client::{Data, DisconnectReason, Parser, SocketEvent};
use tests::raw::soon;

use crate::foreign::{
    Foreign, RefusalMessages, closed_connections, exchange, exchange_over_all_transports, lost_servers,
};
use crate::support::{Log, builder};

const REFUSALS: RefusalMessages =
    RefusalMessages { no: "not today", has_data: true, nowhere: "Invalid namespace" };

async fn start(port: u16, arguments: &[&str]) -> Foreign {
    let mut node = tests::node::command();
    node.arg("server.mjs").arg(port.to_string()).args(arguments);
    Foreign::start(node, tests::node::NEEDED).await
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
    assert!(matches!(end, DisconnectReason::ServerDisconnect), "{end:?}");
}

#[tokio::test]
async fn a_client_reconnects_after_a_lost_connection_or_server() {
    let server = start(0, &[]).await;
    closed_connections(&server, |builder| builder).await;
    lost_servers(|port| start(port, &[]), |builder| builder).await;
}

#[tokio::test]
async fn missed_events_are_recovered() {
    let server = start(0, &[]).await;
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
