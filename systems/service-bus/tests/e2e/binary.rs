//! Binary data in events: forwarded between clients, services and connectors, and refused by the API.

use std::net::SocketAddr;

use service_bus::{Binary, BusError, ConnectorOptions, Event, EventType, LinkState, ServiceConnector};
use tests::raw::{WebSocket, soon};

use crate::{KEY, options, received_by, service, start};

/// A client that has joined with these credentials.
async fn join(addr: SocketAddr, auth: &str) -> WebSocket {
    let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
    ws.text().await;
    ws.send(&format!("40{auth}")).await;
    assert!(ws.text().await.starts_with("40"));
    ws
}

/// The next event of this name, with its attachment.
async fn next(ws: &mut WebSocket, name: &str) -> (String, Vec<u8>) {
    loop {
        let text = ws.text().await;
        if text.contains(&format!("[\"{name}\"")) {
            assert!(text.starts_with("451-["), "no attachment: {text}");
            return (text, ws.binary().await);
        }
    }
}

#[tokio::test]
async fn binary_data_arrives_unchanged() {
    let (_program, url) = start("0").await;
    let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let listener = service("listener", &url);
    let mut events = received_by(&listener, &[EventType::ChatMessage]);
    assert_eq!(soon(listener.initialize()).await.unwrap(), LinkState::Socket);
    let mut mail = join(addr, &format!(r#"{{"service":"mail","key":"{KEY}"}}"#)).await;
    let mut ada = join(addr, r#"{"user_id":"ada"}"#).await;

    // From a client to all services.
    ada.send(r#"451-["chat:message",{"files":[{"_placeholder":true,"num":0}],"n":1.0}]"#).await;
    ada.send_binary(&[1, 2, 3]).await;
    let (text, bytes) = next(&mut mail, "chat:message").await;
    assert!(text.contains(r#""files":[{"_placeholder":true,"num":0}]"#), "{text}");
    assert_eq!(bytes, [1, 2, 3]);
    let event = soon(events.recv()).await.unwrap();
    let files: Vec<Binary> = event.field("files").unwrap();
    assert_eq!((files.as_slice(), event.field("n")), (&[Binary::from_static(&[1, 2, 3])][..], Some(1.0)));

    // From a service to clients, by each command that sends.
    for (command, target) in [
        ("emit_to_user", r#""user_id":"ada","#),
        ("emit_to_room", r#""room":"user:ada","#),
        ("broadcast", ""),
    ] {
        let event = r#"{"type":"notification","content":{"_placeholder":true,"num":0}}"#;
        mail.send(&format!(r#"451-1["{command}",{{{target}"event":{event}}}]"#)).await;
        mail.send_binary(&[4, 5]).await;
        let (text, bytes) = next(&mut ada, "notification").await;
        assert!(text.contains(r#""source":"mail""#), "{text}");
        assert_eq!(bytes, [4, 5], "{command}");
    }

    // From a connector; the received event is sent on as it is.
    listener.emit_to_user("ada", event).await.unwrap();
    assert_eq!(next(&mut ada, "chat:message").await.1, [1, 2, 3]);
    let report = Event::new("report").with_binary("content", vec![6]);
    listener.emit_to_user("ada", report.clone()).await.unwrap();
    assert_eq!(next(&mut ada, "report").await.1, [6]);

    // The API carries JSON.
    let path = "/blocked/".to_owned();
    let blocked = ConnectorOptions { path, timeout: std::time::Duration::from_secs(2), ..options() };
    let blocked = ServiceConnector::with_options("blocked", &url, blocked).unwrap();
    assert_eq!(soon(blocked.initialize()).await.unwrap(), LinkState::Http);
    let refused = blocked.emit_to_user("ada", report).await;
    assert!(matches!(refused, Err(BusError::Http(error)) if error.to_string().contains("binary data")));
}
