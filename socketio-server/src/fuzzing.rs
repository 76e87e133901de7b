//! What the fuzz target does with its bytes: whole clients of a server, which join namespaces, send events,
//! answer and stall as a script says. Beside the code, so that ordinary builds keep it compiling.
//!
//! A finding is a panic: something is left of clients that are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use engineio::Stats;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{sleep, timeout};

use crate::{Ack, ConnectError};
use crate::{
    AckError, AckSender, Auth, Data, EventName, Namespace, Parser, RawArgs, Recovery, Server, Socket,
};

/// Clients at a time.
const CLIENTS: usize = 3;
/// Longer than every deadline of the settings together.
const LONG: Duration = Duration::from_secs(600);
/// How long a step waits for the server. The clock is paused, so this passes as soon as the server has
/// nothing to do.
const STEP: Duration = Duration::from_millis(1);
/// The unit of a script's waits.
const TICK: Duration = Duration::from_millis(200);

/// Packets, events and answers over up to three connections: whatever the clients do, nothing is left of them
/// when they are gone and every deadline is over.
///
/// The first byte chooses the parser and recovery, and how many bytes a connection takes that nobody reads.
/// Each step is a byte for what to do, with the client in its upper bits, and a byte for how much. In
/// messages `$` stands for the newest `pid` that a client was given and `@` for the newest offset.
pub fn connection(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(run(data));
}

async fn run(data: &[u8]) {
    let [flags, script @ ..] = data else { return };
    let inside = Arc::new(AtomicIsize::new(0));
    let server = server(*flags, &inside);
    let mut clients: [Option<Client>; CLIENTS] = [const { None }; CLIENTS];
    let mut seen = Seen::default();
    let mut rest = script;
    while let [step, amount, behind @ ..] = rest {
        rest = behind;
        let place = usize::from(*step >> 4) % CLIENTS;
        if clients[place].is_none() {
            clients[place] = Some(Client::open(&server, *flags, *step & 8 != 0).await);
        }
        let Some(client) = &mut clients[place] else { return };
        match *step & 7 {
            what @ 0..=2 => {
                let (text, behind) = rest.split_at(usize::from(*amount).min(rest.len()));
                rest = behind;
                let text = seen.put_into(text);
                match what {
                    0 => client.write(&frame(0x81, b"4", &text)).await,
                    1 => client.write(&frame(0x82, if client.is_v2 { b"\x04" } else { b"" }, &text)).await,
                    _ => client.write(&text).await,
                }
            }
            3 => seen.look(&client.read(usize::from(*amount) * 8 + 1).await),
            4 => sleep(TICK * u32::from(*amount)).await,
            5 => drop(timeout(STEP, client.stream.shutdown()).await),
            6 => clients[place] = None,
            _ => act(&server, *amount).await,
        }
    }
    drop(clients);
    sleep(LONG).await;
    assert_eq!(server.engine().stats(), Stats::default(), "something is left");
    assert_eq!(inside.load(Ordering::Relaxed), 0, "a socket came and did not go, or went twice");
    assert_eq!(server.detached_handlers(), 0, "handlers are left");
    for namespace in server.namespaces() {
        assert!(["/", "/closed"].contains(&namespace.as_str()), "{namespace} is left");
        let namespace = server.of(&namespace);
        assert!(namespace.is_empty() && namespace.rooms().is_empty(), "sockets or rooms are left");
    }
}

/// A server with handlers that do what handlers can do. `inside` counts the sockets.
fn server(flags: u8, inside: &Arc<AtomicIsize>) -> Server {
    let mut builder = Server::builder()
        .engine(|engine| engine.allow_eio3(true))
        .cleanup_empty_child_namespaces(true)
        .random_ids_for_v2(true)
        .parser(if flags & 1 == 0 { Parser::Json } else { Parser::Msgpack });
    if flags & 2 != 0 {
        builder = builder.connection_state_recovery(Recovery::default());
    }
    let server = builder.build().expect("the settings are valid");
    let closed = server.of("/closed");
    closed.middleware(|Auth(auth): Auth<Value>| async move {
        sleep(TICK * u32::from(auth["wait"].as_u64().unwrap_or_default() as u8)).await;
        if auth["key"] == 1 { Ok(()) } else { Err(ConnectError::new("not with this key")) }
    });
    closed.event_middleware(|EventName(name): EventName| async move {
        if name == "slow" {
            sleep(TICK).await;
        }
        if name == "no" { Err("not this event") } else { Ok(()) }
    });
    let parent = server.of_pattern("/of/{name}").expect("a pattern");
    for namespace in [&server, &closed, &parent] {
        furnish(namespace, inside);
    }
    server
}

