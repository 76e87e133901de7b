//! The bytes of a server as operations.

use bytes::{Buf, Bytes, BytesMut};

use super::{Message, Operation, ProtocolError};

/// Maximum length of a control line, its end included. INFO of a large cluster is the longest one.
pub(crate) const MAX_LINE: usize = 64 << 10;

/// Maximum length of the headers of a message. JetStream sends some hundred bytes. A message with more is skipped.
pub(crate) const MAX_HEADERS: usize = 64 << 10;

/// Bytes for which space is made before each read.
const READ: usize = 16 << 10;

/// Takes bytes, and gives operations. It keeps no more than a control line, or a message within the limit, and what one read
/// has brought beside.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    state: State,
    max_message: usize,
}

#[derive(Debug)]
enum State {
    /// A control line follows. So many bytes of it have no line end.
    Line { searched: usize },
    /// A message follows, headers first, and a line end.
    Payload { message: Message, headers: usize, length: usize },
    /// A message that is too large follows, and a line end.
    Skip { message: Message, left: usize },
}

const LINE: State = State::Line { searched: 0 };

impl Decoder {
    /// A decoder that skips messages of more than `max_message` bytes.
    pub(crate) fn new(max_message: usize) -> Self {
        Self { buffer: BytesMut::new(), state: LINE, max_message }
    }

    /// The place for further bytes.
    pub(crate) fn space(&mut self) -> &mut BytesMut {
        if self.buffer.is_empty() && self.buffer.capacity() > 4 * READ {
            // A large message does not keep its memory.
            self.buffer = BytesMut::new();
        }
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// Whether everything was taken that has arrived.
    #[cfg(any(test, feature = "tls"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next operation; `None` until more has arrived. After an error the connection is of no use.
    pub(crate) fn decode(&mut self) -> Result<Option<Operation>, ProtocolError> {
        loop {
            match &mut self.state {
                State::Line { searched } => {
                    let found = self.buffer[*searched..].iter().position(|byte| *byte == b'\n');
                    let Some(found) = found else {
                        *searched = self.buffer.len();
                        return if self.buffer.len() < MAX_LINE { Ok(None) } else { Err(LONG_LINE) };
                    };
                    let end = *searched + found;
                    if end >= MAX_LINE {
                        return Err(LONG_LINE);
                    }
                    let (operation, state) = line(
                        self.buffer[..end].strip_suffix(b"\r").ok_or(ProtocolError::Line)?,
                        self.max_message,
                    )?;
                    self.state = state;
                    self.buffer.advance(end + 1);
                    if operation.is_some() {
                        return Ok(operation);
                    }
                }
                State::Payload { message, headers, length } => {
                    let Some(end) = self.buffer.get(*length..length.saturating_add(2)) else {
                        return Ok(None);
                    };
                    if end != b"\r\n" {
                        return Err(ProtocolError::Length);
                    }
                    // A copy: a part of the buffer would keep all of it in memory.
                    let mut payload = Bytes::copy_from_slice(&self.buffer[..*length]);
                    let headers = payload.split_to(*headers);
                    let message = Message { headers, payload, ..std::mem::take(message) };
                    self.buffer.advance(*length + 2);
                    self.state = LINE;
                    return Ok(Some(Operation::Message(message)));
                }
                State::Skip { message, left } => {
                    let skipped = self.buffer.len().min(*left);
                    self.buffer.advance(skipped);
                    *left -= skipped;
                    let Some(end) = self.buffer.get(..2).filter(|_| *left == 0) else { return Ok(None) };
                    if end != b"\r\n" {
                        return Err(ProtocolError::Length);
                    }
                    let message = std::mem::take(message);
                    self.buffer.advance(2);
                    self.state = LINE;
                    return Ok(Some(Operation::Skipped(message)));
                }
            }
        }
    }
}

const LONG_LINE: ProtocolError = ProtocolError::LongLine(MAX_LINE);

/// The operation of a control line, or the state in which its message follows.
fn line(line: &[u8], max_message: usize) -> Result<(Option<Operation>, State), ProtocolError> {
    let end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_ascii();
    let operation = match name.to_ascii_uppercase().as_slice() {
        b"MSG" => return message(rest, false, max_message).map(|state| (None, state)),
        b"HMSG" => return message(rest, true, max_message).map(|state| (None, state)),
        b"INFO" => Operation::Info(Bytes::copy_from_slice(rest)),
        b"PING" => Operation::Ping,
        b"PONG" => Operation::Pong,
        b"+OK" => Operation::Ok,
        b"-ERR" => Operation::Error(Bytes::copy_from_slice(rest)),
        _ => return Err(ProtocolError::Line),
    };
    Ok((Some(operation), LINE))
}

/// `<subject> <subscription> [<reply to>] <length>`, and with headers `… <length of the headers> <length of both>`.
fn message(rest: &[u8], has_headers: bool, max_message: usize) -> Result<State, ProtocolError> {
    let mut parts: Vec<&[u8]> =
        rest.split(|byte| is_blank(*byte)).filter(|part| !part.is_empty()).take(6).collect();
    let mut number = || parts.pop().and_then(number).ok_or(ProtocolError::Line);
    let length = usize::try_from(number()?).map_err(|_| ProtocolError::Line)?;
    let headers = if has_headers { number()? } else { 0 };
    let headers = usize::try_from(headers).map_err(|_| ProtocolError::Line)?;
    let (subject, subscription, reply) = match parts[..] {
        [subject, subscription] => (subject, subscription, &b""[..]),
        [subject, subscription, reply] => (subject, subscription, reply),
        _ => return Err(ProtocolError::Line),
    };
    if headers > length {
        return Err(ProtocolError::Line);
    }
    let message = Message {
        subject: Bytes::copy_from_slice(subject),
        subscription: self::number(subscription).ok_or(ProtocolError::Line)?,
        reply: Bytes::copy_from_slice(reply),
        ..Message::default()
    };
    if length > max_message || headers > MAX_HEADERS {
        return Ok(State::Skip { message, left: length });
    }
    Ok(State::Payload { message, headers, length })
}

/// A number in decimal digits.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operations of these bytes, and the error that ends them.
    fn all(bytes: &[u8], max_message: usize) -> (Vec<Operation>, Option<ProtocolError>) {
        let mut decoder = Decoder::new(max_message);
        decoder.space().extend_from_slice(bytes);
        let mut operations = Vec::new();
        loop {
            match decoder.decode() {
                Ok(Some(operation)) => operations.push(operation),
                Ok(None) => return (operations, None),
                Err(error) => return (operations, Some(error)),
            }
        }
    }

