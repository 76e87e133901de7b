//! Streams: clients whose server, a process of its own, is killed.

use std::net::SocketAddr;
use std::process::Stdio;

use socketio_server::NotRecovered;
use tests::program::Program;
use tests::raw::{soon, until};
use tests::redis::RedisServer;
use tests::traveller::{Senders, Traveller, in_order};
use tokio::process::{Child, Command};

use crate::ordered::recovering;
use crate::recovery::Leave;

/// The number of servers that are killed.
const KILLED: usize = 6;

/// A server of ours with recovery, in its own process.
struct Process {
    addr: SocketAddr,
    child: Child,
}

impl Process {
    async fn start(redis: &RedisServer) -> Self {
        let mut suite = Command::new(env!("CARGO_BIN_EXE_suite-adapter"));
        suite
            .envs([("ADAPTER", "streams"), ("REDIS_URL", &redis.url())])
            .envs([("SERVER_OPTIONS", r#"{"connectionStateRecovery":{}}"#)])
            .envs([("PORT", "0"), ("CONTROL_PORT", "0")])
            .stdin(Stdio::null());
        let mut program = Program::start(&mut suite, "it is built");
        let ready: serde_json::Value = serde_json::from_str(&program.line().await).unwrap();
        let port = ready["port"].as_u64().unwrap().try_into().unwrap();
        Self { addr: ([127, 0, 0, 1], port).into(), child: program.ignore_output() }
    }
}

/// Under traffic of two servers, clients of a third one that is killed return to the others: each event once and in order. A
/// client whose session was not written before its server was killed starts anew, and its new server says why.
#[tokio::test]
async fn clients_of_a_killed_server_get_each_event_once() {
    let redis = RedisServer::start().await;
    let rust = [recovering(&redis).await, recovering(&redis).await];
    let mut processes = Vec::new();
    for _ in 0..KILLED {
        processes.push(Process::start(&redis).await);
    }
    let senders = Senders::start([&rust[0].io, &rust[1].io]);
    let mut client = Traveller::connect(rust[0].addr).await;
    client.next().await;
    let (mut fresh_clients, mut recovered) = (Vec::new(), 0);
    for (number, mut process) in processes.into_iter().enumerate() {
        client.leave(&redis).await;
        assert!(client.return_to(process.addr).await, "to process {number}");
        // From now on the session is that of the process.
        until(async || {
            let live = format!("HEXISTS {{sio:session:{}}}:live session", client.pid);
            redis.command(&live).await == ":1\r\n"
        })
        .await;
        client.next().await;
        // The session of this one may be written in time or not.
        let mut fresh = Traveller::connect(process.addr).await;
        for _ in 0..1 + number * 20 {
            fresh.next().await;
        }
        soon(process.child.kill()).await.unwrap();
        (client.ws, fresh.ws) = (None, None);
        let rust = &rust[number % 2];
        assert!(client.return_to(rust.addr).await, "from process {number}");
        for _ in 0..50 {
            client.next().await;
        }
        let before = fresh.events.len();
        if fresh.return_to(rust.addr).await {
            recovered += 1;
        } else {
            let socket = rust.io.socket(&fresh.sid).unwrap();
            assert_eq!(socket.not_recovered(), Some(NotRecovered::UnknownSession), "of process {number}");
            in_order(&fresh.events[..before]);
            fresh.events.drain(..before);
            // The last events of a sender may have been sent before it came.
            while in_order(&fresh.events).contains(&0) {
                fresh.next().await;
            }
        }
        fresh_clients.push(fresh);
    }
    let sent = senders.end().await;
    rust[0].io.emit("last", &0).await.unwrap();
    fresh_clients.push(client);
    for mut client in fresh_clients {
        while client.next().await[0] != "last" {}
        assert_eq!(in_order(&client.events), *sent);
    }
    println!("{recovered} of {KILLED} new clients recovered, {sent:?} events");
}
