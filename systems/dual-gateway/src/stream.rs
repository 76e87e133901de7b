//! Responses of a model: server-sent events as they arrive, or one JSON object.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use serde::Deserialize;

/// Errors of a response. The client receives the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("the model broke off")]
    BrokenOff,
    #[error("the answer of the model cannot be read")]
    Malformed,
    #[error("the answer of the model is longer than {0} bytes")]
    TooLong(usize),
    #[error("the model reported an error")]
    Reported,
}

/// Part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delta {
    /// A piece of the answer.
    Piece(String),
    /// The answer is complete; the stream may go on with other data.
    Finished,
    /// The end of the stream.
    End,
}

/// Decoder of a stream, whose size is limited.
#[derive(Debug)]
pub(crate) struct Lines {
    line: Vec<u8>,
    /// The data of the event so far.
    data: String,
    left: usize,
    limit: usize,
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Content>,
    message: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { line: Vec::new(), data: String::new(), left: limit, limit }
    }

    /// Decodes the next bytes, which may end anywhere.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Delta>, StreamError> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(StreamError::TooLong(self.limit))?;
        let mut deltas = Vec::new();
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.line_of(&line, &mut deltas)?;
            }
        }
        Ok(deltas)
    }

    fn line_of(&mut self, line: &[u8], deltas: &mut Vec<Delta>) -> Result<(), StreamError> {
        let line = std::str::from_utf8(line).map_err(|_| StreamError::Malformed)?;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            // A blank line ends an event.
            let data = std::mem::take(&mut self.data);
            return event(data.trim(), deltas);
        }
        // Other fields, and comments, which have an empty name, carry no data.
        if let Some(data) = line.strip_prefix("data:") {
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            self.data.push('\n');
        }
        Ok(())
    }
}

fn event(data: &str, deltas: &mut Vec<Delta>) -> Result<(), StreamError> {
    match data {
        "" => {}
        "[DONE]" => deltas.push(Delta::End),
        data => {
            let Some(choice) = choice(data.as_bytes())? else { return Ok(()) };
            if let Some(text) = choice.delta.and_then(|delta| delta.content).filter(|text| !text.is_empty()) {
                deltas.push(Delta::Piece(text));
            }
            if choice.finish_reason.is_some() {
                deltas.push(Delta::Finished);
            }
        }
    }
    Ok(())
}

/// The first choice; `None` if there is none, as in the event with the usage.
fn choice(json: &[u8]) -> Result<Option<Choice>, StreamError> {
    let completion: Completion = serde_json::from_slice(json).map_err(|_| StreamError::Malformed)?;
    if completion.error.is_some() {
        return Err(StreamError::Reported);
    }
    Ok(completion.choices.into_iter().next())
}

/// The answer of a response without a stream.
pub(crate) fn message(json: &[u8]) -> Result<String, StreamError> {
    let message = choice(json)?.and_then(|choice| choice.message);
    message.and_then(|message| message.content).ok_or(StreamError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> String {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\r\n\r\n")
    }

    /// The pieces are the same wherever the bytes are divided.
    #[test]
    fn streams_are_decoded_wherever_they_are_divided() {
        let stream = [
            ": a comment\n\n",
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n",
            &piece("grü"),
            &piece("ß"),
            "event: x\ndata:{\"choices\":[{\"delta\":{\"content\":\"\"},\ndata: \"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{}}\n\n",
            "data: [DONE]\n\n",
        ]
        .concat();
        let expected =
            [Delta::Piece("grü".to_owned()), Delta::Piece("ß".to_owned()), Delta::Finished, Delta::End];
        for size in 1..=stream.len() {
            let mut lines = Lines::new(stream.len());
            let chunks = stream.as_bytes().chunks(size);
            let deltas: Vec<_> = chunks.flat_map(|chunk| lines.push(chunk).unwrap()).collect();
            assert_eq!(deltas, expected, "{size}");
        }
    }

    #[test]
    fn wrong_streams_are_refused() {
        let stream = piece("hello");
        let mut lines = Lines::new(stream.len() - 1);
        assert_eq!(lines.push(stream.as_bytes()), Err(StreamError::TooLong(stream.len() - 1)));
        for (stream, error) in [
            ("data: hello\n\n", StreamError::Malformed),
            ("data: {\"choices\":[{\"delta\":7}]}\n\n", StreamError::Malformed),
            ("data: {\"error\":{\"message\":\"overloaded\"}}\n\n", StreamError::Reported),
        ] {
            assert_eq!(Lines::new(1000).push(stream.as_bytes()), Err(error), "{stream}");
        }
        assert_eq!(Lines::new(1000).push(b"data: \xff\n\n"), Err(StreamError::Malformed));
    }

    #[test]
    fn answers_without_a_stream_are_read() {
        let answer =
            br#"{"choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;
        assert_eq!(message(answer).unwrap(), "hello");
        for wrong in [&b"hello"[..], b"{}", b"{\"choices\":[]}", b"{\"choices\":[{\"message\":{}}]}"] {
            assert_eq!(message(wrong), Err(StreamError::Malformed));
        }
        assert_eq!(message(b"{\"error\":{}}"), Err(StreamError::Reported));
    }
}
