//! An emit to many: to whom, how, and their answers.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use socketio_parser::ToArgs;
use tokio::sync::mpsc;

use crate::ack::Waiting;
use crate::adapter::Local;
use crate::emit;
use crate::error::{AckError, EmitError};
use crate::room::{Room, Target};

/// The names of one room or several: a `&str`, a `String`, or an array, slice or `Vec` of them.
pub trait IntoRooms {
    /// The names.
    fn into_rooms(self) -> Vec<Room>;
}

impl IntoRooms for &str {
    fn into_rooms(self) -> Vec<Room> {
        vec![self.into()]
    }
}

impl IntoRooms for String {
    fn into_rooms(self) -> Vec<Room> {
        vec![self.into()]
    }
}

impl IntoRooms for &String {
    fn into_rooms(self) -> Vec<Room> {
        vec![self.as_str().into()]
    }
}

impl IntoRooms for Room {
    fn into_rooms(self) -> Vec<Room> {
        vec![self]
    }
}

impl<T: AsRef<str>, const N: usize> IntoRooms for [T; N] {
    fn into_rooms(self) -> Vec<Room> {
        self.iter().map(|room| room.as_ref().into()).collect()
    }
}

impl<T: AsRef<str>> IntoRooms for &[T] {
    fn into_rooms(self) -> Vec<Room> {
        self.iter().map(|room| room.as_ref().into()).collect()
    }
}

impl<T: AsRef<str>> IntoRooms for Vec<T> {
    fn into_rooms(self) -> Vec<Room> {
        self.iter().map(|room| room.as_ref().into()).collect()
    }
}

/// An emit to many sockets in the making. Each method returns a new one, so it can be kept and used again.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Broadcast {
    local: Arc<Local>,
    target: Target,
    volatile: bool,
    compress: bool,
    timeout: Duration,
}

/// The answers of those who answered in time, and how many did not.
#[derive(Debug)]
pub struct Partial<T> {
    /// The answers that came.
    pub answers: Vec<T>,
    /// How many sockets did not answer.
    pub missing: usize,
}

impl Broadcast {
    pub(crate) fn new(local: Arc<Local>, timeout: Duration) -> Self {
        Self { local, target: Target::default(), volatile: false, compress: true, timeout }
    }

    /// Adds rooms. A socket that is in several of them gets the event once.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.target.rooms.extend(rooms.into_rooms());
        self
    }

    /// The same as [`to`](Self::to).
    pub fn r#in(self, rooms: impl IntoRooms) -> Self {
        self.to(rooms)
    }

    /// Leaves the members of rooms out. The id of a socket is a room too.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.target.except.extend(rooms.into_rooms());
        self
    }

    /// Sockets that cannot take the event at once do not get it.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether the event may be compressed, where compression is on.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// How long to wait for answers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the event to everybody meant. It is encoded once, and not at all if there is nobody.
    pub async fn emit<A: ToArgs + ?Sized>(&self, event: &str, args: &A) -> Result<(), EmitError> {
        let encode = || {
            let message = emit::event(self.local.parser(), self.local.name(), None, event, args)?;
            Ok(message.compress(self.compress))
        };
        self.local.broadcast(&self.target, self.volatile, encode)
    }

    /// Sends the event `message`.
    pub async fn send<A: ToArgs + ?Sized>(&self, args: &A) -> Result<(), EmitError> {
        self.emit("message", args).await
    }

    /// Sends the event and collects the answers, the first argument of each read as `T`.
    pub async fn emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: &(impl ToArgs + ?Sized),
    ) -> Result<Result<Vec<T>, Partial<T>>, AckError> {
        let id = self.local.next_ack_id();
        let (sender, mut answers) = mpsc::unbounded_channel();
        let encode = || {
            let message = emit::event(self.local.parser(), self.local.name(), Some(id), event, args)?;
            Ok::<_, EmitError>(message.compress(self.compress))
        };
        let asked =
            self.local.broadcast_with_ack(&self.target, id, || Waiting::Many(sender.clone()), encode)?;
        // The senders are in the tables of those asked; when the last is gone no answer can come.
        drop(sender);
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut collected = Vec::with_capacity(asked.len());
        while collected.len() < asked.len() {
            match tokio::time::timeout_at(deadline, answers.recv()).await {
                Ok(Some(answer)) => collected.push(answer.parse(0)?),
                Ok(None) | Err(_) => break,
            }
        }
        for member in &asked {
            member.forget_ack(id);
        }
        let missing = asked.len() - collected.len();
        Ok(if missing == 0 { Ok(collected) } else { Err(Partial { answers: collected, missing }) })
    }

    /// Puts everybody meant into rooms.
    pub async fn sockets_join(&self, rooms: impl IntoRooms) {
        self.local.join_all(&self.target, &rooms.into_rooms());
    }

    /// Takes everybody meant out of rooms.
    pub async fn sockets_leave(&self, rooms: impl IntoRooms) {
        self.local.leave_rooms(&self.target, &rooms.into_rooms());
    }

    /// Puts everybody meant out of the namespace, and with `close` off the server.
    pub async fn disconnect_sockets(&self, close: bool) {
        for member in self.local.members(&self.target) {
            member.disconnect(close);
        }
    }
}
