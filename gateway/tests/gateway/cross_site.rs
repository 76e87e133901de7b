//! Pages of other origins against a gateway, in a real Chromium: script tags, frames, forms, requests and
//! WebSockets of every kind. They must neither read a response nor cause an effect.

use std::collections::BTreeMap;
use std::future::pending;

use engineio::{Body, HttpServer, RequestBody, Routes};
use http::{Request, Response};
use serde_json::{Value, json};
use tests::devtools::{Browser, Tab};
use tests::raw::Polling;
use tokio::net::TcpListener;

use crate::metrics;
use crate::support::{Client, Running, start};

/// Host names that browsers do not treat as loopback; requests to them carry fewer headers about the page.
const PLAIN_NAMES: &str = "--host-resolver-rules=MAP gateway.test 127.0.0.1, MAP evil.test 127.0.0.1";

/// One attempt of the page.
#[derive(Debug, serde::Deserialize)]
struct Attempt {
    kind: String,
    target: String,
    got: Option<String>,
}

/// A server whose pages have another origin than the gateway's. Returns its port.
async fn foreign() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let routes = Routes::new(|request: Request<RequestBody>| async move {
        let (kind, text) = match request.uri().path() {
            "/attack.js" => ("text/javascript", include_str!("cross_site.js")),
            _ => (
                "text/html",
                "<!doctype html><title>foreign</title><body><script src=attack.js></script></body>",
            ),
        };
        let answer = Response::builder().header("content-type", kind);
        answer.body(Body::from(text)).unwrap()
    });
    tokio::spawn(async move { HttpServer::new(routes).serve(&listener, pending()).await });
    port
}

/// A gateway with clients that receive the effect of any successful attempt.
struct Scene {
    running: Running,
    listeners: [Client; 2],
    /// A session whose id the page knows, as after a leak.
    known: Polling,
}

impl Scene {
    async fn new(mut settings: Value) -> Self {
        // The known session is not polled during the test.
        settings["transport"] = json!({"ping_interval_ms": 300_000});
        let running = start(settings).await;
        let mut listeners = running.both().await;
        for client in &mut listeners {
            client.ask("join", json!("lobby")).await;
        }
        let known = Polling::open(running.addr, "/socket.io/?EIO=4&transport=polling").await;
        assert_eq!(known.post("40").await.status, 200);
        assert!(known.poll().await.starts_with("40{"));
        Self { running, listeners, known }
    }

