//! Clients of protocol revision 3, and JSONP.

use engineio::{CloseReason, Fault, Message, Protocol, Server, SlowConsumer};
use tests::raw::{Polling, Request, Running, WebSocket, start_echo};

async fn start() -> Running {
    start_echo(Server::builder().allow_eio3(true)).await
}

pub(crate) async fn open(running: &Running, extra: &str) -> Polling {
    // Revision 3 frames the open packet too; the shared client expects it without a frame.
    let target = format!("/engine.io/?EIO=3&transport=polling{extra}");
    let response = running.get(&target).await;
    let text = response.text().to_owned();
    let (len, packet) = text.split_once(':').expect("a length");
    assert_eq!(len.parse::<usize>().unwrap(), packet.len());
    let open: serde_json::Value = serde_json::from_str(&packet[1..]).unwrap();
    let target = format!("{target}&sid={}", open["sid"].as_str().unwrap());
    Polling::from_parts(running.addr, open, response, target)
}

/// Text payloads count UTF-16 units, and the client pings.
#[tokio::test]
async fn polling_works_in_revision_3() {
    let mut running = start().await;
    let client = open(&running, "").await;
    assert_eq!(running.opened().await.protocol(), Protocol::V3);
    assert_eq!(client.post("3:4h€2:4i").await.both(), (200, "ok"));
    assert_eq!(client.poll().await, "3:4h€2:4i");
    assert_eq!(client.post("1:2").await.both(), (200, "ok"));
    assert_eq!(client.poll().await, "1:3");
    assert_eq!(client.post("1:3").await.status, 200);
    let fault = Fault::InvalidHeartbeatDirection;
    assert_eq!(running.closed().await, CloseReason::TransportError(fault));
}

/// The client chooses the number and size of its pings; pongs that it does not read count towards the limit
/// of messages.
#[tokio::test]
async fn unread_pongs_are_bounded() {
    let builder = Server::builder().allow_eio3(true).max_buffered(1000, SlowConsumer::Disconnect);
    let mut running = start_echo(builder).await;
    let client = open(&running, "").await;
    let ping = format!("601:2{}", "x".repeat(600));
    assert_eq!(client.post(ping.repeat(2)).await.both(), (200, "ok"));
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::SlowConsumer));
}

/// Binary payloads in both directions, or base64 for a client that requests it.
#[tokio::test]
async fn polling_supports_binary_in_revision_3() {
    let mut running = start().await;
    let client = open(&running, "").await;
    let body = b"\x01\x03\xff\x04\x01\x02";
    let request =
        Request::new("POST", &client.target).header("content-type", "application/octet-stream").body(body);
    assert_eq!(request.send(running.addr).await.both(), (200, "ok"));
    assert_eq!(running.message().await, Message::from(vec![1, 2]));
    let answer = client.get().await;
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.body, body);

    let client = open(&running, "&b64=1").await;
    assert_eq!(client.post("6:b4AQI=").await.status, 200);
    assert_eq!(client.poll().await, "6:b4AQI=");
}

/// The packet type precedes binary data.
#[tokio::test]
async fn websocket_works_in_revision_3() {
    let running = start().await;
    let mut ws = WebSocket::open(running.addr, "/engine.io/?EIO=3&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    ws.send_binary(&[4, 1, 2, 3]).await;
    assert_eq!(ws.binary().await, [4, 1, 2, 3]);
    ws.send("2").await;
    assert_eq!(ws.text().await, "3");
}

/// A missing revision counts as revision 3.
#[tokio::test]
async fn a_missing_revision_is_revision_3() {
    let mut running = start().await;
    running.get("/engine.io/?transport=polling").await;
    assert_eq!(running.opened().await.protocol(), Protocol::V3);
}

/// The upgrade is the same in both revisions.
#[tokio::test]
async fn a_revision_3_session_upgrades() {
    let running = start().await;
    let client = open(&running, "").await;
    let mut ws = client.upgrade().await;
    ws.send_binary(&[4, 9]).await;
    assert_eq!(ws.binary().await, [4, 9]);
}

/// The times are those of `engineio::session::tests`.
#[tokio::test]
async fn a_silent_revision_3_client_times_out() {
    let short = std::time::Duration::from_millis(20);
    let builder = Server::builder().allow_eio3(true).ping_interval(short).ping_timeout(short);
    let mut running = start_echo(builder).await;
    let mut ws = WebSocket::open(running.addr, "/engine.io/?EIO=3&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    assert_eq!(ws.closed().await, None, "without a ping from the server");
    assert_eq!(running.closed().await, CloseReason::PingTimeout);
}

/// A client without binary support gets base64 on WebSocket too, and may send it.
#[tokio::test]
async fn base64_is_supported_over_websocket() {
    let running = start().await;
    let mut ws = WebSocket::open(running.addr, "/engine.io/?EIO=4&transport=websocket&b64=1").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.send("bAQIDBA==").await;
    assert_eq!(ws.text().await, "bAQIDBA==");
}

/// JSONP: the response is a script, the request is a form.
#[tokio::test]
async fn jsonp_wraps_payloads() {
    let mut running = start_echo(Server::builder().jsonp(true)).await;
    let opened = running.get("/engine.io/?EIO=4&transport=polling&j=0").await;
    assert_eq!(opened.header("content-type"), Some("text/javascript; charset=UTF-8"));
    assert_eq!(opened.header("x-content-type-options"), Some("nosniff"));
    let sid = running.opened().await.id().as_str().to_owned();
    assert!(opened.text().starts_with("___eio[0](\"0{\\\"sid"), "{}", opened.text());
    let target = format!("/engine.io/?EIO=4&transport=polling&j=1&sid={sid}");
    let form = Request::new("POST", &target).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.body("d=4a%E2%80%A8%22b%22").send(running.addr).await.both(), (200, "ok"));
    assert_eq!(running.message().await, Message::from("a\u{2028}\"b\""));
    assert_eq!(running.get(&target).await.text(), "___eio[1](\"4a\\u2028\\\"b\\\"\");");
}
