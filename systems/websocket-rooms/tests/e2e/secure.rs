//! TLS of the program: the certificate of the server, and the authority that its clients trust.

use std::path::PathBuf;
use std::process::Stdio;

use tests::program::Program;
use tests::raw::{WebSocket, soon};
use tests::tls::Authority;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::{PROGRAM, node, signal, start_with};

fn files(authority: &Authority) -> [PathBuf; 2] {
    ["server.pem", "server.key"].map(|name| authority.root_path().with_file_name(name))
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// The clients of the program, for one server.
async fn connect(port: u16, authority: Option<&Authority>) -> Program {
    let mut program = Command::new(PROGRAM);
    program.args(["connect", &format!("a=wss://localhost:{port}")]).env("RECONNECT_INTERVAL", "1");
    if let Some(authority) = authority {
        program.env("CA_FILE", authority.root_path());
    }
    program.stdin(Stdio::piped()).stderr(Stdio::piped());
    Program::start(&mut program, "it is built")
}

async fn secure(authority: &Authority) -> (Child, u16) {
    let [certificate, key] = files(authority);
    let (program, addr, _) =
        start_with(&[("TLS_CERTIFICATE", text(&certificate)), ("TLS_KEY", text(&key))]).await;
    (program, addr.port())
}

#[tokio::test]
async fn server_and_clients_speak_tls() {
    let authority = Authority::new("rooms");
    let (_server, port) = secure(&authority).await;
    let mut client = connect(port, Some(&authority)).await;
    assert_eq!(client.line().await, "a: open");
    client.process.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    while client.line().await != "a: Echo: hello" {}
    node("secure.mjs", &[&format!("wss://localhost:{port}"), text(&authority.root_path())]).await;
    // The system trusts no such authority.
    let mut stranger = connect(port, None).await;
    assert!(stranger.line().await.starts_with("a: no secure connection: "));
    while stranger.line().await != "a: gave up" {}
    assert_eq!(soon(stranger.process.wait()).await.unwrap().code(), Some(3));
    // A client without TLS gets nothing.
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let plain = tokio::spawn(async move { WebSocket::open(addr, "/").await.is_ok() });
    assert!(!soon(plain).await.unwrap_or(false));
}

/// The files are read again at SIGHUP.
#[tokio::test]
async fn certificates_are_reloaded() {
    let (authority, next) = (Authority::new("rooms"), Authority::new("next"));
    let (server, port) = secure(&authority).await;
    for (from, to) in files(&next).iter().zip(files(&authority)) {
        std::fs::copy(from, to).unwrap();
    }
    signal(&server, "-HUP").await;
    // The client tries again until the server has read the files.
    let reloaded = async {
        loop {
            let mut client = connect(port, Some(&next)).await;
            while let Some(line) = client.lines.next_line().await.unwrap() {
                if line == "a: open" {
                    return;
                }
            }
        }
    };
    soon(reloaded).await;
}

#[tokio::test]
async fn wrong_files_are_named() {
    let authority = Authority::new("rooms");
    let [certificate, key] = files(&authority);
    for (settings, expected) in [
        (vec![("TLS_CERTIFICATE", text(&certificate))], "TLS_CERTIFICATE, TLS_KEY: both are expected"),
        (vec![("TLS_CERTIFICATE", "/no/such"), ("TLS_KEY", text(&key))], "/no/such: "),
        (vec![("TLS_CERTIFICATE", text(&key)), ("TLS_KEY", text(&key))], "server.key: "),
        (vec![("TLS_CERTIFICATE", text(&certificate)), ("TLS_KEY", text(&certificate))], "server.pem: "),
    ] {
        let mut program = Command::new(PROGRAM);
        program.env("ADDRESS", "127.0.0.1:0").envs(settings);
        let output = soon(program.output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && error.contains(expected), "{error}");
    }
    let mut program = Command::new(PROGRAM);
    program.args(["connect", "a=wss://localhost:1"]).env("CA_FILE", &key).stdin(Stdio::null());
    let output = soon(program.output()).await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.starts_with("CA_FILE: "), "{error}");
}
