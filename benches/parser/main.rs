//! The parser's codecs, compared with the main Rust peer and with plain serde_json as the lower bound.
//!
//! `cargo bench --bench parser` prints everything. Names are `operation/case/implementation`; the relevant
//! figures are the ratios between the lines of one case:
//!
//! - `floor-validate`: serde_json's `IgnoredAny` over the packet's JSON, the minimum cost of a validation
//!   with it.
//! - `floor-typed`, `floor-value`: serde_json reads name and argument as a tuple, a `serde_json::Value`.
//! - `floor-print`: serde_json prints the same tuple into a reused buffer.

#![allow(clippy::unwrap_used, reason = "all inputs are well-formed; a panic is how a bench fails")]

mod data;

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_parser::{Decoder, Limits, Packet, Parser, Payload, RawArgs};
use socketioxide_core::packet::{Packet as PeerPacket, PacketData};
use socketioxide_core::parser::{Parse, ParseConfig, ParseError, ParserState};
use socketioxide_core::{Str, Value as PeerValue};
use socketioxide_parser_common::CommonParser;

use self::data::{PeerUpload, Profile, Upload, profile};

fn text(parts: &serde_json::Value, head: &str) -> String {
    format!("{head}{parts}")
}

fn decoded(message: &Bytes) -> Packet {
    Decoder::default().text(message.clone()).unwrap().unwrap()
}

fn args(packet: &Packet) -> &RawArgs {
    match &packet.payload {
        Payload::Event(event) => event.args(),
        Payload::Ack(args) => args,
        _ => unreachable!("only events and answers are measured"),
    }
}

fn peer_value(packet: &mut PeerPacket) -> (&mut PeerValue, bool) {
    match &mut packet.inner {
        PacketData::Event(value, _) | PacketData::BinaryEvent(value, _) => (value, true),
        PacketData::EventAck(value, _) | PacketData::BinaryAck(value, _) => (value, false),
        _ => unreachable!("only events and answers are measured"),
    }
}

/// All variants of decoding a text packet whose first argument is a `T`.
fn decode<T: DeserializeOwned>(
    c: &mut Criterion,
    case: &str,
    head: &str,
    name: Option<&str>,
    arg: &serde_json::Value,
) {
    let json = match name {
        Some(name) => serde_json::json!([name, arg]),
        None => serde_json::json!([arg]),
    };
    let message = text(&json, head);
    let ours = Bytes::from(message.clone());
    let peers = Str::from(message);
    let json = json.to_string();
    let mut group = c.benchmark_group(format!("decode/{case}"));

    let mut decoder = Decoder::default();
    group.bench_function("ours-raw", |b| b.iter(|| decoder.text(black_box(&ours).clone())));
    let mut decoder = Decoder::default();
    group.bench_function("ours-raw-and-name", |b| {
        b.iter(|| match decoder.text(black_box(&ours).clone()) {
            Ok(Some(Packet { payload: Payload::Event(event), .. })) => event.name().len(),
            _ => 0,
        });
    });
    let mut decoder = Decoder::default();
    group.bench_function("ours-typed", |b| {
        b.iter(|| {
            let packet = decoder.text(black_box(&ours).clone()).unwrap().unwrap();
            args(&packet).parse::<T>(0).unwrap()
        });
    });
    let mut decoder = Decoder::default();
    group.bench_function("ours-dynamic", |b| {
        b.iter(|| {
            let packet = decoder.text(black_box(&ours).clone()).unwrap().unwrap();
            args(&packet).get(0).unwrap().value().unwrap()
        });
    });
    let config = ParseConfig::default();
    let state = ParserState::default();
    group.bench_function("peer-packet", |b| {
        b.iter(|| CommonParser.decode_str(&config, &state, black_box(&peers).clone()).unwrap());
    });
    group.bench_function("peer-typed", |b| {
        b.iter(|| {
            let mut packet = CommonParser.decode_str(&config, &state, black_box(&peers).clone()).unwrap();
            let (value, with_event) = peer_value(&mut packet);
            if with_event {
                black_box(CommonParser.read_event(value).unwrap());
            }
            CommonParser.decode_value::<T>(value, with_event).unwrap()
        });
    });
    group.bench_function("peer-dynamic", |b| {
        b.iter(|| {
            let mut packet = CommonParser.decode_str(&config, &state, black_box(&peers).clone()).unwrap();
            let (value, with_event) = peer_value(&mut packet);
            if with_event {
                black_box(CommonParser.read_event(value).unwrap());
            }
            CommonParser.decode_value::<serde_json::Value>(value, with_event).unwrap()
        });
    });
    group.bench_function("floor-validate", |b| {
        b.iter(|| serde_json::from_str::<serde::de::IgnoredAny>(black_box(&json)).unwrap());
    });
    if name.is_some() {
        group.bench_function("floor-typed", |b| {
            b.iter(|| serde_json::from_str::<(String, T)>(black_box(&json)).unwrap());
        });
    } else {
        group.bench_function("floor-typed", |b| {
            b.iter(|| serde_json::from_str::<(T,)>(black_box(&json)).unwrap());
        });
    }
    group.bench_function("floor-value", |b| {
        b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&json)).unwrap());
    });
    // The dynamic value alone, compared with the one of serde_json alone.
    let packet = decoded(&ours);
    let raw = args(&packet).get(0).unwrap().to_owned();
    group.bench_function("ours-dynamic-alone", |b| b.iter(|| black_box(&raw).value().unwrap()));
    group.bench_function("floor-value-alone", |b| {
        b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(raw.as_bytes())).unwrap());
    });
    group.finish();
}

