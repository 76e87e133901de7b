//! The parts that all formats share.

mod draft;
mod read;
mod sockets;
mod values;
mod write;

use std::sync::Arc;

pub(crate) use draft::Draft;
pub use draft::Head;
pub(crate) use read::{Parts, check_size, for_clients, read_array, read_object, type_number};
pub(crate) use sockets::write_sockets;
pub(crate) use values::{join_id, json_text};
pub(crate) use write::{capacity, check_written, operation, options, packet, rooms, rooms_to_join};

use crate::id::{EMITTER, NodeId};
use crate::message::Message;

/// A received message with what stands around it.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The sender; `None` if the message does not say, as some of the emitters' messages.
    pub from: Option<NodeId>,
    /// The namespace; `None` if the message does not say.
    pub namespace: Option<Arc<str>>,
    /// The message.
    pub message: Message,
}

/// The sender of a message.
#[derive(Clone, Copy, Debug)]
pub enum Sender<'a> {
    /// A node of the cluster.
    Node(&'a NodeId),
    /// A process outside of the cluster, which has no clients and receives no answers. Its messages have the
    /// form of the official emitters'.
    Emitter,
}

impl<'a> Sender<'a> {
    pub(crate) fn uid(self) -> &'a str {
        match self {
            Self::Node(node) => node.as_str(),
            Self::Emitter => EMITTER,
        }
    }

    pub(crate) fn is_emitter(self) -> bool {
        matches!(self, Self::Emitter)
    }
}
