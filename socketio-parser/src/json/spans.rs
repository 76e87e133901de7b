//! Positions of the arguments in a packet.

/// Position of an argument: from its first byte to the byte after its last one, without surrounding white
/// space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A list of spans that keeps the first three without allocating: a name and two arguments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans {
    len: u32,
    inline: [Span; 3],
    /// Boxed, because most lists have at most three spans and lists are moved often.
    more: Option<Box<More>>,
}

#[derive(Debug, Clone, Default)]
struct More(Vec<Span>);

impl Spans {
    #[inline]
    pub(crate) fn push(&mut self, span: Span) {
        match self.inline.get_mut(self.len as usize) {
            Some(slot) => *slot = span,
            None => self.more.get_or_insert_default().0.push(span),
        }
        self.len += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Span> {
        if index >= self.len() {
            return None;
        }
        match self.inline.get(index) {
            Some(span) => Some(*span),
            None => self.more.as_ref()?.0.get(index - self.inline.len()).copied(),
        }
    }
}
