//! The channel: events of clients become messages for the agent, and the replies of the agent go to the
//! clients.

use std::sync::Arc;
use std::time::Duration;

use axum_plugin::{SocketApi, SocketEvents, SocketPlugin};
use serde_json::Value;
use socketio_server::{ConnectError, Data, DisconnectReason, EventName, Handshake, RawArgs, Room, Socket};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::agent::{Agent, AgentError};
use crate::config::ChannelConfig;
use crate::delivery::{Delivery, Target};
use crate::expiry::Expiry;
use crate::message::{Invalid, UserMessage, Uttered};
use crate::rate_limit::RateLimiter;
use crate::replies::Replies;
use crate::reply::Reply;
use crate::session::{Session, session_room};
use crate::token::{Claims, TokenConfigError, Tokens, is_expired};
use crate::tracker::{MemoryTracker, Tracker};
use crate::turns::{NotTaken, Turns};

/// Time for the apologies to those whose answers a shutdown has cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A conversational channel. Clones share the same channel.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

struct Shared {
    config: ChannelConfig,
    bot_event: Arc<str>,
    tokens: Option<Tokens>,
    agent: Box<dyn Agent>,
    delivery: Arc<Delivery>,
    turns: Arc<Turns>,
    limiter: RateLimiter,
    /// Whether a shutdown ends the answers in progress.
    is_cut: watch::Sender<bool>,
}

/// Reasons why a message is not passed to the agent. Clients that requested an acknowledgement receive them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Ignored {
    #[error("the token has expired")]
    Expired,
    #[error("{0}")]
    Invalid(Invalid),
    #[error("the session_id is not that of this client, which gets one by session_request")]
    Session,
    #[error("{0}")]
    NotTaken(NotTaken),
}

impl Channel {
    /// A channel whose clients talk with this agent. Conversations are kept in memory, within the default limits of
    /// [`TrackerConfig`](crate::TrackerConfig).
    pub fn new(config: ChannelConfig, agent: impl Agent) -> Result<Self, TokenConfigError> {
        Self::with_tracker(config, agent, MemoryTracker::default())
    }

    /// A channel that keeps its conversations in this tracker.
    pub fn with_tracker(
        config: ChannelConfig,
        agent: impl Agent,
        tracker: impl Tracker,
    ) -> Result<Self, TokenConfigError> {
        let tokens = Tokens::new(config.jwt_key.as_deref(), &config.jwt_method)?;
        let bot_event = config.bot_message_evt.as_str().into();
        let delivery = Delivery::new(Box::new(tracker), config.session_persistence);
        let limiter = RateLimiter::new(&config.limits, Arc::clone(delivery.counters()));
        Ok(Self(Arc::new(Shared {
            limiter,
            config,
            bot_event,
            tokens,
            agent: Box::new(agent),
            delivery: Arc::new(delivery),
            turns: Arc::default(),
            is_cut: watch::Sender::new(false),
        })))
    }

    /// The channel as a plug-in of an application. If the channel has a namespace of its own, clients cannot join
    /// `/`; applications with handlers there use [`events`](Self::events) instead.
    pub fn plugin(&self) -> SocketPlugin {
        let events = self.events();
        let namespace = events.namespace().to_owned();
        let closing = self.clone();
        let mut plugin = SocketPlugin::new(self.0.config.options());
        if namespace != "/" {
            // The official server refuses namespaces without handlers with this message, and has always a `/`.
            plugin = plugin.events(SocketEvents::of("/").middleware(refuse));
        }
        plugin
            .events(events)
            .when_ready(move |api| {
                api.of(&namespace)
                    .on_error(|socket, error| warn!(sid = socket.id(), error = %error.for_log(), "ignored"));
            })
            .before_shutdown(move |_| {
                let channel = closing.clone();
                async move { channel.shutdown().await }
            })
    }

    /// Waits until all messages are answered, at most for [`ChannelConfig::shutdown_ms`]. Users whose messages are
    /// not answered by then, and those who send further ones, receive the apology. The [`plugin`](Self::plugin) does
    /// this before it closes the connections; applications that use [`events`](Self::events) call it there.
    pub async fn shutdown(&self) {
        let Shared { config, turns, is_cut, .. } = &*self.0;
        turns.close();
        if timeout(Duration::from_millis(config.shutdown_ms), turns.idle()).await.is_err() {
            warn!("messages are not answered within shutdown_ms");
            is_cut.send_replace(true);
            let _ = timeout(LAST_WORDS, turns.idle()).await;
        }
    }

