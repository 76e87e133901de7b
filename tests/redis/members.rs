//! Single sockets, further namespaces, and servers that are silent, leave, or share Redis with others.

use std::future::pending;
use std::time::Duration;

use serde_json::json;
use socketio_redis::{ClassicAdapter, Redis, StreamsAdapter};
use socketio_server::{Ack, Args, Binary};
use tests::raw::{WebSocket, soon, until};
use tests::redis::RedisServer;

use crate::support::{Client, NONE, Rust};
use crate::traffic::Kind;

/// Three servers of a kind, which wait for answers for this time.
async fn servers(kind: Kind, redis: &RedisServer, timeout: Duration) -> [Rust; 3] {
    let settings = Redis::open(&redis.url()).unwrap();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(if kind == Kind::Classic {
            Rust::start(ClassicAdapter::builder(&settings).requests_timeout(timeout).build()).await
        } else {
            let adapter = StreamsAdapter::builder(&settings).requests_timeout(timeout).build();
            let connections = adapter.connections().clone();
            Rust::start_with(adapter, connections).await
        });
    }
    servers.try_into().ok().unwrap()
}

/// REDIS-02, STREAMS-02
#[tokio::test]
async fn events_of_a_namespace_reach_its_clients_on_all_servers() {
    for kind in [Kind::Classic, Kind::Streams] {
        let redis = RedisServer::start().await;
        let servers = servers(kind, &redis, Duration::from_secs(5)).await;
        let (mut custom, mut main) = (Vec::new(), Vec::new());
        for server in &servers {
            server.io.of("/custom");
            soon(server.connections.ready()).await;
            let mut ws = WebSocket::open(server.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
            assert!(ws.text().await.starts_with("0{"));
            ws.send("40/custom,").await;
            assert!(ws.text().await.starts_with("40/custom,{"));
            custom.push(ws);
            main.push(Client::connect(server.addr).await);
        }
        let args = Args((1, "2", Binary::from_static(&[3])));
        servers[0].io.of("/custom").emit("hi", &args).await.unwrap();
        servers[0].io.emit("main", &NONE).await.unwrap();
        for (ws, client) in custom.iter_mut().zip(&mut main) {
            assert_eq!(ws.text().await, r#"451-/custom,["hi",1,"2",{"_placeholder":true,"num":0}]"#);
            assert_eq!(ws.binary().await, [3]);
            assert_eq!(client.text().await, r#"42["main"]"#);
        }
    }
}

/// REDIS-24, STREAMS-25
#[tokio::test]
async fn a_silent_server_is_missing_in_the_answers() {
    for kind in [Kind::Classic, Kind::Streams] {
        let redis = RedisServer::start().await;
        let servers = servers(kind, &redis, Duration::from_millis(500)).await;
        servers[1].io.on_server_event("question", || async { Ack(2) });
        servers[2].io.on_server_event("question", pending::<Ack<u8>>);
        let asking = servers[0].io.server_side_emit_with_ack::<u8>("question", &NONE);
        let partial = soon(asking).await.unwrap_err().partial().unwrap();
        assert_eq!((partial.answers, partial.missing), (vec![2], 1), "{kind:?}");
    }
}

/// STREAMS-10, STREAMS-11
#[tokio::test]
async fn one_client_acknowledges_an_event_of_any_server() {
    let redis = RedisServer::start().await;
    let servers = servers(Kind::Streams, &redis, Duration::from_secs(5)).await;
    let mut client = Client::connect(servers[1].addr).await;
    let answers = async |client: &mut Client| {
        let packet = client.text().await;
        let id = packet.strip_prefix("42").and_then(|rest| rest.strip_suffix(r#"["ask",1]"#)).unwrap();
        client.ws.send(&format!("43{id}[2]")).await;
    };
    let local = servers[1].io.socket(&client.id).unwrap();
    let (answer, ()) = tokio::join!(local.emit_with_ack::<u8>("ask", &1), answers(&mut client));
    assert_eq!(answer.unwrap(), 2);
    let found = servers[0].io.to(&client.id).fetch_sockets().await.unwrap();
    let [remote] = &found[..] else { panic!("{}", found.len()) };
    let (answer, ()) = tokio::join!(remote.emit_with_ack::<u8>("ask", &1), answers(&mut client));
    assert_eq!(answer.unwrap(), 2);
}

/// REDIS-26
#[tokio::test]
async fn a_closed_server_has_no_subscriptions() {
    let redis = RedisServer::start().await;
    let server = Rust::start(ClassicAdapter::new(&Redis::open(&redis.url()).unwrap())).await;
    let subscriptions = async || {
        let channels = redis.command("PUBSUB CHANNELS socket.io-re*").await;
        (redis.command("PUBSUB NUMPAT").await, channels)
    };
    let (patterns, channels) = subscriptions().await;
    assert!(patterns.starts_with(":1") && channels.contains("socket.io-request#/#"), "{patterns} {channels}");
    server.io.close();
    until(async || subscriptions().await == (":0\r\n".to_owned(), "*0\r\n".to_owned())).await;
}

/// Applications subscribe on connections of their own, to patterns that may match the channels of the adapter.
///
/// REDIS-27, REDIS-28
#[tokio::test]
async fn messages_for_other_applications_are_ignored() {
    let redis = RedisServer::start().await;
    let server = Rust::start(ClassicAdapter::new(&Redis::open(&redis.url()).unwrap())).await;
    let mut client = Client::connect(server.addr).await;
    for channel in ["foo", "woot", "socket.io", "socket.io#"] {
        redis.command(&format!("PUBLISH {channel} junk")).await;
    }
    server.io.emit("after", &json!(1)).await.unwrap();
    assert_eq!(client.text().await, r#"42["after",1]"#);
    assert_eq!(server.connections.stats().bad_messages, 0);
}
