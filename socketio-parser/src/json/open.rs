//! Kinds of the open containers of a scan.

/// Kind of each open container, one bit each: set for an object.
#[derive(Default)]
pub(super) struct Open {
    objects: [u64; 16],
    pub(super) in_object: bool,
}

impl Open {
    /// `depth` is at most `DEPTH_CEILING`, which is below 1024 bits.
    #[inline(always)]
    pub(super) fn push(&mut self, depth: u32, object: bool) {
        self.in_object = object;
        let word = &mut self.objects[(depth / 64) as usize % 16];
        let bit = 1 << (depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
    }

    #[inline(always)]
    pub(super) fn pop(&mut self, depth: u32) {
        self.in_object = self.objects[(depth / 64) as usize % 16] >> (depth % 64) & 1 == 1;
    }
}
