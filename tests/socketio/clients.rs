//! Official clients of npm against our server.

use serde::Deserialize;
use serde_json::json;
use socketio_server::{Ack, Arguments, Auth, ConnectError, Data, EmitError, RawArgs, Server, Socket};

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
    let running = start(builder(), chat).await;
    let url = format!("http://{}", running.addr);
    tests::node::run("socketio.mjs", &[&url, &version.to_string(), transports]).await;
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
