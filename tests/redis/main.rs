//! Clusters on a real Redis server, of our servers and official ones.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod access;
mod ahead;
mod broadcasts;
mod cluster;
mod faults;
mod killed;
mod members;
mod mutated;
mod operations;
mod ordered;
mod peers;
mod recovery;
mod sentinel;
mod support;
mod tls;
mod traffic;

use socketio_redis::SubscriptionMode;

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
    classic, Cluster::classic() => [
        /// REDIS-01
        #[tokio::test]
        events_reach_the_clients_of_all_servers
        /// REDIS-03, REDIS-04, REDIS-05, REDIS-06, REDIS-07, REDIS-12, REDIS-13, REDIS-14, REDIS-15,
        /// REDIS-16, REDIS-17, REDIS-25
        #[tokio::test]
        targets_select_the_same_clients_from_every_server
        /// REDIS-08, REDIS-09, REDIS-10, REDIS-11
        #[tokio::test]
        acknowledgements_cross_servers
        /// REDIS-19, REDIS-20, REDIS-21
        #[tokio::test]
        sockets_are_found_on_all_servers
        /// REDIS-31
        #[tokio::test]
        rooms_are_found_on_all_servers
        /// REDIS-22, REDIS-23
        #[tokio::test]
        servers_receive_events_of_each_other
        /// REDIS-18
        #[tokio::test]
        sockets_are_disconnected_on_all_servers
        #[tokio::test]
        an_emitter_reaches_clients_and_servers
    ];
    classic_json, Cluster::classic_json() => [
        /// REDIS-32
        #[tokio::test]
        targets_select_the_same_clients_from_every_server
    ];
    sharded_static, Cluster::sharded(SubscriptionMode::Static) => [
        #[tokio::test]
        targets_select_the_same_clients_from_every_server
        #[tokio::test]
        an_emitter_reaches_clients_and_servers
    ];
    sharded_dynamic, Cluster::sharded(SubscriptionMode::Dynamic) => [
        #[tokio::test]
        events_reach_the_clients_of_all_servers
        #[tokio::test]
        targets_select_the_same_clients_from_every_server
        #[tokio::test]
        acknowledgements_cross_servers
        #[tokio::test]
        sockets_are_found_on_all_servers
        #[tokio::test]
        servers_receive_events_of_each_other
        #[tokio::test]
        sockets_are_disconnected_on_all_servers
        #[tokio::test]
        an_emitter_reaches_clients_and_servers
    ];
    sharded_dynamic_private, Cluster::sharded(SubscriptionMode::DynamicPrivate) => [
        #[tokio::test]
        targets_select_the_same_clients_from_every_server
        #[tokio::test]
        an_emitter_reaches_clients_and_servers
    ];
    streams, Cluster::streams() => [
        /// STREAMS-01
        #[tokio::test]
        events_reach_the_clients_of_all_servers
        /// STREAMS-03, STREAMS-04, STREAMS-05, STREAMS-12, STREAMS-13, STREAMS-14, STREAMS-15, STREAMS-16,
        /// STREAMS-17
        #[tokio::test]
        targets_select_the_same_clients_from_every_server
        /// STREAMS-06, STREAMS-07, STREAMS-08, STREAMS-09
        #[tokio::test]
        acknowledgements_cross_servers
        /// STREAMS-20, STREAMS-21, STREAMS-22
        #[tokio::test]
        sockets_are_found_on_all_servers
        /// STREAMS-23, STREAMS-24
        #[tokio::test]
        servers_receive_events_of_each_other
        /// STREAMS-18, STREAMS-19
        #[tokio::test]
        sockets_are_disconnected_on_all_servers
        #[tokio::test]
        an_emitter_reaches_clients_and_servers
    ];
}