    /// The metrics that show effects of attempts.
    async fn done(&self) -> BTreeMap<String, u64> {
        let mut samples = metrics::read(&self.running).await;
        samples.retain(|name, value| {
            let done = [
                "gateway_sessions_opened",
                "gateway_sockets",
                "gateway_connections",
                "gateway_received_messages",
                "gateway_broadcast_receivers_count",
                "gateway_rooms",
                "gateway_closes",
            ];
            let answered = ["gateway_handshakes", "gateway_api_calls"];
            let is_success = name.contains(r#"status="200""#) || name.contains(r#"status="101""#);
            let is_answered = answered.iter().any(|family| name.starts_with(family)) && is_success;
            *value > 0 && (done.iter().any(|family| name.starts_with(family)) || is_answered)
        });
        samples
    }

    /// Checks that the clients received nothing and are all still connected.
    async fn undisturbed(mut self) {
        for client in &mut self.listeners {
            client.emit("echo", json!("still here")).await;
            assert_eq!(client.heard("echo_response").await["received"], "still here");
        }
        assert_eq!(self.known.post(r#"42["echo","still here"]"#).await.status, 200);
        let polled = self.known.poll().await;
        assert!(polled.contains("echo_response") && !polled.contains("forged"), "{polled}");
    }
}

/// Opens the page as an operator in the same browser, with all the state that it stores.
async fn unlock(browser: &Browser, running: &Running) -> Tab {
    let mut tab = browser.tab(&format!("http://{}/#key={}", running.addr, running.key())).await;
    tab.until("document.getElementById('state').textContent === 'live'").await;
    tab
}

/// Makes a page run all attempts.
async fn attack(browser: &Browser, page: &str, gateway: &str, sid: &str) -> Vec<Attempt> {
    let mut tab = browser.tab(page).await;
    tab.until("typeof attack === 'function'").await;
    let attempts = tab.evaluate(&format!("attack({}, {})", json!(gateway), json!(sid))).await;
    let attempts: Vec<Attempt> = serde_json::from_value(attempts).unwrap();
    assert!(attempts.len() > 500, "{}", attempts.len());
    attempts
}

/// The attempts whose response the page could read.
fn read(attempts: Vec<Attempt>) -> Vec<Attempt> {
    attempts.into_iter().filter(|attempt| attempt.got.is_some()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_another_origin_read_nothing_and_do_nothing() {
    let port = foreign().await;
    let browser = Browser::start().await;
    let scene = Scene::new(json!({})).await;
    let gateway = format!("http://{}/", scene.running.addr);
    let _operator = unlock(&browser, &scene.running).await;
    let before = scene.done().await;
    // Another site, and another port of the same host.
    for page in [format!("http://localhost:{port}/"), format!("http://127.0.0.1:{port}/")] {
        let attempts = attack(&browser, &page, &gateway, scene.known.sid()).await;
        let read = read(attempts);
        assert!(read.is_empty(), "{page}: {read:#?}");
        assert_eq!(scene.done().await, before, "{page}");
    }
    scene.undisturbed().await;
}

/// With `origins.allowed = ["*"]` every page may be a client, but no page is an operator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_any_page_may_connect_none_is_an_operator() {
    let port = foreign().await;
    let browser = Browser::start().await;
    let scene = Scene::new(json!({"origins": {"allowed": ["*"]}})).await;
    let gateway = format!("http://{}/", scene.running.addr);
    let _operator = unlock(&browser, &scene.running).await;
    let page = format!("http://localhost:{port}/");
    let attempts = attack(&browser, &page, &gateway, "victim").await;
    let (mut sockets, mut sessions) = (0, 0);
    for Attempt { kind, target, got } in read(attempts) {
        let got = got.unwrap();
        let what = format!("{kind} {target}: {got}");
        if kind == "websocket" {
            assert!(got.starts_with("opened") && !target.contains("gateway"), "{what}");
            assert!(!got.contains("40/gateway,") && !got.contains("stats"), "{what}");
            sockets += 1;
        } else if target.starts_with("socket.io") {
            assert_eq!(kind, "fetch", "{what}");
            sessions += usize::from(got.starts_with("200 0{"));
        } else if target == "api/openapi.json" {
            assert_eq!(kind, "fetch", "{what}");
        } else {
            // A page that may use the API with a key may read the refusal without one.
            assert!(kind == "fetch" && target.starts_with("api/") && got.starts_with('4'), "{what}");
        }
    }
    assert!(sockets > 0 && sessions > 0, "pages that may connect do");
    let done = scene.done().await;
    assert!(!done.keys().any(|name| name.starts_with("gateway_api_calls")), "{done:#?}");
    scene.undisturbed().await;
}

/// Under a host name, browsers send fewer headers to a plain HTTP server, so script tags open sessions there.
/// The sessions have no effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_another_origin_read_nothing_under_a_plain_name() {
    let port = foreign().await;
    let browser = Browser::start_with(&[PLAIN_NAMES]).await;
    let scene = Scene::new(json!({})).await;
    let gateway = format!("http://gateway.test:{}/", scene.running.addr.port());
    let before = scene.done().await;
    let attempts = attack(&browser, &format!("http://evil.test:{port}/"), &gateway, "victim").await;
    let read = read(attempts);
    assert!(read.is_empty(), "{read:#?}");
    let sessions = |name: &String| {
        name.contains("sessions_opened") || name.contains("connections") || name.contains("handshakes")
    };
    let but_sessions = |mut done: BTreeMap<String, u64>| {
        done.retain(|name, _| !sessions(name));
        done
    };
    assert_eq!(but_sessions(scene.done().await), but_sessions(before));
    scene.undisturbed().await;
}

/// A page that opens an operator's page cannot access its window.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opener_of_the_page_has_no_access_to_its_window() {
    let port = foreign().await;
    let browser = Browser::start().await;
    let running = start(json!({})).await;
    let mut tab = browser.tab(&format!("http://localhost:{port}/")).await;
    tab.until("typeof attack === 'function'").await;
    let open = format!("window.opened = window.open('http://{}/'); opened !== null", running.addr);
    let params = json!({"expression": open, "userGesture": true, "returnByValue": true});
    let opened = tab.call("Runtime.evaluate", params).await;
    assert_eq!(opened["result"]["value"], true, "{opened}");
    tab.until("opened.closed").await;
}
