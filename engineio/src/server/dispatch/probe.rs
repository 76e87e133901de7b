//! A WebSocket that requests to take a polling session over.

use http::Response;
use tokio::sync::oneshot;

use super::{Checked, session_ended};
use crate::server::request::request_error::{BadRequest, RequestError};
use crate::server::response::body::Body;
use crate::server::session::command::Command;
use crate::server::session::handle::Session;
use crate::server::shared::Shared;
use crate::websocket::accept;

impl Shared {
    /// A WebSocket wants to take a polling session over.
    pub(crate) async fn probe(
        &self,
        mut request: Checked<'_>,
        session: &Session,
    ) -> Result<Response<Body>, RequestError> {
        let (switching, deflate) = match accept::accept(request.parts, self.config.per_message_deflate) {
            Ok(accepted) => accepted,
            Err(error) => return Ok(error.into_response().map(|()| Body::default())),
        };
        let Some(upgrading) = request.upgrading.take() else {
            return Err(BadRequest::TransportHandshake.into());
        };
        let (answer, accepted) = oneshot::channel();
        session.command(Command::Probe(answer, upgrading, deflate));
        if accepted.await.is_err() {
            return Err(session_ended(session));
        }
        let mut response = switching.map(|()| Body::default());
        self.decorate(request.parts, &mut response, false);
        Ok(response)
    }
}
