//! Close and drain of a server.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engineio::{CloseReason, Message, Server, Session, WeakServer, handler_fn};
use tests::raw::{Request, WebSocket, soon, start, until};
use tokio::net::TcpListener;

/// EIO-SRV-107, EIO-SRV-108, EIO-SRV-109
#[tokio::test]
async fn a_server_close_leaves_no_state_and_frees_the_port() {
    let mut running = start(Server::builder()).await;
    running.polling().await;
    let upgraded = running.polling().await;
    let mut ws = upgraded.upgrade().await;
    let probing = running.polling().await;
    let mut probe = probing.probe().await.unwrap();
    for _ in 0..3 {
        running.opened().await;
    }
    running.server.close();
    assert_eq!(ws.closed().await, Some(1001));
    probe.closed().await;
    running.emptied().await;
    assert_eq!(running.server.stats().outboxes, 0);
    drop(TcpListener::bind(running.addr).await.expect("the port is free"));
}

/// EIO-SRV-077
#[tokio::test]
async fn a_port_can_be_used_again_after_a_close() {
    let first = start(Server::builder()).await;
    let mut ws = first.websocket().await;
    first.server.close();
    assert_eq!(ws.closed().await, Some(1001));
    first.emptied().await;
    let (sender, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let again = Server::builder().build(move |_: &Session| Closing(sender.clone())).unwrap();
    let listener = TcpListener::bind(first.addr).await.expect("the port is free");
    let serving = again.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    let mut ws = WebSocket::open(first.addr, "/engine.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with("0{"));
    ws.close().await;
    assert_eq!(soon(closed.recv()).await.unwrap().to_string(), "transport close");
}

/// Reports the end of its session.
struct Closing(tokio::sync::mpsc::UnboundedSender<CloseReason>);

impl engineio::Handler for Closing {
    fn on_message(&mut self, _: &Session, _: Message) {}
    fn on_close(&mut self, _: &Session, reason: CloseReason) {
        let _ = self.0.send(reason);
    }
}

/// A session that opens while the server closes must not survive, or a drain would wait for it forever.
#[tokio::test]
async fn a_session_that_opens_during_the_server_close_is_refused() {
    let handle = Arc::new(OnceLock::<Server>::new());
    let closing = handle.clone();
    let builder = Server::builder().generate_id(move |_| {
        let closing = closing.clone();
        async move {
            closing.get().expect("it is set").close();
            Ok::<_, std::io::Error>(engineio::Sid::from("late"))
        }
    });
    let running = start(builder).await;
    handle.set(running.server.clone()).unwrap();
    assert_eq!(running.get("/engine.io/?EIO=4&transport=polling").await.status, 503);
    assert_eq!(running.server.stats().sessions, 0);
}

/// A draining server refuses new sessions and closes the others in order.
#[tokio::test]
async fn a_drain_closes_all_sessions_and_refuses_new_ones() {
    let mut running = start(Server::builder()).await;
    let mut ws = running.websocket().await;
    let stays = running.polling().await;
    let session = running.opened().await;
    session.send("last words").unwrap();
    let server = running.server.clone();
    let drain =
        tokio::spawn(
            async move { server.drain(Duration::from_millis(300), Duration::from_millis(20)).await },
        );
    assert_eq!(ws.text().await, "4last words");
    ws.closed().await;
    drain.await.unwrap();
    assert_eq!(running.server.stats().sessions, 0, "the client that did not poll is gone too");
    drop(stays);
}

/// A drain spread over time ends as soon as no session is left.
#[tokio::test]
async fn a_drain_ends_with_the_last_session() {
    let running = start(Server::builder()).await;
    for _ in 0..10 {
        running.polling().await;
    }
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let drain = running.server.drain(Duration::from_secs(7200), Duration::from_secs(3600));
    let leave = async {
        tokio::task::yield_now().await;
        running.server.sessions().iter().for_each(Session::abort);
    };
    let both = async { tokio::join!(drain, leave) };
    tokio::time::timeout(Duration::from_secs(7200), both).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// A peer that does not answer a close frame, and a probing WebSocket whose peer sends nothing.
#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let running = start(Server::builder()).await;
    let mut silent = running.websocket().await;
    let mut probe = running.polling().await.probe().await.unwrap();
    probe.send("2probe").await;
    assert_eq!(probe.text().await, "3probe");
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let drain = running.server.drain(Duration::from_millis(500), Duration::ZERO);
    tokio::time::timeout(Duration::from_secs(60), drain).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(600), "{:?}", started.elapsed());
    tokio::time::resume();
    assert_eq!(silent.closed().await, None, "it was told");
}

/// Polling clients open new connections until the last session has ended.
#[tokio::test]
async fn a_draining_server_still_accepts_connections() {
    let server = Server::builder().build(|_: &Session| |_: &Session, _: Message| ()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    let serving = tokio::spawn(async move { serving.serve(listener).await });
    let client = tests::raw::Polling::open(addr, "/engine.io/?EIO=4&transport=polling").await;
    let draining = server.clone();
    let draining = tokio::spawn(async move { draining.drain(tests::raw::LONG, Duration::ZERO).await });
    for _ in 0..3 {
        let refused = Request::new("GET", "/engine.io/?EIO=4&transport=polling").send(addr).await;
        assert_eq!(refused.status, 503);
    }
    assert!(!serving.is_finished());
    assert!(client.poll().await.ends_with('1'));
    soon(draining).await.unwrap();
    soon(serving).await.unwrap().unwrap();
}

/// The process may end as soon as `serve` or `drain` returns. The last client still receives its close
/// packet.
#[test]
fn serve_and_drain_return_after_the_last_close_packet() {
    let server = Server::builder().build(|_: &Session| |_: &Session, _: Message| ()).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let serving = server.clone();
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let draining = serving.clone();
            let drain = tokio::spawn(async move {
                stopped.await.unwrap();
                draining.drain(tests::raw::LONG, Duration::ZERO).await;
            });
            serving.serve(listener).await.unwrap();
            let left = serving.stats();
            drain.await.unwrap();
            (left.tasks, left.connections)
        })
    });
    let addr = told.recv().unwrap();
    let clients = tokio::runtime::Runtime::new().unwrap();
    clients.block_on(async {
        let mut sockets = Vec::new();
        for _ in 0..20 {
            let open = "/engine.io/?EIO=4&transport=websocket";
            let mut ws = WebSocket::open(addr, open).await.unwrap();
            ws.text().await;
            sockets.push(ws);
        }
        let polling = tests::raw::Polling::open(addr, "/engine.io/?EIO=4&transport=polling").await;
        let session = server.session(polling.sid()).unwrap();
        let poll = tokio::spawn(async move { polling.poll().await });
        until(async || session.can_send_now()).await;
        stop.send(()).unwrap();
        for mut ws in sockets {
            assert!(matches!(ws.next().await, Some(tokio_tungstenite::tungstenite::Message::Close(_))));
            ws.close().await;
        }
        assert_eq!(poll.await.unwrap(), "1");
    });
    assert_eq!(process.join().unwrap(), (0, 0));
}

/// A server owns its handlers. One that holds a weak handle does not keep the server in memory.
#[tokio::test]
async fn a_server_is_freed_with_its_last_session() {
    let own = Arc::new(OnceLock::<WeakServer>::new());
    let handle = Arc::clone(&own);
    let accept = move |_: &Session| {
        let handle = Arc::clone(&handle);
        handler_fn(move |session: &Session, _: Message| {
            let sessions = handle.get().and_then(WeakServer::upgrade).map(|server| server.sessions().len());
            session.send(format!("{sessions:?}")).unwrap();
        })
    };
    let server = Server::builder().build(accept).unwrap();
    own.set(server.downgrade()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { server.serve(listener).await });
    let mut ws = WebSocket::open(addr, "/engine.io/?EIO=4&transport=websocket").await.unwrap();
    assert!(ws.text().await.starts_with('0'));
    serving.abort();
    assert!(soon(serving).await.unwrap_err().is_cancelled());
    // No handle is left, but the session.
    ws.send("4how many?").await;
    assert_eq!(ws.text().await, "4Some(1)");
    ws.close().await;
    until(async || own.get().and_then(WeakServer::upgrade).is_none()).await;
    assert_eq!(Arc::strong_count(&own), 1, "its handlers are freed too");
}
