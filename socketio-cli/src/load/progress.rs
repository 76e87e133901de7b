//! Progress line on the terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shortest time between two updates of the line.
const PAUSE: Duration = Duration::from_millis(100);

/// Progress line on standard error. It is not shown if standard error is not a terminal.
pub(crate) struct Progress {
    shown: bool,
    due: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), due: Instant::now() }
    }

    /// Updates the line, at most once per [`PAUSE`]. Errors of the terminal are ignored: the line is not part
    /// of the result.
    pub(crate) fn show(&mut self, phase: &str, done: usize, of: usize) {
        const WIDTH: usize = 30;
        let now = Instant::now();
        if !self.shown || (now < self.due && done < of) {
            return;
        }
        self.due = now + PAUSE;
        let filled = (done.min(of) * WIDTH).checked_div(of).unwrap_or(WIDTH);
        let bar = "#".repeat(filled);
        let _ = write!(io::stderr(), "\r\x1b[K{phase:<10}[{bar:<WIDTH$}] {done}/{of}");
    }

    /// Removes the line before other output.
    pub(crate) fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
