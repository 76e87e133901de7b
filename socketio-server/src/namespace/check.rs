//! The check of a handler's arguments at its registration.

use socketio_events::extract::Registration;
use socketio_events::function::HandlerFn;

use super::Namespace;

impl Namespace {
    /// Panics if an argument of a handler can never be extracted, because the server lacks its state.
    #[track_caller]
    pub(super) fn check<C, H: HandlerFn<C, M>, M>(&self, handler: &str) {
        if let Err(error) = H::register(&Registration::new(&*self.0.state)) {
            panic!("handler of {handler:?} in the namespace {}: {error}", self.name());
        }
    }
}
