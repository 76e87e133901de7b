//! WebSockets whose opening handshake another server has answered.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::translated::OpenError;
use crate::io::{Io, Upgrading};
use crate::server::Server;

impl Server {
    /// Accepts a WebSocket that another server has opened: `stream` is the connection behind its response of
    /// 101, and `request` the request before it, with its headers. It opens a session, or upgrades the one
    /// that the request names.
    ///
    /// The request passes all checks of a request for a WebSocket, on any path. The response of 101 must name
    /// no extension, and no subprotocol but the first one that the client offers.
    ///
    /// # Errors
    ///
    /// The request is refused. The stream is dropped then, as the client has its 101 already.
    pub async fn accept_upgraded<S>(&self, request: Request<()>, stream: S) -> Result<(), OpenError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (handover, upgrading) = oneshot::channel();
        let request = request.map(|()| http_body_util::Empty::<Bytes>::new());
        // The receiver exists, so this cannot fail.
        let _ = handover.send((Io::new(stream), Bytes::new()));
        let response = Arc::clone(&self.0).respond(request, Some(Upgrading::Own(upgrading))).await;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            Ok(())
        } else {
            Err(OpenError::Refused(Box::new(response)))
        }
    }
}
