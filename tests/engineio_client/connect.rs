//! Opening of client sessions, and failures to open.

use std::sync::{Arc, Mutex};

use engineio::client::{Client, Closed, HttpError, OpenError, Proxies, TransportError};
use engineio::{Server, Transport};
use http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use tests::raw::{soon, start, start_echo, start_greeting};

use crate::support::{builder, closed, connect, connect_on, message};

/// EIO-CLI-011
#[tokio::test]
async fn the_revision_is_a_number() {
    assert_eq!(engineio::PROTOCOL, 4);
}

/// EIO-CLI-066, EIO-CLI-067
#[tokio::test]
async fn a_client_connects_and_receives_messages() {
    let running = start_greeting(Server::builder(), |session| session.send("hi").unwrap()).await;
    let mut client = connect(running.addr).await;
    assert_eq!(message(&mut client).await, "hi".into());
    let mut client = connect_on(running.addr, Transport::WebSocket).await;
    assert_eq!(client.transport(), Transport::WebSocket);
    assert_eq!(message(&mut client).await, "hi".into());
}

#[tokio::test]
async fn the_client_has_the_session_id_of_the_server() {
    let mut running = start(Server::builder()).await;
    let client = connect(running.addr).await;
    assert_eq!(client.sid(), running.opened().await.id());
}

/// EIO-CLI-028
#[tokio::test]
async fn no_transports_is_an_error() {
    let running = start(Server::builder()).await;
    let error = builder(running.addr).transports([]).connect().await.unwrap_err();
    assert!(matches!(error, OpenError::NoTransports));
    assert_eq!(error.to_string(), "No transports available");
}

/// EIO-CLI-029, EIO-CLI-030
#[tokio::test]
async fn all_transports_are_tried_if_configured() {
    for (offered, first) in
        [(Transport::Polling, Transport::WebSocket), (Transport::WebSocket, Transport::Polling)]
    {
        let running = start_echo(Server::builder().transports([offered])).await;
        let all = builder(running.addr).transports([first, offered]).try_all_transports(true);
        let mut client = soon(all.connect()).await.unwrap();
        assert_eq!(client.transport(), offered);
        client.sender().send("there?").unwrap();
        assert_eq!(message(&mut client).await, "there?".into());
    }
}

/// EIO-CLI-031, EIO-SRV-092
#[tokio::test]
async fn only_the_first_transport_is_tried_by_default() {
    let running = start(Server::builder().transports([Transport::WebSocket])).await;
    let error = builder(running.addr).connect().await.unwrap_err();
    let OpenError::Transport(error) = error else { panic!("{error}") };
    assert_eq!(error.as_str(), "xhr poll error");
    assert!(error.to_string().starts_with("400 Bad Request: {"), "{error}");
    assert_eq!(error.transport(), Some(Transport::Polling));
    assert_eq!(error.status(), Some(http::StatusCode::BAD_REQUEST));
}

