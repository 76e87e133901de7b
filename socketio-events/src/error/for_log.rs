//! Errors in a form for logs: one short line, whatever the peer sent.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{ExtractError, HandlerError};

/// Maximum number of bytes of the event name.
const MAX_NAME: usize = 64;
/// Maximum number of bytes of the error text, which may contain data of the peer.
const MAX_TEXT: usize = 128;

/// See [`HandlerError::for_log`].
struct ForLog<'a, E>(&'a HandlerError<E>);

impl<E: Display> HandlerError<E> {
    /// The error for a log. The text may contain data of the peer: control characters are escaped, the
    /// event name is cut to 64 bytes and the rest to 128, and credentials are left out. [`Display`] shows
    /// everything unchanged.
    pub fn for_log(&self) -> impl Display + '_ {
        ForLog(self)
    }
}

impl<E: Display> Display for ForLog<'_, E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (event, text): (_, &dyn Display) = match self.0 {
            // serde's error text contains the value of the wrong type.
            HandlerError::Extract { event, source: ExtractError::Auth(_) } => {
                (Some(event), &"the credentials are of another type")
            }
            HandlerError::Extract { event, source } => (Some(event), source),
            HandlerError::Refused { event, refusal } => (Some(event), refusal),
            HandlerError::Failed { event, error } => (Some(event), error),
            HandlerError::Protocol(error) => (None, error),
            HandlerError::Answer(error) => (None, error),
        };
        if let Some(event) = event {
            short(f, event, MAX_NAME)?;
            f.write_str(": ")?;
        }
        short(f, &text, MAX_TEXT)
    }
}

/// Writes at most `max` bytes of a text, escaped, and an ellipsis if it was cut.
fn short(f: &mut Formatter<'_>, text: &dyn Display, max: usize) -> fmt::Result {
    let mut short = Short { f, left: max };
    match write!(short, "{text}") {
        Err(_) if short.left == 0 => f.write_str("…"),
        written => written,
    }
}

/// Writer with a limited capacity; it fails when the capacity is exhausted.
struct Short<'a, 'f> {
    f: &'a mut Formatter<'f>,
    left: usize,
}

impl fmt::Write for Short<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.len_utf8() > self.left {
                self.left = 0;
                return Err(fmt::Error);
            }
            self.left -= character.len_utf8();
            match character {
                '"' | '\'' => self.f.write_char(character)?,
                other => write!(self.f, "{}", other.escape_debug())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use socketio_parser::ArgError;

    use super::*;

    fn refused(event: &str, refusal: &str) -> String {
        let error = HandlerError::<String>::Refused { event: event.to_owned(), refusal: refusal.to_owned() };
        error.for_log().to_string()
    }

    #[test]
    fn log_texts_are_one_short_line() {
        assert_eq!(refused("an \"event\"", "too fast"), "an \"event\": too fast");
        assert_eq!(refused("a\n\u{1b}[31m\u{202e}b", "c\r"), r"a\n\u{1b}[31m\u{202e}b: c\r");
        let long = "é".repeat(500_000);
        assert_eq!(refused(&long, &long), format!("{}…: {}…", "é".repeat(32), "é".repeat(64)));
        assert_eq!(refused(&"a".repeat(64), ""), format!("{}: ", "a".repeat(64)));
        assert_eq!(refused(&"a".repeat(65), ""), format!("{}…: ", "a".repeat(64)));
    }

    #[test]
    fn credentials_are_not_shown() {
        let source = serde_json::from_str::<u8>("\"a token\"").unwrap_err();
        let source = ExtractError::Auth(ArgError::Json { index: 0, source });
        let error = HandlerError::<String>::Extract { event: "connect".to_owned(), source };
        assert!(error.to_string().contains("a token"));
        assert_eq!(error.for_log().to_string(), "connect: the credentials are of another type");
    }
}
