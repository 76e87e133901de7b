//! Statements of the application on the connection of the adapter.

use std::time::Duration;

use socketio_postgres::{Health, Postgres, PostgresAdapter, PublishError, QueryReply};
use tests::postgres::PostgresServer;
use tests::raw::{soon, until};

/// Statements have the first value as their reply, are in order, and fail without a connection, unless they wait.
#[tokio::test]
async fn statements_have_replies_and_wait_for_the_server() {
    let mut server = PostgresServer::start_empty().await;
    let postgres = Postgres::open(&server.url()).unwrap();
    let delays = [10, 50].map(Duration::from_millis);
    let adapter = PostgresAdapter::new(&postgres.reconnect_delay(delays[0], delays[1]));
    let health = || *adapter.connections().health().borrow();
    until(async || health() == Health::Connected).await;
    let query = async |sql: &'static str, parameter: &[u8]| {
        let parameters = if parameter.is_empty() { Vec::new() } else { vec![parameter.to_vec()] };
        soon(adapter.query(sql, parameters)).await
    };
    for (sql, reply) in [
        ("SELECT 7::bigint, 8", QueryReply::Number(7)),
        ("SELECT -7::bigint", QueryReply::Number(0)),
        ("SELECT 'text'", QueryReply::Text("text".to_owned())),
        ("SELECT NULL::text", QueryReply::Nothing),
        ("SELECT true", QueryReply::Nothing),
        ("SELECT 1::bigint WHERE false", QueryReply::Nothing),
        ("CREATE TABLE texts (id bigserial, value bytea)", QueryReply::Nothing),
    ] {
        assert_eq!(query(sql, b"").await.unwrap(), reply, "{sql}");
    }
    for number in 0..100 {
        let value = format!("a\0{number}").into_bytes();
        adapter.queue_query("INSERT INTO texts (value) VALUES ($1)", vec![value]).unwrap();
    }
    let found = query("SELECT id FROM texts WHERE value = $1", b"a\x0099").await.unwrap();
    assert_eq!(found, QueryReply::Number(100));
    let refused = query("SELECT id FROM nothing", b"").await;
    assert!(
        matches!(&refused, Err(PublishError::Refused(reason)) if reason.contains("nothing")),
        "{refused:?}"
    );

    server.crash().await;
    until(async || matches!(health(), Health::Down { .. })).await;
    assert!(matches!(query("SELECT 1::bigint", b"").await, Err(PublishError::Down)));
    adapter.queue_query("INSERT INTO texts (value) VALUES ($1)", vec![b"late".to_vec()]).unwrap();
    server.restart().await;
    until(async || server.number("SELECT count(*) FROM texts WHERE value = 'late'").await == 1).await;
}
