//! The files of `deploy/`: the proxies as they are configured there, and units and images against the program.

use std::process::Stdio;
use std::time::Duration;

use dual_gateway::DualGateway;
use serde_json::{Value, json};
use socketio_gateway::Config;
use tests::proxy::{APACHE, NGINX, Proxy};
use tests::raw::{Request, WebSocket, soon};
use tokio::net::TcpListener;

use crate::program;

const UNIT: &str = include_str!("../../deploy/dual-gateway@.service");
const COMPOSE: &str = include_str!("../../deploy/compose.yaml");
const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");

/// Both protocols pass a proxy with this file, in front of the port of both.
async fn carries_both_protocols(site: &str, name: &str, arguments: &[&str], around: &str) {
    let mut config = Config::default();
    config.auth.session_secret = "a secret of the tests".into();
    let dual = DualGateway::new(config, dual_gateway::Parrot).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let token = dual.gateway().acquire_session(None).unwrap().token;
    let ports = dual_gateway::Ports { websocket: Some(listener), ..Default::default() };
    tokio::spawn(async move { dual.serve_ports(ports, std::future::pending()).await });
    let proxy =
        Proxy::in_front(&site.replace("127.0.0.1:3500", &addr.to_string()), name, arguments, around).await;
    let told = Request::new("GET", "/info").send(proxy.addr).await;
    assert_eq!(serde_json::from_str::<Value>(told.text()).unwrap()["name"], "dual-gateway");
    for transports in ["polling,websocket", "websocket", "polling"] {
        let url = format!("http://{}", proxy.addr);
        crate::node("through.mjs", &[&url, &token, transports]).await;
    }
    assert_eq!(WebSocket::open(proxy.addr, "/?token=guess").await.err(), Some(401));
    for (origin, refused) in
        [(format!("http://{}", proxy.addr), None), ("http://evil.test".to_owned(), Some(403))]
    {
        let target = format!("/?token={token}");
        let opened = WebSocket::open_with(proxy.addr, &target, &[("origin", &origin)]).await;
        assert_eq!(opened.err(), refused, "{origin}");
    }
    // Messages of nearly the largest size.
    let mut ws = WebSocket::open(proxy.addr, &format!("/?token={token}")).await.unwrap();
    ws.send(&json!({"event": "echo", "data": "x".repeat(900_000)}).to_string()).await;
    soon(async { while ws.text().await.len() < 900_000 {} }).await;
}

#[tokio::test]
async fn behind_nginx() {
    let arguments = ["-e", "stderr", "-p", "FOLDER", "-c", "main.conf"];
    carries_both_protocols(include_str!("../../deploy/nginx.conf"), "nginx", &arguments, NGINX).await;
}

#[tokio::test]
async fn behind_apache() {
    let arguments = ["-d", "FOLDER", "-f", "main.conf", "-X"];
    carries_both_protocols(include_str!("../../deploy/apache.conf"), "apache2", &arguments, APACHE).await;
}

#[tokio::test]
async fn behind_caddy() {
    let arguments = ["run", "--adapter", "caddyfile", "--config", "site.conf"];
    carries_both_protocols(include_str!("../../deploy/Caddyfile"), "caddy", &arguments, "").await;
}

/// The rest of the only line that begins with a word.
fn one<'a>(text: &'a str, word: &str) -> &'a str {
    let found: Vec<_> = text.lines().filter_map(|line| line.trim_start().strip_prefix(word)).collect();
    assert_eq!(found.len(), 1, "{word}: {found:?}");
    found[0].trim()
}

/// The unit, the image and the services start the program with arguments that it knows.
#[tokio::test]
async fn the_files_fit_the_program() {
    assert_eq!(one(UNIT, "ExecStart="), "/usr/local/bin/dual-gateway %i");
    assert_eq!(one(DOCKERFILE, "ENTRYPOINT"), r#"["/dual-gateway"]"#);
    assert_eq!(one(DOCKERFILE, "RUN cargo"), "build --profile dist --locked --package dual-gateway");
    assert_eq!(one(DOCKERFILE, "EXPOSE"), "3000 3500");
    assert_eq!(one(DOCKERFILE, "CMD"), r#"["both"]"#);
    let commands: Vec<_> = COMPOSE.lines().filter_map(|line| line.strip_prefix("    command: [")).collect();
    assert_eq!(commands[..2], ["api]", "websocket]"]);
    let seconds = |text: &str| Duration::from_secs(text.trim_end_matches('s').parse().unwrap());
    let drain = Duration::from_millis(Config::default().server.drain_ms);
    assert!(
        seconds(one(UNIT, "TimeoutStopSec=")) > drain && seconds(one(COMPOSE, "stop_grace_period:")) > drain
    );
    // The variables of the files are those of the program: it gets as far as the taken port.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for role in ["both", "api", "websocket"] {
        let mut command = program();
        command.arg(role).env("PORT", &port).env("WEBSOCKET_PORT", &port).env("OPERATOR_ADDRESS", "off");
        command
            .env("GATEWAY_API_KEYS", "a key for operators")
            .env("GATEWAY_CLUSTER_REDIS", "redis://127.0.0.1:1");
        let output = soon(command.stdin(Stdio::null()).output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("PORT: cannot listen on "), "{role}: {error}");
    }
}
