//! Clusters on a real Redis server, of our servers and official ones.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod faults;
mod operations;
mod support;

use socketio_redis::SubscriptionMode;

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
    classic, Cluster::classic() => [
        events_reach_the_clients_of_all_servers
        targets_select_the_same_clients_from_every_server
        acknowledgements_cross_servers
        sockets_are_found_on_all_servers
        rooms_are_found_on_all_servers
        servers_receive_events_of_each_other
        sockets_are_disconnected_on_all_servers
        an_emitter_reaches_clients_and_servers
    ];
    sharded_static, Cluster::sharded(SubscriptionMode::Static) => [
        targets_select_the_same_clients_from_every_server
        an_emitter_reaches_clients_and_servers
    ];
    sharded_dynamic, Cluster::sharded(SubscriptionMode::Dynamic) => [
        events_reach_the_clients_of_all_servers
        targets_select_the_same_clients_from_every_server
        acknowledgements_cross_servers
        sockets_are_found_on_all_servers
        servers_receive_events_of_each_other
        sockets_are_disconnected_on_all_servers
        an_emitter_reaches_clients_and_servers
    ];
    streams, Cluster::streams() => [
        events_reach_the_clients_of_all_servers
        targets_select_the_same_clients_from_every_server
        acknowledgements_cross_servers
        sockets_are_found_on_all_servers
        servers_receive_events_of_each_other
        sockets_are_disconnected_on_all_servers
        an_emitter_reaches_clients_and_servers
    ];
    sharded_dynamic_private, Cluster::sharded(SubscriptionMode::DynamicPrivate) => [
        targets_select_the_same_clients_from_every_server
        an_emitter_reaches_clients_and_servers
    ];
}
