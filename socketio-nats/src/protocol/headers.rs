//! Headers of messages: a line `NATS/1.0` with the status, if there is one, and lines of names and values.

const VERSION: &str = "NATS/1.0";

/// The headers of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Headers<'a> {
    /// The status of an answer of the server itself: 503 when the subject of a request has no subscriber.
    pub(crate) status: Option<u16>,
    /// The text behind the status.
    pub(crate) description: &'a str,
    #[cfg(any(feature = "adapter", feature = "fuzzing", test))]
    lines: &'a str,
}

impl<'a> Headers<'a> {
    /// Reads a block of headers. `None` if it is none.
    pub(crate) fn decode(block: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(block).ok()?;
        let (first, lines) = text.strip_suffix("\r\n")?.split_once("\r\n")?;
        let rest = first.strip_prefix(VERSION)?;
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        let rest = rest.trim();
        let (status, description) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        if !status.is_empty() && !is_status {
            return None;
        }
        let is_field = |line: &str| line.split_once(':').is_some_and(|(name, _)| !name.is_empty());
        let is_ended = lines.is_empty() || lines.ends_with("\r\n");
        if !is_ended || !lines.split_terminator("\r\n").all(is_field) {
            return None;
        }
        Some(Self {
            status: status.parse().ok(),
            description: description.trim(),
            #[cfg(any(feature = "adapter", feature = "fuzzing", test))]
            lines,
        })
    }

    /// The value of the first header with this name, which is case-sensitive.
    #[cfg(any(feature = "adapter", feature = "fuzzing", test))]
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.lines.split_terminator("\r\n").filter_map(|line| line.split_once(':'));
        fields.find(|(own, _)| *own == name).map(|(_, value)| value.trim())
    }
}

#[cfg(any(feature = "adapter", test))]
impl Headers<'_> {
    /// A block with these names and values, which are those of the protocol and have no line ends.
    pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{VERSION}\r\n{fields}\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_a_status_and_values() {
        let headers = Headers::decode(b"NATS/1.0 503\r\n\r\n").unwrap();
        assert_eq!((headers.status, headers.description), (Some(503), ""));
        let headers =
            Headers::decode(b"NATS/1.0 404  No Messages \r\nA: b \r\nC:d:e\r\nA: c\r\n\r\n").unwrap();
        assert_eq!((headers.status, headers.description), (Some(404), "No Messages"));
        let values = ["A", "C", "a", ""].map(|name| headers.value(name));
        assert_eq!(values, [Some("b"), Some("d:e"), None, None]);
        let block = Headers::encode(&[("KV-Operation", "DEL")]);
        let headers = Headers::decode(block.as_bytes()).unwrap();
        assert_eq!((headers.status, headers.value("KV-Operation")), (None, Some("DEL")));
    }

    #[test]
    fn what_is_no_block_of_headers_has_none() {
        for block in [
            &b""[..],
            b"NATS/1.0",
            b"NATS/1.0\r\n",
            b"NATS/1.1\r\n\r\n",
            b"NATS/1.0503\r\n\r\n",
            b"NATS/1.0 5\r\n\r\n",
            b"NATS/1.0 +50\r\n\r\n",
            b"NATS/1.0 ok\r\n\r\n",
            b"NATS/1.0\r\nA\r\n\r\n",
            b"NATS/1.0\r\n: a\r\n\r\n",
            b"NATS/1.0\r\nA: b\r\n",
            b"NATS/1.0\r\nA: \xff\r\n\r\n",
        ] {
            assert_eq!(Headers::decode(block), None, "{block:?}");
        }
    }
}
