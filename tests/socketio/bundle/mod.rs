//! The client bundle, which pages load from the server.

mod content;
mod routes;

use std::path::PathBuf;

use socketio_server::ServerBuilder;
use tempfile::TempDir;
use tests::raw::{Request, Response};

use crate::support::{Running, builder};

const SCRIPT: &str = "application/javascript; charset=utf-8";
const MAP: &str = "application/json; charset=utf-8";
const FILES: [(&str, &str); 8] = [
    ("socket.io.esm.min.js", SCRIPT),
    ("socket.io.esm.min.js.map", MAP),
    ("socket.io.js", SCRIPT),
    ("socket.io.js.map", MAP),
    ("socket.io.min.js", SCRIPT),
    ("socket.io.min.js.map", MAP),
    ("socket.io.msgpack.min.js", SCRIPT),
    ("socket.io.msgpack.min.js.map", MAP),
];
const PACKAGE: &str = r#"{"name": "socket.io", "version": "4.9.1-rc.2"}"#;
const ETAG: &str = "\"4.9.1-rc.2\"";

/// A directory that looks like an npm package with a bundle.
struct Package(TempDir);

impl Package {
    fn new(package_json: Option<&str>) -> Self {
        let package = Self(tempfile::tempdir().unwrap());
        if let Some(text) = package_json {
            std::fs::write(package.0.path().join("package.json"), text).unwrap();
        }
        std::fs::create_dir(package.folder()).unwrap();
        for (name, _) in FILES {
            std::fs::write(package.folder().join(name), content(name)).unwrap();
        }
        package
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("client-dist")
    }

    fn server(&self) -> ServerBuilder {
        builder().serve_client(self.folder()).unwrap()
    }
}

/// Each file has its own content, long enough for compression to pay off.
fn content(name: &str) -> String {
    format!("/* {name} */ ").repeat(500)
}

async fn get(running: &Running, target: &str, headers: &[(&str, &str)]) -> Response {
    let request = headers
        .iter()
        .fold(Request::new("GET", target), |request, (name, value)| request.header(name, value));
    request.send(running.addr).await
}
