//! A reading: the requests that a reader found in some bytes, and the differences between two readings.

/// A request as a reader understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParsedRequest {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// The result of one connection.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) seen: Vec<ParsedRequest>,
    /// The ids of the requests that came through nginx.
    pub(crate) ids: Vec<String>,
    /// The status of a refusal, which is the last response.
    pub(crate) refused: Option<u16>,
}

/// Kinds of difference between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Differ {
    /// Our reader ends earlier; our requests are a prefix of theirs.
    Less,
    /// The other reader ends earlier.
    More,
    /// A request differs. No decision justifies that.
    Split,
}

pub(crate) fn differ(ours: &Reading, theirs: &Reading) -> Option<Differ> {
    if !ours.seen.iter().zip(&theirs.seen).all(|(ours, theirs)| same(theirs, ours)) {
        return Some(Differ::Split);
    }
    match ours.seen.len().cmp(&theirs.seen.len()) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(Differ::Less),
        std::cmp::Ordering::Greater => Some(Differ::More),
    }
}

/// Whether two requests are the same. The spelling of a target may differ: our reader and hyper's `Uri`
/// encode characters that a URI may not contain and write an empty path as `/`, and nginx omits scheme and
/// host.
pub(crate) fn same(theirs: &ParsedRequest, ours: &ParsedRequest) -> bool {
    let target = |target: &[u8]| {
        let mut plain = Vec::new();
        let after =
            |scheme: &[u8]| target.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme));
        let scheme =
            [&b"http://"[..], b"https://", b"ftp://"].into_iter().find(|scheme| after(scheme).is_some());
        let target = match scheme {
            Some(scheme) => {
                let rest = &target[scheme.len()..];
                let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
                &rest[path..]
            }
            None => target,
        };
        if target.first().is_none_or(|byte| *byte == b'?') {
            plain.push(b'/');
        }
        for byte in target {
            match byte {
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                    plain.extend_from_slice(format!("%{byte:02X}").as_bytes());
                }
                _ => plain.push(*byte),
            }
        }
        plain
    };
    theirs.method == ours.method && theirs.body == ours.body && target(&theirs.target) == target(&ours.target)
}
