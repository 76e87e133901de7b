//! Well-formed packets: nested, with binary data at any depth, with characters of all lengths, empty and
//! large.

use tests::random::Random;

use crate::packet::Packet;
use crate::value::Value;

const NAMESPACES: [&str; 12] = [
    "/",
    "/",
    "/",
    "/chat",
    "/a/b/c",
    "/1",
    "/ü/日本/😀",
    "/with space",
    "/?token=a%20b&c=[1]",
    "/\"quoted\"\\",
    "/{}[]-",
    "//",
];

const PIECES: [&str; 22] = [
    "a",
    "key",
    "hello world",
    "é",
    "日本語",
    "😀",
    "\u{0}",
    "\u{1f}",
    "\n",
    "\t",
    "\"",
    "\\",
    "/",
    "\u{7f}",
    "\u{2028}",
    "\u{feff}",
    "_placeholder",
    "num",
    "constructor",
    "toString",
    "<script>",
    "\u{ffff}",
];

const INTEGERS: [i64; 20] = [
    0,
    1,
    -1,
    23,
    24,
    127,
    128,
    -32,
    -33,
    255,
    256,
    -128,
    -129,
    65_535,
    65_536,
    4_294_967_295,
    4_294_967_296,
    -2_147_483_649,
    9_007_199_254_740_991,
    -9_007_199_254_740_991,
];

/// A packet for both encoders.
pub(crate) fn packet(random: &mut Random) -> Packet {
    let namespace = random.pick(&NAMESPACES).to_owned();
    let kind = match random.below(20) {
        0 => 0,
        1 => 1,
        2 => 4,
        3..=6 => 3,
        _ => 2,
    };
    let id = match kind {
        3 => Some(id(random)),
        2 if random.once_in(3) => Some(id(random)),
        _ => None,
    };
    let data = match kind {
        0 if random.once_in(3) => None,
        0 => Some(Value::Object(entries(random, 0, false))),
        1 => None,
        4 => {
            let mut object = vec![("message".to_owned(), Value::String(string(random)))];
            if random.once_in(2) {
                object.push(("data".to_owned(), value(random, 0, false)));
            }
            Some(Value::Object(object))
        }
        _ => {
            // A third of the packets has binary data.
            let binary = random.once_in(3);
            let count = if random.once_in(100) { 200 } else { random.below(4) };
            let mut list: Vec<Value> = (0..count).map(|_| value(random, 0, binary)).collect();
            if kind == 2 {
                list.insert(0, Value::String(name(random)));
            }
            limit_binary(&mut list, &mut 10);
            Some(Value::Array(list))
        }
    };
    Packet { kind, namespace, id, data }
}

fn id(random: &mut Random) -> u64 {
    match random.below(3) {
        0 => random.below(10) as u64,
        1 => random.next_u64() % 100_000,
        _ => random.next_u64() % (1 << 53),
    }
}

fn name(random: &mut Random) -> String {
    let name = string(random);
    if socketio_parser::reserved_event(&name).is_some() { "other".to_owned() } else { name }
}

fn string(random: &mut Random) -> String {
    let pieces = match random.below(200) {
        0 => 2000,
        1..=10 => 40,
        _ => random.below(4),
    };
    (0..pieces).map(|_| random.pick(&PIECES)).collect()
}

fn value(random: &mut Random, depth: usize, binary: bool) -> Value {
    let choices = if depth > 5 { 7 } else { 11 };
    match random.below(choices) {
        0 => Value::Null,
        1 => Value::Bool(random.once_in(2)),
        2 => Value::Int(INTEGERS[random.below(INTEGERS.len())]),
        3 => float(random),
        6 if binary => {
            let length = if random.once_in(50) { 70_000 } else { random.below(40) };
            Value::Binary((0..length).map(|_| random.next_u64() as u8).collect())
        }
        4..=6 => Value::String(string(random)),
        7 | 8 => Value::Array((0..random.below(5)).map(|_| value(random, depth + 1, binary)).collect()),
        _ => Value::Object(entries(random, depth, binary)),
    }
}

/// Fractions that both languages print in the same way; whole numbers are covered by the integers.
fn float(random: &mut Random) -> Value {
    let thousandths = i64::try_from(random.next_u64() % 2_000_000).unwrap() - 1_000_000;
    if thousandths % 1000 == 0 {
        Value::Int(thousandths / 1000)
    } else {
        Value::Float(thousandths as f64 / 1000.0)
    }
}

/// The entries of an object, without duplicate keys. JavaScript moves keys that look like numbers to the
/// front, so there are none.
fn entries(random: &mut Random, depth: usize, binary: bool) -> Vec<(String, Value)> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    for _ in 0..random.below(5) {
        let key = string(random);
        // The official decoder too would treat an object that looks like a placeholder as one.
        if key != "_placeholder" && entries.iter().all(|(name, _)| *name != key) {
            entries.push((key, value(random, depth + 1, binary)));
        }
    }
    entries
}

/// The official decoder accepts at most ten attachments.
fn limit_binary(list: &mut [Value], left: &mut usize) {
    for value in list {
        match value {
            Value::Binary(_) if *left == 0 => *value = Value::Null,
            Value::Binary(_) => *left -= 1,
            Value::Array(list) => limit_binary(list, left),
            Value::Object(entries) => {
                entries.iter_mut().for_each(|(_, value)| limit_binary(std::slice::from_mut(value), left));
            }
            _ => {}
        }
    }
}
