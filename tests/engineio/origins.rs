//! Acceptance of requests by origin and host, and JSONP.

use engineio::{BadRequest, Message, OriginPolicy, Origins, Server};
use tests::raw::{Request, WebSocket, start_echo};

const POLLING: &str = "/engine.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";
const REFUSED: (u16, &str) = (403, r#"{"code":4,"message":"this origin is not allowed"}"#);
const FOREIGN: [(&str, &str); 4] = [
    ("origin", "http://evil.test"),
    ("origin", "null"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
];

#[tokio::test]
async fn handshakes_of_foreign_origins_are_refused() {
    let running = start_echo(Server::builder().origins(Origins::SameHost)).await;
    for (name, value) in FOREIGN {
        let refused = Request::new("GET", POLLING).header(name, value).send(running.addr).await;
        assert_eq!(refused.both(), REFUSED, "{name}: {value}");
        let refused = WebSocket::open_with(running.addr, WEBSOCKET, &[(name, value)]).await;
        assert_eq!(refused.err(), Some(400), "{name}: {value}");
    }
    assert_eq!(running.server.stats().sessions, 0);
    for (name, value) in [("origin", "http://localhost"), ("sec-fetch-site", "same-origin")] {
        let opened = Request::new("GET", POLLING).header(name, value).send(running.addr).await;
        assert_eq!(opened.status, 200, "{name}: {value}");
    }
}

/// The id of a session gives access to it; a page of a foreign origin still may not use it.
#[tokio::test]
async fn requests_of_foreign_origins_do_not_reach_a_session() {
    let mut running = start_echo(Server::builder().origins(Origins::SameHost)).await;
    let client = running.polling().await;
    let parked = client.park(&running).await;
    for (name, value) in FOREIGN {
        let polled = Request::new("GET", &client.target).header(name, value).send(running.addr).await;
        assert_eq!(polled.both(), REFUSED, "{name}: {value}");
        let post = Request::new("POST", &client.target).header(name, value).body("4evil");
        assert_eq!(post.send(running.addr).await.both(), REFUSED, "{name}: {value}");
        let target = client.target.replace("transport=polling", "transport=websocket");
        let probed = WebSocket::open_with(running.addr, &target, &[(name, value)]).await;
        assert_eq!(probed.err(), Some(400), "{name}: {value}");
    }
    assert_eq!(client.post("4mine").await.both(), (200, "ok"));
    assert_eq!(running.message().await, Message::from("mine"), "the first message of the session");
    assert_eq!(parked.await.unwrap().both(), (200, "4mine"), "the poll waited on");
    client.upgrade().await;
}

#[tokio::test]
async fn all_origins_are_accepted_by_default() {
    let running = start_echo(Server::builder()).await;
    for (name, value) in FOREIGN {
        let opened = Request::new("GET", POLLING).header(name, value).send(running.addr).await;
        assert_eq!(opened.status, 200, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_origins_are_checked() {
    let origins: Origins = "https://good.test".parse().unwrap();
    let cors = origins.cors(false).unwrap();
    let running = start_echo(Server::builder().cors(cors).origins(origins)).await;
    let preflight = Request::new("OPTIONS", POLLING).header("origin", "https://good.test");
    let preflight = preflight.header("access-control-request-method", "POST").send(running.addr).await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://good.test"));
    let listed = Request::new("GET", POLLING).header("origin", "https://good.test");
    let listed = listed.header("sec-fetch-site", "cross-site").send(running.addr).await;
    assert_eq!(listed.status, 200);
}

#[tokio::test]
async fn a_missing_required_origin_is_refused() {
    let policy = OriginPolicy::default().require_origin(true);
    let running = start_echo(Server::builder().origins(policy)).await;
    assert_eq!(running.get(POLLING).await.both(), REFUSED);
    let named = Request::new("GET", POLLING).header("origin", "http://localhost").send(running.addr).await;
    assert_eq!(named.status, 200);
}

/// DNS rebinding: the name of a foreign host resolves to 127.0.0.1, and the page and the request agree on the
/// name.
#[tokio::test]
async fn a_foreign_name_for_loopback_is_not_the_same_host() {
    let running = start_echo(Server::builder().origins(OriginPolicy::default().local_hosts())).await;
    let port = running.addr.port();
    let headers = format!("host: evil.test:{port}\r\norigin: http://evil.test:{port}\r\n");
    for headers in [&*headers, &*format!("host: evil.test:{port}\r\n")] {
        let mut stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
        let request = format!("GET {POLLING} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        assert_eq!(tests::raw::Response::read(&mut stream).await.both(), REFUSED, "{headers}");
    }
    running.polling().await;
    running.websocket().await;
}

#[tokio::test]
async fn jsonp_is_refused_unless_enabled() {
    let running = start_echo(Server::builder()).await;
    let refused = running.get(&format!("{POLLING}&j=0")).await;
    assert_eq!(refused.both(), (400, r#"{"code":3,"message":"Bad request"}"#));
    assert_eq!(BadRequest::JsonpDisabled.name(), "JSONP_DISABLED");
    let client = running.polling().await;
    assert_eq!(running.get(&format!("{}&j=0", client.target)).await.status, 400);
    let form = Request::new("POST", &format!("{}&j=0", client.target)).body("d=4a");
    assert_eq!(form.send(running.addr).await.status, 400);
    assert_eq!(client.response.header("x-content-type-options"), Some("nosniff"));
    let posted = client.post("4a").await;
    assert_eq!((posted.both(), posted.header("x-content-type-options")), ((200, "ok"), Some("nosniff")));
    assert_eq!(client.poll().await, "4a");
}

/// A request from a script tag of a foreign page has no Origin header.
#[tokio::test]
async fn jsonp_of_foreign_pages_needs_any_origin() {
    for (origins, status) in [(Origins::SameHost, 403), (Origins::Any, 200)] {
        let running = start_echo(Server::builder().jsonp(true).origins(origins)).await;
        let script = Request::new("GET", &format!("{POLLING}&j=0")).header("sec-fetch-site", "cross-site");
        assert_eq!(script.send(running.addr).await.status, status);
    }
}
