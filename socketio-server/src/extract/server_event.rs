//! The context of events between the servers of a cluster (`serverSideEmit`).

use socketio_events::extract::{AckSlot, Carrier, Extract};
use socketio_events::handler::Incoming;
use socketio_parser::Event;

use super::{Stateful, sealed};
use crate::cluster::server_event::ServerEvent;
use crate::error::ExtractError;
use crate::extensions::Extensions;
use crate::socket::AckSender;
use crate::trace;

/// An event of another server.
#[derive(Clone, Debug)]
pub struct ServerEventContext {
    event: ServerEvent,
    /// Index of the argument that the next `Data` takes.
    next_argument: usize,
    ack: AckSlot<AckSender>,
}

impl ServerEventContext {
    pub(crate) fn new(mut event: ServerEvent) -> Self {
        let parser = event.parser;
        let ack = event.reply.take().map(|reply| AckSender::to_server(reply, parser));
        Self { event, next_argument: 0, ack: AckSlot::new(ack) }
    }

    /// Name of the namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.event.namespace
    }
}

impl sealed::Sealed for ServerEventContext {}

impl Stateful for ServerEventContext {
    fn state(&self) -> &Extensions {
        &self.event.state
    }
}

impl Carrier for ServerEventContext {
    type Ack = AckSender;

    fn event(&self) -> &Event {
        &self.event.event
    }

    fn next_argument(&mut self) -> usize {
        let next = self.next_argument;
        self.next_argument += 1;
        next
    }

    fn take_ack(&mut self) -> Option<AckSender> {
        self.ack.take()
    }
}

impl Incoming for ServerEventContext {
    fn ack_slot(&mut self) -> &mut AckSlot<AckSender> {
        &mut self.ack
    }

    fn report_mismatch(&self, error: ExtractError) {
        trace::server_event_failed(&self.event.namespace, self.event.event.name(), &error.to_string());
    }
}

/// `None` if no acknowledgement was requested.
impl Extract<ServerEventContext> for Option<AckSender> {
    fn extract(context: &mut ServerEventContext) -> Result<Self, ExtractError> {
        Ok(context.take_ack())
    }
}
