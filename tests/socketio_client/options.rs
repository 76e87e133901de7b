//! Options of the connection: certificates, headers, and how long an application waits.

use std::time::Duration;

use engineio::client::Proxies;
use socketio_client::{AckError, Binary, ConnectError, EmitError, Manager, Socket};
use socketio_server::Socket as Peer;
use tests::raw::soon;
use tests::tls;

use crate::support::{builder, start, start_with};

/// An address at which nothing listens, as long as the socket is kept.
fn closed_port() -> (socket2::Socket, std::net::SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

async fn connect(socket: &Socket) -> Result<(), ConnectError> {
    soon(socket.connect().connected()).await
}

/// A certificate authority of one's own, and the setting that accepts any certificate. Without them the error names
/// the certificate.
#[tokio::test]
async fn certificates_are_options_of_the_manager() {
    let running = start().await;
    let (addr, pem) = tls::with_certificate(running.addr).await;
    let url = format!("https://localhost:{}", addr.port());
    let builder = || {
        let builder = Manager::builder(&url).unwrap().reconnection(|it| it.enabled = false);
        builder.engine(|engine| engine.proxy(Proxies::None))
    };
    let trusting = builder().ca_certificate(&pem).unwrap().build().socket("/");
    connect(&trusting).await.unwrap();
    let unverified = builder().danger_accept_invalid_certificates().build().socket("/");
    connect(&unverified).await.unwrap();
    for untrusted in
        [builder(), builder().ca_certificate(tls::with_certificate(running.addr).await.1).unwrap()]
    {
        let error = connect(&untrusted.build().socket("/")).await.unwrap_err();
        assert!(error.to_string().starts_with("TLS: invalid peer certificate"), "{error}");
    }
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = builder().ca_certificate(text).unwrap_err();
        assert!(error.to_string().starts_with("invalid certificates: "), "{error}");
    }
}

#[tokio::test]
async fn headers_are_strings() {
    let running = start_with(|io| {
        io.on("header", |peer: Peer| async move {
            socketio_server::Ack(peer.handshake().header("x-bot").map(str::to_owned))
        });
    })
    .await;
    let socket = builder(running.addr).header("X-Bot", "1").build().socket("/");
    connect(&socket).await.unwrap();
    assert_eq!(
        soon(socket.emit_with_ack::<Option<String>>("header", &1)).await.unwrap().as_deref(),
        Some("1")
    );
    for (name, value, part) in [("x bot", "1", "invalid HTTP header name"), ("x-bot", "1\n2", "header value")]
    {
        let wrong = builder(running.addr).reconnection(|it| it.enabled = false).header(name, value);
        let error = connect(&wrong.build().socket("/")).await.unwrap_err().to_string();
        assert!(error.starts_with("the request cannot be written: ") && error.contains(part), "{error}");
    }
}

/// The text of an error says the cause.
#[tokio::test]
async fn an_error_says_why_the_server_cannot_be_reached() {
    let (_kept, addr) = closed_port();
    let socket = builder(addr).reconnection(|it| it.enabled = false).build().socket("/");
    let error = connect(&socket).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot connect: Connection refused"), "{error}");
    let unknown = Manager::builder("http://no-such-host.invalid").unwrap();
    let unknown = unknown.engine(|engine| engine.proxy(Proxies::None)).reconnection(|it| it.enabled = false);
    let error = connect(&unknown.build().socket("/")).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot connect: "), "{error}");
}

/// A server that cannot be reached is reported after a time, and the attempts continue.
#[tokio::test]
async fn connected_does_not_wait_for_ever() {
    let (_kept, addr) = closed_port();
    let manager = builder(addr).connected_timeout(Duration::from_millis(50)).build();
    let socket = manager.socket("/");
    let error = connect(&socket).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot connect: Connection refused"), "{error}");
    assert!(socket.is_active() && !socket.is_connected());
    soon(manager.close()).await;
    let patient = builder(addr).connected_timeout(None).build().socket("/");
    let waiting = tokio::time::timeout(Duration::from_millis(100), patient.connect().connected()).await;
    assert!(waiting.is_err());
}

/// The official decoder closes the connection for more than ten attachments, so the client refuses to send them.
#[tokio::test]
async fn more_attachments_than_servers_accept_are_refused() {
    let parts = |count| vec![Binary(vec![1].into()); count];
    let running = start().await;
    for retries in [0, 1] {
        let builder = builder(running.addr).configure(|config| config.retries = retries);
        let socket = builder.build().socket("/");
        connect(&socket).await.unwrap();
        let error = socket.emit("echo", &parts(11)).unwrap_err();
        assert!(
            matches!(&error, EmitError::TooManyAttachments(limit) if (limit.count, limit.max) == (11, 10))
        );
        let error = soon(socket.emit_with_ack::<()>("echo", &parts(11))).await.unwrap_err();
        assert!(matches!(error, AckError::Emit(EmitError::TooManyAttachments(_))), "{error:?}");
        assert_eq!(soon(socket.emit_with_ack::<Vec<Binary>>("echo", &parts(10))).await.unwrap(), parts(10));
    }
}
