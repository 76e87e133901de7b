//! The guide: mdBook builds it, each chapter is in its summary, and the relative links of all Markdown files lead to
//! files and headings that exist.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::paths::root;
use crate::run::Run;
use crate::tools;

const MDBOOK: &str = "0.5.4";
/// Folders that are no part of the project: results of builds, and packages.
const FOREIGN: &[&str] = &[".git", "node_modules", "target"];
/// Documents of the guide's folder that are no chapter.
const NO_CHAPTERS: &[&str] = &["SUMMARY.md"];

/// Checks the links and the summary, and builds the guide.
pub(crate) fn check() -> Result<(), String> {
    let root = root();
    check_links(&root)?;
    check_summary(&root)?;
    let mdbook = tools::cargo_tool_with("mdbook", MDBOOK, &["--no-default-features"])?;
    Run::new(&mdbook, &["build"], &root).status()
}

/// Checks that each document of the folder is a chapter.
fn check_summary(root: &Path) -> Result<(), String> {
    let folder = root.join("docs");
    let summary =
        fs::read_to_string(folder.join("SUMMARY.md")).map_err(|error| format!("SUMMARY.md: {error}"))?;
    let chapters: HashSet<&str> = links(&summary).into_iter().map(|(_, target)| target).collect();
    let mut missing = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| error.to_string())?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") && !NO_CHAPTERS.contains(&name.as_str()) && !chapters.contains(name.as_str())
        {
            missing.push(format!("docs/SUMMARY.md has no link to {name}"));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}

/// Checks the relative links of all Markdown files.
fn check_links(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    collect(root, &mut files);
    let mut headings = HashMap::new();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        headings.insert(file.clone(), (anchors(&text), text));
    }
    let (mut errors, mut count) = (Vec::new(), 0);
    for (file, (own, text)) in &headings {
        let folder = file.parent().unwrap_or(root);
        for (line, target) in links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = normal(&folder.join(path));
            let exists = if path.is_empty() { true } else { to.exists() };
            let known =
                if path.is_empty() { Some(own) } else { headings.get(&to).map(|(anchors, _)| anchors) };
            let leads = anchor.is_empty() || known.is_none_or(|anchors| anchors.contains(anchor));
            if !exists || !leads {
                let file = file.strip_prefix(root).unwrap_or(file);
                errors.push(format!("{}:{line}: the link to {target} leads nowhere", file.display()));
            }
        }
    }
    println!("{count} links in {} files", files.len());
    errors.sort();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// The Markdown files below a folder.
fn collect(at: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if FOREIGN.iter().any(|foreign| name == *foreign) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The lines outside of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_fence && !is_code).then_some((number, line))
    })
}

/// The targets of the links in a text, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Code in backticks may look like a link.
        let plain = line.split('`').step_by(2);
        for part in plain {
            let targets = part.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(targets.map(|target| (number, target)));
        }
    }
    found
}

/// The anchors of the headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> HashSet<String> {
    let headings = prose(text).filter_map(|(_, line)| line.strip_prefix('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_outside_of_code_are_found() {
        let text = "[a](b.md) and `[c](d)`\n```\n[e](f)\n```\n[`g`](h.md#i), [j](#k)";
        assert_eq!(links(text), [(1, "b.md"), (5, "h.md#i"), (5, "#k")]);
    }

    #[test]
    fn headings_have_anchors() {
        let anchors = anchors("# A title\n## `code`, and more!\n```\n# no heading\n```\n");
        assert_eq!(anchors, HashSet::from(["a-title".to_owned(), "code-and-more".to_owned()]));
    }

    #[test]
    fn the_links_of_the_project_lead_somewhere() {
        assert_eq!(check_links(&root()), Ok(()));
        assert_eq!(check_summary(&root()), Ok(()));
    }

    #[test]
    fn a_link_to_a_missing_heading_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.md"), "# One\n[b](b.md#two), [c](c.md), [d](#one)").expect("written");
        fs::write(folder.path().join("b.md"), "# Three").expect("written");
        let errors = check_links(folder.path()).expect_err("two links lead nowhere");
        assert_eq!(
            errors,
            "a.md:2: the link to b.md#two leads nowhere\na.md:2: the link to c.md leads nowhere"
        );
    }
}
