//! One worker as the supervisor sees it: a process, and the connection to it.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::control::{HAND_OVER, MAX_REPORTED, Report};

/// Wait for the last lines of a process that has exited. A child of it might have the connection too.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A running worker. Its process is not ended by a drop.
#[derive(Debug)]
pub(super) struct Worker {
    /// Id of the process.
    pub(super) pid: Option<u32>,
    orders: mpsc::UnboundedSender<Order>,
}

/// Order to a worker.
#[derive(Debug)]
enum Order {
    Signal(Signal),
    HandOver,
}

/// Event of a worker.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) slot: usize,
    /// Number of the worker.
    pub(super) number: u64,
    pub(super) kind: EventKind,
}

#[derive(Debug)]
pub(super) enum EventKind {
    Reported(Report),
    /// The process has exited; without a status it could not be waited for.
    Exited(Option<ExitStatus>),
}

impl Worker {
    /// Watches a process that was started.
    pub(super) fn watch(
        child: Child,
        control: StdUnixStream,
        tell: impl Fn(EventKind) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        control.set_nonblocking(true)?;
        let control = UnixStream::from_std(control)?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let pid = child.id();
        tokio::spawn(watch(child, control, ordered, tell));
        Ok(Self { pid, orders })
    }

    /// Sends a signal, unless the process has exited.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = self.orders.send(Order::Signal(signal));
    }

    /// Tells the worker that another one goes on with its sockets.
    pub(super) fn hand_over(&self) {
        let _ = self.orders.send(Order::HandOver);
    }
}

async fn watch(
    mut child: Child,
    control: UnixStream,
    mut orders: mpsc::UnboundedReceiver<Order>,
    tell: impl Fn(EventKind) + Sync,
) {
    let (read, mut write) = control.into_split();
    let mut lines = BufReader::new(read.take(MAX_REPORTED)).split(b'\n');
    let said = |line: &[u8]| Report::parse(line).into_iter().for_each(|said| tell(EventKind::Reported(said)));
    let mut speaks = true;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.ok(),
            line = lines.next_segment(), if speaks => match line {
                Ok(Some(line)) => said(&line),
                Ok(None) | Err(_) => speaks = false,
            },
            Some(order) = orders.recv() => match order {
                Order::Signal(signal) => send(&child, signal),
                Order::HandOver => {
                    if write.write_all(format!("{HAND_OVER}\n").as_bytes()).await.is_err() {
                        send(&child, Signal::TERM);
                    }
                }
            },
        }
    };
    let last_lines = async {
        while let (true, Ok(Some(line))) = (speaks, lines.next_segment().await) {
            said(&line);
        }
    };
    let _ = timeout(LAST_LINES, last_lines).await;
    tell(EventKind::Exited(status));
}

/// Sends a signal. The process has an id until it was waited for, which nothing but the caller does.
fn send(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(Err(error)) = id.map(|id| kill_process(id, signal)) {
        tracing::debug!(%error, "signal not sent");
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::process::Stdio;

    use ::tests::raw::soon;
    use tokio::process::Command;

    use super::*;

    /// Events of a script.
    async fn heard(script: &str) -> Vec<EventKind> {
        let (ours, theirs) = StdUnixStream::pair().unwrap();
        let stdin = Stdio::from(OwnedFd::from(theirs));
        let child = Command::new("/bin/sh").args(["-c", script]).stdin(stdin).spawn().unwrap();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let _worker = Worker::watch(child, ours, move |what| drop(sender.send(what))).unwrap();
        let mut heard = Vec::new();
        while let Some(what) = soon(receiver.recv()).await {
            heard.push(what);
        }
        heard
    }

    #[tokio::test]
    async fn the_last_line_of_a_worker_is_heard_before_its_exit() {
        let heard = heard("echo what >&0; echo failed why >&0; exit 2").await;
        let [EventKind::Reported(Report::Failed(why)), EventKind::Exited(Some(status))] = heard.as_slice()
        else {
            panic!("{heard:?}");
        };
        assert_eq!((why.as_str(), status.code()), ("why", Some(2)));
    }

    #[tokio::test]
    async fn a_worker_that_says_too_much_is_not_read_on() {
        for (bytes, expected) in [(MAX_REPORTED - 7, 2), (MAX_REPORTED, 1)] {
            let heard = heard(&format!("head -c {bytes} /dev/zero >&0; echo >&0; echo ready >&0")).await;
            assert_eq!(heard.len(), expected, "{bytes}: {heard:?}");
        }
    }
}
