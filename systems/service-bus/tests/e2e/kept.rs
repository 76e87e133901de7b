//! Events that are kept for services that are away, and commands that are sent again.

use std::time::Duration;

use serde_json::{Value, json};
use service_bus::{
    BusError, BusOptions, Config, ConnectorOptions, Dropped, Event, KeepOptions, LinkState, SeenIds,
    ServiceConnector,
};
use tests::raw::{Request, soon, until};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::{embedded, options, received_by, service, start};

type Numbers = mpsc::UnboundedReceiver<u64>;

/// A service with a subscription to `order`: the numbers of its events, and the events that were dropped.
async fn subscriber(url: &str) -> (ServiceConnector, Numbers, mpsc::UnboundedReceiver<Dropped>) {
    let service = service("stock", url);
    let (sender, numbers) = mpsc::unbounded_channel();
    let (dropping, dropped) = mpsc::unbounded_channel();
    service.on_dropped(move |dropped| {
        let _ = dropping.send(dropped);
        async {}
    });
    assert_eq!(soon(service.initialize()).await.unwrap(), LinkState::Socket);
    let handler = move |event: Event| {
        let _ = sender.send(event.field("n").unwrap());
        async {}
    };
    service.subscribe("orders", &["order".into()], handler).await.unwrap();
    (service, numbers, dropped)
}

fn order(number: u64) -> Event {
    Event::new("order").with("n", number)
}

async fn next(numbers: &mut Numbers) -> u64 {
    soon(numbers.recv()).await.unwrap()
}

/// The subscriptions of the service, when it has this number of connections.
async fn subscriptions(addr: std::net::SocketAddr, connections: usize) -> Value {
    let mut found = Value::Null;
    until(async || {
        let answer: Value =
            serde_json::from_str(Request::new("GET", "/api/services").send(addr).await.text()).unwrap();
        found = answer["services"]["stock"].clone();
        found["clients"].as_array().map_or(0, Vec::len) == connections
    })
    .await;
    found["subscriptions"].clone()
}

#[tokio::test]
async fn a_returning_service_gets_the_events_that_it_has_missed() {
    let (_bus, addr) = embedded(Config::default(), BusOptions::default()).await;
    let url = format!("http://{addr}");
    let sender = service("shop", &url);
    assert_eq!(soon(sender.initialize()).await.unwrap(), LinkState::Socket);
    let unknown = sender.emit_to_service("stock", order(0)).await;
    assert!(matches!(unknown, Err(BusError::Refused(why)) if why == "there is no such service"));
    let (stock, mut numbers, _) = subscriber(&url).await;
    let mut directly = received_by(&stock, &["order".into(), "other".into()]);
    let sent = sender.publish(order(1)).await.unwrap();
    assert_eq!((sent.reached, sent.delivered, sent.kept), (1, 1, 0));
    assert_eq!(next(&mut numbers).await, 1);
    stock.shutdown().await;
    let away = json!([{ "name": "orders", "types": ["order"], "connected": 0, "kept": 0, "bytes": 0, "dropped": 0 }]);
    assert_eq!(subscriptions(addr, 0).await, away);
    for (number, sent) in [
        (2, sender.publish(order(2)).await),
        (3, sender.emit_to_service("stock", order(3)).await),
        (4, sender.emit_to_room("services", order(4)).await),
        (5, sender.broadcast(order(5)).await),
    ] {
        let sent = sent.unwrap();
        assert_eq!((sent.delivered, sent.kept), (0, 1), "{number}");
    }
    assert_eq!(sender.publish(Event::new("other")).await.unwrap().kept, 0, "another type");
    let (stock, mut numbers, _) = subscriber(&url).await;
    for number in 2..=5 {
        assert_eq!(next(&mut numbers).await, number);
    }
    sender.publish(Event::new("other")).await.unwrap();
    assert_eq!(sender.publish(order(6)).await.unwrap().delivered, 1);
    assert_eq!(next(&mut numbers).await, 6);
    stock.unsubscribe("orders").await.unwrap();
    assert_eq!(sender.publish(order(7)).await.unwrap().kept, 0);
    assert!(directly.try_recv().is_err(), "the first connection had left");
    assert_eq!(subscriptions(addr, 1).await, json!([]));
}

#[tokio::test]
async fn a_service_gets_the_number_of_dropped_events() {
    let keep = KeepOptions { events: 2, ..KeepOptions::default() };
    let (_bus, addr) = embedded(Config::default(), BusOptions { keep, ..BusOptions::default() }).await;
    let url = format!("http://{addr}");
    let (stock, ..) = subscriber(&url).await;
    stock.shutdown().await;
    subscriptions(addr, 0).await;
    let sender = service("shop", &url);
    assert_eq!(soon(sender.initialize()).await.unwrap(), LinkState::Socket);
    for number in 1..=5 {
        assert_eq!(sender.publish(order(number)).await.unwrap().kept, 1);
    }
    let (_stock, mut numbers, mut dropped) = subscriber(&url).await;
    let told = soon(dropped.recv()).await.unwrap();
    assert_eq!((told.subscription.as_str(), told.count), ("orders", Some(3)));
    assert_eq!((next(&mut numbers).await, next(&mut numbers).await), (4, 5));
}

