//! The keys that there are: those of the defaults, written out as a tree.

use serde_json::{Map, Value};

/// How alike a key has to be for us to ask whether it was meant.
const ALIKE: f64 = 0.7;

/// A key that nobody knows, and the known one that looks most like it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) key: String,
    pub(super) near: Option<String>,
}

/// The names of all settings, `section.key`.
pub(super) fn all(template: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    for (section, settings) in template {
        names.extend(
            settings.as_object().into_iter().flat_map(|it| it.keys()).map(|key| format!("{section}.{key}")),
        );
    }
    names
}

/// The keys of `given` that are not in the template.
pub(super) fn unknown(template: &Map<String, Value>, given: &Map<String, Value>) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    for (section, settings) in given {
        let Some(known) = template.get(section).and_then(Value::as_object) else {
            // Somebody who forgot the section's heading should hear of the key's real place.
            let near = nearest(section, template.keys().map(String::as_str))
                .or_else(|| elsewhere(template, section));
            unknown.push(Unknown { key: section.clone(), near });
            continue;
        };
        for key in settings.as_object().into_iter().flat_map(|it| it.keys()) {
            if !known.contains_key(key) {
                let near =
                    nearest(key, known.keys().map(String::as_str)).map(|near| format!("{section}.{near}"));
                unknown.push(Unknown { key: format!("{section}.{key}"), near });
            }
        }
    }
    unknown
}

/// The setting of this name in whatever section.
pub(super) fn elsewhere(template: &Map<String, Value>, key: &str) -> Option<String> {
    all(template).into_iter().find(|name| name.split_once('.').is_some_and(|(_, own)| own == key))
}

/// Of these names the one that looks most like `name`, if any does.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let rated = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = rated.filter(|(alike, _)| *alike >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, known)| known.to_owned())
}
