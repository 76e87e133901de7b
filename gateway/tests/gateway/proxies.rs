//! The gateway behind nginx, Apache and Caddy, each with its file of `deploy/` and as a user without rights.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tests::raw::{Request, WebSocket, soon, until};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::{Running, parsed, start};

/// User and group without rights, used when the tests run as root.
const NOBODY: u32 = 65_534;

/// The nginx configuration around a site. A single process is easy to end.
pub(crate) const NGINX: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
"#;

/// The Apache configuration around a site.
pub(crate) const APACHE: &str = r#"
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
ServerName localhost
DefaultRuntimeDir .
PidFile apache.pid
ErrorLog error.log
Include site.conf
"#;

pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts a proxy in front of a gateway. `site` is its file in `deploy/`, which names the ports 80 and
    /// 8000.
    pub(crate) async fn start(
        running: &Running,
        site: &str,
        program: &str,
        arguments: &[&str],
        around: &str,
    ) -> Self {
        let site = site.replace("127.0.0.1:8000", &running.addr.to_string());
        Self::in_front(&site, program, arguments, around).await
    }

    /// Starts a proxy in front of gateways whose addresses are in its file.
    pub(crate) async fn in_front(site: &str, program: &str, arguments: &[&str], around: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let site = [
            ("listen 80;", format!("listen {free};")),
            ("Listen 80\n", format!("Listen {free}\n")),
            ("bind :80\n", format!("bind {free}\n")),
            ("*:80>", format!("{free}>")),
            (":80 {", format!("{{\n\tadmin off\n}}\nhttp://:{} {{\n\tbind {}", free.port(), free.ip())),
        ]
        .iter()
        .fold(site.to_owned(), |site, (from, to)| site.replace(from, to));
        std::fs::write(folder.path().join("main.conf"), around).unwrap();
        std::fs::write(folder.path().join("site.conf"), site).unwrap();
        let at = folder.path().to_str().unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments.iter().map(|argument| argument.replace("FOLDER", at)))
            .current_dir(folder.path())
            .env("HOME", at)
            .env("XDG_DATA_HOME", at)
            .env("XDG_CONFIG_HOME", at)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        drop_privileges(&mut command, folder.path());
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("{program}: {error}: `cargo xtask test test` installs Debian's package of it")
        });
        let ready = async {
            loop {
                if let Some(status) = process.try_wait().unwrap() {
                    panic!("{program}: {status}");
                }
                if TcpStream::connect(free).await.is_ok() {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        soon(ready).await;
        Self { addr: free, _process: process, _folder: folder }
    }
}

/// Drops the rights of the proxy, which needs none of those of the user that runs the tests.
fn drop_privileges(command: &mut Command, folder: &Path) {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    if is_root {
        for path in [folder.to_owned(), folder.join("main.conf"), folder.join("site.conf")] {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
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
    let proxy = Proxy::start(&running, site, "nginx", &arguments, NGINX).await;
    carries_everything(&running, &proxy).await;
}

#[tokio::test]
async fn behind_apache() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    let site = include_str!("../../deploy/apache.conf");
    let arguments = ["-d", "FOLDER", "-f", "main.conf", "-X"];
    let proxy = Proxy::start(&running, site, "apache2", &arguments, APACHE).await;
    carries_everything(&running, &proxy).await;
}

#[tokio::test]
async fn behind_caddy() {
    let running = start(json!({"server": {"namespaces": ["/", "/chat"]}})).await;
    let site = include_str!("../../deploy/Caddyfile");
    let arguments = ["run", "--adapter", "caddyfile", "--config", "site.conf"];
    let proxy = Proxy::start(&running, site, "caddy", &arguments, "").await;
    carries_everything(&running, &proxy).await;
}
