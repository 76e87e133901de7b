//! Observers of all sessions of a server.

use engineio::packet::Packet;
use engineio::{CloseReason, Observer, PacketType, Prepared, Server, ServerBuilder, Session, Transport};
use tests::raw::{ServerEvent, WebSocket, soon, start, start_echo};
use tokio::sync::mpsc;

struct Log(mpsc::UnboundedSender<(Session, String)>);

impl Log {
    fn write(&self, session: &Session, entry: impl Into<String>) {
        let _ = self.0.send((session.clone(), entry.into()));
    }
}

fn shown(packet: &Prepared) -> String {
    String::from_utf8_lossy(&packet.text_packet()).into_owned()
}

impl Observer for Log {
    fn on_open(&self, session: &Session) {
        self.write(session, "open");
    }
    fn on_packet(&self, session: &Session, packet: &Packet) {
        self.write(session, format!("packet {packet:?}"));
    }
    fn on_packet_create(&self, session: &Session, packet: &Prepared) {
        if packet.kind() != PacketType::Open {
            assert!(session.is_open());
            self.write(session, format!("create {}", shown(packet)));
        }
    }
    fn on_flush(&self, session: &Session, packets: &[Prepared]) {
        let packets: Vec<_> =
            packets.iter().filter(|packet| packet.kind() != PacketType::Open).map(shown).collect();
        if !packets.is_empty() {
            self.write(session, format!("flush {}", packets.join(" ")));
        }
    }
    fn on_drain(&self, session: &Session) {
        self.write(session, "drain");
    }
    fn on_heartbeat(&self, session: &Session) {
        self.write(session, "heartbeat");
    }
    fn on_upgrading(&self, session: &Session, transport: Transport) {
        self.write(session, format!("upgrading {}", transport.as_str()));
    }
    fn on_upgrade(&self, session: &Session, transport: Transport) {
        self.write(session, format!("upgrade {}", transport.as_str()));
    }
    fn on_close(&self, session: &Session, reason: CloseReason) {
        self.write(session, format!("close {reason}"));
    }
}

/// The observed events of one session.
struct Observed(mpsc::UnboundedReceiver<(Session, String)>);

impl Observed {
    async fn take(&mut self, count: usize) -> Vec<String> {
        let mut entries = Vec::new();
        while entries.len() < count {
            entries.push(soon(self.0.recv()).await.unwrap().1);
        }
        entries
    }
}

fn observed(builder: ServerBuilder) -> (ServerBuilder, Observed) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (builder.observer(Log(sender)), Observed(receiver))
}

/// EIO-SRV-127, EIO-SRV-153
#[tokio::test]
async fn a_message_is_observed_on_the_server_and_on_its_session() {
    let (builder, mut observed) = observed(Server::builder());
    let mut running = start(builder).await;
    let mut ws = running.websocket().await;
    let session = running.opened().await;
    // The open packet is written.
    assert_eq!(observed.take(2).await, ["open", "drain"]);
    running.find(|seen| matches!(seen, ServerEvent::Drain).then_some(())).await;
    session.send("a").unwrap();
    assert_eq!(ws.text().await, "4a");
    assert_eq!(observed.take(3).await, ["create 4a", "flush 4a", "drain"]);
    let flushed = running.find(|seen| if let ServerEvent::Flush(kinds) = seen { Some(kinds) } else { None });
    assert_eq!(flushed.await, [PacketType::Message]);
    running.find(|seen| matches!(seen, ServerEvent::Drain).then_some(())).await;
    assert!(observed.0.try_recv().is_err(), "each once");
    session.close();
    assert_eq!(observed.take(1).await, ["close forced close"]);
    let _ = session.send("late");
    assert!(observed.0.try_recv().is_err(), "no packet is created for a closed session");
}

/// EIO-SRV-152, EIO-SRV-154
#[tokio::test]
async fn heartbeats_are_observed() {
    let interval = std::time::Duration::from_millis(5);
    let (builder, mut observed) = observed(Server::builder().ping_interval(interval));
    let running = start(builder).await;
    let mut ws = running.websocket().await;
    assert_eq!(ws.text().await, "2");
    assert_eq!(observed.take(5).await, ["open", "drain", "create 2", "flush 2", "drain"]);
    ws.send("3").await;
    assert_eq!(observed.take(2).await, ["packet Pong(\"\")", "heartbeat"]);

    let (builder, mut observed) = self::observed(Server::builder().allow_eio3(true));
    let running = start(builder).await;
    let mut ws = WebSocket::open(running.addr, "/engine.io/?EIO=3&transport=websocket").await.unwrap();
    ws.text().await;
    assert_eq!(observed.take(2).await, ["open", "drain"]);
    ws.send("2").await;
    assert_eq!(ws.text().await, "3");
    assert_eq!(observed.take(5).await, ["packet Ping(\"\")", "create 3", "heartbeat", "flush 3", "drain"]);
}

#[tokio::test]
async fn an_upgrade_is_observed_in_its_steps() {
    let (builder, mut observed) = observed(Server::builder());
    let mut running = start_echo(builder).await;
    let client = running.polling().await;
    let mut ws = client.probe().await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    assert_eq!(observed.take(2).await, ["open", "upgrading websocket"]);
    let begun = running.find(|seen| if let ServerEvent::Upgrading(to) = seen { Some(to) } else { None });
    assert_eq!(begun.await, Transport::WebSocket);
    assert!(observed.0.try_recv().is_err(), "not upgraded yet");
    ws.send("5").await;
    assert_eq!(observed.take(1).await, ["upgrade websocket"]);
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
    assert_eq!(observed.take(4).await, ["packet Message(Text(\"a\"))", "create 4a", "flush 4a", "drain"]);
}

#[tokio::test]
async fn several_observers_are_called() {
    let (builder, mut first) = observed(Server::builder());
    let (builder, mut second) = observed(builder);
    let running = start_echo(builder).await;
    let mut ws = running.websocket().await;
    ws.send("4a").await;
    assert_eq!(ws.text().await, "4a");
    let expected = ["open", "drain", "packet Message(Text(\"a\"))", "create 4a", "flush 4a", "drain"];
    assert_eq!(first.take(6).await, expected);
    assert_eq!(second.take(6).await, expected);
}
