//! Development mode: hooks that report each socket, room and event.
//!
//! They are installed while a page is open: at this server, or all the time if there may be one at another server
//! of the cluster. Otherwise events have no cost.

use std::collections::HashMap;
use std::sync::Arc;

use engineio::Session;
use engineio::sync::Mutex;
use serde::Serialize;
use socketio_parser::RawArgs;
use socketio_server::{
    DisconnectReason, EventName, HandlerId, Namespace, RoomEvent, Server, SessionEvent, Socket, SocketData,
    WeakServer,
};

use crate::report::{ReportArgs, Reports};
use crate::serialize::{ADMIN_DATA, SerializedSocket, admin_data, without_admin};
use crate::shows::Shows;

/// The hooks of a server.
pub(crate) struct Tracking {
    io: WeakServer,
    /// Name of the namespace of the page. Its own events are not reported.
    admin: String,
    shows: Shows,
    reports: Reports,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Operators at this server, and one more in a cluster.
    watchers: usize,
    /// The hooks of namespaces, by name: a handle would keep the server in memory.
    hooks: HashMap<String, Vec<HandlerId>>,
}

/// The hooks of a socket.
#[derive(Clone, Copy)]
struct Tracked {
    change: HandlerId,
    session: HandlerId,
    outgoing: Option<HandlerId>,
}

/// Changed parts of a socket.
#[derive(Serialize)]
struct Update<'a> {
    id: &'a str,
    nsp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
}

impl Tracking {
    pub(crate) fn new(io: &Server, admin: &str, shows: &Shows, reports: &Reports) -> Arc<Self> {
        let tracking = Arc::new(Self {
            io: io.downgrade(),
            admin: admin.to_owned(),
            shows: shows.clone(),
            reports: reports.clone(),
            state: Mutex::default(),
        });
        let created = Arc::downgrade(&tracking);
        io.on_new_namespace(move |namespace| {
            let Some(tracking) = created.upgrade() else { return };
            let mut state = tracking.state.lock();
            if state.watchers > 0 {
                tracking.add(&mut state, namespace);
            }
        });
        tracking
    }

    pub(crate) fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Counts a watcher; the first one installs the hooks.
    pub(crate) fn enter(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.watchers += 1;
        if state.watchers > 1 {
            return;
        }
        let Some(io) = self.io.upgrade() else { return };
        for namespace in io.namespaces().iter().filter_map(|name| io.namespace(name)) {
            self.add(&mut state, &namespace);
            for socket in namespace.sockets() {
                self.track(&socket);
            }
        }
    }

    /// Counts a page, and reports its socket.
    pub(crate) fn enter_with(self: &Arc<Self>, page: &Socket) {
        self.enter();
        self.track(page);
        self.connected(page);
    }

    /// Removes the hooks with the last watcher.
    pub(crate) fn leave(&self) {
        let mut state = self.state.lock();
        state.watchers = state.watchers.saturating_sub(1);
        if state.watchers > 0 {
            return;
        }
        let Some(io) = self.io.upgrade() else { return };
        for (name, hooks) in state.hooks.drain() {
            // It may have been deleted, with its hooks.
            let Some(namespace) = io.namespace(&name) else { continue };
            for hook in hooks {
                namespace.off(hook);
            }
            for socket in namespace.sockets() {
                forget(&socket);
            }
        }
    }

