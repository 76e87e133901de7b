//! The other gateways that this node has heard of.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use engineio::sync::Mutex;

use super::question::Presence;

/// Silence after which a node is not expected any more. It is three heartbeats and a second.
const SILENCE: Duration = Duration::from_secs(7);
/// Limit of the nodes that are remembered.
const MAX_MEMBERS: usize = 1_000;
/// Limit of the length of a name, in bytes.
const MAX_NAME: usize = 64;

/// The other gateways, by instance.
#[derive(Debug, Default)]
pub(super) struct Members(Mutex<HashMap<String, Member>>);

#[derive(Debug)]
struct Member {
    node: String,
    heard: Instant,
    /// The node drains: it answers while it can, and is not missed.
    leaving: bool,
}

impl Members {
    /// Records that a node is there, or leaves.
    pub(super) fn heard(&self, presence: &Presence, now: Instant) {
        if presence.instance.len() > MAX_NAME || presence.node.len() > MAX_NAME {
            return;
        }
        let mut members = self.0.lock();
        members.retain(|_, member| is_alive(member, now));
        if let Some(member) = members.get_mut(&presence.instance) {
            member.heard = now;
            member.leaving |= presence.leaving;
        } else if members.len() < MAX_MEMBERS {
            let member = Member { node: presence.node.clone(), heard: now, leaving: presence.leaving };
            members.insert(presence.instance.clone(), member);
        }
    }

    /// Whether this instance is not known yet.
    pub(super) fn is_new(&self, instance: &str) -> bool {
        !self.0.lock().contains_key(instance)
    }

    /// The names of the nodes that should answer, by instance.
    pub(super) fn expected(&self, now: Instant) -> HashMap<String, String> {
        let members = self.0.lock();
        let expected = members.iter().filter(|(_, member)| is_alive(member, now) && !member.leaving);
        expected.map(|(instance, member)| (instance.clone(), member.node.clone())).collect()
    }

    /// The names of all nodes, sorted.
    pub(super) fn names(&self, now: Instant) -> Vec<String> {
        let members = self.0.lock();
        let alive = members.values().filter(|member| is_alive(member, now));
        let mut names: Vec<String> = alive.map(|member| member.node.clone()).collect();
        names.sort();
        names
    }
}

fn is_alive(member: &Member, now: Instant) -> bool {
    now.saturating_duration_since(member.heard) <= SILENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(instance: &str, leaving: bool) -> Presence {
        Presence { node: format!("node {instance}"), instance: instance.to_owned(), leaving }
    }

    #[test]
    fn silent_and_leaving_nodes_are_not_expected() {
        let members = Members::default();
        let now = Instant::now();
        members.heard(&presence("a", false), now);
        members.heard(&presence("b", false), now);
        assert_eq!(members.names(now), ["node a", "node b"]);
        members.heard(&presence("b", true), now);
        // An answer of a node that leaves does not bring it back.
        members.heard(&presence("b", false), now);
        assert_eq!(members.expected(now).into_values().collect::<Vec<_>>(), ["node a"]);
        assert_eq!(members.names(now), ["node a", "node b"]);
        let later = now + SILENCE + Duration::from_millis(1);
        assert!(members.expected(later).is_empty() && members.names(later).is_empty());
        members.heard(&presence("c", false), later);
        assert_eq!(members.0.lock().len(), 1);
    }

    #[test]
    fn remembered_nodes_are_bounded() {
        let members = Members::default();
        let now = Instant::now();
        for number in 0..MAX_MEMBERS + 10 {
            members.heard(&presence(&number.to_string(), false), now);
        }
        members.heard(&presence(&"x".repeat(MAX_NAME + 1), false), now + SILENCE);
        assert_eq!(members.names(now).len(), MAX_MEMBERS);
    }
}
