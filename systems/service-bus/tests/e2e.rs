//! The program with services of this library, and with users and services of npm and PyPI.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use service_bus::{
    Bus, BusError, BusOptions, ConnectorOptions, Event, EventType, Link, Outcome, ServiceConnector, Users,
};
use tests::raw::{Request, WebSocket, soon};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_service-bus");
const KEY: &str = "open sesame";

async fn start(port: &str) -> (Child, String) {
    let mut program = Command::new(PROGRAM);
    program.env("SOCKET_IO_PORT", port).env("LOG_LEVEL", "OFF").env("BUS_KEY", KEY).env("USERS", "believed");
    tests::served::start(&mut program).await
}

fn options() -> ConnectorOptions {
    ConnectorOptions {
        key: Some(KEY.to_owned()),
        timeout: Duration::from_secs(10),
        reconnection_delay: Duration::from_millis(10),
        ..ConnectorOptions::default()
    }
}

fn service(name: &str, url: &str) -> ServiceConnector {
    ServiceConnector::with_options(name, url, options()).unwrap()
}

/// The events of some types that a service receives.
fn hears(service: &ServiceConnector, kinds: &[EventType]) -> mpsc::UnboundedReceiver<Event> {
    let (tell, told) = mpsc::unbounded_channel();
    for kind in kinds {
        let tell = tell.clone();
        service.on_event(kind.clone(), move |event| {
            let _ = tell.send(event);
            async {}
        });
    }
    told
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

#[tokio::test]
async fn the_demonstration_shows_three_services_that_talk() {
    let mut program = Command::new(PROGRAM);
    program.arg("demo").env_remove("LOG_LEVEL").kill_on_drop(true);
    let output = soon(program.output()).await.unwrap();
    let (shown, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && complaints.is_empty(), "{shown}{complaints}");
    for line in [
        "presence  ada is online: told 4",
        "chat      chat:message from ada to bob: reached 0",
        "mail      keeps a letter from ada for bob, as chat asks",
        "ada       hears notification from mail",
        "presence  bob is online: told 5",
        "mail      has 1 for bob, who is there as presence says",
        "bob       hears notification from mail",
        "chat      chat:message from bob to ada: reached 1",
        "ada       hears chat:message from chat",
        "bob       hears chat:read from chat",
        "presence  bob is offline: told 4",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
}

#[tokio::test]
async fn three_services_talk_to_one_another() {
    let (_program, url) = start("0").await;
    let [chat, presence, mail] = ["chat", "presence", "mail"].map(|name| service(name, &url));
    // A chat message goes to the presence service, and from there to the mail service.
    let asking = chat.clone();
    chat.on_event(EventType::ChatMessage, move |event| {
        let chat = asking.clone();
        async move { chat.emit_to_room("service:presence", event).await.map(drop).unwrap() }
    });
    let away = presence.clone();
    presence.on_event(EventType::ChatMessage, move |event| {
        let presence = away.clone();
        async move {
            if event.source == "chat" {
                let asked = Event::new("mail:send").with("to", event.field::<String>("recipient_id"));
                presence.emit_to_room("service:mail", asked).await.map(drop).unwrap();
            }
        }
    });
    let mut mails = hears(&mail, &["mail:send".into()]);
    let mut infos = hears(&mail, &[EventType::SystemInfo]);
    for service in [&chat, &presence, &mail] {
        assert_eq!(soon(service.initialize()).await.unwrap(), Link::Socket);
    }
    let said = Event::new(EventType::ChatMessage).with("recipient_id", "user123").with("content", "Hello!");
    assert_eq!(chat.emit_to_user("user123", said.clone()).await.unwrap(), Outcome { reached: 0 });
    mail.say(&said).unwrap();
    let sent = soon(mails.recv()).await.unwrap();
    assert_eq!((sent.source.as_str(), sent.field::<String>("to").as_deref()), ("presence", Some("user123")));
    assert!(sent.timestamp > 1.6e9);

    // Rooms, and broadcasts.
    mail.join("letters").await.unwrap();
    let info = Event::new(EventType::SystemInfo).with("n", 1);
    assert_eq!(chat.emit_to_room("letters", info.clone()).await.unwrap().reached, 1);
    mail.leave("letters").await.unwrap();
    assert_eq!(chat.emit_to_room("letters", info.clone()).await.unwrap().reached, 0);
    assert_eq!(presence.broadcast(info.with("n", 2)).await.unwrap().reached, 3);
    for (source, n) in [("chat", 1), ("presence", 2)] {
        let info = soon(infos.recv()).await.unwrap();
        assert_eq!((info.source.as_str(), info.field::<u8>("n")), (source, Some(n)));
    }
    let mut updates = hears(&chat, &[EventType::PresenceUpdate]);
    chat.say(&Event::new(EventType::PresenceQuery).with("user_id", "user123")).unwrap();
    let update = soon(updates.recv()).await.unwrap();
    assert_eq!((update.source.as_str(), update.field::<bool>("online")), ("bus", Some(false)));
    let refused = chat.emit_to_client("nobody", Event::new(EventType::SystemInfo)).await;
    assert!(matches!(refused, Err(BusError::Refused(why)) if why == "there is no such client"));
    assert!(matches!(chat.join("").await, Err(BusError::Refused(_))));
    for service in [chat, presence, mail] {
        service.shutdown().await;
        assert_eq!(service.link(), Link::Http);
    }
}

#[tokio::test]
async fn without_a_connection_the_api_is_used() {
    let (_program, url) = start("0").await;
    let listener = service("listener", &url);
    let mut told = hears(&listener, &[EventType::Notification]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), Link::Socket);
    // A service that cannot use Socket.IO, as behind a proxy that supports HTTP only.
    let blocked =
        ConnectorOptions { path: "/blocked/".to_owned(), timeout: Duration::from_secs(2), ..options() };
    let blocked = ServiceConnector::with_options("blocked", &url, blocked).unwrap();
    assert_eq!(soon(blocked.initialize()).await.unwrap(), Link::Http);
    let event = Event::new(EventType::Notification).with("text", "by HTTP");
    assert_eq!(
        blocked.emit_to_room("service:listener", event.clone()).await.unwrap(),
        Outcome { reached: 1 }
    );
    let heard = soon(told.recv()).await.unwrap();
    assert_eq!((heard.source.as_str(), &heard.fields), ("blocked", &event.fields));
    assert_eq!(blocked.broadcast(event.clone()).await.unwrap().reached, 1);
    assert!(matches!(blocked.join("letters").await, Err(BusError::NotConnected)));
    assert!(matches!(blocked.emit_to_client("nobody", event.clone()).await, Err(BusError::Http(_))));
    for wrong in ["ws://localhost", "localhost:8000", "http://", "https://"] {
        assert!(ServiceConnector::new("x", wrong).is_err(), "{wrong}");
    }
}

/// A lost link is restored; a wrong key is final.
#[tokio::test]
async fn those_without_the_key_are_told_so_on_either_way() {
    let (_program, url) = start("0").await;
    for (path, why) in
        [("/socket.io/", "not a service"), ("/blocked/", "the key of services is missing or wrong")]
    {
        let stranger = ConnectorOptions {
            key: Some("guess".to_owned()),
            path: path.to_owned(),
            timeout: Duration::from_secs(2),
            ..options()
        };
        let stranger = ServiceConnector::with_options("stranger", &url, stranger).unwrap();
        let is_told = |done: Result<(), BusError>| matches!(done, Err(BusError::Denied(said)) if said == why);
        for _ in 0..2 {
            assert!(is_told(soon(stranger.initialize()).await.map(drop)), "{path}");
            assert_eq!(stranger.link(), Link::Refused);
            assert!(is_told(stranger.broadcast(Event::new(EventType::SystemInfo)).await.map(drop)), "{path}");
            assert!(is_told(stranger.join("letters").await), "{path}");
        }
    }
}

#[tokio::test]
async fn a_service_whose_key_is_changed_while_it_is_away_hears_so() {
    let (mut program, url) = start("0").await;
    let one = service("one", &url);
    assert_eq!(soon(one.initialize()).await.unwrap(), Link::Socket);
    program.kill().await.unwrap();
    let bus = Bus::new(BusOptions { key: Some("another key".to_owned()), ..BusOptions::default() }).unwrap();
    let listener = tokio::net::TcpListener::bind(url.strip_prefix("http://").unwrap()).await.unwrap();
    tokio::spawn(async move { bus.serve(listener, std::future::pending()).await });
    soon(async {
        while one.link() != Link::Refused {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let sent = one.broadcast(Event::new(EventType::SystemInfo)).await;
    assert!(matches!(sent, Err(BusError::Denied(why)) if why == "not a service"));
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_answered() {
    let (_program, url) = start("0").await;
    let one = service("one", &url);
    assert_eq!(soon(one.initialize()).await.unwrap(), Link::Socket);
    let (sent, ()) = tokio::join!(one.broadcast(Event::new(EventType::SystemInfo)), one.shutdown());
    assert_eq!(sent.unwrap(), Outcome { reached: 1 });
    assert_eq!(one.link(), Link::Http);
}

#[tokio::test]
async fn both_ways_go_through_tls() {
    let (_program, url) = start("0").await;
    let (addr, tls) = tests::tls::in_front_of(url.strip_prefix("http://").unwrap().parse().unwrap()).await;
    let url = format!("https://localhost:{}", addr.port());
    let trusting = ConnectorOptions { tls, ..options() };
    let listener = ServiceConnector::with_options("listener", &url, trusting.clone()).unwrap();
    let mut told = hears(&listener, &[EventType::Notification]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), Link::Socket);
    let blocked =
        ConnectorOptions { path: "/blocked/".to_owned(), timeout: Duration::from_secs(2), ..trusting };
    let blocked = ServiceConnector::with_options("blocked", &url, blocked).unwrap();
    assert_eq!(soon(blocked.initialize()).await.unwrap(), Link::Http);
    let event = Event::new(EventType::Notification).with("text", "by HTTPS");
    assert_eq!(blocked.emit_to_room("service:listener", event).await.unwrap(), Outcome { reached: 1 });
    assert_eq!(soon(told.recv()).await.unwrap().source, "blocked");
    // A server with an untrusted certificate is refused.
    let strict = ConnectorOptions { timeout: Duration::from_secs(2), ..options() };
    let strict = ServiceConnector::with_options("strict", &url, strict).unwrap();
    assert!(soon(strict.initialize()).await.is_err());
}

#[tokio::test]
async fn a_service_comes_back_when_the_bus_does() {
    let (mut program, url) = start("0").await;
    let (one, two) = (service("one", &url), service("two", &url));
    let mut told = hears(&two, &[EventType::SystemInfo]);
    for service in [&one, &two] {
        assert_eq!(soon(service.initialize()).await.unwrap(), Link::Socket);
    }
    two.join("letters").await.unwrap();
    program.kill().await.unwrap();
    soon(async {
        while one.link() == Link::Socket || two.link() == Link::Socket {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let info = Event::new(EventType::SystemInfo);
    assert!(matches!(one.broadcast(info.clone()).await, Err(BusError::Http(_))));
    let (_program, _) = start(url.rsplit(':').next().unwrap()).await;
    // The room is joined again shortly after the reconnect.
    soon(async {
        while !matches!(one.emit_to_room("letters", info.clone()).await, Ok(Outcome { reached: 1 })) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(soon(told.recv()).await.unwrap().source, "one");
}

#[tokio::test]
async fn users_and_services_of_npm() {
    let (_program, url) = start("0").await;
    let chat = service("chat", &url);
    let mut heard = hears(&chat, &[EventType::UserConnected, EventType::UserDisconnected]);
    let answering = chat.clone();
    chat.on_event(EventType::ChatMessage, move |event| {
        let chat = answering.clone();
        async move {
            let to: String = event.field("recipient_id").unwrap();
            chat.emit_to_user(&to, event).await.map(drop).unwrap();
        }
    });
    assert_eq!(soon(chat.initialize()).await.unwrap(), Link::Socket);
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    tests::node::run_with(&systems, &script("users.mjs"), &[&url, KEY]).await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let event = soon(heard.recv()).await.unwrap();
        assert_eq!(event.source, "bus");
        seen.push((event.kind.name().to_owned(), event.field::<String>("user_id").unwrap()));
    }
    seen.sort();
    let expected = [
        ("user:connected", "ada"),
        ("user:connected", "bob"),
        ("user:disconnected", "ada"),
        ("user:disconnected", "bob"),
    ];
    assert!(seen.iter().map(|(kind, user)| (kind.as_str(), user.as_str())).eq(expected), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_word_on_a_user_is_the_true_one() {
    let (_program, url) = start("0").await;
    let addr: std::net::SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = service("listener", &url);
    let mut heard = hears(&listener, &[EventType::UserConnected, EventType::UserDisconnected]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), Link::Socket);
    let come_and_go = move || async move {
        for _ in 0..50 {
            let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
            ws.text().await;
            ws.send(r#"40{"user_id":"ada"}"#).await;
            ws.text().await;
            ws.cut();
        }
    };
    let visits: Vec<_> = (0..4).map(|_| tokio::spawn(come_and_go())).collect();
    for visit in visits {
        visit.await.unwrap();
    }
    // A user connects as the first and disconnects as the last: both events alternate, and the last one is
    // the disconnect.
    let mut is_there = false;
    loop {
        let event = soon(heard.recv()).await.unwrap();
        assert_eq!(event.kind == EventType::UserConnected, !is_there);
        is_there = !is_there;
        if is_there {
            continue;
        }
        let rooms = Request::new("GET", "/api/rooms").header("authorization", &format!("Bearer {KEY}"));
        if !rooms.send(addr).await.text().contains("user:ada") && heard.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn a_service_says_who_somebody_is() {
    let bus =
        Bus::new(BusOptions { key: Some(KEY.to_owned()), users: Users::Unknown, ..BusOptions::default() })
            .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { bus.serve(listener, std::future::pending()).await });
    let door = service("door", &format!("http://{addr}"));
    let mut heard = hears(&door, &EventType::STANDARD);
    assert_eq!(soon(door.initialize()).await.unwrap(), Link::Socket);
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    // The user id that the client sends is not trusted.
    ws.send(r#"40{"user_id":"ada"}"#).await;
    let joined: Value = serde_json::from_str(&ws.text().await[2..]).unwrap();
    let id = joined["sid"].as_str().unwrap();
    let says = r#"42["chat:typing",{"user_id":"eve"}]"#;
    let mut next = async || {
        let event = soon(heard.recv()).await.unwrap();
        (event.kind.name().to_owned(), event.field::<String>("user_id"), event.field::<String>("client_id"))
    };
    let about = |kind: &str, user: &str| (kind.to_owned(), Some(user.to_owned()), None);
    ws.send(says).await;
    assert_eq!(next().await, ("chat:typing".to_owned(), None, Some(id.to_owned())));
    door.join_client(id, "user:ada").await.unwrap();
    assert_eq!(next().await, about("user:connected", "ada"));
    ws.send(says).await;
    assert_eq!(next().await, about("chat:typing", "ada"));
    door.leave_client(id, "user:ada").await.unwrap();
    assert_eq!(next().await, about("user:disconnected", "ada"));
    door.join_client(id, "user:bob").await.unwrap();
    assert_eq!(next().await, about("user:connected", "bob"));
    ws.cut();
    assert_eq!(next().await, about("user:disconnected", "bob"));
}

#[tokio::test]
async fn a_service_of_python() {
    let (_program, url) = start("0").await;
    let listener = service("listener", &url);
    let mut told = hears(&listener, &[EventType::Notification]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), Link::Socket);
    tests::python::run_file(&script("service.py"), &[&url, KEY]).await;
    let event = soon(told.recv()).await.unwrap();
    assert_eq!((event.source.as_str(), event.field::<String>("text").as_deref()), ("python", Some("hello")));
}

#[tokio::test]
async fn the_api_says_what_is_wrong() {
    let (_program, url) = start("0").await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let ask = async |path: &str, key: &str, body: &str| {
        let request = Request::new("POST", path).header("authorization", &format!("Bearer {key}")).body(body);
        request.send(addr).await
    };
    let good = json!({ "room": "r", "event": { "type": "notification", "text": "x" } }).to_string();
    assert_eq!(ask("/api/emit_to_room", KEY, &good).await.both(), (200, r#"{"reached":0,"success":true}"#));
    for (path, key, body, status) in [
        ("/api/emit_to_room", "guess", good.as_str(), 401),
        ("/api/emit_to_moon", KEY, &good, 404),
        ("/api/emit_to_room", KEY, "{", 400),
        ("/api/emit_to_room", KEY, "[]", 422),
        ("/api/emit_to_room", KEY, r#"{"room":"r"}"#, 422),
        ("/api/emit_to_room", KEY, r#"{"room":"r","event":{"text":"x"}}"#, 422),
        ("/api/broadcast", KEY, r#"{"event":{"type":"disconnect"}}"#, 422),
        ("/api/broadcast", KEY, r#"{"event":["system:info",1,"x"]}"#, 422),
        ("/api/broadcast", "guess", &"x".repeat(1_000_000), 401),
        ("/api/broadcast", KEY, &"x".repeat(1_500_000), 413),
        ("/api", KEY, "{}", 404),
        ("/api/rooms", KEY, "{}", 405),
        ("/api/join_room", KEY, r#"{"room":"r"}"#, 422),
        ("/api/join_room", KEY, r#"{"room":"r","client_id":"nobody"}"#, 404),
        ("/api/leave_room", KEY, r#"{"room":"r","client_id":"nobody"}"#, 404),
    ] {
        let answer = ask(path, key, body).await;
        assert_eq!(answer.status, status, "{path} {body}");
        let said: Value = serde_json::from_str(answer.text()).unwrap();
        assert!(said["success"] == false && said["error"].is_string(), "{said}");
    }
    assert_eq!(Request::new("GET", "/api/rooms").send(addr).await.status, 401);
    assert_eq!(Request::new("GET", "/health").send(addr).await.both(), (200, r#"{"status":"ok"}"#));
}

/// A browser would let any page act as a service of a bus without a key.
#[tokio::test]
async fn foreign_pages_are_kept_out() {
    let origins: engineio::Origins = ["https://good.test"].into_iter().collect();
    let origins = origins.into();
    let bus = Bus::new(BusOptions { origins, ..BusOptions::default() }).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { bus.serve(listener, std::future::pending()).await });
    for (origin, is_welcome) in [("https://evil.test", false), ("https://good.test", true)] {
        let headers = [("origin", origin)];
        let target = "/socket.io/?EIO=4&transport=websocket";
        let opened = WebSocket::open_with(addr, target, &headers).await;
        assert_eq!(opened.is_ok(), is_welcome, "{origin}");
        let body = r#"{"event":{"type":"system:info"}}"#;
        let posted =
            Request::new("POST", "/api/broadcast").header("origin", origin).body(body).send(addr).await;
        assert_eq!(posted.status, if is_welcome { 200 } else { 403 }, "{origin}");
        let asked = Request::new("GET", "/api/rooms").header("origin", origin).send(addr).await;
        assert_eq!(asked.status, posted.status, "{origin}");
    }
}

/// Requests of a script tag and `no-cors` requests have no Origin header, and a page whose host name resolves
/// to this machine has its own origin.
#[tokio::test]
async fn foreign_pages_find_no_way_around_the_origin() {
    let origins = service_bus::OriginPolicy::default().local_hosts();
    let bus = Bus::new(BusOptions { origins, ..BusOptions::default() }).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { bus.serve(listener, std::future::pending()).await });
    let polling = "/socket.io/?EIO=4&transport=polling";
    let script = Request::new("GET", &format!("{polling}&j=0"));
    assert_eq!(script.send(addr).await.status, 400, "JSONP is off");
    for target in [polling, "/api/rooms"] {
        let foreign = Request::new("GET", target).header("sec-fetch-site", "cross-site");
        assert_eq!(foreign.send(addr).await.status, 403, "{target}");
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let rebound = format!("GET {target} HTTP/1.1\r\nhost: evil.test\r\nconnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, rebound.as_bytes()).await.unwrap();
        assert_eq!(tests::raw::Response::read(&mut stream).await.status, 403, "{target}");
        assert_eq!(Request::new("GET", target).send(addr).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn wrong_settings_are_reported() {
    for (name, value) in
        [("SOCKET_IO_PORT", "many"), ("LOG_LEVEL", "LOUD"), ("USERS", "some"), ("BUS_KEY", "")]
    {
        let mut program = Command::new(PROGRAM);
        program.env("SOCKET_IO_PORT", "0").env(name, value).kill_on_drop(true);
        let output = soon(program.output()).await.unwrap();
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains(name));
    }
}
