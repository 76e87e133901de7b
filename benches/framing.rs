//! WebSocket frames: parsing and unmasking, and writing of headers.

use std::hint::black_box;

use benches::samples::{BINARY, TEXT, frame};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engineio::frame::{Opcode, write_header};
use engineio::websocket::inbound::{Inbound, Progress};

fn inbound(c: &mut Criterion) {
    let mut group = c.benchmark_group("framing/in");
    for (kind, opcode) in [("text", TEXT), ("binary", BINARY)] {
        for size in [32, 1024, 65_536] {
            let one = frame(opcode, &b"the quick brown fox jumps over the lazy dog ".repeat(1500)[..size]);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_with_input(BenchmarkId::new(kind, size), &one, |b, one| {
                let mut inbound = Inbound::new(1 << 20);
                b.iter_batched_ref(
                    || one.clone(),
                    |input| inbound.decode(input, &mut Progress::default()).filter(Result::is_ok).count(),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    // One read of a pipelining client.
    let many = frame(TEXT, br#"42["echo","the quick brown fox jumps over"]"#).repeat(64);
    group.throughput(Throughput::Elements(64));
    group.bench_function("64-in-one-read", |b| {
        let mut inbound = Inbound::new(1 << 20);
        b.iter_batched_ref(
            || many.clone(),
            |input| inbound.decode(input, &mut Progress::default()).filter(Result::is_ok).count(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("framing/header");
    for size in [32, 1024, 100_000] {
        group.bench_with_input(BenchmarkId::from_parameter(size), &size, |b, &size| {
            let mut out = [0; 10];
            b.iter(|| write_header(black_box(&mut out), Opcode::Text, black_box(size)));
        });
    }
    group.finish();
}

criterion_group!(all, inbound, headers);
criterion_main!(all);
