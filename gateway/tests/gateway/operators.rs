//! Operator rights need a key, behind any proxy and with any headers from it.

use serde_json::json;
use tests::raw::Request;

use crate::proxies::{APACHE, NGINX, in_front_of};
use crate::support::{Running, start};

/// Headers that proxies add, and that clients may forge.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-server", "x-real-ip"];
const VALUES: [&[u8]; 3] = [b"127.0.0.1", b"", b"\xff"];

const NGINX_ARGUMENTS: [&str; 6] = ["-e", "stderr", "-p", "FOLDER", "-c", "main.conf"];
const APACHE_ARGUMENTS: [&str; 5] = ["-d", "FOLDER", "-f", "main.conf", "-X"];
const CADDY_ARGUMENTS: [&str; 5] = ["run", "--adapter", "caddyfile", "--config", "site.conf"];
const HAPROXY_ARGUMENTS: [&str; 3] = ["-db", "-f", "site.conf"];

const HAPROXY: &str = "
defaults
    mode MODE
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen gateway
    bind :80
    server gateway 127.0.0.1:8000
";

/// Forwarding headers, single, combined and repeated, with every value.
fn forgeries() -> Vec<Vec<(&'static str, &'static [u8])>> {
    let mut forgeries = vec![Vec::new(), vec![("x-api-key", &b"\xff"[..])]];
    for value in VALUES {
        let all: Vec<_> = FORWARDED.iter().map(|name| (*name, value)).collect();
        forgeries.extend(all.iter().map(|one| vec![*one]));
        forgeries.push([&all[..], &all].concat());
        forgeries.push(all);
    }
    forgeries
}

async fn admits_only_with_a_key(running: &Running, site: &str, program: &str, arguments: &[&str]) {
    let around = match program {
        "nginx" => NGINX,
        "apache2" => APACHE,
        _ => "",
    };
    let proxy = in_front_of(running, site, program, arguments, around).await;
    let hosts = ["localhost".to_owned(), running.addr.to_string()];
    let status = async |(method, path): (&str, &str), host: &str, headers: &[(&str, &[u8])]| {
        let mut request = Request::with_host(method, path, host);
        for (name, value) in headers {
            request = request.header_bytes(name, value);
        }
        if method == "POST" {
            request = request.header("content-type", "application/json").body(r#"{"event":"e"}"#);
        }
        request.send(proxy.addr).await.status
    };
    for route in [("GET", "/api/rooms"), ("GET", "/metrics"), ("POST", "/api/broadcast")] {
        for host in &hosts {
            for headers in forgeries() {
                assert_eq!(status(route, host, &headers).await, 401, "{site}{route:?} {host} {headers:?}");
            }
            let key = [("x-api-key", running.key().as_bytes())];
            assert_eq!(status(route, host, &key).await, 200, "{site}{route:?} {host}");
        }
    }
}

#[tokio::test]
async fn no_header_through_nginx_makes_an_operator() {
    let running = start(json!({})).await;
    let alone = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }";
    let appending = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; proxy_set_header Host $host; \
                     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }";
    for site in [alone, appending, include_str!("../../deploy/nginx.conf")] {
        admits_only_with_a_key(&running, site, "nginx", &NGINX_ARGUMENTS).await;
    }
}

#[tokio::test]
async fn no_header_through_apache_makes_an_operator() {
    let running = start(json!({})).await;
    let alone = "Listen 80\n<VirtualHost *:80>\nProxyPass / http://127.0.0.1:8000/\n</VirtualHost>\n";
    for site in [alone, include_str!("../../deploy/apache.conf")] {
        admits_only_with_a_key(&running, site, "apache2", &APACHE_ARGUMENTS).await;
    }
}

#[tokio::test]
async fn no_header_through_haproxy_makes_an_operator() {
    let running = start(json!({})).await;
    for mode in ["http", "tcp"] {
        let site = HAPROXY.replace("MODE", mode);
        admits_only_with_a_key(&running, &site, "haproxy", &HAPROXY_ARGUMENTS).await;
    }
}

#[tokio::test]
async fn no_header_through_caddy_makes_an_operator() {
    let running = start(json!({})).await;
    let site = include_str!("../../deploy/Caddyfile");
    admits_only_with_a_key(&running, site, "caddy", &CADDY_ARGUMENTS).await;
}
