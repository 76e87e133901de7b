//! The Rust of the README: it is the code of this file, which compiles.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::error::Error;

use tests::snippets::{blocks, tokens};

async fn server() -> Result<(), Box<dyn Error>> {
    // Snippet server
    use websocket_rooms::{Server, ServerOptions};

    let server = Server::new(ServerOptions::default());

    server.on_connect(|server, conn| async move {
        println!("connected: {}", conn.id());
        let _ = server.join_room(conn.id(), "lobby").await;
    });
    server.on_message(|server, conn, message| async move {
        let _ = conn.send(&message);
        server.broadcast_to_room_except("lobby", message, [conn.id()]);
    });
    server.on_disconnect(|_, conn, reason| async move { println!("disconnected: {} ({reason})", conn.id()) });

    server.serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?).await?;
    // End
    Ok(())
}

async fn client() -> Result<(), Box<dyn Error>> {
    // Snippet client
    use std::time::Duration;

    use serde_json::json;
    use websocket_rooms::{Client, ClientOptions};

    let client = Client::new(
        "ws://localhost:8080",
        ClientOptions {
            auto_reconnect: true,
            reconnect_interval: Duration::from_secs(5),
            max_reconnect_attempts: Some(10),
            ..ClientOptions::default()
        },
    )?;
    client.on_open(|client| async move {
        let _ = client.send_json(&json!({ "type": "hello" }));
    });
    client.on_message(|_, message| async move { println!("received: {:?}", message.text()) });
    client.on_close(|_, reason| async move { println!("closed: {reason}") });
    client.connect().await?;
    client.send("Hello server!")?;
    // End
    Ok(())
}

async fn rooms(
    server: websocket_rooms::Server,
    conn: websocket_rooms::Connection,
) -> Result<(), Box<dyn Error>> {
    use serde_json::json;
    let (data, one, two) = (json!(1), &conn, &conn);
    // Snippet rooms
    server.join_room(conn.id(), "chat").await?;
    server.leave_room(conn.id(), "chat").await;
    server.room_connections("chat");

    server.broadcast(json!({ "type": "announcement" }));
    server.broadcast_except(data, [one.id(), two.id()]);
    server.broadcast_to_room("chat", "hello");
    server.send_to_user("user-123", "on all your devices");
    server.send(conn.id(), vec![1, 2, 3])?;
    server.disconnect(conn.id());
    // End
    Ok(())
}

fn group(server: websocket_rooms::Server) -> Result<(), Box<dyn Error>> {
    use serde_json::json;
    use websocket_rooms::Group;
    // Snippet group
    let group = Group::new(server);
    let one = group.create_client("ws://server1:8080", "server1")?;
    let two = group.create_client("ws://server2:8080", "server2")?;
    group.broadcast_all(json!({ "type": "global" }));
    group.send_to_room("lobby", "hello");
    group.stats();
    // End
    let _ = (one, two);
    Ok(())
}

#[test]
fn the_snippets_in_rust_compile() {
    // They need servers that do not exist here, so they are compiled alone.
    let _ = (server, client, rooms, group);
    let readme: Vec<String> =
        blocks(include_str!("../README.md"), "rust").iter().map(|code| tokens(code, None)).collect();
    let source = include_str!("readme.rs");
    for name in ["server", "client", "rooms", "group"] {
        let code = tokens(source, Some(name));
        assert!(readme.contains(&code), "{name}: {code}\n{readme:#?}");
    }
}
