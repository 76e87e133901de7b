//! Settings of streams and key-value buckets.

/// Settings of the streams and key-value buckets of JetStream that a server or an emitter makes. What is there already keeps its
/// storage and its replicas.
///
/// ```
/// use socketio_nats::{JetStream, Nats, Storage};
///
/// let jetstream = JetStream::default().storage(Storage::Memory).replicas(3);
/// let nats = Nats::open("nats://10.0.0.1,nats://10.0.0.2,nats://10.0.0.3")?.jetstream(jetstream);
/// # Ok::<(), socketio_nats::SettingsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JetStream {
    /// Storage of entries and values.
    ///
    /// Default [`Storage::File`]. Cost: that of the storage.
    pub storage: Storage,
    /// Number of NATS servers that have a copy, 1 to 5. More than one need a NATS cluster of as many servers.
    ///
    /// Default 1. Cost: the storage and the traffic of each, and the time until most of them have confirmed a write.
    pub replicas: u8,
}

/// Storage of a NATS server for JetStream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// In files, which outlive a restart of the NATS server. Cost: disk space and writes.
    File,
    /// In memory: a NATS server that starts again has lost its copy. Cost: memory of the NATS server.
    Memory,
}

impl JetStream {
    /// Storage of entries and values.
    ///
    /// Default [`Storage::File`]. Cost: that of the storage.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Number of NATS servers that have a copy, 1 to 5. More than one need a NATS cluster of as many servers.
    ///
    /// Default 1. Cost: the storage and the traffic of each, and the time until most of them have confirmed a write.
    #[must_use]
    pub fn replicas(mut self, replicas: u8) -> Self {
        self.replicas = replicas;
        self
    }
}

impl Default for JetStream {
    fn default() -> Self {
        Self { storage: Storage::File, replicas: 1 }
    }
}
