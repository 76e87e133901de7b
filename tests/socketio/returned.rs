//! Values and errors that handlers return.

use socketio_server::{HandlerError, Namespace};
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
