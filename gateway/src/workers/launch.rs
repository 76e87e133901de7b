//! The start of workers: program, arguments, and assignment.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::control::Assignment;
use super::folder::Folder;
use super::process::{EventKind, Worker};
use super::sockets::Sockets;
use crate::config::load::Sources;

/// Timeout for sending the assignment. The buffer of the connection holds it, or the worker reads it at once.
const SENDING: Duration = Duration::from_secs(5);

/// Program, folder, sockets and keys of all workers.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) folder: Folder,
    pub(super) group: String,
    pub(super) key: String,
    pub(super) peers_key: String,
    /// Whether the workers meet at a broker of the supervisor.
    pub(super) has_broker: bool,
    /// Name of the node without slot and generation.
    pub(super) node: String,
    pub(super) workers: usize,
    pub(super) clients: Sockets,
    pub(super) internal: Option<Sockets>,
}

impl Launch {
    /// Name of the node of a worker.
    pub(super) fn node(&self, slot: usize, generation: u8) -> String {
        format!("{}-{slot}.{generation}", self.node)
    }

    /// Closes the sockets of a slot that has no worker any more.
    pub(super) fn close(&mut self, slot: usize) {
        self.clients.close(slot);
        if let Some(internal) = &mut self.internal {
            internal.close(slot);
        }
    }

    /// Starts a worker.
    pub(super) fn worker(
        &self,
        slot: usize,
        generation: u8,
        tell: impl Fn(EventKind) + Send + Sync + 'static,
    ) -> io::Result<Worker> {
        let sockets = self.clients.of(slot).into_iter();
        let sockets = sockets.chain(self.internal.as_ref().and_then(|internal| internal.of(slot)));
        let listeners: Vec<_> = sockets.map(AsFd::as_fd).collect();
        let (ours, theirs) = UnixStream::pair()?;
        // A group of its own: a terminal sends its signals to the supervisor alone.
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .process_group(0)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.program.display())))?;
        ours.set_write_timeout(Some(SENDING))?;
        // An error means that the process has exited, which is reported with its reason.
        if let Err(error) = self.assignment(slot, generation).send(&ours, &listeners) {
            tracing::debug!(%error, "assignment not sent");
        }
        Worker::watch(child, ours, tell)
    }

    fn assignment(&self, slot: usize, generation: u8) -> Assignment {
        let all = (0..self.workers).flat_map(|slot| [0, 1].map(|generation| (slot, generation)));
        Assignment {
            slot,
            workers: self.workers,
            group: self.group.clone(),
            folder: self.folder.path().to_owned(),
            key: self.key.clone(),
            node: self.node(slot, generation),
            socket: self.folder.socket(slot, generation),
            peers: all.map(|(slot, generation)| self.folder.socket(slot, generation)).collect(),
            peers_key: self.peers_key.clone(),
            ipc: if self.has_broker { self.folder.broker() } else { String::new() },
            internal: self.internal.is_some(),
        }
    }
}

/// The arguments by which a worker has the same sources of settings. The environment is inherited.
pub(super) fn arguments(sources: &Sources) -> Vec<OsString> {
    let mut arguments = vec![OsString::from("worker")];
    if let Some(file) = &sources.file {
        let mut argument = OsString::from("--config=");
        argument.push(file);
        arguments.push(argument);
    }
    arguments.extend(sources.flags.iter().map(|(key, value)| format!("--set={key}={value}").into()));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_the_file_and_the_command_line_of_the_supervisor() {
        let sources = Sources {
            file: Some("/etc/gateway.toml".into()),
            environment: vec![("PORT".to_owned(), "1".to_owned())],
            flags: vec![
                ("server.port".to_owned(), "0".to_owned()),
                ("log.level".to_owned(), "a=b".to_owned()),
            ],
        };
        let expected = ["worker", "--config=/etc/gateway.toml", "--set=server.port=0", "--set=log.level=a=b"];
        assert_eq!(arguments(&sources), expected);
        assert_eq!(arguments(&Sources::default()), ["worker"]);
    }
}