/// All variants of encoding a text packet with one argument.
fn encode<T: Serialize>(c: &mut Criterion, case: &str, name: &str, arg: &T) {
    let mut group = c.benchmark_group(format!("encode/{case}"));
    let mut out = Vec::with_capacity(256 * 1024);
    group.bench_function("ours", |b| {
        b.iter(|| {
            out.clear();
            Parser::Json.encode_event(&mut out, "/", None, name, black_box(arg)).unwrap().len() + out.len()
        });
    });
    let message = {
        let mut message = Vec::new();
        Parser::Json.encode_event(&mut message, "/", None, name, arg).unwrap();
        Bytes::from(message)
    };
    let packet = decoded(&message);
    group.bench_function("ours-raw", |b| {
        b.iter(|| {
            out.clear();
            Parser::Json.encode_event(&mut out, "/", None, name, black_box(args(&packet))).unwrap();
            out.len()
        });
    });
    group.bench_function("peer", |b| {
        b.iter(|| {
            let value = CommonParser.encode_value(black_box(arg), Some(name)).unwrap();
            CommonParser.encode(PeerPacket::event("/", value))
        });
    });
    group.bench_function("floor-print", |b| {
        b.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&(name, arg))).unwrap();
            out.len()
        });
    });
    group.finish();
}

fn texts(c: &mut Criterion) {
    let small = serde_json::json!("hello world");
    decode::<String>(c, "small", "2", Some("message"), &small);
    encode(c, "small", "message", &"hello world");

    let nested = profile();
    let value = serde_json::to_value(&nested).unwrap();
    decode::<Profile>(c, "1KiB", "2", Some("profile"), &value);
    encode(c, "1KiB", "profile", &nested);

    let large: Vec<Profile> = std::iter::repeat_with(profile).take(96).collect();
    let value = serde_json::to_value(&large).unwrap();
    decode::<Vec<Profile>>(c, "100KiB", "2", Some("profiles"), &value);
    encode(c, "100KiB", "profiles", &large);

    decode::<String>(c, "ack", "312", None, &small);
    ack(c);
}

fn ack(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode/ack");
    let mut out = Vec::with_capacity(1024);
    group.bench_function("ours", |b| {
        b.iter(|| {
            out.clear();
            Parser::Json.encode_ack(&mut out, "/", 12, black_box("hello world")).unwrap();
            out.len()
        });
    });
    group.bench_function("peer", |b| {
        b.iter(|| {
            let value = CommonParser.encode_value(black_box("hello world"), None).unwrap();
            CommonParser.encode(PeerPacket::ack("/", value, 12))
        });
    });
    group.bench_function("floor-print", |b| {
        b.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, &(black_box("hello world"),)).unwrap();
            out.len()
        });
    });
    group.finish();
}

