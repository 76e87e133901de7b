//! A request as the server judges it: its head, its query, its origin, the hooks, and the errors that refuse it.

pub(crate) mod head;
pub(crate) mod hooks;
pub(crate) mod origin_policy;
pub(crate) mod origins;
pub(crate) mod query;
pub(crate) mod request_error;
