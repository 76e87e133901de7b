//! Clients that check all that they receive while mutated messages arrive at their servers.

use std::net::SocketAddr;

use bytes::Bytes;
use socketio_parser::{Decoder, Event, Limits, Packet, Parser, Payload};
use tests::raw::WebSocket;
use tokio_tungstenite::tungstenite::Message;

/// The event of the numbers: the sender, and the number.
pub(super) const NUMBER: &str = "number of the witness";
/// The last event of a sender.
pub(super) const END: &str = "end of the witness";

/// A client of one namespace, until all senders have said that it is over.
pub(super) struct Witness {
    addr: SocketAddr,
    namespace: &'static str,
    senders: usize,
}

/// Packets of one client.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// The numbers of each sender, on each connection.
    pub(super) numbers: Vec<Vec<Vec<u64>>>,
    /// Packets that real traffic does not have.
    pub(super) others: u64,
}

impl Witness {
    pub(super) fn new(addr: SocketAddr, namespace: &'static str, senders: usize) -> Self {
        Self { addr, namespace, senders }
    }

    /// Receives until the end. A client that is disconnected connects again.
    pub(super) async fn run(self, connected: tokio::sync::oneshot::Sender<()>) -> Received {
        let mut received = Received::default();
        let mut connected = Some(connected);
        loop {
            let mut connection = Connection::open(self.addr, self.namespace).await;
            if let Some(connected) = connected.take() {
                connected.send(()).unwrap();
            }
            received.numbers.push(vec![Vec::new(); self.senders]);
            if self.receive(&mut connection, &mut received).await {
                return received;
            }
        }
    }

    /// Returns whether the end has come; otherwise the connection was closed.
    async fn receive(&self, connection: &mut Connection, received: &mut Received) -> bool {
        let (mut ended, mut asked, mut answered) = (vec![false; self.senders], 0, 0);
        while let Some(packet) = connection.next().await {
            assert_eq!(packet.namespace.as_str(), self.namespace);
            match packet.payload {
                Payload::Disconnect => return false,
                Payload::Ack(args) => {
                    assert_eq!((packet.ack_id, args.parse(0).ok()), (Some(answered), Some(answered)));
                    answered += 1;
                }
                Payload::Event(event) if event.name() == NUMBER => {
                    let (sender, number) = numbers(&event);
                    let of_sender = &mut received.numbers.last_mut().unwrap()[sender as usize];
                    of_sender.push(number);
                    if of_sender.len() % 10 == 0 {
                        connection.ask(self.namespace, asked).await;
                        asked += 1;
                    }
                }
                Payload::Event(event) if event.name() == END => {
                    ended[numbers(&event).0 as usize] = true;
                }
                Payload::Event(_) => received.others += 1,
                other => panic!("no server sends this: {other:?}"),
            }
            if ended.iter().all(|ended| *ended) && answered == asked {
                return true;
            }
        }
        false
    }
}

fn numbers(event: &Event) -> (u64, u64) {
    (event.args().parse(0).unwrap(), event.args().parse(1).unwrap())
}

/// A connection whose packets are all read as a client reads them.
struct Connection {
    ws: WebSocket,
    decoder: Decoder,
}

impl Connection {
    async fn open(addr: SocketAddr, namespace: &str) -> Self {
        let mut ws = WebSocket::open(addr, "/socket.io/?EIO=4&transport=websocket").await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        ws.send(&format!("40{namespace},{{}}")).await;
        // As deep as messages between servers may be.
        let limits = Limits { max_depth: 1000, ..Limits::default() };
        let mut connection = Self { ws, decoder: Decoder::new(Parser::Json, limits) };
        let packet = connection.next().await.unwrap();
        assert!(matches!(packet.payload, Payload::Connect(Some(_))), "{packet:?}");
        connection
    }

    /// The next packet; `None` if the connection was closed.
    async fn next(&mut self) -> Option<Packet> {
        loop {
            let packet = match self.ws.next().await? {
                Message::Text(text) if text.as_str() == "2" => {
                    self.ws.send("3").await;
                    continue;
                }
                Message::Text(text) => {
                    let packet = text.strip_prefix('4').unwrap_or_else(|| panic!("no message: {text}"));
                    self.decoder.text(Bytes::copy_from_slice(packet.as_bytes()))
                }
                Message::Binary(data) => self.decoder.binary(data),
                Message::Close(_) => return None,
                other => panic!("no server sends this: {other:?}"),
            };
            if let Some(packet) = packet.unwrap() {
                return Some(packet);
            }
        }
    }

    /// Sends an event with a number, which the server returns.
    async fn ask(&mut self, namespace: &str, number: u64) {
        self.ws.send(&format!(r#"42{namespace},{number}["echo",{number}]"#)).await;
    }
}
