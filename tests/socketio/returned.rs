//! Values and errors that handlers return.

use serde::Serialize;
use socketio_server::{
    Ack, AckError, Binary, Data, EmitError, GatherError, HandlerError, HandlerResult, Namespace, Recovery,
    Socket,
};
use tests::raw::soon;
use tokio::sync::mpsc;

use crate::support::{answering, builder, nothing_else, start};

/// Collects the errors of handlers.
fn errors(namespace: &Namespace) -> mpsc::UnboundedReceiver<String> {
    let (sender, errors) = mpsc::unbounded_channel();
    namespace.on_error(move |_, error| {
        let failed = matches!(error, HandlerError::Failed { .. });
        sender.send(format!("{} {error}", if failed { "failed:" } else { "other:" })).unwrap();
    });
    errors
}

/// `?` works in every handler, and an error that nobody waits for reaches the hook: at once or after a wait.
#[tokio::test]
async fn errors_of_all_handlers_reach_the_hook() {
    for waits in [false, true] {
        let fails = move |text: &'static str| {
            move || async move {
                if waits {
                    tokio::task::yield_now().await;
                }
                "x".parse::<u32>().map(drop).map_err(|error| format!("{text}: {error}"))
            }
        };
        let mut received = None;
        let running = start(builder(), |io| {
            received = Some(errors(io));
            io.on_connect(fails("a"));
            io.on_any(fails("b"));
            io.on_disconnecting(fails("c"));
            io.on_disconnect(fails("d"));
        })
        .await;
        let mut received = received.unwrap();
        let (mut ws, _) = running.connect().await;
        ws.send(r#"42["say"]"#).await;
        let expect = ["connect: a", "say: b"];
        for event in expect {
            let error = soon(received.recv()).await.unwrap();
            assert_eq!(error, format!("failed: {event}: invalid digit found in string"));
        }
        ws.send("41").await;
        let mut last = vec![soon(received.recv()).await.unwrap(), soon(received.recv()).await.unwrap()];
        last.sort();
        assert_eq!(
            last,
            ["disconnect: d", "disconnecting: c"]
                .map(|it| format!("failed: {it}: invalid digit found in string"))
        );
    }
}

/// An error of an application, which clients read as an object.
#[derive(Serialize)]
struct Problem {
    code: u32,
    hint: &'static str,
}

