//! CONNECT packets: credentials, and joining namespaces.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::Driver;
use crate::error::ConnectError;
use crate::namespace::state::Auth;
use crate::socket::Namespace;

/// Credentials that a function of the application is providing.
pub(super) type PendingConnect = Pin<Box<dyn Future<Output = Credentials> + Send>>;

/// Credentials for an attempt to join a namespace.
pub(super) struct Credentials {
    namespace: Arc<Namespace>,
    attempt: u64,
    auth: Result<Option<Value>, serde_json::Error>,
}

impl Driver {
    /// Joins the namespaces of all sockets that wait for the connection.
    pub(super) fn join_namespaces(&mut self) {
        for namespace in self.shared.namespaces() {
            let Some((attempt, auth)) = namespace.begin_join() else { continue };
            let auth = match auth {
                Auth::None => None,
                Auth::Value(auth) => Some(auth),
                Auth::Function(function) => {
                    let pending = function();
                    let credentials = async move {
                        let auth = pending.await.map(Some);
                        Credentials { namespace, attempt, auth }
                    };
                    self.credentials.push(Box::pin(credentials));
                    continue;
                }
            };
            self.send_connect(Credentials { namespace, attempt, auth: Ok(auth) });
        }
    }

    /// Sends CONNECT for a namespace.
    pub(super) fn send_connect(&mut self, Credentials { namespace, attempt, auth }: Credentials) {
        // The socket may have been disconnected, and connected again, since the attempt began.
        if !namespace.lock().is_joining_with(attempt) {
            return;
        }
        if self.is_v2() {
            return match auth {
                Ok(auth) => self.send_v2_connect(&namespace, attempt, auth.as_ref()),
                Err(error) => self.refuse(&namespace, &ConnectError::Auth(Arc::new(error))),
            };
        }
        let Some(connection) = self.connection.sender() else { return };
        let error = match auth.map(|auth| namespace.send_connect(attempt, auth, &connection)) {
            Ok(Ok(())) => return,
            Ok(Err(_)) => ConnectError::Namespace,
            Err(error) => ConnectError::Auth(Arc::new(error)),
        };
        self.refuse(&namespace, &error);
    }

    /// Handles a refused attempt: the socket becomes inactive.
    pub(super) fn refuse(&mut self, namespace: &Arc<Namespace>, error: &ConnectError) {
        namespace.fail(error, false);
        self.dispatch_connect_error(namespace, error);
        self.dispatch_end(namespace);
        self.shared.left();
    }
}
