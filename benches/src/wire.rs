//! A connection in memory. The server's end reads the bytes that the client pushed; written bytes are
//! counted, and stored only on demand, so that a benchmark measures the server and not a pipe.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both ends of a connection; clones share the same connection.
#[derive(Clone, Default)]
pub struct Wire {
    state: Arc<Mutex<State>>,
    /// Number of bytes that arrived on all connections of a meter.
    arrived: Meter,
}

/// Counts the bytes that arrive on many connections.
pub type Meter = Arc<AtomicUsize>;

#[derive(Default)]
struct State {
    /// Bytes that the server has not read yet.
    inbound: Vec<u8>,
    reader: Option<Waker>,
    /// Bytes that the server wrote, if they are stored.
    outbound: Option<Vec<u8>>,
}

impl Wire {
    /// A connection whose outbound bytes are added to `meter`.
    pub fn new(meter: &Meter) -> Self {
        Self { state: Arc::default(), arrived: Arc::clone(meter) }
    }

    /// Sends bytes to the server.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.inbound.extend_from_slice(bytes);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Starts or stops storing the bytes that the server writes.
    pub fn keep(&self, keep: bool) {
        self.state.lock().unwrap().outbound = keep.then(Vec::new);
    }

    /// The bytes stored since the last call.
    pub fn take(&self) -> Vec<u8> {
        self.state.lock().unwrap().outbound.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> usize {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if let Some(outbound) = &mut self.state.lock().unwrap().outbound {
            bufs.iter().for_each(|buf| outbound.extend_from_slice(buf));
        }
        self.arrived.fetch_add(len, Ordering::Relaxed);
        len
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock().unwrap();
        if state.inbound.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = state.inbound.len().min(buf.remaining());
        buf.put_slice(&state.inbound[..len]);
        state.inbound.drain(..len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.write(&[IoSlice::new(buf)])))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.write(bufs)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
