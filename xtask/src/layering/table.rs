//! The declared layers: `tests/layering.txt`.
//!
//! A section `[crate]` lists the layers of a crate from the top to the bottom, one per line, the modules of a
//! layer separated by spaces; a section `[crate::folder]` those inside of one of its modules. A module that
//! has no line of its own is on the line of the module around it. A module may use modules of lower layers,
//! and of its own layer only if the line ends in `*` or both are inside of the same module.
//!
//! A line `cycle folder: a b c` accepts a known cycle in that folder of the crate.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::Cycle;
use super::modules::Graph;

/// The layers of a crate, or of a module of one.
#[derive(Default)]
pub(super) struct Section {
    /// The name of the crate.
    pub(super) name: String,
    /// The module; empty for the whole crate.
    pub(super) folder: String,
    /// For each module its layer, counted from the top, and whether the layer's modules may use each other.
    places: BTreeMap<String, (usize, bool)>,
    pub(super) cycles: Vec<Cycle>,
}

pub(super) fn parse(table: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let lines = table.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (name, folder) = name.split_once("::").unwrap_or((name, ""));
            sections.push(Section { name: name.to_owned(), folder: folder.to_owned(), ..Section::default() });
        } else if let Some(section) = sections.last_mut() {
            section.line(number, line);
        }
    }
    sections
}

impl Section {
    fn line(&mut self, number: usize, line: &str) {
        let cycle = line.strip_prefix("cycle").filter(|rest| rest.starts_with([':', ' ']));
        if let Some((folder, modules)) = cycle.and_then(|rest| rest.rsplit_once(": ")) {
            self.cycles.push(Cycle { folder: folder.trim().to_owned(), modules: names(modules).collect() });
            return;
        }
        let (modules, open) = line.strip_suffix('*').map_or((line, false), |line| (line, true));
        self.places.extend(names(modules).map(|module| (module, (number, open))));
    }

    /// What a graph has that the layers do not allow, and what the layers name that the graph does not have.
    pub(super) fn violations(&self, graph: &Graph) -> Vec<String> {
        let mut errors = BTreeSet::new();
        let modules: BTreeMap<&str, &BTreeSet<String>> =
            graph.iter().filter_map(|(module, uses)| Some((self.inside(module)?, uses))).collect();
        let exists = |named: &str| {
            let below = format!("{named}::");
            modules.keys().any(|module| *module == named || module.starts_with(&below))
        };
        if self.places.is_empty() {
            return Vec::new();
        }
        errors.extend(
            self.places
                .keys()
                .filter(|named| !exists(named))
                .map(|named| format!("there is no module {named}")),
        );
        for (module, uses) in modules {
            let Some((place, open)) = self.place(module) else {
                errors.insert(format!("{module} is in no layer"));
                continue;
            };
            for used in uses.iter().filter_map(|used| self.inside(used)) {
                // A module without a layer is reported once, where it stands.
                let Some((below, _)) = self.place(used) else { continue };
                let level = below == place && (open || top(used) == top(module));
                if below <= place && !level {
                    errors.insert(format!("{module} must not use {used}"));
                }
            }
        }
        errors.into_iter().collect()
    }

    /// The path inside of the section's module.
    fn inside<'a>(&self, module: &'a str) -> Option<&'a str> {
        if self.folder.is_empty() {
            return Some(module);
        }
        module.strip_prefix(self.folder.as_str())?.strip_prefix("::")
    }

    /// The layer of a module: from its own line, or from the line of its folder.
    fn place(&self, module: &str) -> Option<(usize, bool)> {
        let mut name = module;
        loop {
            if let Some(place) = self.places.get(name) {
                return Some(*place);
            }
            name = name.rsplit_once("::")?.0;
        }
    }
}

fn names(line: &str) -> impl Iterator<Item = String> {
    line.split_whitespace().map(str::to_owned)
}

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let owned = |names: &&[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges.iter().map(|(module, uses)| ((*module).to_owned(), owned(uses))).collect()
    }

    #[test]
    fn a_use_upwards_or_sideways_is_a_violation() {
        let layers = parse("[a]\ntop\nleft right\nfree1 free2 *\nbottom").remove(0);
        let fine: &[(&str, &[&str])] = &[
            ("top", &["left", "bottom"]),
            ("left", &["free1"]),
            ("right", &[]),
            ("free1", &["free2"]),
            ("free2", &[]),
            ("bottom", &[]),
        ];
        assert_eq!(layers.violations(&graph(fine)), [""; 0]);
        let mut wrong = graph(fine);
        wrong.insert("left".to_owned(), ["right".to_owned()].into());
        wrong.insert("bottom".to_owned(), ["top".to_owned()].into());
        assert_eq!(layers.violations(&wrong), ["bottom must not use top", "left must not use right"]);
    }

    #[test]
    fn the_table_names_each_module_and_no_others() {
        let layers = parse("[a]\nx\ny::z").remove(0);
        let found = layers.violations(&graph(&[("new", &[]), ("y", &[])]));
        assert_eq!(
            found,
            ["new is in no layer", "there is no module x", "there is no module y::z", "y is in no layer"]
        );
    }

    #[test]
    fn a_section_orders_the_modules_of_a_folder() {
        let layers = parse("[a::b]\nx\ny").remove(0);
        let fine = graph(&[("b", &["c"]), ("b::x", &["b::y", "c"]), ("b::y", &[]), ("c", &["b::x"])]);
        assert_eq!(layers.violations(&fine), [""; 0]);
        let wrong = graph(&[("b::x", &[]), ("b::y", &["b::x"])]);
        assert_eq!(layers.violations(&wrong), ["y must not use x"]);
    }

    #[test]
    fn known_cycles_are_no_layer() {
        let section = parse("[a]\ncycle: x y\ncycle b::c: z w # why\n").remove(0);
        let cycle = |folder: &str, modules: [&str; 2]| Cycle {
            folder: folder.to_owned(),
            modules: modules.map(str::to_owned).into(),
        };
        assert_eq!(section.cycles, [cycle("", ["x", "y"]), cycle("b::c", ["z", "w"])]);
        assert!(section.places.is_empty());
    }
}
