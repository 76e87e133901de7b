//! Calls of the server while an adapter opens.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;

use socketio_server::cluster::{
    Adapter, AdapterError, BoxFuture, ClusterInbox, ClusterLink, Message, Presence,
};
use socketio_server::{Server, Socket};
use tests::raw::soon;
use tokio::sync::mpsc;

use crate::support::{builder, join, start};

/// An adapter with a custom `open`.
struct Opening<F>(F, mpsc::UnboundedSender<Message>);

struct Published(mpsc::UnboundedSender<Message>);

impl<F: Fn(&ClusterInbox) + Send + Sync + 'static> Adapter for Opening<F> {
    fn open(&self, inbound: ClusterInbox) -> Arc<dyn ClusterLink> {
        self.0(&inbound);
        Arc::new(Published(self.1.clone()))
    }
}

impl ClusterLink for Published {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async {
            let _ = self.0.send(message.clone());
            Ok(())
        })
    }

    fn presence(&self) -> Presence {
        Presence::Counted
    }
}

/// Some adapters store state in a namespace of their own.
#[tokio::test]
async fn an_adapter_can_use_the_server_while_it_opens() {
    let server = Arc::new(OnceLock::<Server>::new());
    let (published, _) = mpsc::unbounded_channel();
    let used = Arc::clone(&server);
    let open = move |inbound: &ClusterInbox| {
        let Some(io) = used.get().filter(|_| inbound.namespace() != "/of-the-adapter") else { return };
        io.of("/of-the-adapter").on("x", || async {});
        io.of(inbound.namespace()).on_connect(|socket: Socket| async move { socket.join("opened") });
        io.of_pattern("/{name}").unwrap();
        io.on_new_namespace(|_| {});
        assert!(io.namespaces().contains(&"/of-the-adapter".to_owned()));
    };
    let running = start(builder().adapter(Opening(open, published)), |_| {}).await;
    server.set(running.io.clone()).unwrap();
    let (io, runtime) = (running.io.clone(), tokio::runtime::Handle::current());
    let (done, named) = tokio::sync::oneshot::channel();
    // On a separate thread, which is not joined in case it never returns.
    std::thread::spawn(move || {
        let _entered = runtime.enter();
        io.of("/named");
        let _ = done.send(());
    });
    soon(named).await.unwrap();
    let (_ws, id) = running.connect_to("/named").await;
    assert_eq!(running.io.of("/named").socket(&id).unwrap().rooms().len(), 2);
}

/// Other nodes already have the namespace, but until the adapter is open no client is accepted and no message
/// is lost.
#[tokio::test]
async fn messages_wait_until_the_adapter_is_open() {
    let (published, mut received) = mpsc::unbounded_channel();
    let (entered, mut opening) = mpsc::unbounded_channel();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let open = move |inbound: &ClusterInbox| {
        if inbound.namespace() == "/slow" {
            entered.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }
    };
    let running = start(builder().adapter(Opening(open, published)), |_| {}).await;
    let (io, runtime) = (running.io.clone(), tokio::runtime::Handle::current());
    std::thread::spawn(move || {
        let _entered = runtime.enter();
        io.of("/slow");
    });
    soon(opening.recv()).await.unwrap();
    let mut ws = running.open().await;
    ws.send("40/slow,").await;
    join(&mut ws, "/").await;
    let slow = running.io.of("/slow");
    let mut emit = std::pin::pin!(slow.emit("hello", &1));
    let early = std::future::poll_fn(|cx| Poll::Ready(emit.as_mut().poll(cx))).await;
    assert!(early.is_pending());
    go_on.send(()).unwrap();
    soon(emit).await.unwrap();
    let Some(Message::Broadcast { event, .. }) = soon(received.recv()).await else { panic!("no broadcast") };
    assert_eq!(event.name(), "hello");
    assert!(ws.text().await.starts_with(r#"40/slow,{"sid":"#));
}
