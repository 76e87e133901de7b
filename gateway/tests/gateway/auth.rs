//! Who comes in, as whom, and for how long.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tests::raw::{Request, WebSocket};

use crate::support::{Running, parsed, start};

const SECRET: &str = "a secret that nobody guesses";
const KEY: &str = "a key for operators";
const YEAR_3000: u64 = 32_503_680_000;

fn jwt(user: &str) -> String {
    let claims = json!({"sub": user, "exp": YEAR_3000});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

async fn acquire(running: &Running, body: Value, key: &str) -> (u16, Value) {
    let request = Request::new("POST", "/api/auth/acquire-session")
        .header("content-type", "application/json")
        .header("x-api-key", key);
    parsed(&request.body(body.to_string()).send(running.addr).await)
}

#[tokio::test]
async fn a_token_comes_by_three_ways() {
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
    let to_user = Request::new("POST", "/api/emit_to_user").header("content-type", "application/json");
    let to_user = to_user.body(json!({"user": "ada", "event": "e", "data": 1}).to_string());
    assert_eq!(parsed(&to_user.send(running.addr).await).1["data"], json!({"reached": 3}));
    for client in &mut clients {
        assert_eq!(client.heard("e").await, 1);
    }
}

#[tokio::test]
async fn who_has_no_good_token_stays_out() {
    let closed = start(json!({"auth": {"jwt_key": SECRET, "anonymous": false}})).await;
    let open = start(json!({"auth": {"jwt_key": SECRET}})).await;
    let good = jwt("ada");
    let bad = &good[..good.len() - 3];
    for (running, target, refused) in [
        (&closed, "/".to_owned(), Some(401)),
        (&closed, format!("/?token={bad}"), Some(401)),
        (&closed, format!("/?token={good}"), None),
        (&open, "/".to_owned(), None),
        // Whoever means to be somebody does not become nobody.
        (&open, format!("/?token={bad}"), Some(401)),
        (&open, "/?token=".to_owned(), Some(401)),
    ] {
        assert_eq!(WebSocket::open(running.addr, &target).await.err(), refused, "{target}");
    }
    for (auth, code) in
        [("", "token_needed"), (r#"{"token":"x"}"#, "bad_token"), (r#"{"token":1}"#, "token_needed")]
    {
        let mut ws = WebSocket::open(closed.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws.send(&format!("40{auth}")).await;
        let refusal = ws.text().await;
        let refusal: Value = serde_json::from_str(refusal.strip_prefix("44").unwrap()).unwrap();
        assert_eq!(refusal, json!({"message": "unauthorized", "data": {"code": code}}));
    }
    assert_eq!(closed.gateway.io().room_len("user:ada"), 0);
}

#[tokio::test]
async fn sessions_are_given_out() {
    let settings = json!({"auth": {"session_secret": SECRET}, "api": {"keys": [KEY]}});
    let running = start(settings).await;
    // As `curl -X POST` sends it.
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

    // Nobody calls oneself what one likes.
    assert_eq!(acquire(&running, json!({"user": "ada"}), "not the key of ours").await.0, 401);
    for user in ["", &"x".repeat(257)] {
        assert_eq!(acquire(&running, json!({"user": user}), KEY).await.0, 400);
    }
    let none = start(json!({})).await;
    let (status, error) = acquire(&none, json!({}), "").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("no_sessions")));
    // Where nobody comes in without a name, nobody gets a session without one.
    let auth = json!({"session_secret": SECRET, "anonymous": false});
    let strict = start(json!({"auth": auth, "api": {"keys": [KEY]}})).await;
    assert_eq!(acquire(&strict, json!({}), "").await.0, 401);
    assert_eq!(acquire(&strict, json!({}), KEY).await.0, 200);
}

#[tokio::test]
async fn who_stays_too_long_is_put_out() {
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
