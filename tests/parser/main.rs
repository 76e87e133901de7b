//! Our parser against npm's `socket.io-parser` and `socket.io-msgpack-parser`, which run in a Node program.
//!
//! `PARSER_DIFFERENTIAL_SEED` sets the seed, `PARSER_DIFFERENTIAL_ROUNDS` multiplies the number of packets.

#![allow(clippy::unwrap_used, reason = "the helpers of the tests unwrap too: a panic is how a test fails")]

mod decisions;
mod generate;
mod hostile;
mod oracle;
mod packet;
mod value;

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use oracle::{Answer, Oracle, Questions};
use packet::{Message, Packet, decode};
use socketio_parser::Parser;
use tests::random::Random;

const GENERATED_JSON: usize = 100_000;
const GENERATED_MSGPACK: usize = 40_000;
const HOSTILE_JSON: usize = 60_000;
const HOSTILE_MSGPACK: usize = 40_000;

/// Encoded by one side and decoded by the other, in both directions: the meaning and the bytes are the same.
#[test]
fn both_parsers_encode_and_decode_the_same_packets() {
    let seed = seed("generated");
    let ask = move |questions: &mut Questions, sent: &mut dyn FnMut(Case)| {
        let mut random = Random::new(seed);
        for (parser, count) in [(Parser::Json, GENERATED_JSON), (Parser::Msgpack, GENERATED_MSGPACK)] {
            for _ in 0..count * rounds() {
                let packet = generate::packet(&mut random);
                let messages = packet.encode(parser);
                questions.ask(parser, Some(&packet), &messages);
                sent(Case { parser, packet: Some(packet), messages });
            }
        }
    };
    let mut compared = 0usize;
    converse(ask, |case, answer| {
        let packet = case.packet.as_ref().unwrap();
        assert_eq!(answer.encoded.as_ref(), Some(&case.messages), "the bytes differ: {packet:?}");
        let theirs = answer.decoded.last().unwrap().as_ref();
        let theirs = theirs.unwrap_or_else(|error| panic!("they refuse {:?}: {error}", case.messages));
        assert_eq!(theirs.as_ref(), Some(packet), "they understand something else: {:?}", case.messages);
        let ours = decode(case.parser, answer.encoded.as_ref().unwrap());
        let (last, waiting) = ours.split_last().unwrap();
        assert_eq!(
            last.as_ref().unwrap().as_ref(),
            Some(packet),
            "we understand something else: {:?}",
            case.messages
        );
        assert!(waiting.iter().all(|answer| matches!(answer, Ok(None))));
        compared += 1;
    });
    println!("{compared} packets compared in both directions");
}

/// Both sides refuse the same input, and accepted input has the same meaning, except for the decisions in
/// README.md.
#[test]
fn both_parsers_refuse_the_same_packets() {
    let seed = seed("hostile");
    let ask = move |questions: &mut Questions, sent: &mut dyn FnMut(Case)| {
        let mut random = Random::new(seed);
        for (parser, count) in [(Parser::Json, HOSTILE_JSON), (Parser::Msgpack, HOSTILE_MSGPACK)] {
            for _ in 0..count * rounds() {
                let messages = match parser {
                    Parser::Msgpack => hostile::binaries(&mut random),
                    _ => hostile::texts(&mut random),
                };
                questions.ask(parser, None, &messages);
                sent(Case { parser, packet: None, messages });
            }
        }
    };
    let mut differences: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut taken, mut refused) = (0usize, 0usize);
    converse(ask, |case, answer| {
        let ours = decode(case.parser, &case.messages);
        for (ours, theirs) in ours.iter().zip(&answer.decoded) {
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => {
                    assert_eq!(ours, theirs, "one text, two meanings: {:?}", case.messages);
                    taken += 1;
                }
                (Err(_), Err(_)) => refused += 1,
                (Err(error), Ok(theirs)) => {
                    let Some(decision) = decisions::refusal(case.parser, *error, &case.messages) else {
                        panic!("only we refuse {:?}: {error}; they have {theirs:?}", case.messages);
                    };
                    *differences.entry(decision).or_default() += 1;
                }
                (Ok(ours), Err(error)) => {
                    panic!("only they refuse {:?}: {error}; we have {ours:?}", case.messages);
                }
            }
        }
    });
    println!("{taken} messages taken by both, {refused} refused by both; by decision: {differences:?}");
    let readme = include_str!("README.md");
    for decision in differences.keys() {
        assert!(readme.contains(&format!("**{decision}**")), "README.md does not explain {decision}");
    }
    assert!(taken > 10_000 && refused > 10_000, "the packets are not what this test needs");
}

/// The input of a request to the oracle.
struct Case {
    parser: Parser,
    packet: Option<Packet>,
    messages: Vec<Message>,
}

/// Sends requests on one thread and reads responses on this one, with a bounded number of requests in flight.
fn converse(
    ask: impl FnOnce(&mut Questions, &mut dyn FnMut(Case)) + Send,
    mut check: impl FnMut(&Case, &Answer),
) {
    let (oracle, mut questions) = Oracle::start();
    let (sender, cases) = sync_channel(10_000);
    thread::scope(move |scope| {
        scope.spawn(move || {
            // If the reader has stopped, the case is dropped.
            ask(&mut questions, &mut |case| drop(sender.send(case)));
        });
        // The reader owns the oracle and its end of the channel: when a check fails, both are dropped before
        // the other thread is joined, so the join does not block.
        let mut oracle = oracle;
        for case in cases {
            let answer = oracle.answer();
            check(&case, &answer);
        }
    });
}

fn seed(test: &str) -> u64 {
    let seed = match std::env::var("PARSER_DIFFERENTIAL_SEED") {
        Ok(seed) => seed.parse().expect("PARSER_DIFFERENTIAL_SEED is a number"),
        Err(_) => 20_261_120,
    };
    println!("{test}: PARSER_DIFFERENTIAL_SEED={seed}");
    seed
}

fn rounds() -> usize {
    match std::env::var("PARSER_DIFFERENTIAL_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("PARSER_DIFFERENTIAL_ROUNDS is a number"),
        Err(_) => 1,
    }
}