fn furnish(namespace: &Namespace, inside: &Arc<AtomicIsize>) {
    let coming = Arc::clone(inside);
    namespace.on_connect(move |socket: Socket| {
        coming.fetch_add(1, Ordering::Relaxed);
        socket.join(["all", "each"]);
        let _ = socket.emit("hello", &json!({"room": "all"}));
        async {}
    });
    let going = Arc::clone(inside);
    namespace.on_disconnect(move || {
        going.fetch_sub(1, Ordering::Relaxed);
        async {}
    });
    namespace.on_disconnecting(|socket: Socket| async move {
        let _ = socket.to("all").emit("leaves", "x").await;
    });
    namespace.on("echo", |args: RawArgs, ack: Option<AckSender>, socket: Socket| async move {
        match ack {
            Some(ack) => ack.send(&args),
            None => socket.emit("echo", &args),
        }
    });
    namespace.on("wait", |Data(ticks): Data<u8>| async move {
        sleep(TICK * u32::from(ticks)).await;
        Ack(ticks)
    });
    namespace.on("ask", |socket: Socket, args: RawArgs| async move {
        let said: Value = socket.emit_with_ack("question", &args).await?;
        Ok::<_, AckError>(Ack(said))
    });
    namespace.on("ask all", |socket: Socket| async move {
        let answers = socket.r#in("all").timeout(TICK).emit_with_ack::<Value>("question", "x").await;
        Ack(answers.unwrap_or_default())
    });
    namespace.on("join", |socket: Socket, Data(room): Data<String>| async move { socket.join(room) });
    namespace.on("leave", |socket: Socket, Data(room): Data<String>| async move { socket.leave(&room) });
    namespace.on("to", |socket: Socket, Data((room, said)): Data<(String, Value)>| async move {
        socket.to(room).volatile().emit("said", &said).await
    });
    namespace.on("bye", |socket: Socket, Data(close): Data<bool>| async move { socket.disconnect(close) });
    namespace.on("own", |socket: Socket| async move {
        socket.on("mine", |args: RawArgs| async move { Ack(args.len()) });
        socket.once("once", || async { Ack("once") });
    });
    namespace.fallback(|EventName(name): EventName| async move { Ack(name) });
}

/// What the application does by itself.
async fn act(server: &Server, what: u8) {
    let acting = async {
        match what % 6 {
            0 => drop(server.emit("news", &json!({"number": 1})).await),
            1 => drop(server.to("all").except("some").emit("news", "y").await),
            2 => drop(server.r#in("all").sockets_join("some").await),
            3 => drop(server.r#in("all").sockets_leave("all").await),
            4 => drop(server.of("/closed").disconnect_sockets(false).await),
            _ => drop(server.disconnect_sockets(true).await),
        }
    };
    let _ = timeout(STEP, acting).await;
}

/// A client with a WebSocket.
struct Client {
    stream: DuplexStream,
    is_v2: bool,
}

impl Client {
    async fn open(server: &Server, flags: u8, is_v2: bool) -> Self {
        let (ours, theirs) = tokio::io::duplex(usize::from(flags >> 2) * 16 + 1);
        server.engine().connect(ours, ([127, 0, 0, 1], 1).into());
        let mut client = Self { stream: theirs, is_v2 };
        let request = format!(
            "GET /socket.io/?EIO={}&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
            if is_v2 { 3 } else { 4 }
        );
        client.write(request.as_bytes()).await;
        client.read(400).await;
        client
    }

    /// Writes what the server takes at once.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = timeout(STEP, self.stream.write_all(bytes)).await;
    }

    /// Reads what there is, up to so many bytes.
    async fn read(&mut self, most: usize) -> Vec<u8> {
        let mut read = Vec::new();
        let mut limited = (&mut self.stream).take(most as u64);
        let _ = timeout(STEP, limited.read_to_end(&mut read)).await;
        read
    }
}

/// What clients were told that they may say again.
#[derive(Default)]
struct Seen {
    pid: Vec<u8>,
    offset: Vec<u8>,
}

impl Seen {
    fn look(&mut self, read: &[u8]) {
        let text = String::from_utf8_lossy(read);
        if let Some((_, behind)) = text.rsplit_once("\"pid\":\"") {
            self.pid = behind.split('"').next().unwrap_or_default().into();
        }
        // The offset is the last argument of an event.
        if let Some((before, _)) = text.rsplit_once("\"]") {
            self.offset = before.rsplit('"').next().unwrap_or_default().into();
        }
    }

    fn put_into(&self, text: &[u8]) -> Vec<u8> {
        let mut written = Vec::new();
        for byte in text {
            match byte {
                b'$' => written.extend_from_slice(&self.pid),
                b'@' => written.extend_from_slice(&self.offset),
                byte => written.push(*byte),
            }
        }
        written
    }
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, kind: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = kind.len() + payload.len();
    let mut frame = vec![first];
    match u16::try_from(len) {
        Ok(len @ 0..=125) => frame.push(0x80 | len as u8),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(kind);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_keeps_the_promises() {
        engineio::fuzzing::each_seed("socketio-server", "connection", connection);
    }

    /// Otherwise the target would show nothing.
    #[tokio::test(start_paused = true)]
    async fn the_clients_of_a_script_are_served() {
        let inside = Arc::new(AtomicIsize::new(0));
        let server = server(0xfe, &inside);
        let mut client = Client::open(&server, 0xfe, false).await;
        client.write(&frame(0x81, b"4", br#"0/of/a,"#)).await;
        client.write(&frame(0x81, b"4", br#"2/of/a,7["echo",1]"#)).await;
        let mut seen = Seen::default();
        let read = client.read(4000).await;
        seen.look(&read);
        assert!(String::from_utf8_lossy(&read).contains(r#"43/of/a,7[1]"#));
        assert!(!seen.pid.is_empty() && !seen.offset.is_empty());
        assert_eq!(inside.load(Ordering::Relaxed), 1);
    }
}
