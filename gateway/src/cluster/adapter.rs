//! The adapter of `cluster.redis` and `cluster.kind`, of `cluster.postgres`, `cluster.nats` or `cluster.ipc`, and its options.

use std::sync::Arc;
use std::time::Duration;

#[cfg(unix)]
use socketio_ipc::{IpcAdapter, Tuning};
use socketio_nats::JetStreamAdapter;
use socketio_postgres::PostgresAdapter;
use socketio_redis::{ClassicAdapter, ShardedAdapter, StreamsAdapter};
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use crate::config::{Cluster, ClusterKind};
use crate::medium::Connections;

/// Prefix of the official adapters, and their prefix of sessions, which fits no other scheme.
const OFFICIAL: (&str, &str) = ("socket.io", "sio:session:");

/// An adapter of any kind.
#[derive(Debug)]
pub(crate) enum AnyAdapter {
    Streams(StreamsAdapter),
    Sharded(ShardedAdapter),
    Classic(ClassicAdapter),
    Postgres(PostgresAdapter),
    Nats(JetStreamAdapter),
    #[cfg(unix)]
    Ipc(IpcAdapter),
}

impl AnyAdapter {
    /// Opens the connections; `None` if the URL cannot be read. The connections have the name of the node. Sessions of
    /// clients are kept for `session_max_age` at most.
    pub(super) fn open(settings: &Cluster, node: &str, session_max_age: Duration) -> Option<Self> {
        let timeout = Duration::from_millis(settings.request_timeout_ms);
        let prefix = settings.prefix.as_str();
        if !settings.postgres.is_empty() {
            let postgres =
                settings.open_postgres()?.client_name(node).max_queued_bytes(settings.max_queued_bytes);
            let builder =
                PostgresAdapter::builder(&postgres).channel_prefix(prefix).requests_timeout(timeout);
            let table = format!("{}attachments", settings.postgres_tables);
            let builder = builder.table_name(&table).create_table(settings.postgres_create_tables);
            return Some(Self::Postgres(builder.build()));
        }
        if !settings.nats.is_empty() {
            let nats = settings.open_nats()?.client_name(node).max_queued_bytes(settings.max_queued_bytes);
            let builder = JetStreamAdapter::builder(&nats).subject_prefix(prefix);
            let builder = builder.max_len(settings.stream_length).session_max_age(session_max_age);
            return Some(Self::Nats(builder.requests_timeout(timeout).build()));
        }
        #[cfg(unix)]
        if !settings.ipc.as_os_str().is_empty() {
            let mut tuning = Tuning::default();
            tuning.max_queued_bytes = settings.max_queued_bytes;
            let builder = IpcAdapter::builder(&settings.ipc).max_len(settings.stream_length).tuning(tuning);
            return Some(Self::Ipc(builder.requests_timeout(timeout).build()));
        }
        let redis = settings.open()?.client_name(node).max_queued_bytes(settings.max_queued_bytes);
        Some(match settings.kind {
            ClusterKind::Streams => {
                let sessions = match prefix {
                    prefix if prefix == OFFICIAL.0 => OFFICIAL.1.to_owned(),
                    prefix => format!("{prefix}:session:"),
                };
                let builder = StreamsAdapter::builder(&redis).stream_name(prefix).channel_prefix(prefix);
                let builder = builder.session_key_prefix(&sessions).max_len(settings.stream_length);
                Self::Streams(builder.requests_timeout(timeout).build())
            }
            ClusterKind::Sharded => {
                let builder = ShardedAdapter::builder(&redis).channel_prefix(prefix);
                Self::Sharded(builder.requests_timeout(timeout).build())
            }
            ClusterKind::Classic => {
                let builder = ClassicAdapter::builder(&redis).key(prefix);
                Self::Classic(builder.requests_timeout(timeout).build())
            }
        })
    }

    /// The connections to the medium.
    pub(super) fn connections(&self) -> Connections {
        match self {
            Self::Streams(adapter) => Connections::Redis(adapter.connections().clone()),
            Self::Sharded(adapter) => Connections::Redis(adapter.connections().clone()),
            Self::Classic(adapter) => Connections::Redis(adapter.connections().clone()),
            Self::Postgres(adapter) => Connections::Postgres(adapter.clone()),
            Self::Nats(adapter) => Connections::Nats(adapter.clone()),
            #[cfg(unix)]
            Self::Ipc(adapter) => Connections::Ipc(adapter.clone()),
        }
    }
}

impl Adapter for AnyAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        match self {
            Self::Streams(adapter) => adapter.open(inbox),
            Self::Sharded(adapter) => adapter.open(inbox),
            Self::Classic(adapter) => adapter.open(inbox),
            Self::Postgres(adapter) => adapter.open(inbox),
            Self::Nats(adapter) => adapter.open(inbox),
            #[cfg(unix)]
            Self::Ipc(adapter) => adapter.open(inbox),
        }
    }
}
