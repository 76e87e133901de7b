//! The commands.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use socketio_server::{AckError, Broadcast, GatherError, Namespace, Server, Socket};

use crate::adapter::{Kept, Media};
use crate::control::Output;
use crate::foreign;
use crate::space::{self, Known, Shared, handshake};
use crate::values::{Plain, args};

type Done = Result<Value, Value>;
type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// This server, with what commands may name.
pub(crate) struct Suite {
    io: Server,
    media: Media,
    adapter: Option<Kept>,
    output: Output,
    known: Shared,
}

fn failure(message: &dyn std::fmt::Display) -> Value {
    json!({"message": message.to_string()})
}

fn unsupported(what: &str) -> Value {
    failure(&format!("unsupported: {what}"))
}

fn partial(message: &str, values: &[Value]) -> Value {
    json!({"message": message, "partial": values})
}

/// The names in a field; a number is a name too.
fn rooms(command: &Value, field: &str) -> Vec<String> {
    let name = |room: &Value| room.as_str().map_or_else(|| room.to_string(), str::to_owned);
    command[field].as_array().into_iter().flatten().map(name).collect()
}

impl Suite {
    pub(crate) fn new(io: Server, media: Media, adapter: Option<Kept>, output: Output) -> Arc<Self> {
        Arc::new(Self { io, media, adapter, output, known: Shared::default() })
    }

    pub(crate) async fn ready(&self) {
        if let Some(connections) = self.media.connections() {
            connections.ready().await;
        }
    }

    pub(crate) fn space(&self, name: &str) -> Namespace {
        space::open(&self.io, name, &self.known, &self.output)
    }

