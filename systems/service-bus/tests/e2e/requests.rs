//! Requests between services, over Socket.IO and HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use service_bus::{BusOptions, Config, ConnectorOptions, Event, LinkState, RequestError, ServiceConnector};
use tests::raw::{Request, soon};

use crate::{embedded, options, service};

const TIMEOUT: Duration = Duration::from_secs(10);

/// An instance of a service that answers.
async fn instance(url: &str, number: u8) -> ServiceConnector {
    let stock = service("stock", url);
    stock.on_request("count", move |event: Event| async move {
        match event.field::<String>("item").as_deref() {
            Some("pear") => Ok(json!({ "instance": number, "by": event.source })),
            _ => Err("no such item".to_owned()),
        }
    });
    stock.on_request("slow", |_| std::future::pending::<Result<(), String>>());
    assert_eq!(soon(stock.initialize()).await.unwrap(), LinkState::Socket);
    stock
}

fn count(item: &str) -> Event {
    Event::new("count").with("item", item)
}

#[tokio::test]
async fn instances_answer_in_turn_and_errors_are_clear() {
    let (_bus, addr) = embedded(Config::default(), BusOptions::default()).await;
    let url = format!("http://{addr}");
    let shop = service("shop", &url);
    assert_eq!(soon(shop.initialize()).await.unwrap(), LinkState::Socket);
    let none = shop.request("stock", count("pear"), TIMEOUT).await;
    assert!(matches!(none, Err(RequestError::NoService)), "{none:?}");
    let (_one, two) = (instance(&url, 1).await, instance(&url, 2).await);
    let path = "/blocked/".to_owned();
    let blocked = ConnectorOptions { path, timeout: Duration::from_secs(2), ..options() };
    let blocked = ServiceConnector::with_options("blocked", &url, blocked).unwrap();
    assert_eq!(soon(blocked.initialize()).await.unwrap(), LinkState::Http);
    for asking in [&shop, &blocked] {
        let mut instances = Vec::new();
        for _ in 0..4 {
            let answer: Value =
                asking.request("stock", count("pear"), TIMEOUT).await.unwrap().parse().unwrap();
            assert_eq!(answer["by"], asking.name());
            instances.push(answer["instance"].as_u64().unwrap());
        }
        assert_eq!(instances[..2], instances[2..]);
        assert_ne!(instances[0], instances[1], "{}", asking.name());
        let refused = asking.request("stock", count("plum"), TIMEOUT).await;
        assert!(matches!(refused, Err(RequestError::Refused(why)) if why.contains("no such item")));
        let unknown = asking.request("stock", Event::new("unknown"), TIMEOUT).await;
        assert!(matches!(unknown, Err(RequestError::Refused(why)) if why.contains("no handler of unknown")));
        let late = asking.request("stock", Event::new("slow"), Duration::from_millis(1)).await;
        assert!(matches!(late, Err(RequestError::Timeout)));
        let none = asking.request("moon", count("pear"), TIMEOUT).await;
        assert!(matches!(none, Err(RequestError::NoService)));
    }
    two.shutdown().await;
    for (body, status, code) in [
        (json!({ "service": "moon", "event": { "type": "count" } }), 404, "no_service"),
        (json!({ "service": "stock", "event": { "type": "count" } }), 422, "refused"),
        (json!({ "service": "stock", "event": { "type": "slow" }, "timeout_ms": 1 }), 504, "timeout"),
        (json!({ "event": { "type": "slow" } }), 422, "invalid"),
    ] {
        let answer = Request::new("POST", "/api/request").body(body.to_string()).send(addr).await;
        let said: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!((answer.status, said["error"]["code"].as_str()), (status, Some(code)), "{said}");
    }
}

#[tokio::test]
async fn an_instance_that_leaves_ends_its_requests() {
    let (_bus, addr) = embedded(Config::default(), BusOptions::default()).await;
    let url = format!("http://{addr}");
    let shop = service("shop", &url);
    assert_eq!(soon(shop.initialize()).await.unwrap(), LinkState::Socket);
    let stock = service("stock", &url);
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    stock.on_request("slow", move |_| {
        let _ = began.send(());
        std::future::pending::<Result<(), String>>()
    });
    assert_eq!(soon(stock.initialize()).await.unwrap(), LinkState::Socket);
    let asked = tokio::spawn(async move { shop.request("stock", Event::new("slow"), TIMEOUT).await });
    soon(begun.recv()).await.unwrap();
    stock.shutdown().await;
    assert!(matches!(soon(asked).await.unwrap(), Err(RequestError::Left)));
}
