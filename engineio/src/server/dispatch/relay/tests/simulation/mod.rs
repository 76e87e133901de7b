//! Clients whose requests go to random ones of three servers, over a medium with random delays in virtual
//! time. Each message is echoed once and in order, whenever the client upgrades, and nothing is left in the
//! end. With faults a session may end early, and what arrived until then is the beginning of what was sent.

mod medium;

use std::sync::atomic::AtomicU64;

use self::medium::Slow;
use super::*;
use crate::handler_fn;
use crate::server::peers::{PeerStats, session_id};

/// The number of clients, each with another seed. `PEERS_SEEDS` sets another one, `PEERS_SEED` runs one seed.
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

/// The servers, and what their handlers have received.
#[derive(Clone)]
struct World {
    random: Random,
    medium: Slow,
    servers: [Server; 3],
    received: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new(random: &Random) -> Self {
        let medium = Slow::new(random);
        let received = Arc::new(Mutex::new(Vec::new()));
        let delay = Duration::from_millis([0, 50, 300][usize::try_from(random.below(3)).unwrap()]);
        let server = |number| {
            let settings = PeerSettings::new().delayed_connection_timeout(delay);
            let builder = Server::builder().peers(medium.clone()).peer_settings(settings);
            let (medium, received) = (medium.clone(), Arc::clone(&received));
            let accept = move |_: &Session| {
                let (medium, received) = (medium.clone(), Arc::clone(&received));
                handler_fn(move |session: &Session, message: Message| {
                    // What a node does after its crash has not happened.
                    if !medium.has_crashed(number) {
                        let Message::Text(text) = &message else { panic!("{message:?}") };
                        received.lock().push(text.as_str().to_owned());
                        let _ = session.send(message);
                    }
                })
            };
            builder.build(accept).unwrap()
        };
        let servers = [server(0), server(1), server(2)];
        Self { random: random.clone(), medium, servers, received }
    }

    /// A node at random that is alive.
    fn node(&self) -> usize {
        loop {
            let node = usize::try_from(self.random.below(3)).unwrap();
            if !self.medium.has_crashed(node) {
                return node;
            }
        }
    }

    /// Cuts links, and may crash a node.
    async fn fail(self) {
        for _ in 0..=self.random.below(3) {
            self.random.pause(400).await;
            let node = self.node();
            match self.random.below(3) {
                0 if (0..3).all(|node| !self.medium.has_crashed(node)) => self.medium.crash(node),
                _ => self.medium.cut(node, (node + 1) % 3),
            }
        }
    }

    /// A session has one owner at most.
    fn check(&self, sid: &Sid) {
        let owners = (0..3).filter(|node| !self.medium.has_crashed(*node));
        let owners = owners.filter(|node| self.servers[*node].session(sid.as_str()).is_some()).count();
        assert!(owners <= 1, "{owners} nodes have the session");
    }

    /// Nothing is left in the servers that live.
    fn assert_idle(&self) {
        for (number, server) in self.servers.iter().enumerate() {
            if !self.medium.has_crashed(number) {
                let stats = server.stats();
                assert_eq!((stats.sessions, stats.tasks, stats.queued_bytes), (0, 0, 0));
                assert_eq!(server.peer_stats(), PeerStats::default());
            }
        }
        let opened: u64 = self.servers.iter().map(|server| server.traffic().opened).sum();
        assert!(opened <= 1, "announced {opened} times");
    }
}

/// A client, which sends numbers and receives them again. Its methods return `None` when the session has ended.
struct Client {
    world: World,
    sid: Sid,
    sent: u32,
    received: u32,
}

impl Client {
    fn next(&mut self) -> String {
        self.sent += 1;
        format!("4{}", self.sent - 1)
    }

    fn below(&self, end: u64) -> u64 {
        self.world.random.below(end)
    }

    async fn pause(&self, milliseconds: u64) {
        self.world.random.pause(milliseconds).await;
    }

    /// The outcome of a request at a node, unless the node crashes.
    async fn at<T>(&self, node: usize, outcome: impl Future<Output = Option<T>>) -> Option<T> {
        let outcome = tokio::select! {
            biased;
            () = self.world.medium.crashed(node) => None,
            outcome = outcome => outcome,
        };
        self.world.check(&self.sid);
        outcome
    }

    fn take(&mut self, payload: &str) -> Option<()> {
        for packet in payload.split('\x1e') {
            match packet.split_at(1) {
                ("4", number) => {
                    assert_eq!(number, self.received.to_string());
                    self.received += 1;
                }
                ("2" | "6", _) => {}
                ("1", "") => return None,
                _ => panic!("{payload:?}"),
            }
        }
        Some(())
    }

    fn park(&self, node: usize) -> Parked {
        Parked(park(&self.world.servers[node], &self.sid), node)
    }