#[tokio::test]
async fn the_subscriptions_are_bounded() {
    let keep = KeepOptions { subscriptions: 1, ..KeepOptions::default() };
    let (_bus, addr) = embedded(Config::default(), BusOptions { keep, ..BusOptions::default() }).await;
    let (stock, ..) = subscriber(&format!("http://{addr}")).await;
    let ignored = |_| async {};
    let refused = stock.subscribe("more", &[], ignored).await;
    assert!(matches!(refused, Err(BusError::Refused(why)) if why == "there are too many subscriptions"));
    let changed = stock.subscribe("orders", &["other".into()], ignored).await;
    assert!(matches!(changed, Err(BusError::Refused(why)) if why.contains("unsubscribe first")));
    let types: Vec<_> = (0..101).map(|number| format!("t{number}").as_str().into()).collect();
    for (name, types) in [("orders", types.as_slice()), ("", &[]), (&"x".repeat(257), &[])] {
        assert!(matches!(stock.subscribe(name, types, ignored).await, Err(BusError::Refused(_))), "{name}");
    }
    let reserved = stock.join("bus:kept/order").await;
    assert!(matches!(reserved, Err(BusError::Refused(_))), "it would hide events from the socket");
}

/// A bus that stops by a signal saves the events; one that is killed loses them, and the services hear of it.
#[tokio::test]
async fn kept_events_survive_a_restart_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let keep = KeepOptions { file: Some(folder.path().join("kept")), ..KeepOptions::default() };
    let settings = || BusOptions { keep: keep.clone(), ..BusOptions::default() };
    let mut config = Config::default();
    config.server.drain_ms = 100;
    let (bus, addr) = embedded(config.clone(), settings()).await;
    let url = format!("http://{addr}");
    let (stock, ..) = subscriber(&url).await;
    stock.shutdown().await;
    subscriptions(addr, 0).await;
    let sender = service("shop", &url);
    assert_eq!(soon(sender.initialize()).await.unwrap(), LinkState::Socket);
    assert_eq!(sender.publish(order(1)).await.unwrap().kept, 1);
    sender.shutdown().await;
    soon(bus.close()).await;
    let (_bus, addr) = embedded(config, settings()).await;
    assert!(!folder.path().join("kept").exists(), "after a crash its events would be old");
    let (_stock, mut numbers, _) = subscriber(&format!("http://{addr}")).await;
    assert_eq!(next(&mut numbers).await, 1);
}

#[tokio::test]
async fn a_service_hears_that_the_bus_has_lost_its_subscription() {
    let (mut program, url) = start("0").await;
    let (stock, _, mut dropped) = subscriber(&url).await;
    program.kill().await.unwrap();
    until(async || stock.link() != LinkState::Socket).await;
    let (_program, _) = start(url.rsplit(':').next().unwrap()).await;
    let told = soon(dropped.recv()).await.unwrap();
    assert_eq!((told.subscription.as_str(), told.count), ("orders", None));
}

/// A bus that stops ends the connections. Its services connect again when another one listens.
#[tokio::test]
async fn services_reconnect_and_send_again_after_a_bus_has_stopped() {
    let mut config = Config::default();
    config.server.drain_ms = 100;
    let (bus, addr) = embedded(config.clone(), BusOptions::default()).await;
    let url = format!("http://{addr}");
    let again = ConnectorOptions { resend: Duration::from_secs(30), max_unanswered: 1, ..options() };
    let sender = ServiceConnector::with_options("shop", &url, again).unwrap();
    let receiver = service("stock", &url);
    let mut events = received_by(&receiver, &["order".into()]);
    for service in [&sender, &receiver] {
        assert_eq!(soon(service.initialize()).await.unwrap(), LinkState::Socket);
    }
    soon(bus.close()).await;
    until(async || [&sender, &receiver].iter().all(|service| service.link() == LinkState::Http)).await;
    let mut sent = Box::pin(sender.emit_to_service("stock", order(1)));
    tokio::select! {
        biased;
        sent = &mut sent => panic!("{sent:?}"),
        refused = sender.publish(order(2)) => assert!(matches!(refused, Err(BusError::TooMany))),
    }
    let bus = service_bus::Bus::new(config, BusOptions::default()).unwrap();
    let mut listener = TcpListener::bind(addr).await;
    until(async || {
        if listener.is_err() {
            listener = TcpListener::bind(addr).await;
        }
        listener.is_ok()
    })
    .await;
    let listener = listener.unwrap();
    tokio::spawn(async move { bus.serve(listener).await });
    // The receiver may be the later one: then the bus refuses the event, as it does not know the service.
    let sent = soon(sent).await;
    until(async || receiver.link() == LinkState::Socket && sender.link() == LinkState::Socket).await;
    if sent.is_err() {
        sender.emit_to_service("stock", order(1)).await.unwrap();
    }
    let event = soon(events.recv()).await.unwrap();
    assert_eq!(event.field("n"), Some(1));
    assert!(SeenIds::new(9).is_new(&event) && event.id.is_some());
}
