//! The options of the program, from a file and the environment.

use std::net::SocketAddr;

use tests::raw::{Polling, Request, WebSocket, soon};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::PROGRAM;

/// Variables take precedence over the file.
#[tokio::test]
async fn the_file_and_the_variables_apply() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("socket.toml");
    std::fs::write(&file, "path = \"live\"\nping_interval_ms = 7000\nping_timeout_ms = 3000\n").unwrap();
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("CONFIG_FILE", &file).env("SOCKETIO_PING_INTERVAL_MS", "9000");
    program
        .env("SOCKETIO_ORIGINS", "https://good.test")
        .env("PLUGINS_FILE", folder.path().join("plugins.json"));
    let (_program, url) = tests::served::start(&mut program).await;
    let addr: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let polling = Polling::open(addr, "/live/?EIO=4&transport=polling").await;
    assert_eq!(
        (polling.open["pingInterval"].as_u64(), polling.open["pingTimeout"].as_u64()),
        (Some(9000), Some(3000))
    );
    for (origin, status) in [("https://good.test", 200), ("https://evil.test", 403)] {
        let handshake = Request::new("GET", "/live/?EIO=4&transport=polling").header("origin", origin);
        assert_eq!(handshake.send(addr).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("socket.toml");
    std::fs::write(&file, "path = \"live\"\npings = 7\n").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (name, value, expected) in [
        ("CONFIG_FILE", file.to_str().unwrap(), "socket.toml: TOML parse error at line 2"),
        ("CONFIG_FILE", "/no/such", "/no/such: "),
        ("SOCKETIO_PATHS", "live", "SOCKETIO_PATHS: unknown field `paths`"),
        ("SOCKETIO_RECOVERY_MS", "soon", "SOCKETIO_RECOVERY_MS: invalid type"),
        ("ADDRESS", addr.as_str(), &format!("ADDRESS: cannot listen on {addr}: ")),
        ("TOKEN", "", "TOKEN: an empty secret"),
    ] {
        let mut program = Command::new(PROGRAM);
        program
            .env("PLUGINS_FILE", folder.path().join("plugins.json"))
            .env("RUST_LOG", "off")
            .env(name, value);
        let output = soon(program.kill_on_drop(true).output()).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && error.contains(expected), "{error}");
    }
}

/// Errors of HTTP requests say what is wrong, and clients of Socket.IO learn of theirs.
#[tokio::test]
async fn errors_are_told() {
    let mut program = Command::new(PROGRAM);
    program.env("ADDRESS", "127.0.0.1:0").env("TOKEN", "open sesame").env("RUST_LOG", "off");
    let (_program, url) = tests::served::start(&mut program).await;
    let addr: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let post = async |path: &str, body: &str| {
        let request = Request::new("POST", path).header("content-type", "application/json");
        request.body(body).send(addr).await
    };
    let broken = post("/notifications", "{\"a\":").await;
    assert!(broken.status == 400 && broken.text().contains("JSON"), "{}", broken.text());
    assert_eq!(post("/clients/nobody", "1").await.both().0, 404);
    assert_eq!(post("/rooms/nowhere", "1").await.both(), (200, r#"{"reached":0}"#));

    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send(r#"40/private,{"token":"guess"}"#).await;
    assert_eq!(ws.text().await, r#"44/private,{"message":"not authenticated"}"#);
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    assert!(ws.text().await.starts_with(r#"42["welcome""#));
    // Without an acknowledgement the event `error` tells.
    ws.send(r#"42["send_to_room",{"room":7}]"#).await;
    let told = ws.text().await;
    assert!(told.starts_with(r#"42["error",{"event":"send_to_room","message":"argument 0"#), "{told}");
    let long = "x".repeat(101);
    ws.send(&format!(r#"42["join_room","{long}"]"#)).await;
    let expected = r#"42["error",{"event":"join_room","message":"a room's name has 1 to 100 bytes"}]"#;
    assert_eq!(ws.text().await, expected);
    // A handler that fails tells those with an acknowledgement there alone.
    ws.send(&format!(r#"421["join_room","{long}"]"#)).await;
    assert_eq!(ws.text().await, r#"431[{"error":"a room's name has 1 to 100 bytes"}]"#);
    ws.send(r#"42["message","still here"]"#).await;
    assert!(ws.text().await.starts_with(r#"42["response""#));
}
