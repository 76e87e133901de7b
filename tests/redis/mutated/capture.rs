//! Capture of the commands with which servers and emitters write into Redis, by MONITOR.

use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::json;
use socketio_server::{Args, Binary};
use tests::raw::soon;
use tests::redis::RedisServer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Cluster, NONE};

/// The arguments of a command.
pub(super) type Command = Vec<Vec<u8>>;

/// A connection that is told all commands.
pub(super) struct Capture(BufReader<UnixStream>);

impl Capture {
    pub(super) async fn begin(redis: &RedisServer) -> Self {
        let mut stream = UnixStream::connect(redis.path()).await.unwrap();
        stream.write_all(b"MONITOR\r\n").await.unwrap();
        let mut capture = Self(BufReader::new(stream));
        assert_eq!(capture.line().await, "+OK");
        capture
    }

    /// The messages and entries that were written since the beginning.
    pub(super) async fn end(mut self, redis: &RedisServer) -> Vec<Command> {
        redis.command("ECHO captured").await;
        let mut messages = Vec::new();
        loop {
            let command = command(&self.line().await);
            let is = |name: &[u8]| command.first().is_some_and(|first| first.eq_ignore_ascii_case(name));
            if is(b"ECHO") {
                return messages;
            }
            if is(b"PUBLISH") || is(b"SPUBLISH") || is(b"XADD") {
                messages.push(command);
            }
        }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.unwrap();
        line.trim_end().to_owned()
    }
}

/// The arguments of a line: `+1700000000.0 [0 unix:/path] "PUBLISH" "channel" "\x01"`.
fn command(line: &str) -> Command {
    let mut arguments = Vec::new();
    let mut bytes = line.bytes().skip_while(|byte| *byte != b'"');
    while bytes.by_ref().next() == Some(b'"') {
        let mut argument = Vec::new();
        loop {
            match bytes.next().unwrap() {
                b'"' => break,
                b'\\' => argument.push(match bytes.next().unwrap() {
                    b'x' => {
                        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    escaped => escaped,
                }),
                byte => argument.push(byte),
            }
        }
        arguments.push(argument);
        bytes.next();
    }
    arguments
}

/// Carries out each operation from servers of both kinds and from an emitter. Only the classic official adapter tells the
/// names of rooms.
pub(super) async fn every_operation(cluster: &mut Cluster, is_classic: bool) {
    let ids = cluster.ids();
    let mut answering = JoinSet::new();
    for client in std::mem::take(&mut cluster.clients) {
        answering.spawn(answer(client));
    }
    let io = &cluster.rust[0].io;
    let node = &cluster.node[0];
    let text = || Args((1, "two", json!({"three": [3, -4.5, null, true]})));
    let binary = || Args((Binary::from(vec![0, 1, 255]), "b"));
    let args = json!([1, "two", {"three": [3, -4.5, null, true]}]);
    let binary_args = json!([{"$bin": "AAH/"}, "b"]);

    io.to([&ids[1], &ids[2]]).sockets_join(["a", "b"]).await.unwrap();
    io.to("a").except(&ids[1]).sockets_leave(["b"]).await.unwrap();
    io.to("nobody").disconnect_sockets(true).await.unwrap();
    io.emit("text", &text()).await.unwrap();
    io.emit("binary", &binary()).await.unwrap();
    io.to("a").volatile().compress(false).emit("room", &text()).await.unwrap();
    io.to(["a", "b"]).except("c").emit("rooms", &binary()).await.unwrap();
    assert_eq!(io.fetch_sockets().await.unwrap().len(), ids.len());
    assert_eq!(io.emit_with_ack::<u8>("ask", &7).await.unwrap(), [1; 4]);
    assert_eq!(io.emit_with_ack::<IgnoredAny>("ask binary", &7).await.unwrap().len(), 4);
    if is_classic {
        io.all_rooms().await.unwrap();
        node.run("allRooms", json!({})).await;
    }
    io.server_side_emit("hello", &text()).await.unwrap();
    io.server_side_emit_with_ack::<IgnoredAny>("hello", &binary()).await.unwrap();

    node.run("join", json!({"to": [ids[0], ids[3]], "rooms": ["b", "c"]})).await;
    node.run("leave", json!({"to": ["b"], "except": [ids[0]], "rooms": ["c"]})).await;
    node.run("disconnect", json!({"to": ["nobody"], "close": true})).await;
    for args in [&args, &binary_args] {
        node.run("emit", json!({"event": "text", "args": args})).await;
        let rooms =
            json!({"event": "rooms", "args": args, "to": ["a", "b"], "except": ["c"], "volatile": true});
        node.run("emit", rooms).await;
        node.run("serverSideEmit", json!({"event": "hello", "args": args})).await;
    }
    node.run("fetch", json!({})).await;
    node.run("emitAck", json!({"event": "ask", "args": [7], "timeout": 15_000})).await;
    node.run("emitAck", json!({"event": "ask binary", "args": [7], "timeout": 15_000})).await;
    node.run("serverSideEmitAck", json!({"event": "hello", "args": args})).await;

    let emitter = cluster.emitter();
    emitter.emit("text", &text()).unwrap();
    emitter.to("a").to("b").except("c").emit("binary", &binary()).unwrap();
    emitter.to("a").sockets_join(&["d"]).unwrap();
    emitter.to("a").sockets_leave(&["d"]).unwrap();
    emitter.to("nobody").disconnect_sockets(true).unwrap();
    emitter.server_side_emit("hello", &NONE).unwrap();
    soon(emitter.connections().flush()).await;
    for rust in &cluster.rust {
        soon(rust.connections.flush()).await;
    }
}

/// A client that answers what it is asked.
async fn answer(mut client: Client) {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(60), client.ws.next()).await.unwrap();
        let Some(Message::Text(text)) = frame else { continue };
        if text.as_str() == "2" {
            client.ws.send("3").await;
        } else if let Some((id, _)) = text[2..].split_once(r#"["ask","#) {
            client.ws.send(&format!("43{id}[1]")).await;
        } else if let Some((id, _)) = text[2..].split_once(r#"["ask binary","#) {
            client.ws.send(&format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#)).await;
            client.ws.send_binary(&[1, 2, 3]).await;
        }
    }
}

#[test]
fn commands_are_read_as_they_were() {
    let line = r#"+17.5 [0 unix:/a "b] "SPUBLISH" "c\"d" "\x00\\x\xff\n ""#;
    // The path of a socket has no quotation marks.
    let line = line.replace(r#"a "b"#, "a");
    assert_eq!(command(&line), [&b"SPUBLISH"[..], b"c\"d", b"\x00\\x\xff\n "]);
    assert_eq!(command("+OK"), Command::new());
}
