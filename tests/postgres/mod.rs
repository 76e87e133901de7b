//! Clusters on a real PostgreSQL server, of our servers and official ones.

mod faults;
mod gate;
mod log;
mod members;
// The same operations as on Redis.
#[path = "../redis/operations.rs"]
#[allow(dead_code, reason = "the official adapter does not know the rooms of all servers")]
mod operations;
mod outages;
mod queries;
mod rows;
mod support;
mod tls;

use self::support::Cluster;

/// A test of each operation for each kind of cluster.
macro_rules! clusters {
    ($($name:ident, $cluster:expr => [$($(#[$attribute:meta])* $operation:ident)*];)*) => {
        $(mod $name {
            use super::*;

            $($(#[$attribute])*
            async fn $operation() {
                operations::$operation($cluster.await).await;
            })*
        })*
    };
}

clusters! {
    notifications, Cluster::start(8000) => [
        /// POSTGRES-01
        #[tokio::test]
        events_reach_the_clients_of_all_servers
        /// POSTGRES-03, POSTGRES-04, POSTGRES-05, POSTGRES-12, POSTGRES-13, POSTGRES-14, POSTGRES-15, POSTGRES-16,
        /// POSTGRES-17
        #[tokio::test]
        targets_select_the_same_clients_from_every_server
        /// POSTGRES-06, POSTGRES-07, POSTGRES-08, POSTGRES-09
        #[tokio::test]
        acknowledgements_cross_servers
        /// POSTGRES-20, POSTGRES-21, POSTGRES-22
        #[tokio::test]
        sockets_are_found_on_all_servers
        /// POSTGRES-23, POSTGRES-24
        #[tokio::test]
        servers_receive_events_of_each_other
        /// POSTGRES-18, POSTGRES-19
        #[tokio::test]
        sockets_are_disconnected_on_all_servers
        #[tokio::test]
        an_emitter_reaches_clients_and_servers
    ];
    // The official adapter reads rows beside its notifications, so that its clients get events in another order than they
    // were sent. These operations wait for each.
    all_in_rows, Cluster::start(1) => [
        #[tokio::test]
        acknowledgements_cross_servers
        #[tokio::test]
        sockets_are_found_on_all_servers
    ];
}
