//! Dependencies between the modules of each crate.
//!
//! A module uses another one if it imports something of it or names a path into it, directly or through
//! re-exports, outside of code for tests. A use counts between siblings, where the paths of the two modules
//! part; uses between a module and those inside of it do not count. Two rules hold:
//!
//! - The modules of a folder form no cycle, and no module uses items of a root file that uses the module.
//!   Cycles that `tests/layering.txt` lists as known are accepted.
//! - Modules with a place in `tests/layering.txt` use only modules of lower layers.

mod cycles;
mod modules;
mod source;
mod table;
mod tokens;

use std::collections::BTreeSet;
use std::fs;

use crate::paths::root;
use crate::workspace;

use self::cycles::Cycle;
use self::modules::{Graph, Modules};
use self::table::Section;

/// Checks the crates of the workspace, and those that are workspaces of their own.
pub(crate) fn check() -> Result<(), String> {
    let root = root();
    let table = fs::read_to_string(root.join("tests/layering.txt"))
        .map_err(|error| format!("tests/layering.txt: {error}"))?;
    let sections = table::parse(&table);
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    for (name, file) in workspace::crates()? {
        let modules = Modules::read(&file, &|file| fs::read_to_string(file).ok())?;
        let graph = modules.graph();
        if graph.len() > 1 {
            println!("{name}: {} modules", graph.len());
        }
        let sections: Vec<&Section> = sections.iter().filter(|section| section.name == name).collect();
        let found = violations(&modules, &graph, &sections);
        errors.extend(found.into_iter().map(|error| format!("{name}: {error}")));
        names.insert(name);
    }
    let unknown = sections.iter().filter(|section| !names.contains(&section.name));
    errors.extend(unknown.map(|section| format!("tests/layering.txt: there is no crate {}", section.name)));
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

fn violations(modules: &Modules, graph: &Graph, sections: &[&Section]) -> Vec<String> {
    let mut errors: Vec<String> = modules
        .cycles_with_root()
        .into_iter()
        .map(|top| format!("the root and {top} use each other"))
        .collect();
    let known: Vec<&Cycle> = sections.iter().flat_map(|section| &section.cycles).collect();
    let found = cycles::find(graph);
    let is_in = |cycle: &Cycle, known: &Cycle| {
        cycle.folder == known.folder && cycle.modules.is_subset(&known.modules)
    };
    for cycle in found.iter().filter(|cycle| !known.iter().any(|known| is_in(cycle, known))) {
        let uses = cycles::uses(graph, cycle).join("\n    ");
        errors.push(format!("{cycle}\n    {uses}"));
    }
    let gone = known.iter().filter(|known| !found.iter().any(|cycle| is_in(cycle, known)));
    errors.extend(gone.map(|cycle| format!("there is no {cycle}; its line in tests/layering.txt can go")));
    for section in sections {
        let inside =
            if section.folder.is_empty() { String::new() } else { format!("in {}: ", section.folder) };
        errors.extend(section.violations(graph).into_iter().map(|error| format!("{inside}{error}")));
    }
    errors
}

/// Prints an order of the modules of a crate, or of a folder of it, that their uses allow: a proposal for
/// `tests/layering.txt`, in which modules have come apart that belong together. Modules in a cycle share a
/// line.
pub(crate) fn propose(name: &str, folder: &str) -> Result<(), String> {
    let (_, file) = workspace::crates()?
        .into_iter()
        .find(|(found, _)| found == name)
        .ok_or_else(|| format!("there is no crate {name}"))?;
    let graph = Modules::read(&file, &|file| fs::read_to_string(file).ok())?.graph();
    let mut folders = cycles::siblings(&graph);
    let modules = folders.remove(folder).ok_or_else(|| format!("{name} has no folder {folder}"))?;
    for line in layers(&modules, &cycles::find(&modules)).into_iter().rev() {
        println!("{}", line.join(" "));
    }
    Ok(())
}

/// The layers from the bottom to the top: a module is in the lowest one that is above all that it uses.
fn layers(modules: &Graph, cycles: &[Cycle]) -> Vec<Vec<String>> {
    let mut layers: Vec<Vec<String>> = Vec::new();
    let mut placed = BTreeSet::new();
    let group = |module: &String| {
        let cycle = cycles.iter().find(|cycle| cycle.modules.contains(module));
        cycle.map_or_else(|| BTreeSet::from([module.clone()]), |cycle| cycle.modules.clone())
    };
    while placed.len() < modules.len() {
        let next: BTreeSet<_> = modules
            .keys()
            .filter(|module| !placed.contains(*module))
            .map(group)
            .filter(|group| {
                let mut uses = group.iter().flat_map(|module| &modules[module]);
                uses.all(|used| group.contains(used) || placed.contains(used))
            })
            .collect();
        let mut line: BTreeSet<String> = BTreeSet::new();
        for group in next {
            if group.len() > 1 {
                let cycle = group.iter().cloned().chain(["*".to_owned()]).collect();
                layers.push(cycle);
            } else {
                line.extend(group.iter().cloned());
            }
            placed.extend(group);
        }
        if !line.is_empty() {
            layers.push(line.into_iter().collect());
        }
    }
    layers
}

#[cfg(test)]
mod tests;
