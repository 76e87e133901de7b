//! PyPI's `python-socketio`, its asyncio server.

use socketio_client::{DisconnectReason, Parser, Transport};

use crate::foreign::{Foreign, WAYS, come_back, exchange};

async fn start(port: u16, arguments: &[&str]) -> Foreign {
    let mut python = tests::python::command("server.py");
    python.arg(port.to_string()).args(arguments);
    Foreign::start(python, tests::python::NEEDED).await
}

#[tokio::test]
async fn everything_that_applications_do() {
    let server = start(0, &[]).await;
    for transports in WAYS {
        let end = exchange(&server, transports, Parser::Json, "Unable to connect").await;
        assert!(matches!(end, DisconnectReason::ServerDisconnect), "{end:?}");
    }
}

#[tokio::test]
async fn the_same_with_msgpack() {
    let server = start(0, &["msgpack"]).await;
    let transports = [Transport::Polling, Transport::WebSocket];
    let end = exchange(&server, &transports, Parser::Msgpack, "Unable to connect").await;
    // Its goodbye has the key `data` with nothing in it, which makes it an invalid packet for the official client too.
    assert!(matches!(end, DisconnectReason::ParseError(_)), "{end:?}");
}

#[tokio::test]
async fn connections_and_servers_that_are_lost() {
    for transports in WAYS {
        come_back(transports, |port| start(port, &[])).await;
    }
}
