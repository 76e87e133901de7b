//! State that the gateways of a cluster share: revocations, idempotency keys, and clients that return.

use serde_json::{Value, json};
use tests::raw::{Response, WebSocket, soon, until};
use tests::redis::RedisServer;

use crate::cli::serve;
use crate::cluster::{call, closes, nodes, settings};
use crate::media::AnyServer;
use crate::support::{Running, parsed, start};

const SECRET: &str = "a secret of all gateways";

fn sessions() -> Value {
    json!({"auth": {"session_secret": SECRET, "keep_ms": 60_000}})
}

pub(crate) async fn status(node: &Running, token: &str) -> u16 {
    match WebSocket::open(node.addr, &format!("/?token={token}")).await {
        Ok(_) => 101,
        Err(status) => status,
    }
}

async fn session(node: &Running, user: &str) -> String {
    let (_, session) = call(node, "/api/auth/acquire-session", json!({"user": user})).await;
    session["data"]["token"].as_str().unwrap().to_owned()
}

/// A token that was revoked at one gateway is refused at all, and its clients are disconnected everywhere.
#[tokio::test]
async fn a_revoked_token_is_refused_at_all_gateways() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], sessions()).await;
        let [ada, bob] = [session(&a, "ada").await, session(&b, "bob").await];
        let mut clients = Vec::new();
        for node in [&a, &b] {
            clients.push(node.native(&format!("/?token={ada}")).await);
            clients.push(node.socketio_with(&json!({"token": ada}).to_string()).await);
        }
        let mut other = b.native(&format!("/?token={bob}")).await;
        let revoked = call(&a, "/api/revoke_user", json!({"user": "ada"})).await;
        assert_eq!(revoked, (200, json!({"success": true, "data": {"disconnected": 4}})));
        for client in &mut clients {
            closes(client).await;
        }
        for node in [&a, &b] {
            assert_eq!((status(node, &ada).await, status(node, &bob).await), (401, 101));
        }
        assert!(other.ask("ping", json!(null)).await["timestamp"].is_string());
        // A gateway that starts later knows it too.
        let late = start(settings(&server, "late", &sessions())).await;
        assert_eq!((status(&late, &ada).await, status(&late, &bob).await), (401, 101));
    }
}

/// A gateway that was deaf when a token was revoked learns of it when it hears again.
#[tokio::test]
async fn a_gateway_that_could_not_be_reached_learns_of_revocations() {
    for server in AnyServer::each_process().await {
        let [a] = nodes(&server, ["a"], sessions()).await;
        let secret = format!("auth.session_secret={SECRET}");
        let arguments = server.arguments();
        let arguments = arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = arguments.chain(["--set", "cluster.node=b", "--set", &secret]).collect();
        let b = serve(&arguments).await;
        let ada = session(&a, "ada").await;
        let mut client = soon(async {
            loop {
                if let Ok(client) = WebSocket::open(b.addr, &format!("/?token={ada}")).await {
                    return client;
                }
            }
        })
        .await;
        // The connection with its subscriptions is closed while it cannot open another one.
        b.signal("STOP").await;
        server.close_subscriptions("b").await;
        let (status, revoked) = call(&a, "/api/revoke_user", json!({"user": "ada"})).await;
        assert_eq!((status, &revoked["data"]["partial"]["missing"]), (200, &json!(["b"])));
        b.signal("CONT").await;
        client.closed().await;
        assert_eq!(WebSocket::open(b.addr, &format!("/?token={ada}")).await.err(), Some(401));
    }
}

