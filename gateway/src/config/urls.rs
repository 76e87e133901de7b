//! Checks of the URLs in settings that need no network.

use std::net::IpAddr;

/// Whether a URL contains a user name or a password.
pub(super) fn names_a_user(url: &str) -> bool {
    authority(url).contains('@')
}

/// Schemes without TLS.
const PLAIN: [&str; 5] = ["http", "nats", "redis", "redis-sentinel", "redis-cluster"];

/// Whether a URL uses plain HTTP, or Redis or NATS without TLS, to another machine, so that a man in the middle can read and change the
/// traffic.
pub(super) fn is_in_the_open(url: &str) -> bool {
    let is_plain = url
        .split_once("://")
        .is_some_and(|(scheme, _)| PLAIN.iter().any(|plain| scheme.eq_ignore_ascii_case(plain)));
    is_plain && !hosts(authority(url)).all(is_of_this_machine)
}

/// Whether connections to PostgreSQL go to another machine without TLS. Its URL, or its text of names and values, names the
/// hosts.
pub(super) fn is_postgres_in_the_open(url: &str) -> bool {
    if url.is_empty() || ["sslmode=require", "sslmode=verify-full"].iter().any(|mode| url.contains(mode)) {
        return false;
    }
    let is_socket = |host: &str| host.starts_with('/') || host.to_lowercase().starts_with("%2f");
    if url.contains("://") {
        return !hosts(authority(url)).all(|host| is_socket(host) || is_of_this_machine(host));
    }
    let named = url.split_whitespace().filter_map(|pair| pair.strip_prefix("host="));
    !named.flat_map(|hosts| hosts.split(',')).all(|host| is_socket(host) || is_of_this_machine(host))
}

/// Authority of a URL: the part between the scheme and the path.
fn authority(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    behind.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The hosts of an authority. A service of Sentinel and a Redis Cluster have several.
fn hosts(authority: &str) -> impl Iterator<Item = &str> {
    let hosts = authority.rsplit('@').next().unwrap_or_default().split(',');
    hosts.filter_map(|host| match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    })
}

fn is_of_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_without_tls_is_in_the_open() {
        for url in [
            "postgres://:sesame@10.0.0.1/db",
            "postgresql://127.0.0.1,db/",
            "host=db user=a",
            "postgres://db?sslmode=prefer",
        ] {
            assert!(is_postgres_in_the_open(url), "{url}");
        }
        for url in [
            "",
            "postgres://ada@localhost:1/db",
            "postgres://db/?sslmode=require",
            "host=/run/postgresql user=a",
            "postgres://%2Frun%2Fpostgresql/db",
        ] {
            assert!(!is_postgres_in_the_open(url), "{url}");
        }
    }

    #[test]
    fn users_precede_the_host() {
        for url in [
            "http://ada@example.com/",
            "https://ada:sesame@example.com",
            "ada:sesame@example.com/x",
            "http://@a",
        ] {
            assert!(names_a_user(url), "{url}");
        }
        for url in ["", "http://example.com/@ada", "https://example.com?a=b@c", "http://example.com#@"] {
            assert!(!names_a_user(url), "{url}");
        }
    }

    #[test]
    fn plain_http_to_this_machine_is_not_in_the_open() {
        for url in [
            "http://example.com/",
            "HTTP://10.0.0.1:9000",
            "http://localhost.example.com",
            "http://[2001:db8::1]/",
            "redis://:sesame@10.0.0.1:6379/",
            "redis-sentinel://127.0.0.1,10.0.0.1:26379/service",
            "redis-cluster://:sesame@[::1]:7,[2001:db8::1]:7",
        ] {
            assert!(is_in_the_open(url), "{url}");
        }
        for url in [
            "",
            "keys.json",
            "https://example.com/",
            "http://localhost:80/",
            "http://127.0.0.1",
            "http://[::1]:9/",
            "redis://:sesame@127.0.0.1:6379/",
            "redis-sentinel://127.0.0.1,localhost:26379/service",
            "redis-cluster://:sesame@[::1]:7,127.0.0.1",
            "rediss://10.0.0.1/",
            "rediss-sentinel://10.0.0.1/service",
            "rediss-cluster://10.0.0.1",
            "redis+unix:///run/redis.sock",
        ] {
            assert!(!is_in_the_open(url), "{url}");
        }
    }
}
