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
        let binary = is(headers, header::CONTENT_TYPE, "application/octet-stream");
        let form = match (session.protocol(), binary) {
            (Protocol::V3, true) => PayloadForm::BinaryV3,
            (Protocol::V4, true) => {
                session.abort_with(CloseReason::TransportError(Fault::InvalidContent));
                return Ok(status(StatusCode::BAD_REQUEST));
            }
            (protocol, false) => PayloadForm::Text(protocol),
        };
        // No client compresses its POSTs. A body with an unknown coding must not be parsed as text.
        if headers.contains_key(header::CONTENT_ENCODING)
            && !is(headers, header::CONTENT_ENCODING, "identity")
        {
            session.abort_with(CloseReason::ParseError);
            return Ok(status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let unwrap = |body: Bytes| match (&request.handshake.jsonp, form) {
            // A form that is not UTF-8, or has no payload, contains no packets.
            (Some(_), PayloadForm::Text(_)) => jsonp::decode(&body).ok().flatten().map(Text::into_bytes),
            _ => Some(body),
        };

        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        // Until the session has handled the packets.
        let mut held = session.received_bytes();
        let limits = Limits { bytes: self.config.max_payload, pieces: self.config.max_chunks };
        let mut collecting = pin!(collect(body, announced, limits, &mut held));
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

    fn post_response(&self, request: &Checked<'_>) -> Response<Body> {
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
    let (fault, code) = match error {
        CollectError::ServerFull => return unavailable(),
        CollectError::TooLarge => (Fault::PayloadTooLarge, StatusCode::PAYLOAD_TOO_LARGE),
        CollectError::TooManyPieces => (Fault::TooManyChunks, StatusCode::PAYLOAD_TOO_LARGE),
        CollectError::Aborted => (Fault::PostAborted, StatusCode::BAD_REQUEST),
    };
    session.abort_with(CloseReason::TransportError(fault));
    status(code)
}

fn is(headers: &HeaderMap, name: header::HeaderName, value: &str) -> bool {
    headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
}