/// EIO-CLI-038, EIO-CLI-039
#[tokio::test]
async fn a_refusal_contains_the_reason_of_the_server() {
    let running = start(Server::builder()).await;
    let unknown = builder(running.addr).query("sid", "abc");
    let Err(OpenError::Transport(TransportError::Poll(HttpError::Status { status, body }))) =
        unknown.connect().await
    else {
        panic!("not refused");
    };
    assert_eq!(status, 400);
    assert_eq!(body.as_deref(), Some(r#"{"code":1,"message":"Session ID unknown"}"#));

    let error = unknown.transports([Transport::WebSocket]).connect().await.unwrap_err();
    assert!(error.to_string().starts_with("400 Bad Request"), "{error}");
    let OpenError::Transport(error) = error else { panic!("{error}") };
    assert_eq!(error.as_str(), "websocket error");
    assert_eq!(error.status(), Some(http::StatusCode::BAD_REQUEST));
}

/// EIO-SRV-093
#[tokio::test]
async fn a_server_that_cannot_be_reached_is_an_error() {
    let addr = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for transport in [Transport::Polling, Transport::WebSocket] {
        let error = builder(addr).transports([transport]).connect().await.unwrap_err();
        let OpenError::Transport(error) = error else { panic!("{error}") };
        assert!(matches!(
            error,
            TransportError::Poll(HttpError::Connect(_)) | TransportError::WebSocket(HttpError::Connect(_))
        ));
        let unknown = Client::builder("http://no-such-host.invalid").unwrap().proxy(Proxies::None);
        let error = soon(unknown.transports([transport]).connect()).await.unwrap_err();
        assert!(matches!(error, OpenError::Transport(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_dropped_connect_leaves_no_state() {
    let running = start(Server::builder()).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        // Each poll of the connection may be the last one.
        for polls in 0..12 {
            let builder = builder(running.addr).transports([transport]);
            let mut connecting = Box::pin(builder.connect());
            for _ in 0..polls {
                tokio::select! {
                    biased;
                    _ = &mut connecting => break,
                    () = tokio::task::yield_now() => {}
                }
            }
        }
    }
    for session in running.server.sessions() {
        session.abort();
    }
    running.emptied().await;
}

/// EIO-CLI-006, EIO-CLI-007
#[tokio::test]
async fn cookies_are_sent_back_unless_disabled() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let server = Server::builder().on_headers(move |request, headers| {
        record.lock().unwrap().push(request.headers.get(COOKIE).cloned());
        for cookie in [
            "1=1; Path=/",
            "2=2; Path=/; Max-Age=1000",
            "3=3; Path=/; Max-Age=0",
            "4=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ] {
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
    });
    let running = start_echo(server).await;
    for (wanted, expected) in [(true, Some("1=1; 2=2")), (false, None)] {
        seen.lock().unwrap().clear();
        let builder = builder(running.addr).configure(|config| config.cookies = wanted);
        let mut client = soon(builder.transports([Transport::Polling]).connect()).await.unwrap();
        client.sender().send("x").unwrap();
        message(&mut client).await;
        let seen = seen.lock().unwrap();
        assert!(seen.len() >= 3, "{seen:?}");
        assert_eq!(seen[0], None);
        assert!(seen[1..].iter().all(|cookie| cookie.as_ref().map(|c| c.to_str().unwrap()) == expected));
    }
}

#[tokio::test]
async fn headers_and_parameters_reach_the_server() {
    let mut running = start(Server::builder()).await;
    for transport in [Transport::Polling, Transport::WebSocket] {
        let builder = builder(running.addr)
            .transports([transport])
            .header(HeaderName::from_static("x-token"), HeaderValue::from_static("abc"))
            .query("room", "a b&c");
        let _client = soon(builder.connect()).await.unwrap();
        let session = running.opened().await;
        assert!(session.request().headers().any(|header| header == ("x-token", b"abc".as_slice())));
        assert_eq!(session.request().query().get("room"), Some("a b&c"));
    }
}

/// EIO-CLI-041, EIO-CLI-042
#[tokio::test]
async fn a_successful_upgrade_is_remembered_if_configured() {
    for remember in [true, false] {
        let running = start(Server::builder()).await;
        let builder = builder(running.addr).remember_upgrade(remember);
        let mut client = soon(builder.connect()).await.unwrap();
        assert_eq!(client.transport(), Transport::Polling);
        crate::support::upgraded(&mut client).await;
        let next = soon(builder.connect()).await.unwrap();
        let expected = if remember { Transport::WebSocket } else { Transport::Polling };
        assert_eq!(next.transport(), expected);
    }
}

#[tokio::test]
async fn a_close_by_the_server_is_a_transport_close() {
    for transport in [Transport::Polling, Transport::WebSocket] {
        let mut running = start(Server::builder()).await;
        let mut client = connect_on(running.addr, transport).await;
        running.opened().await.close();
        let closed = closed(&mut client).await;
        assert!(matches!(closed, Closed::TransportClose(_)), "{closed:?}");
        assert_eq!(closed.to_string(), "transport close");
        assert!(client.sender().send("late").is_err());
    }
}

#[test]
fn an_invalid_url_is_an_error() {
    assert!(Client::builder("ftp://localhost").is_err());
}
