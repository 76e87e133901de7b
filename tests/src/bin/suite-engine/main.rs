//! One Engine.IO server of several that share their sessions, driven by the official suite of the cluster engine over a
//! control connection: commands and events as lines of JSON. Everything is set by the environment.

mod bus;
mod message;
mod output;
mod values;

use std::sync::Arc;
use std::time::Duration;

use engineio::peers::PeerSettings;
use engineio::{CloseReason, Handler, Message, Server, ServerBuilder, Session, Transport};
use serde_json::{Value, json};
use socketio_redis::{Redis, RedisPeers};
use tests::{listen_on_loopback, serve_all};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use self::bus::Bus;
use self::output::Output;
use self::values::{from_message, to_message};

/// Tells the events of a session.
struct Teller(Output);

impl Teller {
    fn say(&self, session: &Session, event: &str, mut body: Value) {
        body["ev"] = event.into();
        body["sid"] = session.id().as_str().into();
        self.0.say(&body);
    }
}

impl Handler for Teller {
    fn on_message(&mut self, session: &Session, message: Message) {
        self.say(session, "engineMessage", json!({"data": from_message(&message)}));
    }

    fn on_upgrade(&mut self, session: &Session, _: Transport) {
        self.say(session, "engineUpgrade", json!({}));
    }

    fn on_close(&mut self, session: &Session, reason: CloseReason) {
        self.say(session, "engineClose", json!({"reason": reason.as_str()}));
    }
}

fn options() -> Value {
    let given = std::env::var("ENGINE_OPTIONS").ok();
    given.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| json!({}))
}

fn port(name: &str) -> u16 {
    std::env::var(name).ok().and_then(|port| port.parse().ok()).unwrap_or(0)
}

fn builder(options: &Value) -> ServerBuilder {
    let milliseconds = |name: &str| options[name].as_u64().map(Duration::from_millis);
    let mut builder = Server::builder();
    if let Some(interval) = milliseconds("pingInterval") {
        builder = builder.ping_interval(interval);
    }
    if let Some(timeout) = milliseconds("pingTimeout") {
        builder = builder.ping_timeout(timeout);
    }
    if let Some(timeout) = milliseconds("upgradeTimeout") {
        builder = builder.upgrade_timeout(timeout);
    }
    let mut settings = PeerSettings::new();
    if let Some(timeout) = milliseconds("responseTimeout") {
        settings = settings.response_timeout(timeout);
    }
    if let Some(timeout) = milliseconds("delayedConnectionTimeout") {
        settings = settings.delayed_connection_timeout(timeout);
    }
    builder.peer_settings(settings)
}

fn redis(options: &Value) -> Result<RedisPeers, Box<dyn std::error::Error>> {
    let peers = RedisPeers::builder(&Redis::open(&std::env::var("REDIS_URL")?)?);
    Ok(match options["channelPrefix"].as_str() {
        Some(prefix) => peers.channel_prefix(prefix).build(),
        None => peers.build(),
    })
}

// One thread, as the official server has: the suites expect that what one of them begins first happens first.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (sender, lines) = mpsc::unbounded_channel();
    let output = Output::new(sender);
    let bus = Bus::new(output.clone());
    let teller = output.clone();
    let options = options();
    let builder = builder(&options);
    let (builder, connections) = match std::env::var("ENGINE").as_deref() {
        Ok("bus") => (builder.peers(bus.clone()), None),
        Ok("redis") => {
            let peers = redis(&options)?;
            (builder.peers(peers.clone()), Some(peers.connections().clone()))
        }
        medium => return Err(format!("unsupported: ENGINE={medium:?}").into()),
    };
    let server = builder.build(move |session: &Session| {
        let teller = Teller(teller.clone());
        teller.say(session, "engineConnection", json!({}));
        teller
    })?;
    if let Some(connections) = connections {
        connections.ready().await;
    }
    let control = TcpListener::bind(("127.0.0.1", port("CONTROL_PORT"))).await?;
    let listeners = listen_on_loopback(port("PORT")).await?;
    let ready = json!({
        "ready": true,
        "port": listeners.first().ok_or("no listener")?.local_addr()?.port(),
        "controlPort": control.local_addr()?.port(),
    });
    println!("{ready}");
    tokio::spawn(serve_all(server.clone(), listeners));
    let (stream, _) = control.accept().await?;
    obey(stream, lines, &Suite { server, bus: Arc::new(bus), output }).await;
    // The controlling connection has ended.
    std::process::exit(0)
}

struct Suite {
    server: Server,
    bus: Arc<Bus>,
    output: Output,
}

impl Suite {
    /// Carries out a command, and answers it.
    async fn obey(&self, command: &Value) {
        let session = || self.server.session(command["sid"].as_str()?);
        let result = match command["op"].as_str().unwrap_or_default() {
            "engineSend" => {
                if let (Some(session), Some(message)) = (session(), to_message(&command["data"])) {
                    let _ = session.send(message);
                }
                Ok(Value::Null)
            }
            "engineClose" => {
                if let Some(session) = session() {
                    session.close();
                }
                Ok(Value::Null)
            }
            "engineBus" => {
                self.bus.receive(&command["message"]);
                Ok(Value::Null)
            }
            "engineStats" => {
                let stats = self.server.peer_stats();
                Ok(json!({"requests": stats.open_requests, "remoteTransports": stats.relayed}))
            }
            "sync" => Ok(Value::Null),
            "close" => {
                self.server.drain(Duration::from_secs(1), Duration::ZERO).await;
                self.output.say(&json!({"id": command["id"], "ok": null}));
                tokio::time::sleep(Duration::from_millis(20)).await;
                std::process::exit(0)
            }
            other => Err(format!("unsupported: {other}")),
        };
        // The tasks of sessions come first, with what they tell others.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        let mut answer = match result {
            Ok(value) => json!({"ok": value}),
            Err(message) => json!({"error": {"message": message}}),
        };
        answer["id"] = command["id"].clone();
        self.output.say(&answer);
    }
}

/// Carries out commands until the connection is closed.
async fn obey(stream: TcpStream, mut lines: UnboundedReceiver<String>, suite: &Suite) {
    let _ = stream.set_nodelay(true);
    let (input, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            if writer.write_all(line.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return writing.abort(),
            Ok(_) => {}
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(command) => suite.obey(&command).await,
            Err(error) => eprintln!("a command that cannot be read: {error}"),
        }
    }
}
