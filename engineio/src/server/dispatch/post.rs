//! POSTs of polling: the body within its limits, and the packets in it for the session.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::sync::oneshot;

use super::poll::polling_headers;
use super::{Checked, session_ended};
use crate::close_reason::{CloseReason, Fault};
use crate::outbox::received::ReceivedBytes;
use crate::polling::PayloadForm;
use crate::protocol::packet::Protocol;
use crate::protocol::payload::jsonp;
use crate::protocol::text::Text;
use crate::server::request::body::{CollectError, Limits, collect};
use crate::server::request::request_error::RequestError;
use crate::server::response::body::Body;
use crate::server::response::{status, unavailable};
use crate::server::session::command::{Command, PostAnswer, PostBody};
use crate::server::session::handle::Session;
use crate::server::shared::Shared;

impl Shared {
    /// Passes the packets of a POST to the session.
    pub(crate) async fn post<B: http_body::Body>(
        &self,
        request: Checked<'_>,
        session: &Session,
        body: B,
    ) -> Result<Response<Body>, RequestError> {
        let headers = &request.parts.headers;
        let form = match (session.protocol(), is_binary(headers)) {
            (Protocol::V3, true) => PayloadForm::BinaryV3,
            (Protocol::V4, true) => {
                session.abort_with(CloseReason::TransportError(Fault::InvalidContent));
                return Ok(status(StatusCode::BAD_REQUEST));
            }
            (protocol, false) => PayloadForm::Text(protocol),
        };
        if is_coded(headers) {
            session.abort_with(CloseReason::ParseError);
            return Ok(status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let unwrap = |body: Bytes| match form {
            PayloadForm::Text(_) => unwrap_form(&request, body),
            PayloadForm::BinaryV3 => Some(body),
        };

        // Until the session has handled the packets.
        let mut held = session.received_bytes();
        let mut collecting = pin!(self.collect_post(headers, body, &mut held));
        let (answer, mut answered) = oneshot::channel();
        // Usually the body has arrived with the head. One command is then enough.
        let taken = match poll_fn(|cx| Poll::Ready(collecting.as_mut().poll(cx))).await {
            Poll::Ready(Ok(body)) => {
                let Some(body) = unwrap(body) else { return Ok(self.post_response(&request)) };
                session.command(Command::Post(PostBody::Read(body), form, answer));
                answered.await
            }
            Poll::Ready(Err(error)) => return Ok(refuse_body(session, error)),
            Poll::Pending => {
                let (read, reading) = oneshot::channel();
                session.command(Command::Post(PostBody::Reading(reading), form, answer));
                let collected = tokio::select! {
                    // The session refused the POST because of an overlap, or has ended.
                    _ = &mut answered => return Ok(status(StatusCode::BAD_REQUEST)),
                    collected = tokio::time::timeout(self.options.body_timeout, collecting) => collected,
                };
                match collected {
                    Ok(Ok(body)) => {
                        let Some(body) = unwrap(body) else {
                            let _ = read.send(None);
                            return Ok(self.post_response(&request));
                        };
                        let _ = read.send(Some(body));
                        answered.await
                    }
                    Ok(Err(error)) => {
                        let refused = refuse_body(session, error);
                        let _ = read.send(None);
                        return Ok(refused);
                    }
                    // The dropped sender reports the lost connection to the session.
                    Err(_) => return Ok(status(StatusCode::REQUEST_TIMEOUT)),
                }
            }
        };
        match taken {
            Ok(PostAnswer::Accepted) => Ok(self.post_response(&request)),
            Ok(PostAnswer::Refused) => Ok(status(StatusCode::BAD_REQUEST)),
            Err(_) => Err(session_ended(session)),
        }
    }

    /// Reads the body of a POST within the limits.
    pub(super) async fn collect_post<B: http_body::Body>(
        &self,
        headers: &HeaderMap,
        body: B,
        held: &mut ReceivedBytes,
    ) -> Result<Bytes, CollectError> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let limits = Limits { bytes: self.config.max_payload, pieces: self.config.max_chunks };
        collect(body, announced, limits, held).await
    }

    pub(super) fn post_response(&self, request: &Checked<'_>) -> Response<Body> {
        let mut response = Response::new(Body::from("ok"));
        // Not text/plain, which some browsers offer to download.
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        polling_headers(&request.parts.headers, response.headers_mut());
        self.decorate(request.parts, &mut response, false);
        response
    }
}

/// The response to a POST whose body was not accepted. The packets in it are lost, so the session ends,
/// unless only the server is full: the client may send the body again.
fn refuse_body(session: &Session, error: CollectError) -> Response<Body> {
    let Some((fault, code)) = body_fault(error) else { return unavailable() };
    session.abort_with(CloseReason::TransportError(fault));
    status(code)
}

/// The fault of a session whose POST was not accepted, and the status of the response. `None` if only the
/// server is full.
pub(super) fn body_fault(error: CollectError) -> Option<(Fault, StatusCode)> {
    match error {
        CollectError::ServerFull => None,
        CollectError::TooLarge => Some((Fault::PayloadTooLarge, StatusCode::PAYLOAD_TOO_LARGE)),
        CollectError::TooManyPieces => Some((Fault::TooManyChunks, StatusCode::PAYLOAD_TOO_LARGE)),
        CollectError::Aborted => Some((Fault::PostAborted, StatusCode::BAD_REQUEST)),
    }
}

/// The payload of a body in text form. `None` if it is a form of JSONP that is not UTF-8, or has no
/// payload: it contains no packets.
pub(super) fn unwrap_form(request: &Checked<'_>, body: Bytes) -> Option<Bytes> {
    match &request.handshake.jsonp {
        Some(_) => jsonp::decode(&body).ok().flatten().map(Text::into_bytes),
        None => Some(body),
    }
}

/// Whether a body has a coding. No client compresses its POSTs, and such a body must not be parsed as text.
pub(super) fn is_coded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_ENCODING) && !is(headers, header::CONTENT_ENCODING, "identity")
}

/// Whether a body is binary, which only revision 3 knows.
pub(super) fn is_binary(headers: &HeaderMap) -> bool {
    is(headers, header::CONTENT_TYPE, "application/octet-stream")
}

fn is(headers: &HeaderMap, name: header::HeaderName, value: &str) -> bool {
    headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
}
