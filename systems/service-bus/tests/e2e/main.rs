//! The program with services of this library, and with users and services of npm and PyPI.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod api;
mod binary;
mod crowd;
mod directory;
mod identities;
mod kept;
mod requests;
mod services;
mod users;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use service_bus::{
    Bus, BusOptions, Config, ConnectorOptions, Event, EventType, ServiceConnector, ServiceKeys,
};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_service-bus");
const KEY: &str = "open sesame";

async fn start(port: &str) -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("SOCKET_IO_PORT", port).env("LOG_LEVEL", "OFF").env("BUS_KEY", KEY).env("USERS", "believed");
    tests::served::start(&mut program).await
}

/// A bus in this process, and its address.
async fn embedded(config: Config, options: BusOptions) -> (Bus, SocketAddr) {
    let bus = Bus::new(config, options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = bus.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (bus, addr)
}

/// A key that services share.
fn shared(key: &str) -> ServiceKeys {
    ServiceKeys { shared: vec![key.to_owned()], ..ServiceKeys::default() }
}

fn options() -> ConnectorOptions {
    ConnectorOptions {
        key: Some(KEY.to_owned()),
        timeout: Duration::from_secs(10),
        reconnection_delay: Duration::from_millis(10),
        resend: Duration::ZERO,
        ..ConnectorOptions::default()
    }
}

fn service(name: &str, url: &str) -> ServiceConnector {
    ServiceConnector::with_options(name, url, options()).unwrap()
}

/// The events of some types that a service receives.
fn received_by(service: &ServiceConnector, kinds: &[EventType]) -> mpsc::UnboundedReceiver<Event> {
    let (sender, events) = mpsc::unbounded_channel();
    for kind in kinds {
        let sender = sender.clone();
        service.on_event(kind.clone(), move |event| {
            let _ = sender.send(event);
            async {}
        });
    }
    events
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}