    async fn answer(&mut self, parked: &mut Parked) -> Option<()> {
        let answered = async { (&mut parked.0).await.ok().filter(|(status, _)| *status == 200) };
        let (_, payload) = self.at(parked.1, answered).await?;
        self.take(&payload)
    }

    /// A GET, and possibly a POST while it waits.
    async fn poll(&mut self) -> Option<()> {
        let mut parked = self.park(self.world.node());
        self.pause(30).await;
        if self.below(3) > 0 || self.received == self.sent {
            self.post().await?;
        }
        while self.answer(&mut parked).await.is_none() {
            if !self.world.medium.has_crashed(parked.1) || self.below(2) == 0 {
                return None;
            }
            // A proxy sends the GET again, which the client does not notice.
            self.pause(100).await;
            parked = self.park(self.world.node());
        }
        Some(())
    }

    async fn post(&mut self) -> Option<()> {
        let packets: Vec<_> = (0..=self.below(3)).map(|_| self.next()).collect();
        let (node, packets) = (self.world.node(), packets.join("\x1e"));
        let posted = async {
            let (status, _) = post(&self.world.servers[node], &self.sid, &packets).await;
            (status == 200).then_some(())
        };
        self.at(node, posted).await
    }

    /// As the official client: the GET that waits is answered before the upgrade packet.
    async fn upgrade(&mut self) -> Option<(Socket, usize)> {
        let mut parked = (self.below(2) > 0).then(|| self.park(self.world.node()));
        self.pause(10).await;
        let node = self.world.node();
        let probing = async {
            let mut socket = Socket::open(&self.world.servers[node], &self.sid, 10_000).await.ok()?;
            socket.try_send("2probe").await?;
            let answer = socket.next().await?;
            assert_eq!(answer, "3probe");
            Some(socket)
        };
        let mut socket = self.at(node, probing).await?;
        if let Some(parked) = &mut parked {
            self.answer(parked).await?;
        }
        self.at(node, socket.try_send("5")).await?;
        Some((socket, node))
    }

    async fn run(&mut self) -> Option<()> {
        for _ in 0..self.below(6) {
            self.pause(100).await;
            self.poll().await?;
        }
        if self.below(4) > 0 {
            self.post().await?;
        }
        let (mut socket, node) = self.upgrade().await?;
        for _ in 0..5 {
            let message = self.next();
            self.at(node, socket.try_send(&message)).await?;
            self.pause(20).await;
        }
        while self.received < self.sent {
            let text = self.at(node, socket.next()).await?;
            self.take(&text)?;
        }
        Some(())
    }
}

/// A GET that waits, at a node. The client leaves on drop.
struct Parked(JoinHandle<(u16, String)>, usize);

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns whether the client has received everything.
async fn simulate(seed: u64, fails: bool) -> bool {
    let world = World::new(&Random::new(seed));
    let sid = open(&world.servers[0]).await;
    let failing = fails.then(|| tokio::spawn(world.clone().fail()));
    let mut client = Client { world: world.clone(), sid, sent: 0, received: 0 };
    // No request waits for longer than the heartbeat allows.
    let ended = tokio::time::timeout(Duration::from_secs(60), client.run()).await.expect("an end");
    let Client { sent, received, .. } = client;
    if let Some(failing) = failing {
        failing.await.unwrap();
    }
    // The WebSocket is gone, or the session is silent.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let arrived: Vec<_> = world.received.lock().clone();
    let expected: Vec<_> =
        (0..u32::try_from(arrived.len()).unwrap()).map(|number| number.to_string()).collect();
    assert_eq!(arrived, expected, "each message once and in order");
    assert!(
        received <= u32::try_from(arrived.len()).unwrap() && arrived.len() <= usize::try_from(sent).unwrap()
    );
    world.assert_idle();
    ended.is_some() && received == sent
}

/// Runs a simulation for each seed. Returns how many clients have received everything.
async fn all(fails: bool) -> (u64, u64) {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let range = match number("PEERS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PEERS_SEEDS").unwrap_or(SEEDS),
    };
    let seeds = range.end - range.start;
    let mut complete = 0;
    for seed in range {
        // A panic names its seed.
        let run = std::panic::AssertUnwindSafe(simulate(seed, fails));
        match futures_util::FutureExt::catch_unwind(run).await {
            Ok(is_complete) => complete += u64::from(is_complete),
            Err(_) => panic!("seed {seed}"),
        }
    }
    (complete, seeds)
}

#[tokio::test(start_paused = true)]
async fn every_message_arrives_once_whatever_node_a_request_goes_to() {
    let (complete, seeds) = all(false).await;
    assert_eq!(complete, seeds);
}

#[tokio::test(start_paused = true)]
async fn links_that_are_cut_and_nodes_that_crash_end_sessions_and_lose_nothing_within() {
    let (complete, seeds) = all(true).await;
    assert!(
        complete > 0 && complete < seeds,
        "{complete} of {seeds}: some clients meet a fault, and some do not"
    );
}
