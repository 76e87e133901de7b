//! A message whose event has not been read yet.

use std::sync::Arc;

use super::{Envelope, Parts};
use crate::error::DecodeError;
use crate::id::NodeId;
use crate::limits::Limits;
use crate::target::Target;

/// A message whose event is not read yet. The other parts are read first, because the event is the larger
/// part of the work.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The sender.
    pub from: Option<&'a str>,
    /// The namespace.
    pub namespace: Option<&'a str>,
    /// The number of the message: [`Message::kind`](crate::Message::kind).
    pub kind: u32,
    /// The selected sockets, if the message selects any.
    pub target: Option<&'a Target>,
    /// Whether the sender expects an answer, or the message is one.
    pub is_request: bool,
}

/// The parts of a message. Its structure has been checked, its event has not.
pub(crate) struct Draft {
    pub(crate) kind: u32,
    pub(crate) from: Option<Arc<str>>,
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) parts: Parts,
}

impl Draft {
    pub(crate) fn finish(self, limits: &Limits) -> Result<Envelope, DecodeError> {
        Ok(Envelope {
            from: self.from.map(|from| NodeId::from(&*from)),
            namespace: self.namespace,
            message: self.parts.message(self.kind, limits)?,
        })
    }

    /// The message, if it is wanted.
    pub(crate) fn finish_if(
        self,
        wanted: impl FnOnce(&Head<'_>) -> bool,
        limits: &Limits,
    ) -> Result<Option<Envelope>, DecodeError> {
        let head = Head {
            from: self.from.as_deref(),
            namespace: self.namespace.as_deref(),
            kind: self.kind,
            target: self.parts.target(),
            is_request: self.parts.request.is_some(),
        };
        if wanted(&head) { self.finish(limits).map(Some) } else { Ok(None) }
    }
}
