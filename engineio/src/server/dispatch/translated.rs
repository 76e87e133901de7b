//! The handshake of a client that speaks another protocol than Engine.IO on its WebSocket.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use thiserror::Error;

use crate::config::Transport;
use crate::io::Upgrading;
use crate::protocol::packet::Protocol;
use crate::protocol::prepared::Dialect;
use crate::server::Server;
use crate::server::http::upgrade;
use crate::server::request::head::RequestHead;
use crate::server::request::query::Query;
use crate::server::request::request_error::RequestError;
use crate::server::response::body::Body;
use crate::server::response::merge;
use crate::server::session::command::Command;
use crate::server::session::handle::Session;
use crate::server::session::translator::Translator;
use crate::server::shared::Shared;
use crate::websocket::accept::{self, AcceptError};

/// The reason why no session was opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The request is not the opening handshake of a WebSocket.
    #[error("{message}")]
    Handshake {
        /// The status of the response. A response of 426 needs `Sec-WebSocket-Version: 13`.
        status: StatusCode,
        /// The error in the request.
        message: String,
    },
    /// The server refuses the request, or a limit on sessions is reached. The response is for the client.
    #[error("refused with {}", .0.status())]
    Refused(Box<Response<Body>>),
}

impl From<AcceptError> for OpenError {
    fn from(error: AcceptError) -> Self {
        Self::Handshake { status: error.status(), message: error.to_string() }
    }
}

impl Server {
    /// Opens a session for a client whose WebSocket speaks another protocol than Engine.IO. The request is
    /// the opening handshake, on any path. It passes the check of the origin, the middlewares and
    /// `allow_request`.
    ///
    /// Returns the session and the response of 101 for the client. The session is open already, so the
    /// application can decide about the response. If the client receives another response, or none, the
    /// session ends with [`CloseReason::TransportClose`](crate::CloseReason::TransportClose). The caller has
    /// to limit the time until the response; the heartbeat starts with it.
    pub async fn open_translated<B>(
        &self,
        mut request: Request<B>,
        translator: impl Translator,
    ) -> Result<(Session, Response<Body>), OpenError> {
        let upgrading = upgrade::take(request.extensions_mut());
        let parts = request.into_parts().0;
        self.0.open_translated(&parts, upgrading, Box::new(translator)).await
    }
}

impl Shared {
    async fn open_translated(
        self: &Arc<Self>,
        parts: &Parts,
        upgrading: Option<Upgrading>,
        mut translator: Box<dyn Translator>,
    ) -> Result<(Session, Response<Body>), OpenError> {
        let refuse = |error: RequestError| OpenError::Refused(Box::new(self.refuse(parts, &error)));
        let mut added = HeaderMap::new();
        if let Some(answer) = self.prepare(parts, &mut added).await.map_err(refuse)? {
            return Err(OpenError::Refused(Box::new(answer)));
        }
        let (switching, _) = accept::accept(parts, None)?;
        let Some(upgrading) = upgrading else {
            let message = "a request for a WebSocket has no body".to_owned();
            return Err(OpenError::Handshake { status: StatusCode::BAD_REQUEST, message });
        };
        let transport = Transport::WebSocket;
        if !self.config.allows(transport) {
            return Err(refuse(RequestError::UnknownTransport {
                transport: Some(transport.as_str().to_owned()),
            }));
        }
        self.allow(parts).await.map_err(refuse)?;
        let dialect = Dialect { protocol: Protocol::V4, base64: false };
        let head = RequestHead::of(parts, Query::from(&parts.uri), &self.kept_extensions);
        let head = head.into_translated();
        let pending = match self.register(parts, head, transport, dialect).await.map_err(refuse)? {
            Ok(pending) => pending,
            Err(answer) => return Err(OpenError::Refused(Box::new(answer))),
        };
        let session = pending.session.clone();
        let mut response = switching.map(|()| Body::default());
        self.decorate(parts, &mut response, true);
        if let Some(first) = translator.first_message() {
            session.command(Command::Receive(first));
        }
        let carrier = self.websocket(upgrading, &session, None);
        self.begin(pending, Some(carrier), Some(translator));
        merge(response.headers_mut(), added);
        Ok((session, response))
    }
}
