//! Secret texts: keys, and the secrets that sign tokens. They can be compared and used, and are never shown.

use std::fmt::{self, Debug, Display, Formatter};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text shown in place of a secret. It is shorter than a valid key, so a printed configuration that is used
/// as input is rejected.
const MASK: &str = "(secret)";

/// Minimum length of a key in bytes. Shorter keys can be guessed.
pub(super) const MIN_KEY_LEN: usize = 16;

/// Secret text. `Debug`, `Display` and serialization show a mask; only [`expose`](Self::expose) returns the
/// text. An empty text is not a secret, and is shown as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret text.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Length of the text in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn shown(&self) -> &'static str {
        if self.is_empty() { "" } else { MASK }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(self.shown(), f)
    }
}

impl Display for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            // The error of the deserializer would quote the value.
            _ => Err(D::Error::custom("a text is expected")),
        }
    }
}

/// Deserializes a list of secrets. The error for other values does not quote them.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    serde_json::from_value(serde_json::Value::deserialize(deserializer)?)
        .map_err(|_| D::Error::custom("a list of texts is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        let secret = Secret::from("open sesame");
        let shown = [format!("{secret}"), format!("{secret:?}"), serde_json::to_string(&secret).unwrap()];
        assert_eq!(shown, ["(secret)", "\"(secret)\"", "\"(secret)\""]);
        assert_eq!(format!("{}", Secret::default()), "", "that there is none may be seen");
        assert_eq!((secret.expose(), secret.len()), ("open sesame", 11));
    }

    #[test]
    fn errors_do_not_quote_secrets() {
        for wrong in ["12345678", "[\"sesame\"]", "{\"sesame\": 1}", "true"] {
            let error = serde_json::from_str::<Secret>(wrong).unwrap_err().to_string();
            assert_eq!(error, "a text is expected", "{wrong}");
        }
        let mut wrong = serde_json::Deserializer::from_str("\"sesame\"");
        assert_eq!(list(&mut wrong).unwrap_err().to_string(), "a list of texts is expected");
    }
}
