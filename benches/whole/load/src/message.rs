//! The messages: events whose data contains their slot, so that every delivery can be checked.

use std::str::FromStr;

use crate::wire::{BINARY, TEXT, frame};

/// The form of an event's data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    String,
    Json,
    Binary,
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "string" => Self::String,
            "json" => Self::Json,
            "binary" => Self::Binary,
            _ => return Err(()),
        })
    }
}

impl Kind {
    /// Offset of the eight digits of the slot in the data.
    const fn mark(self) -> usize {
        match self {
            Self::String => 1,
            Self::Json => 6,
            Self::Binary => 0,
        }
    }

    /// The slot in the data of an event.
    pub fn slot(self, data: &[u8]) -> Option<usize> {
        std::str::from_utf8(data.get(self.mark()..)?.get(..8)?).ok()?.parse().ok()
    }

    /// About `size` bytes of data in their form on the wire: JSON, or the attachment's bytes.
    ///
    /// Objects have their keys in alphabetical order, ASCII and integers only, so that servers that parse and
    /// print them produce the same bytes.
    pub fn data(self, size: usize, slot: usize) -> Vec<u8> {
        let words =
            |len: usize| "the quick brown fox jumps over the lazy dog 0123456789 ".chars().cycle().take(len);
        match self {
            Self::String => {
                format!("\"{slot:08}{}\"", words(size.saturating_sub(8)).collect::<String>()).into_bytes()
            }
            Self::Json => {
                let user = 1000 + slot;
                let mut text =
                    format!(r#"{{"a":"{slot:08}","b":{{"id":{user},"name":"user {slot}","on":true}},"c":["#);
                let mut line = 0;
                while text.len() + 130 < size {
                    let comma = if line > 0 { "," } else { "" };
                    let (at, [once, twice]) = (1_700_000_000 + line, [line * 7, line * 13]);
                    text.push_str(&format!(
                        r#"{comma}{{"at":{at},"k":[{line},{once},{twice}],"text":"line {line} of it","z":null}}"#
                    ));
                    line += 1;
                }
                text.push_str(r#"],"d":""#);
                let rest = size.saturating_sub(text.len() + 2);
                text.extend(words(rest));
                text.push_str("\"}");
                text.into_bytes()
            }
            Self::Binary => {
                let mut data = format!("{slot:08}").into_bytes();
                let mut noise = 0x9e37_79b9_7f4a_7c15_u64 ^ slot as u64;
                while data.len() < size {
                    noise ^= noise << 13;
                    noise ^= noise >> 7;
                    noise ^= noise << 17;
                    data.push(noise as u8);
                }
                data
            }
        }
    }

    /// The frames of a client that emit `event`; `before` and `behind` are the text around the data.
    pub fn emit(self, event: &str, before: &str, behind: &str, ack: Option<usize>, data: &[u8]) -> Vec<u8> {
        let id = ack.map(|id| id.to_string()).unwrap_or_default();
        if self == Self::Binary {
            let text = format!(r#"451-{id}["{event}",{before}{{"_placeholder":true,"num":0}}{behind}]"#);
            return [frame(TEXT, text.as_bytes()), frame(BINARY, data)].concat();
        }
        let head = format!(r#"42{id}["{event}",{before}"#);
        frame(TEXT, &[head.as_bytes(), data, behind.as_bytes(), b"]"].concat())
    }
}

/// The events of the server. See `benches/whole/README.md`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// The events of the contract that all servers of the comparison implement.
    Contract,
    /// The events of the gateway without a backend.
    Gateway,
}

impl FromStr for Events {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "contract" => Ok(Self::Contract),
            "gateway" => Ok(Self::Gateway),
            _ => Err(()),
        }
    }
}

impl Events {
    /// Whether a packet is an event that no scenario expects.
    pub fn ignores(self, packet: &[u8]) -> bool {
        self == Self::Gateway
            && (packet.starts_with(b"42[\"connected\",") || packet.starts_with(b"42[\"joined\","))
    }
}

/// The text packets with which the data of an event returns.
pub struct Expected {
    /// The text before the data.
    prefix: Vec<u8>,
    /// The text before an attachment.
    header: Vec<u8>,
    /// The beginning of the text after the data. It does not occur in the data.
    suffix: &'static [u8],
}

/// The kinds of text packets.
pub enum ReceivedPacket<'a> {
    /// An event with this data.
    Data(&'a [u8]),
    /// An event whose data follows as an attachment.
    Header,
    /// An acknowledgement: its id and its data.
    Ack(usize, &'a [u8]),
    Other,
}

impl Expected {
    pub fn new(event: &str) -> Self {
        Self {
            prefix: format!("42[\"{event}\",").into_bytes(),
            header: format!(r#"451-["{event}",{{"_placeholder":true,"num":0}}]"#).into_bytes(),
            suffix: b"]",
        }
    }

    /// An event with an object whose first member is the data.
    pub fn member(event: &str, name: &str, suffix: &'static [u8]) -> Self {
        Self { prefix: format!("42[\"{event}\",{{\"{name}\":").into_bytes(), header: Vec::new(), suffix }
    }

    fn data<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let rest = packet.strip_prefix(&self.prefix[..])?;
        if self.suffix == b"]" {
            return rest.strip_suffix(self.suffix);
        }
        let end = rest.windows(self.suffix.len()).rposition(|window| window == self.suffix)?;
        Some(&rest[..end])
    }

    /// Parses a text packet.
    pub fn read<'a>(&self, packet: &'a [u8]) -> ReceivedPacket<'a> {
        if let Some(data) = self.data(packet) {
            return ReceivedPacket::Data(data);
        }
        if packet == self.header {
            return ReceivedPacket::Header;
        }
        let Some(answer) = packet.strip_prefix(b"43") else { return ReceivedPacket::Other };
        let digits = answer.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (id, data) = answer.split_at(digits);
        let id = std::str::from_utf8(id).ok().and_then(|id| id.parse().ok());
        match (id, data.strip_prefix(b"[").and_then(|data| data.strip_suffix(b"]"))) {
            (Some(id), Some(data)) => ReceivedPacket::Ack(id, data),
            _ => ReceivedPacket::Other,
        }
    }
}
