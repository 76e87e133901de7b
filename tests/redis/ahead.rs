//! Streams: sessions that are written ahead, for servers that crash and for clients that return before their server has
//! noticed that they are gone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_cluster::Limits;
use socketio_cluster::streams::Session;
use socketio_redis::{Redis, StreamsAdapter};
use socketio_server::{Recovery, Server, Socket};
use tests::raw::soon;
use tests::redis::RedisServer;
use tests::traveller::Traveller;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{mpsc, watch};

use crate::ordered::recovering;
use crate::recovery::Leave;
use crate::support::Rust;

/// A TCP port in front of Redis, until the sender is dropped: then nothing passes any more, as from a process that was
/// killed.
async fn cuttable(path: PathBuf) -> (SocketAddr, watch::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (sender, cut) = watch::channel(());
    tokio::spawn(async move {
        let mut over = cut.clone();
        loop {
            let (mut stream, _) = tokio::select! {
                accepted = listener.accept() => accepted.unwrap(),
                _ = over.changed() => return,
            };
            let (path, mut cut) = (path.clone(), cut.clone());
            tokio::spawn(async move {
                let mut onward = UnixStream::connect(path).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut stream, &mut onward) => {}
                    _ = cut.changed() => {}
                }
            });
        }
    });
    (addr, sender)
}

/// A server that can be cut off from Redis.
async fn mortal(redis: &RedisServer) -> (Rust, watch::Sender<()>) {
    let (addr, life) = cuttable(redis.path()).await;
    let adapter = StreamsAdapter::new(&Redis::open(&format!("redis://{addr}")).unwrap());
    let connections = adapter.connections().clone();
    let builder = Server::builder().adapter(adapter).connection_state_recovery(Recovery::default());
    (Rust::build(builder, connections).await, life)
}

/// Waits until the session that was written ahead has this room and these data.
async fn written(redis: &RedisServer, pid: &str, room: &str, data: Value) {
    soon(async {
        loop {
            let reply = redis.command(&format!("HGET {{sio:session:{pid}}}:live session")).await;
            let session =
                reply.lines().nth(1).map(|value| Session::decode(value.as_bytes(), &Limits::default()));
            let is_written = |session: &Session| {
                session.rooms.iter().any(|joined| **joined == *room) && session.data == data
            };
            if session.is_some_and(|session| is_written(&session.unwrap())) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A client is recovered although its server can keep nothing when the connection ends.
#[tokio::test]
async fn a_client_survives_the_crash_of_its_server() {
    let redis = RedisServer::start().await;
    let ((crashing, life), other) = (mortal(&redis).await, recovering(&redis).await);
    let mut client = Traveller::connect(crashing.addr).await;
    let sid = client.sid.clone();
    // From both servers, and by the handle of the socket.
    other.io.to(&sid).sockets_join("room").await.unwrap();
    let socket = crashing.io.socket(&sid).unwrap();
    socket.join("second room");
    socket.data().set("name", "ada").unwrap();
    other.io.to("room").emit("first", &0).await.unwrap();
    assert_eq!(client.next().await, json!(["first", 0]));
    written(&redis, &client.pid, "room", json!({"user": "rust", "name": "ada"})).await;
    drop(life);
    other.io.to("room").emit("missed", &1).await.unwrap();
    other.io.to("second room").emit("missed", &2).await.unwrap();
    other.io.to("other room").emit("missed", &3).await.unwrap();
    assert!(client.return_to(other.addr).await);
    assert_eq!(client.events[1..], [1, 2].map(|n| json!(["missed", n])));
    let socket = other.io.socket(&sid).unwrap();
    assert_eq!(socket.data().get::<String>("name").as_deref(), Some("ada"));
    other.io.to("second room").emit("next", &4).await.unwrap();
    assert_eq!(client.next().await, json!(["next", 4]));
}

/// The client is back before its server has noticed that the connection is dead: on another server and on the same.
#[tokio::test]
async fn the_former_socket_of_a_client_is_disconnected() {
    let redis = RedisServer::start().await;
    let rust = [recovering(&redis).await, recovering(&redis).await];
    for to in [1, 0] {
        let (sender, mut left) = mpsc::unbounded_channel();
        let handler = rust[0].io.on_disconnect(move |socket: Socket| {
            // The test may be over.
            let _ = sender.send(socket.recovered());
            async {}
        });
        let mut client = Traveller::connect(rust[0].addr).await;
        let sid = client.sid.clone();
        rust[0].io.emit("first", &0).await.unwrap();
        client.next().await;
        written(&redis, &client.pid, &sid, json!({"user": "rust"})).await;
        let mut former = client.ws.take().unwrap();
        assert!(client.return_to(rust[to].addr).await, "to {to}");
        assert_eq!(former.text().await, "41", "to {to}");
        assert_eq!(soon(left.recv()).await, Some(false), "to {to}");
        rust[0].io.to(&sid).emit("next", &1).await.unwrap();
        assert_eq!(client.next().await, json!(["next", 1]), "to {to}");
        assert_eq!(rust[0].io.fetch_sockets().await.unwrap().len(), 1, "to {to}");
        // The former server keeps nothing, and the new one keeps the session.
        assert_eq!(redis.command(&format!("EXISTS sio:session:{}", client.pid)).await, ":0\r\n");
        client.leave(&redis).await;
        assert!(client.return_to(rust[0].addr).await, "to {to}");
        rust[0].io.off(handler);
        rust[0].io.disconnect_sockets(true).await.unwrap();
    }
}

/// Two connections return with one secret: the later one takes the session over, if the former has it already. A session
/// never has two sockets.
#[tokio::test]
async fn a_session_has_one_socket() {
    let redis = RedisServer::start().await;
    let rust = [recovering(&redis).await, recovering(&redis).await];
    let mut client = Traveller::connect(rust[0].addr).await;
    rust[0].io.emit("first", &0).await.unwrap();
    client.next().await;
    written(&redis, &client.pid, &client.sid, json!({"user": "rust"})).await;
    let returning = |number: usize| {
        let mut copy = Traveller::copy(&client);
        let addr = rust[number].addr;
        async move { (copy.return_to(addr).await, copy) }
    };
    let (one, other) = tokio::join!(returning(0), returning(1));
    assert!(one.0 || other.0);
    soon(async {
        loop {
            let sockets = rust[0].io.fetch_sockets().await.unwrap();
            let with_session = sockets.iter().filter(|socket| *socket.id() == *client.sid).count();
            assert!(with_session > 0);
            if with_session == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A client that leaves by itself leaves nothing in Redis.
#[tokio::test]
async fn a_session_that_ends_is_removed() {
    let redis = RedisServer::start().await;
    let rust = recovering(&redis).await;
    let mut client = Traveller::connect(rust.addr).await;
    written(&redis, &client.pid, &client.sid, json!({"user": "rust"})).await;
    client.ws.as_mut().unwrap().send("41").await;
    soon(async {
        while redis.command("KEYS *sio*").await != "*0\r\n" {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
