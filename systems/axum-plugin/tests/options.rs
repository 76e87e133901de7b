//! Tests of every option, and of the order of the lifecycle hooks.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use axum_plugin::{App, Origins, PluginError, SocketApi, SocketEvents, SocketOptions, SocketPlugin};
use engineio::Transport;
use socketio_server::{Ack, Handshake};
use tests::raw::{Polling, Request, WebSocket, soon};
use tokio::sync::oneshot;

struct Running {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start(app: App) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let application = app.build().unwrap();
    let served = tokio::spawn(application.serve(listener, async {
        let _ = stopped.await;
    }));
    Running { addr, stop, served }
}

async fn start_with(options: SocketOptions) -> Running {
    start(App::new("test").configure(SocketPlugin::new(options))).await
}

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

#[tokio::test]
async fn heartbeat_and_buffer_size_reach_the_client() {
    let options = SocketOptions {
        ping_interval: Duration::from_secs(7),
        ping_timeout: Duration::from_secs(3),
        max_http_buffer_size: 2000,
        ..SocketOptions::default()
    };
    let running = start_with(options).await;
    let open = Polling::open(running.addr, POLLING).await;
    let numbers = ["pingInterval", "pingTimeout", "maxPayload"].map(|name| open.open[name].as_u64().unwrap());
    assert_eq!(numbers, [7000, 3000, 2000]);
    assert_eq!(open.post("4".repeat(2001)).await.status, 413);
}

#[tokio::test]
async fn the_endpoint_has_the_configured_path() {
    let running = start_with(SocketOptions { path: "/live/".to_owned(), ..SocketOptions::default() }).await;
    Polling::open(running.addr, "/live/?EIO=4&transport=polling").await;
    assert_eq!(Request::new("GET", POLLING).send(running.addr).await.status, 404);
}

#[tokio::test]
async fn transports_and_upgrades_are_configurable() {
    let options = SocketOptions { transports: vec![Transport::WebSocket], ..SocketOptions::default() };
    let running = start_with(options).await;
    assert_eq!(Request::new("GET", POLLING).send(running.addr).await.status, 400);
    WebSocket::open(running.addr, WEBSOCKET).await.unwrap();
    let running = start_with(SocketOptions { allow_upgrades: false, ..SocketOptions::default() }).await;
    let polling = Polling::open(running.addr, POLLING).await;
    assert_eq!(polling.open["upgrades"], serde_json::json!([]));
}

