//! Errors of a start and of a reload.

use thiserror::Error;

use crate::auth::tokens::TokenError;
use crate::cluster::ClusterError;
use crate::config::InvalidSetting;
use crate::listen::certificate::TlsError;
use crate::listen::networks::NetworkError;
use crate::webhooks::WebhookError;

/// Error of a reload. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// A setting has an invalid value. This is the first one; [`Config::check`](crate::config::Config::check)
    /// returns all.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The settings of token authentication are unusable.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The certificate or its key is unusable.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// The certificate for other gateways or its key is unusable.
    #[error("cluster.peers_tls_certificate: {0}")]
    PeersTls(TlsError),
}

/// Error of creating a gateway from a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting has an invalid value. This is the first one; [`Config::check`](crate::config::Config::check)
    /// returns all.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// The settings of the transport are rejected by the engine.
    #[error(transparent)]
    Transport(#[from] engineio::ConfigError),
    /// The settings of token authentication are unusable.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The settings of TLS are unusable.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// An entry of an address list is neither an address nor a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The settings of the backend are unusable.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The admin UI cannot be started.
    #[error("admin_ui: {0}")]
    AdminUi(#[from] socketio_admin::InstrumentError),
    /// The cluster cannot be joined.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The system has no random bytes for a generated key.
    #[error("api.keys is empty, and no key can be generated: {0}")]
    Random(#[from] getrandom::Error),
    /// The name of a namespace is not a valid pattern.
    #[error("server.namespaces: {name}: {source}")]
    Namespace {
        /// Name in the configuration.
        name: String,
        /// Error of the pattern.
        source: socketio_server::PatternError,
    },
}
