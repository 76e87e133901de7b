//! All connections to the server: one thread, one poll; data queued for a connection is sent with one write.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::failure::Failure;
use crate::message::Events as ServerEvents;
use crate::wire::{
    BINARY, CLOSE, KEY, PING, PONG, Response, TEXT, frame, parse_frame, parse_response, parse_upgrade,
};

/// Callbacks of a scenario. `at` is the time of the read.
pub trait Scenario {
    /// A client has joined its namespace, or a connection for requests is open.
    fn ready(&mut self, links: &mut Links, link: usize) -> Result<(), Failure>;

    fn text(&mut self, links: &mut Links, link: usize, at: Instant, packet: &[u8]) -> Result<(), Failure>;

    fn binary(&mut self, _: &mut Links, link: usize, _: Instant, _: &[u8]) -> Result<(), Failure> {
        Err(Failure(format!("connection {link} got unexpected binary data")))
    }

    fn response(&mut self, _: &mut Links, link: usize, _: Instant, _: &Response) -> Result<(), Failure> {
        Err(Failure(format!("connection {link} got an unexpected response")))
    }

    /// The server ended a connection.
    fn ended(&mut self, link: usize, how: &str) -> Result<(), Failure> {
        Err(Failure(format!("connection {link}: {how}")))
    }
}

pub struct Links {
    server_events: ServerEvents,
    poll: Poll,
    events: Events,
    /// Connections are distributed over these in turn.
    servers: Vec<SocketAddr>,
    links: Vec<ClientConnection>,
    /// The connections with data queued since the last flush.
    queued: Vec<usize>,
    scratch: Vec<u8>,
}

struct ClientConnection {
    stream: TcpStream,
    stage: Stage,
    /// Data of incomplete messages.
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    queued: bool,
    /// Whether the socket accepted less than the queued data.
    full: bool,
    /// Whether reading is paused.
    stalled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// TCP handshake; then a WebSocket, or requests.
    Connecting(Carrier),
    /// WebSocket handshake.
    Upgrading,
    /// Engine.IO handshake.
    Opening,
    /// Socket.IO CONNECT.
    Joining,
    Ready,
    Requests,
    Ended,
}

/// The protocol of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    WebSocket,
    Requests,
}

