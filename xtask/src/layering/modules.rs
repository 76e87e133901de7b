//! The modules of one crate: the files that its root declares, and which module uses which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as File;

use super::source::{self, Module, Path};

/// Which module uses which, by their paths; the root has the empty path.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

/// Gives the text of a file that exists.
pub(super) type Load<'a> = &'a dyn Fn(&File) -> Option<String>;

/// Number of re-exports that are followed. Those of code that does not compile may form a cycle.
const MOST_STEPS: usize = 16;

/// The modules of a crate by their paths.
#[derive(Default)]
pub(super) struct Modules {
    /// The content of each module, those written inside of a file included.
    all: BTreeMap<String, Module>,
    /// For each module the one whose file it is written in, which is itself for most.
    files: BTreeMap<String, String>,
}

/// The result of following a path.
#[derive(Default)]
struct Used {
    modules: BTreeSet<String>,
    /// Whether the path ends at an item of the root, and not at one that the root imports.
    root: bool,
}

impl Modules {
    /// Reads the files of a crate, beginning with its root. Modules for tests only are left out.
    pub(super) fn read(root: &File, load: Load<'_>) -> Result<Self, String> {
        let mut modules = Self::default();
        let text = load(root).ok_or_else(|| format!("{}: not readable", root.display()))?;
        let folder = root.parent().unwrap_or(File::new(""));
        modules.insert("", "", source::read(&text), folder, folder, load)?;
        Ok(modules)
    }

    /// Takes a module in, and its children: those with a file of their own have it in `folder`, or where a
    /// `path` says, seen from the folder `beside`.
    fn insert(
        &mut self,
        name: &str,
        written_in: &str,
        mut module: Module,
        folder: &File,
        beside: &File,
        load: Load<'_>,
    ) -> Result<(), String> {
        for child in &mut module.children {
            let inside = join(name, &child.name);
            let own = folder.join(&child.name);
            if let Some(body) = child.body.take() {
                self.insert(&inside, written_in, body, &own, &own, load)?;
                continue;
            }
            let candidates = match &child.file {
                // The children of such a file are beside it.
                Some(file) => vec![(beside.join(file), None)],
                None => vec![(own.with_extension("rs"), Some(own.clone())), (own.join("mod.rs"), None)],
            };
            let found = candidates.into_iter().find_map(|(file, folder)| Some((load(&file)?, file, folder)));
            let Some((text, file, children)) = found else {
                return Err(format!("{}: no file for the module {inside}", folder.display()));
            };
            let beside = file.parent().unwrap_or(File::new(""));
            let children = children.as_deref().unwrap_or(beside);
            self.insert(&inside, &inside, source::read(&text), children, beside, load)?;
        }
        self.all.insert(name.to_owned(), module);
        self.files.insert(name.to_owned(), written_in.to_owned());
        Ok(())
    }

    /// The uses between modules of different files. Uses between a module and those inside of it are left
    /// out: a folder's own file and the files in it are one module, seen from outside.
    pub(super) fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (name, module) in &self.all {
            let file = &self.files[name];
            let uses = graph.entry(file.clone()).or_default();
            for used in self.used(name, module).modules {
                let used = self.files[&used].clone();
                if !is_inside(&used, file) && !is_inside(file, &used) {
                    uses.insert(used);
                }
            }
        }
        graph.remove("");
        graph
    }

    /// The modules that use items of the root and are used by it, re-exports aside.
    pub(super) fn cycles_with_root(&self) -> Vec<String> {
        let Some(root) = self.all.get("") else { return Vec::new() };
        let by_root = self.used_by_root(root);
        let uses_root = self
            .all
            .iter()
            .filter(|(name, module)| !self.files[*name].is_empty() && self.used(name, module).root);
        let tops: BTreeSet<&str> = uses_root.filter_map(|(name, _)| name.split("::").next()).collect();
        tops.into_iter().filter(|top| by_root.contains(*top)).map(str::to_owned).collect()
    }

    /// The top modules that the root uses for more than a re-export.
    fn used_by_root(&self, root: &Module) -> BTreeSet<String> {
        let imports = root.imports.iter().filter(|import| !import.re_export).map(|import| &import.path);
        let mut used = Used::default();
        imports.chain(&root.paths).for_each(|path| self.follow("", path, 0, &mut used));
        used.modules.iter().filter_map(|name| name.split("::").next()).map(str::to_owned).collect()
    }

    fn used(&self, name: &str, module: &Module) -> Used {
        let mut used = Used::default();
        let imports = module.imports.iter().map(|import| &import.path);
        imports.chain(&module.paths).for_each(|path| self.follow(name, path, 0, &mut used));
        used
    }

    /// Follows a path that is written in the module `from` to the module that defines what it names, through
    /// imports and re-exports. A module on the way counts as used too, unless it re-exports what is inside of
    /// it, as a folder's own file does.
    fn follow(&self, from: &str, path: &Path, steps: usize, used: &mut Used) {
        if steps > MOST_STEPS {
            return;
        }
        let Some((mut at, rest)) = self.start(from, path) else { return };
        for (position, segment) in rest.iter().enumerate() {
            let inside = join(&at, segment);
            if self.all.contains_key(&inside) {
                at = inside;
                continue;
            }
            let import =
                self.all[&at].imports.iter().find(|import| import.name == *segment && segment != "*");
            let Some(import) = import.filter(|import| import.path != *path || at != from) else { break };
            let through: Path = import.path.iter().chain(&rest[position + 1..]).cloned().collect();
            let mut behind = Used::default();
            self.follow(&at, &through, steps + 1, &mut behind);
            if !behind.modules.iter().any(|module| is_inside(module, &at)) {
                used.modules.insert(at);
            }
            used.modules.extend(behind.modules);
            used.root |= behind.root;
            return;
        }
        // Whatever the module imports may be what a glob is for.
        if rest.last().is_some_and(|last| last == "*") && at != from {
            for import in &self.all[&at].imports {
                self.follow(&at, &import.path, steps + 1, used);
            }
        }
        used.root |= at.is_empty() && !rest.is_empty();
        used.modules.insert(at);
    }

    /// The module where a path begins, and its remaining segments. `None` if it begins in another crate.
    fn start<'a>(&self, from: &str, path: &'a [String]) -> Option<(String, &'a [String])> {
        let mut at = from.to_owned();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &path[1..];
            }
            "self" | "super" => {
                while let Some(first @ ("self" | "super")) = rest.first().map(String::as_str) {
                    if first == "super" {
                        at = parent(&at).to_owned();
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                let module = &self.all[from];
                let is_import = |name: &str| module.imports.iter().any(|import| import.name == name);
                if !self.all.contains_key(&join(from, first)) && !is_import(first) {
                    return None;
                }
            }
        }
        Some((at, rest))
    }
}

pub(super) fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_owned() } else { format!("{module}::{child}") }
}

/// The module around a module; the root is around itself.
pub(super) fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// Whether a module is another one, or somewhere inside of it.
fn is_inside(module: &str, outer: &str) -> bool {
    outer.is_empty()
        || module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
