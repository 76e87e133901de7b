//! The settings for compression on both transports.

use super::ServerBuilder;
use crate::deflate::PerMessageDeflate;
use crate::server::response::compression::Compression;

impl ServerBuilder {
    /// Compresses polling responses for clients that accept it (`httpCompression`). Default: responses of
    /// 1024 bytes or more. `None` turns compression off. It costs CPU time on the task that answers, and
    /// needs the feature `compression`.
    pub fn http_compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.options.compression = compression.into();
        self
    }

    /// Compresses WebSocket messages for clients that offer it (`perMessageDeflate`). Default `None`, as in the
    /// official server. See [`PerMessageDeflate`] for its cost. It needs the feature `compression`.
    pub fn per_message_deflate(mut self, deflate: impl Into<Option<PerMessageDeflate>>) -> Self {
        self.config.per_message_deflate = deflate.into();
        self
    }
}
