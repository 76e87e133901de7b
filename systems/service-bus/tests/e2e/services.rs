//! Services on the bus: events, rooms, keys, TLS, reconnects.

use std::time::Duration;

use service_bus::{
    Bus, BusError, BusOptions, Config, ConnectorOptions, Event, EventType, LinkState, Outcome,
    ServiceConnector,
};
use tests::raw::{soon, until};
use tokio::process::Command;

use crate::{PROGRAM, options, received_by, service, shared, start};

#[tokio::test]
async fn the_demo_prints_the_events_of_three_services() {
    let mut program = Command::new(PROGRAM);
    program.arg("demo").env_remove("LOG_LEVEL").kill_on_drop(true);
    let output = soon(program.output()).await.unwrap();
    let (shown, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && complaints.is_empty(), "{shown}{complaints}");
    for line in [
        "presence  ada is online: notified 4",
        "chat      chat:message from ada to bob: reached 0",
        "mail      stores a message from ada for bob, requested by chat",
        "ada       receives notification from mail",
        "presence  bob is online: notified 5",
        "mail      delivers 1 to bob, reported online by presence",
        "bob       receives notification from mail",
        "chat      chat:message from bob to ada: reached 1",
        "ada       receives chat:message from chat",
        "bob       receives chat:read from chat",
        "presence  bob is offline: notified 4",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
}

#[tokio::test]
async fn three_services_exchange_events() {
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
    let mut mails = received_by(&mail, &["mail:send".into()]);
    let mut infos = received_by(&mail, &[EventType::SystemInfo]);
    for service in [&chat, &presence, &mail] {
        assert_eq!(soon(service.initialize()).await.unwrap(), LinkState::Socket);
    }
    let said = Event::new(EventType::ChatMessage).with("recipient_id", "user123").with("content", "Hello!");
    assert_eq!(chat.emit_to_user("user123", said.clone()).await.unwrap().reached, 0);
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
    let mut updates = received_by(&chat, &[EventType::PresenceUpdate]);
    chat.say(&Event::new(EventType::PresenceQuery).with("user_id", "user123")).unwrap();
    let update = soon(updates.recv()).await.unwrap();
    assert_eq!((update.source.as_str(), update.field::<bool>("online")), ("bus", Some(false)));
    let refused = chat.emit_to_client("unknown", Event::new(EventType::SystemInfo)).await;
    assert!(matches!(refused, Err(BusError::Refused(why)) if why == "there is no such client"));
    assert!(matches!(chat.join("").await, Err(BusError::Refused(_))));
    for service in [chat, presence, mail] {
        service.shutdown().await;
        assert_eq!(service.link(), LinkState::Http);
    }
}

#[tokio::test]
async fn the_http_api_is_used_without_a_connection() {
    let (_program, url) = start("0").await;
    let listener = service("listener", &url);
    let mut events = received_by(&listener, &[EventType::Notification]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), LinkState::Socket);
    // A service that cannot use Socket.IO, as behind a proxy that supports HTTP only.
    let blocked =
        ConnectorOptions { path: "/blocked/".to_owned(), timeout: Duration::from_secs(2), ..options() };
    let blocked = ServiceConnector::with_options("blocked", &url, blocked).unwrap();
    assert_eq!(soon(blocked.initialize()).await.unwrap(), LinkState::Http);
    let event = Event::new(EventType::Notification).with("text", "by HTTP");
    assert_eq!(blocked.emit_to_room("service:listener", event.clone()).await.unwrap().reached, 1);
    let received = soon(events.recv()).await.unwrap();
    assert_eq!((received.source.as_str(), received.field("text")), ("blocked", Some("by HTTP".to_owned())));
    assert_eq!(blocked.broadcast(event.clone()).await.unwrap().reached, 1);
    assert!(matches!(blocked.join("letters").await, Err(BusError::NotConnected)));
    assert!(matches!(blocked.emit_to_client("unknown", event.clone()).await, Err(BusError::Http(_))));
    for wrong in ["ws://localhost", "localhost:8000", "http://", "https://"] {
        assert!(ServiceConnector::new("x", wrong).is_err(), "{wrong}");
    }
}

