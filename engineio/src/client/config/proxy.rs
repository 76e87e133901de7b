//! The proxy of a connection, from the environment variables that other clients use too.

use std::env;
use std::net::IpAddr;

use super::url::{Url, UrlError};

/// The source of the proxy settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxies {
    /// The environment variables: `HTTPS_PROXY` for `https` and `wss`, `http_proxy` for the others,
    /// `ALL_PROXY` where these are not set, and `NO_PROXY` for hosts without a proxy. Lower-case names count
    /// too. Connections to this machine never use a proxy. A value that is not the URL of an HTTP proxy is
    /// ignored. This is the default.
    ///
    /// `HTTP_PROXY` in capital letters counts too, but not in a CGI program, which is recognized by the
    /// variable `REQUEST_METHOD`: there it holds the header `Proxy` of the request.
    #[default]
    Environment,
    /// No proxy.
    None,
    /// This proxy, for every host.
    Fixed(Url),
}

impl Proxies {
    /// This proxy, for every host: `http://user:password@host:port`.
    pub fn fixed(url: &str) -> Result<Self, UrlError> {
        url.parse().map(Self::Fixed)
    }

    /// The proxy for connections to a server.
    pub(crate) fn of(&self, server: &Url) -> Option<Url> {
        match self {
            Self::Environment => from_variables(server, |name| env::var(name).ok()),
            Self::None => None,
            Self::Fixed(proxy) => Some(proxy.clone()),
        }
    }
}

fn from_variables(server: &Url, variable: impl Fn(&str) -> Option<String>) -> Option<Url> {
    let either = |name: &str| {
        let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
        // In a CGI program, HTTP_PROXY is the header `Proxy` of the request.
        let is_header = name == "HTTP_PROXY" && variable("REQUEST_METHOD").is_some();
        filled(&name.to_ascii_lowercase()).or_else(|| filled(name).filter(|_| !is_header))
    };
    let name = if server.is_secure() { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let proxy = either(name).or_else(|| either("ALL_PROXY"))?;
    let address = server.host().parse::<IpAddr>();
    if server.host() == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        return None;
    }
    let excluded =
        either("NO_PROXY").is_some_and(|list| list.split(',').any(|entry| excludes(entry, server)));
    let proxy = proxy.parse::<Url>().ok().filter(|proxy| !proxy.is_secure());
    proxy.filter(|_| !excluded)
}

/// Whether an entry of `NO_PROXY` matches this server: `*`, a host, a domain with its subdomains, or one of
/// these with a port.
fn excludes(entry: &str, server: &Url) -> bool {
    let entry = entry.trim();
    if entry == "*" {
        return true;
    }
    let Ok(entry) = entry.trim_start_matches("*.").trim_start_matches('.').parse::<Url>() else {
        return false;
    };
    let has_port = entry.port() != 80;
    if has_port && entry.port() != server.port() {
        return false;
    }
    let (domain, host) = (entry.host().to_ascii_lowercase(), server.host().to_ascii_lowercase());
    host == domain || host.strip_suffix(&domain).is_some_and(|front| front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, variables: &[(&str, &str)]) -> Option<String> {
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        from_variables(&server.parse().unwrap(), lookup).map(|url| url.authority())
    }

    #[test]
    fn the_variable_of_the_scheme_counts() {
        let both = [("HTTP_PROXY", "http://a:1"), ("https_proxy", "b:2")];
        assert_eq!(proxy("http://example.com", &both).as_deref(), Some("a:1"));
        assert_eq!(proxy("wss://example.com", &both).as_deref(), Some("b:2"));
        assert_eq!(proxy("http://example.com", &[("ALL_PROXY", "c:3")]).as_deref(), Some("c:3"));
        assert_eq!(proxy("http://example.com", &[("HTTP_PROXY", "")]), None);
        assert_eq!(proxy("http://example.com", &[("HTTP_PROXY", "socks5://a:1")]), None);
        assert_eq!(proxy("http://example.com", &[]), None);
    }

    #[test]
    fn the_proxy_header_of_a_cgi_request_is_no_proxy() {
        let cgi = |variable| proxy("http://example.com", &[("REQUEST_METHOD", "GET"), variable]);
        assert_eq!(cgi(("HTTP_PROXY", "http://attacker:1")), None);
        for own in ["http_proxy", "ALL_PROXY", "all_proxy"] {
            assert_eq!(cgi((own, "http://a:1")).as_deref(), Some("a:1"), "{own}");
        }
        let secure = [("REQUEST_METHOD", ""), ("HTTPS_PROXY", "http://a:1")];
        assert_eq!(proxy("https://example.com", &secure).as_deref(), Some("a:1"));
    }

    #[test]
    fn some_hosts_have_none() {
        let with = |server, list| proxy(server, &[("HTTP_PROXY", "a:1"), ("NO_PROXY", list)]);
        assert!(with("http://example.com", "other.com").is_some());
        assert!(with("http://badexample.com", "example.com").is_some());
        assert!(with("http://example.com:81", "example.com:82").is_some());
        for (server, list) in [
            ("http://example.com", "*"),
            ("http://example.com", "x, example.com"),
            ("http://a.b.Example.com", ".example.com"),
            ("http://a.example.com", "*.example.com"),
            ("http://a.example.com:8080", "example.com:8080"),
            ("http://10.0.0.1", "10.0.0.1"),
            ("http://localhost:3000", ""),
            ("http://127.0.0.1:3000", ""),
            ("http://[::1]:3000", ""),
        ] {
            assert_eq!(with(server, list), None, "{server} {list}");
        }
    }
}
