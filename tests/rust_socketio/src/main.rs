//! crates.io's rust_socketio runs the exchanges of a typical application against our server.
//!
//! ```text
//! visit-with-rust-socketio URL TRANSPORT
//! ```
//!
//! TRANSPORT is `polling`, `websocket`, or `polling,websocket`. The names of the clients are those that the
//! server logs when they disconnect. Unlike the other clients, this one cannot join several namespaces over
//! one connection, acknowledge an event, attach binary data to an event that requests an ack, receive nested
//! binary data, or report why it was disconnected.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);
const NOTHING: Payload = Payload::Text(Vec::new());

struct Target {
    url: String,
    transport: fn() -> TransportType,
}

/// A client in a namespace, and its received events.
struct TestClient {
    client: Client,
    events: Mutex<mpsc::UnboundedReceiver<(Event, Payload)>>,
}

impl Target {
    async fn open(&self, name: &str, namespace: &str, token: &str, reconnect: bool) -> TestClient {
        let (sender, events) = mpsc::unbounded_channel();
        let record = |event: Event| {
            let sender = sender.clone();
            move |payload: Payload, _: Client| -> BoxFuture<'static, ()> {
                let _ = sender.send((event.clone(), payload));
                async {}.boxed()
            }
        };
        let any = sender.clone();
        let client = ClientBuilder::new(&self.url)
            .namespace(namespace)
            .auth(json!({"token": token, "name": name}))
            .transport_type((self.transport)())
            .reconnect(reconnect)
            .reconnect_delay(10, 50)
            .on(Event::Connect, record(Event::Connect))
            .on(Event::Close, record(Event::Close))
            .on(Event::Error, record(Event::Error))
            .on_any(move |event, payload, _| {
                let _ = any.send((event, payload));
                async {}.boxed()
            })
            .connect()
            .await
            .unwrap_or_else(|error| panic!("{name} cannot connect: {error}"));
        TestClient { client, events: Mutex::new(events) }
    }

    async fn join(&self, name: &str, namespace: &str, reconnect: bool) -> TestClient {
        let client = self.open(name, namespace, "good", reconnect).await;
        client.next(Event::Connect).await;
        client
    }

    /// The error that a refused client receives.
    async fn refusal(&self, namespace: &str, token: &str) -> String {
        let client = self.open("unnamed", namespace, token, false).await;
        let Payload::Text(said) = client.next(Event::Error).await else { panic!("the error is text") };
        said[0].as_str().expect("one string").to_owned()
    }
}

impl TestClient {
    /// The payload of the next event, which must be this one.
    async fn next(&self, wanted: impl Into<Event>) -> Payload {
        let wanted = wanted.into();
        let (event, payload) =
            soon(&wanted.to_string(), self.events.lock().await.recv()).await.expect("a client");
        assert_eq!(event, wanted, "{payload:?}");
        payload
    }

    /// The payload of the next event of this name. Other events may come before it.
    async fn find(&self, wanted: impl Into<Event>) -> Payload {
        let wanted = wanted.into();
        let find = async {
            let mut events = self.events.lock().await;
            loop {
                let (event, payload) = events.recv().await.expect("a client");
                if event == wanted {
                    return payload;
                }
            }
        };
        soon(&wanted.to_string(), find).await
    }

    async fn emit(&self, event: &str, payload: impl Into<Payload>) {
        self.client.emit(event, payload).await.unwrap_or_else(|error| panic!("{event}: {error}"));
    }

