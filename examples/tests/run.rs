//! Each example starts and works as documented.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;

use tests::raw::{Request, WebSocket};
use tokio::process::{Child, Command};

/// A running example, killed on drop.
struct Example {
    addr: SocketAddr,
    _process: Child,
}

async fn run(program: &str) -> Example {
    let (process, url) = tests::served::start(Command::new(program).env("ADDRESS", "127.0.0.1:0")).await;
    Example { addr: url.strip_prefix("http://").unwrap().parse().unwrap(), _process: process }
}

impl Example {
    /// A client in a namespace, connected with these credentials.
    async fn connect(&self, namespace: &str, auth: &str) -> WebSocket {
        let mut ws = self.open("/socket.io/").await;
        let answer = join(&mut ws, namespace, auth).await;
        assert!(answer.contains(r#"{"sid":""#), "{answer}");
        ws
    }

    async fn open(&self, path: &str) -> WebSocket {
        let target = format!("{path}?EIO=4&transport=websocket");
        let mut ws = WebSocket::open(self.addr, &target).await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws
    }
}

async fn join(ws: &mut WebSocket, namespace: &str, auth: &str) -> String {
    let namespace = if namespace == "/" { String::new() } else { format!("{namespace},") };
    ws.send(&format!("40{namespace}{auth}")).await;
    ws.text().await
}

/// Sends an event with the ack id 1 and returns its acknowledgement.
async fn ask(ws: &mut WebSocket, event: &str) -> String {
    ws.send(&format!("421{event}")).await;
    ws.text().await.strip_prefix("431").unwrap().to_owned()
}

#[tokio::test]
async fn rooms() {
    let example = run(env!("CARGO_BIN_EXE_rooms")).await;
    let mut one = example.connect("/", "").await;
    let mut two = example.connect("/", "").await;
    assert!(ask(&mut one, r#"["join","red"]"#).await.ends_with(r#","red"]]"#));
    assert!(ask(&mut one, r#"["join","blue"]"#).await.ends_with(r#","red","blue"]]"#));
    ask(&mut two, r#"["join","red"]"#).await;
    assert_eq!(ask(&mut two, r#"["tell",{"rooms":["red","blue"],"text":"hello"}]"#).await, r#"["told"]"#);
    assert_eq!(one.text().await, r#"42["news","hello"]"#);
    ask(&mut two, r#"["leave","red"]"#).await;
    assert_eq!(ask(&mut two, r#"["members","red"]"#).await.matches('"').count(), 2);
}

#[tokio::test]
async fn acks() {
    let example = run(env!("CARGO_BIN_EXE_acks")).await;
    let mut ws = example.connect("/", "").await;
    assert_eq!(ask(&mut ws, r#"["divide",7,2]"#).await, "[3]");
    assert_eq!(ask(&mut ws, r#"["divide",7,0]"#).await, r#"[{"error":"that cannot be divided"}]"#);
    assert!(ask(&mut ws, r#"["divide","x"]"#).await.starts_with(r#"[{"error":"argument 0"#));
    assert_eq!(ask(&mut ws, r#"["later"]"#).await, r#"["now"]"#);
    ws.send(r#"427["play"]"#).await;
    assert_eq!(ws.text().await, r#"420["guess",10]"#);
    ws.send("430[4]").await;
    assert_eq!(ws.text().await, r#"437["you guessed 4"]"#);
    let mut silent = example.connect("/", "").await;
    ws.send(r#"428["play together"]"#).await;
    assert_eq!(ws.text().await, r#"421["guess",10]"#);
    assert_eq!(silent.text().await, r#"421["guess",10]"#);
    ws.send("431[5]").await;
    assert_eq!(ws.text().await, r#"438[{"guesses":[5],"silent":1}]"#);
}

#[tokio::test]
async fn upload() {
    let example = run(env!("CARGO_BIN_EXE_upload")).await;
    let mut ws = example.connect("/", "").await;
    for (at, data, answer) in
        [(0, "abc", "[3]"), (3, "def", "[6]"), (0, "x", r#"[{"error":"the next byte is 6"}]"#)]
    {
        ws.send(&format!(
            r#"451-1["piece",{{"name":"a","at":{at},"data":{{"_placeholder":true,"num":0}}}}]"#
        ))
        .await;
        ws.send_binary(data.as_bytes()).await;
        assert_eq!(ws.text().await, format!("431{answer}"));
    }
    ws.send(r#"422["download","a"]"#).await;
    assert_eq!(ws.text().await, r#"461-2[{"name":"a","data":{"_placeholder":true,"num":0}}]"#);
    assert_eq!(ws.binary().await, b"abcdef");
    assert_eq!(ask(&mut ws, r#"["download","b"]"#).await, r#"[{"error":"there is no such file"}]"#);
}

#[tokio::test]
async fn token() {
    let example = run(env!("CARGO_BIN_EXE_token")).await;
    let mut ada = example.connect("/", r#"{"token":"ada-secret"}"#).await;
    assert_eq!(ask(&mut ada, r#"["who am I?"]"#).await, r#"["ada"]"#);
    assert_eq!(ask(&mut ada, r#"["admin:stats"]"#).await, "[2]");
    let mut bob = example.connect("/", r#"{"token":"bob-secret"}"#).await;
    assert_eq!(ask(&mut bob, r#"["admin:stats"]"#).await, r#"[{"error":"only for admins"}]"#);
    let mut eve = example.open("/socket.io/").await;
    let refusal = r#"44{"message":"not allowed","data":{"reason":"unknown token"}}"#;
    assert_eq!(join(&mut eve, "/", r#"{"token":"x"}"#).await, refusal);
    assert!(join(&mut eve, "/", "").await.starts_with(r#"44{"message":"auth: "#));
}

#[tokio::test]
async fn tenants() {
    let example = run(env!("CARGO_BIN_EXE_tenants")).await;
    let mut acme = example.connect("/tenant/acme", "").await;
    let mut other = example.connect("/tenant/other", "").await;
    assert_eq!(acme.text().await, r#"42/tenant/acme,["hello","acme"]"#);
    assert_eq!(other.text().await, r#"42/tenant/other,["hello","other"]"#);
    acme.send(r#"42/tenant/acme,["say","not for others"]"#).await;
    acme.send(r#"42/tenant/acme,["shout","for all"]"#).await;
    assert_eq!(acme.text().await, r#"42/tenant/acme,["shouted","for all"]"#);
    assert_eq!(other.text().await, r#"42/tenant/other,["shouted","for all"]"#);
    assert!(join(&mut acme, "/private-1", "").await.contains("Invalid namespace"));
}

#[tokio::test]
async fn recovery() {
    let example = run(env!("CARGO_BIN_EXE_recovery")).await;
    let mut ws = example.open("/socket.io/").await;
    let answer = join(&mut ws, "/", "").await;
    let identity: serde_json::Value = serde_json::from_str(&answer[2..]).unwrap();
    let tick: Vec<serde_json::Value> = serde_json::from_str(&ws.text().await[2..]).unwrap();
    // A close of the transport, which the server notices at once.
    ws.close().await;
    ws.closed().await;
    let mut ws = example.open("/socket.io/").await;
    let auth = serde_json::json!({ "pid": identity["pid"], "offset": tick[2] });
    let mut answer = join(&mut ws, "/", &auth.to_string()).await;
    while !answer.starts_with("40") {
        answer = ws.text().await;
    }
    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer[2..]).unwrap()["sid"], identity["sid"]);
}

#[tokio::test]
async fn in_axum() {
    let example = run(env!("CARGO_BIN_EXE_in_axum")).await;
    let page = Request::new("GET", "/").send(example.addr).await;
    assert_eq!(page.both(), (200, "a page"));
    let mut ws = example.connect("/", "").await;
    assert_eq!(ask(&mut ws, r#"["echo",1]"#).await, "[1]");
    let announced = Request::new("POST", "/announce").body("hello").send(example.addr).await;
    assert_eq!(announced.status, 204);
    assert_eq!(ws.text().await, r#"42["announcement","hello"]"#);
    for path in ["/deep/inside", "/deep/inside/"] {
        let mut nested = example.open(path).await;
        join(&mut nested, "/", "").await;
        assert_eq!(ask(&mut nested, r#"["where"]"#).await, r#"["nested"]"#);
    }
}

#[tokio::test]
async fn in_hyper() {
    let example = run(env!("CARGO_BIN_EXE_in_hyper")).await;
    let page = Request::new("GET", "/").send(example.addr).await;
    assert_eq!(page.both(), (200, "a page"));
    let mut ws = example.connect("/", "").await;
    assert_eq!(ask(&mut ws, r#"["echo",1]"#).await, "[1]");
}
