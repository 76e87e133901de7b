//! What threads may do to a namespace at the same time, one after the other.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::space::Space;
use crate::error::ConnectError;

/// What somebody who waits for the connection is told at once.
fn told(space: &Space) -> Poll<Result<(), ConnectError>> {
    pin!(space.wait_connected()).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn who_leaves_while_the_connection_is_being_lost_has_left() {
    let space = Space::new("/".into(), Arc::default(), 0);
    assert!(space.want() && told(&space).is_pending());
    // The task has just seen that the socket wants to be connected, and goes on when it does not any more.
    assert!(space.leave() && !space.lost(true));
    assert!(matches!(told(&space), Poll::Ready(Err(ConnectError::Inactive))));
    space.failed(&ConnectError::Timeout, false);
    assert!(matches!(told(&space), Poll::Ready(Err(ConnectError::Inactive))));
}
