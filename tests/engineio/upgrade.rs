//! Upgrades from polling to WebSocket.

use std::time::Duration;

use engineio::client::{Client, Event};
use engineio::{Server, Transport};
use futures_util::FutureExt;
use hyper_util::rt::TokioIo;
use tests::raw::{ServerEvent, soon, start, start_echo, start_greeting};
use tokio::net::TcpListener;
use tower_layer::Layer;
use tower_service::Service;

/// EIO-PROTO-22
#[tokio::test]
async fn a_session_upgrades() {
    let mut running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    let parked = client.park(&running).await;
    let mut ws = client.probe().await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    assert_eq!(parked.await.unwrap().both(), (200, "6"));
    // A later poll is released too.
    assert_eq!(client.poll().await, "6");
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
    let session = running.opened().await;
    assert_eq!(session.transport(), Transport::WebSocket);
    assert_eq!(session.request().query().get("transport"), Some("polling"));
}

/// A client that leaves polling while its session is aborted completes the upgrade and finds the session
/// closed. An earlier cut would leave it no connection on which to notice the end.
#[tokio::test]
async fn an_abort_during_an_upgrade_reaches_the_client() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let parked = client.park(&running).await;
    let mut ws = client.probe().await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    assert_eq!(parked.await.unwrap().both(), (200, "6"));
    let session = running.opened().await;
    session.abort();
    running.closed().await;
    tokio::select! {
        biased;
        said = ws.next() => panic!("cut off on its way: {said:?}"),
        // Another session opens in the meantime, which takes longer than a close frame.
        opened = running.get("/engine.io/?EIO=4&transport=polling") => assert_eq!(opened.status, 200),
    }
    running.opened().await;
    ws.send("5").await;
    ws.closed().await;

    // The server does not wait for a WebSocket that does not arrive.
    let client = running.polling().await;
    let mut ws = client.probe().await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    running.opened().await.abort();
    ws.closed().await;
}