    /// Adds the hooks of a namespace.
    fn add(self: &Arc<Self>, state: &mut State, namespace: &Namespace) {
        let name: Arc<str> = namespace.name().into();
        if !(self.shows)(&name) {
            return;
        }
        // It has hooks already if it was created while they were installed.
        for hook in state.hooks.remove(&*name).unwrap_or_default() {
            namespace.off(hook);
        }
        let mut hooks = Vec::new();
        let is_admin = *name == *self.admin;
        // The sockets of pages are reported before they are welcomed.
        if !is_admin {
            let tracking = Arc::downgrade(self);
            hooks.push(namespace.on_connect(move |socket: Socket| {
                if let Some(tracking) = tracking.upgrade() {
                    tracking.track(&socket);
                    tracking.connected(&socket);
                }
                async {}
            }));
        }
        let reports = self.reports.clone();
        // Before the socket leaves its rooms, as the official package has it.
        hooks.push(namespace.on_disconnecting(move |socket: Socket, reason: DisconnectReason| {
            let args = ReportArgs::default().with(socket.namespace()).with(socket.id()).with(reason.as_str());
            reports.add("socket_disconnected", args.now());
            async {}
        }));
        if !is_admin {
            let reports = self.reports.clone();
            hooks.push(namespace.prepend_any(move |socket: Socket, event: EventName, args: RawArgs| {
                let report = ReportArgs::default().with(socket.namespace()).with(socket.id());
                reports.add("event_received", report.with_event(&event.0, &args).now());
                async {}
            }));
        }
        let reports = self.reports.clone();
        hooks.push(namespace.on_room_event(move |event| {
            let (kind, room, id) = match event {
                RoomEvent::Joined(room, id) => ("room_joined", room, id),
                RoomEvent::Left(room, id) => ("room_left", room, id),
                _ => return,
            };
            reports.add(kind, ReportArgs::default().with(&*name).with(&**room).with(&**id).now());
        }));
        state.hooks.insert(namespace.name().to_owned(), hooks);
    }

    /// Adds the hooks of a socket, unless it has them.
    fn track(&self, socket: &Socket) {
        let extensions = socket.extensions();
        if extensions.contains::<Tracked>() {
            return;
        }
        // Data that is no object has no place for it; then the page shows no transport.
        let _ = socket.data().set(ADMIN_DATA, admin_data(socket));
        let (id, name): (Arc<str>, Arc<str>) = (socket.id().into(), socket.namespace().into());
        let (reports, of) = (self.reports.clone(), (Arc::clone(&id), Arc::clone(&name)));
        let shown = Mutex::new(without_admin(socket.data().to_value()));
        let change = socket.data().on_change(move |changed: &SocketData| {
            let data = without_admin(changed.to_value());
            // The member of the page has changed otherwise.
            if std::mem::replace(&mut *shown.lock(), data.clone()) != data {
                let update = Update { id: &of.0, nsp: &of.1, data: Some(data), transport: None };
                reports.add("socket_updated", ReportArgs::default().with(update));
            }
        });
        let (reports, of_socket) = (self.reports.clone(), socket.clone());
        // The hook is dropped with the session, so it may hold the socket.
        let session = socket.on_session_event(move |_: &Session, event| {
            if let SessionEvent::Upgrade(transport) = event {
                let _ = of_socket.data().set(ADMIN_DATA, admin_data(&of_socket));
                let (id, nsp) = (of_socket.id(), of_socket.namespace());
                let update = Update { id, nsp, data: None, transport: Some(transport.as_str()) };
                reports.add("socket_updated", ReportArgs::default().with(update));
            }
        });
        let outgoing = (*name != *self.admin).then(|| {
            let (reports, id, name) = (self.reports.clone(), Arc::clone(&id), Arc::clone(&name));
            socket.on_any_outgoing(move |event, args| {
                let args = ReportArgs::default().with(&*name).with(&*id).with_event(event, args);
                reports.add("event_sent", args.now());
            })
        });
        extensions.insert(Tracked { change, session, outgoing });
    }

    fn connected(&self, socket: &Socket) {
        let handshake = socket.handshake().details();
        let args = ReportArgs::default().with(SerializedSocket::local(socket, &handshake));
        self.reports.add("socket_connected", args.now());
    }
}

/// Removes the hooks of a socket.
fn forget(socket: &Socket) {
    let Some(Tracked { change, session, outgoing }) = socket.extensions().remove::<Tracked>() else { return };
    socket.data().off_change(change);
    socket.off_session_event(session);
    if let Some(outgoing) = outgoing {
        socket.off_any_outgoing(outgoing);
    }
    socket.data().remove(ADMIN_DATA);
}
