//! Reverse proxies with the files of a deployment: nginx, Apache and Caddy.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::raw::soon;

/// User and group without rights, used when the tests run as root.
const NOBODY: u32 = 65_534;

/// The nginx configuration around a site. A single process is easy to end.
pub const NGINX: &str = r#"
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
pub const APACHE: &str = r#"
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

/// A running proxy, which is killed when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Its address.
    pub addr: SocketAddr,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts a proxy with a site whose servers are in its file, as a user without rights. The address of port 80 in the
    /// site is replaced by a free one. `around` is the configuration that includes the site.
    ///
    /// # Panics
    ///
    /// When the proxy cannot be started.
    pub async fn in_front(site: &str, program: &str, arguments: &[&str], around: &str) -> Self {
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
