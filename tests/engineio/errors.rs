//! Requests that are refused.

use std::sync::{Arc, Mutex};

use engineio::{BadRequest, Cors, RequestError, Server, ServerBuilder};
use tests::raw::{Request, Running, WebSocket, start};

use crate::eio3::open as open_revision_3;

type Errors = Arc<Mutex<Vec<RequestError>>>;

async fn start_watched(builder: ServerBuilder) -> (Running, Errors) {
    let errors = Errors::default();
    let seen = Arc::clone(&errors);
    let running =
        start(builder.on_connection_error(move |_, error| seen.lock().unwrap().push(error.clone()))).await;
    (running, errors)
}

fn refusal(code: u8, message: &str) -> String {
    format!(r#"{{"code":{code},"message":"{message}"}}"#)
}

/// EIO-PROTO-02, EIO-PROTO-03, EIO-PROTO-04, EIO-SRV-008, EIO-SRV-027, EIO-SRV-028, EIO-SRV-029, EIO-SRV-035,
/// EIO-SRV-065, EIO-SRV-066
#[tokio::test]
async fn every_refusal_has_a_code_and_a_context() {
    let transport =
        |name: Option<&str>| RequestError::UnknownTransport { transport: name.map(str::to_owned) };
    let method = |name: &str| RequestError::BadHandshakeMethod { method: name.to_owned() };
    let version = RequestError::UnsupportedProtocolVersion { protocol: 3 };
    let sid = RequestError::UnknownSid { sid: "test".to_owned() };
    for (verb, query, expected) in [
        ("GET", "", transport(None)),
        ("GET", "EIO=4", transport(None)),
        ("GET", "EIO=4&transport=abc", transport(Some("abc"))),
        ("GET", "EIO=4&transport=tobi", transport(Some("tobi"))),
        ("GET", "EIO=4&transport=constructor", transport(Some("constructor"))),
        ("GET", "EIO=4&transport=__proto__", transport(Some("__proto__"))),
        ("GET", "EIO=4&transport=polling&sid=test", sid),
        ("POST", "EIO=4&transport=polling", method("POST")),
        ("PUT", "EIO=4&transport=polling", method("PUT")),
        ("OPTIONS", "EIO=4&transport=polling", method("OPTIONS")),
        ("GET", "transport=polling", version.clone()),
        ("GET", "EIO=abc&transport=polling", version.clone()),
        ("GET", "EIO=3&transport=polling", version),
    ] {
        let (running, errors) = start_watched(Server::builder()).await;
        let response = Request::new(verb, &format!("/engine.io/?{query}")).send(running.addr).await;
        assert_eq!(
            response.both(),
            (400, refusal(expected.code(), &expected.to_string()).as_str()),
            "{verb} {query}"
        );
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(*errors.lock().unwrap(), [expected]);
    }
}

/// EIO-PROTO-06, EIO-PROTO-07, EIO-SRV-036, EIO-SRV-082
#[tokio::test]
async fn a_websocket_is_refused_before_the_101() {
    let (running, errors) = start_watched(Server::builder()).await;
    for query in [
        "",
        "transport=websocket",
        "EIO=abc&transport=websocket",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=4&transport=__proto__",
        "EIO=4&transport=polling",
        "EIO=4&transport=websocket&sid=unknown",
    ] {
        let refused = WebSocket::open(running.addr, &format!("/engine.io/?{query}")).await;
        assert_eq!(refused.err(), Some(400), "{query}");
    }
    let codes: Vec<_> = errors.lock().unwrap().iter().map(RequestError::code).collect();
    assert_eq!(codes, [0, 5, 5, 0, 0, 0, 3, 1]);
    let unknown = RequestError::UnknownTransport { transport: Some("__proto__".to_owned()) };
    assert_eq!(errors.lock().unwrap()[5], unknown);
    let upgrade =
        Request::new("GET", "/engine.io/").header("connection", "Upgrade").header("upgrade", "websocket");
    let response = upgrade.send(running.addr).await;
    assert_eq!(response.both(), (400, "Transport unknown"));
    running.emptied().await;
}

/// EIO-SRV-030, EIO-SRV-031
#[tokio::test]
async fn allow_request_refuses_with_a_reason() {
    for (said, read) in [("Thou shall not pass", "Thou shall not pass"), ("", "Forbidden")] {
        let (running, errors) =
            start_watched(Server::builder().allow_request(move |_| async move { Err(said.to_owned()) }))
                .await;
        let response = running.get("/engine.io/?EIO=4&transport=polling").await;
        assert_eq!(response.both(), (403, refusal(4, read).as_str()));
        let refused = WebSocket::open(running.addr, "/engine.io/?EIO=4&transport=websocket").await;
        assert_eq!(refused.err(), Some(400));
        let expected = RequestError::Forbidden { message: said.to_owned() };
        assert_eq!(expected.to_string(), "Forbidden");
        assert_eq!(*errors.lock().unwrap(), [expected.clone(), expected]);
        assert_eq!(running.server.stats().sessions, 0);
    }
}

/// EIO-SRV-049, EIO-SRV-050
#[tokio::test]
async fn a_failed_id_generation_refuses_the_session() {
    let failing =
        Server::builder().generate_id(|_| async { Err::<engineio::Sid, _>(std::io::Error::other("no id")) });
    let (running, errors) = start_watched(failing).await;
    assert_eq!(
        running.get("/engine.io/?EIO=4&transport=polling").await.both(),
        (400, refusal(3, "Bad request").as_str())
    );
    assert_eq!(WebSocket::open(running.addr, "/engine.io/?EIO=4&transport=websocket").await.err(), Some(400));
    let expected: RequestError = BadRequest::IdGeneration { error: "no id".to_owned() }.into();
    assert_eq!(*errors.lock().unwrap(), [expected.clone(), expected]);
    let RequestError::BadRequest(case) = &errors.lock().unwrap()[0].clone() else { panic!() };
    assert_eq!(case.name(), "ID_GENERATION_ERROR");
}

/// An id that is already in use refuses the new session and does not disturb the existing one.
#[tokio::test]
async fn a_duplicate_id_refuses_the_second_session() {
    let same =
        Server::builder().generate_id(|_| async { Ok::<_, std::io::Error>(engineio::Sid::from("same")) });
    let running = start(same).await;
    let first = running.polling().await;
    assert_eq!(running.get("/engine.io/?EIO=4&transport=polling").await.status, 400);
    assert_eq!(first.post("4x").await.status, 200);
    assert_eq!(running.server.stats().sessions, 1);
}

/// EIO-SRV-060
#[tokio::test]
async fn a_request_with_the_wrong_transport_does_not_affect_the_session() {
    let (running, errors) = start_watched(Server::builder()).await;
    let client = running.polling().await;
    let wrong = client.target.replace("transport=polling", "transport=websocket");
    assert_eq!(running.get(&wrong).await.both(), (400, refusal(3, "Bad request").as_str()));
    let expected = BadRequest::TransportMismatch { transport: "websocket", previous_transport: "polling" };
    assert_eq!(expected.name(), "TRANSPORT_MISMATCH");
    assert_eq!(*errors.lock().unwrap(), [expected.into()]);
    assert_eq!(client.post("4still here").await.both(), (200, "ok"));
}

/// EIO-SRV-063
#[tokio::test]
async fn a_websocket_request_without_upgrade_is_refused_with_cors_headers() {
    let cors = Cors::reflect().credentials(true);
    let (running, errors) = start_watched(Server::builder().cors(cors)).await;
    let request =
        Request::new("GET", "/engine.io/?EIO=4&transport=websocket").header("origin", "http://engine.io");
    let response = request.send(running.addr).await;
    assert_eq!(response.both(), (400, refusal(3, "Bad request").as_str()));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(response.header("access-control-allow-origin"), Some("http://engine.io"));
    assert_eq!(*errors.lock().unwrap(), [BadRequest::TransportHandshake.into()]);
}

/// EIO-SRV-064
#[tokio::test]
async fn an_origin_with_an_illegal_character_is_refused() {
    let (running, errors) = start_watched(Server::builder()).await;
    let request = |origin: &[u8]| {
        Request::new("GET", "/engine.io/?EIO=4&transport=polling").header_bytes("origin", origin)
    };
    let refused = request(b"http://a\x01b").send(running.addr).await;
    assert_eq!(refused.both(), (400, refusal(3, "Bad request").as_str()));
    let expected = BadRequest::InvalidOrigin { origin: "http://a%01b".to_owned() };
    assert_eq!(expected.name(), "INVALID_ORIGIN");
    assert_eq!(std::mem::take(&mut *errors.lock().unwrap()), [expected.into()]);
    assert_eq!(running.server.stats().sessions, 0);
    // Other faults of the head remain a violation of HTTP.
    for other in [request(b"http://a\0b"), request(b"http://a").header_bytes("x-other", b"\x01")] {
        assert_eq!(other.send(running.addr).await.both(), (400, ""));
    }
    assert!(errors.lock().unwrap().is_empty());
    assert_eq!(request(b"http://a").send(running.addr).await.status, 200);
}

/// The revision is fixed at the handshake. A later request without one has revision 3, as at the official
/// server.
#[tokio::test]
async fn a_later_request_cannot_change_the_revision() {
    let (running, errors) = start_watched(Server::builder().allow_eio3(true)).await;
    let client = running.polling().await;
    let mismatch = |protocol: u8, previous_protocol: u8| {
        RequestError::from(BadRequest::ProtocolMismatch { protocol, previous_protocol })
    };
    for changed in [client.target.replace("EIO=4", "EIO=3"), client.target.replace("EIO=4&", "")] {
        for method in ["GET", "POST"] {
            let refused = Request::new(method, &changed).body("4x").send(running.addr).await;
            assert_eq!(refused.both(), (400, refusal(3, "Bad request").as_str()), "{method} {changed}");
        }
        let ws = changed.replace("transport=polling", "transport=websocket");
        assert_eq!(WebSocket::open(running.addr, &ws).await.err(), Some(400));
        assert_eq!(
            std::mem::take(&mut *errors.lock().unwrap()),
            [mismatch(3, 4), mismatch(3, 4), mismatch(3, 4)]
        );
    }
    assert_eq!(client.post("4still here").await.both(), (200, "ok"));
    // A session of revision 3 needs no revision in its requests.
    let old = open_revision_3(&running, "").await;
    let without = old.target.replace("EIO=3&", "");
    let post = |target: &str| Request::new("POST", target).body("2:4x");
    assert_eq!(post(&without).send(running.addr).await.both(), (200, "ok"));
    assert_eq!(post(&old.target.replace("EIO=3", "EIO=4")).send(running.addr).await.status, 400);
    assert_eq!(*errors.lock().unwrap(), [mismatch(4, 3)]);
}

/// HTTP methods that polling does not support.
#[tokio::test]
async fn unsupported_methods_on_a_session_are_refused() {
    let running = start(Server::builder()).await;
    let client = running.polling().await;
    assert_eq!(Request::new("DELETE", &client.target).send(running.addr).await.status, 500);
    assert_eq!(client.post("4x").await.status, 200);
}
