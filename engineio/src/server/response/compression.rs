//! Compression of polling responses: the settings, the negotiation and the encoders.

use std::io;

use http::HeaderValue;

#[cfg(feature = "compression")]
use super::accept_encoding::preferred_encoding;
#[cfg(feature = "compression")]
use crate::deflate::wrapped;

/// The compression of polling responses (`httpCompression` of the official server).
///
/// Without the feature `compression` it has no effect. WebSocket messages have
/// [`PerMessageDeflate`](crate::PerMessageDeflate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    threshold: usize,
    level: u8,
    mem_level: u8,
    window_bits: u8,
}

impl Compression {
    /// The default of the official server: responses of 1024 bytes or more.
    pub fn new() -> Self {
        Self { threshold: 1024, level: 6, mem_level: 8, window_bits: 15 }
    }

    /// The smallest response that is compressed, in bytes. Default 1024.
    ///
    /// Compression of a megabyte of JSON costs about 13 ms of processor time, and a quarter of a megabyte of
    /// memory meanwhile. A short response hardly becomes shorter.
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// The level of zlib, from 0 (none) to 9 (smallest). Default 6. A higher level costs more processor time
    /// for fewer bytes; one above 9 counts as 9.
    pub fn level(mut self, level: u32) -> Self {
        // At most 9, so the cast keeps it.
        self.level = level.min(9) as u8;
        self
    }

    /// The memory level of zlib, from 1 to 9 (`memLevel`). Default 8. A response occupies 7 × 64 × 2^`level` bytes of
    /// it while it is compressed, 112 KiB at level 8. Less of it compresses a little worse; a number out of range counts
    /// as the nearest.
    pub fn mem_level(mut self, level: u8) -> Self {
        self.mem_level = level.clamp(1, 9);
        self
    }

    /// The window of zlib, the number of bytes that a repetition may reach back as a power of two, from 9 to 15
    /// (`windowBits`). Default 15. A response occupies 4 × 2^`bits` bytes of it while it is compressed. A smaller window
    /// compresses worse; a number out of range counts as the nearest.
    pub fn window_bits(mut self, bits: u8) -> Self {
        self.window_bits = bits.clamp(9, 15);
        self
    }

    /// Whether a response of this length is compressed, if the client accepts a coding.
    pub(crate) fn applies_to(self, length: usize) -> bool {
        length >= self.threshold
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

/// A content coding that the server can write.
#[cfg(feature = "compression")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    /// With the zlib wrapper, as RFC 9110, section 8.4.1.2 defines it.
    Deflate,
}

/// Without the feature `compression` there is no coding.
#[cfg(not(feature = "compression"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {}

impl Encoding {
    /// The value of the header Content-Encoding.
    pub(crate) fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "compression")]
            Self::Gzip => "gzip",
            #[cfg(feature = "compression")]
            Self::Deflate => "deflate",
        }
    }
}

/// The coding that the client prefers, given its headers Accept-Encoding; `None` without such a header.
#[cfg(not(feature = "compression"))]
pub(crate) fn negotiate<'h>(_: impl IntoIterator<Item = &'h HeaderValue>) -> Option<Encoding> {
    None
}

/// The coding that the client prefers, given its headers Accept-Encoding; `None` without such a header.
#[cfg(feature = "compression")]
pub(crate) fn negotiate<'h>(accept_encoding: impl IntoIterator<Item = &'h HeaderValue>) -> Option<Encoding> {
    let offered = [Encoding::Gzip, Encoding::Deflate];
    preferred_encoding(accept_encoding, &offered.map(Encoding::name)).map(|position| offered[position])
}

