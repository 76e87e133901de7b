//! Events from one server to a client of another, and what became of each.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socketio_redis::{ClassicAdapter, Redis, ShardedAdapter, StreamsAdapter};
use socketio_server::Server;
use tests::raw::{soon, until};
use tokio::task::JoinHandle;

use crate::support::{Client, NONE, Rust};

/// The kinds of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Classic,
    Sharded,
    Streams,
}

impl Kind {
    /// A server with an adapter of this kind.
    pub(crate) async fn start(self, redis: &Redis) -> Rust {
        match self {
            Self::Classic => Rust::start(ClassicAdapter::new(redis)).await,
            Self::Sharded => {
                let adapter = ShardedAdapter::new(redis);
                let connections = adapter.connections().clone();
                Rust::start_with(adapter, connections).await
            }
            Self::Streams => {
                let adapter = StreamsAdapter::new(redis);
                let connections = adapter.connections().clone();
                Rust::start_with(adapter, connections).await
            }
        }
    }

    /// Two servers of this kind, whose connections notice within a fraction of the default times.
    pub(crate) async fn pair(self, url: &str) -> [Rust; 2] {
        let redis = Redis::open(url)
            .unwrap()
            .client_name("node")
            .timeout(Duration::from_millis(500))
            .probe_interval(Duration::from_millis(200))
            .reconnect_delay(Duration::from_millis(10), Duration::from_millis(100));
        [self.start(&redis).await, self.start(&redis).await]
    }
}

/// Events that one server emits all the time, to a client of another.
pub(crate) struct Traffic {
    io: Server,
    stop: Arc<AtomicBool>,
    saying: JoinHandle<Vec<Instant>>,
    hearing: JoinHandle<Vec<usize>>,
    gaps: Arc<Mutex<Vec<[Instant; 2]>>>,
    count: Arc<AtomicUsize>,
}

impl Traffic {
    /// Starts the events: about 400 in a second.
    pub(crate) async fn start(from: &Rust, to: &Rust) -> Self {
        let gaps = Arc::<Mutex<Vec<[Instant; 2]>>>::default();
        let reported = Arc::clone(&gaps);
        to.io.on_cluster_gap(move |gap| {
            let now = Instant::now();
            // An event may have waited in the queue of its server before.
            let slack = Duration::from_millis(250);
            reported.lock().unwrap().push([now - gap.duration - slack, now]);
        });
        let mut client = Client::connect(to.addr).await;
        let count = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&count);
        let hearing = tokio::spawn(async move {
            let mut heard = Vec::new();
            loop {
                let text = client.text().await;
                if text == r#"42["end"]"# {
                    return heard;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                heard.push(
                    text.strip_prefix(r#"42["n","#).unwrap().strip_suffix(']').unwrap().parse().unwrap(),
                );
            }
        });
        let stop = Arc::<AtomicBool>::default();
        let (io, stopped) = (from.io.clone(), Arc::clone(&stop));
        let saying = tokio::spawn(async move {
            let mut said = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                said.push(Instant::now());
                // What could not be published is counted.
                let _ = io.emit("n", &(said.len() - 1)).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            said
        });
        Self { io: from.io.clone(), stop, saying, hearing, gaps, count }
    }

    /// Waits until a number of further events has been heard.
    pub(crate) async fn flows(&self) {
        let before = self.count.load(Ordering::Relaxed);
        until(async || self.count.load(Ordering::Relaxed) >= before + 50).await;
    }

    /// Ends the events, and checks that none was heard twice or out of order. Returns the number of those that were not heard,
    /// and were not in a gap that the other server has reported.
    pub(crate) async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let said = soon(self.saying).await.unwrap();
        self.io.emit("end", &NONE).await.unwrap();
        let heard = soon(self.hearing).await.unwrap();
        assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "each once and in order: {heard:?}");
        let known: HashSet<usize> = heard.iter().copied().collect();
        let gaps = self.gaps.lock().unwrap();
        let is_explained = |at: &Instant| gaps.iter().any(|[begin, end]| (begin..=end).contains(&at));
        let missing = said.iter().enumerate().filter(|(number, _)| !known.contains(number));
        missing.filter(|(_, at)| !is_explained(at)).count() as u64
    }
}

/// Checks that events go both ways.
pub(crate) async fn reach_each_other(nodes: &[Rust; 2]) {
    for (from, to) in [(0, 1), (1, 0)] {
        let mut client = Client::connect(nodes[to].addr).await;
        nodes[from].io.emit("again", &from).await.unwrap();
        assert_eq!(client.text().await, format!(r#"42["again",{from}]"#));
        assert_eq!(nodes[from].io.fetch_sockets().await.unwrap().len(), 1);
        client.ws.send("41").await;
        soon(async {
            while !nodes[from].io.fetch_sockets().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}
