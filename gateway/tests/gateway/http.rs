//! Responses to plain requests and to pages of other origins.

use serde_json::json;
use socketio_gateway::{Gateway, Program};
use tests::raw::{Polling, Request, WebSocket};
use tokio::net::TcpListener;

use crate::support::{Running, config, parsed, start};

const KEY: &str = "a key for operators";
const PROGRAM: Program = Program { name: "chat", version: "1.2.3" };

#[tokio::test]
async fn information_and_health() {
    let running = start(json!({})).await;
    let _client = running.native("/").await;
    for path in ["/", "/info"] {
        let (status, info) = running.get(path).await;
        assert_eq!((status, &info["name"], &info["sessions"]), (200, &json!("socketio-gateway"), &json!(1)));
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(running.get(path).await, (200, json!({"status": "ok"})));
    }
    let (status, error) = running.get("/nothing").await;
    assert_eq!((status, &error["error"]["code"]), (404, &json!("not_found")));
    let refused = Request::new("DELETE", "/info").send(running.addr).await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET")));
}

#[tokio::test]
async fn a_port_for_clients_has_nothing_for_operators() {
    let gateway =
        Gateway::new(config(json!({"auth": {"session_secret": "an unguessable session secret"}}))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve_clients(listener, PROGRAM).await });
    let running = Running { addr, gateway };
    running.both().await;
    for path in ["/", "/info", "/nothing"] {
        let (status, info) = running.get(path).await;
        assert_eq!(
            (status, &info["name"], &info["version"]),
            (200, &json!("chat"), &json!("1.2.3")),
            "{path}"
        );
    }
    for path in ["/metrics", "/api/rooms", "/api/broadcast", "/api/openapi.json", "/page.js"] {
        let (status, error) = running.get(path).await;
        assert_eq!((status, &error["error"]["code"]), (404, &json!("not_found")), "{path}");
    }
    assert_eq!(running.get("/health/live").await, (200, json!({"status": "ok"})));
    for path in ["/api/broadcast", "/api/auth/acquire-session", "/"] {
        assert_eq!(Request::new("POST", path).send(addr).await.status, 404, "{path}");
    }
    // The embedding application can issue sessions itself.
    let session = running.gateway.acquire_session(Some("ada".to_owned())).unwrap();
    let mut ada = running.native(&format!("/?token={}", session.token)).await;
    assert_eq!(ada.ask("status", json!(null)).await["connection"]["user"], "ada");
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out() {
    let running = start(json!({"origins": {"allowed": ["https://good.test"]}})).await;
    let own = format!("http://{}", running.addr);
    let polling = "/socket.io/?EIO=4&transport=polling";
    for target in ["/", "/socket.io/?EIO=4&transport=websocket"] {
        for (origin, allowed) in
            [(own.as_str(), true), ("https://good.test", true), ("https://evil.test", false)]
        {
            let opened = WebSocket::open_with(running.addr, target, &[("origin", origin)]).await;
            assert_eq!(opened.err(), (!allowed).then_some(403), "{target} {origin}");
        }
    }
    let evil = Request::new("GET", polling).header("origin", "https://evil.test").send(running.addr).await;
    assert_eq!(parsed(&evil).1["error"]["code"], "forbidden_origin");
    let good = Request::new("GET", polling).header("origin", "https://good.test").send(running.addr).await;
    assert_eq!((good.status, good.header("access-control-allow-origin")), (200, Some("https://good.test")));
}

