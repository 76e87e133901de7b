//! The client of a service: its connection to the bus, which reconnects by itself, and the HTTP API as a
//! fallback.

mod error;
mod options;
mod reconnect;
mod requests;
mod seen;
mod subscriptions;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engineio::sync::Mutex;
use http::HeaderValue;
use serde::Serialize;
use serde_json::{Value, json};
use socketio_client::{ConnectError, Data, HandlerId, Manager, Socket};
use tokio::sync::{RwLock, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use crate::command::{Command, Outcome};
use crate::event::{Event, EventType};
use crate::fallback::Fallback;
use crate::requests::Request;

pub use self::error::{BusError, ConnectorError, LinkState, RequestError};
pub use self::options::ConnectorOptions;
use self::requests::Requests;
pub use self::seen::SeenIds;
pub use self::subscriptions::Dropped;
use self::subscriptions::Subscriptions;

/// The client of a service. Clones share the same connection.
#[derive(Clone)]
pub struct ServiceConnector {
    name: Arc<str>,
    manager: Manager,
    socket: Socket,
    fallback: Fallback,
    rooms: Arc<Mutex<BTreeSet<String>>>,
    /// The reason why the bus refuses the service, if it does.
    denied: Arc<Mutex<Option<String>>>,
    /// Read-locked by commands that wait for an ack.
    asking: Arc<RwLock<()>>,
    limit: Duration,
    /// Places of commands with an event that wait for their acks.
    unanswered: Arc<Semaphore>,
    resend: Duration,
    pause: Duration,
    subscriptions: Subscriptions,
    requests: Requests,
    /// Whether the application has ended the connection.
    is_shut_down: Arc<AtomicBool>,
}

impl ServiceConnector {
    /// A service of this name, with default options; `url` is that of the bus, such as
    /// `http://localhost:8000`.
    pub fn new(name: &str, url: &str) -> Result<Self, ConnectorError> {
        Self::with_options(name, url, ConnectorOptions::default())
    }

    /// A service of this name.
    pub fn with_options(name: &str, url: &str, options: ConnectorOptions) -> Result<Self, ConnectorError> {
        let wrong = || ConnectorError::Url(url.to_owned());
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(wrong());
        }
        let ConnectorOptions { key, path, tls, timeout, resend, max_unanswered, reconnection_delay } =
            options;
        let fallback_tls = tls.clone();
        let bearer = key.as_ref().map(|key| HeaderValue::from_str(&format!("Bearer {key}")));
        let bearer = bearer.transpose().map_err(|_| ConnectorError::Key)?;
        let manager = Manager::builder(url)
            .map_err(|_| wrong())?
            .path(path)
            .engine(|engine| engine.tls(tls))
            .connect_timeout(timeout)
            .ack_timeout(timeout)
            .reconnection(|reconnection| {
                reconnection.delay = reconnection_delay;
                reconnection.delay_max = reconnection_delay.saturating_mul(10);
            })
            .build();
        let socket = manager.socket("/");
        // Strings can always be serialized.
        let auth = json!({ "service": name, "key": key });
        socket.auth(&auth).map_err(|_| ConnectorError::Key)?;
        let fallback = Fallback::new(url, &fallback_tls, bearer.as_ref(), name, timeout);
        let fallback = fallback.map_err(ConnectorError::Tls)?;
        let rooms = Arc::<Mutex<BTreeSet<String>>>::default();
        let denied = Arc::<Mutex<Option<String>>>::default();
        let (subscriptions, requests) = (Subscriptions::default(), Requests::default());
        subscriptions.register(&socket);
        requests.register(&socket);
        let is_shut_down = Arc::<AtomicBool>::default();
        reconnect::always(&socket, reconnection_delay, &is_shut_down);
        reconnect::restore(&socket, &rooms, &denied, &subscriptions, timeout);
        let asking = Arc::default();
        Ok(Self {
            name: name.into(),
            manager,
            socket,
            fallback,
            rooms,
            denied,
            asking,
            limit: timeout,
            unanswered: Arc::new(Semaphore::new(max_unanswered.min(Semaphore::MAX_PERMITS))),
            resend,
            pause: reconnection_delay,
            subscriptions,
            requests,
            is_shut_down,
        })
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects. If there is no connection in time, the API is used as long as it is reachable, and
    /// connection attempts continue. [`BusError::Denied`] means that the bus refuses the service: then
    /// neither works.
    pub async fn initialize(&self) -> Result<LinkState, BusError> {
        *self.denied.lock() = None;
        self.is_shut_down.store(false, Ordering::Relaxed);
        self.socket.connect();
        match timeout(self.limit, self.socket.connected()).await {
            Ok(Ok(())) => return Ok(LinkState::Socket),
            Ok(Err(ConnectError::Refused(refusal))) => {
                *self.denied.lock() = Some(refusal.message.clone());
                return Err(BusError::Denied(refusal.message));
            }
            Ok(Err(error)) => debug!(%error, service = &*self.name, "no connection"),
            Err(_) => debug!(service = &*self.name, "no connection in time"),
        }
        match self.fallback.is_there().await.map_err(BusError::from) {
            Ok(()) => Ok(LinkState::Http),
            Err(error) => {
                if let BusError::Denied(why) = &error {
                    *self.denied.lock() = Some(why.clone());
                    self.socket.disconnect();
                }
                Err(error)
            }
        }
    }

    /// The current state of the link.
    pub fn link(&self) -> LinkState {
        match (self.socket.is_connected(), self.why_denied()) {
            (true, _) => LinkState::Socket,
            (false, None) => LinkState::Http,
            (false, Some(_)) => LinkState::Refused,
        }
    }

    /// Adds a handler for events of a type.
    pub fn on_event<F, Fut>(&self, kind: impl Into<EventType>, handler: F) -> HandlerId
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.socket.on(kind.into().name(), move |Data(event): Data<Event>| handler(event))
    }

    /// Removes a handler.
    pub fn off(&self, id: HandlerId) -> bool {
        self.socket.off(id)
    }

    /// Sends to a user, on all its clients.
    pub async fn emit_to_user(&self, user_id: &str, event: Event) -> Result<Outcome, BusError> {
        self.send(Command::EmitToUser { user_id: user_id.to_owned(), event }).await
    }

    /// Sends to one client.
    pub async fn emit_to_client(&self, client_id: &str, event: Event) -> Result<Outcome, BusError> {
        self.send(Command::EmitToClient { client_id: client_id.to_owned(), event }).await
    }

    /// Sends to all sockets in a room. `service:NAME` is the room of a service, `services` the room of all
    /// services.
    pub async fn emit_to_room(&self, room: &str, event: Event) -> Result<Outcome, BusError> {
        self.send(Command::EmitToRoom { room: room.to_owned(), event }).await
    }

    /// Sends to all instances of a service. If it is away, the event is kept for its subscriptions; without one this is an
    /// error.
    pub async fn emit_to_service(&self, service: &str, event: Event) -> Result<Outcome, BusError> {
        self.send(Command::EmitToService { service: service.to_owned(), event }).await
    }

    /// Sends an event of any type to all other services, and keeps it for those that are away and have a subscription.
    pub async fn publish(&self, event: Event) -> Result<Outcome, BusError> {
        self.send(Command::Publish { event }).await
    }

    /// Subscribes to event types, none for all, under a name that stays the same after a restart of this service. The bus
    /// keeps the events that are for this service while it is away, within limits, and delivers them in order. The
    /// next event comes when the handler of the previous one has ended; an event whose handler has not ended when the
    /// connection is lost comes again, with the same id.
    ///
    /// The subscription is made now or when there is a connection, and again after each reconnection. Handlers of
    /// [`on_event`](Self::on_event) do not get its events.
    pub async fn subscribe<F, Fut>(&self, name: &str, types: &[EventType], handler: F) -> Result<(), BusError>
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let types = types.iter().map(|kind| kind.name().to_owned()).collect();
        self.subscriptions.add(name, types, handler);
        if !self.socket.is_connected() {
            return Err(self.why_denied().map_or(BusError::NotConnected, BusError::Denied));
        }
        self.subscriptions.subscribe(&self.socket, name, self.limit).await
    }

    /// Sets the handler for events that the bus has dropped before the service received them. Default: a warning in the
    /// log.
    pub fn on_dropped<F, Fut>(&self, handler: F)
    where
        F: Fn(Dropped) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.subscriptions.on_dropped(handler);
    }

    /// Ends a subscription: the bus forgets its events.
    pub async fn unsubscribe(&self, name: &str) -> Result<(), BusError> {
        self.subscriptions.remove(name);
        if !self.socket.is_connected() {
            return Err(self.why_denied().map_or(BusError::NotConnected, BusError::Denied));
        }
        let asked = self.socket.timeout(self.limit);
        let answer = asked.emit_with_ack::<Value>("unsubscribe", &json!({ "subscription": name })).await;
        refusal(&answer.map_err(BusError::Unanswered)?)
    }

    /// Asks one instance of a service, each in turn, and waits for its answer. A request is not repeated.
    pub async fn request(
        &self,
        service: &str,
        event: Event,
        timeout: Duration,
    ) -> Result<crate::Value, RequestError> {
        let _asking = self.asking.read().await;
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let request =
            Request { service: service.to_owned(), event: event.identified(), timeout_ms: Some(timeout_ms) };
        if self.socket.is_connected() {
            // The bus answers when the time is over.
            return requests::ask(&self.socket, &request, timeout + self.limit).await;
        }
        if let Some(why) = self.why_denied() {
            return Err(BusError::Denied(why).into());
        }
        let answered = self.fallback.request(&request, timeout + self.limit).await.map_err(BusError::from)?;
        answered.map_err(|(code, message)| RequestError::of(&code, message))
    }

    /// Sets the handler of requests of a type. Its error is the reason that the asking service gets.
    pub fn on_request<F, Fut, T>(&self, kind: impl Into<EventType>, handler: F)
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, String>> + Send + 'static,
        T: Serialize,
    {
        self.requests.set(kind.into().name(), handler);
    }

    /// Sends to all clients and services.
    pub async fn broadcast(&self, event: Event) -> Result<Outcome, BusError> {
        self.send(Command::Broadcast { event }).await
    }

    /// Adds this service to a room, now or when there is a connection, and again after each reconnection.
    pub async fn join(&self, room: &str) -> Result<(), BusError> {
        self.rooms.lock().insert(room.to_owned());
        let joined = self.in_person(Command::JoinRoom { client_id: None, room: room.to_owned() }).await;
        if let Err(BusError::Refused(_)) = joined {
            // The room would be refused after each reconnection too.
            self.rooms.lock().remove(room);
        }
        joined
    }

    /// Removes this service from a room.
    pub async fn leave(&self, room: &str) -> Result<(), BusError> {
        self.rooms.lock().remove(room);
        self.in_person(Command::LeaveRoom { client_id: None, room: room.to_owned() }).await
    }

    /// Adds a client to a room, for example `user:ID`.
    pub async fn join_client(&self, client_id: &str, room: &str) -> Result<(), BusError> {
        let command = Command::JoinRoom { client_id: Some(client_id.to_owned()), room: room.to_owned() };
        self.ask(&command).await.map(drop)
    }

    /// Removes a client from a room.
    pub async fn leave_client(&self, client_id: &str, room: &str) -> Result<(), BusError> {
        let command = Command::LeaveRoom { client_id: Some(client_id.to_owned()), room: room.to_owned() };
        self.ask(&command).await.map(drop)
    }

    /// Sends an event as a client would: an event of a standard type reaches all other services, and the bus
    /// answers `presence:query` with `presence:update`.
    pub fn say(&self, event: &Event) -> Result<(), socketio_client::EmitError> {
        self.socket.emit(event.kind.name(), event)
    }

    /// Ends the connection. Events sent before are written, and pending commands have the ack timeout to
    /// complete.
    pub async fn shutdown(&self) {
        self.is_shut_down.store(true, Ordering::Relaxed);
        // Later commands wait for the lock, and then use HTTP.
        let _asked = timeout(self.limit, self.asking.write()).await;
        self.manager.close().await;
    }

    async fn in_person(&self, command: Command) -> Result<(), BusError> {
        let _asking = self.asking.read().await;
        if !self.socket.is_connected() {
            return Err(self.why_denied().map_or(BusError::NotConnected, BusError::Denied));
        }
        self.over_socket(&command).await.map(drop)
    }

    /// Sends a command with an event until it is acknowledged. The event keeps its id, by which its receivers recognize
    /// a repetition.
    async fn send(&self, command: Command) -> Result<Outcome, BusError> {
        let _place = self.unanswered.try_acquire().map_err(|_| BusError::TooMany)?;
        let command = command.identified();
        let end = Instant::now() + self.resend;
        loop {
            match self.ask(&command).await {
                Err(error) if error.may_pass() && Instant::now() + self.pause < end => {
                    debug!(service = &*self.name, op = command.op(), %error, "sent again");
                }
                done => return done,
            }
            sleep(self.pause).await;
        }
    }

    async fn ask(&self, command: &Command) -> Result<Outcome, BusError> {
        let _asking = self.asking.read().await;
        if self.socket.is_connected() {
            self.over_socket(command).await
        } else if let Some(why) = self.why_denied() {
            Err(BusError::Denied(why))
        } else {
            debug!(service = &*self.name, op = command.op(), "over HTTP");
            Ok(self.fallback.carry_out(command).await?)
        }
    }

    fn why_denied(&self) -> Option<String> {
        self.denied.lock().clone()
    }

    async fn over_socket(&self, command: &Command) -> Result<Outcome, BusError> {
        let asked = self.socket.timeout(self.limit).emit_with_ack::<Value>(command.op(), command).await;
        let answer = asked.map_err(BusError::Unanswered)?;
        refusal(&answer)?;
        serde_json::from_value(answer).map_err(|error| BusError::Refused(error.to_string()))
    }
}

/// The reason of the bus, if its answer is a refusal.
pub(super) fn refusal(answer: &Value) -> Result<(), BusError> {
    answer["error"].as_str().map_or(Ok(()), |why| Err(BusError::Refused(why.to_owned())))
}
