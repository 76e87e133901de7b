//! A client asks to join a namespace: the search for it, its middlewares one after the other, and what the client is
//! told.

use std::sync::Arc;
use std::task::{Context, Poll};

use engineio::{Prepared, Protocol, Session};
use serde::{Deserialize, Serialize};
use socketio_parser::{EncodeError, Parser, RawValue, Revision};

use crate::emit;
use crate::error::ConnectError;
use crate::id::{NoRandomness, random_id};
use crate::namespace::registry::{Namespaces, Search, Visit};
use crate::recovery::Claim;
use crate::socket::handshake::Handshake;
use crate::socket::{Asked, ConnectContext, Handlers, Siblings, Socket, Start};

/// A client on its way into a namespace.
pub(crate) struct Joining {
    /// The name as the client wrote it, which its answer carries.
    name: Arc<str>,
    session: Session,
    siblings: Arc<Siblings>,
    handshake: Handshake,
    random_ids_for_v2: bool,
    stage: Stage,
}

enum Stage {
    Searching(Search),
    Asking(Asking),
    /// The verdict was given.
    Over,
}

/// The middlewares are asked.
struct Asking {
    visit: Visit,
    socket: Socket,
    claim: Option<Claim>,
    handlers: Arc<Handlers>,
    /// How many middlewares were called, the current one included.
    called: usize,
    current: Option<Asked>,
}

/// What became of it.
pub(crate) enum Verdict {
    Welcome(Box<Admission>),
    Refused(ConnectError),
}

/// A socket whose middlewares agreed.
pub(crate) struct Admission {
    pub(crate) visit: Visit,
    pub(crate) socket: Socket,
    pub(crate) claim: Option<Claim>,
}

impl Joining {
    pub(crate) fn new(
        server: &Arc<Namespaces>,
        name: &str,
        session: &Session,
        siblings: &Arc<Siblings>,
        auth: Option<RawValue>,
    ) -> Self {
        let handshake = Handshake::new(session.clone(), auth);
        let search = server.search(name, &handshake);
        Self {
            name: name.into(),
            session: session.clone(),
            siblings: Arc::clone(siblings),
            handshake,
            random_ids_for_v2: server.config.random_ids_for_v2,
            stage: Stage::Searching(search),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        if let Stage::Searching(search) = &mut self.stage {
            let found = match std::mem::replace(search, Search::Unknown) {
                Search::Found(visit) => Some(visit),
                Search::Unknown => None,
                Search::Asking(mut asking) => match asking.as_mut().poll(cx) {
                    Poll::Ready(found) => found,
                    Poll::Pending => {
                        *search = Search::Asking(asking);
                        return Poll::Pending;
                    }
                },
            };
            let Some(visit) = found else {
                self.stage = Stage::Over;
                return Poll::Ready(Verdict::Refused(ConnectError::new("Invalid namespace")));
            };
            self.stage = match self.ask(visit) {
                Ok(asking) => Stage::Asking(asking),
                Err(error) => {
                    self.stage = Stage::Over;
                    return Poll::Ready(Verdict::Refused(ConnectError::new(error.to_string())));
                }
            };
        }
        let Stage::Asking(asking) = &mut self.stage else { return Poll::Pending };
        let answer = match asking.poll(cx) {
            Poll::Ready(answer) => answer,
            Poll::Pending => return Poll::Pending,
        };
        let Stage::Asking(asking) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return Poll::Pending;
        };
        Poll::Ready(match answer {
            Ok(()) => Verdict::Welcome(Box::new(asking.granted())),
            Err(error) => {
                asking.give_up();
                Verdict::Refused(error)
            }
        })
    }

    /// A socket's public id. Clients of Socket.IO v2 make theirs up from the session's id, so by default it is that.
    fn new_id(&self, namespace: &str) -> Result<Arc<str>, NoRandomness> {
        Ok(match (self.session.protocol(), namespace) {
            (Protocol::V3, "/") if !self.random_ids_for_v2 => self.session.id().as_str().into(),
            (Protocol::V3, namespace) if !self.random_ids_for_v2 => {
                format!("{namespace}#{}", self.session.id().as_str()).into()
            }
            (Protocol::V3 | Protocol::V4, _) => random_id()?,
        })
    }

