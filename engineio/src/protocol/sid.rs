//! The session id: a bearer secret that authorizes every later request of a session.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A session id.
///
/// The id gives read and write access to the session. `Debug` therefore shows only its first characters. Do
/// not log it or show it to other clients.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid(Arc<str>);

impl Sid {
    /// The id of 128 random bits: 22 characters of URL-safe base64.
    pub fn from_random(bits: [u8; 16]) -> Self {
        let mut text = [0; 22];
        // 16 bytes are always 22 characters without padding.
        let len = URL_SAFE_NO_PAD.encode_slice(bits, &mut text).unwrap_or(0);
        Self(String::from_utf8_lossy(&text[..len]).into())
    }

    /// The id as in the query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Sid {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<&str> for Sid {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl Borrow<str> for Sid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(4).collect();
        write!(f, "Sid({shown}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bits_become_22_url_safe_characters() {
        let sid = Sid::from_random([0xff; 16]);
        assert_eq!(sid.as_str(), "_____________________w");
        assert_eq!(Sid::from_random([0; 16]).as_str().len(), 22);
    }

    #[test]
    fn debug_does_not_reveal_the_secret() {
        assert_eq!(format!("{:?}", Sid::from("abcdefgh")), "Sid(abcd…)");
    }
}
