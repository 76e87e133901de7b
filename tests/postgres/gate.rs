//! A gate in front of PostgreSQL.

use tempfile::TempDir;
use tests::gate::Gate;
use tests::postgres::PostgresServer;
use tokio::net::{UnixListener, UnixStream};

/// The name of the socket of a server in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// An open gate in front of a server, its folder, and the URL of the server behind it.
pub(crate) fn in_front_of(postgres: &PostgresServer) -> (Gate, TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    let (server, url) = (postgres.path().join(SOCKET), postgres.url_in(folder.path()));
    let gate = Gate::new();
    let passing = gate.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (gate, server) = (passing.clone(), server.clone());
            tokio::spawn(async move {
                let Ok(upstream) = UnixStream::connect(server).await else { return };
                gate.pass(stream, upstream).await;
            });
        }
    });
    (gate, folder, url)
}
