//! A connection: one task reads; other tasks write to it directly if its queue is empty.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::connection::Connection;
use crate::hub::{Hub, lock};

/// Number of buffers per write.
const PIECES: usize = 64;

thread_local! {
    /// The read buffer of a worker, and its buffer for responses.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; 64 * 1024], Vec::new()));
}

pub struct Peer {
    pub number: usize,
    socket: OwnedWriteHalf,
    /// Data that the socket has not accepted.
    unsent: Mutex<Vec<u8>>,
    /// Data that is written at the end of the turn.
    kept: Mutex<Vec<Arc<[u8]>>>,
}

/// Serves one connection until it ends.
pub async fn run(hub: Arc<Hub>, stream: TcpStream) {
    let (mut reader, socket) = stream.into_split();
    let peer =
        Arc::new(Peer { number: hub.number(), socket, unsent: Mutex::default(), kept: Mutex::default() });
    let mut connection = Connection::new(Arc::clone(&peer), Arc::clone(&hub));
    let mut partial = Vec::new();
    poll_fn(|cx| {
        loop {
            let read = BUFFERS.with_borrow_mut(|(scratch, out)| {
                let mut buf = ReadBuf::new(scratch);
                match Pin::new(&mut reader as &mut OwnedReadHalf).poll_read(cx, &mut buf) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Ready(Ok(())) if buf.filled().is_empty() => return Poll::Ready(None),
                    Poll::Ready(Ok(())) => {}
                }
                out.clear();
                let handled = handle(&mut connection, &mut partial, buf.filled_mut(), out);
                if !out.is_empty() {
                    peer.send(out);
                }
                Poll::Ready(handled)
            });
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return Poll::Ready(()),
            }
        }
    })
    .await;
    hub.leave(&peer, connection.rooms());
}

/// Handles a read together with the rest of the previous one; `None` is the end.
fn handle(
    connection: &mut Connection,
    partial: &mut Vec<u8>,
    read: &mut [u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    if partial.is_empty() {
        let used = connection.handle(read, out)?;
        partial.extend_from_slice(&read[used..]);
    } else {
        partial.extend_from_slice(read);
        let used = connection.handle(partial, out)?;
        partial.drain(..used);
        if partial.is_empty() {
            *partial = Vec::new();
        }
    }
    Some(())
}

impl Peer {
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
