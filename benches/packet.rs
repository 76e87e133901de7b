//! Engine.IO packets: one packet to text and back, with its data as text, binary and base64.

use std::hint::black_box;

use benches::samples::{binary_event, large_event, small_event};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engineio::packet::{Message, Packet, Protocol, decode_binary, decode_text, encode_base64, encode_text};
use engineio::{Prepared, Text};

fn packets(c: &mut Criterion) {
    for (case, packet) in [("small", small_event("message")), ("1KiB", large_event("message"))] {
        let text = Text::from(format!("4{packet}"));
        let mut group = c.benchmark_group(format!("packet/{case}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("decode", |b| b.iter(|| decode_text(black_box(&text).clone(), Protocol::V4)));
        let message = Packet::Message(Message::from(packet.clone()));
        let mut out = Vec::with_capacity(2048);
        group.bench_function("encode", |b| {
            b.iter(|| {
                out.clear();
                encode_text(black_box(&message), Protocol::V4, &mut out);
                out.len()
            });
        });
        // The work of a send: the packet, and the header of its WebSocket frame.
        group.bench_function("prepare", |b| b.iter(|| Prepared::text(black_box(&packet))));
        group.finish();
    }

    let (_, data) = binary_event("message");
    let mut group = c.benchmark_group("packet/1KiB-binary");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("decode", |b| b.iter(|| decode_binary(black_box(&data).clone(), Protocol::V4)));
    group.bench_function("prepare", |b| b.iter(|| Prepared::binary(black_box(&data).clone())));
    let mut base64 = Vec::new();
    encode_base64(&data, Protocol::V4, &mut base64);
    let base64 = Text::from_utf8(Bytes::from(base64)).expect("base64 is ASCII");
    group.bench_function("decode-base64", |b| {
        b.iter(|| decode_text(black_box(&base64).clone(), Protocol::V4));
    });
    let mut out = Vec::with_capacity(2048);
    group.bench_function("encode-base64", |b| {
        b.iter(|| {
            out.clear();
            encode_base64(black_box(&data), Protocol::V4, &mut out);
            out.len()
        });
    });
    group.finish();
}

criterion_group!(all, packets);
criterion_main!(all);
