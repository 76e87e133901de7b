//! A cluster of 64 nodes over a medium in memory, with virtual time: nodes join and crash, links are slow, are cut and
//! return, as a seed says.
//!
//! Whatever happens, no client receives an event twice or out of the order of its sender, a request answers within its
//! deadline with all nodes that are well or with an error that says what is missing, and nothing is left in the end.
//!
//! `CLUSTER_SEEDS` is the number of seeds, by default 12; `CLUSTER_SEED` runs a single one. A failure prints its seed.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

mod client;
mod medium;
mod nodes;
mod numbers;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::Violations;
use crate::medium::{Kind, Medium};
use crate::nodes::{Node, Register};
use crate::numbers::Numbers;

const NODES: usize = 64;
/// Duration of the phase with faults.
const TROUBLE: Duration = Duration::from_secs(40);
/// Longer than each deadline: after it nothing may be open.
const REST: Duration = Duration::from_secs(40);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn a_cluster_keeps_its_promises() {
    let seeds = match number("CLUSTER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CLUSTER_SEEDS").unwrap_or(12),
    };
    let mut checks = 0;
    for seed in seeds {
        let kind = [Kind::Heartbeats, Kind::Counted, Kind::Ordered][(seed % 3) as usize];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (violations, checked) = runtime.unwrap().block_on(simulate(seed, kind));
        assert!(violations.is_empty(), "CLUSTER_SEED={seed} ({kind:?}): {violations:#?}");
        println!("CLUSTER_SEED={seed} ({kind:?}): {checked} answers checked");
        checks += checked;
    }
    // With some seeds no request is free of trouble.
    assert!(checks > 0, "no answer was checked");
}

/// Returns the violations, and the number of answers that were checked.
async fn simulate(seed: u64, kind: Kind) -> (Vec<String>, usize) {
    let mut numbers = Numbers::new(seed);
    let (register, violations) = (Register::default(), Violations::default());
    let medium = Medium::new(kind, numbers.split());
    let mut joined = 0;
    let mut nodes = Vec::new();
    let mut join = |nodes: &mut Vec<Node>, numbers: &mut Numbers| {
        nodes.push(Node::join(&medium, kind, joined, &register, &violations, numbers.split()));
        joined += 1;
    };
    for _ in 0..NODES {
        join(&mut nodes, &mut numbers);
    }
    let begun = Instant::now();
    while begun.elapsed() < TROUBLE {
        sleep(numbers.milliseconds(2000)).await;
        let at = numbers.below(nodes.len());
        let node = &nodes[at];
        match numbers.below(8) {
            0 if nodes.len() < NODES + 8 => join(&mut nodes, &mut numbers),
            1 if nodes.len() > NODES - 8 => {
                let node = nodes.swap_remove(at);
                register.change(node.at, |node| node.is_gone = true);
                node.crash(&medium);
            }
            2 | 3 => {
                register.change(node.at, |node| node.is_cut = true);
                node.port.cut(numbers.milliseconds(5000));
            }
            4 => node.port.set_slowness(600),
            5 => node.port.set_slowness(5),
            _ => {
                for node in nodes.iter().filter(|node| node.port.is_cut()) {
                    heal(node, &register);
                }
            }
        }
    }
    for node in &nodes {
        heal(node, &register);
        node.port.set_slowness(5);
        node.rest();
    }
    sleep(REST).await;
    settled(&nodes, kind, &violations).await;
    (violations.take(), violations.checks())
}

fn heal(node: &Node, register: &Register) {
    if node.port.is_cut() {
        node.port.heal();
        register.change(node.at, |node| (node.is_cut, node.well_since) = (false, Instant::now()));
    }
}

/// Nothing is left, all nodes know each other, and an event of each reaches the clients of all.
async fn settled(nodes: &[Node], kind: Kind, violations: &Violations) {
    for node in nodes {
        let stats = node.stats();
        if (stats.open_requests, stats.open_replies, stats.pending_echoes) != (0, 0, 0) {
            violations.add(format!("something is left at {}: {stats:?}", node.name));
        }
        let expected = if kind == Kind::Heartbeats { nodes.len() - 1 } else { 0 };
        if stats.nodes != expected {
            violations.add(format!("{} knows {} of {expected} nodes", node.name, stats.nodes));
        }
    }
    for node in nodes {
        if !node.say_last().await {
            violations.add(format!("{} cannot publish", node.name));
        }
    }
    sleep(Duration::from_secs(2)).await;
    for node in nodes {
        let received = node.client.received.lock().unwrap().clone();
        let missing = nodes.iter().filter(|sender| received.get(&sender.name) != Some(&u64::MAX));
        for sender in missing {
            violations.add(format!("{} did not receive the last event of {}", node.name, sender.name));
        }
    }
}
