//! The adapter: the format of the official `@socket.io/postgres-adapter`.

mod node;
mod query;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use socketio_broker::Connections;
use socketio_broker::driver::TopicKind;
use socketio_broker::medium::{Medium, probe_topic};
use socketio_server::cluster::{Adapter, ClusterInbox, ClusterLink};

use self::node::PostgresNode;
pub use self::query::QueryReply;
use crate::channel::table;
use crate::driver::{PostgresDriver, Rows};
use crate::settings::Postgres;

/// Adapter for clusters of servers with the official `@socket.io/postgres-adapter`: broadcasts, requests and
/// answers are notifications (`NOTIFY`) on one channel for each namespace.
///
/// Messages are delivered at most once: what is sent while a server is not connected never reaches it. A broadcast reaches the
/// clients of this server at once, whether PostgreSQL is there or not. The messages of a server arrive in their order, large
/// ones too.
///
/// A namespace whose name is so long that its channel would have more than 63 bytes has a channel that only servers of this
/// crate know. The official adapter cannot send for such a namespace at all.
///
/// ```no_run
/// use socketio_postgres::{Postgres, PostgresAdapter};
/// use socketio_server::Server;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let postgres = Postgres::open("postgres://user:password@127.0.0.1/database")?;
/// let adapter = PostgresAdapter::builder(&postgres).create_table(true).build();
/// let io = Server::builder().adapter(adapter.clone()).build()?;
/// adapter.connections().ready().await;
/// io.to("room").emit("event", "for the members on all servers").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresAdapter {
    medium: Medium,
    connections: Connections,
    rows: Arc<Rows>,
    options: Arc<Options>,
}

/// Options of a [`PostgresAdapter`], with the names of the official adapter. All servers of a cluster need the
/// same `channel_prefix` and `table_name`.
#[derive(Clone, Debug)]
pub struct PostgresBuilder {
    postgres: Postgres,
    options: Options,
}

#[derive(Clone, Debug)]
struct Options {
    channel_prefix: String,
    table_name: String,
    create_table: bool,
    payload_threshold: usize,
    requests_timeout: Duration,
    heartbeat_interval: Duration,
    heartbeat_timeout: Duration,
    cleanup_interval: Duration,
    /// Maximum wait for a row.
    timeout: Duration,
    /// A larger row is not read.
    max_received_bytes: usize,
}

impl PostgresAdapter {
    /// The adapter with the official defaults. It must be made within a runtime of tokio.
    pub fn new(postgres: &Postgres) -> Self {
        Self::builder(postgres).build()
    }

    /// Sets options first.
    pub fn builder(postgres: &Postgres) -> PostgresBuilder {
        PostgresBuilder {
            postgres: postgres.clone(),
            options: Options {
                channel_prefix: "socket.io".to_owned(),
                table_name: "socket_io_attachments".to_owned(),
                create_table: false,
                payload_threshold: 8000,
                requests_timeout: Duration::from_secs(5),
                heartbeat_interval: Duration::from_secs(5),
                heartbeat_timeout: Duration::from_secs(10),
                cleanup_interval: Duration::from_secs(30),
                timeout: postgres.tuning().timeout,
                max_received_bytes: postgres.tuning().max_received_bytes,
            },
        }
    }

    /// The connections to PostgreSQL.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }
}

impl PostgresBuilder {
    /// Prefix of the channels. Two clusters in one database need different ones.
    ///
    /// Default `socket.io`.
    #[must_use]
    pub fn channel_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.options.channel_prefix);
        self
    }

    /// Name of the table of large messages and those with binary data; `schema.table` is possible.
    ///
    /// Default `socket_io_attachments`.
    #[must_use]
    pub fn table_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.options.table_name);
        self
    }

    /// Whether the table is created when it is missing, as the documentation of the official adapter has it. The user of the
    /// connection must be allowed to create tables then. Without the table large messages are lost and counted.
    ///
    /// Default `false`, as for the official adapter: the table belongs to the schema of the application. Cost: one query for
    /// each connection.
    #[must_use]
    pub fn create_table(mut self, on: bool) -> Self {
        self.options.create_table = on;
        self
    }

    /// Maximum size of a notification. A larger message is a row of the table.
    ///
    /// Default 8000, the official one; unit: bytes. PostgreSQL takes 7999 at most, so that a larger value is that. Cost of a
    /// row: it is written once and read once by each server.
    #[must_use]
    pub fn payload_threshold(mut self, bytes: usize) -> Self {
        self.options.payload_threshold = bytes;
        self
    }

    /// Maximum wait for the answers of the other servers.
    ///
    /// Default 5 s. Cost: an entry per request until then.
    #[must_use]
    pub fn requests_timeout(mut self, timeout: Duration) -> Self {
        self.options.requests_timeout = timeout;
        self
    }

    /// Maximum silence of this server in a namespace, after which it sends a heartbeat.
    ///
    /// Default 5 s. Cost: one small notification in that time.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.heartbeat_interval = interval;
        self
    }

    /// Time after which a silent server counts as lost. Its answers are awaited until then.
    ///
    /// Default 10 s. Cost: none.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.options.heartbeat_timeout = timeout;
        self
    }

    /// Age at which rows of the table are deleted, and about the time between two deletions. Each server deletes.
    ///
    /// Default 30 s. Cost: one query in that time. A server that is so long behind cannot read a row any more.
    #[must_use]
    pub fn cleanup_interval(mut self, interval: Duration) -> Self {
        self.options.cleanup_interval = interval;
        self
    }

    /// Opens the connections. It must be called within a runtime of tokio.
    pub fn build(self) -> PostgresAdapter {
        let Self { postgres, options } = self;
        let table = table(&options.table_name);
        let rows = Rows::start(&table, options.timeout, options.cleanup_interval);
        let driver = PostgresDriver::of_adapter(&postgres, &table, options.create_table, &rows);
        // Its length does not depend on the prefix.
        let probe = probe_topic("socket.io", TopicKind::Channel);
        let medium = Medium::start(Box::new(driver), Arc::default(), postgres.tuning().clone(), probe);
        let connections = Connections::of_adapter(&medium);
        PostgresAdapter { medium, connections, rows, options: Arc::new(options) }
    }
}

impl Adapter for PostgresAdapter {
    fn open(&self, inbox: ClusterInbox) -> Arc<dyn ClusterLink> {
        Arc::new(PostgresNode::open(&self.medium, &self.rows, &self.options, inbox))
    }
}

impl fmt::Debug for PostgresAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAdapter").field("options", &self.options).finish_non_exhaustive()
    }
}
