//! The client for threads without a runtime.

use std::time::Duration;

use socketio_client::blocking::{Client, Error, ReceiveError};
use socketio_client::{ConnectError, SocketEvent};
use tests::raw::soon;
use tokio::sync::oneshot;

use crate::support::{builder, start};

/// Runs a test in a thread without a runtime.
async fn in_thread<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || tell.send(test()).ok());
    soon(told).await.expect("the test does not panic")
}

/// The name of the next event, and its first argument.
fn next(client: &mut Client) -> (String, String) {
    loop {
        match client.receive_timeout(Duration::from_secs(10)).unwrap() {
            SocketEvent::Event { event, .. } => {
                return (event.name().to_owned(), event.args().parse(0).unwrap());
            }
            SocketEvent::Connect { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_thread_without_a_runtime_is_a_client() {
    let running = start().await;
    let url = format!("http://{}/foo", running.addr);
    let answers = in_thread(move || {
        let mut client = Client::connect(&url).unwrap();
        let answer: String = client.emit_with_ack("echo", "acknowledged").unwrap();
        client.emit("send back", "sent").unwrap();
        let event = next(&mut client);
        let silent = client.receive_timeout(Duration::from_millis(1)).unwrap_err();
        client.socket().disconnect();
        let ended = std::iter::from_fn(|| client.receive().ok()).count();
        let after = client.receive().unwrap_err();
        client.close();
        (answer, event, silent, ended, after)
    });
    let (answer, event, silent, ended, after) = answers.await;
    assert_eq!((answer.as_str(), event), ("acknowledged", ("sent back".to_owned(), "sent".to_owned())));
    assert_eq!((silent, ended, after), (ReceiveError::Timeout, 1, ReceiveError::Disconnected));
}

/// The events that were sent before a client is dropped arrive, although its thread ends.
#[tokio::test]
async fn the_last_events_of_a_dropped_client_arrive() {
    let running = start().await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    running.io.of("/foo").on("note", move |socketio_server::Data(number): socketio_server::Data<u32>| {
        tell.send(number).unwrap();
        async {}
    });
    let url = format!("http://{}/foo", running.addr);
    in_thread(move || {
        let client = Client::connect(&url).unwrap();
        for number in 0..1000 {
            client.emit("note", &number).unwrap();
        }
    })
    .await;
    for number in 0..1000 {
        assert_eq!(soon(told.recv()).await, Some(number));
    }
}

#[tokio::test]
async fn a_client_that_cannot_connect_says_why() {
    let running = start().await;
    let address = running.addr;
    let (refused, invalid) = in_thread(move || {
        let socket = builder(address).build().socket("/no");
        (Client::with_socket(&socket).unwrap_err(), Client::connect("no url").unwrap_err())
    })
    .await;
    let Error::Connect(ConnectError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.message, "Auth failed (custom namespace)");
    assert!(matches!(invalid, Error::Url(_)), "{invalid:?}");
}

/// A runtime must not be blocked: a client that is dropped there leaves in the background.
#[tokio::test]
async fn a_client_can_be_dropped_inside_of_a_runtime() {
    let running = start().await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    running.io.of("/foo").on_disconnect(move |reason: socketio_server::DisconnectReason| {
        tell.send(reason.to_string()).unwrap();
        async {}
    });
    let url = format!("http://{}/foo", running.addr);
    let client = in_thread(move || Client::connect(&url).unwrap()).await;
    drop(client);
    assert_eq!(soon(told.recv()).await.as_deref(), Some("client namespace disconnect"));
}
