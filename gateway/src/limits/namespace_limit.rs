//! Limit of the namespaces that one connection joins.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use engineio::Sid;
use engineio::sync::Mutex;
use socketio_server::{ConnectError, Namespace, Socket};

use crate::auth::refusal::Refusal;
use crate::stats::counters::LabelledCounters;

/// Limit, and the number of namespaces that each connection has joined.
#[derive(Debug)]
pub(crate) struct NamespaceLimit {
    /// 0 means unlimited.
    max: u32,
    joined: Mutex<HashMap<Sid, u32>>,
    refused: Arc<LabelledCounters>,
}

/// Permit of a connection for one namespace, released on drop.
#[derive(Debug)]
struct Permit {
    limit: Arc<NamespaceLimit>,
    session: Sid,
}

impl NamespaceLimit {
    pub(crate) fn new(max: u32, refused: &Arc<LabelledCounters>) -> Arc<Self> {
        Arc::new(Self { max, joined: Mutex::default(), refused: Arc::clone(refused) })
    }

    /// Registers the middleware that enforces the limit.
    pub(crate) fn register(self: &Arc<Self>, namespace: &Namespace) {
        if self.max == 0 {
            return;
        }
        let limit = Arc::clone(self);
        namespace.middleware(move |socket: Socket| {
            let admitted = limit.admit(&socket);
            async move { admitted }
        });
        namespace.on_disconnect(|socket: Socket| async move {
            socket.extensions().remove::<Arc<Permit>>();
        });
    }

    fn admit(self: &Arc<Self>, socket: &Socket) -> Result<(), ConnectError> {
        let permit = self.acquire(socket.session().id()).inspect_err(|_| self.refused.add("namespaces"))?;
        socket.extensions().insert(Arc::new(permit));
        Ok(())
    }

    fn acquire(self: &Arc<Self>, session: &Sid) -> Result<Permit, Refusal> {
        let mut joined = self.joined();
        let number = joined.get(session).copied().unwrap_or_default();
        if number >= self.max {
            return Err(Refusal::TooManyNamespaces);
        }
        joined.insert(session.clone(), number + 1);
        Ok(Permit { limit: Arc::clone(self), session: session.clone() })
    }

    /// Locks the counts. No change can be interrupted, so a poisoned lock is still consistent.
    fn joined(&self) -> MutexGuard<'_, HashMap<Sid, u32>> {
        self.joined.lock()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut joined = self.limit.joined();
        match joined.get_mut(&self.session) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(joined.remove(&self.session)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_acquired_and_released() {
        let limit = NamespaceLimit::new(2, &Arc::default());
        let [one, other] = [1, 2].map(|session| Sid::from_random([session; 16]));
        let first = limit.acquire(&one).unwrap();
        let second = limit.acquire(&one).unwrap();
        assert_eq!(limit.acquire(&one).err(), Some(Refusal::TooManyNamespaces));
        let another = limit.acquire(&other).unwrap();
        drop(first);
        let third = limit.acquire(&one).unwrap();
        drop((second, third, another));
        assert!(limit.joined().is_empty());
    }
}
