//! Clusters on a real PostgreSQL server, of our servers and official ones.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod faults;
// The same operations as on Redis.
#[path = "../redis/operations.rs"]
#[allow(dead_code, reason = "the official adapter does not know the rooms of all servers")]
mod operations;
mod rows;
mod support;

use self::support::Cluster;

/// A test of each operation for each kind of cluster.
macro_rules! clusters {
    ($($name:ident, $cluster:expr => [$($operation:ident)*];)*) => {
        $(mod $name {
            use super::*;

            $(#[tokio::test]
            async fn $operation() {
                operations::$operation($cluster.await).await;
            })*
        })*
    };
}

clusters! {
    notifications, Cluster::start(8000) => [
        events_reach_the_clients_of_all_servers
        targets_select_the_same_clients_from_every_server
        acknowledgements_cross_servers
        sockets_are_found_on_all_servers
        servers_receive_events_of_each_other
        sockets_are_disconnected_on_all_servers
        an_emitter_reaches_clients_and_servers
    ];
    // The official adapter reads rows beside its notifications, so that its clients get events in another order than they
    // were sent. These operations wait for each.
    all_in_rows, Cluster::start(1) => [
        acknowledgements_cross_servers
        sockets_are_found_on_all_servers
    ];
}
