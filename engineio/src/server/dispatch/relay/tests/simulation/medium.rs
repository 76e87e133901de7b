//! A medium with random delays, whose links can be cut and whose nodes can crash.

use std::collections::HashMap;

use tokio::sync::watch;

use super::*;

/// A medium that keeps the order between two nodes, and no other.
#[derive(Clone)]
pub(super) struct Slow {
    random: Random,
    nodes: Arc<Mutex<Vec<PeerInbox>>>,
    links: Arc<Mutex<HashMap<[usize; 2], Link>>>,
    /// The nodes that have crashed.
    crashed: watch::Sender<[bool; 3]>,
}

/// The connection of two nodes.
#[derive(Clone, Copy, Default)]
struct Link {
    /// Number of cuts. Messages from before the last one do not arrive any more.
    cuts: u64,
    /// Nodes that have not noticed the last cut. What they send is lost.
    unnoticed: u8,
}

/// The messages to a node, each with the number of cuts when it was sent.
type Way = UnboundedSender<(u64, PeerMessage)>;

struct SlowLink {
    medium: Slow,
    number: usize,
    /// By receiver.
    ways: Mutex<Vec<Option<Way>>>,
}

fn name(number: usize) -> PeerId {
    PeerId::from(number.to_string())
}

fn pair(one: usize, other: usize) -> [usize; 2] {
    [one.min(other), one.max(other)]
}

impl Slow {
    pub(super) fn new(random: &Random) -> Self {
        Self {
            random: random.clone(),
            nodes: Arc::default(),
            links: Arc::default(),
            crashed: watch::Sender::default(),
        }
    }

    pub(super) fn has_crashed(&self, node: usize) -> bool {
        self.crashed.borrow()[node]
    }

    /// Returns when the node has crashed.
    pub(super) async fn crashed(&self, node: usize) {
        let _ = self.crashed.subscribe().wait_for(|crashed| crashed[node]).await;
    }

    /// The connection between two nodes ends. What is underway is lost, and they notice it one after the other.
    pub(super) fn cut(&self, one: usize, other: usize) {
        {
            let mut links = self.links.lock();
            let link = links.entry(pair(one, other)).or_default();
            link.cuts += 1;
            link.unnoticed += 2;
        }
        for (node, lost) in [(one, other), (other, one)] {
            let medium = self.clone();
            tokio::spawn(async move {
                medium.random.pause(200).await;
                let inbox = medium.nodes.lock()[node].clone();
                inbox.lost(&name(lost));
                medium.links.lock().entry(pair(one, other)).or_default().unnoticed -= 1;
            });
        }
    }

    pub(super) fn crash(&self, node: usize) {
        self.crashed.send_modify(|crashed| crashed[node] = true);
        for other in (0..3).filter(|other| *other != node) {
            self.cut(node, other);
        }
    }

    /// The number of cuts of a link that is open.
    fn open(&self, from: usize, to: usize) -> Option<u64> {
        if self.has_crashed(from) || self.has_crashed(to) {
            return None;
        }
        let link = self.links.lock().get(&pair(from, to)).copied().unwrap_or_default();
        (link.unnoticed == 0).then_some(link.cuts)
    }
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
    fn way(&self, to: usize) -> Way {
        let (sender, mut messages) = mpsc::unbounded_channel();
        let (medium, from) = (self.medium.clone(), self.number);
        tokio::spawn(async move {
            while let Some((cuts, message)) = messages.recv().await {
                medium.random.pause(20).await;
                let inbox = medium.nodes.lock()[to].clone();
                if medium.open(from, to) == Some(cuts) {
                    inbox.receive(name(from), message);
                }
            }
        });
        sender
    }
}

impl PeerLink for SlowLink {
    fn send(&self, to: Option<&PeerId>, message: PeerMessage) {
        let to: usize = to.unwrap().as_str().parse().unwrap();
        let Some(cuts) = self.medium.open(self.number, to) else { return };
        let mut ways = self.ways.lock();
        let way = ways[to].get_or_insert_with(|| self.way(to));
        way.send((cuts, message)).unwrap();
    }

    fn owner_of(&self, sid: &str) -> Owner {
        let owner = usize::from(sid.as_bytes()[3] - b'A');
        match self.medium.open(self.number, owner) {
            Some(_) => Owner::Node(name(owner)),
            None => Owner::Nobody,
        }
    }

    fn session_id(&self) -> std::io::Result<Sid> {
        session_id(&[0, 0, u8::try_from(self.number).unwrap()])
    }
}
