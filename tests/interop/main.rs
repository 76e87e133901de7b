//! Official clients against our server: the current `engine.io-client` of npm, and the last one that speaks
//! revision 3.
//!
//! The environment variable `INTEROP_REPETITIONS` sets the number of repetitions of each exchange, 5 by
//! default.

use bytes::Bytes;
use engineio::{Handler, Message, Prepared, Server, Session};
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
