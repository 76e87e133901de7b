//! Socket.IO on servers that share their sessions.

use engineio::client::Proxies;
use socketio_client::Manager;
use socketio_server::{Ack, RawArgs, Server};
use tests::peers::{Bus, balance};
use tests::raw::{soon, until};
use tokio::net::TcpListener;

use super::KINDS;

/// Clients that poll and upgrade, each request at another server, get their acknowledgements.
#[tokio::test]
async fn clients_of_socketio_need_no_sticky_sessions() {
    for kind in KINDS {
        let bus = Bus::new(kind, 3);
        let (mut servers, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let medium = bus.clone();
            let io = Server::builder().engine(|engine| engine.peers(medium)).build().unwrap();
            io.on("echo", |args: RawArgs| async move { Ack(args) });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            let serving = io.clone();
            tokio::spawn(async move { serving.serve(listener).await });
            servers.push(io);
        }
        bus.ready().await;
        let balancer = balance(addresses).await;
        let mut sockets = Vec::new();
        for _ in 0..5 {
            let manager = Manager::builder(&format!("http://{balancer}")).unwrap();
            let socket = manager.engine(|engine| engine.proxy(Proxies::None)).build().socket("/");
            soon(socket.connect().connected()).await.unwrap();
            for number in 0..20_u32 {
                assert_eq!(soon(socket.emit_with_ack::<u32>("echo", &number)).await.unwrap(), number);
            }
            sockets.push(socket);
        }
        let sessions = || servers.iter().map(|io| io.engine().stats().sessions).sum::<usize>();
        assert_eq!(sessions(), 5);
        for socket in sockets {
            socket.disconnect();
        }
        until(async || sessions() == 0).await;
    }
}
