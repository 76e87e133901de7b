//! Authentication of clients: admission, identity, and expiry of their tokens.
//!
//! A token comes as `auth.token`, as the query parameter `token`, or as `Authorization: Bearer`, which native
//! clients may also send as a subprotocol. Without any keys in the configuration tokens are ignored, so that
//! a program which embeds the gateway can authenticate clients itself.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use engineio::sync::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use socketio_parser::ArgError;
use socketio_server::{
    Ack, ConnectError, Data, DisconnectReason, Handshake, Namespace, Object, Server, Socket, WeakServer,
};

use crate::auth::operators;
use crate::auth::refusal::Refusal;
use crate::auth::tokens::{self, Identity, Tokens};
use crate::auth::user;
use crate::config::Auth;
use crate::error_event;
use crate::shared::{SavedClient, SharedState};

/// Event by which a client presents a newer token.
pub(crate) const AUTHENTICATE: &str = "authenticate";

/// Interval of the search for expired tokens. A client is disconnected at most that late.
const INTERVAL: Duration = Duration::from_secs(1);

/// Expiry times of the clients' tokens.
struct Expiries {
    /// Weak, because handlers of the server hold this state.
    io: WeakServer,
    /// Expiry time, namespace and socket id of each client, soonest first.
    due: Mutex<BTreeSet<(u64, String, String)>>,
    /// Whether the task that disconnects expired clients is running.
    is_running: AtomicBool,
}

/// Number of the saved state that a connecting client has received. The state is kept until the client has
/// joined.
#[derive(Clone, Copy)]
struct RestoredClient(u64);

/// Authentication of clients in all namespaces.
pub(crate) struct Guard {
    tokens: Arc<Tokens>,
    anonymous: bool,
    expiries: Arc<Expiries>,
    shared: Arc<dyn SharedState>,
    /// Whether the state of disconnected clients is saved.
    saves_clients: bool,
}

impl Guard {
    pub(crate) fn new(io: &Server, tokens: &Arc<Tokens>, auth: &Auth, shared: &Arc<dyn SharedState>) -> Self {
        let expiries =
            Expiries { io: io.downgrade(), due: Mutex::default(), is_running: AtomicBool::new(false) };
        let tokens = Arc::clone(tokens);
        Self {
            tokens,
            anonymous: auth.anonymous,
            expiries: Arc::new(expiries),
            shared: Arc::clone(shared),
            saves_clients: auth.keep_ms > 0 && auth.max_kept > 0,
        }
    }

    /// Registers the middleware and the handlers of a namespace.
    pub(crate) fn register(&self, namespace: &Namespace) {
        let (tokens, shared, anonymous) =
            (Arc::clone(&self.tokens), Arc::clone(&self.shared), self.anonymous);
        namespace.middleware(move |socket: Socket, handshake: Handshake| {
            let (tokens, shared) = (Arc::clone(&tokens), Arc::clone(&shared));
            async move {
                // A recovered client has the user that it had before. Its token decides again, as a backend does.
                user::reset_user(&socket);
                if anonymous && !tokens.are_accepted() {
                    return Ok::<(), ConnectError>(());
                }
                // A client that presented a token must not silently become anonymous.
                match token(&handshake).map_err(|_| Refusal::InvalidToken)? {
                    Some(token) => {
                        let identity = tokens.check(&token).await.ok_or(Refusal::InvalidToken)?;
                        restore_state(&*shared, &socket, &identity).await;
                        apply_identity(&socket, identity);
                        Ok(())
                    }
                    None if anonymous => Ok(()),
                    None => Err(Refusal::TokenRequired.into()),
                }
            }
        });
        let (tokens, expiries) = (Arc::clone(&self.tokens), Arc::clone(&self.expiries));
        let shared = Arc::clone(&self.shared);
        namespace.on_connect(move |socket: Socket| {
            if let Some(identity) = socket.extensions().get::<Identity>() {
                if let (Some(session), Some(RestoredClient(number))) =
                    (&identity.session, socket.extensions().remove())
                {
                    shared.remove_client(socket.namespace(), session, number);
                }
                expiries.add(&socket, identity.until);
                // The tokens may have been revoked while later middleware, such as a webhook, was running.
                if tokens.is_revoked(&identity) {
                    socket.disconnect(true);
                }
            }
            async {}
        });
        self.register_renewal(namespace);
        if self.saves_clients {
            let shared = Arc::clone(&self.shared);
            // At this moment the socket is still in its rooms.
            namespace.on_disconnecting(move |socket: Socket, reason: DisconnectReason| {
                if reason.is_recoverable() {
                    save_state(&*shared, &socket);
                }
                async {}
            });
        }
        let expiries = Arc::clone(&self.expiries);
        namespace.on_disconnect(move |socket: Socket| {
            if let Some(expiry) = expiry(&socket) {
                expiries.lock().remove(&expiry);
            }
            async {}
        });
    }

