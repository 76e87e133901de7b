//! Arguments and return values of handlers, and acknowledgements in both directions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engineio::SlowConsumer;
use serde::Deserialize;
use serde_json::json;
use socketio_server::{
    Ack, AckError, AckSender, Arguments, Binary, ConnectError, Data, EmitError, EventName, HandlerError,
    RawArgs, Socket,
};
use tests::raw::soon;
use tokio::sync::{Notify, mpsc};

use crate::support::{Notes, answering, builder, note, nothing_else, start};

/// SIO-SRV-079, SIO-SRV-081, SIO-SRV-103
#[tokio::test]
async fn handlers_take_typed_arguments() {
    #[derive(Deserialize)]
    struct Point {
        x: i32,
        y: i32,
    }
    let running = start(builder(), |io| {
        io.on("one", |Data(point): Data<Point>| async move { Ack(point.x + point.y) });
        io.on("several", |Arguments((a, b, c)): Arguments<(i32, String, Vec<u8>)>| async move {
            Ack(format!("{a}{b}{c:?}"))
        });
        io.on("nothing", |Data(nothing): Data<Option<i32>>| async move { Ack(nothing.is_none()) });
        io.on("count", |args: RawArgs, EventName(name): EventName| async move {
            Ack(format!("{name} {}", args.len()))
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for (event, answer) in [
        (r#"421["one",{"x":1,"y":2}]"#, "431[3]"),
        (r#"422["several",1,"2",[3]]"#, r#"432["12[3]"]"#),
        (r#"423["nothing",null]"#, "433[true]"),
        (r#"424["nothing"]"#, "434[true]"),
        (r#"425["count",1,{},"x"]"#, r#"435["count 3"]"#),
    ] {
        ws.send(event).await;
        assert_eq!(ws.text().await, answer);
    }
}

/// An argument of the wrong type is reported and acknowledged with an error; the socket stays connected.
#[tokio::test]
async fn a_type_error_reaches_the_hook_and_the_client() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let errors = Arc::clone(&seen);
    let running = start(builder(), move |io| {
        answering(io);
        io.on("number", |Data(_): Data<u8>| async {});
        io.on_error(move |_, error| errors.lock().unwrap().push(error.to_string()));
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"427["number","x"]"#).await;
    let answer = ws.text().await;
    assert!(answer.starts_with(r#"437[{"error":"argument 0: "#), "{answer}");
    ws.send(r#"42["number",300]"#).await;
    nothing_else(&mut ws).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0].starts_with("number: argument 0: "), "{seen:?}");
}

/// SIO-SRV-100, SIO-SRV-107, SIO-SRV-108
#[tokio::test]
async fn the_return_value_of_a_handler_is_the_ack() {
    let running = start(builder(), |io| {
        io.on("unit", || async {});
        io.on("value", || async { Ack(json!({"a": 1})) });
        io.on("two", || async { Ack(socketio_server::Args((1, 2))) });
        io.on("tuple", || async { Ack((1, 2)) });
        io.on("ok", || async { Ok::<_, ConnectError>(Ack(true)) });
        io.on("err", || async { Err::<(), _>("no such thing") });
        io.on("binary", |Data(binary): Data<Binary>| async move { Ack(binary) });
        io.on("later", |ack: Option<AckSender>| async move {
            tokio::task::yield_now().await;
            ack.unwrap().send("late").unwrap();
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for (event, answer) in [
        (r#"421["unit"]"#, "431[]"),
        (r#"422["value"]"#, r#"432[{"a":1}]"#),
        (r#"423["two"]"#, "433[1,2]"),
        (r#"424["tuple"]"#, "434[[1,2]]"),
        (r#"425["ok"]"#, "435[true]"),
        (r#"426["err"]"#, r#"436[{"error":"no such thing"}]"#),
        (r#"427["later"]"#, r#"437["late"]"#),
    ] {
        ws.send(event).await;
        assert_eq!(ws.text().await, answer);
    }
    ws.send(r#"451-8["binary",{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(&[9]).await;
    assert_eq!(ws.text().await, r#"461-8[{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.binary().await, [9]);
}

/// An error that a handler returns is the ack. If the event requests no ack, the error hook receives it: at
/// once, and also from a handler that had to wait.
#[tokio::test]
async fn a_handler_error_without_ack_reaches_the_hook() {
    let (sender, mut received) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on("fail", || async { Err::<(), _>("no") });
        io.on("fail later", || async {
            tokio::task::yield_now().await;
            Err::<Ack<u8>, _>("not even later")
        });
        io.on_error(move |_, error| drop(sender.send(error.to_string())));
        answering(io);
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["fail"]"#).await;
    assert_eq!(ws.text().await, r#"431[{"error":"no"}]"#);
    ws.send(r#"42["fail"]"#).await;
    assert_eq!(soon(received.recv()).await.unwrap(), "fail: no");
    ws.send(r#"42["fail later"]"#).await;
    assert_eq!(soon(received.recv()).await.unwrap(), "fail later: not even later");
    nothing_else(&mut ws).await;
    assert!(received.try_recv().is_err());
    assert_eq!(running.io.refused_events(), 0);
}

/// SIO-SRV-101
#[tokio::test]
async fn handlers_start_in_order_and_run_concurrently() {
    let go = Arc::new(Notify::new());
    let released = Arc::clone(&go);
    let running = start(builder(), |io| {
        io.on("slow", move |socket: Socket| {
            let released = Arc::clone(&released);
            async move {
                socket.emit("slow begins", &()).unwrap();
                released.notified().await;
                socket.emit("slow ends", &()).unwrap();
            }
        });
        io.on("fast", |socket: Socket, Data(n): Data<i32>| async move { socket.emit("fast", &n) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["slow"]"#).await;
    ws.send(r#"42["fast",1]"#).await;
    ws.send(r#"42["fast",2]"#).await;
    for expected in [r#"42["slow begins",null]"#, r#"42["fast",1]"#, r#"42["fast",2]"#] {
        assert_eq!(ws.text().await, expected);
    }
    go.notify_one();
    assert_eq!(ws.text().await, r#"42["slow ends",null]"#);
}

/// SIO-SRV-109, SIO-SRV-102, SIO-SRV-104, SIO-SRV-176, SIO-SRV-178
#[tokio::test]
async fn the_client_acknowledges_events_of_the_server() {
    let (sender, mut sockets) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_connect(move |socket: Socket| {
            sender.send(socket).unwrap();
            async {}
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    let socket = soon(sockets.recv()).await.unwrap();
    assert_eq!(socket.id(), id);
    assert_ne!(socket.id(), socket.session().id().as_str(), "the session's id is a secret");
    let asking = socket.clone();
    let answer = tokio::spawn(async move { asking.emit_with_ack::<i32>("question", &1).await });
    assert_eq!(ws.text().await, r#"420["question",1]"#);
    ws.send("430[42]").await;
    assert_eq!(answer.await.unwrap().unwrap(), 42);
    // A late, duplicate or unknown ack is ignored.
    ws.send("430[43]").await;
    ws.send("4399[1]").await;
    let asking = socket.clone();
    let answer = tokio::spawn(async move { asking.emit_with_ack::<Option<i32>>("empty", &()).await });
    assert_eq!(ws.text().await, r#"421["empty",null]"#);
    ws.send("431[]").await;
    assert_eq!(answer.await.unwrap().unwrap(), None);
}

/// SIO-SRV-174, SIO-SRV-175, SIO-SRV-177
#[tokio::test]
async fn a_missing_ack_is_an_error() {
    let (sender, mut sockets) = mpsc::unbounded_channel();
    let running = start(builder(), move |io| {
        io.on_connect(move |socket: Socket| {
            sender.send(socket).unwrap();
            async {}
        });
    })
    .await;
    let (ws, _) = running.connect().await;
    let socket = soon(sockets.recv()).await.unwrap();
    let late = socket.timeout(Duration::from_millis(10)).emit_with_ack::<()>("x", &()).await;
    assert!(matches!(late, Err(AckError::Timeout)), "{late:?}");
    let zero = socket.timeout(Duration::ZERO).emit_with_ack::<()>("x", &()).await;
    assert!(matches!(zero, Err(AckError::Timeout)), "{zero:?}");
    let asking = socket.clone();
    let gone = tokio::spawn(async move { asking.emit_with_ack::<()>("x", &()).await });
    tokio::task::yield_now().await;
    drop(ws);
    let gone = soon(gone).await.unwrap();
    assert!(matches!(gone, Err(AckError::Disconnected)), "{gone:?}");
    let after = socket.emit("x", &());
    assert!(matches!(after, Err(EmitError::Send(_))), "{after:?}");
}

/// SIO-SRV-105, SIO-SRV-106
#[tokio::test]
async fn acks_contain_binary_data_in_both_directions() {
    let running = start(builder(), |io| {
        io.on("upload", |Data(data): Data<Binary>| async move {
            assert_eq!(&data[..], b"in");
            Ack(socketio_server::Args((1, 2)))
        });
    })
    .await;
    let (mut ws, id) = running.connect().await;
    ws.send(r#"451-9["upload",{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(b"in").await;
    assert_eq!(ws.text().await, "439[1,2]");
    let socket = running.io.socket(&id).unwrap();
    let asked = tokio::spawn(async move {
        let answer = socket.emit_with_ack::<Binary>("download", &Binary::from_static(b"out")).await?;
        Ok::<_, AckError>(answer)
    });
    assert_eq!(ws.text().await, r#"451-0["download",{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.binary().await, b"out");
    ws.send(r#"461-0[{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(b"back").await;
    assert_eq!(&asked.await.unwrap().unwrap()[..], b"back");
}

/// Clones of an ack sender still send a single ack.
#[tokio::test]
async fn an_event_is_acknowledged_once() {
    let running = start(builder(), |io| {
        answering(io);
        io.on("twice", |ack: Option<AckSender>| async move {
            let ack = ack.unwrap();
            ack.clone().send(&1).unwrap();
            ack.send(&2).unwrap();
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["twice"]"#).await;
    assert_eq!(ws.text().await, "431[1]");
    nothing_else(&mut ws).await;
}

/// The client receives an error as ack if the return value of the handler cannot be serialized.
#[tokio::test]
async fn an_ack_that_cannot_be_serialized_is_reported() {
    struct Unwritable;
    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("out of ink"))
        }
    }
    let notes = Notes::default();
    let received = Arc::clone(&notes);
    let running = start(builder(), |io| {
        answering(io);
        io.on_error(move |_, error| {
            assert!(matches!(error, HandlerError::Answer(EmitError::Encode(_))));
            note(&received, error.to_string());
        });
        io.on("one", || async { Ack(Unwritable) });
        io.on("two", || async { Ack(Unwritable) });
        io.on("two", || async { Ack("written") });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["one"]"#).await;
    let answer = ws.text().await;
    assert!(answer.starts_with(r#"431[{"error":""#) && answer.contains("out of ink"), "{answer}");
    ws.send(r#"422["two"]"#).await;
    let answer = ws.text().await;
    assert!(answer.starts_with("432["), "one of both, and only one: {answer}");
    nothing_else(&mut ws).await;
    let notes = notes.lock().unwrap();
    assert!(notes.len() == 2 && notes.iter().all(|note| note.contains("out of ink")), "{notes:?}");
    assert_eq!((running.io.lost_answers(), running.io.refused_events()), (2, 0));
}

/// With the policy to refuse when the outbox is full, the return value of a handler is lost, and so is the
/// error in its place. The hook receives one error for each.
#[tokio::test]
async fn an_ack_that_does_not_fit_into_the_outbox_is_reported() {
    let notes = Notes::default();
    let received = Arc::clone(&notes);
    let small = builder().engine(|engine| engine.max_buffered(1000, SlowConsumer::Refuse));
    let running = start(small, |io| {
        answering(io);
        io.on_error(move |_, error| note(&received, error.to_string()));
        // The first message may have any size.
        io.on("no room", |socket: Socket| async move {
            socket.emit("fill", &"x".repeat(2000)).unwrap();
            Ack("lost")
        });
        io.on("no answer wanted", |socket: Socket| async move {
            socket.emit("fill", &"x".repeat(2000)).unwrap();
        });
        // A disconnected socket has no client that could receive the ack.
        io.on("gone", |socket: Socket| async move {
            socket.disconnect(false);
            Ack("not sent")
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"421["no room"]"#).await;
    assert!(ws.text().await.starts_with(r#"42["fill","#));
    ws.send(r#"42["no answer wanted"]"#).await;
    assert!(ws.text().await.starts_with(r#"42["fill","#));
    nothing_else(&mut ws).await;
    assert_eq!(*notes.lock().unwrap(), ["acknowledgement not sent: the outbox is full"]);
    assert_eq!((running.io.lost_answers(), running.io.refused_events()), (1, 0));
    ws.send(r#"423["gone"]"#).await;
    assert_eq!(ws.text().await, "41");
    assert_eq!(running.io.lost_answers(), 1);
}
