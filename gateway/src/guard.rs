//! Who may come in, as whom, and for how long.
//!
//! A token comes as `auth.token`, as the parameter `token`, or as `Authorization: Bearer`, which native clients may also
//! write as a subprotocol. Without any keys in the configuration nobody looks at tokens: a program that embeds the
//! gateway may have a guard of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use socketio_parser::ArgError;
use socketio_server::{
    Ack, ConnectError, Data, DisconnectReason, Handshake, Namespace, Object, Server, Socket,
};

use crate::access;
use crate::config::Auth;
use crate::events::AUTHENTICATE;
use crate::kept::{Kept, Left};
use crate::refusal::Refusal;
use crate::tokens::{self, Identity, Tokens};
use crate::{events, person};

/// How often it is looked whose time is over. An end comes that much too late at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// When the time of whom is over.
struct Ends {
    io: Server,
    /// The end, the namespace and the id.
    due: Mutex<BTreeSet<(u64, String, String)>>,
    /// Whether somebody looks.
    watched: AtomicBool,
}

/// A client has got what was kept under this number, which stays until it is in.
#[derive(Clone, Copy)]
struct Returning(u64);

/// Watches over the namespaces.
pub(crate) struct Guard {
    tokens: Arc<Tokens>,
    anonymous: bool,
    ends: Arc<Ends>,
    kept: Arc<Kept>,
}

impl Guard {
    pub(crate) fn new(io: &Server, tokens: &Arc<Tokens>, auth: &Auth) -> Self {
        let ends = Ends { io: io.clone(), due: Mutex::default(), watched: AtomicBool::new(false) };
        let kept = Kept::new(Duration::from_millis(auth.keep_ms), auth.max_kept);
        let tokens = Arc::clone(tokens);
        Self { tokens, anonymous: auth.anonymous, ends: Arc::new(ends), kept: Arc::new(kept) }
    }

    /// Lets only those into the namespace who may.
    pub(crate) fn register(&self, namespace: &Namespace) {
        let (tokens, kept, anonymous) = (Arc::clone(&self.tokens), Arc::clone(&self.kept), self.anonymous);
        namespace.middleware(move |socket: Socket, handshake: Handshake| {
            let (tokens, kept) = (Arc::clone(&tokens), Arc::clone(&kept));
            async move {
                if anonymous && !tokens.are_taken() {
                    return Ok::<(), ConnectError>(());
                }
                // Whoever means to be somebody should hear that it failed.
                match token(&handshake).map_err(|_| Refusal::BadToken)? {
                    Some(token) => {
                        let identity = tokens.check(&token).await.ok_or(Refusal::BadToken)?;
                        find_again(&kept, &socket, &identity);
                        introduce(&socket, identity);
                        Ok(())
                    }
                    None if anonymous => Ok(()),
                    None => Err(Refusal::TokenNeeded.into()),
                }
            }
        });
        let (tokens, ends) = (Arc::clone(&self.tokens), Arc::clone(&self.ends));
        let kept = Arc::clone(&self.kept);
        namespace.on_connect(move |socket: Socket| {
            if let Some(identity) = socket.extensions().get::<Identity>() {
                if let (Some(session), Some(Returning(number))) =
                    (&identity.session, socket.extensions().remove())
                {
                    kept.forget(socket.namespace(), session, number);
                }
                ends.add(&socket, identity.until);
                // Its tokens may have been taken back while it was asked who else it is.
                if tokens.is_revoked(&identity) {
                    socket.disconnect(true);
                }
            }
            async {}
        });
        self.register_renewal(namespace);
        if self.kept.is_on() {
            let kept = Arc::clone(&self.kept);
            // While it is in its rooms.
            namespace.on_disconnecting(move |socket: Socket, reason: DisconnectReason| {
                if reason.is_recoverable() {
                    leave(&kept, &socket);
                }
                async {}
            });
        }
        let ends = Arc::clone(&self.ends);
        namespace.on_disconnect(move |socket: Socket| {
            if let Some(end) = end(&socket) {
                ends.lock().remove(&end);
            }
            async {}
        });
    }

    /// Clients may bring a newer token without coming again.
    fn register_renewal(&self, namespace: &Namespace) {
        let (tokens, ends) = (Arc::clone(&self.tokens), Arc::clone(&self.ends));
        namespace.on(AUTHENTICATE, move |socket: Socket, Data(Object(offered)): Data<Object<Offered>>| {
            let (tokens, ends) = (Arc::clone(&tokens), Arc::clone(&ends));
            async move {
                let identity = match offered.token {
                    Some(token) => tokens.check(&token).await,
                    None => None,
                };
                let renewed =
                    identity.ok_or("the token is not good").and_then(|it| renew(&ends, &socket, it));
                renewed.map(Ack).map_err(|error| events::wrong(&socket, AUTHENTICATE, error))
            }
        });
    }
}

