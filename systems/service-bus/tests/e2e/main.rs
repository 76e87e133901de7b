//! The program with services of this library, and with users and services of npm and PyPI.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod api;
mod binary;
mod services;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use service_bus::{ConnectorOptions, Event, EventType, ServiceConnector};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_service-bus");
const KEY: &str = "open sesame";

async fn start(port: &str) -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("SOCKET_IO_PORT", port).env("LOG_LEVEL", "OFF").env("BUS_KEY", KEY).env("USERS", "believed");
    tests::served::start(&mut program).await
}

fn options() -> ConnectorOptions {
    ConnectorOptions {
        key: Some(KEY.to_owned()),
        timeout: Duration::from_secs(10),
        reconnection_delay: Duration::from_millis(10),
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