/// A lost link is restored; a wrong key is final.
#[tokio::test]
async fn a_wrong_key_is_reported_over_socketio_and_http() {
    let (_program, url) = start("0").await;
    for (path, why) in
        [("/socket.io/", "not a service"), ("/blocked/", "the key of services is missing or wrong")]
    {
        let wrong_key = ConnectorOptions {
            key: Some("guess".to_owned()),
            path: path.to_owned(),
            timeout: Duration::from_secs(2),
            ..options()
        };
        let wrong_key = ServiceConnector::with_options("stranger", &url, wrong_key).unwrap();
        let is_denied =
            |done: Result<(), BusError>| matches!(done, Err(BusError::Denied(said)) if said == why);
        for _ in 0..2 {
            assert!(is_denied(soon(wrong_key.initialize()).await.map(drop)), "{path}");
            assert_eq!(wrong_key.link(), LinkState::Refused);
            assert!(
                is_denied(wrong_key.broadcast(Event::new(EventType::SystemInfo)).await.map(drop)),
                "{path}"
            );
            assert!(is_denied(wrong_key.join("letters").await), "{path}");
        }
    }
}

#[tokio::test]
async fn a_key_that_changes_during_a_disconnect_is_reported() {
    let (mut program, url) = start("0").await;
    let one = service("one", &url);
    assert_eq!(soon(one.initialize()).await.unwrap(), LinkState::Socket);
    program.kill().await.unwrap();
    let bus =
        Bus::new(Config::default(), BusOptions { keys: shared("another key"), ..BusOptions::default() });
    let bus = bus.unwrap();
    let listener = tokio::net::TcpListener::bind(url.strip_prefix("http://").unwrap()).await.unwrap();
    tokio::spawn(async move { bus.serve(listener).await });
    until(async || one.link() == LinkState::Refused).await;
    let sent = one.broadcast(Event::new(EventType::SystemInfo)).await;
    assert!(matches!(sent, Err(BusError::Denied(why)) if why == "not a service"));
}

#[tokio::test]
async fn requests_before_the_shutdown_are_answered() {
    let (_program, url) = start("0").await;
    let one = service("one", &url);
    assert_eq!(soon(one.initialize()).await.unwrap(), LinkState::Socket);
    let (sent, ()) = tokio::join!(one.broadcast(Event::new(EventType::SystemInfo)), one.shutdown());
    assert_eq!(sent.unwrap().reached, 1);
    assert_eq!(one.link(), LinkState::Http);
}

#[tokio::test]
async fn socketio_and_http_work_over_tls() {
    let (_program, url) = start("0").await;
    let (addr, tls) = tests::tls::in_front_of(url.strip_prefix("http://").unwrap().parse().unwrap()).await;
    let url = format!("https://localhost:{}", addr.port());
    let trusting = ConnectorOptions { tls, ..options() };
    let listener = ServiceConnector::with_options("listener", &url, trusting.clone()).unwrap();
    let mut events = received_by(&listener, &[EventType::Notification]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), LinkState::Socket);
    let blocked =
        ConnectorOptions { path: "/blocked/".to_owned(), timeout: Duration::from_secs(2), ..trusting };
    let blocked = ServiceConnector::with_options("blocked", &url, blocked).unwrap();
    assert_eq!(soon(blocked.initialize()).await.unwrap(), LinkState::Http);
    let event = Event::new(EventType::Notification).with("text", "by HTTPS");
    assert_eq!(blocked.emit_to_room("service:listener", event).await.unwrap().reached, 1);
    assert_eq!(soon(events.recv()).await.unwrap().source, "blocked");
    // A server with an untrusted certificate is refused.
    let strict = ConnectorOptions { timeout: Duration::from_secs(2), ..options() };
    let strict = ServiceConnector::with_options("strict", &url, strict).unwrap();
    assert!(soon(strict.initialize()).await.is_err());
}

#[tokio::test]
async fn a_service_reconnects_when_the_bus_restarts() {
    let (mut program, url) = start("0").await;
    let (one, two) = (service("one", &url), service("two", &url));
    let mut events = received_by(&two, &[EventType::SystemInfo]);
    for service in [&one, &two] {
        assert_eq!(soon(service.initialize()).await.unwrap(), LinkState::Socket);
    }
    two.join("letters").await.unwrap();
    program.kill().await.unwrap();
    until(async || one.link() != LinkState::Socket && two.link() != LinkState::Socket).await;
    let info = Event::new(EventType::SystemInfo);
    assert!(matches!(one.broadcast(info.clone()).await, Err(BusError::Http(_))));
    let (_program, _) = start(url.rsplit(':').next().unwrap()).await;
    // The room is joined again shortly after the reconnect.
    soon(async {
        while !matches!(one.emit_to_room("letters", info.clone()).await, Ok(Outcome { reached: 1, .. })) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(soon(events.recv()).await.unwrap().source, "one");
}
