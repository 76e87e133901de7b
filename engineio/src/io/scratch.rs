//! Read buffers.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};

/// The size of a read buffer.
const LEN: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// A read buffer. Each worker thread has one, so that an idle connection owns none.
pub(crate) struct Scratch(Box<[u8]>);

impl Scratch {
    pub(crate) fn take() -> Self {
        Self(SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| vec![0; LEN].into()))
    }
}

impl Deref for Scratch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.0);
        // A thread that is ending does not need the buffer.
        let _ = SPARE.try_with(|spare| spare.set(Some(room)));
    }
}
