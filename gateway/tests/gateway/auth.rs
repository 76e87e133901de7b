//! Authentication: admission, users, and the lifetime of tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tests::raw::{Request, WebSocket, soon, until};

use crate::support::{Running, parsed, start};
use crate::webhook_backend::Backend;

const SECRET: &str = "an unguessable session secret";
const SESSIONS: &str = "another secret of this test";
const KEY: &str = "a key for operators";
const YEAR_3000: u64 = 32_503_680_000;

fn jwt(user: &str) -> String {
    signed(&json!({"sub": user, "exp": YEAR_3000}))
}

fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

async fn acquire(running: &Running, body: Value, key: &str) -> (u16, Value) {
    let request = Request::new("POST", "/api/auth/acquire-session")
        .header("content-type", "application/json")
        .header("x-api-key", key);
    parsed(&request.body(body.to_string()).send(running.addr).await)
}

#[tokio::test]
async fn a_token_is_accepted_in_three_places() {
    let running = start(json!({"auth": {"jwt_key": SECRET, "anonymous": false}})).await;
    let token = jwt("ada");
    let mut clients = vec![
        running.native(&format!("/?token={token}")).await,
        running.socketio_with(&json!({"token": token}).to_string()).await,
    ];
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let mut by_header = WebSocket::open_with(running.addr, "/", &headers).await.unwrap();
    assert!(by_header.text().await.contains(r#""event":"connect""#));
    assert!(by_header.text().await.contains(r#""user":"ada""#));
    for client in &mut clients {
        let connection = client.ask("status", json!(null)).await["connection"].take();
        assert_eq!((&connection["user"], &connection["isLoggedIn"]), (&json!("ada"), &json!(true)));
        assert_eq!(connection["rooms"], json!([]), "the user's room is not one that it joined");
    }
    let to_user = running.operator("POST", "/api/emit_to_user").header("content-type", "application/json");
    let to_user = to_user.body(json!({"user": "ada", "event": "e", "data": 1}).to_string());
    assert_eq!(parsed(&to_user.send(running.addr).await).1["data"], json!({"reached": 3}));
    for client in &mut clients {
        assert_eq!(client.heard("e").await, 1);
    }
}

/// Token in a WebSocket subprotocol: pages cannot set headers, and proxies log URLs.
#[tokio::test]
async fn a_native_token_comes_as_a_subprotocol() {
    let running = start(json!({"auth": {"jwt_key": SECRET, "anonymous": false}})).await;
    let good = jwt("ada");
    let open = async |subprotocols: &str| {
        let headers = [("sec-websocket-protocol", subprotocols)];
        WebSocket::open_with(running.addr, "/native", &headers).await
    };
    for subprotocols in [format!("native, bearer.{good}"), format!("bearer.{good}, native")] {
        let mut ws = open(&subprotocols).await.unwrap();
        assert_eq!(ws.headers["sec-websocket-protocol"], "native", "the token is not sent back");
        ws.send(r#"{"event":"status","id":1}"#).await;
        while !ws.text().await.contains(r#""user":"ada""#) {}
    }
    let bad = &good[..good.len() - 3];
    for subprotocols in ["native".to_owned(), format!("native, bearer.{bad}"), format!("native, {good}")] {
        assert_eq!(open(&subprotocols).await.err(), Some(401), "{subprotocols}");
    }
}

#[tokio::test]
async fn clients_without_a_valid_token_are_refused() {
    let closed = start(json!({"auth": {"jwt_key": SECRET, "anonymous": false}})).await;
    let open = start(json!({"auth": {"jwt_key": SECRET}})).await;
    let good = jwt("ada");
    let bad = &good[..good.len() - 3];
    for (running, target, refused) in [
        (&closed, "/".to_owned(), Some(401)),
        (&closed, format!("/?token={bad}"), Some(401)),
        (&closed, format!("/?token={good}"), None),
        (&open, "/".to_owned(), None),
        // A client that presents an invalid token does not become anonymous.
        (&open, format!("/?token={bad}"), Some(401)),
        (&open, "/?token=".to_owned(), Some(401)),
    ] {
        assert_eq!(WebSocket::open(running.addr, &target).await.err(), refused, "{target}");
    }
    for (running, auth, code) in [
        (&closed, "", "token_required"),
        (&closed, r#"{"token":"x"}"#, "invalid_token"),
        (&closed, r#"{"token":1}"#, "invalid_token"),
        (&open, r#"{"token":1}"#, "invalid_token"),
    ] {
        let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws.send(&format!("40{auth}")).await;
        let refusal = ws.text().await;
        let refusal: Value = serde_json::from_str(refusal.strip_prefix("44").unwrap()).unwrap();
        assert_eq!(refusal, json!({"message": "unauthorized", "data": {"code": code}}));
    }
    assert_eq!(closed.gateway.io().room_len("user:ada"), 0);
}

#[tokio::test]
async fn session_tokens_are_issued() {
    let settings = json!({"auth": {"session_secret": SECRET}, "api": {"keys": [KEY]}});
    let running = start(settings).await;
    // The request as `curl -X POST` sends it.
    let (status, anonymous) =
        parsed(&Request::new("POST", "/api/auth/acquire-session").send(running.addr).await);
    assert_eq!((status, &anonymous["data"]["user"]), (200, &json!(null)));
    let token = anonymous["data"]["token"].as_str().unwrap();
    let mut client = running.native(&format!("/?token={token}")).await;
    assert_eq!(client.ask("status", json!(null)).await["connection"]["isLoggedIn"], false);

    let (status, ada) = acquire(&running, json!({"user": "ada"}), KEY).await;
    assert_eq!((status, &ada["data"]["user"]), (200, &json!("ada")));
    let token = ada["data"]["token"].as_str().unwrap();
    let mut client = running.native(&format!("/?token={token}")).await;
    assert_eq!(client.ask("status", json!(null)).await["connection"]["user"], "ada");

    // A caller without an operator key cannot choose a user name.
    assert_eq!(acquire(&running, json!({"user": "ada"}), "not the key of ours").await.0, 401);
    for user in ["", &"x".repeat(257)] {
        assert_eq!(acquire(&running, json!({"user": user}), KEY).await.0, 400);
    }
    let none = start(json!({})).await;
    let (status, error) = acquire(&none, json!({}), "").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("no_sessions")));
    // Where anonymous clients are refused, anonymous sessions need an operator key.
    let auth = json!({"session_secret": SECRET, "anonymous": false});
    let strict = start(json!({"auth": auth, "api": {"keys": [KEY]}})).await;
    assert_eq!(acquire(&strict, json!({}), "").await.0, 401);
    assert_eq!(acquire(&strict, json!({}), KEY).await.0, 200);
}

#[tokio::test]
async fn clients_with_expired_tokens_are_disconnected() {
    let running = start(json!({"auth": {"session_secret": SECRET, "session_ms": 3000}})).await;
    let (_, session) = acquire(&running, json!({}), "").await;
    let token = session["data"]["token"].as_str().unwrap();
    let mut forever = running.native("/").await;
    let mut native = running.native(&format!("/?token={token}")).await;
    let mut socketio = running.socketio_with(&json!({"token": token}).to_string()).await;
    for client in [&mut native, &mut socketio] {
        let told = client.heard("error").await;
        assert_eq!(told, json!({"event": "token", "message": "the token has expired"}));
    }
    native.ws.closed().await;
    assert_eq!(socketio.ws.text().await, "41");
    socketio.ws.closed().await;
    assert_eq!(WebSocket::open(running.addr, &format!("/?token={token}")).await.err(), Some(401));
    assert!(forever.ask("ping", json!(null)).await["timestamp"].is_string());
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

async fn call(running: &Running, path: &str, body: Value) -> (u16, Value) {
    let request = running.operator("POST", path).header("content-type", "application/json");
    parsed(&request.body(body.to_string()).send(running.addr).await)
}

#[tokio::test]
async fn a_newer_token_extends_the_session() {
    let running = start(json!({"auth": {"jwt_key": SECRET}})).await;
    // The gateway tolerates a minute of clock difference, so this token is valid for three more seconds.
    let short = signed(&json!({"sub": "ada", "exp": now() - 57}));
    let mut stays = running.native(&format!("/?token={short}")).await;
    let mut goes = running.socketio_with(&json!({"token": short}).to_string()).await;
    let mut anonymous = running.native("/").await;
    for (token, error) in
        [(json!("x"), "invalid token"), (json!(jwt("bob")), "the token belongs to another user")]
    {
        assert_eq!(stays.ask("authenticate", json!({"token": token})).await, json!({"error": error}));
    }
    let renewed = json!({"user": "ada", "expiresAt": "3000-01-01T00:01:00Z"});
    assert_eq!(stays.ask("authenticate", json!({"token": jwt("ada")})).await, renewed);
    // An anonymous client becomes the user of its token.
    anonymous.ask("authenticate", json!({"token": jwt("bob")})).await;
    assert_eq!(running.gateway.io().room_len("user:bob"), 1);
    assert_eq!(goes.heard("error").await["event"], "token");
    assert_eq!(goes.ws.text().await, "41");
    assert!(stays.ask("ping", json!(null)).await["timestamp"].is_string());
}

#[tokio::test]
async fn tokens_are_revoked() {
    let running = start(json!({"auth": {"jwt_key": SECRET, "session_secret": SESSIONS}})).await;
    let (old, new) = (
        json!({"sub": "ada", "exp": YEAR_3000, "iat": now() - 10}),
        json!({"sub": "ada", "exp": YEAR_3000, "iat": now() + 60}),
    );
    let session = acquire(&running, json!({"user": "ada"}), running.key()).await.1["data"]["token"].take();
    let session = session.as_str().unwrap().to_owned();
    let tokens = [signed(&old), jwt("ada"), session];
    let mut clients = Vec::new();
    for token in &tokens {
        clients.push(running.native(&format!("/?token={token}")).await);
    }
    let _bob = running.native(&format!("/?token={}", jwt("bob"))).await;
    let (status, answer) = call(&running, "/api/revoke_user", json!({"user": "ada"})).await;
    assert_eq!((status, &answer["data"]), (200, &json!({"disconnected": 3})));
    for client in &mut clients {
        client.ws.closed().await;
    }
    for token in &tokens {
        assert_eq!(WebSocket::open(running.addr, &format!("/?token={token}")).await.err(), Some(401));
    }
    // A token issued after the revocation is valid, and other users stayed connected.
    running.native(&format!("/?token={}", signed(&new))).await;
    assert_eq!(running.gateway.io().room_len("user:bob"), 1);
    let few = start(json!({"auth": {"jwt_key": SECRET, "max_revoked": 1}})).await;
    assert_eq!(call(&few, "/api/revoke_user", json!({"user": "ada"})).await.0, 200);
    let (status, answer) = call(&few, "/api/revoke_user", json!({"user": "bob"})).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("too_many_revoked")));
}

#[tokio::test]
async fn a_returning_client_has_its_rooms_and_metadata() {
    let running = start(json!({"auth": {"session_secret": SECRET, "keep_ms": 3_600_000}})).await;
    let io = running.gateway.io();
    let token = acquire(&running, json!({"user": "ada"}), running.key()).await.1["data"]["token"].take();
    let token = token.as_str().unwrap().to_owned();
    let target = format!("/?token={token}");
    let mut client = running.native(&target).await;
    client.ask("join", json!("news")).await;
    let metadata = json!({"client_id": client.id, "metadata": {"theme": "dark", "gone": null}});
    assert_eq!(
        call(&running, "/api/set_metadata", metadata).await.1["data"],
        json!({"metadata": {"theme": "dark"}})
    );
    client.ws.close().await;
    until(async || io.is_empty()).await;
    assert_eq!(io.room_len("news"), 0);
    let client = running.native(&target).await;
    assert_eq!((io.room_len("news"), io.room_len("user:ada")), (1, 1));
    let listed = running.get("/api/sockets").await.1["data"]["sockets"][0].take();
    assert_eq!((&listed["id"], &listed["metadata"]), (&json!(client.id), &json!({"theme": "dark"})));
    // A second connection of the same session does not get the saved state, nor does a client that was
    // disconnected by the server.
    let _second = running.native(&target).await;
    assert_eq!(io.room_len("news"), 1);
    call(&running, "/api/disconnect", json!({"user": "ada"})).await;
    until(async || io.is_empty()).await;
    running.native(&target).await;
    assert_eq!(io.room_len("news"), 0);
}

/// Ed25519 key pair: the private key, and the public key as a JWK.
fn key(id: &str) -> (EncodingKey, Value) {
    let openssl = |arguments: &[&str]| {
        let made = std::process::Command::new("openssl").args(arguments).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        made.stdout
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let path = path.to_str().unwrap();
    openssl(&["genpkey", "-algorithm", "ED25519", "-out", path]);
    let key = EncodingKey::from_ed_pem(&std::fs::read(path).unwrap()).unwrap();
    // In the DER encoding the key itself is the last 32 bytes.
    let public = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"]);
    let x = URL_SAFE_NO_PAD.encode(&public[public.len() - 32..]);
    (key, json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x}))
}

#[tokio::test]
async fn keys_are_published_and_change() {
    let mut publisher = Backend::start().await;
    let auth = json!({"jwks": format!("http://{}/keys", publisher.addr), "jwks_interval_ms": 1, "metadata_claims": ["plan"], "anonymous": false});
    let running = start(json!({"auth": auth})).await;
    let ((first, first_public), (second, second_public)) = (key("1"), key("2"));
    let token = |key: &EncodingKey, id: &str| {
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &json!({"sub": "ada", "plan": "pro", "exp": YEAR_3000}), key).unwrap()
    };
    let target = |token: String| format!("/?token={token}");

    let target_of_first = target(token(&first, "1"));
    let (mut client, ()) = tokio::join!(running.native(&target_of_first), async {
        // A set may contain keys of unknown types.
        let strange = json!({"kty": "new", "kid": "1"});
        publisher.any().await.says(json!({"keys": [strange, first_public]}));
    });
    assert_eq!(client.ask("status", json!(null)).await["connection"]["user"], "ada");
    assert_eq!(running.get("/api/sockets").await.1["data"]["sockets"][0]["metadata"], json!({"plan": "pro"}));
    // The key is known now, and no request is sent.
    running.native(&target(token(&first, "1"))).await;
    assert!(publisher.is_quiet());
    // A token that names another key than the one that signed it.
    assert_eq!(WebSocket::open(running.addr, &target(token(&second, "1"))).await.err(), Some(401));
    assert!(publisher.is_quiet());
    // The next key: the set is unavailable at first, and the old key stays valid.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let asking = tokio::spawn(open(running.addr, target(token(&second, "2"))));
    publisher.any().await.fails(500);
    assert_eq!(soon(asking).await.unwrap(), Some(401));
    running.native(&target(token(&first, "1"))).await;
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let asking = tokio::spawn(open(running.addr, target(token(&second, "2"))));
    publisher.any().await.says(json!({"keys": [second_public]}));
    assert_eq!(soon(asking).await.unwrap(), None);
    // The first key was withdrawn.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let asking = tokio::spawn(open(running.addr, target(token(&first, "1"))));
    publisher.any().await.fails(500);
    assert_eq!(soon(asking).await.unwrap(), Some(401));
}

/// The status of a refused WebSocket; `None` if it was accepted.
async fn open(addr: std::net::SocketAddr, target: String) -> Option<u16> {
    WebSocket::open(addr, &target).await.err()
}

#[tokio::test]
async fn unknown_keys_cause_few_fetches() {
    let mut publisher = Backend::start().await;
    let auth = json!({"jwks": format!("http://{}/keys", publisher.addr), "jwks_interval_ms": 3_600_000});
    let running = start(json!({"auth": auth})).await;
    let ((good, public), (other, _)) = (key("1"), key("2"));
    let token = |key: &EncodingKey, id: &str| {
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &json!({"sub": "ada", "exp": YEAR_3000}), key).unwrap()
    };
    let strangers: Vec<_> = (0..5)
        .map(|id| tokio::spawn(open(running.addr, format!("/?token={}", token(&other, &id.to_string())))))
        .collect();
    publisher.any().await.says(json!({"keys": [public]}));
    for stranger in strangers {
        assert_eq!(soon(stranger).await.unwrap(), Some(401));
    }
    running.native(&format!("/?token={}", token(&good, "1"))).await;
    assert!(publisher.is_quiet(), "once for all of them");
}

/// Results for tokens of each key against a key set from a file. A token names its key or not.
async fn let_in(set: &[&Value], tokens: &[(&EncodingKey, Option<&str>)]) -> Vec<bool> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({"keys": set}).to_string()).unwrap();
    let running = start(json!({"auth": {"jwks": file.path().to_str().unwrap()}})).await;
    let mut answers = Vec::new();
    for (key, id) in tokens {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        let token = encode(&header, &json!({"sub": "ada", "exp": YEAR_3000}), key).unwrap();
        answers.push(open(running.addr, format!("/?token={token}")).await.is_none());
    }
    answers
}

/// Limit of keys tried for one token: each costs a signature check, and the client is not authenticated yet.
#[tokio::test]
async fn tokens_are_tried_with_few_keys() {
    let keys: Vec<(EncodingKey, Value)> = (0..5).map(|id| key(&id.to_string())).collect();
    let set: Vec<&Value> = keys.iter().map(|(_, public)| public).collect();
    let [fourth, fifth] = [&keys[3].0, &keys[4].0];
    let tokens = [(fourth, None), (fifth, None), (fifth, Some("4")), (fourth, Some("4"))];
    assert_eq!(let_in(&set, &tokens).await, [true, false, true, false]);
}

#[tokio::test]
async fn keys_of_a_set_are_bounded() {
    let ((hundredth, first_public), (beyond, last_public)) = (key("100"), key("101"));
    let strange = json!({"kty": "new"});
    let set: Vec<&Value> = std::iter::repeat_n(&strange, 99).chain([&first_public, &last_public]).collect();
    assert_eq!(let_in(&set, &[(&hundredth, Some("100")), (&beyond, Some("101"))]).await, [true, false]);
}

/// Limit of the size of a key set: the publisher of the keys cannot fill the memory of the gateway.
#[tokio::test]
async fn a_too_large_set_is_refused() {
    let mut publisher = Backend::start().await;
    let auth = json!({"jwks": format!("http://{}/keys", publisher.addr), "jwks_interval_ms": 1});
    let running = start(json!({"auth": auth})).await;
    let (good, public) = key("1");
    let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let token = encode(&header, &json!({"sub": "ada", "exp": YEAR_3000}), &good).unwrap();
    for (length, refused) in [(1_000_001, Some(401)), (900_000, None)] {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let asking = tokio::spawn(open(running.addr, format!("/?token={token}")));
        publisher.any().await.says(json!({"keys": [public], "padding": "x".repeat(length)}));
        assert_eq!(soon(asking).await.unwrap(), refused, "{length}");
    }
}
