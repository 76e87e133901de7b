//! Several servers as one cluster: each behaviour with nodes that detect each other by heartbeats, and with a
//! bus that counts them.

mod acks;
mod adapters;
mod broadcasts;
mod bus;
mod health;
mod nodes;
mod requests;
mod room_events;
mod sockets;
mod stream;
mod streamed;
mod streamed_recovery;

use socketio_server::{Server, ServerBuilder};
use tests::raw::{WebSocket, until};

use self::bus::Bus;
use crate::support::{Running, builder, start};

/// Three servers with one client each, in their namespace / (or another).
struct Cluster {
    nodes: Vec<Running>,
    clients: Vec<WebSocket>,
    ids: Vec<String>,
    bus: Bus,
}

impl Cluster {
    async fn new(bus: Bus) -> Self {
        Self::in_namespace(bus, "/", |_, _| {}).await
    }

    async fn in_namespace(bus: Bus, namespace: &str, set_up: impl Fn(usize, &Server)) -> Self {
        Self::of_builders(bus, namespace, builder, set_up).await
    }

    async fn of_builders(
        bus: Bus,
        namespace: &str,
        builder: impl Fn() -> ServerBuilder,
        set_up: impl Fn(usize, &Server),
    ) -> Self {
        let mut nodes = Vec::new();
        for number in 0..3 {
            nodes.push(
                start(builder().adapter(bus.clone()), |io| {
                    io.of(namespace);
                    set_up(number, io);
                })
                .await,
            );
        }
        let (mut clients, mut ids) = (Vec::new(), Vec::new());
        for node in &nodes {
            let (ws, id) = node.connect_to(namespace).await;
            clients.push(ws);
            ids.push(id);
        }
        let cluster = Self { nodes, clients, ids, bus };
        cluster.settled(namespace).await;
        cluster
    }

    /// Waits until every node knows all others.
    async fn settled(&self, namespace: &str) {
        for node in &self.nodes {
            let sockets = async || node.io.of(namespace).fetch_sockets().await.map(|all| all.len());
            until(async || sockets().await.is_ok_and(|count| count == self.nodes.len())).await;
        }
    }

    fn io(&self, number: usize) -> &Server {
        &self.nodes[number].io
    }

    /// Every client acknowledges the event `question` with its element of `answers`.
    async fn answer(&mut self, answers: &[Option<&str>]) {
        for (ws, answer) in self.clients.iter_mut().zip(answers) {
            let event = ws.text().await;
            let id: String = event[2..].chars().take_while(char::is_ascii_digit).collect();
            if let Some(answer) = answer {
                ws.send(&format!("43{id}[{answer}]")).await;
            }
        }
    }

    /// After this call all earlier messages of all nodes have been handled.
    async fn flushed(&mut self) {
        for number in 0..3 {
            self.io(number).fetch_sockets().await.unwrap();
        }
    }
}
