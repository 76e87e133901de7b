//! Coverage of the behaviours of the official test suites by our tests.
//!
//! `tests/conformance/rows.tsv` has a row for each behaviour. A behaviour is covered if its id is in the
//! comment directly above a test, and not applicable if `tests/conformance/*.md` gives the reason: `-
//! EIO-SRV-006: reason`, or a range, `- EIO-SRV-180..197: reason`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::root;

/// Packages that must be complete.
const DONE: &str = "tests/conformance/done.txt";

#[derive(Default)]
struct Package {
    covered: usize,
    not_applicable: usize,
    missing: Vec<String>,
}

/// Prints the state of each package, or the missing ids of one. It is an error if a complete package lacks an
/// id, if an id is both covered and not applicable, or if an id is unknown.
pub(crate) fn report(only: Option<&str>) -> Result<(), String> {
    let root = root();
    let rows = fs::read_to_string(root.join("tests/conformance/rows.tsv"))
        .map_err(|error| format!("rows.tsv: {error}"))?;
    let ids: BTreeSet<&str> = rows.lines().skip(1).filter_map(|row| row.split('\t').next()).collect();

    let mut covered = BTreeSet::new();
    for folder in [
        "tests",
        "engineio",
        "socketio-parser",
        "socketio-server",
        "socketio-client",
        "socketio-broker",
        "socketio-redis",
        "socketio-postgres",
        "socketio-nats",
        "socketio-ipc",
    ] {
        for file in sources(&root.join(folder)) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            covered.extend(above_tests(&text));
        }
    }
    let mut reasons = BTreeSet::new();
    for file in files(&root.join("tests/conformance"), &["md"]) {
        reasons.extend(not_applicable(&fs::read_to_string(&file).unwrap_or_default()));
    }

    let mut errors: Vec<String> = Vec::new();
    errors.extend(
        covered
            .iter()
            .chain(&reasons)
            .filter(|id| !ids.contains(id.as_str()))
            .map(|id| format!("{id}: no such row")),
    );
    errors.extend(
        covered.intersection(&reasons).map(|id| format!("{id}: has a test and a reason to have none")),
    );

    let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
    for id in &ids {
        let package = packages.entry(package(id)).or_default();
        if covered.contains(*id) {
            package.covered += 1;
        } else if reasons.contains(*id) {
            package.not_applicable += 1;
        } else {
            package.missing.push((*id).to_owned());
        }
    }
    if let Some(only) = only {
        let package = packages.get(only).ok_or_else(|| format!("there is no package {only}"))?;
        println!("{}", package.missing.join("\n"));
        return Ok(());
    }
    let done = fs::read_to_string(root.join(DONE)).unwrap_or_default();
    println!("{:<14}{:>8}{:>16}{:>9}", "package", "covered", "not applicable", "missing");
    for (name, package) in &packages {
        println!(
            "{name:<14}{:>8}{:>16}{:>9}",
            package.covered,
            package.not_applicable,
            package.missing.len()
        );
        if done.lines().any(|line| line.trim() == *name) && !package.missing.is_empty() {
            errors.push(format!("{name}: missing {}", package.missing.join(" ")));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// `EIO-SRV` of `EIO-SRV-006`.
fn package(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(package, _)| package)
}

/// The ids in the comments directly above tests.
fn above_tests(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut pending = Vec::new();
    for line in text.lines().map(str::trim) {
        let comment = ["///", "//", "#"]
            .iter()
            .find_map(|mark| line.strip_prefix(mark))
            .filter(|_| !line.starts_with("#["));
        if let Some(comment) = comment {
            pending.extend(ids_in(comment));
        } else if is_test(line) {
            found.extend(pending.drain(..));
        } else if !line.starts_with("#[") {
            pending.clear();
        }
    }
    found
}

/// Whether a line begins a test, in Rust, JavaScript or Python.
fn is_test(line: &str) -> bool {
    line.starts_with("#[test]")
        || line.starts_with("#[tokio::test")
        || ["test(", "it(", "def test_", "async def test_"].iter().any(|begin| line.starts_with(begin))
}

/// The ids in `- EIO-SRV-006: reason` lines, ranges written out.
fn not_applicable(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let Some((ids, reason)) = line.trim().strip_prefix("- ").and_then(|line| line.split_once(':')) else {
            continue;
        };
        if !reason.trim().is_empty() {
            ids.split(',').for_each(|id| found.extend(expand(id.trim())));
        }
    }
    found
}

/// `EIO-SRV-006`, or all of `EIO-SRV-180..197`.
fn expand(id: &str) -> Vec<String> {
    let Some((first, last)) = id.split_once("..") else { return ids_in(id).collect() };
    let Some((package, from)) = first.rsplit_once('-') else { return Vec::new() };
    let (Ok(begin), Ok(end)) = (from.parse::<u32>(), last.parse::<u32>()) else { return Vec::new() };
    (begin..=end).map(|number| format!("{package}-{number:0width$}", width = from.len())).collect()
}

/// Words with the form of an id: capitals, a dash, digits at the end.
fn ids_in(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')).filter_map(|word| {
        let (package, number) = word.rsplit_once('-')?;
        let known = ["EIO-", "SIO-", "ADAPTER", "REDIS", "STREAMS", "POSTGRES", "NATS", "CLENG"]
            .iter()
            .any(|begin| package.starts_with(begin));
        (known && number.len() >= 2 && number.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| word.to_owned())
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    files(folder, &["rs", "mjs", "js", "cjs", "py"])
}

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !["node_modules", "target", "venv"].iter().any(|skip| path.ends_with(skip)) {
                found.extend(files(&path, extensions));
            }
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_only_directly_above_a_test() {
        let text = "/// EIO-SRV-001, EIO-SRV-002\n#[test]\nfn a() {}\n/// EIO-SRV-003\nfn helper() {}\n#[test]\nfn b() {}";
        assert_eq!(above_tests(text), BTreeSet::from(["EIO-SRV-001".into(), "EIO-SRV-002".into()]));
        let attributes =
            "// SIO-CLI-01\n#[cfg(unix)]\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn a() {}";
        assert_eq!(above_tests(attributes), BTreeSet::from(["SIO-CLI-01".into()]));
        assert_eq!(above_tests("# SIO-CLI-02\ndef test_it():"), BTreeSet::from(["SIO-CLI-02".into()]));
    }

    #[test]
    fn a_reason_covers_a_range_and_must_have_text() {
        let text =
            "- EIO-SRV-008..010, EIO-SRV-020: no such thing\n- EIO-SRV-030:\ntext EIO-SRV-040: not a list";
        let expected = ["EIO-SRV-008", "EIO-SRV-009", "EIO-SRV-010", "EIO-SRV-020"];
        assert_eq!(not_applicable(text), expected.map(str::to_owned).into());
    }
}
