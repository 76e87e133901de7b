//! Keys of values, as those of the key-value store of NATS: `$KV.<bucket>.<key>`. ASCII letters, digits, `-`, `_` and `/` of a key
//! stay; every other byte is `=` and two hexadecimal digits, and an empty key is `=`.

use std::fmt::Write;

/// Maximum length of a key as NATS has it. Control lines of a server have 4096 bytes by default.
pub(crate) const MAX_KEY: usize = 1024;

/// The subject of a key in a bucket. `None` if the key is too long.
pub(crate) fn subject(bucket: &str, key: &str) -> Option<String> {
    let mut subject = prefix(bucket);
    let start = subject.len();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/') {
            subject.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(subject, "={byte:02X}");
        }
        if subject.len() > start + MAX_KEY {
            return None;
        }
    }
    if key.is_empty() {
        subject.push('=');
    }
    Some(subject)
}

/// The key of a subject. `None` if no server of this crate has written it.
pub(crate) fn key(bucket: &str, subject: &[u8]) -> Option<String> {
    let escaped = subject.strip_prefix(prefix(bucket).as_bytes())?;
    if escaped == b"=" {
        return Some(String::new());
    }
    let mut key = Vec::with_capacity(escaped.len());
    let mut rest = escaped.iter().copied();
    while let Some(byte) = rest.next() {
        key.push(if byte == b'=' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(key).ok()
}

/// The beginning of the subjects of a bucket.
pub(crate) fn prefix(bucket: &str) -> String {
    format!("$KV.{bucket}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_can_be_read_back() {
        for text in ["", "a", "sio:session:x", "a.b", ".", "=", "=3D", "é\u{1f600}", "a b*>\r\n", "/-_9Z"] {
            let subject = subject("b", text).unwrap();
            let escaped = subject.strip_prefix("$KV.b.").unwrap();
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_=".contains(&byte);
            assert!(!escaped.is_empty() && escaped.bytes().all(is_legal), "{escaped}");
            assert_eq!(key("b", subject.as_bytes()).as_deref(), Some(text));
        }
        assert_eq!(subject("b", "a:b").unwrap(), "$KV.b.a=3Ab");
        for other in ["$KV.c.a", "$KV.b", "$KV.b.=4", "$KV.b.=FF", "$KV.b.=x1"] {
            assert_eq!(key("b", other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn the_length_of_a_key_is_limited() {
        assert!(subject("b", &"a".repeat(MAX_KEY)).is_some());
        assert_eq!(subject("b", &"a".repeat(MAX_KEY + 1)), None);
        assert_eq!(subject("b", &".".repeat(MAX_KEY / 3 + 1)), None);
    }
}
