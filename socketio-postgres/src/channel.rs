//! Names of channels and tables in the database.

use std::fmt::Write;

use sha1::{Digest, Sha1};

/// Maximum length of an identifier: longer names are cut off by `LISTEN`, and refused by `pg_notify`.
const MAX_NAME: usize = 63;

/// The channel of a namespace: that of the official adapter, if its name is an identifier. A name that is too long, or has a
/// NUL, which SQL cannot express, is none; the official adapter has no channel then. The channel is the beginning of the name
/// and a digest of all of it, which only servers and emitters of this crate know.
pub(crate) fn channel(prefix: &str, namespace: &str) -> String {
    let name = socketio_cluster::postgres::channel(prefix, namespace);
    if name.len() <= MAX_NAME && !name.contains('\0') {
        return name;
    }
    let mut digest = String::with_capacity(41);
    for byte in Sha1::digest(name.as_bytes()) {
        // Writing into a string does not fail.
        let _ = write!(digest, "{byte:02x}");
    }
    let end = (0..=MAX_NAME - 1 - digest.len()).rev().find(|end| name.is_char_boundary(*end));
    format!("{}~{digest}", name[..end.unwrap_or(0)].replace('\0', "_"))
}

/// A name as an identifier of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a table in SQL. A plain one is used as it is, as by the official adapter, so that `schema.table` works and
/// capital letters are small ones; any other is quoted.
pub(crate) fn table(name: &str) -> String {
    let is_plain = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
    };
    if name.split('.').all(is_plain) { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_an_identifier() {
        assert_eq!(channel("socket.io", "/"), "socket.io#/");
        let longest = format!("/{}", "a".repeat(52));
        assert_eq!(channel("socket.io", &longest).len(), 63);
        assert_eq!(channel("socket.io", &longest), format!("socket.io#{longest}"));
        let (one, other) = (format!("{longest}a"), format!("{longest}b"));
        assert_eq!(channel("socket.io", &one).len(), 63);
        assert!(channel("socket.io", &one).starts_with("socket.io#/aaa"));
        assert_ne!(channel("socket.io", &one), channel("socket.io", &other));
        assert_ne!(channel("a", &one), channel("b", &one));
        assert!(channel("socket.io", "/a\0b").starts_with("socket.io#/a_b~"));
        assert!(channel("é".repeat(40).as_str(), "/").len() <= 63);
    }

    #[test]
    fn names_are_quoted_unless_they_are_plain() {
        assert_eq!(quoted("a\"; b"), "\"a\"\"; b\"");
        for plain in ["socket_io_attachments", "Schema.table2"] {
            assert_eq!(table(plain), plain);
        }
        for (name, sql) in [("a-b", "\"a-b\""), ("t; DROP", "\"t; DROP\""), ("", "\"\""), ("a.", "\"a.\"")] {
            assert_eq!(table(name), sql);
        }
    }
}
