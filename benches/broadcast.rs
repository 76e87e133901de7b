//! A broadcast to 1, 100 and 10,000 receivers in memory. The measurement ends when every byte has left every
//! outbox.

use std::time::Duration;

use benches::client::Clients;
use benches::{NEVER, runtime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use socketio_server::{Binary, Server, Socket};

/// Header size of a frame with a payload of `len` bytes.
fn framed(len: usize) -> usize {
    engineio::frame::header_len(len) + len
}

fn broadcasts(c: &mut Criterion) {
    let mut group = c.benchmark_group("broadcast");
    for receivers in [1, 100, 10_000] {
        let runtime = runtime();
        let io = Server::builder().ping_interval(NEVER).build().expect("the settings are valid");
        io.on_connect(|socket: Socket| async move { socket.join("room") });
        let clients = runtime.block_on(Clients::open(io.engine(), "socket.io", receivers, true));
        group.throughput(Throughput::Elements(receivers as u64));

        let text = json!("x".repeat(50));
        let text_len = framed(r#"42["news",""]"#.len() + 50);
        group.bench_with_input(BenchmarkId::new("all", receivers), &receivers, |b, _| {
            b.iter(|| {
                runtime.block_on(async {
                    let before = clients.arrived();
                    io.emit("news", &text).await.expect("it can be encoded");
                    clients.until(before, receivers * text_len).await;
                });
            });
        });
        group.bench_with_input(BenchmarkId::new("room", receivers), &receivers, |b, _| {
            b.iter(|| {
                runtime.block_on(async {
                    let before = clients.arrived();
                    io.to("room").emit("news", &text).await.expect("it can be encoded");
                    clients.until(before, receivers * text_len).await;
                });
            });
        });
        let binary = Binary::from(vec![7; 1024]);
        let binary_len = framed(r#"451-["news",{"_placeholder":true,"num":0}]"#.len()) + framed(1024);
        group.bench_with_input(BenchmarkId::new("all-1KiB-binary", receivers), &receivers, |b, _| {
            b.iter(|| {
                runtime.block_on(async {
                    let before = clients.arrived();
                    io.emit("news", &binary).await.expect("it can be encoded");
                    clients.until(before, receivers * binary_len).await;
                });
            });
        });
        // Sixteen broadcasts at once: messages queued for a session are written together.
        group.throughput(Throughput::Elements(16 * receivers as u64));
        group.bench_with_input(BenchmarkId::new("16-in-a-row", receivers), &receivers, |b, _| {
            b.iter(|| {
                runtime.block_on(async {
                    let before = clients.arrived();
                    for _ in 0..16 {
                        io.emit("news", &text).await.expect("it can be encoded");
                    }
                    clients.until(before, 16 * receivers * text_len).await;
                });
            });
        });
    }
    group.finish();
}

fn slow() -> Criterion {
    Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3)).without_plots()
}

criterion_group! { name = all; config = slow(); targets = broadcasts }
criterion_main!(all);
