//! A response: its body, cookies, CORS headers, compression, and the memory that it holds.

pub(crate) mod accept_encoding;
pub(crate) mod body;
pub(crate) mod compression;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod loan;
