//! Users, TLS, and processes that are no servers.

use std::net::SocketAddr;
use std::path::PathBuf;

use socketio_redis::{ClassicAdapter, Redis, StreamsAdapter};
use tests::raw::soon;
use tests::redis::RedisServer;
use tokio::net::{TcpListener, UnixStream};

use crate::support::{Client, NONE, Rust};

/// A user of Redis who may use only the channels of the adapter. The pattern has to be allowed literally.
#[tokio::test]
async fn a_user_needs_only_the_channels_of_the_adapter() {
    let rules =
        ["--user", "app", "on", ">secret", "resetchannels", "&socket.io#/#*", "&socket.io-*", "+@all"];
    let redis = RedisServer::start_with(&rules).await;
    let url = format!("{}?user=app&pass=secret", redis.url());
    let start = || Rust::start(ClassicAdapter::new(&Redis::open(&url).unwrap()));
    let (one, other) = (start().await, start().await);
    let mut client = Client::connect(other.addr).await;
    one.io.emit("hi", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["hi"]"#);
    assert_eq!(one.io.fetch_sockets().await.unwrap().len(), 1);
}

/// Entries that wait together are appended in a transaction. A user who may not use transactions appends them one by
/// one.
#[tokio::test]
async fn entries_are_appended_together_where_transactions_are_allowed() {
    for (rule, is_allowed) in [("+@all", true), ("-@transaction", false)] {
        let rules = ["--user", "app", "on", ">secret", "allkeys", "allchannels", "+@all", rule];
        let redis = RedisServer::start_with(&rules).await;
        let url = format!("{}?user=app&pass=secret", redis.url());
        let start = || async {
            let adapter = StreamsAdapter::new(&Redis::open(&url).unwrap());
            let connections = adapter.connections().clone();
            Rust::start_with(adapter, connections).await
        };
        let (one, other) = (start().await, start().await);
        let mut client = Client::connect(other.addr).await;
        let numbers: Vec<u32> = (0..50).collect();
        let emits = numbers.iter().map(|number| one.io.emit("hi", number));
        for emitted in futures_util::future::join_all(emits).await {
            emitted.unwrap();
        }
        for number in 0..50 {
            assert_eq!(client.text().await, format!(r#"42["hi",{number}]"#));
        }
        let stats = redis.command("INFO commandstats").await;
        let executed = stats.lines().find_map(|line| line.strip_prefix("cmdstat_exec:calls="));
        let has_executed = executed.is_some_and(|calls| !calls.starts_with("0,"));
        assert_eq!(has_executed, is_allowed, "{rule}: {stats}");
        assert_eq!(one.connections.stats().lost, 0, "{rule}");
    }
}

/// TLS with a certificate of our own.
#[tokio::test]
async fn redis_is_reached_over_tls() {
    let redis = RedisServer::start().await;
    let (addr, certificate) = tests::tls::with_certificate(tcp_in_front_of(redis.path()).await).await;
    let url = format!("rediss://localhost:{}", addr.port());
    let settings = Redis::open(&url).unwrap().root_certificates(certificate.as_bytes()).unwrap();
    let (one, other) = (Rust::start(ClassicAdapter::new(&settings)).await, Rust::classic(&redis).await);
    let mut client = Client::connect(other.addr).await;
    one.io.emit("hi", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["hi"]"#);
}

/// A TCP port in front of a Unix socket.
async fn tcp_in_front_of(path: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let path = path.clone();
            tokio::spawn(async move {
                let Ok(mut onward) = UnixStream::connect(path).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    addr
}

/// Messages as write-only processes of python-socketio publish them.
#[tokio::test]
async fn python_processes_reach_clients() {
    let redis = RedisServer::start().await;
    let settings = Redis::open(&redis.url()).unwrap();
    let node = Rust::start(ClassicAdapter::builder(&settings).python_channel("socketio").build()).await;
    let mut client = Client::connect(node.addr).await;
    let id = client.id.clone();
    let host = r#""host_id": "1f""#;
    for message in [
        format!(r#"{{"method": "enter_room", "sid": "{id}", "namespace": "/", "room": "r", {host}}}"#),
        format!(
            r#"{{"method": "emit", "event": "hi", "data": {{"a": [1]}}, "namespace": "/", "room": "r", "skip_sid": null, "callback": null, "binary": false, {host}}}"#
        ),
        format!(
            r#"{{"method": "emit", "event": "elsewhere", "data": 1, "namespace": "/n", "room": null, "skip_sid": null, "callback": null, "binary": false, {host}}}"#
        ),
        "not JSON".to_owned(),
        format!(r#"{{"method": "disconnect", "sid": "{id}", "namespace": "/", {host}}}"#),
    ] {
        let quoted = message.replace('"', "\\\"");
        redis.command(&format!("PUBLISH socketio \"{quoted}\"")).await;
    }
    assert_eq!(client.text().await, r#"42["hi",{"a": [1]}]"#);
    assert_eq!(client.text().await, "41");
    soon(node.connections.ready()).await;
    assert_eq!(node.connections.stats().bad_messages, 1);
}
