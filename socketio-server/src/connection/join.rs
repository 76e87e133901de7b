//! Joining a namespace: search, middlewares, and the answer to the client.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use engineio::{Prepared, Protocol, Session};
use serde::{Deserialize, Serialize};
use socketio_parser::{EncodeError, Parser, RawValue, Revision};

use crate::encode;
use crate::error::ConnectError;
use crate::id::{NoRandomness, random_id};
use crate::namespace::registry::{NamespaceRegistry, Occupancy, Search};
use crate::recovery::{NotRecovered, PendingRecovery};
use crate::socket::handshake::Handshake;
use crate::socket::{ConnectContext, Handlers, MiddlewareFuture, Siblings, Socket, Start};

/// A client that is joining a namespace.
pub(crate) struct PendingJoin {
    /// The name as the client sent it; the answer repeats it.
    name: Arc<str>,
    session: Session,
    siblings: Arc<Siblings>,
    handshake: Arc<Handshake>,
    random_ids_for_v2: bool,
    stage: Stage,
}

enum Stage {
    Searching(Search),
    /// The store of the cluster looks up the session of a client that returns.
    Restoring(Occupancy, Restoring),
    Middlewares(Box<MiddlewareRun>),
    /// No id could be made.
    Failed(NoRandomness),
    /// The outcome was returned.
    Done,
}

type Restoring = Pin<Box<dyn Future<Output = Result<PendingRecovery, NotRecovered>> + Send>>;

/// The middlewares of the namespace, called one after the other.
struct MiddlewareRun {
    occupancy: Occupancy,
    socket: Socket,
    pending: Option<PendingRecovery>,
    handlers: Arc<Handlers>,
    /// Number of called middlewares, including the current one.
    called: usize,
    current: Option<MiddlewareFuture>,
}

/// Outcome of a CONNECT.
pub(crate) enum JoinOutcome {
    Admitted(Box<Admission>),
    Refused(ConnectError),
}

/// A socket that all middlewares accepted.
pub(crate) struct Admission {
    pub(crate) occupancy: Occupancy,
    pub(crate) socket: Socket,
    pub(crate) pending: Option<PendingRecovery>,
}

impl PendingJoin {
    pub(crate) fn new(
        server: &Arc<NamespaceRegistry>,
        name: &str,
        session: &Session,
        siblings: &Arc<Siblings>,
        auth: Option<RawValue>,
    ) -> Self {
        let handshake = Arc::new(Handshake::new(session.clone(), auth));
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

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<JoinOutcome> {
        if let Stage::Searching(search) = &mut self.stage {
            let found = match std::mem::replace(search, Search::Unknown) {
                Search::Found(occupancy) => Some(occupancy),
                Search::Unknown => None,
                Search::Deciding(mut deciding) => match deciding.as_mut().poll(cx) {
                    Poll::Ready(found) => found,
                    Poll::Pending => {
                        *search = Search::Deciding(deciding);
                        return Poll::Pending;
                    }
                },
            };
            let Some(occupancy) = found else {
                self.stage = Stage::Done;
                return Poll::Ready(JoinOutcome::Refused(ConnectError::new("Invalid namespace")));
            };
            self.stage = self.start_recovery(occupancy);
        }
        if let Stage::Restoring(_, restoring) = &mut self.stage {
            let Poll::Ready(recovery) = restoring.as_mut().poll(cx) else { return Poll::Pending };
            if let Stage::Restoring(occupancy, _) = std::mem::replace(&mut self.stage, Stage::Done) {
                self.stage = self.start_middlewares(occupancy, Some(recovery));
            }
        }
        if let Stage::Failed(error) = &self.stage {
            let error = ConnectError::new(error.to_string());
            self.stage = Stage::Done;
            return Poll::Ready(JoinOutcome::Refused(error));
        }
        let Stage::Middlewares(run) = &mut self.stage else { return Poll::Pending };
        let result = match run.poll(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => return Poll::Pending,
        };
        let Stage::Middlewares(run) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return Poll::Pending;
        };
        Poll::Ready(match result {
            Ok(()) => JoinOutcome::Admitted(Box::new(run.into_admission())),
            Err(error) => {
                run.give_up();
                JoinOutcome::Refused(error)
            }
        })
    }

    /// The public id of the socket. Socket.IO v2 clients derive it from the session id, so that is the
    /// default for them.
    fn new_id(&self, namespace: &str) -> Result<Arc<str>, NoRandomness> {
        Ok(match (self.session.protocol(), namespace) {
            (Protocol::V3, "/") if !self.random_ids_for_v2 => self.session.id().as_str().into(),
            (Protocol::V3, namespace) if !self.random_ids_for_v2 => {
                format!("{namespace}#{}", self.session.id().as_str()).into()
            }
            (Protocol::V3 | Protocol::V4, _) => random_id()?,
        })
    }

