//! One line on the terminal that says how far things are.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is written anew.
const PAUSE: Duration = Duration::from_millis(100);

/// The line. Where standard error is no terminal, there is none.
pub(crate) struct Progress {
    shown: bool,
    due: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), due: Instant::now() }
    }

    /// Says how far `what` is, if that was not said just now. What cannot be shown is not worth an error.
    pub(crate) fn show(&mut self, what: &str, done: usize, of: usize) {
        const WIDTH: usize = 30;
        let now = Instant::now();
        if !self.shown || (now < self.due && done < of) {
            return;
        }
        self.due = now + PAUSE;
        let filled = (done.min(of) * WIDTH).checked_div(of).unwrap_or(WIDTH);
        let bar = "#".repeat(filled);
        let _ = write!(io::stderr(), "\r\x1b[K{what:<10}[{bar:<WIDTH$}] {done}/{of}");
    }

    /// Makes room for what is printed.
    pub(crate) fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
