//! Races between the application and the connection's task, as sequences of calls.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::NamespaceState;
use crate::error::ConnectError;

/// Polls a wait for the connection once.
fn poll_connected(namespace: &NamespaceState<()>) -> Poll<Result<(), ConnectError>> {
    pin!(namespace.wait_connected()).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_socket_that_is_disconnected_while_the_connection_is_lost_stays_inactive() {
    let namespace = NamespaceState::<()>::new("/".into(), Arc::default(), 0);
    assert!(namespace.activate() && poll_connected(&namespace).is_pending());
    // The task has seen an active socket, and continues after the application has disconnected it.
    assert!(namespace.leave() && !namespace.lose(true));
    assert!(matches!(poll_connected(&namespace), Poll::Ready(Err(ConnectError::Inactive))));
    namespace.fail(&ConnectError::Timeout, false);
    assert!(matches!(poll_connected(&namespace), Poll::Ready(Err(ConnectError::Inactive))));
}
