//! The decoder against tungstenite's, on whole and broken streams.

use super::*;

/// A stream of frames, most of them valid.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x80, 0x89, 0x8a]),
        1 => Just(0x88_u8),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "[a-z\u{e9}\u{20ac}\u{1f600}]{0,8}".prop_map(String::into_bytes),
        1 => (1000..1016_u16, "[a-z]{0,4}").prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (120..140_usize).prop_map(|len| vec![b'x'; len]),
        1 => (900..1100_usize).prop_map(|len| vec![b'y'; len]),
    ];
    prop::collection::vec((first, payload), 0..10)
        .prop_map(|frames| frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect())
}

/// Such a stream with some bytes changed and its end cut off.
fn broken_frames() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (frames(), changes, any::<prop::sample::Index>()).prop_map(|(mut stream, changes, end)| {
        for (at, byte) in changes {
            if !stream.is_empty() {
                let at = at.index(stream.len());
                stream[at] = byte;
            }
        }
        stream.truncate(end.index(stream.len() + 1).max(stream.len() / 2));
        stream
    })
}

/// A finite stream, whose responses are not read.
struct Peer(Cursor<Vec<u8>>);

impl Read for Peer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Peer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end of a stream.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The stream could continue.
    Open,
    Closed,
    Failed,
}

fn ours(stream: &[u8]) -> (Vec<Event>, End, Option<WsError>) {
    let mut events = Vec::new();
    for event in decode_in(&mut Inbound::new(MAX), stream, []) {
        match event {
            Ok(event @ Event::Close { .. }) => {
                events.push(event);
                return (events, End::Closed, None);
            }
            Ok(event) => events.push(event),
            Err(error) => return (events, End::Failed, Some(error)),
        }
    }
    (events, End::Open, None)
}

fn tungstenites(stream: &[u8]) -> (Vec<Event>, End) {
    let config = WebSocketConfig::default().max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut peer = Peer(Cursor::new(stream.to_vec()));
    let mut events = Vec::new();
    loop {
        events.push(match context.read(&mut peer) {
            Ok(Message::Text(text)) => Event::Text(text.as_str().to_owned().into()),
            Ok(Message::Binary(data)) => Event::Binary(data),
            Ok(Message::Ping(data)) => Event::Ping(data),
            Ok(Message::Pong(_)) => Event::Pong,
            Ok(Message::Close(frame)) => {
                let (code, reason) = match frame {
                    Some(frame) => {
                        (Some(CloseCode(frame.code.into())), frame.reason.as_str().to_owned().into())
                    }
                    None => (None, Text::new()),
                };
                events.push(Event::Close { code, reason });
                return (events, End::Closed);
            }
            Ok(Message::Frame(_)) => unreachable!("only written"),
            Err(TungsteniteError::Protocol(error)) if error.to_string().contains("reset") => {
                return (events, End::Open);
            }
            Err(_) => return (events, End::Failed),
        });
    }
}

/// Both decoders have to give the same events and the same end, except for four differences:
///
/// - tungstenite checks a frame when it is complete. Here an invalid header, and text that becomes invalid
///   before its frame ends, is an error at once, so the stream may end before tungstenite notices.
/// - tungstenite returns a close frame with a forbidden code to its user, as one with code 1002. Here it is
///   an error, which closes with 1002.
/// - tungstenite accepts a control frame whose length is short but in the long form. Here, as in `ws`, the
///   long form alone is refused.
/// - tungstenite forbids 1014, "bad gateway". It was registered after the RFC, and `ws` accepts it.
fn agree(stream: &[u8]) -> Result<(), TestCaseError> {
    let (mut our_events, mut our_end, error) = ours(stream);
    let (mut events, mut end) = tungstenites(stream);
    if error == Some(WsError::ControlTooLong) && events.len() > our_events.len() {
        let control = &events[our_events.len()];
        prop_assert!(matches!(control, Event::Ping(_) | Event::Pong | Event::Close { .. }), "{:?}", control);
        events.truncate(our_events.len());
        end = End::Failed;
    }
    let bad_code =
        Event::Close { code: Some(CloseCode::PROTOCOL_ERROR), reason: "Protocol violation".into() };
    if events.last() == Some(&bad_code) {
        events.pop();
        end = End::Failed;
        if matches!(our_events.last(), Some(Event::Close { code: Some(CloseCode(1014)), .. })) {
            our_events.pop();
            our_end = End::Failed;
        }
    }
    if error.is_some() && end == End::Open {
        end = End::Failed;
    }
    prop_assert_eq!(our_events, events);
    prop_assert!(our_end == end, "{:?} ({:?}) against {:?}", our_end, error, end);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn pieces_do_not_matter(stream in broken_frames(), cuts in prop::collection::vec(0..40_usize, 0..64)) {
        let whole = decode_in(&mut Inbound::new(MAX), &stream, []);
        prop_assert_eq!(decode_in(&mut Inbound::new(MAX), &stream, cuts), whole);
    }

    #[test]
    fn tungstenite_agrees(stream in frames()) {
        agree(&stream)?;
    }

    #[test]
    fn tungstenite_agrees_about_broken_streams(stream in broken_frames()) {
        agree(&stream)?;
    }
}