#[tokio::test]
async fn foreign_origins_are_refused_on_both_transports() {
    let origins = Origins::List(vec!["https://good.test".to_owned()]);
    let running = start_with(SocketOptions { origins, credentials: true, ..SocketOptions::default() }).await;
    let good = Request::new("GET", POLLING).header("origin", "https://good.test").send(running.addr).await;
    assert_eq!(good.status, 200);
    assert_eq!(good.header("access-control-allow-origin"), Some("https://good.test"));
    assert_eq!(good.header("access-control-allow-credentials"), Some("true"));
    let evil = Request::new("GET", POLLING).header("origin", "https://evil.test").send(running.addr).await;
    assert_eq!(evil.both(), (403, r#"{"code":4,"message":"this origin is not allowed"}"#));
    for (origin, refused) in [("https://evil.test", true), ("https://good.test", false)] {
        let opened = WebSocket::open_with(running.addr, WEBSOCKET, &[("origin", origin)]).await;
        assert_eq!(opened.is_err(), refused, "{origin}");
    }
}

#[tokio::test]
async fn handlers_receive_the_address_of_the_peer() {
    async fn peer(handshake: Handshake) -> Ack<Option<String>> {
        Ack(handshake.address().map(|address| address.ip().to_string()))
    }
    let plugin = SocketPlugin::new(SocketOptions::default()).events(SocketEvents::of("/").on("peer", peer));
    let running = start(App::new("test").configure(plugin)).await;
    let mut ws = WebSocket::open(running.addr, WEBSOCKET).await.unwrap();
    ws.text().await;
    ws.send("40").await;
    ws.text().await;
    ws.send(r#"421["peer"]"#).await;
    assert_eq!(ws.text().await, r#"431["127.0.0.1"]"#);
}

#[tokio::test]
async fn hooks_are_called_in_registration_order() {
    let recorded: Arc<Mutex<Vec<String>>> = Arc::default();
    let record = |what: &str| {
        let (recorded, what) = (Arc::clone(&recorded), what.to_owned());
        move |detail: String| recorded.lock().unwrap().push(format!("{what} {detail}"))
    };
    let (registered, ready, stopping, gone) =
        (record("registered"), record("ready"), record("stopping"), Arc::new(record("gone")));
    let stopping = Arc::new(stopping);
    let events = SocketEvents::of("/chat").on("hello", async || ()).on_disconnect(move || {
        gone(String::new());
        async {}
    });
    let plugin = SocketPlugin::new(SocketOptions::default())
        .events(events)
        .on_controllers_loaded(move |handlers| registered(handlers.len().to_string()))
        .on_ready(move |api| ready(format!("with {}", api.namespaces().len())))
        .on_shutdown_async(move |api| {
            let stopping = Arc::clone(&stopping);
            async move { stopping(format!("with {}", api.of("/chat").len())) }
        });
    let running = start(App::new("test").configure(plugin)).await;
    let mut ws = WebSocket::open(running.addr, WEBSOCKET).await.unwrap();
    ws.text().await;
    ws.send("40/chat,").await;
    ws.text().await;
    running.stop.send(()).unwrap();
    soon(running.served).await.unwrap().unwrap();
    ws.closed().await;
    assert_eq!(*recorded.lock().unwrap(), ["registered 2", "ready with 2", "stopping with 1", "gone "]);
}

#[tokio::test]
async fn handlers_answer_503_if_the_plugin_is_missing() {
    async fn emit(api: SocketApi) -> String {
        format!("{:?}", api.emit("x", &1).await)
    }
    let running = start(App::new("test").get("/", emit)).await;
    let answer = Request::new("GET", "/").send(running.addr).await;
    assert_eq!(answer.both(), (503, "the Socket.IO plug-in is not enabled"));
    let plugin = || SocketPlugin::new(SocketOptions::default());
    let twice = App::new("test").configure(plugin()).configure(plugin()).build();
    assert!(matches!(twice, Err(PluginError::Twice("socket"))));
    let nonsense = SocketOptions { transports: Vec::new(), ..SocketOptions::default() };
    let wrong = App::new("test").configure(SocketPlugin::new(nonsense)).build();
    assert!(matches!(wrong, Err(PluginError::Socket(_))));
}

/// Paths and methods without a route are named, by text that a person can read.
#[tokio::test]
async fn errors_have_a_body() {
    let running = start(App::new("test").get("/here", async || "here")).await;
    for (method, path, status) in [("GET", "/socket.io/?EIO=4", 404), ("DELETE", "/here", 405)] {
        let answer = Request::new(method, path).send(running.addr).await;
        let said: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
        assert!(answer.status == status && said["error"].is_string(), "{said}");
    }
}

/// Both orders of axum's `merge` keep Socket.IO and the routes.
#[tokio::test]
async fn the_router_can_be_merged_in_any_order() {
    let own = || Router::new().route("/own", get(async || "own")).fallback(async || "elsewhere");
    let app = || {
        App::new("test").configure(SocketPlugin::new(SocketOptions::default())).get("/app", async || "app")
    };
    let routers =
        [app().build().unwrap().router().merge(own()), own().merge(app().build().unwrap().router())];
    for router in routers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        for (path, body) in [("/own", "own"), ("/app", "app"), ("/x", "elsewhere")] {
            assert_eq!(Request::new("GET", path).send(addr).await.both(), (200, body));
        }
        Polling::open(addr, POLLING).await;
        WebSocket::open(addr, WEBSOCKET).await.unwrap();
    }
}

/// Handlers with a state of their own emit like those of the application, wherever their router is added.
#[tokio::test]
async fn handlers_of_an_existing_router_take_the_accessor() {
    async fn tell(api: SocketApi, State(text): State<&'static str>) -> String {
        api.emit("told", text).await.unwrap();
        format!("{text} to {}", api.len())
    }
    let own = || Router::new().route("/tell", post(tell)).fallback(async || "elsewhere").with_state("hello");
    let plugin = || SocketPlugin::new(SocketOptions::default());
    let app = || App::new("test").get("/app", async || "app");
    for app in [app().merge(own()).configure(plugin()), app().configure(plugin()).merge(own())] {
        let running = start(app).await;
        let mut ws = WebSocket::open(running.addr, WEBSOCKET).await.unwrap();
        ws.text().await;
        ws.send("40").await;
        ws.text().await;
        let told = Request::new("POST", "/tell").send(running.addr).await;
        assert_eq!(told.both(), (200, "hello to 1"));
        assert_eq!(ws.text().await, r#"42["told","hello"]"#);
        for (path, body) in [("/app", "app"), ("/x", "elsewhere")] {
            assert_eq!(Request::new("GET", path).send(running.addr).await.both(), (200, body));
        }
    }
    // Without the plug-in they answer like those of the application.
    let running = start(app().merge(own())).await;
    assert_eq!(Request::new("POST", "/tell").send(running.addr).await.status, 503);
}

/// The event for failed events may be switched off.
#[tokio::test]
async fn the_error_event_is_an_option() {
    async fn fail() -> Result<(), String> {
        Err("as asked for".to_owned())
    }
    for error_event in [true, false] {
        let options = SocketOptions { error_event, ..SocketOptions::default() };
        let events = SocketEvents::of("/").on("fail", fail).on("ping", async || Ack("pong"));
        let running = start(App::new("test").configure(SocketPlugin::new(options).events(events))).await;
        let mut ws = WebSocket::open(running.addr, WEBSOCKET).await.unwrap();
        ws.text().await;
        ws.send("40").await;
        ws.text().await;
        ws.send(r#"42["fail"]"#).await;
        if error_event {
            assert_eq!(ws.text().await, r#"42["error",{"event":"fail","message":"as asked for"}]"#);
        }
        ws.send(r#"421["ping"]"#).await;
        assert_eq!(ws.text().await, r#"431["pong"]"#);
    }
}
