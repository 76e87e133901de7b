//! Names of tests in documents, `folder::module::name`: the folder of a crate (`engineio`) or of a test target
//! (`tests/engineio`), the modules as `cargo test` prints them, and the function.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The folder in front of a name.
fn folder(name: &str) -> &str {
    name.split("::").next().unwrap_or(name)
}

/// The enabled tests of all folders that these names are in.
pub(crate) fn tests_of_all<'a>(root: &Path, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let folders: BTreeSet<&str> = names.into_iter().map(folder).collect();
    folders.iter().flat_map(|folder| tests_of(root, folder)).collect()
}

/// The names of all enabled tests below a folder.
fn tests_of(root: &Path, folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let own = root.join(folder);
    let sources = own.join("src");
    collect(if sources.is_dir() { &sources } else { &own }, folder, &mut found);
    found
}

/// Files are modules; the file `a/mod.rs` is the module `a`.
fn collect(at: &Path, module: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let path = entry.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let inside = format!("{module}::{stem}");
        if path.is_dir() {
            collect(&path, &inside, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = ["lib", "main", "mod"].contains(&stem.as_str());
            let module = if is_root { module } else { &inside };
            let text = fs::read_to_string(&path).unwrap_or_default();
            found.extend(tests_in(&text).into_iter().map(|name| format!("{module}::{name}")));
        }
    }
}

/// The tests in a file, with the modules that are defined in it.
fn tests_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // The open modules, with their indentation.
    let mut modules: Vec<(usize, &str)> = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines() {
        let indentation = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            modules.push((indentation, name));
        } else if line == "}" && modules.last().is_some_and(|(at, _)| *at == indentation) {
            modules.pop();
        }
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(name) = function(line) {
            if is_test && !is_ignored {
                let path: Vec<&str> = modules.iter().map(|(_, module)| *module).chain([name]).collect();
                found.push(path.join("::"));
            }
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

/// The name of the function that starts on a line.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabled_tests_are_found_with_their_modules() {
        let text = [
            "#[tokio::test(start_paused = true)]\nasync fn outside() {\n}\n\nfn no_test() {}\n",
            "#[cfg(test)]\nmod tests {\n    /// About it.\n    #[test]\n    fn inside() {}\n",
            "    #[test]\n    #[ignore = \"takes an hour\"]\n    fn left_out() {}\n",
            "    mod deeper {\n        #[test]\n        fn nested() {\n        }\n    }\n",
            "    #[test]\n    #[should_panic(expected = \"x\")]\n    fn panics() {}\n}\n",
            "#[test]\nfn below() {}\n",
        ]
        .concat();
        assert_eq!(
            tests_in(&text),
            ["outside", "tests::inside", "tests::deeper::nested", "tests::panics", "below"]
        );
    }

    #[test]
    fn this_test_is_found() {
        let name = "xtask::test_names::tests::this_test_is_found";
        assert_eq!(folder(name), "xtask");
        assert!(tests_of(&crate::paths::root(), "xtask").contains(name));
        assert!(
            tests_of(&crate::paths::root(), "tests/engineio")
                .iter()
                .all(|name| name.starts_with("tests/engineio::"))
        );
    }
}
