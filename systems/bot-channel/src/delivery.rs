//! Delivery of the bot's messages: to the connected clients of a conversation, otherwise to the tracker, which keeps them
//! for the return of a client.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use serde_json::{Map, Value};
use socketio_server::{EmitError, Namespace, Room, Socket};
use tokio::sync::{Mutex, MutexGuard};
use tracing::{debug, warn};

use crate::counters::Counters;
use crate::tracker::{Entry, Tracker, TrackerError};

/// Number of locks. Conversations that share one wait for each other's messages, not for each other's answers.
const LOCKS: usize = 256;

/// Delivers the messages of all conversations.
pub(crate) struct Delivery {
    tracker: Box<dyn Tracker>,
    /// Whether clients return to their conversations.
    is_persistent: bool,
    /// Each serializes the messages of its conversations and the returns of their clients, so that a message is either
    /// sent or kept, and the kept ones come first.
    locks: Box<[Mutex<()>]>,
    hasher: RandomState,
    counters: Arc<Counters>,
}

/// The clients of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) namespace: Namespace,
    pub(crate) event: Arc<str>,
    pub(crate) conversation: Arc<str>,
    pub(crate) room: Room,
}

impl Target {
    fn has_client(&self) -> bool {
        self.namespace.room_len(&self.room) > 0
    }
}

impl Delivery {
    pub(crate) fn new(tracker: Box<dyn Tracker>, is_persistent: bool) -> Self {
        let locks = (0..LOCKS).map(|_| Mutex::default()).collect();
        Self { tracker, is_persistent, locks, hasher: RandomState::new(), counters: Arc::default() }
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.tracker.is_ready()
    }

    /// Sends messages of the bot, or keeps them.
    pub(crate) async fn send(&self, target: &Target, messages: Vec<Value>) -> Result<(), EmitError> {
        let _locked = self.lock(&target.conversation).await;
        for message in messages {
            let is_heard = target.has_client();
            if is_heard {
                self.counters.sent.add(1);
                target.namespace.to(Room::clone(&target.room)).emit(&target.event, &message).await?;
            } else if !self.is_persistent {
                // The client of this conversation does not return.
                debug!(
                    sender = &*target.conversation,
                    "a message after the end of the conversation is dropped"
                );
                continue;
            } else {
                self.counters.kept.add(1);
            }
            self.append(&target.conversation, Entry::of_bot(message), is_heard).await;
        }
        Ok(())
    }

    /// Records a message of a user.
    pub(crate) async fn user_said(&self, target: &Target, text: &str, metadata: &Map<String, Value>) {
        if self.is_persistent || target.has_client() {
            let _locked = self.lock(&target.conversation).await;
            self.append(&target.conversation, Entry::of_user(text, metadata), true).await;
        }
    }

    /// Sends the kept messages to a client that returns, and calls `join` before any other message of the conversation
    /// is sent. `greet` is called before.
    pub(crate) async fn replay(
        &self,
        socket: &Socket,
        event: &str,
        conversation: &str,
        greet: impl FnOnce(),
        join: impl FnOnce(),
    ) {
        let _locked = self.lock(conversation).await;
        let kept = self.tracker.unheard(conversation).await;
        greet();
        let kept = kept.unwrap_or_else(|error| {
            self.failed(conversation, &error);
            Vec::new()
        });
        // The rest stays for a client that has gone again.
        let sent = kept.iter().take_while(|message| socket.emit(event, *message).is_ok()).count();
        if sent > 0 {
            debug!(sender = conversation, sent, "kept messages are sent");
            self.counters.replayed.add(sent);
            if let Err(error) = self.tracker.heard(conversation, sent).await {
                self.failed(conversation, &error);
            }
        }
        join();
    }

    /// Messages of a conversation, from the tracker.
    pub(crate) async fn history(&self, conversation: &str) -> Result<Vec<Entry>, TrackerError> {
        self.tracker.history(conversation).await
    }

    /// Removes the conversation of a client that does not return.
    pub(crate) async fn forget(&self, conversation: &str) {
        let _locked = self.lock(conversation).await;
        if let Err(error) = self.tracker.forget(conversation).await {
            self.failed(conversation, &error);
        }
    }

    async fn append(&self, conversation: &str, entry: Entry, is_heard: bool) {
        match self.tracker.append(conversation, entry, is_heard).await {
            Ok(0) => {}
            Ok(dropped) => {
                self.counters.dropped.add(dropped);
                warn!(
                    dropped,
                    "messages that waited for the return of a client are dropped: see the limits of [tracker]"
                );
            }
            Err(error) => self.failed(conversation, &error),
        }
    }

    fn failed(&self, conversation: &str, error: &TrackerError) {
        self.counters.failed_tracking.add(1);
        warn!(sender = conversation, %error, "the tracker has failed");
    }

    async fn lock(&self, conversation: &str) -> MutexGuard<'_, ()> {
        let number = usize::try_from(self.hasher.hash_one(conversation) % LOCKS as u64).unwrap_or_default();
        self.locks[number].lock().await
    }
}
