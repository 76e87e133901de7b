//! Information and health endpoints.

use http::StatusCode;
use serde_json::json;

use crate::gateway::Gateway;
use crate::listen::Program;
use crate::response::{self, HttpResponse};

/// Response of `/info`: name and version of the program, and the protocols of the gateway.
pub(super) fn info(gateway: &Gateway, program: Program) -> HttpResponse {
    let mut info = json!({
        "name": program.name,
        "version": program.version,
        "protocols": {
            "socketio": {"path": gateway.config().server.path},
            "native": {"path": "any other"},
        },
        "sessions": gateway.io().engine().stats().sessions,
        "uptimeSeconds": gateway.uptime().as_secs(),
    });
    if let Some(node) = gateway.node() {
        info["node"] = node.into();
    }
    response::json(StatusCode::OK, &info)
}

/// Response of `/health/live`. Any response shows that the process is alive.
pub(super) fn live() -> HttpResponse {
    response::json(StatusCode::OK, &json!({"status": "ok"}))
}

/// Response of `/health/ready`: whether new clients are accepted, and the state of the links to the cluster.
pub(super) fn ready(gateway: &Gateway) -> HttpResponse {
    let status = |text| response::json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": text}));
    if !gateway.is_ready() {
        status("draining")
    } else if gateway.descriptors().have_run_out() {
        status("out_of_descriptors")
    } else {
        // A node without Redis or the other gateways still serves its own clients, so that its links do not make it
        // unready.
        let mut ready = json!({"status": "ok"});
        if let Some(health) = gateway.cluster().health() {
            ready["cluster"] = health.into();
        }
        if let Some(sharing) = gateway.cluster().sharing(gateway.io()) {
            let connected = sharing.connected();
            ready["peers"] = json!({"connected": connected, "lost": sharing.nodes.len() - connected});
        }
        response::json(StatusCode::OK, &ready)
    }
}
