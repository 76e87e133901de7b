//! The query parameters of a request, decoded once, and the parameters of Engine.IO among them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::protocol::packet::Protocol;
use crate::protocol::percent;

/// The decoded query parameters of a request.
///
/// They are read as a form (`application/x-www-form-urlencoded` of the WHATWG URL standard), as in the
/// official server: `+` is a space, a `%` without two hexadecimal digits is kept, and invalid UTF-8 becomes
/// U+FFFD. A repeated name has its last value, at the position of the first. No name is special.
///
/// A session keeps the parameters of its handshake for its whole life, so they are compact: the decoded text
/// in one allocation, and eight bytes per parameter. An empty query allocates nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Name, value, name, value, ... without separators.
    text: Box<str>,
    ends: Box<[Ends]>,
}

/// The ends of the name and the value of one parameter in the text. Each begins at the end of the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    name: u32,
    value: u32,
}

impl Query {
    /// The value of the parameter `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// All parameters, names and values, in the order of the first appearance of each name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |ends| {
            let name = start..ends.name as usize;
            let value = name.end..ends.value as usize;
            start = value.end;
            (&self.text[name], &self.text[value])
        })
    }

    /// Whether a request with these parameters opens a new session: it has no `sid`, or an empty one.
    ///
    /// The server uses the same rule. Code in front of it can count or limit handshakes by this method.
    pub fn opens_session(&self) -> bool {
        self.handshake().sid.is_none()
    }

    /// The parameters that Engine.IO reads.
    pub(crate) fn handshake(&self) -> Handshake<'_> {
        let mut handshake =
            Handshake { transport: None, sid: None, protocol: Protocol::V3, jsonp: None, base64: false };
        for (name, value) in self.iter() {
            match name {
                "transport" => handshake.transport = Some(value),
                // An empty string counts as absent in the official server, so `sid=` opens a new session.
                "sid" => handshake.sid = Some(value).filter(|sid| !sid.is_empty()),
                "EIO" if value == "4" => handshake.protocol = Protocol::V4,
                "j" => handshake.jsonp = Some(digits(value)),
                "b64" => handshake.base64 = !value.is_empty(),
                _ => {}
            }
        }
        handshake
    }
}

impl From<&str> for Query {
    /// Reads the part of a URI behind its `?`.
    fn from(query: &str) -> Self {
        let pairs = last_of_each(query);
        // The decoded text is never longer: a byte that becomes U+FFFD (three bytes) was written as `%XX`.
        let mut text =
            String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len()).sum());
        let mut ends = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            text.push_str(&name);
            let name = u32::try_from(text.len());
            text.push_str(&value);
            let value = u32::try_from(text.len());
            // An HTTP request target is far shorter than 4 GiB; of a longer text only the beginning is read.
            let (Ok(name), Ok(value)) = (name, value) else {
                break;
            };
            ends.push(Ends { name, value });
        }
        Self { text: text.into_boxed_str(), ends: ends.into_boxed_slice() }
    }
}

