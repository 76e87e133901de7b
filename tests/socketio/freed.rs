//! Memory of servers and sockets that nothing holds any more.

use std::sync::{Arc, Weak};

use socketio_server::cluster::{Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, Message};
use socketio_server::{Args, ConnectError, DisconnectReason, Namespace, Recovery, Server, Socket};
use tests::raw::{WebSocket, soon, until};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{Running, builder, start};

/// Waits until a value is dropped.
async fn freed(value: &Weak<()>) {
    until(async || value.strong_count() == 0).await;
}

/// Adds a handler that owns a value, which is dropped with the handlers of the namespace.
fn value_of_a_handler(namespace: &Namespace) -> Weak<()> {
    let value = Arc::new(());
    let weak = Arc::downgrade(&value);
    namespace.on("own", move || {
        let _ = &value;
        async {}
    });
    weak
}

/// Sends a message and skips all others until the expected response.
async fn ask(ws: &mut WebSocket, message: &str, response: &str) {
    ws.send(message).await;
    while !ws.text().await.starts_with(response) {}
}

/// A cluster of one node. The link holds the inbox of its namespace.
struct Alone;

struct AloneLink {
    _inbox: ClusterInbox,
}

impl Adapter for Alone {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        Arc::new(AloneLink { _inbox: inbox })
    }
}

impl ClusterLink for AloneLink {
    fn publish<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async { Ok(()) })
    }
}

