//! The cookies of the server, for the requests of the following sessions. All requests have the same server
//! and path, so the domain and path of a cookie are ignored.
//!
//! Only responses that the client accepts set cookies: status 200 to polling, 101 to a WebSocket request. A
//! proxy may have sent any other response, and the response to CONNECT is always the proxy's. A cookie that a
//! proxy adds to a response of the server cannot be told apart from the server's.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};

/// The largest number of cookies. No server needs more, and a hostile one must not fill the memory.
const MAX_COOKIES: usize = 64;
/// The longest name and value together that browsers store.
const MAX_LEN: usize = 4096;

/// Cookies by name, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cookies(Vec<Cookie>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    expires: Option<SystemTime>,
}

impl Cookies {
    /// Stores the cookies in the headers of a response.
    pub(crate) fn store(&mut self, headers: &HeaderMap, now: SystemTime) {
        for line in headers.get_all(SET_COOKIE) {
            let Some(cookie) = line.to_str().ok().and_then(|line| Cookie::parse(line, now)) else { continue };
            self.0.retain(|known| known.name != cookie.name);
            if self.0.len() < MAX_COOKIES {
                self.0.push(cookie);
            }
        }
    }

    /// The `Cookie` header of a request; `None` without cookies.
    pub(crate) fn header(&mut self, now: SystemTime) -> Option<HeaderValue> {
        self.0.retain(|cookie| cookie.expires.is_none_or(|expires| expires > now));
        let pairs: Vec<_> = self.0.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        if pairs.is_empty() { None } else { HeaderValue::try_from(pairs.join("; ")).ok() }
    }
}

impl Cookie {
    /// `None` if the line is not a cookie.
    fn parse(line: &str, now: SystemTime) -> Option<Self> {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        if name.is_empty() || name.len() + value.len() > MAX_LEN {
            return None;
        }
        let mut expires = None;
        let mut max_age = None;
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            // A value that is neither a date nor a number means expired, as at the official client. Such a
            // cookie would otherwise be sent for ever.
            if key.eq_ignore_ascii_case("expires") {
                expires = Some(parse_date(value).unwrap_or(SystemTime::UNIX_EPOCH));
            } else if key.eq_ignore_ascii_case("max-age") {
                max_age = Some(value.parse::<i64>().unwrap_or(0));
            }
        }
        // "If a cookie has both the Max-Age and the Expires attribute, the Max-Age attribute has precedence."
        if let Some(seconds) = max_age {
            expires = now.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        }
        Some(Self { name: name.to_owned(), value: value.to_owned(), expires })
    }
}

/// A date of HTTP. Many servers write the first cookie specification's form, with hyphens and a year of four
/// digits.
fn parse_date(value: &str) -> Option<SystemTime> {
    let value = value.trim();
    httpdate::parse_http_date(value).or_else(|_| httpdate::parse_http_date(&value.replace('-', " "))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// EIO-CLI-008, EIO-CLI-009, EIO-CLI-010
    #[test]
    fn name_value_and_expiry() {
        let parse = |line| Cookie::parse(line, at(100)).unwrap();
        let bare = parse("foo=bar");
        assert_eq!((bare.name.as_str(), bare.value.as_str(), bare.expires), ("foo", "bar", None));
        let expiring = parse(
            "foo=bar; Domain=example.com; Path=/; Expires=Thu, 01 Jan 1970 01:00:00 GMT; HttpOnly; Secure; SameSite=strict",
        );
        assert_eq!(expiring.expires, Some(at(3600)));
        assert_eq!(parse("foo=bar; Max-Age=1000").expires, Some(at(1100)));
        assert_eq!(parse("foo=bar=baz&qux=1").value, "bar=baz&qux=1");
        assert_eq!(Cookie::parse("=x", at(0)), None);
        assert_eq!(Cookie::parse("nothing", at(0)), None);
    }

    #[test]
    fn a_cookie_with_an_expiry_that_cannot_be_parsed_is_expired() {
        let mut cookies = Cookies::default();
        for attribute in [
            "Expires=soon",
            "expires=",
            "Max-Age=a day",
            "max-age=",
            "Max-Age=1e9; Expires=Thu, 01 Jan 2099 01:00:00 GMT",
        ] {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
            cookies.store(&headers, at(100));
            assert_eq!(cookies.header(at(100)).unwrap(), "a=1");
            headers.append(SET_COOKIE, HeaderValue::try_from(format!("a=1; {attribute}")).unwrap());
            cookies.store(&headers, at(100));
            assert_eq!(cookies.header(at(100)), None, "{attribute}");
        }
        let parse = |line: &str| Cookie::parse(line, at(100)).unwrap().expires;
        for date in
            ["Thu, 01-Jan-1970 01:00:00 GMT", "Thursday, 01-Jan-70 01:00:00 GMT", "Thu Jan  1 01:00:00 1970"]
        {
            assert_eq!(parse(&format!("a=1; Expires={date}")), Some(at(3600)), "{date}");
        }
    }

    #[test]
    fn only_what_has_not_expired_goes_back() {
        let mut headers = HeaderMap::new();
        for line in [
            "1=1; Path=/",
            "2=2; Path=/; Max-Age=10",
            "3=3; Max-Age=0",
            "4=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "1=one",
        ] {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        let mut cookies = Cookies::default();
        assert_eq!(cookies.header(at(100)), None);
        cookies.store(&headers, at(100));
        assert_eq!(cookies.header(at(101)).unwrap(), "2=2; 1=one");
        assert_eq!(cookies.header(at(110)).unwrap(), "1=one");
    }

    #[test]
    fn a_server_cannot_fill_our_memory() {
        let mut headers = HeaderMap::new();
        for number in 0..200 {
            headers.append(SET_COOKIE, HeaderValue::try_from(format!("c{number}=1")).unwrap());
        }
        let mut cookies = Cookies::default();
        cookies.store(&headers, at(0));
        assert_eq!(cookies.0.len(), MAX_COOKIES);
    }
}
