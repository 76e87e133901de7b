//! TLS to PostgreSQL, with a certificate authority of our own.

use std::time::Duration;

use socketio_postgres::{Health, Postgres, PostgresAdapter, PostgresEmitter};
use socketio_server::Binary;
use tests::postgres::PostgresServer;
use tests::raw::{soon, until};
use tests::tls::Authority;

use super::support::{Client, NONE, Rust};

fn settings(url: &str, authority: &Authority) -> Postgres {
    let postgres = Postgres::open(url).unwrap().root_certificates(authority.root().as_bytes()).unwrap();
    hasty(postgres)
}

fn hasty(postgres: Postgres) -> Postgres {
    postgres
        .client_name("encrypted")
        .timeout(Duration::from_secs(2))
        .reconnect_delay(Duration::from_millis(10), Duration::from_millis(50))
}

/// A server that is not trusted gets no message.
async fn is_refused(postgres: &Postgres) {
    let adapter = PostgresAdapter::new(postgres);
    let connections = adapter.connections();
    until(async || connections.stats().failed_connections >= 3).await;
    assert_eq!((connections.stats().connections, connections.stats().published), (0, 0));
    assert!(matches!(*connections.health().borrow(), Health::Down { .. }));
}

/// Servers and emitters reach each other over TLS, by the name and by the address of the certificate.
#[tokio::test]
async fn servers_reach_each_other_over_tls() {
    let authority = Authority::new("of the tests");
    let postgres = PostgresServer::start_on_tcp(Some(&authority)).await;
    let [by_name, by_address] =
        ["localhost", "127.0.0.1"].map(|host| settings(&postgres.tls_url(host), &authority));
    let nodes = [
        Rust::start(PostgresAdapter::new(&by_name)).await,
        Rust::start(PostgresAdapter::new(&by_address)).await,
    ];
    let emitter = PostgresEmitter::new(&by_name).build();
    soon(emitter.connections().ready()).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE ssl AND application_name LIKE 'encrypted:%'";
    assert_eq!(postgres.number(encrypted).await, 5, "all connections");
    let mut client = Client::connect(nodes[1].addr).await;
    nodes[0].io.emit("small", &NONE).await.unwrap();
    assert_eq!(client.text().await, r#"42["small"]"#);
    nodes[0].io.emit("binary", &Binary::from(vec![7; 100_000])).await.unwrap();
    assert_eq!(client.text().await, r#"451-["binary",{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.ws.binary().await, [7; 100_000]);
    emitter.emit("outside", &NONE).unwrap();
    assert_eq!(client.text().await, r#"42["outside"]"#);
}

/// A certificate of another authority or for another name, and a server without TLS, are refused.
#[tokio::test]
async fn servers_that_are_not_trusted_are_refused() {
    let authority = Authority::new("of the tests");
    let postgres = PostgresServer::start_on_tcp(Some(&authority)).await;
    let url = postgres.tls_url("127.0.0.1");
    is_refused(&settings(&url, &Authority::new("another"))).await;
    // The authorities of the system.
    is_refused(&hasty(Postgres::open(&url).unwrap())).await;
    let port = url.rsplit(':').next().and_then(|rest| rest.split('/').next()).unwrap();
    let by_other_name = format!(
        "host=another.example hostaddr=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=require"
    );
    is_refused(&settings(&by_other_name, &authority)).await;
    let without = PostgresServer::start_on_tcp(None).await;
    is_refused(&settings(&without.tls_url("127.0.0.1"), &authority)).await;
}
