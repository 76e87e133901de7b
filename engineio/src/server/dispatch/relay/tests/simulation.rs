//! Clients whose requests go to random ones of three servers, over a medium with random delays in virtual
//! time. Each message is echoed once and in order, whenever the client upgrades, and nothing is left in the
//! end.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::handler_fn;
use crate::server::peers::{PeerStats, session_id};

/// The number of clients, each with another seed. `PEERS_SEEDS` sets another one.
const SEEDS: u64 = 200;

/// Random numbers by xorshift.
#[derive(Clone)]
struct Random(Arc<AtomicU64>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)))
    }

    fn below(&self, end: u64) -> u64 {
        let mut state = self.0.load(Ordering::Relaxed);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.store(state, Ordering::Relaxed);
        (state >> 16) % end
    }

    async fn pause(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(self.below(milliseconds))).await;
    }
}

/// A medium that keeps the order between two nodes, and no other.
#[derive(Clone)]
struct Slow {
    random: Random,
    nodes: Arc<Mutex<Vec<PeerInbox>>>,
}

struct SlowLink {
    medium: Slow,
    number: usize,
    /// By receiver.
    ways: Mutex<Vec<Option<UnboundedSender<PeerMessage>>>>,
}

fn name(number: usize) -> PeerId {
    PeerId::from(number.to_string())
}

impl Peers for Slow {
    fn open(&self, inbox: PeerInbox) -> Arc<dyn PeerLink> {
        let mut nodes = self.nodes.lock();
        nodes.push(inbox);
        let ways = Mutex::new(vec![None, None, None]);
        Arc::new(SlowLink { medium: self.clone(), number: nodes.len() - 1, ways })
    }
}

impl SlowLink {
    fn way(&self, to: usize) -> UnboundedSender<PeerMessage> {
        let (sender, mut messages) = mpsc::unbounded_channel();
        let (medium, from) = (self.medium.clone(), name(self.number));
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                medium.random.pause(20).await;
                let inbox = medium.nodes.lock()[to].clone();
                inbox.receive(from.clone(), message);
            }
        });
        sender
    }
}

impl PeerLink for SlowLink {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let to: usize = to.unwrap().as_str().parse().unwrap();
        let mut ways = self.ways.lock();
        let way = ways[to].get_or_insert_with(|| self.way(to));
        way.send(message).unwrap();
    }

    fn owner_of(&self, sid: &str) -> Owner {
        Owner::Node(name(usize::from(sid.as_bytes()[3] - b'A')))
    }

    fn session_id(&self) -> std::io::Result<Sid> {
        session_id(&[0, 0, u8::try_from(self.number).unwrap()])
    }
}

/// A client, which sends numbers and receives them again.
struct Client {
    random: Random,
    servers: [Server; 3],
    sid: Sid,
    sent: u32,
    received: u32,
}

impl Client {
    fn server(&self) -> &Server {
        &self.servers[usize::try_from(self.random.below(3)).unwrap()]
    }

    fn next(&mut self) -> String {
        self.sent += 1;
        format!("4{}", self.sent - 1)
    }

    fn take(&mut self, payload: &str) {
        for packet in payload.split('\x1e') {
            match packet.split_at(1) {
                ("4", number) => {
                    assert_eq!(number, self.received.to_string());
                    self.received += 1;
                }
                ("2" | "6", _) => {}
                _ => panic!("{payload:?}"),
            }
        }
    }

    /// A GET, and possibly a POST while it waits.
    async fn poll(&mut self) {
        let parked = park(self.server(), &self.sid);
        self.random.pause(30).await;
        if self.random.below(3) > 0 || self.received == self.sent {
            self.post().await;
        }
        let (status, payload) = parked.await.unwrap();
        assert_eq!(status, 200, "{payload}");
        self.take(&payload);
    }

    async fn post(&mut self) {
        let packets: Vec<_> = (0..=self.random.below(3)).map(|_| self.next()).collect();
        let (status, _) = post(self.server(), &self.sid, &packets.join("\x1e")).await;
        assert_eq!(status, 200);
    }

    /// As the official client: the GET that waits is answered before the upgrade packet.
    async fn upgrade(&mut self) -> Socket {
        let parked = (self.random.below(2) > 0).then(|| park(self.server(), &self.sid));
        self.random.pause(10).await;
        let mut socket = Socket::open(self.server(), &self.sid, 10_000).await.unwrap();
        socket.send("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        if let Some(parked) = parked {
            let (status, payload) = parked.await.unwrap();
            assert_eq!(status, 200, "{payload}");
            self.take(&payload);
        }
        socket.send("5").await;
        socket
    }

    async fn run(&mut self) {
        for _ in 0..self.random.below(6) {
            self.random.pause(100).await;
            self.poll().await;
        }
        if self.random.below(4) > 0 {
            self.post().await;
        }
        let mut socket = self.upgrade().await;
        for _ in 0..5 {
            let message = self.next();
            socket.send(&message).await;
            self.random.pause(20).await;
        }
        while self.received < self.sent {
            let text = socket.text().await;
            self.take(&text);
        }
    }
}

async fn simulate(seed: u64) {
    let random = Random::new(seed);
    let medium = Slow { random: random.clone(), nodes: Arc::default() };
    let delay = Duration::from_millis([0, 50, 300][usize::try_from(random.below(3)).unwrap()]);
    let server = || {
        let settings = PeerSettings::new().delayed_connection_timeout(delay);
        let builder = Server::builder().peers(medium.clone()).peer_settings(settings);
        let accept =
            |_: &Session| handler_fn(|session: &Session, message: Message| session.send(message).unwrap());
        builder.build(accept).unwrap()
    };
    let servers = [server(), server(), server()];
    let sid = open(&servers[0]).await;
    let mut client = Client { random, servers: servers.clone(), sid, sent: 0, received: 0 };
    client.run().await;
    drop(client);
    // The WebSocket is gone.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let opened: u64 = servers.iter().map(|server| server.traffic().opened).sum();
    assert_eq!(opened, 1, "announced once");
    for server in &servers {
        let stats = server.stats();
        assert_eq!((stats.sessions, stats.tasks, stats.queued_bytes), (0, 0, 0));
        assert_eq!(server.peer_stats(), PeerStats::default());
    }
}

#[tokio::test(start_paused = true)]
async fn every_message_arrives_once_whatever_node_a_request_goes_to() {
    let seeds = std::env::var("PEERS_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        // A panic names its seed.
        let run = std::panic::AssertUnwindSafe(simulate(seed));
        if futures_util::FutureExt::catch_unwind(run).await.is_err() {
            panic!("seed {seed}");
        }
    }
}
