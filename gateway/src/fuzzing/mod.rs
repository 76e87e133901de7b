//! Bodies of the fuzz targets. They are part of the crate, so that ordinary builds keep them compiling.
//!
//! Each function takes arbitrary bytes, and panics if the code under test breaks an invariant.

mod api;
mod config;
mod forwarding;
mod tokens;

pub use self::api::api_body;
pub use self::config::config;
pub use self::forwarding::forwarding;
pub use self::tokens::token;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use crate::gateway::Gateway;
use crate::response::HttpResponse;

/// Key of the operators.
const KEY: &str = "the key of the operators";
/// Duration that exceeds the sum of all deadlines of the default settings.
const LONG: Duration = Duration::from_secs(600);
/// Time that the gateway gets for its work. The clock is paused, so it passes as soon as all tasks are idle.
const STEP: Duration = Duration::from_millis(1);

/// Native messages; see `native::message_check`.
pub fn native_message(data: &[u8]) {
    crate::native::message_check::check(data);
}

/// Runs a future with a paused clock, which advances when all tasks are idle.
fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(work);
}

/// Connects a Socket.IO client to a gateway, in these namespaces.
async fn client(gateway: &Gateway, namespaces: &[&str]) -> DuplexStream {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    gateway.io().engine().connect(ours, ([127, 0, 0, 1], 1).into());
    let path = &gateway.config().server.path;
    let mut sent = format!(
        "GET {path}/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    .into_bytes();
    for namespace in namespaces {
        let packet = format!("40{namespace},");
        // WebSocket text frame, masked with zeros.
        sent.extend([0x81, 0x80 | packet.len() as u8, 0, 0, 0, 0]);
        sent.extend(packet.bytes());
    }
    let _ = timeout(STEP, theirs.write_all(&sent)).await;
    let _ = timeout(STEP, theirs.read_to_end(&mut Vec::new())).await;
    theirs
}

/// Body of a response.
async fn body(response: HttpResponse) -> Vec<u8> {
    use http_body_util::BodyExt as _;

    let Ok(body) = response.into_body().collect().await;
    body.to_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(target: &str, check: fn(&[u8])) {
        engineio::fuzzing::each_seed("gateway", target, check);
    }

    #[test]
    fn every_seed_keeps_the_invariants() {
        seeds("api_body", api_body);
        seeds("config", config);
        seeds("forwarding", forwarding);
        seeds("native_message", native_message);
        seeds("token", token);
    }
}
