//! Fuzz target for the HTTP API: sequences of calls to a gateway with clients.

use bytes::Bytes;
use engineio::{PeerAddr, RequestBody, Stats};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tokio::time::sleep;

use super::{KEY, LONG, body, client, run};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::http::{self as web, ROUTES};
use crate::listen::{Listener, Program};

/// Flag: no key.
const KEYLESS: u8 = 1;
/// Flag: sent twice, with an idempotency key.
const TWICE: u8 = 2;
/// Flag: wrong content type.
const OTHER_TYPE: u8 = 4;
/// Flag: on the port for clients only.
const CLIENTS: u8 = 8;
/// Flag: on the port for operators.
const INTERNAL: u8 = 16;

/// Sends requests with arbitrary bodies to arbitrary routes. It asserts that responses are well-formed, that
/// calls without a key are refused, that a repeated call is carried out once, and that no state of the
/// clients is left at the end.
///
/// Zero bytes separate the requests. The first byte of each selects the route, the second the flags; the rest
/// is its body or its parameters. `$` and `~` are replaced by the ids of two clients.
pub fn api_body(data: &[u8]) {
    run(requests(data));
}

async fn requests(data: &[u8]) {
    let gateway = gateway();
    let streams = [client(&gateway, &["/", "/of/a"]).await, client(&gateway, &["/"]).await];
    let mut ids = gateway.io().sockets().iter().map(|socket| socket.id().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids.len(), 2, "the clients are there");
    ids.sort_unstable();
    for (number, sent) in data.split(|byte| *byte == 0).take(64).enumerate() {
        let [route, how, text @ ..] = sent else { continue };
        let text = with_ids(text, &ids);
        send(&gateway, usize::from(*route) % ROUTES.len(), *how, &text, number).await;
    }
    drop(streams);
    sleep(LONG).await;
    assert_eq!(gateway.io().engine().stats(), Stats::default(), "something is left");
    assert!(gateway.io().is_empty() && gateway.io().rooms().is_empty(), "sockets or rooms are left");
}

fn gateway() -> Gateway {
    let mut config = Config::default();
    config.api.keys = vec![KEY.into()];
    config.auth.session_secret = "the secret of the sessions".into();
    config.server.namespaces = vec!["/".to_owned(), "/of/{name}".to_owned()];
    config.transport.max_payload_bytes = 4096;
    config.auth.max_revoked = 2;
    Gateway::new(config).expect("the settings are valid")
}

fn with_ids(text: &[u8], ids: &[String]) -> Vec<u8> {
    let mut written = Vec::new();
    for byte in text {
        match byte {
            b'$' => written.extend_from_slice(ids[0].as_bytes()),
            b'~' => written.extend_from_slice(ids[1].as_bytes()),
            byte => written.push(*byte),
        }
    }
    written
}

/// Sends a request, twice if its flags say so.
async fn send(gateway: &Gateway, route: usize, how: u8, text: &[u8], number: usize) {
    let listener = match how {
        _ if how & CLIENTS != 0 => Listener::Clients(Program::GATEWAY),
        _ if how & INTERNAL != 0 => Listener::Internal,
        _ => Listener::Public,
    };
    let route = &ROUTES[route];
    let Some(request) = request(route, how, text, number) else { return };
    let first = web::respond(gateway, request, listener).await;
    let first = check(route.path, how, listener, first).await;
    if how & TWICE == 0 || route.method != Method::POST {
        return;
    }
    let Some(again) = self::request(route, how, text, number) else { return };
    let again = web::respond(gateway, again, listener).await;
    let replayed = again.headers().contains_key("idempotency-replayed");
    let again = check(route.path, how, listener, again).await;
    let is_once = first.0 == StatusCode::OK
        && !matches!(listener, Listener::Clients(_))
        && !route.path.ends_with("acquire-session");
    assert_eq!(replayed, is_once, "what was done is not done again");
    assert!(!replayed || again == first, "the answer is the same");
}

/// Builds a request; `None` if its parameters are not a valid URI.
fn request(route: &web::Route, how: u8, text: &[u8], number: usize) -> Option<Request<RequestBody>> {
    let is_post = route.method == Method::POST;
    let parameters = if is_post { "".into() } else { format!("?{}", String::from_utf8_lossy(text)) };
    let mut head = format!("{} {}{parameters} HTTP/1.1\r\nHost: a\r\n", route.method, route.path);
    if how & KEYLESS == 0 {
        head.push_str(&format!("X-Api-Key: {KEY}\r\n"));
    }
    if how & TWICE != 0 {
        head.push_str(&format!("Idempotency-Key: {number}\r\n"));
    }
    let kind = if how & OTHER_TYPE == 0 { "application/json" } else { "text/plain" };
    let body = if is_post { text } else { b"" };
    head.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len()));
    let mut request = engineio::fuzzing::request(&[head.as_bytes(), body].concat())?;
    request.extensions_mut().insert(PeerAddr(([127, 0, 0, 1], 1).into()));
    Some(request)
}

/// Checks a response.
async fn check(
    path: &str,
    how: u8,
    listener: Listener,
    response: crate::response::HttpResponse,
) -> (StatusCode, Bytes) {
    let status = response.status();
    let headers: HeaderMap = response.headers().clone();
    let text = Bytes::from(body(response).await);
    assert!(!status.is_server_error(), "{path}: {status}");
    let is_free = path == "/api/openapi.json" || path.ends_with("acquire-session");
    let is_api = path.starts_with("/api/") && !is_free;
    let is_open = !matches!(listener, Listener::Clients(_));
    if is_open && how & KEYLESS != 0 && (is_api || path == "/metrics") {
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    if headers.get("content-type").is_some_and(|kind| kind == "application/json") {
        let raw_json: Value = serde_json::from_slice(&text).expect("JSON");
        if is_api && is_open || status != StatusCode::OK {
            assert_eq!(raw_json["success"], status == StatusCode::OK, "{path}: {raw_json}");
            assert_eq!(raw_json.get("error").is_some(), status != StatusCode::OK, "{path}: {raw_json}");
        }
    }
    (status, text)
}
