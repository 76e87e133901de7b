//! The clients of the README, against the program.

use tests::snippets::{Script, blocks, tokens};
use tokio::process::{Child, Command};

use crate::PROGRAM;

const README: &str = include_str!("../../README.md");

async fn start() -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("RUST_LOG", "off");
    tests::served::start(&mut program).await
}

#[tokio::test]
async fn the_client_in_javascript_works() {
    let (_program, url) = start().await;
    let mut script = Script::start(&blocks(README, "js")[0].replace("http://localhost:3000", &url));
    for expected in ["Welcome!", "Hello server!"] {
        assert_eq!(script.line().await, expected);
    }
}

#[tokio::test]
async fn the_client_in_python_works() {
    let (_program, url) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.py");
    let code = blocks(README, "python")[0].replace("http://localhost:3000", &url);
    let code = code
        .replace("print(client.receive(timeout=10))", "assert client.receive(timeout=10)[0] == \"response\"");
    std::fs::write(&file, format!("{code}\nprint(\"ok\")\n")).unwrap();
    tests::python::run_file(&file, &[]).await;
}

#[tokio::test]
async fn the_request_works() {
    let (_program, url) = start().await;
    let code = blocks(README, "sh")[0].replace("http://localhost:3000", &url);
    let mut shell = Command::new("sh");
    let output = tests::raw::soon(shell.args(["-ec", &code]).output()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"reached\":0}");
}

async fn quick_start(
    listener: tokio::net::TcpListener,
    stop_signal: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn std::error::Error>> {
    // Snippet start
    use axum_plugin::{App, SocketApi, SocketEvents, SocketOptions, SocketPlugin};
    use serde::Serialize;
    use serde_json::json;
    use socketio_server::{Data, Socket, Value};

    // Handlers, next to their namespace.
    fn events() -> SocketEvents {
        SocketEvents::of("/").on_connect(connect).on("message", message)
    }

    async fn connect(socket: Socket) {
        let _ = socket.emit("welcome", &json!({ "msg": "Welcome!" }));
    }

    #[derive(Serialize)]
    struct Said<'a> {
        message: Value,
        from: &'a str,
    }

    async fn message(socket: Socket, api: SocketApi, Data(message): Data<Value>) {
        let _ = api.emit("response", &Said { message, from: socket.id() }).await;
    }

    // An HTTP handler that emits.
    async fn notify(api: SocketApi, text: String) {
        let _ = api.emit("notification", &text).await;
    }

    let app = App::new("My API with Socket.IO")
        .configure(SocketPlugin::new(SocketOptions::default()).events(events()))
        .post("/notifications", notify)
        .build()?;
    app.serve(listener, stop_signal).await?;
    // End
    Ok(())
}

/// The quick start is the code of this file.
#[tokio::test]
async fn the_quick_start_works() {
    let source = tokens(include_str!("readme.rs"), Some("start"));
    assert_eq!(tokens(&blocks(README, "rust")[0], None), source);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { quick_start(listener, std::future::pending()).await.unwrap() });
    let mut script = Script::start(&blocks(README, "js")[0].replace("http://localhost:3000", &url));
    for expected in ["Welcome!", "Hello server!"] {
        assert_eq!(script.line().await, expected);
    }
    serving.abort();
}

/// The example of a file has keys that exist.
#[test]
fn the_file_of_options_is_valid() {
    let file = &blocks(README, "toml")[0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket.toml");
    std::fs::write(&path, file).unwrap();
    let options = axum_plugin::SocketOptions::load(Some(&path), []).unwrap();
    assert_eq!(options.mount_point(), "/live");
}