fn binary(c: &mut Criterion) {
    let header = concat!(
        r#"52-["upload",{"name":"ada.png","first":{"_placeholder":true,"num":0},"#,
        r#""second":{"_placeholder":true,"num":1}}]"#
    );
    let attachments = [Bytes::from(vec![1u8; 1024]), Bytes::from(vec![2u8; 1024])];
    let ours = Bytes::from_static(header.as_bytes());
    let peers = Str::from(header);
    let mut group = c.benchmark_group("decode/2x1KiB-binary");
    let whole = |decoder: &mut Decoder| {
        decoder.text(black_box(&ours).clone()).unwrap();
        decoder.binary(attachments[0].clone()).unwrap();
        decoder.binary(attachments[1].clone()).unwrap().unwrap()
    };
    let mut decoder = Decoder::default();
    group.bench_function("ours-raw", |b| b.iter(|| whole(&mut decoder)));
    group.bench_function("ours-typed", |b| {
        b.iter(|| args(&whole(&mut decoder)).parse::<Upload>(0).unwrap());
    });
    group.bench_function("ours-dynamic", |b| {
        b.iter(|| args(&whole(&mut decoder)).get(0).unwrap().value().unwrap());
    });
    let config = ParseConfig::default();
    let state = ParserState::default();
    let peer = || {
        let waits = CommonParser.decode_str(&config, &state, black_box(&peers).clone());
        assert!(matches!(waits, Err(ParseError::NeedsMoreBinaryData)));
        let waits = CommonParser.decode_bin(&config, &state, attachments[0].clone());
        assert!(matches!(waits, Err(ParseError::NeedsMoreBinaryData)));
        CommonParser.decode_bin(&config, &state, attachments[1].clone()).unwrap()
    };
    group.bench_function("peer-packet", |b| b.iter(&peer));
    group.bench_function("peer-typed", |b| {
        b.iter(|| {
            let mut packet = peer();
            let (value, with_event) = peer_value(&mut packet);
            black_box(CommonParser.read_event(value).unwrap());
            CommonParser.decode_value::<PeerUpload>(value, with_event).unwrap()
        });
    });
    let json = &header[3..];
    group.bench_function("floor-validate", |b| {
        b.iter(|| serde_json::from_str::<serde::de::IgnoredAny>(black_box(json)).unwrap());
    });
    group.bench_function("floor-value", |b| {
        b.iter(|| serde_json::from_str::<serde_json::Value>(black_box(json)).unwrap());
    });
    group.finish();

    let [first, second] = attachments.clone();
    let upload =
        Upload { name: "ada.png".to_owned(), first: first.clone().into(), second: second.clone().into() };
    let peer_upload = PeerUpload { name: "ada.png".to_owned(), first, second };
    let mut group = c.benchmark_group("encode/2x1KiB-binary");
    let mut out = Vec::with_capacity(1024);
    group.bench_function("ours", |b| {
        b.iter(|| {
            out.clear();
            Parser::Json.encode_event(&mut out, "/", None, "upload", black_box(&upload)).unwrap()
        });
    });
    group.bench_function("peer", |b| {
        b.iter(|| {
            let value = CommonParser.encode_value(black_box(&peer_upload), Some("upload")).unwrap();
            CommonParser.encode(PeerPacket::event("/", value))
        });
    });
    let header = serde_json::from_str::<serde_json::Value>(json).unwrap();
    group.bench_function("floor-print", |b| {
        b.iter(|| {
            out.clear();
            serde_json::to_writer(&mut out, black_box(&header)).unwrap();
            out.len()
        });
    });
    group.finish();
}

fn msgpack(c: &mut Criterion) {
    let nested = profile();
    let mut group = c.benchmark_group("msgpack/1KiB");
    let mut out = Vec::with_capacity(4096);
    group.bench_function("ours-encode", |b| {
        b.iter(|| {
            out.clear();
            Parser::Msgpack.encode_event(&mut out, "/", None, "profile", black_box(&nested)).unwrap();
            out.len()
        });
    });
    out.clear();
    Parser::Msgpack.encode_event(&mut out, "/", None, "profile", &nested).unwrap();
    let message = Bytes::from(out.clone());
    let mut decoder = Parser::Msgpack.decoder(Limits::default());
    group.bench_function("ours-decode-raw", |b| {
        b.iter(|| decoder.binary(black_box(&message).clone()).unwrap().unwrap());
    });
    group.bench_function("ours-decode-typed", |b| {
        b.iter(|| {
            let packet = decoder.binary(black_box(&message).clone()).unwrap().unwrap();
            args(&packet).parse::<Profile>(0).unwrap()
        });
    });
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(900))
        .without_plots()
}

criterion_group! {
    name = codecs;
    config = quick();
    targets = texts, binary, msgpack
}
criterion_main!(codecs);
