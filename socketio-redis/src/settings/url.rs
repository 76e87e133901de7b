//! URLs of servers.

use redis::{Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, parse_redis_url};

use crate::driver::address::Address;
use crate::error::SettingsError;

/// The port of a sentinel whose URL has none.
pub(super) const SENTINEL_PORT: u16 = 26379;

/// The master and the sentinels of one URL.
pub(super) struct Group {
    pub(super) master: String,
    pub(super) sentinels: Vec<String>,
}

/// A client for the server of a URL. `port` is for a URL without one.
pub(super) fn client(url: &str, port: Option<u16>) -> Result<Client, SettingsError> {
    if url.starts_with("rediss:") && !cfg!(feature = "tls") {
        return Err(SettingsError::Tls);
    }
    #[cfg(feature = "tls")]
    if url.starts_with("rediss:") {
        // The crate redis takes the provider of the process. If there is one, it stays.
        let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    let wrong = |error: redis::RedisError| SettingsError::Url(error.to_string());
    let mut parsed = parse_redis_url(url).ok_or_else(|| SettingsError::Url("it is none".to_owned()))?;
    if parsed.port().is_none() && parsed.has_host() {
        // `redis+unix` has no port.
        let _ = port.map(|port| parsed.set_port(Some(port)));
    }
    let info = parsed.into_connection_info().map_err(wrong)?;
    // With RESP3 messages and replies are told apart.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Client::open(info.set_redis_settings(settings)).map_err(wrong)
}

/// The address of the server of a client.
pub(super) fn address(client: &Client) -> Result<Address, SettingsError> {
    let address = match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Address::new(host.as_bytes(), *port)
        }
        _ => None,
    };
    address.ok_or_else(|| SettingsError::Url("a cluster needs hosts".to_owned()))
}

/// Takes a URL of a cluster apart, into one for each server; `None` for another one.
pub(super) fn cluster(url: &str) -> Option<Result<Vec<String>, SettingsError>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "redis-cluster" => "redis",
        "rediss-cluster" => "rediss",
        _ => return None,
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // Redis Clusters have the database 0 alone.
    if !matches!(path, "" | "0") {
        return Some(Err(SettingsError::Url("a cluster has no databases".to_owned())));
    }
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
        None => (String::new(), authority),
    };
    if hosts.is_empty() {
        return Some(Err(SettingsError::Url("it needs servers".to_owned())));
    }
    Some(Ok(hosts.split(',').map(|host| format!("{scheme}://{credentials}{host}")).collect()))
}

/// Takes a URL of Sentinel apart; `None` for another one.
pub(super) fn sentinels(url: &str) -> Option<Result<Group, SettingsError>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "redis-sentinel" => "redis",
        "rediss-sentinel" => "rediss",
        _ => return None,
    };
    let group = || {
        let (authority, path) = rest.split_once('/')?;
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
            None => (String::new(), authority),
        };
        // What follows the service is the database, and the parameters of the crate redis.
        let end = path.find(['/', '?']).unwrap_or(path.len());
        let (service, more) = path.split_at(end);
        let sentinels = hosts.split(',').map(|host| format!("{scheme}://{host}")).collect();
        let is_named = !service.is_empty() && !hosts.is_empty();
        is_named.then(|| Group { master: format!("{scheme}://{credentials}{service}{more}"), sentinels })
    };
    Some(group().ok_or_else(|| SettingsError::Url("it needs sentinels and the name of a service".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_sentinel_has_a_master_and_sentinels() {
        let group = sentinels("redis-sentinel://user:p%40ss@a,b:5,[::1]:7/my_Service/3").unwrap().unwrap();
        let master = client(&group.master, None).unwrap();
        let info = master.get_connection_info();
        assert!(
            matches!(info.addr(), ConnectionAddr::Tcp(host, _) if host == "my_Service"),
            "{}",
            info.addr()
        );
        let settings = info.redis_settings();
        assert_eq!((settings.username(), settings.password()), (Some("user"), Some("p@ss")));
        assert_eq!(settings.db(), 3);
        let places: Vec<String> = (group.sentinels.iter())
            .map(|url| {
                let client = client(url, Some(SENTINEL_PORT)).unwrap();
                let info = client.get_connection_info();
                assert_eq!(info.redis_settings().password(), None);
                info.addr().to_string()
            })
            .collect();
        assert_eq!(places, ["a:26379", "b:5", "::1:7"]);
        assert!(sentinels("redis://a/b").is_none());
        for url in
            ["redis-sentinel://", "redis-sentinel://a", "redis-sentinel://a/", "redis-sentinel:///service"]
        {
            assert!(matches!(sentinels(url), Some(Err(SettingsError::Url(_)))), "{url}");
        }
        #[cfg(feature = "tls")]
        {
            let group = sentinels("rediss-sentinel://a/service").unwrap().unwrap();
            for url in [&group.master, &group.sentinels[0]] {
                let client = client(url, None).unwrap();
                assert!(matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. }));
            }
        }
    }
}
