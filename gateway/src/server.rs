//! The Socket.IO server of a gateway, as the settings say.

use std::time::Duration;

use engineio::{Origins, SlowConsumer};
use socketio_admin::AdminUi;
use socketio_server::{Recovery, Server, ServerBuilder};

use crate::cluster::{Cluster, Media};
use crate::config::Config;
use crate::limits::address_limits::AddressLimits;

/// Builds the server, and returns the admin UI that observes it, if there is one. The media are those of the cluster, if there is one.
pub(crate) fn build(
    config: &Config,
    origins: &Origins,
    address_limits: &AddressLimits,
    media: Option<Media>,
    cluster: &Cluster,
) -> Result<(Server, Option<AdminUi>), engineio::ConfigError> {
    let transport = &config.transport;
    let builder = Server::builder()
        .path(&config.server.path)
        .ping_interval(Duration::from_millis(transport.ping_interval_ms))
        .ping_timeout(Duration::from_millis(transport.ping_timeout_ms))
        .connect_timeout(Duration::from_millis(transport.connect_timeout_ms))
        .max_payload(transport.max_payload_bytes)
        .cleanup_empty_child_namespaces(true)
        // Ids of sockets are visible to other clients, the backend and the log, so they must not reveal the
        // session id.
        .random_ids_for_v2(true)
        .engine(|engine| {
            let engine = engine
                .max_buffered(transport.max_buffered_bytes, SlowConsumer::Disconnect)
                .max_sessions(config.server.max_sessions)
                .max_sessions_per_address(address_limits.sessions())
                .max_queued_bytes(config.server.max_queued_bytes)
                .max_received_bytes(config.server.max_received_bytes)
                .body_timeout(Duration::from_millis(transport.body_timeout_ms))
                .allow_eio3(transport.allow_eio3)
                .jsonp(transport.jsonp)
                .origins(origins.clone());
            match origins.cors(config.origins.credentials) {
                Some(cors) => engine.cors(cors),
                None => engine,
            }
        });
    let builder = match transport.recovery_ms {
        0 => builder,
        // The middlewares check the token of a client that returns.
        time => builder.connection_state_recovery(
            Recovery::default()
                .max_disconnection_duration(Duration::from_millis(time))
                .skip_middlewares(false),
        ),
    };
    let builder = match media.zip(cluster.node()) {
        Some((media, node)) => in_cluster(builder.node_name(node), media),
        None => builder,
    };
    let admin = config.admin_ui.open();
    let builder = match &admin {
        Some(admin) => admin.observe(builder),
        None => builder,
    };
    Ok((builder.build()?, admin))
}

fn in_cluster(builder: ServerBuilder, Media { adapter, peers }: Media) -> ServerBuilder {
    let builder = builder.adapter(adapter);
    match peers {
        Some(peers) => builder.engine(|engine| engine.peers(peers.medium).peer_settings(peers.settings)),
        None => builder,
    }
}
