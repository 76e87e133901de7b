//! The bot with a server in the same process, on a port that the system chooses.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_client::{ConnectError, Manager, Socket};
use socketio_server::{Data, EventName, Handshake, Server};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A chat server that reports all events of its client, here the bot.
struct Chat {
    addr: SocketAddr,
    io: Server,
    events: mpsc::UnboundedReceiver<(String, String)>,
}

async fn chat() -> Chat {
    let io = Server::builder().build().unwrap();
    let (sender, events) = mpsc::unbounded_channel();
    io.on_any(move |EventName(name): EventName, Data(text): Data<String>| {
        sender.send((name, text)).unwrap();
        async {}
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = io.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    Chat { addr, io, events }
}

impl Chat {
    /// A chat, and a bot that has told its name.
    async fn with_bot() -> (Self, Socket) {
        let mut chat = chat().await;
        let bot = super::bot(Manager::builder(&format!("http://{}", chat.addr)).unwrap());
        assert_eq!(chat.next().await, ("add user".to_owned(), "bot".to_owned()));
        (chat, bot)
    }

    async fn next(&mut self) -> (String, String) {
        timeout(Duration::from_secs(20), self.events.recv()).await.expect("no event").unwrap()
    }

    /// The next message of the bot.
    async fn said(&mut self) -> String {
        let (event, text) = self.next().await;
        assert_eq!(event, "new message");
        text
    }

    async fn say(&self, message: &str) {
        let message = json!({ "username": "ada", "message": message });
        self.io.emit("new message", &message).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_who_joins_is_greeted() {
    let (mut chat, _bot) = Chat::with_bot().await;
    chat.io.emit("user joined", &json!({ "username": "ada", "numUsers": 2 })).await.unwrap();
    assert_eq!(chat.said().await, "hello, ada");
}

#[tokio::test]
async fn commands_are_answered_in_order() {
    let (mut chat, _bot) = Chat::with_bot().await;
    for message in ["!help", "!sum 1 2 3.5", "!sum one", "!reverse a b c", "!dance"] {
        chat.say(message).await;
    }
    assert_eq!(chat.said().await, "!help, !sum NUMBERS, !reverse TEXT");
    assert_eq!(chat.said().await, "the sum is 6.5");
    assert_eq!(chat.said().await, "!sum takes numbers");
    assert_eq!(chat.said().await, "c b a");
    assert_eq!(chat.said().await, "there is no command dance, see !help");
}

/// Neither talk nor unreadable messages are answered: the first answer is that of the command behind them.
#[tokio::test]
async fn messages_without_a_command_are_not_answered() {
    let (mut chat, _bot) = Chat::with_bot().await;
    chat.say("hello, bot").await;
    chat.say("!").await;
    chat.io.emit("new message", &Value::Null).await.unwrap();
    chat.say("!sum 1 1").await;
    assert_eq!(chat.said().await, "the sum is 2");
}

#[tokio::test]
async fn the_bot_returns_after_a_lost_connection() {
    let mut chat = chat().await;
    let server = Manager::builder(&format!("http://{}", chat.addr)).unwrap();
    let _bot = super::bot(server.reconnection(|settings| settings.delay = Duration::from_millis(1)));
    assert_eq!(chat.next().await.0, "add user");
    for socket in chat.io.sockets() {
        socket.session().abort();
    }
    assert_eq!(chat.next().await.0, "add user");
    chat.say("!sum 1 1").await;
    assert_eq!(chat.said().await, "the sum is 2");
}

#[tokio::test]
async fn a_refusal_has_its_reason() {
    let chat = chat().await;
    chat.io.middleware(|handshake: Handshake| async move {
        assert_eq!(handshake.header("user-agent"), Some("bot"));
        Err::<(), _>("no bots")
    });
    let bot = super::bot(Manager::builder(&format!("http://{}", chat.addr)).unwrap());
    let error = timeout(Duration::from_secs(20), bot.connected()).await.unwrap().unwrap_err();
    assert!(matches!(&error, ConnectError::Refused(refusal) if refusal.message == "no bots"), "{error}");
}

/// A server whose certificate only the tests trust.
#[tokio::test]
async fn the_authority_of_a_server_can_be_named() {
    let mut chat = chat().await;
    let (tls, authority) = tests::tls::with_certificate(chat.addr).await;
    let server = || Manager::builder(&format!("https://localhost:{}", tls.port())).unwrap();
    let _bot = super::bot(server().ca_certificate(authority).unwrap());
    assert_eq!(chat.next().await.0, "add user");
    chat.say("!sum 1 1").await;
    assert_eq!(chat.said().await, "the sum is 2");
}
