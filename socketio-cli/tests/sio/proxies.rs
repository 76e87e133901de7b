//! `sio doctor` behind broken proxies.

use std::net::SocketAddr;
use std::time::Duration;

use socketio_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{diagnosis, serve, start};

/// Proxy in front of a server. `relay` gets the head of each request and both connections.
async fn proxy<F>(
    server: SocketAddr,
    relay: impl Fn(String, TcpStream, TcpStream) -> F + Send + 'static,
) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match client.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8(head).unwrap();
            let server = TcpStream::connect(server).await.unwrap();
            tokio::spawn(relay(head, client, server));
        }
    });
    format!("http://{addr}")
}

#[tokio::test]
async fn the_doctor_detects_a_proxy_that_buffers_responses() {
    let url = proxy(start().await, |head, mut client, mut server| async move {
        if head.contains("transport=polling") && head.contains("sid=") && head.starts_with("GET") {
            // The response is held back until the buffer is full, that is forever.
            return std::future::pending().await;
        }
        // One connection per polling request, so that the proxy sees the head of each request.
        let polling = head.contains("transport=polling");
        let end = if polling { "\r\nConnection: close\r\n\r\n" } else { "\r\n\r\n" };
        let head = head.trim_end().to_owned() + end;
        server.write_all(head.as_bytes()).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    })
    .await;
    let found = diagnosis(&url, &[]).await;
    assert!(
        found.contains("WRONG buffering  sessions open over polling, but no response arrived within 2s"),
        "{found}"
    );
}

#[tokio::test]
async fn the_doctor_detects_a_proxy_with_a_short_idle_timeout() {
    let url = proxy(start().await, |head, mut client, mut server| async move {
        server.write_all(head.as_bytes()).await.unwrap();
        let (mut request, mut response) = ([0; 4096], [0; 4096]);
        loop {
            let (read, is_response) = tokio::select! {
                read = client.read(&mut request) => (read, false),
                read = server.read(&mut response) => (read, true),
                () = tokio::time::sleep(Duration::from_secs(1)) => return,
            };
            let Ok(len @ 1..) = read else { return };
            let written = if is_response {
                client.write_all(&response[..len]).await
            } else {
                server.write_all(&request[..len]).await
            };
            if written.is_err() {
                return;
            }
        }
    })
    .await;
    let found = diagnosis(&url, &["--idle", "30"]).await;
    for transport in ["polling", "websocket"] {
        assert!(found.contains(&format!("the connection over {transport} was cut after ")), "{found}");
    }
}

#[tokio::test]
async fn the_doctor_detects_a_heartbeat_that_does_not_arrive() {
    const PING: &[u8] = b"\x81\x012";
    const PONG: &[u8] = b"\x81\x81\0\0\0\x003";
    let io = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(700))
        .build()
        .unwrap();
    io.of("/");
    let url = proxy(serve(io).await, |head, mut client, mut server| async move {
        server.write_all(head.as_bytes()).await.unwrap();
        let (mut request, mut response) = ([0; 4096], [0; 4096]);
        loop {
            let written = tokio::select! {
                read = client.read(&mut request) => match read {
                    Ok(len @ 1..) => server.write_all(&request[..len]).await,
                    _ => return,
                },
                read = server.read(&mut response) => match read {
                    // The proxy answers the ping itself, so that only the client can detect the loss.
                    Ok(len @ 1..) if &response[..len] == PING => server.write_all(PONG).await,
                    Ok(len @ 1..) => client.write_all(&response[..len]).await,
                    _ => return,
                },
            };
            if written.is_err() {
                return;
            }
        }
    })
    .await;
    let found = diagnosis(&url, &["--idle", "5"]).await;
    assert!(found.contains("no heartbeat of the server arrived over websocket within "), "{found}");
}
