//! Justified differences between the readers. README.md gives the reasons.

use crate::reading::{Differ, Reading};

/// The name of the decision that explains a difference, if there is one.
pub(crate) fn decide(reader: &str, differ: Differ, input: &[u8], ours: &Reading) -> Option<&'static str> {
    match differ {
        Differ::Split => None,
        Differ::Less => less(input, ours),
        Differ::More => more(reader, input),
    }
}

/// Our reader refuses or closes, and the other one continues.
fn less(input: &[u8], ours: &Reading) -> Option<&'static str> {
    let found = match ours.refused {
        Some(417) => "L1-expectation",
        Some(501) => "L2-coding",
        Some(505) => "L3-version",
        None if has(input, b"upgrade:") => "L4-upgrade",
        Some(400) if line_ends(input) => "L5-line-ends",
        Some(400) if lines(input).any(|line| is_request(line) && line.contains(&b'#')) => "L6-fragment",
        Some(400) if lines(input).any(|line| is_request(line) && !plain_request(line)) => "L7-request-line",
        Some(400) if hosts(input) => "L8-one-host",
        Some(400) if framings(input) => "L9-framing",
        Some(400) if input.iter().any(|byte| control(*byte)) => "L10-control-characters",
        Some(400) if lines(input).any(|line| !is_request(line) && odd_name(line)) => "L11-header-names",
        Some(400) if chunks(input) => "L12-chunks",
        _ => return None,
    };
    Some(found)
}

/// The other reader refuses, and ours continues.
fn more(reader: &str, input: &[u8]) -> Option<&'static str> {
    let requests = || lines(input).filter(|line| is_request(line));
    let known = |line: &[u8]| KNOWN.iter().any(|known| line.starts_with(known));
    let found = match reader {
        "node" | "nginx" if requests().any(|line| !known(line)) => "M1-methods",
        _ if requests().any(|line| !plain_target(line)) => "M2-targets",
        "nginx" if lines(input).any(odd_host) => "M3-host",
        "nginx" | "node" if framings(input) => "M4-framing",
        "hyper" | "node" if has(input, b"chunked") => "M5-trailers",
        _ if input.iter().any(|byte| control(*byte)) => "M6-bytes",
        "node" if has(input, b"proxy-connection: close") => "M7-proxy-connection",
        _ => return None,
    };
    Some(found)
}

/// The generated methods that Node knows.
const KNOWN: &[&[u8]] =
    &[b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"PURGE ", b"M-SEARCH "];

fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn is_request(line: &[u8]) -> bool {
    [&b"http/"[..], b"rtsp/", b"ice/"].iter().any(|name| has(line, name)) || line.starts_with(b"GET ")
}

/// Three words with one space between them; the last one is a supported version.
fn plain_request(line: &[u8]) -> bool {
    line.iter().filter(|byte| byte.is_ascii_whitespace()).count() == 2
        && (line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0"))
}

/// A target that is a valid path.
fn plain_target(line: &[u8]) -> bool {
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    target.starts_with(b"/")
        && !target.windows(2).any(|two| two == b"..")
        && target.iter().all(|byte| {
            byte.is_ascii_graphic()
                && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'{' | b'}' | b'|' | b'%' | b'#')
        })
}

/// A line end other than CRLF.
fn line_ends(input: &[u8]) -> bool {
    let after_cr = |at: usize| at > 0 && input[at - 1] == b'\r';
    input.iter().enumerate().any(|(at, byte)| match byte {
        b'\n' => !after_cr(at),
        b'\r' => input.get(at + 1) != Some(&b'\n'),
        _ => false,
    })
}

/// A head with no Host header, or with two.
fn hosts(input: &[u8]) -> bool {
    let is_host = |line: &&[u8]| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:"));
    let lines: Vec<&[u8]> = lines(input).collect();
    let heads = (0..lines.len()).filter(|at| is_request(lines[*at])).map(|at| &lines[at..]);
    let mut counts = heads
        .map(|head| head.iter().take_while(|line| !line.is_empty()).filter(|line| is_host(line)).count());
    counts.any(|count| count != 1)
}

/// A chunk with too many digits in its size, or whose length differs from its size.
fn chunks(input: &[u8]) -> bool {
    let lines: Vec<&[u8]> = lines(input).collect();
    has(input, b"chunked")
        && (lines.iter().any(|line| line.len() > 15 && line.iter().all(u8::is_ascii_hexdigit))
            || lines.windows(2).any(|two| two[0] == b"3" && two[1].len() != 3))
}

/// A length or coding that is repeated or not in its plain form.
fn framings(input: &[u8]) -> bool {
    lines(input).any(|line| {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        let about = |what: &[u8]| has(&name, what);
        about(b"length") && (name != b"content-length" || value != b"3")
            || (about(b"encoding") || about(b"coding"))
                && (name != b"transfer-encoding" || value != b"chunked")
    }) || lines(input).filter(|line| has(line, b"content-length") || has(line, b"transfer-encoding")).count()
        > lines(input).filter(|line| line.starts_with(b"POST ")).count()
        || has(input, b"http/1.0") && has(input, b"transfer-encoding")
}

fn control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n') || byte >= 0x80
}

fn odd_name(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_chunk = line == b"abc" || line.iter().all(u8::is_ascii_hexdigit);
    !is_chunk
        && (!line.contains(&b':')
            || name.is_empty()
            || name.iter().any(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-'))
}

fn odd_host(line: &[u8]) -> bool {
    line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:"))
        && !matches!(&line[5..], b" a" | b"a" | b" A:80" | b" [::1]")
}

/// Whether the input contains this text, in any case.
fn has(input: &[u8], what: &[u8]) -> bool {
    input.windows(what.len()).any(|piece| piece.eq_ignore_ascii_case(what))
}
