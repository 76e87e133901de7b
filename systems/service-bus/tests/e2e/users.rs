//! Users of the bus, and services of other languages.

use std::path::Path;

use serde_json::Value;
use service_bus::{BusOptions, Config, EventType, LinkState, Users};
use tests::raw::{Request, WebSocket, soon};

use crate::{KEY, embedded, received_by, script, service, shared, start};

#[tokio::test]
async fn npm_users_and_services_work() {
    let (_program, url) = start("0").await;
    let chat = service("chat", &url);
    let mut received = received_by(&chat, &[EventType::UserConnected, EventType::UserDisconnected]);
    let answering = chat.clone();
    chat.on_event(EventType::ChatMessage, move |event| {
        let chat = answering.clone();
        async move {
            let to: String = event.field("recipient_id").unwrap();
            chat.emit_to_user(&to, event).await.map(drop).unwrap();
        }
    });
    assert_eq!(soon(chat.initialize()).await.unwrap(), LinkState::Socket);
    let systems = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    tests::node::run_with(&systems, &script("users.mjs"), &[&url, KEY]).await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let event = soon(received.recv()).await.unwrap();
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
async fn the_last_presence_event_of_a_user_is_correct() {
    let (_program, url) = start("0").await;
    let addr: std::net::SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = service("listener", &url);
    let mut received = received_by(&listener, &[EventType::UserConnected, EventType::UserDisconnected]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), LinkState::Socket);
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
        let event = soon(received.recv()).await.unwrap();
        assert_eq!(event.kind == EventType::UserConnected, !is_there);
        is_there = !is_there;
        if is_there {
            continue;
        }
        let rooms = Request::new("GET", "/api/rooms").header("authorization", &format!("Bearer {KEY}"));
        if !rooms.send(addr).await.text().contains("user:ada") && received.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn a_service_assigns_the_user_of_a_client() {
    let options = BusOptions { keys: shared(KEY), users: Users::Unknown, ..BusOptions::default() };
    let (_bus, addr) = embedded(Config::default(), options).await;
    let assigner = service("assigner", &format!("http://{addr}"));
    let mut received = received_by(&assigner, &EventType::STANDARD);
    assert_eq!(soon(assigner.initialize()).await.unwrap(), LinkState::Socket);
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    // The user id that the client sends is not trusted.
    ws.send(r#"40{"user_id":"ada"}"#).await;
    let joined: Value = serde_json::from_str(&ws.text().await[2..]).unwrap();
    let id = joined["sid"].as_str().unwrap();
    let says = r#"42["chat:typing",{"user_id":"eve"}]"#;
    let mut next = async || {
        let event = soon(received.recv()).await.unwrap();
        (event.kind.name().to_owned(), event.field::<String>("user_id"), event.field::<String>("client_id"))
    };
    let about = |kind: &str, user: &str| (kind.to_owned(), Some(user.to_owned()), None);
    ws.send(says).await;
    assert_eq!(next().await, ("chat:typing".to_owned(), None, Some(id.to_owned())));
    assigner.join_client(id, "user:ada").await.unwrap();
    assert_eq!(next().await, about("user:connected", "ada"));
    ws.send(says).await;
    assert_eq!(next().await, about("chat:typing", "ada"));
    assigner.leave_client(id, "user:ada").await.unwrap();
    assert_eq!(next().await, about("user:disconnected", "ada"));
    assigner.join_client(id, "user:bob").await.unwrap();
    assert_eq!(next().await, about("user:connected", "bob"));
    ws.cut();
    assert_eq!(next().await, about("user:disconnected", "bob"));
}

#[tokio::test]
async fn a_python_service_works() {
    let (_program, url) = start("0").await;
    let listener = service("listener", &url);
    let mut events = received_by(&listener, &[EventType::Notification]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), LinkState::Socket);
    tests::python::run_file(&script("service.py"), &[&url, KEY]).await;
    let event = soon(events.recv()).await.unwrap();
    assert_eq!((event.source.as_str(), event.field::<String>("text").as_deref()), ("python", Some("hello")));
}