    /// The handlers alone, for applications that already have a Socket.IO plug-in.
    pub fn events(&self) -> SocketEvents {
        let (check, channel, goes) = (self.clone(), self.clone(), self.clone());
        let (confirm, limited) = (self.clone(), self.clone());
        SocketEvents::of(&self.0.config.namespace)
            .middleware(move |socket: Socket, handshake: Handshake| {
                let checked = check.let_in(&socket, &handshake);
                check.0.limiter.register(&socket);
                async move { checked }
            })
            .event_middleware(move |socket: Socket, EventName(event): EventName, args: RawArgs| {
                let channel = limited.clone();
                async move { channel.0.limiter.admit(&socket, &event, &args).await }
            })
            .on_connect(|socket: Socket| async move {
                debug!(sid = socket.id(), "connected");
                let claims: Option<Claims> = socket.extensions().get();
                if let Some(expiry) = claims.and_then(|claims| Expiry::of(&socket, &claims)) {
                    socket.extensions().insert(expiry);
                    if !socket.is_connected() {
                        socket.extensions().remove::<Expiry>();
                    }
                }
            })
            .on("session_request", move |socket: Socket, Data(data): Data<Value>| {
                let session = confirm.session_request(&socket, &data);
                let channel = confirm.clone();
                async move {
                    if let Some(session) = session {
                        channel.open_session(&socket, session).await;
                    }
                }
            })
            .on(
                &self.0.config.user_message_evt,
                move |socket: Socket, api: SocketApi, args: RawArgs| {
                    let taken = channel.user_uttered(&socket, &api, &args);
                    let channel = channel.clone();
                    async move {
                        match taken {
                            Ok(answered) => {
                                // Backpressure: with too many pending answers, nothing more is read from the client.
                                let _ = answered.await;
                                Ok(())
                            }
                            Err(ignored) => {
                                if ignored == Ignored::NotTaken(NotTaken::Closed) {
                                    channel.apologize(&channel.replies_for(&socket, &api)).await;
                                }
                                Err(ignored)
                            }
                        }
                    }
                },
            )
            .on_disconnect(move |socket: Socket, reason: DisconnectReason| {
                debug!(sid = socket.id(), %reason, persistent = goes.0.config.session_persistence, "disconnected");
                socket.extensions().remove::<Expiry>();
                let dropped = goes.0.turns.forget(socket.id());
                if dropped > 0 {
                    warn!(sid = socket.id(), dropped, "waiting messages of a client that has gone are ignored");
                }
                let channel = goes.clone();
                async move {
                    if !channel.0.config.session_persistence {
                        channel.0.delivery.forget(socket.id()).await;
                    }
                }
            })
    }

    /// Replies without a preceding message: to a session if sessions persist, otherwise to a connection. The messages to a
    /// session without a connected client wait for the return of one; whether there is such a session is not known.
    /// Returns `None` and logs a warning if sessions do not persist and there is no such connection.
    pub fn replies_to(&self, api: &SocketApi, sender: &str) -> Option<Replies> {
        let replies = self.replies(api, &sender.into());
        if !self.0.config.session_persistence && replies.target().namespace.room_len(sender) == 0 {
            warn!(sender, "no client is connected for an unsolicited reply");
            return None;
        }
        Some(replies)
    }

    pub(crate) fn config(&self) -> &ChannelConfig {
        &self.0.config
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.0.config.namespace
    }

    pub(crate) fn is_persistent(&self) -> bool {
        self.0.config.session_persistence
    }

