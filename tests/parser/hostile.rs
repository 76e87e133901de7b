//! Invalid packets: mutations of well-formed packets, and known attacks.

use tests::random::Random;

use crate::packet::Message;

/// Initial texts, each followed by as many one-byte attachments as it announces.
const SEEDS: [&str; 34] = [
    "2[\"a\",1,{}]",
    "2/chat,12[\"name\",{\"k\":[1,2.5,null,true,\"x\"]}]",
    "0",
    "0{\"token\":\"123\"}",
    "0/admin?x=1,{\"a\":[]}",
    "1",
    "1/chat,",
    "3123[]",
    "3/chat,7[\"a\",null]",
    "4{\"message\":\"no\"}",
    "4/chat,\"no\"",
    "2",
    "31",
    "2[1,\"a\"]",
    "2[1.50]",
    "2[-1e3,0]",
    "2[\"connect\"]",
    "2[\"disconnecting\",1]",
    "2[\"\\u0063onnect\"]",
    "2[{\"toString\":\"x\"}]",
    "2[\"__proto__\",{\"constructor\":1,\"a\":1,\"a\":2}]",
    "2[\"\\ud800\",\"\\udc00\\ud800\",\"\\ud83d\\ude00\"]",
    "2[\"a\",1e999,-0,12345678901234567890,1e-400]",
    "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
    "52-/chat,3[\"a\",{\"x\":[{\"_placeholder\":true,\"num\":1}]},{\"_placeholder\":true,\"num\":0}]",
    "61-9[{\"_placeholder\":true,\"num\":0,\"more\":[]}]",
    "51-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]",
    "51-[\"a\",{\"_placeholder\":true,\"num\":1}]",
    "51-[\"a\",{\"_placeholder\":true,\"num\":0.5}]",
    "51-[\"a\",{\"_placeholder\":\"true\",\"num\":9}]",
    "51-[\"a\",{\"num\":1e0,\"_place\\u0068older\":true,\"x\":{\"_placeholder\":true,\"num\":9}}]",
    "510-[\"a\"]",
    "511-[\"a\"]",
    "51-",
];

/// Fragments that are inserted into a text.
const FRAGMENTS: [&str; 60] = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    "/",
    "-",
    "+",
    ".",
    "e",
    "0",
    "1",
    "9",
    "5",
    "6",
    "2",
    "7",
    " ",
    "\n",
    "\t",
    "\u{b}",
    "\u{c}",
    "\u{a0}",
    "\u{feff}",
    "\u{2003}",
    "\u{0}",
    "é",
    "😀",
    "null",
    "true",
    "false",
    "NaN",
    "Infinity",
    "1e",
    "1e5",
    "01",
    "0x1",
    "-0",
    "00",
    "\\u",
    "\\ud800",
    "\\u0041",
    "\\x",
    "'",
    "/*x*/",
    "//",
    "[[[[[[[[",
    "]]]]]]]]",
    "{\"a\":",
    "{\"_placeholder\":true,\"num\":0}",
    "\"_placeholder\":true",
    "\"num\":-1",
    "99999999999999999999",
    "9007199254740992",
    "9007199254740991",
    "\"connect\"",
    "1-",
];

/// A sequence of messages for the JSON parsers.
pub(crate) fn texts(random: &mut Random) -> Vec<Message> {
    let mut text: Vec<char> = match random.below(40) {
        0 => nested(random),
        _ => random.pick(&SEEDS).to_owned(),
    }
    .chars()
    .collect();
    for _ in 0..random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 if at < text.len() => {
                text.remove(at);
            }
            1 => text.truncate(at),
            2 if at < text.len() => {
                // A part from another place of the same text.
                let from = random.below(text.len());
                let to = (from + 1 + random.below(12)).min(text.len());
                let piece = text[from..to].to_vec();
                text.splice(at..at, piece);
            }
            3 if at < text.len() => text[at] = random.pick(&FRAGMENTS).chars().next().unwrap(),
            _ => {
                text.splice(at..at, random.pick(&FRAGMENTS).chars());
            }
        }
    }
    let text: String = text.into_iter().collect();
    let announced = announced(&text);
    let mut messages = vec![Message::Text(text)];
    let attachments = match random.below(12) {
        0 => announced.saturating_sub(1),
        1 => announced + 1,
        _ => announced,
    };
    messages.extend((0..attachments).map(|number| Message::Binary(vec![number as u8])));
    if random.once_in(8) {
        let between = 1 + random.below(messages.len());
        messages.insert(between, Message::Text("2[\"between\"]".to_owned()));
    }
    messages
}

