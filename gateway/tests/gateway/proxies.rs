//! The gateway behind nginx, Apache and Caddy, each with its file of `deploy/` and as a user without rights.

use serde_json::json;
pub(crate) use tests::proxy::{APACHE, NGINX, Proxy};
use tests::raw::{Request, WebSocket, soon, until};

use crate::support::{Running, parsed, start};

/// Starts a proxy in front of a gateway. `site` is its file in `deploy/`, which names the ports 80 and 8000.
pub(crate) async fn in_front_of(
    running: &Running,
    site: &str,
    program: &str,
    arguments: &[&str],
    around: &str,
) -> Proxy {
    let site = site.replace("127.0.0.1:8000", &running.addr.to_string());
    Proxy::in_front(&site, program, arguments, around).await
}

/// Checks that all features of clients work through the proxy.
async fn carries_everything(running: &Running, proxy: &Proxy) {
    let addr = proxy.addr;
    let (status, info) = parsed(&Request::new("GET", "/info").header("accept", "*/*").send(addr).await);
    assert_eq!((status, &info["name"]), (200, &json!("socketio-gateway")));
    for transports in ["polling,websocket", "websocket", "polling"] {
        tests::node::run("gateway.mjs", &[&format!("http://{addr}"), transports]).await;
    }
    // A page loaded through the proxy has the gateway's own origin; another page does not.
    let own = format!("http://{addr}");
    for target in ["/", "/socket.io/?EIO=4&transport=websocket"] {
        for (origin, refused) in [(own.as_str(), None), ("http://evil.test", Some(403))] {
            let opened = WebSocket::open_with(addr, target, &[("origin", origin)]).await;
            assert_eq!(opened.err(), refused, "{target} {origin}");
        }
    }
    // Messages of nearly the largest size that the gateway accepts, in both directions.
    let mut native = WebSocket::open(addr, "/").await.unwrap();
    let large = json!({"event": "echo", "data": "x".repeat(900_000), "id": 7}).to_string();
    native.send(&large).await;
    soon(async { while native.text().await.len() < 900_000 {} }).await;
    // A caller without a key gets the refusal, whatever the size of its request.
    let call = Request::new("POST", "/api/broadcast").header("content-type", "application/json").body(&large);
    assert_eq!(call.send(addr).await.status, 401);
    drop(native);
    until(async || running.gateway.io().is_empty()).await;
}

#[tokio::test]
async fn behind_nginx() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    let site = include_str!("../../deploy/nginx.conf");
    let arguments = ["-e", "stderr", "-p", "FOLDER", "-c", "main.conf"];
    let proxy = in_front_of(&running, site, "nginx", &arguments, NGINX).await;
    carries_everything(&running, &proxy).await;
}

#[tokio::test]
async fn behind_apache() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    let site = include_str!("../../deploy/apache.conf");
    let arguments = ["-d", "FOLDER", "-f", "main.conf", "-X"];
    let proxy = in_front_of(&running, site, "apache2", &arguments, APACHE).await;
    carries_everything(&running, &proxy).await;
}

#[tokio::test]
async fn behind_caddy() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    let site = include_str!("../../deploy/Caddyfile");
    let arguments = ["run", "--adapter", "caddyfile", "--config", "site.conf"];
    let proxy = in_front_of(&running, site, "caddy", &arguments, "").await;
    carries_everything(&running, &proxy).await;
}