/// `Err(Ack(value))` answers with the value itself, so an application decides about the form of its errors.
#[tokio::test]
async fn an_error_can_be_an_answer_of_any_form() {
    let mut received = None;
    let running = start(builder(), |io| {
        received = Some(errors(io));
        io.on("half", |_: Socket, Data(number): Data<u32>| async move {
            match number % 2 {
                0 => Ok(Ack(number / 2)),
                _ => Err(Ack(Problem { code: 7, hint: "an even number" })),
            }
        });
        io.on("text", || async { Err::<(), _>("no") });
    })
    .await;
    let mut received = received.unwrap();
    let (mut ws, _) = running.connect().await;
    for (event, answer) in [
        (r#"["half",8]"#, "[4]"),
        (r#"["half",7]"#, r#"[{"code":7,"hint":"an even number"}]"#),
        (r#"["text"]"#, r#"[{"error":"no"}]"#),
    ] {
        ws.send(&format!("421{event}")).await;
        assert_eq!(ws.text().await, format!("431{answer}"));
    }
    // Without a requested acknowledgement the hook receives the value as JSON.
    ws.send(r#"42["half",7]"#).await;
    let error = soon(received.recv()).await.unwrap();
    assert_eq!(error, r#"failed: half: {"code":7,"hint":"an even number"}"#);
}

/// A closure that uses `?` with errors of several types.
#[tokio::test]
async fn a_closure_can_return_errors_of_any_type() {
    let running = start(builder(), |io| {
        io.on("double", |socket: Socket, Data(number): Data<String>| async move {
            let number: u32 = number.parse()?;
            socket.emit("doubled", &(number.checked_mul(2).ok_or("too large")?))?;
            HandlerResult::Ok(())
        });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    for (number, answer) in [
        ("x", r#"431[{"error":"invalid digit found in string"}]"#),
        ("4000000000", r#"431[{"error":"too large"}]"#),
        ("4", r#"42["doubled",8]"#),
    ] {
        ws.send(&format!(r#"421["double","{number}"]"#)).await;
        assert_eq!(ws.text().await, answer);
    }
    assert_eq!(ws.text().await, "431[]");
}

fn parts(count: usize) -> Vec<Binary> {
    vec![Binary(vec![1].into()); count]
}

/// The official decoder accepts ten attachments and closes the connection for more, so an event with more is
/// refused when it is sent, wherever it comes from.
#[tokio::test]
async fn more_attachments_than_clients_accept_are_refused() {
    let mut received = None;
    let running = start(builder(), |io| {
        answering(io);
        received = Some(errors(io));
        io.on("answer", |Data(count): Data<usize>| async move { Ack(parts(count)) });
        io.on("tell", |namespace: Namespace, socket: Socket| async move {
            let (few, many) = (parts(10), parts(11));
            let refused = [
                socket.emit("parts", &many).unwrap_err(),
                socket.emit_when_ready("parts", &many).await.unwrap_err(),
                namespace.emit("parts", &many).await.unwrap_err(),
                namespace.to(socket.id()).emit("parts", &many).await.unwrap_err(),
            ];
            for error in refused {
                assert!(
                    matches!(&error, EmitError::TooManyAttachments(limit) if limit.max == 10),
                    "{error:?}"
                );
            }
            let waiting = socket.emit_with_ack::<()>("parts", &many).await.unwrap_err();
            assert!(matches!(waiting, AckError::Emit(EmitError::TooManyAttachments(_))), "{waiting:?}");
            let waiting = namespace.emit_with_ack::<()>("parts", &many).await.unwrap_err();
            assert!(matches!(waiting, GatherError::Emit(EmitError::TooManyAttachments(_))), "{waiting:?}");
            socket.emit("parts", &few)
        });
    })
    .await;
    let mut received = received.unwrap();
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["tell"]"#).await;
    assert!(ws.text().await.starts_with(r#"4510-["parts",["#));
    for _ in 0..10 {
        assert_eq!(ws.binary().await, [1]);
    }
    ws.send(r#"421["answer",11]"#).await;
    let text = "11 binary parts, and the peer accepts 10 (`Config::max_attachments`)";
    assert_eq!(ws.text().await, format!(r#"431[{{"error":"{text}"}}]"#));
    assert_eq!(soon(received.recv()).await.unwrap(), format!("other: acknowledgement not sent: {text}"));
    nothing_else(&mut ws).await;
}

/// With recovery, events are encoded elsewhere; and the limit is a setting.
#[tokio::test]
async fn the_limit_of_attachments_is_a_setting() {
    let builder = builder().connection_state_recovery(Recovery::default());
    let running = start(builder.configure(|config| config.max_attachments = 12), |io| {
        io.on("tell", |namespace: Namespace, socket: Socket, Data(count): Data<usize>| async move {
            socket.emit("parts", &parts(count)).map_err(|error| error.to_string())?;
            namespace.emit("parts", &parts(count)).await.map_err(|error| error.to_string())
        });
    })
    .await;
    let mut ws = running.open().await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    ws.send(r#"421["tell",13]"#).await;
    let text = "13 binary parts, and the peer accepts 12 (`Config::max_attachments`)";
    assert_eq!(ws.text().await, format!(r#"431[{{"error":"{text}"}}]"#));
    ws.send(r#"422["tell",12]"#).await;
    for _ in 0..2 {
        assert!(ws.text().await.starts_with(r#"4512-["parts",["#));
        for _ in 0..12 {
            assert_eq!(ws.binary().await, [1]);
        }
    }
    assert_eq!(ws.text().await, "432[]");
}
