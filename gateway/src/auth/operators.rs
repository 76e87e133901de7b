//! Authentication of operators, for the statistics on the page and the HTTP API.
//!
//! An operator presents one of the keys. If the configuration has none, a random key is generated at the
//! start. Addresses, host names and missing headers never give rights.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use engineio::sync::RwLock;
use http::{HeaderMap, header};
use subtle::{Choice, ConstantTimeEq};

use crate::config::Secret;

/// Header that carries the key.
pub(crate) const KEY_HEADER: &str = "x-api-key";
/// Number of random bytes in a generated key.
const GENERATED_BYTES: usize = 32;

/// Keys of operators. They can be replaced at any time.
#[derive(Debug)]
pub(crate) struct Operators {
    /// Keys of the configuration.
    keys: RwLock<Vec<Secret>>,
    /// Generated key, valid while the configuration has none.
    generated: Option<Secret>,
}

impl Operators {
    /// Creates the set of keys, with a generated key if `keys` is empty.
    pub(crate) fn new(keys: Vec<Secret>) -> Result<Self, getrandom::Error> {
        let generated = if keys.iter().all(Secret::is_empty) { Some(random()?) } else { None };
        Ok(Self { keys: RwLock::new(keys), generated })
    }

    /// The generated key, if one was needed at the start.
    pub(crate) fn generated(&self) -> Option<&Secret> {
        self.generated.as_ref()
    }

    /// Replaces all keys. If `keys` is empty, the generated key is valid; if none was generated, all
    /// operators are refused.
    pub(crate) fn replace(&self, keys: Vec<Secret>) {
        // The list is replaced as a whole, so a poisoned lock is still consistent.
        *self.keys.write() = keys;
    }

    /// Whether the key is valid. It is compared with all keys, and in constant time, so that the duration
    /// reveals at most their lengths.
    pub(crate) fn contain(&self, offered_key: Option<&str>) -> bool {
        let Some(offered_key) = offered_key.filter(|offered_key| !offered_key.is_empty()) else {
            return false;
        };
        let keys = self.keys.read();
        let is_none = keys.iter().all(Secret::is_empty);
        let equal = |key: &Secret| key.expose().as_bytes().ct_eq(offered_key.as_bytes());
        let generated = self.generated.iter().filter(|_| is_none);
        keys.iter().chain(generated).map(equal).fold(Choice::from(0), |any, one| any | one).into()
    }
}

/// Generates a key with 256 bits of entropy.
fn random() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0; GENERATED_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
}

/// Key of a request. A header that is not text counts as a wrong key, not as a missing one.
pub(crate) fn offered_key(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get(KEY_HEADER) {
        return Some(key.to_str().unwrap_or_default());
    }
    headers.get(header::AUTHORIZATION).and_then(|value| bearer_token(value.to_str().ok()?))
}

/// Token of an `Authorization` header with the scheme `Bearer`. The scheme is case-insensitive.
pub(crate) fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a request may come from a program on this machine rather than from a page in a browser: it has no
/// `Origin`, and its `Host` is not a name that DNS rebinding could point at this machine. Keyless ports
/// refuse all other requests.
pub(crate) fn is_local_program(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    !headers.contains_key(header::ORIGIN) && is_local(host)
}

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
    use http::HeaderValue;

    use super::*;

    fn operators(keys: &[&str]) -> Operators {
        Operators::new(keys.iter().map(|key| (*key).into()).collect()).unwrap()
    }

    #[test]
    fn without_keys_only_with_the_generated_one() {
        for keys in [&[][..], &[""]] {
            let operators = operators(keys);
            let generated = operators.generated().unwrap().expose().to_owned();
            assert_eq!(generated.len(), 43, "32 bytes");
            assert!(operators.contain(Some(&generated)));
            for key in [None, Some(""), Some(&generated[1..])] {
                assert!(!operators.contain(key), "{key:?}");
            }
        }
        let [one, other] = [operators(&[]), operators(&[])];
        assert_ne!(one.generated(), other.generated());
    }

    #[test]
    fn the_generated_key_stays_while_there_is_no_other() {
        let operators = operators(&[]);
        let generated = operators.generated().unwrap().expose().to_owned();
        operators.replace(Vec::new());
        assert!(operators.contain(Some(&generated)));
        operators.replace(vec!["first key of ours".into()]);
        assert!(operators.contain(Some("first key of ours")) && !operators.contain(Some(&generated)));
        operators.replace(Vec::new());
        assert!(operators.contain(Some(&generated)));
    }

    #[test]
    fn removed_keys_are_refused() {
        let operators = operators(&["first key of ours"]);
        assert_eq!(operators.generated(), None);
        operators.replace(Vec::new());
        for key in [None, Some(""), Some("first key of ours")] {
            assert!(!operators.contain(key), "{key:?}");
        }
    }

    #[test]
    fn a_bearer_token_follows_its_scheme() {
        for written in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer_token(written), Some("abc"), "{written}");
        }
        for other in ["", "abc", "Basic abc", "Bearerabc"] {
            assert_eq!(bearer_token(other), None, "{other}");
        }
    }

    #[test]
    fn with_keys_only_with_one_of_them() {
        let keys = ["first key of ours", "second key"];
        for key in keys {
            assert!(operators(&keys).contain(Some(key)));
        }
        for key in [None, Some(""), Some("first key"), Some("first key of ourS"), Some("second key ")] {
            assert!(!operators(&keys).contain(key), "{key:?}");
        }
    }

    #[test]
    fn a_key_that_is_not_text_is_invalid() {
        let unreadable = HeaderValue::from_bytes(b"second key\xff").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, unreadable.clone());
        assert_eq!(offered_key(&headers), None);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer second key"));
        assert_eq!(offered_key(&headers), Some("second key"));
        headers.insert(KEY_HEADER, unreadable);
        assert_eq!(offered_key(&headers), Some(""));
        assert!(!operators(&["second key"]).contain(offered_key(&headers)));
    }

    #[test]
    fn pages_are_not_local_programs() {
        let is_local_program = |list: &[(&'static str, &'static str)]| {
            let headers = list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_local_program(&headers.collect())
        };
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]"] {
            assert!(is_local_program(&[("host", host)]), "{host}");
            assert!(!is_local_program(&[("host", host), ("origin", "http://localhost")]), "{host}");
        }
        for host in ["rebound.test:8000", "localhost.evil.test", "", "127.0.0.1.evil.test", "192.0.2.1"] {
            assert!(!is_local_program(&[("host", host)]), "{host}");
        }
    }
}
