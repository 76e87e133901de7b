//! The official server of version 2, which speaks other revisions of both protocols.

use serde_json::{Value, json};
use socketio_client::{Args, ConnectError, ManagerBuilder, Protocol};
use tests::raw::soon;

use crate::foreign::{
    Foreign, RefusalMessages, closed_connections, exchange_over_all_transports, lost_servers,
};
use crate::support::builder;

/// Its errors have either a message or data.
const REFUSALS: RefusalMessages = RefusalMessages { no: "", has_data: true, nowhere: "Invalid namespace" };

async fn start(port: u16) -> Foreign {
    let mut node = tests::node::command();
    node.arg("server-v2.mjs").arg(port.to_string());
    Foreign::start(node, tests::node::NEEDED).await
}

fn v2(builder: ManagerBuilder) -> ManagerBuilder {
    builder.protocol(Protocol::V3)
}

#[tokio::test]
async fn all_client_features_work_with_the_server() {
    let server = start(0).await;
    exchange_over_all_transports(&server, &REFUSALS, v2).await;
}

#[tokio::test]
async fn a_client_reconnects_after_a_lost_connection_or_server() {
    let server = start(0).await;
    closed_connections(&server, v2).await;
    lost_servers(start, v2).await;
}

#[tokio::test]
async fn the_root_namespace_is_joined_implicitly() {
    let server = start(0).await;
    let manager = v2(builder(server.addr)).query("token", "from the query").build();
    let (root, chat) = (manager.socket("/"), manager.socket("/foo"));
    for is_ours in [true, false] {
        soon(chat.connect().connected()).await.unwrap();
        // By now the server has confirmed it, without a local handle.
        soon(root.connect().connected()).await.unwrap();
        let id = root.id().unwrap();
        assert_eq!(chat.id(), Some(format!("/foo#{id}")));
        let who: Value = soon(root.emit_with_ack("who", &Args(()))).await.unwrap();
        assert_eq!(who, json!({ "id": id, "auth": { "token": "from the query" } }));

        // Without a middleware the server accepts the client again and sends no packet for it.
        if is_ours {
            root.disconnect();
        } else {
            let mut events = root.events();
            root.emit("kick", &Args(())).unwrap();
            while soon(events.recv()).await.is_some() {}
        }
        let error = soon(root.connect().connected()).await.unwrap_err();
        assert!(matches!(error, ConnectError::RootLeft), "{error}");
        assert_eq!(soon(chat.emit_with_ack::<u32>("echo", &1)).await.unwrap(), 1);
        soon(manager.close()).await;
    }
}

#[tokio::test]
async fn a_current_client_reports_an_incompatible_server() {
    let server = start(0).await;
    let socket =
        builder(server.addr).reconnection(|reconnection| reconnection.enabled = false).build().socket("/");
    let error = soon(socket.connect().connected()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Open(_)), "{error}");
}
