//! The tables of limits in SECURITY.md: each row names the tests that reach its limit.
//!
//! A table lists limits if its last column is called `test`. Each cell of that column contains names in
//! backticks, `folder::module::name`: the folder of a crate (`engineio`) or of a test target
//! (`tests/engineio`), the modules as `cargo test` prints them, and the function. A name without a matching
//! enabled test is an error, and so is a row without a name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Name of the column that identifies a table of limits.
const COLUMN: &str = "test";

/// A row of a table of limits.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// Line number, from 1.
    line: usize,
    /// Its first cell.
    what: String,
    /// The names in its last cell.
    tests: Vec<String>,
}

/// Checks all tables of SECURITY.md against the sources.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let text =
        fs::read_to_string(root.join("SECURITY.md")).map_err(|error| format!("SECURITY.md: {error}"))?;
    let rows = rows(&text);
    let folders: BTreeSet<&str> = rows.iter().flat_map(|row| &row.tests).map(|name| folder(name)).collect();
    let tests = folders.iter().flat_map(|folder| tests_of(root, folder)).collect();
    println!("SECURITY.md: {} limits, {} tests", rows.len(), named(&rows).len());
    let errors = wrong(&rows, &tests);
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// All rows of the tables that have a column for tests.
fn rows(text: &str) -> Vec<Row> {
    let mut found = Vec::new();
    let mut is_table = false;
    let mut previous = "";
    for (index, line) in text.lines().enumerate() {
        if !line.starts_with('|') {
            is_table = false;
        } else if !previous.starts_with('|') {
            is_table = cells(line).last() == Some(&COLUMN);
        } else if is_table && !line.starts_with("| ---") {
            let cells = cells(line);
            let what = cells.first().copied().unwrap_or_default().to_owned();
            let tests = cells.last().map(|cell| quoted(cell)).unwrap_or_default();
            found.push(Row { line: index + 1, what, tests });
        }
        previous = line;
    }
    found
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split(" | ").map(str::trim).collect()
}

/// The texts in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn named(rows: &[Row]) -> BTreeSet<&str> {
    rows.iter().flat_map(|row| &row.tests).map(String::as_str).collect()
}

fn wrong(rows: &[Row], tests: &BTreeSet<String>) -> Vec<String> {
    if rows.is_empty() {
        return vec![format!("SECURITY.md: there is no table with the column `{COLUMN}`")];
    }
    let mut errors = Vec::new();
    for Row { line, what, tests: named } in rows {
        if named.is_empty() {
            errors.push(format!("SECURITY.md:{line}: no test reaches this limit: {what}"));
        }
        let unknown = named.iter().filter(|name| !tests.contains(*name));
        errors.extend(unknown.map(|name| format!("SECURITY.md:{line}: there is no test {name}")));
    }
    errors
}

/// The folder in front of a name.
fn folder(name: &str) -> &str {
    name.split("::").next().unwrap_or(name)
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

/// The tests in a file, with the modules that are defined in it (one level, which is all that the code uses).
fn tests_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut module = None;
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = Some(name);
        } else if line == "}" {
            module = None;
        }
        let line = line.trim();
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(name) = function(line) {
            if is_test && !is_ignored {
                found.push(module.map_or_else(|| name.to_owned(), |module| format!("{module}::{name}")));
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

    const TABLE: &str = "
| what | beyond it |
| --- | --- |
| another table | `no::test` |

| what | beyond it | test |
| --- | --- | --- |
| a | `413` | `engineio::a::tests::one`, `tests/engineio::b::two` |
| b | closed | |
| c | closed | none yet |

| d | is no row of it | |
";

    #[test]
    fn tables_with_a_column_for_tests_are_read() {
        let row = |line, what: &str, tests: &[&str]| Row {
            line,
            what: what.to_owned(),
            tests: tests.iter().map(|name| (*name).to_owned()).collect(),
        };
        let expected = [
            row(8, "a", &["engineio::a::tests::one", "tests/engineio::b::two"]),
            row(9, "b", &[]),
            row(10, "c", &[]),
        ];
        assert_eq!(rows(TABLE), expected);
    }

    #[test]
    fn rows_without_tests_and_unknown_tests_are_errors() {
        let tests = BTreeSet::from(["engineio::a::tests::one".to_owned()]);
        let expected = [
            "SECURITY.md:8: there is no test tests/engineio::b::two",
            "SECURITY.md:9: no test reaches this limit: b",
            "SECURITY.md:10: no test reaches this limit: c",
        ];
        assert_eq!(wrong(&rows(TABLE), &tests), expected);
        assert_eq!(wrong(&[], &tests), ["SECURITY.md: there is no table with the column `test`"]);
    }

    #[test]
    fn enabled_tests_are_found_with_their_modules() {
        let text = [
            "#[tokio::test(start_paused = true)]\nasync fn outside() {\n}\n\nfn no_test() {}\n",
            "#[cfg(test)]\nmod tests {\n    /// About it.\n    #[test]\n    fn inside() {}\n",
            "    #[test]\n    #[ignore = \"takes an hour\"]\n    fn left_out() {}\n",
            "    #[test]\n    #[should_panic(expected = \"x\")]\n    fn panics() {}\n}\n",
            "#[test]\nfn below() {}\n",
        ]
        .concat();
        assert_eq!(tests_in(&text), ["outside", "tests::inside", "tests::panics", "below"]);
    }

    #[test]
    fn this_test_is_found() {
        let name = "xtask::limits::tests::this_test_is_found";
        assert_eq!(folder(name), "xtask");
        assert!(tests_of(&crate::paths::root(), "xtask").contains(name));
        assert!(
            tests_of(&crate::paths::root(), "tests/engineio")
                .iter()
                .all(|name| name.starts_with("tests/engineio::"))
        );
    }
}
