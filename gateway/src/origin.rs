//! Which pages may talk to us.
//!
//! A browser says where a page comes from; other programs need not say anything and are not asked. Without this check
//! any page on the web could connect as the user who is looking at it.

use engineio::Cors;
use http::{HeaderMap, header};

use crate::config::Origins;

/// Whether a request comes from a page that may send it: one of our own, or one that was allowed.
pub(crate) fn is_allowed(origins: &Origins, headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = named.next() else { return true };
    let Some(origin) = origin.to_str().ok().filter(|_| named.next().is_none()) else { return false };
    origins.allowed.iter().any(|allowed| allowed == "*" || allowed == origin) || is_own(origin, headers)
}

/// Whether the page was loaded from the host that the request is sent to. The scheme is the affair of the proxy that
/// does TLS in front of us.
fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme @ ("http" | "https"), authority)) = origin.split_once("://") else { return false };
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let default = if scheme == "http" { ":80" } else { ":443" };
    host.eq_ignore_ascii_case(authority)
        || host.strip_suffix(default).is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

/// The headers that let pages of other origins read our answers. `None`: no such page may.
pub(crate) fn cors(origins: &Origins) -> Option<Cors> {
    if origins.allowed.is_empty() {
        return None;
    }
    if origins.allowed.iter().any(|allowed| allowed == "*") {
        return Some(Cors::any());
    }
    let allowed = origins.allowed.clone();
    let cors = Cors::matching(move |origin| allowed.iter().any(|allowed| allowed == origin));
    Some(cors.credentials(origins.credentials))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_those_that_are_allowed() {
        let allows = |allowed: &[&str], host: &'static str, origin: Option<&str>| {
            let origins =
                Origins { allowed: allowed.iter().map(|it| (*it).to_owned()).collect(), credentials: false };
            let mut headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_allowed(&origins, &headers)
        };
        assert!(allows(&[], "a.test:8000", None), "no page");
        assert!(allows(&[], "a.test:8000", Some("http://a.test:8000")));
        assert!(allows(&[], "A.test", Some("https://a.test")), "behind a proxy");
        assert!(allows(&[], "a.test:443", Some("https://a.test")));
        for origin in ["http://evil.test", "http://a.test:8001", "null", "", "a.test", "file://a.test:8000"] {
            assert!(!allows(&[], "a.test:8000", Some(origin)), "{origin}");
        }
        assert!(!allows(&[], "a.test:443", Some("http://a.test")));
        assert!(allows(&["https://b.test"], "a.test", Some("https://b.test")));
        assert!(!allows(&["https://b.test"], "a.test", Some("https://b.test.evil.test")));
        assert!(allows(&["*"], "a.test", Some("https://c.test")));
        let mut twice = HeaderMap::from_iter([(header::HOST, "a.test".parse().unwrap())]);
        twice.append(header::ORIGIN, "http://a.test".parse().unwrap());
        twice.append(header::ORIGIN, "http://evil.test".parse().unwrap());
        assert!(!is_allowed(&Origins::default(), &twice));
    }
}
