//! Middlewares.

use std::sync::{Arc, Mutex};

use engineio::{CloseReason, Fault, Refusal, Server};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tests::raw::{Request, ServerEvent, WebSocket, start};

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

/// EIO-SRV-014, EIO-SRV-015
#[tokio::test]
async fn a_middleware_adds_headers_to_every_response() {
    let builder = Server::builder().middleware(|_| async {
        Ok(HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static("mine"))]))
    });
    let running = start(builder).await;
    assert_eq!(running.get(POLLING).await.header("server"), Some("mine"));
    assert_eq!(WebSocket::open(running.addr, WEBSOCKET).await.unwrap().headers["server"], "mine");
}

/// EIO-SRV-016
#[tokio::test]
async fn middlewares_run_once_and_in_order() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut builder = Server::builder();
    for number in 1..=3 {
        let order = Arc::clone(&order);
        builder = builder.middleware(move |_| {
            order.lock().unwrap().push(number);
            async { Ok(HeaderMap::new()) }
        });
    }
    let running = start(builder).await;
    assert_eq!(running.get(POLLING).await.status, 200);
    assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
}

/// EIO-SRV-017, EIO-SRV-018
#[tokio::test]
async fn a_middleware_can_send_the_response() {
    let builder = Server::builder().middleware(|_| async {
        let mut response = Response::new(engineio::Body::default());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Err(Refusal::Respond(response))
    });
    let running = start(builder).await;
    assert_eq!(running.get(POLLING).await.status, 503);
    assert_eq!(WebSocket::open(running.addr, WEBSOCKET).await.err(), Some(503));
    assert_eq!(running.server.stats().sessions, 0);
}

/// EIO-SRV-023, EIO-SRV-024
#[tokio::test]
async fn a_failing_middleware_refuses_the_request() {
    let builder = Server::builder().middleware(|_| async { Err(std::io::Error::other("no").into()) });
    let running = start(builder).await;
    assert_eq!(running.get(POLLING).await.both(), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(WebSocket::open(running.addr, WEBSOCKET).await.err(), Some(400));
    assert_eq!(running.server.stats().sessions, 0);
}

/// EIO-SRV-025
#[tokio::test]
async fn the_payload_limit_applies_behind_a_middleware() {
    let builder = Server::builder().max_payload(5).middleware(|_| async { Ok(HeaderMap::new()) });
    let mut running = start(builder).await;
    let client = running.polling().await;
    assert_eq!(client.post("4too long").await.both(), (413, ""));
    let ended = running.find(|seen| match seen {
        ServerEvent::Close(reason, _) => Some(reason),
        ServerEvent::Message(_, message) => panic!("{message:?} was delivered"),
        _ => None,
    });
    assert_eq!(ended.await, CloseReason::TransportError(Fault::PayloadTooLarge));
    assert_eq!(client.get().await.status, 400);
}

/// EIO-SRV-167, EIO-SRV-168
#[tokio::test]
async fn header_hooks_receive_the_first_response_and_all_responses() {
    let cookie = |name: &'static str| {
        move |_: &http::request::Parts, headers: &mut HeaderMap| {
            headers.append(http::header::SET_COOKIE, HeaderValue::from_static(name));
        }
    };
    let builder = Server::builder()
        .cookie(engineio::Cookie::new())
        .on_initial_headers(cookie("first=1"))
        .on_headers(cookie("each=1"));
    let running = start(builder).await;
    let client = running.polling().await;
    let cookies = client.response.all("set-cookie");
    assert!(cookies[0].starts_with("io="), "{cookies:?}");
    assert_eq!(cookies[1..], ["first=1", "each=1"]);
    assert_eq!(client.post("4x").await.all("set-cookie"), ["each=1"]);
}

