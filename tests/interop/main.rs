//! Official clients against our server: the current `engine.io-client` of npm, and the last one that speaks
//! revision 3.
//!
//! The environment variable `INTEROP_REPETITIONS` sets the number of repetitions of each exchange, 5 by
//! default.

use bytes::Bytes;
use engineio::client::{Client, Event};
use engineio::{Handler, Message, PerMessageDeflate, Prepared, Server, Session, Transport};
use tests::raw::soon;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

const MESSAGES: usize = 1000;

/// Echoes messages that arrive in the right order, and closes the session otherwise.
struct Peer {
    next: usize,
}

impl Handler for Peer {
    fn on_message(&mut self, session: &Session, message: Message) {
        let number = self.next;
        self.next += 1;
        let expected = format!("c{number}");
        let kind_fits = matches!(message, Message::Binary(_)) == (number % 2 == 1);
        if message.as_bytes() == expected.as_bytes() && kind_fits {
            session.send(message).expect("the client reads");
        } else {
            session.abort();
        }
    }
}

fn numbered(number: usize) -> Prepared {
    let text = format!("s{number}");
    if number % 2 == 1 { Prepared::binary(Bytes::from(text)) } else { Prepared::text(&text) }
}

async fn exchange(protocol: u8, mode: &str) {
    let accept = |session: &Session| {
        let session = session.clone();
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                session.send(numbered(number)).expect("the client reads");
                if number % 10 == 0 {
                    tokio::task::yield_now().await;
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
        });
        Peer { next: 0 }
    };
    let server = Server::builder().allow_eio3(true).build(accept).expect("valid settings");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    let repetitions = std::env::var("INTEROP_REPETITIONS").unwrap_or_else(|_| "5".to_owned());
    tests::node::run("engine.mjs", &[&url, &protocol.to_string(), mode, &MESSAGES.to_string(), &repetitions])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_works_with_client_of_revision_4() {
    exchange(4, "polling").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_works_with_client_of_revision_4() {
    exchange(4, "websocket").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_work_with_client_of_revision_4() {
    exchange(4, "upgrade").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_works_with_client_of_revision_3() {
    exchange(3, "polling").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_works_with_client_of_revision_3() {
    exchange(3, "websocket").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_work_with_client_of_revision_3() {
    exchange(3, "upgrade").await;
}

/// Settings of our side. Those of the other side are in the script.
fn deflate_settings() -> [PerMessageDeflate; 3] {
    let context = PerMessageDeflate::new().server_no_context_takeover(None).client_no_context_takeover(None);
    [PerMessageDeflate::new(), context.threshold(0), context.level(1).mem_level(1)]
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_messages_work_with_ws_as_client() {
    for deflate in deflate_settings() {
        let accept = |_: &Session| {
            engineio::handler_fn(|session: &Session, message: Message| {
                session.send(message).expect("the client reads");
            })
        };
        let server = Server::builder().per_message_deflate(deflate).build(accept).expect("valid settings");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let serving = server.clone();
        tokio::spawn(async move { serving.serve(listener).await });
        tests::node::run("deflate.mjs", &["client", &url]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_messages_work_with_the_official_server() {
    for options in [
        "{}",
        r#"{"threshold":0}"#,
        r#"{"serverNoContextTakeover":true}"#,
        r#"{"clientNoContextTakeover":true}"#,
        r#"{"serverMaxWindowBits":9}"#,
        r#"{"clientMaxWindowBits":8}"#,
        r#"{"clientMaxWindowBits":15,"serverMaxWindowBits":8,"threshold":0}"#,
    ] {
        let mut node = tests::node::command();
        let mut node = node
            .args(["deflate.mjs", "server", options])
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect(tests::node::NEEDED);
        let mut lines = BufReader::new(node.stdout.take().expect("it is piped")).lines();
        let port = soon(lines.next_line()).await.expect("readable").expect("a port");
        for deflate in deflate_settings() {
            let client = Client::builder(&format!("http://127.0.0.1:{port}")).expect("a valid URL");
            let client = client.transports([Transport::WebSocket]);
            let client = client.configure(|config| config.per_message_deflate = Some(deflate));
            let mut client = soon(client.connect()).await.expect("the server accepts");
            for len in [0, 1, 1024, 20_000, 65_536, 500_000] {
                let text = "{\"name\":\"value\"},".repeat(len / 17 + 1);
                for sent in
                    [Message::from(text[..len].to_owned()), Message::Binary(text.clone().into_bytes().into())]
                {
                    client.sender().send(sent.clone()).expect("it is open");
                    let received = loop {
                        if let Event::Message(message) = soon(client.recv()).await.expect("it is open") {
                            break message;
                        }
                    };
                    assert!(received == sent, "{len} bytes with {options} and {deflate:?}");
                }
            }
        }
    }
}
