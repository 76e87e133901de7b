//! Names of subjects.

use std::fmt::Write;

use sha1::{Digest, Sha1};
#[cfg(feature = "adapter")]
use socketio_cluster::NodeId;

/// Maximum length of a token. A control line of a server has 4096 bytes by default, with all tokens of a subject in it.
const MAX_TOKEN: usize = 256;

/// Maximum length of the name of a stream. NATS takes 255 bytes.
const MAX_STREAM: usize = 200;

/// The subjects of one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    public: String,
}

impl Subjects {
    /// The subjects of a namespace.
    pub(crate) fn new(prefix: &str, namespace: &str) -> Self {
        Self { public: format!("{}.{}", tokens(prefix), token(namespace)) }
    }

    /// The subject of all nodes.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// The subject of one node, for answers.
    #[cfg(feature = "adapter")]
    pub(crate) fn node(&self, node: &NodeId) -> String {
        format!("{}.node.{}", self.public, token(node.as_str()))
    }
}

/// The subject of the messages of a node to itself. The name of a namespace begins with a slash, so that none is `probe`.
#[cfg(feature = "adapter")]
pub(crate) fn probe(prefix: &str) -> String {
    format!("{}.probe.{}", tokens(prefix), NodeId::random())
}

/// A prefix, which may have several tokens. One that is legal in NATS stays as it is.
fn tokens(prefix: &str) -> String {
    prefix.split('.').map(token).collect::<Vec<_>>().join(".")
}

/// A name as one token of a subject. ASCII letters, digits, `-`, `_` and `/` stay; every other byte is `%` and two
/// hexadecimal digits, and an empty name is `%`, so that different names have different tokens. The token of a long name is
/// its beginning, `~`, and a digest of the name.
fn token(name: &str) -> String {
    limited(name, MAX_TOKEN, '%', |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'))
}

/// The name of a stream of JetStream, which is one token too, and the name of a folder of the server. Other bytes are `=` and two
/// digits: NATS servers use the name in a format of their own, in which `%` is no letter.
pub(crate) fn stream(name: &str) -> String {
    limited(name, MAX_STREAM, '=', |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A token of at most `max` bytes, in which these bytes stay as they are.
fn limited(name: &str, max: usize, escape: char, stays: impl Fn(u8) -> bool) -> String {
    let mut token = String::with_capacity(name.len());
    // The end of the last byte that leaves room for a digest.
    let mut end = 0;
    for byte in name.bytes() {
        if stays(byte) {
            token.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(token, "{escape}{byte:02X}");
        }
        if token.len() <= max - 41 {
            end = token.len();
        } else if token.len() > max {
            break;
        }
    }
    if token.is_empty() {
        token.push(escape);
    }
    if token.len() > max {
        token.truncate(end);
        token.push('~');
        for byte in Sha1::digest(name.as_bytes()) {
            let _ = write!(token, "{byte:02x}");
        }
    }
    token
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The name of a token that is not too long.
    fn name(token: &str) -> Option<String> {
        if token == "%" {
            return Some(String::new());
        }
        let mut bytes = Vec::new();
        let mut rest = token.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(if byte == b'%' {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            } else {
                byte
            });
        }
        String::from_utf8(bytes).ok()
    }

    #[test]
    fn every_name_has_a_token_of_its_own() {
        let mut names: Vec<String> = (0..=u8::MAX).map(|byte| char::from(byte).to_string()).collect();
        names.extend(
            [
                "",
                "/",
                "/chat",
                "a.b",
                "a b",
                "*",
                ">",
                "a.*.>",
                "%",
                "%2E",
                "%%",
                "~",
                "é",
                "\u{1f600}",
                "\r\n",
            ]
            .map(str::to_owned),
        );
        let tokens: HashSet<String> = names.iter().map(|name| token(name)).collect();
        assert_eq!(tokens.len(), names.iter().collect::<HashSet<_>>().len());
        for one in &names {
            let token = token(one);
            assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()), "{token:?}");
            assert!(!token.contains(['.', '*', '>', '"', '\\']), "{token}");
            assert_eq!(name(&token).as_ref(), Some(one));
        }
        assert_eq!((token("/chat").as_str(), token("a.b c").as_str()), ("/chat", "a%2Eb%20c"));
    }

    #[test]
    fn the_token_of_a_long_name_has_a_digest() {
        let longest = "a".repeat(MAX_TOKEN);
        assert_eq!(token(&longest), longest);
        for long in [format!("{longest}b"), format!("{longest}c"), "é".repeat(1000), " ".repeat(100_000)] {
            let token = token(&long);
            assert!(token.len() <= MAX_TOKEN && token.contains('~'), "{token}");
            let (cut, digest) = token.split_once('~').unwrap();
            assert!(digest.len() == 40 && cut.rfind('%').is_none_or(|at| at + 3 <= cut.len()), "{token}");
        }
        assert_ne!(token(&format!("{longest}b")), token(&format!("{longest}c")));
    }

    #[test]
    fn names_of_streams_are_legal_and_limited() {
        assert_eq!(stream("socket.io"), "socket=2Eio");
        assert_eq!(stream("a/b_c-1 *>"), "a=2Fb_c-1=20=2A=3E");
        let longest = "a".repeat(MAX_STREAM);
        assert_eq!(stream(&longest), longest);
        let [one, other] = ["b", "c"].map(|end| stream(&format!("{longest}{end}")));
        assert!(one != other && one.len() <= MAX_STREAM && other.len() <= MAX_STREAM, "{one} {other}");
    }

    #[cfg(feature = "adapter")]
    #[test]
    fn subjects_have_the_prefix_and_the_namespace() {
        let subjects = Subjects::new("socket.io", "/a.b");
        assert_eq!(subjects.public(), "socket.io./a%2Eb");
        assert_eq!(subjects.node(&NodeId::from("web.1-0f")), "socket.io./a%2Eb.node.web%2E1-0f");
        assert_eq!(Subjects::new("a..>", "/").public(), "a.%.%3E./");
        assert!(probe("socket.io").starts_with("socket.io.probe."));
    }
}
