//! The files and folders that ARCHITECTURE.md and CONTRIBUTING.md name in backticks exist.
//!
//! A name with a slash is a path from the root, or the end of a path in the crate whose name is the heading
//! above it, as `outbox/mod.rs` below the heading `engineio`. A name without a slash, as `mod.rs`, is that of
//! any file.

use std::fs;
use std::path::Path;

const DOCUMENTS: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md"];
/// Endings of the names of files.
const ENDINGS: &[&str] = &[".js", ".json", ".md", ".rs", ".toml", ".txt"];
/// Folders that are no part of the project: results of builds, and packages.
const FOREIGN: &[&str] = &[".git", "node_modules", "target"];

/// Checks both documents against the tree.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut paths = Vec::new();
    collect(root, "", &mut paths);
    let mut errors = Vec::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).map_err(|error| format!("{document}: {error}"))?;
        let named = named(&text);
        println!("{document}: {} paths", named.len());
        let missing = named.iter().filter(|name| !name.exists(&paths));
        errors.extend(missing.map(|name| format!("{document}:{}: there is no {}", name.line, name.path)));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// A path in a document.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    /// Line number, from 1.
    line: usize,
    /// The heading of second level above it.
    heading: &'a str,
    path: &'a str,
}

impl Name<'_> {
    /// Whether it is one of these paths from the root. Those of folders end with a slash.
    fn exists(&self, paths: &[String]) -> bool {
        let folder = if self.path.contains('/') { format!("{}/", self.heading) } else { String::new() };
        let end = format!("/{}", self.path);
        let is_path = |path: &String| path.trim_end_matches('/') == self.path.trim_end_matches('/');
        paths.iter().any(|path| is_path(path) || path.starts_with(&folder) && path.ends_with(&end))
    }
}

fn named(text: &str) -> Vec<Name<'_>> {
    let (mut heading, mut is_code) = ("", false);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if let Some(text) = line.strip_prefix("## ") {
            heading = text;
        } else if !is_code {
            let quoted = line.split('`').skip(1).step_by(2).filter(|text| is_path(text));
            found.extend(quoted.map(|path| Name { line: index + 1, heading, path }));
        }
    }
    found
}

/// Whether a text looks like a path in the project.
fn is_path(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
    let is_foreign = text.split('/').any(|part| FOREIGN.contains(&part));
    let has_form = text.contains('/') || ENDINGS.iter().any(|ending| text.ends_with(ending));
    has_form && !text.starts_with(['/', '.']) && !is_foreign && text.bytes().all(fits)
}

/// All files and folders below a folder.
fn collect(at: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if FOREIGN.contains(&name.as_str()) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            let folder = format!("{prefix}{name}/");
            collect(&path, &folder, found);
            found.push(folder);
        } else {
            found.push(format!("{prefix}{name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
`docs/guide.md` and `/gateway`, `Server::serve`, `target/tools`, `text/javascript` are named.

## engine

| `io/`, `io/mod.rs` | `a / b`, `lib.rs` |

```
`tree/in_code.rs`
```
";

    #[test]
    fn paths_in_backticks_are_found_with_their_headings() {
        let found: Vec<_> = named(TEXT).iter().map(|name| (name.line, name.heading, name.path)).collect();
        let expected = [
            (2, "", "docs/guide.md"),
            (2, "", "text/javascript"),
            (6, "engine", "io/"),
            (6, "engine", "io/mod.rs"),
            (6, "engine", "lib.rs"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_are_those_from_the_root_or_of_the_crate() {
        let paths = ["docs/guide.md", "engine/src/io/", "engine/src/io/mod.rs", "other/src/io/read.rs"];
        let paths: Vec<String> = paths.map(str::to_owned).to_vec();
        let exists = |path| Name { line: 1, heading: "engine", path }.exists(&paths);
        for path in ["docs/guide.md", "io/", "io/mod.rs", "engine/src/io", "other/src/io/read.rs", "read.rs"]
        {
            assert!(exists(path), "{path}");
        }
        for path in ["guide.txt", "io/read.rs", "o/mod.rs", "io/mod.r", "engine/io/mod.rs"] {
            assert!(!exists(path), "{path}");
        }
    }

    #[test]
    fn the_documents_name_existing_paths() {
        assert_eq!(check(&crate::paths::root()), Ok(()));
    }
}
