//! Compression of polling answers: when, by which coding, and the doing of it.

#[cfg(feature = "compression")]
use std::cmp::Ordering;
use std::io;
#[cfg(feature = "compression")]
use std::io::Write;

use http::HeaderValue;

/// When answers to polls are compressed (`httpCompression` of the official server).
///
/// Without the feature `compression` it has no effect. WebSocket messages are another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    threshold: usize,
}

impl Compression {
    /// The setting of the official server: from 1024 bytes on.
    pub fn new() -> Self {
        Self { threshold: 1024 }
    }

    /// The length from which on an answer is compressed, in bytes. Default 1024.
    ///
    /// Compressing costs processor time, some 13 ms for a megabyte of JSON, and for that while a quarter of a megabyte
    /// of memory; a short answer hardly becomes shorter.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Whether an answer of this length is to be compressed, if the client can take it.
    pub(crate) fn applies_to(self, length: usize) -> bool {
        length >= self.threshold
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

/// A coding of HTTP that we can write.
#[cfg(feature = "compression")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    /// In the wrapping of zlib, as RFC 9110 has it in section 8.4.1.2.
    Deflate,
}

/// There is none.
#[cfg(not(feature = "compression"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {}

impl Encoding {
    /// The value of the header Content-Encoding.
    pub(crate) fn header_value(self) -> HeaderValue {
        match self {
            #[cfg(feature = "compression")]
            Self::Gzip => HeaderValue::from_static("gzip"),
            #[cfg(feature = "compression")]
            Self::Deflate => HeaderValue::from_static("deflate"),
        }
    }
}

/// The coding that the client likes best, given its headers Accept-Encoding. Without one it gets none.
#[cfg(not(feature = "compression"))]
pub(crate) fn negotiate<'h>(_: impl IntoIterator<Item = &'h HeaderValue>) -> Option<Encoding> {
    None
}

/// The coding that the client likes best, given its headers Accept-Encoding. Without one it gets none.
///
/// Of two that it likes equally: the one it names rather than means by `*`, then the one it names first, then gzip.
#[cfg(feature = "compression")]
pub(crate) fn negotiate<'h>(accept_encoding: impl IntoIterator<Item = &'h HeaderValue>) -> Option<Encoding> {
    let (mut gzip, mut deflate) = (Preference::NONE, Preference::NONE);
    let texts = accept_encoding.into_iter().filter_map(|value| value.to_str().ok());
    for (place, item) in texts.flat_map(|text| text.split(',')).enumerate() {
        let Some((coding, quality)) = preference(item) else { continue };
        let preference = |named| Preference { named, quality, place: Some(place) };
        if coding == "*" {
            gzip.prefer(preference(false));
            deflate.prefer(preference(false));
        } else if coding.eq_ignore_ascii_case("gzip") {
            gzip.prefer(preference(true));
        } else if coding.eq_ignore_ascii_case("deflate") {
            deflate.prefer(preference(true));
        }
    }
    // Not a number is not above zero either.
    match (gzip.quality > 0.0, deflate.quality > 0.0) {
        (true, true) if deflate.comes_before(&gzip) => Some(Encoding::Deflate),
        (true, _) => Some(Encoding::Gzip),
        (false, true) => Some(Encoding::Deflate),
        (false, false) => None,
    }
}

/// The same bytes in fewer, at zlib's default level, as Node's `createGzip` and `createDeflate` do it.
///
/// An error means that the bytes have to go as they are.
#[cfg(feature = "compression")]
pub(crate) fn compress(encoding: Encoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    use flate2::write::{GzEncoder, ZlibEncoder};
    let level = flate2::Compression::default();
    match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
    }
}

/// Never called, as there is no coding to call it with.
#[cfg(not(feature = "compression"))]
pub(crate) fn compress(encoding: Encoding, _: &[u8]) -> io::Result<Vec<u8>> {
    match encoding {}
}

/// How much a client likes a coding.
#[cfg(feature = "compression")]
struct Preference {
    /// By its own name, which goes before a `*`.
    named: bool,
    quality: f64,
    /// Where it stands in the header.
    place: Option<usize>,
}

#[cfg(feature = "compression")]
impl Preference {
    /// A coding that is not mentioned.
    const NONE: Self = Self { named: false, quality: 0.0, place: None };

    /// Of two mentions of one coding: the named one counts, then the better, then the later.
    fn prefer(&mut self, other: Self) {
        let wins = if self.named != other.named {
            other.named
        } else {
            match self.quality.partial_cmp(&other.quality) {
                Some(Ordering::Less) => true,
                Some(Ordering::Greater) => false,
                // One of them may be not a number.
                Some(Ordering::Equal) | None => self.place < other.place,
            }
        };
        if wins {
            *self = other;
        }
    }

    /// Between two codings.
    fn comes_before(&self, other: &Self) -> bool {
        match self.quality.partial_cmp(&other.quality) {
            Some(Ordering::Less) => false,
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) | None if self.named != other.named => self.named,
            Some(Ordering::Equal) | None => self.place < other.place,
        }
    }
}

/// One item of an Accept-Encoding, such as `gzip;q=0.5`: the coding and how much it is liked.
#[cfg(feature = "compression")]
fn preference(item: &str) -> Option<(&str, f64)> {
    let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
    let coding = coding.trim_ascii();
    if coding.is_empty() || coding.contains([' ', '\t']) {
        return None;
    }
    let quality = parameters.split(';').find_map(|parameter| {
        // No space before the `=`, as in RFC 9110, section 12.4.2; what follows a second one does not count.
        let mut parts = parameter.trim_ascii().split('=');
        (parts.next() == Some("q")).then(|| number(parts.next().unwrap_or_default()))
    });
    Some((coding, quality.unwrap_or(1.0)))
}