#[tokio::test]
async fn polling_and_its_upgrade_go_through() {
    let running = start(json!({})).await;
    let polling = Polling::open(running.addr, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(polling.post("40").await.status, 200);
    assert!(polling.poll().await.starts_with("40{"));
    let mut ws = polling.upgrade().await;
    ws.send(r#"420["echo",1]"#).await;
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text: &String| !text.starts_with("430")) {
        texts.push(ws.text().await);
    }
    assert!(texts.iter().any(|text| text.starts_with(r#"42["echo_response""#)), "{texts:?}");
}

/// CORS for any origin grants no operator rights.
#[tokio::test]
async fn pages_of_any_origin_need_a_key() {
    let running = start(json!({"origins": {"allowed": ["*"]}})).await;
    for origin in ["https://evil.test", "null", &format!("http://{}", running.addr)] {
        let request = Request::new("GET", "/api/sockets").header("origin", origin);
        let refused = request.clone().send(running.addr).await;
        assert_eq!((refused.status, parsed(&refused).1["data"].is_null()), (401, true), "{origin}");
        assert_eq!(request.header("x-api-key", running.key()).send(running.addr).await.status, 200);
        let call = Request::new("POST", "/api/broadcast").header("origin", origin);
        let call = call.header("content-type", "application/json").body(r#"{"event":"e"}"#);
        assert_eq!(call.send(running.addr).await.status, 401, "{origin}");
    }
}

/// CORS as browsers apply it: a preflight first, and then only allowed headers are visible to the page.
#[tokio::test]
async fn pages_of_allowed_origins_use_the_api() {
    let api = |method: &str, origin: &str| {
        let request = Request::new(method, "/api/broadcast").header("content-type", "application/json");
        let request = if method == "OPTIONS" { request } else { request.header("x-api-key", KEY) };
        let request = if origin.is_empty() { request } else { request.header("origin", origin) };
        match method {
            "OPTIONS" => request.header("access-control-request-method", "POST"),
            _ => request.body(r#"{"event":"e"}"#),
        }
    };
    let good = "https://good.test";
    let api_keys = json!({"keys": [KEY]});
    let listed = json!({"api": api_keys, "origins": {"allowed": [good], "credentials": true}});
    for (settings, origin, told) in [
        (listed.clone(), good, Some(good)),
        (listed.clone(), "https://evil.test", None),
        (json!({"api": api_keys}), good, None),
        (json!({"api": api_keys, "origins": {"allowed": ["*"]}}), good, Some("*")),
    ] {
        let running = start(settings.clone()).await;
        for (method, status) in [("OPTIONS", 204), ("POST", 200)] {
            let answer = api(method, origin).send(running.addr).await;
            let known = format!("{settings} {method} {origin}");
            assert_eq!(answer.status, if told.is_some() { status } else { 403 }, "{known}");
            assert_eq!(answer.header("access-control-allow-origin"), told, "{known}");
            let has_credentials = answer.header("access-control-allow-credentials") == Some("true");
            assert_eq!(has_credentials, told == Some(good), "{known}");
            assert_eq!(answer.header("vary").is_some(), told == Some(good), "{known}");
            if told.is_some() && method == "OPTIONS" {
                assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
                let headers = answer.header("access-control-allow-headers").unwrap();
                for header in ["authorization", "content-type", "idempotency-key", "x-api-key"] {
                    assert!(headers.contains(header), "{headers}");
                }
                assert!(answer.body.is_empty());
            }
        }
    }
    let running = start(listed).await;
    // The page can read a refusal too, and requests without an origin get the usual response.
    let refused = running.operator("POST", "/api/broadcast").header("origin", good);
    let refused = refused.header("content-type", "application/json").body("{").send(running.addr).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, Some(good)));
    let plain = api("POST", "").send(running.addr).await;
    assert_eq!((plain.status, plain.header("access-control-allow-origin")), (200, None));
    let nowhere = Request::new("OPTIONS", "/api/nothing").header("origin", good);
    let nowhere = nowhere.header("access-control-request-method", "POST").send(running.addr).await;
    assert_eq!(nowhere.status, 404);
    let bare = Request::new("OPTIONS", "/api/broadcast").header("origin", good).send(running.addr).await;
    assert_eq!(bare.status, 405);
    let page = Request::new("OPTIONS", "/info").header("origin", good);
    let page = page.header("access-control-request-method", "GET").send(running.addr).await;
    assert_eq!(page.status, 405);
}

/// No other origin embeds a response: its scripts could measure it, or its frames could trick users into
/// clicks.
#[tokio::test]
async fn no_other_page_embeds_an_answer() {
    let running = start(json!({})).await;
    let polling = "/socket.io/?EIO=4&transport=polling";
    let policy = "cross-origin-resource-policy";
    for target in [
        "/",
        "/page.js",
        "/page.css",
        "/info",
        "/health",
        "/metrics",
        "/api/rooms",
        "/api/openapi.json",
        "/nothing",
    ] {
        for accept in ["text/html", "*/*"] {
            let answer = Request::new("GET", target).header("accept", accept).send(running.addr).await;
            assert_eq!(answer.all(policy), ["same-origin"], "{target}");
            assert_eq!(answer.all("content-security-policy").len(), 1, "{target}");
            let content = answer.header("content-security-policy").unwrap();
            assert!(
                content.contains("default-src 'none'") && content.contains("frame-ancestors 'none'"),
                "{target}"
            );
            assert_eq!(answer.header("strict-transport-security"), None, "there is no TLS");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        }
    }
    let page = Request::new("GET", "/").header("accept", "text/html").send(running.addr).await;
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
    for target in [polling, "/socket.io/?EIO=4&transport=pigeon"] {
        let answer = Request::new("GET", target).send(running.addr).await;
        assert_eq!(answer.all(policy), ["same-origin"], "{target}");
    }
    let refused = Request::new("GET", "/native").header("upgrade", "websocket").send(running.addr).await;
    assert_eq!((refused.status, refused.header(policy)), (400, Some("same-origin")));

    // JSONP responses are scripts, and may be embedded when JSONP is on for any page.
    for (origins, embedded) in [(json!(["*"]), true), (json!([]), false)] {
        let settings = json!({"transport": {"jsonp": true}, "origins": {"allowed": origins}});
        let running = start(settings).await;
        let script = Request::new("GET", &format!("{polling}&j=0")).send(running.addr).await;
        assert_eq!((script.status, script.header(policy)), (200, (!embedded).then_some("same-origin")));
        let info = Request::new("GET", "/info").send(running.addr).await;
        assert_eq!(info.header(policy), Some("same-origin"));
    }
}
