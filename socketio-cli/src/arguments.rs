//! The command line.

use std::error::Error;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use engineio::client::{ClientBuilder, Tls};
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;
use socketio_client::{Manager, ManagerBuilder, Protocol, Socket, Transport};

use crate::tls;

/// Socket.IO on the command line.
#[derive(Debug, Parser)]
#[command(name = "sio", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print incoming events; send each line of standard input as an event: its name, then its arguments as
    /// JSON, as in `message "hello" 1`. A line with invalid JSON is reported and not sent.
    Connect(Connect),
    /// Send one event, and optionally print its acknowledgement.
    Emit(Emit),
    /// Open many connections, and measure the latency of connections and events.
    Load(Load),
    /// Diagnose a server and the proxies in front of it. With --transport only the listed transports are
    /// checked.
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Print one JSON object per line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Emit {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Name of the event.
    pub(crate) event: String,
    /// Arguments of the event, each as JSON. An argument that is not valid JSON is sent as a string.
    pub(crate) arguments: Vec<String>,
    /// Wait for the acknowledgement, and print its arguments as JSON.
    #[arg(long)]
    pub(crate) ack: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Number of connections. Each needs a file descriptor; see `ulimit -n`.
    #[arg(short = 'n', long, default_value = "100", value_parser = positive)]
    pub(crate) connections: usize,
    /// Number of connections that are opened or closed at the same time.
    #[arg(long, default_value = "50", value_parser = positive)]
    pub(crate) at_once: usize,
    /// Name of an event that the server acknowledges. Each connection sends it repeatedly and waits for each
    /// acknowledgement.
    #[arg(long)]
    pub(crate) echo: Option<String>,
    /// Name of an event that the server broadcasts to all other connections, unchanged. Its argument is a
    /// number.
    #[arg(long)]
    pub(crate) broadcast: Option<String>,
    /// Duration of the echo phase and of the broadcast phase, in seconds.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) duration: Duration,
    /// Pause between the arrival of an event and the next event, in seconds.
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// Size of the text in each echo event, in bytes.
    #[arg(long, default_value = "0")]
    pub(crate) bytes: usize,
    /// Print one JSON object per line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Check whether browsers let pages of this origin connect: `https://app.example.com`.
    #[arg(long)]
    pub(crate) origin: Option<HeaderValue>,
    /// Check whether idle connections stay open for this time, in seconds. Choose more than the server's ping
    /// interval.
    #[arg(long, value_parser = seconds)]
    pub(crate) idle: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// URL of the server. Its path is the namespace: `https://example.com/chat`
    pub(crate) url: String,
    /// Credentials for the namespace, as JSON.
    #[arg(long, value_parser = json)]
    pub(crate) auth: Option<Value>,
    /// Header that is added to each request: "Name: value". May be repeated.
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Query parameter that is added to each request: "name=value". May be repeated.
    #[arg(long = "query", value_name = "NAME=VALUE", value_parser = parameter)]
    query: Vec<(String, String)>,
    /// PEM file of the certificate authorities to trust, in place of those of the operating system.
    #[arg(long, value_name = "FILE", value_parser = tls::trusting)]
    ca: Option<Tls>,
    /// Accept any certificate of the server. Only for tests: anyone on the network path can read and change
    /// everything.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// Path of the Engine.IO endpoint.
    #[arg(long, default_value = "/socket.io/")]
    path: String,
    /// Transports to use, in order of preference: `websocket`, `websocket,polling`. Default: polling, then
    /// WebSocket.
    #[arg(long = "transport", value_name = "TRANSPORT", value_delimiter = ',', value_parser = transport)]
    transports: Vec<Transport>,
    /// Encode packets as msgpack, for servers that use that parser.
    #[arg(long)]
    msgpack: bool,
    /// Speak the protocol of Socket.IO v2.
    #[arg(long)]
    v2: bool,
    /// Timeout of each connection attempt and of each acknowledgement, in seconds.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

impl Server {
    /// Socket of the namespace that the URL names. It is not connected yet.
    pub(crate) fn socket(&self) -> Result<Socket, Box<dyn Error>> {
        self.socket_with(|manager| manager)
    }

    /// Same as [`socket`](Self::socket), over one transport.
    pub(crate) fn socket_over(&self, transport: Transport) -> Result<Socket, Box<dyn Error>> {
        self.socket_with(|manager| manager.transports([transport]))
    }

    fn socket_with(
        &self,
        change: impl FnOnce(ManagerBuilder) -> ManagerBuilder,
    ) -> Result<Socket, Box<dyn Error>> {
        let manager = Manager::builder(&self.url)?.engine(|engine| self.engine(engine));
        let mut manager = change(manager.connect_timeout(self.timeout));
        if self.msgpack {
            manager = manager.parser(socketio_client::Parser::Msgpack);
        }
        let manager = manager.build();
        let socket = manager.socket(manager.url().path());
        if let Some(auth) = &self.auth {
            socket.auth(auth)?;
        }
        Ok(socket)
    }

    /// Applies the options to the settings of the connection.
    pub(crate) fn engine(&self, engine: ClientBuilder) -> ClientBuilder {
        let mut engine = engine.path(&self.path);
        if self.v2 {
            engine = engine.protocol(Protocol::V3);
        }
        for (name, value) in &self.headers {
            engine = engine.header(name.clone(), value.clone());
        }
        for (name, value) in &self.query {
            engine = engine.query(name, value);
        }
        // If the settings could not be made, certificates would still be verified.
        let unverified = self.insecure.then(Tls::danger_accept_invalid_certificates);
        if let Some(tls) = self.ca.clone().or(unverified) {
            engine = engine.tls(tls);
        }
        if self.transports.is_empty() { engine } else { engine.transports(self.transports.clone()) }
    }

    /// Whether the options allow a transport.
    pub(crate) fn uses(&self, transport: Transport) -> bool {
        self.transports.is_empty() || self.transports.contains(&transport)
    }

    /// Encoding of packets.
    pub(crate) fn parser(&self) -> socketio_client::Parser {
        if self.msgpack { socketio_client::Parser::Msgpack } else { socketio_client::Parser::Json }
    }
}

/// Parses an argument as JSON. Text that is not valid JSON becomes a string.
pub(crate) fn argument(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected a header as `Name: value`")?;
    let name = HeaderName::try_from(name.trim()).map_err(|error| error.to_string())?;
    let value = HeaderValue::try_from(value.trim()).map_err(|error| error.to_string())?;
    Ok((name, value))
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected a parameter as `name=value`")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn transport(text: &str) -> Result<Transport, String> {
    [Transport::Polling, Transport::WebSocket]
        .into_iter()
        .find(|transport| transport.as_str() == text)
        .ok_or_else(|| "expected `polling` or `websocket`".to_owned())
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "expected an integer of at least 1".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
