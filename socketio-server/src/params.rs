//! Patterns for the names of namespaces, and their parameters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The parameters that a pattern captured from the name of a namespace. Handlers can take them as an
/// argument.
///
/// ```no_run
/// # use socketio_server::{Params, Server, Socket};
/// # let io = Server::builder().build()?;
/// io.of_pattern("/tenant/{tenant}/room-{number}")?.on_connect(|socket: Socket, params: Params| async move {
///     let tenant = params.get("tenant").unwrap_or_default();
///     let number: Option<u32> = params.parse("number");
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Option<Arc<[Captured]>>);

/// Name and value of a parameter.
type Captured = (Arc<str>, Box<str>);

impl Params {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The value of a parameter, parsed as a `T`.
    pub fn parse<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// All names and values, in the order of the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|all| all.iter()).map(|(name, value)| (&**name, &**value))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Params {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self(Some(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

/// A pattern for names: text, `{name}` for a part without a slash, and a final `{*name}` for the rest.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Part(Arc<str>),
    Rest(Arc<str>),
}

/// The pattern is invalid.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// Unbalanced braces.
    #[error("unbalanced braces in a namespace pattern")]
    Braces,
    /// `{}` without a name.
    #[error("a parameter of a namespace pattern has no name")]
    Unnamed,
    /// Two adjacent parameters, whose boundary would be ambiguous.
    #[error("two parameters of a namespace pattern have no text between them")]
    Adjacent,
    /// `{*name}` before the end of the pattern.
    #[error("a parameter for the rest must be the last part of a namespace pattern")]
    RestInside,
}

/// The regular expression for the names of namespaces is invalid.
#[cfg(feature = "regex")]
#[derive(Clone, Debug, Error)]
#[error("invalid regular expression for a namespace: {0}")]
pub struct RegexError(pub(crate) Arc<str>);

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, PatternError> {
        let slash = if pattern.starts_with('/') { "" } else { "/" };
        let pattern = format!("{slash}{pattern}");
        let mut pieces = Vec::new();
        let mut rest = pattern.as_str();
        while !rest.is_empty() {
            if matches!(pieces.last(), Some(Piece::Rest(_))) {
                return Err(PatternError::RestInside);
            }
            let (text, after) = rest.split_at(rest.find(['{', '}']).unwrap_or(rest.len()));
            if !text.is_empty() {
                pieces.push(Piece::Text(text.into()));
                rest = after;
                continue;
            }
            let (name, after) = rest
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'))
                .ok_or(PatternError::Braces)?;
            if name.contains('{') {
                return Err(PatternError::Braces);
            }
            if matches!(pieces.last(), Some(Piece::Part(_))) {
                return Err(PatternError::Adjacent);
            }
            let piece = match name.strip_prefix('*') {
                Some(name) => Piece::Rest(name.into()),
                None => Piece::Part(name.into()),
            };
            if matches!(&piece, Piece::Part(name) | Piece::Rest(name) if name.is_empty()) {
                return Err(PatternError::Unnamed);
            }
            pieces.push(piece);
            rest = after;
        }
        Ok(Self(pieces))
    }

    /// The parameters, if the name matches. A part ends at the first occurrence of the text that follows it.
    pub(crate) fn capture(&self, name: &str) -> Option<Params> {
        let mut captured = Vec::new();
        let mut rest = name;
        for (at, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Text(text) => rest = rest.strip_prefix(&**text)?,
                Piece::Rest(name) => {
                    captured.push((Arc::clone(name), rest.into()));
                    rest = "";
                }
                Piece::Part(name) => {
                    let segment = rest.find('/').unwrap_or(rest.len());
                    let end = match self.0.get(at + 1) {
                        Some(Piece::Text(text)) if at + 2 == self.0.len() => {
                            rest.strip_suffix(&**text).map(str::len)?
                        }
                        Some(Piece::Text(text)) => rest.find(&**text)?,
                        Some(Piece::Part(_) | Piece::Rest(_)) | None => segment,
                    };
                    if end == 0 || end > segment {
                        return None;
                    }
                    captured.push((Arc::clone(name), rest[..end].into()));
                    rest = &rest[end..];
                }
            }
        }
        rest.is_empty().then(|| Params(Some(captured.into())))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Part(name) => write!(f, "{{{name}}}"),
            Piece::Rest(name) => write!(f, "{{*{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(pattern: &str, name: &str) -> Option<Vec<(String, String)>> {
        let params = Pattern::new(pattern).unwrap().capture(name)?;
        Some(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn captures_parts_of_a_name() {
        assert_eq!(captured("/chat", "/chat"), pairs(&[]));
        assert_eq!(captured("chat", "/chat"), pairs(&[]));
        assert_eq!(captured("/chat", "/chats"), None);
        assert_eq!(captured("/dynamic-{n}", "/dynamic-101"), pairs(&[("n", "101")]));
        assert_eq!(captured("/dynamic-{n}", "/dynamic-"), None);
        assert_eq!(captured("/dynamic-{n}", "/dynamic-1/2"), None);
        assert_eq!(
            captured("/tenant/{t}/room/{r}", "/tenant/acme/room/7"),
            pairs(&[("t", "acme"), ("r", "7")])
        );
        assert_eq!(captured("/tenant/{t}/room", "/tenant/a/b/room"), None);
        assert_eq!(captured("/{a}-{b}", "/x-y-z"), pairs(&[("a", "x"), ("b", "y-z")]));
        assert_eq!(captured("/{a}.v1", "/x.v1.v1"), pairs(&[("a", "x.v1")]));
        assert_eq!(captured("/files/{*path}", "/files/a/b/c"), pairs(&[("path", "a/b/c")]));
        assert_eq!(captured("/files/{*path}", "/files/"), pairs(&[("path", "")]));
        assert_eq!(captured("/ü{a}ß", "/üäß"), pairs(&[("a", "ä")]));
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        for (pattern, error) in [
            ("/{a", PatternError::Braces),
            ("/a}", PatternError::Braces),
            ("/{{a}", PatternError::Braces),
            ("/{}", PatternError::Unnamed),
            ("/{*}", PatternError::Unnamed),
            ("/{a}{b}", PatternError::Adjacent),
            ("/{a}{*b}", PatternError::Adjacent),
            ("/{*a}/b", PatternError::RestInside),
        ] {
            assert_eq!(Pattern::new(pattern).err(), Some(error), "{pattern}");
        }
        assert_eq!(Pattern::new("a-{b}/{*c}").unwrap().to_string(), "/a-{b}/{*c}");
    }
}
