//! Gates in front of a server, which keep connections of one purpose out.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::watch;

/// The purposes of the connections of an adapter, at the end of their names.
const PURPOSES: [&str; 3] = [":publish", ":subscribe", ":stream"];

/// The name of a connection is in this many of its first bytes.
const BEGIN: usize = 4096;

/// The state of a gate for the connections of one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Shut(&'static str),
    Stalled(&'static str),
}

/// A gate. Connections that it passes on may be closed, and kept out, by their purpose.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<State>);

impl Gate {
    /// An open gate.
    #[expect(clippy::new_without_default, reason = "open is no default")]
    pub fn new() -> Self {
        Self(watch::channel(State::Open).0)
    }

    /// Closes the connections of this purpose, `:publish`, `:subscribe` or `:stream`, and keeps them out.
    pub fn shut(&self, purpose: &'static str) {
        self.0.send_replace(State::Shut(purpose));
    }

    /// Reads nothing more of what the server sends to connections of this purpose.
    pub fn stall(&self, purpose: &'static str) {
        self.0.send_replace(State::Stalled(purpose));
    }

    /// Lets all connections in.
    pub fn open(&self) {
        self.0.send_replace(State::Open);
    }

    /// Passes a connection on, between a client and the server, until the gate is shut for it.
    pub async fn pass(
        &self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        server: impl AsyncRead + AsyncWrite + Unpin,
    ) {
        let (mut from_client, mut to_client) = split(client);
        let (mut from_server, mut to_server) = split(server);
        let purpose = watch::channel(None).0;
        let is = |state: fn(&'static str) -> State| {
            let purpose = *purpose.borrow();
            purpose.is_some_and(|purpose| *self.0.borrow() == state(purpose))
        };
        let up =
            async {
                let mut begin = Vec::new();
                let mut buffer = vec![0; 64 << 10];
                loop {
                    let count = from_client.read(&mut buffer).await?;
                    if begin.len() < BEGIN && purpose.borrow().is_none() {
                        begin.extend_from_slice(&buffer[..count]);
                        purpose.send_replace(PURPOSES.into_iter().find(|purpose| {
                            begin.windows(purpose.len()).any(|part| part == purpose.as_bytes())
                        }));
                    }
                    if count == 0 || is(State::Shut) {
                        return io::Result::Ok(());
                    }
                    to_server.write_all(&buffer[..count]).await?;
                }
            };
        let down = async {
            let mut buffer = vec![0; 64 << 10];
            loop {
                if is(State::Stalled) {
                    let _ = self.0.subscribe().wait_for(|state| !matches!(state, State::Stalled(_))).await;
                }
                let count = from_server.read(&mut buffer).await?;
                if count == 0 {
                    return io::Result::Ok(());
                }
                to_client.write_all(&buffer[..count]).await?;
            }
        };
        let shut = async {
            let known = purpose.subscribe().wait_for(Option::is_some).await.map(|known| *known);
            if let Ok(Some(purpose)) = known {
                let _ = self.0.subscribe().wait_for(|state| *state == State::Shut(purpose)).await;
            }
        };
        tokio::select! {
            _ = up => {}
            _ = down => {}
            () = shut => {}
        }
    }
}
