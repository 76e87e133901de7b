//! Check of a single value, and the description of the values that a setting accepts.

use serde_json::{Map, Value, json};

use crate::config::{Config, keys};

/// Settings whose values are secrets. They appear in no message.
const SECRETS: &[&str] = &[
    "api.keys",
    "auth.jwt_key",
    "auth.session_secret",
    "cluster.nats",
    "cluster.peers_key",
    "cluster.postgres",
    "cluster.redis",
    "webhooks.secrets",
];

/// Description of what is wrong with a value, for its setting and that setting's default; `None` if the type
/// of the setting accepts it.
pub(super) fn rejection(name: &str, default: &Value, value: &Value) -> Option<String> {
    let error = accept(name, value).err()?;
    let choices = choices(&error);
    let expected = if choices.is_empty() { expected(name, default) } else { keys::one_of(&choices) };
    let is_secret = SECRETS.contains(&name);
    let meant = match value {
        _ if is_secret => None,
        Value::String(text) if !choices.is_empty() => {
            keys::nearest(&text.to_lowercase(), choices.iter().map(String::as_str))
        }
        Value::String(text) => unquoted(name, default, text),
        _ => None,
    };
    // The deserializer of a type such as an address knows best what it accepts.
    let is_typed_text = choices.is_empty() && default.is_string() && value.is_string() && !is_secret;
    let expected = if is_typed_text { error } else { expected };
    Some(format!("{expected}{}", meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default()))
}

/// The values that a setting with this default accepts.
pub(super) fn expected(name: &str, default: &Value) -> String {
    match default {
        Value::Bool(_) => "true or false is expected".to_owned(),
        Value::Number(_) => {
            let limits = [u64::from(u8::MAX), u64::from(u16::MAX), u64::from(u32::MAX)];
            match limits.into_iter().find(|limit| accept(name, &json!(limit + 1)).is_err()) {
                Some(limit) => format!("a whole number from 0 to {limit} is expected"),
                None => "a whole number is expected".to_owned(),
            }
        }
        Value::Array(_) => "a list of texts is expected".to_owned(),
        Value::Object(_) => "a table is expected".to_owned(),
        Value::Null | Value::String(_) => "a text in quotes is expected".to_owned(),
    }
}

/// Deserializes the value alone, so that each wrong value of a file is found.
fn accept(name: &str, value: &Value) -> Result<(), String> {
    let (section, key) = name.split_once('.').unwrap_or((name, ""));
    let settings: Map<String, Value> = [(key.to_owned(), value.clone())].into_iter().collect();
    serde_json::from_value::<Config>(json!({ section: settings }))
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The names that serde lists in its error for an unknown name.
fn choices(error: &str) -> Vec<String> {
    let Some((_, listed)) =
        error.split_once("unknown variant `").and_then(|(_, it)| it.split_once("`, expected "))
    else {
        return Vec::new();
    };
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The value that a text was probably meant to be: a number or a switch in quotes, or one item of a list.
fn unquoted(name: &str, default: &Value, text: &str) -> Option<String> {
    let meant = match default {
        Value::Array(_) => json!([text]),
        Value::Number(_) => json!(text.trim().replace(['_', ','], "").parse::<u64>().ok()?),
        Value::Bool(_) => match text.trim().to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Value::Bool(true),
            "false" | "0" | "no" | "off" => Value::Bool(false),
            _ => return None,
        },
        _ => return None,
    };
    accept(name, &meant).ok().map(|()| match meant {
        Value::Array(_) => meant.to_string(),
        other => format!("{other}, without quotes"),
    })
}
