//! Configuration files, and the lines of their settings.

use std::collections::HashMap;
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use toml::de::DeTable;

use super::LoadError;

/// Contents of a file.
#[derive(Debug, Default)]
pub(super) struct FileSettings {
    pub(super) tree: Map<String, Value>,
    /// Line of each section and of each setting, as `section` and `section.key`.
    pub(super) lines: HashMap<String, usize>,
}

pub(super) fn read(path: &Path) -> Result<FileSettings, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<FileSettings, LoadError> {
    let syntax = |message: String| LoadError::Syntax { path: path.to_owned(), message };
    if path.extension().is_some_and(|extension| extension == "json") {
        let tree = serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?;
        Ok(FileSettings { tree, lines: json_lines(text) })
    } else {
        let table: toml::Table = toml::from_str(text).map_err(|error| syntax(toml_error(text, &error)))?;
        match serde_json::to_value(table) {
            Ok(Value::Object(tree)) => Ok(FileSettings { tree, lines: toml_lines(text) }),
            _ => Err(syntax("not a table".to_owned())),
        }
    }
}

/// Position and cause of a TOML error. The line itself is left out, because it may hold a key.
fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
    format!("TOML parse error at line {}, column {column}: {}", line_at(text, start), error.message())
}

fn line_at(text: &str, position: usize) -> usize {
    text.get(..position).unwrap_or_default().matches('\n').count() + 1
}

fn toml_lines(text: &str) -> HashMap<String, usize> {
    let mut lines = HashMap::new();
    let Ok(table) = DeTable::parse(text) else { return lines };
    for (section, settings) in table.get_ref() {
        lines.insert(section.get_ref().to_string(), line_at(text, section.span().start));
        for key in settings.get_ref().as_table().into_iter().flat_map(|it| it.keys()) {
            let name = format!("{}.{}", section.get_ref(), key.get_ref());
            lines.insert(name, line_at(text, key.span().start));
        }
    }
    lines
}

/// Lines of the values: a raw value is a slice of the text, so its address gives its position.
fn json_lines(text: &str) -> HashMap<String, usize> {
    type Raw<'a> = HashMap<String, &'a RawValue>;
    let line = |value: &RawValue| {
        line_at(text, (value.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize))
    };
    let mut lines = HashMap::new();
    for (section, settings) in serde_json::from_str::<Raw<'_>>(text).unwrap_or_default() {
        lines.insert(section.clone(), line(settings));
        for (key, value) in serde_json::from_str::<Raw<'_>>(settings.get()).unwrap_or_default() {
            lines.insert(format!("{section}.{key}"), line(value));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_line() {
        let toml = "log.level = \"warn\"\n[server]\nport = 1\n\n[api]\n# …\nkeys = [\n]\n";
        let json =
            "{\"log\": {\"level\": \"warn\"},\n\"server\": {\n\"port\": 1},\n\n\"api\": {\n\"keys\":\n[]}}";
        for (file, text, expected) in [("a.toml", toml, [1, 3, 7]), ("a.json", json, [1, 3, 7])] {
            let lines = parse(Path::new(file), text).unwrap().lines;
            let found = ["log.level", "server.port", "api.keys"].map(|name| lines[name]);
            assert_eq!(found, expected, "{file}");
        }
    }
}
