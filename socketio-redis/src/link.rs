//! What the links of all adapters share.

use std::future::Future;
use std::sync::Arc;

use socketio_cluster::{DecodeError, Target};
use socketio_server::cluster::{AdapterError, AdapterErrorKind, AdapterHealth, BoxFuture, ClusterInbox};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::error::PublishError;
use crate::medium::Medium;
use crate::medium::health::Health;
use crate::medium::mailbox::{Arrival, Mailbox};
use crate::trace;

/// The error of an adapter.
pub(crate) fn adapter_error(error: PublishError) -> AdapterError {
    let kind = match &error {
        PublishError::Full => AdapterErrorKind::Full,
        PublishError::TooLarge => AdapterErrorKind::TooLarge,
        PublishError::Down | PublishError::Closed => AdapterErrorKind::Down,
        PublishError::Refused(_) | PublishError::Encode(_) => AdapterErrorKind::Other,
    };
    AdapterError::of_kind(kind, error)
}

/// The number of other nodes. Without a connection to Redis none can be counted: requests are answered by
/// this node, and their results are partial, as its health says that it is down.
pub(crate) fn others(counted: Result<usize, PublishError>) -> Result<usize, AdapterError> {
    match counted {
        Err(PublishError::Down) => Ok(0),
        counted => counted.map_err(adapter_error),
    }
}

/// Whether a broadcast to this target may have an effect on this server.
pub(crate) fn has_any(inbox: &ClusterInbox, target: Option<&Target>) -> bool {
    target.is_none_or(|target| inbox.has_receivers(target))
}

/// The health of the connections, as the server has it.
pub(crate) fn health(medium: &Medium) -> watch::Receiver<AdapterHealth> {
    let convert = |health: Health| match health {
        Health::Connected => AdapterHealth::Connected,
        Health::Deaf { since } => AdapterHealth::Deaf { since },
        Health::Down { since } => AdapterHealth::Down { since },
    };
    let mut health = medium.health();
    let (sender, receiver) = watch::channel(convert(*health.borrow_and_update()));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = health.changed() => {
                    if changed.is_err() { return }
                    sender.send_replace(convert(*health.borrow_and_update()));
                }
                () = sender.closed() => return,
            }
        }
    });
    receiver
}

/// Tells a namespace of the times in which it may have missed messages.
pub(crate) fn report_gaps(medium: &Medium, inbox: ClusterInbox, mailbox: Arc<Mailbox>) {
    let mut gaps = medium.gaps();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                gap = gaps.recv() => match gap {
                    Ok(gap) => inbox.gap(gap.lasted, gap.lost),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                () = mailbox.closed() => return,
            }
        }
    });
}

/// Ends the subscriptions of a namespace, and waits until its last messages have been sent.
pub(crate) fn close<'a>(medium: &'a Medium, mailbox: &'a Arc<Mailbox>) -> BoxFuture<'a, ()> {
    medium.router().remove(mailbox);
    Box::pin(medium.flush_in_time())
}

/// Handles the messages of a namespace.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// Handles a message. One that cannot be read is skipped.
    fn handle(&self, arrival: Arrival) -> impl Future<Output = Result<(), DecodeError>> + Send;
}

/// Starts the task that handles the messages of a namespace, one after the other, until the mailbox is
/// closed.
pub(crate) fn receive<R: Receiver>(
    medium: Medium,
    namespace: Arc<str>,
    mailbox: Arc<Mailbox>,
    receiver: Arc<R>,
) {
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
                trace::bad_message(&namespace, &channel, &error);
            }
        }
    }
}
