//! Direct connections between servers, with TLS.

use engineio::Server;
use engineio::peers::{NodeState, TcpPeers};
use tests::raw::{Running, soon, start_echo, until};
use tests::tls::Authority;
use tokio::net::TcpListener;

use super::at;

const KEY: &str = "a key of 16 bytes, or more";

async fn listeners() -> ([TcpListener; 2], [String; 2]) {
    let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listeners = [bind().await, bind().await];
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap().to_string());
    (listeners, addresses)
}

/// A server with a certificate of one authority, which trusts the other one.
async fn server(peers: TcpPeers, own: &Authority, trusted: &Authority) -> (Running, TcpPeers) {
    let peers = peers.tls(own.server_config(), trusted.client_config());
    (start_echo(Server::builder().peers(peers.clone())).await, peers)
}

#[tokio::test]
async fn connections_between_servers_are_encrypted() {
    let authority = Authority::new("ours");
    let ([first, second], nodes) = listeners().await;
    let peers = |listener| TcpPeers::new(listener, KEY).unwrap().nodes(nodes.clone());
    let (mut first, one) = server(peers(first), &authority, &authority).await;
    let (second, other) = server(peers(second), &authority, &authority).await;
    for peers in [&one, &other] {
        until(async || peers.status().iter().any(|node| node.state == NodeState::Connected)).await;
    }
    let client = first.polling().await;
    let there = at(&client, &second);
    assert_eq!(there.post("4hello").await.both(), (200, "ok"));
    assert_eq!(there.poll().await, "4hello");
    first.opened().await;
}

/// A certificate of another authority, and a node without TLS.
#[tokio::test]
async fn servers_that_are_not_trusted_are_not_connected() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let ([first, second], nodes) = listeners().await;
    let (_first, one) =
        server(TcpPeers::new(first, KEY).unwrap().nodes([nodes[1].clone()]), &ours, &ours).await;
    let (_second, _other) = server(TcpPeers::new(second, KEY).unwrap(), &theirs, &theirs).await;
    soon(one.ready()).await;
    let NodeState::Unreachable(error) = &one.status()[0].state else { panic!("{:?}", one.status()) };
    assert!(error.contains("certificate"), "{error}");

    let ([first, second], nodes) = listeners().await;
    let (_first, one) =
        server(TcpPeers::new(first, KEY).unwrap().nodes([nodes[1].clone()]), &ours, &ours).await;
    let _second = start_echo(Server::builder().peers(TcpPeers::new(second, KEY).unwrap())).await;
    soon(one.ready()).await;
    assert!(matches!(&one.status()[0].state, NodeState::Unreachable(_)), "{:?}", one.status());
}
