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

/// The function chooses by anything in the request, also for preflights and for refusals.
#[tokio::test]
async fn cors_can_be_chosen_by_the_request() {
    let choose = |request: &http::request::Parts| {
        let tenant = request.headers.get("my-header").map(|tenant| tenant.as_bytes().to_vec());
        async move {
            tokio::task::yield_now().await;
            match &tenant?[..] {
                b"a" => Some(Cors::reflect().credentials(true)),
                b"b" => Some(Cors::origins(["http://engine.io"]).max_age(Duration::from_secs(1))),
                _ => None,
            }
        }
    };
    let running = start(Server::builder().cors(Cors::any()).cors_by_request(choose)).await;
    for (tenant, origin, credentials, max_age) in [
        ("a", Some("http://engine.io"), Some("true"), None),
        ("b", Some("http://engine.io"), None, Some("1")),
        ("c", None, None, None),
    ] {
        let preflight = preflight().header("my-header", tenant).send(running.addr).await;
        assert_eq!(preflight.status, if origin.is_some() { 204 } else { 400 }, "{tenant}");
        let request = |target: &str| {
            Request::new("GET", target).header("origin", "http://engine.io").header("my-header", tenant)
        };
        let opened = request(POLLING).send(running.addr).await;
        let refused = request("/engine.io/?EIO=4&transport=polling&sid=unknown").send(running.addr).await;
        assert_eq!((opened.status, refused.status), (200, 400), "{tenant}");
        for response in [&preflight, &opened, &refused] {
            assert_eq!(response.header("access-control-allow-origin"), origin, "{tenant}");
            assert_eq!(response.header("access-control-allow-credentials"), credentials, "{tenant}");
        }
        assert_eq!(preflight.header("access-control-max-age"), max_age, "{tenant}");
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
