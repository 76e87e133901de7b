//! One namespace: the only place where a socket's events meet its state.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use engineio::Prepared;
use engineio::SendError;
use engineio::client::Sender;
use serde_json::Value;
use socketio_events::handler::Call;
use socketio_events::message;
use socketio_events::table::{Calls, List, Table};
use socketio_parser::{EncodeError, Event, RawArgs};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Socket;
use super::context::{ConnectContext, ConnectErrorContext, DisconnectContext, EventContext, SocketEvent};
use super::state::{Arrived, Auth, Notice, State};
use crate::buffer::Buffered;
use crate::config::Config;
use crate::disconnect_reason::DisconnectReason;
use crate::error::{AckError, ConnectError, EmitError, HandlerError, ProtocolError};
use crate::inbox::Inbox;
use crate::retry::Answer;
use crate::watched::Watched;

type Outgoing = dyn Fn(&str, &RawArgs) + Send + Sync;
type ErrorHook = Arc<dyn Fn(&Socket, &HandlerError) + Send + Sync>;

/// Who is told what.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) events: Table<EventContext>,
    pub(crate) outgoing: List<Outgoing>,
    pub(crate) connect: Calls<ConnectContext>,
    pub(crate) connect_error: Calls<ConnectErrorContext>,
    pub(crate) disconnect: Calls<DisconnectContext>,
    pub(crate) on_error: Option<ErrorHook>,
}

/// How things stand, for those who wait.
#[derive(Clone, Debug)]
enum Status {
    Idle(Option<ConnectError>),
    Trying,
    Connected,
}

/// A namespace.
pub(crate) struct Space {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<Config>,
    /// How many handles the application has, or the task for it.
    handles: AtomicUsize,
    ack_ids: AtomicU64,
    state: Mutex<State>,
    handlers: Mutex<Handlers>,
    status: Watched<Status>,
}

impl Space {
    pub(super) fn new(name: Arc<str>, config: Arc<Config>, first_ack_id: u64) -> Self {
        Self {
            name,
            config,
            handles: AtomicUsize::new(0),
            ack_ids: AtomicU64::new(first_ack_id),
            state: Mutex::default(),
            handlers: Mutex::default(),
            status: Watched::new(Status::Idle(None)),
        }
    }

    pub(super) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// `true` if there may be nobody left who needs this namespace.
    pub(super) fn drop_handle(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1 && !self.lock().is_active()
    }

    /// Whether nobody needs it: the application has no handle and nothing to be told, and the server has nothing to answer.
    pub(super) fn is_forgotten(&self) -> bool {
        self.handles.load(Ordering::Acquire) == 0 && self.lock().is_over()
    }

