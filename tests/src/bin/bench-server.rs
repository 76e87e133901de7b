//! The server of the benchmarks: echo, acknowledgement, broadcast and rooms on the port that `PORT` names.
//!
//! The data of an echo is forwarded without parsing, unless `ECHO` selects a type: `typed` for the object
//! that the load generator sends with `--kind json`, `dynamic` for a value of any shape. With
//! `EVENTS=gateway`, the events are those of the gateway without a backend, byte for byte, so that the
//! gateway can be compared with the library alone. With `CLUSTER`, which is `classic`, `sharded` or `streams`,
//! it is one of a cluster on the Redis server that listens on the Unix socket `REDIS`. With `PEERS`, a folder, it shares
//! sessions with another server over Unix sockets in there; `NODE` is `0` for one and `1` for the other.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::SystemTime;

use engineio::peers::TcpPeers;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use socketio_redis::{ClassicAdapter, Connections, Redis, ShardedAdapter, StreamsAdapter};
use socketio_server::cluster::Adapter;
use socketio_server::{Ack, Data, Namespace, RawArgs, Server, ServerBuilder, Socket};
use tikv_jemallocator::Jemalloc;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Builder;

/// Returns the memory of disconnected clients to the system, which the allocator of glibc seldom does.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The object that the load generator sends with `--kind json`.
#[derive(Deserialize, Serialize)]
struct Page {
    a: String,
    b: User,
    c: Vec<Entry>,
    d: String,
}

#[derive(Deserialize, Serialize)]
struct User {
    id: u64,
    name: String,
    on: bool,
}

#[derive(Deserialize, Serialize)]
struct Entry {
    at: u64,
    k: [u64; 3],
    text: String,
    z: Option<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A single core needs no scheduler that shares work between cores; see "Which runtime" in
    // docs/performance.md.
    let mut runtime = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").map_err(|_| "PORT must name a port")?.parse::<u16>()?;
    let (mut builder, connections) = clustered(Server::builder())?;
    let peers = peers()?;
    if let Some(peers) = &peers {
        builder = builder.engine(|engine| engine.peers(peers.clone()));
    }
    let io = builder.build()?;
    if std::env::var("EVENTS").as_deref() == Ok("gateway") {
        gateway_events(&io);
    } else {
        contract(&io);
    }
    if let Some(connections) = connections {
        // Clients connect to a server that hears the others.
        connections.ready().await;
    }
    if let Some(peers) = peers {
        peers.ready().await;
    }
    io.serve(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?).await?;
    Ok(())
}

/// The connections to the other server that `PEERS` and `NODE` name.
fn peers() -> Result<Option<TcpPeers>, Box<dyn std::error::Error>> {
    let Ok(folder) = std::env::var("PEERS") else { return Ok(None) };
    let node = std::env::var("NODE").map_err(|_| "NODE must be 0 or 1")?;
    let listener = UnixListener::bind(Path::new(&folder).join(node))?;
    let peers = TcpPeers::new(listener, "only a benchmark's key")?;
    Ok(Some(peers.nodes(["0", "1"].map(|node| format!("unix:{folder}/{node}")))))
}

/// The server with the adapter that `CLUSTER` names.
fn clustered(
    builder: ServerBuilder,
) -> Result<(ServerBuilder, Option<Connections>), Box<dyn std::error::Error>> {
    fn with(
        builder: ServerBuilder,
        adapter: impl Adapter,
        connections: Connections,
    ) -> (ServerBuilder, Option<Connections>) {
        (builder.adapter(adapter), Some(connections))
    }
    let Ok(kind) = std::env::var("CLUSTER") else { return Ok((builder, None)) };
    let path = std::env::var("REDIS").map_err(|_| "REDIS must name the socket of a Redis server")?;
    let redis = Redis::open(&format!("redis+unix://{path}"))?;
    Ok(match kind.as_str() {
        "classic" => {
            let adapter = ClassicAdapter::new(&redis);
            let connections = adapter.connections().clone();
            with(builder, adapter, connections)
        }
        "sharded" => {
            let adapter = ShardedAdapter::new(&redis);
            let connections = adapter.connections().clone();
            with(builder, adapter, connections)
        }
        "streams" => {
            let adapter = StreamsAdapter::new(&redis);
            let connections = adapter.connections().clone();
            with(builder, adapter, connections)
        }
        _ => return Err("CLUSTER is classic, sharded or streams".into()),
    })
}

/// The events of `benches/whole/README.md`.
fn contract(io: &Server) {
    match std::env::var("ECHO").as_deref() {
        Ok("typed") => {
            io.on("echo", |socket: Socket, Data(page): Data<Page>| async move { socket.emit("echo", &page) })
        }
        Ok("dynamic") => io.on("echo", |socket: Socket, data: RawArgs| async move {
            let value = data.get(0).ok_or("echo needs data")?.value().map_err(|_| "not readable")?;
            socket.emit("echo", &value).map_err(|_| "not sent")
        }),
        _ => io.on("echo", |socket: Socket, data: RawArgs| async move { socket.emit("echo", &data) }),
    };
    io.on("ack", |data: RawArgs| async move { Ack(data) });
    io.on("join", |socket: Socket, Data(room): Data<String>| async move { socket.join(room) });
    io.on("broadcast", |all: Namespace, data: RawArgs| async move { all.emit("broadcast", &data).await });
    io.on("sockets", |all: Namespace| async move { all.fetch_sockets().await.map(|found| Ack(found.len())) });
    io.on("room", |all: Namespace, Data(room): Data<String>, args: RawArgs| async move {
        // The second argument is forwarded without parsing.
        let data = args.get(1).ok_or("room needs data")?;
        all.to(room).emit("room", &data).await.map_err(|_| "not sent")
    });
}

/// The events of the gateway that the load generator uses: `connected`, `echo`, `join`, and the relay of
/// `room`.
fn gateway_events(io: &Server) {
    io.on_connect(|socket: Socket| async move {
        let connected =
            json!({"message": "Connected", "socketId": socket.id(), "isLoggedIn": false, "user": null});
        let _ = socket.emit("connected", &connected);
    });
    io.on("echo", |socket: Socket, args: RawArgs| async move {
        let received = args.get(0).ok_or("echo needs data")?.as_bytes();
        let received = serde_json::from_slice::<&RawValue>(received).map_err(|_| "no JSON")?;
        let timestamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let echoed = Echoed { received, socket_id: socket.id(), timestamp };
        socket.emit("echo_response", &echoed).map_err(|_| "not sent")
    });
    io.on("join", |socket: Socket, Data(room): Data<String>| async move {
        let joined = json!({"room": room});
        socket.join(room);
        let _ = socket.emit("joined", &joined);
        Ack(joined)
    });
    io.on("room", |socket: Socket, args: RawArgs| async move {
        let named = args.get(0).ok_or("room needs data")?.as_bytes();
        let named = serde_json::from_slice::<Named>(named).map_err(|_| "no room")?;
        socket.to(named.room).emit("room", &args).await.map_err(|_| "not sent")
    });
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Echoed<'a> {
    received: &'a RawValue,
    socket_id: &'a str,
    timestamp: String,
}

#[derive(Deserialize)]
struct Named {
    room: String,
}
