//! Asking the server for namespaces.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::Driver;
use crate::error::ConnectError;
use crate::socket::{Auth, Space};

/// A namespace whose credentials are being made.
pub(super) type Joining = Pin<Box<dyn Future<Output = Credentials> + Send>>;

/// What a socket says in its n-th CONNECT packet.
pub(super) struct Credentials {
    space: Arc<Space>,
    join: u64,
    auth: Result<Option<Value>, serde_json::Error>,
}

impl Driver {
    /// Everybody who wants to join does.
    pub(super) fn join(&mut self) {
        for space in self.hub.spaces() {
            let Some((join, auth)) = space.begin_join() else { continue };
            let auth = match auth {
                Auth::None => None,
                Auth::Value(auth) => Some(auth),
                Auth::Function(function) => {
                    let working = function();
                    let credentials = async move {
                        let auth = working.await.map(Some);
                        Credentials { space, join, auth }
                    };
                    self.joining.push(Box::pin(credentials));
                    continue;
                }
            };
            self.ask(Credentials { space, join, auth: Ok(auth) });
        }
    }

    /// Asks the server for a namespace.
    pub(super) fn ask(&mut self, Credentials { space, join, auth }: Credentials) {
        // Whoever has left, and perhaps come back, has nothing to do with these any more.
        if !space.lock().is_join(join) {
            return;
        }
        if self.is_old() {
            return match auth {
                Ok(auth) => self.ask_old(&space, join, auth.as_ref()),
                Err(error) => self.refuse(&space, &ConnectError::Auth(Arc::new(error))),
            };
        }
        let Some(link) = self.link.sender() else { return };
        let error = match auth.map(|auth| space.ask(join, auth, &link)) {
            Ok(Ok(())) => return,
            Ok(Err(_)) => ConnectError::Namespace,
            Err(error) => ConnectError::Auth(Arc::new(error)),
        };
        self.refuse(&space, &error);
    }

    /// A socket cannot be connected, and does not try again.
    pub(super) fn refuse(&mut self, space: &Arc<Space>, error: &ConnectError) {
        space.failed(error, false);
        self.tell_connect_error(space, error);
        self.tell_end(space);
        self.hub.left();
    }
}
