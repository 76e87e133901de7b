//! Answers of JetStream: JSON objects.

use serde_json::Value;
use thiserror::Error;

/// A stream does not exist.
pub(crate) const NO_STREAM: u64 = 10_059;
/// A stream with this name has another configuration.
pub(crate) const NAME_IN_USE: u64 = 10_058;
/// The last message of the subject has another sequence number than the expected one; 10164 in newer servers.
#[cfg(feature = "adapter")]
pub(crate) const WRONG_SEQUENCE: [u64; 2] = [10_071, 10_164];
/// A message does not exist.
#[cfg(feature = "adapter")]
pub(crate) const NO_MESSAGE: u64 = 10_037;

/// Maximum length of the text of a server in an error.
const MAX_TEXT: usize = 300;

/// JetStream has refused a request.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text}")]
pub(crate) struct Failure {
    /// The number of the error (`err_code`); zero without one.
    pub(crate) code: u64,
    /// The description.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { code: 0, text: text.into() }
    }
}

/// Reads an answer.
pub(crate) fn decode(answer: &[u8]) -> Result<Value, Failure> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    if !answer.is_object() {
        return Err(Failure::new("an answer of JetStream cannot be read"));
    }
    let error = &answer["error"];
    if error.is_null() {
        return Ok(answer);
    }
    let text = error["description"].as_str().unwrap_or("an error without a description");
    let shown: String = text.chars().flat_map(char::escape_debug).take(MAX_TEXT).collect();
    Err(Failure { code: error["err_code"].as_u64().unwrap_or_default(), text: format!("JetStream: {shown}") })
}

/// A number of an answer.
pub(crate) fn number(value: &Value, name: &str) -> Result<u64, Failure> {
    value[name].as_u64().ok_or_else(|| Failure::new(format!("an answer of JetStream has no {name}")))
}

/// The time of an answer in milliseconds since 1970: `2026-11-30T19:03:49.044725188Z`.
pub(crate) fn milliseconds(time: &Value) -> Result<u64, Failure> {
    time.as_str().and_then(parse).ok_or_else(|| Failure::new("a time of JetStream cannot be read"))
}

fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March, so that the day of a leap year is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719,468 days are between 1 March of the year 0 and 1970.
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + decimal(&digits)?)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text.splitn(4, separator).map(decimal).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn decimal(text: &str) -> Option<u64> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        // `date -u -d <time> +%s%3N`
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-30T19:03:49.044725188Z", 1_796_065_429_044),
            ("2024-02-29T23:59:59.9Z", 1_709_251_199_900),
            ("2000-03-01T00:00:00.001Z", 951_868_800_001),
        ] {
            assert_eq!(milliseconds(&text.into()), Ok(expected), "{text}");
        }
        for text in [
            "",
            "0001-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-30T19:03:49+01:00",
            "2026-11-30",
            "2026-11-30T24:00:00Z",
            "2026-11-30T19:03:49.xZ",
            "2026-11-30-01T19:03:49Z",
            "99999999999-01-01T00:00:00Z",
        ] {
            assert!(milliseconds(&text.into()).is_err(), "{text}");
        }
        assert!(milliseconds(&Value::Null).is_err());
    }

    #[test]
    fn errors_have_a_number_and_a_limited_text() {
        let answer = br#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#;
        let failure = Failure { code: NO_STREAM, text: "JetStream: stream not found".to_owned() };
        assert_eq!(decode(answer), Err(failure));
        assert_eq!(number(&decode(br#"{"seq":7}"#).unwrap(), "seq"), Ok(7));
        for bad in [&b""[..], b"[]", b"{", br#"{"error":7}"#, br#"{"error":{"err_code":-1}}"#] {
            assert_eq!(decode(bad).unwrap_err().code, 0, "{bad:?}");
        }
        assert!(number(&decode(br#"{"seq":-1}"#).unwrap(), "seq").is_err());
        let long = format!(r#"{{"error":{{"description":"{}"}}}}"#, "\\u001b".repeat(10_000));
        let failure = decode(long.as_bytes()).unwrap_err();
        assert!(failure.text.len() < 400 && !failure.text.contains('\x1b'), "{failure}");
    }
}
