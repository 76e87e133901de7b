//! Messages between the supervisor and a worker, over the worker's standard input: the assignment with the listening
//! sockets, and lines of text.

use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::{Config, Secret};

/// Limit of the bytes of an assignment. Its addresses are the longest part: 128 of about 110 bytes.
const MAX_ASSIGNMENT: usize = 64 * 1024;
/// Limit of the bytes of all reports of a worker.
pub(super) const MAX_REPORTED: u64 = 64 * 1024;
/// Number of listeners: that of the clients, and that of operators.
const MAX_LISTENERS: usize = 2;
/// Line by which the supervisor tells a worker that another one goes on with its sockets.
pub(super) const HAND_OVER: &str = "hand over";

/// Slot, sockets and settings of a worker.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) slot: usize,
    /// Number of slots.
    pub(super) workers: usize,
    /// Distinguishes the workers from those of other supervisors.
    pub(super) group: String,
    /// Folder with the sockets of the workers.
    pub(super) folder: String,
    /// Operator key that the supervisor has generated; empty if the settings had one.
    pub(super) key: String,
    /// Name of the node.
    pub(super) node: String,
    /// Path of the socket of this worker.
    pub(super) socket: String,
    /// Sockets of all workers, this one included.
    pub(super) peers: Vec<String>,
    pub(super) peers_key: String,
    /// Path of the socket of the supervisor's broker; empty if the settings name another system.
    pub(super) ipc: String,
    /// Whether there is a port for operators, whose listener is the second one.
    pub(super) internal: bool,
}

/// Error of an assignment.
#[derive(Debug, Error)]
pub(super) enum AssignmentError {
    #[error("a supervisor starts workers; the standard input is no connection to one: {0}")]
    Io(#[from] io::Error),
    #[error("the assignment of the supervisor is incomplete")]
    Incomplete,
    #[error("the assignment of the supervisor is too long")]
    TooLong,
    #[error("the assignment of the supervisor cannot be read: {0}")]
    Invalid(#[from] serde_json::Error),
    #[error("the assignment of the supervisor has {0} listeners")]
    Listeners(usize),
}

impl Assignment {
    /// The settings of a worker, from those that it has loaded.
    pub(super) fn apply(&self, mut config: Config) -> Config {
        let unix = |path: &str| format!("unix:{path}");
        // A worker supervises none.
        config.server.workers = 0;
        config.cluster.node.clone_from(&self.node);
        config.cluster.peers = self.peers.iter().map(|path| unix(path)).collect();
        config.cluster.peers_listen = unix(&self.socket);
        config.cluster.peers_key = self.peers_key.as_str().into();
        if !self.ipc.is_empty() {
            config.cluster.ipc = self.ipc.as_str().into();
        }
        if config.api.keys.iter().all(Secret::is_empty) && !self.key.is_empty() {
            config.api.keys = vec![self.key.as_str().into()];
        }
        config
    }

    /// Sends the assignment and the listeners to a worker.
    pub(super) fn send(&self, mut control: &UnixStream, listeners: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !rights.push(SendAncillaryMessage::ScmRights(listeners)) {
            return Err(io::Error::other("too many listeners"));
        }
        let sent = sendmsg(control, &[IoSlice::new(&line)], &mut rights, SendFlags::empty())?;
        control.write_all(line.get(sent..).unwrap_or_default())
    }

    /// Receives the assignment and the listeners of a worker.
    pub(super) fn receive(control: &UnixStream) -> Result<(Self, Vec<TcpListener>), AssignmentError> {
        let (mut line, mut listeners) = (Vec::new(), Vec::new());
        let mut part = [0; 4096];
        while line.last() != Some(&b'\n') {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
            let mut rights = RecvAncillaryBuffer::new(&mut space);
            let slices = &mut [IoSliceMut::new(&mut part)];
            let received = match recvmsg(control, slices, &mut rights, RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => continue,
                received => received.map_err(io::Error::from)?,
            };
            for message in rights.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    listeners.extend(descriptors.map(|descriptor: OwnedFd| TcpListener::from(descriptor)));
                }
            }
            if received.bytes == 0 {
                return Err(AssignmentError::Incomplete);
            }
            line.extend_from_slice(part.get(..received.bytes).unwrap_or_default());
            if line.len() > MAX_ASSIGNMENT {
                return Err(AssignmentError::TooLong);
            }
        }
        let assignment: Self = serde_json::from_slice(&line)?;
        if listeners.len() != 1 + usize::from(assignment.internal) {
            return Err(AssignmentError::Listeners(listeners.len()));
        }
        Ok((assignment, listeners))
    }
}

/// Report of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// It accepts clients.
    Ready,
    /// It cannot start, for this reason.
    Failed(String),
}

