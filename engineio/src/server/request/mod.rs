//! The parts of a request that the server checks: head, query, body and origin, with the hooks and the
//! errors.

pub(crate) mod body;
pub(crate) mod extensions;
pub(crate) mod head;
pub(crate) mod hooks;
pub(crate) mod origin_policy;
pub(crate) mod origins;
pub(crate) mod query;
pub(crate) mod request_error;
