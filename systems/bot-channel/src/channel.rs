//! The channel: events of clients become messages for the agent, and the replies of the agent go to the
//! clients.

use std::sync::Arc;

use axum_plugin::{SocketApi, SocketEvents, SocketPlugin};
use serde_json::Value;
use socketio_server::{ConnectError, Data, DisconnectReason, Handshake, Room, Socket};
use tracing::{debug, warn};

use crate::agent::Agent;
use crate::config::ChannelConfig;
use crate::message::{UserMessage, Uttered};
use crate::replies::Replies;
use crate::reply::Reply;
use crate::token::{Claims, TokenConfigError, Tokens, expired};
use crate::turns::Turns;

/// Maximum length of a session id from a client, in bytes.
const MAX_SESSION: usize = 128;

/// A conversational channel. Clones share the same channel.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

struct Shared {
    config: ChannelConfig,
    bot_event: Arc<str>,
    tokens: Option<Tokens>,
    agent: Box<dyn Agent>,
    turns: Arc<Turns>,
}

/// The session that the client requested most recently.
#[derive(Clone)]
struct Session(Arc<str>);

impl Channel {
    /// A channel whose clients talk with this agent.
    pub fn new(config: ChannelConfig, agent: impl Agent) -> Result<Self, TokenConfigError> {
        let tokens = Tokens::new(config.jwt_key.as_deref(), &config.jwt_method)?;
        let bot_event = config.bot_message_evt.as_str().into();
        Ok(Self(Arc::new(Shared {
            config,
            bot_event,
            tokens,
            agent: Box::new(agent),
            turns: Arc::default(),
        })))
    }

    /// The channel as a plug-in of an application.
    pub fn plugin(&self) -> SocketPlugin {
        let namespace = self.events().namespace().to_owned();
        SocketPlugin::new(self.0.config.options()).events(self.events()).when_ready(move |api| {
            api.of(&namespace)
                .on_error(|socket, error| warn!(sid = socket.id(), error = %error.for_log(), "ignored"));
        })
    }

    /// The handlers alone, for applications that already have a Socket.IO plug-in.
    pub fn events(&self) -> SocketEvents {
        let (check, channel, goes) = (self.clone(), self.clone(), self.clone());
        let confirm = self.clone();
        SocketEvents::of(&self.0.config.namespace)
            .middleware(move |socket: Socket, handshake: Handshake| {
                let checked = check.let_in(&socket, &handshake);
                async move { checked }
            })
            .on_connect(|socket: Socket| async move { debug!(sid = socket.id(), "connected") })
            .on("session_request", move |socket: Socket, Data(data): Data<Value>| {
                confirm.session_request(&socket, &data);
                async {}
            })
            .on(
                &self.0.config.user_message_evt,
                move |socket: Socket, api: SocketApi, Data(data): Data<Value>| {
                    let answered = channel.user_uttered(&socket, &api, data);
                    async move {
                        // Backpressure: with too many pending answers, nothing more is read from the client.
                        if let Some(answered) = answered {
                            let _ = answered.await;
                        }
                    }
                },
            )
            .on_disconnect(move |socket: Socket, reason: DisconnectReason| {
                debug!(sid = socket.id(), %reason, persistent = goes.0.config.session_persistence, "disconnected");
                async {}
            })
    }

    /// Replies without a preceding message: to a session if sessions persist, otherwise to a connection.
    /// Returns `None` and logs a warning if no client is connected.
    pub fn replies_to(&self, api: &SocketApi, sender: &str) -> Option<Replies> {
        let replies = self.replies(api, &sender.into());
        let room = self.room(sender);
        if api.of(&self.0.config.namespace).room_len(&room) == 0 {
            warn!(sender, "no client is connected for an unsolicited reply");
            return None;
        }
        Some(replies)
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

    fn session_request(&self, socket: &Socket, data: &Value) {
        let id = match data.get("session_id") {
            None | Some(Value::Null) => new_session(),
            Some(Value::String(id)) if (1..=MAX_SESSION).contains(&id.len()) => Some(id.clone()),
            Some(_) => {
                warn!(sid = socket.id(), "a session id that is none; the client gets another");
                new_session()
            }
        };
        let Some(id) = id else {
            warn!(sid = socket.id(), "no random numbers for a session id");
            return;
        };
        if self.0.config.session_persistence {
            let before = socket.extensions().insert(Session(id.as_str().into()));
            if let Some(Session(before)) = before.filter(|before| *before.0 != *id) {
                socket.leave(&session_room(&before));
            }
            socket.join(session_room(&id));
        }
        // The client may already be disconnected.
        let _ = socket.emit("session_confirm", &id);
    }

    /// Passes a message to the agent. `None` if the message was ignored.
    fn user_uttered(
        &self,
        socket: &Socket,
        api: &SocketApi,
        data: Value,
    ) -> Option<tokio::sync::oneshot::Receiver<()>> {
        let Shared { config, turns, .. } = &*self.0;
        let claims: Option<Claims> = socket.extensions().get();
        if claims.as_ref().is_some_and(expired) {
            debug!(sid = socket.id(), "the token has expired");
            socket.disconnect(false);
            return None;
        }
        let said = Uttered::read(data, &config.metadata_key)
            .inspect_err(|error| warn!(sid = socket.id(), %error, "an invalid message is ignored"))
            .ok()?;
        let sender: Arc<str> = if config.session_persistence {
            let session: Option<Session> = socket.extensions().get();
            match session.filter(|session| said.session.as_deref() == Some(&session.0)) {
                Some(session) => session.0,
                None => {
                    warn!(
                        sid = socket.id(),
                        "a message without a valid session_id is ignored; clients get one by session_request"
                    );
                    return None;
                }
            }
        } else {
            socket.id().into()
        };
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
        turns.take(&sender, answer).inspect_err(|error| warn!(%sender, %error, "a message is ignored")).ok()
    }

    async fn answer(&self, message: UserMessage, replies: Replies) {
        if let Err(error) = self.0.agent.answer(message, replies.clone()).await {
            warn!(sender = replies.sender(), error = &*error, "the agent has failed");
            if !self.0.config.apology.is_empty() {
                // The apology is plain text, so it can be encoded; the client may already be disconnected.
                let _ = replies.send(&Reply::text(self.0.config.apology.as_str())).await;
            }
        }
    }

    fn replies(&self, api: &SocketApi, sender: &Arc<str>) -> Replies {
        let namespace = api.of(&self.0.config.namespace);
        Replies::new(namespace, Arc::clone(&self.0.bot_event), Arc::clone(sender), self.room(sender))
    }

    fn room(&self, sender: &str) -> Room {
        if self.0.config.session_persistence { session_room(sender).into() } else { sender.into() }
    }
}

/// Sessions have rooms with a prefix: a session id that equals a socket id must not reach the room of that
/// socket.
fn session_room(id: &str) -> String {
    format!("session:{id}")
}

/// 128 random bits.
fn new_session() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_le_bytes(bytes)))
}
