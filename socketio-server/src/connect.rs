//! A client asks to join a namespace: its middlewares, one after the other, and what the client is told.

use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engineio::{Prepared, Session};
use serde::Serialize;
use socketio_parser::{EncodeError, Parser, RawValue};

use crate::adapter::Local;
use crate::emit;
use crate::error::ConnectError;
use crate::handshake::Handshake;
use crate::namespace::Namespace;
use crate::socket::{Asked, ConnectContext, Handlers, Siblings, Socket};

/// A socket whose middlewares are being asked.
pub(crate) struct Joining {
    socket: Option<Socket>,
    handlers: Arc<Handlers>,
    /// How many middlewares were called, the current one included.
    called: usize,
    current: Option<Asked>,
}

/// What became of it.
pub(crate) enum Verdict {
    Welcome(Socket),
    Refused(Socket, ConnectError),
}

impl Joining {
    pub(crate) fn new(
        namespace: &Namespace,
        session: &Session,
        siblings: &Arc<Siblings>,
        auth: Option<RawValue>,
    ) -> Self {
        let space = namespace.space();
        let handshake = Handshake::new(session.clone(), auth);
        let socket = Socket::new(random_id(), session.clone(), Arc::clone(space), siblings, handshake);
        Self { socket: Some(socket), handlers: space.handlers(), called: 0, current: None }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            if let Some(current) = &mut self.current {
                match current.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => self.current = None,
                    Poll::Ready(Err(error)) => {
                        self.current = None;
                        if let Some(socket) = self.socket.take() {
                            return Poll::Ready(Verdict::Refused(socket, error));
                        }
                    }
                }
            }
            let Some(socket) = &self.socket else { return Poll::Pending };
            let Some(middleware) = self.handlers.middlewares.get(self.called) else {
                return match self.socket.take() {
                    Some(socket) => Poll::Ready(Verdict::Welcome(socket)),
                    None => Poll::Pending,
                };
            };
            self.called += 1;
            self.current = Some(middleware(ConnectContext { socket: socket.clone() }));
        }
    }

    /// The client went away in the meantime.
    pub(crate) fn give_up(self) {
        if let Some(socket) = self.socket {
            socket.give_up();
        }
    }
}

/// The answer to a CONNECT that was granted.
pub(crate) fn welcome(local: &Local, socket: &Socket) -> Result<Prepared, EncodeError> {
    #[derive(Serialize)]
    struct Welcome<'a> {
        sid: &'a str,
    }
    emit::connect(local.parser(), local.name(), &Welcome { sid: socket.id() })
}

/// The answer to a CONNECT that was refused.
pub(crate) fn refusal(
    parser: Parser,
    namespace: &str,
    error: &ConnectError,
) -> Result<Prepared, EncodeError> {
    emit::connect_error(parser, namespace, &error.message, error.data.as_ref())
}

/// A socket's id: 15 random bytes as 20 characters, as long as the official server's.
fn random_id() -> Arc<str> {
    let mut bits = [0; 15];
    // An id is public, so a system without randomness costs uniqueness and not secrecy; the session's id, which is
    // a secret, has been made before and would have failed.
    let _ = getrandom::fill(&mut bits);
    URL_SAFE_NO_PAD.encode(bits).into()
}
