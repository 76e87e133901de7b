//! Limits of a server: informational responses and cookies.

use engineio::Transport;
use engineio::client::{Event, HttpError, OpenError, Proxies, TransportError, UpgradeError};
use tests::raw::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::{builder, head, ok, peer};

const OPEN: &str =
    r#"0{"sid":"abc","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":25000,"maxPayload":1000}"#;

/// The error of a connection whose response has this many informational responses in front.
async fn refused(transport: Transport, informational: usize, answer: &str) -> Option<TransportError> {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n".repeat(informational) + answer;
    let addr = peer(move |_| answer.clone()).await;
    match soon(builder(addr).transports([transport]).connect()).await {
        Ok(_) => None,
        Err(OpenError::Transport(error)) => Some(error),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn informational_responses_are_limited() {
    let open = ok(OPEN);
    assert!(refused(Transport::Polling, 8, &open).await.is_none());
    let error = refused(Transport::Polling, 9, &open).await;
    assert!(matches!(error, Some(TransportError::Poll(HttpError::TooManyInformational))), "{error:?}");

    let refusal = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let error = refused(Transport::WebSocket, 8, refusal).await.unwrap();
    assert_eq!(error.status(), Some(http::StatusCode::BAD_REQUEST));
    let error = refused(Transport::WebSocket, 9, refusal).await;
    assert!(matches!(error, Some(TransportError::WebSocket(HttpError::TooManyInformational))), "{error:?}");
}

/// A server that sends nothing else than informational responses does not keep a client busy.
#[tokio::test]
async fn endless_informational_responses_end_an_attempt() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let builder = builder(listener.local_addr().unwrap()).transports([transport]);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_ok() {}
        });
        assert!(soon(builder.connect()).await.is_err());
        soon(server).await.unwrap();
    }
}

/// A proxy and the server behind it. It passes the heads of the POSTs on.
async fn proxy_with_cookies() -> (Proxies, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (posts, heads) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_with_cookies(stream, posts.clone()));
        }
    });
    (Proxies::fixed(&addr.to_string()).unwrap(), heads)
}

async fn answer_with_cookies(mut stream: TcpStream, posts: mpsc::UnboundedSender<String>) {
    loop {
        let request = head(&mut stream).await;
        let answer = if request.starts_with("CONNECT ") {
            "HTTP/1.1 200 Connection established\r\nSet-Cookie: proxy=1\r\n\r\n".to_owned()
        } else if request.contains("transport=websocket") {
            "HTTP/1.1 502 Bad Gateway\r\nSet-Cookie: refusal=1\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else if request.starts_with("POST ") {
            // The body is one packet: `4hello`.
            stream.read_exact(&mut [0; 6]).await.unwrap();
            let _ = posts.send(request);
            ok("ok")
        } else if request.contains("sid=") || request.is_empty() {
            // The GET waits until the client disconnects.
            let _ = stream.read_u8().await;
            return;
        } else {
            ok(OPEN).replacen("\r\n", "\r\nSet-Cookie: server=1\r\n", 1)
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The cookies of responses that a client accepts are the server's. Those of a proxy's tunnel and of
/// refusals, which a proxy may have sent, are not stored.
#[tokio::test]
async fn only_cookies_of_accepted_responses_are_stored() {
    let (proxy, mut posts) = proxy_with_cookies().await;
    let builder = engineio::client::Client::builder("http://server.invalid").unwrap().proxy(proxy);
    let mut client = soon(builder.connect()).await.unwrap();
    let event = soon(client.recv()).await.unwrap();
    assert!(matches!(event, Event::UpgradeFailed(UpgradeError::Transport(_))), "{event:?}");
    client.sender().send("hello").unwrap();
    let driving = tokio::spawn(async move { client.recv().await });
    let post = soon(posts.recv()).await.unwrap().to_ascii_lowercase();
    assert!(post.contains("\r\ncookie: server=1\r\n"), "{post}");
    driving.abort();
}
