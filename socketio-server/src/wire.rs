//! Connections that encode packets in another way than the server: messages for all are converted for them.

use std::sync::Arc;

use engineio::Prepared;
use socketio_events::message;
use socketio_parser::{ConnectionParser, EncodeError, Parser};

use crate::trace;

/// The parser of a connection that is not the server's.
#[derive(Debug)]
pub(crate) struct Wire {
    /// The server's parser.
    base: Parser,
    own: ConnectionParser,
}

impl Wire {
    /// `None` if the connection uses the server's parser.
    pub(crate) fn new(base: Parser, own: ConnectionParser) -> Option<Arc<Self>> {
        (own != base.into()).then(|| Arc::new(Self { base, own }))
    }

    /// The parser of the connection.
    pub(crate) fn own(&self) -> &ConnectionParser {
        &self.own
    }

    /// The parser with which the packets of this connection are encoded before [`finish`](Self::finish).
    pub(crate) fn parser(&self) -> Parser {
        match &self.own {
            ConnectionParser::BuiltIn(parser) => *parser,
            _ => self.base,
        }
    }

    /// The message for this connection, from one that is encoded with [`parser`](Self::parser).
    pub(crate) fn finish(&self, message: Prepared) -> Result<Prepared, EncodeError> {
        match &self.own {
            ConnectionParser::BuiltIn(_) => Ok(message),
            _ => self.convert(&message),
        }
    }

    /// The message for this connection, from one that is encoded with the server's parser.
    pub(crate) fn convert(&self, message: &Prepared) -> Result<Prepared, EncodeError> {
        message::convert(self.base, &self.own, message)
    }
}

/// A message of a broadcast, converted once for each parser among its receivers.
pub(crate) struct Forms<'a> {
    message: &'a Prepared,
    converted: Vec<(Arc<Wire>, Option<Prepared>)>,
}

impl<'a> Forms<'a> {
    pub(crate) fn new(message: &'a Prepared) -> Self {
        Self { message, converted: Vec::new() }
    }

    /// The message for a connection. `None` if its parser cannot encode the packet, which is logged.
    pub(crate) fn of(&mut self, wire: Option<&Arc<Wire>>) -> Option<&Prepared> {
        let Some(wire) = wire else { return Some(self.message) };
        let at = match self.converted.iter().position(|(known, _)| known.own == wire.own) {
            Some(at) => at,
            None => {
                let converted = wire.convert(self.message);
                let converted = converted.inspect_err(trace::not_converted).ok();
                self.converted.push((Arc::clone(wire), converted));
                self.converted.len() - 1
            }
        };
        self.converted[at].1.as_ref()
    }
}