/// EIO-SRV-169, EIO-SRV-170, EIO-SRV-171
#[tokio::test]
async fn header_hooks_receive_websocket_responses() {
    let initial = Arc::new(Mutex::new(0));
    let all = Arc::new(Mutex::new(0));
    let (count_initial, count_all) = (Arc::clone(&initial), Arc::clone(&all));
    let builder = Server::builder()
        .cookie(engineio::Cookie::new())
        .on_initial_headers(move |_, headers| {
            *count_initial.lock().unwrap() += 1;
            headers.append(http::header::SET_COOKIE, HeaderValue::from_static("mycookie=1"));
        })
        .on_headers(move |_, _| *count_all.lock().unwrap() += 1);
    let running = start(builder).await;
    let direct = WebSocket::open(running.addr, WEBSOCKET).await.unwrap();
    let cookies: Vec<_> = direct.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["mycookie=1"], "no session cookie on a WebSocket");
    assert_eq!((*initial.lock().unwrap(), *all.lock().unwrap()), (1, 1));

    let client = running.polling().await;
    client.post("4x").await;
    client.upgrade().await;
    // The handshake, one more polling response, and the 101.
    assert_eq!((*initial.lock().unwrap(), *all.lock().unwrap()), (2, 4));
}

/// A target that is longer than any client sends.
#[tokio::test]
async fn a_target_over_the_limit_is_refused() {
    let running = start(Server::builder()).await;
    let long = format!("{POLLING}&x={}", "y".repeat(9000));
    assert_eq!(Request::new("GET", &long).send(running.addr).await.status, 414);
}

/// A builder with one resource, which returns the requested path, and a middleware that refuses every
/// request.
fn with_resource() -> engineio::ServerBuilder {
    Server::builder()
        .resource(|below, request| {
            let seen = format!("{} {below} {}", request.method, request.uri.query().unwrap_or_default());
            below.starts_with("file").then_some(async {
                let mut response = Response::new(engineio::Body::from(bytes::Bytes::from(seen)));
                response
                    .headers_mut()
                    .insert(http::header::VARY, HeaderValue::from_static("Accept-Encoding"));
                response
            })
        })
        .resource(|below, _| {
            (below == "other").then_some(async { Response::new(engineio::Body::from("second")) })
        })
        .middleware(|_| async { Err(Refusal::Failed) })
}

#[tokio::test]
async fn a_resource_answers_below_the_path() {
    let running = start(with_resource()).await;
    for (target, answer) in [
        ("/engine.io/file", "GET file "),
        ("/engine.io/file/a?EIO=4&transport=polling", "GET file/a EIO=4&transport=polling"),
        ("/engine.io/other", "second"),
    ] {
        assert_eq!(running.get(target).await.both(), (200, answer));
    }
    let posted = Request::new("POST", "/engine.io/file").body("x").send(running.addr).await;
    assert_eq!(posted.both(), (200, "POST file "));
    // A path that the resource does not know reaches the middlewares and Engine.IO.
    assert_eq!(running.get("/engine.io/unknown").await.status, 400);
    assert_eq!(running.get(POLLING).await.both(), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(running.get("/file").await.status, 501, "outside of the path");
}

/// Below a router that removes the prefix, the server sees only the rest of the path.
#[tokio::test]
async fn a_resource_is_found_behind_a_router() {
    use http_body_util::{BodyExt, Empty};
    let server = with_resource().build(|_: &engineio::Session| engineio::handler_fn(|_, _| ())).unwrap();
    for (path, answer) in [("/file", "GET file "), ("/engine.io/file", "GET file ")] {
        let request = http::Request::get(path).body(Empty::<bytes::Bytes>::new()).unwrap();
        let response = server.handle(request).await;
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), answer);
    }
}

#[tokio::test]
async fn a_resource_receives_cors_headers() {
    let running = start(with_resource().cors(engineio::Cors::reflect())).await;
    let request = Request::new("GET", "/engine.io/file").header("origin", "http://a.test");
    let response = request.send(running.addr).await;
    assert_eq!(response.header("access-control-allow-origin"), Some("http://a.test"));
    assert_eq!(response.all("vary"), ["Accept-Encoding", "Origin"]);
    let preflight = Request::new("OPTIONS", "/engine.io/file").header("origin", "http://a.test");
    assert_eq!(preflight.send(running.addr).await.status, 204);
}

#[tokio::test]
async fn a_resource_does_not_receive_websocket_requests() {
    let builder =
        Server::builder().resource(|_, _| Some(async { Response::new(engineio::Body::from("always")) }));
    let running = start(builder).await;
    assert_eq!(running.get(POLLING).await.both(), (200, "always"));
    let mut ws = WebSocket::open(running.addr, WEBSOCKET).await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
}
