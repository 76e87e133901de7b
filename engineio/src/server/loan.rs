//! What a polling answer holds of a session's memory, from when it is made until the client has taken it.
//!
//! A client may take as long as it likes for an answer, and ask for the next one over another connection meanwhile. So
//! what is in answers counts towards the session's limit, like what a WebSocket has not taken.

use bytes::Bytes;

use super::session::Session;

/// A smaller answer costs no more than the connection that it is written to, and is not counted.
const COUNTED: usize = 16 * 1024;

/// Bytes of one answer. They are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    session: Session,
    bytes: usize,
}

impl Loan {
    /// Counts an answer of so many bytes.
    pub(crate) fn new(session: &Session, bytes: usize) -> Option<Self> {
        if bytes < COUNTED {
            return None;
        }
        session.outbox().lend(bytes);
        Some(Self { session: session.clone(), bytes })
    }

    /// Ties it to the bytes of the answer, whoever writes them: the last one who holds them gives them back.
    pub(crate) fn attach(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Lent { body, _loan: self })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.session.outbox().give_back(self.bytes);
    }
}

struct Lent {
    body: Bytes,
    _loan: Loan,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
