//! Authentication of clients and operators.
//!
//! `guard` admits clients, by their `tokens` unless these are `revoked`, and restores the state of
//! clients that return. `user` is the identity of a socket, `refusal` the reason for which a client is
//! refused. `operators` checks the keys of operators, `holder` tokens for an embedding program.

pub(crate) mod guard;
pub(crate) mod holder;
pub(crate) mod operators;
pub(crate) mod refusal;
mod revoked;
pub(crate) mod tokens;
pub(crate) mod user;
