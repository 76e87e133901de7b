//! crates.io's `socketioxide`, on axum.

use socketio_client::{DisconnectReason, Parser};

use crate::foreign::{Foreign, RefusalMessages, exchange, exchange_over_all_transports, lost_servers};
use crate::support::builder;

/// Its refusals have no data.
const REFUSALS: RefusalMessages =
    RefusalMessages { no: "not today", has_data: false, nowhere: "Invalid namespace" };

async fn start(port: u16, arguments: &[&str]) -> Foreign {
    let mut program = tests::socketioxide::command();
    program.arg(port.to_string()).args(arguments);
    Foreign::start(program, tests::socketioxide::NEEDED).await
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

/// The server sends no packet when it closes a connection.
#[tokio::test]
async fn a_client_reconnects_after_a_lost_server() {
    lost_servers(|port| start(port, &[]), |builder| builder).await;
}
