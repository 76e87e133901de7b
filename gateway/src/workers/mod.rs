//! Several processes behind one port: `server.workers`.
//!
//! The supervisor binds the sockets of all slots and starts a worker for each, which is this program with the hidden
//! command `worker`. It keeps the sockets open, so that connections wait while a worker is replaced. The workers are nodes
//! of a cluster, and share their sessions by Unix sockets in a private folder.

mod backoff;
mod control;
mod folder;
mod group;
mod launch;
mod process;
mod sockets;
mod supervisor;
mod worker;

pub(crate) use self::supervisor::supervise;
pub(crate) use self::worker::work;
