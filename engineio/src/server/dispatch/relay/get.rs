//! GETs of polling for a session that another node has.

use http::Response;

use super::ticket::Parked;
use super::{Elsewhere, unknown};
use crate::polling;
use crate::protocol::packet::{PacketType, Protocol};
use crate::protocol::prepared::Dialect;
use crate::server::dispatch::Checked;
use crate::server::peers::packets::prepared;
use crate::server::request::request_error::RequestError;
use crate::server::response::body::Body;
use crate::server::response::unavailable;
use crate::server::shared::Shared;

impl Shared {
    /// A GET waits for the packets of another node.
    pub(super) async fn relay_get(
        &self,
        request: &Checked<'_>,
        session: Elsewhere,
    ) -> Result<Response<Body>, RequestError> {
        let sid = session.sid.clone();
        let patience = self.silence(&session.linked.settings);
        let Ok(mut parked) = Parked::new(session) else { return Ok(unavailable()) };
        if !parked.granted().await {
            return Err(unknown(sid.as_str()));
        }
        let dialect = Dialect { protocol: Protocol::V4, base64: request.handshake.base64 };
        let closed = self.closed.notified();
        let packets = tokio::select! {
            biased;
            packets = parked.packets() => packets,
            // Dropping the entry tells the owner.
            () = async { if !self.is_closed() { closed.await } } => None,
            () = tokio::time::sleep(patience) => None,
        };
        let (answer, delivery) = match packets {
            Some((packets, delivery)) => {
                let packets: Vec<_> = packets.into_iter().map(prepared).collect();
                (polling::answer(dialect, &packets, &[]), Some(delivery))
            }
            // The session has ended for this client, or is out of reach.
            None => (polling::answer(dialect, &[], &[PacketType::Close]), None),
        };
        drop(parked);
        let mut response = self.poll_response(request, answer.into()).await;
        if let Some(delivery) = delivery {
            response = response.map(|body| delivery.attach(body.into_bytes()).into());
        }
        self.decorate(request.parts, &mut response, false);
        Ok(response)
    }
}
