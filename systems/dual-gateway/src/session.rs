//! Session tokens: signed, so that nobody keeps a list of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session's id.
    pub sid: String,
    /// Who it is, if somebody has logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
}

/// Signs and checks tokens.
#[derive(Clone)]
pub struct Sessions {
    signs: EncodingKey,
    checks: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

/// A token was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Random(#[from] getrandom::Error),
    /// It cannot be signed.
    #[error("the token cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

impl Sessions {
    /// Tokens that this secret proves, good for this long.
    pub fn new(secret: &[u8], lifetime: Duration) -> Self {
        Self {
            signs: EncodingKey::from_secret(secret),
            checks: DecodingKey::from_secret(secret),
            validation: Validation::new(Algorithm::HS256),
            lifetime,
        }
    }

    /// A new session, of a user or of nobody in particular, and its token.
    pub fn acquire(&self, user: Option<String>) -> Result<(Session, String), SignError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let sid = format!("{:032x}", u128::from_le_bytes(bytes));
        let session = Session { sid, user, exp: now().saturating_add(self.lifetime.as_secs()) };
        let token = encode(&Header::new(Algorithm::HS256), &session, &self.signs)?;
        Ok((session, token))
    }

    /// What a token says, if it is a good one.
    pub fn check(&self, token: &str) -> Option<Session> {
        let session = decode::<Session>(token, &self.checks, &self.validation).ok()?.claims;
        (!session.is_over()).then_some(session)
    }
}

impl Session {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.exp <= now()
    }

    /// When it ends.
    pub fn expires_at(&self) -> String {
        // A year that no calendar has would be a session that never ends.
        let end = UNIX_EPOCH + Duration::from_secs(self.exp.min(253_402_300_799));
        humantime::format_rfc3339_seconds(end).to_string()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_good_for_those_who_know_the_secret_and_for_their_time() {
        let sessions = Sessions::new(b"sesame", Duration::from_secs(3600));
        let (session, token) = sessions.acquire(Some("ada".to_owned())).unwrap();
        assert_eq!(sessions.check(&token), Some(session.clone()));
        assert_ne!(sessions.acquire(None).unwrap().0.sid, session.sid);
        assert_eq!(Sessions::new(b"guess", Duration::from_secs(3600)).check(&token), None);
        assert_eq!(sessions.check(&token[..token.len() - 1]), None);
        assert_eq!(sessions.check(""), None);
        let over = Sessions::new(b"sesame", Duration::ZERO).acquire(None).unwrap().1;
        assert_eq!(sessions.check(&over), None);
    }

    #[test]
    fn the_end_is_written_for_people() {
        let session = |exp| Session { sid: String::new(), user: None, exp }.expires_at();
        assert_eq!(session(0), "1970-01-01T00:00:00Z");
        assert_eq!(session(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
