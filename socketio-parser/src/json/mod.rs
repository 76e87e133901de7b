//! JSON as bytes: validation, positions of arguments, escapes.

pub(crate) mod placeholders;
pub(crate) mod scan;
pub(crate) mod spans;
pub(crate) mod text;
mod tokens;