/// Until a gateway has read the revocations once it cannot tell a revoked token from a valid one.
#[tokio::test]
async fn tokens_are_not_accepted_before_the_revocations_are_known() {
    for mut server in AnyServer::each_process().await {
        server.kill().await;
        let a = start(settings(&server, "a", &sessions())).await;
        let token = session(&a, "ada").await;
        assert_eq!(status(&a, &token).await, 503);
        let mut anonymous = a.native("/").await;
        assert!(anonymous.ask("ping", json!(null)).await["timestamp"].is_string());
        let mut ws = WebSocket::open(a.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        ws.text().await;
        ws.send(&format!("40{}", json!({"token": token}))).await;
        // The connection ends, so that the client tries again.
        soon(ws.closed()).await;
        let (status, refused) = call(&a, "/api/revoke_user", json!({"user": "ada"})).await;
        assert_eq!((status, &refused["error"]["code"]), (503, &json!("cluster_unavailable")));
        server.restart().await;
        // The revocation was known to this gateway alone.
        until(async || self::status(&a, &session(&a, "bob").await).await == 101).await;
        assert_eq!(self::status(&a, &token).await, 401);
    }
}

pub(crate) async fn with_key(node: &Running, key: &str, body: &Value) -> Response {
    let request = node.operator("POST", "/api/broadcast").header("content-type", "application/json");
    request.header("idempotency-key", key).body(body.to_string()).send(node.addr).await
}

/// A call with the same idempotency key at two gateways is carried out once, one after the other and at once.
#[tokio::test]
async fn a_call_with_the_same_key_at_two_gateways_runs_once() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({})).await;
        let mut client = b.native("/").await;
        for number in 0..20 {
            let (key, body) = (format!("key {number}"), json!({"event": "e", "data": number}));
            let answers = tokio::join!(with_key(&a, &key, &body), with_key(&b, &key, &body));
            let mut fresh = 0;
            for answer in [&answers.0, &answers.1] {
                match answer.status {
                    200 if answer.header("idempotency-replayed").is_none() => fresh += 1,
                    200 => {}
                    409 => assert_eq!(parsed(answer).1["error"]["code"], "in_progress"),
                    status => panic!("{status}: {}", answer.text()),
                }
            }
            assert_eq!(fresh, 1);
            for node in [&a, &b] {
                let again = with_key(node, &key, &body).await;
                assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
                assert_eq!(parsed(&again).1["data"], json!({"reached": 1}));
                assert_eq!(with_key(node, &key, &json!({"event": "other"})).await.status, 422);
            }
        }
        for number in 0..20 {
            assert_eq!(client.heard("e").await, number);
        }
        assert!(client.ask("ping", json!(null)).await["timestamp"].is_string(), "nothing else came before");
        // Failed calls may be repeated, at any gateway.
        let wrong = json!({"event": "connect"});
        for node in [&a, &b] {
            // The key of a failed call is free a moment later.
            until(async || match with_key(node, "wrong", &wrong).await.status {
                409 => false,
                status => {
                    assert_eq!(status, 400);
                    true
                }
            })
            .await;
        }
        until(async || with_key(&b, "wrong", &json!({"event": "e"})).await.status == 200).await;
    }
}

/// Without Redis a call with a key might be carried out twice, so it is not carried out.
#[tokio::test]
async fn without_redis_calls_with_keys_are_refused() {
    for mut server in AnyServer::each_process().await {
        let [a] = nodes(&server, ["a"], json!({})).await;
        let mut client = a.native("/").await;
        server.kill().await;
        let body = json!({"event": "e"});
        until(async || {
            let refused = with_key(&a, "key", &body).await;
            refused.status == 503 && parsed(&refused).1["error"]["code"] == "cluster_unavailable"
        })
        .await;
        assert_eq!(call(&a, "/api/broadcast", json!({"event": "without a key"})).await.0, 200);
        while client.next().await["event"] != "without a key" {}
        server.restart().await;
        until(async || with_key(&a, "key", &body).await.status == 200).await;
    }
}

