//! Revocations of other nodes. A node hears of them at once by a question, and reads the shared ones at its start, after
//! each interruption, and every ten seconds, in case a question was lost.

use std::sync::Arc;
use std::time::Duration;

use socketio_server::{ConnectError, Handshake, Namespace, Server, Socket, WeakServer};

use super::Cluster;
use crate::auth::guard;
use crate::auth::refusal::Refusal;
use crate::auth::tokens::{self, Identity, Tokens};
use crate::native;
use crate::node::listing;
use crate::shared::SharedState;

/// Pause before they are read again: while revocations are missing, and otherwise.
const EAGER: Duration = Duration::from_millis(100);
const CALM: Duration = Duration::from_secs(1);
/// Number of calm pauses between two readings.
const PAUSES: u32 = 10;
/// Age of the revocations that are read again, in seconds: more than the clocks of two nodes may differ.
const OVERLAP: u64 = 600;

impl Cluster {
    /// Takes over the revocations of other nodes, until the server is freed.
    pub(crate) fn follow_revocations(
        &self,
        io: &Server,
        tokens: &Arc<Tokens>,
        shared: &Arc<dyn SharedState>,
    ) {
        if self.is_enabled() {
            tokens.set_informed(false);
            let (cluster, io) = (self.clone(), io.downgrade());
            tokio::spawn(follow(cluster, io, Arc::clone(tokens), Arc::clone(shared)));
        }
    }

    /// Lets clients with tokens wait until this node knows the revocations of others, before their tokens are checked.
    pub(crate) fn require_revocations(&self, namespace: &Namespace, tokens: &Arc<Tokens>) {
        if !self.is_enabled() {
            return;
        }
        let tokens = Arc::clone(tokens);
        namespace.middleware(move |socket: Socket, handshake: Handshake| {
            let tokens = Arc::clone(&tokens);
            async move {
                if !tokens.are_accepted() || !guard::has_token(&handshake) || tokens.are_informed().await {
                    return Ok::<(), ConnectError>(());
                }
                // Socket.IO clients do not retry after a CONNECT_ERROR.
                if !native::is_native(&handshake) {
                    socket.session().close();
                }
                Err(Refusal::ClusterUnavailable.into())
            }
        });
    }
}

async fn follow(cluster: Cluster, io: WeakServer, tokens: Arc<Tokens>, shared: Arc<dyn SharedState>) {
    let (mut is_complete, mut was_connected, mut pauses) = (false, false, 0);
    loop {
        let Some(server) = io.upgrade() else { return };
        let health = cluster.health();
        let is_connected = health == Some("connected");
        // Revocations of an interruption are read after it. Meanwhile the known ones apply.
        is_complete &= was_connected || !is_connected;
        was_connected = is_connected;
        if health == Some("down") {
            is_complete = false;
        } else if !is_complete || pauses >= PAUSES {
            pauses = 0;
            let since = if is_complete { tokens::now().saturating_sub(OVERLAP) } else { 0 };
            match shared.revocations(since).await {
                Ok(revocations) => {
                    take_over(&server, &tokens, revocations);
                    tokens.set_informed(true);
                    is_complete = true;
                }
                Err(error) => {
                    tracing::debug!(%error, "revocations of other nodes are not known");
                    is_complete = false;
                }
            }
        }
        drop(server);
        pauses += 1;
        tokio::time::sleep(if is_complete { CALM } else { EAGER }).await;
    }
}

/// Remembers revocations, and disconnects the clients of this node whose tokens are revoked.
fn take_over(io: &Server, tokens: &Tokens, revocations: Vec<(String, u64)>) {
    for (user, at) in revocations {
        match tokens.revoke(&user, at) {
            Ok(true) => disconnect(io, tokens, &user),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "a revocation of another node is not remembered"),
        }
    }
}

fn disconnect(io: &Server, tokens: &Tokens, user: &str) {
    let room = listing::user_room(user);
    for namespace in listing::namespaces(io) {
        let mut after = String::new();
        loop {
            let page = namespace.sockets_page(&[&room], &after, 1_000);
            let Some(last) = page.last() else { break };
            last.id().clone_into(&mut after);
            for socket in page {
                let identity = socket.extensions().get::<Identity>();
                if identity.is_some_and(|identity| tokens.is_revoked(&identity)) {
                    socket.disconnect(true);
                }
            }
        }
    }
}
