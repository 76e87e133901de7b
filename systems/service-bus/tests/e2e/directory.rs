//! The connected clients and services: as a snapshot, as events, and over HTTP.

use serde_json::{Value, json};
use service_bus::{BusOptions, Config, LinkState};
use tests::raw::{Request, WebSocket, soon};

use crate::{embedded, received_by, service};

#[tokio::test]
async fn a_service_that_connects_gets_a_snapshot() {
    let (_bus, addr) = embedded(Config::default(), BusOptions::default()).await;
    let url = format!("http://{addr}");
    let kinds = ["presence:snapshot", "service:connected", "service:disconnected"].map(Into::into);
    let shop = service("shop", &url);
    let mut events = received_by(&shop, &kinds);
    assert_eq!(soon(shop.initialize()).await.unwrap(), LinkState::Socket);
    let first = soon(events.recv()).await.unwrap();
    assert_eq!((first.source.as_str(), first.field("services")), ("bus", Some(json!({ "shop": 1 }))));
    let mut ada = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ada.text().await;
    ada.send(r#"40{"user_id":"ada"}"#).await;
    ada.text().await;
    let instances = [service("stock", &url), service("stock", &url)];
    let mut second = received_by(&instances[1], &kinds);
    for instance in &instances {
        assert_eq!(soon(instance.initialize()).await.unwrap(), LinkState::Socket);
    }
    let snapshot = soon(second.recv()).await.unwrap();
    assert_eq!(snapshot.field("services"), Some(json!({ "shop": 1, "stock": 2 })));
    assert_eq!((snapshot.field("users"), snapshot.field("users_total")), (Some(json!(["ada"])), Some(1)));
    for instance in instances {
        instance.shutdown().await;
    }
    for kind in ["service:connected", "service:disconnected"] {
        let event = soon(events.recv()).await.unwrap();
        assert_eq!((event.kind.name(), event.field::<String>("service").as_deref()), (kind, Some("stock")));
    }
}

#[tokio::test]
async fn clients_are_listed_by_pages() {
    let (_bus, addr) = embedded(Config::default(), BusOptions::default()).await;
    let shop = service("shop", &format!("http://{addr}"));
    assert_eq!(soon(shop.initialize()).await.unwrap(), LinkState::Socket);
    let mut open = Vec::new();
    for auth in [r#"{"user_id":"ada"}"#, ""] {
        let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        ws.text().await;
        ws.send(&format!("40{auth}")).await;
        ws.text().await;
        open.push(ws);
    }
    let (mut after, mut found) = (String::new(), Vec::new());
    loop {
        let path = format!("/api/clients?limit=2&after={after}");
        let page: Value = serde_json::from_str(Request::new("GET", &path).send(addr).await.text()).unwrap();
        assert_eq!(page["total"], 3);
        found.extend(page["clients"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => break,
        }
    }
    let count = |name: &str, value: &str| found.iter().filter(|client| client[name] == value).count();
    assert_eq!((found.len(), count("service", "shop"), count("user_id", "ada")), (3, 1, 1));
    assert!(found.iter().all(|client| client["id"].is_string() && client["rooms"].is_array()));
}
