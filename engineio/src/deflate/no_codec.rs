//! Without the feature `compression` nothing is negotiated, so there is nothing to compress.

use bytes::Bytes;

use super::{InflateError, Plan};

pub(crate) fn deflate(_: Plan, _: &[u8]) -> Option<Vec<u8>> {
    None
}

pub(crate) fn inflate(_: &[u8], _: usize) -> Result<Bytes, InflateError> {
    Err(InflateError::Invalid)
}

/// Never made.
#[derive(Debug)]
pub(crate) enum Compressor {}

impl Compressor {
    pub(crate) fn new(_: Plan) -> Self {
        unreachable!("no plan is negotiated without the feature `compression`")
    }

    pub(crate) fn message(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        match *self {}
    }
}

/// Reads nothing.
#[derive(Debug, Default)]
pub(crate) struct Decompressor;

impl Decompressor {
    pub(crate) fn message(&mut self, _: &[u8], _: usize) -> Result<Bytes, InflateError> {
        Err(InflateError::Invalid)
    }
}
