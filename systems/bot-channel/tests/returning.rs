//! Replay of messages that the bot sent while no client of a session was connected, and limits of the tracker.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum_plugin::{App, SocketApi};
use bot_channel::{
    Channel, ChannelConfig, MemoryTracker, RedisTracker, Replies, Reply, Role, Tracker, TrackerConfig,
    UserMessage,
};
use tests::raw::{WebSocket, until};
use tests::redis::RedisServer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A channel whose agent says the words of a message, each when the gate has a permit; `history` makes it say what the
/// tracker has.
struct Running {
    addr: SocketAddr,
    gate: Arc<Semaphore>,
    api: SocketApi,
}

async fn start(tracker: impl Tracker) -> Running {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let agent = move |message: UserMessage, replies: Replies| {
        let gate = Arc::clone(&held);
        async move {
            if message.text == "history" {
                let history = replies.history().await?;
                let said = history.iter().map(|entry| {
                    let author = if entry.role == Role::User { "user" } else { "bot" };
                    format!("{author} {}", entry.text().unwrap_or("none"))
                });
                let said: Vec<String> = said.collect();
                return Ok(replies.send(&Reply::text(said.join(", "))).await?);
            }
            for word in message.text.split(' ') {
                gate.acquire().await?.forget();
                replies.send(&Reply::text(word)).await?;
            }
            Ok(())
        }
    };
    let config = ChannelConfig { session_persistence: true, ..ChannelConfig::default() };
    let channel = Channel::with_tracker(config, agent, tracker).unwrap();
    let api: Arc<OnceLock<SocketApi>> = Arc::default();
    let slot = Arc::clone(&api);
    let plugin = channel.plugin().when_ready(move |api| drop(slot.set(api.clone())));
    let application = App::new("test").configure(plugin).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(application.serve(listener, std::future::pending()));
    Running { addr, gate, api: api.get().unwrap().clone() }
}

/// A client that has requested the session `mine`, and the confirmation.
async fn join(addr: SocketAddr) -> WebSocket {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send("40").await;
    ws.text().await;
    ws.send(r#"42["session_request",{"session_id":"mine"}]"#).await;
    assert_eq!(ws.text().await, r#"42["session_confirm","mine"]"#);
    ws
}

impl Running {
    async fn leave(&self, mut ws: WebSocket) {
        ws.close().await;
        until(async || self.api.room_len("session:mine") == 0).await;
    }

    /// Lets the agent say so many words, and waits until the tracker has them.
    async fn say(&self, words: usize, tracker: &impl Tracker, kept: usize) {
        self.gate.add_permits(words);
        until(async || tracker.unheard("mine").await.is_ok_and(|unheard| unheard.len() == kept)).await;
    }
}

fn said(text: &str) -> String {
    format!(r#"42["user_uttered",{{"message":"{text}","session_id":"mine"}}]"#)
}

fn answered(text: &str) -> String {
    format!(r#"42["bot_uttered",{{"text":"{text}"}}]"#)
}

#[tokio::test]
async fn what_the_bot_says_meanwhile_is_replayed_in_order_and_once() {
    let tracker = Arc::new(MemoryTracker::default());
    let channel = start(Arc::clone(&tracker)).await;
    let mut ws = join(channel.addr).await;
    ws.send(&said("one two three four")).await;
    channel.gate.add_permits(1);
    assert_eq!(ws.text().await, answered("one"));
    channel.leave(ws).await;
    channel.say(2, &tracker, 2).await;
    let mut ws = join(channel.addr).await;
    for word in ["two", "three"] {
        assert_eq!(ws.text().await, answered(word));
    }
    // The answer goes on, and the kept messages are sent once: the second device receives none.
    let mut desk = join(channel.addr).await;
    channel.gate.add_permits(1);
    for ws in [&mut ws, &mut desk] {
        assert_eq!(ws.text().await, answered("four"));
    }
    ws.send(&said("history")).await;
    let history = "user one two three four, bot one, bot two, bot three, bot four, user history";
    assert_eq!(ws.text().await, answered(history));
}

/// The oldest messages beyond `max_unheard` are dropped.
#[tokio::test]
async fn waiting_messages_are_bounded() {
    let config = TrackerConfig { max_unheard: 2, ..TrackerConfig::default() };
    let tracker = Arc::new(MemoryTracker::new(&config));
    let channel = start(Arc::clone(&tracker)).await;
    let mut ws = join(channel.addr).await;
    ws.send(&said("one two three four")).await;
    channel.gate.add_permits(1);
    assert_eq!(ws.text().await, answered("one"));
    channel.leave(ws).await;
    channel.gate.add_permits(3);
    let is_last = |unheard: &[serde_json::Value]| unheard.last().is_some_and(|last| last["text"] == "four");
    until(async || is_last(&tracker.unheard("mine").await.unwrap())).await;
    let mut ws = join(channel.addr).await;
    for word in ["three", "four"] {
        assert_eq!(ws.text().await, answered(word));
    }
}

#[tokio::test]
async fn conversations_in_redis_outlive_the_process() {
    let redis = RedisServer::start().await;
    let config = TrackerConfig { max_messages: 4, max_unheard: 2, ..TrackerConfig::default() };
    let tracker = || Arc::new(RedisTracker::new(&redis.url(), &config).unwrap());
    let first = tracker();
    until(async || first.is_ready()).await;
    let channel = start(Arc::clone(&first)).await;
    let mut ws = join(channel.addr).await;
    ws.send(&said("one two three")).await;
    channel.gate.add_permits(1);
    assert_eq!(ws.text().await, answered("one"));
    channel.leave(ws).await;
    channel.say(2, &first, 2).await;
    // Another process has the conversation.
    let second = tracker();
    until(async || second.is_ready()).await;
    let channel = start(Arc::clone(&second)).await;
    let mut ws = join(channel.addr).await;
    for word in ["two", "three"] {
        assert_eq!(ws.text().await, answered(word));
    }
    ws.send(&said("history")).await;
    assert_eq!(ws.text().await, answered("bot one, bot two, bot three, user history"));
    assert!(first.unheard("mine").await.unwrap().is_empty());
    // A session id with braces has keys of one slot too.
    first.append("}{", bot_channel::Entry::of_bot("x".into()), false).await.unwrap();
    assert_eq!(second.unheard("}{").await.unwrap(), ["x"]);
    second.forget("}{").await.unwrap();
    assert!(first.history("}{").await.unwrap().is_empty());
    let ttl = redis.command("PTTL bot-channel:history:{mine}").await;
    assert!(!ttl.contains('-'), "{ttl}");
}

/// A conversation goes on without Redis, and is written when Redis is back.
#[tokio::test]
async fn a_failure_of_redis_does_not_affect_the_conversation() {
    let mut redis = RedisServer::start().await;
    let tracker = Arc::new(RedisTracker::new(&redis.url(), &TrackerConfig::default()).unwrap());
    until(async || tracker.is_ready()).await;
    let channel = start(Arc::clone(&tracker)).await;
    let mut ws = join(channel.addr).await;
    redis.kill().await;
    until(async || !tracker.is_ready()).await;
    ws.send(&said("one two")).await;
    channel.gate.add_permits(1);
    assert_eq!(ws.text().await, answered("one"));
    channel.leave(ws).await;
    channel.gate.add_permits(1);
    redis.restart().await;
    until(async || tracker.is_ready()).await;
    until(async || tracker.unheard("mine").await.is_ok_and(|unheard| unheard.len() == 1)).await;
    let mut ws = join(channel.addr).await;
    assert_eq!(ws.text().await, answered("two"));
}
