//! The content coding that a client prefers: the header Accept-Encoding.

use std::cmp::Ordering;

use http::HeaderValue;

/// The index of the offered coding that a client prefers, given its headers Accept-Encoding. `None` if it
/// accepts none of them, or sent no such header.
///
/// Of two codings with equal quality, a coding by its own name precedes one that `*` covers; then the order
/// in the header decides, then the order of the offer. `identity` is not part of the offer: any accepted
/// coding is better. The parser reads headers as the official server does, malformed ones included.
///
/// ```
/// # use http::HeaderValue;
/// let accept = [HeaderValue::from_static("gzip;q=0.5, br")];
/// assert_eq!(engineio::preferred_encoding(&accept, &["gzip", "br"]), Some(1));
/// assert_eq!(engineio::preferred_encoding(&accept, &["zstd"]), None);
/// ```
pub fn preferred_encoding<'h>(
    accept_encoding: impl IntoIterator<Item = &'h HeaderValue>,
    offered: &[&str],
) -> Option<usize> {
    let mut preferences = vec![Preference::NONE; offered.len()];
    let texts = accept_encoding.into_iter().filter_map(|value| value.to_str().ok());
    for (position, item) in texts.flat_map(|text| text.split(',')).enumerate() {
        let Some((coding, quality)) = preference(item) else { continue };
        for (offered, preference) in offered.iter().zip(&mut preferences) {
            let named = coding.eq_ignore_ascii_case(offered);
            if named || coding == "*" {
                preference.prefer(Preference { named, quality, position: Some(position) });
            }
        }
    }
    // NaN is not above zero either.
    let accepted = preferences.iter().enumerate().filter(|(_, preference)| preference.quality > 0.0);
    let best = accepted.reduce(|best, next| if next.1.comes_before(best.1) { next } else { best });
    best.map(|(position, _)| position)
}

/// The preference of a client for a coding.
#[derive(Clone, Copy)]
struct Preference {
    /// The coding is listed by its own name, which precedes `*`.
    named: bool,
    quality: f64,
    /// The position in the header.
    position: Option<usize>,
}

impl Preference {
    /// A coding that is not mentioned.
    const NONE: Self = Self { named: false, quality: 0.0, position: None };

    /// Of two mentions of one coding, the named one counts, then the one of higher quality, then the later
    /// one.
    fn prefer(&mut self, other: Self) {
        let wins = if self.named != other.named {
            other.named
        } else {
            match self.quality.partial_cmp(&other.quality) {
                Some(Ordering::Less) => true,
                Some(Ordering::Greater) => false,
                // One of the qualities may be NaN.
                Some(Ordering::Equal) | None => self.position < other.position,
            }
        };
        if wins {
            *self = other;
        }
    }

    /// Whether this coding is preferred to another one.
    fn comes_before(&self, other: &Self) -> bool {
        match self.quality.partial_cmp(&other.quality) {
            Some(Ordering::Less) => false,
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) | None if self.named != other.named => self.named,
            Some(Ordering::Equal) | None => self.position < other.position,
        }
    }
}

/// One item of an Accept-Encoding, such as `gzip;q=0.5`: the coding and its quality.
fn preference(item: &str) -> Option<(&str, f64)> {
    let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
    let coding = coding.trim_ascii();
    if coding.is_empty() || coding.contains([' ', '\t']) {
        return None;
    }
    let quality = parameters.split(';').find_map(|parameter| {
        // A space before the `=` is invalid, as in RFC 9110, section 12.4.2. The text after a second `=` is
        // ignored.
        let mut parts = parameter.trim_ascii().split('=');
        (parts.next() == Some("q")).then(|| number(parts.next().unwrap_or_default()))
    });
    Some((coding, quality.unwrap_or(1.0)))
}

/// The number at the beginning of a text, as ECMAScript's `parseFloat` finds it, or NaN.
fn number(text: &str) -> f64 {
    let text = text.trim_ascii();
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();

    let start = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    if bytes[start..].starts_with(b"Infinity") {
        return if bytes[0] == b'-' { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let whole = digits(start);
    let mut end = start + whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if end > start && matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    text[..end].parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order is that of the official server's bundle. The tests of polling responses cover two codings.
    #[test]
    fn the_client_chooses_among_three() {
        let offered = ["br", "gzip", "deflate"];
        for (accept, expected) in [
            ("gzip,br,deflate", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("gzip")),
            ("br", Some("br")),
            ("BR", Some("br")),
            ("deflate, br;q=0.9, gzip;q=0.8", Some("deflate")),
            ("gzip;q=0.8, br;q=0.9", Some("br")),
            ("*", Some("br")),
            ("*, gzip", Some("gzip")),
            ("br;q=0, *", Some("gzip")),
            ("br;q=0, gzip;q=0, *;q=0.1", Some("deflate")),
            ("identity, br;q=0.1", Some("br")),
            ("br;q=x", None),
            ("*;q=0", None),
            ("zstd, identity", None),
            ("", None),
        ] {
            let header = HeaderValue::from_static(accept);
            let found = preferred_encoding([&header], &offered).map(|position| offered[position]);
            assert_eq!(found, expected, "{accept:?}");
        }
        assert_eq!(preferred_encoding(None, &offered), None);
        assert_eq!(preferred_encoding([&HeaderValue::from_static("*")], &[]), None);
    }

    #[test]
    fn numbers_are_read_from_the_front() {
        for (text, expected) in [
            ("0.5", 0.5),
            (" \t1 ", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1", 1.0),
            ("-.5", -0.5),
            ("1e-1", 0.1),
            ("1E+2x", 100.0),
            ("1e", 1.0),
            ("1e+", 1.0),
            ("1.2.3", 1.2),
            ("0x10", 0.0),
            ("007", 7.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("1e999", f64::INFINITY),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
        for text in ["", ".", "-", "+.", "e1", ".e1", "inf", "nan", "NaN", "infinity"] {
            assert!(number(text).is_nan(), "{text:?}");
        }
    }
}
