//! NATS, without JetStream.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::launch::pinned;
use super::{Broker, START, Stream, failed};

/// A NATS server with an empty configuration, killed on drop.
pub(super) struct Nats {
    process: Child,
    port: u16,
}

impl Nats {
    pub(super) fn start() -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        drop(listener);
        let process = pinned("nats-server", "1")
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("nats-server: {error}"))?;
        let nats = Self { process, port };
        let begun = Instant::now();
        while nats.connect().is_err() {
            if begun.elapsed() > START {
                return Err("the NATS server does not listen".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(nats)
    }

    /// A connection after these lines, which are answered by PONG.
    fn opened(&self, lines: &str) -> Result<Box<dyn Stream>, String> {
        let mut stream = self.connect().map_err(failed)?;
        let mut info = String::new();
        BufReader::new(stream.try_clone().map_err(failed)?).read_line(&mut info).map_err(failed)?;
        let text = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{lines}PING\r\n");
        stream.write_all(text.as_bytes()).map_err(failed)?;
        stream.read_exact(&mut [0; b"PONG\r\n".len()]).map_err(failed)?;
        Ok(Box::new(stream))
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Broker for Nats {
    fn id(&self) -> u32 {
        self.process.id()
    }

    fn subscriber(&self) -> Result<Box<dyn Stream>, String> {
        self.opened("SUB c 1\r\n")
    }

    fn publisher(&self) -> Result<Box<dyn Stream>, String> {
        self.opened("")
    }

    fn message(&self, payload: &str) -> Vec<u8> {
        format!("PUB c {}\r\n{payload}\r\n", payload.len()).into_bytes()
    }

    fn publish(&self, stream: &mut dyn Stream, batch: &[u8]) -> Result<(), String> {
        stream.write_all(batch).map_err(failed)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
