//! Official clients of npm against our server.

use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::json;
use socketio_server::{Ack, Arguments, Auth, ConnectError, Data, EmitError, RawArgs, Server, Socket};
use tokio::process::Command;

use crate::support::{builder, start};

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

fn chat(io: &Server) {
    let chat = io.of("/chat");
    chat.middleware(|Auth(credentials): Auth<Credentials>| async move {
        if credentials.token == "good" {
            Ok(())
        } else {
            Err(ConnectError::new("not allowed").with_data(json!({"code": 7})))
        }
    });
    chat.on("echo", |args: RawArgs| async move { Ack(args) });
    chat.on("ask me", |socket: Socket| async move {
        let sum: i32 =
            socket.emit_with_ack("question", &socketio_server::Args((40, 2))).await.expect("an answer");
        Ack(sum)
    });
    chat.on("join", |socket: Socket, Data(room): Data<String>| async move { socket.join(room) });
    chat.on("say", |socket: Socket, Data(room): Data<String>, args: RawArgs| async move {
        let what = args.get(1).ok_or("nothing to say")?.value().map_err(|_| "nothing to say")?;
        socket.to(room).emit("said", &what).await.map_err(|_| "not said")
    });
    chat.on("number", |socket: Socket, Arguments((number,)): Arguments<(u32,)>| async move {
        socket.emit("number", &number)
    });
    chat.on("throw me out", |socket: Socket| async move { socket.disconnect(false) });
    let server = io.clone();
    chat.on("close the server", move || {
        server.close();
        async { Ok::<(), EmitError>(()) }
    });
}

async fn visit(version: u8, transports: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    assert!(
        folder.join("node_modules").is_dir(),
        "the npm packages are missing: run `npm ci` in tests/interop, or `cargo xtask test`, which does"
    );
    let running = start(builder(), chat).await;
    let output = Command::new("node")
        .args(["socketio.mjs", &format!("http://{}", running.addr), &version.to_string(), transports])
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("Node.js 20 or newer is needed on the PATH");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim() == "ok", "{said}{wrong}");
}

#[tokio::test]
async fn version_4_over_each_transport() {
    for transports in ["polling", "websocket", "polling,websocket"] {
        visit(4, transports).await;
    }
}

#[tokio::test]
async fn version_3_over_each_transport() {
    for transports in ["polling", "websocket", "polling,websocket"] {
        visit(3, transports).await;
    }
}
