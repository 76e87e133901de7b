//! msgpack
