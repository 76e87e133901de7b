//! The minimum Rust version of the libraries, compared with the requirements of their dependencies.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::workspace::{LIBRARIES, metadata, name, packages};

/// Follows the normal dependencies of the libraries; the `rust-version` of each must allow the minimum
/// version.
pub(crate) fn check() -> Result<(), String> {
    let metadata = metadata()?;
    let by_id: HashMap<&str, &Value> =
        packages(&metadata).filter_map(|package| Some((package["id"].as_str()?, package))).collect();
    let nodes: HashMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let of = |id: &str| by_id.get(id).and_then(|package| version(package["rust_version"].as_str()?));
    let mut open: Vec<&str> =
        by_id.iter().filter(|(_, package)| LIBRARIES.contains(&name(package))).map(|(id, _)| *id).collect();
    let ours = open.iter().filter_map(|id| of(id)).min().ok_or("the libraries state no rust-version")?;
    let mut seen: HashSet<&str> = HashSet::new();
    let mut newer = Vec::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        if of(id).is_some_and(|theirs| theirs > ours) {
            newer.push(format!("{} needs {}", name(by_id[id]), by_id[id]["rust_version"]));
        }
        for dependency in nodes.get(id).into_iter().flat_map(|node| node["deps"].as_array()).flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            let normal = kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()));
            open.extend(dependency["pkg"].as_str().filter(|_| normal));
        }
    }
    println!("{} packages, rust-version {}.{}", seen.len(), ours.0, ours.1);
    if newer.is_empty() { Ok(()) } else { Err(newer.join("\n")) }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next().unwrap_or("0").parse().ok()?))
}
