//! The scenarios.

/// A scenario of the load generator.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// The arguments of the load generator.
    pub(super) load: &'static str,
    /// Additional arguments for a quick run.
    pub(super) quick: &'static str,
    /// The counted unit.
    pub(super) unit: &'static str,
    pub(super) about: &'static str,
}

pub(super) const SCENARIOS: &[Scenario] = &[
    echo(
        "echo-32",
        "echo --size 32 --window 8",
        "echo of a short string, 100 clients, 8 messages each under way",
    ),
    echo("echo-32-w1", "echo --size 32 --window 1", "the same, one message under way"),
    echo("echo-1k", "echo --size 1024 --window 8", "echo of a string of 1 KiB"),
    echo("echo-1k-json", "echo --kind json --size 1024 --window 8", "echo of an object of 1 KiB"),
    echo("echo-1k-binary", "echo --kind binary --size 1024 --window 8", "echo of 1 KiB of binary data"),
    echo("ack-32", "ack --size 32 --window 8", "acknowledgements with a short string"),
    broadcast("broadcast-64", "broadcast --size 64 --window 4", "1,000 clients, 4 broadcasts under way"),
    broadcast("broadcast-64-w1", "broadcast --size 64 --window 1", "the same, one under way"),
    broadcast("broadcast-1k", "broadcast --kind json --size 1024 --window 4", "an object of 1 KiB"),
    broadcast(
        "broadcast-1k-binary",
        "broadcast --kind binary --size 1024 --window 4",
        "1 KiB of binary data",
    ),
    Scenario {
        name: "rooms-64",
        load: "rooms --size 64 --rooms 100 --per-room 10 --window 4",
        quick: "",
        unit: "delivery",
        about: "100 rooms of 10 clients, 4 messages under way in each",
    },
    echo("polling-32", "polling --size 32", "echo over long-polling, one message a POST"),
    echo("polling-32-x16", "polling --size 32 --per-post 16", "the same, 16 messages a POST"),
    Scenario {
        name: "connect",
        load: "idle --conns 10000 --settle 1",
        quick: "--conns 1000 --settle 0.3",
        unit: "connection",
        about: "10,000 clients connect and say nothing",
    },
];

const fn echo(name: &'static str, load: &'static str, about: &'static str) -> Scenario {
    Scenario { name, load, quick: "", unit: "round trip", about }
}

const fn broadcast(name: &'static str, load: &'static str, about: &'static str) -> Scenario {
    Scenario { name, load, quick: "", unit: "delivery", about }
}

impl Scenario {
    /// The arguments of the load generator.
    pub(super) fn arguments(&self, quick: bool) -> Vec<&'static str> {
        let (time, besides) =
            if quick { ("--warmup 0.2 --secs 0.5", self.quick) } else { ("--warmup 0.5 --secs 1.2", "") };
        [self.load, time, besides].into_iter().flat_map(str::split_whitespace).collect()
    }
}