/// No part of a server holds the server: neither namespaces, nor a cluster, nor recovery, nor sessions that
/// have ended.
#[tokio::test]
async fn a_dropped_server_is_freed() {
    let clustered = builder().adapter(Alone).connection_state_recovery(Recovery::default());
    for builder in [builder(), clustered] {
        let mut values = Vec::new();
        let running = start(builder, |io| {
            io.middleware(|socket: Socket| async move {
                socket.join("early");
                Ok::<(), ConnectError>(())
            });
            io.event_middleware(|| async {});
            io.on_room_event(|_| {});
            io.on_broadcast(|_| {});
            io.on_new_namespace(|_| {});
            io.on_server_event("own", || async {});
            io.on("tell", |io: Server, namespace: Namespace| async move {
                assert!(*io == namespace);
                namespace.local().to("early").emit("told", &Args(())).await
            });
            io.on_connect(|io: Server| async move { drop(io.of("/static")) });
            io.on("wait", |socket: Socket| async move {
                socket.emit_with_ack::<()>("answer", &Args(())).await.map(drop).map_err(|_| "not answered")
            });
            let tenants = io.of_pattern("/tenant/{tenant}").unwrap();
            values.extend([&**io, &tenants, &io.of("/static")].map(value_of_a_handler));
        })
        .await;
        let mut first = running.open().await;
        for namespace in ["/", "/static", "/tenant/a"] {
            ask(&mut first, &format!("40{namespace},"), "40").await;
        }
        let mut second = running.open().await;
        ask(&mut second, "40", "40").await;
        ask(&mut first, r#"42["wait"]"#, "42").await;
        second.send(r#"42["tell"]"#).await;
        assert!(first.text().await.contains("told"));
        // One client leaves, and the other is cut off by the server.
        first.close().await;
        running.io.close();
        drop((running, first, second));
        for value in &values {
            freed(value).await;
        }
    }
}

/// Handlers with a weak handle can use the server while it has sockets, and do not keep it in memory.
#[tokio::test]
async fn a_server_whose_handlers_hold_a_weak_handle_is_freed_with_its_last_socket() {
    let (left, mut reasons) = mpsc::unbounded_channel();
    let io = builder().build().unwrap();
    let other = io.of("/other");
    let weak = io.downgrade();
    let server = weak.clone();
    io.on("namespaces", move |socket: Socket| {
        let names = server.upgrade().map(|io| io.namespaces().len());
        async move { socket.emit("are", &names) }
    });
    let server = weak.clone();
    other.on_disconnect(move |reason: DisconnectReason| {
        left.send((reason, server.upgrade().is_some())).unwrap();
        async {}
    });
    let values = [value_of_a_handler(&io), value_of_a_handler(&other)];
    assert!(
        weak.upgrade().is_some_and(|io| *io == io.of("/") && io.namespace("/other") == Some(other.clone()))
    );
    drop(other);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Running { addr: listener.local_addr().unwrap(), io };
    let serving = running.io.clone();
    let serving = tokio::spawn(async move { serving.serve(listener).await });
    let mut ws = running.open().await;
    for namespace in ["/", "/other"] {
        ask(&mut ws, &format!("40{namespace},"), "40").await;
    }
    serving.abort();
    assert!(soon(serving).await.unwrap_err().is_cancelled());
    drop(running);
    // No handle is left, but a session.
    ask(&mut ws, r#"42["namespaces"]"#, r#"42["are",2]"#).await;
    assert!(weak.upgrade().is_some());
    ws.close().await;
    assert!(matches!(soon(reasons.recv()).await, Some((DisconnectReason::Connection(_), true))));
    for value in &values {
        freed(value).await;
    }
    assert!(weak.upgrade().is_none());
}

/// A socket owns the handlers that are registered on it, and these often hold the socket.
#[tokio::test]
async fn a_socket_whose_handlers_hold_it_is_freed_when_it_has_left() {
    let (sender, mut values) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_connect(move |socket: Socket| {
            let value = Arc::new(());
            sender.send(Arc::downgrade(&value)).unwrap();
            let held = Arc::new((socket.clone(), value));
            let yes = |held: &Arc<(Socket, Arc<()>)>| {
                let held = Arc::clone(held);
                move || {
                    let _ = held.0.emit("yes", &Args(()));
                    std::future::ready(())
                }
            };
            socket.on("own", yes(&held));
            socket.once("never", yes(&held));
            socket.on_any(yes(&held));
            socket.event_middleware(yes(&held));
            socket.on_any_outgoing(move |_, _| assert!(held.0.is_connected()));
            async {}
        });
        // A handler that is registered too late is dropped.
        io.on_disconnect(|socket: Socket| {
            let held = socket.clone();
            socket.on("own", move || std::future::ready(held.emit("yes", &Args(()))));
            async {}
        });
    })
    .await;
    for packet in ["41", "1"] {
        let (mut ws, _) = running.connect().await;
        ask(&mut ws, r#"42["own"]"#, r#"42["yes"]"#).await;
        ws.send(packet).await;
        freed(&soon(values.recv()).await.unwrap()).await;
    }
}

/// The tasks of sessions end with their runtime, without a last turn.
#[test]
fn a_server_is_freed_with_its_runtime() {
    for builder_of in [tokio::runtime::Builder::new_current_thread, tokio::runtime::Builder::new_multi_thread]
    {
        let runtime = builder_of().enable_all().build().unwrap();
        let (left, mut reasons) = mpsc::unbounded_channel();
        let (value, ws) = runtime.block_on(async {
            let running = start(builder(), |io| {
                io.on("wait", |socket: Socket| async move {
                    let _ = socket.emit("waits", &Args(()));
                    std::future::pending::<()>().await;
                    drop(socket);
                });
                io.on_disconnect(move |reason: DisconnectReason| {
                    left.send(reason).unwrap();
                    async {}
                });
            })
            .await;
            let value = value_of_a_handler(&running.io);
            let (mut ws, _) = running.connect().await;
            ask(&mut ws, r#"42["wait"]"#, r#"42["waits"]"#).await;
            (value, ws)
        });
        drop(runtime);
        assert_eq!(value.strong_count(), 0);
        assert!(matches!(reasons.try_recv(), Ok(DisconnectReason::ForcedServerClose)));
        drop(ws);
    }
}