    /// Looks up the session of a client that returns: in the log at once, in the store of the cluster later.
    fn start_recovery(&self, occupancy: Occupancy) -> Stage {
        let node = &occupancy.namespace.namespace_state().node;
        let recovery = node.log().zip(recovery_request(&self.handshake));
        match (recovery, node.ordered_log()) {
            (Some((_, RecoveryRequest { pid, offset })), Some(ordered)) => {
                let restoring = Arc::clone(ordered).restore(pid, offset);
                Stage::Restoring(occupancy, Box::pin(restoring))
            }
            (Some((log, request)), None) => {
                let claimed = log.claim(&request.pid, &request.offset);
                self.start_middlewares(occupancy, Some(claimed))
            }
            (None, _) => self.start_middlewares(occupancy, None),
        }
    }

    fn start_middlewares(
        &self,
        occupancy: Occupancy,
        recovery: Option<Result<PendingRecovery, NotRecovered>>,
    ) -> Stage {
        self.middlewares(occupancy, recovery)
            .map_or_else(Stage::Failed, |run| Stage::Middlewares(Box::new(run)))
    }

    fn middlewares(
        &self,
        occupancy: Occupancy,
        recovery: Option<Result<PendingRecovery, NotRecovered>>,
    ) -> Result<MiddlewareRun, NoRandomness> {
        let namespace = occupancy.namespace.namespace_state();
        let (pending, outcome) = match recovery {
            Some(Ok(pending)) => (Some(pending), None),
            Some(Err(reason)) => (None, Some(reason)),
            None => (None, None),
        };
        let start = match &pending {
            Some(pending) => Start::Recovered(pending),
            None => Start::New(self.new_id(occupancy.namespace.name())?, outcome),
        };
        let socket = Socket::new(
            &start,
            self.session.clone(),
            Arc::clone(namespace),
            &self.siblings,
            Arc::clone(&self.handshake),
        );
        let mut handlers = namespace.handlers();
        let skips = |log: &crate::recovery::RecoveryLog| log.settings().skip_middlewares;
        if pending.is_some() && namespace.node.log().is_some_and(skips) {
            handlers = Arc::default();
        }
        Ok(MiddlewareRun { occupancy, socket, pending, handlers, called: 0, current: None })
    }

    /// Cancels the join, because the client has disconnected.
    pub(crate) fn give_up(self) {
        match self.stage {
            Stage::Middlewares(run) => run.give_up(),
            // The session may have been taken out of the store already, so it has to be put back.
            Stage::Restoring(occupancy, restoring) => {
                let ordered = occupancy.namespace.namespace_state().node.ordered_log().cloned();
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move {
                        if let Some((ordered, pending)) = ordered.zip(restoring.await.ok()) {
                            ordered.put_back(&pending);
                        }
                    });
                }
            }
            Stage::Searching(_) | Stage::Failed(_) | Stage::Done => {}
        }
    }
}

impl MiddlewareRun {
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
            self.current = Some(middleware(ConnectContext::new(self.socket.clone(), ())));
        }
    }

    fn into_admission(self) -> Admission {
        Admission { occupancy: self.occupancy, socket: self.socket, pending: self.pending }
    }

    fn give_up(self) {
        Admission { occupancy: self.occupancy, socket: self.socket, pending: self.pending }.give_up();
    }
}

impl Admission {
    /// Confirms the CONNECT and adds the socket to its rooms. `None` if the client has disconnected.
    pub(crate) fn admit(self) -> Option<(Socket, Occupancy)> {
        let Self { occupancy, socket, pending } = self;
        let node = &socket.namespace_state().node;
        let is_v2 = socket.session().protocol() == Protocol::V3;
        let confirmation = |pid: Option<&str>| {
            let payload = ConnectPayload { sid: socket.id(), pid };
            encode::connect(socket.parser(), node.name(), Some(&payload).filter(|_| !is_v2))
        };
        if socket.admit(pending, confirmation) {
            Some((socket, occupancy))
        } else {
            socket.give_up();
            None
        }
    }

    /// Cancels the join, because the client has disconnected or was refused. A recovery may be tried again.
    pub(crate) fn give_up(self) {
        self.socket.give_up();
        let (node, Some(pending)) = (&self.socket.namespace_state().node, self.pending) else { return };
        match (node.ordered_log(), node.log()) {
            (Some(ordered), _) => ordered.put_back(&pending),
            (None, Some(log)) => log.put_back(pending),
            (None, None) => {}
        }
    }
}

/// Payload of the answer to a granted CONNECT.
#[derive(Serialize)]
struct ConnectPayload<'a> {
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a str>,
}

/// Recovery fields in the payload of a CONNECT.
#[derive(Deserialize)]
struct RecoveryRequest {
    pid: String,
    offset: String,
}

/// Recovery requires both fields; invalid payloads count as a new connection.
fn recovery_request(handshake: &Handshake) -> Option<RecoveryRequest> {
    handshake.auth().ok()
}

/// The answer to a refused CONNECT.
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
    encode::connect_error(parser, revision, namespace, &error.message, error.data.as_ref())
}