    fn message(subject: &'static str, subscription: u64, payload: &'static [u8]) -> Operation {
        let (subject, payload) = (subject.into(), payload.into());
        Operation::Message(Message { subject, subscription, payload, ..Message::default() })
    }

    fn with_headers(reply: &'static str, headers: &'static [u8], payload: &'static [u8]) -> Message {
        let (subject, headers) = ("a".into(), headers.into());
        Message { subject, subscription: 7, reply: reply.into(), headers, payload: payload.into() }
    }

    fn with_subscription(subscription: u64) -> Message {
        Message { subject: "a".into(), subscription, ..Message::default() }
    }

    #[test]
    fn operations_of_a_server_are_read() {
        let bytes = b"INFO {\"max_payload\":7}\r\nPING\r\npong\r\n+OK\r\n-ERR 'Slow Consumer'\r\n\
            MSG a.b 1 5\r\na\r\nbc\r\nMSG\ta 2  reply.to 0\r\n\r\nPONG\r\n";
        let expected = [
            Operation::Info("{\"max_payload\":7}".into()),
            Operation::Ping,
            Operation::Pong,
            Operation::Ok,
            Operation::Error("'Slow Consumer'".into()),
            message("a.b", 1, b"a\r\nbc"),
            Operation::Message(Message { reply: "reply.to".into(), ..with_subscription(2) }),
            Operation::Pong,
        ];
        assert_eq!(all(bytes, 5), (expected.to_vec(), None));
        // Cut anywhere, the result is the same.
        let mut decoder = Decoder::new(5);
        let mut operations = Vec::new();
        for byte in bytes {
            decoder.space().extend_from_slice(&[*byte]);
            operations.extend(decoder.decode().unwrap());
        }
        assert_eq!(operations, expected);
        assert!(decoder.is_empty());
    }

