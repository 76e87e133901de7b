//! The task of a connection, which reads.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use crate::connection::Connection;
use crate::connections::Connections;
use crate::peer::Peer;

thread_local! {
    /// The read buffer of a worker, and its buffer for responses.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; 64 * 1024], Vec::new()));
}

/// Serves one connection until it ends.
pub async fn run(connections: Arc<Connections>, stream: TcpStream) {
    let (mut reader, socket) = stream.into_split();
    let peer = Peer::new(connections.number(), socket);
    let mut connection = Connection::new(Arc::clone(&peer), Arc::clone(&connections));
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
    connections.leave(&peer, connection.rooms());
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
