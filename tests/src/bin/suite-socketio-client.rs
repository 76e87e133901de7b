//! The server for the test suite of the official Socket.IO client, on port 3210. With `REDIS`, which is the URL of a Redis
//! server, several nodes recover the clients of each other.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use engineio::Cors;
use serde_json::{Value, json};
use socketio_redis::{Redis, StreamsAdapter};
use socketio_server::{
    Ack, AckSender, Args, Binary, ConnectError, Data, EmitError, Handshake, RawArgs, Recovery, Server, Socket,
};
use tests::suite::Nodes;

/// Delay of each handshake: a client with a timeout of zero must time out before its end.
const HANDSHAKE: Duration = Duration::from_millis(10);

/// The text in several scripts that the suite expects.
const UTF8: [&str; 5] = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];

/// Marks a socket that has sent its first buffer.
#[derive(Clone)]
struct FirstBuffer;

fn now() -> String {
    // The suite reads it as a JavaScript date.
    httpdate::fmt_http_date(SystemTime::now())
}

fn handshake(handshake: &Handshake) -> Value {
    let query: BTreeMap<_, _> = handshake.query().iter().collect();
    json!({ "query": query, "auth": handshake.auth::<Value>().unwrap_or_default() })
}

fn root(io: &Server) {
    io.middleware(|handshake: Handshake| async move {
        match handshake.query().get("fail") {
            None | Some("") => Ok(()),
            Some(_) => Err(ConnectError::new("Auth failed (main namespace)")),
        }
    });
    io.on("hi", |socket: Socket| async move { socket.emit("hi", &Args(())) });
    io.on("echo", |args: RawArgs| async move { Ack(args) });
    // The event of the client gets no ack, even if it requests one.
    io.on("ack", |socket: Socket, _unanswered: Option<AckSender>| async move {
        let timeout = Duration::from_secs(10);
        let answer = socket.timeout(timeout).emit_with_ack_args("ack", &Args(())).await;
        if answer.is_ok_and(|args| {
            args.parse_all().is_ok_and(|args: (u32, Value)| args == (5, json!({ "test": true })))
        }) {
            let _ = socket.emit("got it", &Args(()));
        }
    });
    io.on("getAckDate", || async { Ack(now()) });
    io.on("getDate", |socket: Socket| async move { socket.emit("takeDate", &now()) });
    io.on(
        "getDateObj",
        |socket: Socket| async move { socket.emit("takeDateObj", &json!({ "date": now() })) },
    );
    io.on("getUtf8", |socket: Socket| async move {
        UTF8.iter().try_for_each(|text| socket.emit("takeUtf8", text))
    });
    io.on("false", |socket: Socket| async move { socket.emit("false", &false) });
    io.on("doge", |socket: Socket| async move { socket.emit("doge", &Binary::from_static(b"asdfasdf")) });
    io.on("getHandshake", |found: Handshake| async move { Ack(handshake(&found)) });
    io.on("getId", |socket: Socket| async move { Ack(socket.id().to_owned()) });
}

fn binary(io: &Server) {
    #[derive(serde::Deserialize)]
    struct Mixed {
        hello: String,
        #[serde(rename = "message")]
        _message: Binary,
        goodbye: String,
    }
    io.on("buffa", |socket: Socket, Data(_): Data<Binary>| async move { socket.emit("buffack", &Args(())) });
    io.on("jsonbuff", |socket: Socket, Data(mixed): Data<Mixed>| async move {
        if mixed.hello == "lol" && mixed.goodbye == "gotcha" {
            socket.emit("jsonbuff-ack", &Args(()))?;
        }
        Ok::<_, EmitError>(())
    });
    io.on("abuff1", |socket: Socket, Data(_): Data<Binary>| async move {
        socket.extensions().insert(FirstBuffer);
    });
    io.on("abuff2", |socket: Socket| async move {
        if socket.extensions().get::<FirstBuffer>().is_some() {
            socket.emit("abuff2-ack", &Args(()))?;
        }
        Ok::<_, EmitError>(())
    });
}

fn other_namespaces(io: &Server) {
    io.of("/foo").on("getId", |socket: Socket| async move { Ack(socket.id().to_owned()) });
    for name in ["/timeout_socket", "/valid", "/asd"] {
        io.of(name);
    }
    io.of("/abc").on_connect(|socket: Socket, found: Handshake| async move {
        // The client may already be disconnected, which does not matter to the suite.
        let _ = socket.emit("handshake", &handshake(&found));
    });
    io.of("/no").middleware(|| async { Err(ConnectError::new("Auth failed (custom namespace)")) });
}

// One thread, as the official server has.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = Nodes::from_env()?;
    nodes.serve(3210, || server(&nodes)).await
}

fn server(nodes: &Nodes) -> Result<engineio::Server, Box<dyn std::error::Error>> {
    let mut builder = Server::builder();
    if let Ok(url) = std::env::var("REDIS") {
        builder = builder.adapter(StreamsAdapter::new(&Redis::open(&url)?));
    }
    let io = builder
        .ping_interval(Duration::from_millis(2000))
        .connection_state_recovery(Recovery::default())
        .cors(Cors::any())
        .engine(|engine| {
            nodes.share(engine).jsonp(true).allow_request(|_| async {
                tokio::time::sleep(HANDSHAKE).await;
                Ok(())
            })
        })
        .build()?;
    root(&io);
    binary(&io);
    other_namespaces(&io);
    Ok(io.service())
}
