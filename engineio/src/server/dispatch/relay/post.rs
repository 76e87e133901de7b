//! POSTs of polling for a session that another node has.

use http::{Response, StatusCode};

use super::ticket::Asked;
use super::{Elsewhere, unknown};
use crate::close_reason::{CloseReason, Fault};
use crate::config::Transport;
use crate::outbox::received::ReceivedBytes;
use crate::polling::{self, PayloadForm};
use crate::protocol::packet::{Packet, Protocol};
use crate::server::dispatch::Checked;
use crate::server::dispatch::post::{body_fault, is_binary, is_coded, unwrap_form};
use crate::server::peers::{Access, PeerMessage};
use crate::server::request::body::CollectError;
use crate::server::request::request_error::RequestError;
use crate::server::response::body::Body;
use crate::server::response::{status, unavailable};
use crate::server::shared::Shared;

impl Shared {
    /// Passes the packets of a POST to another node. They are read and decoded here, with the limits of
    /// this server.
    pub(super) async fn relay_post<B: http_body::Body>(
        &self,
        request: &Checked<'_>,
        body: B,
        session: Elsewhere,
    ) -> Result<Response<Body>, RequestError> {
        let headers = &request.parts.headers;
        if is_binary(headers) {
            session.end(CloseReason::TransportError(Fault::InvalidContent));
            return Ok(status(StatusCode::BAD_REQUEST));
        }
        if is_coded(headers) {
            session.end(CloseReason::ParseError);
            return Ok(status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let mut held = ReceivedBytes::new(&self.received);
        let collecting = self.collect_post(headers, body, &mut held);
        let body = match tokio::time::timeout(self.options.body_timeout, collecting).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => return Ok(session.refuse_body(error)),
            Err(_) => {
                session.end(CloseReason::TransportError(Fault::PostAborted));
                return Ok(status(StatusCode::REQUEST_TIMEOUT));
            }
        };
        let Some(payload) = unwrap_form(request, body) else { return Ok(self.post_response(request)) };
        let form = PayloadForm::Text(Protocol::V4);
        let packets = polling::packets(payload, form, self.config.max_packets_per_payload);
        let Ok(packets) = packets.collect::<Result<Vec<Packet>, _>>() else {
            session.end(CloseReason::ParseError);
            return Ok(status(StatusCode::BAD_REQUEST));
        };

        let linked = &session.linked;
        let (carried, following) =
            if linked.link.has_extensions() { (packets, Vec::new()) } else { (Vec::new(), packets) };
        // The answer to a POST waits until its packets are handled, as that of a session here.
        let waits_for_handler = !carried.is_empty() && session.to.is_some();
        let mut patience = linked.settings.response_timeout;
        if waits_for_handler {
            patience = patience.max(self.options.body_timeout);
        }
        let asked = Asked::lock(&session, Transport::Polling, Access::Write, carried);
        let Ok(asked) = asked else { return Ok(unavailable()) };
        let owner = match asked.answer(patience).await {
            Ok(Some(owner)) => owner,
            Err(_) if waits_for_handler => {
                // The packets may have arrived or not.
                session.end(CloseReason::TransportError(Fault::PostAborted));
                return Err(unknown(session.sid.as_str()));
            }
            Ok(None) | Err(_) => return Err(unknown(session.sid.as_str())),
        };
        for packet in following {
            linked.link.send(Some(&owner), PeerMessage::Packet { sid: session.sid.clone(), packet });
        }
        Ok(self.post_response(request))
    }
}

impl Elsewhere {
    /// Ends the session because of this request.
    fn end(&self, reason: CloseReason) {
        self.send(PeerMessage::Close { sid: self.sid.clone(), reason });
    }

    /// The response to a POST whose body was not accepted. As with a session here, the packets in it are
    /// lost, so the session ends.
    fn refuse_body(&self, error: CollectError) -> Response<Body> {
        let Some((fault, code)) = body_fault(error) else { return unavailable() };
        self.end(CloseReason::TransportError(fault));
        status(code)
    }
}
