//! The compressor and the decompressor, on raw deflate streams.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

use super::{InflateError, Plan};

/// The end of a flushed stream, which is not sent (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The largest number of final blocks in a message. Each of them begins a new stream, which costs time and no bytes.
/// Senders make one or none.
const MAX_STREAMS: u32 = 64;
/// The size of the buffer that is filled at once.
const CHUNK: usize = 16 * 1024;

thread_local! {
    /// The codecs of messages without context. They belong to the worker thread, so connections own none.
    static COMPRESSOR: Cell<Option<Box<Compressor>>> = const { Cell::new(None) };
    static DECOMPRESSOR: Cell<Option<Box<Decompressor>>> = const { Cell::new(None) };
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs code with the thread's buffer of [`CHUNK`] bytes.
fn with_buffer<T>(run: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = BUFFER.take();
    buffer.resize(CHUNK, 0);
    let result = run(&mut buffer);
    BUFFER.set(buffer);
    result
}

/// Compresses a message on its own. `None` means that it has to be sent uncompressed.
pub(crate) fn deflate(plan: Plan, message: &[u8]) -> Option<Vec<u8>> {
    let mut compressor = COMPRESSOR
        .take()
        .filter(|compressor| compressor.is_for(plan))
        .unwrap_or_else(|| Box::new(Compressor::new(plan)));
    let compressed = compressor.message(message);
    // A stream with an error is not used again.
    if compressed.is_some() {
        compressor.deflate.reset();
        COMPRESSOR.set(Some(compressor));
    }
    compressed
}

/// Decompresses a message that was compressed on its own, of at most `max` bytes.
pub(crate) fn inflate(message: &[u8], max: usize) -> Result<Bytes, InflateError> {
    let mut decompressor = DECOMPRESSOR.take().unwrap_or_default();
    let inflated = decompressor.message(message, max);
    decompressor.0.reset(false);
    DECOMPRESSOR.set(Some(decompressor));
    inflated
}

/// Compresses bytes into one stream with a wrapper around it: window bits of 8 to 15 mean that of zlib, 24 to 31 that
/// of gzip.
#[cfg(feature = "server")]
pub(crate) fn wrapped(window_bits: i32, level: u8, mem_level: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut deflate = Deflate::new_with_config(config(window_bits, level, mem_level));
    run(&mut deflate, bytes, DeflateFlush::Finish)
}

fn config(window_bits: i32, level: u8, mem_level: u8) -> DeflateConfig {
    DeflateConfig {
        level: level.into(),
        window_bits,
        mem_level: mem_level.into(),
        ..DeflateConfig::default()
    }
}

/// A compressor, and the messages that it has compressed as context.
pub(crate) struct Compressor {
    plan: Plan,
    deflate: Deflate,
}

impl Compressor {
    pub(crate) fn new(plan: Plan) -> Self {
        // Raw streams with a window of 256 bytes cannot be written. With 512 bytes no repetition reaches back more
        // than 250: the compressor leaves 262 bytes of the window out.
        let window_bits = i32::from(plan.window_bits().max(9));
        let deflate = Deflate::new_with_config(config(-window_bits, plan.level(), plan.mem_level()));
        Self { plan, deflate }
    }

    /// Whether the compressor fits messages of this plan.
    fn is_for(&self, plan: Plan) -> bool {
        let parts = |plan: Plan| (plan.window_bits().max(9), plan.level(), plan.mem_level());
        parts(self.plan) == parts(plan)
    }

    /// Compresses the next message.
    pub(crate) fn message(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        // The library does not flush twice without data between. An empty message is an empty block (RFC 7692, 7.2.3.6).
        if message.is_empty() {
            return Some(vec![0]);
        }
        let mut compressed = run(&mut self.deflate, message, DeflateFlush::SyncFlush)?;
        if !compressed.ends_with(&TAIL) {
            return None;
        }
        compressed.truncate(compressed.len() - TAIL.len());
        Some(compressed)
    }
}

/// Compresses bytes and flushes. `None` is an error of the library.
fn run(deflate: &mut Deflate, mut bytes: &[u8], flush: DeflateFlush) -> Option<Vec<u8>> {
    with_buffer(|buffer| {
        let mut out = Vec::new();
        loop {
            let (read, written) = (deflate.total_in(), deflate.total_out());
            let status = deflate.compress(bytes, buffer, flush).ok()?;
            // Both are at most the lengths of the slices.
            bytes = &bytes[(deflate.total_in() - read) as usize..];
            let written = (deflate.total_out() - written) as usize;
            out.extend_from_slice(&buffer[..written]);
            // A full buffer may hide more output.
            if written < buffer.len() || status == Status::StreamEnd {
                return bytes.is_empty().then_some(out);
            }
        }
    })
}

/// A decompressor, and the messages that it has decompressed as context.
pub(crate) struct Decompressor(Inflate);

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decompressor")
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compressor")
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        // The largest window reads streams of every window.
        Self(Inflate::new(false, 15))
    }
}

