//! Opening of sessions.

use std::collections::BTreeSet;
use std::time::Duration;

use engineio::{Config, Cookie, Message, SameSite, Server, Session, Transport, handler_fn};
use tests::raw::{Polling, Request, WebSocket, start, start_echo, start_greeting};

const KEYS: [&str; 5] = ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"];

fn keys(open: &serde_json::Value) -> BTreeSet<&str> {
    open.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// EIO-PROTO-01, EIO-SRV-051, EIO-SRV-053, EIO-SRV-054, EIO-SRV-059
#[tokio::test]
async fn polling_opens_with_the_five_keys() {
    let mut running = start(
        Server::builder().ping_interval(Duration::from_millis(300)).ping_timeout(Duration::from_millis(200)),
    )
    .await;
    let client = running.polling().await;
    assert_eq!(client.response.status, 200);
    assert_eq!(keys(&client.open), KEYS.into());
    assert_eq!(client.open["upgrades"], serde_json::json!(["websocket"]));
    assert_eq!(client.open["pingInterval"], 300);
    assert_eq!(client.open["pingTimeout"], 200);
    assert_eq!(client.open["maxPayload"], 1_000_000);
    let session = running.opened().await;
    assert_eq!(session.id().as_str(), client.sid());
    assert_eq!(session.transport(), Transport::Polling);
}

/// EIO-PROTO-05, EIO-SRV-056
#[tokio::test]
async fn websocket_opens_with_the_same_keys_and_no_upgrade() {
    let running = start(Server::builder()).await;
    let mut ws = WebSocket::open(running.addr, "/engine.io/?EIO=4&transport=websocket").await.unwrap();
    let open: serde_json::Value = serde_json::from_str(&ws.text().await[1..]).unwrap();
    assert_eq!(keys(&open), KEYS.into());
    assert_eq!(open["upgrades"], serde_json::json!([]));
}

/// EIO-SRV-055
#[tokio::test]
async fn websocket_can_be_the_only_transport() {
    let mut running = start(Server::builder().transports([Transport::WebSocket])).await;
    running.websocket().await;
    assert_eq!(running.opened().await.transport(), Transport::WebSocket);
    assert_eq!(running.get("/engine.io/?EIO=4&transport=polling").await.status, 400);
}

/// EIO-SRV-057, EIO-SRV-058
#[tokio::test]
async fn only_enabled_upgrades_are_announced() {
    let polling_only = start(Server::builder().transports([Transport::Polling])).await;
    assert_eq!(polling_only.polling().await.open["upgrades"], serde_json::json!([]));
    let pinned = start(Server::builder().allow_upgrades(false)).await;
    assert_eq!(pinned.polling().await.open["upgrades"], serde_json::json!([]));
}

/// EIO-SRV-052
#[tokio::test]
async fn the_configured_times_are_announced() {
    let running = start(Server::builder().ping_timeout(Duration::from_millis(123))).await;
    assert_eq!(running.polling().await.open["pingTimeout"], 123);
}

/// EIO-SRV-001, EIO-SRV-003, EIO-SRV-004
#[test]
fn a_server_has_defaults_and_keeps_its_options() {
    assert_eq!(engineio::PROTOCOL, 4);
    let accept = |_: &Session| handler_fn(|_: &Session, _: Message| {});
    let default = Server::builder().build(accept).unwrap();
    assert_eq!(default.config().ping_interval, Config::default().ping_interval);
    let changed = Server::builder().max_payload(5).build(accept).unwrap();
    assert_eq!(changed.config().max_payload, 5);
}

/// EIO-SRV-046
#[tokio::test]
async fn the_server_counts_its_clients() {
    let running = start(Server::builder()).await;
    assert_eq!(running.server.stats().sessions, 0);
    let client = running.polling().await;
    assert_eq!(running.server.stats().sessions, 1);
    assert!(running.server.session(client.sid()).is_some());
    assert_eq!(running.server.sessions().len(), 1);
}

/// EIO-SRV-061, EIO-SRV-062
#[tokio::test]
async fn query_parameters_are_stored_with_the_session() {
    let mut running = start(Server::builder()).await;
    Polling::open(running.addr, "/engine.io/?EIO=4&transport=polling&a=b&c=d%20e").await;
    let session = running.opened().await;
    let query = session.request().query();
    assert_eq!((query.get("EIO"), query.get("a"), query.get("c")), (Some("4"), Some("b"), Some("d e")));
}

/// EIO-SRV-067
#[tokio::test]
async fn an_initial_packet_follows_the_open_packet() {
    let running = start(Server::builder().initial_packet("faster!")).await;
    let client = running.polling().await;
    assert!(client.response.text().ends_with("\u{1e}4faster!"));
    let mut ws = running.websocket().await;
    assert_eq!(ws.text().await, "4faster!");
}

/// EIO-SRV-068
#[tokio::test]
async fn the_trailing_slash_is_configurable() {
    let open = |path: &str| format!("{path}?EIO=4&transport=polling");
    let with = start(Server::builder()).await;
    assert_eq!(with.get(&open("/engine.io/")).await.status, 200);
    assert_eq!(with.get(&open("/engine.io")).await.status, 501);
    let without = start(Server::builder().add_trailing_slash(false)).await;
    assert_eq!(without.get(&open("/engine.io")).await.status, 200);
    assert_eq!(without.get(&open("/engine.io/foo/bar/")).await.status, 200);
}

/// EIO-SRV-005, EIO-SRV-009, EIO-SRV-011
#[tokio::test]
async fn requests_outside_the_path_are_refused_and_closed() {
    let running = start(Server::builder()).await;
    assert_eq!(running.get("/").await.status, 501);
    assert_eq!(running.get("/engine.iox/").await.status, 501);
    // An upgrade without a handler does not leave the connection open.
    let upgrade = Request::new("GET", "/").header("upgrade", "IRC/6.9").header("connection", "upgrade");
    assert_eq!(upgrade.body("later").send(running.addr).await.status, 501);
    running.emptied().await;
}

/// EIO-SRV-047, EIO-SRV-048
#[tokio::test]
async fn the_application_can_generate_the_ids() {
    let builder = Server::builder().generate_id(|request| {
        let query = request.uri.query().unwrap_or_default().to_owned();
        async move {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(engineio::Sid::from(format!("id-{}", query.len())))
        }
    });
    let mut running = start(builder).await;
    let client = running.polling().await;
    assert_eq!(client.sid(), "id-23");
    assert_eq!(running.opened().await.id().as_str(), "id-23");
}

/// EIO-SRV-037, EIO-SRV-038, EIO-SRV-042, EIO-SRV-043, EIO-SRV-045
#[tokio::test]
async fn a_cookie_is_set_on_polling_handshakes_only() {
    let none = start(Server::builder()).await;
    assert_eq!(none.polling().await.response.header("set-cookie"), None);

    let running = start(Server::builder().cookie(Cookie::new())).await;
    let client = running.polling().await;
    let expected = format!("io={}; Path=/; HttpOnly; SameSite=Lax", client.sid());
    assert_eq!(client.response.header("set-cookie"), Some(expected.as_str()));
    assert_eq!(client.post("4x").await.header("set-cookie"), None);
    assert!(running.websocket().await.headers.get("set-cookie").is_none());

    let cookie = Cookie::new().name("woot").unwrap().http_only(false).same_site(SameSite::Strict);
    let running = start(Server::builder().cookie(cookie)).await;
    let client = running.polling().await;
    let expected = format!("woot={}; Path=/; SameSite=Strict", client.sid());
    assert_eq!(client.response.header("set-cookie"), Some(expected.as_str()));
}

/// EIO-SRV-178, EIO-SRV-179
#[tokio::test]
async fn the_address_of_the_peer_is_available() {
    let mut running = start(Server::builder()).await;
    running.polling().await;
    assert!(running.opened().await.remote_addr().unwrap().ip().is_loopback());
    running.websocket().await;
    assert!(running.opened().await.remote_addr().unwrap().ip().is_loopback());
}

/// EIO-SRV-084
#[tokio::test]
async fn polling_works_with_a_connection_per_request() {
    let running = start_echo(Server::builder()).await;
    // Every request of this client has the header "Connection: close".
    let client = running.polling().await;
    assert_eq!(client.post("4a").await.both(), (200, "ok"));
    assert_eq!(client.poll().await, "4a");
}

/// EIO-SRV-013
#[tokio::test]
async fn other_routes_are_not_affected() {
    use http_body_util::BodyExt;
    use tower_service::Service;
    let running = start(Server::builder()).await;
    let inner = tower_fn(|_: http::Request<engineio::Body>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(engineio::Body::from("mine")))
    });
    let mut service = tower_layer::Layer::layer(&running.server.layer(), inner);
    let request = |uri: &str| http::Request::builder().uri(uri).body(engineio::Body::default()).unwrap();
    let mut both = Vec::new();
    for uri in ["/test", "/engine.io/default/"] {
        let response = service.call(request(uri)).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        both.push((status, String::from_utf8(body.to_vec()).unwrap()));
    }
    assert_eq!(both[0], (200, "mine".to_owned()));
    assert_eq!(both[1], (400, r#"{"code":0,"message":"Transport unknown"}"#.to_owned()));
}

/// A function as a tower service.
fn tower_fn<F>(f: F) -> TowerFn<F> {
    TowerFn(f)
}

struct TowerFn<F>(F);

impl<F, Fut, B> tower_service::Service<http::Request<B>> for TowerFn<F>
where
    F: FnMut(http::Request<B>) -> Fut,
    Fut: Future<Output = Result<http::Response<engineio::Body>, std::convert::Infallible>>,
{
    type Response = http::Response<engineio::Body>;
    type Error = std::convert::Infallible;
    type Future = Fut;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Fut {
        (self.0)(request)
    }
}

/// Messages that a handler sends in `accept` follow the open packet and are not part of the handshake's
/// response.
#[tokio::test]
async fn messages_sent_in_accept_follow_the_handshake() {
    let running = start_greeting(Server::builder(), |session| session.send("hi").unwrap()).await;
    let client = running.polling().await;
    assert!(!client.response.text().contains('\u{1e}'));
    assert_eq!(client.poll().await, "4hi");
    assert_eq!(running.websocket().await.text().await, "4hi");
}
