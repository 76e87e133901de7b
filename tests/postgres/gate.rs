//! A gate in front of PostgreSQL, which keeps connections of one purpose out.

use std::path::PathBuf;

use tempfile::TempDir;
use tests::postgres::PostgresServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// The name of the socket of a server in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// A Unix socket whose connections are passed on to a server.
pub(crate) struct Gate {
    folder: TempDir,
    url: String,
    /// The purpose of the connections that are closed, and not accepted.
    shut: watch::Sender<Option<&'static str>>,
}

impl Gate {
    /// An open gate in front of a server.
    pub(crate) fn in_front_of(postgres: &PostgresServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let shut = watch::channel(None).0;
        let (server, url) = (postgres.path().join(SOCKET), postgres.url_in(folder.path()));
        let gate = shut.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(stream, server.clone(), gate.subscribe()));
            }
        });
        Self { folder, url, shut }
    }

    /// The URL of the server behind it.
    pub(crate) fn url(&self) -> &str {
        debug_assert!(self.folder.path().exists());
        &self.url
    }

    /// Closes the connections of this purpose, `:publish` or `:subscribe`, and keeps them out.
    pub(crate) fn shut(&self, purpose: &'static str) {
        self.shut.send_replace(Some(purpose));
    }

    /// Lets all connections in.
    pub(crate) fn open(&self) {
        self.shut.send_replace(None);
    }
}

/// Passes a connection on until the gate is shut for it.
async fn pass(mut stream: UnixStream, server: PathBuf, mut shut: watch::Receiver<Option<&'static str>>) {
    // The first message has the name of the connection. Its length counts itself.
    let Ok(length) = stream.read_u32().await else { return };
    let mut begin = vec![0; length.saturating_sub(4).try_into().unwrap()];
    if stream.read_exact(&mut begin).await.is_err() {
        return;
    }
    let is_for = |purpose: &str| begin.windows(purpose.len()).any(|part| part == purpose.as_bytes());
    let Ok(mut upstream) = UnixStream::connect(server).await else { return };
    let passing = async {
        upstream.write_u32(length).await?;
        upstream.write_all(&begin).await?;
        copy_bidirectional(&mut stream, &mut upstream).await
    };
    tokio::select! {
        _ = passing => {}
        _ = shut.wait_for(|shut| shut.is_some_and(is_for)) => {}
    }
}