    /// Registers the event by which a connected client presents a newer token.
    fn register_renewal(&self, namespace: &Namespace) {
        let (tokens, expiries) = (Arc::clone(&self.tokens), Arc::clone(&self.expiries));
        namespace.on(
            AUTHENTICATE,
            move |socket: Socket, Data(Object(credentials)): Data<Object<Credentials>>| {
                let (tokens, expiries) = (Arc::clone(&tokens), Arc::clone(&expiries));
                async move {
                    let identity = match credentials.token {
                        Some(_) if !tokens.are_informed().await => None,
                        Some(token) => tokens.check(&token).await,
                        None => None,
                    };
                    let renewed =
                        identity.ok_or("invalid token").and_then(|it| renew(&expiries, &socket, it));
                    renewed.map(Ack).map_err(|error| error_event::emit(&socket, AUTHENTICATE, error))
                }
            },
        );
    }
}

/// Replaces the identity of a client. The user cannot change, but an anonymous client may become a user.
fn renew(expiries: &Arc<Expiries>, socket: &Socket, identity: Identity) -> Result<Value, &'static str> {
    if user::user(socket).is_some_and(|user| identity.user.as_ref() != Some(&user)) {
        return Err("the token belongs to another user");
    }
    if let Some(before) = expiry(socket) {
        expiries.lock().remove(&before);
    }
    let until = identity.until;
    let renewed = json!({"user": identity.user, "expiresAt": tokens::date(until)});
    apply_identity(socket, identity);
    expiries.add(socket, until);
    Ok(renewed)
}

/// Saves the state of a disconnecting client, until it returns.
fn save_state(shared: &dyn SharedState, socket: &Socket) {
    let Some(session) = socket.extensions().get::<Identity>().and_then(|identity| identity.session) else {
        return;
    };
    let saved = SavedClient {
        user: user::user(socket),
        rooms: user::rooms(socket),
        metadata: user::metadata(socket),
    };
    shared.save_client(socket.namespace(), &session, saved);
}

/// Restores the saved state of a client that returned.
async fn restore_state(shared: &dyn SharedState, socket: &Socket, identity: &Identity) {
    let Some(session) = &identity.session else { return };
    let Some((number, saved)) = shared.find_client(socket.namespace(), session).await else { return };
    socket.extensions().insert(RestoredClient(number));
    if let Some(user) = saved.user {
        user::set_user(socket, &user);
    }
    user::change_metadata(socket, saved.metadata);
    socket.join(saved.rooms);
}

/// Credentials of a client.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials {
    token: Option<String>,
}

/// Whether a client presents a token, valid or not.
pub(crate) fn has_token(handshake: &Handshake) -> bool {
    !matches!(token(handshake), Ok(None))
}

/// Token of a handshake. An error means that `auth.token` is not a string.
fn token(handshake: &Handshake) -> Result<Option<String>, ArgError> {
    let Credentials { token: auth } = handshake.auth()?;
    let query = || handshake.query().get("token").map(str::to_owned);
    let bearer_token =
        || handshake.header("authorization").and_then(operators::bearer_token).map(str::to_owned);
    Ok(auth.or_else(query).or_else(bearer_token))
}

/// Applies an identity to a socket: user, metadata and expiry.
fn apply_identity(socket: &Socket, identity: Identity) {
    if let Some(user) = &identity.user {
        user::set_user(socket, user);
    }
    user::change_metadata(socket, identity.metadata.clone());
    socket.extensions().insert(identity);
}

fn expiry(socket: &Socket) -> Option<(u64, String, String)> {
    let until = socket.extensions().get::<Identity>()?.until;
    Some((until, socket.namespace().to_owned(), socket.id().to_owned()))
}

/// Disconnects clients with expired tokens. The task ends when no expiry time is left, or the server is
/// freed.
async fn disconnect_expired(expiries: Arc<Expiries>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(io) = expiries.io.upgrade() else { return };
        let now = tokens::now();
        for (_, namespace, id) in expiries.take_due(now) {
            let socket = io.namespace(&namespace).and_then(|namespace| namespace.socket(&id));
            // The client may have presented a newer token in the meantime.
            let has_expired = |socket: &Socket| expiry(socket).is_some_and(|(until, ..)| until <= now);
            if let Some(socket) = socket.filter(has_expired) {
                // A client with a full outbox misses the event and is disconnected anyway.
                let _ = socket.emit("error", &json!({"event": "token", "message": "the token has expired"}));
                socket.disconnect(true);
            }
        }
        if expiries.lock().is_empty() {
            expiries.is_running.store(false, Ordering::SeqCst);
            // A client may have been added before the flag was cleared, and then it started no task.
            if expiries.lock().is_empty() || expiries.is_running.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

impl Expiries {
    /// Adds the expiry time of a client, and starts the task if necessary.
    fn add(self: &Arc<Self>, socket: &Socket, until: u64) {
        let expiry = (until, socket.namespace().to_owned(), socket.id().to_owned());
        self.lock().insert(expiry.clone());
        // The disconnect handler of the client may have run before the insertion.
        if !socket.is_connected() {
            self.lock().remove(&expiry);
        }
        if !self.is_running.swap(true, Ordering::SeqCst) {
            tokio::spawn(disconnect_expired(Arc::clone(self)));
        }
    }

    /// Removes and returns the clients whose tokens have expired.
    fn take_due(&self, now: u64) -> BTreeSet<(u64, String, String)> {
        let mut due = self.lock();
        let later = due.split_off(&(now + 1, String::new(), String::new()));
        std::mem::replace(&mut *due, later)
    }

    /// Locks the expiry times. No change can be interrupted, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(u64, String, String)>> {
        self.due.lock()
    }
}
