//! What the command line says.

use std::error::Error;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use engineio::client::ClientBuilder;
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;
use socketio_client::{Manager, ManagerBuilder, Protocol, Socket, Transport};

/// Socket.IO from the command line.
#[derive(Debug, Parser)]
#[command(name = "sio", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the events that come; send the lines of standard input, each an event name and arguments as JSON.
    Connect(Connect),
    /// Send one event.
    Emit(Emit),
    /// Open many connections, and measure how long that takes, and how long events do.
    Load(Load),
    /// Find out what is wrong with a server, or with the way to it.
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Emit {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The event.
    pub(crate) event: String,
    /// Its arguments as JSON; what is no JSON is a text.
    pub(crate) arguments: Vec<String>,
    /// Wait for the answer, and print its arguments as JSON.
    #[arg(long)]
    pub(crate) ack: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    #[command(flatten)]
    pub(crate) server: Server,
    /// How many connections. Each needs a file descriptor; see `ulimit -n`.
    #[arg(short = 'n', long, default_value = "100", value_parser = many)]
    pub(crate) connections: usize,
    /// How many of them are opened at the same time.
    #[arg(long, default_value = "50", value_parser = many)]
    pub(crate) at_once: usize,
    /// An event that the server answers: each connection sends it and waits for the answer, again and again.
    #[arg(long)]
    pub(crate) echo: Option<String>,
    /// An event that the server sends to everybody, under the same name and with its argument, a number.
    #[arg(long)]
    pub(crate) broadcast: Option<String>,
    /// For how many seconds each of the two is sent.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) duration: Duration,
    /// How many seconds to wait between an event's arrival and the next one.
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub(crate) interval: Duration,
    /// How many bytes of text an echoed event carries.
    #[arg(long, default_value = "0")]
    pub(crate) bytes: usize,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) server: Server,
    /// Where the pages of browsers come from that are to connect: `https://app.example.com`.
    #[arg(long)]
    pub(crate) origin: Option<HeaderValue>,
    /// For how many seconds connections have to stay although nothing is sent; more than the server's ping interval.
    #[arg(long, value_parser = seconds)]
    pub(crate) idle: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Where the server is; the path is the namespace: `https://example.com/chat`
    pub(crate) url: String,
    /// The credentials, as JSON.
    #[arg(long, value_parser = json)]
    pub(crate) auth: Option<Value>,
    /// A header for each request: "Name: value".
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Where the server answers.
    #[arg(long, default_value = "/socket.io/")]
    path: String,
    /// The transport to use, or both in their order: `websocket`, `websocket,polling`. Without it: polling, then WebSocket.
    /// The doctor looks at those that are named.
    #[arg(long = "transport", value_name = "TRANSPORT", value_delimiter = ',', value_parser = transport)]
    transports: Vec<Transport>,
    /// The server uses the msgpack parser.
    #[arg(long)]
    msgpack: bool,
    /// The server is of Socket.IO v2.
    #[arg(long)]
    v2: bool,
    /// How many seconds to wait for what has to come.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

impl Server {
    /// The socket of the namespace that the URL names, not connected yet.
    pub(crate) fn socket(&self) -> Result<Socket, Box<dyn Error>> {
        self.socket_with(|manager| manager)
    }

    /// The same over one transport.
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

    /// The settings of the connection.
    pub(crate) fn engine(&self, engine: ClientBuilder) -> ClientBuilder {
        let mut engine = engine.path(&self.path);
        if self.v2 {
            engine = engine.protocol(Protocol::V3);
        }
        for (name, value) in &self.headers {
            engine = engine.header(name.clone(), value.clone());
        }
        if self.transports.is_empty() { engine } else { engine.transports(self.transports.clone()) }
    }

    /// Whether a transport is meant.
    pub(crate) fn uses(&self, transport: Transport) -> bool {
        self.transports.is_empty() || self.transports.contains(&transport)
    }

    pub(crate) fn parser(&self) -> socketio_client::Parser {
        if self.msgpack { socketio_client::Parser::Msgpack } else { socketio_client::Parser::Json }
    }
}

/// JSON, or else a text.
pub(crate) fn argument(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written `Name: value`")?;
    let name = HeaderName::try_from(name.trim()).map_err(|error| error.to_string())?;
    let value = HeaderValue::try_from(value.trim()).map_err(|error| error.to_string())?;
    Ok((name, value))
}

fn transport(text: &str) -> Result<Transport, String> {
    [Transport::Polling, Transport::WebSocket]
        .into_iter()
        .find(|transport| transport.as_str() == text)
        .ok_or_else(|| "polling or websocket".to_owned())
}

fn many(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a number from 1 on".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
