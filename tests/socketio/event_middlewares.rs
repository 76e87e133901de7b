//! Middlewares for received events.

use std::sync::Arc;

use socketio_server::{Ack, Arguments, Data, EventName, HandlerError, Rewrite, Socket};
use tokio::sync::Notify;

use crate::support::{Notes, answering, builder, join, note, nothing_else, start};

/// SIO-SRV-169
#[tokio::test]
async fn a_middleware_can_replace_an_event() {
    let running = start(builder(), |io| {
        io.event_middleware(|EventName(name): EventName, Data(room): Data<String>| async move {
            if name == "join" {
                Some(Rewrite::new("wrap", &socketio_server::Args((name, room))))
            } else {
                None
            }
            .transpose()
        });
        io.on("wrap", |Arguments(args): Arguments<(String, String)>| async move { Ack(args) });
        io.on("join", || async { Ack("not changed") });
        io.on("other", |Data(text): Data<String>| async move { Ack(text) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["join","woot"]"#).await;
    assert_eq!(ws.text().await, r#"431[["join","woot"]]"#);
    ws.send(r#"422["other","text"]"#).await;
    assert_eq!(ws.text().await, r#"432["text"]"#);
}

/// SIO-SRV-170
#[tokio::test]
async fn a_middleware_can_refuse_an_event() {
    let notes = Notes::default();
    let (heard, called) = (Arc::clone(&notes), Arc::clone(&notes));
    let running = start(builder(), |io| {
        answering(io);
        io.on_error(move |_, error| {
            assert!(matches!(error, HandlerError::Refused { .. }));
            note(&heard, error.to_string());
        });
        let second = Arc::clone(&called);
        io.on_connect(move |socket: Socket| {
            let (first, second) = (Arc::clone(&called), Arc::clone(&second));
            async move {
                socket.event_middleware(move |EventName(name): EventName| {
                    note(&first, format!("first {name}"));
                    async move { if name == "bad" { Err("not that one") } else { Ok(()) } }
                });
                socket.event_middleware(move |EventName(name): EventName| {
                    note(&second, format!("second {name}"));
                    async {}
                });
            }
        });
        io.on("bad", || async { Ack("called") });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["bad"]"#).await;
    ws.send(r#"427["bad"]"#).await;
    assert_eq!(ws.text().await, r#"437[{"error":"not that one"}]"#);
    nothing_else(&mut ws).await;
    assert_eq!(
        *notes.lock().unwrap(),
        [
            "first bad",
            "bad: not that one",
            "first bad",
            "bad: not that one",
            "first still there?",
            "second still there?"
        ]
    );
    assert_eq!(running.io.refused_events(), 2);
}

/// While a middleware waits, later events wait too.
#[tokio::test]
async fn a_waiting_middleware_keeps_the_order_of_events() {
    let go = Arc::new(Notify::new());
    let released = Arc::clone(&go);
    let running = start(builder(), |io| {
        io.event_middleware(move |EventName(name): EventName| {
            let released = Arc::clone(&released);
            async move {
                if name == "slow" {
                    released.notified().await;
                }
            }
        });
        for name in ["slow", "fast"] {
            io.on(name, move |socket: Socket| async move { socket.emit("done", name) });
        }
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for _ in 0..300 {
        ws.send(r#"42["slow"]"#).await;
        ws.send(r#"42["fast"]"#).await;
    }
    for _ in 0..300 {
        go.notify_one();
        assert_eq!(ws.text().await, r#"42["done","slow"]"#);
        assert_eq!(ws.text().await, r#"42["done","fast"]"#);
    }
}

/// The event is dropped when the client disconnects while a middleware waits.
#[tokio::test]
async fn an_event_of_a_disconnected_socket_is_dropped() {
    let go = Arc::new(Notify::new());
    let released = Arc::clone(&go);
    let running = start(builder(), |io| {
        answering(io);
        io.event_middleware(move |socket: Socket, EventName(name): EventName| {
            let released = Arc::clone(&released);
            async move {
                if name == "late" {
                    socket.disconnect(false);
                    released.notified().await;
                }
            }
        });
        io.on("late", |socket: Socket| async move { socket.emit("called", &()) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["late"]"#).await;
    assert_eq!(ws.text().await, "41");
    go.notify_one();
    join(&mut ws, "/").await;
    nothing_else(&mut ws).await;
}

/// As with the official server: the handlers of any event come before the middlewares, and hear refused events.
#[tokio::test]
async fn handlers_of_any_event_run_before_the_middlewares() {
    let notes = Notes::default();
    let says = |text: &'static str| {
        let notes = Arc::clone(&notes);
        move |EventName(name): EventName| {
            note(&notes, format!("{text} {name}"));
            async {}
        }
    };
    let running = start(builder(), |io| {
        answering(io);
        let refusing = says("middleware");
        io.on("x", says("named"));
        io.on("renamed", says("named"));
        io.on_any(says("any"));
        io.prepend_any(says("first of any"));
        io.event_middleware(move |name: EventName| {
            let passed = match name.0.as_str() {
                "bad" => Err("refused"),
                "old" => Ok(Some(Rewrite::new("renamed", &()).unwrap())),
                _ => Ok(None),
            };
            drop(refusing(name));
            async { passed }
        });
        let (own, own_any) = (says("own"), says("own of any"));
        io.on_connect(move |socket: Socket| {
            socket.on("x", own.clone());
            socket.on_any(own_any.clone());
            async {}
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    for event in ["x", "bad", "old"] {
        ws.send(&format!(r#"42["{event}"]"#)).await;
    }
    nothing_else(&mut ws).await;
    let heard =
        |event: &str| ["first of any", "any", "own of any", "middleware"].map(|by| format!("{by} {event}"));
    let mut expected = heard("x").to_vec();
    expected.extend(["named x".to_owned(), "own x".to_owned()]);
    expected.extend(heard("bad"));
    expected.extend(heard("old"));
    expected.push("named renamed".to_owned());
    expected.extend(heard("still there?"));
    assert_eq!(std::mem::take(&mut *notes.lock().unwrap()), expected);

    let socket = running.io.socket(&id).unwrap();
    assert_eq!((running.io.listeners_any().len(), socket.listeners_any().len()), (2, 1));
    assert!(running.io.off(running.io.listeners_any()[0]) && socket.off(socket.listeners_any()[0]));
    running.io.off_any();
    assert!(running.io.listeners_any().is_empty() && socket.listeners_any().is_empty());
    nothing_else(&mut ws).await;
    assert_eq!(*notes.lock().unwrap(), ["middleware still there?"]);
}

/// Neither middlewares nor handlers get the event of a socket that is not connected any more.
#[tokio::test]
async fn a_handler_of_any_event_can_disconnect_the_socket() {
    let running = start(builder(), |io| {
        io.on_any(|socket: Socket, EventName(name): EventName| async move {
            if name == "bad" {
                socket.disconnect(false);
            }
        });
        io.event_middleware(|EventName(name): EventName| {
            assert_ne!(name, "bad");
            async {}
        });
        answering(io);
        io.on("bad", |socket: Socket| async move { socket.emit("called", &()) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["bad"]"#).await;
    assert_eq!(ws.text().await, "41");
    join(&mut ws, "/").await;
    nothing_else(&mut ws).await;
}