impl Links {
    pub fn new(ports: &[u16], server_events: ServerEvents) -> Result<Self, Failure> {
        Ok(Self {
            server_events,
            poll: Poll::new()?,
            events: Events::with_capacity(512),
            servers: ports.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).collect(),
            links: Vec::new(),
            queued: Vec::new(),
            scratch: vec![0; 1 << 20],
        })
    }

    pub fn len(&self) -> usize {
        self.links.len()
    }

    pub fn is_cluster(&self) -> bool {
        self.servers.len() > 1
    }

    pub fn port(&self) -> u16 {
        self.servers[0].port()
    }

    /// Opens a connection to the next server in turn, and returns its number.
    pub fn connect(&mut self, carrier: Carrier) -> Result<usize, Failure> {
        self.connect_to(self.links.len() % self.servers.len(), carrier)
    }

    /// Opens a connection to a server, and returns its number.
    pub fn connect_to(&mut self, server: usize, carrier: Carrier) -> Result<usize, Failure> {
        let link = self.links.len();
        let server = self.servers.get(server).ok_or_else(|| Failure("name the other server".to_owned()))?;
        let mut stream = TcpStream::connect(*server)?;
        let _ = stream.set_nodelay(true);
        // With linger 0 no closed connection blocks the reuse of the port.
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        self.poll.registry().register(&mut stream, Token(link), Interest::READABLE | Interest::WRITABLE)?;
        self.links.push(ClientConnection {
            stream,
            stage: Stage::Connecting(carrier),
            inbound: Vec::new(),
            outbound: Vec::new(),
            queued: false,
            full: false,
            stalled: false,
        });
        Ok(link)
    }

    /// Pauses reading from a connection.
    pub fn stall(&mut self, link: usize) {
        self.links[link].stalled = true;
    }

    /// Resumes reading, starting with the data that has arrived in the meantime.
    pub fn resume(&mut self, scenario: &mut impl Scenario, link: usize) -> Result<(), Failure> {
        self.readable(scenario, link)?;
        self.links[link].stalled = false;
        self.flush()
    }

    /// Closes all connections without close packets.
    pub fn close(&mut self) {
        self.links.clear();
        self.queued.clear();
    }

    /// Queues bytes; they are sent after the current event has been handled.
    #[inline]
    pub fn send(&mut self, link: usize, bytes: &[u8]) {
        let state = &mut self.links[link];
        state.outbound.extend_from_slice(bytes);
        if !state.queued {
            state.queued = true;
            self.queued.push(link);
        }
    }

    pub fn flush(&mut self) -> Result<(), Failure> {
        while let Some(link) = self.queued.pop() {
            self.links[link].queued = false;
            if !matches!(self.links[link].stage, Stage::Connecting(_) | Stage::Ended)
                && !self.links[link].full
            {
                self.write(link)?;
            }
        }
        Ok(())
    }

    /// Waits at most `patience` for an event, and handles it; returns whether there was one.
    pub fn turn(&mut self, scenario: &mut impl Scenario, patience: Duration) -> Result<bool, Failure> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            let Token(link) = event.token();
            if event.is_writable() {
                self.writable(scenario, link)?;
            }
            if event.is_readable() && !self.links[link].stalled {
                self.readable(scenario, link)?;
            }
            self.flush()?;
        }
        let some = !events.is_empty();
        self.events = events;
        Ok(some)
    }

    fn writable(&mut self, scenario: &mut impl Scenario, link: usize) -> Result<(), Failure> {
        let state = &mut self.links[link];
        if let Stage::Connecting(carrier) = state.stage {
            if let Some(error) = state.stream.take_error()? {
                return Err(Failure(format!("connection {link}: {error}")));
            }
            match carrier {
                Carrier::Requests => {
                    state.stage = Stage::Requests;
                    scenario.ready(self, link)?;
                    // Data queued before the connection was open.
                    self.write(link)?;
                }
                Carrier::WebSocket => {
                    state.stage = Stage::Upgrading;
                    let request = format!(
                        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n\
                         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        self.servers[link % self.servers.len()]
                    );
                    self.send(link, request.as_bytes());
                }
            }
        } else if state.full {
            state.full = false;
            self.write(link)?;
        }
        Ok(())
    }

    fn write(&mut self, link: usize) -> Result<(), Failure> {
        let state = &mut self.links[link];
        let mut written = 0;
        while written < state.outbound.len() {
            match state.stream.write(&state.outbound[written..]) {
                Ok(len) => written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    state.full = true;
                    break;
                }
                Err(error) => return Err(lost(link, &error)),
            }
        }
        state.outbound.drain(..written);
        Ok(())
    }

    fn readable(&mut self, scenario: &mut impl Scenario, link: usize) -> Result<(), Failure> {
        let mut scratch = std::mem::take(&mut self.scratch);
        while self.links[link].stage != Stage::Ended {
            let len = match self.links[link].stream.read(&mut scratch) {
                Ok(0) => {
                    self.end(scenario, link, "the server closed it")?;
                    break;
                }
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.end(scenario, link, &error.to_string())?;
                    break;
                }
            };
            let at = Instant::now();
            let mut inbound = std::mem::take(&mut self.links[link].inbound);
            if inbound.is_empty() {
                let used = self.handle(scenario, link, at, &scratch[..len])?;
                inbound.extend_from_slice(&scratch[used..len]);
            } else {
                inbound.extend_from_slice(&scratch[..len]);
                let used = self.handle(scenario, link, at, &inbound)?;
                inbound.drain(..used);
            }
            self.links[link].inbound = inbound;
            // A read that returned less than requested has emptied the socket: further bytes cause a new
            // event. A stalled connection has missed the event.
            if len < scratch.len() && !self.links[link].stalled {
                break;
            }
        }
        self.scratch = scratch;
        Ok(())
    }

    fn end(&mut self, scenario: &mut impl Scenario, link: usize, how: &str) -> Result<(), Failure> {
        self.links[link].stage = Stage::Ended;
        scenario.ended(link, how)
    }

    /// Handles the complete messages, and returns the number of their bytes.
    fn handle(
        &mut self,
        scenario: &mut impl Scenario,
        link: usize,
        at: Instant,
        bytes: &[u8],
    ) -> Result<usize, Failure> {
        let mut used = 0;
        if self.links[link].stage == Stage::Requests {
            while let Some(response) =
                parse_response(&bytes[used..]).map_err(|why| Failure(why.to_owned()))?
            {
                used += response.end;
                scenario.response(self, link, at, &response)?;
            }
            return Ok(used);
        }
        if self.links[link].stage == Stage::Upgrading {
            let Some(end) = parse_upgrade(bytes).map_err(Failure)? else { return Ok(0) };
            self.links[link].stage = Stage::Opening;
            used = end;
        }
        while let Some((opcode, begin, end)) =
            parse_frame(&bytes[used..]).map_err(|why| Failure(why.to_owned()))?
        {
            let payload = &bytes[used + begin..used + end];
            used += end;
            match opcode {
                TEXT => self.text(scenario, link, at, payload)?,
                BINARY => scenario.binary(self, link, at, payload)?,
                PING => self.send(link, &frame(PONG, payload)),
                PONG => {}
                CLOSE => {
                    self.end(scenario, link, "the server said goodbye")?;
                    return Ok(bytes.len());
                }
                _ => return Err(Failure(format!("connection {link} got opcode {opcode}"))),
            }
        }
        Ok(used)
    }

    #[inline]
    fn text(
        &mut self,
        scenario: &mut impl Scenario,
        link: usize,
        at: Instant,
        packet: &[u8],
    ) -> Result<(), Failure> {
        let stage = self.links[link].stage;
        if packet == b"2" {
            self.send(link, &frame(TEXT, b"3"));
        } else if stage == Stage::Ready {
            if !self.server_events.ignores(packet) {
                scenario.text(self, link, at, packet)?;
            }
        } else if stage == Stage::Opening && packet.starts_with(b"0{") {
            self.links[link].stage = Stage::Joining;
            self.send(link, &frame(TEXT, b"40"));
        } else if stage == Stage::Joining && packet.starts_with(b"40{") {
            self.links[link].stage = Stage::Ready;
            scenario.ready(self, link)?;
        } else {
            return Err(unexpected(link, packet));
        }
        Ok(())
    }
}

/// The error for an unexpected packet.
pub fn unexpected(link: usize, packet: &[u8]) -> Failure {
    let shown = String::from_utf8_lossy(&packet[..packet.len().min(200)]);
    Failure(format!("connection {link} got unexpected data: {shown}"))
}

fn lost(link: usize, error: &io::Error) -> Failure {
    Failure(format!("connection {link} is lost: {error}"))
}
