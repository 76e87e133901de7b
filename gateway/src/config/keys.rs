//! Names of the known settings, derived from the serialized defaults.

use serde_json::{Map, Value};

/// Minimum similarity of an unknown key to a known one for a suggestion, by Jaro-Winkler (0 to 1).
const ALIKE: f64 = 0.7;

/// Unknown key, with the known key that is most similar to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) key: String,
    pub(super) near: Option<String>,
}

/// Names of all settings, as `section.key`.
pub(super) fn all(template: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    for (section, settings) in template {
        names.extend(
            settings.as_object().into_iter().flat_map(|it| it.keys()).map(|key| format!("{section}.{key}")),
        );
    }
    names
}

/// Keys of `given` that the template does not contain.
pub(super) fn unknown(template: &Map<String, Value>, given: &Map<String, Value>) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    for (section, settings) in given {
        let Some(known) = template.get(section).and_then(Value::as_object) else {
            // A key without its section heading gets a suggestion with its section.
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

/// Full name of the setting with this key, in any section.
pub(super) fn elsewhere(template: &Map<String, Value>, key: &str) -> Option<String> {
    all(template).into_iter().find(|name| name.split_once('.').is_some_and(|(_, own)| own == key))
}

/// Known name that is most similar to `name`, if one is similar enough.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let rated = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = rated.filter(|(alike, _)| *alike >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, known)| known.to_owned())
}

/// Names as a sentence: `a, b or c is expected`.
pub(super) fn one_of<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => format!("{only} is expected"),
        [others @ .., last] => format!("{} or {last} is expected", others.join(", ")),
    }
}
