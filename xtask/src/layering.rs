//! Dependencies between crates, and between the modules of a crate.
//!
//! `tests/layering.txt` lists, for each crate, its layers from the top to the bottom, one per line, the
//! modules of a layer separated by spaces. A module may use modules of lower layers, and of its own layer
//! only if the line ends in `*`. The modules of a crate must not form a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The dependencies between the modules of a crate.
type Graph = BTreeMap<String, BTreeSet<String>>;

struct Layers {
    /// For each module its layer, counted from the top, and whether the layer's modules may use each other.
    places: BTreeMap<String, (usize, bool)>,
}

/// Checks all crates of the table.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let table = fs::read_to_string(root.join("tests/layering.txt"))
        .map_err(|error| format!("tests/layering.txt: {error}"))?;
    let mut errors = Vec::new();
    for (name, layers) in parse(&table) {
        let graph = read(&root.join(&name).join("src"));
        println!("{name}: {} modules", graph.len());
        errors.extend(violations(&layers, &graph).into_iter().map(|error| format!("{name}: {error}")));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

fn parse(table: &str) -> Vec<(String, Layers)> {
    let mut crates: Vec<(String, Layers)> = Vec::new();
    let mut layer = 0;
    for line in table
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
    {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            crates.push((name.to_owned(), Layers { places: BTreeMap::new() }));
            layer = 0;
        } else if let Some((_, layers)) = crates.last_mut() {
            layer += 1;
            let (modules, open) = line.strip_suffix('*').map_or((line, false), |line| (line, true));
            layers.places.extend(modules.split_whitespace().map(|module| (module.to_owned(), (layer, open))));
        }
    }
    crates
}

fn violations(layers: &Layers, graph: &Graph) -> Vec<String> {
    let mut errors = Vec::new();
    for (module, uses) in graph {
        let Some((place, open)) = place(layers, module) else {
            errors.push(format!("{module} is in no layer"));
            continue;
        };
        for used in uses {
            match self::place(layers, used) {
                Some((below, _))
                    if below > place || (below == place && (open || top(used) == top(module))) => {}
                Some(_) => errors.push(format!("{module} must not use {used}")),
                None => errors.push(format!("{module} uses {used}, which is in no layer")),
            }
        }
    }
    errors.extend(cycle(graph).map(|modules| format!("cycle: {}", modules.join(" -> "))));
    errors
}

/// The layer of a module: from its own line, or from the line of its folder.
fn place(layers: &Layers, module: &str) -> Option<(usize, bool)> {
    let mut name = module;
    loop {
        if let Some(place) = layers.places.get(name) {
            return Some(*place);
        }
        name = name.rsplit_once("::")?.0;
    }
}

fn top(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// A path that ends at its start.
fn cycle(graph: &Graph) -> Option<Vec<String>> {
    fn visit(
        module: &str,
        graph: &Graph,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = path.iter().position(|seen| seen == module) {
            return Some(path[at..].iter().cloned().chain([module.to_owned()]).collect());
        }
        if done.contains(module) {
            return None;
        }
        path.push(module.to_owned());
        let found = graph.get(module).into_iter().flatten().find_map(|used| visit(used, graph, path, done));
        path.pop();
        done.insert(module.to_owned());
        found
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| visit(module, graph, &mut Vec::new(), &mut done))
}

/// Collects the `crate::`, `super::` and `self::` paths of all modules below a `src` folder. Modules are
/// files; the file `a/mod.rs` is the module `a`. A re-export of the root counts as a use of its module of
/// origin; a re-export of a folder, as a use of the folder.
fn read(src: &Path) -> Graph {
    let mut texts = BTreeMap::new();
    collect(src, "", &mut texts);
    let modules: BTreeSet<String> = texts.keys().cloned().collect();
    let exports = exports(&fs::read_to_string(src.join("lib.rs")).unwrap_or_default());
    let origin = |path: String| match path.split_once("::") {
        Some((name, _)) => exports.get(name).cloned().unwrap_or(path),
        None => exports.get(&path).cloned().unwrap_or(path),
    };
    texts
        .iter()
        .map(|(module, text)| {
            let uses =
                paths(text, module).map(origin).filter_map(|path| resolve(&path, &modules)).filter(|used| {
                    // A folder's own file and the files in it are one module seen from inside.
                    used != module
                        && !used.starts_with(&format!("{module}::"))
                        && !module.starts_with(&format!("{used}::"))
                });
            (module.clone(), uses.collect())
        })
        .collect()
}

/// The re-exports of the root: each name, and its module of origin.
fn exports(root: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let code: String =
        root.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
    for statement in code.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        let path = statement.trim().trim_start_matches("self::").trim_start_matches("crate::");
        let (module, names) = match path.split_once('{') {
            Some((module, group)) => (module.trim_end_matches("::"), group.trim_end_matches('}')),
            None => path.rsplit_once("::").unwrap_or(("", path)),
        };
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.rsplit(" as ").next().unwrap_or(name);
            found.insert(name.to_owned(), module.to_owned());
        }
    }
    found
}

