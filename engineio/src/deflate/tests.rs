//! The codec: what is compressed comes back, limits hold, and broken streams are noticed.

use proptest::prelude::*;

use super::*;

fn plan(window_bits: u8, level: u8, mem_level: u8) -> Plan {
    Plan::new(window_bits, level, mem_level, 0).expect("window bits")
}

/// Text that repeats itself, of this length.
fn text(len: usize) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{{\"id\":{n},\"name\":\"value\"}},").into_bytes()).take(len).collect()
}

/// Bytes without repetitions.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // RFC 7692, 7.2.3.1 to 7.2.3.5.
    for example in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        assert_eq!(inflate(example, 5).unwrap(), "Hello", "{example:02x?}");
    }
    // With the context of the message before.
    let mut decompressor = Decompressor::default();
    for example in [&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]] {
        assert_eq!(decompressor.message(example, 5).unwrap(), "Hello");
    }
    // An empty message, and none.
    assert_eq!(inflate(&[0], 0).unwrap(), "");
    assert_eq!(inflate(&[], 0).unwrap(), "");
}

#[test]
fn messages_of_every_size_come_back() {
    for len in [0, 1, 2, 100, 16_383, 16_384, 16_385, 32_768, 65_536, 1_000_000] {
        for message in [text(len), noise(len), vec![0; len]] {
            for plan in [plan(15, 6, 8), plan(8, 9, 1), plan(9, 1, 9), plan(12, 0, 4)] {
                let compressed = deflate(plan, &message).unwrap();
                let back = inflate(&compressed, len).unwrap();
                assert!(back == message, "{len} bytes with {plan:?}");
                assert!(len == 0 || inflate(&compressed, len - 1) == Err(InflateError::TooBig));
            }
        }
    }
}

/// A window of 256 bytes: the compressor has no such window, but it does not reach back farther.
#[test]
fn the_smallest_window_is_kept() {
    let message: Vec<u8> = noise(250).repeat(50).into_iter().chain(noise(300).repeat(50)).collect();
    for level in 0..=9 {
        for message in [&message, &text(20_000)] {
            let mut compressed = deflate(plan(8, level, 8), message).unwrap();
            compressed.extend([0, 0, 0xff, 0xff]);
            let mut small = zlib_rs::Inflate::new(false, 8);
            // A short output makes the decompressor use its window.
            let (mut out, mut rest, mut chunk) = (Vec::new(), &compressed[..], [0; 100]);
            while out.len() < message.len() {
                let (read, written) = (small.total_in(), small.total_out());
                small.decompress(rest, &mut chunk, zlib_rs::InflateFlush::NoFlush).unwrap();
                rest = &rest[(small.total_in() - read) as usize..];
                out.extend_from_slice(&chunk[..(small.total_out() - written) as usize]);
            }
            assert!(out == *message, "level {level}");
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = deflate(plan(15, 9, 9), &vec![0; 10 << 20]).unwrap();
    assert!(bomb.len() < 11_000);
    for _ in 0..100 {
        assert_eq!(inflate(&bomb, 1_000_000), Err(InflateError::TooBig));
    }
    let mut decompressor = Decompressor::default();
    let mut buffer = vec![0; 16 * 1024];
    let mut out = Vec::new();
    assert_eq!(decompressor.blocks(&bomb, &mut buffer, &mut out, 1_000_000), Err(InflateError::TooBig));
    assert!(out.capacity() <= 1_000_000, "the memory stays within the limit: {}", out.capacity());
    // The decompressor of the thread is in order afterwards.
    assert_eq!(inflate(&deflate(plan(15, 6, 8), b"after").unwrap(), 5).unwrap(), "after");
}

#[test]
fn broken_streams_are_noticed() {
    let message = text(5000);
    let compressed = deflate(plan(15, 6, 8), &message).unwrap();
    for end in 1..compressed.len() {
        let cut = &compressed[..end];
        assert_eq!(
            inflate(cut, 10_000),
            Err(InflateError::Invalid),
            "cut at {end}: {:02x?}",
            &cut[..end.min(20)]
        );
    }
    let longer = [&compressed[..], &[0xff]].concat();
    assert_eq!(inflate(&longer, 10_000), Err(InflateError::Invalid));
    // A reserved kind of block, and a repetition of bytes that do not exist.
    for invalid in [&[0x07][..], &[0xff; 20], &[0xf2, 0x00, 0x11, 0x00, 0x00]] {
        assert_eq!(inflate(invalid, 10_000), Err(InflateError::Invalid), "{invalid:02x?}");
    }
    // Stored blocks are cut too.
    let stored = deflate(plan(15, 0, 8), &message).unwrap();
    for end in [2, 3, 5, 6, 1000, 5004] {
        assert_eq!(inflate(&stored[..end], 10_000), Err(InflateError::Invalid), "cut at {end}");
    }
    assert!(inflate(&compressed, 5000).unwrap() == message);
}

/// Final blocks begin a stream of their own, which costs time but no bytes.
#[test]
fn the_number_of_final_blocks_is_limited() {
    let final_block = [0x03, 0x00];
    assert_eq!(inflate(&final_block.repeat(64), 10).unwrap(), "");
    assert_eq!(inflate(&final_block.repeat(65), 10), Err(InflateError::Invalid));
}

#[test]
fn context_makes_repeated_messages_shorter() {
    let plan = plan(15, 6, 8);
    let mut compressor = Compressor::new(plan);
    let mut decompressor = Decompressor::default();
    let message = noise(500);
    let lens: Vec<usize> = (0..3)
        .map(|_| {
            let compressed = compressor.message(&message).unwrap();
            assert!(decompressor.message(&compressed, 500).unwrap() == message);
            compressed.len()
        })
        .collect();
    assert!(lens[0] > 500 && lens[1] < 20 && lens[2] < 20, "{lens:?}");
    // Without it they are all the same.
    assert_eq!(deflate(plan, &message), deflate(plan, &message));
    assert!(inflate(&compressor.message(&message).unwrap(), 500).is_err());
}

proptest! {
    #[test]
    fn any_message_comes_back(
        messages in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..3000),
            1..6,
        ),
        window_bits in 8..16_u8,
        level in 0..10_u8,
        mem_level in 1..10_u8,
    ) {
        let plan = plan(window_bits, level, mem_level);
        let mut compressor = Compressor::new(plan);
        let mut decompressor = Decompressor::default();
        for message in messages {
            let compressed = compressor.message(&message).unwrap();
            prop_assert_eq!(&decompressor.message(&compressed, message.len()).unwrap()[..], &message[..]);
            let compressed = deflate(plan, &message).unwrap();
            prop_assert_eq!(&inflate(&compressed, message.len()).unwrap()[..], &message[..]);
        }
    }

    /// Whatever arrives: no panic, no more bytes than the limit, and the next message is not affected.
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), max in 0..1000_usize) {
        if let Ok(message) = inflate(&bytes, max) {
            prop_assert!(message.len() <= max);
        }
        prop_assert_eq!(inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 5).unwrap(), "Hello");
    }
}
