//! `sio doctor` against servers and broken servers.

use std::net::SocketAddr;
use std::time::Duration;

use engineio::Cors;
use socketio_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{diagnosis, serve, sio, start, start_on, text};

/// Peer that sends the response of `respond` to each request. Requests without a response are forwarded to
/// the server `upstream`, or hang if there is none.
async fn peer(
    upstream: Option<SocketAddr>,
    respond: impl Fn(&str) -> Option<&'static str> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let respond = respond.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                match (respond(text(&head)), upstream) {
                    (Some(response), _) => {
                        let _ = stream.write_all(response.as_bytes()).await;
                    }
                    (None, Some(upstream)) => {
                        let mut upstream = TcpStream::connect(upstream).await.unwrap();
                        upstream.write_all(&head).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
                    }
                    (None, None) => std::future::pending().await,
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn the_doctor_reports_no_problem_of_a_healthy_server() {
    let io = Server::builder()
        .ping_interval(Duration::from_millis(50))
        .engine(|engine| engine.cors(Cors::origin("https://a.example").unwrap().credentials(true)))
        .build()
        .unwrap();
    io.of("/");
    let url = format!("http://{}", serve(io).await);
    let usual = ["polling", "websocket", "upgrade", "namespace", "buffering"];
    let all = ["polling", "websocket", "upgrade", "cors", "namespace", "buffering", "idle", "idle"];
    let flags = ["--origin", "https://a.example", "--idle", "0.2"];
    for (flags, expected) in [
        (&[][..], &usual[..]),
        (&flags, &all),
        (&["--transport", "websocket"], &["websocket", "namespace"]),
        (&["--transport", "polling"], &["polling", "namespace"]),
        (&["--transport", "websocket,polling"], &usual),
    ] {
        let output = sio(&[&["doctor", &url], flags].concat(), "").await;
        assert!(output.status.success(), "{}", text(&output.stdout));
        let steps: Vec<_> =
            text(&output.stdout).lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(steps, expected);
    }
}

#[tokio::test]
async fn the_doctor_explains_problems_of_a_server() {
    use engineio::Transport::{Polling, WebSocket};
    let addr = start().await;
    let unreachable = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let polling = start_on(&[Polling]).await;
    let websocket = start_on(&[WebSocket]).await;
    for (url, flags, sentence) in [
        (format!("http://{unreachable}"), &[][..], "the server cannot be reached"),
        (
            format!("http://{addr}"),
            &["--path", "/elsewhere/"],
            "status 404: there is no endpoint at this path",
        ),
        (format!("http://{addr}/nowhere"), &[], "the server has no namespace /nowhere"),
        (format!("http://{addr}/no"), &[], "a middleware of /no refused the client: credentials missing"),
        (format!("https://{addr}"), &[], "TLS failed"),
        (format!("http://{addr}"), &["--v2"], "the server does not support this protocol version"),
        (format!("http://{addr}"), &["--msgpack"], "the server uses another parser than Msgpack"),
        (
            format!("http://{addr}"),
            &["--origin", "https://a.example"],
            "the header Access-Control-Allow-Origin is missing",
        ),
        (format!("http://{polling}"), &[], "the server does not allow the transport websocket"),
        (format!("http://{polling}"), &[], "the server does not offer WebSocket"),
        (format!("http://{websocket}"), &[], "the server does not allow the transport polling"),
    ] {
        let found = diagnosis(&url, flags).await;
        assert!(found.contains(sentence), "{url} {flags:?}: {found}");
    }
}

#[tokio::test]
async fn the_doctor_explains_problems_of_the_network_path() {
    const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const REDIRECT: &str =
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>";
    const UNSUPPORTED: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 51\r\nConnection: close\r\n\r\n{\"code\":5,\"message\":\"Unsupported protocol version\"}\n";
    const NO_UPGRADE: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 34\r\nConnection: close\r\n\r\n{\"code\":3,\"message\":\"Bad request\"}";
    const SSH: &str = "SSH-2.0-OpenSSH_9.2\r\n";
    let server = start().await;
    let all = |response: &'static str| peer(None, move |_| Some(response));
    let without_websocket =
        peer(Some(server), |head| head.contains("transport=websocket").then_some(BAD_GATEWAY)).await;
    let without_upgrade = peer(Some(server), |head| {
        (head.contains("transport=websocket") && head.contains("sid=")).then_some(BAD_GATEWAY)
    })
    .await;
    for (addr, sentence) in [
        (all(BAD_GATEWAY).await, "status 502: a proxy responds, but cannot reach the server"),
        (all(FORBIDDEN).await, "status 403: the server refuses the request"),
        (all(REDIRECT).await, "status 301: the server redirects, usually to https"),
        (all(PAGE).await, "the response is not one of an Engine.IO v4 server"),
        (all(UNSUPPORTED).await, "the server does not support this protocol version"),
        (all(SSH).await, "the response is not valid HTTP"),
        (peer(None, |_| None).await, "the connection was accepted, but no response arrived within 2s"),
        (
            without_websocket,
            "status 502: a proxy responds, but cannot reach the server behind it over websocket",
        ),
        (
            peer(Some(server), |head| head.contains("transport=websocket").then_some(NO_UPGRADE)).await,
            "status 400 (Bad request): the server received no WebSocket request: a proxy does not forward",
        ),
        (without_upgrade, "the server offers WebSocket, but the upgrade failed"),
    ] {
        let found = diagnosis(&format!("http://{addr}"), &[]).await;
        assert!(found.contains(sentence), "{sentence}: {found}");
    }
}