fn collect(folder: &Path, module: &str, texts: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let inside = if module.is_empty() { stem.clone() } else { format!("{module}::{stem}") };
        if path.is_dir() {
            if stem != "bin" {
                collect(&path, &inside, texts);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !["lib", "main", "tests"].contains(&stem.as_str())
        {
            let name = if stem == "mod" { module.to_owned() } else { inside };
            let text = fs::read_to_string(&path).unwrap_or_default();
            // Tests may use every module.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            texts.insert(name, code.to_owned());
        }
    }
}

/// The paths of a file within its crate, from the root.
fn paths<'a>(text: &'a str, module: &'a str) -> impl Iterator<Item = String> + 'a {
    let is_folder = |module: &str| module.to_owned();
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (mark, base) in
            [("crate::", String::new()), ("super::", parent.clone()), ("self::", is_folder(module))]
        {
            let mut rest = line;
            while let Some(at) = rest.find(mark) {
                let before = rest[..at].chars().next_back();
                rest = &rest[at + mark.len()..];
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                    continue;
                }
                found.extend(
                    names(rest)
                        .into_iter()
                        .map(|name| if base.is_empty() { name } else { format!("{base}::{name}") }),
                );
            }
        }
    }
    found.into_iter()
}

/// The paths after a `crate::`: one path, or the paths of a group in braces (one level, which is all that the
/// code uses).
fn names(rest: &str) -> Vec<String> {
    let end = |text: &str| {
        text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len())
    };
    match rest.strip_prefix('{') {
        Some(group) => {
            let group = group.split('}').next().unwrap_or_default();
            group
                .split(',')
                .map(|name| name.trim()[..end(name.trim())].to_owned())
                .filter(|name| !name.is_empty())
                .collect()
        }
        None => vec![rest[..end(rest)].trim_end_matches(':').to_owned()],
    }
}

/// The module of a path: its longest prefix that is a module.
fn resolve(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut name = path;
    loop {
        if modules.contains(name) {
            return Some(name.to_owned());
        }
        name = name.rsplit_once("::")?.0;
    }
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
        let layers = parse("[a]\ntop\nleft right\nfree1 free2 *\nbottom").remove(0).1;
        let fine = graph(&[
            ("top", &["left", "bottom"]),
            ("left", &["free1"]),
            ("free1", &["free2"]),
            ("bottom", &[]),
        ]);
        assert_eq!(violations(&layers, &fine), [""; 0]);
        assert_eq!(
            violations(&layers, &graph(&[("left", &["right"]), ("right", &[])])),
            ["left must not use right"]
        );
        assert_eq!(
            violations(&layers, &graph(&[("bottom", &["top"]), ("top", &[])])),
            ["bottom must not use top"]
        );
        assert_eq!(violations(&layers, &graph(&[("new", &[])])), ["new is in no layer"]);
    }

    #[test]
    fn a_cycle_is_found_also_inside_a_layer() {
        let layers = parse("[a]\nx y z *").remove(0).1;
        let found = violations(&layers, &graph(&[("x", &["y"]), ("y", &["z"]), ("z", &["x"])]));
        assert_eq!(found, ["cycle: x -> y -> z -> x"]);
    }

    #[test]
    fn paths_are_read_from_uses_and_from_code() {
        let text =
            "use crate::{a, b::C};\nuse super::d;\nlet x = crate::e::f();\n// crate::no\nuse other_crate::g;";
        let found: Vec<String> = paths(text, "m::n").collect();
        assert_eq!(found, ["a", "b::C", "m::d", "e::f"]);
        let modules = BTreeSet::from(["b".to_owned(), "m".to_owned()]);
        assert_eq!(resolve("b::C", &modules).as_deref(), Some("b"));
    }

    #[test]
    fn re_exports_of_the_root_lead_to_their_module() {
        let found = exports("//! pub use no;\npub use self::a::{B, C as D};\npub use e::f::G;\npub mod h;");
        let expected = [("B", "a"), ("D", "a"), ("G", "e::f")];
        assert_eq!(found, expected.map(|(name, module)| (name.to_owned(), module.to_owned())).into());
    }
}
