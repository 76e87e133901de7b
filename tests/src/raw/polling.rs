//! A client of Engine.IO over polling.

use std::net::SocketAddr;

use super::{Request, Response, Running, WebSocket, until};

/// A polling client.
#[derive(Clone, Debug)]
pub struct Polling {
    addr: SocketAddr,
    /// The content of the open packet.
    pub open: serde_json::Value,
    /// The response to the handshake.
    pub response: Response,
    /// The target of all further requests.
    pub target: String,
}

impl Polling {
    /// Opens a session.
    pub async fn open(addr: SocketAddr, target: &str) -> Self {
        let response = Request::new("GET", target).send(addr).await;
        let text = response.text().to_owned();
        let first =
            text.split('\u{1e}').next().and_then(|packet| packet.strip_prefix('0')).expect("an open packet");
        let open: serde_json::Value = serde_json::from_str(first).expect("JSON");
        let target = format!("{target}&sid={}", open["sid"].as_str().expect("a sid"));
        Self { addr, open, response, target }
    }

    /// A client of a session that the test opened itself.
    pub fn from_parts(addr: SocketAddr, open: serde_json::Value, response: Response, target: String) -> Self {
        Self { addr, open, response, target }
    }

    /// The session's id.
    pub fn sid(&self) -> &str {
        self.open["sid"].as_str().unwrap_or_default()
    }

    /// Polls for packets, and returns the whole response.
    pub async fn get(&self) -> Response {
        Request::new("GET", &self.target).send(self.addr).await
    }

    /// Polls for packets.
    pub async fn poll(&self) -> String {
        let response = self.get().await;
        assert_eq!(response.status, 200, "{response:?}");
        response.text().to_owned()
    }

    /// Begins a GET and leaves it waiting at the server.
    pub async fn park(&self, running: &Running) -> tokio::task::JoinHandle<Response> {
        let this = self.clone();
        let parked = tokio::spawn(async move { this.get().await });
        // The session's own counters do not show a waiting GET; a volatile message is taken only when one
        // waits.
        let session = running.server.session(self.sid()).expect("it is open");
        until(async || session.can_send_now()).await;
        parked
    }

    /// Sends packets.
    pub async fn post(&self, body: impl AsRef<[u8]>) -> Response {
        Request::new("POST", &self.target).body(body).send(self.addr).await
    }

    /// Opens a WebSocket with the session's id.
    pub async fn probe(&self) -> Result<WebSocket, u16> {
        WebSocket::open(self.addr, &self.target.replace("transport=polling", "transport=websocket")).await
    }

    /// Moves the session to a WebSocket.
    pub async fn upgrade(&self) -> WebSocket {
        let mut ws = self.probe().await.expect("accepted");
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
        ws.send("5").await;
        ws
    }
}
