//! The compressed form of a message: the same frames, of which long ones are compressed without context. All
//! sessions that agreed on the same parameters share it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::frames::split_frame;
use super::{Binary, Prepared};
use crate::deflate::{self, Compressor, Plan};
use crate::protocol::frame::{COMPRESSED, MAX_HEADER_LEN, Opcode, header_len, write_header};
use crate::protocol::packet::PacketType;
use crate::sync::Mutex;

/// The length of the shortest text or binary part for which clones of a message share their compressed forms: the
/// lowest threshold of all servers and clients of this process that compress. While there are none, messages have no
/// place for such forms.
static SHARED_FROM: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Prepares for connections that compress messages of this length.
#[cfg(feature = "server")]
pub(crate) fn share_from(len: usize) {
    SHARED_FROM.fetch_min(len, Ordering::Relaxed);
}

/// The data of few messages.
pub(super) enum Extra {
    /// The compressed forms. `None`: the message does not become shorter.
    Forms(Mutex<Vec<(Plan, Option<Prepared>)>>),
    /// The message is compressed.
    Compressed { kind: PacketType, plain: OnceLock<Prepared> },
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forms(_) => "Forms",
            Self::Compressed { .. } => "Compressed",
        })
    }
}

#[cold]
fn new_forms() -> Arc<Extra> {
    Arc::new(Extra::Forms(Mutex::default()))
}

impl Prepared {
    /// Makes the place for compressed forms, if connections of this process compress a part of this length.
    #[inline]
    pub(super) fn share_forms(&mut self, len: usize) {
        if len >= SHARED_FROM.load(Ordering::Relaxed) && self.extra.is_none() {
            self.extra = Some(new_forms());
        }
    }

    /// The message without shared forms.
    pub(super) fn into_unshared(self) -> Self {
        Self { extra: None, ..self }
    }

    /// The compressed form for connections without context. A message that does not become shorter remains as it is,
    /// and is not tried again.
    pub(crate) fn deflated(mut self, plan: Plan) -> Self {
        if !self.may_deflate(plan) {
            return self;
        }
        let compressed = match self.extra.take() {
            // Other sessions may receive clones. They wait for the form instead of making it too.
            Some(extra) if Arc::strong_count(&extra) > 1 => match &*extra {
                Extra::Forms(forms) => {
                    let mut forms = forms.lock();
                    match forms.iter().find(|(made_for, _)| *made_for == plan) {
                        Some((_, form)) => form.clone(),
                        None => {
                            let form = self.compressed(plan, |part| deflate::deflate(plan, part));
                            forms.push((plan, form.clone()));
                            form
                        }
                    }
                }
                Extra::Compressed { .. } => None,
            },
            _ => self.compressed(plan, |part| deflate::deflate(plan, part)),
        };
        match compressed {
            Some(form) => Self { kept: self.kept, key: self.key, tag: self.tag, ..form },
            None => Self { compress: false, ..self },
        }
    }

    /// The compressed form for a connection with context. Each part that was compressed is part of the context, so it
    /// is sent compressed even if it is not shorter.
    pub(crate) fn deflated_with(self, plan: Plan, compressor: &mut Compressor) -> Self {
        if !self.may_deflate(plan) {
            return self;
        }
        let compressed = self.written(plan, |part| compressor.message(part));
        compressed.unwrap_or(self)
    }

    /// Whether a part of the message is compressed by this plan.
    #[inline]
    pub(crate) fn may_deflate(&self, plan: Plan) -> bool {
        self.compress
            && !matches!(self.extra.as_deref(), Some(Extra::Compressed { .. }))
            && (plan.applies_to(self.head.len().saturating_sub(usize::from(self.header)))
                || self.binaries().iter().any(|part| plan.applies_to(part.data.len())))
    }

    fn compressed(&self, plan: Plan, compress: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        self.written(plan, |part| compress(part).filter(|compressed| compressed.len() < part.len()))
    }

    /// All frames in one buffer, with those parts compressed that are long enough. `None` if none is.
    fn written(&self, plan: Plan, mut compress: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        let mut frames = Vec::new();
        let mut any = false;
        let mut push = |header: &[u8], payload: &[u8]| {
            let compressed = if plan.applies_to(payload.len()) { compress(payload) } else { None };
            let Some(compressed) = compressed else {
                frames.extend_from_slice(header);
                return frames.extend_from_slice(payload);
            };
            any = true;
            let is_text = header.first().is_some_and(|first| first & 15 == Opcode::Text as u8);
            let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
            let start = frames.len();
            frames.reserve_exact(MAX_HEADER_LEN + compressed.len());
            frames.resize(start + header_len(compressed.len()), 0);
            write_header(&mut frames[start..], opcode, compressed.len());
            frames[start] |= COMPRESSED;
            frames.extend_from_slice(&compressed);
        };
        // A message in another dialect may hold several frames in its head.
        let mut head = self.head.as_ref();
        while let Some((header, payload, rest)) = split_frame(head) {
            push(header, payload);
            head = rest;
        }
        for part in self.binaries() {
            push(part.header(), &part.data);
        }
        let extra = Extra::Compressed { kind: self.kind(), plain: OnceLock::new() };
        any.then(|| Self {
            head: frames.into(),
            header: 0,
            extra: Some(Arc::new(extra)),
            tail: None,
            ..self.clone()
        })
    }

    /// The message before its compression, for readers of its packets. It is decompressed at the first call, which is
    /// rare: only observers read a message that waits for a WebSocket.
    #[inline]
    pub(super) fn plain(&self) -> &Self {
        match self.extra.as_deref() {
            Some(Extra::Compressed { plain, .. }) => plain.get_or_init(|| self.decompressed()),
            _ => self,
        }
    }

    #[cold]
    fn decompressed(&self) -> Self {
        let mut message = Self { head: Bytes::new(), header: 0, extra: None, tail: None, ..self.clone() };
        let mut binaries = Vec::new();
        let mut rest = self.head.as_ref();
        while let Some((header, payload, behind)) = split_frame(rest) {
            rest = behind;
            let first = header.first().copied().unwrap_or_default();
            let payload = match first & COMPRESSED {
                0 => Bytes::copy_from_slice(payload),
                // The data comes from the compressor, so it is valid.
                _ => deflate::inflate(payload, usize::MAX).unwrap_or_default(),
            };
            if first & 15 == Opcode::Text as u8 {
                let header = header_len(payload.len());
                let mut head = vec![0; header];
                write_header(&mut head, Opcode::Text, payload.len());
                head.extend_from_slice(&payload);
                // A header has at most ten bytes, so the cast keeps it.
                (message.head, message.header) = (head.into(), header as u8);
            } else {
                binaries.push(Binary::new(payload));
            }
        }
        message.tail = (!binaries.is_empty()).then(|| binaries.into());
        message
    }

    /// The type of a compressed packet.
    #[inline]
    pub(super) fn compressed_kind(&self) -> Option<PacketType> {
        match self.extra.as_deref() {
            Some(Extra::Compressed { kind, .. }) => Some(*kind),
            _ => None,
        }
    }

    /// A clone that keeps no compressed forms: for a message that is stored for a long time.
    #[doc(hidden)]
    #[must_use]
    pub fn without_forms(&self) -> Self {
        let is_compressed = self.compressed_kind().is_some();
        Self { extra: self.extra.clone().filter(|_| is_compressed), ..self.clone() }
    }
}