/// The number of attachments that JavaScript parses from a header.
fn announced(text: &str) -> usize {
    match text.strip_prefix(['5', '6']).and_then(|rest| rest.split_once('-')) {
        Some((digits, _)) => digits.trim().parse().unwrap_or(1).min(12),
        None => 0,
    }
}

fn nested(random: &mut Random) -> String {
    let depth = [100, 126, 127, 128, 129, 1000][random.below(6)];
    if random.once_in(2) {
        format!("2[\"a\",{}{}]", "[".repeat(depth), "]".repeat(depth))
    } else {
        format!("2[\"a\",{}1{}]", "{\"k\":".repeat(depth), "}".repeat(depth))
    }
}

const BINARY_SEEDS: [&[u8]; 16] = [
    b"\x83\xa4type\x02\xa4data\x93\xa1a\x01\x80\xa3nsp\xa1/",
    b"\x84\xa4type\x02\xa4data\x92\xa1a\x81\xa1k\x95\x01\xcb\x3f\xf8\0\0\0\0\0\0\xc0\xc3\xa1x\xa2id\x0c\xa3nsp\xa5/chat",
    b"\x84\xa2id\xcd\x01\x2c\xa4type\x03\xa4data\x91\xc4\x03abc\xa3nsp\xa1/",
    b"\x82\xa4type\x01\xa3nsp\xa1/",
    b"\x82\xa4type\x00\xa3nsp\xa1/",
    b"\x83\xa4type\x00\xa4data\x81\xa5token\xa3123\xa3nsp\xa1/",
    b"\x83\xa4type\x04\xa4data\x81\xa7message\xa2no\xa3nsp\xa1/",
    b"\x83\xa4type\x04\xa4data\xa2no\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x92\xa1a\xd4\x00\x00\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x92\xa1a\xd7\x00\x00\x00\x01\x8d\xf4\x91\x94\x95\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x92\xa1a\xc7\x02\x00hi\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x92\xa1a\xd5\x05hi\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x92\x01\x82\xa1u\xd4\x00\x00\xa1f\xca\x3f\xc0\0\0\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x91\xa7connect\xa3nsp\xa1/",
    b"\x83\xa4type\x02\xa4data\x90\xa3nsp\xa1/",
    b"\x84\xa4type\x03\xa4data\x90\xa2id\xcf\x00\x20\0\0\0\0\0\0\xa3nsp\xa1/",
];

/// A message for the msgpack parsers.
pub(crate) fn binaries(random: &mut Random) -> Vec<Message> {
    loop {
        let mut bytes = match random.below(60) {
            0 => {
                let depth = [100, 126, 127, 128, 129, 500][random.below(6)];
                [b"\x83\xa4type\x02\xa4data\x92\xa1a", &b"\x91".repeat(depth)[..], b"\xc0\xa3nsp\xa1/"]
                    .concat()
            }
            _ => random.pick(&BINARY_SEEDS).to_vec(),
        };
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 if at < bytes.len() => {
                    bytes.remove(at);
                }
                1 => bytes.truncate(at),
                2 if at < bytes.len() => bytes[at] = random.next_u64() as u8,
                _ => bytes.insert(at, random.next_u64() as u8),
            }
        }
        if !exhausts_the_oracle(&bytes) {
            return vec![Message::Binary(bytes)];
        }
    }
}

/// The official decoder allocates as many elements or bytes as are announced, one by one in JavaScript, up to
/// 4 GiB. Such input only costs time.
fn exhausts_the_oracle(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|window| matches!(window, [0xc9 | 0xdd | 0xdf, high, low] if *high > 0 || *low > 0))
}
