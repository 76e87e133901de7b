//! Bytes of clients: WebSocket frames to send, frames and HTTP responses to parse. No I/O.

/// The opcode of text.
pub const TEXT: u8 = 1;
/// The opcode of binary data.
pub const BINARY: u8 = 2;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;
/// The opcode of a pong.
pub const PONG: u8 = 10;

/// The key of every handshake, and the server's accept value for it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of a client.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The frame at the start of `bytes`: its opcode, and the start and end of its payload; `None` if it is
/// incomplete. At these sizes servers send only unfragmented, unmasked messages.
pub fn parse_frame(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, &'static str> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if second & 0x80 != 0 || first & 0xf0 != 0x80 || *first == 0x80 {
        return Err("a frame is masked, fragmented, or has reserved bits");
    }
    let (begin, len) = match (second & 127, rest) {
        (126, [high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize)
        }
        (126 | 127, _) => return Ok(None),
        (len, _) => (2, usize::from(len)),
    };
    Ok((bytes.len() >= begin + len).then_some((first & 15, begin, begin + len)))
}

/// The end of the handshake's response; `None` if it is incomplete.
pub fn parse_upgrade(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let has = |name: &str, value: &str| {
        head.lines().any(|line| {
            line.split_once(':')
                .is_some_and(|(is, what)| is.eq_ignore_ascii_case(name) && what.trim() == value)
        })
    };
    if !head.starts_with("HTTP/1.1 101") || !has("sec-websocket-accept", ACCEPT) {
        return Err(format!("the upgrade was refused: {head}"));
    }
    Ok(Some(end + 4))
}

/// A complete HTTP response: its status, its body, and its end.
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
    pub end: usize,
}

/// The response at the start of `bytes`; `None` if it is incomplete.
pub fn parse_response(bytes: &[u8]) -> Result<Option<Response>, &'static str> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| "a head is not UTF-8")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or("a response without a status")?;
    let (mut len, mut chunked) = (0, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            len = value.trim().parse().map_err(|_| "a content-length is no number")?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = true;
        }
    }
    let start = head_end + 4;
    if !chunked {
        let end = start + len;
        return Ok(bytes.get(start..end).map(|body| Response { status, body: body.to_vec(), end }));
    }
    let (mut body, mut at) = (Vec::new(), start);
    while let Some(line) = find(&bytes[at..], b"\r\n") {
        let size = std::str::from_utf8(&bytes[at..at + line]).ok();
        let size = size
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
            .ok_or("a chunk without a size")?;
        let begin = at + line + 2;
        let Some(chunk) = bytes.get(begin..begin + size) else { return Ok(None) };
        at = begin + size + 2;
        if bytes.len() < at {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(Response { status, body, end: at }));
        }
        body.extend_from_slice(chunk);
    }
    Ok(None)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
