//! The pages that may connect to a server.
//!
//! A browser reports the origin of a page; other programs need not send an origin and are not checked.
//! Without this check any page on the web could open a WebSocket as its current user: [`Cors`] alone does not
//! stop WebSockets. [`OriginPolicy`](crate::server::OriginPolicy) adds rules for requests without an origin
//! and for host names.

use std::convert::Infallible;
use std::str::FromStr;

use http::{HeaderMap, HeaderValue, header};

use crate::server::response::cors::Cors;

/// The pages that may connect, for [`ServerBuilder::origins`](crate::ServerBuilder::origins). Programs other
/// than browsers send no origin and are always allowed, unless an [`OriginPolicy`](crate::OriginPolicy)
/// refuses them.
///
/// ```
/// use engineio::{Origins, Server};
///
/// let origins: Origins = "https://example.com, https://example.org".parse().unwrap();
/// let builder = Server::builder().origins(origins);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Only pages of the server's own host.
    #[default]
    SameHost,
    /// Pages of these origins, such as `https://example.com`, compared literally; and pages of the same host.
    List(Vec<String>),
    /// All pages. Unsafe wherever a browser authenticates a user by itself, by cookies or by its network.
    Any,
}

impl Origins {
    /// Whether a request with these headers comes from an allowed page, or from no page.
    ///
    /// A request without an `Origin` counts as a request of no page, unless its `Sec-Fetch-Site` is
    /// `cross-site` or `same-site`: browsers send this header with script tags and `no-cors` requests of
    /// foreign pages. Only [`Origins::Any`] allows those.
    ///
    /// Cost: a look at three headers, and at the list for requests with an origin.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        match self.judge(headers) {
            Judgement::Any | Judgement::Listed | Judgement::SameHost | Judgement::NoOrigin => true,
            Judgement::Refused => false,
        }
    }

    /// Classifies a request by its headers.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Judgement {
        if *self == Self::Any {
            return Judgement::Any;
        }
        let mut named = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = named.next() else {
            return if is_from_another_origin(headers) { Judgement::Refused } else { Judgement::NoOrigin };
        };
        // Two origins are refused: two readers of the request could each use another one.
        let Some(origin) = origin.to_str().ok().filter(|_| named.next().is_none()) else {
            return Judgement::Refused;
        };
        match self {
            Self::List(origins) if origins.iter().any(|allowed| allowed == origin) => Judgement::Listed,
            _ if is_same_host(origin, headers) => Judgement::SameHost,
            _ => Judgement::Refused,
        }
    }

    /// The CORS headers that let these pages read responses too. `None`: no page of another host may. With
    /// `credentials` the pages may send cookies; together with [`Origins::Any`], every page on the web can
    /// then act as its current user.
    pub fn cors(&self, credentials: bool) -> Option<Cors> {
        let cors = match self {
            Self::SameHost => return None,
            Self::List(origins) => Cors::origins(origins.iter().cloned()),
            // Browsers refuse the wildcard together with credentials.
            Self::Any if credentials => Cors::reflect(),
            Self::Any => Cors::any(),
        };
        Some(cors.credentials(credentials))
    }
}

/// The class of a request by its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The policy allows every page.
    Any,
    /// A page whose origin is listed.
    Listed,
    /// A page of the host that the request names.
    SameHost,
    /// No page, or a page of the same origin: browsers send no origin with a same-origin `GET`.
    NoOrigin,
    /// A page that is not allowed.
    Refused,
}

/// Whether a browser reports that a page of another origin sends the request. Browsers send the header to
/// `https` and to local addresses only.
fn is_from_another_origin(headers: &HeaderMap) -> bool {
    let foreign = |site: &HeaderValue| matches!(site.as_bytes(), b"cross-site" | b"same-site");
    headers.get_all("sec-fetch-site").iter().any(foreign)
}

/// Whether the page was loaded from the host of the request. The scheme is not compared, as a proxy in front
/// of the server may add TLS.
fn is_same_host(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme @ ("http" | "https"), authority)) = origin.split_once("://") else { return false };
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let default = if scheme == "http" { ":80" } else { ":443" };
    host.eq_ignore_ascii_case(authority)
        || host.strip_suffix(default).is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