impl Decompressor {
    /// Decompresses the next message, of at most `max` bytes. The decompressor is unusable after an error.
    pub(crate) fn message(&mut self, message: &[u8], max: usize) -> Result<Bytes, InflateError> {
        // An empty message is one byte (RFC 7692, 7.2.3.6). None at all is accepted too.
        if message.is_empty() {
            return Ok(Bytes::new());
        }
        with_buffer(|buffer| {
            let mut out = Vec::new();
            let len = self.blocks(message, buffer, &mut out, max)?;
            let rest = &buffer[..len];
            if out.is_empty() {
                return Ok(Bytes::copy_from_slice(rest));
            }
            out.reserve_exact(rest.len());
            out.extend_from_slice(rest);
            Ok(out.into())
        })
    }

    /// Moves full buffers to `out`. Returns the length of the rest, which stays in the buffer.
    pub(super) fn blocks(
        &mut self,
        mut input: &[u8],
        buffer: &mut [u8],
        out: &mut Vec<u8>,
        max: usize,
    ) -> Result<usize, InflateError> {
        let (mut len, mut streams) = (0, 0);
        let ended = loop {
            let (read, written, status) = self.step(input, &mut buffer[len..], InflateFlush::NoFlush)?;
            input = &input[read..];
            len += written;
            if out.len() + len > max {
                return Err(InflateError::TooBig);
            }
            let is_full = len == buffer.len();
            if is_full {
                // The memory follows the bytes that were decompressed, up to the limit.
                if out.capacity() - out.len() < len {
                    let capacity = (2 * (out.len() + len)).min(max);
                    out.reserve_exact(capacity - out.len());
                }
                out.extend_from_slice(buffer);
                len = 0;
            }
            if status == Status::StreamEnd {
                streams += 1;
                if streams > MAX_STREAMS {
                    return Err(InflateError::Invalid);
                }
                self.0.reset(false);
                if input.is_empty() {
                    break true;
                }
            } else if input.is_empty() && !is_full {
                break false;
            } else if read == 0 && written == 0 && !is_full {
                return Err(InflateError::Invalid);
            }
        };
        if !ended {
            self.finish(&mut buffer[len..])?;
        }
        Ok(len)
    }

    /// Appends the end that is not sent. The stream must end with it, at the end of a block: then no byte behind it
    /// is read.
    fn finish(&mut self, buffer: &mut [u8]) -> Result<(), InflateError> {
        let [a, b, c, d] = TAIL;
        let (read, written, status) = self.step(&[a, b, c, d, 0], buffer, InflateFlush::Block)?;
        let is_whole = read == TAIL.len() && written == 0 && status != Status::StreamEnd;
        is_whole.then_some(()).ok_or(InflateError::Invalid)
    }

    fn step(
        &mut self,
        input: &[u8],
        buffer: &mut [u8],
        flush: InflateFlush,
    ) -> Result<(usize, usize, Status), InflateError> {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, buffer, flush).map_err(|_| InflateError::Invalid)?;
        // Both are at most the lengths of the slices.
        Ok(((self.0.total_in() - read) as usize, (self.0.total_out() - written) as usize, status))
    }
}
