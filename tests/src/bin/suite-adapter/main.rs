//! One server of a cluster, driven by the official adapter suites over a control connection: commands and
//! events as lines of JSON. Everything is set by the environment.

mod adapter;
mod bus;
mod commands;
mod control;
mod foreign;
mod space;
mod values;

use serde_json::{Value, json};
use socketio_server::{Parser, Recovery, Server, ServerBuilder};
use tests::{listen_on_loopback, serve_all};
use tokio::net::TcpListener;

use self::adapter::Media;
use self::commands::Suite;
use self::control::Output;
use self::values::milliseconds;

/// An environment variable as JSON.
fn options(name: &str) -> Value {
    std::env::var(name).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| json!({}))
}

fn port(name: &str) -> u16 {
    std::env::var(name).ok().and_then(|port| port.parse().ok()).unwrap_or(0)
}

fn builder(options: &Value) -> ServerBuilder {
    let mut builder = Server::builder();
    if let Some(interval) = milliseconds(options, "pingInterval") {
        builder = builder.ping_interval(interval);
    }
    if let Some(timeout) = milliseconds(options, "pingTimeout") {
        builder = builder.ping_timeout(timeout);
    }
    if let Some(timeout) = milliseconds(options, "connectTimeout") {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(bytes) = options["maxHttpBufferSize"].as_u64() {
        builder = builder.max_payload(bytes as usize);
    }
    if options["cleanupEmptyChildNamespaces"] == true {
        builder = builder.cleanup_empty_child_namespaces(true);
    }
    if options["parser"] == "msgpack" {
        builder = builder.parser(Parser::Msgpack);
    }
    if options["connectionStateRecovery"].is_object() {
        let mut recovery = Recovery::default();
        let given = &options["connectionStateRecovery"];
        if let Some(duration) = milliseconds(given, "maxDisconnectionDuration") {
            recovery.max_disconnection_duration = duration;
        }
        if let Some(skip) = given["skipMiddlewares"].as_bool() {
            recovery.skip_middlewares = skip;
        }
        builder = builder.connection_state_recovery(recovery);
    }
    builder
}

// One thread, as the official server has: the suites expect that what one of them begins first happens first.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let output = Output::default();
    let media = Media::from_environment(&options("ADAPTER_OPTIONS"), &output)?;
    let mut builder = builder(&options("SERVER_OPTIONS"));
    let adapter = media.adapter();
    if let Some(adapter) = &adapter {
        builder = builder.adapter(adapter.clone());
    }
    let io = builder.build()?;
    let suite = Suite::new(io.clone(), media, adapter, output.clone());
    suite.space("/");
    suite.ready().await;
    let control = TcpListener::bind(("127.0.0.1", port("CONTROL_PORT"))).await?;
    let listeners = listen_on_loopback(port("PORT")).await?;
    let ready = json!({
        "ready": true,
        "port": listeners.first().ok_or("no listener")?.local_addr()?.port(),
        "controlPort": control.local_addr()?.port(),
    });
    println!("{ready}");
    tokio::spawn(serve_all(io.service(), listeners));
    let (stream, _) = control.accept().await?;
    control::obey(stream, output, suite).await;
    // The controlling connection has ended.
    std::process::exit(0)
}
