//! Requests from pages of other origins.

use std::time::Duration;

use engineio::{Cors, Server};
use http::{Method, StatusCode};
use tests::raw::{Request, start, start_echo};

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";

fn preflight() -> Request {
    Request::new("OPTIONS", POLLING)
        .header("origin", "http://engine.io")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "my-header")
}

/// EIO-SRV-172
#[tokio::test]
async fn a_preflight_is_answered() {
    let cors = Cors::reflect().credentials(true).allowed_headers(["my-header"]).unwrap();
    let running = start(Server::builder().cors(cors)).await;
    let response = preflight().send(running.addr).await;
    assert_eq!(response.both(), (204, ""));
    assert_eq!(response.header("access-control-allow-origin"), Some("http://engine.io"));
    assert_eq!(response.header("access-control-allow-methods"), Some("GET,HEAD,PUT,PATCH,POST,DELETE"));
    assert_eq!(response.header("access-control-allow-headers"), Some("my-header"));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
}

/// EIO-SRV-173
#[tokio::test]
async fn a_request_receives_only_the_cors_headers_for_requests() {
    let cors = Cors::reflect().credentials(true).allowed_headers(["my-header"]).unwrap();
    let running = start(Server::builder().cors(cors)).await;
    let response = Request::new("GET", POLLING).header("origin", "http://engine.io").send(running.addr).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-origin"), Some("http://engine.io"));
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(response.header("access-control-allow-methods"), None);
    assert_eq!(response.header("access-control-allow-headers"), None);
}

/// EIO-SRV-174
#[tokio::test]
async fn an_unlisted_origin_receives_no_permission() {
    let running = start(Server::builder().cors(Cors::origins(["http://good-domain.com"]))).await;
    let response = preflight().header("origin", "http://bad-domain.com").send(running.addr).await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), None);
    assert_eq!(response.header("access-control-allow-credentials"), None);
}

/// EIO-SRV-175
#[tokio::test]
async fn all_cors_options_are_sent() {
    let cors = Cors::reflect()
        .credentials(true)
        .methods([Method::GET, Method::PUT, Method::POST])
        .unwrap()
        .allowed_headers(["my-header"])
        .unwrap()
        .exposed_headers(["my-exposed-header"])
        .unwrap()
        .max_age(Duration::from_secs(123))
        .options_success_status(StatusCode::OK);
    let running = start(Server::builder().cors(cors)).await;
    let response = preflight().send(running.addr).await;
    assert_eq!(response.both(), (200, ""));
    for (name, value) in [
        ("access-control-allow-methods", "GET,PUT,POST"),
        ("access-control-allow-headers", "my-header"),
        ("access-control-expose-headers", "my-exposed-header"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "123"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
}

/// EIO-SRV-176
#[tokio::test]
async fn messages_are_exchanged_with_cors() {
    let running = start_echo(Server::builder().cors(Cors::any())).await;
    let client = running.polling().await;
    client.post("4こんにちは").await;
    assert_eq!(client.poll().await, "4こんにちは");
}
