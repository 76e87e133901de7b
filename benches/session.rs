//! A whole session in memory: frames are received, echoed by the handler, and sent. Engine.IO alone, and
//! Socket.IO on top.

use benches::client::Clients;
use benches::samples::{TEXT, binary_event, binary_frames, frame, large_event, small_event, text_frame};
use benches::{NEVER, runtime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engineio::{Message, Session, handler_fn};
use socketio_server::{Ack, RawArgs, Server, Socket};

/// Number of messages per read with a pipelining client.
const PIPELINED: usize = 16;

fn engine(c: &mut Criterion) {
    let server = engineio::Server::builder()
        .ping_interval(NEVER)
        .build(|_: &Session| {
            handler_fn(|session: &Session, message: Message| {
                // A full outbox closes the session, and then the benchmark fails.
                let _ = session.send(message);
            })
        })
        .expect("the settings are valid");
    let message = frame(TEXT, b"4the quick brown fox jumps over");
    measure(c, "engine/echo-32", &server, "engine.io", &message);
}

fn socket(c: &mut Criterion) {
    let io = Server::builder().ping_interval(NEVER).build().expect("the settings are valid");
    io.on("echo", |socket: Socket, data: RawArgs| async move { socket.emit("echo", &data) });
    io.on("ack", |data: RawArgs| async move { Ack(data) });
    let echo = |packet: String| text_frame(&packet);
    for (case, message) in [
        ("socket/echo-32", echo(small_event("echo"))),
        ("socket/echo-1KiB", echo(large_event("echo"))),
        ("socket/echo-1KiB-binary", binary_frames(&binary_event("echo"))),
        ("socket/ack-32", echo(small_event("ack").replacen("2[", "27[", 1))),
    ] {
        measure(c, case, io.engine(), "socket.io", &message);
    }
}

/// One message per read, and many.
fn measure(c: &mut Criterion, case: &str, server: &engineio::Server, path: &str, message: &[u8]) {
    let runtime = runtime();
    let clients = runtime.block_on(Clients::open(server, path, 1, path == "socket.io"));
    let answer = runtime.block_on(clients.answer_len(message));
    let mut group = c.benchmark_group(format!("session/{case}"));
    for (name, count) in [("one-a-read", 1), ("pipelined", PIPELINED)] {
        let input = message.repeat(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let before = clients.arrived();
                    clients.wire(0).push(&input);
                    clients.until(before, answer * count).await;
                });
            });
        });
    }
    group.finish();
}

criterion_group!(all, engine, socket);
criterion_main!(all);
