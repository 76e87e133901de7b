//! Positions of the values in a message of msgpack or JSON, those in nested messages included.

use std::ops::Range;

/// The format of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Msgpack,
}

impl Format {
    pub(super) fn of(message: &[u8]) -> Self {
        if matches!(message.first(), Some(b'{' | b'[')) { Self::Json } else { Self::Msgpack }
    }

    /// The values of a message, keys of maps among them.
    pub(super) fn values(self, message: &[u8]) -> Vec<Range<usize>> {
        match self {
            Self::Json => json(message),
            Self::Msgpack => msgpack(message),
        }
    }
}

fn json(message: &[u8]) -> Vec<Range<usize>> {
    let (mut values, mut open, mut at) = (Vec::new(), Vec::new(), 0);
    while at < message.len() {
        let start = at;
        match message[at] {
            b'{' | b'[' => open.push(at),
            b'}' | b']' => values.extend(open.pop().map(|start| start..at + 1)),
            b',' | b':' | b' ' => {}
            b'"' => {
                at += 1;
                while at < message.len() && message[at] != b'"' {
                    at += if message[at] == b'\\' { 2 } else { 1 };
                }
                values.push(start..(at + 1).min(message.len()));
            }
            _ => {
                while at + 1 < message.len() && !b",:]}".contains(&message[at + 1]) {
                    at += 1;
                }
                values.push(start..at + 1);
            }
        }
        at += 1;
    }
    values
}

/// The values up to the first one that is cut off.
fn msgpack(message: &[u8]) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    // Starts of the arrays and maps around, with the number of their values that are still to come.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some((length, inside)) = message.get(at..).and_then(head) {
        let start = at;
        at += length;
        if at > message.len() {
            break;
        }
        open.push((start, inside));
        while open.last().is_some_and(|(_, left)| *left == 0) {
            values.extend(open.pop().map(|(start, _)| start..at));
            if let Some((_, left)) = open.last_mut() {
                *left -= 1;
            }
        }
    }
    values
}

/// The length of the value that begins here, without the values inside, and the number of those.
fn head(message: &[u8]) -> Option<(usize, usize)> {
    let number = |from: usize, bytes: usize| {
        let field = message.get(from..from + bytes)?;
        Some(field.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    Some(match *message.first()? {
        marker @ 0x80..=0x8f => (1, 2 * usize::from(marker & 15)),
        marker @ 0x90..=0x9f => (1, usize::from(marker & 15)),
        marker @ 0xa0..=0xbf => (1 + usize::from(marker & 31), 0),
        0xc4 | 0xd9 => (2 + number(1, 1)?, 0),
        0xc5 | 0xda => (3 + number(1, 2)?, 0),
        0xc6 | 0xdb => (5 + number(1, 4)?, 0),
        0xc7 => (3 + number(1, 1)?, 0),
        0xc8 => (4 + number(1, 2)?, 0),
        0xc9 => (6 + number(1, 4)?, 0),
        0xcc | 0xd0 => (2, 0),
        0xcd | 0xd1 | 0xd4 => (3, 0),
        0xce | 0xca | 0xd2 => (5, 0),
        0xcf | 0xcb | 0xd3 => (9, 0),
        0xd5 => (4, 0),
        0xd6 => (6, 0),
        0xd7 => (10, 0),
        0xd8 => (18, 0),
        0xdc => (3, number(1, 2)?),
        0xdd => (5, number(1, 4)?),
        0xde => (3, 2 * number(1, 2)?),
        0xdf => (5, 2 * number(1, 4)?),
        _ => (1, 0),
    })
}

#[test]
fn the_values_of_a_message_are_found() {
    let of = |message: &[u8]| {
        let values = Format::of(message).values(message);
        values.into_iter().map(|value| message[value].to_vec()).collect::<Vec<_>>()
    };
    let json: [&[u8]; 6] = [br#""a\"""#, b"1", b"[]", b"[1,[]]", b"null", br#"{"a\"":[1,[]],"b":null}"#];
    let mut found = of(br#"{"a\"":[1,[]],"b":null}"#);
    found.retain(|value| value != br#""b""#);
    assert_eq!(found, json);
    let msgpack: [&[u8]; 6] = [
        b"\xa1a",
        b"\x01",
        b"\x90",
        b"\xc4\x01x",
        b"\x93\x01\x90\xc4\x01x",
        b"\x81\xa1a\x93\x01\x90\xc4\x01x",
    ];
    assert_eq!(of(b"\x81\xa1a\x93\x01\x90\xc4\x01x"), msgpack);
    assert_eq!(of(b"\x92\x01"), [b"\x01"]);
}
