//! A listening gateway, and clients of both protocols.

use std::net::SocketAddr;

use serde_json::{Value, json};
use socketio_gateway::{Config, Gateway};
use tests::raw::{Request, Response, WebSocket};
use tokio::net::TcpListener;

pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) gateway: Gateway,
}

/// Starts a gateway with these settings over the defaults, in the form of a configuration file.
pub(crate) async fn start(settings: Value) -> Running {
    let gateway = Gateway::new(config(settings)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    Running { addr, gateway }
}

pub(crate) fn config(settings: Value) -> Config {
    serde_json::from_value(settings).unwrap()
}

impl Running {
    /// Connects a native client.
    pub(crate) async fn native(&self, target: &str) -> Client {
        let mut ws = WebSocket::open(self.addr, target).await.unwrap();
        let welcome: Value = serde_json::from_str(&ws.text().await).unwrap();
        assert_eq!(welcome["event"], "connect");
        let mut client = Client { ws, id: welcome["data"]["id"].as_str().unwrap().to_owned(), native: true };
        let connected = client.next().await;
        assert_eq!(
            (&connected["event"], &connected["data"]["socketId"]),
            (&json!("connected"), &json!(client.id))
        );
        client
    }

    /// Connects a Socket.IO client to the namespace `/`.
    pub(crate) async fn socketio(&self) -> Client {
        self.socketio_with("").await
    }

    /// Connects a Socket.IO client to the namespace `/` with credentials.
    pub(crate) async fn socketio_with(&self, auth: &str) -> Client {
        let mut ws = WebSocket::open(self.addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws.send(&format!("40{auth}")).await;
        let welcome = ws.text().await;
        let welcome: Value = serde_json::from_str(welcome.strip_prefix("40").unwrap()).unwrap();
        let mut client = Client { ws, id: welcome["sid"].as_str().unwrap().to_owned(), native: false };
        let connected = client.next().await;
        assert_eq!(
            (&connected["event"], &connected["data"]["socketId"]),
            (&json!("connected"), &json!(client.id))
        );
        client
    }

    /// A client of each protocol.
    pub(crate) async fn both(&self) -> [Client; 2] {
        [self.native("/").await, self.socketio().await]
    }

    /// An operator key: the first of the settings, or the generated one.
    pub(crate) fn key(&self) -> &str {
        let first = self.gateway.config().api.keys.first().map(|key| key.expose());
        first.or_else(|| self.gateway.generated_key()).unwrap()
    }

    /// A request with an operator key.
    pub(crate) fn operator(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).header("x-api-key", self.key())
    }

    /// Status and body of a GET with an operator key.
    pub(crate) async fn get(&self, target: &str) -> (u16, Value) {
        parsed(&self.operator("GET", target).send(self.addr).await)
    }
}

pub(crate) fn parsed(response: &Response) -> (u16, Value) {
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

/// A client of either protocol. Its events have the form of the native protocol.
pub(crate) struct Client {
    pub(crate) ws: WebSocket,
    pub(crate) id: String,
    native: bool,
}

impl Client {
    pub(crate) fn is_native(&self) -> bool {
        self.native
    }

    pub(crate) async fn emit(&mut self, event: &str, data: Value) {
        let text = if self.native {
            json!({"event": event, "data": data}).to_string()
        } else {
            format!("42{}", json!([event, data]))
        };
        self.ws.send(&text).await;
    }

    /// Emits an event and returns its acknowledgement, skipping the events that come before.
    pub(crate) async fn ask(&mut self, event: &str, data: Value) -> Value {
        let text = if self.native {
            json!({"event": event, "data": data, "id": 1}).to_string()
        } else {
            format!("421{}", json!([event, data]))
        };
        self.ws.send(&text).await;
        loop {
            let mut next = self.next().await;
            if next["event"].is_null() {
                assert_eq!(next["id"], 1);
                return next["data"].take();
            }
        }
    }

    /// The next event or acknowledgement.
    pub(crate) async fn next(&mut self) -> Value {
        let text = self.ws.text().await;
        if self.native {
            return serde_json::from_str(&text).unwrap();
        }
        if let Some(event) = text.strip_prefix("42") {
            let event: Value = serde_json::from_str(event).unwrap();
            return json!({"event": event[0], "data": event[1]});
        }
        let answer = text.strip_prefix("431").unwrap_or_else(|| panic!("{text}"));
        let answer: Value = serde_json::from_str(answer).unwrap();
        json!({"id": 1, "data": answer[0]})
    }

    /// The data of the next event, which must have this name.
    pub(crate) async fn heard(&mut self, event: &str) -> Value {
        let mut next = self.next().await;
        assert_eq!(next["event"], event, "{next}");
        next["data"].take()
    }
}
