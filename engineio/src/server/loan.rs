//! What a polling answer holds of a session's memory, from when it is made until the client has taken it.
//!
//! A client may take as long as it likes for an answer, and ask for the next one over another connection meanwhile. So
//! what is in answers counts towards the session's limit, like what a WebSocket has not taken.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::outbox::Outbox;

/// A smaller answer costs no more than the connection that it is written to, and is not counted.
const COUNTED: usize = 16 * 1024;

/// Whoever has the outbox that such bytes came out of.
pub(crate) trait Lender: Send + Sync {
    fn outbox(&self) -> &Outbox;
}

/// Bytes of one answer. They are given back when this is dropped.
pub(crate) struct Loan {
    lender: Arc<dyn Lender>,
    bytes: usize,
}

impl Loan {
    /// Counts an answer of so many bytes.
    pub(crate) fn new<L: Lender + 'static>(lender: &Arc<L>, bytes: usize) -> Option<Self> {
        if bytes < COUNTED {
            return None;
        }
        lender.outbox().lend(bytes);
        Some(Self { lender: Arc::clone(lender) as _, bytes })
    }

    /// Ties it to the bytes of the answer, whoever writes them: the last one who holds them gives them back.
    pub(crate) fn attach(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Lent { body, _loan: self })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.lender.outbox().give_back(self.bytes);
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan({})", self.bytes)
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