impl Report {
    /// The line of this message.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Ready => "ready\n".to_owned(),
            Self::Failed(why) => format!("failed {}\n", why.replace('\n', "; ")),
        }
    }

    /// Reads a line. Unknown ones, as of a worker of another version, are ignored.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        match line.split_once(' ') {
            None if line == "ready" => Some(Self::Ready),
            Some(("failed", why)) => Some(Self::Failed(why.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn assignment() -> Assignment {
        Assignment {
            slot: 2,
            workers: 3,
            group: "group".to_owned(),
            folder: "/tmp/folder".to_owned(),
            key: "key of operators".to_owned(),
            node: "node-2.1".to_owned(),
            socket: "/tmp/folder/2.1.sock".to_owned(),
            // Longer than what is read at once.
            peers: (0..128).map(|number| format!("/tmp/folder/{}/{number}", "x".repeat(80))).collect(),
            peers_key: "key of all workers".to_owned(),
            ipc: "/tmp/folder/broker.sock".to_owned(),
            internal: true,
        }
    }

    fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").unwrap()
    }

    /// The result of a worker that gets these bytes with this number of listeners, and then nothing more.
    fn received(bytes: &[u8], listeners: usize) -> Result<(Assignment, Vec<TcpListener>), AssignmentError> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bytes = bytes.to_vec();
        let sending = std::thread::spawn(move || {
            let sockets: Vec<_> = (0..listeners).map(|_| listener()).collect();
            let descriptors: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LISTENERS))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                assert!(rights.push(SendAncillaryMessage::ScmRights(&descriptors)));
            }
            let sent = sendmsg(&ours, &[IoSlice::new(&bytes)], &mut rights, SendFlags::empty()).unwrap();
            // The worker may have refused the rest.
            let _ = (&ours).write_all(&bytes[sent..]);
        });
        let received = Assignment::receive(&theirs);
        drop(theirs);
        sending.join().unwrap();
        received
    }

    #[test]
    fn a_worker_gets_its_assignment_with_the_listeners() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let sockets = [listener(), listener()];
        let sent = assignment();
        sent.send(&ours, &[sockets[0].as_fd(), sockets[1].as_fd()]).unwrap();
        let (received, listeners) = Assignment::receive(&theirs).unwrap();
        assert!(received == sent);
        let addresses = |sockets: &[TcpListener]| {
            sockets.iter().map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(addresses(&listeners), addresses(&sockets));
    }

    #[test]
    fn a_malformed_assignment_is_an_error() {
        let whole = serde_json::to_string(&assignment()).unwrap();
        let line = format!("{whole}\n");
        assert!(received(line.as_bytes(), 2).is_ok());
        for number in [0, 1] {
            let error = received(line.as_bytes(), number).err().unwrap();
            assert!(matches!(error, AssignmentError::Listeners(found) if found == number), "{error}");
        }
        let error = |bytes: &[u8]| received(bytes, 2).err().unwrap();
        assert!(matches!(error(b"{"), AssignmentError::Incomplete));
        assert!(matches!(error(whole.as_bytes()), AssignmentError::Incomplete));
        for bytes in [&b"\n"[..], b"{}\n", b"[1]\n", b"\xff\n"] {
            assert!(matches!(error(bytes), AssignmentError::Invalid(_)), "{bytes:?}");
        }
        assert!(matches!(error(&vec![b'x'; MAX_ASSIGNMENT + 1]), AssignmentError::TooLong));
    }

    #[test]
    fn a_worker_without_a_supervisor_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        let error = Assignment::receive(&UnixStream::from(OwnedFd::from(file))).err().unwrap();
        assert!(matches!(error, AssignmentError::Io(_)), "{error}");
    }

    #[test]
    fn lines_of_workers_are_read_whatever_they_are() {
        for said in [Report::Ready, Report::Failed("tls: no file".to_owned()), Report::Failed(String::new())]
        {
            let line = said.line();
            assert_eq!(Report::parse(line.trim_end_matches('\n').as_bytes()), Some(said));
        }
        assert_eq!(Report::Failed("a\nb".to_owned()).line(), "failed a; b\n");
        for line in [&b""[..], b"ready ", b"readyy", b"READY", b"failed", b"\xff\xfe", b"{}"] {
            assert_eq!(Report::parse(line), None, "{line:?}");
        }
        assert_eq!(Report::parse(b"failed \xff"), Some(Report::Failed("\u{fffd}".to_owned())));
    }

    #[test]
    fn the_settings_of_a_worker_are_valid() {
        let mut config = Config::default();
        config.server.workers = 3;
        assert_eq!(config.check(), Ok(()));
        let worker = assignment().apply(config.clone());
        assert_eq!(worker.cluster.ipc, std::path::Path::new("/tmp/folder/broker.sock"));
        assert_eq!((worker.check(), worker.risks()), (Ok(()), vec![]));
        assert_eq!(worker.api.keys, ["key of operators".into()]);
        config.api.keys = vec!["a key of the settings".into()];
        assert_eq!(assignment().apply(config.clone()).api.keys, config.api.keys);
    }
}