/// An empty list is [`Origins::SameHost`]; a list with `*` is [`Origins::Any`].
impl<O: Into<String>> FromIterator<O> for Origins {
    fn from_iter<I: IntoIterator<Item = O>>(origins: I) -> Self {
        let origins = origins.into_iter().map(Into::into);
        let origins: Vec<String> =
            origins.map(|origin| origin.trim().to_owned()).filter(|origin| !origin.is_empty()).collect();
        match origins.as_slice() {
            [] => Self::SameHost,
            list if list.iter().any(|origin| origin == "*") => Self::Any,
            _ => Self::List(origins),
        }
    }
}

/// A list of origins, separated by commas.
impl FromStr for Origins {
    type Err = Infallible;

    fn from_str(list: &str) -> Result<Self, Infallible> {
        Ok(list.split(',').collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        list.parse::<Origins>().unwrap().allow(&headers)
    }

    #[test]
    fn only_pages_of_the_same_host_and_those_that_are_listed() {
        assert!(allows("", "a.test:8000", None), "no page");
        assert!(Origins::SameHost.allow(&HeaderMap::new()), "no page, and no host");
        assert!(allows("", "a.test:8000", Some("http://a.test:8000")));
        assert!(allows("", "A.test", Some("https://a.test")), "behind a proxy");
        assert!(allows("", "a.test:443", Some("https://a.test")));
        assert!(!allows("", "a.test:443", Some("http://a.test")));
        for origin in
            ["http://evil.test", "http://a.test:8001", "null", "", "a.test", "file://a.test:8000", "é"]
        {
            assert!(!allows("", "a.test:8000", Some(origin)), "{origin}");
        }
        let listed = "https://a.test, https://b.test";
        for origin in ["https://a.test", "https://b.test", "http://api.test"] {
            assert!(allows(listed, "api.test", Some(origin)), "{origin}");
        }
        for origin in ["http://a.test", "https://a.test.evil.test", "https://a.test:8443", "null"] {
            assert!(!allows(listed, "api.test", Some(origin)), "{origin}");
        }
        assert!(allows("*", "a.test", Some("https://c.test")));
    }

    #[test]
    fn foreign_requests_without_an_origin_are_refused_unless_all_pages_may() {
        let with = |site: &'static str| {
            HeaderMap::from_iter([("sec-fetch-site".parse().unwrap(), site.parse().unwrap())])
        };
        let list: Origins = "https://a.test".parse().unwrap();
        for site in ["cross-site", "same-site"] {
            assert!(!Origins::SameHost.allow(&with(site)) && !list.allow(&with(site)), "{site}");
            assert!(Origins::Any.allow(&with(site)), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert!(Origins::SameHost.allow(&with(site)) && list.allow(&with(site)), "{site}");
        }
        let mut listed = with("cross-site");
        listed.insert(header::ORIGIN, "https://a.test".parse().unwrap());
        assert!(list.allow(&listed) && !Origins::SameHost.allow(&listed));
    }

    #[test]
    fn two_origins_are_none() {
        let mut twice = HeaderMap::from_iter([(header::HOST, "a.test".parse().unwrap())]);
        twice.append(header::ORIGIN, "http://a.test".parse().unwrap());
        twice.append(header::ORIGIN, "http://evil.test".parse().unwrap());
        assert!(!Origins::SameHost.allow(&twice));
    }

    #[test]
    fn lists_are_read() {
        let list = |text: &str| text.parse::<Origins>().unwrap();
        assert_eq!((list(""), list(" , ")), (Origins::SameHost, Origins::SameHost));
        assert_eq!((list("*"), list("https://a.test,*")), (Origins::Any, Origins::Any));
        let both = ["https://a.test".to_owned(), "https://b.test".to_owned()];
        assert_eq!(list("https://a.test, https://b.test,"), Origins::List(both.to_vec()));
        assert!(Origins::SameHost.cors(true).is_none() && list("*").cors(false).is_some());
    }
}
