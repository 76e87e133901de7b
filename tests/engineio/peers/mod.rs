//! Servers that share their sessions, over each medium.

mod moved;
mod official;
mod socketio;
mod tls;

use std::time::Duration;

use engineio::{Server, ServerBuilder, Session};
use tests::peers::{Bus, Kind};
use tests::raw::{Polling, Running, start, start_greeting};

const KINDS: [Kind; 3] = [Kind::Official, Kind::Tagged, Kind::Direct];

/// The servers of the official suite: the third one pings often.
async fn three(kind: Kind, greet: impl Fn(&Session) + Send + Sync + 'static) -> [Running; 3] {
    let bus = Bus::new(kind, 3);
    let builder = || Server::builder().peers(bus.clone());
    let first = start_greeting(builder(), greet).await;
    let servers = [first, start(builder()).await, start(often(builder())).await];
    bus.ready().await;
    servers
}

fn often(builder: ServerBuilder) -> ServerBuilder {
    builder.ping_interval(Duration::from_millis(50))
}

/// The same client, with its next requests at another node.
fn at(client: &Polling, node: &Running) -> Polling {
    Polling::from_parts(node.addr, client.open.clone(), client.response.clone(), client.target.clone())
}

fn assert_idle(nodes: &[Running]) {
    for node in nodes {
        assert_eq!(node.server.peer_stats(), engineio::peers::PeerStats::default());
    }
}
