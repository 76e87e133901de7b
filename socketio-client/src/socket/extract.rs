//! Extractors that only clients have. `socketio-events` has those that clients and servers share.

use socketio_events::extract::{Context, Extract, HandlerSocket};

use super::Socket;
use super::context::{ConnectErrorContext, DisconnectContext};
use crate::disconnect_reason::DisconnectReason;
use crate::error::{ConnectError, ExtractError, HandlerError};

impl HandlerSocket for Socket {
    fn report_mismatch(&self, event: &str, source: ExtractError) {
        self.report(&HandlerError::Extract { event: event.to_owned(), source });
    }
}

impl<C: Context<Socket = Self>> Extract<C> for Socket {
    fn extract(context: &mut C) -> Result<Self, ExtractError> {
        Ok(context.socket().clone())
    }
}

impl Extract<DisconnectContext> for DisconnectReason {
    fn extract(context: &mut DisconnectContext) -> Result<Self, ExtractError> {
        Ok(context.reason.clone())
    }
}

impl Extract<ConnectErrorContext> for ConnectError {
    fn extract(context: &mut ConnectErrorContext) -> Result<Self, ExtractError> {
        Ok(context.reason.clone())
    }
}