    /// The id that the next event would have.
    pub(super) fn ack_ids(&self) -> u64 {
        self.ack_ids.load(Ordering::Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn handlers(&self) -> MutexGuard<'_, Handlers> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn clear_handlers(&self) {
        let handlers = std::mem::take(&mut *self.handlers());
        drop(handlers);
    }

    pub(crate) fn calls(&self, event: &str) -> Vec<Call<EventContext>> {
        let mut handlers = self.handlers();
        let calls = handlers.events.calls(event);
        if handlers.events.has_once(event) {
            handlers.events.remove_once(event);
        }
        calls
    }

    /// A new stream of what happens; the one before gets nothing more.
    pub(crate) fn open_inbox(&self) -> Arc<Inbox<SocketEvent>> {
        let inbox = Arc::new(Inbox::new(self.config.max_waiting_events));
        self.lock().inbox = Arc::downgrade(&inbox);
        inbox
    }

    /// The stream's reader has gone, if there is no other one yet.
    pub(crate) fn close_inbox(&self, inbox: &Arc<Inbox<SocketEvent>>) {
        let mut state = self.lock();
        if std::ptr::eq(state.inbox.as_ptr(), Arc::as_ptr(inbox)) {
            state.inbox = Weak::new();
        }
    }

    pub(crate) fn inbox(&self) -> Option<Arc<Inbox<SocketEvent>>> {
        self.lock().inbox.upgrade()
    }

    // Joining and leaving.

    pub(crate) fn want(&self) -> bool {
        let mut state = self.lock();
        let wanted = state.want();
        if wanted {
            // Under the lock, here and below: otherwise who waits may be told what is over.
            self.status.set(Status::Trying);
        }
        wanted
    }

    pub(crate) fn begin_join(&self) -> Option<(u64, Auth)> {
        self.lock().begin_join()
    }

    /// Asks the server, if the socket still wants to.
    pub(crate) fn ask(&self, join: u64, auth: Option<Value>, link: &Sender) -> Result<(), EncodeError> {
        let mut state = self.lock();
        if state.is_join(join) {
            let data = state.connect_data(auth);
            link.send_regardless(message::connect(self.config.parser, &self.name, data.as_ref())?);
            state.asked();
        }
        Ok(())
    }

    /// The server has answered to a CONNECT. `false` if the socket has left in the meantime; the server, if it has let it
    /// in, is told so.
    pub(crate) fn settle(&self, let_in: bool, link: &Sender) -> bool {
        let is_meant = self.lock().settle();
        if !is_meant && let_in {
            if let Ok(packet) = self.farewell() {
                link.send_regardless(packet);
            }
        }
        is_meant
    }

    /// On a new connection the server owes nothing.
    pub(crate) fn start_over(&self) {
        self.lock().settle();
    }

    fn farewell(&self) -> Result<Prepared, EncodeError> {
        message::disconnect(self.config.parser, &self.name)
    }

    /// The packet that asks a server of Socket.IO v2, if the socket still wants to. The name may have a query.
    pub(crate) fn old_connect_packet(&self, join: u64, name: &str) -> Option<Result<Prepared, EncodeError>> {
        self.lock().is_join(join).then(|| message::connect::<()>(self.config.parser, name, None))
    }

    /// The server has confirmed. What came before is handed back, and whether the old socket was found.
    pub(crate) fn joined(
        &self,
        id: String,
        pid: Option<String>,
        link: &Sender,
    ) -> Option<(bool, Vec<Arrived>)> {
        let mut state = self.lock();
        if !state.is_joining() {
            return None;
        }
        let recovered = state.joined(id, pid, link.clone());
        self.status.set(Status::Connected);
        Some((recovered, std::mem::take(&mut state.early)))
    }

    /// The attempt failed. Without `again` there will not be another.
    pub(crate) fn failed(&self, error: &ConnectError, again: bool) {
        let mut state = self.lock();
        let was_active = state.is_active();
        state.part(again);
        if was_active && !again {
            self.status.set(Status::Idle(Some(error.clone())));
        }
    }

    /// The connection is gone, or the server put the socket out. `true` if it was connected.
    pub(crate) fn lost(&self, again: bool) -> bool {
        let mut state = self.lock();
        if !state.is_active() {
            // The application has just left, and been told so.
            return false;
        }
        let was_connected = state.part(again);
        self.status.set(if again { Status::Trying } else { Status::Idle(None) });
        was_connected
    }

    /// The application leaves. `true` if there is something to leave.
    pub(crate) fn leave(&self) -> bool {
        let mut state = self.lock();
        if !state.is_active() {
            return false;
        }
        if let (Some(link), Ok(packet)) = (state.link(), self.farewell()) {
            // A connection that takes no more tells the server by its end.
            link.send_regardless(packet);
        }
        if state.part(false) {
            state.notices.push(Notice::Disconnect(DisconnectReason::ClientDisconnect));
        }
        state.notices.push(Notice::End);
        self.status.set(Status::Idle(None));
        true
    }

    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.lock().notices)
    }

    pub(crate) async fn wait_connected(&self) -> Result<(), ConnectError> {
        let outcome = |status: &Status| match status {
            Status::Trying => None,
            Status::Connected => Some(Ok(())),
            Status::Idle(Some(error)) => Some(Err(error.clone())),
            Status::Idle(None) => Some(Err(ConnectError::Inactive)),
        };
        self.status.wait(outcome).await
    }

    // Out.

    pub(crate) fn next_ack_id(&self) -> u64 {
        self.ack_ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn expect(&self, id: u64) -> Result<oneshot::Receiver<Result<RawArgs, AckError>>, AckError> {
        let mut state = self.lock();
        if state.acks.len() >= self.config.max_pending_acks {
            return Err(AckError::TooMany);
        }
        let (sender, answer) = oneshot::channel();
        state.acks.insert(id, sender);
        Ok(answer)
    }

    pub(crate) fn forget(&self, id: u64) {
        let mut state = self.lock();
        state.acks.remove(&id);
        state.buffer.forget(id);
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.handlers().outgoing.is_empty()
    }

    /// Sends a packet at once, or keeps it until the socket is connected.
    pub(crate) fn send(
        &self,
        message: Prepared,
        ack_id: Option<u64>,
        volatile: bool,
        event: Option<Event>,
    ) -> Result<(), EmitError> {
        let state = self.lock();
        let in_order = state.buffer.is_empty();
        let sent = match state.live_link() {
            Some(link) if volatile => in_order && link.send_volatile(message).unwrap_or(false),
            None if volatile => false,
            Some(link) if in_order => match link.send(message.clone()) {
                Ok(()) => true,
                // The connection has just ended, and the task has not said so yet.
                Err(SendError::Closed) => return self.keep(state, Buffered { message, ack_id, event }),
                Err(error) => return Err(error.into()),
            },
            _ => return self.keep(state, Buffered { message, ack_id, event }),
        };
        drop(state);
        if sent {
            self.tell_outgoing(event.as_ref());
        }
        Ok(())
    }

    fn keep(&self, mut state: MutexGuard<'_, State>, event: Buffered) -> Result<(), EmitError> {
        for dropped in state.buffer.push(event, self.config.max_buffered, self.config.overflow)? {
            if let Some(waiting) = dropped.ack_id.and_then(|id| state.acks.remove(&id)) {
                let _ = waiting.send(Err(AckError::Dropped));
            }
        }
        Ok(())
    }

    fn tell_outgoing<'a>(&self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            let listeners = self.handlers().outgoing.clone();
            listeners.calls().for_each(|listener| listener(event.name(), event.args()));
        }
    }

    /// Takes an event that is sent until it is answered.
    pub(crate) fn enqueue(
        &self,
        event: Event,
        timeout: Option<Duration>,
        answer: Option<Answer>,
    ) -> Result<u64, EmitError> {
        let bytes = event.name().len() + event.args().as_bytes().len();
        let bytes = bytes + event.args().attachments().iter().map(|data| data.len()).sum::<usize>();
        let number = self.lock().queue.push(event, bytes, timeout, answer, self.config.max_buffered)?;
        self.flush();
        Ok(number)
    }

    /// Nobody waits for this event any more. `true` if another one is due.
    pub(crate) fn abandon(&self, number: u64) -> bool {
        let due = self.lock().queue.abandon(number);
        if due {
            self.flush();
        }
        due
    }

    /// Sends what waits, as far as the connection takes it. `true` if it has to be tried again when there is room.
    pub(crate) fn flush(&self) -> bool {
        let mut told = Vec::new();
        let mut state = self.lock();
        let full = self.send_waiting(&mut state, &mut told);
        drop(state);
        self.tell_outgoing(&told);
        full
    }

    fn send_waiting(&self, state: &mut State, told: &mut Vec<Event>) -> bool {
        let Some(link) = state.live_link().cloned() else { return false };
        while let Some(first) = state.buffer.front() {
            match link.send(first.message.clone()) {
                Ok(()) => told.extend(state.buffer.pop().and_then(|sent| sent.event)),
                Err(error) => return error == SendError::Full,
            }
        }
        let Some(event) = state.queue.due() else { return false };
        let id = self.next_ack_id();
        let Ok(packet) = message::event(self.config.parser, &self.name, Some(id), event.name(), event.args())
        else {
            // It was written once, so it can be again.
            return false;
        };
        match link.send(packet) {
            Ok(()) => {
                told.push(event.clone());
                state.queue.sent(id, Instant::now());
                false
            }
            Err(error) => error == SendError::Full,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.lock().queue.deadline()
    }

    /// What was not answered in time is due again, or given up.
    pub(crate) fn expire(&self, now: Instant) {
        self.lock().queue.expire(now, self.config.retries.unwrap_or(0));
    }

    // In.

    /// An answer came. One that nobody waits for (any more) is dropped. `true` if another event may be due.
    pub(crate) fn answered(&self, id: u64, args: RawArgs) -> bool {
        let mut state = self.lock();
        let Err(args) = state.queue.answered(id, args) else { return true };
        if let Some(waiting) = state.acks.remove(&id) {
            let _ = waiting.send(Ok(args));
        }
        false
    }

    /// An event came. It is handed back if the socket is connected, and kept if it is about to be.
    pub(crate) fn arrived(&self, arrived: Arrived) -> Result<Option<Arrived>, ProtocolError> {
        let mut state = self.lock();
        if state.is_joining() {
            if state.early.len() >= self.config.max_early_events {
                return Err(ProtocolError::EarlyEvents);
            }
            state.early.push(arrived);
            return Ok(None);
        }
        Ok(state.link().is_some().then_some(arrived))
    }

    /// Remembers what the server makes up for after a loss. How often the socket has asked to join so far.
    pub(crate) fn note(&self, event: &Event) -> u64 {
        let mut state = self.lock();
        state.note_offset(event.args());
        state.joins()
    }

    /// Answers an event, if the socket has not left since, or been parted from the connection. Servers close the
    /// connection of who says anything in a namespace that it is not in.
    pub(crate) fn answer(&self, join: u64, message: Prepared) -> Result<(), EmitError> {
        let state = self.lock();
        let link = state.link().filter(|_| state.joins() == join).ok_or(EmitError::Disconnected)?;
        Ok(link.send(message)?)
    }
}
