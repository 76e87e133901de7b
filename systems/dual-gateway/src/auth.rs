//! Who may connect: those who bring a session's token, over either protocol.

use gateway::USER_ROOM;
use serde::Deserialize;
use socketio_server::{ConnectError, Handshake, Namespace, Socket};

use crate::session::{Session, Sessions};

/// Asks for a token: `auth.token`, the parameter `token`, or an `Authorization: Bearer` header.
pub(crate) fn guard(namespace: &Namespace, sessions: Sessions) {
    namespace.middleware(move |socket: Socket, handshake: Handshake| {
        let let_in = match token(&handshake).and_then(|token| sessions.check(&token)) {
            Some(session) => {
                let known = match &session.user {
                    Some(user) => {
                        // All connections of a user are in one room.
                        socket.join(format!("{USER_ROOM}{user}"));
                        // By this the gateway knows who somebody is.
                        socket.data().set("user", user)
                    }
                    None => Ok(()),
                };
                socket.extensions().insert(session);
                known.map_err(|_| ConnectError::new("unauthorized"))
            }
            // The gateway makes 401 of it for native clients.
            None => Err(ConnectError::new("unauthorized")),
        };
        async move { let_in }
    });
    // Who talks after the end is gone at once; who only listens, when `end` comes along.
    namespace.event_middleware(|socket: Socket| async move {
        if is_over(&socket) {
            socket.disconnect(true);
            return Err("the session is over");
        }
        Ok(())
    });
}

/// Puts those out whose session is over.
pub(crate) fn end(namespace: &Namespace) {
    for socket in namespace.sockets() {
        if is_over(&socket) {
            socket.disconnect(true);
        }
    }
}

fn is_over(socket: &Socket) -> bool {
    socket.extensions().get::<Session>().is_some_and(|session| session.is_over())
}

fn token(handshake: &Handshake) -> Option<String> {
    #[derive(Deserialize)]
    struct Credentials {
        token: Option<String>,
    }
    let auth = handshake.auth::<Credentials>().ok().and_then(|credentials| credentials.token);
    let query = || handshake.query().get("token").map(str::to_owned);
    let bearer = || {
        let (scheme, token) = handshake.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    };
    auth.or_else(query).or_else(bearer)
}
