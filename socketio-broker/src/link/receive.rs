//! The task that handles what arrives for a namespace.

use std::future::Future;
use std::sync::Arc;

use socketio_cluster::DecodeError;

use crate::medium::{Arrival, Mailbox, Medium};
use crate::trace;

/// Handles the messages of a namespace.
pub trait Receiver: Send + Sync + 'static {
    /// Handles a message. One that cannot be read is skipped.
    fn handle(&self, arrival: Arrival) -> impl Future<Output = Result<(), DecodeError>> + Send;
}

/// Starts the task that handles the messages of a namespace, one after the other, until the mailbox is
/// closed.
pub fn receive<R: Receiver>(medium: Medium, namespace: Arc<str>, mailbox: Arc<Mailbox>, receiver: Arc<R>) {
    tokio::spawn(async move {
        loop {
            let handled =
                handle(medium.clone(), Arc::clone(&namespace), Arc::clone(&mailbox), Arc::clone(&receiver));
            // Hooks of the application run here. A panic must not make the namespace deaf.
            match tokio::spawn(handled).await {
                Err(error) if error.is_panic() => {}
                // The mailbox is closed, or the runtime ends.
                _ => return,
            }
        }
    });
}

async fn handle<R: Receiver>(medium: Medium, namespace: Arc<str>, mailbox: Arc<Mailbox>, receiver: Arc<R>) {
    let mut is_logged = false;
    while let Some(arrival) = mailbox.next().await {
        let channel = arrival.channel.clone();
        if let Err(error) = receiver.handle(arrival).await {
            medium.count_bad();
            if !std::mem::replace(&mut is_logged, true) {
                trace::bad_message(medium.broker(), &namespace, &channel, &error);
            }
        }
    }
}