impl Compression {
    /// Compresses bytes.
    ///
    /// On an error the bytes have to be sent uncompressed.
    #[cfg(feature = "compression")]
    pub(crate) fn compress(self, encoding: Encoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let window_bits = i32::from(self.window_bits);
        let window_bits = match encoding {
            // zlib-rs writes this wrapper for numbers that are higher by 16.
            Encoding::Gzip => window_bits + 16,
            Encoding::Deflate => window_bits,
        };
        wrapped(window_bits, self.level, self.mem_level, bytes).ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Never called, as there is no coding to call it with.
    #[cfg(not(feature = "compression"))]
    pub(crate) fn compress(self, encoding: Encoding, _: &[u8]) -> io::Result<Vec<u8>> {
        match encoding {}
    }
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
        use zlib_rs::{Inflate, InflateFlush, Status};

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
            // A header that is not text is ignored.
            assert_eq!(negotiate([&HeaderValue::from_bytes(b"gzip\xff").unwrap()]), None);
        }

        #[test]
        fn a_higher_level_compresses_more() {
            let text: Vec<u8> = (0..20_000_u32)
                .flat_map(|n| format!("{},", n.wrapping_mul(2_654_435_761) % 1000).into_bytes())
                .collect();
            let len = |level| Compression::new().level(level).compress(Encoding::Gzip, &text).unwrap().len();
            assert!(len(0) > text.len() && len(9) < len(1) && len(1) < text.len());
            assert_eq!(
                (len(9), len(6)),
                (len(100), Compression::new().compress(Encoding::Gzip, &text).unwrap().len())
            );
        }

        fn inflated(stream: &[u8], window_bits: u8, len: usize) -> Vec<u8> {
            // One byte more, so that the end of the stream is reached.
            let mut out = vec![0; len + 1];
            let mut inflate = Inflate::new(true, window_bits);
            let status = inflate.decompress(stream, &mut out, InflateFlush::Finish);
            assert_eq!((status, inflate.total_in()), (Ok(Status::StreamEnd), stream.len() as u64));
            out.truncate(usize::try_from(inflate.total_out()).unwrap());
            out
        }

        /// A smaller window finds no repetition beyond it, and less memory makes shorter blocks.
        #[test]
        fn the_options_of_zlib_are_passed_on() {
            let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let bytes = noise.repeat(8);
            let all = Compression::new();
            for encoding in [Encoding::Gzip, Encoding::Deflate] {
                let wide = all.compress(encoding, &bytes).unwrap();
                let narrow = all.window_bits(0).compress(encoding, &bytes).unwrap();
                let small = all.mem_level(0).compress(encoding, &bytes).unwrap();
                assert!(wide.len() * 2 < narrow.len() && wide != small);
                let wrapper = if encoding == Encoding::Gzip { 31 } else { 15 };
                for stream in [wide, narrow, small] {
                    assert!(inflated(&stream, wrapper, bytes.len()) == bytes);
                }
            }
            assert_eq!((all.window_bits(99), all.mem_level(99)), (all, all.mem_level(9)));
        }

        /// Both formats begin with their signature and end with a checksum.
        #[test]
        fn what_was_compressed_comes_back() {
            for bytes in [Vec::new(), vec![7], b"4hello\x1e".repeat(100_000)] {
                let gzip = Compression::new().compress(Encoding::Gzip, &bytes).unwrap();
                assert_eq!(gzip[..3], [0x1f, 0x8b, 8]);
                assert!(inflated(&gzip, 31, bytes.len()) == bytes);

                let deflate = Compression::new().compress(Encoding::Deflate, &bytes).unwrap();
                // RFC 1950: deflate with a window of 32 KiB, the default level.
                assert_eq!(deflate[..2], [0x78, 0x9c]);
                assert!(inflated(&deflate, 15, bytes.len()) == bytes);
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
                // A coding that the header does not mention is never chosen.
                let text = header.to_str().unwrap().to_ascii_lowercase();
                if let Some(encoding) = taken {
                    let named = encoding.header_value();
                    proptest::prop_assert!(text.contains('*') || text.contains(named.to_str().unwrap()));
                }
            }
        }
    }
}