/// The number that a text begins with, as ECMAScript's `parseFloat` finds it, or what is not a number.
#[cfg(feature = "compression")]
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

    #[test]
    fn the_threshold_is_the_first_length_that_is_compressed() {
        assert!(Compression::default().applies_to(1024));
        assert!(!Compression::default().applies_to(1023));
        assert!(Compression::new().threshold(0).applies_to(0));
        assert!(!Compression::new().threshold(usize::MAX).applies_to(1_000_000));
    }

    #[cfg(not(feature = "compression"))]
    #[test]
    fn without_the_feature_nothing_is_negotiated() {
        assert_eq!(negotiate(&[HeaderValue::from_static("gzip, deflate")]), None);
    }

    #[cfg(feature = "compression")]
    mod codings {
        use std::io::Read as _;

        use super::*;

        fn check(accept: &str, expected: Option<Encoding>) {
            let header = HeaderValue::try_from(accept).unwrap();
            assert_eq!(negotiate(Some(&header)), expected, "{accept:?}");
        }

        #[test]
        fn the_client_chooses_among_gzip_and_deflate() {
            use Encoding::{Deflate, Gzip};
            for (accept, expected) in [
                ("gzip, deflate", Some(Gzip)),
                ("gzip, deflate, br, zstd", Some(Gzip)),
                ("deflate, gzip", Some(Deflate)),
                ("deflate", Some(Deflate)),
                ("DEFLATE,GZip;q=0.9", Some(Deflate)),
                ("br", None),
                ("identity", None),
                ("x-gzip", None),
                ("", None),
                (",,;q=1", None),
                ("*", Some(Gzip)),
                ("*, deflate", Some(Deflate)),
                ("gzip;q=0, *", Some(Deflate)),
                ("*;q=0, gzip", Some(Gzip)),
                ("*;q=0", None),
                ("gzip;q=0.5, *;q=0.8", Some(Deflate)),
                ("gzip;q=0", None),
                ("gzip;q=0.000", None),
                ("gzip;q=0.4, deflate;q=0.5", Some(Deflate)),
                ("deflate ;q=0.5 , gzip ; q=0.5", Some(Deflate)),
                ("identity;q=1, gzip;q=0.1", Some(Gzip)),
            ] {
                check(accept, expected);
            }
        }

        #[test]
        fn odd_headers_are_read_as_the_official_server_reads_them() {
            use Encoding::{Deflate, Gzip};
            for (accept, expected) in [
                ("gzip deflate", None),
                ("gzip;level=9;q=0", None),
                ("gzip;Q=0", Some(Gzip)),
                ("gzip;q =0", Some(Gzip)),
                ("gzip;q", None),
                ("gzip;q=", None),
                ("gzip;q=x", None),
                ("gzip;q=x, deflate;q=0.1", Some(Deflate)),
                ("gzip;q=-1", None),
                ("gzip;q=0.5=0", Some(Gzip)),
                ("gzip;q= .5x", Some(Gzip)),
                ("gzip;q=1, deflate;q=2e0", Some(Deflate)),
                ("gzip;q=1, deflate;q=5", Some(Deflate)),
                ("gzip;q=Infinity, deflate;q=9", Some(Gzip)),
                ("gzip;q=0, gzip", Some(Gzip)),
                ("gzip, gzip;q=0", Some(Gzip)),
                ("gzip, gzip;q=x", None),
                ("gzip;q=x, gzip;q=0.5", Some(Gzip)),
                ("gzip, deflate, gzip", Some(Deflate)),
            ] {
                check(accept, expected);
            }
        }

        #[test]
        fn several_headers_are_one() {
            let lines = [HeaderValue::from_static("br, deflate;q=0.5"), HeaderValue::from_static("gzip")];
            assert_eq!(negotiate(&lines), Some(Encoding::Gzip));
            assert_eq!(negotiate(None), None);
            // What is not text is not read.
            assert_eq!(negotiate([&HeaderValue::from_bytes(b"gzip\xff").unwrap()]), None);
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

        /// Both codings say what they are in their first bytes, and end with a check sum.
        #[test]
        fn what_was_compressed_comes_back() {
            for bytes in [Vec::new(), vec![7], b"4hello\x1e".repeat(100_000)] {
                let gzip = compress(Encoding::Gzip, &bytes).unwrap();
                assert_eq!(gzip[..3], [0x1f, 0x8b, 8]);
                let mut back = Vec::new();
                flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut back).unwrap();
                assert!(back == bytes);

                let deflate = compress(Encoding::Deflate, &bytes).unwrap();
                // RFC 1950: deflate with a window of 32 KiB, the default level.
                assert_eq!(deflate[..2], [0x78, 0x9c]);
                back.clear();
                flate2::read::ZlibDecoder::new(&deflate[..]).read_to_end(&mut back).unwrap();
                assert!(back == bytes);
                assert!(bytes.len() < 1000 || deflate.len() < bytes.len() / 100);
            }
            assert_eq!(Encoding::Gzip.header_value(), "gzip");
            assert_eq!(Encoding::Deflate.header_value(), "deflate");
        }

        proptest::proptest! {
            #[test]
            fn any_header_is_read(accept in "([gzip,;=*qQ+.0-9eEI \t-]|gzip|;q=|deflate){0,60}") {
                let header = HeaderValue::try_from(accept).unwrap();
                let taken = negotiate(Some(&header));
                // A coding that is not mentioned is never chosen.
                let text = header.to_str().unwrap().to_ascii_lowercase();
                if let Some(encoding) = taken {
                    let named = encoding.header_value();
                    proptest::prop_assert!(text.contains('*') || text.contains(named.to_str().unwrap()));
                }
            }
        }
    }
}
