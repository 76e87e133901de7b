//! The direct connections to other gateways, over which they share their sessions: `cluster.peers`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engineio::peers::{Listener, PeerSettings, TcpPeers};

use super::ClusterError;
use super::peers_tls::PeersTls;
use crate::config::{Config, PeersAddress};
use crate::listen::certificate::Certificate;

/// Key of gateways that need none. All connections are within one machine then, and the permissions of the sockets
/// protect them, or nothing does, of which the operator is warned.
const NO_KEY: &str = "gateways of one machine, without a key";

/// The medium of shared sessions, before the server has it.
pub(crate) struct Peers {
    pub(crate) medium: TcpPeers,
    pub(crate) settings: PeerSettings,
    /// The certificate of the connections, if they are encrypted.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

impl Peers {
    /// Listens for other gateways. `None` if sessions are not shared.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, ClusterError> {
        let Config { cluster: settings, transport, tls, .. } = config;
        let Some(address) = settings.has_peers().then(|| settings.peers_address()).flatten() else {
            return Ok(None);
        };
        let tls = PeersTls::open(settings, Duration::from_millis(tls.watch_ms))?;
        let failed = |source| ClusterError::Peers { address: settings.peers_listen.clone(), source };
        let listener = listen(&address).map_err(failed)?;
        let key = match settings.peers_key.expose() {
            "" => NO_KEY,
            key => key,
        };
        let medium = TcpPeers::new(listener, key)
            .map_err(failed)?
            .nodes(settings.peers.iter().cloned())
            .max_message_bytes(settings.peers_max_message_bytes(transport))
            .max_queued_bytes(settings.peers_max_queued_bytes)
            .timeout(Duration::from_millis(settings.peers_timeout_ms));
        let (medium, certificate) = match tls {
            Some(tls) => (medium.tls(tls.accept, tls.connect), Some(tls.certificate)),
            None => (medium, None),
        };
        let peers = PeerSettings::new()
            .response_timeout(Duration::from_millis(settings.peers_response_timeout_ms))
            .delayed_connection_timeout(Duration::from_millis(settings.peers_delayed_connection_ms))
            .max_open_requests(settings.peers_max_open_requests);
        let settings = match settings.peers_max_relayed {
            0 => peers,
            connections => peers.max_relayed(connections),
        };
        Ok(Some(Self { medium, settings, certificate }))
    }
}

fn listen(address: &PeersAddress) -> io::Result<Listener> {
    match address {
        PeersAddress::Tcp(address) => {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(tokio::net::TcpListener::from_std(listener)?.into())
        }
        PeersAddress::Unix(path) => listen_at(path),
    }
}

/// Listens at a path, which only the user of this process may connect to.
#[cfg(unix)]
fn listen_at(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    use std::os::unix::net::{UnixListener, UnixStream};

    let listener = match UnixListener::bind(path) {
        // A process that was killed leaves its socket.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            let connected = UnixStream::connect(path).map_err(|error| error.kind());
            if !is_socket || connected.err() != Some(io::ErrorKind::ConnectionRefused) {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(tokio::net::UnixListener::from_std(listener)?.into())
}

#[cfg(not(unix))]
fn listen_at(_: &Path) -> io::Result<Listener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_socket_of_a_killed_gateway_is_replaced_and_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = listen_at(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let used = listen_at(&path).unwrap_err();
        assert_eq!(used.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists());
        drop(listen_at(&path).unwrap());
        let file = folder.path().join("file");
        std::fs::write(&file, "content").unwrap();
        assert_eq!(listen_at(&file).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "content");
    }
}
