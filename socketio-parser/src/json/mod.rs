//! JSON as bytes: checking it, finding the arguments in it, undoing its escapes.

pub(crate) mod placeholders;
pub(crate) mod scan;
pub(crate) mod spans;
pub(crate) mod text;