    fn with<R>(&self, run: impl FnOnce(&mut Known) -> R) -> R {
        run(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins a command. It is complete, or waits for the answers of others in a task.
    pub(crate) async fn begin(self: &Arc<Self>, command: Value) {
        let (id, op) = (command["id"].clone(), command["op"].as_str().unwrap_or_default().to_owned());
        let waits = matches!(
            op.as_str(),
            "emitAck"
                | "fetch"
                | "serverSideEmitAck"
                | "socketEmitAck"
                | "handleEmitAck"
                | "allRooms"
                | "serverCount"
        );
        let suite = Arc::clone(self);
        let mut work: Work = Box::pin(async move { suite.run(&op, &command).await });
        let output = self.output.clone();
        let answer = move |done: Done| match done {
            Ok(value) => output.say(&json!({"id": id, "ok": value})),
            Err(error) => output.say(&json!({"id": id, "error": error})),
        };
        if !waits {
            return answer(work.await);
        }
        let begun = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        match begun {
            Poll::Ready(done) => answer(done),
            Poll::Pending => drop(tokio::spawn(async move { answer(work.await) })),
        }
    }

    async fn run(&self, op: &str, command: &Value) -> Done {
        let nsp = command["nsp"].as_str().unwrap_or("/");
        if op.starts_with("handle") {
            return self.handle(op, command).await;
        }
        let event = command["event"].as_str().unwrap_or_default();
        match op {
            "sync" => {}
            "of" => {
                self.space(nsp);
                self.ready().await;
            }
            "listen" => space::listen(&self.space(nsp), event, &self.known, &self.output),
            "emit" => {
                // A bus that is down is no error.
                let _ = self.target(command)?.emit(event, &args(&command["args"])).await;
            }
            "emitAck" => {
                let target = self.target(command)?;
                return match target.emit_with_ack::<Plain>(event, &args(&command["args"])).await {
                    Ok(answers) => Ok(answers.into_iter().map(|plain| plain.0).collect()),
                    Err(GatherError::Partial(found)) => {
                        let answers: Vec<Value> = found.answers.into_iter().map(|plain| plain.0).collect();
                        Err(partial("operation has timed out", &answers))
                    }
                    Err(error) => Err(failure(&error)),
                };
            }
            "fetch" => return self.fetch(command).await,
            "socketsJoin" => {
                let _ = self.target(command)?.sockets_join(rooms(command, "rooms")).await;
            }
            "socketsLeave" => {
                let _ = self.target(command)?.sockets_leave(rooms(command, "rooms")).await;
            }
            "disconnectSockets" => {
                let _ = self.target(command)?.disconnect_sockets(command["close"] == true).await;
            }
            "serverSideEmit" => {
                let _ = self.space(nsp).server_side_emit(event, &args(&command["args"])).await;
            }
            "serverSideEmitAck" => {
                let space = self.space(nsp);
                return match space.server_side_emit_with_ack::<Plain>(event, &args(&command["args"])).await {
                    Ok(answers) => Ok(answers.into_iter().map(|plain| plain.0).collect()),
                    Err(GatherError::Partial(found)) => {
                        let message = self.media.timeout_message(found.answers.len(), found.missing);
                        let answers: Vec<Value> = found.answers.into_iter().map(|plain| plain.0).collect();
                        Err(partial(&message, &answers))
                    }
                    Err(error) => Err(failure(&error)),
                };
            }
            "socketEmit" | "socketEmitAck" | "join" | "leave" | "rooms" | "data" | "getData"
            | "disconnect" => {
                return self.one(op, command).await;
            }
            "sockets" => {
                return Ok(self.space(nsp).sockets().iter().map(|socket| json!(socket.id())).collect());
            }
            "localRooms" => return Ok(self.local_rooms(nsp)),
            "allRooms" => {
                return match self.space(nsp).all_rooms().await {
                    Ok(rooms) => Ok(rooms.iter().map(|room| json!(&**room)).collect()),
                    Err(error) => Err(failure(&error)),
                };
            }
            "serverCount" => {
                let count = match self.media.server_count(nsp).await {
                    Some(count) => count,
                    None => self.space(nsp).cluster_stats().nodes + 1,
                };
                return Ok(count.into());
            }
            "stats" => {
                let stats = self.space(nsp).cluster_stats();
                return Ok(json!({"requests": stats.open_requests, "ackRequests": 0, "unhandled": 0}));
            }
            "reply" => {
                let ack = self.with(|known| known.acks.remove(&command["ack"].as_u64()?));
                if let Some(ack) = ack {
                    // The client may have left.
                    let _ = ack.send(&args(&command["args"]));
                }
            }
            "health" => {
                let connected = self.space(nsp).cluster_health().borrow().is_connected();
                return Ok(json!({"connected": connected}));
            }
            "bus" => match &self.media {
                Media::Bus(bus) => bus.receive(&command["message"]).await.map_err(|error| failure(&error))?,
                _ => return Err(unsupported(op)),
            },
            "adapterClose" => {
                if let Some(adapter) = &self.adapter {
                    adapter.close(nsp).await;
                }
            }
            "failPublish" => match &self.media {
                Media::Bus(bus) => bus.fail(command["fail"] == true),
                _ => return Err(unsupported(op)),
            },
            "foreignSubscribe" => {
                let Some(url) = self.media.url() else { return Err(unsupported(op)) };
                let output = self.output.clone();
                let subscribed =
                    foreign::subscribe(&url, command, move || output.say(&json!({"ev": "foreign"})));
                subscribed.await.map_err(|error| failure(&error))?;
            }
            "close" => {
                self.io.drain(Duration::from_secs(2), Duration::ZERO).await;
                self.output.say(&json!({"id": command["id"], "ok": null}));
                tokio::time::sleep(Duration::from_millis(20)).await;
                std::process::exit(0);
            }
            _ => return Err(unsupported(op)),
        }
        Ok(Value::Null)
    }

    async fn fetch(&self, command: &Value) -> Done {
        let found = self.target(command)?.fetch_sockets().await;
        let describe = |sockets: Vec<socketio_server::RemoteSocket>| -> Vec<Value> {
            let describe = |socket: socketio_server::RemoteSocket| {
                let rooms: Vec<&str> = socket.rooms().iter().map(AsRef::as_ref).collect();
                let mut told = json!({
                    "id": socket.id(),
                    "handshake": handshake(socket.handshake()),
                    "rooms": rooms,
                    "data": socket.data(),
                });
                self.with(|known| {
                    let handle = known.next();
                    told["handle"] = handle.into();
                    known.handles.insert(handle, socket);
                });
                told
            };
            sockets.into_iter().map(describe).collect()
        };
        match found {
            Ok(sockets) => Ok(describe(sockets).into()),
            Err(GatherError::Partial(found)) => {
                // The number of servers that have answered is not known, so all but the missing ones are
                // counted.
                let nsp = command["nsp"].as_str().unwrap_or("/");
                let servers = self.media.server_count(nsp).await.unwrap_or(1);
                let answered = (servers - 1).saturating_sub(found.missing);
                let message = self.media.fetch_timeout_message(answered, found.missing);
                Err(partial(&message, &describe(found.answers)))
            }
            Err(error) => Err(failure(&error)),
        }
    }

    fn local_rooms(&self, nsp: &str) -> Value {
        let mut rooms = std::collections::BTreeMap::<String, Vec<String>>::new();
        for socket in self.space(nsp).sockets() {
            for room in socket.rooms() {
                rooms.entry(room.to_string()).or_default().push(socket.id().to_owned());
            }
        }
        rooms.into_iter().map(|(room, ids)| json!([room, ids])).collect()
    }

    /// A command for one socket of this server.
    async fn one(&self, op: &str, command: &Value) -> Done {
        let socket = self.socket(command)?;
        let event = command["event"].as_str().unwrap_or_default();
        match op {
            "socketEmit" => {
                let mut emitter = socket.compress(command["flags"]["compress"] != false);
                if command["flags"]["volatile"] == true {
                    emitter = emitter.volatile();
                }
                let _ = emitter.emit(event, &args(&command["args"]));
            }
            "socketEmitAck" => {
                let mut emitter = socket.compress(command["flags"]["compress"] != false);
                if let Some(timeout) = command["flags"]["timeout"].as_u64() {
                    emitter = emitter.timeout(Duration::from_millis(timeout));
                }
                let answer = emitter.emit_with_ack::<Plain>(event, &args(&command["args"])).await;
                return acknowledged(answer.map_err(|error| match error {
                    AckError::Timeout => "operation has timed out".to_owned(),
                    other => other.to_string(),
                }));
            }
            "join" => socket.join(rooms(command, "rooms")),
            "leave" => rooms(command, "rooms").iter().for_each(|room| socket.leave(room)),
            "rooms" => return Ok(socket.rooms().iter().map(|room| json!(&**room)).collect()),
            "data" => socket.data().replace(command["value"].clone()),
            "getData" => return Ok(socket.data().to_value()),
            _ => socket.disconnect(command["close"] == true),
        }
        Ok(Value::Null)
    }

    /// A command for a socket that was found.
    async fn handle(&self, op: &str, command: &Value) -> Done {
        let found = self.with(|known| known.handles.get(&command["handle"].as_u64()?).cloned());
        let Some(mut socket) = found else { return Err(failure(&"no such handle")) };
        let event = command["event"].as_str().unwrap_or_default();
        match op {
            "handleEmit" => drop(socket.emit(event, &args(&command["args"])).await),
            "handleEmitAck" => {
                if let Some(timeout) = command["flags"]["timeout"].as_u64() {
                    socket = socket.timeout(Duration::from_millis(timeout));
                }
                let answer = socket.emit_with_ack::<Plain>(event, &args(&command["args"])).await;
                return acknowledged(answer.map_err(|error| match error {
                    AckError::Timeout => "operation has timed out".to_owned(),
                    other => other.to_string(),
                }));
            }
            "handleJoin" => drop(socket.join(rooms(command, "rooms")).await),
            "handleLeave" => drop(socket.leave(rooms(command, "rooms")).await),
            "handleDisconnect" => drop(socket.disconnect(command["close"] == true).await),
            _ => return Err(unsupported(op)),
        }
        Ok(Value::Null)
    }

    fn socket(&self, command: &Value) -> Result<Socket, Value> {
        let key = (command["nsp"].as_str().unwrap_or("/"), command["socket"].as_str().unwrap_or_default());
        let key = (key.0.to_owned(), key.1.to_owned());
        let socket = self.with(|known| known.sockets.get(&key).cloned());
        socket.ok_or_else(|| failure(&format!("no socket {}", key.1)))
    }

    fn target(&self, command: &Value) -> Result<Broadcast, Value> {
        let mut broadcast = match command["socket"].as_str() {
            Some(_) => self.socket(command)?.broadcast(),
            None => self.space(command["nsp"].as_str().unwrap_or("/")).to(Vec::<String>::new()),
        };
        broadcast = broadcast.to(rooms(command, "to")).except(rooms(command, "except"));
        let flags = &command["flags"];
        if flags["local"] == true {
            broadcast = broadcast.local();
        }
        if flags["volatile"] == true {
            broadcast = broadcast.volatile();
        }
        if let Some(compress) = flags["compress"].as_bool() {
            broadcast = broadcast.compress(compress);
        }
        if let Some(timeout) = flags["timeout"].as_u64() {
            broadcast = broadcast.timeout(Duration::from_millis(timeout));
        }
        Ok(broadcast)
    }
}

fn acknowledged(answer: Result<Plain, String>) -> Done {
    answer.map(|plain| plain.0).map_err(|error| failure(&error))
}
