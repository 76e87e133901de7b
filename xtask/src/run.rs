//! Execution of programs.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::excerpt::Excerpt;

/// A program to run in a folder.
pub(crate) struct Run {
    command: Command,
    shown: String,
    limit: Duration,
}

/// Default time limit, far above the duration of any program that is not stuck.
const LIMIT: Duration = Duration::from_secs(30 * 60);

impl Run {
    pub(crate) fn new(program: &str, arguments: &[&str], folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        Self { command, shown: format!("{program} {}", arguments.join(" ")), limit: LIMIT }
    }

    pub(crate) fn cargo(arguments: &[&str]) -> Self {
        // The cargo that runs this process, so that a toolchain chosen with `+` is used.
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        Self::new(&cargo, arguments, &crate::paths::root())
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the time limit after which the program is killed.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the program with its output forwarded. The error of a failure contains an excerpt of the output.
    pub(crate) fn status(self) -> Result<(), String> {
        println!("$ {}", self.shown);
        self.show(|line| println!("{line}"))
    }

    /// Runs the program, and prints its output in one piece when it has ended.
    pub(crate) fn block(self) -> Result<(), String> {
        let mut block = format!("$ {}\n", self.shown);
        let result = self.show(|line| {
            block.push_str(line);
            block.push('\n');
        });
        print!("{block}");
        result
    }

    fn show(mut self, mut show: impl FnMut(&str)) -> Result<(), String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().map_err(|error| format!("{}: {error}", self.shown))?;
        let lines = lines(&mut child);
        let mut excerpt = Excerpt::default();
        let shown = |line: &str| {
            show(line);
            excerpt.add(line);
        };
        match self.follow(&mut child, &lines, shown) {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{}: {status}\n{excerpt}", self.shown)),
            Err(error) => Err(format!("{}: {error}\n{excerpt}", self.shown)),
        }
    }

    fn follow(
        &self,
        child: &mut Child,
        lines: &Receiver<String>,
        mut shown: impl FnMut(&str),
    ) -> Result<ExitStatus, String> {
        let begun = Instant::now();
        loop {
            // A background process that the program left behind may hold the output open, so the exit of
            // the program is checked besides the end of its output.
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            match (lines.recv_timeout(Duration::from_millis(20)), ended) {
                (Ok(line), _) => shown(&line),
                (Err(RecvTimeoutError::Timeout), None) => {}
                (Err(RecvTimeoutError::Timeout), Some(status)) => return Ok(status),
                (Err(RecvTimeoutError::Disconnected), _) => {
                    return child.wait().map_err(|error| error.to_string());
                }
            }
            if begun.elapsed() > self.limit {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("still running after {:?}, ended", self.limit));
            }
        }
    }

    /// Runs the program and returns its output.
    pub(crate) fn output(mut self) -> Result<String, String> {
        let output = self.command.output().map_err(|error| format!("{}: {error}", self.shown))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("{}: {}\n{}", self.shown, output.status, String::from_utf8_lossy(&output.stderr)))
        }
    }
}

/// Runs programs that use one core each, as many at a time as there are cores, and returns the errors of all.
pub(crate) fn side_by_side(runs: Vec<Run>) -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(runs.into_iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let errors: Vec<String> = std::thread::scope(|scope| {
        let work = || std::iter::from_fn(next).filter_map(|run| run.block().err()).collect::<Vec<_>>();
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// The lines of both outputs, as they are written.
fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(output) = child.stdout.take() {
        read(output, sender.clone());
    }
    if let Some(output) = child.stderr.take() {
        read(output, sender);
    }
    receiver
}

fn read(output: impl Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}
