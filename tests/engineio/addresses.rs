//! Limits per client address.

use engineio::{AddressLimit, Server};
use tests::raw::{WebSocket, soon, start, until};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const TARGET: &str = "/engine.io/?EIO=4&transport=polling";

/// Waits until this number of connections of an address is counted.
async fn has(limit: &AddressLimit, number: usize) {
    until(async || limit.now([127, 0, 0, 1].into()) == number).await;
}

#[tokio::test]
async fn sessions_of_an_address_are_counted_from_the_handshake_on() {
    let limit = AddressLimit::new(2).exempt(|_| false);
    let mut running = start(Server::builder().max_sessions_per_address(limit.clone())).await;
    running.polling().await;
    let first = running.opened().await;
    let mut ws = running.websocket().await;
    running.opened().await;
    let refused = running.get(TARGET).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("10")));
    assert_eq!(WebSocket::open(running.addr, "/engine.io/?EIO=4&transport=websocket").await.err(), Some(429));
    assert_eq!((limit.now([127, 0, 0, 1].into()), running.server.stats().sessions), (2, 2));
    first.abort();
    has(&limit, 1).await;
    running.polling().await;
    ws.close().await;
    has(&limit, 1).await;
}

#[tokio::test]
async fn sessions_refused_for_other_reasons_are_not_counted() {
    let limit = AddressLimit::new(2).exempt(|_| false);
    let builder = Server::builder().max_sessions_per_address(limit.clone());
    let running = start(builder.generate_id(|_| async { Err::<engineio::Sid, _>("none") })).await;
    for _ in 0..3 {
        assert_eq!(running.get(TARGET).await.status, 400);
    }
    has(&limit, 0).await;
}

#[tokio::test]
async fn serve_limits_its_connections() {
    let limit = AddressLimit::new(1).exempt(|_| false);
    for builder in
        [Server::builder().max_connections(1), Server::builder().max_connections_per_address(limit)]
    {
        let running = start(builder).await;
        let idle = TcpStream::connect(running.addr).await.unwrap();
        until(async || running.server.stats().connections > 0).await;
        let mut refused = TcpStream::connect(running.addr).await.unwrap();
        assert_eq!(soon(refused.read(&mut [0])).await.unwrap_or(0), 0, "closed at once");
        drop(idle);
        until(async || running.server.stats().connections == 0).await;
        assert_eq!(running.get(TARGET).await.status, 200);
    }
}
