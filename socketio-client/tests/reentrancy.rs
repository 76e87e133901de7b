//! Code of the application that runs when a handler is dropped or a task is woken. It may call back into the
//! socket, so neither may happen under a lock of the library.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test, as intended")]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use socketio_client::{AckError, Manager, Overflow, Socket};

/// Calls that take every lock of a socket and its manager.
fn call_back(manager: &Manager, socket: &Socket) {
    assert!(!socket.is_connected());
    let id = socket.on("other", || async {});
    assert!(socket.off(id));
    let id = socket.on_any_outgoing(|_, _| {});
    assert!(socket.off_any_outgoing(id));
    let id = manager.on_event(|_| {});
    assert!(manager.off(id));
    drop(manager.socket("/other"));
}

/// Value of a handler, or waker of a task: calls back when it is dropped or woken.
struct Reentrant {
    manager: Manager,
    socket: Socket,
    calls: Arc<AtomicUsize>,
    on_drop: bool,
}

impl Reentrant {
    fn call(&self) {
        call_back(&self.manager, &self.socket);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        if self.on_drop {
            self.call();
        }
    }
}

impl Wake for Reentrant {
    fn wake(self: Arc<Self>) {
        self.call();
    }
}

/// Runs a test in a thread of its own: a deadlock fails the test after a deadline.
fn with_deadline(test: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        sender.send(()).unwrap();
    });
    match receiver.recv_timeout(Duration::from_secs(10)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("deadlock"),
        _ => thread.join().unwrap(),
    }
}

#[test]
fn a_removed_handler_may_call_back_when_it_is_dropped() {
    with_deadline(|| {
        let manager = Manager::builder("http://127.0.0.1:9").unwrap().build();
        let socket = manager.socket("/");
        let calls = Arc::new(AtomicUsize::new(0));
        let value = || Reentrant {
            manager: manager.clone(),
            socket: socket.clone(),
            calls: Arc::clone(&calls),
            on_drop: true,
        };
        let mut expected = 0;
        let mut check = |what: &str| {
            expected += 1;
            assert_eq!(calls.load(Ordering::Relaxed), expected, "{what}");
        };

        let owned = value();
        let id = socket.on("event", move || {
            let _ = &owned;
            async {}
        });
        assert!(socket.off(id));
        check("off, of an event");

        let owned = value();
        let id = socket.on_connect(move || {
            let _ = &owned;
            async {}
        });
        assert!(socket.off(id));
        check("off, of connect");

        let owned = value();
        socket.on("event", move || {
            let _ = &owned;
            async {}
        });
        socket.off_event("event");
        check("off_event");

        let owned = value();
        socket.on_any(move || {
            let _ = &owned;
            async {}
        });
        socket.off_any();
        check("off_any");

        let owned = value();
        let id = socket.on_any_outgoing(move |_, _| {
            let _ = &owned;
        });
        assert!(socket.off_any_outgoing(id));
        check("off_any_outgoing");

        let owned = value();
        socket.on_any_outgoing(move |_, _| {
            let _ = &owned;
        });
        socket.off_all_outgoing();
        check("off_all_outgoing");

        let owned = value();
        socket.on_error(move |_, _| {
            let _ = &owned;
        });
        socket.on_error(|_, _| {});
        check("on_error, replaced");

        let owned = value();
        socket.auth_with(move || {
            let _ = &owned;
            async {}
        });
        socket.auth("token").unwrap();
        check("auth, replaced");

        let owned = value();
        let id = manager.on_event(move |_| {
            let _ = &owned;
        });
        assert!(manager.off(id));
        check("off, of the manager");
    });
}

#[test]
fn a_woken_task_may_call_back_from_its_waker() {
    with_deadline(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let manager =
            Manager::builder("http://127.0.0.1:9").unwrap().buffer(64, Overflow::DropOldest).build();
        let socket = manager.socket("/");
        let calls = Arc::new(AtomicUsize::new(0));
        let (owner, of_socket) = (manager.clone(), socket.clone());
        let waker = Waker::from(Arc::new(Reentrant {
            manager: owner,
            socket: of_socket,
            calls: Arc::clone(&calls),
            on_drop: false,
        }));
        let mut cx = Context::from_waker(&waker);

        // Emits that wait, the first of which is dropped from the full buffer.
        let text = "x".repeat(30);
        let mut dropped = pin!(socket.emit_with_ack::<()>("event", &text));
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
        let mut kept = pin!(socket.emit_with_ack::<()>("event", &text));
        assert!(kept.as_mut().poll(&mut cx).is_pending());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        let result = dropped.as_mut().poll(&mut cx);
        assert!(matches!(result, std::task::Poll::Ready(Err(AckError::Dropped))), "{result:?}");

        // A task that waits for the connection, when the socket is disconnected. The runtime never runs, so
        // that the connection's task does nothing.
        socket.connect();
        let mut connected = pin!(socket.connected());
        assert!(connected.as_mut().poll(&mut cx).is_pending());
        socket.disconnect();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        assert!(connected.as_mut().poll(&mut cx).is_ready());
    });
}
