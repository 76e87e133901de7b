//! crates.io's socketioxide on axum, as a server for third-party clients.
//!
//! ```text
//! socketioxide-server PORT [msgpack]
//! ```
//!
//! It prints the port on which it listens (port 0 selects a free one), and runs until it is killed.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use rmpv::Value;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo};
use tokio::net::TcpListener;

/// All arguments of an event or an ack: a tuple for socketioxide, since a list would be a single argument.
struct Arguments(Vec<Value>);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Arguments;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Arguments, A::Error> {
                let mut arguments = Vec::new();
                while let Some(argument) = sequence.next_element()? {
                    arguments.push(argument);
                }
                Ok(Arguments(arguments))
            }
        }

        deserializer.deserialize_tuple(0, All)
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|argument| tuple.serialize_element(argument))?;
        tuple.end()
    }
}

#[derive(Serialize)]
struct Who {
    id: String,
    auth: Option<Value>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("which port?")?.parse()?;
    // The limit of the official server per request.
    let builder = SocketIo::builder().ping_interval(Duration::from_secs(1)).max_payload(1_000_000);
    let builder = match arguments.next().as_deref() {
        Some("msgpack") => builder.with_parser(ParserConfig::msgpack()),
        _ => builder,
    };
    let (layer, io) = builder.build_layer();
    for name in ["/", "/foo"] {
        io.ns(name, nothing.with(welcome));
    }
    io.ns("/no", nothing.with(async |_: SocketRef| Err("not today")));

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}

async fn nothing(_: SocketRef) {}

/// A middleware, since the handler of a namespace may start after the client's first event.
async fn welcome(socket: SocketRef, TryData(auth): TryData<Value>) -> Result<(), Infallible> {
    let auth = auth.ok();
    socket.join("room");
    socket.on("echo", async |Data::<Arguments>(arguments), ack: AckSender| {
        let _ = ack.send(&arguments);
    });
    socket.on("who", async move |socket: SocketRef, ack: AckSender| {
        let _ = ack.send(&Who { id: socket.id.to_string(), auth: auth.clone() });
    });
    socket.on("send back", async |socket: SocketRef, Data::<Arguments>(arguments)| {
        let _ = socket.emit("sent back", &arguments);
    });
    socket.on("ask me", async |socket: SocketRef, ack: AckSender| {
        let Ok(asked) = socket.emit_with_ack::<_, Value>("question", &(1, Value::Binary(vec![2]))) else {
            return;
        };
        if let Ok(answer) = asked.await {
            let _ = ack.send(&answer);
        }
    });
    socket.on("kick", async |socket: SocketRef| {
        let _ = socket.disconnect();
    });
    socket.on("tell", async |io: SocketIo, socket: SocketRef, Data::<Value>(number)| {
        let namespace = io.of(socket.ns());
        if let Some(namespace) = namespace {
            let _ = namespace.to("room").emit("news", &number).await;
        }
    });
    Ok(())
}
