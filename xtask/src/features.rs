//! Every combination of the features of each library.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::run::Run;
use crate::workspace::{LIBRARIES, metadata, name, packages};

/// Features that are not for users: the bodies of fuzz targets, servers for conformance tests, and what other crates of the
/// project share. They are checked together with all others, and not in every combination.
const INTERNAL: &[&str] = &["backoff", "echo", "fuzzing"];
/// Time after which no further combination is begun. All take about six minutes, and longer beside other stages.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Checks each combination, where features that another one of it turns on anyway make no difference.
pub(crate) fn check() -> Result<(), String> {
    let metadata = metadata()?;
    let begun = Instant::now();
    for package in packages(&metadata).filter(|package| LIBRARIES.contains(&name(package))) {
        let sets = combinations(package);
        println!("{}: {} combinations", name(package), sets.len());
        for set in &sets {
            if begun.elapsed() > LIMIT {
                return Err(format!("not all combinations were checked within {LIMIT:?}"));
            }
            let features = set.iter().copied().collect::<Vec<_>>().join(",");
            let package = ["rustc", "-p", name(package), "--lib", "--profile", "check", "--quiet"];
            let chosen = ["--no-default-features", "--features", &features, "--", "-D", "warnings"];
            // Flags given in this way leave the dependencies as they are, unlike RUSTFLAGS.
            Run::cargo(&[&package[..], &chosen[..]].concat()).block()?;
        }
    }
    Ok(())
}

/// The combinations of features that differ, and the one of all features.
fn combinations(package: &Value) -> Vec<BTreeSet<&str>> {
    let features = package["features"].as_object();
    let names: Vec<&str> =
        features.into_iter().flat_map(|features| features.keys()).map(String::as_str).collect();
    let public: Vec<&str> =
        names.iter().copied().filter(|name| *name != "default" && !INTERNAL.contains(name)).collect();
    let subsets = (0..1_u32 << public.len()).map(|bits| {
        let chosen = public.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
        chosen.map(|(_, name)| *name).collect::<BTreeSet<_>>()
    });
    let directly = |name: &str| -> BTreeSet<&str> {
        let list = package["features"][name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).filter(|on| names.contains(on)).collect()
    };
    let implied = |name: &str| -> BTreeSet<&str> {
        let mut found = directly(name);
        let mut left: Vec<&str> = found.iter().copied().collect();
        while let Some(name) = left.pop() {
            left.extend(directly(name).into_iter().filter(|on| found.insert(on)));
        }
        found
    };
    let is_smallest = |set: &BTreeSet<&str>| {
        set.iter().all(|name| !set.iter().any(|other| other != name && implied(other).contains(name)))
    };
    let mut sets: Vec<BTreeSet<&str>> = subsets.filter(is_smallest).collect();
    let all: BTreeSet<&str> = names.iter().copied().collect();
    if !sets.contains(&all) {
        sets.push(all);
    }
    sets
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn combinations_that_differ_are_listed_once() {
        let package = json!({"features": {
            "default": ["server"], "server": [], "axum": ["peers", "dep:x"], "peers": ["server"], "fuzzing": [],
        }});
        let sets: Vec<String> = combinations(&package)
            .iter()
            .map(|set| set.iter().copied().collect::<Vec<_>>().join("+"))
            .collect();
        // axum turns on peers, and with it server. The last one is that of all features.
        assert_eq!(sets, ["", "axum", "peers", "server", "axum+default+fuzzing+peers+server"]);
    }
}
