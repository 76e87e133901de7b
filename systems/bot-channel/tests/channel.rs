//! Channels embedded in programs: custom agents, and messages that the bot sends on its own.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum_plugin::{App, SocketApi};
use bot_channel::{Channel, ChannelConfig, Excess, RateLimits, Replies, Reply, UserMessage, application};
use tests::raw::{Request, WebSocket, soon, until};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

const APOLOGY: &str = r#"42["bot_uttered",{"text":"Sorry, something went wrong. Please try again."}]"#;

async fn start(config: ChannelConfig) -> (SocketAddr, Channel, SocketApi) {
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
async fn join(addr: SocketAddr) -> (WebSocket, String) {
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
    // A panic of the agent does not end the conversation; the user receives the apology.
    ws.send(r#"42["user_uttered",{"message":"panic"}]"#).await;
    assert_eq!(ws.text().await, APOLOGY);
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
    ws.send(r#"42["session_request",{"session_id":"mine"}]"#).await;
    assert_eq!(ws.text().await, r#"42["session_confirm","mine"]"#);
    let unasked = channel.replies_to(&api, "mine").unwrap();
    unasked.send(&Reply::text("a\n\nb")).await.unwrap();
    assert_eq!(ws.text().await, r#"42["bot_uttered",{"text":"a"}]"#);
    assert_eq!(ws.text().await, r#"42["bot_uttered",{"text":"b"}]"#);
    // A connection is not a session: the message waits for a client of a session with this id.
    channel.replies_to(&api, &sid).unwrap().send(&Reply::text("c")).await.unwrap();
    // Messages to a session without a client wait for its return.
    ws.close().await;
    until(async || api.room_len("session:mine") == 0).await;
    unasked.send(&Reply::text("d")).await.unwrap();
    let (mut ws, _) = join(addr).await;
    ws.send(r#"42["session_request",{"session_id":"mine"}]"#).await;
    assert_eq!(ws.text().await, r#"42["session_confirm","mine"]"#);
    assert_eq!(ws.text().await, r#"42["bot_uttered",{"text":"d"}]"#);
}

/// A channel whose agent answers when the gate has permits, and the end of its application.
struct Gated {
    addr: SocketAddr,
    gate: Arc<Semaphore>,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start_gated(config: ChannelConfig) -> Gated {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let channel = Channel::new(config, move |message: UserMessage, replies: Replies| {
        let gate = Arc::clone(&held);
        async move {
            gate.acquire().await?.forget();
            Ok(replies.send(&Reply::text(message.text)).await?)
        }
    });
    let application = application(&channel.unwrap(), |_| ()).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(application.serve(listener, async {
        let _ = stopped.await;
    }));
    Gated { addr, gate, stop, served }
}

fn said(text: &str) -> String {
    format!(r#"42["user_uttered",{{"message":"{text}"}}]"#)
}

fn answered(text: &str) -> String {
    format!(r#"42["bot_uttered",{{"text":"{text}"}}]"#)
}

/// A client that sends faster than the agent answers is not read meanwhile, and loses nothing.
#[tokio::test]
async fn messages_are_held_back_and_not_lost() {
    let limits = RateLimits { events_per_second: 0, ..RateLimits::default() };
    let channel = start_gated(ChannelConfig { limits, ..ChannelConfig::default() }).await;
    let (mut ws, _) = join(channel.addr).await;
    ws.send_together((0..400).map(|number| said(&number.to_string()))).await;
    for number in 0..400 {
        channel.gate.add_permits(1);
        assert_eq!(ws.text().await, answered(&number.to_string()));
    }
}

fn limited(excess: Excess) -> ChannelConfig {
    let limits = RateLimits { events_per_second: 1, burst_seconds: 5, excess, ..RateLimits::default() };
    ChannelConfig { limits, ..ChannelConfig::default() }
}

/// Each of 200 messages is answered or refused, and the client is told.
#[tokio::test]
async fn messages_beyond_the_rate_are_refused_and_the_client_is_told() {
    let (addr, ..) = start(limited(Excess::Refuse)).await;
    let (mut ws, _) = join(addr).await;
    let message = |number| format!(r#"42{number}["user_uttered",{{"message":"hi"}}]"#);
    ws.send_together((0..200).map(message)).await;
    let (mut answers, mut errors, mut refused, mut acks) = (0, 0, 0, 0);
    while acks < 200 {
        let text = ws.text().await;
        if text == r#"42["error",{"event":"user_uttered","message":"rate limit exceeded"}]"# {
            errors += 1;
        } else if text.starts_with("43") {
            let is_refused = text.ends_with(r#"[{"error":"rate limit exceeded"}]"#);
            assert!(is_refused || text.ends_with("[]"), "{text}");
            refused += u32::from(is_refused);
            acks += 1;
        } else {
            assert!(text.starts_with(r#"42["bot_uttered",{"text":"hi to "#), "{text}");
            answers += 1;
        }
    }
    assert!(answers >= 5 && refused > 0 && answers + refused == 200, "{answers} {refused}");
    assert_eq!(errors, refused);
    // Other clients are not affected.
    let (mut other, _) = join(addr).await;
    other.send(r#"42["user_uttered",{"message":"hi"}]"#).await;
    assert!(other.text().await.contains("hi to"));
}

#[tokio::test]
async fn a_client_beyond_the_rate_may_be_disconnected() {
    let (addr, ..) = start(limited(Excess::Disconnect)).await;
    let (mut ws, _) = join(addr).await;
    ws.send_together((0..200).map(|_| said("hi"))).await;
    while !ws.text().await.starts_with(r#"42["error""#) {}
    ws.closed().await;
}

#[tokio::test]
async fn messages_beyond_the_rate_may_be_delayed() {
    let limits = RateLimits {
        events_per_second: 100,
        burst_seconds: 1,
        excess: Excess::Delay,
        ..RateLimits::default()
    };
    let (addr, ..) = start(ChannelConfig { limits, ..ChannelConfig::default() }).await;
    let (mut ws, sid) = join(addr).await;
    ws.send_together((0..150).map(|number| said(&number.to_string()))).await;
    for number in 0..150 {
        assert_eq!(ws.text().await, answered(&format!("{number} to {sid}")));
    }
}

#[tokio::test]
async fn a_shutdown_waits_for_the_answers() {
    let channel = start_gated(ChannelConfig::default()).await;
    let (mut ws, _) = join(channel.addr).await;
    ws.send(&said("one")).await;
    ws.send(r#"421["user_uttered",{"message":7}]"#).await;
    assert!(ws.text().await.contains("the message has no text"), "the agent has the first message");
    channel.stop.send(()).unwrap();
    // The answer arrives before the connection is closed, and the sender of a further message is told.
    until(async || Request::new("GET", "/health").send(channel.addr).await.status == 503).await;
    ws.send(&format!("421{}", &said("two")[2..])).await;
    assert_eq!(ws.text().await, APOLOGY);
    assert_eq!(ws.text().await, r#"431[{"error":"the server is shutting down"}]"#);
    channel.gate.add_permits(1);
    assert_eq!(ws.text().await, answered("one"));
    ws.closed().await;
    soon(channel.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let channel = start_gated(ChannelConfig { shutdown_ms: 1, ..ChannelConfig::default() }).await;
    let (mut ws, _) = join(channel.addr).await;
    ws.send(&said("one")).await;
    ws.send(r#"421["user_uttered",{"message":7}]"#).await;
    ws.text().await;
    channel.stop.send(()).unwrap();
    assert_eq!(ws.text().await, APOLOGY);
    ws.closed().await;
    soon(channel.served).await.unwrap().unwrap();
}
