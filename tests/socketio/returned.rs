//! Values and errors that handlers return.

use serde::Serialize;
use socketio_server::{Ack, Data, HandlerError, HandlerResult, Namespace, Socket};
use tests::raw::soon;
use tokio::sync::mpsc;

use crate::support::{builder, start};

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
