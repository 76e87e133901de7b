//! The handshake of a client that speaks Engine.IO, and the start of a session's task.

use std::sync::Arc;

use http::{Response, header};

use super::Checked;
use super::register::PendingSession;
use crate::config::Transport;
use crate::polling;
use crate::protocol::open::OpenPacket;
use crate::protocol::packet::{PacketType, Protocol};
use crate::protocol::prepared::{Dialect, Prepared};
use crate::server::driver::Driver;
use crate::server::driver::websocket_carrier::WebSocketCarrier;
use crate::server::request::head::RequestHead;
use crate::server::request::request_error::RequestError;
use crate::server::response::body::Body;
use crate::server::session::handle::Session;
use crate::server::session::translator::Translator;
use crate::server::shared::Shared;
use crate::server::trace;
use crate::session::Machine;
use crate::websocket::accept;

impl Shared {
    /// Opens a session.
    pub(crate) async fn open(
        self: &Arc<Self>,
        mut request: Checked<'_>,
    ) -> Result<Response<Body>, RequestError> {
        let Checked { parts, query, transport, .. } = request;
        let protocol = request.handshake.protocol;
        if protocol == Protocol::V3 && !self.config.allow_eio3 {
            return Err(RequestError::UnsupportedProtocolVersion { protocol: 3 });
        }
        let switching = match transport {
            Transport::WebSocket => match accept::accept(parts, self.config.per_message_deflate) {
                Ok(switching) => Some(switching),
                Err(error) => return Ok(error.into_response().map(|()| Body::default())),
            },
            Transport::Polling => None,
        };
        let dialect = Dialect { protocol, base64: request.handshake.base64 };
        let head = RequestHead::of(parts, query.clone(), &self.kept_extensions);
        let pending = match self.register(parts, head, transport, dialect).await? {
            Ok(pending) => pending,
            Err(answer) => return Ok(answer),
        };
        let session = &pending.session;
        let mut greeting = vec![self.open_packet(session)];
        greeting.extend(self.options.initial_packet.clone().map(Prepared::from));
        greeting.iter().for_each(|packet| session.created(packet));

        let deflate = switching.as_ref().and_then(|(_, deflate)| *deflate);
        let mut response = match switching {
            Some((switching, _)) => {
                for message in greeting {
                    session.outbox().push_control(message);
                }
                switching.map(|()| Body::default())
            }
            None => {
                // Nothing can be sent before the first GET of the client.
                session.outbox().set_blocked(true);
                let answer = polling::answer(session.dialect(), &greeting, &[]);
                let mut response = self.poll_response(&request, answer.into()).await;
                if let Some(cookie) = &self.options.cookie {
                    response
                        .headers_mut()
                        .append(header::SET_COOKIE, cookie.serialize(session.id().as_str()));
                }
                response
            }
        };
        self.decorate(parts, &mut response, true);
        let carrier =
            request.upgrading.take().map(|upgrading| self.websocket(upgrading, &pending.session, deflate));
        self.begin(pending, carrier, None);
        Ok(response)
    }

    /// Starts the task of a session.
    pub(crate) fn begin(
        self: &Arc<Self>,
        pending: PendingSession,
        carrier: Option<Box<WebSocketCarrier>>,
        translator: Option<Box<dyn Translator>>,
    ) {
        let session = &pending.session;
        session.set_plan(carrier.as_ref().and_then(|websocket| websocket.plan_ahead()));
        let announced = self.announce(session);
        let (protocol, transport) = (session.protocol(), session.transport());
        let machine = Machine::new(Arc::clone(&self.config), protocol, transport, pending.opened);
        let (session, address) = pending.keep();
        let span = trace::span(&session);
        let driver = Driver::new(session, machine, announced, Arc::clone(self), carrier, address, translator);
        tokio::spawn(trace::within(span, driver));
    }

    fn open_packet(&self, session: &Session) -> Prepared {
        let mut json = Vec::with_capacity(128);
        OpenPacket::new(session.id(), session.transport(), &self.config).encode(&mut json);
        Prepared::control(PacketType::Open, &json)
    }
}
