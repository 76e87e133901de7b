//! The program `sio` against servers, broken servers and proxies.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, as intended")]

mod doctor;
mod events;
mod load;
mod proxies;
mod tls;

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use socketio_server::{Ack, ConnectError, RawArgs, Server, Socket};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

async fn serve(io: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { io.serve(listener).await });
    addr
}

async fn start() -> SocketAddr {
    start_on(&[engineio::Transport::Polling, engineio::Transport::WebSocket]).await
}

async fn start_on(transports: &[engineio::Transport]) -> SocketAddr {
    let transports = transports.to_vec();
    let io = Server::builder().engine(|engine| engine.transports(transports)).build().unwrap();
    io.of("/").on("echo", |args: RawArgs| async move { Ack(args) });
    io.of("/").on("send back", |socket: Socket, args: RawArgs| async move {
        socket.emit("sent back", &args).unwrap();
        socket.disconnect(false);
    });
    io.of("/").on("news", |socket: Socket, args: RawArgs| async move {
        socket.broadcast().emit("news", &args).await.unwrap();
    });
    io.of("/").on("leave", |socket: Socket| async move { socket.disconnect(false) });
    io.of("/no").middleware(|_: Socket| async { Err::<(), _>(ConnectError::new("credentials missing")) });
    serve(io).await
}

/// Runs `sio` to its end, with this standard input.
async fn sio(arguments: &[&str], input: &str) -> Output {
    let mut sio = Command::new(env!("CARGO_BIN_EXE_sio"))
        .args(arguments)
        .env("NO_PROXY", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = sio.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    tokio::time::timeout(Duration::from_secs(60), sio.wait_with_output()).await.unwrap().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Runs `sio doctor`, which must report a problem. Returns its report.
async fn diagnosis(url: &str, flags: &[&str]) -> String {
    let mut arguments = vec!["doctor", url, "--timeout", "2"];
    arguments.extend(flags);
    let output = sio(&arguments, "").await;
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout).to_owned()
}
