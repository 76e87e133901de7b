//! Slots: which one a key has, and which server has it.

use std::collections::{BTreeSet, HashMap};

use redis::{ServerError, Value};

use super::super::DriverError;
use super::super::address::Address;

/// The number of slots of a cluster.
const SLOTS: u16 = 16384;

/// Maximum number of servers of a cluster, replicas included.
const MAX_SERVERS: usize = 1000;

/// The slot of a key or a channel: that of the part in braces, if there is one.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tagged = || {
        let (_, rest) = key.split_at_checked(key.iter().position(|byte| *byte == b'{')? + 1)?;
        let end = rest.iter().position(|byte| *byte == b'}')?;
        (end > 0).then(|| &rest[..end])
    };
    let mut crc = 0u16;
    for byte in tagged().unwrap_or(key) {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
    }
    crc % SLOTS
}

/// Which server has which slots.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotMap {
    /// The first and the last slot of each range, and their master.
    ranges: Vec<(u16, u16, Address)>,
    /// Slots of which a server has said since that another one has them.
    moved: HashMap<u16, Address>,
    /// All servers, replicas included.
    servers: BTreeSet<Address>,
}

impl SlotMap {
    /// Reads the reply to CLUSTER SLOTS of the server at this address.
    pub(super) fn read(reply: Value, asked: &Address) -> Result<Self, DriverError> {
        let ranges = match reply {
            Value::Array(ranges) => ranges,
            Value::ServerError(error) => return Err(DriverError::new(error)),
            _ => return Err(DriverError::Answer("CLUSTER SLOTS")),
        };
        let mut map = Self::default();
        let is_read = ranges.len() <= usize::from(SLOTS)
            && ranges.into_iter().all(|range| map.add(range, asked).is_some())
            && map.servers.len() <= MAX_SERVERS;
        if is_read { Ok(map) } else { Err(DriverError::Answer("CLUSTER SLOTS")) }
    }

    fn add(&mut self, range: Value, asked: &Address) -> Option<()> {
        let Value::Array(parts) = range else { return None };
        let mut parts = parts.into_iter();
        let mut slot = || match parts.next()? {
            Value::Int(slot) => u16::try_from(slot).ok().filter(|slot| *slot < SLOTS),
            _ => None,
        };
        let (first, last) = (slot()?, slot()?);
        let mut master = None;
        for server in parts {
            let Value::Array(server) = server else { return None };
            let Some(Value::Int(port)) = server.get(1) else { return None };
            let host = match server.first()? {
                // The server does not know under which name it was reached.
                Value::Nil => asked.host.as_bytes(),
                Value::BulkString(host) if host.is_empty() => asked.host.as_bytes(),
                Value::BulkString(host) => host,
                _ => return None,
            };
            let address = Address::new(host, u16::try_from(*port).ok()?)?;
            master.get_or_insert_with(|| address.clone());
            self.servers.insert(address);
            if self.servers.len() > MAX_SERVERS {
                return None;
            }
        }
        self.ranges.push((first, last, master?));
        Some(())
    }

    /// The master of a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&Address> {
        let covers = |(first, last, _): &&(u16, u16, Address)| (*first..=*last).contains(&slot);
        self.moved.get(&slot).or_else(|| self.ranges.iter().find(covers).map(|(_, _, owner)| owner))
    }

    /// A redirection names the new owner of the slot.
    pub(super) fn moved(&mut self, slot: u16, owner: &Address) {
        if slot < SLOTS {
            self.moved.insert(slot, owner.clone());
        }
    }

    /// The masters, each once.
    pub(super) fn masters(&self) -> BTreeSet<&Address> {
        self.ranges.iter().map(|(_, _, owner)| owner).collect()
    }

    /// All servers.
    pub(super) fn servers(&self) -> &BTreeSet<Address> {
        &self.servers
    }
}

/// Redirection of a command by a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// The slot has a new owner.
    Moved(u16, Address),
    /// The key may be there already. The slot stays for now.
    Ask(Address),
}

impl Redirection {
    /// Reads an error of the server at this address. `None` if it is another error.
    pub(super) fn read(error: &ServerError, asked: &Address) -> Option<Self> {
        let (slot, place) = error.details()?.split_once(' ')?;
        let (host, port) = place.rsplit_once(':')?;
        let host = if host.is_empty() { &asked.host } else { host };
        let address = Address::new(host.as_bytes(), port.parse().ok()?)?;
        match error.code() {
            "MOVED" => Some(Self::Moved(slot.parse().ok().filter(|slot| *slot < SLOTS)?, address)),
            "ASK" => Some(Self::Ask(address)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address::new(b"h", port).unwrap()
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(first: i64, last: i64, servers: &[(&str, i64)]) -> Value {
        let servers = servers.iter().map(|(host, port)| Value::Array(vec![text(host), Value::Int(*port)]));
        Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(servers).collect())
    }

    #[test]
    fn keys_have_the_slots_of_redis() {
        for (key, expected) in
            [("", 0), ("foo", 12182), ("123456789", 12739), ("a{foo}b", 12182), ("{}foo", slot(b"{}foo"))]
        {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
        assert_ne!(slot(b"{}foo"), slot(b"foo"));
        assert_eq!(slot(b"{foo"), slot(b"{foo"));
    }

    #[test]
    fn owners_follow_the_map_and_what_servers_say_since() {
        let reply = Value::Array(vec![range(0, 99, &[("h", 1), ("h", 2)]), range(100, 16383, &[("", 3)])]);
        let mut map = SlotMap::read(reply, &address(9)).unwrap();
        assert_eq!((map.owner(99), map.owner(100)), (Some(&address(1)), Some(&address(3))));
        assert_eq!((map.masters().len(), map.servers().len()), (2, 3));
        map.moved(99, &address(3));
        map.moved(SLOTS, &address(3));
        assert_eq!(
            (map.owner(99), map.owner(98), map.owner(SLOTS)),
            (Some(&address(3)), Some(&address(1)), None)
        );
    }

    #[test]
    fn an_answer_with_too_many_servers_or_ranges_is_refused() {
        let read = |ranges: Vec<Value>| SlotMap::read(Value::Array(ranges), &address(9));
        let servers =
            |number: i64| vec![range(0, 1, &(1..=number).map(|port| ("h", port)).collect::<Vec<_>>())];
        assert!(read(servers(1000)).is_ok());
        assert!(read(servers(1001)).is_err());
        let ranges = |number: usize| vec![range(0, 1, &[("h", 1)]); number];
        assert!(read(ranges(16384)).is_ok());
        assert!(read(ranges(16385)).is_err());
        for wrong in [
            range(0, 16384, &[("h", 1)]),
            range(-1, 1, &[("h", 1)]),
            range(0, 1, &[]),
            range(0, 1, &[("h", 0)]),
            range(0, 1, &[(&"h".repeat(256), 1)]),
            Value::Nil,
        ] {
            assert!(read(vec![wrong.clone()]).is_err(), "{wrong:?}");
        }
    }
}
