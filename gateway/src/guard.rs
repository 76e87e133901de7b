//! Who may come in, as whom, and for how long.
//!
//! A token comes as `auth.token`, as the parameter `token`, or as `Authorization: Bearer`. Without any keys in the
//! configuration nobody looks at tokens: a program that embeds the gateway may have a guard of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use socketio_server::{ConnectError, Handshake, Namespace, Server, Socket};

use crate::access;
use crate::person;
use crate::tokens::{self, Identity, Tokens};

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

/// Watches over the namespaces.
pub(crate) struct Guard {
    tokens: Arc<Tokens>,
    anonymous: bool,
    ends: Arc<Ends>,
}

impl Guard {
    pub(crate) fn new(io: &Server, tokens: &Arc<Tokens>, anonymous: bool) -> Self {
        let ends = Ends { io: io.clone(), due: Mutex::default(), watched: AtomicBool::new(false) };
        Self { tokens: Arc::clone(tokens), anonymous, ends: Arc::new(ends) }
    }

    /// Lets only those into the namespace who may.
    pub(crate) fn register(&self, namespace: &Namespace) {
        let (tokens, anonymous) = (Arc::clone(&self.tokens), self.anonymous);
        namespace.middleware(move |socket: Socket, handshake: Handshake| {
            let let_in = match token(&handshake).filter(|_| !anonymous || tokens.are_taken()) {
                Some(token) => match tokens.check(&token) {
                    Some(identity) => {
                        introduce(&socket, identity);
                        Ok(())
                    }
                    // Whoever means to be somebody should hear that it failed.
                    None => Err(refused("bad_token")),
                },
                None if anonymous => Ok(()),
                None => Err(refused("token_needed")),
            };
            async move { let_in }
        });
        let ends = Arc::clone(&self.ends);
        namespace.on_connect(move |socket: Socket| {
            if let Some(end) = end(&socket) {
                ends.lock().insert(end);
                if !ends.watched.swap(true, Ordering::SeqCst) {
                    tokio::spawn(watch(Arc::clone(&ends)));
                }
            }
            async {}
        });
        let ends = Arc::clone(&self.ends);
        namespace.on_disconnect(move |socket: Socket| {
            if let Some(end) = end(&socket) {
                ends.lock().remove(&end);
            }
            async {}
        });
    }
}

fn refused(code: &str) -> ConnectError {
    // The native protocol makes 401 of it.
    ConnectError::new("unauthorized").with_data(json!({"code": code}))
}

fn token(handshake: &Handshake) -> Option<String> {
    #[derive(Deserialize)]
    struct Offered {
        token: Option<String>,
    }
    let auth = handshake.auth::<Offered>().ok().and_then(|offered| offered.token);
    let query = || handshake.query().get("token").map(str::to_owned);
    let bearer = || handshake.header("authorization").and_then(access::bearer).map(str::to_owned);
    auth.or_else(query).or_else(bearer)
}

/// From here on everybody knows who it is.
fn introduce(socket: &Socket, identity: Identity) {
    if let Some(user) = &identity.user {
        person::introduce(socket, user);
    }
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
        for (_, namespace, id) in ends.take_due(tokens::now()) {
            if let Some(socket) = ends.io.namespace(&namespace).and_then(|namespace| namespace.socket(&id)) {
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
