//! GETs of polling: the wait for packets, and the response with them.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::sync::oneshot;

use super::{Checked, session_ended};
use crate::polling::PollAnswer;
use crate::protocol::payload::jsonp;
use crate::server::request::request_error::RequestError;
use crate::server::response::body::Body;
use crate::server::response::{compression, status};
use crate::server::session::command::{Command, Polled};
use crate::server::session::handle::Session;
use crate::server::shared::Shared;

/// Size in bytes up to which a response is compressed on the worker thread. Larger ones would delay other
/// sessions.
const COMPRESS_INLINE: usize = 64 * 1024;

impl Shared {
    /// A GET waits for packets.
    pub(crate) async fn poll(
        &self,
        request: Checked<'_>,
        session: &Session,
    ) -> Result<Response<Body>, RequestError> {
        let (answer, answered) = oneshot::channel();
        session.command(Command::Poll(answer));
        match answered.await {
            Ok(Polled { answer: PollAnswer::Refused, .. }) => Ok(status(StatusCode::BAD_REQUEST)),
            Ok(answer) => {
                let mut response = self.poll_response(&request, answer).await;
                self.decorate(request.parts, &mut response, false);
                Ok(response)
            }
            Err(_) => Err(session_ended(session)),
        }
    }

    pub(super) async fn poll_response(&self, request: &Checked<'_>, polled: Polled) -> Response<Body> {
        let Polled { answer, loan } = polled;
        let PollAnswer::Payload { mut body, binary, compress } = answer else {
            return status(StatusCode::BAD_REQUEST);
        };
        let mut response = Response::new(Body::default());
        let content_type = match &request.handshake.jsonp {
            Some(_) => "text/javascript; charset=UTF-8",
            None if binary => "application/octet-stream",
            None => "text/plain; charset=UTF-8",
        };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        polling_headers(&request.parts.headers, response.headers_mut());
        if let Some(index) = &request.handshake.jsonp {
            let mut script = Vec::new();
            jsonp::encode(index, &body, &mut script);
            body = script.into();
        }
        if compress {
            body = self.compress(request, body, response.headers_mut()).await;
        }
        if let Some(loan) = loan {
            body = loan.attach(body);
        }
        *response.body_mut() = Body::from(body);
        response
    }

    async fn compress(&self, request: &Checked<'_>, body: Bytes, headers: &mut HeaderMap) -> Bytes {
        let applying = self.options.compression.filter(|compression| compression.applies_to(body.len()));
        let Some(compression) = applying else { return body };
        let accepted = request.parts.headers.get_all(header::ACCEPT_ENCODING);
        let Some(encoding) = compression::negotiate(accepted) else { return body };
        let compressed = if body.len() <= COMPRESS_INLINE {
            compression.compress(encoding, &body).ok()
        } else {
            let body = body.clone();
            tokio::task::spawn_blocking(move || compression.compress(encoding, &body).ok())
                .await
                .ok()
                .flatten()
        };
        match compressed {
            Some(compressed) => {
                headers.insert(header::CONTENT_ENCODING, encoding.header_value());
                compressed.into()
            }
            None => body,
        }
    }
}

/// Adds the headers of every polling response.
pub(super) fn polling_headers(request: &HeaderMap, response: &mut HeaderMap) {
    response.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A page must not execute a payload as a script.
    response.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Internet Explorer treats a payload that echoes a script of the page as an attack, and alters it.
    let user_agent = request.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    if [&b";MSIE"[..], b"Trident/"].iter().any(|part| memchr::memmem::find(user_agent, part).is_some()) {
        response.insert(header::X_XSS_PROTECTION, HeaderValue::from_static("0"));
    }
}