    #[test]
    fn a_message_beyond_the_limit_is_skipped_and_takes_no_memory() {
        let mut decoder = Decoder::new(1000);
        decoder.space().extend_from_slice(b"MSG a 1 4000000\r\n");
        for _ in 0..4000 {
            assert_eq!(decoder.decode(), Ok(None));
            decoder.space().extend_from_slice(&[b'x'; 1000]);
            assert!(decoder.buffer.capacity() <= 4 * READ, "{}", decoder.buffer.capacity());
        }
        assert_eq!(decoder.decode(), Ok(None));
        decoder.space().extend_from_slice(b"\r\nMSG a 1 2\r\nab\r\n");
        assert_eq!(decoder.decode(), Ok(Some(Operation::Skipped(with_subscription(1)))));
        assert_eq!(decoder.decode(), Ok(Some(message("a", 1, b"ab"))));
        // A length alone allocates nothing.
        let mut decoder = Decoder::new(usize::MAX);
        decoder.space().extend_from_slice(format!("MSG a 1 {}\r\n", usize::MAX).as_bytes());
        assert_eq!(decoder.decode(), Ok(None));
        assert!(decoder.space().capacity() <= 4 * READ);
    }

    #[test]
    fn messages_have_headers() {
        let bytes = b"HMSG a 7 12 14\r\nNATS/1.0\r\n\r\nab\r\nhmsg a 7 r.1 12 12\r\nNATS/1.0\r\n\r\n\r\nHMSG a 7 0 1\r\nx\r\n";
        let block = b"NATS/1.0\r\n\r\n";
        let expected =
            [with_headers("", block, b"ab"), with_headers("r.1", block, b""), with_headers("", b"", b"x")]
                .map(Operation::Message);
        assert_eq!(all(bytes, 14), (expected.to_vec(), None));
        assert_eq!(all(b"HMSG a 7 1 1\r\nabc\r\n", 14), (vec![], Some(ProtocolError::Length)));
        // Headers count towards the size of a message.
        let skipped = Operation::Skipped(with_headers("", b"", b""));
        assert_eq!(all(bytes, 13).0, [skipped, expected[1].clone(), expected[2].clone()]);
    }

    #[test]
    fn headers_beyond_the_limit_are_skipped() {
        for (length, is_kept) in [(MAX_HEADERS, true), (MAX_HEADERS + 1, false)] {
            let mut bytes = format!("HMSG a 7 {length} {length}\r\n").into_bytes();
            bytes.resize(bytes.len() + length, b'x');
            bytes.extend_from_slice(b"\r\n");
            let (operations, error) = all(&bytes, usize::MAX);
            assert_eq!(error, None);
            assert_eq!(matches!(operations[..], [Operation::Message(_)]), is_kept);
            assert_eq!(matches!(operations[..], [Operation::Skipped(_)]), !is_kept);
        }
    }

    #[test]
    fn a_control_line_is_limited() {
        let mut decoder = Decoder::new(0);
        decoder.space().extend_from_slice(&vec![b'x'; MAX_LINE - 1]);
        assert_eq!(decoder.decode(), Ok(None));
        decoder.space().extend_from_slice(b"x");
        assert_eq!(decoder.decode(), Err(LONG_LINE));
        let longest = format!("-ERR {}\r\n", "x".repeat(MAX_LINE - 7));
        assert_eq!(all(longest.as_bytes(), 0).1, None);
        let longer = format!("-ERR {}\r\n", "x".repeat(MAX_LINE - 6));
        assert_eq!(all(longer.as_bytes(), 0).1, Some(LONG_LINE));
    }

    #[test]
    fn what_is_no_operation_is_an_error() {
        for line in [
            "",
            "GET / HTTP/1.1",
            "MSG",
            "MSG a",
            "MSG a 1",
            "MSG a 1 -1",
            "MSG a 1 +1",
            "MSG a 1 b 1 1",
            "MSG a 1 99999999999999999999999",
            "MSG a b 1",
            "HMSG a 1 5",
            "HMSG a 1 6 5",
            "HMSG a 1 x 5",
            "HMSG a 1 b 5 x",
            "HMSG a 1 b 99999999999999999999999 5",
            "HMSG a 1 b c 5 5",
            "HMSG a 1 b c d 5 5",
            "MSGS a 1 1",
        ] {
            let bytes = format!("{line}\r\n");
            assert_eq!(all(bytes.as_bytes(), 10), (vec![], Some(ProtocolError::Line)), "{line}");
        }
        assert_eq!(all(b"PING\n", 10).1, Some(ProtocolError::Line));
        for bytes in [&b"MSG a 1 1\r\nab\r\n"[..], b"MSG a 1 11\r\n0123456789012\r\n"] {
            assert_eq!(all(bytes, 10), (vec![], Some(ProtocolError::Length)));
        }
    }
}
