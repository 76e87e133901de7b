//! The namespaces, with the events that are told.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use serde_json::{Value, json};
use socketio_server::{
    AckSender, DisconnectReason, EventName, Namespace, RawArgs, RemoteSocket, Server, Socket,
};

use crate::control::Output;
use crate::values::received;

/// What commands may name later.
#[derive(Default)]
pub(crate) struct Known {
    /// Sockets by namespace and id; those that have left too.
    pub(crate) sockets: HashMap<(String, String), Socket>,
    pub(crate) handles: HashMap<u64, RemoteSocket>,
    pub(crate) acks: HashMap<u64, AckSender>,
    spaces: HashSet<String>,
    listened: HashSet<(String, String)>,
    last: u64,
}

impl Known {
    pub(crate) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

/// The known things, behind a lock that this single thread never holds across an await.
pub(crate) type Shared = std::sync::Arc<Mutex<Known>>;

fn with<R>(known: &Shared, run: impl FnOnce(&mut Known) -> R) -> R {
    run(&mut known.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// A handshake in the official form.
pub(crate) fn handshake(details: &socketio_server::cluster::HandshakeDetails) -> Value {
    serde_json::to_value(details).unwrap_or_default()
}

/// The namespace, which is made if it does not exist.
pub(crate) fn open(io: &Server, name: &str, known: &Shared, output: &Output) -> Namespace {
    let namespace = io.of(name);
    let name = namespace.name().to_owned();
    if !with(known, |known| known.spaces.insert(name.clone())) {
        return namespace;
    }
    let (output_, known_, nsp) = (output.clone(), known.clone(), name.clone());
    namespace.on_connect(move |socket: Socket| {
        let rooms: Vec<String> = socket.rooms().iter().map(ToString::to_string).collect();
        output_.say(&json!({"ev": "connection", "nsp": nsp, "socket": {
            "id": socket.id(),
            "handshake": handshake(&socket.handshake().details()),
            "rooms": rooms,
            "data": socket.data().to_value(),
            "recovered": socket.recovered(),
        }}));
        let id = socket.id().to_owned();
        with(&known_, |known| known.sockets.insert((nsp.clone(), id), socket));
        async {}
    });
    let (output_, known_, nsp) = (output.clone(), known.clone(), name.clone());
    namespace.on_any(
        move |socket: Socket, EventName(event): EventName, args: RawArgs, ack: Option<AckSender>| {
            let mut said = json!({
                "ev": "event", "nsp": nsp, "socket": socket.id(), "event": event, "args": received(&args),
            });
            if let Some(ack) = ack {
                said["ack"] = keep(&known_, ack).into();
            }
            output_.say(&said);
            async {}
        },
    );
    let output = output.clone();
    namespace.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        output.say(&json!({
            "ev": "disconnect", "nsp": name, "socket": socket.id(), "reason": reason.as_str(),
        }));
        async {}
    });
    namespace
}

/// Tells events of other servers from now on.
pub(crate) fn listen(namespace: &Namespace, event: &str, known: &Shared, output: &Output) {
    let key = (namespace.name().to_owned(), event.to_owned());
    if !with(known, |known| known.listened.insert(key)) {
        return;
    }
    let (output, known, nsp) = (output.clone(), known.clone(), namespace.name().to_owned());
    let name = event.to_owned();
    namespace.on_server_event(event, move |args: RawArgs, ack: Option<AckSender>| {
        let mut said = json!({"ev": "serverEvent", "nsp": nsp, "event": name, "args": received(&args)});
        if let Some(ack) = ack {
            said["ack"] = keep(&known, ack).into();
        }
        output.say(&said);
        async {}
    });
}

fn keep(known: &Shared, ack: AckSender) -> u64 {
    with(known, |known| {
        let number = known.next();
        known.acks.insert(number, ack);
        number
    })
}
