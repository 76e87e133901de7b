//! The commands of the page: `emit`, `join`, `leave` and `_disconnect`. Each names a namespace, and a room or the id of a
//! socket, or nothing for all sockets of the namespace, on all servers of a cluster.

use serde::de::DeserializeOwned;
use socketio_parser::{RawArgs, Value};
use socketio_server::{Args, Broadcast, Namespace, WeakServer};

use crate::shows::Shows;
use crate::trace;

/// Features of a page that may change something.
pub(crate) const FEATURES: &[&str] =
    &["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"];

/// Registers the commands in the namespace of the page.
pub(crate) fn register(admin: &Namespace, io: &WeakServer, shows: &Shows) {
    for (command, run) in [
        ("emit", Command::Emit),
        ("join", Command::Join),
        ("leave", Command::Leave),
        ("_disconnect", Command::Disconnect),
    ] {
        let (io, shows) = (io.clone(), shows.clone());
        admin.on(command, move |args: RawArgs| {
            let (io, shows) = (io.clone(), shows.clone());
            async move {
                if let Err(reason) = run.carry_out(&io, &shows, &args).await {
                    trace::command_ignored(command, &reason);
                }
            }
        });
    }
}

#[derive(Clone, Copy)]
enum Command {
    /// The namespace, the receivers, and an event with its arguments.
    Emit,
    /// The namespace, the room to join, and the sockets.
    Join,
    Leave,
    /// The namespace, whether the connection is closed, and the sockets.
    Disconnect,
}

impl Command {
    async fn carry_out(self, io: &WeakServer, shows: &Shows, args: &RawArgs) -> Result<(), String> {
        let name: String = argument(args, 0)?;
        let namespace = io.upgrade().and_then(|io| io.namespace(&name));
        // A namespace that the page does not show is as one that does not exist.
        let namespace = namespace.filter(|_| shows(&name)).ok_or("the namespace is unknown")?;
        match self {
            Self::Emit => {
                let event: String = argument(args, 2)?;
                let values: Result<Vec<Value>, _> = (3..args.len()).map(|at| argument(args, at)).collect();
                let receivers = sockets(&namespace, args, 1)?;
                receivers.emit(&event, &Args(values?)).await.map_err(|error| error.to_string())
            }
            Self::Join | Self::Leave => {
                let room: String = argument(args, 1)?;
                let sockets = sockets(&namespace, args, 2)?;
                let done = match self {
                    Self::Join => sockets.sockets_join(room).await,
                    _ => sockets.sockets_leave(room).await,
                };
                done.map_err(|error| error.to_string())
            }
            Self::Disconnect => {
                let close: bool = argument::<Option<bool>>(args, 1)?.unwrap_or_default();
                let sockets = sockets(&namespace, args, 2)?;
                sockets.disconnect_sockets(close).await.map_err(|error| error.to_string())
            }
        }
    }
}

/// The sockets of a room, or all if there is no argument, or an empty one.
fn sockets(namespace: &Namespace, args: &RawArgs, at: usize) -> Result<Broadcast, String> {
    let room = if at < args.len() { argument::<Option<String>>(args, at)? } else { None };
    Ok(match room.filter(|room| !room.is_empty()) {
        Some(room) => namespace.to(room),
        None => namespace.to(Vec::<String>::new()),
    })
}

fn argument<T: DeserializeOwned>(args: &RawArgs, at: usize) -> Result<T, String> {
    args.parse(at).map_err(|error| format!("argument {at}: {error}"))
}
