//! Runs one hot path a number of times, for callgrind: see `cargo xtask instructions`.
//!
//! Counting starts at the entry of [`measured`] and ends at its return, so set-up and warm-up do not count.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot continue panics; there is no caller for an error"
)]

use std::hint::black_box;
use std::process::ExitCode;

use benches::client::Clients;
use benches::samples::{TEXT, binary_event, binary_frames, frame, large_event, small_event, text_frame};
use benches::{NEVER, runtime};
use bytes::Bytes;
use engineio::packet::{Message, Packet};
use engineio::payload::{DEFAULT_MAX_PACKETS, Encoder};
use engineio::websocket::inbound::{Inbound, Progress};
use engineio::{Prepared, Text};
use socketio_parser::{Decoder, Parser, Payload, RawArgs};
use socketio_server::{Binary, RawArgs as Data, Server, Socket};

type Work = Box<dyn FnMut()>;

/// A path: its name, the number of counted iterations, and its constructor.
type Path = (&'static str, usize, fn() -> Work);

/// Number of iterations before the count, so that buffers have grown.
const WARM: usize = 50;

const PATHS: &[Path] = &[
    ("decode-small-event", 1000, || decode(small_event("message"), None)),
    ("decode-1KiB-event", 1000, || decode(large_event("message"), None)),
    ("decode-binary-event", 1000, || {
        let (text, data) = binary_event("message");
        decode(text, Some(data))
    }),
    ("encode-small-event", 1000, || encode(small_event("message"))),
    ("encode-1KiB-event", 1000, || encode(large_event("message"))),
    ("encode-binary-event", 1000, encode_binary),
    ("frame-in-small", 1000, || frame_in(&small_event("message"))),
    ("frame-in-1KiB", 1000, || frame_in(&large_event("message"))),
    ("frame-out-small", 1000, || frame_out(small_event("message"))),
    ("frame-out-1KiB", 1000, || frame_out(large_event("message"))),
    ("payload-decode-16", 200, payload_decode),
    ("payload-encode-16", 200, payload_encode),
    ("session-echo-small", 500, || echo(&text_frame(&small_event("echo")), 1)),
    ("session-echo-small-x16", 100, || echo(&text_frame(&small_event("echo")), 16)),
    ("session-echo-1KiB", 500, || echo(&text_frame(&large_event("echo")), 1)),
    ("session-echo-binary", 500, || echo(&binary_frames(&binary_event("echo")), 1)),
    ("broadcast-to-100", 100, broadcast),
];

fn main() -> ExitCode {
    let asked = std::env::args().nth(1).unwrap_or_default();
    if asked == "--list" {
        PATHS.iter().for_each(|(name, times, _)| println!("{name} {times}"));
        return ExitCode::SUCCESS;
    }
    let Some((_, times, make)) = PATHS.iter().find(|(name, ..)| *name == asked) else {
        eprintln!("name a path, or say --list");
        return ExitCode::FAILURE;
    };
    let mut work = make();
    for _ in 0..WARM {
        work();
    }
    measured(*times, &mut *work);
    ExitCode::SUCCESS
}

/// The counted function; callgrind finds it by its name.
#[inline(never)]
fn measured(times: usize, work: &mut dyn FnMut()) {
    for _ in 0..times {
        work();
    }
}

fn decode(text: String, attachment: Option<Bytes>) -> Work {
    let text = Bytes::from(text);
    let mut decoder = Decoder::default();
    Box::new(move || {
        let mut packet = decoder.text(black_box(&text).clone()).unwrap();
        if let Some(data) = &attachment {
            packet = decoder.binary(data.clone()).unwrap();
        }
        black_box(packet.unwrap());
    })
}

fn encode(packet: String) -> Work {
    let Payload::Event(event) = Decoder::default().text(packet.into()).unwrap().unwrap().payload else {
        unreachable!("the samples are events")
    };
    let args: RawArgs = event.args().clone();
    let mut out = Vec::with_capacity(4096);
    Box::new(move || {
        out.clear();
        Parser::Json.encode_event(&mut out, "/", None, "message", black_box(&args)).unwrap();
        black_box(&out);
    })
}

fn encode_binary() -> Work {
    let data = Binary::from(binary_event("message").1);
    let mut out = Vec::with_capacity(4096);
    Box::new(move || {
        out.clear();
        black_box(Parser::Json.encode_event(&mut out, "/", None, "message", black_box(&data)).unwrap());
    })
}

fn frame_in(packet: &str) -> Work {
    let bytes = frame(TEXT, format!("4{packet}").as_bytes());
    let mut inbound = Inbound::new(1 << 20);
    let mut read = bytes.clone();
    Box::new(move || {
        // Unmasking modifies the buffer in place.
        read.copy_from_slice(&bytes);
        let mut progress = Progress::default();
        let messages = inbound.decode(black_box(&mut read), &mut progress);
        assert_eq!(messages.filter(Result::is_ok).count(), 1);
    })
}

fn frame_out(packet: String) -> Work {
    Box::new(move || {
        black_box(Prepared::text(black_box(&packet)));
    })
}

fn payload_decode() -> Work {
    let body = vec![format!("4{}", small_event("message")); 16].join("\x1e");
    let body = Text::from(body);
    Box::new(move || {
        let packets = engineio::payload::decode(black_box(&body).clone(), DEFAULT_MAX_PACKETS);
        assert_eq!(packets.filter(Result::is_ok).count(), 16);
    })
}

fn payload_encode() -> Work {
    let packets = vec![Packet::Message(Message::from(small_event("message"))); 16];
    Box::new(move || {
        let mut encoder = Encoder::with_capacity(1024);
        black_box(&packets).iter().for_each(|packet| encoder.push(packet));
        black_box(encoder.finish());
    })
}

fn echo(message: &[u8], in_one_read: usize) -> Work {
    let runtime = runtime();
    let io = Server::builder().ping_interval(NEVER).build().unwrap();
    io.on("echo", |socket: Socket, data: Data| async move { socket.emit("echo", &data) });
    let clients = runtime.block_on(Clients::open(io.engine(), "socket.io", 1, true));
    let input = message.repeat(in_one_read);
    let answer = runtime.block_on(clients.answer_len(&input));
    Box::new(move || {
        runtime.block_on(async {
            let before = clients.arrived();
            clients.wire(0).push(&input);
            clients.until(before, answer).await;
        });
    })
}

fn broadcast() -> Work {
    let runtime = runtime();
    let io = Server::builder().ping_interval(NEVER).build().unwrap();
    let clients = runtime.block_on(Clients::open(io.engine(), "socket.io", 100, true));
    let text = "the quick brown fox jumps over the lazy dog";
    let packet = format!(r#"42["news","{text}"]"#).len();
    let all = 100 * (engineio::frame::header_len(packet) + packet);
    Box::new(move || {
        runtime.block_on(async {
            let before = clients.arrived();
            io.emit("news", text).await.unwrap();
            clients.until(before, all).await;
        });
    })
}
