//! Tables of Markdown documents.

/// A row of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// Line number, from 1.
    pub(crate) line: usize,
    /// The heading of second level above it.
    pub(crate) section: &'a str,
    pub(crate) cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// The first cell.
    pub(crate) fn first(&self) -> &'a str {
        self.cells.first().copied().unwrap_or_default()
    }

    /// The last cell.
    pub(crate) fn last(&self) -> &'a str {
        self.cells.last().copied().unwrap_or_default()
    }
}

/// The rows of all tables whose last column has this name.
pub(crate) fn rows<'a>(text: &'a str, column: &str) -> Vec<Row<'a>> {
    let mut found = Vec::new();
    let (mut is_table, mut previous, mut section) = (false, "", "");
    for (index, line) in text.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        }
        if !line.starts_with('|') {
            is_table = false;
        } else if !previous.starts_with('|') {
            is_table = cells(line).last() == Some(&column);
        } else if is_table && !line.starts_with("| ---") {
            found.push(Row { line: index + 1, section, cells: cells(line) });
        }
        previous = line;
    }
    found
}

/// The cells of a line. A vertical bar in a cell follows a backslash.
fn cells(line: &str) -> Vec<&str> {
    let mut cells = Vec::new();
    let mut start = 1;
    for (at, _) in line.match_indices('|').skip(1).filter(|(at, _)| !line[..*at].ends_with('\\')) {
        cells.push(line[start..at].trim());
        start = at + 1;
    }
    cells
}

/// The texts in backticks.
pub(crate) fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = "
| what | beyond it |
| --- | --- |
| another table | `no::test` |

## Sizes

| what | beyond it | test |
| --- | --- | --- |
| a | `413` | `one`, `two` |
| b \\| c | | |

| c | is no row of it | |
";

    #[test]
    fn rows_of_tables_with_the_column_are_read() {
        let row = |line, cells: &[&'static str]| Row { line, section: "Sizes", cells: cells.to_vec() };
        let expected = [row(10, &["a", "`413`", "`one`, `two`"]), row(11, &["b \\| c", "", ""])];
        assert_eq!(rows(TABLES, "test"), expected);
        assert_eq!(quoted(expected[0].last()), ["one", "two"]);
    }
}
