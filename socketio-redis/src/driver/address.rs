//! Address of a server.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo};

/// Maximum length of a host in an answer of a server.
const MAX_HOST: usize = 255;

/// The address of a server, as Sentinel or a cluster names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// `None` if it cannot be one.
    pub(crate) fn new(host: &[u8], port: u16) -> Option<Self> {
        let host = std::str::from_utf8(host).ok()?;
        let is_host = !host.is_empty() && host.len() <= MAX_HOST && port != 0;
        is_host.then(|| Self { host: host.to_owned(), port })
    }

    /// The settings of a connection to this address: all others stay.
    pub(crate) fn with(&self, settings: &ConnectionInfo) -> ConnectionInfo {
        let Self { host, port } = self.clone();
        let addr = match settings.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        settings.clone().set_addr(addr)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host.escape_debug(), self.port)
    }
}
