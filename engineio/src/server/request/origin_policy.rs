//! [`Origins`] with further rules: for requests without an origin, and for the host names of the server.

use std::net::IpAddr;

use http::{HeaderMap, header};

use super::origins::{Judgement, Origins};

/// The requests that a server accepts, by their `Origin` and `Host`. Every [`Origins`] is a policy; the
/// default is [`Origins::SameHost`] without further rules.
///
/// ```
/// use engineio::{OriginPolicy, Origins, Server};
///
/// // For a server on 127.0.0.1, which no proxy stands in front of.
/// let builder = Server::builder().origins(OriginPolicy::from(Origins::SameHost).local_hosts());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    origins: Origins,
    require_origin: bool,
    hosts: Option<Hosts>,
}

/// The allowed names in a `Host` header, without ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Hosts {
    is_local_allowed: bool,
    names: Vec<String>,
}

impl From<Origins> for OriginPolicy {
    fn from(origins: Origins) -> Self {
        Self { origins, ..Self::default() }
    }
}

impl OriginPolicy {
    /// Whether requests without an `Origin` are refused. Default `false`. Programs other than browsers send
    /// no origin, and browsers send none with a `GET` of the same origin, which long-polling needs. The
    /// option therefore suits servers with WebSocket only, and servers whose pages are all of other origins.
    /// [`Origins::Any`] needs no origin.
    #[must_use]
    pub fn require_origin(mut self, require: bool) -> Self {
        self.require_origin = require;
        self
    }

    /// Adds names that the `Host` of a request may have, without ports: `chat.example.com`, `[::1]`. Default:
    /// all names are allowed. Once a name is added, a request with another `Host`, or none, is refused,
    /// unless its `Origin` is listed or the policy is [`Origins::Any`].
    ///
    /// Without this list a page can point the name of its own host at this server (DNS rebinding), and then
    /// counts as a page of the same host. Cost: one comparison per name and request.
    #[must_use]
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = hosts.into_iter().map(|host| normalised(&host.into()).to_ascii_lowercase());
        self.hosts.get_or_insert_default().names.extend(names);
        self
    }

    /// Adds the names of this machine, `localhost` and the loopback addresses, to the
    /// [`allowed_hosts`](Self::allowed_hosts). It suits servers on a loopback address, without a proxy that
    /// forwards another `Host`.
    #[must_use]
    pub fn local_hosts(mut self) -> Self {
        self.hosts.get_or_insert_default().is_local_allowed = true;
        self
    }

    /// The pages that may connect.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether a request with these headers is allowed. See [`Origins::allow`].
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let is_host_allowed = || self.hosts.as_ref().is_none_or(|hosts| hosts.allow(headers));
        match self.origins.judge(headers) {
            Judgement::Any | Judgement::Listed => true,
            Judgement::SameHost => is_host_allowed(),
            Judgement::NoOrigin => !self.require_origin && is_host_allowed(),
            Judgement::Refused => false,
        }
    }
}

impl Hosts {
    fn allow(&self, headers: &HeaderMap) -> bool {
        let mut named = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        let Some(name) = host.to_str().ok().map(without_port) else { return false };
        let is_local = self.is_local_allowed && is_local(name);
        is_local || self.names.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
    }
}

fn is_local(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The name in a `Host`. The port follows the last colon outside brackets.
fn without_port(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    normalised(name)
}

/// The name without the dot that may end a fully qualified name.
fn normalised(name: &str) -> &str {
    let name = name.trim();
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_local_names_are_the_host_of_a_local_server() {
        let policy = OriginPolicy::default().local_hosts();
        for host in [
            "localhost:8000",
            "LOCALHOST",
            "localhost.:80",
            "127.0.0.1:8000",
            "127.1.2.3",
            "[::1]:8000",
            "[::1]",
        ] {
            assert!(policy.allow(&headers(host, None)), "{host}");
            assert!(policy.allow(&headers(host, Some(&format!("http://{host}")))), "{host}");
        }
        let foreign = [
            "evil.test:8000",
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "192.0.2.1",
            "",
            ":80",
            "[::2]",
        ];
        for host in foreign {
            assert!(!policy.allow(&headers(host, None)), "{host}");
            assert!(!policy.allow(&headers(host, Some(&format!("http://{host}")))), "{host}");
        }
        assert!(
            OriginPolicy::default().allow(&headers("evil.test", Some("http://evil.test"))),
            "not asked for"
        );
        assert!(!policy.allow(&HeaderMap::new()), "no host");
        let mut twice = headers("localhost", None);
        twice.append(header::HOST, "evil.test".parse().unwrap());
        assert!(!policy.allow(&twice));
    }

    #[test]
    fn names_are_added_to_the_local_ones() {
        let policy = OriginPolicy::default().local_hosts().allowed_hosts(["Chat.Example.com"]);
        for host in ["chat.example.com", "chat.example.com:8443", "localhost:1"] {
            assert!(policy.allow(&headers(host, None)), "{host}");
        }
        assert!(!policy.allow(&headers("example.com", None)));
        let policy = OriginPolicy::default().allowed_hosts(["chat.example.com"]);
        assert!(!policy.allow(&headers("localhost", None)), "local names are an option of their own");
    }

    #[test]
    fn listed_pages_may_use_any_name_of_the_host() {
        let list: Origins = "https://a.test".parse().unwrap();
        let policy = OriginPolicy::from(list).local_hosts();
        assert!(policy.allow(&headers("proxy.test", Some("https://a.test"))));
        assert!(!policy.allow(&headers("proxy.test", Some("http://proxy.test"))));
        assert!(OriginPolicy::from(Origins::Any).local_hosts().allow(&headers("proxy.test", None)));
    }

    #[test]
    fn an_origin_can_be_required() {
        let policy = OriginPolicy::default().require_origin(true);
        assert!(!policy.allow(&headers("a.test", None)));
        assert!(policy.allow(&headers("a.test", Some("http://a.test"))));
        assert!(OriginPolicy::from(Origins::Any).require_origin(true).allow(&headers("a.test", None)));
        assert!(OriginPolicy::default().allow(&headers("a.test", None)));
    }
}
