//! Messages of the clients in the benchmarks.

use bytes::Bytes;

/// A WebSocket frame of a client: masked.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The opcode of text.
pub const TEXT: u8 = 1;
/// The opcode of binary data.
pub const BINARY: u8 = 2;

/// An event with a short string, as a Socket.IO packet.
pub fn small_event(name: &str) -> String {
    format!(r#"2["{name}","the quick brown fox jumps over"]"#)
}

/// An event with an object of about 1 KiB.
pub fn large_event(name: &str) -> String {
    let lines: Vec<String> = (0..12)
        .map(|line| {
            format!(
                r#"{{"at":{},"text":"line {line} of it","seen":[{line},true,null]}}"#,
                1_700_000_000 + line
            )
        })
        .collect();
    let rest = "and then some words that fill the rest of it ".repeat(6);
    format!(r#"2["{name}",{{"from":"ada","lines":[{}],"rest":"{rest}"}}]"#, lines.join(","))
}

/// An event with one attachment: the text, and 1 KiB of data.
pub fn binary_event(name: &str) -> (String, Bytes) {
    let data: Vec<u8> = (0..1024_u32).map(|byte| (byte * 31 % 251) as u8).collect();
    (format!(r#"51-["{name}",{{"_placeholder":true,"num":0}}]"#), data.into())
}

/// A Socket.IO packet as a client's frame.
pub fn text_frame(packet: &str) -> Vec<u8> {
    frame(TEXT, format!("4{packet}").as_bytes())
}

/// A packet with its attachment, as two frames of a client.
pub fn binary_frames((packet, data): &(String, Bytes)) -> Vec<u8> {
    [text_frame(packet), frame(BINARY, data)].concat()
}
