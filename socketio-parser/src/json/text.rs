//! Strings and numbers of well-formed JSON text, as JavaScript reads them.

use std::fmt::Write;

/// Decodes the escapes of a JSON string's content and appends the result. `None` if an escaped surrogate is
/// unpaired, because a Rust string cannot hold it.
pub(crate) fn unescape_into(inside: &[u8], out: &mut String) -> Option<()> {
    let mut rest = std::str::from_utf8(inside).ok()?;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        let simple = match chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = unit(chars.as_str())?;
                rest = chars.as_str().get(4..)?;
                let point = if (0xd800..0xdc00).contains(&high) {
                    let low = unit(rest.strip_prefix("\\u")?)?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return None;
                    }
                    rest = rest.get(6..)?;
                    0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                } else {
                    high
                };
                out.push(char::from_u32(point)?);
                continue;
            }
            other => other,
        };
        out.push(simple);
        rest = chars.as_str();
    }
    out.push_str(rest);
    Some(())
}

/// Decodes the escapes of a JSON string's content. An unpaired surrogate becomes U+FFFD.
#[cfg(feature = "msgpack")]
pub(crate) fn unescape_lossy(inside: &[u8]) -> String {
    let text = String::from_utf8_lossy(inside);
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        out.push_str(plain);
        // An escape of a surrogate is decoded together with the next escape if they are a pair.
        let high = escape.strip_prefix("\\u").and_then(unit).filter(|unit| (0xd800..0xdc00).contains(unit));
        let low = escape.get(6..).and_then(|next| next.strip_prefix("\\u")).and_then(unit);
        let pair = high.is_some() && low.is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
        let length = match escape.as_bytes().get(1) {
            Some(b'u') if pair => 12,
            Some(b'u') => 6,
            _ => 2,
        };
        // The text is well-formed, so it does not end within an escape.
        let Some((one, more)) = escape.split_at_checked(length) else { break };
        if unescape_into(one.as_bytes(), &mut out).is_none() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
        rest = more;
    }
    out.push_str(rest);
    out
}

/// The four hexadecimal digits of a `\u` escape.
fn unit(text: &str) -> Option<u32> {
    u32::from_str_radix(text.get(..4)?, 16).ok()
}

/// JavaScript's string form of a number that is used as an event name: `1.50` is `"1.5"`, `1e21` is
/// `"1e+21"`.
pub(crate) fn number_name(number: &[u8]) -> Option<String> {
    let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some(js_number(value))
}

/// ECMA-262, Number::toString(x, 10).
pub(crate) fn js_number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // Rust prints the shortest digits that parse back to the same number, as the standard requires.
    let shortest = format!("{:e}", value.abs());
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = digits.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let point = exponent + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let mut out = String::new();
    if value < 0.0 {
        out.push('-');
    }
    // `write!` into a `String` cannot fail.
    if (count..=21).contains(&point) {
        let zeros = usize::try_from(point - count).unwrap_or_default();
        let _ = write!(out, "{digits}{}", "0".repeat(zeros));
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
        let _ = write!(out, "{whole}.{fraction}");
    } else if (-5..=0).contains(&point) {
        let zeros = usize::try_from(-point).unwrap_or_default();
        let _ = write!(out, "0.{}{digits}", "0".repeat(zeros));
    } else {
        let (first, more) = digits.split_at(1);
        let dot = if more.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{first}{dot}{more}e{sign}{}", exponent.abs());
    }
    out
}

/// Appends a number in decimal.
pub(crate) fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder modulo ten fits into a byte.
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a string with its quotes. Most strings need no escapes, and are copied as they are.
#[cfg(feature = "msgpack")]
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    out.reserve(text.len() + 10);
    out.push(b'"');
    if super::tokens::push_plain(out, text.as_bytes()) {
        out.push(b'"');
    } else {
        out.truncate(start);
        // A string can always be written.
        drop(serde_json::to_writer(out, text));
    }
}

/// Appends binary data as `JSON.stringify` writes a `Buffer` of Node.js.
#[cfg(feature = "msgpack")]
pub(crate) fn push_buffer(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(br#"{"type":"Buffer","data":["#);
    for (index, byte) in content.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_decimal(out, u64::from(*byte));
    }
    out.extend_from_slice(b"]}");
}

#[cfg(test)]
mod tests {
    use super::{js_number, number_name, push_decimal, unescape_into};

    fn unescape(inside: &str) -> Option<String> {
        let mut out = String::new();
        unescape_into(inside.as_bytes(), &mut out).map(|()| out)
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r#"\u0065cho"#).as_deref(), Some("echo"));
        assert_eq!(unescape(r#"a\"\\\/\b\f\n\r\tz"#).as_deref(), Some("a\"\\/\u{8}\u{c}\n\r\tz"));
        assert_eq!(unescape(r"\ud83d\ude00é").as_deref(), Some("😀é"));
        assert_eq!(unescape(r"\u0000").as_deref(), Some("\0"));
    }

    #[test]
    fn unpaired_surrogates_are_no_string() {
        for text in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\n", r"\ud800\u0041", r"\udc00\ud800"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn strings_are_written_as_serde_json_writes_them() {
        let odd = ["\"", "\\", "\n", "\u{1f}", "\0", "\u{7f}", "\u{80}", "é", "😀", " "];
        for length in 0..40 {
            let plain = "x".repeat(length);
            for at in 0..=length {
                let (before, after) = plain.split_at(at);
                for odd in odd {
                    let text = format!("{before}{odd}{after}");
                    let mut out = b"[".to_vec();
                    super::push_string(&mut out, &text);
                    assert_eq!(out[1..], serde_json::to_vec(&text).unwrap(), "{text:?}");
                }
            }
        }
    }

    #[cfg(feature = "msgpack")]
    #[test]
    fn unpaired_surrogates_are_replaced() {
        for (text, plain) in [
            (r"a\ud800", "a\u{fffd}"),
            (r"\udc00\ud83d\ude00x", "\u{fffd}😀x"),
            (r"\ud800\n\u0041é", "\u{fffd}\nAé"),
            (r"\ud800\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud800\", "\u{fffd}\\"),
        ] {
            assert_eq!(super::unescape_lossy(text.as_bytes()), plain, "{text}");
        }
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        // Left: JSON text. Right: the result of `String(JSON.parse(text))`.
        for (text, name) in [
            ("0", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("-1", "-1"),
            ("1.50", "1.5"),
            ("100", "100"),
            ("123456789012345680000", "123456789012345680000"),
            ("1e21", "1e+21"),
            ("1.5e300", "1.5e+300"),
            ("1e-6", "0.000001"),
            ("1.25e-7", "1.25e-7"),
            ("9007199254740993", "9007199254740992"),
            ("1e999", "Infinity"),
            ("-1e999", "-Infinity"),
        ] {
            assert_eq!(number_name(text.as_bytes()).as_deref(), Some(name), "{text}");
        }
        assert_eq!(js_number(f64::NAN), "NaN");
    }

    #[test]
    fn decimals() {
        for number in [0, 7, 10, 99, 1_000_000, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
