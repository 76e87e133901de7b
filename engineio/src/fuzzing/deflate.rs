//! Compressed messages and their negotiation.

use http::HeaderMap;
use http::header::{HeaderValue, SEC_WEBSOCKET_EXTENSIONS};

use super::{MAX_MESSAGE, feed};
use crate::deflate::{Agreed, Compressor, PerMessageDeflate, Plan, WindowBits};
use crate::websocket::inbound::{Event, Inbound};
use crate::websocket::negotiation::{accept_as_client, accept_as_server};

/// A stream with compressed messages. The position of its cuts does not change the events, and no message is longer
/// than the limit. The same bytes as a message are equal after they were compressed and decompressed.
///
/// The first byte selects the parameters, the second one is the number of cuts, the next bytes are their positions,
/// and the rest is the stream.
pub fn ws_deflate(data: &[u8]) {
    let &[parameters, count, ref data @ ..] = data else { return };
    let (window_bits, level) = (8 + (parameters & 7), (parameters >> 4) % 10);
    let Some(plan) = Plan::new(window_bits, level, 1 + level % 9, 0) else { return };
    let with_context = parameters & 8 != 0;
    let agreed = Agreed { plan, writes_with_context: with_context, reads_with_context: with_context };
    let inbound = || Inbound::new(MAX_MESSAGE).deflate(Some(agreed));
    let (cuts, stream) = data.split_at(usize::from(count).min(data.len()));
    let whole = feed(inbound(), stream, []);
    assert_eq!(feed(inbound(), stream, cuts.iter().map(|&len| usize::from(len))), whole);
    assert_eq!(feed(inbound(), stream, std::iter::repeat_n(1, stream.len())), whole);
    for event in whole.iter().flatten() {
        match event {
            Event::Text(text) => assert!(text.len() <= MAX_MESSAGE),
            Event::Binary(data) => assert!(data.len() <= MAX_MESSAGE),
            _ => {}
        }
    }
    round_trip(plan, stream);
}

fn round_trip(plan: Plan, message: &[u8]) {
    let mut compressor = Compressor::new(plan);
    let mut decompressor = crate::deflate::Decompressor::default();
    for _ in 0..2 {
        let compressed = compressor.message(message).expect("every message can be compressed");
        let back = decompressor.message(&compressed, message.len()).expect("it is valid");
        assert_eq!(back, message);
    }
    let compressed = crate::deflate::deflate(plan, message).expect("every message can be compressed");
    assert_eq!(crate::deflate::inflate(&compressed, message.len()).expect("it is valid"), message);
}

/// The header of a client's offers, after three bytes for the settings of the server. An answer suits the settings,
/// and a client accepts it.
pub fn ws_negotiation(data: &[u8]) {
    let &[takeover, server_bits, client_bits, ref header @ ..] = data else { return };
    let three = |number: u8| [None, Some(true), Some(false)][usize::from(number % 3)];
    let bits = |number: u8| match number {
        0..=84 => WindowBits::Any,
        85..=169 => WindowBits::Refused,
        number => WindowBits::AtMost(8 + number % 8),
    };
    let settings = PerMessageDeflate::new()
        .server_no_context_takeover(three(takeover))
        .client_no_context_takeover(three(takeover / 3))
        .server_max_window_bits(bits(server_bits))
        .client_max_window_bits(bits(client_bits));
    let Ok(offer) = HeaderValue::from_bytes(header) else { return };
    let headers = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, offer)]);
    let any = PerMessageDeflate::new().server_no_context_takeover(None).client_no_context_takeover(None);
    let _ = accept_as_client(Some(any), &headers);
    let Ok(Some((ours, answer))) = accept_as_server(settings, &headers) else { return };
    assert!(settings.server_max_window_bits.limit().is_none_or(|limit| ours.plan.window_bits() <= limit));
    let answer = HeaderValue::try_from(answer).expect("the answer is a header");
    let answer = HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, answer)]);
    let theirs = accept_as_client(Some(any), &answer).expect("the answer is valid").expect("there is one");
    assert_eq!(theirs.reads_with_context, ours.writes_with_context);
    assert_eq!(theirs.writes_with_context, ours.reads_with_context);
}
