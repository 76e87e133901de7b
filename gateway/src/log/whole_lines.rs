//! Writer that keeps lines whole beside those of other processes.

use std::io::{self, Write};

/// Number of bytes that a pipe takes at once, without bytes of other processes in between: `PIPE_BUF` of Linux.
const AT_ONCE: usize = 4096;

/// Writes as many whole lines at a time as a pipe takes at once. A longer line may be torn.
#[derive(Debug)]
pub(crate) struct WholeLines<W>(pub(crate) W);

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ends = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
        let end = match bytes.get(..AT_ONCE) {
            None => bytes.len(),
            Some(first) => {
                let long = || bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
                ends(first).unwrap_or_else(long)
            }
        };
        self.0.write(bytes.get(..end).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writer that keeps each write.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_whole() {
        let line = |length: usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
        let lines = [line(1000), line(3096), line(1), line(5000), line(4096), line(4095), line(2)];
        let mut writes = WholeLines(Writes::default());
        writes.write_all(&lines.concat()).unwrap();
        let lengths: Vec<usize> = writes.0.0.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4096, 1, 5000, 4096, 4095, 2]);
        assert!(writes.0.0.iter().all(|written| written.ends_with(b"\n")));
        assert_eq!(writes.0.0.concat(), lines.concat());
    }
}
