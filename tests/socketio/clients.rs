//! Third-party clients against our server: those of npm, PyPI and crates.io.

mod server;

use socketio_server::{Parser, ServerBuilder};

use self::server::ClientServer;
use crate::support::builder;

const TRANSPORTS: [&str; 3] = ["polling", "websocket", "polling,websocket"];

/// Disconnect reasons of the clients of the scripts. Eve has two: her connection is cut, and she reconnects.
const DISCONNECTS: [&str; 6] = [
    "ada /chat: client namespace disconnect",
    "bob /chat: server namespace disconnect",
    "dan /chat: server shutting down",
    "dan /news: server shutting down",
    "eve /chat: forced close",
    "eve /chat: transport close",
];

fn with_eio3() -> ServerBuilder {
    builder().engine(|engine| engine.allow_eio3(true))
}

/// npm's `socket.io-client`.
async fn npm(version: &str, builder: fn() -> ServerBuilder, more: &[&str]) {
    for transports in TRANSPORTS {
        let server = ClientServer::open(builder()).await;
        let arguments = [&[&*server.url, version, transports], more].concat();
        tests::node::run("socketio.mjs", &arguments).await;
        let of_one_namespace = ["dan /news: client namespace disconnect"];
        server.expect_disconnects(&[&DISCONNECTS[..], &of_one_namespace].concat()).await;
    }
}

/// PyPI's `python-socketio`.
async fn pypi(script: &str, parser: Parser) {
    // The client writes its close packet and may close the connection before the packet has been sent.
    let (more, ada) = if parser == Parser::Json {
        (None, "ada /chat: client namespace disconnect or transport close")
    } else {
        // Here the packet has the key `data` without a value, which makes it invalid.
        (Some("msgpack"), "ada /chat: forced close or transport close")
    };
    for transports in TRANSPORTS {
        let server = ClientServer::open(builder().parser(parser)).await;
        let arguments: Vec<&str> = [&server.url, transports].into_iter().chain(more).collect();
        tests::python::run(script, &arguments).await;
        server.expect_disconnects(&[&[ada], &DISCONNECTS[1..]].concat()).await;
    }
}

#[tokio::test]
async fn npm_client_version_4_works() {
    npm("4", builder, &[]).await;
}

#[tokio::test]
async fn npm_client_version_4_works_with_msgpack() {
    npm("4", || builder().parser(Parser::Msgpack), &["msgpack"]).await;
}

#[tokio::test]
async fn npm_client_version_3_works() {
    npm("3", builder, &[]).await;
}

#[tokio::test]
async fn npm_client_version_2_works() {
    npm("2", with_eio3, &[]).await;
}

/// Behaviour that only version 2 has.
async fn npm_2(wanted: &str, builder: fn() -> ServerBuilder) {
    for transports in TRANSPORTS {
        let server = ClientServer::open(builder()).await;
        tests::node::run("socketio-v2.mjs", &[&server.url, transports, wanted]).await;
    }
}

/// SIO-SRV-171
#[tokio::test]
async fn client_version_2_and_the_server_have_the_same_ids() {
    npm_2("ids", with_eio3).await;
}

/// SIO-SRV-172
#[tokio::test]
async fn the_query_of_client_version_2_is_its_credentials() {
    npm_2("query", with_eio3).await;
}

/// SIO-SRV-173
#[tokio::test]
async fn client_version_2_is_refused_by_default() {
    npm_2("refusal", builder).await;
}

#[tokio::test]
async fn pypi_asyncio_client_works() {
    pypi("asyncio_client.py", Parser::Json).await;
}

#[tokio::test]
async fn pypi_asyncio_client_works_with_msgpack() {
    pypi("asyncio_client.py", Parser::Msgpack).await;
}

#[tokio::test]
async fn pypi_threaded_client_works() {
    pypi("sync_client.py", Parser::Json).await;
}

#[tokio::test]
async fn pypi_threaded_client_works_with_msgpack() {
    pypi("sync_client.py", Parser::Msgpack).await;
}

/// The client lacks features of the others, so its disconnect reasons differ.
#[tokio::test]
async fn crates_io_rust_socketio_client_works() {
    for transports in TRANSPORTS {
        let server = ClientServer::open(builder()).await;
        tests::rust_socketio::run(&[&server.url, transports]).await;
        server
            .expect_disconnects(&[
                "ada /chat: client namespace disconnect",
                "bob /chat: server namespace disconnect",
                "dan /news: server shutting down",
                "eve /chat: client namespace disconnect",
                "eve /chat: forced close",
                "eve /chat: client namespace disconnect",
            ])
            .await;
    }
}
