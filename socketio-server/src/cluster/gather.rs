//! Operations of a namespace that gather answers from all nodes.

use std::sync::Arc;
use std::time::Duration;

use engineio::Prepared;
use socketio_cluster::{Flags, Message, Room, SocketDetails, Target};
use socketio_parser::Event;

use super::local_rooms::Member;
use super::node::NamespaceNode;
use super::requests::{Answer, Gathered, Reply, deadline, gather_clients};
use crate::acks::{AckCollector, AckWaiter};
use crate::cluster::AdapterError;
use crate::error::EmitError;

impl NamespaceNode {
    /// Sends an event and gathers the acknowledgements, until `wanted` have arrived. `make` encodes it with
    /// the given ack id; `event` is its form for the other nodes, if they are included.
    pub(crate) async fn broadcast_with_ack(
        &self,
        target: &Target,
        flags: Flags,
        timeout: Duration,
        wanted: usize,
        event: Option<Event>,
        make: impl FnOnce(u64) -> Result<Prepared, EmitError>,
    ) -> Result<Gathered<Answer>, EmitError> {
        if let Some(event) = &event {
            self.check_attachments(event)?;
        }
        let deadline = deadline(timeout);
        let id = self.next_ack_id();
        let budget = self.ack_budget();
        let (collector, answers) = AckCollector::new(budget.clone());
        let mut receivers = BroadcastReceivers { id, members: Vec::new() };
        let mut over_limit = 0;
        if self.rooms.has_receivers(target) {
            let message = self.acceptable(make(id)?.compress(flags.compress))?;
            let waiting = || AckWaiter::Many(collector.clone());
            (receivers.members, over_limit) =
                self.rooms.send_with_ack(target, id, &message, flags.volatile, waiting);
        }
        // The remaining collectors are in the receivers' tables. When the last one is dropped no
        // acknowledgement can arrive.
        drop(collector);
        let mut remote = None;
        let for_cluster = match event {
            Some(event) => self.cluster_opened().await.zip(Some(event)),
            None => None,
        };
        if let Some((cluster, event)) = for_cluster {
            let open = cluster.open_request().await?;
            open.limit(budget);
            let request = Some(open.id().clone());
            let mut flags = flags;
            flags.timeout = Some(timeout);
            cluster.publish(&Message::Broadcast { target: target.clone(), flags, event, request }).await?;
            remote = Some(open);
        }
        let mut gathered = gather_clients(answers, receivers.members.len(), remote, wanted, deadline).await;
        gathered.missing = gathered.missing.saturating_add(over_limit);
        Ok(gathered)
    }

    /// The selected sockets of all servers, or with `local_only` of this server; a list of each.
    pub(crate) async fn fetch(
        &self,
        target: &Target,
        timeout: Option<Duration>,
        local_only: bool,
    ) -> Result<Gathered<Vec<SocketDetails>>, AdapterError> {
        let here = self.rooms.details(target);
        if local_only {
            return Ok(Gathered::of(vec![here]));
        }
        let Some(cluster) = self.cluster_opened().await else { return Ok(Gathered::of(vec![here])) };
        let deadline = cluster.deadline(timeout);
        let open = cluster.open_request().await?;
        cluster
            .publish(&Message::FetchSockets { target: target.clone(), request: open.id().clone() })
            .await?;
        let others = open.gather(deadline, |reply| match reply {
            Reply::Sockets(_, sockets) => Some(sockets),
            _ => None,
        });
        let mut gathered = others.await;
        gathered.answers.insert(0, here);
        Ok(gathered)
    }

    /// The names of the rooms of all servers, the ids of sockets among them.
    pub(crate) async fn all_rooms(&self) -> Result<Gathered<Room>, AdapterError> {
        let here = self.rooms.read().names_and_ids();
        let Some(cluster) = self.cluster_opened().await else { return Ok(Gathered::of(here)) };
        let deadline = cluster.deadline(None);
        let open = cluster.open_request().await?;
        cluster.publish(&Message::AllRooms { request: open.id().clone() }).await?;
        let others = open.gather(deadline, |reply| match reply {
            Reply::Rooms(_, rooms) => Some(rooms),
            _ => None,
        });
        Ok(others.await.with(|others| join(here, others)))
    }
}

/// One list of what is here and elsewhere.
fn join<T>(mut here: Vec<T>, others: Vec<Vec<T>>) -> Vec<T> {
    for mut other in others {
        here.append(&mut other);
    }
    here
}

/// The sockets that received a broadcast with acknowledgements. On drop, also of a cancelled future, their
/// pending acknowledgements are removed.
struct BroadcastReceivers {
    id: u64,
    members: Vec<Arc<dyn Member>>,
}

impl Drop for BroadcastReceivers {
    fn drop(&mut self) {
        for member in &self.members {
            member.forget_ack(self.id);
        }
    }
}
