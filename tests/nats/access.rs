//! Users, tokens and permissions.

use socketio_nats::{Nats, NatsAdapter, NatsEmitter};
use tests::nats::NatsServer;
use tests::raw::{soon, until};

use super::log::Log;
use super::support::{Client, NONE, Rust, hasty};

/// Settings with these credentials.
fn with_user(nats: &NatsServer, credentials: &str) -> Nats {
    hasty(&nats.url().replace("nats://", &format!("nats://{credentials}@")))
}

/// A user with the wrong password, or none, is refused, and the log says why.
#[tokio::test]
async fn wrong_credentials_are_refused_with_the_reason() {
    let (log, _guards) = Log::on_this_thread();
    for (configuration, right, wrong) in [
        (r#"authorization { user: app, password: "s3cret:" }"#, "app:s3cret%3A", "app:wrong"),
        (r#"authorization { token: "s3cret" }"#, "s3cret", "wrong"),
    ] {
        let nats = NatsServer::start_with(configuration).await;
        let node = Rust::start(NatsAdapter::new(&with_user(&nats, right))).await;
        let mut client = Client::connect(node.addr).await;
        for settings in [with_user(&nats, wrong), hasty(&nats.url())] {
            let emitter = NatsEmitter::new(&settings).build();
            let connections = emitter.connections();
            until(async || connections.stats().failed_connections >= 2).await;
            assert_eq!(connections.stats().connections, 0);
        }
        let lines = log.lines("Authorization Violation");
        assert!(lines.len() >= 4, "{:?}", log.lines(""));
        let expected = format!(
            "127.0.0.1:{}: the server has refused the connection: Authorization Violation",
            nats.port()
        );
        assert!(lines.iter().any(|line| line.contains(&expected)), "{lines:?}");
        assert!(log.lines("s3cret").is_empty() && log.lines("wrong").is_empty());
        let emitter = NatsEmitter::new(&with_user(&nats, right)).build();
        emitter.emit("in", &NONE).unwrap();
        assert_eq!(client.text().await, r#"42["in"]"#);
    }
}

/// A user who may use only the subjects of the adapter.
#[tokio::test]
async fn a_user_needs_only_the_subjects_of_the_prefix() {
    let nats = NatsServer::start_with(
        r#"authorization { users: [
            { user: app, password: secret, permissions: { publish: "chat.>", subscribe: "chat.>" } }
            { user: mute, password: secret, permissions: { publish: "other.>", subscribe: "chat.>" } }
            { user: all, password: secret }
        ] }"#,
    )
    .await;
    let adapter = |user: &str| {
        let settings = with_user(&nats, &format!("{user}:secret"));
        NatsAdapter::builder(&settings).subject_prefix("chat").build()
    };
    let nodes = [Rust::start(adapter("app")).await, Rust::start(adapter("app")).await];
    let mut client = Client::connect(nodes[1].addr).await;
    nodes[0].io.emit("hi", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["hi"]"#);
    until(async || nodes[0].io.fetch_sockets().await.is_ok_and(|found| found.len() == 1)).await;
    let stats = nodes[0].connections.stats();
    assert_eq!((stats.lost, stats.unconfirmed, stats.connections), (0, 0, 2), "{stats:?}");

    // Each message without a permission is lost, and no other; the connection stays.
    let settings = with_user(&nats, "mute:secret");
    let emitters = ["chat", "other"].map(|prefix| NatsEmitter::new(&settings).subject_prefix(prefix).build());
    for (emitter, expected) in emitters.iter().zip([(10, 0), (0, 10)]) {
        for number in 0..10 {
            emitter.emit("unheard", &number).unwrap();
        }
        soon(emitter.connections().flush()).await;
        let stats = emitter.connections().stats();
        assert_eq!((stats.lost, stats.published), expected, "{stats:?}");
        assert_eq!((stats.unconfirmed, stats.connections), (0, 1), "{stats:?}");
    }
    nodes[0].io.emit("after", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["after"]"#);
}

/// A server that may not subscribe knows that it does not hear, and its messages reach the others.
#[tokio::test]
async fn a_refused_subscription_is_logged_and_the_server_is_not_ready() {
    let (log, _guards) = Log::on_this_thread();
    let nats = NatsServer::start_with(
        r#"authorization { users: [
            { user: deaf, password: secret, permissions: { publish: ">", subscribe: "socket.io.probe.>" } }
            { user: all, password: secret }
        ] }"#,
    )
    .await;
    let all = Rust::start(NatsAdapter::new(&with_user(&nats, "all:secret"))).await;
    let mut client = Client::connect(all.addr).await;
    let adapter = NatsAdapter::new(&with_user(&nats, "deaf:secret"));
    let connections = adapter.connections().clone();
    let io = socketio_server::Server::builder().adapter(adapter).build().unwrap();
    until(async || log.lines("NATS has refused a subscription").len() >= 2).await;
    io.emit("hi", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["hi"]"#);
    let ready = tokio::time::timeout(std::time::Duration::from_millis(200), connections.ready()).await;
    assert!(ready.is_err());
    assert_eq!(connections.stats().connections, 2, "the connections stay");
}
