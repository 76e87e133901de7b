//! Compressed messages: their frames, what they share, and what their readers see.

use super::*;
use crate::deflate::{Compressor, PerMessageDeflate, Plan};
use crate::protocol::packet::Protocol;
use crate::websocket::inbound::{Event, Inbound, Progress};

fn plan(threshold: usize) -> Plan {
    Plan::new(15, 6, 8, threshold).expect("window bits")
}

/// The events of a client that reads these frames.
fn read(prepared: &Prepared) -> Vec<Event> {
    let mut wire: Vec<u8> = prepared.frames().flatten().copied().collect();
    assert_eq!(wire.len(), prepared.wire_len());
    let agreed =
        crate::deflate::Agreed { plan: plan(0), writes_with_context: false, reads_with_context: false };
    let mut inbound = Inbound::with_role(crate::frame::Role::Client, 1 << 20).deflate(Some(agreed));
    inbound.decode(&mut wire, &mut Progress::default()).map(Result::unwrap).collect()
}

fn long() -> String {
    "a long text, ".repeat(200)
}

#[test]
fn long_parts_are_compressed_and_short_ones_are_not() {
    let binary = Bytes::from(long().into_bytes());
    let message = |text: &str, parts: &[Bytes]| {
        let mut buf = TextBuf::with_capacity(0);
        buf.buffer().extend_from_slice(text.as_bytes());
        buf.finish_with(parts.to_vec())
    };
    let short = Bytes::from_static(b"short");
    for (text, parts, compressed) in [
        ("short", &[][..], false),
        (&*long(), &[], true),
        ("short", std::slice::from_ref(&short), false),
        ("short", &[short.clone(), binary.clone()], true),
        (&*long(), &[binary.clone(), short.clone()], true),
    ] {
        let plain = message(text, parts);
        let deflated = plain.clone().deflated(plan(1024));
        assert_eq!(deflated.wire_len() < plain.wire_len(), compressed);
        assert_eq!(read(&deflated), read(&plain));
        let first = deflated.frames().next().unwrap()[0];
        assert_eq!(first & 0x40 != 0, text.len() > 1024, "the bit is that of the first frame");
        // A compressed message remains as it is.
        assert_eq!(deflated.clone().deflated(plan(0)).wire_len(), deflated.wire_len());
    }
    let binary = Prepared::binary(binary);
    assert_eq!(read(&binary.clone().deflated(plan(1024))), read(&binary));
}

/// EIO-CLI-063, EIO-CLI-064
#[test]
fn the_threshold_decides_about_short_messages() {
    let message = Prepared::text("h");
    assert_eq!(message.text_packet().len(), 2);
    assert!(message.may_deflate(plan(0)) && message.may_deflate(plan(2)));
    assert!(
        !message.may_deflate(plan(3)) && !message.may_deflate(PerMessageDeflate::new().plan(15).unwrap())
    );
}

#[test]
fn what_may_not_or_cannot_be_shorter_stays() {
    let unwilling = Prepared::text(&long()).compress(false);
    assert_eq!(unwilling.clone().deflated(plan(0)).wire_len(), unwilling.wire_len());
    assert!(!unwilling.may_deflate(plan(0)));
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise = Prepared::binary(noise.take(5000).collect());
    let tried = noise.clone().deflated(plan(0));
    assert_eq!(tried.wire_len(), noise.wire_len());
    assert!(noise.may_deflate(plan(0)) && !tried.may_deflate(plan(0)), "it is not tried again");
    // With context, what was compressed has to be sent.
    let mut compressor = Compressor::new(plan(0));
    let sent = noise.deflated_with(plan(0), &mut compressor);
    assert!(sent.wire_len() >= 5000 && sent.frames().next().unwrap()[0] == 0xc2);
}

#[test]
fn the_packets_of_a_compressed_message_can_be_read() {
    let mut buf = TextBuf::with_capacity(0);
    buf.buffer().extend_from_slice(long().as_bytes());
    let plain = buf.finish_with([Bytes::from(long().into_bytes())]);
    let deflated = plain.clone().deflated(plan(1024));
    assert!(deflated.wire_len() < 200);
    assert_eq!(deflated.kind(), PacketType::Message);
    assert_eq!((deflated.is_text(), deflated.attachments()), (false, 1));
    assert_eq!(deflated.text_packet(), plain.text_packet());
    assert_eq!(format!("{deflated:?}"), format!("{plain:?}"));
    let packets: Vec<Vec<u8>> = deflated
        .packets()
        .map(|packet| match packet {
            PacketRef::Text(text) => text.to_vec(),
            PacketRef::Binary(binary) => binary.data().to_vec(),
        })
        .collect();
    assert_eq!(packets, [format!("4{}", long()).into_bytes(), long().into_bytes()]);
    #[cfg(feature = "server")]
    {
        assert!(deflated.messages().eq(plain.messages()));
        let text = Prepared::text(&long()).deflated(plan(1024));
        assert_eq!(text.only_text(), Some(long().as_bytes()));
    }
    let control = Prepared::control(PacketType::Pong, long().as_bytes());
    assert_eq!(control.deflated(plan(1024)).kind(), PacketType::Pong);
}

#[test]
fn clones_share_the_compressed_form() {
    share_from(1024);
    let message = Prepared::text(&long());
    let head = |message: &Prepared, threshold| message.clone().deflated(plan(threshold)).head.as_ptr();
    assert_eq!(head(&message, 1024), head(&message, 1024));
    assert_ne!(head(&message, 1024), head(&message, 1000), "other parameters have a form of their own");
    assert_ne!(head(&message.without_forms(), 1024), head(&message, 1024));
    // Marks of a clone are its own.
    let key = NonZeroU32::new(7).unwrap();
    let marked = message.clone().conflate_by(key).keep().with_tag(3).deflated(plan(1024));
    assert_eq!((marked.conflation_key(), marked.is_kept(), marked.tag()), (Some(key), true, 3));
    assert_eq!(message.clone().deflated(plan(1024)).conflation_key(), None);
    // All threads get one form.
    let message = Prepared::text(&long());
    let heads = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| head(&message, 1024) as usize)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(message.clone().deflated(plan(1024)).wire_len() < 200);
}

#[test]
fn other_dialects_and_masks_apply_to_compressed_frames() {
    let deflated = Prepared::text(&long()).deflated(plan(1024));
    let dialect = Dialect { protocol: Protocol::V3, base64: true };
    assert_eq!(deflated.clone().into_dialect(dialect).wire_len(), deflated.wire_len());
    let masked: Vec<u8> = deflated.clone().into_masked(|| [1, 2, 3, 4]).frames().flatten().copied().collect();
    assert_eq!((masked[0], masked.len()), (0xc1, deflated.wire_len() + 4));
    // A binary part in base64 is laid out first.
    let binary = Prepared::binary(vec![7; 5000].into()).into_dialect(dialect).deflated(plan(1024));
    let events = read(&binary);
    assert!(matches!(&events[..], [Event::Text(text)] if text.len() > 6000), "{events:?}");
}
