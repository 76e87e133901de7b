//! Emits to one socket.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use engineio::Prepared;
use socketio_cluster::{Flags, Message};
use socketio_events::emit::{EmitOptions, EmitTo, EmitWhenReady};
use socketio_parser::{RawArgs, ToArgs};
use tokio::sync::oneshot;

use super::Socket;
use crate::acks::{AckRefused, AckWaiter};
use crate::encode::{self, Marks};
use crate::error::{AckError, EmitError};
use crate::recovery::DirectQueue;
use crate::rooms::Target;

/// Emit to one socket: see [`Socket::volatile`], [`Socket::compress`] and [`Socket::timeout`].
pub type Emitter = socketio_events::emit::Emitter<Socket>;

impl EmitTo for Socket {
    type Error = EmitError;

    fn emit_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> Result<(), EmitError> {
        let node = &self.namespace_state().node;
        let Some(log) = node.log().filter(|_| !options.volatile) else {
            return self.emit_now(options, None, event, args);
        };
        // The application's `Serialize` must not run under the lock of the log.
        let event = encode::to_event(node.parser(), event, args)?;
        if node.has_outgoing() {
            self.notify_outgoing(&event);
        }
        // A recoverable event needs an offset and is kept, like a broadcast, also while the client is away.
        let has_left = !self.is_connected();
        if has_left && !self.is_away() {
            return Err(engineio::SendError::Closed.into());
        }
        let target = Target { rooms: vec![self.shared_id()], except: Vec::new() };
        if node.ordered_log().is_some() {
            let mut flags = Flags::default();
            flags.compress = options.compress;
            node.check_attachments(&event)?;
            let message = Message::Broadcast { target, flags, event, request: None };
            let marks = Marks { note: None, conflation_key: options.conflation_key };
            return node.emit_in_order(message, marks, &self.direct_queue(), has_left);
        }
        let mut sent = Ok(());
        log.emit(
            &target,
            || !has_left,
            |offset| {
                let (name, args) = (event.name(), event.args());
                let message = encode::event(node.parser(), node.name(), None, name, args, Some(offset))?;
                node.acceptable(with_options(message, options))
            },
            |message| {
                if !has_left {
                    let message = self.convert(message).map_err(EmitError::from);
                    sent = message.and_then(|message| self.send_prepared(message, false));
                }
            },
        )?;
        sent
    }

    async fn emit_with_ack_args_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> Result<RawArgs, AckError> {
        let namespace = self.namespace_state();
        let id = namespace.node.next_ack_id();
        let (sender, answer) = oneshot::channel();
        let max = namespace.config.max_pending_acks;
        self.acks().expect(id, AckWaiter::One(sender), max).map_err(|refused| match refused {
            AckRefused::Closed => AckError::Disconnected,
            AckRefused::TooMany => AckError::TooMany,
        })?;
        let _forget = Forget { socket: self, id };
        self.emit_now(options, Some(id), event, args)?;
        match tokio::time::timeout(options.timeout.unwrap_or(namespace.config.ack_timeout), answer).await {
            Ok(Ok(args)) => Ok(args),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => Err(AckError::Timeout),
        }
    }
}

impl EmitWhenReady for Socket {
    async fn emit_when_ready_with<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        event: &str,
        args: &A,
    ) -> Result<(), EmitError> {
        let node = &self.namespace_state().node;
        if node.log().is_some() {
            // The offset is assigned after the wait, so that offsets are in order.
            self.session().drained().await?;
            return self.emit_with(options, event, args);
        }
        if !self.is_connected() {
            return Err(engineio::SendError::Closed.into());
        }
        self.notify_outgoing_args(event, args)?;
        let message = encode::event(self.parser(), node.name(), None, event, args, None)?;
        let message = self.finish(node.acceptable(message)?)?;
        let mut sending = pin!(self.session().send_when_ready(with_options(message, options)));
        // The client may leave the namespace during the wait, and join again as a new socket.
        let sent = poll_fn(|cx| match self.is_connected() {
            true => sending.as_mut().poll(cx),
            false => Poll::Ready(Err(engineio::SendError::Closed)),
        });
        Ok(sent.await?)
    }
}

fn with_options(message: Prepared, options: EmitOptions) -> Prepared {
    let message = message.compress(options.compress);
    match options.conflation_key {
        Some(key) => message.conflate_by(key),
        None => message,
    }
}

impl Socket {
    /// Sends an event without a place in the recovery log.
    fn emit_now<A: ToArgs + ?Sized>(
        &self,
        options: EmitOptions,
        ack_id: Option<u64>,
        event: &str,
        args: &A,
    ) -> Result<(), EmitError> {
        self.notify_outgoing_args(event, args)?;
        let node = &self.namespace_state().node;
        let message = encode::event(self.parser(), node.name(), ack_id, event, args, None)?;
        let message = with_options(self.finish(node.acceptable(message)?)?, options);
        match self.direct() {
            // Earlier emits may be on their way through the medium of the cluster.
            Some(direct) if self.is_connected() => Ok(direct.send(message, options.volatile)?),
            _ => self.send_prepared(message, options.volatile),
        }
    }

    /// Whether the client has disconnected and may be recovered.
    fn is_away(&self) -> bool {
        let node = &self.namespace_state().node;
        let Some((pid, since)) = self.away() else { return false };
        match (node.ordered_log(), node.log()) {
            (Some(ordered), _) => since < ordered.settings().max_disconnection_duration,
            (None, Some(log)) => log.is_away(&pid),
            (None, None) => false,
        }
    }

    /// The order of emits to this socket, if some went through the medium of the cluster.
    fn direct(&self) -> Option<Arc<DirectQueue>> {
        self.namespace_state().node.ordered_log()?;
        self.extras(|extras| extras.direct.clone())?
    }

    fn direct_queue(&self) -> Arc<DirectQueue> {
        let make = || Arc::new(DirectQueue::new(self.session().clone()));
        self.direct().unwrap_or_else(|| {
            self.change_extras(|extras| Arc::clone(extras.direct.get_or_insert_with(make)))
        })
    }

    /// Delivers the emits that are on their way through the medium of the cluster, before the socket is disconnected.
    pub(super) fn finish_direct(&self) {
        if let Some(direct) = self.direct() {
            self.namespace_state().node.apply_now(direct.on_their_way());
        }
    }

    fn notify_outgoing_args<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let node = &self.namespace_state().node;
        if node.has_outgoing() {
            self.notify_outgoing(&encode::to_event(node.parser(), event, args)?);
        }
        Ok(())
    }
}

/// Removes the pending acknowledgement on drop, also of a cancelled future.
struct Forget<'a> {
    socket: &'a Socket,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.socket.acks().forget(self.id);
    }
}
