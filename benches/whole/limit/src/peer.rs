//! The other side of a connection: any task writes to it, directly if its queue is empty.

use std::io::{ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::tcp::OwnedWriteHalf;

/// Number of buffers per write.
const PIECES: usize = 64;

pub struct Peer {
    pub number: usize,
    socket: OwnedWriteHalf,
    /// Data that the socket has not accepted.
    unsent: Mutex<Vec<u8>>,
    /// Data that is written at the end of the turn.
    kept: Mutex<Vec<Arc<[u8]>>>,
}

impl Peer {
    pub fn new(number: usize, socket: OwnedWriteHalf) -> Arc<Self> {
        Arc::new(Self { number, socket, unsent: Mutex::default(), kept: Mutex::default() })
    }

    /// Writes at once, or queues behind earlier data.
    pub fn send(self: &Arc<Self>, bytes: &[u8]) {
        self.write(&[IoSlice::new(bytes)]);
    }

    /// Queues frames for the end of the turn; returns whether they are the first.
    pub fn keep(&self, frames: &Arc<[u8]>) -> bool {
        let mut kept = lock(&self.kept);
        kept.push(Arc::clone(frames));
        kept.len() == 1
    }

    pub fn send_kept(self: &Arc<Self>) {
        let kept = std::mem::take(&mut *lock(&self.kept));
        for pieces in kept.chunks(PIECES) {
            let mut slices = [IoSlice::new(&[]); PIECES];
            slices.iter_mut().zip(pieces).for_each(|(slice, piece)| *slice = IoSlice::new(piece));
            self.write(&slices[..pieces.len()]);
        }
    }

    fn write(self: &Arc<Self>, pieces: &[IoSlice<'_>]) {
        let mut unsent = lock(&self.unsent);
        let was_empty = unsent.is_empty();
        let mut written = 0;
        if was_empty {
            match self.socket.try_write_vectored(pieces) {
                Ok(len) => written = len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
        for piece in pieces {
            let skip = written.min(piece.len());
            written -= skip;
            unsent.extend_from_slice(&piece[skip..]);
        }
        if was_empty && !unsent.is_empty() {
            tokio::spawn(Arc::clone(self).drain());
        }
    }

    /// Writes the rest as the socket accepts it.
    async fn drain(self: Arc<Self>) {
        while self.socket.writable().await.is_ok() {
            let mut unsent = lock(&self.unsent);
            match self.socket.try_write(&unsent) {
                Ok(len) => drop(unsent.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
            if unsent.is_empty() {
                *unsent = Vec::new();
                return;
            }
        }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
