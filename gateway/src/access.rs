//! Who may see and do what is for operators: the numbers on the page, and the HTTP API.
//!
//! With keys in the configuration, whoever has one of them. Without, only who comes from this machine itself: directly,
//! not through a proxy, and not from a page whose name was made to point here.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use http::header;
use subtle::{Choice, ConstantTimeEq};

use crate::config::Secret;

/// The header that a key comes in.
pub(crate) const KEY_HEADER: &str = "x-api-key";
/// Headers that proxies add. Who comes with one of them may be anybody, whatever address the connection has.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Somebody who asks.
pub(crate) struct Visitor<'a> {
    /// The key that was offered.
    pub(crate) key: Option<&'a str>,
    /// The address of the connection.
    pub(crate) address: Option<IpAddr>,
    /// The headers of the request, by their name in lower case.
    pub(crate) header: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// The keys of operators, which can be changed at any time.
#[derive(Debug)]
pub(crate) struct Operators(RwLock<Vec<Secret>>);

impl Operators {
    pub(crate) fn new(keys: Vec<Secret>) -> Self {
        Self(RwLock::new(keys))
    }

    /// From now on these keys are good, and no others.
    pub(crate) fn replace(&self, keys: Vec<Secret>) {
        // A list is changed as a whole, so a panic elsewhere is no reason to stop.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whether the visitor is one.
    pub(crate) fn include(&self, visitor: &Visitor<'_>) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if keys.is_empty() { is_at_home(visitor) } else { is_one_of(&keys, visitor.key) }
    }
}

/// The token of an `Authorization` header, if it has one. The name of the scheme may be written in any case.
pub(crate) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// All keys are compared, and each whole, so that the time says nothing of them but their lengths.
fn is_one_of(keys: &[Secret], offered: Option<&str>) -> bool {
    let Some(offered) = offered else { return false };
    let equal = |key: &Secret| key.expose().as_bytes().ct_eq(offered.as_bytes());
    keys.iter().map(equal).fold(Choice::from(0), |any, one| any | one).into()
}

fn is_at_home(visitor: &Visitor<'_>) -> bool {
    let host = (visitor.header)(header::HOST.as_str()).unwrap_or_default();
    visitor.address.is_some_and(|address| address.to_canonical().is_loopback())
        && FORWARDED.iter().all(|name| (visitor.header)(name).is_none())
        && is_local(host)
}

/// Whether a `Host` names this machine. Any other name may be one that a foreign page had pointed at us.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(keys: &[&str], key: Option<&str>, address: &str, headers: &[(&str, &'static str)]) -> bool {
        let operators = Operators::new(keys.iter().map(|key| (*key).into()).collect());
        let header = |name: &str| headers.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        operators.include(&Visitor { key, address: address.parse().ok(), header: &header })
    }

    #[test]
    fn without_keys_only_from_this_machine() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]"] {
            assert!(may(&[], None, "127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(may(&[], None, "::1", &[("host", "localhost")]));
        assert!(may(&[], None, "::ffff:127.0.0.1", &[("host", "localhost")]));
        assert!(!may(&[], None, "192.0.2.1", &[("host", "localhost")]));
        assert!(!may(&[], None, "nobody knows", &[("host", "localhost")]));
        for host in ["rebound.test:8000", "localhost.evil.test", "", "127.0.0.1.evil.test", "192.0.2.1"] {
            assert!(!may(&[], None, "127.0.0.1", &[("host", host)]), "{host}");
        }
        for header in FORWARDED {
            assert!(!may(&[], None, "127.0.0.1", &[("host", "localhost"), (header, "x")]), "{header}");
        }
    }

    #[test]
    fn a_token_comes_behind_its_scheme() {
        for written in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer(written), Some("abc"), "{written}");
        }
        for other in ["", "abc", "Basic abc", "Bearerabc"] {
            assert_eq!(bearer(other), None, "{other}");
        }
    }

    #[test]
    fn with_keys_only_with_one_of_them() {
        let keys = ["first key of ours", "second key"];
        for key in keys {
            assert!(may(&keys, Some(key), "192.0.2.1", &[("x-forwarded-for", "x")]));
        }
        for key in [None, Some(""), Some("first key"), Some("first key of ourS"), Some("second key ")] {
            assert!(!may(&keys, key, "127.0.0.1", &[("host", "localhost")]), "{key:?}");
        }
    }
}
