//! Cost of a connection of the gateway, native and Socket.IO over WebSocket: memory while idle, and CPU time
//! per echo.
//!
//! `ulimit -n 21000; cargo run --profile dist -p socketio-gateway --example native_cost -- [CONNECTIONS] [ECHOES]`
//!
//! The gateway is a process of its own, started anew for each figure, and what it uses is read from `/proc`,
//! so this works on Linux only. Rounds are interleaved; what counts is the median of three.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use socketio_gateway::{Config, Gateway};
use socketio_server::{RawArgs, Socket};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 3;
/// Clients that send echoes, each the next one when it has the last.
const SENDERS: usize = 50;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    SocketIo,
    Native,
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("serve") {
        return serve();
    }
    let connections = first.map_or(Ok(10_000), |count| count.parse())?;
    let echoes = arguments.next().map_or(Ok(200_000), |count| count.parse())?;
    let mut bytes = [Vec::new(), Vec::new()];
    let mut micros = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (at, kind) in [Kind::SocketIo, Kind::Native].into_iter().enumerate() {
            bytes[at].push(idle(kind, connections)?);
            micros[at].push(echo(kind, echoes)?);
            let (Some(bytes), Some(micros)) = (bytes[at].last(), micros[at].last()) else { continue };
            println!("{kind:?}: {bytes:.0} bytes, {micros:.2} µs");
        }
    }
    println!("| | bytes of an idle connection, of {connections} | CPU of an echo, µs |\n| --- | --- | --- |");
    for (name, at) in [("Socket.IO over WebSocket", 0), ("native", 1)] {
        println!("| {name} | {:.0} | {:.2} |", median(&mut bytes[at]), median(&mut micros[at]));
    }
    Ok(())
}

/// The gateway's process: it says on which port it listens.
#[tokio::main(flavor = "current_thread")]
async fn serve() -> Outcome<()> {
    let mut config = Config::default();
    config.server.max_connections = 30_000;
    let gateway = Gateway::new(config)?;
    gateway.io().on("back", |socket: Socket, args: RawArgs| async move { socket.emit("back", &args) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    gateway.serve(listener).await?;
    Ok(())
}

/// A gateway that runs; it ends with the value.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?).arg("serve").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let mut server = Self { child, port: 0 };
        server.port = line.trim().parse()?;
        Ok(server)
    }

    fn file(&self, name: &str) -> Outcome<String> {
        Ok(fs::read_to_string(format!("/proc/{}/{name}", self.child.id()))?)
    }

    /// Resident memory in bytes.
    fn resident(&self) -> Outcome<f64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    }

    /// CPU time in seconds; the kernel counts it in hundredths.
    fn cpu(&self) -> Outcome<f64> {
        let stat = self.file("stat")?;
        let (_, fields) = stat.rsplit_once(") ").ok_or("no name")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory of an idle connection.
fn idle(kind: Kind, connections: usize) -> Outcome<f64> {
    let server = Server::start()?;
    drop(connect(kind, server.port)?);
    let before = server.resident()?;
    let clients = (0..connections).map(|_| connect(kind, server.port)).collect::<Outcome<Vec<_>>>()?;
    // What is freed goes back after a moment.
    thread::sleep(Duration::from_secs(2));
    let each = (server.resident()? - before) / connections as f64;
    drop(clients);
    Ok(each)
}

/// CPU time of one echo, in microseconds.
fn echo(kind: Kind, echoes: usize) -> Outcome<f64> {
    let server = Server::start()?;
    let clients = (0..SENDERS).map(|_| connect(kind, server.port)).collect::<Outcome<Vec<_>>>()?;
    let data = "x".repeat(32);
    let text = match kind {
        Kind::SocketIo => format!(r#"42["back","{data}"]"#),
        Kind::Native => format!(r#"{{"event":"back","data":"{data}"}}"#),
    };
    let message = frame(&text);
    let before = server.cpu()?;
    for _ in 0..echoes / SENDERS {
        for client in &clients {
            (&*client).write_all(&message)?;
        }
        for client in &clients {
            let answer = read(client)?;
            if answer != text {
                return Err(format!("{answer} came for {text}").into());
            }
        }
    }
    Ok((server.cpu()? - before) * 1e6 / echoes as f64)
}

/// A client that was welcomed.
fn connect(kind: Kind, port: u16) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let target = if kind == Kind::Native { "/" } else { "/socket.io/?EIO=4&transport=websocket" };
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    (&stream).write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        (&stream).read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&head).into());
    }
    if kind == Kind::SocketIo {
        read(&stream)?;
        (&stream).write_all(&frame("40"))?;
    }
    // That it is in, and the event `connected`.
    read(&stream)?;
    read(&stream)?;
    Ok(stream)
}

/// A short text as clients frame it, with a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).ok().filter(|len| *len < 126).unwrap_or(0);
    [&[0x81, 0x80 | len, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// The next text.
fn read(mut stream: &TcpStream) -> Outcome<String> {
    let mut header = [0; 2];
    stream.read_exact(&mut header)?;
    let len = match header[1] {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len)?;
            u16::from_be_bytes(len)
        }
        short => u16::from(short),
    };
    let mut payload = vec![0; usize::from(len)];
    stream.read_exact(&mut payload)?;
    Ok(String::from_utf8(payload)?)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
