//! Connection state recovery of clients of gateways, at any node of a cluster.

use serde_json::{Value, json};
use tests::raw::{WebSocket, soon, until};
use tests::redis::RedisServer;

use crate::cluster::{call, nodes};
use crate::support::{Running, start};

const SECRET: &str = "a secret of all gateways";

fn recovering() -> Value {
    json!({"transport": {"recovery_ms": 60_000}, "auth": {"session_secret": SECRET}})
}

/// A Socket.IO client that keeps what it needs to return.
#[derive(Default)]
pub(crate) struct Client {
    /// The connection, unless it is lost.
    pub(crate) ws: Option<WebSocket>,
    pub(crate) sid: String,
    pid: String,
    offset: String,
    /// The received events, in their order.
    heard: Vec<(String, Value)>,
}

impl Client {
    pub(crate) async fn connect(node: &Running, token: &str) -> Self {
        let mut client = Self::default();
        client.join(node, &json!({"token": token})).await;
        client
    }

    async fn join(&mut self, node: &Running, auth: &Value) {
        let mut ws = WebSocket::open(node.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws.send(&format!("40{auth}")).await;
        self.ws = Some(ws);
        self.heard.clear();
        self.sid.clear();
        while self.sid.is_empty() {
            self.step().await;
        }
    }

    /// Returns to a node with what this client knows. Returns whether it was recovered.
    pub(crate) async fn back(&mut self, node: &Running, token: Option<&str>) -> bool {
        let mut auth = json!({"pid": self.pid, "offset": self.offset});
        if let Some(token) = token {
            auth["token"] = token.into();
        }
        let before = self.sid.clone();
        self.join(node, &auth).await;
        self.sid == before
    }

    async fn step(&mut self) {
        let ws = self.ws.as_mut().unwrap();
        let text = ws.text().await;
        if let Some(welcome) = text.strip_prefix("40") {
            let welcome: Value = serde_json::from_str(welcome).unwrap();
            self.sid = welcome["sid"].as_str().unwrap().to_owned();
            self.pid = welcome["pid"].as_str().unwrap().to_owned();
        } else if let Some(event) = text.strip_prefix("42") {
            let event: Vec<Value> = serde_json::from_str(event).unwrap();
            // The last argument of a recoverable event is its offset.
            if let Some(Value::String(offset)) = event.get(2) {
                self.offset.clone_from(offset);
            }
            self.heard.push((event[0].as_str().unwrap().to_owned(), event[1].clone()));
        } else {
            assert_eq!(text, "2");
            ws.send("3").await;
        }
    }

    /// The data of the events `e` up to this one.
    pub(crate) async fn until(&mut self, last: u64) -> Vec<u64> {
        soon(async {
            loop {
                let heard = self.heard.iter().filter(|(event, _)| event == "e");
                let numbers: Vec<u64> = heard.filter_map(|(_, data)| data.as_u64()).collect();
                if numbers.last() == Some(&last) {
                    return numbers;
                }
                self.step().await;
            }
        })
        .await
    }
}

pub(crate) async fn emit(node: &Running, number: u64) {
    let emit = json!({"room": "r", "event": "e", "data": number});
    assert_eq!(call(node, "/api/emit_to_room", emit).await.0, 200);
}

pub(crate) async fn token(node: &Running, user: &str) -> String {
    let (_, session) = call(node, "/api/auth/acquire-session", json!({"user": user})).await;
    session["data"]["token"].as_str().unwrap().to_owned()
}

/// A client that loses its gateway is recovered by another one, and gets each event once.
#[tokio::test]
async fn a_client_is_recovered_at_another_gateway() {
    let redis = RedisServer::start().await;
    let [a, b] = nodes(&redis, ["a", "b"], recovering()).await;
    let ada = token(&a, "ada").await;
    let mut client = Client::connect(&a, &ada).await;
    let room = json!({"client_id": client.sid, "room": "r"});
    assert_eq!(call(&b, "/api/join_room", room).await.0, 200);
    for number in 0..10 {
        emit(if number % 2 == 0 { &a } else { &b }, number).await;
    }
    assert_eq!(client.until(9).await, (0..10).collect::<Vec<_>>());
    let mut next = 10;
    for node in [&b, &a, &b, &a] {
        client.ws = None;
        for number in next..next + 5 {
            emit(&a, number).await;
        }
        assert!(client.back(node, Some(&ada)).await, "recovered");
        emit(&b, next + 5).await;
        assert_eq!(client.until(next + 5).await, (next..=next + 5).collect::<Vec<_>>());
        next += 6;
        let (_, listed) = a.get("/api/sockets?user=ada").await;
        let found = listed["data"]["sockets"].as_array().unwrap();
        let is_there =
            |one: &Value| one["node"] == json!(node.gateway.node()) && one["id"] == json!(client.sid);
        assert!(found.iter().any(is_there), "{found:?}");
    }
}

/// The session of a user is no token: a recovered client without a valid token has no user, and one with a revoked
/// token is refused.
#[tokio::test]
async fn a_recovered_client_is_the_user_of_its_token() {
    let running = start(recovering()).await;
    let [ada, bob] = [token(&running, "ada").await, token(&running, "bob").await];
    let mut client = Client::connect(&running, &ada).await;
    for (token, user) in [(Some(&ada), json!("ada")), (Some(&bob), json!("bob")), (None, Value::Null)] {
        emit_to_all(&running, &mut client).await;
        client.ws = None;
        until(async || running.gateway.io().is_empty()).await;
        assert!(client.back(&running, token.map(String::as_str)).await, "recovered");
        let (_, listed) = running.get("/api/sockets").await;
        assert_eq!(listed["data"]["sockets"][0]["user"], user);
        let (_, counts) = running.get("/api/counts").await;
        assert_eq!(counts["data"]["namespaces"]["/"]["users"], usize::from(!user.is_null()));
    }
    assert_eq!(call(&running, "/api/revoke_user", json!({"user": "ada"})).await.0, 200);
    client.ws = None;
    let mut ws = WebSocket::open(running.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send(&format!("40{}", json!({"pid": client.pid, "offset": client.offset, "token": ada}))).await;
    assert!(ws.text().await.starts_with("44{"), "a revoked token");
}

/// The client has an offset after the event.
async fn emit_to_all(running: &Running, client: &mut Client) {
    let emit = json!({"event": "e", "data": 1});
    assert_eq!(call(running, "/api/broadcast", emit).await.0, 200);
    client.heard.clear();
    client.until(1).await;
}
