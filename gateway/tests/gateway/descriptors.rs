//! The program after its file descriptors have run out.

use std::collections::BTreeSet;

use tests::raw::{Request, WebSocket, until};

use crate::cli::{Served, serve_with_descriptors};

const KEY: &str = "a key of an operator";
const TARGET: &str = "/socket.io/?EIO=4&transport=websocket";

async fn status(served: &Served, target: &str) -> u16 {
    Request::new("GET", target).header("x-api-key", KEY).send(served.addr).await.status
}

/// Opens sessions until one is refused.
async fn exhaust(served: &Served) -> (Vec<WebSocket>, u16) {
    let mut clients = Vec::new();
    loop {
        match WebSocket::open(served.addr, TARGET).await {
            Ok(client) => clients.push(client),
            Err(status) => return (clients, status),
        }
        assert!(clients.len() < 100, "the limit is not in force");
    }
}

#[tokio::test]
async fn health_is_answered_when_file_descriptors_have_run_out() {
    let served = serve_with_descriptors(100, &["--set", &format!("api.keys={KEY}")]).await;
    assert_eq!(status(&served, "/health").await, 200);
    let (mut clients, refused) = exhaust(&served).await;
    assert_eq!(refused, 503);
    assert!(clients.len() > 20, "{}", clients.len());
    served.said("file descriptors have run out: new clients are refused").await;

    // Health checks are answered repeatedly, and simultaneously.
    for _ in 0..20 {
        let health = Request::new("GET", "/health").send(served.addr).await;
        assert_eq!((health.status, health.text()), (503, r#"{"status":"out_of_descriptors"}"#));
        assert_eq!(status(&served, "/health/live").await, 200);
    }
    let asked = std::array::from_fn::<_, 8, _>(|_| status(&served, "/health/live"));
    let statuses: BTreeSet<u16> = futures_util::future::join_all(asked).await.into_iter().collect();
    assert_eq!(statuses, [200].into());
    let metrics = Request::new("GET", "/metrics").header("x-api-key", KEY).send(served.addr).await;
    assert!(metrics.text().contains("\ngateway_file_descriptors_exhausted 1\n"), "{}", metrics.text());
    assert!(
        metrics.text().contains("\ngateway_limit_exceeded_total{limit=\"descriptors\"} "),
        "{}",
        metrics.text()
    );
    let other = Request::new("GET", "/info").send(served.addr).await;
    assert_eq!((other.status, other.header("retry-after")), (503, Some("5")));
    // Connected clients are not affected.
    for client in &mut clients {
        assert!(client.text().await.starts_with("0{"));
        client.send("40").await;
        assert!(client.text().await.starts_with("40{"));
    }

    let kept = clients.split_off(clients.len() / 2);
    drop(clients);
    served.said("file descriptors are available again").await;
    until(async || status(&served, "/health").await == 200).await;
    let mut client = WebSocket::open(served.addr, TARGET).await.unwrap();
    assert!(client.text().await.starts_with("0{"));
    assert_eq!(status(&served, "/info").await, 200);
    drop(kept);
}

/// Silent connections hold the reserve for two seconds at most.
#[tokio::test]
async fn silent_clients_do_not_keep_the_reserve() {
    let served = serve_with_descriptors(64, &[]).await;
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(tokio::net::TcpStream::connect(served.addr).await.unwrap());
    }
    served.said("file descriptors have run out: new clients are refused").await;
    assert_eq!(status(&served, "/health/live").await, 200);
}
