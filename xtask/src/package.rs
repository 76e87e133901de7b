//! The packages that are published: their metadata, and the compilation of each from its packed form.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde_json::Value;

use crate::paths::root;
use crate::run::Run;
use crate::tools::target;
use crate::workspace::{metadata, name, packages, published};

/// Files that each package contains, besides its sources.
const FILES: &[&str] = &["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
/// Fields of the manifest that crates.io shows or searches.
const FIELDS: &[&str] = &["description", "license", "readme", "rust_version"];

/// Checks the metadata of the published packages, packs them together, and compiles each from its packed form
/// and those of its dependencies.
pub(crate) fn check() -> Result<(), String> {
    let metadata = metadata()?;
    let wanted: Vec<&Value> = published(&metadata).collect();
    let errors = invalid(&metadata, &wanted);
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    let mut pack = vec!["package", "--allow-dirty", "--locked", "--no-verify", "--quiet"];
    pack.extend(wanted.iter().flat_map(|package| ["--package", name(package)]));
    Run::cargo(&pack).status()?;
    for package in &wanted {
        check_contents(package)?;
    }
    compile(&wanted)?;
    println!("{} packages: {}", wanted.len(), names(&wanted).join(", "));
    Ok(())
}

fn names<'a>(packages: &[&'a Value]) -> Vec<&'a str> {
    packages.iter().map(|package| name(package)).collect()
}

/// Missing metadata, and dependencies that crates.io would refuse.
fn invalid(metadata: &Value, wanted: &[&Value]) -> Vec<String> {
    let published: HashSet<&str> = names(wanted).into_iter().collect();
    let of_project: HashSet<&str> =
        packages(metadata).filter(|package| package["source"].is_null()).map(name).collect();
    let mut errors = Vec::new();
    for package in wanted {
        let own = name(package);
        for field in FIELDS.iter().filter(|field| package[**field].as_str().is_none_or(str::is_empty)) {
            errors.push(format!("{own}: the manifest has no {field}"));
        }
        for (field, limit) in [("keywords", 5), ("categories", 5)] {
            let count = package[field].as_array().map_or(0, Vec::len);
            if count == 0 || count > limit {
                errors.push(format!("{own}: 1 to {limit} {field} are expected, not {count}"));
            }
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let (other, is_dev) = (name(dependency), dependency["kind"] == "dev");
            let has_version = dependency["req"].as_str().is_some_and(|version| version != "*");
            if !of_project.contains(other) || is_dev && !has_version {
                // cargo leaves out dev-dependencies without a version.
                continue;
            }
            if !published.contains(other) {
                errors.push(format!("{own}: depends on {other}, which is not published"));
            } else if !has_version {
                errors.push(format!("{own}: the dependency {other} has no version"));
            }
        }
    }
    errors
}

/// Checks the list of files of a packed package.
fn check_contents(package: &Value) -> Result<(), String> {
    let (stem, file) = (stem(package), packed(package));
    let listed =
        Run::new("tar", &["--list", "--gzip", "--file", &file.to_string_lossy()], &root()).output()?;
    let files: HashSet<&str> =
        listed.lines().filter_map(|line| line.strip_prefix(&*stem)?.strip_prefix('/')).collect();
    match FILES.iter().find(|needed| !files.contains(**needed)) {
        Some(missing) => Err(format!("{}: {missing} is missing", file.display())),
        None => Ok(()),
    }
}

/// Compiles the packages from their packed forms, in a workspace where each of them depends on those of the others.
/// The build that cargo itself makes of each package takes four times as long.
fn compile(wanted: &[&Value]) -> Result<(), String> {
    let folder = target().join("package").join("unpacked");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => fs::create_dir_all(&folder).map_err(failed)?,
    }
    let mut members = String::new();
    let mut patches = String::new();
    for package in wanted {
        let file = packed(package);
        let unpack = ["--extract", "--gzip", "--file", &file.to_string_lossy()];
        Run::new("tar", &unpack, &folder).status()?;
        let (own, stem) = (name(package), stem(package));
        let _ = write!(members, "{stem:?}, ");
        let _ = writeln!(patches, "{own} = {{ path = {stem:?} }}");
    }
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[patch.crates-io]\n{patches}\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).map_err(failed)?;
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).map_err(failed)?;
    let manifest = folder.join("Cargo.toml").to_string_lossy().into_owned();
    let target = target().to_string_lossy().into_owned();
    let check = ["check", "--workspace", "--quiet", "--manifest-path", &manifest, "--target-dir", &target];
    Run::cargo(&check).status()
}

/// The file of a packed package.
fn packed(package: &Value) -> PathBuf {
    target().join("package").join(stem(package) + ".crate")
}

/// The name of the folder in a packed package.
fn stem(package: &Value) -> String {
    format!("{}-{}", name(package), package["version"].as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn packages_that_a_registry_would_refuse_are_reported() {
        let package = |name: &str, dependencies: Value| {
            json!({
                "name": name, "source": null, "description": "x", "license": "MIT", "readme": "README.md",
                "rust_version": "1.85", "keywords": ["x"], "categories": ["x"], "dependencies": dependencies,
            })
        };
        let mut bare = package(
            "bare",
            json!([
                {"name": "whole", "req": "*", "kind": null},
                {"name": "private", "req": "^0.1.0", "kind": null},
                {"name": "private", "req": "*", "kind": "dev"},
                {"name": "serde", "req": "^1", "kind": null},
            ]),
        );
        bare["description"] = Value::Null;
        bare["keywords"] = json!(["a", "b", "c", "d", "e", "f"]);
        let whole = package("whole", json!([]));
        let metadata = json!({"packages": [bare, whole, package("private", json!([]))]});
        let wanted = [&metadata["packages"][0], &metadata["packages"][1]];
        assert_eq!(
            invalid(&metadata, &wanted),
            [
                "bare: the manifest has no description",
                "bare: 1 to 5 keywords are expected, not 6",
                "bare: the dependency whole has no version",
                "bare: depends on private, which is not published",
            ]
        );
    }
}
