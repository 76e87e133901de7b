//! The sample file with given settings in place of their defaults.

use serde_json::{Map, Value};

/// Replaces the values of the sample file by those of the tree, and keeps its comments.
pub(crate) fn with(tree: &Map<String, Value>) -> String {
    let mut section = "";
    let mut text = String::new();
    for line in crate::SAMPLE_CONFIG.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        }
        let key = line.split_once(" = ").map(|(key, _)| key.strip_prefix("# ").unwrap_or(key));
        match key.and_then(|key| Some((key, toml_value(tree.get(section)?.get(key)?)?))) {
            Some((key, value)) => text.push_str(&format!("{key} = {value}")),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn toml_value(value: &Value) -> Option<String> {
    toml::Value::try_from(value).ok().map(|value| value.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn given_settings_replace_defaults_and_comments_stay() {
        assert_eq!(with(&Map::new()), crate::SAMPLE_CONFIG);
        let tree = json!({"server": {"port": 9123}, "origins": {"allowed": ["https://a.test"]}});
        let text = with(tree.as_object().unwrap());
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!((config.server.port, config.origins.allowed), (9123, vec!["https://a.test".to_owned()]));
        let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
        assert_eq!(comments(&text), comments(crate::SAMPLE_CONFIG));
    }
}