/// Values in Redis may be written by others: what cannot be read is refused, and ends nothing.
#[tokio::test]
async fn invalid_values_in_redis_do_no_harm() {
    let redis = RedisServer::start().await;
    let [a] = nodes(&redis, ["a"], sessions()).await;
    let body = json!({"event": "e"});
    redis.command("SET socket.io:gateway:call:text x").await;
    assert_eq!(with_key(&a, "text", &body).await.status, 503);
    let done = with_key(&a, "broken", &body).await;
    assert_eq!(done.status, 200);
    for (response, status) in [("no-json", 503), ("", 409)] {
        redis.command(&format!("HSET socket.io:gateway:call:broken response \"{response}\"")).await;
        assert_eq!(with_key(&a, "broken", &body).await.status, status, "{response}");
    }
    redis.command(&append("socket.io:gateway:call:broken", "hset", 1 << 20)).await;
    assert_eq!(with_key(&a, "broken", &body).await.status, 409);
    let long = "x".repeat(300);
    for command in [
        format!("ZADD socket.io:gateway:revoked 1 {long} nan-is-no-score x 99999999999999999999 eve"),
        format!("ZADD socket.io:gateway:revoked 1 {long} 99999999999999999999 eve"),
    ] {
        redis.command(&command).await;
    }
    let late = start(settings(&redis, "late", &sessions())).await;
    let [ada, eve] = [session(&late, "ada").await, session(&late, "eve").await];
    assert_eq!((status(&late, &ada).await, status(&late, &eve).await), (101, 401));
}

/// State of a client that is longer than a gateway writes is not read.
#[tokio::test]
async fn too_large_state_of_a_client_is_not_restored() {
    let redis = RedisServer::start().await;
    let [a] = nodes(&redis, ["a"], sessions()).await;
    for (added, rooms) in [(0, json!(["r"])), (256 << 10, json!([]))] {
        let target = format!("/?token={}", session(&a, "ada").await);
        let mut client = a.native(&target).await;
        client.ask("join", json!("r")).await;
        drop(client);
        let key = soon(async {
            loop {
                let keys = redis.command("KEYS socket.io:gateway:client:*").await;
                if let Some(key) = keys.lines().find(|line| line.starts_with("socket.io:")) {
                    return key.to_owned();
                }
            }
        })
        .await;
        assert!(redis.command(&append(&key, "append", added)).await.starts_with(':'));
        let mut back = a.native(&target).await;
        back.ask("ping", json!(null)).await;
        let (_, listed) = a.get("/api/sockets").await;
        assert_eq!(listed["data"]["sockets"][0]["rooms"], rooms, "{added} bytes more");
        drop(back);
        until(async || a.gateway.io().is_empty()).await;
        redis.command("FLUSHALL").await;
    }
}

/// The command that adds spaces to a value, or to the response of a call.
fn append(key: &str, command: &str, len: usize) -> String {
    let field = if command == "hset" { "'response'," } else { "" };
    format!("EVAL \"return redis.call('{command}',KEYS[1],{field}string.rep(' ',{len}) .. ' ')\" 1 {key}")
}

/// A client that lost its connection finds its rooms and metadata at another gateway.
#[tokio::test]
async fn a_returning_client_finds_its_state_at_another_gateway() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], sessions()).await;
        let token = session(&a, "ada").await;
        let target = format!("/?token={token}");
        let mut client = a.native(&target).await;
        client.ask("join", json!("r")).await;
        let metadata = json!({"client_id": client.id, "metadata": {"plan": "pro"}});
        assert_eq!(call(&b, "/api/set_metadata", metadata).await.0, 200);
        drop(client);
        until(async || a.gateway.io().is_empty()).await;
        let back = soon(async {
            loop {
                let back = b.native(&target).await;
                let (_, listed) = a.get("/api/sockets").await;
                let found = &listed["data"]["sockets"][0];
                if found["rooms"] == json!(["r"]) {
                    assert_eq!((&found["metadata"], &found["node"]), (&json!({"plan": "pro"}), &json!("b")));
                    return back;
                }
            }
        })
        .await;
        drop(back);
    }
}
