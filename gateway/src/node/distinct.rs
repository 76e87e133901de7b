//! Number of different names on several nodes, without telling all names.
//!
//! Each node tells the smallest hashes of its names, and the bound below which it told all. The merged set is exact
//! while every node told all its hashes. Otherwise the number of hashes below the smallest bound is scaled up; with
//! 10,000 hashes the error is about 1 %.

use serde::{Deserialize, Serialize};

/// Hashes of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Distinct {
    /// Sorted hashes, all that are at most `bound`.
    hashes: Vec<u64>,
    bound: u64,
    /// Number of names, if they are those of this node alone.
    #[serde(skip)]
    names: Option<usize>,
}

impl Default for Distinct {
    fn default() -> Self {
        Self { hashes: Vec::new(), bound: u64::MAX, names: None }
    }
}

impl Distinct {
    /// The names of this node, of which at most `most` hashes are kept. With 0 they are only counted.
    pub(crate) fn of<'a>(names: impl ExactSizeIterator<Item = &'a str>, most: usize) -> Self {
        let number = names.len();
        let mut hashes: Vec<u64> = if most == 0 { Vec::new() } else { names.map(hash).collect() };
        hashes.sort_unstable();
        let mut bound = u64::MAX;
        if number > most {
            hashes.truncate(most);
            bound = hashes.last().copied().unwrap_or_default();
        }
        Self { hashes, bound, names: Some(number) }
    }

    /// Adds the names of another node.
    pub(crate) fn add(&mut self, other: Self) {
        self.names = None;
        self.bound = self.bound.min(other.bound);
        self.hashes.extend(other.hashes);
        self.hashes.sort_unstable();
        self.hashes.dedup();
        let bound = self.bound;
        self.hashes.retain(|hash| *hash <= bound);
    }

    /// Number of different names.
    pub(crate) fn count(&self) -> usize {
        if let Some(names) = self.names {
            return names;
        }
        if self.bound == u64::MAX {
            return self.hashes.len();
        }
        let share = self.bound as f64 / u64::MAX as f64;
        (self.hashes.len() as f64 / share.max(f64::MIN_POSITIVE)) as usize
    }
}

/// FNV-1a with a final mix: the same on all nodes, and evenly distributed.
fn hash(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<u32>, most: usize) -> Distinct {
        let names: Vec<String> = range.map(|number| format!("room {number}")).collect();
        Distinct::of(names.iter().map(String::as_str), most)
    }

    #[test]
    fn names_on_several_nodes_count_once() {
        let mut merged = Distinct::default();
        assert_eq!(merged.count(), 0);
        merged.add(names(0..30, 100));
        merged.add(names(20..50, 100));
        merged.add(Distinct::default());
        assert_eq!(merged.count(), 50);
    }

    #[test]
    fn many_names_are_estimated_from_some() {
        assert_eq!(names(0..50_000, 0).count(), 50_000);
        let mut merged = names(0..50_000, 5_000);
        assert_eq!((merged.count(), merged.hashes.len()), (50_000, 5_000));
        merged.add(names(25_000..75_000, 5_000));
        let error = merged.count().abs_diff(75_000);
        assert!(error < 75_000 / 20, "{}", merged.count());
    }

    /// The hashes come from another process.
    #[test]
    fn wrong_hashes_do_no_harm() {
        let mut merged = names(0..10, 100);
        merged.add(Distinct { hashes: vec![u64::MAX, 0, 0], bound: 0, names: None });
        assert_eq!(merged.count(), usize::MAX);
        merged.add(names(0..10, 100));
    }
}
