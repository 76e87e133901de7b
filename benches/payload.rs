//! Polling payloads: decoding and encoding of many packets in one HTTP body.

use std::hint::black_box;

use benches::samples::{binary_event, small_event};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engineio::Text;
use engineio::packet::{Message, Packet};
use engineio::payload::{DEFAULT_MAX_PACKETS, Encoder, decode};

fn payloads(c: &mut Criterion) {
    for count in [1, 16, 1000] {
        let packets: Vec<Packet> =
            (0..count).map(|_| Packet::Message(Message::from(small_event("message")))).collect();
        measure(c, "text", &packets);
    }
    let (header, data) = binary_event("message");
    let packets: Vec<Packet> = (0..16)
        .flat_map(|_| [Message::from(header.clone()), Message::Binary(data.clone())])
        .map(Packet::Message)
        .collect();
    measure(c, "binary", &packets);
}

fn measure(c: &mut Criterion, case: &str, packets: &[Packet]) {
    let encoded = encode(packets);
    let body = Text::from(String::from_utf8(encoded).expect("payloads are text"));
    let mut group = c.benchmark_group(format!("payload/{case}"));
    group.throughput(Throughput::Elements(packets.len() as u64));
    group.bench_with_input(BenchmarkId::new("encode", packets.len()), packets, |b, packets| {
        b.iter(|| encode(black_box(packets)));
    });
    group.bench_with_input(BenchmarkId::new("decode", packets.len()), &body, |b, body| {
        b.iter(|| decode(black_box(body).clone(), DEFAULT_MAX_PACKETS).filter(Result::is_ok).count());
    });
    group.finish();
}

fn encode(packets: &[Packet]) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(packets.len() * 64);
    packets.iter().for_each(|packet| encoder.push(packet));
    encoder.finish()
}

criterion_group!(all, payloads);
criterion_main!(all);