impl From<&http::Uri> for Query {
    fn from(uri: &http::Uri) -> Self {
        uri.query().map(Self::from).unwrap_or_default()
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The parameters of Engine.IO. Their names in the protocol are `transport`, `sid`, `EIO`, `j` and `b64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handshake<'q> {
    /// The name of the transport as sent; it may be unknown.
    pub(crate) transport: Option<&'q str>,
    /// The session of the request; `None` opens a new one. Never empty.
    pub(crate) sid: Option<&'q str>,
    /// The revision of the protocol: 3 unless the parameter is `EIO=4`.
    pub(crate) protocol: Protocol,
    /// The callback index of JSONP polling: only its digits, so it may be empty. `None` without a parameter
    /// `j`.
    pub(crate) jsonp: Option<Cow<'q, str>>,
    /// The client does not accept binary data, so revision 3 has to send it as base64.
    pub(crate) base64: bool,
}

/// Up to this many parameters, a scan finds a repeated name faster than a map. Every ordinary request has
/// fewer.
const SCANNED: usize = 16;

/// The decoded parameters, each name once: at the position of its first appearance, with its last value.
fn last_of_each(query: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    // A request line can hold thousands of names; a comparison of all pairs would be quadratic.
    let mut positions: HashMap<Cow<'_, str>, usize> = HashMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        let position = if pairs.len() < SCANNED {
            pairs.iter().position(|(seen, _)| *seen == name)
        } else {
            if positions.is_empty() {
                positions
                    .extend(pairs.iter().enumerate().map(|(position, (seen, _))| (seen.clone(), position)));
            }
            positions.get(&name).copied()
        };
        match position {
            Some(position) => pairs[position].1 = value,
            None => {
                if !positions.is_empty() {
                    positions.insert(name.clone(), pairs.len());
                }
                pairs.push((name, value));
            }
        }
    }
    pairs
}

/// One decoded name or value of a form, without a copy if nothing is encoded.
fn decode(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memchr::memchr2(b'+', b'%', bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let decoded = percent::decode_form(bytes);
    match String::from_utf8(decoded) {
        Ok(decoded) => Cow::Owned(decoded),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// The digits of a text. Digits alone cannot form a script, whatever page contains them.
fn digits(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(char::is_ascii_digit).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Vec<(String, String)> {
        Query::from(query).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn check(query: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
        assert_eq!(pairs(query), expected, "{query:?}");
    }

    #[test]
    fn nothing_costs_nothing() {
        for query in
            [Query::default(), Query::from(""), Query::from("&&&"), Query::from(&http::Uri::from_static("/"))]
        {
            assert_eq!(query.text.len() + query.ends.len(), 0);
            assert_eq!(query, Query::default());
            assert_eq!(query.get(""), None);
        }
    }

    #[test]
    fn forms_are_decoded_as_browsers_encode_them() {
        check("a=1&b=2", &[("a", "1"), ("b", "2")]);
        check("x&y=&=z&==", &[("x", ""), ("y", ""), ("", "=")]);
        check("a+b=c+d", &[("a b", "c d")]);
        check("%2B=%26%3D%23&k=1=2", &[("+", "&=#"), ("k", "1=2")]);
        check(
            "b=%GG&c=%&d=%4&e=%%41&f=%4%31",
            &[("b", "%GG"), ("c", "%"), ("d", "%4"), ("e", "%A"), ("f", "%41")],
        );
        check("u=é&v=%C3%A9&w=%c3%a9", &[("u", "é"), ("v", "é"), ("w", "é")]);
        check("n=%00", &[("n", "\0")]);
        check("?a=1", &[("?a", "1")]);
    }

    #[test]
    fn what_is_not_utf_8_is_replaced() {
        check(
            "c=%e2%82&x=%ED%A0%80&y=%C0%80",
            &[("c", "\u{fffd}"), ("x", "\u{fffd}\u{fffd}\u{fffd}"), ("y", "\u{fffd}\u{fffd}")],
        );
        check("a=%F0%9F%98%80%F0%9F%98", &[("a", "😀\u{fffd}")]);
        check("a=%E2é", &[("a", "\u{fffd}é")]);
        // A byte order mark counts as data.
        check("%EF%BB%BFk=1&k=%EF%BB%BFv", &[("\u{feff}k", "1"), ("k", "\u{feff}v")]);
    }

    #[test]
    fn the_last_of_a_repeated_name_counts_at_the_place_of_the_first() {
        check("b=1&a=2&b=3", &[("b", "3"), ("a", "2")]);
        check("sid=1&%73id=2", &[("sid", "2")]);
        // The same with more parameters than the scan limit.
        let many: String = (0..100).chain(0..100).map(|n| format!("k{}={n}&", n % 50)).collect();
        let expected: Vec<_> = (0..50).map(|n| (format!("k{n}"), (n + 50).to_string())).collect();
        assert_eq!(pairs(&many), expected);
    }

    #[test]
    fn no_name_is_special() {
        let query = Query::from("__proto__=1&constructor=2&hasOwnProperty");
        assert_eq!(query.get("__proto__"), Some("1"));
        assert_eq!(query.get("constructor"), Some("2"));
        assert_eq!(query.get("hasOwnProperty"), Some(""));
        assert_eq!(Query::default().get("__proto__"), None);
    }

    #[test]
    fn a_uri_is_read_from_its_question_mark() {
        let uri = http::Uri::from_static("http://localhost/engine.io/?EIO=4&transport=polling?x");
        let query = Query::from(&uri);
        assert_eq!(format!("{query:?}"), r#"{"EIO": "4", "transport": "polling?x"}"#);
    }

    #[test]
    fn a_handshake_is_read_as_the_official_server_reads_it() {
        let none =
            Handshake { transport: None, sid: None, protocol: Protocol::V3, jsonp: None, base64: false };
        assert_eq!(Query::default().handshake(), none);

        let query = Query::from("EIO=4&transport=polling&t=abc&sid=x_-9&j=0&b64=1");
        let all = Handshake {
            transport: Some("polling"),
            sid: Some("x_-9"),
            protocol: Protocol::V4,
            jsonp: Some(Cow::Borrowed("0")),
            base64: true,
        };
        assert_eq!(query.handshake(), all);

        // An empty value counts as absent, except for `j`, whose presence alone requests JSONP.
        let empty = Handshake { transport: Some(""), jsonp: Some(Cow::Borrowed("")), ..none };
        assert_eq!(Query::from("EIO&transport&sid&j&b64").handshake(), empty);
        assert!(Query::from("b64=0").handshake().base64);
        assert_eq!(Query::from("sid=a&sid=").handshake().sid, None);
        for query in ["", "sid", "sid=", "EIO=4&sid=&transport=polling", "sid=a&sid="] {
            assert!(Query::from(query).opens_session(), "{query}");
        }
        assert!(!Query::from("sid=a").opens_session());
    }

    #[test]
    fn only_eio_4_is_revision_4() {
        for other in [
            "",
            "EIO",
            "EIO=",
            "EIO=abc",
            "EIO=3",
            "EIO=5",
            "EIO=04",
            "EIO=4.0",
            "EIO=+4",
            "eio=4",
            "EIO=4&EIO=3",
        ] {
            assert_eq!(Query::from(other).handshake().protocol, Protocol::V3, "{other:?}");
        }
        assert_eq!(Query::from("EIO=3&EIO=4").handshake().protocol, Protocol::V4);
        assert_eq!(Query::from("EIO=%34").handshake().protocol, Protocol::V4);
    }

    #[test]
    fn a_callback_index_is_digits_alone() {
        let query = Query::from("j=1%5D);alert(2)//%D9%A3");
        assert_eq!(query.handshake().jsonp.as_deref(), Some("12"));
    }

    #[test]
    fn hostile_queries_are_read_to_the_end() {
        for unit in ["&", "%", "=", "+", "a&", "%FF", "%F0%9F&", "=&", "%00=%00&"] {
            let text = unit.repeat(8192 / unit.len());
            let query = Query::from(text.as_str());
            assert!(query.text.len() <= text.len(), "{unit:?}");
            assert!(query.ends.len() <= 1, "{unit:?}");
        }
        let distinct: String = (0..20_000).map(|n| format!("{n:x}&")).collect();
        assert_eq!(Query::from(distinct.as_str()).iter().count(), 20_000);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_query(text in "([&=+%a-f0-4é]|%[0-9A-F]{2}){0,200}") {
            let query = Query::from(text.as_str());
            proptest::prop_assert!(query.text.len() <= text.len());
            // Encoding the parameters and parsing them again gives the same.
            let encoded: Vec<String> = query.iter().map(|(name, value)| {
                let plain = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
                format!("{}={}", plain(name), plain(value))
            }).collect();
            proptest::prop_assert_eq!(Query::from(encoded.join("&").as_str()), query);
        }
    }
}