    async fn ask(&self, event: &str, payload: impl Into<Payload>) -> Payload {
        let (sender, mut answer) = mpsc::unbounded_channel();
        let answered = move |payload: Payload, _: Client| -> BoxFuture<'static, ()> {
            let _ = sender.send(payload);
            async {}.boxed()
        };
        let asked = self.client.emit_with_ack(event, payload, LIMIT, answered).await;
        asked.unwrap_or_else(|error| panic!("{event}: {error}"));
        soon(&format!("an answer to {event}"), answer.recv()).await.expect("an answer")
    }
}

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// The arguments of an ack: the client passes them as one array.
fn answer(arguments: Value) -> Payload {
    Payload::Text(vec![arguments])
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, transport] = arguments.as_slice() else { panic!("a URL and a transport are wanted") };
    let transport = match transport.as_str() {
        "polling" => || TransportType::Polling,
        "websocket" => || TransportType::Websocket,
        "polling,websocket" => || TransportType::WebsocketUpgrade,
        other => panic!("{other} is no transport"),
    };
    let target = Target { url: url.clone(), transport };

    // Refused with data and without, then accepted.
    let refusal = target.refusal("/chat", "bad").await;
    assert!(refusal.ends_with(r#"{"message":"not allowed","data":{"code":7}}"#), "{refusal}");
    let refusal = target.refusal("/nowhere", "good").await;
    assert!(refusal.ends_with(r#"{"message":"Invalid namespace"}"#), "{refusal}");
    let ada = target.join("ada", "/chat", false).await;
    let bob = target.join("bob", "/chat", false).await;
    assert_ne!(ada.ask("who am I", NOTHING).await, bob.ask("who am I", NOTHING).await);
    assert_eq!(ada.ask("credentials", NOTHING).await, answer(json!([{"token": "good", "name": "ada"}])));

    // Events with acks and without, text and binary.
    let several = json!([1, "2", {"3": [true, null]}]);
    let Value::Array(arguments) = several.clone() else { unreachable!() };
    assert_eq!(ada.ask("echo", arguments).await, answer(several));
    assert_eq!(ada.ask("echo", NOTHING).await, answer(json!([])));
    assert_eq!(ada.ask("bytes", NOTHING).await, Payload::from(vec![3_u8, 2, 1]));
    ada.emit("echo", json!({"a": "é€😀"})).await;
    assert_eq!(ada.next("echoed").await, Payload::from(json!({"a": "é€😀"})));
    ada.emit("echo", vec![7_u8, 8, 9]).await;
    assert_eq!(ada.next("echoed").await, Payload::from(vec![7_u8, 8, 9]));

    // Rooms.
    for client in [&ada, &bob] {
        assert_eq!(client.ask("join", json!("lobby")).await, answer(json!([])));
    }
    ada.emit("say", vec![json!("lobby"), json!({"text": "hello"})]).await;
    assert_eq!(bob.next("said").await, Payload::from(json!({"text": "hello"})));

    keep_order(&target).await;
    come_back(&target).await;

    // Another namespace, which requires no credentials.
    let dan = target.join("dan", "/news", false).await;
    assert_eq!(dan.ask("echo", json!("hello")).await, answer(json!(["hello"])));

    // Kinds of disconnect.
    bob.emit("throw me out", NOTHING).await;
    bob.next(Event::Close).await;
    ada.client.disconnect().await.expect("it is connected");
    dan.emit("close the server", NOTHING).await;
    println!("ok");
}

async fn keep_order(target: &Target) {
    let eve = target.join("eve", "/chat", false).await;
    for number in 0..1000 {
        eve.emit("number", json!(number)).await;
    }
    for number in 0..1000 {
        assert_eq!(eve.next("number").await, Payload::from(json!(number)));
    }
    eve.client.disconnect().await.expect("it is connected");
}

/// A client whose connection is cut reconnects by itself.
async fn come_back(target: &Target) {
    let eve = target.join("eve", "/chat", true).await;
    let before = eve.ask("who am I", NOTHING).await;
    eve.emit("cut me off", NOTHING).await;
    eve.find(Event::Connect).await;
    assert_ne!(eve.ask("who am I", NOTHING).await, before);
    assert_eq!(eve.ask("credentials", NOTHING).await, answer(json!([{"token": "good", "name": "eve"}])));
    eve.client.disconnect().await.expect("it is connected");
}
