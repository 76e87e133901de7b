//! The public API of the libraries, compared with a snapshot in the repository: `<crate>/api.txt`.
//!
//! rustdoc writes the items of a crate as JSON, whose format changes with the compiler. Another format than the known
//! one is not compared.

mod items;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::items::{Api, api};
use crate::paths::root;
use crate::run::Run;
use crate::tools::target;
use crate::workspace::{LIBRARIES, metadata, name, packages};

/// Format of rustdoc's JSON that this module reads.
const FORMAT: u64 = 57;
/// External types that may appear in public signatures, by crate.
const ALLOWED: &str = "tests/external-types.txt";
/// Features that are not part of the public interface.
const INTERNAL: &[&str] = &["echo", "fuzzing"];

/// Result of a comparison.
pub(crate) enum Compared {
    Same,
    /// The installed compiler writes another format.
    Unlike(String),
}

/// Library with its folder, its features and the API that rustdoc reports.
struct Library {
    name: String,
    folder: PathBuf,
    api: Api,
}

/// Fails if the public API differs from its snapshot, or has types of crates that are not listed.
pub(crate) fn check() -> Result<Compared, String> {
    let libraries = match libraries()? {
        Ok(libraries) => libraries,
        Err(format) => {
            return Ok(Compared::Unlike(format!("rustdoc's JSON has the format {format}, not {FORMAT}")));
        }
    };
    let mut errors = Vec::new();
    for library in &libraries {
        let file = library.folder.join("api.txt");
        let kept = fs::read_to_string(&file).unwrap_or_default();
        let differences = differences(&kept, &library.api.text());
        if !differences.is_empty() {
            errors.push(format!(
                "{}: the public API differs; `cargo xtask api --update` keeps the new one\n{}",
                library.name,
                differences.join("\n")
            ));
        }
        println!("{}: {} public items", library.name, library.api.lines.len());
    }
    let allowed = fs::read_to_string(root().join(ALLOWED)).map_err(|error| format!("{ALLOWED}: {error}"))?;
    errors.extend(unlisted(&allowed, &libraries));
    if errors.is_empty() { Ok(Compared::Same) } else { Err(errors.join("\n")) }
}

/// Compares, and prints why a comparison is not possible.
pub(crate) fn report() -> Result<(), String> {
    if let Compared::Unlike(why) = check()? {
        println!("not compared: {why}");
    }
    Ok(())
}

/// Writes the snapshots. New external types are only reported by [`check`], as each needs a decision.
pub(crate) fn update() -> Result<(), String> {
    for library in
        libraries()?.map_err(|format| format!("rustdoc's JSON has the format {format}, not {FORMAT}"))?
    {
        let file = library.folder.join("api.txt");
        fs::write(&file, library.api.text()).map_err(|error| format!("{}: {error}", file.display()))?;
        println!("{}: {} public items", file.display(), library.api.lines.len());
    }
    Ok(())
}

/// The APIs of all libraries, or the unknown format of rustdoc's JSON.
fn libraries() -> Result<Result<Vec<Library>, u64>, String> {
    let metadata = metadata()?;
    let mut found = Vec::new();
    for package in packages(&metadata).filter(|package| LIBRARIES.contains(&name(package))) {
        let name = name(package).to_owned();
        let json = rustdoc(package, &name)?;
        let format = json["format_version"].as_u64().unwrap_or_default();
        if format != FORMAT {
            return Ok(Err(format));
        }
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().unwrap_or(manifest).to_owned();
        found.push(Library { name, folder, api: api(&json) });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Ok(found))
}

fn rustdoc(package: &Value, name: &str) -> Result<Value, String> {
    let features: Vec<&str> = package["features"]
        .as_object()
        .into_iter()
        .flat_map(|features| features.keys())
        .map(String::as_str)
        .filter(|feature| !INTERNAL.contains(feature))
        .collect();
    let features = features.join(",");
    let options = ["-Z", "unstable-options", "--output-format", "json"];
    // The variable below makes cargo run the build scripts of many dependencies again, and then compile whatever needs
    // them. In a folder of its own this does not discard what the other stages have built.
    let folder = target().join("api");
    let arguments = ["rustdoc", "--package", name, "--lib", "--target-dir", &folder.to_string_lossy()];
    let chosen = ["--no-default-features", "--features", &features, "--"];
    // The output format is unstable; the crates themselves are not built differently.
    Run::cargo(&[&arguments[..], &chosen, &options].concat()).env("RUSTC_BOOTSTRAP", "1").status()?;
    let libraries = package["targets"].as_array().into_iter().flatten();
    let library = libraries
        .filter(|target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "lib"))
        })
        .find_map(|target| target["name"].as_str())
        .ok_or_else(|| format!("{name} is no library"))?;
    let file = folder.join("doc").join(format!("{}.json", library.replace('-', "_")));
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Lines that only one of the texts has, marked by `-` for the first and `+` for the second.
fn differences(before: &str, after: &str) -> Vec<String> {
    let [old, new] = [before, after].map(|text| text.lines().collect::<BTreeSet<_>>());
    let removed = old.difference(&new).map(|line| format!("- {line}"));
    removed.chain(new.difference(&old).map(|line| format!("+ {line}"))).collect()
}

/// External types that the list does not allow, and entries of the list that no signature needs.
fn unlisted(allowed: &str, libraries: &[Library]) -> Vec<String> {
    let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut section = "";
    for line in allowed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = name,
            None => {
                listed.entry(section).or_default().insert(line);
            }
        }
    }
    let mut errors = Vec::new();
    for library in libraries {
        let listed = listed.remove(library.name.as_str()).unwrap_or_default();
        let used: BTreeSet<&str> =
            library.api.external.iter().map(String::as_str).filter(|path| !is_own(path)).collect();
        errors.extend(
            used.difference(&listed)
                .map(|path| format!("{}: {path} is in the public API, and not in {ALLOWED}", library.name)),
        );
        errors.extend(listed.difference(&used).map(|path| {
            format!("{}: {path} is not in the public API any more; remove it from {ALLOWED}", library.name)
        }));
    }
    errors.extend(listed.keys().map(|name| format!("{ALLOWED}: there is no library {name}")));
    errors
}

/// Whether a path leads into a library of the project. Its packages have one version.
fn is_own(path: &str) -> bool {
    let first = path.split("::").next().unwrap_or_default().replace('_', "-");
    LIBRARIES.iter().any(|library| *library == first || library.strip_suffix("-tokio") == Some(&first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_and_added_lines_are_reported() {
        assert_eq!(differences("a\nb\n", "b\nc\n"), ["- a", "+ c"]);
        assert_eq!(differences("a\nb\n", "a\nb\n"), [""; 0]);
    }

    #[test]
    fn external_types_are_compared_with_their_list() {
        let api = Api {
            lines: BTreeSet::new(),
            external: ["http::Uri", "bytes::Bytes", "socketio_client::Socket"].map(str::to_owned).into(),
        };
        let library = Library { name: "x".to_owned(), folder: PathBuf::new(), api };
        let listed = "# Types.\n[x]\nbytes::Bytes\nserde::Serialize\n[y]\n";
        assert_eq!(
            unlisted(listed, &[library]),
            [
                "x: http::Uri is in the public API, and not in tests/external-types.txt",
                "x: serde::Serialize is not in the public API any more; remove it from tests/external-types.txt",
            ]
        );
    }
}
