//! The tables of limits in SECURITY.md: each row names the tests that reach its limit.
//!
//! A table lists limits if its last column is called `test`. Each cell of that column contains
//! [names](crate::test_names) in backticks. A name without a matching enabled test is an error, and so is a row
//! without a name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::tables::{self, Row, quoted};
use crate::test_names::tests_of_all;

/// Name of the column that identifies a table of limits.
const COLUMN: &str = "test";

/// Checks all tables of SECURITY.md against the sources.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let text =
        fs::read_to_string(root.join("SECURITY.md")).map_err(|error| format!("SECURITY.md: {error}"))?;
    let rows = tables::rows(&text, COLUMN);
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(row.last())).collect();
    println!("SECURITY.md: {} limits, {} tests", rows.len(), named.len());
    let errors = wrong(&rows, &tests_of_all(root, named));
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

fn wrong(rows: &[Row<'_>], tests: &BTreeSet<String>) -> Vec<String> {
    if rows.is_empty() {
        return vec![format!("SECURITY.md: there is no table with the column `{COLUMN}`")];
    }
    let mut errors = Vec::new();
    for row in rows {
        let (line, named) = (row.line, quoted(row.last()));
        if named.is_empty() {
            errors.push(format!("SECURITY.md:{line}: no test reaches this limit: {}", row.first()));
        }
        let unknown = named.iter().filter(|name| !tests.contains(**name));
        errors.extend(unknown.map(|name| format!("SECURITY.md:{line}: there is no test {name}")));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "
| what | beyond it | test |
| --- | --- | --- |
| a | `413` | `engineio::a::tests::one`, `tests/engineio::b::two` |
| b | closed | |
| c | closed | none yet |
";

    #[test]
    fn rows_without_tests_and_unknown_tests_are_errors() {
        let tests = BTreeSet::from(["engineio::a::tests::one".to_owned()]);
        let expected = [
            "SECURITY.md:4: there is no test tests/engineio::b::two",
            "SECURITY.md:5: no test reaches this limit: b",
            "SECURITY.md:6: no test reaches this limit: c",
        ];
        assert_eq!(wrong(&tables::rows(TABLE, COLUMN), &tests), expected);
        assert_eq!(wrong(&[], &tests), ["SECURITY.md: there is no table with the column `test`"]);
    }
}
