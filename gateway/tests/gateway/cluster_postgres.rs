//! State that the gateways of a cluster share in PostgreSQL: its tables, and what others write into them.

use serde_json::{Value, json};
use tests::postgres::PostgresServer;
use tests::raw::{Request, until};
use tests::tls::Authority;

use crate::cli::{Served, serve, serve_in};
use crate::cluster::{call, data, nodes, settings};
use crate::cluster_recovery::token;
use crate::cluster_state::{status, with_key};
use crate::media::AnyServer;
use crate::support::{parsed, start};

fn sessions() -> Value {
    json!({"auth": {"session_secret": "a secret of all gateways", "keep_ms": 60_000, "max_revoked": 1}})
}

/// Without its tables a gateway serves its clients, says what is missing, and has the state when the tables are there.
#[tokio::test]
async fn missing_tables_are_reported() {
    let postgres = PostgresServer::start_empty().await;
    let url = format!("cluster.postgres={}", postgres.url());
    let a =
        serve(&["--set", &url, "--set", "cluster.node=a", "--set", "api.keys=a key of all operators"]).await;
    let line = a.said("cluster.postgres: tables are missing, or may not be used").await;
    assert_eq!(line["fields"]["tables"], "socket_io_gateway_…");
    let more = json!({"cluster": {"postgres_create_tables": false}});
    let b = start(settings(&postgres, "b", &more)).await;
    let mut client = b.native("/").await;
    assert!(client.ask("ping", json!(null)).await["timestamp"].is_string());
    let body = json!({"event": "e"});
    let refused = with_key(&b, "key", &body).await;
    assert_eq!((refused.status, &parsed(&refused).1["error"]["code"]), (503, &json!("cluster_unavailable")));
    let _creates = start(settings(&postgres, "c", &json!({}))).await;
    until(async || with_key(&b, "key", &body).await.status == 200).await;
}

/// Tables may have a schema, and clusters with different prefixes the same tables. What has expired is deleted.
#[tokio::test]
async fn clusters_share_tables_and_expired_rows_are_deleted() {
    let postgres = PostgresServer::start_empty().await;
    postgres.execute("CREATE SCHEMA chat").await;
    let node = async |prefix: &str| {
        let mut more = sessions();
        more["cluster"] = json!({"postgres_tables": "chat.gw_", "prefix": prefix});
        let [node] = nodes(&postgres, [prefix], more).await;
        node
    };
    let (one, other) = (node("one").await, node("other").await);
    for node in [&one, &other] {
        assert_eq!(with_key(node, "key", &json!({"event": "e"})).await.header("idempotency-replayed"), None);
        let mut client = node.native(&format!("/?token={}", token(node, "ada").await)).await;
        client.ask("join", json!("r")).await;
    }
    let [ada, eve] = [token(&one, "ada").await, token(&other, "ada").await];
    assert_eq!(call(&one, "/api/revoke_user", json!({"user": "ada"})).await.0, 200);
    assert_eq!((status(&one, &ada).await, status(&other, &eve).await), (401, 101));
    let count =
        async |table: &str| postgres.number(&format!("SELECT count(*) FROM chat.gw_gateway_{table}")).await;
    for (table, rows) in [("calls", 2), ("clients", 3), ("revoked", 1)] {
        until(async || count(table).await == rows).await;
    }
    assert_eq!(postgres.number("SELECT count(*) FROM chat.gw_attachments").await, 0);
    postgres
        .execute(
            "UPDATE chat.gw_gateway_calls SET expires = now(); UPDATE chat.gw_gateway_clients SET expires = now(); \
             UPDATE chat.gw_gateway_revoked SET at = 1",
        )
        .await;
    // An expired key is free, and expired state is not restored.
    assert_eq!(with_key(&one, "key", &json!({"event": "e"})).await.header("idempotency-replayed"), None);
    let mut back = other.native(&format!("/?token={eve}")).await;
    back.ask("ping", json!(null)).await;
    assert_eq!(data(&other, "/api/sockets").await["sockets"][0]["rooms"], json!([]));
    // A gateway deletes when it starts, and then again and again.
    let mut more = sessions();
    more["cluster"] = json!({"postgres_tables": "chat.gw_", "prefix": "one"});
    let _late = start(settings(&postgres, "late", &more)).await;
    for (table, rows) in [("calls", 1), ("clients", 0), ("revoked", 0)] {
        until(async || count(table).await == rows).await;
    }
}

