//! Writer of the log to the standard error. Log events are queued in a bounded buffer, and a thread writes
//! them, so that a slow reader never blocks the gateway.

pub(crate) mod limit;
pub(crate) mod whole_lines;

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Limit of the queue in bytes; further lines are dropped and counted. The batch that is being written may be
/// as large again.
const CAPACITY: usize = 1024 * 1024;
/// Timeout for writing the last lines at the end of the process.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Number of dropped lines.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Number of lines dropped since the start because the reader was too slow.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Queue of lines.
#[derive(Clone)]
pub(crate) struct LogQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<u8>,
    /// Whether the thread is writing a batch.
    writing: bool,
    /// Dropped lines that have not been reported yet.
    dropped: u64,
}

impl LogQueue {
    /// Creates a queue, and a thread that writes its lines to `out`. After lines were dropped and the queue
    /// has space again, the thread calls `report` with their number.
    pub(crate) fn to(
        mut out: impl Write + Send + 'static,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let lines = Self(Arc::default());
        let shared = Arc::clone(&lines.0);
        let write = move || {
            loop {
                let (batch, dropped) = shared.next();
                if dropped > 0 {
                    report(dropped);
                }
                // Write errors are ignored, since there is nowhere to report them.
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

    /// Waits until all lines are written, for one second at most.
    pub(crate) fn finish(&self) {
        let queue = self.0.lock();
        let waits = |queue: &mut Queue| queue.writing || !queue.waiting.is_empty();
        let _ = self.0.changed.wait_timeout_while(queue, LAST_LINES, waits);
    }
}

impl Shared {
    /// Waits for lines, and returns them with the number of lines dropped after them.
    fn next(&self) -> (Vec<u8>, u64) {
        let queue = self.lock();
        let mut queue = self
            .changed
            .wait_while(queue, |queue| queue.waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        queue.writing = true;
        (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.dropped))
    }

    /// Locks the queue. No code panics while it is locked, so a poisoned lock is still consistent.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `tracing_subscriber` writes each line with one call.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
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

    /// Writer for tests that announces each write and completes it on command.
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
    fn an_unread_log_drops_lines_and_reports_their_number() {
        let (written, batches) = channel();
        let (go_on, held) = channel();
        let (reported, drops) = channel();
        let lines = LogQueue::to(Held(written, held), move |number| reported.send(number).unwrap()).unwrap();
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
        assert!(drops.try_recv().is_err(), "each dropped line is reported once");
    }
}