/// EIO-PROTO-23
#[tokio::test]
async fn polling_ends_with_the_upgrade() {
    let mut running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    let mut ws = client.probe().await.unwrap();
    // Both at once: the answer to the probe still arrives.
    ws.send("2probe").await;
    ws.send("5").await;
    assert_eq!(ws.text().await, "3probe");
    running.find(|seen| matches!(seen, ServerEvent::Upgrade(_)).then_some(())).await;
    assert_eq!(client.get().await.both(), (400, r#"{"code":3,"message":"Bad request"}"#));
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}

/// EIO-PROTO-24, EIO-SRV-034
#[tokio::test]
async fn a_second_websocket_of_a_session_is_closed() {
    let mut running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    let mut ws = client.upgrade().await;
    running.find(|seen| matches!(seen, ServerEvent::Upgrade(_)).then_some(())).await;
    let mut second = client.probe().await.expect("a WebSocket, to be closed");
    second.closed().await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");

    // The same holds for a session with a probe, and for one that opened on WebSocket.
    let client = running.polling().await;
    let mut first = client.probe().await.unwrap();
    client.probe().await.expect("a WebSocket, to be closed").closed().await;
    first.send("2probe").await;
    assert_eq!(first.text().await, "3probe");
    let mut direct = running.websocket().await;
    running.opened().await;
    let sid = running.opened().await.id().as_str().to_owned();
    let target = format!("/engine.io/?EIO=4&transport=websocket&sid={sid}");
    tests::raw::WebSocket::open(running.addr, &target)
        .await
        .expect("a WebSocket, to be closed")
        .closed()
        .await;
    direct.send("4still mine").await;
    assert_eq!(direct.text().await, "4still mine");
}

/// EIO-SRV-101
#[tokio::test]
async fn an_incomplete_upgrade_ends_only_the_probe() {
    let running = start_echo(Server::builder().upgrade_timeout(Duration::from_millis(20))).await;
    let client = running.polling().await;
    let mut silent = client.probe().await.unwrap();
    assert_eq!(silent.closed().await, None);
    let mut probed = client.probe().await.unwrap();
    probed.send("2probe").await;
    assert_eq!(probed.text().await, "3probe");
    assert_eq!(probed.closed().await, None);
    client.post("4a").await;
    assert_eq!(client.poll().await, "4a");
    // The next probe may succeed.
    let mut ws = client.upgrade().await;
    ws.send("4b").await;
    assert_eq!(ws.text().await, "4b");
}

/// Any message other than a probe or an upgrade ends the probe; the session continues.
#[tokio::test]
async fn an_invalid_probe_message_ends_only_the_probe() {
    let running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    for wrong in ["4hello", "2", "2probes", "x", "3probe", "0", "1", "6"] {
        let mut probe = client.probe().await.unwrap();
        probe.send(wrong).await;
        assert_eq!(probe.closed().await, None, "{wrong}");
        client.post("4a").await;
        assert_eq!(client.poll().await, "4a");
    }
}

/// EIO-SRV-142
#[tokio::test]
async fn a_send_during_a_probe_is_confirmed_and_arrives_once() {
    let mut running = start(Server::builder()).await;
    let client = running.polling().await;
    let session = running.opened().await;
    let mut ws = client.probe().await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    let mut sent = session.send_tracked("once").unwrap();
    assert!((&mut sent).now_or_never().is_none(), "no poll waits, and the WebSocket is a probe");
    ws.send("5").await;
    assert_eq!(ws.text().await, "4once");
    soon(sent).await.unwrap();
    session.send("next").unwrap();
    assert_eq!(ws.text().await, "4next");
    assert_eq!((session.queued_messages(), session.queued_bytes()), (0, 0));
}

/// EIO-SRV-144
#[tokio::test]
async fn messages_sent_at_the_connection_arrive_once_across_an_upgrade() {
    let texts = ["a", "b", "c"];
    for polls in 0..=2 {
        let running = start_greeting(Server::builder(), move |session| {
            for text in texts {
                let session = session.clone();
                // The last two are sent after the first has been taken by a poll, or by the WebSocket.
                tokio::spawn(async move { session.send_when_ready(text).await });
            }
        })
        .await;
        let client = running.polling().await;
        let mut ws = client.probe().await.unwrap();
        let mut received = Vec::new();
        for _ in 0..polls {
            received.extend(client.poll().await.split('\u{1e}').map(str::to_owned));
            if received.len() == 3 {
                break;
            }
        }
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
        ws.send("5").await;
        while received.len() < 3 {
            received.push(ws.text().await);
        }
        received.sort_unstable();
        assert_eq!(received, ["4a", "4b", "4c"], "{polls} polls");
        // Nothing arrives twice.
        let session = running.server.sessions().remove(0);
        session.send("end").unwrap();
        assert_eq!(ws.text().await, "4end");
    }
}

/// EIO-SRV-155
#[tokio::test]
async fn messages_are_delivered_once_and_in_order_across_an_upgrade() {
    let mut running = start_echo(Server::builder()).await;
    let client = running.polling().await;
    let session = running.opened().await;
    let watched = session.clone();
    let sending = tokio::spawn(async move {
        for number in 0..50 {
            session.send(format!("s{number}")).unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let mut received = Vec::new();
    let mut take = |payload: &str| {
        received
            .extend(payload.split('\u{1e}').filter_map(|packet| packet.strip_prefix('4')).map(str::to_owned));
    };
    for number in 0..25 {
        client.post(format!("4c{number}")).await;
        take(&client.poll().await);
    }
    let mut ws = client.probe().await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    // As clients do: the waiting poll is read to its end, then no further poll is sent.
    take(&client.poll().await);
    ws.send("5").await;
    for number in 25..50 {
        ws.send(&format!("4c{number}")).await;
    }
    sending.await.unwrap();
    let mut rest = Vec::new();
    while received.len() + rest.len() < 100 {
        rest.push(ws.text().await[1..].to_owned());
    }
    received.extend(rest);
    for kind in ["s", "c"] {
        let numbers: Vec<usize> =
            received.iter().filter_map(|text| text.strip_prefix(kind)?.parse().ok()).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>(), "{kind}");
    }
    assert_eq!(watched.transport(), Transport::WebSocket);
    assert_eq!(watched.request().query().get("transport"), Some("polling"), "the first request stays");
    ws.send("1").await;
    assert_eq!(running.closed().await, engineio::CloseReason::TransportClose);
}

/// EIO-SRV-155: a second server on the path `/foo` of the same listener is not disturbed, and the reason for
/// the end on either side.
#[tokio::test]
async fn two_servers_on_one_listener_do_not_disturb_each_other() {
    let (main, foo) = (start_echo(Server::builder()).await, start_echo(Server::builder().path("/foo")).await);
    let both = foo.server.layer().layer(main.server.service());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let both = both.clone();
            let service = hyper::service::service_fn(move |request| {
                let mut both = both.clone();
                async move { both.call(request).await }
            });
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        }
    });
    let mut clients = Vec::new();
    for (mut running, path) in [(main, "/engine.io/"), (foo, "/foo/")] {
        let builder = Client::builder(&format!("http://{addr}")).unwrap().path(path);
        let mut client = soon(builder.connect()).await.unwrap();
        assert_eq!(running.server.stats().sessions, 1, "{path}");
        let mut upgraded = false;
        let mut next = 0;
        for number in 0..50 {
            client.sender().send(format!("{number}")).unwrap();
        }
        while next < 50 || !upgraded {
            match soon(client.recv()).await.unwrap() {
                Event::Message(message) => {
                    assert_eq!(message, next.to_string().into(), "{path}");
                    next += 1;
                }
                Event::Upgraded => upgraded = true,
                other => panic!("{other:?}"),
            }
        }
        let session = running.opened().await;
        assert_eq!(session.request().query().get("transport"), Some("polling"));
        clients.push((running, client));
    }
    for (mut running, client) in clients {
        assert_eq!(running.server.stats().sessions, 1);
        assert_eq!(soon(client.close()).await.to_string(), "forced close");
        assert_eq!(running.closed().await.to_string(), "transport close");
    }
}