/// Values in the tables may be written by others: what cannot be read is refused, and ends nothing.
#[tokio::test]
async fn invalid_values_in_postgres_do_no_harm() {
    let postgres = PostgresServer::start_empty().await;
    let [a] = nodes(&postgres, ["a"], sessions()).await;
    let body = json!({"event": "e"});
    assert_eq!(with_key(&a, "broken", &body).await.status, 200);
    for (response, status) in [
        ("'no json'", 503),
        ("'\\xff'", 503),
        ("''", 409),
        ("repeat('1', 1048577)::bytea", 409),
        ("'{}'", 200),
    ] {
        postgres.execute(&format!("UPDATE socket_io_gateway_calls SET response = {response}")).await;
        assert_eq!(with_key(&a, "broken", &body).await.status, status, "{response}");
    }
    let ada = token(&a, "ada").await;
    let mut client = a.native(&format!("/?token={ada}")).await;
    client.ask("join", json!("r")).await;
    drop(client);
    until(async || postgres.number("SELECT count(*) FROM socket_io_gateway_clients").await == 1).await;
    for change in ["state || repeat(' ', 262144)::bytea", "'0000000000000001{'", "'x'", "'\\xff'"] {
        postgres.execute(&format!("UPDATE socket_io_gateway_clients SET state = {change}")).await;
        let mut back = a.native(&format!("/?token={ada}")).await;
        back.ask("ping", json!(null)).await;
        assert_eq!(data(&a, "/api/sockets").await["sockets"][0]["rooms"], json!([]), "{change}");
        let socket = a.gateway.io().socket(&back.id).unwrap();
        // It leaves no state.
        socket.disconnect(true);
        until(async || a.gateway.io().is_empty()).await;
    }
    for name in ["repeat('x', 300)::bytea", "'\\xff'", "'eve'"] {
        postgres
            .execute(&format!(
                "INSERT INTO socket_io_gateway_revoked VALUES ('socket.io:gateway:revoked', {name}, \
                 extract(epoch FROM now())::bigint)"
            ))
            .await;
        if name == "'eve'" {
            postgres.execute("DELETE FROM socket_io_gateway_revoked WHERE name = '\\xff'").await;
        }
    }
    let late = start(settings(&postgres, "late", &sessions())).await;
    let [ada, eve] = [token(&late, "ada").await, token(&late, "eve").await];
    assert_eq!((status(&late, &ada).await, status(&late, &eve).await), (101, 401));
}

/// All gateways together remember so many revoked users, and one of these may be revoked again.
#[tokio::test]
async fn revoked_users_of_all_gateways_are_limited() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], sessions()).await;
        assert_eq!(call(&a, "/api/revoke_user", json!({"user": "ada"})).await.0, 200);
        let (code, refused) = call(&b, "/api/revoke_user", json!({"user": "bob"})).await;
        assert!(
            code != 200 && refused["error"]["message"].to_string().contains("auth.max_revoked"),
            "{refused}"
        );
        assert_eq!(call(&b, "/api/revoke_user", json!({"user": "ada"})).await.0, 200);
    }
}

/// The response of a call is written up to 1 MiB. Beyond it, a repetition hears that the call was carried out.
#[tokio::test]
async fn a_response_that_is_too_large_is_not_stored_in_postgres() {
    let postgres = PostgresServer::start_empty().await;
    let more = json!({"transport": {"max_payload_bytes": 4_000_000}});
    let [a] = nodes(&postgres, ["a"], more).await;
    let client = a.native("/").await;
    for (len, status) in [((1 << 20) - 100, 200), (1 << 20, 409)] {
        let body = json!({"client_id": client.id, "metadata": {"m": "x".repeat(len)}}).to_string();
        let key = len.to_string();
        let call = async || {
            let request = a.operator("POST", "/api/set_metadata").header("idempotency-key", &key);
            request.header("content-type", "application/json").body(&body).send(a.addr).await
        };
        let done = call().await;
        assert_eq!(done.status, 200);
        let stored = "SELECT octet_length(response)::bigint FROM socket_io_gateway_calls WHERE key =";
        let stored = postgres.number(&format!("{stored} 'socket.io:gateway:call:{key}'")).await;
        assert_eq!(stored, if status == 200 { done.text().len() as i64 } else { 0 });
        assert_eq!(call().await.status, status);
    }
}

/// The authority of PostgreSQL is one that the environment names. Otherwise the log has the reason.
#[tokio::test]
async fn gateways_reach_postgres_over_tls() {
    let [authority, another] = ["of the tests", "another"].map(Authority::new);
    let postgres = PostgresServer::start_on_tcp(Some(&authority)).await;
    let url = format!("cluster.postgres={}", postgres.tls_url("localhost"));
    let start = async |authority: &Authority, node: &str| {
        let root = authority.root_path();
        let environment = [("SSL_CERT_FILE", root.to_str().unwrap())];
        serve_in(&environment, &["--set", &url, "--set", &format!("cluster.node={node}")]).await
    };
    let link = async |served: &Served| {
        parsed(&Request::new("GET", "/health/ready").send(served.addr).await).1["cluster"].take()
    };
    for served in [start(&authority, "a").await, start(&authority, "b").await] {
        until(async || link(&served).await == "connected").await;
    }
    let wrong = start(&another, "wrong").await;
    let line = wrong.said("PostgreSQL cannot be reached").await;
    let error = line["fields"]["error"].as_str().unwrap();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(link(&wrong).await, "down");
}
