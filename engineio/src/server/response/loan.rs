//! The memory of polling responses, counted from the creation of a response until the client has taken it.
//!
//! A client may read a response as slowly as it likes, and poll again on another connection meanwhile.
//! Responses therefore count towards the session's limit, as bytes do that a WebSocket peer has not taken.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::outbox::Outbox;

/// The smallest response that counts. A smaller one costs no more than the connection that carries it.
const COUNTED: usize = 16 * 1024;

/// The owner of the outbox from which the bytes were taken.
pub(crate) trait Lender: Send + Sync {
    fn outbox(&self) -> &Outbox;
}

/// The bytes of one response. They are returned to the outbox on drop.
pub(crate) struct Loan {
    lender: Arc<dyn Lender>,
    bytes: usize,
}

impl Loan {
    /// Counts a response of `bytes` bytes.
    pub(crate) fn new<L: Lender + 'static>(lender: &Arc<L>, bytes: usize) -> Option<Self> {
        if bytes < COUNTED {
            return None;
        }
        lender.outbox().lend(bytes);
        Some(Self { lender: Arc::clone(lender) as _, bytes })
    }

    /// Ties the loan to the bytes of the response. The loan ends when the last holder of the bytes drops
    /// them.
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
