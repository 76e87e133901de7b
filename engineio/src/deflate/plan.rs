//! The agreed parameters of a connection, in few bytes.

use std::num::NonZeroU32;

/// The largest threshold: it has 20 bits.
pub(super) const MAX_THRESHOLD: usize = (1 << 20) - 1;

/// The compression of written messages. It is one word, because each session and each connection holds one: the
/// window bits, the level, the memory level and the threshold, from the lowest bit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan(NonZeroU32);

impl Plan {
    /// `None` without window bits.
    pub(crate) fn new(window_bits: u8, level: u8, mem_level: u8, threshold: usize) -> Option<Self> {
        let threshold = threshold.min(MAX_THRESHOLD) as u32;
        let [window_bits, level, mem_level] =
            [window_bits, level, mem_level].map(|part| u32::from(part & 15));
        NonZeroU32::new(window_bits | level << 4 | mem_level << 8 | threshold << 12)
            .filter(|_| window_bits > 0)
            .map(Self)
    }

    /// The plan with this number, which [`number`](Self::number) made.
    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    #[cfg(any(feature = "server", feature = "client"))]
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }

    /// The size of the window as a power of two, from 8 to 15.
    pub(crate) fn window_bits(self) -> u8 {
        (self.0.get() & 15) as u8
    }

    pub(crate) fn level(self) -> u8 {
        (self.0.get() >> 4 & 15) as u8
    }

    pub(crate) fn mem_level(self) -> u8 {
        (self.0.get() >> 8 & 15) as u8
    }

    /// Whether a message of this length is compressed.
    pub(crate) fn applies_to(self, len: usize) -> bool {
        len >= (self.0.get() >> 12) as usize
    }
}

/// The result of a negotiation, from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// The compression of written messages.
    pub(crate) plan: Plan,
    /// Whether a written message may refer to the ones before.
    pub(crate) writes_with_context: bool,
    /// Whether a read message may refer to the ones before.
    pub(crate) reads_with_context: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_keeps_its_parts() {
        for (bits, level, mem, threshold) in [(8, 0, 1, 0), (15, 9, 9, MAX_THRESHOLD), (9, 6, 8, 1024)] {
            let plan = Plan::new(bits, level, mem, threshold).unwrap();
            assert_eq!((plan.window_bits(), plan.level(), plan.mem_level()), (bits, level, mem));
            assert!(plan.applies_to(threshold) && (threshold == 0 || !plan.applies_to(threshold - 1)));
        }
        assert_eq!(Plan::new(0, 9, 9, 1024), None);
        assert_eq!(Plan::new(15, 6, 8, usize::MAX), Plan::new(15, 6, 8, MAX_THRESHOLD));
    }
}
