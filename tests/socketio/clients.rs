//! Clients of other houses against our server: those of npm, PyPI and crates.io.

mod house;

use socketio_server::{Parser, ServerBuilder};

use self::house::House;
use crate::support::builder;

const TRANSPORTS: [&str; 3] = ["polling", "websocket", "polling,websocket"];

/// How the visitors of the scripts leave.
const DEPARTURES: [&str; 7] = [
    "ada /chat: client namespace disconnect",
    "bob /chat: server namespace disconnect",
    "dan /chat: server shutting down",
    "dan /news: client namespace disconnect",
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
        let house = House::open(builder()).await;
        let arguments = [&[&*house.url, version, transports], more].concat();
        tests::node::run("socketio.mjs", &arguments).await;
        house.left(&DEPARTURES).await;
    }
}

#[tokio::test]
async fn npm_version_4() {
    npm("4", builder, &[]).await;
}

#[tokio::test]
async fn npm_version_4_with_msgpack() {
    npm("4", || builder().parser(Parser::Msgpack), &["msgpack"]).await;
}

#[tokio::test]
async fn npm_version_3() {
    npm("3", builder, &[]).await;
}

#[tokio::test]
async fn npm_version_2() {
    npm("2", with_eio3, &[]).await;
}

/// What only version 2 does.
async fn npm_2(wanted: &str, builder: fn() -> ServerBuilder) {
    for transports in TRANSPORTS {
        let house = House::open(builder()).await;
        tests::node::run("socketio-v2.mjs", &[&house.url, transports, wanted]).await;
    }
}

/// SIO-SRV-171
#[tokio::test]
async fn version_2_and_the_server_agree_about_ids() {
    npm_2("ids", with_eio3).await;
}

/// SIO-SRV-172
#[tokio::test]
async fn the_query_of_version_2_becomes_its_credentials() {
    npm_2("query", with_eio3).await;
}

/// SIO-SRV-173
#[tokio::test]
async fn version_2_is_refused_by_default() {
    npm_2("refusal", builder).await;
}
