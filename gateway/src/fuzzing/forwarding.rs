//! Fuzz target for the headers of proxies.

use std::net::{IpAddr, SocketAddr};

use engineio::{PeerAddr, RequestBody};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};

use super::{KEY, run};
use crate::config::{Config, ForwardedBy, Server};
use crate::gateway::Gateway;
use crate::http as web;
use crate::listen::Listener;
use crate::listen::forwarded::Proxies;

/// Addresses of peers. The first two are trusted only by the list that trusts all addresses.
const PEERS: [&str; 6] =
    ["192.0.2.7", "::ffff:192.0.2.7", "127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"];
/// Lists of trusted proxies.
const TRUSTED: [&[&str]; 4] = [
    &["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"],
    &["127.0.0.0/9", "10.1.2.3/32", "2001:db8::1/128"],
    &["0.0.0.0/0", "::/0"],
    &[],
];
/// Headers that give rights, or name the origin of a page.
const MEANT: [HeaderName; 4] = [
    header::HOST,
    header::ORIGIN,
    header::AUTHORIZATION,
    HeaderName::from_static(crate::auth::operators::KEY_HEADER),
];

/// Sends arbitrary headers from arbitrary peers. It asserts that headers of untrusted peers are ignored, that
/// elements before a proxy's own are ignored, and that no header except the key gives rights.
///
/// The first byte selects the peer, the trusted proxies and their header; the rest are the lines of the
/// request head.
pub fn forwarding(data: &[u8]) {
    let [choice, lines @ ..] = data else { return };
    let peer = PEERS[usize::from(choice & 7) % PEERS.len()].parse().expect("an address");
    let server = Server {
        trusted_proxies: TRUSTED[usize::from(choice >> 3 & 3)].iter().map(|net| (*net).to_owned()).collect(),
        forwarded_by: if choice & 32 == 0 { ForwardedBy::XForwardedFor } else { ForwardedBy::Forwarded },
        ..Server::default()
    };
    let Some(handshake) = request("/socket.io/?EIO=4&transport=polling", lines, peer) else { return };
    check_address(&server, peer, handshake.headers());
    run(async {
        check_session(&server, peer, handshake).await;
        check_rights(&server, peer, lines).await;
    });
}

fn request(target: &str, lines: &[u8], peer: IpAddr) -> Option<Request<RequestBody>> {
    let first = format!("GET {target} HTTP/1.1\r\n");
    let mut request = engineio::fuzzing::request(&[first.as_bytes(), lines, b"\r\n\r\n"].concat())?;
    request.extensions_mut().insert(PeerAddr(SocketAddr::new(peer, 1)));
    Some(request)
}

fn check_address(server: &Server, peer: IpAddr, headers: &HeaderMap) {
    let proxies = Proxies::new(server).expect("the nets are some");
    let client = proxies.client(peer, headers);
    assert_eq!(client, client.to_canonical());
    let untrusting = Proxies::new(&Server { trusted_proxies: Vec::new(), ..server.clone() }).expect("none");
    assert_eq!(
        untrusting.client(peer, headers),
        peer.to_canonical(),
        "a header of an untrusted peer changed the address"
    );
    // An address is that of a trusted proxy if a header from it changes the client address.
    let is_proxy = |address: IpAddr| {
        let says = |other: &str| HeaderMap::from_iter([line(server.forwarded_by, other)]);
        ["203.0.113.1", "203.0.113.2"].iter().any(|other| proxies.client(address, &says(other)) != address)
    };
    if !is_proxy(peer.to_canonical()) {
        assert_eq!(client, peer.to_canonical(), "the word of this peer does not count");
    }
    let (name, _) = line(server.forwarded_by, "x");
    let own: HeaderMap = headers
        .iter()
        .filter(|(of, _)| **of == name)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    assert_eq!(proxies.client(peer, &own), client, "the other headers do not count");
    if !is_proxy(client) {
        let mut longer = HeaderMap::from_iter([line(server.forwarded_by, "198.51.100.7")]);
        longer.extend(own);
        assert_eq!(proxies.client(peer, &longer), client, "what stands in front does not count");
    }
}

/// Header line of a proxy that names this client address.
fn line(by: ForwardedBy, address: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = match by {
        ForwardedBy::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), address.to_owned()),
        ForwardedBy::Forwarded => (header::FORWARDED, format!("for=\"{address}\"")),
    };
    (name, HeaderValue::from_str(&value).expect("visible characters"))
}

/// Asserts that a session has the client address that was determined.
async fn check_session(server: &Server, peer: IpAddr, request: Request<RequestBody>) {
    let gateway = gateway(Config { server: server.clone(), ..Config::default() });
    let expected = gateway.proxies().client(peer, request.headers());
    gateway.socketio(request, SocketAddr::new(peer, 1)).await;
    for session in gateway.io().engine().sessions() {
        assert_eq!(session.remote_addr(), Some(SocketAddr::new(expected, 1)));
    }
}

/// Asserts that rights do not depend on the client address in the headers.
async fn check_rights(server: &Server, peer: IpAddr, lines: &[u8]) {
    let mut keyless = Config { server: server.clone(), ..Config::default() };
    keyless.internal.address = "127.0.0.1:9000".to_owned();
    keyless.internal.allow_without_key = true;
    let keyed = Config { server: server.clone(), ..Config::default() };
    for (config, listener) in
        [(keyed.clone(), Listener::Public), (keyed, Listener::Internal), (keyless, Listener::Internal)]
    {
        let is_keyless = config.internal.is_keyless();
        let gateway = gateway(config);
        let Some(full) = request("/metrics", lines, peer) else { return };
        let Some(mut bare) = request("/metrics", lines, peer) else { return };
        let meant = full.headers().clone();
        bare.headers_mut().clear();
        for (name, value) in meant.iter().filter(|(name, _)| MEANT.contains(name)) {
            bare.headers_mut().append(name, value.clone());
        }
        let has_key = meant
            .values()
            .any(|value| value.as_bytes().windows(KEY.len()).any(|window| window == KEY.as_bytes()));
        let status = web::respond(&gateway, full, listener).await.status();
        if status == StatusCode::OK {
            assert!(has_key || is_keyless && is_local(&meant), "{listener:?}: {meant:?}");
        }
        assert_eq!(web::respond(&gateway, bare, listener).await.status(), status, "{listener:?}: {meant:?}");
    }
}

/// Whether a request may come from a program on this machine: it names `localhost` or an address as its host,
/// and has no origin.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default().to_ascii_lowercase();
    let behind = host.strip_prefix(b"localhost").unwrap_or(&host);
    let is_of_address = |byte: &u8| byte.is_ascii_hexdigit() || b"[]:.".contains(byte);
    !headers.contains_key(header::ORIGIN) && behind.iter().all(is_of_address)
}

fn gateway(mut config: Config) -> Gateway {
    config.api.keys = vec![KEY.into()];
    Gateway::new(config).expect("the settings are valid")
}
