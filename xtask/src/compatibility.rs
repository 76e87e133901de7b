//! The tables of docs/compatibility.md: each row names the tests that show a feature, or says why it is not there.
//!
//! The last cell of a row contains [names of tests](crate::test_names), or begins with the word of a
//! [`Verdict`] and a reason. A method in the second cell, `Type::method`, has to be public: it is in one of the
//! files `<crate>/api.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tables::{self, Row, quoted};
use crate::test_names::tests_of_all;

const DOCUMENT: &str = "docs/compatibility.md";
/// Name of the last column of the tables.
const COLUMN: &str = "test or reason";

/// What a row says about its feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// A test shows it.
    Yes,
    /// It is deliberately different or absent.
    Decided,
    /// It is to be built.
    NotYet,
}

impl Verdict {
    fn of(cell: &str) -> Self {
        if cell.starts_with("Decision:") {
            Self::Decided
        } else if cell.starts_with("Not there yet:") {
            Self::NotYet
        } else {
            Self::Yes
        }
    }
}

/// Checks the document against the tests and the public API.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let text = fs::read_to_string(root.join(DOCUMENT)).map_err(|error| format!("{DOCUMENT}: {error}"))?;
    let rows = tables::rows(&text, COLUMN);
    let named: BTreeSet<&str> = rows.iter().flat_map(tests_in).collect();
    let mut sections = BTreeMap::new();
    for row in &rows {
        *sections.entry((row.section, Verdict::of(row.last()))).or_insert(0) += 1;
    }
    for ((section, verdict), count) in &sections {
        println!("{DOCUMENT}: {section}: {count} {verdict:?}");
    }
    println!("{DOCUMENT}: {} rows, {} tests", rows.len(), named.len());
    let errors = wrong(&rows, &tests_of_all(root, named), &api(root));
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// The public APIs of all crates.
fn api(root: &Path) -> String {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    folders.filter_map(|entry| fs::read_to_string(entry.path().join("api.txt")).ok()).collect()
}

/// The names of tests in the last cell of a row. The name of a type has a capital letter.
fn tests_in<'a>(row: &Row<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_/-:".contains(&byte);
    quoted(row.last()).into_iter().filter(move |text| text.contains("::") && text.bytes().all(fits))
}

fn wrong(rows: &[Row<'_>], tests: &BTreeSet<String>, api: &str) -> Vec<String> {
    if rows.is_empty() {
        return vec![format!("{DOCUMENT}: there is no table with the column `{COLUMN}`")];
    }
    let mut errors = Vec::new();
    for row in rows {
        let (line, named) = (row.line, tests_in(row).collect::<Vec<_>>());
        if row.cells.len() != 3 {
            errors.push(format!("{DOCUMENT}:{line}: {} cells instead of 3", row.cells.len()));
        }
        if Verdict::of(row.last()) == Verdict::Yes && named.is_empty() {
            errors.push(format!("{DOCUMENT}:{line}: neither a test nor a reason: {}", row.first()));
        }
        let unknown = named.iter().filter(|name| !tests.contains(**name));
        errors.extend(unknown.map(|name| format!("{DOCUMENT}:{line}: there is no test {name}")));
        let methods = row.cells.get(1).map(|cell| quoted(cell)).unwrap_or_default();
        let private = methods.into_iter().filter(|text| text.contains("::") && !is_public(text, api));
        errors.extend(private.map(|text| format!("{DOCUMENT}:{line}: {text} is not public")));
    }
    errors
}

/// Whether the API has an item whose path ends with this one.
fn is_public(path: &str, api: &str) -> bool {
    api.match_indices(path).any(|(at, _)| {
        let (before, after) = (&api[..at], &api[at + path.len()..]);
        let goes_on = after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        before.ends_with([':', ' ']) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "
## Rooms

| official | here | test or reason |
| --- | --- | --- |
| join | `Socket::join` | `engineio::a::tests::one` |
| leave | `Socket::leave` | `tests/engineio::b::two` |
| stay | `Socket::jo` | Decision: `Socket::join` does it |
| move | | Not there yet: clusters |
| fly | | later |
| a | cell too few |
";

    #[test]
    fn rows_need_an_existing_test_or_a_reason_and_public_methods() {
        let tests = BTreeSet::from(["engineio::a::tests::one".to_owned()]);
        let api = "fn a::Socket::join(&self)\nfn a::Socket::leave<T>(&self)\n";
        let expected = [
            "docs/compatibility.md:7: there is no test tests/engineio::b::two",
            "docs/compatibility.md:8: Socket::jo is not public",
            "docs/compatibility.md:10: neither a test nor a reason: fly",
            "docs/compatibility.md:11: 2 cells instead of 3",
            "docs/compatibility.md:11: neither a test nor a reason: a",
        ];
        assert_eq!(wrong(&tables::rows(TABLE, COLUMN), &tests, api), expected);
        assert_eq!(wrong(&[], &tests, api).len(), 1);
    }

    #[test]
    fn the_document_names_existing_tests_and_public_methods() {
        assert_eq!(check(&crate::paths::root()), Ok(()));
    }
}
