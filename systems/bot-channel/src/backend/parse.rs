//! The replies in the body of a response.

use serde_json::Value;
use socketio_server::Object;

use super::error::BackendError;
use crate::reply::Reply;

/// Replies in JSON: several, one, or none.
pub(super) fn parse(json: &[u8]) -> Result<Vec<Reply>, BackendError> {
    let json = json.trim_ascii();
    if json.is_empty() {
        return Ok(Vec::new());
    }
    let value: Value = serde_json::from_slice(json).map_err(BackendError::Reply)?;
    let replies = match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(_) => serde_json::from_value::<Vec<Object<Reply>>>(value),
        one => serde_json::from_value(one).map(|reply| vec![reply]),
    };
    let replies = replies.map_err(BackendError::Reply)?;
    Ok(replies.into_iter().map(|Object(reply)| reply).collect())
}

/// One line of a stream. Server-sent events have the prefix `data:`, and their other lines carry no data.
pub(super) fn parse_line(line: &[u8]) -> Result<Vec<Reply>, BackendError> {
    let line = line.trim_ascii();
    let about = [b"event:".as_slice(), b"id:", b"retry:", b":"];
    if about.iter().any(|prefix| line.starts_with(prefix)) {
        return Ok(Vec::new());
    }
    match line.strip_prefix(b"data:").unwrap_or(line).trim_ascii() {
        b"[DONE]" => Ok(Vec::new()),
        line => parse(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_replies_are_parsed() {
        let hi = vec![Reply::text("hi")];
        for json in [r#"{"text":"hi"}"#, r#" [{"recipient_id":"x","text":"hi"}] "#] {
            assert_eq!(parse(json.as_bytes()).unwrap(), hi);
            assert_eq!(parse_line(format!("{json}\r\n").as_bytes()).unwrap(), hi);
            assert_eq!(parse_line(format!("data: {json}\n").as_bytes()).unwrap(), hi);
        }
        for nothing in
            ["", "\n", "null", "[]", ": still there", "event: message", "id: 1", "data: [DONE]", "data:"]
        {
            assert!(parse_line(nothing.as_bytes()).unwrap().is_empty(), "{nothing}");
        }
        for wrong in [
            "hi",
            "7",
            r#"[["hi"]]"#,
            r#"{"buttons":[["x","y"]]}"#,
            r#"[{"text":7}]"#,
            r#"{"buttons":[{"title":"x"}]}"#,
        ] {
            assert!(matches!(parse_line(wrong.as_bytes()), Err(BackendError::Reply(_))), "{wrong}");
        }
    }
}
