//! PyPI's `python-socketio`, its asyncio server.

use socketio_client::{DisconnectReason, Parser};

use crate::foreign::{Foreign, WAYS, Wording, come_back, exchange};
use crate::support::builder;

const WORDING: Wording = Wording { no: "not today", nowhere: "Unable to connect" };

async fn start(port: u16, arguments: &[&str]) -> Foreign {
    let mut python = tests::python::command("server.py");
    python.arg(port.to_string()).args(arguments);
    Foreign::start(python, tests::python::NEEDED).await
}

#[tokio::test]
async fn everything_that_applications_do() {
    let server = start(0, &[]).await;
    for transports in WAYS {
        let end = exchange(builder(server.addr).transports(transports), &WORDING).await;
        assert!(matches!(end, DisconnectReason::ServerDisconnect), "{end:?}");
    }
}

#[tokio::test]
async fn the_same_with_msgpack() {
    let server = start(0, &["msgpack"]).await;
    let end = exchange(builder(server.addr).parser(Parser::Msgpack), &WORDING).await;
    // Its goodbye has the key `data` with nothing in it, which makes it an invalid packet for the official client too.
    assert!(matches!(end, DisconnectReason::ParseError(_)), "{end:?}");
}

#[tokio::test]
async fn connections_and_servers_that_are_lost() {
    for transports in WAYS {
        come_back(|port| start(port, &[]), |builder| builder.transports(transports)).await;
    }
}