/// A client goes on with another token. It stays who it is, unless it was nobody.
fn renew(ends: &Arc<Ends>, socket: &Socket, identity: Identity) -> Result<Value, &'static str> {
    if person::user(socket).is_some_and(|user| identity.user.as_ref() != Some(&user)) {
        return Err("the token is another user's");
    }
    if let Some(before) = end(socket) {
        ends.lock().remove(&before);
    }
    let until = identity.until;
    let renewed = json!({"user": identity.user, "expiresAt": tokens::date(until)});
    introduce(socket, identity);
    ends.add(socket, until);
    Ok(renewed)
}

/// Keeps what a client was in, for when it comes back.
fn leave(kept: &Kept, socket: &Socket) {
    let Some(session) = socket.extensions().get::<Identity>().and_then(|identity| identity.session) else {
        return;
    };
    let left =
        Left { user: person::user(socket), rooms: person::rooms(socket), metadata: person::metadata(socket) };
    kept.keep(socket.namespace(), &session, left, Instant::now());
}

/// Gives a client that came back what it had.
fn find_again(kept: &Kept, socket: &Socket, identity: &Identity) {
    let Some(session) = &identity.session else { return };
    let Some((number, left)) = kept.find(socket.namespace(), session, Instant::now()) else { return };
    socket.extensions().insert(Returning(number));
    if let Some(user) = left.user {
        person::introduce(socket, &user);
    }
    person::change_metadata(socket, left.metadata);
    socket.join(left.rooms);
}

/// What a client brings.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Offered {
    token: Option<String>,
}

/// The token of a handshake. An error says that `auth.token` is no text.
fn token(handshake: &Handshake) -> Result<Option<String>, ArgError> {
    let Offered { token: auth } = handshake.auth()?;
    let query = || handshake.query().get("token").map(str::to_owned);
    let bearer = || handshake.header("authorization").and_then(access::bearer).map(str::to_owned);
    Ok(auth.or_else(query).or_else(bearer))
}

/// From here on everybody knows who it is.
fn introduce(socket: &Socket, identity: Identity) {
    if let Some(user) = &identity.user {
        person::introduce(socket, user);
    }
    person::change_metadata(socket, identity.metadata.clone());
    socket.extensions().insert(identity);
}

fn end(socket: &Socket) -> Option<(u64, String, String)> {
    let until = socket.extensions().get::<Identity>()?.until;
    Some((until, socket.namespace().to_owned(), socket.id().to_owned()))
}

/// Puts those out whose time is over, until nobody is left whose time ends.
async fn watch(ends: Arc<Ends>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = tokens::now();
        for (_, namespace, id) in ends.take_due(now) {
            let socket = ends.io.namespace(&namespace).and_then(|namespace| namespace.socket(&id));
            // Just now it may have brought a newer token.
            let is_over = |socket: &Socket| end(socket).is_some_and(|(until, ..)| until <= now);
            if let Some(socket) = socket.filter(is_over) {
                // Who takes nothing any more is told by the end itself.
                let _ = socket.emit("error", &json!({"event": "token", "message": "the token has expired"}));
                socket.disconnect(true);
            }
        }
        if ends.lock().is_empty() {
            ends.watched.store(false, Ordering::SeqCst);
            // Somebody may have come just now, and seen that somebody looks.
            if ends.lock().is_empty() || ends.watched.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}

impl Ends {
    /// Somebody's time ends then.
    fn add(self: &Arc<Self>, socket: &Socket, until: u64) {
        let end = (until, socket.namespace().to_owned(), socket.id().to_owned());
        self.lock().insert(end.clone());
        // Who has gone in the meantime was taken out before it was put in.
        if !socket.is_connected() {
            self.lock().remove(&end);
        }
        if !self.watched.swap(true, Ordering::SeqCst) {
            tokio::spawn(watch(Arc::clone(self)));
        }
    }

    /// Those whose time is over now.
    fn take_due(&self, now: u64) -> BTreeSet<(u64, String, String)> {
        let mut due = self.lock();
        let later = due.split_off(&(now + 1, String::new(), String::new()));
        std::mem::replace(&mut *due, later)
    }

    /// Every change is whole, so a panic elsewhere is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(u64, String, String)>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
