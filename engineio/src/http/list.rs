//! Comma-separated lists in header values (RFC 9110, section 5.6.1).

#[cfg(feature = "server")]
use http::{HeaderMap, header::AsHeaderName};

/// The elements of a list, without the white space around them.
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether a list in one of the header's lines contains this token, in any case.
#[cfg(feature = "server")]
pub(crate) fn has_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    let mut elements = headers.get_all(name).iter().flat_map(|line| elements(line.as_bytes()));
    elements.any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}
