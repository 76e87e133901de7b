//! The memory of incomplete data from clients, limited for all of them together.

use engineio::{CloseReason, Fault, Server};
use tests::raw::{Request, Response, Running, start, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Waits until the server counts this many received bytes.
async fn received(running: &Running, is: impl Fn(usize) -> bool) {
    until(async || is(running.server.stats().received_bytes)).await;
}

/// Clients that begin large messages and do not finish them hold at most the budget. Small messages of other
/// clients arrive, and everything is released with the sessions.
#[tokio::test]
async fn incomplete_messages_stay_within_the_server_budget() {
    let mut running = start(Server::builder().max_received_bytes(1_000_000)).await;
    let mut holder = running.websocket().await;
    running.opened().await;
    // The buffer of an incomplete message has up to twice its size.
    holder.send_incomplete(vec![0; 300_000]).await;
    received(&running, |bytes| bytes >= 300_000).await;
    let mut refused = running.websocket().await;
    running.opened().await;
    refused.send_incomplete(vec![0; 800_000]).await;
    assert_eq!(refused.closed().await, Some(1013), "try again later");
    assert_eq!(running.closed().await, CloseReason::TransportError(Fault::ServerFull));
    assert!((300_000..=750_000).contains(&running.server.stats().received_bytes));

    let mut other = running.websocket().await;
    running.opened().await;
    other.send("4small").await;
    assert_eq!(running.message().await, "small".into());
    holder.cut();
    running.closed().await;
    received(&running, |bytes| bytes == 0).await;
}

/// The body of a POST counts while it arrives and until the session has handled it.
#[tokio::test]
async fn bodies_stay_within_the_server_budget() {
    let mut running = start(Server::builder().max_received_bytes(1_000_000)).await;
    let holder = running.polling().await;
    running.opened().await;
    let whole = Request::new("POST", &holder.target).body(format!("4{}", "x".repeat(700_000))).bytes();
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    let (first, rest) = whole.split_at(whole.len() - 1);
    stream.write_all(first).await.unwrap();
    received(&running, |bytes| bytes >= 690_000).await;

    let refused = running.polling().await;
    running.opened().await;
    let response = refused.post(format!("4{}", "x".repeat(500_000))).await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    assert_eq!(refused.post("4small").await.status, 200);
    assert_eq!(running.message().await, "small".into());

    stream.write_all(rest).await.unwrap();
    assert_eq!(Response::read_one(&mut stream).await.status, 200);
    assert_eq!(running.message().await, "x".repeat(700_000).into());
    received(&running, |bytes| bytes == 0).await;
}
