//! The log, which goes to the standard error and never holds up who writes to it: a thread of its own hands the lines
//! on, and what waits for it is bounded.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of lines wait at most; further lines are dropped and counted. As many again may be with the system.
const CAPACITY: usize = 1024 * 1024;
/// How long the last lines have at the end of the process.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The lines that the log of this process dropped.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were dropped since the start since nobody read the log.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// The place where lines wait to be written.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<u8>,
    /// The thread has lines that are not written yet.
    writing: bool,
    /// Lines that were dropped and not told of yet.
    dropped: u64,
}

impl Lines {
    /// Lines for `out`, which the thread owns. `tell` is called in it, with their number, when lines were dropped and
    /// there is room again.
    pub(crate) fn to(
        mut out: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let lines = Self(Arc::default());
        let shared = Arc::clone(&lines.0);
        let write = move || {
            loop {
                let (batch, dropped) = shared.next();
                if dropped > 0 {
                    tell(dropped);
                }
                // Where nobody reads any more there is nobody to tell.
                let _ = out.write_all(&batch).and_then(|()| out.flush());
                shared.lock().writing = false;
                shared.changed.notify_all();
            }
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(write)?;
        Ok(lines)
    }

    fn push(&self, line: &[u8]) {
        let mut queue = self.0.lock();
        if queue.waiting.len() + line.len() > CAPACITY {
            queue.dropped += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.waiting.extend_from_slice(line);
        drop(queue);
        self.0.changed.notify_all();
    }

    /// Waits until all lines are written, a second at most.
    pub(crate) fn finish(&self) {
        let queue = self.0.lock();
        let waits = |queue: &mut Queue| queue.writing || !queue.waiting.is_empty();
        let _ = self.0.changed.wait_timeout_while(queue, LAST_LINES, waits);
    }
}

impl Shared {
    /// The next lines to write, and how many were dropped behind them.
    fn next(&self) -> (Vec<u8>, u64) {
        let queue = self.lock();
        let mut queue = self
            .changed
            .wait_while(queue, |queue| queue.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        queue.writing = true;
        (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.dropped))
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line comes in one piece.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// Says what it is to write, and writes it when it may.
    struct Held(Sender<Vec<u8>>, Receiver<()>);

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            self.1.recv_timeout(LONG).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_drops_lines_and_says_so() {
        let (written, batches) = channel();
        let (go_on, held) = channel();
        let (told, drops) = channel();
        let lines = Lines::to(Held(written, held), move |number| told.send(number).unwrap()).unwrap();
        (&lines).write_all(b"first\n").unwrap();
        assert_eq!(batches.recv_timeout(LONG).unwrap(), b"first\n");

        let before = dropped();
        let line = vec![b'x'; CAPACITY / 4];
        for _ in 0..7 {
            (&lines).write_all(&line).unwrap();
        }
        assert_eq!(dropped() - before, 3);
        go_on.send(()).unwrap();
        assert_eq!(drops.recv_timeout(LONG).unwrap(), 3);
        assert_eq!(batches.recv_timeout(LONG).unwrap().len(), CAPACITY);
        (&lines).write_all(b"last\n").unwrap();
        go_on.send(()).unwrap();
        assert_eq!(batches.recv_timeout(LONG).unwrap(), b"last\n");
        go_on.send(()).unwrap();
        lines.finish();
        assert!(drops.try_recv().is_err(), "each line is told of once");
    }
}
