//! The state machine, in all states and with all inputs, and races between the application and the
//! connection's task as sequences of calls.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use engineio::client::{Client, Sender};
use tokio::net::TcpListener;

use super::NamespaceState;
use super::state::{Input, Membership, State};
use crate::error::ConnectError;

/// Abstract state: kind, pending reply, error.
type Key = (&'static str, bool, bool);

fn key(state: &State) -> Key {
    match state.membership() {
        Membership::Idle { error, reply_pending } => ("idle", *reply_pending, error.is_some()),
        Membership::Waiting { reply_pending } => ("waiting", *reply_pending, false),
        Membership::Joining { reply_pending, .. } => ("joining", *reply_pending, false),
        Membership::Connected { .. } => ("connected", false, false),
    }
}

const INPUTS: usize = 11;

fn input(number: usize, state: &State, connection: &Sender) -> Input {
    match number {
        0 => Input::Activate,
        1 => Input::Join,
        2 => Input::ConnectSent(state.attempts()),
        3 => Input::ConnectSent(state.attempts().wrapping_sub(1)),
        4 => Input::Reply,
        5 => Input::Confirm { id: "id".to_owned(), pid: None, connection: connection.clone() },
        6 => Input::Fail { error: ConnectError::Timeout, retry: true },
        7 => Input::Fail { error: ConnectError::Timeout, retry: false },
        8 => Input::Lose { retry: true },
        9 => Input::Lose { retry: false },
        _ => Input::Leave,
    }
}

/// Sending half of a connection to a server that is dropped at the end of the test.
async fn connection() -> Sender {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let io = socketio_server::Server::builder().build().unwrap();
    tokio::spawn(async move { io.serve(listener).await });
    Client::builder(&url).unwrap().path("/socket.io/").connect().await.unwrap().sender()
}

#[tokio::test]
async fn each_input_in_each_state_has_the_effect_that_the_diagram_shows() {
    let connection = connection().await;
    let mut seen = BTreeSet::from([key(&State::default())]);
    let mut paths = VecDeque::from([Vec::new()]);
    while let Some(path) = paths.pop_front() {
        for number in 0..INPUTS {
            let mut state = State::default();
            for &number in &path {
                let input = input(number, &state, &connection);
                let _ = state.transition(input);
            }
            let (before, was_active) = (key(&state), state.is_active());
            let input = input(number, &state, &connection);
            let applied = state.transition(input).is_some();
            let (after, is_active) = (key(&state), state.is_active());
            let context = format!("{before:?} {number} {after:?}");

            assert!(applied || before == after, "{context}");
            let kind = match number {
                0 if before.0 == "idle" => "waiting",
                1 if before.0 == "waiting" && !before.1 => "joining",
                5 if before.0 == "joining" => "connected",
                6 | 8 if was_active => "waiting",
                7 | 9 | 10 => "idle",
                _ => before.0,
            };
            assert_eq!(after.0, kind, "{context}");
            let reply_pending = match number {
                2 if before.0 == "joining" => true,
                4 | 5 if before.0 == "joining" => false,
                4 => false,
                _ => before.1,
            };
            assert_eq!(after.1, reply_pending, "{context}");
            assert_eq!(is_active, after.0 != "idle", "{context}");
            assert_eq!(state.id().is_some(), after.0 == "connected", "{context}");
            assert_eq!(state.connection().is_some(), after.0 == "connected", "{context}");
            match state.outcome() {
                None => assert!(matches!(after.0, "waiting" | "joining"), "{context}"),
                Some(Ok(())) => assert_eq!(after.0, "connected", "{context}"),
                Some(Err(ConnectError::Inactive)) => assert!(after.0 == "idle" && !after.2, "{context}"),
                Some(Err(_)) => assert!(after.0 == "idle" && after.2, "{context}"),
            }
            if seen.insert(after) {
                paths.push_back(path.iter().copied().chain([number]).collect());
            }
        }
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
}

/// Polls a wait for the connection once.
fn poll_connected(namespace: &NamespaceState<()>) -> Poll<Result<(), ConnectError>> {
    pin!(namespace.wait_connected()).poll(&mut Context::from_waker(Waker::noop()))
}

// The wait has a timer.
#[tokio::test]
async fn a_socket_that_is_disconnected_while_the_connection_is_lost_stays_inactive() {
    let namespace = NamespaceState::<()>::new("/".into(), Arc::default(), 0);
    assert!(namespace.activate() && poll_connected(&namespace).is_pending());
    // The task has seen an active socket, and continues after the application has disconnected it.
    assert!(namespace.leave() && !namespace.lose(true));
    assert!(matches!(poll_connected(&namespace), Poll::Ready(Err(ConnectError::Inactive))));
    namespace.fail(&ConnectError::Timeout, false);
    assert!(matches!(poll_connected(&namespace), Poll::Ready(Err(ConnectError::Inactive))));
}