    fn ask(&self, visit: Visit) -> Result<Asking, NoRandomness> {
        let space = visit.namespace.space();
        let recovery = space.hub.log().zip(wish(&self.handshake));
        let (claim, outcome) = match recovery.map(|(log, wish)| log.claim(&wish.pid, &wish.offset)) {
            Some(Ok(claim)) => (Some(claim), None),
            Some(Err(reason)) => (None, Some(reason)),
            None => (None, None),
        };
        let start = match &claim {
            Some(claim) => Start::Again(claim),
            None => Start::New(self.new_id(visit.namespace.name())?, outcome),
        };
        let socket = Socket::new(
            &start,
            self.session.clone(),
            Arc::clone(space),
            &self.siblings,
            self.handshake.clone(),
        );
        let mut handlers = space.handlers();
        let skips = |log: &crate::recovery::Log| log.settings().skip_middlewares;
        if claim.is_some() && space.hub.log().is_some_and(skips) {
            handlers = Arc::default();
        }
        Ok(Asking { visit, socket, claim, handlers, called: 0, current: None })
    }

    /// The client went away in the meantime.
    pub(crate) fn give_up(self) {
        if let Stage::Asking(asking) = self.stage {
            asking.give_up();
        }
    }
}

impl Asking {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        loop {
            if let Some(current) = &mut self.current {
                match current.as_mut().poll(cx) {
                    Poll::Ready(Ok(())) => self.current = None,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let Some(middleware) = self.handlers.middlewares.get(self.called) else {
                return Poll::Ready(Ok(()));
            };
            self.called += 1;
            self.current = Some(middleware(ConnectContext { socket: self.socket.clone() }));
        }
    }

    fn granted(self) -> Admission {
        Admission { visit: self.visit, socket: self.socket, claim: self.claim }
    }

    fn give_up(self) {
        Admission { visit: self.visit, socket: self.socket, claim: self.claim }.give_up();
    }
}

impl Admission {
    /// Tells the client and puts the socket into its rooms. `None` if the client is gone.
    pub(crate) fn admit(self) -> Option<(Socket, Visit)> {
        let Self { visit, socket, claim } = self;
        let hub = &socket.space().hub;
        let is_v2 = socket.session().protocol() == Protocol::V3;
        let welcome = |pid: Option<&str>| {
            let welcome = Welcome { sid: socket.id(), pid };
            emit::connect(hub.parser(), hub.name(), Some(&welcome).filter(|_| !is_v2))
        };
        if socket.admit(claim, welcome) {
            Some((socket, visit))
        } else {
            socket.give_up();
            None
        }
    }

    /// The client went away, or was refused. It may come back as who it was.
    pub(crate) fn give_up(self) {
        self.socket.give_up();
        if let Some((log, claim)) = self.socket.space().hub.log().zip(self.claim) {
            log.put_back(claim);
        }
    }
}

/// The answer to a CONNECT that was granted.
#[derive(Serialize)]
struct Welcome<'a> {
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a str>,
}

/// What a client that wants to be who it was puts into its CONNECT.
#[derive(Deserialize)]
struct Wish {
    pid: String,
    offset: String,
}

/// Only a client that names both can be recovered; whatever else they are is not our business.
fn wish(handshake: &Handshake) -> Option<Wish> {
    handshake.auth().ok()
}

/// The answer to a CONNECT that was refused.
pub(crate) fn refusal(
    parser: Parser,
    protocol: Protocol,
    namespace: &str,
    error: &ConnectError,
) -> Result<Prepared, EncodeError> {
    let revision = match protocol {
        Protocol::V3 => Revision::V4,
        Protocol::V4 => Revision::V5,
    };
    emit::connect_error(parser, revision, namespace, &error.message, error.data.as_ref())
}