    pub(crate) fn delivery(&self) -> &Delivery {
        &self.0.delivery
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// Whether messages are taken: not during a [`shutdown`](Self::shutdown).
    pub fn is_open(&self) -> bool {
        !self.0.turns.is_closed()
    }

    fn let_in(&self, socket: &Socket, handshake: &Handshake) -> Result<(), ConnectError> {
        let Some(tokens) = &self.0.tokens else {
            return Ok(());
        };
        #[derive(serde::Deserialize)]
        struct Credentials {
            token: Option<String>,
        }
        let auth = handshake.auth::<Credentials>().ok().and_then(|credentials| credentials.token);
        let token = auth.as_deref().or_else(|| handshake.header("authorization"));
        let Some(claims) = token.and_then(|token| tokens.check(token)) else {
            debug!(sid = socket.id(), "refused: the token is missing or wrong");
            return Err(ConnectError::new("not authenticated"));
        };
        socket.extensions().insert(claims);
        Ok(())
    }

    /// The session that a client gets, which has to be opened next. The client has it at once, so that it may send
    /// messages without a wait for the confirmation.
    fn session_request(&self, socket: &Socket, data: &Value) -> Option<Session> {
        let session = Session::requested(socket.id(), data)?;
        if self.0.config.session_persistence {
            let before = socket.extensions().insert(session.clone());
            if let Some(before) = before.filter(|before| *before != session) {
                socket.leave(&before.room());
            }
        }
        Some(session)
    }

    /// Confirms a session to its client, and sends what the bot has said meanwhile.
    async fn open_session(&self, socket: &Socket, session: Session) {
        // The client may already be disconnected.
        let confirm = || drop(socket.emit("session_confirm", &*session.0));
        if !self.0.config.session_persistence {
            return confirm();
        }
        let room = session.room();
        let join = || {
            socket.join(room.clone());
            // The client may have requested another session meanwhile.
            if socket.extensions().get::<Session>().as_ref() != Some(&session) {
                socket.leave(&room);
            }
        };
        self.0.delivery.replay(socket, &self.0.bot_event, &session.0, confirm, join).await;
    }

    /// Passes a message to the agent.
    fn user_uttered(
        &self,
        socket: &Socket,
        api: &SocketApi,
        args: &RawArgs,
    ) -> Result<oneshot::Receiver<()>, Ignored> {
        let Shared { config, turns, .. } = &*self.0;
        let claims: Option<Claims> = socket.extensions().get();
        if claims.as_ref().is_some_and(is_expired) {
            socket.disconnect(false);
            return Err(Ignored::Expired);
        }
        let said = Uttered::read(args, &config.metadata_key).map_err(Ignored::Invalid)?;
        let sender = self
            .sender(socket)
            .filter(|sender| !config.session_persistence || said.session.as_deref() == Some(sender));
        let sender = sender.ok_or(Ignored::Session)?;
        let message = UserMessage {
            text: said.text,
            sender: sender.to_string(),
            input_channel: "socketio",
            metadata: said.metadata,
            claims,
        };
        let replies = self.replies(api, &sender);
        let channel = self.clone();
        let answer = async move { channel.answer(message, replies).await };
        let is_connected = || socket.is_connected();
        turns.take(&sender, socket.id(), is_connected, answer).map_err(Ignored::NotTaken)
    }

    /// The conversation of a client; `None` if sessions persist and it has not requested one.
    fn sender(&self, socket: &Socket) -> Option<Arc<str>> {
        if self.0.config.session_persistence {
            socket.extensions().get().map(|Session(id)| id)
        } else {
            Some(socket.id().into())
        }
    }

    async fn answer(&self, message: UserMessage, replies: Replies) {
        let channel = self.clone();
        let said = replies.clone();
        let Shared { delivery, .. } = &*self.0;
        delivery.user_said(replies.target(), &message.text, &message.metadata).await;
        // A task of its own, whose panic is an error here.
        let mut answering = tokio::spawn(async move { channel.0.agent.answer(message, said).await });
        let mut is_cut = self.0.is_cut.subscribe();
        let answered = tokio::select! {
            answered = &mut answering => answered.unwrap_or_else(|_| Err("the agent has panicked".into())),
            _ = is_cut.wait_for(|is_cut| *is_cut) => {
                answering.abort();
                Err(AgentError::from(NotTaken::Closed))
            }
        };
        let counters = delivery.counters();
        if answered.is_ok() {
            counters.answers.add(1);
        }
        if let Err(error) = answered {
            counters.failed_answers.add(1);
            warn!(sender = replies.sender(), error = &*error, "the agent has failed");
            self.apologize(&replies).await;
        }
    }

    async fn apologize(&self, replies: &Replies) {
        let apology = &self.0.config.apology;
        if !apology.is_empty() {
            // The apology is plain text, so it can be encoded; the client may already be disconnected.
            let _ = replies.send(&Reply::text(apology.as_str())).await;
        }
    }

    /// Replies to the conversation of a client.
    fn replies_for(&self, socket: &Socket, api: &SocketApi) -> Replies {
        let sender = self.sender(socket).unwrap_or_else(|| socket.id().into());
        self.replies(api, &sender)
    }

    fn replies(&self, api: &SocketApi, sender: &Arc<str>) -> Replies {
        let target = Target {
            namespace: api.of(&self.0.config.namespace),
            event: Arc::clone(&self.0.bot_event),
            conversation: Arc::clone(sender),
            room: self.room(sender),
        };
        Replies::new(Arc::clone(&self.0.delivery), target)
    }

    fn room(&self, sender: &str) -> Room {
        if self.0.config.session_persistence { session_room(sender).into() } else { sender.into() }
    }
}

async fn refuse() -> Result<(), ConnectError> {
    Err(ConnectError::new("Invalid namespace"))
}
