//! Channels embedded in programs: custom agents, and messages that the bot sends on its own.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::sync::{Arc, OnceLock};

use axum_plugin::{App, SocketApi};
use bot_channel::{Channel, ChannelConfig, Replies, Reply, UserMessage};
use tests::raw::{WebSocket, until};
use tokio::net::TcpListener;

async fn start(config: ChannelConfig) -> (std::net::SocketAddr, Channel, SocketApi) {
    let agent = |message: UserMessage, replies: Replies| async move {
        assert_ne!(message.text, "panic", "as asked for");
        replies.send(&Reply::text(format!("{} to {}", message.text, replies.sender()))).await?;
        Ok(())
    };
    let channel = Channel::new(config, agent).unwrap();
    let api: Arc<OnceLock<SocketApi>> = Arc::default();
    let slot = Arc::clone(&api);
    let plugin = channel.plugin().when_ready(move |api| drop(slot.set(api.clone())));
    let application = App::new("test").configure(plugin).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(application.serve(listener, std::future::pending()));
    (addr, channel, api.get().unwrap().clone())
}

/// A connected client, and its id.
async fn join(addr: std::net::SocketAddr) -> (WebSocket, String) {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send("40").await;
    let joined: serde_json::Value = serde_json::from_str(&ws.text().await[2..]).unwrap();
    (ws, joined["sid"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_conversation_ends_with_its_connection_without_persistence() {
    let (addr, channel, api) = start(ChannelConfig::default()).await;
    let (mut ws, sid) = join(addr).await;
    ws.send(r#"42["user_uttered",{"message":"hi","session_id":"ignored"}]"#).await;
    assert_eq!(ws.text().await, format!(r#"42["bot_uttered",{{"text":"hi to {sid}"}}]"#));
    // A panic of the agent does not end the conversation.
    ws.send(r#"42["user_uttered",{"message":"panic"}]"#).await;
    ws.send(r#"42["user_uttered",{"message":"still there"}]"#).await;
    assert_eq!(ws.text().await, format!(r#"42["bot_uttered",{{"text":"still there to {sid}"}}]"#));
    let unasked = channel.replies_to(&api, &sid).unwrap();
    unasked.send(&Reply::text("by the way")).await.unwrap();
    assert_eq!(ws.text().await, r#"42["bot_uttered",{"text":"by the way"}]"#);
    assert!(channel.replies_to(&api, "unknown").is_none());
}

#[tokio::test]
async fn unsolicited_replies_reach_their_session() {
    let config = ChannelConfig { session_persistence: true, ..ChannelConfig::default() };
    let (addr, channel, api) = start(config).await;
    let (mut ws, sid) = join(addr).await;
    assert!(channel.replies_to(&api, "mine").is_none());
    ws.send(r#"42["session_request",{"session_id":"mine"}]"#).await;
    assert_eq!(ws.text().await, r#"42["session_confirm","mine"]"#);
    let unasked = channel.replies_to(&api, "mine").unwrap();
    unasked.send(&Reply::text("a\n\nb")).await.unwrap();
    assert_eq!(ws.text().await, r#"42["bot_uttered",{"text":"a"}]"#);
    assert_eq!(ws.text().await, r#"42["bot_uttered",{"text":"b"}]"#);
    // A connection is not a session.
    assert!(channel.replies_to(&api, &sid).is_none());
    ws.close().await;
    until(async || channel.replies_to(&api, "mine").is_none()).await;
}
