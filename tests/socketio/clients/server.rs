//! The server for third-party clients, which logs the disconnects with their reasons.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use socketio_server::{
    Ack, AckError, AckSender, Args, Arguments, Auth, Binary, ConnectError, Data, DisconnectReason,
    GatherError, Namespace, RawArgs, Server, ServerBuilder, Socket,
};
use tests::raw::LONG;
use tokio::sync::mpsc;

use crate::support::start;

/// The name of a client: from its CONNECT packet, or from the query string of the namespace.
#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    token: String,
    #[serde(default)]
    name: String,
}

pub(super) struct ClientServer {
    pub(super) url: String,
    disconnects: mpsc::UnboundedReceiver<String>,
}

impl ClientServer {
    pub(super) async fn open(builder: ServerBuilder) -> Self {
        let (log, disconnects) = mpsc::unbounded_channel();
        let running = start(builder, |io| register_handlers(io, &log)).await;
        Self { url: format!("http://{}", running.addr), disconnects }
    }

    /// Expects exactly these disconnects, in any order. A line names the client, the namespace and the
    /// reason; if a client cannot always send its close packet, the line has two reasons separated by ` or `.
    pub(super) async fn expect_disconnects(mut self, expected: &[&str]) {
        let mut received = Vec::new();
        while received.len() < expected.len() {
            match tokio::time::timeout(LONG, self.disconnects.recv()).await {
                Ok(Some(disconnect)) => received.push(disconnect),
                _ => panic!("only these disconnects: {received:?}"),
            }
        }
        received.extend(std::iter::from_fn(|| self.disconnects.try_recv().ok()));
        received.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let fits = |(received, expected): (&String, &&str)| {
            let (who, reasons) = expected.split_once(": ").unwrap_or_default();
            reasons.split(" or ").any(|reason| *received == format!("{who}: {reason}"))
        };
        assert!(
            received.len() == expected.len() && received.iter().zip(&expected).all(fits),
            "{received:#?} received, not {expected:#?}"
        );
    }
}

fn register_handlers(io: &Server, log: &mpsc::UnboundedSender<String>) {
    io.of("/chat").middleware(|Auth(credentials): Auth<Credentials>| async move {
        if credentials.token == "good" {
            Ok(())
        } else {
            Err(ConnectError::new("not allowed").with_data(json!({"code": 7})))
        }
    });
    for namespace in [io.of("/"), io.of("/chat"), io.of("/news")] {
        events(&namespace);
        client_acks(&namespace);
        rooms(&namespace);
        disconnects(&namespace, io, log);
    }
}

/// Events in both directions, acknowledged by the server.
fn events(namespace: &Namespace) {
    namespace.on("who am I", |socket: Socket| async move {
        Ack(Args((socket.id().to_owned(), socket.session().id().as_str().to_owned())))
    });
    namespace.on("credentials", |Auth(credentials): Auth<Value>| async move { Ack(credentials) });
    namespace.on("echo", |args: RawArgs, ack: Option<AckSender>, socket: Socket| async move {
        match ack {
            Some(ack) => ack.send(&args),
            None => socket.emit("echoed", &args),
        }
    });
    namespace.on("bytes", || async { Ack(Binary::from(vec![3, 2, 1])) });
    namespace.on("number", |socket: Socket, Arguments((number,)): Arguments<(u32,)>| async move {
        socket.emit("number", &number)
    });
    namespace.on("tick", |socket: Socket, Data(number): Data<u32>| async move {
        socket.volatile().emit("ticked", &number)
    });
}

/// Events acknowledged by the client.
fn client_acks(namespace: &Namespace) {
    namespace.on("ask me", |socket: Socket| async move {
        let sum: i32 = socket.emit_with_ack("question", &Args((40, 2))).await?;
        Ok::<_, AckError>(Ack(sum))
    });
    namespace.on("ask me for bytes", |socket: Socket| async move {
        let bytes = Binary::from(vec![1, 2, 3]);
        let reversed: Binary = socket.emit_with_ack("reverse", &bytes).await?;
        Ok::<_, AckError>(Ack(reversed))
    });
}

/// Rooms, and acks from all sockets of one.
fn rooms(namespace: &Namespace) {
    namespace.on("join", |socket: Socket, Data(room): Data<String>| async move { socket.join(room) });
    namespace.on("say", |socket: Socket, Data(room): Data<String>, args: RawArgs| async move {
        let what = args.get(1).ok_or("nothing to say")?.value().map_err(|_| "nothing to say")?;
        socket.to(room).emit("said", &what).await.map_err(|_| "not said")
    });
    let all = namespace.clone();
    namespace.on("vote", move |Data(room): Data<String>| {
        let voters = all.to(room).timeout(Duration::from_secs(10));
        async move {
            let ballot = Binary::from(vec![1, 2]);
            let mut votes: Vec<(String, Binary)> = voters.emit_with_ack("vote", &ballot).await?;
            votes.sort_by(|one, other| one.0.cmp(&other.0));
            Ok::<_, GatherError<(String, Binary)>>(Ack(votes))
        }
    });
}

/// Kinds of disconnect.
fn disconnects(namespace: &Namespace, io: &Server, log: &mpsc::UnboundedSender<String>) {
    namespace.on("throw me out", |socket: Socket| async move { socket.disconnect(false) });
    namespace.on("cut me off", |socket: Socket| async move { socket.session().abort() });
    let server = io.clone();
    namespace.on("close the server", move || {
        server.close();
        async {}
    });
    let log = log.clone();
    namespace.on_disconnect(
        move |socket: Socket, Auth(credentials): Auth<Credentials>, reason: DisconnectReason| {
            // Clients of version 2 always join the namespace /.
            if socket.namespace() != "/" {
                let _ = log.send(format!("{} {}: {reason}", credentials.name, socket.namespace()));
            }
            async {}
        },
    );
}
