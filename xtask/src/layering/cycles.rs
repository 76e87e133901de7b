//! Cycles between modules that are siblings, in each folder of a crate.
//!
//! A use of `a::b` by `a::c::d` is one of `b` by `c` in the folder `a`: the use counts where the two paths
//! part.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use super::modules::{Graph, join, parent};

/// Modules of one folder of which each uses each other, directly or not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    /// The module around them; empty for the top modules.
    pub(super) folder: String,
    /// Names inside of the folder.
    pub(super) modules: BTreeSet<String>,
}

/// The line for `tests/layering.txt`.
impl Display for Cycle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let space = if self.folder.is_empty() { "" } else { " " };
        let modules: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        write!(f, "cycle{space}{}: {}", self.folder, modules.join(" "))
    }
}

/// For each folder, which of its modules uses which.
pub(super) fn siblings(graph: &Graph) -> BTreeMap<String, Graph> {
    let mut folders: BTreeMap<String, Graph> = BTreeMap::new();
    for module in graph.keys() {
        let mut name = module.as_str();
        while !name.is_empty() {
            let folder = folders.entry(parent(name).to_owned()).or_default();
            folder.entry(name.rsplit("::").next().unwrap_or(name).to_owned()).or_default();
            name = parent(name);
        }
    }
    for (module, uses) in graph {
        for used in uses {
            let (folder, user, used) = part(module, used);
            folders.entry(folder).or_default().entry(user.to_owned()).or_default().insert(used.to_owned());
        }
    }
    folders
}

/// Where two paths part: the folder, and the two names in it. Neither module is inside of the other.
pub(super) fn part<'a>(left: &'a str, right: &'a str) -> (String, &'a str, &'a str) {
    let mut folder = String::new();
    let (mut lefts, mut rights) = (left.split("::"), right.split("::"));
    loop {
        let (left, right) = (lefts.next().unwrap_or_default(), rights.next().unwrap_or_default());
        if left != right || left.is_empty() {
            return (folder, left, right);
        }
        folder = join(&folder, left);
    }
}

/// The groups of modules of which each uses each other, directly or not, in all folders.
pub(super) fn find(graph: &Graph) -> Vec<Cycle> {
    let mut cycles = Vec::new();
    for (folder, graph) in siblings(graph) {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            graph.keys().map(|module| (module.as_str(), reachable(&graph, module))).collect();
        let mut seen = BTreeSet::new();
        for (module, reached) in &reach {
            if !reached.contains(module) || !seen.insert(*module) {
                continue;
            }
            let others = reached.iter().filter(|other| reach[*other].contains(module));
            let modules: BTreeSet<String> = others.map(|other| (*other).to_owned()).collect();
            seen.extend(reached.iter().filter(|other| modules.contains(**other)));
            cycles.push(Cycle { folder: folder.clone(), modules });
        }
    }
    cycles
}

/// Everything that a module uses, directly or not.
fn reachable<'a>(graph: &'a Graph, module: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = graph[module].iter().map(String::as_str).collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(graph[next].iter().map(String::as_str));
        }
    }
    reached
}

/// Each use inside of a cycle, as `user -> used`, in full paths.
pub(super) fn uses(graph: &Graph, cycle: &Cycle) -> Vec<String> {
    let mut found = Vec::new();
    for (module, uses) in graph {
        for used in uses {
            let (folder, left, right) = part(module, used);
            if folder == cycle.folder && cycle.modules.contains(left) && cycle.modules.contains(right) {
                found.push(format!("{module} -> {used}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let owned = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges.iter().map(|(module, uses)| ((*module).to_owned(), owned(uses))).collect()
    }

    fn cycle(folder: &str, modules: &[&str]) -> Cycle {
        Cycle { folder: folder.to_owned(), modules: modules.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_cycle_of_files_is_found_in_their_folder() {
        let found = find(&graph(&[
            ("a", &[]),
            ("a::x", &["a::y"]),
            ("a::y", &["a::z"]),
            ("a::z", &["a::x", "b"]),
            ("b", &[]),
        ]));
        assert_eq!(found, [cycle("a", &["x", "y", "z"])]);
    }

    #[test]
    fn folders_that_use_each_other_are_a_cycle_whichever_of_their_files_do() {
        let graph = graph(&[("a::x", &["b"]), ("b", &["a::y"]), ("a::y", &[]), ("c", &["a::x"])]);
        assert_eq!(find(&graph), [cycle("", &["a", "b"])]);
        assert_eq!(uses(&graph, &cycle("", &["a", "b"])), ["a::x -> b", "b -> a::y"]);
    }

    #[test]
    fn two_cycles_in_a_folder_are_two() {
        let found = find(&graph(&[("a", &["b", "c"]), ("b", &["a"]), ("c", &["d"]), ("d", &["c"])]));
        assert_eq!(found, [cycle("", &["a", "b"]), cycle("", &["c", "d"])]);
    }

    #[test]
    fn layers_are_no_cycle() {
        assert_eq!(find(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), []);
    }
}
