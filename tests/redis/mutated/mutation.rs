//! Mutations of captured messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tests::random::Random;

use super::capture::Command;
use super::values::Format;

/// The longest message that a mutation makes of one that is extended.
const LONG: usize = 64 << 10;

/// Values that no server sends, of msgpack.
fn odd_msgpack(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        // A claimed length of 2 or 4 GiB.
        0 | 1 => vec![[0xdd, 0xdf, 0xdb, 0xc6, 0xc9][random.below(5)], 0xff, 0xff, 0xff, 0xff],
        2 => b"\xdd\x7f\xff\xff\xff".to_vec(),
        // Nested arrays and maps.
        3 => vec![0x91; 1 + random.below(5_000)],
        4 => b"\x81\xa1a".repeat(1 + random.below(2_000)),
        // Text that is no UTF-8, an extension, a NaN, and numbers that are too large.
        5 => b"\xa4\xff\xfe\x80\xed".to_vec(),
        6 => b"\xd4\x7f\x00".to_vec(),
        7 => b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00".to_vec(),
        8 => b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        9 => b"\x82\xa1a\xc0\xa1a\xc0".to_vec(),
        10 => b"\xc0".to_vec(),
        _ => b"\xa0".to_vec(),
    }
}

/// The same of JSON.
fn odd_json(random: &mut Random) -> Vec<u8> {
    let values = [
        b"1e999".as_slice(),
        b"-0",
        b"99999999999999999999999999",
        br#""\ud800""#,
        b"\"\xff\xfe\"",
        br#""\u0000""#,
        b"null",
        b"NaN",
        br#"{"a":1,"a":2}"#,
        br#"{"__proto__":{"a":1}}"#,
        br#"{"type":"Buffer","data":[1,256,-1,"x"]}"#,
        br#"{"type":"Buffer","data":{"length":4294967295}}"#,
        br#"{"_placeholder":true,"num":4294967295}"#,
        br#""""#,
        b"[]",
        b"{}",
    ];
    match random.below(8) {
        0 => vec![b'['; 1 + random.below(5_000)],
        1 => {
            let depth = 1 + random.below(3_000);
            [vec![b'['; depth], vec![b']'; depth]].concat()
        }
        2 => br#"{"a":"#.repeat(1 + random.below(2_000)),
        _ => random.pick(&values).to_vec(),
    }
}

fn random_bytes(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.next_u64() as u8).collect()
}

/// A mutation of a message; `other` is a further one.
fn mutate(message: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let format = Format::of(message);
    let values = format.values(message);
    let mut mutated = message.to_vec();
    let at = random.below(message.len() + 1);
    let value = if values.is_empty() { 0..message.len() } else { values[random.below(values.len())].clone() };
    match random.below(11) {
        // Bytes flipped.
        0 | 1 => {
            for _ in 0..1 + random.below(4) {
                if !mutated.is_empty() {
                    let byte = random.below(mutated.len());
                    mutated[byte] ^=
                        if random.once_in(2) { 1 << random.below(8) } else { random.next_u64() as u8 };
                }
            }
        }
        // Cut.
        2 => mutated.truncate(at),
        3 => drop(mutated.drain(..at)),
        // Extended.
        4 => {
            let length = if random.once_in(50) { LONG } else { 1 + random.below(100) };
            let tail = random_bytes(random, length);
            mutated.extend(tail);
        }
        5 => drop(mutated.splice(at.., other[random.below(other.len() + 1)..].iter().copied())),
        // The length of a value changed, or of what is around it.
        6 => match format {
            Format::Msgpack if !mutated.is_empty() => {
                let marker = value.start;
                mutated[marker] = mutated[marker].wrapping_add(if random.once_in(2) { 1 } else { 255 });
            }
            _ => drop(mutated.drain(value.start..value.start + random.below(value.len() + 1))),
        },
        // The structure changed: a value is replaced, missing, there twice, or wrapped.
        7 => {
            let odd = if format == Format::Json { odd_json(random) } else { odd_msgpack(random) };
            drop(mutated.splice(value, odd));
        }
        8 => {
            let others = Format::of(other).values(other);
            let from = if others.is_empty() { 0..0 } else { others[random.below(others.len())].clone() };
            drop(mutated.splice(value, other[from].iter().copied()));
        }
        9 => drop(mutated.drain(value)),
        _ => {
            let again = mutated[value.clone()].to_vec();
            let times = if random.once_in(20) { 500 } else { 1 + random.below(3) };
            drop(mutated.splice(value.start..value.start, again.repeat(times)));
        }
    }
    mutated
}

/// A mutation of the data of an entry: JSON, or msgpack in base64.
fn mutate_data(data: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    match STANDARD.decode(data) {
        Ok(message) if !random.once_in(4) => {
            let other = STANDARD.decode(other).unwrap_or_else(|_| other.to_vec());
            STANDARD.encode(mutate(&message, &other, random)).into()
        }
        _ => mutate(data, other, random),
    }
}

/// A mutation of one of these commands, which Redis accepts.
pub(super) fn next(captured: &[Command], random: &mut Random) -> Command {
    let mut command = captured[random.below(captured.len())].clone();
    let other = &captured[random.below(captured.len())];
    // The data of an entry are its last field, as the payload of a message is the last argument.
    let payload = other.last().map(Vec::as_slice).unwrap_or_default();
    let Some(id) = command.iter().position(|argument| argument == b"*") else {
        let last = command.len() - 1;
        command[last] = mutate(&command[last], payload, random);
        // On the channel of another message.
        if random.once_in(10) && other.len() == command.len() && other[0] == command[0] {
            command[1].clone_from(&other[1]);
        }
        return command;
    };
    let fields = id + 1;
    let pairs = (command.len() - fields) / 2;
    let field = fields + 2 * random.below(pairs);
    match random.below(10) {
        0 if pairs > 1 => drop(command.drain(field..field + 2)),
        1 => {
            let pair = command[field..field + 2].to_vec();
            command.extend(pair);
        }
        2 => command[field] = mutate(&command[field], payload, random),
        3 | 4 => command[field + 1] = mutate(&command[field + 1], payload, random),
        _ => {
            let last = command.len() - 1;
            command[last] = mutate_data(&command[last], payload, random);
        }
    }
    command
}
