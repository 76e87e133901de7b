//! A headless Chromium that shows one page.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

/// Headless, without privileges or hardware, and without network access except to the test.
const ARGUMENTS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--enable-logging=stderr",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-proxy-server",
];
/// Length of the output that a failure shows.
const SHOWN: usize = 4000;
/// Longer than the processes of the browser take to exit.
const LONG: Duration = Duration::from_secs(20);

/// A running browser with a profile of its own. Dropping it ends it.
pub struct Chromium {
    process: Child,
    output: Arc<Mutex<Vec<u8>>>,
    /// Disconnected when all processes of the browser have ended.
    gone: Receiver<()>,
    profile: TempDir,
}

impl Chromium {
    /// Opens a page.
    ///
    /// # Panics
    ///
    /// When there is no Chromium.
    pub fn open(url: &str) -> Self {
        Self::open_with(url, &[])
    }

    /// Opens a page with further arguments.
    ///
    /// # Panics
    ///
    /// When there is no Chromium.
    pub fn open_with(url: &str, arguments: &[&str]) -> Self {
        let program = std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
        let profile = tempfile::tempdir().expect("a place for its profile");
        let started = Command::new(&program)
            .args(ARGUMENTS)
            .args(arguments)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = started.unwrap_or_else(|error| {
            panic!(
                "{}: {error}. Chromium is needed on the PATH, or where the environment variable CHROMIUM says; \
                 `cargo xtask test` finds or installs it",
                program.to_string_lossy()
            )
        });
        let output = Arc::<Mutex<Vec<u8>>>::default();
        let (alive, gone) = mpsc::channel();
        let (heard, pipe) = (Arc::clone(&output), process.stderr.take().expect("its output is piped"));
        std::thread::spawn(move || {
            let _alive = alive;
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            // All processes of the browser write to the pipe, so it ends with the last of them.
            while lines.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
                heard.lock().expect("no thread panics while it holds the lock").append(&mut line);
            }
        });
        Self { process, output, gone, profile }
    }

    /// The exit status, if the browser has ended.
    ///
    /// # Panics
    ///
    /// When the status of the process cannot be read.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("it is our own process")
    }

    /// The last output of the browser and of the page's console.
    ///
    /// # Panics
    ///
    /// When the thread that reads the output has panicked.
    pub fn output(&self) -> String {
        let output = self.output.lock().expect("no thread panics while it holds the lock");
        String::from_utf8_lossy(&output[output.len().saturating_sub(SHOWN)..]).into_owned()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its other processes end later, and write to the profile until then.
        if self.gone.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
            eprintln!("Chromium still writes into {}", self.profile.path().display());
        }
    }
}
