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

    /// Whether nothing but a comma and white space is between the first two spans, as in a list. Others always are
    /// those of a list.
    pub(crate) fn are_adjacent(&self, text: &[u8]) -> bool {
        self.get(0).zip(self.get(1)).is_none_or(|(first, second)| {
            let between = text.get(first.end as usize..second.start as usize);
            between.is_some_and(|text| {
                text.iter().all(|byte| matches!(byte, b',' | b' ' | b'\t' | b'\n' | b'\r'))
            })
        })
    }

    /// A copy of all spans as the elements of a list, without the brackets.
    #[cold]
    pub(crate) fn joined(&self, text: &[u8]) -> (Vec<u8>, Self) {
        let (mut list, mut spans) = (Vec::new(), Self::default());
        for span in (0..self.len()).filter_map(|index| self.get(index)) {
            if !list.is_empty() {
                list.push(b',');
            }
            // The list is not longer than the text, whose offsets have 32 bits.
            let start = list.len() as u32;
            list.extend_from_slice(span.of(text));
            spans.push(Span { start, end: list.len() as u32 });
        }
        (list, spans)
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
